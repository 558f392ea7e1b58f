"""The report's sections on failures and on what the search ran on."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from textcls.command_line import typed
from tune.analysis.run_data import RunData
from tune.formatting import counted
from tune.report import _html
from tune.report._html import Html, tag
from tune.study.records import State, TrialRecord

_REASONS = 30  # different ones; a search with more has one fault, not thirty
_LOG_LINES = 40
_COMMAND_WIDTH = 60  # letters after which a command goes on in the next line


def failures_section(run: RunData) -> Iterator[Html]:
    """Yield the failed trials by reason, with the end of a log for each reason."""
    bad = (State.FAILED, State.DIVERGED, State.INTERRUPTED)
    groups: dict[tuple[State, str], list[TrialRecord]] = {}
    for record in run.records:
        if record.state in bad:
            groups.setdefault((record.state, record.message), []).append(record)
    if not groups:
        yield tag("p", "No trial failed, diverged or was interrupted.", class_="gap")
        return
    ordered = sorted(groups.items(), key=lambda item: (item[0][0] != State.FAILED, -len(item[1])))
    rows = [
        [str(len(records)), str(state), message or "no reason was recorded",
         _listed(record.number for record in records)]
        for (state, message), records in ordered[:_REASONS]
    ]  # fmt: skip
    yield _html.table(["trials", "state", "reason", "numbers"], rows, numeric=[True], class_="wrap")
    if len(ordered) > _REASONS:
        yield tag("p", f"{len(ordered) - _REASONS} more reasons.", class_="gap")
    for (state, _), records in ordered[:_REASONS]:
        if state == State.FAILED:
            yield from _log(run, records[0])


def _log(run: RunData, record: TrialRecord) -> Iterator[Html]:
    path = run.folder.trial(record.number).log
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        yield tag("p", f"The log of trial {record.number} is gone.", class_="gap")
        return
    yield _html.details(
        f"End of the log of trial {record.number}",
        tag("pre", tag("code", "\n".join(lines[-_LOG_LINES:]))),
    )


def _listed(numbers: Iterable[int], most: int = 12) -> str:
    known = list(numbers)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(map(str, known[:most])) + more


def environment_section(run: RunData) -> Iterator[Html]:
    """Yield what the search ran on, and how to run it again."""
    known = run.environment
    if not known:
        yield tag("p", "environment.json is missing or damaged.", class_="gap")
    given = _command(run)
    if given:
        yield tag("h3", "The command")
        directory = known.get("directory")
        yield _html.copyable(f"cd {directory}\n{given}" if directory else given, "the command")
    if not run.own_objective:
        yield from _once_more(run)
    rows = list(_facts(run))
    if rows:
        yield _html.table(["", ""], rows, class_="wrap facts-table")
    for corpus in known.get("corpora", ()):
        yield _corpus(corpus)
    yield _html.details(
        "The search file", _html.copyable(_text(run.folder.space), "the search file")
    )


def _once_more(run: RunData) -> Iterator[Html]:
    yield tag("h3", "The same search once more")
    seed = run.config.search.seed
    again = f"{typed('tune.search')} --space {run.folder.space}"
    text = (
        f"The file has every default written out, the seed {seed} included. Proposals depend on "
        "the order in which trials end: --max-concurrent 1 makes them the same."
    )
    yield tag("p", text)
    yield _html.copyable(again, "the command")


def _facts(run: RunData) -> Iterator[tuple[str, str]]:
    known = run.environment
    if known.get("started"):
        yield "started", str(known["started"])
    for resumed in known.get("resumed", ()):
        yield "resumed", str(resumed.get("at"))
    if machine := known.get("machine"):
        size = f"{counted(machine.get('cpus') or 0, 'core')}, {machine.get('memory_gb')} GB"
        yield "machine", f"{machine.get('host')}, {size}, {machine.get('platform')}"
    if plan := known.get("resources"):
        share = f"{_amount(plan.get('cpu'))} CPU, {_amount(plan.get('gpu'))} GPU"
        fused = plan.get("fuse") or 1
        whose = "each trial" if fused == 1 else f"every {fused} trials, trained as one"
        yield whose, f"{share}, {plan.get('concurrent')} trials at a time"
    if known.get("git"):
        commit = str(known["git"])
        yield "git", commit.rstrip("+") + (" with changes" if commit.endswith("+") else "")
    if known.get("versions"):
        yield "versions", ", ".join(f"{name} {which}" for name, which in known["versions"].items())


def _corpus(corpus: Mapping[str, Any]) -> Html:
    texts = ", ".join(f"{count:,} {split}" for split, count in corpus.get("texts", {}).items())
    coverage = corpus.get("coverage") or {}
    covered = ", ".join(f"{share:.1%} of {kind}" for kind, share in coverage.items())
    rows = [
        ("data", str(corpus.get("data"))),
        ("texts", texts),
        ("fingerprint", str(corpus.get("data_fingerprint"))),
        ("vectors", f"{corpus.get('vectors')}, {corpus.get('dim')} numbers each"),
        ("coverage", covered),
        ("vocabulary", f"{corpus.get('vocabulary', 0):,} words"),
    ]
    return _html.table(["corpus", ""], rows, class_="wrap facts-table")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _amount(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _command(run: RunData) -> str | None:
    """Return the command line of the search, a long one on several lines; None if unknown."""
    given = run.environment.get("command")
    if not given:
        return None
    lines = [""]
    for word in (shlex.quote(str(each)) for each in given):
        if word.startswith("--") and len(lines[-1]) > _COMMAND_WIDTH:
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(lines)
