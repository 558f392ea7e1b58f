"""Mutations of what people hand in end in something valid or in an error of ours."""

from typing import Any

import fuzz_parts
import pytest
import stranger_parts
from hypothesis import HealthCheck, given, settings

CASES = {"run folders": 50, "run folders by structure": 10}
FEW = 200
KINDS = fuzz_parts.KINDS | stranger_parts.KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_case_ends_well(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    strategy, check = KINDS[kind]
    ends = set()

    @settings(
        max_examples=CASES.get(kind, FEW),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(strategy)
    def run(case: Any) -> None:
        ends.add(check(case))

    run()
    assert len(ends) > 1 or kind == "run folders by structure"  # some are refused, and not all


def test_a_mutation_changes_what_it_says() -> None:
    assert fuzz_parts.mutated(b"abcd", [("insert", 0.5, 0.5, b"X")]) == b"abXcd"
    assert fuzz_parts.mutated(b"abcd", [("cut", 0.0, 0.5, b"")]) == b"ab"
    assert fuzz_parts.mutated(b"a\nb\n", [("swap", 0.0, 0.6, b"")]) == b"b\na\n"
