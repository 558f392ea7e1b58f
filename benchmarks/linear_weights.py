"""Find how much the linear classifier should weigh beside an encoder, by the number of texts.

    python benchmarks/linear_weights.py [--sets NAME ...] [--sizes 500 2000 8000] [--out FILE]

`tune.own_data` takes `model.linear_weight` from the number of texts. This checks its thresholds
without any test split: of each set's train rows a fifth (at most 3,000) is set apart, so many
others are drawn, a GRU and the linear classifier are trained on them, and their sum is measured on
the rows apart with each weight; one training serves all weights. Then each set is left out in turn:
the weight of each size is the best mean over the other sets, and what it loses on the set left out,
beside the best weight for that set, is printed, next to what `own_data`'s weight loses.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from textcls.config.models import DataConfig, EmbeddingConfig, ModelConfig, TrainConfig
from textcls.corpus import Corpus, corpus_of
from textcls.data.dataset import locate
from textcls.data.in_memory import memory_source
from textcls.training.trainer import Training, predict_logits
from tune import own_data

SHARED = Path(__file__).parents[2] / "shared" / "data"
SETS = ("ag_news", "banking77", "gnad", "sst2", "stackoverflow", "thucnews", "trec6", "waimai")
WEIGHTS = (0.0, 2.5, 5.0, 10.0, 20.0, 40.0)
USUAL = 5.0  # of the shipped space
MOST_APART = 3_000
PASSES, MOST_EPOCHS = 30_000, 15
"""Texts that an encoder is trained on, repeats counted, and passes over them, at most."""


def drawn(name: str, size: int, seed: int) -> Corpus | None:
    """Return a corpus of so many rows of a set's train split and of others, called test.

    None where it has fewer rows.
    """
    found = locate(DataConfig(name=str(SHARED / name))).read()
    split = found.splits["train"]
    order = np.random.default_rng(seed).permutation(len(split.texts))
    apart = min(MOST_APART, len(order) // 5)
    if len(order) - apart < size:
        return None
    labels = np.asarray(split.labels)
    kept, tested = order[apart:][:size], order[:apart]
    tested = tested[np.isin(labels[tested], labels[kept])]
    parts = [
        (split.texts.take(rows), [found.label_names[i] for i in labels[rows]])
        for rows in (kept, tested)
    ]
    dataset = memory_source(parts[0], DataConfig(), test=parts[1]).read()
    vectors = EmbeddingConfig(name="corpus")
    return corpus_of(dataset, DataConfig(), vectors, linear=True, say=lambda _: None)


def accuracies(corpus: Corpus, seed: int) -> dict[float, float]:
    """Train once; return the accuracy on test with each weight."""
    texts = len(corpus.splits["train"])
    model = ModelConfig(
        name="gru", pooling="max", bidirectional=True, hidden_size=60, dropout=0.3,
        embedding_dropout=0.2,
    )  # fmt: skip
    epochs = max(1.0, min(MOST_EPOCHS, PASSES / texts))
    train = TrainConfig(epochs=epochs, learning_rate=9e-3, schedule="linear", seed=seed)
    training = Training(
        {"train": corpus.splits["train"]}, corpus.embeddings, len(corpus.label_names), model, train
    )
    list(training.fit([]))
    test = corpus.splits["test"]
    logits = predict_logits(training.classifier, test, "cpu").log_softmax(dim=1).numpy()
    read = corpus.linear_texts
    if corpus.linear is None or read is None:
        raise RuntimeError("the corpus has no linear classifier")
    labels = np.asarray(test.labels)
    scores = corpus.linear.scores(read.splits["test"], read.vocabulary.words)
    return {
        weight: float(((logits + weight * scores).argmax(axis=1) == labels).mean())
        for weight in WEIGHTS
    }


def own_weight(texts: int) -> float:
    """Return the weight that a search without a space takes."""
    suggested = [each.value for each in own_data.linear_weight(texts)]
    return float(suggested[0]) if suggested else USUAL


def left_out(table: dict[str, dict[float, float]], size: int) -> None:
    """Print what the weight that the other sets choose loses on each set, and `own_data`'s."""
    losses: list[tuple[float, float]] = []
    for name, found in table.items():
        others = [each for other, each in table.items() if other != name]
        means = [np.mean([each[w] for each in others]) for w in WEIGHTS]
        chosen, best = WEIGHTS[int(np.argmax(means))], max(found.values())
        losses.append((best - found[chosen], best - found[own_weight(size)]))
        print(f"  {name} left out: the others choose {chosen:g}, which loses {losses[-1][0]:.4f}")
    chosen_loss, own_loss = np.mean(losses, axis=0)
    print(f"{size:,} texts: lost by left-out choice {chosen_loss:.4f}, by own_data's weight "
          f"{own_weight(size):g} {own_loss:.4f}")  # fmt: skip


def main() -> int:
    """Train on every set and size; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="NAME")
    parser.add_argument("--sizes", nargs="+", type=int, default=(500, 2_000, 8_000))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="FILE", help="a JSON file")
    options = parser.parse_args()
    results: dict[int, dict[str, dict[float, float]]] = {}
    for size in options.sizes:
        table = results.setdefault(size, {})
        print(f"{size:,} texts{'':10}" + "".join(f"{w:>9g}" for w in WEIGHTS), flush=True)
        for name in options.sets:
            corpus = drawn(name, size, options.seed)
            if corpus is None:
                continue
            table[name] = accuracies(corpus, options.seed)
            line = "".join(f"{table[name][w]:>9.4f}" for w in WEIGHTS)
            print(f"  {name:18}{line}", flush=True)
            if options.out:
                options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        left_out(table, size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
