"""Set up a search's study: a new one, or that of a run that is resumed."""

import hashlib
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from optuna.samplers import BaseSampler

from textcls.exceptions import ConfigError
from textcls.models.operations import operations_per_token
from tune import schedulers
from tune.analysis.costs import CostCounter
from tune.config import grid, optuna_space, search_file
from tune.config.search_file import ObjectiveSearchFile, SearchFile
from tune.execution.controller import SearchController
from tune.execution.data import Corpora
from tune.results.preference import KEPT
from tune.run_folder import atomic
from tune.run_folder.paths import RunFolder
from tune.samplers import factory
from tune.schedulers import Scheduler
from tune.study import study
from tune.study.callback import TrialCallback
from tune.study.further_gain import FurtherGain
from tune.study.study import SearchStudy, Suggest
from tune.warm_start import WarmStart

Cost = Callable[[Mapping[str, Any]], float]
"""What a configuration costs, by its parameters."""


def rung_epochs(config: SearchFile, texts: int) -> tuple[float, ...]:
    """Return the epochs at which each trial reports.

    Args:
        config: Names the scheduler and the length of a trial.
        texts: Texts of the train split.

    Raises:
        ConfigError: Two of them are one step of the study, which counts thousandths of an epoch.
    """
    scheduler = config.search.scheduler
    grace_period = scheduler.grace_period
    if scheduler.grace_texts is not None:
        grace_period = scheduler.grace_texts / texts
    epochs = config.train.epochs_on(texts)
    rungs = schedulers.rung_milestones(grace_period, scheduler.reduction_factor, epochs)
    steps = [study.step_of(epoch) for epoch in (0.0, *rungs)]
    if len(set(steps)) < len(steps):
        raise ConfigError(
            f"search.scheduler: the rungs lie at {rungs[0]:.3g}, {rungs[1]:.3g}, ... epochs, but "
            f"must be at least a thousandth of an epoch apart; with {texts:,} texts, raise "
            "grace_period or grace_texts"
        )
    return rungs


def scheduler_of(config: SearchFile, count: int) -> Scheduler | None:
    """Create the scheduler of a search.

    Args:
        config: The search.
        count: Its rungs.

    Returns:
        None where no trial is stopped early.
    """
    scheduler = config.search.scheduler
    return schedulers.create_scheduler(
        scheduler.name, count, reduction_factor=scheduler.reduction_factor, keep=scheduler.keep
    )


def new_study(
    config: SearchFile,
    folder: RunFolder,
    texts: int,
    earlier: WarmStart | None = None,
    database: str | None = None,
    minimised: Cost | None = None,
) -> SearchStudy:
    """Create a study and enqueue what is tried first: configurations, points, a grid's points.

    Args:
        config: The search.
        folder: Its run folder.
        texts: Number of texts in the train split.
        earlier: Trials of another search, shown to the sampler alone.
        database: The URL of a database for the study; by default a journal in the run folder.
        minimised: What a configuration costs, where the search minimises a cost (`counted_cost`).

    Returns:
        The study, on disk.
    """
    made = study.create_study(
        database or folder.journal,
        folder.name,
        metric=config.search.metric,
        milestones=rung_epochs(config, texts),
        sampler=_sampler(config, 0, minimised),
        bounded=not isinstance(config, ObjectiveSearchFile),
        cost=config.search.cost,
        owner=_owner(folder) if database is not None else None,
        fill=lambda made: _fill(made, config, earlier),
    )
    if database is not None:
        atomic.write_json(folder.database, {"storage": database, "study_name": folder.name})
    return made


def _owner(folder: RunFolder) -> str:
    """Return a word for a run folder that tells those who read the database nothing of it."""
    return hashlib.sha256(folder.place.encode()).hexdigest()[:32]


def _fill(made: SearchStudy, config: SearchFile, earlier: WarmStart | None) -> None:
    if earlier is not None:
        made.inherit(earlier.records, earlier.milestones, optuna_space.optuna_distributions(config))
    first = optuna_space.initial_points(config)
    names: list[str | None] = [*config.configurations] or [None] * len(first)
    for name, params in zip(names, first, strict=True):
        made.enqueue(optuna_space.encode_params(params), name=name)
    _enqueue_grid(made, config)


def _enqueue_grid(made: SearchStudy, config: SearchFile) -> None:
    """Enqueue as many of the grid's points as the search has trials and the study lacks."""
    if config.search.sampler != "grid" or config.configurations:
        return
    first = optuna_space.initial_points(config)
    points = grid.shuffled(optuna_space.searched(config), config.search.seed)
    rest = (params for params in points if params not in first)
    known = made.proposed() - len(first)
    for params in islice(rest, known, max(known, grid.trial_count(config) - len(first))):
        made.enqueue(optuna_space.encode_params(params))


def reopen_study(
    config: SearchFile, folder: RunFolder, minimised: Cost | None = None
) -> SearchStudy:
    """Open the study of an earlier run and enqueue the trials that were cut off.

    Args:
        config: The search.
        folder: Its run, in which no other process searches.
        minimised: What a configuration costs, where the search minimises a cost (`counted_cost`).

    Raises:
        SearchError: The study is damaged, has another format, or its database does not answer.
    """
    found = study.resume_study(
        folder.study, folder.study_name, lambda trials: _sampler(config, trials, minimised)
    )
    found.end_cut_off()
    for number in found.cut_off():
        found.requeue(number)
    _enqueue_grid(found, config)
    return found


