"""`python -m tune.search --space gru`: find a good text classifier."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from textcls.command_line import CommandParser, add_runs_dir, typed
from textcls.output import flush_all, printable

if TYPE_CHECKING:
    from textcls.config.loader import Override
    from textcls.data.dataset import Source
    from tune.config.search_file import SearchFile
    from tune.run_folder.paths import RunFolder
    from tune.run_search import Request

_KEYS = {
    "data": ("data.name",),
    "text": ("data.text_columns",),
    "label": ("data.label_column",),
    "embeddings": ("embeddings.name",),
    "samples": ("search.samples",),
    "epochs": ("train.epochs",),
    "time_budget": ("search.time_budget",),
    "trial_timeout": ("search.trial_timeout",),
    "seed": ("search.seed", "train.seed"),
    "cpus_per_trial": ("resources.cpu",),
    "gpus_per_trial": ("resources.gpu",),
    "max_concurrent": ("search.max_concurrent",),
    "confirm": ("search.confirm.top",),
    "seeds": ("search.confirm.seeds",),
    "ensemble": ("search.ensemble",),
    "prefer": ("search.prefer",),
}
"""Options that stand for keys of the search file."""

_AUTO = "auto"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a search.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0 with a winner, 130 or 143 after a signal, else 1 with a message on standard
        error.

    Raises:
        SystemExit: With code 2 where an argument is wrong or two do not go together.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    parser = make_parser()
    options = parser.parse(given)
    if options.list:
        return _list_spaces()
    if wrong := _misfit(options):
        parser.error(wrong)

    from textcls.exceptions import TextclsError  # from here on imports take their time

    try:
        request = _request(options, given)

        from textcls.exceptions import ConfigError
        from tune import run_search
        from tune.config.search_file import ObjectiveSearchFile
        from tune.execution.objective import train_classifier
        from tune.monitor.progress import Progress

        if isinstance(request.config, ObjectiveSearchFile):
            raise ConfigError(
                f"{request.folder.space}: searches an objective that was handed over in Python; go "
                f"on with tune.Search.over(...).run(objective=..., name={request.folder.name!r}, "
                "resume=True)"
            )
        with _announced(options.on_finish, request.folder):
            progress = Progress(quiet=options.quiet)
            outcome = run_search.run(request, progress, train_classifier)
            run_search.print_outcome(outcome, progress)
            outcome.check()
            return outcome.exit_code
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _misfit(options: argparse.Namespace) -> str | None:
    """Say which of the options that choose the run contradict each other; None where they fit."""
    if options.resume == _AUTO:
        if options.name is None or (options.space is None and options.from_run is None):
            return (
                "--resume auto needs --name, and --space or --from: it goes on with that run or "
                "begins it"
            )
    elif options.resume is not None:
        for other, given in (
            ("space", options.space), ("name", options.name), ("from", options.from_run),
        ):  # fmt: skip
            if given is not None:
                return f"argument --{other}: not allowed with argument --resume, but for auto"
    elif options.space is None and options.data is None and options.from_run is None:
        return "one of the arguments --space --data --from --resume is required"
    if options.from_run is not None:
        for other, given in (("space", options.space), ("warm-start", options.warm_start)):
            if given is not None:
                return (
                    f"argument --{other}: not allowed with argument --from, which searches what "
                    "its run searched; --set changes keys of that"
                )
    return None


def _fitted(
    search: "SearchFile", space: Path, overrides: "Sequence[str | Override]", *, quiet: bool
) -> "tuple[SearchFile, Source | None]":
    """Return the search with the values that suit its data, and the data, which is read for that.

    The user's own values stay.
    """
    from textcls.config.loader import Override
    from textcls.data.dataset import locate
    from tune import own_data
    from tune.config import search_file

    if not Path(search.data.name).expanduser().exists():
        return search, None  # of the hub or made up: nothing is downloaded before the search begins
    dataset = own_data.read_whole(search.data)
    suggestions = own_data.suggest_settings(dataset, search.data)
    if _names_vectors(overrides):
        suggestions = [each for each in suggestions if not each.key.endswith(".embeddings")]

    def overriding(values: "Sequence[own_data.Suggestion]") -> list[str | Override]:
        return [Override(each.key, each.value, "--data") for each in values]

    values = [*overriding(suggestions), *overrides]
    fitted = search_file.load_search(space, values)
    if shares := own_data.share_budget(fitted):
        fitted = search_file.load_search(space, [*values, *overriding(shares)])
        suggestions += shares
    if not quiet:
        print(f"No --space is given: searching {own_data.SPACE}, fitted to the data.")
        for each in suggestions:
            print(f"  {each.key}={each.value}: {each.reason}")
    return fitted, locate(fitted.data).with_dataset(dataset)


def _names_vectors(overrides: "Sequence[str | Override]") -> bool:
    """Tell whether the user has said which vectors to use."""
    keys = (each.partition("=")[0] if isinstance(each, str) else each.key for each in overrides)
    return any("embeddings" in key.strip().split(".") for key in keys)


def _plain_name(data: str) -> str:
    """Return the last part of a data's name as the name of a run may be written."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(data).stem).strip("-_") or "search"


