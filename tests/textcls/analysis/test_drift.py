"""Drift is called beyond chance only, and only where it matters."""

import numpy as np
import pytest

from textcls.analysis.drift import Measured, find_drift, joined, make_reference
from textcls.runtime.bundle_files import Reference

NAMES = ("a", "b", "c")
EVEN = (0.5, 0.3, 0.2)


def drawn(seed: int, texts: int, *, longer: float = 1.0, shares: tuple[float, ...] = EVEN,
          unseen: float = 0.03, sure: float = 5.0) -> Measured:  # fmt: skip
    """What could be measured of made-up texts."""
    rng = np.random.default_rng(seed)
    lengths = np.maximum(1, rng.gamma(4.0, 5.0 * longer, texts)).astype(np.int64)
    return Measured(
        lengths,
        rng.binomial(lengths, unseen) / lengths,
        rng.beta(sure, 1.0, texts),
        rng.multinomial(texts, shares),
    )


def names_of_drifted(reference: Reference, measured: Measured) -> list[str]:
    return [each.name for each in find_drift(reference, measured, NAMES) if each.drifted]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return make_reference(drawn(0, 3000), split="test", known_words=9)


@pytest.mark.parametrize("texts", [30, 200, 5000])
def test_texts_of_the_same_kind_pass(reference: Reference, texts: int) -> None:
    alarms = [names_of_drifted(reference, drawn(seed, texts)) for seed in range(1, 101)]
    assert sum(map(bool, alarms)) <= 2  # a check has a chance of at most 0.004 to be wrong


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"longer": 3.0}, "tokens in a text"),
        ({"unseen": 0.6}, "words that train lacks"),
        ({"shares": (0.05, 0.15, 0.8)}, "texts predicted as c"),
        ({"sure": 1.0}, "mean confidence"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_change_is_told_by_its_measure(
    reference: Reference, change: dict[str, float], name: str
) -> None:
    for texts in (60, 2000):
        assert names_of_drifted(reference, drawn(1, texts, **change)) == [name]  # type: ignore[arg-type]


def test_a_small_difference_does_not_matter_however_many_texts_there_are() -> None:
    reference = make_reference(drawn(0, 200_000), split="test", known_words=9)
    slightly = drawn(1, 200_000, longer=1.15, shares=(0.48, 0.31, 0.21), unseen=0.04)
    found = find_drift(reference, slightly, NAMES)
    assert not [each.name for each in found if each.drifted]
    assert all(each.amount > 1e-4 for each in found[:3])


def test_fewer_unseen_words_are_no_drift(reference: Reference) -> None:
    assert names_of_drifted(reference, drawn(1, 2000, unseen=0.0)) == []


def test_too_few_texts_are_refused(reference: Reference) -> None:
    with pytest.raises(ValueError, match="at least 30 texts, but there are 29"):
        find_drift(reference, drawn(1, 29), NAMES)


def test_portions_joined_are_the_whole() -> None:
    a, b = drawn(1, 50), drawn(2, 70)
    both = joined([a, b])
    assert both.texts == 120
    assert both.predicted.sum() == 120
    assert both.lengths.tolist() == [*a.lengths.tolist(), *b.lengths.tolist()]


def test_values_that_are_all_the_same_make_a_reference() -> None:
    same = Measured(np.full(40, 3), np.zeros(40), np.ones(40), np.array([40, 0, 0]))
    made = make_reference(same, split="test", known_words=2)
    assert made.lengths.edges == (3.0,)
    assert [each.drifted for each in find_drift(made, same, NAMES)] == [False] * 4
