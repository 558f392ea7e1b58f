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
from tune.config.search_file import SearchFile, summary
from tune.exceptions import RunFolderError, SearchError
from tune.execution import data, gpu_share, ray_connect, resources
from tune.execution.controller import SAME_FAILURES, Conductor
from tune.execution.data import Corpora
from tune.execution.resources import Plan
from tune.execution.stop import Brake, pulled_by_signals
from tune.execution.task import Objective
from tune.formatting import duration
from tune.manifest import Record
from tune.monitor import log_capture
from tune.monitor.progress import Progress
from tune.monitor.trackers import Tracked
from tune.report import writer
from tune.results import ensembles
from tune.results import winner as winners
from tune.results.ensembles import Formed
from tune.results.winner import Winner
from tune.run_folder import leaderboard, paths, sync
from tune.run_folder.heartbeat import Pulses
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

    search: SearchFile
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
class _Parts:
    """What has to be there before the first trial."""

    corpora: Corpora
    plan: Plan
    study: SearchStudy
    conductor: Conductor
    watcher: Tracked


def run(request: Request, progress: Progress, objective: Objective) -> int:
    """Run a search to its end; returns the exit code.

    0 with a winner; 128 + the signal's number when a signal ended the search, its results written.
    Raises `TextclsError` when the search cannot start, cannot go on or has no winner.
    """
    began = time.monotonic()
    brake = Brake()
    if request.search.search.time_budget_s is not None:
        brake.deadline = began + request.search.search.time_budget_s
    folder = request.folder
    with (
        _writable(request),
        folder.held(),
        sync.synchronised(folder, progress.say),
        log_capture.logged_to(folder.log),
    ):
        parts, confirmed = _run_trials(request, progress, objective, brake)
        winner = _crown(request, parts, confirmed)
        ensemble = _form_ensemble(request, parts, progress)
        seconds = time.monotonic() - began
        _write_results(request, parts, winner, ensemble, brake, seconds)
        writer.leave(folder, progress.say)
    return _conclude(request, progress, parts, winner, ensemble, brake, seconds)


def _run_trials(
    request: Request, progress: Progress, objective: Objective, brake: Brake
) -> tuple[_Parts, "Confirmed | None"]:
    # Ray takes seconds to start, most of them waiting; threads use that time.
    preparation = data.Preparation(request.search, progress.say)
    ray_connect.prepare(request.address, request.dashboard_host)
    from tune.execution import ray_cluster

    _import("tune.execution.ray_runner")
    folder = request.folder
    log_capture.hush()
    with ray_cluster.session(request.address, dashboard_host=request.dashboard_host) as joined:
        from tune.execution.ray_runner import run_trials
        from tune.execution.worker import Workload

        log_capture.hush()  # Ray has set up its loggers once more
        parts = _parts(request, progress, preparation.result(), joined.nodes)
        progress.facts(_facts(request, parts, joined.dashboard_url))
        metric = request.search.search.metric
        workload = Workload(
            objective=objective,
            configure=request.search.configuration,
            arrays={key: data.arrays(each, metric) for key, each in parts.corpora.items()},
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
            setup.samples(request.search),
            parts.study.records(),
            milestones=parts.study.milestones,
            slots=parts.plan.concurrent,
            budget_s=None if brake.deadline is None else brake.deadline - time.monotonic(),
            capacity=parts.plan.capacity(joined.nodes),
            pulses=Pulses(folder.pulse),
        )
        with pulled_by_signals(brake, progress.say):
            try:
                timeout_s = request.search.search.trial_timeout_s
                run_trials(parts.conductor, brake, workload, parts.plan, timeout_s)
            finally:
                if brake.fault is None:
                    parts.conductor.interrupt(_reason(brake))
                progress.end()
                parts.watcher.close()
                shutil.rmtree(folder.scratch, ignore_errors=True)
        confirmed = _confirm(request, parts, workload, brake, progress)
    return parts, confirmed


def _confirm(
    request: Request, parts: _Parts, workload: "Workload", brake: Brake, progress: Progress
) -> "Confirmed | None":
    """Train the best trials again, where that was asked for and nothing has stopped the search."""
    asked = request.search.search.confirm
    stopped = brake.signal is not None or brake.given_up is not None
    if asked.top == 0 or stopped or parts.conductor.best is None:
        return None
    from tune.results import rerun

    # The search's budget is for the trials; this has its own.
    own = Brake()
    if asked.time_budget_s is not None:
        own.deadline = time.monotonic() + asked.time_budget_s
    with pulled_by_signals(own, progress.say):
        confirmed = rerun.run(
            request.search, ranked(parts.study.records()), workload, parts.plan, own, progress.say
        )
    brake.signal = own.signal
    return confirmed


def _import(module: str, after_s: float = 0.0) -> None:
    """Import a module in the background."""
    timer = threading.Timer(after_s, importlib.import_module, args=[module])
    timer.daemon = True
    timer.start()


