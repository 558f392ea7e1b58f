"""One search from its first line to its last: corpora, Ray, study, trials, winner."""

import importlib
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.exceptions import StorageInternalError

from tune import setup, warm_start
from tune.config.search_file import SearchFile, summarise_search
from tune.exceptions import RunFolderError, SearchError
from tune.execution import data, gpu_share, ray_connect, resources
from tune.execution.controller import SAME_FAILURES, SearchController
from tune.execution.data import Corpora
from tune.execution.resources import ResourcePlan
from tune.execution.stop import StopSignal, stop_on_signals
from tune.execution.task import Objective
from tune.formatting import duration
from tune.manifest import RunManifest
from tune.monitor import log_capture
from tune.monitor.progress import Progress
from tune.monitor.trackers import Tracked
from tune.report import writer
from tune.results import ensembles
from tune.results import winner as winners
from tune.results.ensembles import ExportedEnsemble
from tune.results.winner import Winner
from tune.run_folder import leaderboard, paths, sync
from tune.run_folder.heartbeat import HeartbeatReader
from tune.run_folder.paths import RunFolder
from tune.study.records import ranked
from tune.study.study import SearchStudy

if TYPE_CHECKING:
    from tune.execution.worker import Workload
    from tune.results.rerun import Confirmed

_SMALLEST_ENSEMBLE = 2
_EXPORT_NEEDS = "textcls.bundle"  # torch: a second or two, by the end of the search
_BUSY_START_S = 30.0  # until then the workers' own imports need every core


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be searched, where it goes, and on which cluster."""

    config: SearchFile
    folder: RunFolder
    command: tuple[str, ...]
    address: str | None = None
    """`HOST:PORT` or "auto" to join a Ray cluster; None to start one."""
    dashboard_host: str | None = None
    """Where our own Ray's dashboard listens; None for this machine alone."""
    database: str | None = None
    """The URL of a database for a new study; None for a journal in the folder."""
    track: tuple[str, ...] = ()
    """Tools that are to see the trials as well: names of `tune.monitor.trackers`."""
    resumed: bool = False
    warm_start: RunFolder | None = None
    """An earlier run whose trials the sampler is to know."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What has to be there before the first trial."""

    corpora: Corpora
    plan: ResourcePlan
    study: SearchStudy
    controller: SearchController
    watcher: Tracked


def run(request: Request, progress: Progress, objective: Objective) -> int:
    """Run a search to its end; returns the exit code.

    0 with a winner; 128 + the signal's number when a signal ended the search, its results written.
    Raises `TextclsError` when the search cannot start, cannot go on or has no winner.
    """
    began = time.monotonic()
    stop = StopSignal()
    if request.config.search.time_budget_s is not None:
        stop.deadline = began + request.config.search.time_budget_s
    folder = request.folder
    with (
        _writable(request),
        folder.held(),
        sync.synchronised(folder, progress.say),
        log_capture.capture_output(folder.log),
    ):
        parts, confirmed = _run_trials(request, progress, objective, stop)
        winner = _export_best(request, parts, confirmed)
        ensemble = _form_ensemble(request, parts, progress)
        seconds = time.monotonic() - began
        _write_results(request, parts, winner, ensemble, stop, seconds)
        writer.write_report_at_end(folder, progress.say)
    return _conclude(request, progress, parts, winner, ensemble, stop, seconds)


