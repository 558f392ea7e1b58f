"""How fast a trial trains, beside the reference experiment's own loop on the same texts.

    python benchmarks/trial_speed.py --data FOLDER [--rounds 5]

The reference is written as that experiment had it: dense Adam over an embedding matrix of
1,193,514 x 50, texts tokenised to lists and collated row by row, shuffled batches padded to their
longest text, the recurrent step as a dozen small operations, on all cores. Ours trains on one.
Both take turns, round by round; ratios are of texts a second, medians over the rounds with their
range. Then: embeddings frozen against trained, two trials side by side against one alone, and how
far a step is from its arithmetic, at the rate of a large matrix product on one core.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from textcls.config.models import DataConfig, EmbeddingConfig, ModelConfig, ModelName, TrainConfig
from textcls.corpus import Corpus, prepare_corpus
from textcls.text.batching import Batch
from textcls.training.trainer import Training

CORES = len(os.sched_getaffinity(0))
REFERENCE_WORDS = 1_193_514
DIM, HIDDEN, BATCH, CLASSES = 50, 50, 32, 4
MODELS: tuple[ModelName, ...] = ("gru", "rnn", "cnn")


class ReferenceRecurrence(nn.Module):
    """The recurrent classifier of the reference experiment, a step as it stands in its text."""

    def __init__(self, name: ModelName) -> None:
        super().__init__()
        gates = 3 if name == "gru" else 1
        self.gru = name == "gru"
        self.embedding = nn.Embedding(REFERENCE_WORDS, DIM)
        self.w_x = nn.ParameterList(
            nn.Parameter(0.1 * torch.randn(DIM, HIDDEN)) for _ in range(gates)
        )
        self.w_h = nn.ParameterList(
            nn.Parameter(0.1 * torch.randn(HIDDEN, HIDDEN)) for _ in range(gates)
        )
        self.b_x = nn.ParameterList(nn.Parameter(torch.zeros(HIDDEN)) for _ in range(gates))
        self.b_h = nn.ParameterList(nn.Parameter(torch.zeros(HIDDEN)) for _ in range(gates))
        self.output = nn.Linear(HIDDEN, CLASSES)

    def _gate(self, i: int, x: Tensor, h: Tensor) -> Tensor:
        return x @ self.w_x[i] + self.b_x[i] + h @ self.w_h[i] + self.b_h[i]

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, time) -> (batch, classes)."""
        x = self.embedding(tokens)
        h = torch.zeros(len(tokens), HIDDEN)
        for t in range(x.shape[1]):
            x_t = x[:, t]
            if not self.gru:
                h = torch.tanh(self._gate(0, x_t, h))
                continue
            r = torch.sigmoid(self._gate(0, x_t, h))
            z = torch.sigmoid(self._gate(1, x_t, h))
            n = torch.tanh(x_t @ self.w_x[2] + self.b_x[2] + r * (h @ self.w_h[2] + self.b_h[2]))
            h = (1 - z) * n + z * h
        out: Tensor = self.output(h)
        return out


class ReferenceConvolution(nn.Module):
    """The convolutional classifier of the reference experiment."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(REFERENCE_WORDS, DIM)
        sizes = [DIM, HIDDEN, HIDDEN, HIDDEN]
        self.blocks = nn.Sequential(
            *(
                layer
                for a, b in itertools.pairwise(sizes)
                for layer in (nn.Conv1d(a, b, 3, stride=2, padding=1), nn.BatchNorm1d(b), nn.ReLU())
            )
        )
        self.output = nn.Linear(HIDDEN, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, time) -> (batch, classes)."""
        out: Tensor = self.output(self.blocks(self.embedding(tokens).transpose(1, 2)).amax(2))
        return out


class Reference:
    """The reference experiment's loop over lists of token ids."""

    def __init__(self, name: ModelName, texts: list[list[int]], labels: list[int]) -> None:
        self.model = ReferenceConvolution() if name == "cnn" else ReferenceRecurrence(name)
        self.adam = torch.optim.Adam(self.model.parameters(), 1e-2)
        loader = torch.utils.data.DataLoader(
            list(zip(texts, labels, strict=True)), BATCH, shuffle=True, collate_fn=self._collate
        )
        self.batches: Iterator[tuple[Tensor, Tensor]] = iter(loader)
        self.clip = 2.0 if name == "cnn" else 1.0

    @staticmethod
    def _collate(rows: list[tuple[list[int], int]]) -> tuple[Tensor, Tensor]:
        longest = max(len(text) for text, _ in rows)
        padded = [text + [0] * (longest - len(text)) for text, _ in rows]
        return torch.tensor(padded), torch.tensor([label for _, label in rows])

    def steps(self, count: int) -> float:
        """Seconds a step."""
        began = time.perf_counter()
        for _ in range(count):
            tokens, labels = next(self.batches)
            self.adam.zero_grad()
            functional.cross_entropy(self.model(tokens), labels).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.adam.step()
        return (time.perf_counter() - began) / count


