"""Search from Python: what `python -m tune.search` does, without printing and with a result.

from tune import Search

result = Search.load("gru", {"search.samples": 16}).run(texts, labels)
result.best.params, result.best.value
result.classifier.predict(["The striker scored twice"])
"""

import os
import signal
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from textcls.config.loader import Override
from textcls.config.models import IN_MEMORY
from textcls.exceptions import ConfigError
from tune.config import search_file
from tune.config.search_file import ObjectiveSearchFile, SearchFile
from tune.exceptions import SearchError
from tune.formatting import counted
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder

if TYPE_CHECKING:
    from textcls.data.dataset import Source
    from textcls.estimator import TextClassifier
    from tune.analysis.earlier_run import EarlierRun
    from tune.analysis.run_data import RunData
    from tune.analysis.trials import Trials
    from tune.execution.task import Objective
    from tune.execution.user_objective import UserFunction
    from tune.monitor.callback import Callback, Monitor

Rows = tuple[Any, Any]
"""Texts and their labels."""


@dataclass(frozen=True, slots=True)
class BestTrial:
    """The winner of a search."""

    number: int | None
    """Its trial; None where the time budget ended first and the linear classifier wins alone."""
    params: dict[str, Any]
    """Its parameters as a configuration means them."""
    value: float
    """The metric that it was chosen by."""
    metrics: dict[str, float]
    """Its accuracies by split, and what a confirmation or the linear classifier alone reached."""


class SearchResult:
    """The result of a search, read from its run folder.

    Attributes:
        folder: The run folder, with the report, the leaderboard and the classifier in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @classmethod
    def load(cls, run: str | os.PathLike[str], runs_dir: str | os.PathLike[str] = "runs") -> Self:
        """Read a run, finished or not.

        Args:
            run: Its folder, or its name within `runs_dir`.
            runs_dir: The folder or object store with the runs.

        Returns:
            The result, which reads files when they are first asked for.

        Raises:
            RunFolderError: Where there is no such run.

        Example::

            SearchResult.load("first").best.params  # {'hidden_size': 96, 'learning_rate': 0.004}
        """
        return cls(paths.find(Path(runs_dir), os.fspath(run)).root)

    @cached_property
    def data(self) -> "RunData":
        """Everything that the run folder tells."""
        from tune.analysis.run_data import load_run

        return load_run(RunFolder(self.folder.absolute()))

    @property
    def state(self) -> str:
        """complete, interrupted, failed, running or cut off."""
        return self.data.state

    @property
    def config(self) -> SearchFile:
        """The search as it ran, every default written out."""
        return self.data.config

    @property
    def trials(self) -> "Trials":
        """All trials by number; `trials.to_pandas()` makes a table of them."""
        from tune.analysis.trials import Trials

        return Trials(self.data.records, self.data.metric)

    @property
    def best(self) -> BestTrial:
        """The winner; of a search that has not ended, the trial that leads.

        Raises:
            SearchError: Where no trial has reached a rung.
        """
        record, instead = self.data.best, self.data.fallback
        if instead is not None:
            metrics = {name: value for name, value in instead.items() if isinstance(value, float)}
            value = metrics.pop("value")
            return BestTrial(instead["number"], dict(instead["params"]), value, metrics)
        if record is None or record.value is None:
            raise SearchError(
                f"{self.folder}: no trial has reached a rung, so there is no best one"
            )
        told = self.data.result.get("best") or {}
        metrics = {name: value for name, value in told.items() if isinstance(value, float)}
        metrics.pop("value", None)
        return BestTrial(record.number, self.data.params(record), record.value, metrics)

    @cached_property
    def classifier(self) -> "TextClassifier":
        """The winner as a classifier, ready to predict.

        Raises:
            BundleError: Where the search has left none.
        """
        from textcls.estimator import TextClassifier

        return TextClassifier.load(self.folder / "best")

    @property
    def against_previous(self) -> Mapping[str, Any] | None:
        """The winner beside that of the run that the search started from, on the same texts.

        Among its keys are `sentence`, `notes`, `old`, `new`, `interval`, `p_value` and `better`
        ("new", "old", or None where the difference may be chance). None where the search did not
        start from another run, or has not ended.
        """
        found: Mapping[str, Any] | None = self.data.result.get("previous")
        return found

    @property
    def report(self) -> Path:
        """The page that tells what happened."""
        return self.folder / "report.html"

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences about what was left out or substituted."""
        return tuple(self.data.environment.get("notices", ()))

    def __repr__(self) -> str:
        best = self.data.best
        leads = f", best {best.value:.4f} (trial {best.number})" if best and best.value else ""
        trials = counted(len(self.data.chains), "trial")
        return f"<SearchResult {self.folder.name}: {self.state}, {trials}{leads}>"

    def _repr_html_(self) -> str:
        from tune.monitor.notebook import result_table
        from tune.report.summary import summarise_run

        return f"<div>{result_table(self.data)}{summarise_run(self.data).html()}</div>"


