"""Adapters that Ray Tune asks: for trials (searcher) and whether a trial goes on (scheduler).

Both hand everything over to the search controller; nothing is decided here.
"""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from tune.execution.controller import SearchController
from tune.execution.stop import StopSignal
from tune.execution.worker import CannotWrite
from tune.study.records import State


class RaySearcher(Searcher):  # type: ignore[misc]  # ray has no types
    """Propose the study's trials and record their ends.

    A trial that was stopped at a rung is recorded as pruned, one that reached the last rung as
    complete, and one that reports an outcome with that outcome. The end of a trial whose worker
    died is left to `_CrashRecorder`, which knows the reason.
    """

    def __init__(self, controller: SearchController, stop: StopSignal, last_rung: int) -> None:
        super().__init__()
        self._controller = controller
        self._stop = stop
        self._last_rung = last_rung
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Return the configuration of the next trial, or Ray's mark that there is none."""
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
            "origin": proposal.origin,
            "predecessors": list(proposal.predecessors),
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
                raise CannotWrite(last["errno"], last["message"], last["file"]).error()
            self._stop.given_up = self._controller.given_up
        except Exception as fault:
            self._stop.fault = fault

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the study is the record, and Ray's snapshots hold nothing of it."""

    def _ending(self, result: dict[str, Any]) -> tuple[State, str]:
        if "outcome" in result:
            return State(result["outcome"]), result["message"]
        if "rung" not in result:
            return State.INTERRUPTED, "removed before its first report"
        return (State.COMPLETE if result["rung"] == self._last_rung else State.PRUNED), ""


class RayScheduler(FIFOScheduler):  # type: ignore[misc]  # ray has no types
    """Record each report in the study, then stop the trial or let it go on."""

    def __init__(self, controller: SearchController, stop: StopSignal, last_rung: int) -> None:
        super().__init__()
        self._controller = controller
        self._stop = stop
        self._last_rung = last_rung

    def choose_trial_to_run(self, _controller: Any) -> Trial | None:
        """Return None: Ray starts waiting trials in their order, without a look at all of them."""
        return None

    def on_trial_result(self, _controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop after the last rung, after a failure and where the scheduler says so."""
        if "outcome" in result or self._stop.fault is not None:
            return str(self.STOP)
        rung = result["rung"]
        metrics = {name: result[name] for name in result["reported"]}
        try:
            goes_on = self._controller.report(trial.config["number"], rung, metrics)
        except Exception as error:
            self._stop.fault = error
            return str(self.STOP)
        return str(self.CONTINUE if goes_on and rung < self._last_rung else self.STOP)