class Ours:
    """Our training, a stretch of steps at a time."""

    def __init__(self, name: ModelName, corpus: Corpus, *, frozen: bool = False) -> None:
        train = TrainConfig(
            epochs=1000, batch_size=BATCH, max_grad_norm=1.0, freeze_iters=10**9 if frozen else 0
        )
        model = ModelConfig(name=name, hidden_size=HIDDEN)
        self.training = Training(corpus.splits, corpus.embeddings, CLASSES, model, train)
        self.batches: Iterator[Batch] = self.training._batches()
        self.training.classifier.train()

    def steps(self, count: int) -> float:
        """Seconds a step."""
        began = time.perf_counter()
        for _ in range(count):
            self.training._train_step(next(self.batches))
        return (time.perf_counter() - began) / count


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _rounds(
    reference: Reference, ours: Ours, rounds: int, steps: int
) -> tuple[list[float], list[float]]:
    """Seconds a step of either, in turns: the reference on all cores, ours on one."""
    theirs_s, ours_s = [], []
    for i in range(rounds + 1):  # the first round warms up
        torch.set_num_threads(CORES)
        theirs_s.append(reference.steps(5 if i else 2))
        torch.set_num_threads(1)
        ours_s.append(ours.steps(steps))
    return theirs_s[1:], ours_s[1:]


def against_the_reference(corpus: Corpus, rounds: int, steps: int) -> dict[str, object]:
    """The three models, both sides in turns."""
    split = corpus.splits["train"]
    texts = [split.tokens[a:b].tolist() for a, b in itertools.pairwise(split.offsets)]
    labels = split.labels.tolist()
    results: dict[str, object] = {}
    for name in MODELS:
        theirs_s, ours_s = _rounds(
            Reference(name, texts, labels), Ours(name, corpus), rounds, steps
        )
        ratios = [a / b for a, b in zip(theirs_s, ours_s, strict=True)]
        results[name] = {
            "reference_ms": [1e3 * s for s in theirs_s],
            "ours_ms": [1e3 * s for s in ours_s],
        }
        print(
            f"{name}: reference {spread([1e3 * s for s in theirs_s])} ms a step on {CORES} cores, "
            f"ours {1e3 * statistics.median(ours_s):.2f} ms on one: {spread(ratios)} times as fast"
        )
    return results


def frozen_against_trained(corpus: Corpus, rounds: int, steps: int) -> dict[str, object]:
    """The GRU with embeddings frozen, and trained."""
    frozen, trained = Ours("gru", corpus, frozen=True), Ours("gru", corpus)
    torch.set_num_threads(1)
    for side in (frozen, trained):
        side.steps(50)
    pairs = [(frozen.steps(steps), trained.steps(steps)) for _ in range(rounds)]
    shares = [a / b for a, b in pairs]
    print(f"gru frozen: {spread([100 * s for s in shares])} % of the time with embeddings trained")
    return {"share": shares}


def _race(corpus: Corpus, steps: int, barrier: Any, rounds: int, queue: Any) -> None:
    torch.set_num_threads(1)
    ours = Ours("gru", corpus)
    ours.steps(50)
    for _ in range(rounds):
        barrier.wait()
        queue.put(ours.steps(steps))


def side_by_side(corpus: Corpus, rounds: int, steps: int) -> dict[str, object]:
    """Two trials on a core each, against one alone."""
    times: dict[int, list[float]] = {}
    context = multiprocessing.get_context("fork")
    for trials in (1, 2, 1, 2):
        barrier, queue = context.Barrier(trials), context.Queue()
        workers = [
            context.Process(target=_race, args=(corpus, steps, barrier, rounds, queue))
            for _ in range(trials)
        ]
        for worker in workers:
            worker.start()
        times.setdefault(trials, []).extend(queue.get() for _ in range(trials * rounds))
        for worker in workers:
            worker.join()
    alone, together = statistics.median(times[1]), statistics.median(times[2])
    print(f"two trials side by side: each at {100 * alone / together:.0f} % of its speed alone")
    return {"alone_ms": 1e3 * alone, "together_ms": 1e3 * together}


def floor(corpus: Corpus, rounds: int, steps: int) -> dict[str, object]:
    """Operations of a GRU step over the rate of a large product on one core, against its time."""
    torch.set_num_threads(1)
    a, b = torch.randn(512, 512), torch.randn(512, 512)
    rates = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(20):
            a @ b
        rates.append(20 * 2 * 512**3 / (time.perf_counter() - began))
    rate = statistics.median(rates)
    ours = Ours("gru", corpus)
    ours.steps(50)
    operations = [
        6 * 3 * HIDDEN * (len(batch.index) * HIDDEN + len(batch.rows) * DIM)
        for batch, _ in zip(ours.batches, range(200), strict=False)
    ]
    seconds = statistics.median(ours.steps(steps) for _ in range(rounds))
    least = statistics.mean(operations) / rate
    print(
        f"gru floor: {statistics.mean(operations) / 1e6:.0f} million operations a step at "
        f"{rate / 1e9:.0f} GFLOP/s take {1e3 * least:.2f} ms; a step takes {1e3 * seconds:.2f} ms, "
        f"{seconds / least:.1f} times that"
    )
    return {"floor_ms": 1e3 * least, "step_ms": 1e3 * seconds, "rate": rate}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400, help="of ours in a round")
    parser.add_argument("--json", type=Path, help="write every measurement here")
    options = parser.parse_args()
    print(f"{date.today()}, {CORES} cores {platform.machine()}, torch {torch.__version__}")
    corpus = prepare_corpus(DataConfig(name=options.data), EmbeddingConfig(name="random", dim=DIM))
    assert len(corpus.label_names) <= CLASSES
    results = {
        test.__name__: test(corpus, options.rounds, options.steps)
        for test in (side_by_side, frozen_against_trained, floor, against_the_reference)
    }
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
