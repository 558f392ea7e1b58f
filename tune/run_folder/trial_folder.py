"""The folder of one trial: its log, its curve and its checkpoints."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tune.run_folder import atomic, documents
from tune.run_folder._store import LOCAL, Store

_RUNG = re.compile(r"rung-(\d+)\.safetensors")


@dataclass(frozen=True, slots=True)
class TrialFolder:
    """`trials/NUMBER/`: the log, the curve and the checkpoints of one trial."""

    root: Path
    store: Store = LOCAL

    @property
    def log(self) -> Path:
        """What happened in the trial, a line per rung; a failed trial's traceback."""
        return self.root / "log.txt"

    @property
    def curve(self) -> Path:
        """The reports of the trial so far, as its worker wrote them."""
        return self.root / "curve.json"

    @property
    def steps(self) -> Path:
        """Loss, gradient norm and the like every few steps, where `train.log_every` is set."""
        return self.root / "steps.csv"

    @property
    def unfinished(self) -> Path:
        """The metrics of a trial that the time budget ended before its first rung."""
        return self.root / "unfinished.json"

    @property
    def unfinished_checkpoint(self) -> Path:
        """The weights that `unfinished` was measured with."""
        return self.root / "unfinished.safetensors"

    def checkpoint(self, rung: int) -> Path:
        """Return the path of the checkpoint of a rung.

        Args:
            rung: Counted from 0.
        """
        return self.root / f"rung-{rung}.safetensors"

    def checkpoints(self) -> dict[int, Path]:
        """Return the checkpoints that exist, by rung, in ascending order."""
        found = {}
        for path in self.root.glob("rung-*"):
            if match := _RUNG.fullmatch(path.name):
                found[int(match[1])] = path
        return dict(sorted(found.items()))

    def read_curve(self) -> list[dict[str, Any]]:
        """Return the reports of the trial so far, one a rung; none before the first.

        Raises:
            RunFolderError: The file is damaged.
        """
        try:
            return documents.read_curve(self.curve)
        except FileNotFoundError:
            return []

    def read_steps(self) -> list[dict[str, Any]]:
        """Return the points of `steps`; none where the trial has no such file.

        Raises:
            RunFolderError: The file is damaged.
        """
        try:
            return documents.read_steps(self.steps)
        except FileNotFoundError:
            return []

    def rungs(self) -> int:
        """Count the rungs that a trial can go on from: up to its latest checkpoint."""
        known = len(self.read_curve())
        return max((rung + 1 for rung in self.checkpoints() if rung < known), default=0)

    def adopt(self, other: "TrialFolder") -> None:
        """Start from the curve and the checkpoints of another trial, which keeps them.

        Files are linked, not copied: a checkpoint is never written in place. The curve comes last,
        so a trial that has one has all that it adopts.

        Args:
            other: On the same disk; one without a curve leaves this folder empty.

        Raises:
            OSError: Something cannot be linked or written.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        if not other.curve.exists():
            return
        for rung, path in other.checkpoints().items():
            self.checkpoint(rung).unlink(missing_ok=True)
            self.checkpoint(rung).hardlink_to(path)
        if other.steps.exists():
            atomic.write_text(self.steps, other.steps.read_text(encoding="utf-8"))
        atomic.write_text(self.curve, other.curve.read_text(encoding="utf-8"))

    def keep(self, rungs: set[int]) -> None:
        """Delete checkpoints here, for the worker that wrote them.

        What is stored of them is the search's to delete (`tidy_store`): only it knows how far the
        stored journal is.

        Args:
            rungs: Those whose checkpoints stay, from 0.
        """
        for rung, path in self.checkpoints().items():
            if rung not in rungs:
                path.unlink(missing_ok=True)

    def tidy_store(self, rungs: set[int]) -> None:
        """Delete the stored checkpoints of earlier rungs than the last that stays.

        For a trial that runs: its worker may have stored a later one that is not yet recorded.

        Args:
            rungs: Those whose checkpoints stay, from 0, at least one.
        """
        gone = {self.checkpoint(rung).name for rung in range(max(rungs)) if rung not in rungs}
        if gone:
            self.store.prune_later(self.root, lambda name: name not in gone)

    def tidy(self, rungs: set[int]) -> None:
        """Delete checkpoints wherever a worker wrote them, and what a lost one left half written.

        Args:
            rungs: Those whose checkpoints stay, from 0; none where it is empty.
        """
        for rung, path in reversed(self.checkpoints().items()):  # or half of them would look whole
            if rung not in rungs:
                path.unlink(missing_ok=True)
        for path in (self.unfinished, self.unfinished_checkpoint):
            path.unlink(missing_ok=True)
        atomic.remove_temporaries(self.root)
        kept = {self.checkpoint(rung).name for rung in rungs}
        self.store.prune_later(self.root, lambda name: name in kept or not _RUNG.match(name))

    def publish(self, *rungs: int) -> None:
        """Store the curve and some checkpoints, in this order: none is ahead of the curve.

        Args:
            rungs: Those whose checkpoints are stored, from 0.

        Raises:
            OSError: The store does not answer.
        """
        if self.steps.exists():
            self.store.publish(self.steps)
        self.store.publish(self.curve, *map(self.checkpoint, rungs))

    def publish_log(self) -> None:
        """Store the log."""
        if self.log.exists():
            self.store.publish(self.log)

    def fetch(self) -> None:
        """Bring curve and checkpoints from the store, where another machine has come further.

        A worker that was lost here may have left a curve whose last checkpoint it never wrote. So
        what counts is how far the trial can go on from here; the curve alone would say that
        another machine, which trained that rung again, has come no further.

        The curve comes last: a worker that is lost before leaves the rest to the next one.
        """
        stored = self.store.read(self.curve)
        if stored is None or (reached := len(json.loads(stored))) <= self.rungs():
            return
        further = reached > len(self.read_curve())
        self.root.mkdir(parents=True, exist_ok=True)
        for path in self.store.stored_below(self.root):
            wanted = _RUNG.fullmatch(path.name) or path == self.steps
            if wanted and (further or not path.exists()):
                self.store.fetch(path)
        if further:
            atomic.write_text(self.curve, stored.decode())


def is_kept(name: str, keep: Mapping[int, set[int] | None]) -> bool:
    """Tell whether a stored file of a trial is to stay.

    Args:
        name: Within the run folder, such as `trials/3/rung-0.safetensors`.
        keep: By trial the rungs whose checkpoints stay; None for all of them. A trial that is not
            named keeps nothing.

    Returns:
        True also for what is no checkpoint of a named trial, and for folders that are no trials.
    """
    _, number, file = name.split("/", 2)
    if not number.isdecimal():
        return True
    if int(number) not in keep:
        return False
    rungs, match = keep[int(number)], _RUNG.fullmatch(file)
    return rungs is None or match is None or int(match[1]) in rungs
