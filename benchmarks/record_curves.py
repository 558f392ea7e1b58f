"""Records complete learning curves of configurations spread over a search space, for replay.py.

    python benchmarks/record_curves.py --data FOLDER [--configurations 100] [--seeds 2]

The space's points come first, then quasi-random ones. Every configuration is trained to its end
on one core and evaluated at each epoch at which a scheduler under comparison could look. A part of
them is trained with a second seed: how far two seeds lie apart is the noise that replay.py plays
with. What is recorded already is not trained again, so that a run that was cut off goes on.
Seconds are the processor's, so that neighbours on the machine do not count.
"""

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
import torch

from textcls.config.models import EmbeddingConfig
from textcls.corpus import Corpus, prepare_corpus
from textcls.exceptions import DivergedError
from textcls.text.encoding import EncodedSplit
from textcls.training.trainer import Training
from tune.config import optuna_space, search_file
from tune.config.search_file import SearchFile
from tune.samplers import factory

HERE = Path(__file__).parent
CURVES = HERE / "curves"
SPACE = HERE.parent / "search_spaces" / "gru.yaml"
VALIDATION = 0.1
GRID = 16
RUNGS = (1, 2, 4, 6, 8, 12, 16, 24, 32)
"""In 1/16 epochs: on or next to every rung of grace periods 1/16 to 1/2, factors 2 to 4."""
SECOND_SEED_EVERY = 4
ACCURACIES = ("val_accuracy", "test_accuracy")
COLUMNS = ("configuration", "seed", "epoch", "train_s", "evaluate_s", *ACCURACIES)


class Timed(Training):
    """Training that counts the processor's seconds in evaluation."""

    evaluate_s = 0.0
    """Seconds of the latest evaluation on the test split: a search looks at one split."""
    all_evaluation_s = 0.0

    def evaluate(self, split: EncodedSplit) -> dict[str, float]:
        """Mean loss, accuracy and macro F1 on a split."""
        began = time.process_time()
        found = super().evaluate(split)
        seconds = time.process_time() - began
        self.all_evaluation_s += seconds
        if split is self.splits["test"]:
            self.evaluate_s = seconds
        return found


def configurations(config: SearchFile, count: int) -> list[dict[str, Any]]:
    """The space's points, then quasi-random ones: a longer list begins with the shorter one."""
    study = optuna.create_study(sampler=factory.create_sampler("qmc", config.space, seed=0))
    found = optuna_space.initial_points(config)
    known = optuna_space.optuna_distributions(config)
    while len(found) < count:
        trial = study.ask(known)
        study.tell(trial, 0.0)
        found.append(trial.params)
    return found


def record(
    corpus: Corpus, config: SearchFile, params: dict[str, Any], seed: int
) -> Iterator[tuple[float, ...]]:
    """A row per rung: epoch, seconds of training so far and of one evaluation, two accuracies."""
    model, _, train = config.configuration(params)
    training = Timed(
        corpus.splits,
        corpus.embeddings,
        len(corpus.label_names),
        model,
        train.model_copy(update={"seed": seed, "least_texts": 0}),  # the rungs are in epochs
    )
    began = time.process_time()
    for result in training.fit([rung / GRID for rung in RUNGS]):
        train_s = time.process_time() - began - training.all_evaluation_s
        yield (
            result.epoch,
            train_s,
            training.evaluate_s,
            *(result.metrics[name] for name in ACCURACIES),
        )


def jobs(count: int, seeds: int) -> list[tuple[int, int]]:
    """Configurations and seeds in the order in which they are worth having."""
    first = [
        (number, seed)
        for number in range(count)
        for seed in range(seeds if number % SECOND_SEED_EVERY == 0 else 1)
    ]
    rest = [(number, seed) for number in range(count) for seed in range(1, seeds)]
    return list(dict.fromkeys([*first, *rest]))


def recorded(path: Path) -> set[tuple[int, int]]:
    if not path.exists():
        return set()
    with path.open(encoding="utf-8", newline="") as file:
        return {(int(row["configuration"]), int(row["seed"])) for row in csv.DictReader(file)}


def write_configurations(path: Path, found: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["configuration", *found[0]], lineterminator="\n")
        writer.writeheader()
        for number, params in enumerate(found):
            shown = {name: f"{value:.6g}" for name, value in params.items()}
            writer.writerow({"configuration": number, **shown})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--configurations", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=CURVES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    search = search_file.load_search(SPACE)
    data = search.data.model_copy(update={"name": options.data, "validation_fraction": VALIDATION})
    corpus = prepare_corpus(data, EmbeddingConfig(name="corpus"))
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "curves.csv"
    found = configurations(search, options.configurations)
    write_configurations(options.out / "configurations.csv", found)
    done = recorded(table)
    if not done:
        table.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    next(record(corpus, search, found[0], 0))  # compiles the kernels
    for number, seed in jobs(len(found), options.seeds):
        if (number, seed) in done:
            continue
        rows = []
        try:
            rows += [
                f"{number},{seed}," + ",".join(f"{value:.5g}" for value in row)
                for row in record(corpus, search, found[number], seed)
            ]
        except DivergedError as error:
            print(f"configuration {number}, seed {seed}: {error}", flush=True)
            rows.append(f"{number},{seed},nan,nan,nan,nan,nan")
        with table.open("a", encoding="utf-8") as file:
            file.write("\n".join(rows) + "\n")
        print(f"configuration {number}, seed {seed}: {rows[-1]}", flush=True)


if __name__ == "__main__":
    main()
