"""A search's trials as a sequence, and as a table for pandas."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from tune.formatting import counted
from tune.study.records import TrialRecord

if TYPE_CHECKING:
    import pandas as pd


class Trials(Sequence[TrialRecord]):
    """The trials of a search by number.

    Example:
        >>> from tune.analysis.trials import Trials
        >>> len(Trials([], "test_accuracy"))
        0
    """

    def __init__(self, records: Sequence[TrialRecord], metric: str) -> None:
        self._records = tuple(records)
        self._metric = metric

    @overload
    def __getitem__(self, index: int) -> TrialRecord: ...
    @overload
    def __getitem__(self, index: slice) -> "Trials": ...
    def __getitem__(self, index: int | slice) -> "TrialRecord | Trials":
        """Return the trial at a position, or those of a slice."""
        if isinstance(index, slice):
            return Trials(self._records[index], self._metric)
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'trial')} by {self._metric}>"

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dictionary for each trial.

        Its keys: `number`, `state`, `name`, the metric (the highest at any rung), `rungs` (how many
        it reached), `epoch` and `seconds` (at the last of them), `params_NAME` for each parameter,
        `message`.
        """
        return [self._row(record) for record in self._records]

    def to_pandas(self) -> "pd.DataFrame":
        """Return a data frame with a row for each trial and the columns of `to_dicts`.

        Raises:
            ImportError: Where pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame(self.to_dicts())

    def curves(self) -> Iterator[Mapping[str, Any]]:
        """Yield a dictionary for each report of each trial.

        Its keys: `number` (the trial), `rung` (counted from 1) and the metrics at that rung.
        """
        for record in self._records:
            for rung, point in enumerate(record.curve, start=1):
                yield {"number": record.number, "rung": rung, **point}

    def _row(self, record: TrialRecord) -> dict[str, Any]:
        last = record.curve[-1] if record.curve else {}
        return {
            "number": record.number,
            "state": str(record.state),
            "name": record.name,
            self._metric: record.value,
            "rungs": len(record.values),
            "epoch": last.get("epoch"),
            "seconds": last.get("seconds"),
            **{f"params_{name}": value for name, value in record.params.items()},
            "message": record.message,
        }
