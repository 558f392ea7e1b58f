"""Send the output of Ray, Optuna and other libraries to a file instead of the terminal."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

_TALKATIVE = ("ray", "optuna", "py.warnings")
_USELESS = (
    "ray.tune.analysis.experiment_analysis"  # misses result files that we tell it not to write
)


@contextmanager
def capture_output(path: Path) -> Iterator[None]:
    """Send all that this process logs, warns or prints to a file while the block runs.

    Ray prints the messages of its raylet, however quiet it is asked to be. Code that has to reach
    the terminal keeps a reference to `sys.stdout` from before.

    Args:
        path: The file, which is appended to.

    Yields:
        Nothing; streams and logging are what they were when the block ends.

    Raises:
        OSError: The file cannot be opened.
    """
    with (
        path.open("a", encoding="utf-8", buffering=1) as file,
        redirect_stdout(file),
        redirect_stderr(file),
        _logging_to(file),
    ):
        yield


@contextmanager
def _logging_to(file: TextIO) -> Iterator[None]:
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        silence_libraries()
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before
        root.setLevel(level)


def silence_libraries() -> None:
    """Remove the libraries' log handlers that write to the terminal.

    Call it again after Ray has started: that sets up its loggers once more.
    """
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in _TALKATIVE or name in _TALKATIVE:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
    logging.getLogger(_USELESS).setLevel(logging.CRITICAL)
