"""A search's study: made for a new run, or taken up where an earlier one was cut off."""

from optuna.samplers import BaseSampler

from textcls.exceptions import ConfigError
from tune import schedulers
from tune.config import grid, optuna_space
from tune.config.search_file import SearchFile
from tune.execution.controller import Conductor
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.samplers import factory
from tune.schedulers import Rungs
from tune.study import study
from tune.study.callback import Callback
from tune.study.study import SearchStudy, Suggest
from tune.warm_start import Earlier


def rungs_of(search: SearchFile, texts: int) -> tuple[float, ...]:
    """The epochs at which each trial reports; `texts` are those of the train split."""
    scheduler = search.search.scheduler
    grace_period = scheduler.grace_period
    if scheduler.grace_texts is not None:
        grace_period = scheduler.grace_texts / texts
    epochs = search.train.epochs_on(texts)
    return schedulers.milestones(grace_period, scheduler.reduction_factor, epochs)


def stopping(search: SearchFile, count: int) -> Rungs | None:
    """Who says which trials go on at the `count` rungs; None where all do."""
    scheduler = search.search.scheduler
    return schedulers.make(
        scheduler.name, count, reduction_factor=scheduler.reduction_factor, keep=scheduler.keep
    )


def new_study(
    search: SearchFile,
    folder: RunFolder,
    texts: int,
    earlier: Earlier | None = None,
    database: str | None = None,
) -> SearchStudy:
    """A study with what is to be tried first: named configurations, points, or a grid's points.

    texts: how many the train split has.
    `earlier`: trials of another search, for the sampler alone. `database`: its URL, where the
    study is to lie there and not in the run folder.
    """
    made = study.create(
        database or folder.journal,
        folder.name,
        metric=search.search.metric,
        milestones=rungs_of(search, texts),
        sampler=_sampler(search, 0),
        fill=lambda made: _fill(made, search, earlier),
    )
    if database is not None:
        paths.write_json(folder.database, {"storage": database, "study_name": folder.name})
    return made


def _fill(made: SearchStudy, search: SearchFile, earlier: Earlier | None) -> None:
    if earlier is not None:
        made.inherit(earlier.records, earlier.milestones, optuna_space.distributions(search))
    first = optuna_space.points(search)
    names: list[str | None] = [*search.configurations] or [None] * len(first)
    for name, params in zip(names, first, strict=True):
        made.enqueue(optuna_space.encode(params), name=name)
    if search.search.sampler == "grid" and not search.configurations:
        for params in grid.shuffled(optuna_space.searched(search), search.search.seed):
            if params not in first:
                made.enqueue(optuna_space.encode(params))


def taken_up(search: SearchFile, folder: RunFolder) -> SearchStudy:
    """The study of an earlier run; trials that were cut off wait to be tried again."""
    found = study.resume(folder.study, folder.name, lambda trials: _sampler(search, trials))
    found.end_cut_off()
    for number in found.cut_off():
        found.requeue(number)
    return found


def conductor(
    search: SearchFile, made: SearchStudy, folder: RunFolder, watcher: Callback
) -> Conductor:
    """Who says what runs next."""
    return Conductor(
        made,
        suggest(search),
        stopping(search, len(made.milestones)),
        samples(search),
        folder,
        watcher,
        leaders=search.search.ensemble,
    )


def samples(search: SearchFile) -> int:
    """How many trials the search has."""
    if search.configurations:
        return len(search.configurations)
    if search.search.sampler == "grid":
        return min(search.search.samples, len(grid.shuffled(search.space, 0)))
    return search.search.samples


def suggest(search: SearchFile) -> Suggest:
    """How a trial's parameters are drawn."""
    searched = optuna_space.searched(search)
    return lambda trial: optuna_space.suggest(trial, searched)


def check_unchanged(recorded: SearchFile, asked: SearchFile) -> None:
    """Raise `ConfigError`, naming what differs, when a run is to go on with another search.

    Samples, time budget, trial timeout, concurrency, resources and what follows the trials may
    change.
    """
    free = {"samples", "time_budget_s", "trial_timeout_s", "max_concurrent", "confirm"}
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
        raise ConfigError("\n".join([message, *differences]))


def _differences(path: str, before: object, after: object) -> list[tuple[str, object, object]]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in dict.fromkeys([*before, *after]):
            inner = f"{path}.{key}" if path else str(key)
            found += _differences(inner, before.get(key), after.get(key))
        return found
    return [] if before == after else [(path, before, after)]


def _sampler(search: SearchFile, trials: int) -> BaseSampler:
    settings = search.search
    return factory.make(
        settings.sampler, optuna_space.searched(search), seed=settings.seed + trials
    )
