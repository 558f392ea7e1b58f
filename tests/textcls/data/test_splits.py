from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from textcls.data._splits import stratified
from textcls.data.dataset import Split

LABELS = np.repeat([2, 0, 1], [500, 30, 1])


@pytest.mark.parametrize("fraction", [0.01, 0.1, 1 / 3, 0.5, 0.99])
def test_every_class_keeps_its_share_and_one_row(fraction: float) -> None:
    labels = np.random.default_rng(7).permutation(LABELS)
    chosen = stratified(labels, fraction, 0, stream=0)
    taken, left = np.bincount(labels[chosen], minlength=3), np.bincount(labels[~chosen])
    exact = np.array([30, 1, 500]) * fraction
    assert (np.abs(taken - exact) <= 1).all()
    assert (left >= 1).all()
    assert abs(int(chosen.sum()) - 531 * fraction) <= 2  # the lone row of its class stays


def test_the_seed_and_the_stream_decide() -> None:
    def draw(seed: int, stream: int) -> list[bool]:
        chosen: list[bool] = stratified(LABELS, 0.3, seed, stream=stream).tolist()
        return chosen

    assert draw(1, 0) == draw(1, 0)
    assert draw(1, 0) != draw(2, 0)
    assert draw(1, 0) != draw(1, 1)


def test_the_same_rows_are_drawn_on_every_machine() -> None:
    chosen = stratified(np.arange(20) % 2, 0.25, 0, stream=0)
    assert np.flatnonzero(chosen).tolist() == [2, 4, 6, 13, 19]


def test_the_rows_chosen_do_not_depend_on_their_place() -> None:
    chosen = stratified(np.zeros(10_000, dtype=np.int64), 0.5, 0, stream=0)
    assert 2_350 < chosen[:5_000].sum() < 2_650


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
def test_every_so_many_texts_of_several_chunks(step: int) -> None:
    texts = [f"text {i}" for i in range(20)]
    bounds = [0, 4, 4, 9, 10, 20]
    chunks = [pa.array(texts[a:b], pa.string()) for a, b in pairwise(bounds)]
    split = Split(pa.chunked_array(chunks), np.zeros(20, np.int64))
    assert split.every(step).to_pylist() == texts[::step]
