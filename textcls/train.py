"""`python -m textcls.train --model gru --data FOLDER`: train one configuration and keep it.

Sections and keys are those of a search space: data, embeddings, model and train. Anything in them
is set by `--set key.path=value` or in a YAML file (`--config`).
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textcls.command_line import CommandParser, typed
from textcls.config import loader
from textcls.config.models import TrainFile
from textcls.exceptions import TextclsError
from textcls.output import make_console, printable, run_command

_PLAIN_WIDTH = 240  # a log file has no margin
_LOG_EVERY = 10
_ABOUT = (
    "Train one configuration and keep it. Sections and keys are those of a search space: data, "
    "embeddings, model and train. Anything in them is set by --set KEY=VALUE or in a YAML file."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Train one configuration, print each rung and write what was asked for.

    Args:
        argv: The arguments without the program's name; by default those of this process.

    Returns:
        The exit code: 0, or 1 where configuration, data or vectors cannot be used or training
        diverges, which standard error explains.
    """
    options = make_parser().parse(argv)
    shorthands = {
        "model.name": options.model,
        "data.name": options.data,
        "data.text_columns": options.text,
        "data.label_column": options.label,
        "embeddings.name": options.embeddings,
        "train.epochs": options.epochs,
        "train.seed": options.seed,
    }
    given = [f"{key}={json.dumps(value)}" for key, value in shorthands.items() if value is not None]
    if options.epochs is not None:  # who names a number gets it, however small the data
        given.append("train.least_texts=0")
    if options.steps is not None:
        given.append(f"train.log_every={_LOG_EVERY}")  # comes first, so that --set wins
    try:
        file = loader.load_config(TrainFile, options.config, [*given, *options.set])
        _train_and_export(file, options)
    except TextclsError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    except OSError as error:  # what is read has errors of its own
        place = error.filename or "an output"
        print(printable(f"{place}: cannot be written: {error.strerror or error}"), file=sys.stderr)
        return 1
    return 0


def make_parser() -> CommandParser:
    """Return the parser of this command's options."""
    parser = CommandParser("textcls.train", _ABOUT)
    add = parser.add_argument_group("what is trained").add_argument
    add(
        "--config",
        type=Path,
        metavar="FILE",
        help="a YAML file with data, embeddings, model, train",
    )
    add("--model", choices=["cnn", "rnn", "gru"], help="the encoder")
    add("--data", metavar="DATA", help="a hub name, a local file or folder, or synthetic")
    add("--text", metavar="COLUMNS", help="columns that make the text, such as subject,body")
    add("--label", metavar="COLUMN", help="the column that holds the label")
    add("--embeddings", metavar="VECTORS", help="a name, a vector file, corpus or random")
    add("--epochs", type=float, metavar="N", help="passes over the train split")
    add("--seed", type=int, metavar="N", help="seed of weights, batches and dropout")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any key, such as model.hidden_size=50",
    )
    add = parser.add_argument_group("how it is trained, and what is written").add_argument
    add(
        "--rungs",
        default="",
        metavar="EPOCHS",
        help="epochs at which to evaluate, such as 0.25,0.5; the end is always one",
    )
    add("--device", help="cpu or cuda; by default cuda where there is one")
    add("--out", type=Path, metavar="DIR", help="write the classifier to this folder")
    add("--json", type=Path, metavar="FILE", help="write the results at each rung to this file")
    add(
        "--steps",
        type=Path,
        metavar="FILE",
        help="write loss, accuracy, gradient norm, share of clipped steps and learning rate to "
        "this CSV file, a row every train.log_every steps (by default 10)",
    )
    return parser


def _train_and_export(file: TrainFile, options: argparse.Namespace) -> None:
    from textcls.training.importing import paused_collection

    with paused_collection():
        import torch
        from rich.progress import Progress

        from textcls import bundle, corpus
        from textcls.training.devices import choose_device
        from textcls.training.trainer import Training

    console = make_console(_PLAIN_WIDTH)

    def say(sentence: str) -> None:
        console.print(printable(sentence))

    rungs, device = _rungs(options.rungs), choose_device(options.device)
    _check_outputs(options)
    linear = file.model.linear_weight > 0
    prepared = corpus.prepare_corpus(
        file.data, file.embeddings, linear=linear, measure=file.train.measure, say=say
    )
    epochs = file.train.epochs_on(len(prepared.splits["train"]))
    rungs = rungs or [float(epoch) for epoch in range(1, int(epochs) + 1)]
    if file.train.threads:
        torch.set_num_threads(file.train.threads)
    training = Training(
        prepared.splits,
        prepared.embeddings,
        len(prepared.label_names),
        file.model,
        file.train,
        device=device,
    )
    results: list[dict[str, Any]] = []
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(f"training on {device}", total=training.total_steps)
        for result in training.fit(
            rungs, lambda step, total: bar.update(task, completed=step, total=total)
        ):
            results.append(result.as_dict())
            console.print(_line(results[-1]))
    if training.log is not None and options.steps:
        from textcls.training.step_log import points_as_csv

        options.steps.write_text(points_as_csv(training.log.points), encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.out:
        about = {
            "configuration": file.model_dump(mode="json"),
            "result": results[-1],
            "provenance": prepared.provenance,
        }
        with tempfile.TemporaryDirectory() as scratch:
            checkpoint = Path(scratch) / "checkpoint.safetensors"
            training.save(checkpoint)
            bundle.export_bundle(checkpoint, file.model, prepared, file.data, options.out, about)
        console.print(
            f'classifier in {options.out}; try: {typed("textcls.predict")} {options.out} "a text"'
        )


def _check_outputs(options: argparse.Namespace) -> None:
    """Check what will be written, and make the folders for it, before training takes its time."""
    from textcls.runtime.bundle_files import check_replaceable

    for option, path in (("--json", options.json), ("--steps", options.steps)):
        if path is not None and path.is_dir():
            raise TextclsError(f"{option}: must be a file to write, but {path} is a folder")
    for option in ("json", "steps", "out"):
        path = getattr(options, option)
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TextclsError(
                f"--{option}: the folder {path.parent} cannot be made: {error.strerror or error}"
            ) from error
    if options.out is not None:
        check_replaceable(options.out)


def _rungs(text: str) -> list[float]:
    """Parse `--rungs`: epochs, ascending; empty where none were given."""
    if not text:
        return []
    try:
        return sorted(float(part) for part in text.split(","))
    except ValueError:
        raise TextclsError(f"--rungs: must be numbers such as 0.25,0.5, but is {text!r}") from None


def _line(result: dict[str, Any]) -> str:
    scores = [
        f"{split} accuracy {result[f'{split}_accuracy']:.4f} loss {result[f'{split}_loss']:.3f}"
        for split in ("val", "test")
        if f"{split}_accuracy" in result
    ]
    head = (
        f"epoch {result['epoch']:.2f} step {result['step']} train loss {result['train_loss']:.3f}"
    )
    speed = f"{result['texts_per_second']:,.0f} texts/s"
    return "  ".join([head, *scores, speed])


if __name__ == "__main__":
    sys.exit(run_command(main))
