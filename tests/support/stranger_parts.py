"""Folders and files from a stranger, mutated by bytes and by structure, with time and memory.

Beside `fuzz_parts`, whose files somebody may have written badly, these are files that a program
wrote and somebody else has altered: run folders, exported classifiers, checkpoints.
"""

import contextlib
import functools
import io
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import structure_parts
from bundle_parts import LABELS, export_small, small_corpus
from fuzz_parts import Mutation, mutated, mutations
from hypothesis import strategies as st

from textcls import bundle, predict
from textcls.config.models import ModelConfig, TrainConfig
from textcls.exceptions import BundleError
from textcls.training.trainer import Training
from tune.run_folder.paths import RunFolder

MOST_S = 2.0
"""Seconds of the processor that a case may take."""
MOST_MB = 500.0
"""Memory that a case may need beside what the process has."""
_HEADER = 8  # bytes of a safetensors file that say how long its JSON is

numbers = st.integers(0, 2**31)


@functools.cache
def _kept() -> Path:
    """The folder of what is made once."""
    return Path(tempfile.mkdtemp(prefix="strangers-"))


@functools.cache
def _whole_run() -> RunFolder:
    return structure_parts.write_whole_run(_kept() / "run")


@functools.cache
def _exported() -> Path:
    made = export_small(_kept(), linear_weight=2.0, about={"seed": 0, "search": {"trial": 3}})
    predict.main([str(made), "the goal"])  # the kernels are compiled or loaded, once
    return made


@functools.cache
def _training() -> Training:
    corpus = small_corpus()
    settings = ModelConfig(hidden_size=5, pooling="max")
    made = Training(corpus.splits, corpus.embeddings, len(LABELS), settings, TrainConfig(epochs=2))
    made.save(_kept() / "rung.safetensors")
    return made


def check_run_structure(seed: int) -> str:
    """A run folder one of whose values is another: status, report and compare show or refuse it."""
    whole = _whole_run()
    place, odd = next(structure_parts.cases(whole, 1, seed))
    fault = structure_parts.play(_kept() / "spoilt", whole.root, place, odd)
    assert fault is None, fault
    return "held"


bundle_bytes = st.tuples(st.integers(0, 4), mutations)


def check_bundle_bytes(case: tuple[int, list[Mutation]]) -> str:
    """A file of an exported classifier, mutated: it predicts, or is refused."""
    number, changes = case

    def spoil(folder: Path) -> None:
        path = sorted(folder.iterdir())[number]
        path.write_bytes(mutated(path.read_bytes(), changes))

    return _predicts(spoil)


def check_bundle_structure(seed: int) -> str:
    """An exported classifier one of whose JSON values is another: it predicts, or is refused."""

    def spoil(folder: Path) -> None:
        drawn = random.Random(seed)
        path = drawn.choice(sorted(folder.iterdir())[1:])  # the first is for people
        content = path.read_bytes()
        head, rest = b"", b""
        if path.suffix == ".safetensors":
            length = int.from_bytes(content[:_HEADER], "little")
            head, rest = content[:_HEADER], content[_HEADER + length :]
            content = content[_HEADER : _HEADER + length]
        spoilt = _spoilt(json.loads(content), drawn).encode()
        if head:
            head = len(spoilt).to_bytes(_HEADER, "little")
        path.write_bytes(head + spoilt + rest)

    return _predicts(spoil)


def _spoilt(value: Any, drawn: random.Random) -> str:
    way = drawn.choice(list(structure_parts._ways(value, ())))
    return structure_parts._with(value, way, drawn.choice(structure_parts.ODD))


def _predicts(spoil: Callable[[Path], None]) -> str:
    folder = _kept() / "classifier"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_exported(), folder)
    spoil(folder)
    said, printed = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
        code = predict.main([str(folder), "the goal", "stock market"])
    assert code in (0, 1)
    assert (said if code else printed).getvalue().strip(), f"code {code}, and said nothing"
    assert "\x1b" not in said.getvalue() + printed.getvalue(), "prints an escape"
    try:
        rows = bundle.load_bundle(folder).probabilities(["the goal"])
        assert code or np.isfinite(rows).all()
    except BundleError as error:
        assert str(folder) in str(error)  # noqa: PT017
        return "refused"
    return "predicts" if code == 0 else "refused by predict alone"


def check_checkpoint(changes: list[Mutation]) -> str:
    """A checkpoint, mutated: a training goes on from it, or it is refused."""
    training, path = _training(), _kept() / "spoilt.safetensors"
    path.write_bytes(mutated((_kept() / "rung.safetensors").read_bytes(), changes))
    try:
        training.restore(path)
    except BundleError as error:
        assert path.name in str(error), f"names no file: {error}"  # noqa: PT017
        return "refused"
    return "goes on"


def measured(check: Callable[[Any], str]) -> Callable[[Any], str]:
    """Return a check that fails as well where a case takes too long or too much memory."""

    def checked(case: Any) -> str:
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory is counted from here
        _exported()
        before, began = _memory_mb("VmRSS"), time.process_time()
        ended = check(case)
        took, more = time.process_time() - began, _memory_mb("VmHWM") - before
        assert took < MOST_S, f"took {took:.1f} s of the processor"
        assert more < MOST_MB, f"took {more:.0f} MB"
        return ended

    return checked


def _memory_mb(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))


KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], str]]] = {
    "run folders by structure": (numbers, check_run_structure),
    "classifiers": (bundle_bytes, check_bundle_bytes),
    "classifiers by structure": (numbers, check_bundle_structure),
    "checkpoints": (mutations, check_checkpoint),
}
