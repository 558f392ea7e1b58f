"""What a card does with trials: everything that has to be measured on one, in one command.

    python benchmarks/gpu.py                              # on a card, within eight minutes
    python benchmarks/gpu.py --device cpu --small         # the same code, to see it work

It needs torch, numpy, this project and no Ray, no data and no network. Each part has a time limit
and is written to the JSON file as soon as it is done; started again, the command goes on with the
parts that the file lacks. In the end it prints the tables for `benchmarks/README.md`.

A trial is what the reference experiment trains: a GRU with 50 units over two epochs of 62,087 texts
of some 43 words in batches of 32, with trained vectors of 50 dimensions for 60,000 words. Texts are
made up; their lengths and the frequencies of their words are like those of news.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from textcls.config.models import ModelConfig, TrainConfig
from textcls.text.encoding import EncodedSplit
from textcls.training.fused import FusedTraining
from textcls.training.trainer import RungResult, Training, predict_logits

Found = dict[str, Any]
MODELS = ("gru", "rnn", "cnn")
TRIAL_STEPS = 2 * -(-62_087 // 32)
BATCH, DIM, CLASSES = 32, 50, 4
PROCESSES_S = 60.0
"""Seconds that processes side by side have, their start included; then they are killed."""
TOLERANCE = 1e-3
"""Relative difference to the CPU's loss, at most, after a few steps; the sums' order differs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: on a card, or small, to see that everything works."""

    device: str
    texts: int
    words: int
    hidden: tuple[int, ...]
    processes: tuple[int, ...]
    fused: tuple[int, ...]
    """How many trials share a set of operations."""
    epochs: int
    """Epochs of a trial that is timed: more steps than there is time for."""
    longest: int
    """Words of a text, at most."""
    rung: int
    """Steps that are timed together."""
    seconds: float
    """Of each single measurement."""

    @property
    def on_card(self) -> bool:
        """Whether the device is a GPU."""
        return self.device != "cpu"


def plan_of(device: str, *, small: bool) -> Plan:
    """Return the plan for a device."""
    if small:
        return Plan(
            device, 100, 300, (4, 5, 6), (1, 2), (1, 3), 100, longest=8, rung=3, seconds=0.05
        )
    sizes, processes, fused = (50, 200, 800), (1, 2, 4, 8, 16), (1, 4, 16, 64)
    return Plan(
        device, 20_000, 60_000, sizes, processes, fused, 10, longest=128, rung=50, seconds=4.0
    )


def made_up_texts(plan: Plan, texts: int, seed: int) -> EncodedSplit:
    """Make texts up whose lengths and frequencies of words are like those of news."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(3.7, 0.35, texts), 3, plan.longest).astype(np.int64)
    words = 2 + (rng.pareto(0.6, lengths.sum()) * 5).clip(max=1e9).astype(np.int64)
    tokens = np.minimum(words, plan.words - 1).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return EncodedSplit(tokens, offsets, tokens[offsets[:-1]].astype(np.int64) % CLASSES)


def training(plan: Plan, model: str, hidden: int, *, kernels: bool = False) -> Training:
    """Set up a trial: in plain torch on the device, or with the compiled kernels of the CPU."""
    device = "cpu" if kernels else plan.device
    return Training(*parts(plan), *settings(plan, model, hidden), device=device, compiled=kernels)


def fused_training(plan: Plan, k: int) -> FusedTraining:
    """Set up k trials of the smallest GRU in one set of operations."""
    members = [settings(plan, "gru", plan.hidden[0], seed) for seed in range(k)]
    return FusedTraining(*parts(plan), members, device=plan.device)


def parts(plan: Plan) -> tuple[dict[str, EncodedSplit], Any, int]:
    """Return the splits, the word vectors and the number of classes."""
    splits = {"train": made_up_texts(plan, plan.texts, 0), "test": made_up_texts(plan, 64, 1)}
    vectors = np.random.default_rng(2).normal(0, 0.3, (plan.words, DIM)).astype(np.float32)
    return splits, vectors, CLASSES


