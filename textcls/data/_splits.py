"""Splitting rows off so that every class keeps its share, the same way for the same seed."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_LARGEST_SHARE = 0.1
_HASHED = 16_384  # texts at a time
_MANY = 100_000  # texts from which on a compiled hash pays


def stratified(
    labels: npt.NDArray[np.int64], fraction: float, seed: int, *, stream: int
) -> npt.NDArray[np.bool_]:
    """Choose about the same share of the rows of every class.

    The number of all chosen rows is `fraction` of the rows, rounded; the classes' shares are
    rounded by largest remainder, ties to the lower label. Each class keeps at least one row.

    Args:
        labels: int64 (rows,), from 0.
        fraction: Above 0 and below 1.
        seed: The same seed chooses the same rows.
        stream: Tells apart splits that are drawn with the same seed.

    Returns:
        Which are chosen, bool (rows,).
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


def text_codes(texts: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Number texts (rows,) so that equal ones, apart from case and blanks at the ends, agree.

    They are numbered as they come, so that the numbers do not depend on the process's own hashes.
    """
    # By 64-bit hashes: a dictionary of all texts is another copy of them, and Arrow's ends at 2 GB.
    # Two of 2,000,000 texts share a hash once in 10 million files.
    if len(texts) < _MANY:
        hashes = _python_hashes(texts)
    else:
        from textcls.data._text_hashes import hash_texts  # late: numba takes half a second

        hashes = hash_texts(texts)
    ordered = np.sort(hashes)
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(again):
        return np.arange(len(hashes))
    place = np.minimum(np.searchsorted(again, hashes), len(again) - 1)
    rows = np.flatnonzero(again[place] == hashes)
    _, first, group = np.unique(place[rows], return_index=True, return_inverse=True)
    is_first = np.ones(len(hashes), np.bool_)
    is_first[rows] = False
    is_first[rows[first]] = True
    codes: npt.NDArray[np.int64] = np.cumsum(is_first) - 1
    codes[rows] = codes[rows[first]][group]
    return codes


def _python_hashes(texts: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    hashes: list[int] = []
    for start in range(0, len(texts), _HASHED):
        plain = pc.utf8_lower(pc.utf8_trim_whitespace(texts.slice(start, _HASHED)))
        hashes += map(hash, plain.cast(pa.binary()).to_pylist())
    return np.array(hashes, np.int64)


def kept_together(
    texts: pa.ChunkedArray, labels: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], int]:
    """Put equal texts on the side of the first of them.

    Not where that would choose every row of a class, or a text that stands there so often that it
    alone is a tenth of the chosen rows: those stay unchosen.

    Args:
        texts: A column of strings.
        labels: int64 (rows,), from 0.
        chosen: Which rows are split off, bool (rows,).

    Returns:
        Which rows are to be split off instead, and how many have changed sides. Without equal texts
        nothing changes.
    """
    codes = text_codes(texts)
    counts = np.bincount(codes)
    if counts.max(initial=0) < 2:
        return chosen, 0
    _, first = np.unique(codes, return_index=True)
    wanted = chosen[first] & ((counts < 2) | (counts <= _LARGEST_SHARE * chosen.sum()))
    together = wanted[codes]
    left = np.bincount(labels[~together], minlength=labels.max() + 1)
    emptied = np.flatnonzero(left == 0)
    together &= ~np.isin(codes, codes[np.isin(labels, emptied)])
    if not together.any():  # a few texts, over and over
        return chosen, 0
    return together, int((together != chosen).sum())
