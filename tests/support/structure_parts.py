"""Run folders from a stranger: any value of any of their JSON files may be any other."""

import contextlib
import io
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from report_runs import make_search, trial, write_run

from tune import compare, status
from tune.report import __main__ as report_command
from tune.run_folder.paths import RunFolder
from tune.study.records import State

DEEP = "[" * 50_000 + "]" * 50_000
"""JSON that is too deep for readers that call themselves."""
_DEEP_MARK = "the deep one"
ODD: tuple[Any, ...] = (
    None, [], {}, "", "x\x1b[31m", -1, 0, 2**70, 1e308, float("nan"), float("inf"), True, [None],
    {"a": {}}, [[]], "=1", "9" * 5000, _DEEP_MARK,
)  # fmt: skip
FILES = ("environment.json", "result.json", "study.journal")

Path_ = tuple[str | int, ...]


def write_whole_run(root: Path) -> RunFolder:
    """A run with everything that its files may hold."""
    made = make_search()
    values = {"hidden_size": 64, "learning_rate": 0.01, "dropout": 0.1, "pooling": "max"}
    trials = [
        trial(made, State.COMPLETE, [0.8, 0.85, 0.9], values),
        trial(made, State.INTERRUPTED, [0.7], values),
        trial(made, State.PRUNED, [0.7], values | {"dropout": 0.5}, continues=1, origin=1),
        trial(made, State.FAILED, [], values, message="KeyError: 'x'"),
    ]
    standing = {
        "number": 0, "searched": 0.9, "values": [0.9, 0.8], "mean": 0.85, "deviation": 0.05,
        "interval": [0.8, 0.9],
    }  # fmt: skip
    best = {
        "number": 0, "name": None, "value": 0.9, "test_accuracy": 0.9, "params": values,
        "confirmation": {"metric": "test_accuracy", "standings": [standing] * 2, "p_value": 0.5},
        "linear_alone": {"test_accuracy": 0.8},
    }  # fmt: skip
    ensemble = {"trials": [0, 2], "test_accuracy": 0.9}
    environment = {"resumed": [{"at": "2026-03-01T12:00:00+00:00", "command": ["python"]}]}
    return write_run(
        root, made, trials, number=0, best=best, ensemble=ensemble, environment=environment
    )


def places(folder: RunFolder) -> list[tuple[str, int, Path_]]:
    """Every value in the JSON files: the file, its line, and the way to the value."""
    found = []
    for name in FILES:
        for number, line in enumerate(_documents(folder.root / name)):
            found += [(name, number, way) for way in _ways(json.loads(line), ())]
    return found


def spoil(folder: RunFolder, place: tuple[str, int, Path_], odd: Any) -> None:
    """Put an odd value in a place."""
    name, number, way = place
    lines = _documents(folder.root / name)
    lines[number] = _with(json.loads(lines[number]), way, odd)
    (folder.root / name).write_text("\n".join(lines) + "\n")


def ends_well(folder: RunFolder) -> str | None:
    """What a command does with a run that it must not; None if all show it or refuse it."""
    page = folder.root.parent / "page.html"
    for command, options in (
        (status.main, []),
        (report_command.main, ["--out", str(page), "--without-texts"]),
        (compare.main, [str(folder.root)]),
    ):
        said, printed = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
                code = command([str(folder.root), *options])
        except Exception as error:
            return f"{command.__module__}: {type(error).__name__}: {str(error)[:200]}"
        if code not in (0, 1) or not (said if code else printed).getvalue():
            return f"{command.__module__}: code {code}, said nothing"
        if "\x1b" in said.getvalue() + printed.getvalue():
            return f"{command.__module__}: prints an escape"
    return None


def play(root: Path, whole: Path, place: tuple[str, int, Path_], odd: Any) -> str | None:
    """Spoil a copy of a run and look at it; returns what does not hold."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(whole, root)
    spoil(RunFolder(root), place, odd)
    fault = ends_well(RunFolder(root))
    return None if fault is None else f"{place} = {str(odd)[:30]!r}: {fault}"


def cases(folder: RunFolder, count: int, seed: int) -> Iterator[tuple[tuple[str, int, Path_], Any]]:
    """Draw places and values."""
    drawn, known = random.Random(seed), places(folder)
    for _ in range(count):
        yield drawn.choice(known), drawn.choice(ODD)


def _documents(path: Path) -> list[str]:
    text = path.read_text()
    return text.splitlines() if path.suffix == ".journal" else [json.dumps(json.loads(text))]


def _ways(value: Any, way: Path_) -> Iterator[Path_]:
    yield way
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _ways(inner, (*way, key))


def _with(content: Any, way: Path_, odd: Any) -> str:
    holder: Any = [content]
    for key in (0, *way[:-1]) if way else ():
        holder = holder[key]
    if way:
        holder[way[-1]] = odd
    else:
        content = odd
    return json.dumps(content, separators=(",", ":")).replace(f'"{_DEEP_MARK}"', DEEP)
