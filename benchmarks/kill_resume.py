"""Kill searches with SIGKILL at random moments, resume each, and check that nothing was lost.

    python benchmarks/kill_resume.py [--kills 20] [--seed 0] [--samples 6]

Each search is a real one on 800 embedded texts. Its driver and all of its Ray die at once, at a
moment drawn between its start and the time that an uninterrupted search took; then it is resumed.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import psutil

from tune.exceptions import SearchError
from tune.run_folder.paths import RunFolder
from tune.study import study
from tune.study.records import State, TrialRecord, current_trials

SPACE = """
model: gru
data: {name: synthetic, train_size: 800, test_size: 200}
embeddings: {name: random, dim: 16}
train: {epochs: 1, batch_size: 32}
space:
  hidden_size: {type: int, low: 8, high: 32, log: true}
  learning_rate: {type: float, low: 1.0e-4, high: 3.0e-2, log: true}
"""
LIMIT_S = 240.0


def command(root: Path, *options: str) -> list[str]:
    fixed = ["--runs-dir", str(root / "runs"), "--quiet"]
    return [sys.executable, "-m", "tune.search", *options, *fixed]


def begin(root: Path, samples: int, name: str) -> subprocess.Popen[bytes]:
    (root / "space.yaml").write_text(SPACE, encoding="utf-8")
    options = ("--space", str(root / "space.yaml"), "--name", name, "--samples", str(samples))
    environment = {**os.environ, "TEXTCLS_CACHE": str(root / "cache")}
    return subprocess.Popen(
        command(root, *options),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the driver and every process that it started, all with SIGKILL."""
    family = [psutil.Process(process.pid)]
    family += family[0].children(recursive=True)
    for each in family:  # the driver first: nobody is left to record anything
        try:
            each.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    process.communicate()
    psutil.wait_procs(family[1:], timeout=10)


def resume(root: Path, name: str, samples: int, address: str | None = None) -> str:
    """Go on with a search; what it complained of, if it failed."""
    environment = {**os.environ, "TEXTCLS_CACHE": str(root / "cache")}
    if address is not None:
        environment["RAY_ADDRESS"] = address
    done = subprocess.run(
        command(root, "--resume", name, "--samples", str(samples)),
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def at_the_kill(folder: RunFolder) -> list[TrialRecord]:
    """The trials in the journal, whose last record may be cut off."""
    try:
        return study.read_study(folder.journal, folder.name).records()
    except (SearchError, KeyError):
        return []


def broken(folder: RunFolder, before: list[TrialRecord], samples: int) -> list[str]:
    """What does not hold after a resume."""
    after = study.read_study(folder.journal, folder.name).records()
    found = {record.number: record for record in after}
    open_or_cut = (State.RUNNING, State.INTERRUPTED)
    finished = [record for record in before if record.state not in open_or_cut]
    cut = [record.number for record in after if record.state == State.INTERRUPTED]
    taken = [record.continues for record in after if record.continues is not None]
    result = json.loads(folder.result.read_text(encoding="utf-8"))
    numbers = Counter(str(record.state) for record in after)
    told = Counter(str(record.state) for record in current_trials(after))
    counted = {state: result["trials"][state] for state in told}
    checks = {
        "a trial that had finished is not what it was": all(
            found.get(record.number) == record for record in finished
        ),
        "a trial was lost": all(record.number in found for record in before),
        "a trial stayed running": State.RUNNING not in numbers,
        "not every trial that was cut off was tried again once": sorted(taken) == cut,
        "a finished trial was run again": not set(taken) & {each.number for each in finished},
        "not as many ends as were asked for": len(after) - len(cut) == samples,
        "result.json counts otherwise": counted == dict(told)
        and (result["trials"]["total"], result["trials"]["records"]) == (samples, len(after)),
        "a rung that had been reached is gone": all(
            found[record.number].values[: len(record.values)] == record.values for record in before
        ),
        "no winner": (folder.best / "model.safetensors").exists() or any(folder.best.iterdir()),
    }
    return [what for what, holds in checks.items() if not holds]


def one(
    root: Path,
    name: str,
    moment: Callable[[RunFolder], bool],
    samples: int,
    address: str | None = None,
) -> tuple[str, list[str]]:
    """Kill a search at a moment and resume it: where it was, what does not hold.

    `moment` is asked again and again, with the search's folder, until it says that it has come.
    The search goes on in the Ray at `address`, or in one of its own.
    """
    folder = RunFolder(root / "runs" / name)
    process = begin(root, samples, name)
    while process.poll() is None and not moment(folder):
        time.sleep(0.02)
    if process.poll() is None:
        kill(process)
    else:
        process.communicate()
    before = at_the_kill(folder) if folder.journal.exists() else []
    states = Counter(str(record.state) for record in before)
    where = ", ".join(f"{number} {state}" for state, number in states.items()) or "no trial"
    if not folder.journal.exists():  # nothing to resume: the name must be free
        process = begin(root, samples, name)
        complaint = process.communicate(timeout=LIMIT_S)[1].decode().strip()
        complaint = complaint if process.returncode else ""
    else:
        complaint = resume(root, name, samples, address)
    return where, [complaint] if complaint else broken(folder, before, samples)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=6)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    faults = 0
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        began = time.monotonic()
        begin(root, options.samples, "whole").communicate(timeout=LIMIT_S)
        whole_s = time.monotonic() - began
        print(f"{date.today()}: uninterrupted {whole_s:.1f} s", flush=True)
        for number in range(options.kills):
            after_s = generator.uniform(0.15, 1.0) * whole_s
            due = time.monotonic() + after_s
            where, wrong = one(
                root, f"kill-{number}", lambda _, due=due: time.monotonic() > due, options.samples
            )
            faults += bool(wrong)
            score = "; ".join(wrong) or "holds"
            print(f"killed after {after_s:5.1f} s ({where}): {score}", flush=True)
    print(f"{options.kills} kills, {options.kills - faults} held, {faults} did not")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