def _parts(
    request: Request, progress: Progress, prepared: Corpora, nodes: tuple[resources.Node, ...]
) -> _Parts:
    search = request.search
    asked = search.resources
    if asked.gpu == "auto":
        plan = gpu_share.automatic(search, prepared, nodes, _smallest_card)
    else:
        plan = resources.plan(asked.cpu, asked.gpu, nodes, search.search.max_concurrent)
    if plan.notice:
        progress.say(plan.notice)
    record = Record(request.folder, search, request.command)
    if request.resumed:
        record.take_up(prepared)
        study = setup.taken_up(search, request.folder)
    else:
        record.write(prepared, plan)
        request.folder.journal.unlink(missing_ok=True)  # of a search killed amid its start
        earlier = None
        if request.warm_start is not None:
            earlier = warm_start.read(request.warm_start, search, request.folder)
            progress.say(str(earlier))
        texts = len(next(iter(prepared.values())).splits["train"])
        study = setup.new_study(search, request.folder, texts, earlier, request.database)
    watcher = Tracked(progress, request.track, request.folder, search.search.metric, progress.say)
    conductor = setup.conductor(search, study, request.folder, watcher)
    return _Parts(prepared, plan, study, conductor, watcher)


def _smallest_card() -> int:
    from tune.execution import ray_cluster

    return gpu_share.check_card(ray_cluster.card_bytes())


def _crown(request: Request, parts: _Parts, confirmed: "Confirmed | None") -> Winner | None:
    best, folder = parts.conductor.best, request.folder
    if best is None:
        return None
    trained, standings = winners.of_search(best, folder), None
    if confirmed is not None:
        best, trained, standings = confirmed.record, confirmed.trained, confirmed.confirmation
    return winners.crown(best, trained, request.search, parts.corpora, folder, standings)


def _form_ensemble(request: Request, parts: _Parts, progress: Progress) -> Formed | None:
    asked = request.search.search.ensemble
    if asked == 0:
        return None
    leaders = parts.conductor.leaders
    if len(leaders) < asked:
        progress.say(f"An ensemble of {asked} was asked for, but {len(leaders)} trials may join.")
    if len(leaders) < _SMALLEST_ENSEMBLE:
        return None
    return ensembles.form(leaders, request.search, parts.corpora, request.folder)


def _write_results(
    request: Request,
    parts: _Parts,
    winner: Winner | None,
    ensemble: Formed | None,
    brake: Brake,
    seconds: float,
) -> None:
    folder, metric = request.folder, request.search.search.metric
    records = parts.study.records()
    leaderboard.write(folder.leaderboard, records, metric, len(parts.study.milestones))
    best = winner.as_dict() if winner is not None else None
    state = _state(winner, brake)
    result = leaderboard.result(state, metric, records, best, seconds)
    if ensemble is not None:
        result["ensemble"] = ensemble.as_dict()
    paths.write_json(folder.result, result)


def _conclude(
    request: Request,
    progress: Progress,
    parts: _Parts,
    winner: Winner | None,
    ensemble: Formed | None,
    brake: Brake,
    seconds: float,
) -> int:
    records = parts.study.records()
    if request.search.configurations:
        progress.table(*winners.comparison(request.search, records))
    if winner is not None:
        counts = leaderboard.counts(records)
        ends = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        trials = f"{len(records)} ({ends}) in {duration(seconds)}"
        rows = winners.lines(winner, request.search, request.folder)
        rows += ensembles.lines(ensemble, request.folder) if ensemble is not None else []
        if request.folder.report.exists():
            rows.append(("Report", paths.shown(request.folder.report)))
        progress.result([("Trials", trials), *rows])
    if brake.given_up is not None:
        raise SearchError(
            f"the last {SAME_FAILURES} trials failed alike, so the fault is in the set-up: "
            f"{brake.given_up} (more in {request.folder.root}/trials/*/log.txt)"
        )
    if brake.signal is not None:
        return 128 + brake.signal
    if winner is None:
        messages = list(dict.fromkeys(record.message for record in records if record.message))
        why = "; ".join(messages[:3]) or "no trial reached its first rung"
        raise SearchError(f"no winner: {why}")
    return 0


def _facts(request: Request, parts: _Parts, dashboard_url: str | None) -> Iterator[tuple[str, str]]:
    plan = parts.plan
    share = f"{plan.cpu:g} CPU" + (f" and {plan.gpu:g} GPU" if plan.gpu > 0 else "")
    yield "Search", summary(request.search)
    yield "Data", _data(parts.corpora)
    yield "Rungs", ", ".join(f"{epoch:.3g}" for epoch in parts.study.milestones) + " epochs"
    yield "Trials", f"{plan.concurrent} at a time, {share} each"
    where, mirror = paths.shown(request.folder.root), request.folder.mirror
    yield "Folder", where if mirror is None else f"{mirror}, worked on in {where}"
    if dashboard_url is not None:
        yield "Dashboard", f"{dashboard_url} (its token: ray get-auth-token)"


def _data(prepared: Corpora) -> str:
    told = [corpus.provenance for corpus in prepared.values()]
    vectors = ", ".join(dict.fromkeys(str(each["vectors"]) for each in told))
    texts = ", ".join(f"{count:,} {split}" for split, count in told[0]["texts"].items())
    return f"{told[0]['data']}: {texts} texts; vectors {vectors}"


def _state(winner: Winner | None, brake: Brake) -> str:
    if brake.signal is not None:
        return "interrupted"
    return "failed" if winner is None or brake.given_up is not None else "complete"


def _reason(brake: Brake) -> str:
    if brake.out_of_time:
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