def _list_spaces() -> int:
    """Print what each search space that comes with the package is for and how long it takes."""
    from tune.config import spaces

    found = spaces.shipped_spaces()
    width = max((len(each.name) for each in found), default=0) + 2
    columns = max(shutil.get_terminal_size().columns, width + 40)
    for each in found:
        text = f"{each.purpose} {each.duration}".rstrip()
        lines = textwrap.wrap(text, columns - width, break_on_hyphens=False)
        print(each.name.ljust(width) + ("\n" + " " * width).join(lines))
    return 0


def _request(options: argparse.Namespace, given: Sequence[str]) -> "Request":
    from textcls.config.loader import Override
    from textcls.data.dataset import check_local
    from textcls.exceptions import ConfigError
    from tune import own_data
    from tune.config import search_file, spaces
    from tune.run_folder import paths
    from tune.study import databases

    runs_dir = paths.runs_dir(options.runs_dir)
    address = options.address or os.environ.get("RAY_ADDRESS")
    if options.track:
        from tune.monitor import trackers

        trackers.check_trackers(options.track)
    if options.dashboard_host is not None:
        from tune.execution import ray_connect

        ray_connect.check_dashboard(
            options.dashboard_host, address, without_token=options.without_token
        )
    overrides: list[str | Override] = [
        Override(key, value, f"--{option.replace('_', '-')}")
        for option, keys in _KEYS.items()
        if (value := getattr(options, option)) is not None
        for key in keys
    ]
    if options.epochs is not None:  # who names a number gets it, however small the data
        overrides.append(Override("train.least_texts", 0, "--epochs"))
    overrides += options.set
    database = databases.allow_named(options.storage)
    warm_start, source, earlier = None, None, None
    if options.warm_start is not None:
        if options.resume not in (None, _AUTO):
            raise ConfigError("--warm-start is for a new search, but --resume goes on with one")
        warm_start = paths.find(runs_dir, options.warm_start)
    resumed = options.resume is not None
    if options.resume == _AUTO:
        folder = paths.named(runs_dir, options.name)
        resumed = paths.began(folder)
    elif resumed:
        folder = paths.find(runs_dir, options.resume)
    if resumed:
        from tune.setup import check_resumable

        space = folder.space if options.space is None else spaces.find_space(options.space)
        search = search_file.load_search(space, overrides)
        check_resumable(folder, search, database)
    elif options.from_run is not None:
        from tune.analysis.earlier_run import start_from

        earlier = start_from(paths.find(runs_dir, options.from_run), overrides)
        search = earlier.config
        check_local(search.data)
        named = Path(earlier.folder.name)
        name = options.name or paths.default_name(named, datetime.now().astimezone())
        folder = paths.create(runs_dir, name)
    else:
        space = spaces.find_space(options.space or own_data.SPACE)
        search = search_file.load_search(space, overrides)
        check_local(search.data)  # while a wrong column costs seconds and no run folder
        if options.space is None:
            search, source = _fitted(search, space, overrides, quiet=options.quiet)
        named = space if options.space else Path(_plain_name(search.data.name))
        name = options.name or paths.default_name(named, datetime.now().astimezone())
        folder = paths.create(runs_dir, name)
    from tune.run_search import Request  # after the checks: it imports for seconds

    return Request(
        search,
        folder,
        command=(*typed("tune.search").split(), *given),
        address=address,
        dashboard_host=options.dashboard_host,
        without_token=options.without_token,
        database=database,
        track=tuple(dict.fromkeys(options.track)),
        resumed=resumed,
        changed_data=options.changed_data,
        warm_start=warm_start,
        earlier=earlier,
        source=source,
    )


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "tune.search",
        "Search for a good text classifier; the results go to RUNS_DIR/NAME.",
        usage="%(prog)s --data DATA [OPTION ...]\n"
        "       %(prog)s --space SPACE [OPTION ...]\n"
        "       %(prog)s --from RUN [--data DATA] [OPTION ...]\n"
        "       %(prog)s --resume RUN [OPTION ...]\n"
        "       %(prog)s --list",
    )
    _add_search_options(parser.add_argument_group("which search"))
    _add_data_options(parser.add_argument_group("texts and vectors"))
    _add_trial_options(parser.add_argument_group("trials"))
    _add_resource_options(parser.add_argument_group("machines"))
    _add_result_options(parser.add_argument_group("results"))
    return parser


