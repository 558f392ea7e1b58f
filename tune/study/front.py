"""The front of a search with two objectives: the trials that no other one dominates."""

from collections.abc import Iterable, Sequence

from tune import pareto
from tune.config.metrics import cost_words
from tune.formatting import counted
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


def spread_over(front: Sequence[Chain], cost: str, count: int) -> list[Chain]:
    """Return some chains of a front, its most valuable one first and then always the farthest.

    Args:
        front: As `front_chains` returns it.
        cost: The name of the cost.
        count: How many, at most as many as there are.
    """
    known = {chain.origin: chain for chain in front}
    points = {
        origin: (chain.furthest.value or 0.0, cost_of(chain.furthest, cost) or 1.0)
        for origin, chain in known.items()
    }
    return [known[origin] for origin in pareto.spread_out([*known], points, count)]


def front_of(records: Iterable[TrialRecord], cost: str) -> list[TrialRecord]:
    """Return the trials on the front, the cheapest first, so the most accurate one is the last.

    Args:
        records: All trials of a search.
        cost: The name of the cost.
    """
    return [chain.furthest for chain in front_chains(chains_of(records), cost)]


def front_ends(front: Sequence[TrialRecord], cost: str) -> str:
    """Say how far a front reaches: its cheapest and its most accurate trial.

    Args:
        front: Its trials, the cheapest first (`front_of`).
        cost: The name of the cost.

    Returns:
        A phrase such as "3 trials: 0.9022 with 6,336 operations a token (trial 5) to ..."; empty
        where no trial has reported.
    """
    ends = [
        f"{each.value or 0.0:.4f} with {cost_of(each, cost) or 0.0:,.0f} {cost_words(cost)} "
        f"(trial {each.number})"
        for each in (*front[:1], *front[1:][-1:])
    ]
    return f"{counted(len(front), 'trial')}: {' to '.join(ends)}" if ends else ""
