"""From the command to the first training step, between two trials, to an accuracy; and memory.

    python benchmarks/start.py --data FOLDER [--runs 3] [--accuracy 0.9024]
    python benchmarks/start.py --against CHECKOUT [--runs 3]

Runs real searches as a user would, one trial at a time, and reads the times off their logs. One
search more comes first and fills the caches. Between two trials lies what a worker does from the
moment a trial's last rung is on disk to the next trial's first training step.

A worker's memory is the most that one of two workers side by side holds alone (USS: neither the
arrays in shared memory nor the code that both have loaded), over what one of two idle processes
holds alone that have imported torch. With one worker the libraries' code would count as its own.

`--against` runs the same search, two trials side by side, with this checkout and with another one
in turn, and compares the time to the first training step and the processor's time of all of its
processes, Ray's included.
"""

import argparse
import ast
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
SMALL = """
model: gru
data: {name: synthetic, train_size: 800, test_size: 200}
embeddings: {name: random, dim: 16}
train: {epochs: 1, batch_size: 32}
space:
  hidden_size: {type: int, low: 8, high: 32, log: true}
search: {samples: 3, sampler: random, max_concurrent: 2}
"""
LINE = re.compile(r"(\S+ \S+) INFO (ready|rung \d+): (.*)")


def events(log: Path) -> Iterator[tuple[float, str, dict[str, float]]]:
    """(seconds since 1970, "ready" or "rung", its values) of a trial's log."""
    for line in log.read_text(encoding="utf-8").splitlines():
        if match := LINE.match(line):
            at = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
            kind = match[2].split()[0]
            yield at.timestamp(), kind, ast.literal_eval(match[3]) if kind == "rung" else {}


def idle_torch() -> int:
    """Bytes that a process holds alone once torch is imported, beside another such process."""
    command = [sys.executable, "-c", "import torch; print(flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:
        for process in (one, other):
            assert process.stdout is not None
            process.stdout.readline()
        uss: int = psutil.Process(one.pid).memory_full_info().uss
        one.kill()
        other.kill()
    return uss


def watch(process: psutil.Process, peak: list[int]) -> None:
    """Keep the largest USS of the search's workers in `peak`, where two or more are there."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        held = []
        for child in process.children(recursive=True):
            try:
                if any(part.startswith("ray::trial ") for part in child.cmdline()):
                    held.append(child.memory_full_info().uss)
            except psutil.Error:
                continue
        if len(held) > 1:
            peak[0] = max(peak[0], *held)
        time.sleep(0.2)


def search(data: str, samples: int, folder: Path, *, at_a_time: int = 1) -> tuple[float, int]:
    """Run a search; when it began, and the peak memory of its workers, if there were two."""
    command = [sys.executable, "-m", "tune.search", "--space", "search_spaces/gru.yaml"]
    command += ["--data", data, "--embeddings", "corpus", "--samples", str(samples), "--quiet"]
    command += ["--max-concurrent", str(at_a_time)]
    command += ["--runs-dir", str(folder.parent), "--name", folder.name]
    began, peak = time.time(), [0]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        thread = threading.Thread(target=watch, args=(psutil.Process(process.pid), peak))
        thread.start()
        assert process.wait() == 0
        thread.join()
    return began, peak[0]


def processor_s(marker: str, process: subprocess.Popen[bytes]) -> float:
    """Seconds of the processor that all processes with a marker in their environment take.

    A process's last moments, up to the interval between two looks, are missed.
    """
    taken: dict[tuple[int, float], float] = {}
    while process.poll() is None:
        for each in psutil.process_iter():
            try:
                if each.environ().get("STARTED_BY") == marker:
                    times = each.cpu_times()
                    taken[each.pid, each.create_time()] = times.user + times.system
            except psutil.Error:
                continue
        time.sleep(0.1)
    return sum(taken.values())


def once(checkout: Path, folder: Path) -> tuple[float, float]:
    """Search with a checkout: seconds to the first training step, seconds of the processor."""
    marker = secrets.token_hex(8)
    (folder.parent / "space.yaml").write_text(SMALL)
    command = [sys.executable, "-m", "tune.search", "--space", "space.yaml", "--quiet"]
    command += ["--runs-dir", str(folder.parent), "--name", folder.name]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "STARTED_BY": marker}
    began = time.time()
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder.parent, env=environment, stdout=nowhere) as process:
        taken = processor_s(marker, process)
        assert process.wait() == 0
    logs = folder.glob("trials/*/log.txt")
    first = min(at for log in logs for at, kind, _ in events(log) if kind == "ready")
    return first - began, taken


def compare(other: Path, runs: int) -> None:
    """Print how this checkout and another one start, in turn."""
    found: dict[Path, list[tuple[float, float]]] = {ROOT: [], other.resolve(): []}
    with tempfile.TemporaryDirectory() as scratch:
        for run in range(runs + 1):  # the first of each fills the caches
            for number, checkout in enumerate(found):
                measured = once(checkout, Path(scratch) / f"run-{run}-{number}")
                found[checkout] += [measured] if run else []
    print(f"{date.today()}, {psutil.cpu_count()} cores, medians (ranges) of {runs} searches")
    for what, at in (("command to first training step", 0), ("processor's time of a search", 1)):
        ours, theirs = ([each[at] for each in figures] for figures in found.values())
        ratio = statistics.median(ours) / statistics.median(theirs)
        print(
            f"{what}: {statistics.median(ours):.1f} s ({min(ours):.1f} to {max(ours):.1f}), there "
            f"{statistics.median(theirs):.1f} s ({min(theirs):.1f} to {max(theirs):.1f}), "
            f"ratio {ratio:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--accuracy", type=float, default=0.9024)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    if options.against is not None:
        compare(options.against, options.runs)
        return
    data = options.data if options.data == "synthetic" else str(Path(options.data).resolve())
    first_step, between, reached, memory = [], [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        search(data, 1, Path(scratch) / "warm")
        for run in range(options.runs):
            _, peak = search(data, options.samples, Path(scratch) / f"pair-{run}", at_a_time=2)
            memory.append((peak - idle_torch()) / 1e6)
            folder = Path(scratch) / f"run-{run}"
            began, _ = search(data, options.samples, folder)
            end = None
            for number in range(options.samples):
                log = list(events(folder / "trials" / str(number) / "log.txt"))
                rungs = [(at, values) for at, kind, values in log if kind == "rung"]
                fit = next(at for at, kind, _ in log if kind == "ready")
                first_step += [fit - began] if end is None else []
                between += [] if end is None else [1e3 * (fit - end)]
                end = rungs[-1][0]
                reached += [
                    at - began for at, v in rungs if v["test_accuracy"] >= options.accuracy
                ][: 1 if len(reached) == run else 0]
    print(
        f"{date.today()}, {psutil.cpu_count()} cores, medians (ranges) of {options.runs} searches"
    )
    for what, values, unit in (
        ("command to first training step, caches warm", first_step, "s"),
        ("between two trials in a worker", between, "ms"),
        (f"command to {options.accuracy} test accuracy", reached, "s"),
        ("a worker's memory over idle torch", memory, "MB"),
    ):
        median = f"{statistics.median(values):.1f}" if values else "not reached"
        spread = f" ({min(values):.1f} to {max(values):.1f})" if values else ""
        print(f"{what}: {median} {unit}{spread}")


if __name__ == "__main__":
    main()
