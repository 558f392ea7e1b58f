"""One search from its first line to its last: corpora, Ray, study, trials, winner."""

import importlib
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np

from textcls.command_line import typed
from textcls.config.models import EmbeddingConfig
from textcls.exceptions import ConfigError
from textcls.training.importing import paused_collection
from tune import setup, warm_start
from tune.analysis import class_table
from tune.analysis.costs import CostCounter
from tune.analysis.earlier_run import EarlierRun
from tune.analysis.error_analysis import ErrorAnalysis
from tune.config import grid
from tune.config.search_file import ObjectiveSearchFile, SearchFile, summarise_search
from tune.config.shapes import TrialShapes
from tune.exceptions import RayLostError, SearchError
from tune.execution import data, gpu_share, kernels, ray_connect, resources
from tune.execution.controller import SAME_FAILURES, SearchController
from tune.execution.data import Corpora
from tune.execution.resources import ResourcePlan
from tune.execution.stop import StopSignal, stop_on_signals
from tune.execution.task import Arrays, Objective
from tune.formatting import duration
from tune.monitor import log_capture, mlflow_model
from tune.monitor.callback import Monitor
from tune.monitor.progress import Progress
from tune.monitor.search_state import SearchPlan, SearchState
from tune.monitor.trackers import Tracked
from tune.report import writer
from tune.results import ensembles, fallback, preference, previous_winner
from tune.results import winner as winners
from tune.results.ensembles import ExportedEnsemble
from tune.results.manifest import RunManifest
from tune.results.previous_winner import Comparison
from tune.results.winner import Winner
from tune.run_folder import atomic, disk_errors, leaderboard, paths, sync
from tune.run_folder.heartbeat import HeartbeatReader
from tune.run_folder.paths import RunFolder
from tune.study.further_gain import FurtherGain
from tune.study.lease import StudyHold
from tune.study.records import TrialRecord, current_trials, ranked
from tune.study.study import SearchStudy

if TYPE_CHECKING:
    from textcls.data.dataset import Source
    from tune.execution.worker import Workload
    from tune.results.rerun import Confirmed

_SMALLEST_ENSEMBLE = 2
_EXPORT_NEEDS = "textcls.bundle"  # torch: a second or two, by the end of the search
_BUSY_START_S = 30.0  # until then the workers' own imports need every core


@dataclass(frozen=True, slots=True)
class Request:
    """A search to run: its configuration, its folder and its cluster."""

    config: SearchFile
    folder: RunFolder
    command: tuple[str, ...]
    address: str | None = None
    """`HOST:PORT` or "auto" to join a Ray cluster; None to start one."""
    dashboard_host: str | None = None
    """Where our own Ray's dashboard listens; None for this machine alone."""
    without_token: bool = False
    """Whether our own Ray asks for no token."""
    database: str | None = None
    """The URL of a database for a new study; None for a journal in the folder."""
    track: tuple[str, ...] = ()
    """Tools that are to see the trials as well: names of `tune.monitor.trackers`."""
    resumed: bool = False
    changed_data: bool = False
    """Whether a run that is resumed may go on with texts or vectors that have changed."""
    warm_start: RunFolder | None = None
    """An earlier run whose trials the sampler is to know."""
    earlier: EarlierRun | None = None
    """The run that a new search starts from, and whose winner its own is compared with."""
    source: "Source | None" = None
    """Texts that a program holds; None for those that the configuration names."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The parts that a search needs before its first trial."""

    corpora: Corpora
    plan: ResourcePlan
    study: SearchStudy
    controller: SearchController
    watcher: Tracked
    shapes: TrialShapes | None = None
    """Which trials can be trained as one; None for an objective of one's own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a search; everything in it is in the run folder as well."""

    request: Request
    records: tuple[TrialRecord, ...]
    winner: Winner | None
    ensemble: ExportedEnsemble | None
    signal: int | None
    """The signal that ended the search early."""
    given_up: str | None
    """The message of trials that all failed alike."""
    seconds: float
    ended_by: FurtherGain | None = None
    """What said that further trials were not worth the wait, where that ended the search."""
    examined: ErrorAnalysis | None = None
    """The winner's predictions on held-out texts."""
    compared: Comparison | None = None
    """The winner beside that of the run that the search started from."""

    @property
    def exit_code(self) -> int:
        """0 with a winner; 128 + the signal's number when a signal ended the search."""
        return 0 if self.signal is None else 128 + self.signal

    def check(self) -> None:
        """Raise `SearchError` where the set-up is at fault, or where there is no winner."""
        root = self.request.folder.root
        if self.given_up is not None:
            raise SearchError(
                f"the last {SAME_FAILURES} trials failed alike, so the fault is in the set-up: "
                f"{self.given_up} (more in {root}/trials/*/log.txt)"
            )
        if self.signal is None and self.winner is None:
            found = [record.message for record in self.records if record.message]
            why = "; ".join(list(dict.fromkeys(found))[:3]) or "no trial reached its first rung"
            raise SearchError(f"no winner: {why}")


