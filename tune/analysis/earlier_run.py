"""Begin a search with what an earlier one found (`search --from RUN`, `Search.from_run`).

The new search has the earlier one's space and settings, tries its best parameters first, and cuts
texts into tokens as it did. Values are not taken over: on other texts they would mean something
else (`tune.warm_start` takes them over where the texts are the same). At the end the new winner is
compared with the earlier one (`tune.results.previous_winner`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textcls.config.loader import Override
from textcls.exceptions import BundleError
from textcls.runtime.bundle_files import read_bundle
from tune.analysis import run_data
from tune.analysis.error_analysis import data_from_here
from tune.analysis.run_data import RunData
from tune.config import optuna_space, search_file
from tune.config.search_file import SearchFile
from tune.exceptions import SearchError
from tune.formatting import counted
from tune.run_folder.paths import RunFolder

POINTS = 3
"""As many of the earlier run's best trials are tried first."""


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """The run that a search starts from, and the search that it makes of it.

    folder: its folder. config: the new search. points: parameters of its best trials that are
    tried first. left_out: best trials whose parameters lie outside of the new space. tokenizer:
    the tokenizer that is taken over; None where the user names one.
    """

    folder: RunFolder
    config: SearchFile
    points: int
    left_out: int
    tokenizer: str | None

    def __str__(self) -> str:
        text = f"Starting from {self.folder.name}: its search space"
        if self.points:
            text += f", the parameters of its best {counted(self.points, 'trial')} first"
        if self.tokenizer is not None:
            text += f", its tokenizer ({self.tokenizer})"
        if self.left_out:
            lie = "lies" if self.left_out == 1 else "lie"
            text += f"; {self.left_out} of its best trials {lie} outside of this space"
        return text + "."


def start_from(folder: RunFolder, overrides: Sequence[str | Override] = ()) -> EarlierRun:
    """Make a search of what an earlier run found.

    Args:
        folder: The earlier run.
        overrides: Values that take the place of its own, as `search_file.load_search` takes them.

    Raises:
        SearchError: It is no search of text classifiers, or has no winner.
        ConfigError: The overrides cannot be used.
    """
    told = run_data.load_run(folder)
    if told.own_objective:
        raise SearchError(
            f"--from {folder.name}: it searched an objective of its own, which leaves no "
            "classifier to compare with; begin a new search, perhaps with --warm-start"
        )
    try:
        read_bundle(folder.best)
    except BundleError as error:
        raise SearchError(
            f"--from {folder.name}: it has no winner to start from ({error}); let it come to its "
            "end, perhaps with --resume"
        ) from error
    own = [Override("data.name", data_from_here(told).name, "--from")]
    tokenizer = told.corpus.get("tokenizer") if told.config.data.tokenizer == "auto" else None
    if tokenizer is not None:
        own.append(Override("data.tokenizer", tokenizer, "--from"))
    if told.config.configurations:
        config = search_file.load_search(folder.space, [*own, *overrides])
        return EarlierRun(folder, config, 0, 0, _kept(tokenizer, config))
    plain = search_file.load_search(
        folder.space, [*own, Override("points", [], "--from"), *overrides]
    )
    best = _best_params(told)
    fitting = [params for params in best if optuna_space.fits_space(params, plain)]
    points = Override("points", [_as_written(each) for each in fitting], "--from")
    config = search_file.load_search(folder.space, [*own, points, *overrides])
    left_out = len(best) - len(fitting)
    return EarlierRun(folder, config, len(fitting), left_out, _kept(tokenizer, config))


def _best_params(told: RunData) -> list[dict[str, Any]]:
    """Return the parameters of the winner and of the next best trials, each once."""
    records = [*([told.best] if told.best is not None else []), *told.ranked]
    found: list[dict[str, Any]] = []
    for record in records:
        params = told.params(record)
        if params not in found:
            found.append(params)
    return found[:POINTS]


def _as_written(params: dict[str, Any]) -> dict[str, Any]:
    return {key: list(v) if isinstance(v, tuple) else v for key, v in params.items()}


def _kept(tokenizer: str | None, config: SearchFile) -> str | None:
    return tokenizer if tokenizer == config.data.tokenizer else None
