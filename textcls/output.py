"""Write to the terminal: nothing that it would obey, and no end where nobody reads any more."""

import contextlib
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_ESCAPE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, the cursor
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\\\|\x9c|$)"  # titles, links, clipboards
    "|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
"""Escape sequences of terminals (ECMA-48)."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and newline, and those that turn the direction of writing."""


def printable(text: str) -> str:
    r"""Return a text without what a terminal would obey: escape sequences and control characters.

    Texts, labels, names of files and messages of other programs may hold them. Newlines and tabs
    stay; so do letters of every script.

    Example:
        >>> printable("\x1b[31mred\x1b[0m\x07 alert")
        'red alert'
    """
    return _CONTROL.sub("", _ESCAPE.sub("", text))


def one_line(text: str) -> str:
    r"""Return a text as `printable` does, with a blank wherever there are newlines or blanks.

    Example:
        >>> one_line("two\nlines")
        'two lines'
    """
    return " ".join(printable(text).split())


def make_console(plain_width: int) -> "Console":
    """Return a console on the standard output of this moment; no markup is read from texts.

    Where that is no terminal, there are no colours, whatever FORCE_COLOR says (Jupyter sets it),
    and lines have a fixed width. Where its reader has gone, as with `| head`, what is written is
    left out, so that the work whose progress it tells goes on.

    Args:
        plain_width: Characters of a line where there is no terminal.
    """
    from rich.console import Console

    stream: Any = _Tolerant(sys.stdout)
    if sys.stdout.isatty():
        return Console(file=stream, force_terminal=True, markup=False, highlight=False)
    return Console(
        file=stream, force_terminal=False, width=plain_width, markup=False, highlight=False
    )


class _Tolerant:
    """A stream that takes no more where its reader has gone."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._gone = False

    def write(self, text: str) -> int:
        """Write a text, unless nobody reads."""
        if not self._gone:
            try:
                self._stream.write(text)
            except (BrokenPipeError, ValueError):  # ValueError: the stream was closed
                self._gone = True
        return len(text)

    def flush(self) -> None:
        """Flush, unless nobody reads."""
        if not self._gone:
            try:
                self._stream.flush()
            except (BrokenPipeError, ValueError):
                self._gone = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def flush_all() -> None:
    """Flush the standard streams before the process ends; one without a reader is left alone."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def run_command(main: Callable[[], int]) -> int:
    """Run a command to its end; say nothing where whoever reads its output has gone.

    Args:
        main: The command, which takes the arguments of this process.

    Returns:
        The exit code that it returned; 130 after Ctrl-C. Where nobody reads standard output any
        more, as with `| head`, the command ends there, with 0.
    """
    code = 0
    try:
        try:
            code = main()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
