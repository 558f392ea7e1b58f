"""Kill or stop one process of a search at a time, driver or part of Ray, and see that it goes on.

    python benchmarks/kill_parts.py [--kills 21] [--first 0] [--results kills.json]

Each search is a real one on 800 embedded texts with a Ray of its own. Its number says what is
killed and when: every second one while finished and running trials stand side by side, the others
at a moment drawn between its start and its end. `SIGSTOP` holds the driver still for 40 s. If the
search ends with an error it is resumed. Then nothing may be lost, repeated or left running.

The results are added to a JSON file, one search at a time, and numbers that are in it are left out,
so the work can be done in pieces.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import psutil
from kill_resume import LIMIT_S, at_the_kill, begin, broken, resume

from tune.run_folder.paths import RunFolder
from tune.study.records import State, TrialRecord

VICTIMS = ("driver", "worker", "raylet", "gcs", "dashboard", "agent", "everything", "SIGSTOP")
MARKS = {
    "raylet": "raylet/raylet", "gcs": "gcs_server", "dashboard": "dashboard/dashboard.py",
    "agent": "DashboardAgent", "worker": "ray::trial ",
}  # fmt: skip
"""What the command line of a process of Ray contains; a worker's while it trains a trial."""
STILL_S = 40.0
GONE_WITHIN_S = 75.0
"""Seconds after a search's end within which all that it started has to be gone.

Ray's two agents try for 60 s to tell a GCS that has died that their raylet has died as well.
"""
_ENDED = (State.COMPLETE, State.PRUNED)


@dataclass(frozen=True)
class Kill:
    """One search that something was done to."""

    number: int
    victim: str
    mixed: bool
    """Whether finished and running trials stood side by side."""
    states: str
    resumed: bool
    faults: list[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=21)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--results", type=Path, default=Path("kills.json"))
    options = parser.parse_args()
    done = json.loads(options.results.read_text()) if options.results.exists() else []
    known = {each["number"] for each in done}
    print(date.today(), flush=True)
    for number in range(options.first, options.first + options.kills):
        if number in known:
            continue
        with tempfile.TemporaryDirectory() as place:
            made = one(Path(place), number, options.samples)
        done.append(asdict(made))
        options.results.write_text(json.dumps(done, indent=1))
        said = "; ".join(made.faults) or "holds"
        print(f"{number}: {made.victim} ({made.states}): {said}", flush=True)
    held = [each for each in done if not each["faults"]]
    mixed = sum(each["mixed"] for each in done)
    print(f"{len(done)} kills, {mixed} of them in mixed states, {len(held)} held")
    return 0 if len(held) == len(done) else 1


def one(root: Path, number: int, samples: int) -> Kill:
    """Play one search of which something is killed."""
    victim, name = VICTIMS[number % len(VICTIMS)], "run"
    folder = RunFolder(root / "runs" / name)
    process = begin(root, samples, name)
    family = _await_moment(process, folder, samples, random.Random(number), number // 8 % 2 == 0)
    before = at_the_kill(folder) if folder.journal.exists() else []
    was_running = process.poll() is None
    faults = _strike(process, victim) if was_running else []
    family += _family(process)
    complaint = process.communicate(timeout=LIMIT_S)[1].decode().strip()
    resumed = process.returncode != 0
    if victim in ("worker", "SIGSTOP", "dashboard") and resumed:
        faults.append(f"it ended: {complaint[-200:]}")
    if victim in ("raylet", "gcs", "agent") and resumed and "--resume" not in complaint:
        faults.append(f"it did not say how to go on: {complaint[-200:]}")
    faults += _left(family)
    if resumed and folder.journal.exists():
        said = resume(root, name, samples)
    elif resumed:
        said = begin(root, samples, name).communicate(timeout=LIMIT_S)[1].decode().strip()
    else:
        said = ""
    faults += [said[-300:]] if said else broken(folder, before, samples)
    if not said:
        records = at_the_kill(folder)
        faults += [
            f"trial {r.number} failed: {r.message}" for r in records if r.state == State.FAILED
        ]
    states = ", ".join(f"{r.number} {r.state}" for r in before) or "no trial"
    return Kill(number, victim, _is_mixed(before), states, resumed, faults)


def _await_moment(
    process: subprocess.Popen[bytes],
    folder: RunFolder,
    samples: int,
    drawn: random.Random,
    mixed: bool,
) -> list[psutil.Process]:
    """Wait until it is time; return the processes that the search has started so far.

    Either finished and running trials stand side by side, or so many of the trials' rungs as were
    drawn are recorded: a moment of the search, however fast the machine is.
    """
    rungs = drawn.randrange(samples * 2)
    family: list[psutil.Process] = []
    while process.poll() is None:
        records = at_the_kill(folder) if folder.journal.exists() else []
        if mixed and _is_mixed(records):
            break
        if not mixed and folder.journal.exists() and _reported(records) >= rungs:
            break
        family = _family(process) or family
        time.sleep(0.05)
    return family


def _reported(records: list[TrialRecord]) -> int:
    return sum(len(record.values) for record in records)


def _is_mixed(records: list[TrialRecord]) -> bool:
    states = {record.state for record in records}
    return State.RUNNING in states and bool(states & set(_ENDED))


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _strike(process: subprocess.Popen[bytes], victim: str) -> list[str]:
    """Kill or stop what a victim's name means; says so where there is no such process."""
    if victim == "SIGSTOP":
        process.send_signal(signal.SIGSTOP)
        time.sleep(STILL_S)
        process.send_signal(signal.SIGCONT)
        return []
    if victim == "driver":
        process.kill()
        return []
    struck = False
    for each in _family(process):
        try:
            if victim == "everything" or MARKS[victim] in " ".join(each.cmdline()):
                each.kill()
                struck = True
                if victim == "worker":
                    break
        except psutil.NoSuchProcess:
            continue
    if victim == "everything":
        process.kill()
    return [] if struck else [f"there was no {victim} to kill"]


def _left(family: list[psutil.Process]) -> list[str]:
    """Name what is still running some time after a search's end, and end it."""
    _, alive = psutil.wait_procs(list(dict.fromkeys(family)), timeout=GONE_WITHIN_S)
    left = []
    for each in alive:
        try:
            left.append(f"left running: {' '.join(each.cmdline())[:80]}")
            each.kill()
        except psutil.NoSuchProcess:
            continue
    return left


if __name__ == "__main__":
    sys.exit(main())
