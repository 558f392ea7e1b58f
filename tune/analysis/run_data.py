"""Read a search from its run folder, whether it is finished, interrupted, running or killed."""

import fcntl
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tune.analysis.costs import Cost, CostCounter
from tune.analysis.trials import Trials
from tune.config import optuna_space as spaces
from tune.config import search_file
from tune.config.conditions import Space
from tune.config.metrics import parse_metric
from tune.config.search_file import ObjectiveSearchFile, SearchFile
from tune.exceptions import RunFolderError, SearchError
from tune.formatting import counted, params_as_used
from tune.run_folder import documents, paths
from tune.run_folder.paths import RunFolder
from tune.study import study
from tune.study.front import cost_of, front_of
from tune.study.records import (
    CUT_OFF_MESSAGE,
    Chain,
    State,
    TrialRecord,
    chains_of,
    ranked,
)
from tune.study.study import SearchStudy

_DAMAGES = (KeyError, ValueError, TypeError, AttributeError, ArithmeticError)
"""What a study raises that holds something else than this program writes."""
_MOST_EPOCHS, _MOST_RUNGS, _MOST = 1e9, 1000, 1e15
RUNNING, CUT_OFF = "running", "cut off"
"""States of a search beside those that `result.json` knows: complete, interrupted, failed."""


@dataclass(frozen=True)
class RunData:
    """All that a run folder says about its search."""

    folder: RunFolder
    config: SearchFile
    state: str
    """complete, interrupted, failed, running or cut off."""
    milestones: tuple[float, ...]
    """The epochs of the rungs."""
    records: tuple[TrialRecord, ...]
    """All trials by number; those that a killed search left running are interrupted."""
    result: Mapping[str, Any]
    """`result.json` of a search that ended, else empty."""
    environment: Mapping[str, Any]
    """`environment.json`, or empty."""
    missing: tuple[str, ...]
    """Sentences about what the folder lacks."""
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def load(
        cls, run: str | os.PathLike[str], runs_dir: str | os.PathLike[str] = "runs"
    ) -> "RunData":
        """Read everything that a run's folder holds, for analyses of one's own.

        Args:
            run: Its folder, or its name within `runs_dir`.
            runs_dir: The folder or object store with the runs.

        Returns:
            What the folder told at this moment; a run that goes on has to be read again.

        Raises:
            TextclsError: Where there is none, or its search or its journal cannot be read.

        Example::

            [(trial.number, trial.value) for trial in RunData.load("first").ranked]
        """
        return load_run(paths.find(Path(runs_dir), os.fspath(run)))

    def __repr__(self) -> str:
        return f"<RunData {self.folder.name}: {self.state}, {counted(len(self.chains), 'trial')}>"

    @property
    def trials(self) -> Trials:
        """All trials by number; `trials.to_pandas()` makes a table of them."""
        return Trials(self.records, self.metric)

    @property
    def metric(self) -> str:
        """The metric that the search maximises."""
        return self.config.search.metric

    @property
    def cost(self) -> str | None:
        """The cost that the search minimises beside the metric; None where there is none."""
        return self.config.search.cost

    @cached_property
    def front(self) -> tuple[TrialRecord, ...]:
        """The trials that no other one dominates, the cheapest first; empty without a cost."""
        return () if self.cost is None else tuple(front_of(self.records, self.cost))

    @cached_property
    def costs(self) -> dict[int, Cost]:
        """What each trial's classifier takes, by the trial's number.

        Empty for an objective of one's own, and for a run whose `environment.json` does not say
        how many words and features its classifiers have.
        """
        return CostCounter.of_environment(self.config, self.environment).costs(self.records)

    @property
    def chosen_on(self) -> str:
        """The split on which the trials were compared: test or validation.

        Empty for an objective of one's own, which measures as it likes.
        """
        return "" if self.own_objective else parse_metric(self.metric).split or ""

    @property
    def own_objective(self) -> bool:
        """Whether the search went over a user's function and not over text classifiers."""
        return isinstance(self.config, ObjectiveSearchFile)

    @property
    def data_name(self) -> str:
        """What the texts are called; empty for an objective of one's own, which reads none."""
        if self.own_objective:
            return ""
        return str(self.corpus.get("data", self.config.data.name))

    @cached_property
    def space(self) -> Space:
        """The distribution of every parameter."""
        return spaces.searched(self.config)

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """The trials as the search counts them: one with all that continued it is one."""
        return tuple(chains_of(self.records))

    @cached_property
    def ranked(self) -> tuple[TrialRecord, ...]:
        """The trials that may win, best first."""
        return tuple(ranked(list(self.records)))

    @cached_property
    def best(self) -> TrialRecord | None:
        """The winner; while there is no result, the trial that leads."""
        winner = (self.result.get("best") or {}).get("number")
        leading = self.ranked[0] if self.ranked else None
        named = (each for each in self.records if each.number == winner and each.values)
        return next(named, leading)

    @property
    def fallback(self) -> Mapping[str, Any] | None:
        """The winner as `result.json` has it, where that is no trial that reached a rung."""
        best: Mapping[str, Any] = self.result.get("best") or {}
        return best if best.get("fallback") else None

    @property
    def fallback_name(self) -> str:
        """What such a winner is called, such as "the linear classifier alone"; else empty."""
        if self.fallback is None:
            return ""
        number = self.fallback.get("number")
        if number is not None:
            return f"trial {number}, before its first rung"
        return f"the {self.fallback['fallback'].get('kind', 'fallback')} alone"

    @property
    def confirmation(self) -> Mapping[str, Any] | None:
        """The results with fresh seeds, as `result.json` has them; None without a confirmation."""
        found = (self.result.get("best") or {}).get("confirmation")
        return found if isinstance(found, dict) and found.get("standings") else None

    @property
    def confirmed(self) -> Mapping[str, Any] | None:
        """The winner's own results with fresh seeds, or the first one's; None without any."""
        standings: list[Mapping[str, Any]] = (self.confirmation or {}).get("standings") or []
        number = None if self.best is None else self.best.number
        mine = (each for each in standings if each["number"] == number)
        return next(mine, standings[0]) if standings else None

    @property
    def preference(self) -> str | None:
        """Why a cheaper trial than the best one wins; None where the best one does."""
        found = (self.result.get("best") or {}).get("preference") or {}
        return found.get("reason")

    @property
    def used_vectors(self) -> dict[str, str]:
        """The names of the vectors that took the place of others, by the name of those."""
        corpora = self.environment.get("corpora") or []
        named = [(each.get("embeddings") or {}, each.get("vectors")) for each in corpora]
        return {
            str(asked["name"]): str(used)
            for asked, used in named
            if used and asked.get("name") not in (None, used)
        }

    @property
    def corpus(self) -> Mapping[str, Any]:
        """Source and sizes of the texts; empty where they were not recorded."""
        corpora = self.environment.get("corpora") or [{}]
        first: Mapping[str, Any] = corpora[0]
        return first

    def texts(self, split: str) -> int | None:
        """Return how many texts a split has.

        Args:
            split: "train", "validation" or "test".

        Returns:
            The number after the check of rows; None when nobody knows.
        """
        known: Mapping[str, int] = self.corpus.get("texts", {})
        return known.get(split)

    def params(self, record: TrialRecord) -> dict[str, Any]:
        """Return a trial's parameters as a configuration means them: a list is a tuple.

        Args:
            record: A trial of this search.
        """
        return spaces.decode_params(self.space, record.params)

    def shown_params(self, record: TrialRecord) -> dict[str, Any]:
        """Return a trial's parameters for people: with the vectors that were really used.

        Args:
            record: A trial of this search.
        """
        return params_as_used(self.params(record), self.used_vectors)

    def origin(self, record: TrialRecord) -> int:
        """Return the number under which a trial's chain is counted.

        Args:
            record: A trial of this search.

        Returns:
            The first trial of a chain of interrupted ones; its own number for all others.
        """
        numbered = {each.number: each for each in self.records}
        while record.continues in numbered:
            record = numbered[record.continues]
        return record.number