def run(request: Request, monitor: Monitor, objective: Objective) -> Outcome:
    """Run a search to its end and leave its results in the run folder.

    Args:
        request: What is searched, where it goes, on which cluster.
        monitor: Shows what happens.
        objective: Trains one trial; see `tune.execution.task.Objective`.

    Returns:
        How the search ended, its trials and its winner.

    Raises:
        TextclsError: Where the search cannot start or cannot go on. A search without a winner is an
            outcome; its `check` says so.
    """
    began = time.monotonic()
    stop = StopSignal()
    if request.config.search.time_budget_s is not None:
        stop.deadline = began + request.config.search.time_budget_s
    folder = request.folder
    with (
        disk_errors.told_in_a_message(folder),
        folder.held(),
        _nothing_left_unless_begun(request),
        sync.synchronised(folder, monitor.say),
        log_capture.capture_output(folder.log),
        _Imports() as imports,
        StudyHold(partial(setattr, stop, "fault")) as hold,
        kernels.compile_ahead(request.config, monitor.say),
    ):
        parts, confirmed = _run_trials(request, monitor, objective, stop, imports, hold)
        winner = _export_best(request, parts, confirmed, stop)
        ensemble = _form_ensemble(request, parts, monitor)
        seconds = time.monotonic() - began
        records = parts.study.records()
        source, compared = request.source, None
        if winner is not None and parts.corpora:
            source, compared = previous_winner.look_back(
                request.config, parts.corpora, folder, request.source
            )
        outcome = Outcome(
            request, tuple(records), winner, ensemble, stop.signal, stop.given_up, seconds,
            ended_by=parts.controller.ended_by, compared=compared,
        )  # fmt: skip
        _write_results(outcome, len(parts.study.milestones), parts.corpora)
        examined = writer.write_report_at_end(folder, monitor.say, source)
        if "mlflow" in request.track and winner is not None and parts.corpora:
            mlflow_model.register_winner(folder, winner.as_dict(), monitor.say)
    return replace(outcome, examined=examined)


def print_outcome(outcome: Outcome, progress: Progress) -> None:
    """Print what a search came to: its named configurations, the winner, where everything is.

    Args:
        outcome: The search's end; without a winner only tables are printed.
        progress: The terminal, which prints these lines also when quiet.
    """
    request = outcome.request
    if request.config.configurations:
        progress.table(*winners.configurations_table(request.config, outcome.records))
    if outcome.examined is not None:
        _print_classes(outcome.examined, progress)
    if request.config.search.cost is not None:
        progress.table(*winners.front_table(request.config, outcome.records))
    if outcome.winner is None:
        return
    records = current_trials(outcome.records)
    counts = leaderboard.count_states(outcome.records)
    ends = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    took = duration(outcome.seconds)
    took = f"; this time in {took}" if request.resumed else f" in {took}"
    trials = f"{len(records)} ({ends}){took}"
    rows = winners.winner_lines(outcome.winner, request.config, request.folder)
    if outcome.ensemble is not None:
        rows += ensembles.ensemble_lines(outcome.ensemble, request.folder)
    if outcome.compared is not None:
        rows += outcome.compared.lines()
    if request.folder.report.exists():
        rows.append(("Report", paths.shown(request.folder.report)))
    progress.result([("Trials", trials), *rows])


def _print_classes(examined: ErrorAnalysis, progress: Progress) -> None:
    """Print how well each class is predicted: all of a few, the worst of many."""
    shown, left_out = class_table.few_classes(examined.per_class())
    what, _, *scores = class_table.HEAD
    progress.table([what, f"{examined.split} texts", *scores], class_table.class_rows(shown))
    if left_out is not None:
        progress.say(f"{left_out} {typed('tune.report')} RUN --classes prints all of them.")


