import os
import subprocess
import sys

import pytest

from textcls.output import one_line, printable

TELL = """
import sys
from textcls.output import flush_all, make_console
console = make_console(100)
for number in range(3000):
    console.print(f"[bold]line {number}[/bold] of 12")
flush_all()
print("went on", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x1b]52;c;aGVsbG8=\x1b\\rest", "rest"),
        ("\x9b2Jrest", "rest"),
        ("a\rb\x08c\x00d\x7f", "abcd"),
        ("\u202eturned", "turned"),
        ("naïve 日本語 \U0001f600 tab\tline\n", "naïve 日本語 \U0001f600 tab\tline\n"),
        ("[31m is no escape", "[31m is no escape"),
    ],
)
def test_what_a_terminal_would_obey_is_left_out(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert not {"\x1b", "\x9b", "\r", "\n"} & set(one_line(text))


def test_a_reader_that_goes_away_does_not_end_the_work() -> None:
    environment = {**os.environ, "FORCE_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", TELL], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment, text=True,
    ) as teller:  # fmt: skip
        assert teller.stdout is not None
        assert teller.stderr is not None
        # Neither markup nor colours: it is no terminal, whatever FORCE_COLOR says.
        assert teller.stdout.readline() == "[bold]line 0[/bold] of 12\n"
        teller.stdout.close()
        assert teller.stderr.read() == "went on\n"
    assert teller.returncode == 0


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("return 3", 3, ""),
        ("print('verdict'); return 3", 3, ""),
        ("raise BrokenPipeError", 0, ""),
        ("raise KeyboardInterrupt", 130, "stopped\n"),
        ("sys.exit(2)", 2, ""),
    ],
)
def test_a_commands_exit_code_survives_a_reader_that_has_gone(
    body: str, code: int, said: str
) -> None:
    script = (
        "import sys; from textcls.output import run_command\n"
        f"def main():\n    {body}\n"
        "sys.exit(run_command(main))"
    )
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == said
    assert running.returncode == code
