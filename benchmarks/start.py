"""From the command to the first training step, between two trials, to an accuracy; and memory.

    python benchmarks/start.py --data FOLDER [--runs 3] [--accuracy 0.9024]

Runs real searches as a user would, one trial at a time, and reads the times off their logs. One
search more comes first and fills the caches. Between two trials lies what a worker does from the
moment a trial's last rung is on disk to the next trial's first training step.

A worker's memory is the most that one of two workers side by side holds alone (USS: neither the
arrays in shared memory nor the code that both have loaded), over what one of two idle processes
holds alone that have imported torch. With one worker the libraries' code would count as its own.
"""

import argparse
import ast
import re
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--accuracy", type=float, default=0.9024)
    options = parser.parse_args()
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