def settings(plan: Plan, model: str, hidden: int, seed: int = 0) -> tuple[ModelConfig, TrainConfig]:
    """Return the settings of a trial."""
    train = TrainConfig(epochs=plan.epochs, batch_size=BATCH, learning_rate=1e-3, seed=seed)
    return ModelConfig(name=model, hidden_size=hidden, pooling="max"), train  # type: ignore[arg-type]


def step_seconds(run: Training | FusedTraining, plan: Plan, seconds: float) -> list[float]:
    """Train for so long after a first rung and return the seconds a step of each rung."""
    rungs = [run.step + (i + 1) * plan.rung for i in range(2_000)]
    found: list[float] = []
    results = run.fit([step / run.steps_per_epoch for step in rungs])
    next(results)  # cuDNN chooses, the allocator fills
    end = time.perf_counter() + seconds
    for result in results:
        one = result if isinstance(result, RungResult) else next(iter(result.values()))
        found.append(one.train_seconds / plan.rung)
        if time.perf_counter() > end:
            break
    return found


def equality(plan: Plan) -> Iterator[Found]:
    """Compare the losses of the first steps with those of the CPU's compiled kernels."""
    for model in MODELS:
        losses = []
        for kernels in (False, True):
            run = training(plan, model, plan.hidden[0], kernels=kernels)
            first = next(run.fit([plan.rung / run.steps_per_epoch]))
            losses.append((first.train_loss, first.metrics["test_loss"]))
        difference = max(abs(a / b - 1) for a, b in zip(*losses, strict=True))
        yield {
            "model": model, "train_loss": losses[0][0], "relative_difference": difference,
            "equal": difference < TOLERANCE,
        }  # fmt: skip


def steps(plan: Plan) -> Iterator[Found]:
    """Time a step of each model at three sizes, and count its operations."""
    for model in MODELS:
        for hidden in plan.hidden:
            run = training(plan, model, hidden)
            timed = step_seconds(run, plan, plan.seconds)
            median = statistics.median(timed)
            yield {
                "model": model, "hidden": hidden, "ms_a_step": 1000 * median,
                "slowest_ms": 1000 * max(timed), "trials_an_hour": 3600 / median / TRIAL_STEPS,
                **operations(run, plan),
            }  # fmt: skip


