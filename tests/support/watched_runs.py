"""A run that another process searches in, and whose journal grows when a test says so."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from report_runs import make_search, many_trials, write_run

from tune.run_folder.paths import RunFolder

_HOLD = """
import sys
from pathlib import Path
from tune.run_folder.paths import RunFolder
with RunFolder(Path(sys.argv[1])).held():
    print("held", flush=True)
    input()
"""


class GrowingRun:
    """A search whose journal has only its first trials; the others are added by and by."""

    def __init__(self, root: Path, trials: int, first: int) -> None:
        search = make_search(search={"samples": trials})
        self.folder: RunFolder = write_run(
            root, search, many_trials(search, trials, slots=2), state="complete", number=0
        )
        self._result = self.folder.result.read_bytes()
        self.folder.result.unlink()
        lines = self.folder.journal.read_bytes().splitlines(keepends=True)
        begins = len(lines) - trials
        self._rest = lines[begins + first :]
        self.folder.journal.write_bytes(b"".join(lines[: begins + first]))

    def add(self, count: int) -> None:
        """Record further trials."""
        now, self._rest = self._rest[:count], self._rest[count:]
        with self.folder.journal.open("ab") as file:
            file.write(b"".join(now))

    def add_part_of_a_line(self) -> None:
        """Record half of a trial, as a reader sees that comes amid a write."""
        line = self._rest.pop(0)
        with self.folder.journal.open("ab") as file:
            file.write(line[: len(line) // 2])
        self._rest.insert(0, line[len(line) // 2 :])

    def end(self) -> None:
        """Record all that is missing, and the result."""
        self.add(len(self._rest))
        self.folder.result.write_bytes(self._result)

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Have another process hold the folder."""
        with subprocess.Popen(
            [sys.executable, "-c", _HOLD, str(self.folder.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            try:
                yield
            finally:
                holder.communicate(b"\n")
