"""Ray Tune asks here for trials and says here how they ended."""

from typing import Any

from ray.tune.search import Searcher

from tune.execution.controller import SearchController
from tune.execution.stop import StopSignal
from tune.study.records import State


class RaySearcher(Searcher):  # type: ignore[misc]  # ray has no types
    """Proposes the study's trials and records their ends.

    A trial that was stopped at a rung is told as pruned, one that reached the last as complete,
    one that says how it went wrong as what it says. The end of a trial whose worker died is left
    to `CrashRecorder`, which knows the reason.
    """

    def __init__(self, controller: SearchController, stop: StopSignal, last_rung: int) -> None:
        super().__init__()
        self._controller = controller
        self._stop = stop
        self._last_rung = last_rung
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The configuration of the next trial, or that there is none."""
        try:
            proposal = self._controller.propose()
        except Exception as error:
            self._stop.fault = error
            return str(Searcher.FINISHED)
        if proposal is None:
            return str(Searcher.FINISHED)
        self._numbers[trial_id] = proposal.number
        return {
            "number": proposal.number,
            "params": proposal.params,
            "continues": proposal.continues,
            "origin": proposal.origin,
        }

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Record the end of a trial, unless its worker died."""
        number = self._numbers.pop(trial_id)
        if error or self._stop.fault is not None:
            return
        last = result or {}
        try:
            self._controller.end(number, *self._ending(last))
            if "errno" in last:  # the trial could not write, and no other one could
                raise OSError(last["errno"], last["message"])
            self._stop.given_up = self._controller.given_up
        except Exception as fault:
            self._stop.fault = fault

    def save(self, checkpoint_path: str) -> None:
        """Ray's snapshots hold nothing of ours: the study is the record."""

    def _ending(self, result: dict[str, Any]) -> tuple[State, str]:
        if "outcome" in result:
            return State(result["outcome"]), result["message"]
        if "rung" not in result:
            return State.INTERRUPTED, "removed before its first report"
        return (State.COMPLETE if result["rung"] == self._last_rung else State.PRUNED), ""
