"""Splitting rows off so that every class keeps its share, the same way for the same seed."""

import numpy as np
import numpy.typing as npt


def stratified(
    labels: npt.NDArray[np.int64], fraction: float, seed: int, *, stream: int
) -> npt.NDArray[np.bool_]:
    """Choose about `fraction` of the rows of every class; return a mask (rows,) of the chosen.

    The number of all chosen rows is `fraction` of the rows, rounded; the classes' shares are
    rounded by largest remainder, ties to the lower label. Each class keeps at least one row.
    `stream` tells apart splits that are drawn with the same seed.
    """
    counts = np.bincount(labels)
    quota = _quota(counts, fraction)
    order = np.random.Generator(np.random.PCG64([seed, stream])).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by class, shuffled within
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    chosen[order[rank < np.repeat(quota, counts)]] = True
    return chosen


def _quota(counts: npt.NDArray[np.int64], fraction: float) -> npt.NDArray[np.int64]:
    """Rows to choose of each class."""
    exact = counts * fraction
    quota = np.floor(exact).astype(np.int64)
    remainder = np.argsort(quota - exact, kind="stable")  # largest remainder first
    quota[remainder[: round(float(counts.sum()) * fraction) - int(quota.sum())]] += 1
    capped: npt.NDArray[np.int64] = np.minimum(quota, np.maximum(counts - 1, 0))
    return capped