def _run_trials(
    request: Request,
    monitor: Monitor,
    objective: Objective,
    stop: StopSignal,
    imports: "_Imports",
    hold: StudyHold,
) -> tuple[_Prepared, "Confirmed | None"]:
    # Ray takes seconds to start, most of them waiting; threads use that time.
    preparation = None
    if not isinstance(request.config, ObjectiveSearchFile):
        preparation = data.Preparation(request.config, monitor.say, request.source)
    for sentence in ray_connect.configure_ray(
        request.address, request.dashboard_host, without_token=request.without_token
    ):
        monitor.say(sentence)
    from tune.execution import ray_cluster

    imports.add("tune.execution.ray_runner")
    folder = request.folder
    log_capture.silence_libraries()
    for_confirmation = StopSignal()  # the search's budget is for the trials; this has its own
    with (
        ray_cluster.session(request.address, dashboard_host=request.dashboard_host) as joined,
        ExitStack() as begun,
    ):
        from tune.execution.ray_runner import run_trials
        from tune.execution.worker import Workload

        log_capture.silence_libraries()  # Ray has set up its loggers once more
        parts = _prepare(
            request, monitor, preparation.result() if preparation else {}, joined.nodes, hold
        )
        monitor.facts(_facts(request, parts, joined.dashboard_url))
        metric = request.config.search.metric
        workload = Workload(
            objective=objective,
            configure=request.config.configuration,
            arrays=_arrays(request.config, parts.corpora),
            milestones=parts.study.milestones,
            metric=metric,
            folder=folder,
            threads=parts.plan.threads,
            device=parts.plan.device,
            gpu=parts.plan.gpu,
            session=folder.begin_session(),
        )
        imports.add(_EXPORT_NEEDS, after_s=_BUSY_START_S)
        plan = SearchPlan(
            metric,
            grid.trial_count(request.config),
            parts.study.milestones,
            cost=request.config.search.cost,
            slots=parts.plan.concurrent,
            budget_s=None if stop.deadline is None else max(0.0, stop.deadline - time.monotonic()),
            capacity=parts.plan.capacity(joined.nodes),
            used_vectors=data.substituted_vectors(parts.corpora),
            stop_rule=request.config.search.stop_when,
        )
        state = SearchState(plan, heartbeats=HeartbeatReader(folder.heartbeat).read)
        state.recall(parts.study.records())
        begun.enter_context(ray_cluster.watched(folder, stop, for_confirmation))
        monitor.begin(state)
        with stop_on_signals(stop, monitor.say):
            try:
                timeout_s = request.config.search.trial_timeout_s
                run_trials(parts.controller, stop, workload, parts.plan, timeout_s, parts.shapes)
            finally:
                if stop.fault is None or isinstance(stop.fault, RayLostError):
                    parts.controller.interrupt(_reason(stop))
                monitor.end()
                parts.watcher.close()
                shutil.rmtree(folder.scratch, ignore_errors=True)
        if parts.controller.ended_by is not None:
            monitor.say(f"The search ends: {parts.controller.ended_by.reason}.")
        confirmed = _confirm(request, parts, workload, stop, for_confirmation, monitor)
    return parts, confirmed


def _confirm(
    request: Request,
    parts: _Prepared,
    workload: "Workload",
    stop: StopSignal,
    own: StopSignal,
    monitor: Monitor,
) -> "Confirmed | None":
    """Train the best trials again, where that was asked for and nothing has stopped the search."""
    asked = request.config.search.confirm
    stopped = stop.signal is not None or stop.given_up is not None
    if asked.top == 0 or stopped or parts.controller.best is None:
        return None
    from tune.results import rerun

    if asked.time_budget_s is not None:
        own.deadline = time.monotonic() + asked.time_budget_s
    records = ranked(parts.study.records())
    if asked.folds:
        trials = [record.params for record in records[: asked.top]]
        folds = data.confirmation_folds(request.config, parts.corpora, trials)
        workload = replace(workload, folds=folds)
    with stop_on_signals(own, monitor.say):
        confirmed = rerun.rerun_best(
            request.config, records, workload, parts.plan, own, monitor.say, parts.corpora
        )
    stop.signal = own.signal
    return confirmed


