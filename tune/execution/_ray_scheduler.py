"""Ray Tune asks here whether a trial goes on; the rungs themselves are in `tune.schedulers`."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from tune.execution.controller import SearchController
from tune.execution.stop import StopSignal


class RayScheduler(FIFOScheduler):  # type: ignore[misc]  # ray has no types
    """Records each report in the study, then stops the trial or lets it go on."""

    def __init__(self, controller: SearchController, stop: StopSignal, last_rung: int) -> None:
        super().__init__()
        self._controller = controller
        self._stop = stop
        self._last_rung = last_rung

    def choose_trial_to_run(self, _controller: Any) -> Trial | None:
        """None: Ray starts waiting trials in their order, without going through all of them."""
        return None

    def on_trial_result(self, _controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop after the last rung, after a failure and where the rungs say so."""
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
