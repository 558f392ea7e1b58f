"""What one would write by hand: Ray Tune, OptunaSearch, ASHA, torch's own GRU.

    python benchmarks/handwritten.py --data FOLDER --seconds 300 --out FILE

As Ray's documentation shows it: a trainable that reports once an epoch, padded batches from a
DataLoader, nn.Embedding and nn.GRU under one dense Adam, on the words that train holds. Writes a
line of JSON per report: seconds since the command, trial, accuracy on validation and test.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

BEGAN = time.time()


def train(config: dict[str, Any], data: Any, out: str) -> None:
    """One trial."""
    import torch
    from ray import tune
    from torch import nn
    from torch.nn.utils.rnn import pad_sequence
    from torch.utils.data import DataLoader

    torch.set_num_threads(1)
    words, classes, splits = data

    def collate(rows: Any) -> Any:
        texts, labels = zip(*rows, strict=True)
        return pad_sequence(list(texts), batch_first=True), torch.tensor(labels)

    loaders = {
        name: DataLoader(rows, 32, shuffle=name == "train", collate_fn=collate)
        for name, rows in splits.items()
    }
    embedding = nn.Embedding(words, 50, padding_idx=0)
    gru = nn.GRU(50, config["hidden_size"], batch_first=True)
    head = nn.Linear(config["hidden_size"], classes)
    parameters = [p for module in (embedding, gru, head) for p in module.parameters()]
    adam = torch.optim.Adam(parameters, config["learning_rate"])

    def logits(texts: Any) -> Any:
        states, _ = gru(embedding(texts))
        return head(states.max(dim=1).values)

    def accuracy(name: str) -> float:
        with torch.inference_mode():
            hits = [(logits(x).argmax(1) == y).sum().item() for x, y in loaders[name]]
        return sum(hits) / len(splits[name])

    for _ in range(3):
        for texts, labels in loaders["train"]:
            adam.zero_grad()
            nn.functional.cross_entropy(logits(texts), labels).backward()
            nn.utils.clip_grad_norm_(parameters, config["max_grad_norm"])
            adam.step()
        scores = {name: accuracy(name) for name in ("validation", "test")}
        line = {"seconds": time.time() - began_at(out), "config": config, **scores}
        with Path(out).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        tune.report(scores)


def began_at(out: str) -> float:
    """When the command began: the worker's own clock would leave out Ray's start."""
    return float(Path(out).with_suffix(".began").read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--validation-fraction", type=float, default=0.05)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    out = options.out.resolve()
    out.with_suffix(".began").write_text(str(BEGAN), encoding="utf-8")
    out.unlink(missing_ok=True)
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"

    import ray
    import torch
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    from textcls.config.models import DataConfig
    from textcls.data.dataset import locate
    from textcls.text.tokenizer import tokenize

    dataset = locate(
        DataConfig(name=options.data, validation_fraction=options.validation_fraction)
    ).read()
    ids: dict[str, int] = {}
    for text in dataset.splits["train"].texts.to_pylist():
        for word in tokenize(text, 128):
            ids.setdefault(word, len(ids) + 2)
    splits = {
        name: [
            (torch.tensor([ids.get(w, 1) for w in tokenize(text, 128)] or [1]), int(label))
            for text, label in zip(split.texts.to_pylist(), split.labels, strict=True)
        ]
        for name, split in dataset.splits.items()
    }
    data = (len(ids) + 2, len(dataset.label_names), splits)
    ray.init(address="local", log_to_driver=False)
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(train, data=data, out=str(out)), {"cpu": 1}),
        param_space={
            "hidden_size": tune.lograndint(32, 160),
            "learning_rate": tune.loguniform(1e-4, 3e-2),
            "max_grad_norm": tune.loguniform(0.1, 10.0),
        },
        tune_config=tune.TuneConfig(
            metric="validation",
            mode="max",
            search_alg=OptunaSearch(),
            scheduler=ASHAScheduler(max_t=3, grace_period=1, reduction_factor=3),
            num_samples=-1,
            time_budget_s=options.seconds - (time.time() - BEGAN),
        ),
        run_config=tune.RunConfig(storage_path=tempfile.mkdtemp(), verbose=0),
    )
    tuner.fit()
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    best = max(lines, key=lambda line: line["validation"])
    print(
        f"{len(lines)} reports; best validation {best['validation']:.4f}, test {best['test']:.4f} "
        f"after {best['seconds']:.0f} s, {best['config']}"
    )


if __name__ == "__main__":
    main()
