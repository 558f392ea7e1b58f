"""`python -m tune.watch RUN`: show a running search as a page that refreshes itself."""

import argparse
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textcls.command_line import CommandParser, add_runs_dir
from textcls.exceptions import TextclsError
from textcls.output import printable

if TYPE_CHECKING:
    from tune.analysis.run_data import RunData
    from tune.watch._service import WatchService

TOKEN_VARIABLE = "TEXTCLS_WATCH_TOKEN"  # noqa: S105 - the name of a variable
_TELL_S = 60.0  # at most, until every open page shows how the search ended
_LAST_LOOK_S = 1.0
_NICE = 10  # the search comes first

EPILOG = """\
examples:
  textcls-tune watch tickets --open
  textcls-tune watch tickets --port 8765      on another machine, then on this one:
  ssh -L 8765:127.0.0.1:8765 OTHER            and open the printed address here
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the browser until the search has ended or Ctrl-C; return the exit code.

    Args:
        argv: The arguments, by default those of this process.
    """
    parser = make_parser()
    options = parser.parse(argv)
    token = _token(parser)
    try:
        return _watch(options, token)
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser(
        "tune.watch",
        "Show a search in the browser while it runs: its report, which refreshes itself. Only this "
        "machine is answered. Ends with the search, or with Ctrl-C.",
        epilog=EPILOG,
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, or the name of a run")
    add_runs_dir(parser)
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="a database that the run names and that may be opened, now and later",
    )
    parser.add_argument(
        "--port", type=_port, default=0, help="of the page; by default any that is free"
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help="wait where there is no such run yet; a search that still prepares its texts is "
        "waited for in any case",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=2.0,
        metavar="SECONDS",
        help="how often the page asks for news; by default %(default)g",
    )
    parser.add_argument(
        "--without-texts",
        action="store_true",
        help="leave out the winner's mistakes and with them every text of the data",
    )
    return parser


def _port(value: str) -> int:
    number = int(value)
    if not 0 <= number < 1 << 16:
        raise ValueError
    return number


def _seconds(value: str) -> float:
    number = float(value)
    if not 0.1 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"must be from 0.1 to 3600 seconds, but is {value}")
    return number


def _token(parser: CommandParser) -> str:
    """Return the token of the variable, or a new one; exits where it is too short."""
    from textcls.serve.access import token_refusal

    given = os.environ.get(TOKEN_VARIABLE)
    if given is None:
        return secrets.token_urlsafe(24)
    if refusal := token_refusal(given):
        parser.error(f"{TOKEN_VARIABLE}: {refusal}")
    return given


def _watch(options: argparse.Namespace, token: str) -> int:
    from tune.run_folder import paths
    from tune.study import databases
    from tune.watch._live_run import LiveRun
    from tune.watch._service import HOST, WatchService

    databases.allow_named(options.storage)
    runs_dir = paths.runs_dir(options.runs_dir)
    os.nice(_NICE)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _wait_for_the_beginning(lambda: paths.find(runs_dir, options.run), always=options.wait)
        live = LiveRun(
            lambda: paths.find(runs_dir, options.run),
            with_texts=not options.without_texts,
            interval_s=options.interval,
        )
        try:
            service = WatchService(live, options.port, token, options.interval)
        except OSError as error:
            raise TextclsError(
                f"{HOST}, port {options.port}: cannot be listened on ({error.strerror}); --port "
                "names another one"
            ) from error
        return _serve(service, opens=options.open)
    except KeyboardInterrupt:  # before the service listened
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_for_the_beginning(find: Callable[[], object], *, always: bool) -> None:
    """Return once the run has a study, and say what is waited for.

    Args:
        find: Finds the run.
        always: Wait as well where no search is there yet.

    Raises:
        MissingRunError: There is no such run, and it is not waited for.
    """
    from tune.exceptions import MissingRunError, UnbegunRunError

    said = ""
    while True:
        try:
            find()
        except MissingRunError as error:
            if isinstance(error, UnbegunRunError):
                sentence = f"{error}; waiting for its first trial. Ctrl-C ends this."
            elif always:
                sentence = f"{error}; waiting for a search to begin. Ctrl-C ends this."
            else:
                raise MissingRunError(f"{error}; with --wait, waits for its search") from error
        else:
            return
        if sentence != said:
            _say(sentence)
            said = sentence
        time.sleep(_LAST_LOOK_S)


def _serve(service: "WatchService", *, opens: bool) -> int:
    """Answer the browser until the search has ended, Ctrl-C or SIGTERM; return the exit code."""
    with service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        try:
            _say(f"{service.address} ({_until(service.live.run)})")
            if opens:
                import webbrowser

                webbrowser.open(service.address)
            _wait_for_the_end(service)
        except KeyboardInterrupt:
            pass
        finally:
            service.closing.set()
            service.shutdown()
    return 0


def _until(run: "RunData") -> str:
    """Say when the service ends."""
    if run.state == "running":
        return "ends with the search, or with Ctrl-C"
    return f"the search is {run.state}; Ctrl-C ends this"


def _wait_for_the_end(service: "WatchService") -> None:
    """Return once the search has ended and every open page shows how.

    Raises:
        TextclsError: The run folder is gone.
    """
    from tune.run_folder import paths

    live = service.live
    while not live.check_end():
        if not live.run.folder.root.is_dir():
            raise TextclsError(f"{live.run.folder.root}: the run was deleted or moved")
        time.sleep(min(_LAST_LOOK_S, service.interval_s))
    _tell_every_page(service)
    report = live.run.folder.report
    written = f" Report: {paths.shown(report)}" if report.exists() else ""
    _say(f"The search has ended: {live.run.state}.{written}")


def _say(text: str) -> None:
    """Print a line, unless nobody reads any more."""
    try:
        print(printable(text), flush=True)
    except BrokenPipeError:
        # Python itself flushes the stream at the end, and would complain about a closed one.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def _tell_every_page(service: "WatchService") -> None:
    """Wait until every open page shows how the search ended, or for a minute."""
    until = time.monotonic() + _TELL_S
    while not service.has_told_all and time.monotonic() < until:
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
