"""The front of a search with two objectives: the trials that no other one dominates."""

from collections.abc import Iterable

from tune import pareto
from tune.study.records import Chain, TrialRecord, chains_of


def cost_of(record: TrialRecord, cost: str) -> float | None:
    """Return what a trial costs; None for one that has reported nothing.

    Args:
        record: The trial.
        cost: The name of the cost, as in what trials report.
    """
    return record.curve[-1].get(cost) if record.curve else None


def front_chains(chains: Iterable[Chain], cost: str) -> list[Chain]:
    """Return the chains on the front, the cheapest first; of equal ones the first.

    Args:
        chains: In any order; those without a classifier are left out.
        cost: The name of the cost, as in what trials report.
    """
    points: dict[int, pareto.Point] = {}
    known: dict[int, Chain] = {}
    for chain in chains:
        found = chain.candidate
        price = None if found is None else cost_of(found, cost)
        if found is not None and found.value is not None and price is not None:
            points[chain.origin], known[chain.origin] = (found.value, price), chain
    numbers = pareto.front_numbers([*points.values()])
    first = [origin for origin, number in zip(points, numbers, strict=True) if number == 0]
    distinct = {points[origin]: origin for origin in sorted(first, reverse=True)}
    ordered = sorted(distinct.values(), key=lambda origin: points[origin][1])
    return [known[origin] for origin in ordered]


def front_of(records: Iterable[TrialRecord], cost: str) -> list[TrialRecord]:
    """Return the trials on the front, the cheapest first, so the most accurate one is the last.

    Args:
        records: All trials of a search.
        cost: The name of the cost.
    """
    return [chain.furthest for chain in front_chains(chains_of(records), cost)]
