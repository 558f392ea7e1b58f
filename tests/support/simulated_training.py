"""A training without numbers: a checkpoint says whose it is and how far it has come."""

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from textcls.exceptions import BundleError

METRIC = "test_accuracy"
STEPS_PER_EPOCH = 1000


class SimulatedTraining:
    """Stands for `Training`: a checkpoint holds the origin, the step and the rung.

    Beside them stands what tells the origin from another trial of its number.
    """

    steps_per_epoch = total_steps = STEPS_PER_EPOCH
    log = None  # of the steps within the epochs, which is off by default

    def __init__(self, *arguments: Any, device: str) -> None:  # noqa: ARG002
        self._seed = arguments[-1]
        self.step = self._rung = 0

    @property
    def origin(self) -> int:
        """The first trial of this one's chain."""
        origin: int = self._seed.origin
        return origin

    def reach(self, step: int, rung: int) -> None:
        """Come to a rung."""
        self.step, self._rung = step, rung

    def fit(self, milestones: Sequence[float], tick: Any) -> Iterator[Any]:
        """Train from where it stands."""
        play, origin = self._seed.play, self._seed.origin
        for rung, epoch in enumerate(milestones):
            step = max(1, round(epoch * STEPS_PER_EPOCH))
            if step <= self.step:
                continue
            tick(step, STEPS_PER_EPOCH)
            play.fate(origin, rung)
            play.truth.trains(origin, rung)
            self.step, self._rung = step, rung
            reached = {METRIC: play.value(origin, rung), "step": step, "epoch": epoch}
            yield SimpleNamespace(as_dict=lambda found=reached: {**found, "seconds": 1.0})

    def save(self, path: Path) -> None:
        """Write beside and rename, as safetensors files are written."""
        beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
        beside.write_text(f"{self._seed.origin} {self.step} {self._rung} {self._seed.identity}")
        beside.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint, which must be one of this trial's chain."""
        try:
            *numbers, identity = path.read_text().split()
            origin, self.step, self._rung = map(int, numbers)
        except ValueError as error:
            raise BundleError(str(error)) from error
        assert origin == self._seed.origin, f"{path} belongs to trial {origin}"
        assert identity == self._seed.identity, f"{path} is of another trial of that number"