class _Imports:
    """Imports modules in the background; none is still under way when the block ends.

    An interpreter that ends amid an import of another thread may wait for its lock for ever.
    """

    def __init__(self) -> None:
        self._timers: list[threading.Timer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for timer in self._timers:
            timer.cancel()
        for timer in self._timers:
            timer.join()

    def add(self, module: str, after_s: float = 0.0) -> None:
        """Import a module after so many seconds."""
        timer = threading.Timer(after_s, _import, args=[module])
        timer.daemon = True
        timer.start()
        self._timers.append(timer)


def _import(module: str) -> None:
    with paused_collection():
        importlib.import_module(module)


def _prepare(
    request: Request,
    monitor: Monitor,
    prepared: Corpora,
    nodes: tuple[resources.Node, ...],
    hold: StudyHold,
) -> _Prepared:
    search = request.config
    asked = search.resources
    if asked.gpu == "auto" and not prepared:
        raise ConfigError("resources.gpu: auto is for text classifiers; name a share instead")
    if gpu_share.asks_for_cards(search):
        from tune.execution import ray_cluster

        nodes = ray_cluster.with_usable_cards(nodes, monitor.say)
    plan = gpu_share.planned(search, prepared, nodes)
    for notice in (plan.notice, gpu_share.nodes_without_trials(plan, nodes)):
        if notice:
            monitor.say(notice)
    record = RunManifest(request.folder, search, request.command)
    minimised = setup.counted_cost(search, prepared)
    if request.resumed:
        for change in record.append_resume(prepared, changed_data=request.changed_data):
            monitor.say(f"This run goes on although something has changed: {change}.")
        _take_study(request.folder, hold)
        study = setup.reopen_study(search, request.folder, minimised)
    else:
        record.write(prepared, plan)
        request.folder.journal.unlink(missing_ok=True)  # of a search killed amid its start
        if request.earlier is not None:
            previous_winner.keep_previous(request.earlier.folder, request.folder)
            monitor.say(str(request.earlier))
        earlier = None
        if request.warm_start is not None:
            earlier = warm_start.read_warm_start(request.warm_start, search, request.folder)
            monitor.say(str(earlier))
        texts = max((len(each.splits["train"]) for each in prepared.values()), default=1)
        study = setup.new_study(search, request.folder, texts, earlier, request.database, minimised)
        _take_study(request.folder, hold)
    watcher = Tracked(monitor, request.track, request.folder, search.search.metric, monitor.say)
    controller = setup.create_controller(
        search, study, request.folder, watcher, slots=plan.concurrent, minimised=minimised
    )
    shapes = None if isinstance(search, ObjectiveSearchFile) else TrialShapes(search)
    return _Prepared(prepared, plan, study, controller, watcher, shapes)


def _take_study(folder: RunFolder, hold: StudyHold) -> None:
    """Keep other machines' processes from a study in a database; a journal's folder has a lock."""
    if isinstance(folder.study, str):
        hold.take(folder.study, folder.study_name)


def _arrays(config: SearchFile, corpora: Corpora) -> dict[EmbeddingConfig, Arrays]:
    if isinstance(config, ObjectiveSearchFile):
        return {config.embeddings: Arrays({}, np.zeros((0, 0), np.float32), 0)}
    metric = config.search.metric
    return {key: data.worker_arrays(each, metric) for key, each in corpora.items()}


def _export_best(
    request: Request, parts: _Prepared, confirmed: "Confirmed | None", stop: StopSignal
) -> Winner | None:
    best, folder = parts.controller.best, request.folder
    if best is None:
        return _fall_back(request, parts, stop)
    if isinstance(request.config, ObjectiveSearchFile):
        standings = None
        if confirmed is not None:
            best, standings = confirmed.record, confirmed.confirmation
        return winners.winner_without_classifier(best, request.config, standings)
    trained, standings = winners.best_checkpoint(best, folder), None
    if confirmed is not None:
        best, trained, standings = confirmed.record, confirmed.trained, confirmed.confirmation
    alone = fallback.linear_if_no_worse(
        best, trained, request.config, parts.corpora, folder, standings
    )
    if alone is not None:
        return alone
    candidates = parts.controller.exportable if confirmed is None else confirmed.candidates
    chosen = preference.choose_cheapest(request.config, parts.corpora, candidates, standings)
    if chosen is not None and confirmed is None:
        best = next(each for each in candidates if each.number == chosen.chosen)
        trained = winners.best_checkpoint(best, folder)
    won = winners.export_best(best, trained, request.config, parts.corpora, folder, standings)
    return replace(won, preference=chosen)


def _fall_back(request: Request, parts: _Prepared, stop: StopSignal) -> Winner | None:
    """Return a winner without a rung where the time budget has left no other."""
    config, other_end = request.config, stop.signal is not None or stop.given_up is not None
    if not stop.out_of_time or other_end or isinstance(config, ObjectiveSearchFile):
        return None
    return fallback.fallback_winner(parts.study.records(), config, parts.corpora, request.folder)


def _form_ensemble(request: Request, parts: _Prepared, monitor: Monitor) -> ExportedEnsemble | None:
    asked = request.config.search.ensemble
    if asked == 0:
        return None
    leaders = parts.controller.leaders[:asked]
    if len(leaders) < asked:
        monitor.say(
            f"An ensemble of {asked} was requested, but only {len(leaders)} trials can join."
        )
    if len(leaders) < _SMALLEST_ENSEMBLE:
        return None
    return ensembles.form_ensemble(leaders, request.config, parts.corpora, request.folder)


def _write_results(outcome: Outcome, rungs: int, corpora: Corpora) -> None:
    folder, search = outcome.request.folder, outcome.request.config.search
    metric, cost = search.metric, search.cost
    counter = CostCounter.of_corpora(outcome.request.config, corpora)
    costs = {n: each.as_dict() for n, each in counter.costs(outcome.records).items()}
    leaderboard.write_leaderboard(folder.leaderboard, outcome.records, metric, rungs, cost, costs)
    best = outcome.winner.as_dict() if outcome.winner is not None else None
    result = leaderboard.result_json(
        _state(outcome), metric, outcome.records, best, outcome.seconds, cost
    )
    if outcome.ended_by is not None:
        result["ended_by"] = outcome.ended_by.as_dict()
    if outcome.ensemble is not None:
        result["ensemble"] = outcome.ensemble.as_dict()
    if outcome.compared is not None:
        result["previous"] = outcome.compared.as_dict()
    atomic.write_json(folder.result, result)


def _facts(
    request: Request, parts: _Prepared, dashboard_url: str | None
) -> Iterator[tuple[str, str]]:
    plan = parts.plan
    share = f"{plan.cpu:g} CPU" + (f" and {plan.gpu:g} GPU" if plan.gpu > 0 else "")
    yield "Search", summarise_search(request.config)
    if parts.corpora:
        yield "Data", _data(parts.corpora)
    yield "Rungs", ", ".join(f"{epoch:.3g}" for epoch in parts.study.milestones) + " epochs"
    each = "each" if plan.fuse == 1 else f"for {plan.fuse} trained as one"
    yield "Trials", f"{plan.concurrent} at a time, {share} {each}"
    yield "Folder", request.folder.store.describe(paths.shown(request.folder.root))
    if dashboard_url == "":
        yield "Dashboard", "none: it did not start in time, and the search does without"
    elif dashboard_url is not None:
        open_to_all = request.without_token and request.address is None
        token = "without a token" if open_to_all else "its token: ray get-auth-token"
        yield "Dashboard", f"{dashboard_url} ({token})"


def _data(prepared: Corpora) -> str:
    told = [corpus.provenance for corpus in prepared.values()]
    vectors = ", ".join(dict.fromkeys(str(each["vectors"]) for each in told))
    texts = ", ".join(f"{count:,} {split}" for split, count in told[0]["texts"].items())
    return f"{told[0]['data']}: {texts} texts; vectors {vectors}"


def _state(outcome: Outcome) -> str:
    if outcome.signal is not None:
        return "interrupted"
    failed = outcome.winner is None or outcome.given_up is not None
    return "failed" if failed else "complete"


def _reason(stop: StopSignal) -> str:
    if stop.out_of_time:
        return "the time budget was spent"
    if stop.fault is not None:
        return "Ray died"
    return "the search was stopped"


@contextmanager
def _nothing_left_unless_begun(request: Request) -> Iterator[None]:
    """Leave nothing of a run that did not begin; the folder must be held, or it is another's."""
    try:
        yield
    finally:
        folder = request.folder
        kept = request.resumed or folder.journal.exists() or folder.database.exists()
        if not kept:
            shutil.rmtree(folder.root, ignore_errors=True)
