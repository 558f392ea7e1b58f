"""Compile the kernels that training calls, before a trial waits for them.

    python -m textcls.training.warm_up KINDS

compiles them in a process of its own, whose results every later process on this machine finds
(`textcls.compilation`). KINDS is what `encode_kinds` gives.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from textcls.compilation import stored_kernels
from textcls.config.models import ModelConfig, TrainConfig
from textcls.text.encoding import EncodedSplit

_TEXTS, _LENGTH, _WORDS, _DIM = 8, 8, 20, 8  # enough for each kernel to be called


@dataclass(frozen=True, slots=True)
class KernelKind:
    """The parts of a configuration that decide which kernels training calls.

    linear: whether the linear classifier of words and pairs of words is trained as well.
    """

    name: str
    pooling: str
    ngrams: bool
    linear: bool

    @classmethod
    def of(cls, model: ModelConfig, *, linear: bool = False) -> "KernelKind":
        """Return the kind of a model.

        Args:
            model: Its settings.
            linear: Whether any trial of the search wants a linear classifier's scores.
        """
        return cls(model.name, model.pooling, model.ngrams > 0, linear)

    @property
    def marker(self) -> str:
        """The name under which it is noted that its kernels are there."""
        return "compiled-" + "-".join(str(part).lower() for part in astuple(self))


def missing_kinds(kinds: Iterable[KernelKind]) -> list[KernelKind]:
    """Return the kinds whose kernels were not compiled on this machine yet.

    Args:
        kinds: Those that will be needed; the same one may come several times.

    Returns:
        Each missing kind once, in the order in which it first comes.
    """
    return [kind for kind in dict.fromkeys(kinds) if stored_kernels().read(kind.marker) is None]


def encode_kinds(kinds: Iterable[KernelKind]) -> str:
    """Return kinds as one argument of this module's command line.

    Args:
        kinds: Those to compile.

    Returns:
        A JSON array with an array of four values for each kind.
    """
    return json.dumps([astuple(kind) for kind in kinds])


def compile_kernels(kinds: Iterable[KernelKind]) -> None:
    """Train a tiny classifier of each kind, so that its kernels are compiled and stored.

    Where torch sees a GPU the trials run there, and only what prepares their batches is compiled.
    It takes some seconds a kind, and sets torch to one thread in this process.

    Args:
        kinds: Those to compile; each is noted in the kernels' folder when it is done.
    """
    import torch

    from textcls.models import linear
    from textcls.training.trainer import Training

    torch.set_num_threads(1)  # the other cores have their own work
    on_cpu = not torch.cuda.is_available()
    split = _tiny_split()
    for kind in kinds:
        if kind.linear:
            words = [f"word{i}" for i in range(_WORDS)]
            linear.train_linear(split, 2, words=words).scores(split, words)
        model = ModelConfig.model_validate(
            {"name": kind.name, "pooling": kind.pooling, "ngrams": 2 * kind.ngrams}
        )
        training = Training(
            {"train": split, "test": split},
            np.zeros((_WORDS, _DIM), np.float32),
            2,
            model,
            TrainConfig(batch_size=2, freeze_iters=1),
            compiled=on_cpu,
        )
        for _ in training.fit([]):
            pass
        stored_kernels().write(kind.marker, b"")


def _tiny_split() -> EncodedSplit:
    """Make a split in arrays that cannot be written, as those from a cache or from Ray.

    numba compiles a function for each kind of array.
    """
    rng = np.random.default_rng(0)
    tokens = rng.integers(2, _WORDS, _TEXTS * _LENGTH, dtype=np.int32)
    offsets = np.arange(_TEXTS + 1, dtype=np.int64) * _LENGTH
    labels = np.arange(_TEXTS, dtype=np.int64) % 2
    capitals = np.zeros(_TEXTS * _LENGTH, np.bool_)
    for array in (tokens, offsets, labels, capitals):
        array.flags.writeable = False
    return EncodedSplit(tokens, offsets, labels, capitals=capitals)


def main(argv: Sequence[str] | None = None) -> int:
    """Compile the kernels of the kinds that the one argument lists.

    Args:
        argv: What `encode_kinds` gave, alone in a list; by default the process's own argument.

    Returns:
        The exit code, 0.
    """
    (listed,) = sys.argv[1:] if argv is None else argv
    compile_kernels(KernelKind(*parts) for parts in json.loads(listed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