def _run_trials(
    request: Request, progress: Progress, objective: Objective, stop: StopSignal
) -> tuple[_Prepared, "Confirmed | None"]:
    # Ray takes seconds to start, most of them waiting; threads use that time.
    preparation = data.Preparation(request.config, progress.say)
    ray_connect.configure_ray(request.address, request.dashboard_host)
    from tune.execution import ray_cluster

    _import("tune.execution.ray_runner")
    folder = request.folder
    log_capture.silence_libraries()
    with ray_cluster.session(request.address, dashboard_host=request.dashboard_host) as joined:
        from tune.execution.ray_runner import run_trials
        from tune.execution.worker import Workload

        log_capture.silence_libraries()  # Ray has set up its loggers once more
        parts = _prepare(request, progress, preparation.result(), joined.nodes)
        progress.facts(_facts(request, parts, joined.dashboard_url))
        metric = request.config.search.metric
        workload = Workload(
            objective=objective,
            configure=request.config.configuration,
            arrays={key: data.worker_arrays(each, metric) for key, each in parts.corpora.items()},
            milestones=parts.study.milestones,
            metric=metric,
            folder=folder,
            threads=parts.plan.threads,
            device=parts.plan.device,
            gpu=parts.plan.gpu,
        )
        _import(_EXPORT_NEEDS, after_s=_BUSY_START_S)
        progress.begin(
            metric,
            setup.trial_count(request.config),
            parts.study.records(),
            milestones=parts.study.milestones,
            slots=parts.plan.concurrent,
            budget_s=None if stop.deadline is None else stop.deadline - time.monotonic(),
            capacity=parts.plan.capacity(joined.nodes),
            heartbeats=HeartbeatReader(folder.heartbeat),
        )
        with stop_on_signals(stop, progress.say):
            try:
                timeout_s = request.config.search.trial_timeout_s
                run_trials(parts.controller, stop, workload, parts.plan, timeout_s)
            finally:
                if stop.fault is None:
                    parts.controller.interrupt(_reason(stop))
                progress.end()
                parts.watcher.close()
                shutil.rmtree(folder.scratch, ignore_errors=True)
        confirmed = _confirm(request, parts, workload, stop, progress)
    return parts, confirmed


def _confirm(
    request: Request, parts: _Prepared, workload: "Workload", stop: StopSignal, progress: Progress
) -> "Confirmed | None":
    """Train the best trials again, where that was asked for and nothing has stopped the search."""
    asked = request.config.search.confirm
    stopped = stop.signal is not None or stop.given_up is not None
    if asked.top == 0 or stopped or parts.controller.best is None:
        return None
    from tune.results import rerun

    # The search's budget is for the trials; this has its own.
    own = StopSignal()
    if asked.time_budget_s is not None:
        own.deadline = time.monotonic() + asked.time_budget_s
    with stop_on_signals(own, progress.say):
        confirmed = rerun.rerun_best(
            request.config, ranked(parts.study.records()), workload, parts.plan, own, progress.say
        )
    stop.signal = own.signal
    return confirmed


def _import(module: str, after_s: float = 0.0) -> None:
    """Import a module in the background."""
    timer = threading.Timer(after_s, importlib.import_module, args=[module])
    timer.daemon = True
    timer.start()


def _prepare(
    request: Request, progress: Progress, prepared: Corpora, nodes: tuple[resources.Node, ...]
) -> _Prepared:
    search = request.config
    asked = search.resources
    if asked.gpu == "auto":
        plan = gpu_share.automatic_plan(search, prepared, nodes, _smallest_card)
    else:
        plan = resources.plan_resources(asked.cpu, asked.gpu, nodes, search.search.max_concurrent)
    if plan.notice:
        progress.say(plan.notice)
    record = RunManifest(request.folder, search, request.command)
    if request.resumed:
        record.append_resume(prepared)
        study = setup.reopen_study(search, request.folder)
    else:
        record.write(prepared, plan)
        request.folder.journal.unlink(missing_ok=True)  # of a search killed amid its start
        earlier = None
        if request.warm_start is not None:
            earlier = warm_start.read_warm_start(request.warm_start, search, request.folder)
            progress.say(str(earlier))
        texts = len(next(iter(prepared.values())).splits["train"])
        study = setup.new_study(search, request.folder, texts, earlier, request.database)
    watcher = Tracked(progress, request.track, request.folder, search.search.metric, progress.say)
    controller = setup.create_controller(search, study, request.folder, watcher)
    return _Prepared(prepared, plan, study, controller, watcher)


def _smallest_card() -> int:
    from tune.execution import ray_cluster

    return gpu_share.check_card(ray_cluster.card_bytes())


def _export_best(
    request: Request, parts: _Prepared, confirmed: "Confirmed | None"
) -> Winner | None:
    best, folder = parts.controller.best, request.folder
    if best is None:
        return None
    trained, standings = winners.best_checkpoint(best, folder), None
    if confirmed is not None:
        best, trained, standings = confirmed.record, confirmed.trained, confirmed.confirmation
    return winners.export_best(best, trained, request.config, parts.corpora, folder, standings)


def _form_ensemble(
    request: Request, parts: _Prepared, progress: Progress
) -> ExportedEnsemble | None:
    asked = request.config.search.ensemble
    if asked == 0:
        return None
    leaders = parts.controller.leaders
    if len(leaders) < asked:
        progress.say(f"An ensemble of {asked} was asked for, but {len(leaders)} trials may join.")
    if len(leaders) < _SMALLEST_ENSEMBLE:
        return None
    return ensembles.form_ensemble(leaders, request.config, parts.corpora, request.folder)