def _add_search_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--space",
        metavar="SPACE",
        help="the search: a YAML file, or the name of one that comes with the package",
    )
    add("--list", action="store_true", help="print the names that --space takes, and exit")
    add(
        "--resume",
        metavar="RUN",
        help="resume a run, by its name or folder; auto, with --name and --space or --from: resume "
        "that run if it exists, else start it",
    )
    add(
        "--from",
        dest="from_run",
        metavar="RUN",
        help="search what an earlier run searched, beginning with its best trials, and compare "
        "the new winner with the old one",
    )
    add("--warm-start", metavar="RUN", help="give the sampler the trials of an earlier run")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any key of the file, such as search.scheduler.reduction_factor=4; repeatable",
    )


def _add_data_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--data", metavar="DATA", help="a hub name, a local file or folder, or synthetic")
    add("--text", metavar="COLUMNS", help="columns that make the text, such as subject,body")
    add("--label", metavar="COLUMN", help="the column that holds the label")
    add(
        "--changed-data",
        action="store_true",
        help="with --resume: go on although texts or vectors have changed since",
    )
    add("--embeddings", metavar="VECTORS", help="a name, a vector file, corpus or random")


def _add_trial_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--samples", type=int, metavar="N", help="number of trials")
    add(
        "--epochs",
        type=float,
        metavar="N",
        help="epochs that a trial trains for unless it is stopped",
    )
    add("--time-budget", metavar="TIME", help="end the search after this time: 90s, 5m, 1h30m")
    add(
        "--trial-timeout",
        metavar="TIME",
        help="end a trial that reports nothing for this long: 90s, 5m",
    )
    add("--seed", type=int, metavar="N", help="seed of the proposals and of the trials")
    add("--confirm", type=int, metavar="K", help="train the best K again; the highest mean wins")
    add(
        "--seeds",
        type=int,
        metavar="N",
        help="how many fresh seeds each of them gets; by default 5",
    )
    add("--ensemble", type=int, metavar="K", help="also export the best K trials, averaged")
    add(
        "--prefer",
        choices=("accurate", "small", "fast"),
        help="which trial wins: the best, or the smallest or fastest within one standard error of "
        "it",
    )


def _add_resource_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--cpus-per-trial", type=float, metavar="N", help="CPU cores for each trial")
    add(
        "--gpus-per-trial",
        type=_gpus,
        metavar="N",
        help="GPUs for each trial, such as 0.25, or auto",
    )
    add("--max-concurrent", type=int, metavar="N", help="most trials at a time")
    add("--address", help="join a Ray cluster at HOST:PORT, or auto; RAY_ADDRESS does the same")
    add("--dashboard-host", metavar="IP", help="show the dashboard to other machines, with a token")
    add(
        "--without-token",
        action="store_true",
        help="start Ray without its token: whoever reaches its ports on this machine can run code",
    )


def _add_result_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--name", help="the run's name; by default the search space's name and the time")
    add_runs_dir(group)
    add("--storage", metavar="URL", help="keep the study in a database, not in a journal file")
    add(
        "--on-finish",
        metavar="COMMAND",
        help="run this at the end, with $RESULT_JSON and $RUN_FOLDER set",
    )
    add(
        "--track",
        action="append",
        default=[],
        choices=("tensorboard", "mlflow", "wandb"),
        help="also record the trials there; repeatable",
    )
    add("--quiet", action="store_true", help="print nothing but the result")


def _gpus(text: str) -> float | str:
    return text if text == "auto" else float(text)


@contextmanager
def _announced(command: str | None, folder: "RunFolder") -> Iterator[None]:
    """Run the user's command once the search has written a result, however it ended."""

    def written() -> int | None:
        return folder.result.stat().st_mtime_ns if folder.result.exists() else None

    before = written()
    try:
        yield
    finally:
        if command is not None and written() not in (None, before):
            told = {"RESULT_JSON": str(folder.result), "RUN_FOLDER": str(folder.root)}
            ended = subprocess.run(command, shell=True, env=os.environ | told)  # noqa: S602
            if ended.returncode:
                print(f"--on-finish ended with exit code {ended.returncode}", file=sys.stderr)


def run_and_exit(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a search as `main` does and end the process without the interpreter's own end.

    A search that fails early leaves threads amid an import, and CPython may wait for the lock of
    such an import for ever. All files are closed and Ray is shut down by now.

    Args:
        argv: The arguments without the program's name; by default those of this process.
    """
    try:
        code = main(argv)
    except BrokenPipeError:  # `--list | head` has seen enough
        code = 0
    except Exception:
        traceback.print_exc()
        code = 1
    flush_all()
    os._exit(code)


if __name__ == "__main__":
    run_and_exit()