def load_run(folder: RunFolder) -> RunData:
    """Read a run folder without changing it.

    Args:
        folder: The run folder, as `tune.run_folder.paths.find` returns it.

    Raises:
        TextclsError: Its search file or its study cannot be read.
    """
    return RunReader(folder).read()


class RunReader:
    """Read a run folder time and again: of a journal only what was added since.

    Args:
        folder: The run folder, as `tune.run_folder.paths.find` returns it.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._opened: SearchStudy | None = None
        self._journal = (0, 0)
        """Inode and size of the journal when it was read last."""

    def read(self) -> RunData:
        """Read what the folder holds at this moment; nothing in it is changed.

        Raises:
            TextclsError: Its search file or its study cannot be read.
        """
        folder = self._folder
        search = search_file.load_search(folder.space)
        milestones, records = self._trials(search)
        result = _readable(documents.read_result, folder.result)
        environment = _readable(documents.read_environment, folder.environment)
        state = _state(folder, records, result)
        if state != RUNNING:
            records = [_closed(record) for record in records]
        ended = state not in (RUNNING, CUT_OFF)
        return RunData(
            folder=folder,
            config=search,
            state=state,
            milestones=milestones,
            records=tuple(records),
            result=(result or {}) if ended else {},
            environment=environment or {},
            missing=tuple(_missing(folder, result, environment, ended=ended)),
        )

    def _trials(self, config: SearchFile) -> tuple[tuple[float, ...], list[TrialRecord]]:
        """Read a study, which may be anybody's, and check every value that is used later."""
        where = self._folder.study
        try:
            made = self._study(where)
            milestones, records = made.milestones, made.records()
            _check_milestones(milestones)
            for record in records:
                documents.check_points(list(record.curve), where)
                _check_trial(record, spaces.searched(config))
                _check_cost(record, config.search.cost)
        except _DAMAGES as error:
            self._opened = None
            reason = f"{type(error).__name__}: {error}"
            raise SearchError(f"{where}: damaged, or incomplete ({reason:.300})") from error
        return milestones, records

    def _study(self, where: Path | str) -> SearchStudy:
        """Return the study as it was opened, or anew where its journal is no longer the same."""
        if isinstance(where, Path):
            try:
                status = where.stat()
            except FileNotFoundError:
                raise SearchError(f"{where}: the journal was deleted or moved") from None
            inode, size = self._journal
            if status.st_ino != inode or status.st_size < size:
                self._opened = None  # another journal, or one whose cut-off end was removed
            self._journal = (status.st_ino, status.st_size)
        if self._opened is None:
            self._opened = study.read_study(where, self._folder.study_name)
        return self._opened