def _write_results(
    request: Request,
    parts: _Prepared,
    winner: Winner | None,
    ensemble: ExportedEnsemble | None,
    stop: StopSignal,
    seconds: float,
) -> None:
    folder, metric = request.folder, request.config.search.metric
    records = parts.study.records()
    leaderboard.write_leaderboard(folder.leaderboard, records, metric, len(parts.study.milestones))
    best = winner.as_dict() if winner is not None else None
    state = _state(winner, stop)
    result = leaderboard.result_json(state, metric, records, best, seconds)
    if ensemble is not None:
        result["ensemble"] = ensemble.as_dict()
    paths.write_json(folder.result, result)


def _conclude(
    request: Request,
    progress: Progress,
    parts: _Prepared,
    winner: Winner | None,
    ensemble: ExportedEnsemble | None,
    stop: StopSignal,
    seconds: float,
) -> int:
    records = parts.study.records()
    if request.config.configurations:
        progress.table(*winners.configurations_table(request.config, records))
    if winner is not None:
        counts = leaderboard.count_states(records)
        ends = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        trials = f"{len(records)} ({ends}) in {duration(seconds)}"
        rows = winners.winner_lines(winner, request.config, request.folder)
        rows += ensembles.ensemble_lines(ensemble, request.folder) if ensemble is not None else []
        if request.folder.report.exists():
            rows.append(("Report", paths.shown(request.folder.report)))
        progress.result([("Trials", trials), *rows])
    if stop.given_up is not None:
        raise SearchError(
            f"the last {SAME_FAILURES} trials failed alike, so the fault is in the set-up: "
            f"{stop.given_up} (more in {request.folder.root}/trials/*/log.txt)"
        )
    if stop.signal is not None:
        return 128 + stop.signal
    if winner is None:
        messages = list(dict.fromkeys(record.message for record in records if record.message))
        why = "; ".join(messages[:3]) or "no trial reached its first rung"
        raise SearchError(f"no winner: {why}")
    return 0


def _facts(
    request: Request, parts: _Prepared, dashboard_url: str | None
) -> Iterator[tuple[str, str]]:
    plan = parts.plan
    share = f"{plan.cpu:g} CPU" + (f" and {plan.gpu:g} GPU" if plan.gpu > 0 else "")
    yield "Search", summarise_search(request.config)
    yield "Data", _data(parts.corpora)
    yield "Rungs", ", ".join(f"{epoch:.3g}" for epoch in parts.study.milestones) + " epochs"
    yield "Trials", f"{plan.concurrent} at a time, {share} each"
    where, remote = paths.shown(request.folder.root), request.folder.remote
    yield "Folder", where if remote is None else f"{remote}, worked on in {where}"
    if dashboard_url is not None:
        yield "Dashboard", f"{dashboard_url} (its token: ray get-auth-token)"


def _data(prepared: Corpora) -> str:
    told = [corpus.provenance for corpus in prepared.values()]
    vectors = ", ".join(dict.fromkeys(str(each["vectors"]) for each in told))
    texts = ", ".join(f"{count:,} {split}" for split, count in told[0]["texts"].items())
    return f"{told[0]['data']}: {texts} texts; vectors {vectors}"


def _state(winner: Winner | None, stop: StopSignal) -> str:
    if stop.signal is not None:
        return "interrupted"
    return "failed" if winner is None or stop.given_up is not None else "complete"


def _reason(stop: StopSignal) -> str:
    if stop.out_of_time:
        return "the time budget was spent"
    return "the search was stopped"


@contextmanager
def _writable(request: Request) -> Iterator[None]:
    """Turn a failure to write into a message; leave nothing of a run that did not begin."""
    root = request.folder.root
    try:
        yield
    except StorageInternalError as error:
        raise SearchError(
            f"{root}: the database of its study no longer answers "
            f"({error.__cause__ or error}); --resume {root.name} goes on once it does"
        ) from error
    except OSError as error:
        if error.errno in paths.CANNOT_WRITE or str(root) in str(error.filename):
            raise RunFolderError(
                f"{root}: cannot be written ({error.strerror or error}); "
                f"what is there stays readable, and --resume {root.name} goes on from it"
            ) from error
        raise
    finally:
        folder = request.folder
        kept = request.resumed or folder.journal.exists() or folder.database.exists()
        if not kept:
            shutil.rmtree(root, ignore_errors=True)
