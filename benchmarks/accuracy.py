"""Does speed cost accuracy? The same configuration, plainly and our way, five seeds each.

    python benchmarks/accuracy.py --data FOLDER [--seeds 5]

Plainly: torch.nn.GRU on packed sequences, one dense torch.optim.Adam for everything, embeddings
included, texts shuffled without a look at their lengths. Ours: batches grouped by length, compiled
kernels, row-sparse Adam. Both start from the same weights of a seed. A third row shows what the
grouping alone does: ours on plainly shuffled batches.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator
from datetime import date

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from textcls.config.models import DataConfig, EmbeddingConfig, ModelConfig, TrainConfig
from textcls.corpus import Corpus, prepare_corpus
from textcls.text import batching
from textcls.text.batching import Batch
from textcls.training.trainer import Training

MODEL = ModelConfig(name="gru", hidden_size=50, pooling="max")


class Shuffled(Training):
    """Our training, on batches that are shuffled only; inside a batch texts stand by length."""

    def _batches(self) -> Iterator[Batch]:
        split, size = self.splits["train"], self.train.batch_size
        while self.step < self.total_steps:
            epoch = self.step // self.steps_per_epoch
            order = np.random.default_rng([self.train.seed, epoch]).permutation(len(split))
            bounds = np.append(np.arange(0, len(order), size), len(order))
            for a, b in itertools.pairwise(bounds):
                order[a:b] = order[a:b][np.argsort(-self.lengths[order[a:b]], kind="stable")]
            yield from batching.batches(split, order, bounds, len(self.classifier.embeddings))


class Plain(Shuffled):
    """nn.GRU, dense Adam, shuffled batches."""

    def __init__(self, corpus: Corpus, train: TrainConfig) -> None:
        classes = len(corpus.label_names)
        super().__init__(corpus.splits, corpus.embeddings, classes, MODEL, train, compiled=False)
        self.table = nn.Parameter(self.classifier.embeddings)
        self.parameters = [*self.classifier.parameters(), self.table]
        self.adam = torch.optim.Adam(self.parameters, train.learning_rate)

    def _train_step(self, batch: Batch) -> torch.Tensor:
        self.adam.zero_grad()
        loss = functional.cross_entropy(
            self.classifier(self.table[batch.rows], batch), batch.labels
        )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, self.train.max_grad_norm)
        self.adam.step()
        return loss.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--embeddings", default="corpus")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = prepare_corpus(DataConfig(name=options.data), EmbeddingConfig(name=options.embeddings))
    classes = len(corpus.label_names)
    print(f"{date.today()}, one core, torch {torch.__version__}, {options.epochs} epochs")
    for name in ("plain", "ours", "ours, shuffled only"):
        accuracies, seconds = [], []
        for seed in range(options.seeds):
            train = TrainConfig(
                epochs=options.epochs, learning_rate=options.learning_rate, seed=seed
            )
            kind = Shuffled if name.endswith("only") else Training
            training = (
                Plain(corpus, train)
                if name == "plain"
                else kind(corpus.splits, corpus.embeddings, classes, MODEL, train)
            )
            began = time.perf_counter()
            *_, last = training.fit([])
            seconds.append(time.perf_counter() - began)
            accuracies.append(last.metrics["test_accuracy"])
        print(
            f"{name:20s} test accuracy {statistics.mean(accuracies):.4f}, standard deviation "
            f"{statistics.stdev(accuracies):.4f} ({' '.join(f'{a:.4f}' for a in accuracies)}), "
            f"{statistics.median(seconds):.1f} s a run",
            flush=True,
        )


if __name__ == "__main__":
    main()
