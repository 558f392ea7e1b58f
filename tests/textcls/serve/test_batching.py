"""Requests that come while the thread predicts are predicted together."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from textcls.serve._batching import TEXTS_TOGETHER, MicroBatcher
from textcls.serve._errors import RequestError
from textcls.serve._metrics import ServeMetrics


class SlowPredictor:
    """Predicts a text's length once it may, and remembers the batches."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.has_begun = threading.Event()
        self.batches: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        self.batches.append(list(texts))
        self.has_begun.set()
        assert self.may_go.wait(60)
        if "fault" in texts:
            raise ArithmeticError
        return np.array([[len(text)] for text in texts], np.float32)


def batcher(predictor: SlowPredictor, waiting: int = 100_000) -> MicroBatcher:
    return MicroBatcher(predictor, ServeMetrics(["a"], "1"), waiting)


async def first_batch(made: MicroBatcher, predictor: SlowPredictor, *texts: str) -> Any:
    """Begin a request and return once the thread works on it."""
    task = asyncio.create_task(made.probabilities(texts))
    await asyncio.to_thread(predictor.has_begun.wait, 60)
    return task


def test_what_comes_meanwhile_is_one_batch_and_each_gets_its_own_rows() -> None:
    predictor = SlowPredictor()

    async def ask() -> list[Any]:
        made = batcher(predictor)
        first = await first_batch(made, predictor, "a")
        others = [asyncio.create_task(made.probabilities(["b" * n, "c"])) for n in range(2, 5)]
        await asyncio.sleep(0)
        predictor.may_go.set()
        return [rows.tolist() for rows in await asyncio.gather(first, *others)]

    assert asyncio.run(ask()) == [[[1]], [[2], [1]], [[3], [1]], [[4], [1]]]
    assert predictor.batches == [["a"], ["bb", "c", "bbb", "c", "bbbb", "c"]]


def test_a_batch_is_bounded() -> None:
    predictor = SlowPredictor()

    async def ask() -> None:
        made = batcher(predictor)
        first = await first_batch(made, predictor, "a")
        half = ["b"] * (TEXTS_TOGETHER // 2)
        others = [asyncio.create_task(made.probabilities(half)) for _ in range(3)]
        await asyncio.sleep(0)
        predictor.may_go.set()
        await asyncio.gather(first, *others)

    asyncio.run(ask())
    assert [len(each) for each in predictor.batches] == [1, TEXTS_TOGETHER, TEXTS_TOGETHER // 2]


def test_a_fault_is_told_to_its_own_request_only() -> None:
    predictor = SlowPredictor()

    async def ask() -> list[Any]:
        made = batcher(predictor)
        first = await first_batch(made, predictor, "a")
        others = [asyncio.create_task(made.probabilities([t])) for t in ("bb", "fault", "ccc")]
        await asyncio.sleep(0)
        predictor.may_go.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    _, good, bad, other = asyncio.run(ask())
    assert (good.tolist(), other.tolist()) == ([[2]], [[3]])
    assert isinstance(bad, ArithmeticError)


def test_texts_beyond_those_that_may_wait_are_refused_and_abandoned_ones_not_predicted() -> None:
    predictor = SlowPredictor()

    async def ask() -> RequestError:
        made = batcher(predictor, waiting=3)
        first = await first_batch(made, predictor, "a")
        patient = asyncio.create_task(made.probabilities(["b", "b"]))
        hurried = asyncio.create_task(made.probabilities(["c"]))
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="3 texts wait already") as refused:
            await made.probabilities(["d"])
        hurried.cancel()
        await asyncio.sleep(0)
        predictor.may_go.set()
        await asyncio.gather(first, patient)
        return refused.value

    assert asyncio.run(ask()).status == 503
    assert predictor.batches == [["a"], ["b", "b"]]