class _Count(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.number += 1
        return func(*args, **(kwargs or {}))


def operations(run: Training | FusedTraining, plan: Plan) -> Found:
    """Count what a step dispatches and, on a card, the kernels and copies that it runs for it."""
    rungs = [(run.step + 10 * (i + 1)) / run.steps_per_epoch for i in range(3)]
    results = run.fit(rungs)
    with _Count() as count:
        next(results)
    evaluation = _Count()
    with evaluation:
        run.scores()
    found = {"dispatched_a_step": round((count.number - evaluation.number) / 10)}
    if not plan.on_card:
        return found
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    launches = []
    for work in (lambda: next(results), run.scores):
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            work()
            torch.cuda.synchronize()
        events = profiler.events() or []
        launches.append(sum(event.device_type == DeviceType.CUDA for event in events))
    return {**found, "kernels_a_step": round((launches[0] - launches[1]) / 10)}


def prediction(plan: Plan) -> Iterator[Found]:
    """Time evaluation and prediction, both from the encoded texts on."""
    for model in MODELS:
        run, texts = training(plan, model, plan.hidden[0]), made_up_texts(plan, plan.texts, 3)
        for what, work in {
            "evaluation": lambda run=run, texts=texts: run.evaluate(texts),
            "prediction": lambda run=run, texts=texts: predict_logits(
                run.classifier, texts, plan.device
            ),
        }.items():
            work()
            began = time.perf_counter()
            work()
            seconds = time.perf_counter() - began
            yield {"model": model, "what": what, "texts_a_second": len(texts) / seconds}


def memory(plan: Plan) -> Iterator[Found]:
    """Train one trial after another in a process; say what each takes, and leaves behind."""
    if not plan.on_card:
        yield {"left_out": "the CPU has no card's memory"}
        return
    torch.zeros(1, device=plan.device)  # the context
    before = torch.cuda.mem_get_info()[0]
    for trial in range(5):
        torch.cuda.reset_peak_memory_stats()
        run = training(plan, MODELS[trial % 3], plan.hidden[trial % len(plan.hidden)])
        for _ in zip(range(3), run.fit([i / 100 for i in range(1, 9)]), strict=False):
            pass
        peak = torch.cuda.max_memory_allocated()
        del run
        torch.cuda.empty_cache()
        gone = before - torch.cuda.mem_get_info()[0]
        yield {
            "trial": trial, "peak_mib": peak / 2**20, "left_behind_mib": gone / 2**20,
            "context_mib": (torch.cuda.mem_get_info()[1] - before) / 2**20,
        }  # fmt: skip


def fused(plan: Plan) -> Iterator[Found]:
    """Time a step of several trials in one set of operations, and count these."""
    for k in plan.fused:
        run = fused_training(plan, k)
        median = statistics.median(step_seconds(run, plan, plan.seconds))
        yield {
            "trials": k, "ms_a_step": 1000 * median,
            "trials_an_hour": 3600 * k / median / TRIAL_STEPS, **operations(run, plan),
        }  # fmt: skip


def processes(plan: Plan) -> Iterator[Found]:
    """Count the trials an hour of several processes on the card, in turns."""
    yield from _side_by_side(plan, {})


def processes_with_mps(plan: Plan) -> Iterator[Found]:
    """Count the same where NVIDIA's MPS lets their kernels run side by side."""
    if not plan.on_card or shutil.which("nvidia-cuda-mps-control") is None:
        yield {"left_out": "no nvidia-cuda-mps-control on this machine"}
        return
    with _mps() as environment:
        yield from _side_by_side(plan, environment)


@contextmanager
def _mps() -> Iterator[dict[str, str]]:
    """Start an MPS of our own, in a folder of its own, and end it."""
    with tempfile.TemporaryDirectory() as place:
        environment = {"CUDA_MPS_PIPE_DIRECTORY": place, "CUDA_MPS_LOG_DIRECTORY": place}
        control = [str(shutil.which("nvidia-cuda-mps-control"))]
        everything = {**os.environ, **environment}
        subprocess.run([*control, "-d"], env=everything, check=True, timeout=30)
        try:
            yield environment
        finally:
            subprocess.run(control, env=everything, input=b"quit\n", timeout=30, check=False)


def _side_by_side(plan: Plan, environment: dict[str, str]) -> Iterator[Found]:
    for number in plan.processes:
        rates = _rates(plan, number, {**os.environ, **environment, "OMP_NUM_THREADS": "1"})
        yield {
            "processes": number, "trials_an_hour": 3600 * sum(rates) / TRIAL_STEPS,
            "slowest_of_mean": min(rates) / statistics.mean(rates) if rates else 0.0,
            "failed": number - len(rates),
        }  # fmt: skip


def _rates(plan: Plan, number: int, environment: dict[str, str]) -> list[float]:
    """Train in so many processes at once; return the steps a second of those that did not fail."""
    command = [sys.executable, __file__, "--device", plan.device, "--work"]
    command += ["--small"] if plan.longest < 128 else []
    started = [
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(number)
    ]
    watch = threading.Timer(PROCESSES_S, _kill, [started])
    watch.start()
    try:
        for each in started:
            each.stdout.readline()  # type: ignore[union-attr]  # it has trained a little and waits
        return [float(line) for line in _communicate(started) if line.strip()]
    finally:
        watch.cancel()
        _kill(started)


def _communicate(started: list["subprocess.Popen[str]"]) -> list[str]:
    """Let all begin at once; return what each prints."""
    for each in started:
        with suppress(BrokenPipeError):  # of one that failed
            each.stdin.write("go\n")  # type: ignore[union-attr]
            each.stdin.flush()  # type: ignore[union-attr]
    told = [each.stdout.read() for each in started]  # type: ignore[union-attr]
    for each in started:
        with suppress(BrokenPipeError):
            each.communicate()
    return told


def _kill(started: list["subprocess.Popen[str]"]) -> None:
    for each in started:
        each.kill()
        each.wait()


def work(plan: Plan) -> None:
    """Be one of several processes: get ready, wait for a line, train, print the steps a second."""
    run = training(plan, "gru", plan.hidden[0])
    step_seconds(run, plan, 0.0)
    print("ready", flush=True)
    sys.stdin.readline()
    print(1 / statistics.mean(step_seconds(run, plan, plan.seconds)))


PARTS: dict[str, tuple[Callable[[Plan], Iterator[Found]], float]] = {
    "equality": (equality, 30.0),
    "steps": (steps, 80.0),
    "memory": (memory, 30.0),
    "prediction": (prediction, 30.0),
    "fused": (fused, 60.0),
    "processes": (processes, 80.0),
    "processes_with_mps": (processes_with_mps, 80.0),
}
"""Each part and its seconds: what has not begun by then is left out."""


def measure(plan: Plan, path: Path, parts: Sequence[str]) -> Found:
    """Measure the parts that the file lacks; return everything that is in it then."""
    about = machine(plan)
    known: Found = json.loads(path.read_text()) if path.exists() else {"machine": about}
    if known["machine"]["device"] != about["device"]:
        raise SystemExit(
            f"{path} holds measurements of {known['machine']['device']}, but this is "
            f"{about['device']}: name another file with --json"
        )
    for name in parts:
        if name in known:
            continue
        began = time.perf_counter()
        rows: list[Found] = []
        part, limit_s = PARTS[name]
        for row in part(plan):
            rows.append(row)
            if time.perf_counter() - began > limit_s:
                rows.append({"left_out": f"what was to follow, after {limit_s:g} s"})
                break
        known[name] = {"seconds": time.perf_counter() - began, "rows": rows}
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(known, indent=2) + "\n")
        beside.replace(path)
        print(f"{name}: {known[name]['seconds']:.0f} s", file=sys.stderr)
    return known


