"""Predict the texts of concurrent requests together.

A thread predicts; while it does, further requests gather, and what has gathered goes to it as one
batch once it is free. So a request that comes alone waits for nothing, and no time to wait has to
be chosen.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from textcls.serve._errors import RequestError
from textcls.serve._metrics import ServeMetrics

Array = np.ndarray[Any, Any]
Predict = Callable[[Sequence[str]], Array]
TEXTS_TOGETHER = 1024
"""Texts of a batch: requests are added until it has as many; bounds how long the next one waits."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    texts: Sequence[str]
    answer: asyncio.Future[Array]


class MicroBatcher:
    """Gather the texts of concurrent requests into batches for one thread.

    Belongs to one event loop.

    Args:
        predict: Returns probabilities (texts, classes); called in another thread.
        metrics: Are told of each batch.
        waiting_texts: Texts that may wait at most.
    """

    def __init__(self, predict: Predict, metrics: ServeMetrics, waiting_texts: int) -> None:
        self._predict = predict
        self._metrics = metrics
        self._most = waiting_texts
        self._queue: deque[_Waiting] = deque()
        self._count = 0
        self._is_busy = False
        self._thread = ThreadPoolExecutor(1, "predict")

    async def probabilities(self, texts: Sequence[str]) -> Array:
        """Return probabilities, float32 (texts, classes).

        Raises:
            RequestError: Too many texts wait already (503).
        """
        if self._count and self._count + len(texts) > self._most:
            raise RequestError(
                503,
                "busy",
                f"{self._count:,} texts wait already; try again in a moment",
                headers={"retry-after": "1"},
            )
        loop = asyncio.get_running_loop()
        waiting = _Waiting(texts, loop.create_future())
        self._queue.append(waiting)
        self._set_count(self._count + len(texts))
        if not self._is_busy:
            self._is_busy = True
            loop.call_soon(self._next_batch)  # with what else arrives in this turn of the loop
        return await waiting.answer

    def close(self) -> None:
        """End the thread once it has predicted what it works on."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _set_count(self, count: int) -> None:
        self._count = count
        self._metrics.waiting_texts = count

    def _next_batch(self) -> None:
        batch = self._take()
        self._is_busy = bool(batch)
        if batch:
            task = asyncio.get_running_loop().run_in_executor(self._thread, self._work, batch)
            task.add_done_callback(lambda done: self._answer(batch, done))

    def _take(self) -> list[_Waiting]:
        """Take requests off the queue; those whose time was over meanwhile are left out."""
        batch: list[_Waiting] = []
        texts = 0
        while self._queue and texts < TEXTS_TOGETHER:
            waiting = self._queue.popleft()
            self._set_count(self._count - len(waiting.texts))
            if not waiting.answer.done():
                batch.append(waiting)
                texts += len(waiting.texts)
        return batch

    def _work(self, batch: Sequence[_Waiting]) -> list[Array | Exception]:
        """Predict a batch, in the thread; one request's fault is not the others'."""
        try:
            rows = self._predict([text for each in batch for text in each.texts])
        except Exception as error:
            if len(batch) == 1:
                return [error]
            return [self._work([each])[0] for each in batch]
        ends = np.cumsum([len(each.texts) for each in batch])
        return list(np.split(rows, ends[:-1]))

    def _answer(
        self, batch: Sequence[_Waiting], done: "asyncio.Future[list[Array | Exception]]"
    ) -> None:
        self._next_batch()
        self._metrics.add_batch(sum(len(each.texts) for each in batch))
        for waiting, found in zip(batch, done.result(), strict=True):
            if waiting.answer.done():
                continue
            if isinstance(found, Exception):
                waiting.answer.set_exception(found)
            else:
                waiting.answer.set_result(found)
