"""`textcls-tune serve RUN`: answer requests for predictions over HTTP."""

import argparse
import importlib.util
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textcls.command_line import DISTRIBUTION, CommandParser
from textcls.exceptions import TextclsError
from textcls.output import printable, run_command
from textcls.serve.access import TOKEN_VARIABLE, allowed_hosts, is_loopback, token_refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_CONNECTIONS = 1_000  # open at once; more are answered with 503

EPILOG = f"""\
examples:
  textcls-tune serve my-run
  curl -d '{{"texts": ["The striker scored twice"]}}' -H 'Content-Type: application/json' \\
      http://127.0.0.1:8000/predict
  {TOKEN_VARIABLE}=$(openssl rand -hex 32) textcls-tune serve my-run --host 0.0.0.0
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until the process is told to end.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, or 1 where the service does not start, which standard error explains.

    Raises:
        SystemExit: With code 2 where an argument or the token is wrong.
    """
    parser = make_parser()
    options = parser.parse(argv)
    token = _checked_token(parser, options)
    try:
        _serve(options, token)
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    return 0


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser("textcls.serve", "Serve a classifier over HTTP.", epilog=EPILOG)
    parser.add_bundle_arguments()
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on; by default %(default)s")
    add("--port", type=_port, default=8000, help="by default %(default)s; 0 takes any that is free")
    add(
        "--token",
        help="what callers must send as Authorization: Bearer TOKEN; rather set the variable "
        f"{TOKEN_VARIABLE}, since other users can read a command line",
    )
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name that callers may address it by where no token is asked for, such as "
        "a proxy's; repeatable",
    )
    add("--no-token", action="store_true", help="listen beyond this machine without a token")
    add("--max-body", type=int, default=1 << 20, metavar="BYTES", help="largest request")
    add("--max-texts", type=int, default=1024, metavar="N", help="most texts in a request")
    add(
        "--max-characters", type=int, default=100_000, metavar="N", help="most characters in a text"
    )
    add(
        "--max-waiting",
        type=int,
        default=16_384,
        metavar="N",
        help="most texts that wait, in all requests",
    )
    add(
        "--timeout",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="longest time to answer a request",
    )
    return parser


def _port(value: str) -> int:
    number = int(value)
    if not 0 <= number < 1 << 16:
        raise ValueError
    return number


def _checked_token(parser: CommandParser, options: argparse.Namespace) -> str | None:
    """Return the token; exits with a message where it is missing, too short or cannot be sent."""
    given = options.token if options.token is not None else os.environ.get(TOKEN_VARIABLE)
    if options.no_token and given is not None:
        parser.error(f"--no-token contradicts --token and {TOKEN_VARIABLE}; leave one away")
    if given is None:
        if not options.no_token and not is_loopback(options.host):
            parser.error(
                f"--host {options.host} lets other machines in: set a token in {TOKEN_VARIABLE}, "
                "or say --no-token where everybody may ask"
            )
        return None
    if refusal := token_refusal(given):
        parser.error(refusal)
    return str(given)


def _serve(options: argparse.Namespace, token: str | None) -> None:
    missing = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise TextclsError(
            f"serving needs {' and '.join(missing)}: pip install '{DISTRIBUTION}[serve]'"
        )
    from textcls.runtime.loading import BEST, find_bundle, load_predictor
    from textcls.serve.application import create_app
    from textcls.serve.limits import ServeLimits

    limits = ServeLimits(
        options.max_body,
        options.max_texts,
        options.max_characters,
        options.timeout,
        options.max_waiting,
    )
    folder = find_bundle(options.run, options.runs_dir)
    predictor = load_predictor(folder)
    predictor.probabilities(["warm up", "été"])  # compiles the programs, where that is yet to do
    name = folder.resolve().parent.name if folder.name == BEST else folder.name
    hosts = allowed_hosts(options.host, options.allow_host, has_token=token is not None)
    app = create_app(predictor, name, token=token, limits=limits, hosts=hosts)
    with _listening(options.host, options.port) as listener:
        _run(app, listener, limits.timeout_s)


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        TextclsError: The address is none of this machine's, or the port is in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        raise TextclsError(
            f"{host}, port {port}: cannot be listened on ({error}); --host and --port name others"
        ) from error


def _run(app: "ASGIApp", listener: socket.socket, timeout_s: float) -> None:
    """Answer requests until SIGTERM or Ctrl-C; those that run then are answered first."""
    import uvicorn

    host, port = listener.getsockname()[:2]
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=int(timeout_s) + 1,
    )
    # uvicorn ends gracefully, then raises the signal again, which would count as a failure.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        shown = f"[{host}]" if ":" in host else host
        print(f"http://{shown}:{port}/predict (description: /docs); Ctrl-C ends it", flush=True)
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(run_command(main))
