"""Predict the labels of many texts in a stream: from portions to columns, on several cores.

The texts of a file never lie in memory together. Portions are predicted by threads, since the
compiled programs run outside of Python's lock, and come out in their order.
"""

import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

import numpy as np

from textcls.data.tables.reading import Portion, Table, open_table
from textcls.data.tables.writing import open_writer
from textcls.exceptions import DataError

LABEL, PROBABILITY, LABELS = "label", "probability", "labels"
PORTION = 2048
"""Rows that are read, predicted and written together by default."""
_SWITCH_S = 1e-4
_AHEAD = 2  # portions that may wait for each thread

Item = TypeVar("Item")


class TextPredictor(Protocol):
    """A loaded classifier, such as `textcls.runtime.predictor.Predictor`."""

    label_names: tuple[str, ...]
    about: Mapping[str, Any]

    def probabilities(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return the probability of each class for each text; called from several threads at once.

        Args:
            texts: The texts of a portion, none of them None; an empty text is allowed.

        Returns:
            float (texts, classes), in the order of `label_names`; each row sums to 1.
        """


@dataclass(frozen=True, slots=True)
class Choice:
    """What is told of each text.

    top: how many labels, the most probable first. threshold: below this probability of the best
    label, `below` is told in its place. everything: whether the probability of every label is told.
    least: the probability from which on a label belongs to the set of labels that is told, the most
    probable one in any case (`textcls.calibration.conformal`); None tells no set.

    Raises:
        ValueError: `top` is not positive, or only one of `threshold` and `below` is given.
    """

    top: int = 1
    threshold: float | None = None
    below: str | None = None
    everything: bool = False
    least: float | None = None

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError(f"--top: must be at least 1, but is {self.top}")
        if (self.threshold is None) != (self.below is None):
            raise ValueError(
                "--threshold P and --below LABEL belong together: below the probability P, LABEL "
                "is told in place of the most probable label"
            )
        if self.threshold is not None and not 0.0 <= self.threshold <= 1.0:
            raise ValueError(f"--threshold: must lie between 0 and 1, but is {self.threshold:g}")

    def names(self, label_names: Sequence[str]) -> list[str]:
        """Return the names of the columns that `columns` makes.

        Args:
            label_names: All classes, in the order of the probabilities. With fewer of them than
                `top`, only as many are told.

        Returns:
            `label`, `probability`, `label_2`, `probability_2`, ..., then `probability_NAME` for
            every class where `everything` is set.

        Example:
            >>> Choice(top=2).names(["sport", "business", "world"])
            ['label', 'probability', 'label_2', 'probability_2']
        """
        found = []
        for i in range(min(self.top, len(label_names))):
            end = "" if i == 0 else f"_{i + 1}"
            found += [LABEL + end, PROBABILITY + end]
        if self.least is not None:
            found.append(LABELS)
        if self.everything:
            found += [f"{PROBABILITY}_{name}" for name in label_names]
        return found

    def columns(self, rows: np.ndarray[Any, Any], label_names: Sequence[str]) -> list[list[Any]]:
        """Return the values of the new columns, in the order of `names`.

        Args:
            rows: Probabilities, (texts, classes).
            label_names: The classes, in the order of the probabilities.

        Returns:
            A list of values for each column, each with one value a text: labels and floats. Between
            equal probabilities the class that comes first in `label_names` is told first.
        """
        order = np.argsort(-rows, axis=1, kind="stable")[:, : self.top]
        found: list[list[Any]] = []
        for place in order.T:
            sure = np.take_along_axis(rows, place[:, None], axis=1)[:, 0]
            labels = [label_names[i] for i in place.tolist()]
            if not found and self.threshold is not None and self.below is not None:
                weak = (sure < self.threshold).tolist()
                labels = [self.below if w else each for w, each in zip(weak, labels, strict=True)]
            found += [labels, sure.tolist()]
        if self.least is not None:
            found.append(_sets(rows, label_names, self.least))
        if self.everything:
            found += [column.tolist() for column in rows.T]
        return found


def _sets(rows: np.ndarray[Any, Any], label_names: Sequence[str], least: float) -> list[str]:
    """Return each text's labels from a probability on, the most probable first, as a JSON list."""
    order = np.argsort(-rows, axis=1, kind="stable")
    counts = np.maximum((rows >= least).sum(axis=1), 1)
    return [
        json.dumps([label_names[i] for i in places[:count].tolist()], ensure_ascii=False)
        for places, count in zip(order, counts.tolist(), strict=True)
    ]


def free_names(wanted: Sequence[str], taken: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names for new columns that the table does not have, and what there is to say of them.

    Args:
        wanted: The names that the new columns would have.
        taken: The names of the table's own columns.

    Returns:
        A free name for each wanted one (`predicted_label`, then `predicted_label_2`, ...), and a
        sentence for each that is not the wanted one.

    Example:
        >>> free_names(["label", "probability"], ["text", "label"])[0]
        ['predicted_label', 'probability']
    """
    found: list[str] = []
    for name in wanted:
        free = name if name not in taken else f"predicted_{name}"
        number = 2
        while free in taken or free in found:
            free = f"predicted_{name}_{number}"
            number += 1
        found.append(free)
    renamed = [(a, b) for a, b in zip(wanted, found, strict=True) if a != b]
    said = [
        f"the table has a column {old!r}, so the new one is called {new!r}" for old, new in renamed
    ]
    return found, said


def predict_file(
    predictor: TextPredictor,
    source: Path,
    out: Path,
    choice: Choice,
    *,
    columns: Sequence[str] | None = None,
    encoding: str | None = None,
    portion: int = PORTION,
    jobs: int | None = None,
    say: Callable[[str], None] = print,
    progress: Callable[[int, int | None], None] | None = None,
) -> int:
    """Predict the texts of a file and write its rows with new columns to another.

    Args:
        predictor: The classifier.
        source: CSV, TSV, JSON lines, Parquet, or a text on each line; also with `.gz` behind it.
        out: The file to write, which appears when it is whole; its ending says its kind.
        choice: What is told of each text.
        columns: The columns that make the text; by default those of the training, else guessed.
        encoding: The encoding of the source; by default told by its content.
        portion: Rows that are worked on together.
        jobs: Threads that predict; by default the cores at hand.
        say: Gets each notice.
        progress: Called after each portion with the rows done and their total, where it is known.

    Returns:
        The number of rows.

    Raises:
        DataError: A file cannot be read or written; nothing is left of `out` then.
    """
    if out.exists() and source.exists() and out.samefile(source):
        raise DataError(f"{out}: is the input itself; name another file for the output")
    with TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as scratch:
        table = open_table(
            source,
            Path(scratch),
            columns=columns,
            trained=trained_columns(predictor),
            encoding=encoding,
        )
        names, renamed = free_names(choice.names(predictor.label_names), table.names)
        for sentence in (*table.notices, *renamed):
            say(sentence)
        done, blank = 0, 0
        with open_writer(out, table) as writer:
            for each, rows in predicted(predictor, table, portion, jobs):
                told = choice.columns(rows, predictor.label_names)
                writer.write(each, dict(zip(names, told, strict=True)))
                done += len(each.texts)
                blank += sum(not text.strip() for text in each.texts)
                if progress is not None:
                    progress(done, table.count)
    if blank:
        say(f"{source}: {blank:,} rows have no text; their labels are those of an empty text")
    return done


def predicted(
    predictor: TextPredictor, table: Table, portion: int, jobs: int | None
) -> Iterator[tuple[Portion, np.ndarray[Any, Any]]]:
    """Yield the portions of a table with their probabilities, in the table's order.

    Args:
        predictor: The classifier; threads share it.
        table: Where the texts come from.
        portion: Rows that are predicted together.
        jobs: Threads; None is one for each core that this process may use.

    Yields:
        A portion and its probabilities, (rows, classes).

    Raises:
        DataError: A row of the table cannot be read; the message names it.
    """
    yield from in_order(
        lambda each: predictor.probabilities(each.texts), table.portions(portion), jobs
    )


def in_order(
    work: Callable[[Item], np.ndarray[Any, Any]], items: Iterator[Item], jobs: int | None
) -> Iterator[tuple[Item, np.ndarray[Any, Any]]]:
    """Yield each item with what `work` returns for it, in order, by several threads.

    Only a few items are read ahead, so that memory stays bounded however many there are.

    Args:
        work: Called once for each item, from any of the threads; an error of it ends the iteration.
        items: Read by the caller's thread alone.
        jobs: Threads; None is one for each core that this process may use. With 1 no thread is
            started.

    Yields:
        The item, and its result.
    """
    threads = jobs or cores()
    if threads == 1:
        for item in items:
            yield item, work(item)
        return
    interval = sys.getswitchinterval()
    # A thread that comes back from a program waits until the one that reads and writes lets go of
    # Python's lock: 5 ms by default, many times a portion, and two threads were slower than one.
    sys.setswitchinterval(min(interval, _SWITCH_S))
    waiting: deque[tuple[Item, Future[np.ndarray[Any, Any]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > _AHEAD * threads:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for first, future in waiting:
                yield first, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            sys.setswitchinterval(interval)


def trained_columns(predictor: TextPredictor) -> tuple[str, ...] | None:
    """Return the text columns that the training named.

    Args:
        predictor: A classifier whose `about` may hold the configuration of its training.

    Returns:
        The names, in the order in which the columns were joined; None where the training named none
        or the classifier does not say.
    """
    configuration = predictor.about.get("configuration") or {}
    found = (configuration.get("data") or {}).get("text_columns")
    if isinstance(found, list | tuple) and all(isinstance(name, str) for name in found):
        return tuple(found) or None
    return None


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