def _check_milestones(milestones: tuple[float, ...]) -> None:
    """Raise ValueError where the rungs are no ascending epochs."""
    ascending = all(a < b for a, b in itertools.pairwise((0.0, *milestones)))
    if not milestones or not ascending or not milestones[-1] < _MOST_EPOCHS:
        raise ValueError(f"milestones must be ascending epochs, but are {milestones}")


def _check_trial(record: TrialRecord, known: Space) -> None:
    """Raise ValueError where a trial is not one that this program records."""
    texts = (record.message, record.name or "")
    if not all(isinstance(text, str) for text in texts) or len(record.values) > _MOST_RUNGS:
        raise ValueError(f"trial {record.number}: its name or message is not a text")
    for point, value in zip(record.curve, record.values, strict=True):
        numbers = (value, point.get("epoch"), point.get("seconds"))
        for number in numbers:
            if not isinstance(number, int | float) or not abs(number) < _MOST:
                raise ValueError(f"trial {record.number}: a rung has {number!r:.50} for a number")
    for name, chosen in spaces.decode_params(known, record.params).items():
        if name in known and (wrong := known[name].refusal(chosen)):
            raise ValueError(f"trial {record.number}: {name} {wrong}")


def _check_cost(record: TrialRecord, name: str | None) -> None:
    """Raise ValueError where a trial that has reported lacks what the search counted for it."""
    if name is None or not record.curve:
        return
    cost = cost_of(record, name)
    if not isinstance(cost, int | float) or not 0 < cost < _MOST:
        raise ValueError(f"trial {record.number}: its {name} are {cost!r:.50}")


def _state(folder: RunFolder, records: list[TrialRecord], result: Mapping[str, Any] | None) -> str:
    if is_running(folder):
        return RUNNING
    # A search that was resumed and killed leaves the result of the time before.
    whole = all(record.state != State.RUNNING for record in records)
    trials = result["trials"] if result else {}
    counted = trials.get("records", trials.get("total"))
    return str(result["state"]) if result and whole and counted == len(records) else CUT_OFF


def is_running(folder: RunFolder) -> bool:
    """Tell whether another process searches here, by taking the lock for a moment.

    Args:
        folder: The run folder.
    """
    if folder.store.held_by_another():
        return True
    try:
        with (folder.root / ".lock").open() as file:
            if file.read().startswith(f"process {os.getpid()} on "):
                return False
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _closed(record: TrialRecord) -> TrialRecord:
    if record.state != State.RUNNING:
        return record
    return replace(record, state=State.INTERRUPTED, message=CUT_OFF_MESSAGE)


def _readable(read: Callable[[Path], dict[str, Any]], path: Path) -> dict[str, Any] | None:
    """Return the content of a file; None where it is missing or damaged, which is said."""
    try:
        return read(path)
    except (OSError, RunFolderError):
        return None


def _missing(
    folder: RunFolder,
    result: Mapping[str, Any] | None,
    environment: Mapping[str, Any] | None,
    *,
    ended: bool,
) -> Iterator[str]:
    if environment is None:
        yield (
            f"{folder.environment.name} is missing or damaged: without the number of texts there "
            "is no interval, and it is not known what the search ran on."
        )
    if result is None and ended:
        yield f"{folder.result.name} is missing or damaged."
    if ended and not folder.leaderboard.exists():
        yield f"{folder.leaderboard.name} is missing; the same table is below."