class Search:
    """A search for good hyperparameters, as a search file describes it.

    Args:
        sections: The sections of a search file by name: `model`, `data`, `embeddings`, `train`,
            `space`, `points`, `search`, `resources`, each as plain values or as the models of this
            package. `docs/search_spaces.md` lists every key.

    Raises:
        ConfigError: Where something in them cannot be used; every problem is listed.

    Example:
        >>> from tune import FloatDistribution, IntDistribution, Search
        >>> search = Search(
        ...     model="gru",
        ...     space={
        ...         "hidden_size": IntDistribution(low=16, high=64, log=True),
        ...         "learning_rate": FloatDistribution(low=1e-3, high=1e-1, log=True),
        ...     },
        ...     search={"samples": 8, "metric": "val_accuracy"},
        ...     data={"validation_fraction": 0.1},
        ... )
        >>> search.config.search.samples
        8
    """

    def __init__(self, **sections: Any) -> None:
        self.config = search_file.make_search(sections)
        self._name = "search"
        self._earlier: EarlierRun | None = None

    @classmethod
    def load(
        cls, space: str | os.PathLike[str], overrides: Mapping[str, Any] | None = None
    ) -> "Search":
        """Read a search file.

        Args:
            space: A file, or the name of a search space that comes with the package, such as "gru".
            overrides: Values by dotted key that take the place of the file's, such as
                `{"search.samples": 16}`.

        Returns:
            The search, checked and ready to `run`.

        Raises:
            ConfigError: Where there is no such file or something in it cannot be used.
        """
        from tune.config.spaces import find_space

        path = find_space(space if isinstance(space, str) else Path(space))
        given = [Override(key, value, key) for key, value in (overrides or {}).items()]
        return cls._of(search_file.load_search(path, given), path.stem)

    @classmethod
    def from_run(
        cls,
        run: str | os.PathLike[str],
        overrides: Mapping[str, Any] | None = None,
        *,
        runs_dir: str | os.PathLike[str] = "runs",
    ) -> "Search":
        """Begin with what an earlier run found: its space, its best parameters, its tokenizer.

        The result of its `run` says whether the new winner is better than the earlier one
        (`SearchResult.against_previous`).

        Args:
            run: The earlier run's folder, or its name within `runs_dir`.
            overrides: Values by dotted key that take the place of the earlier search's.
            runs_dir: Where its folder lies.

        Raises:
            SearchError: Where there is no such run, or it has no classifier.
            ConfigError: Where an override cannot be used.

        Example::

            result = Search.from_run("tickets").run(data="new.csv", name="tickets-2")
            result.against_previous["sentence"]
        """
        from tune.analysis.earlier_run import start_from

        given = [Override(key, value, key) for key, value in (overrides or {}).items()]
        earlier = start_from(paths.find(Path(runs_dir), os.fspath(run)), given)
        made = cls._of(earlier.config, earlier.folder.name)
        made._earlier = earlier
        return made

    @classmethod
    def over(
        cls,
        objective: str,
        space: Mapping[str, Any],
        *,
        metric: str = "value",
        epochs: int = 1,
        **sections: Any,
    ) -> "Search":
        """Describe a search over an objective of your own, which `run(objective=...)` takes.

        Args:
            objective: What it is called in the run folder.
            space: A distribution for each parameter; the names are yours.
            metric: The metric that is maximised, as the objective calls it.
            epochs: How often a trial yields at most; the rungs lie among these.
            sections: `search`, `points` and `resources`, as in the constructor.

        Returns:
            The search, checked and ready to `run`.

        Example:
            >>> from tune import FloatDistribution, Search
            >>> search = Search.over("parabola", {"x": FloatDistribution(low=-1.0, high=1.0)})
            >>> search.config.search.metric
            'value'
        """
        settings = {"metric": metric, **dict(sections.pop("search", {}))}
        scheduler = settings.get("scheduler", {})
        if not isinstance(scheduler, str):
            settings["scheduler"] = {"grace_period": 1.0, **dict(scheduler)}
        found = search_file.make_search(
            {
                "objective": objective,
                "space": space,
                "train": {"epochs": float(epochs)},
                "search": settings,
                **sections,
            },
            "Search.over",
        )
        return cls._of(found, objective)

    @classmethod
    def _of(cls, config: SearchFile, name: str) -> "Search":
        made = cls.__new__(cls)
        made.config, made._name, made._earlier = config, name, None
        return made

    def run(
        self,
        texts: Any = None,
        labels: Any = None,
        *,
        data: str | os.PathLike[str] | None = None,
        test: Rows | None = None,
        validation: Rows | None = None,
        objective: "UserFunction | None" = None,
        name: str | None = None,
        runs_dir: str | os.PathLike[str] = "runs",
        resume: bool = False,
        changed_data: bool = False,
        warm_start: str | os.PathLike[str] | None = None,
        address: str | None = None,
        storage: str | None = None,
        track: Sequence[str] = (),
        callbacks: "Sequence[Callback]" = (),
        verbose: bool | None = None,
    ) -> SearchResult:
        """Run the search to its end; prints nothing.

        What `sys.stdout`, the signal handlers and `logging` were before, they are again afterwards.
        Ctrl-C, or SIGTERM, lets the running trials be recorded and the best one be exported; then
        the signal does what it did before the search. `resume=True` with the same name goes on.

        Args:
            texts: Texts to learn from: a list, array, Arrow column, pandas series or frame, or
                `datasets.Dataset`; None for the data that the search names.
            labels: Their labels; None where `texts` has a column for them.
            data: A file, a folder or a data set of the hub instead of `texts`.
            test: Texts and labels to measure on; else a part of `texts` is split off.
            validation: Texts and labels to select on; for metrics that begin with `val_`.
            objective: A function of your own, for a search that `Search.over` describes: it takes a
                `TrialConfig` and yields its metrics epoch by epoch, or returns them once.
            name: The run's name; by default the space's name and the time.
            runs_dir: Where run folders lie.
            resume: Go on with the run of that name if it exists.
            changed_data: Let a run that is resumed go on although texts or vectors have changed.
            warm_start: An earlier run whose trials the sampler knows from the start.
            address: A Ray cluster to join, `HOST:PORT` or "auto"; by default `RAY_ADDRESS`, else
                the Ray that this process uses already, else one of our own.
            storage: The URL of a database for the study; by default a journal in the run folder.
            track: Trackers that see the trials too: "tensorboard", "mlflow", "wandb".
            callbacks: Code of your own that follows the search.
            verbose: Whether a display follows the search: at a terminal as the command line's. By
                default one is drawn in a notebook, and none elsewhere.

        Returns:
            The result, which reads everything from the run folder.

        Raises:
            TextclsError: Where the search cannot start, cannot go on or has no winner; the message
                says which.
        """
        with warnings.catch_warnings():  # tqdm, which Optuna imports, misses widgets in a notebook
            warnings.filterwarnings("ignore", message="IProgress not found")
            from tune import run_search

        config, source = self._with_data(texts, labels, data, test, validation, objective)
        request = self._request(
            config, source, name, Path(runs_dir), resume, warm_start, address, storage, track
        )
        request = replace(request, changed_data=changed_data)
        outcome = run_search.run(
            request, _make_monitor(callbacks, verbose=verbose), _as_objective(objective)
        )
        if outcome.signal is not None:
            signal.raise_signal(outcome.signal)
        outcome.check()
        result = SearchResult(request.folder.root)
        for corpus in result.data.environment.get("corpora", ()):
            for sentence in corpus.get("substitutions", ()):
                warnings.warn(sentence, stacklevel=2)
        if outcome.winner is not None and outcome.winner.fallback is not None:
            warnings.warn(outcome.winner.fallback.reason, stacklevel=2)
        return result

    def _with_data(
        self,
        texts: Any,
        labels: Any,
        data: str | os.PathLike[str] | None,
        test: Rows | None,
        validation: Rows | None,
        objective: object,
    ) -> "tuple[SearchFile, Source | None]":
        """Return the search with the data that was given, and the data where it is in memory."""
        own = isinstance(self.config, ObjectiveSearchFile)
        if own != (objective is not None):
            raise ConfigError(
                "Search.run: this search is over an objective of its own; pass objective="
                if own
                else "Search.run: objective= needs a search that Search.over describes"
            )
        given = [each for each in (texts, data) if each is not None]
        if own and given:
            raise ConfigError("Search.run: an objective of your own reads its own data")
        if len(given) > 1:
            raise ConfigError("Search.run: pass either texts or data, not both")
        if data is not None:
            named = self.config.data.model_copy(update={"name": os.fspath(data), "offline": None})
            return self.config.model_copy(update={"data": named}), None
        if texts is None:
            return self.config, None
        from textcls.data.in_memory import memory_source

        held = self.config.data.model_copy(update={"name": IN_MEMORY, "offline": None})
        source = memory_source((texts, labels), held, test=test, validation=validation)
        return self.config.model_copy(update={"data": held}), source

    def _request(
        self,
        config: SearchFile,
        source: "Source | None",
        name: str | None,
        runs_dir: Path,
        resume: bool,
        warm_start: str | os.PathLike[str] | None,
        address: str | None,
        storage: str | None,
        track: Sequence[str],
    ) -> Any:
        from tune.monitor import trackers
        from tune.run_search import Request
        from tune.setup import check_resumable
        from tune.study import databases

        if track:
            trackers.check_trackers(track)
        if resume and name is None:
            raise ConfigError("Search.run: resume=True needs the name of the run")
        named = name or paths.default_name(Path(self._name), datetime.now().astimezone())
        folder = paths.named(runs_dir, named)
        resumed = resume and paths.began(folder)
        database = databases.allow_named(storage)
        if resumed:
            check_resumable(folder, config, database)
        else:
            folder = paths.create(runs_dir, named)
        return Request(
            config,
            folder,
            command=("Search.run", f"name={folder.name}"),
            address=address or os.environ.get("RAY_ADDRESS"),
            database=database,
            track=tuple(dict.fromkeys(track)),
            resumed=resumed,
            earlier=self._earlier,
            warm_start=None if warm_start is None else paths.find(runs_dir, os.fspath(warm_start)),
            source=source,
        )


def _as_objective(function: "UserFunction | None") -> "Objective":
    from tune.execution.objective import train_classifier
    from tune.execution.user_objective import UserObjective

    return train_classifier if function is None else UserObjective(function)


def _make_monitor(callbacks: "Sequence[Callback]", *, verbose: bool | None) -> "Monitor":
    from tune.monitor import notebook
    from tune.monitor.callback import CallbackMonitor

    display: Monitor | None = None
    if notebook.in_notebook() and verbose is not False:
        display = notebook.NotebookDisplay()
    elif verbose:
        from tune.monitor.progress import Progress

        display = Progress()
    return CallbackMonitor(callbacks, display)