def create_controller(
    config: SearchFile,
    made: SearchStudy,
    folder: RunFolder,
    watcher: TrialCallback,
    *,
    slots: int = 1,
    minimised: Cost | None = None,
) -> SearchController:
    """Create the controller, which decides what runs next; delete what a killed search left.

    Args:
        config: The search.
        made: Its study, new or reopened.
        folder: Where its files are.
        watcher: Hears of every trial that starts, reports and ends.
        slots: Trials at a time.
        minimised: What a configuration costs, where the search minimises a cost (`counted_cost`).

    Returns:
        The controller, which knows every trial of the study so far.
    """
    rule = config.search.stop_when
    controller = SearchController(
        made,
        suggester(config),
        scheduler_of(config, len(made.milestones)),
        grid.trial_count(config),
        folder,
        watcher,
        leaders=max(config.search.ensemble, 1 if config.search.prefer == "accurate" else KEPT),
        further_gain=None if rule is None else FurtherGain(rule, slots),
        cost=minimised,
    )
    controller.tidy_up()
    return controller


def suggester(config: SearchFile) -> Suggest:
    """Return the function that draws a trial's parameters.

    Args:
        config: The search.

    Returns:
        Takes an Optuna trial and returns its parameters, those under conditions where they hold.
    """
    searched = optuna_space.searched(config)
    return lambda trial: optuna_space.suggest(trial, searched)


def check_resumable(folder: RunFolder, config: SearchFile, database: str | None) -> None:
    """Check that a run can go on with a search; a run that cannot is left as it is.

    Args:
        folder: The run.
        config: The search that is asked for.
        database: The database that was named for its study; None where none was.

    Raises:
        ConfigError: The search differs, or the study lies elsewhere.
        SearchError: The study cannot be read.
    """
    if database not in (None, folder.study):
        raise ConfigError(f"--storage {database}: but the run's study lies at {folder.study}")
    study.read_study(folder.study, folder.study_name)
    check_unchanged(search_file.load_search(folder.space), config)


def check_unchanged(recorded: SearchFile, asked: SearchFile) -> None:
    """Check that a run is resumed with the search that it began with.

    Samples, time budget, stop_when, trial timeout, concurrency, resources and what follows the
    trials may change.

    Args:
        recorded: The search of the run folder.
        asked: The search that is to continue it.

    Raises:
        ConfigError: Anything else differs; the message names it.
    """
    free = {"samples", "time_budget_s", "stop_when", "trial_timeout_s"}
    free |= {"max_concurrent", "confirm"}
    before, after = recorded.model_dump(), asked.model_dump()
    for dumped in (before, after):
        del dumped["resources"]
        for key in free:
            del dumped["search"][key]
    differences = [
        f"  {path}: was {was!r}, now {now!r}" for path, was, now in _differences("", before, after)
    ]
    if differences:
        message = "a run goes on with the search that it began with, but these differ:"
        if recorded.search.prefer != asked.search.prefer:
            differences.append(
                f"  (of a search that has ended, export RUN --prefer {asked.search.prefer} --out "
                "FOLDER picks from the trials that kept their checkpoints)"
            )
        raise ConfigError("\n".join([message, *differences]))


def _differences(path: str, before: object, after: object) -> list[tuple[str, object, object]]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in dict.fromkeys([*before, *after]):
            inner = f"{path}.{key}" if path else str(key)
            found += _differences(inner, before.get(key), after.get(key))
        return found
    return [] if before == after else [(path, before, after)]


def _sampler(config: SearchFile, trials: int, minimised: Cost | None = None) -> BaseSampler:
    settings = config.search
    return factory.create_sampler(
        settings.sampler,
        optuna_space.searched(config),
        seed=settings.seed + trials,
        cost=cost_of(config),
        minimised=minimised,
    )


def cost_of(config: SearchFile) -> Cost | None:
    """Return what a configuration costs beside others, before it runs: operations a token.

    It is counted, not timed, so the clock has no say in which trials come next and a seed repeats
    its search.

    Args:
        config: The search.

    Returns:
        Takes a trial's parameters; None for an objective of one's own, whose cost nobody knows.
    """
    if isinstance(config, ObjectiveSearchFile):
        return None

    def cost(params: Mapping[str, Any]) -> float:
        model, embeddings, _ = config.configuration(params)
        return operations_per_token(model, embeddings.dim)

    return cost


def counted_cost(config: SearchFile, corpora: Corpora) -> Cost | None:
    """Return the cost that a search minimises beside its metric; None where it names none.

    Args:
        config: The search.
        corpora: Its corpora, which say how many words and classes there are.
    """
    name = config.search.cost
    if name is None:
        return None
    counter = CostCounter.of_corpora(config, corpora)

    def cost(params: Mapping[str, Any]) -> float:
        found = counter.cost(params)
        if found is None:
            raise ConfigError(f"{name} of a trial with {dict(params)} cannot be counted")
        return found.of(name)

    return cost