def machine(plan: Plan) -> Found:
    """Describe the machine."""
    device = torch.cuda.get_device_name() if plan.on_card else platform.processor() or "CPU"
    cores = len(os.sched_getaffinity(0))
    return {
        "device": device, "cores": cores, "torch": torch.__version__,
        "cuda": torch.version.cuda, "date": date.today().isoformat(),
    }  # fmt: skip


def tables(known: Found) -> str:
    """Return all parts as Markdown tables."""
    lines = [", ".join(f"{name} {value}" for name, value in known["machine"].items() if value)]
    for name in PARTS:
        if name not in known:
            continue
        lines += ["", f"### {name.replace('_', ' ')}", ""]
        rows = known[name]["rows"]
        left_out = [row["left_out"] for row in rows if "left_out" in row]
        rows = [row for row in rows if "left_out" not in row]
        if rows:
            head = list(rows[0])
            lines += [_row(column.replace("_", " ") for column in head), _row("---" for _ in head)]
            lines += [_row(_cell(row.get(column)) for column in head) for row in rows]
        lines += [f"Left out: {reason}." for reason in left_out]
    return "\n".join(lines)


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write the JSON file, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ... or cpu")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see it work")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="where the figures go")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    if asked.device != "cpu" and not torch.cuda.is_available():
        print(f"torch {torch.__version__} sees no card: --device cpu --small", file=sys.stderr)
        return 1
    plan = plan_of(asked.device, small=asked.small)
    torch.set_num_threads(1)  # the card computes; on the CPU one core is what a trial has
    if asked.work:
        work(plan)
        return 0
    print(tables(measure(plan, asked.json, asked.only)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
