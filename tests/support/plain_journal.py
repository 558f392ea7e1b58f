"""A reader of Optuna's journal files that shares no code with Optuna or with this program."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CREATED, _PARAM, _STATE, _VALUE, _ATTR = 4, 5, 6, 7, 8
_RUNNING, _WAITING = 0, 4


@dataclass
class PlainTrial:
    """What the lines of a journal say of one trial."""

    state: int
    params: dict[str, Any] = field(default_factory=dict)
    values: dict[int, float] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> str | None:
        """How this program says that the trial ended; None while it runs or waits."""
        return None if self.state in (_RUNNING, _WAITING) else str(self.attrs["state"])

    @property
    def waits(self) -> bool:
        """Whether it was asked for and not begun."""
        return self.state == _WAITING


def read(path: Path) -> list[PlainTrial]:
    """Return the trials of a journal by number; a line that is cut off counts for nothing."""
    trials: list[PlainTrial] = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        log = json.loads(line)
        code = log["op_code"]
        if code == CREATED:
            state = log.get("state", _RUNNING)
            fixed = log.get("system_attrs", {}).get("fixed_params", {})
            trials.append(PlainTrial(state, attrs=log.get("user_attrs", {}), fixed=fixed))
        if "trial_id" not in log:
            continue
        trial = trials[log["trial_id"]]
        if code == _PARAM:
            trial.params[log["param_name"]] = log["param_value_internal"]
        elif code == _STATE:
            trial.state = log["state"]
        elif code == _VALUE:
            trial.values[log["step"]] = log["intermediate_value"]
        elif code == _ATTR:
            trial.attrs |= log["user_attr"]
    return trials
