"""Measure predicting: a file from CSV to CSV, one text, a start of the command, the bundle's size.

    python benchmarks/predict.py --data FOLDER [--texts 100000] [--rounds 5]

Trains a GRU (hidden 64) beside a linear classifier on FOLDER (AG News' layout: `train.csv` and
`test.csv`), unless `--bundle` names a classifier, and repeats its test rows to `--texts` rows of
CSV. fastText, where it is installed, is trained on the same rows (words and pairs) and predicts the
same file, read and written by Python's csv module as ours is.
"""

import argparse
import csv
import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from textcls.calibration.temperature import Temperature, calibration_error
from textcls.calibration.temperature import softmax as probabilities_of
from textcls.data.tables import prediction
from textcls.data.tables.prediction import Choice, predict_file
from textcls.runtime.bundle_files import read_bundle
from textcls.runtime.predictor import Predictor

SETTINGS = (
    "model.name=gru",
    "model.hidden_size=64",
    "model.pooling=max",
    "model.linear_weight=5",
    "embeddings.name=corpus",
    "data.validation_fraction=0.05",
    "train.epochs=1",
)


def main() -> None:
    options = parse()
    folder = Path(options.data)
    load = os.getloadavg()[0]
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}")
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(options.bundle) if options.bundle else train(folder, Path(scratch) / "bundle")
        predictor = Predictor(read_bundle(bundle))
        rows = read_rows(folder / "test.csv")
        accuracy_and_calibration(predictor, rows)
        source = Path(scratch) / "in.csv"
        write_rows(source, rows, options.texts)
        size = sum(path.stat().st_size for path in bundle.iterdir())
        print(f"bundle {size / 1e6:.2f} MB")
        contest(predictor, source, Path(scratch), folder, options)
        one_text(predictor, [f"{title} {text}" for _, title, text in rows[:500]])
        start(bundle, options.rounds)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--bundle")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=None)
    return parser.parse_args()


def train(folder: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "textcls.train", "--out", str(out)]
    for setting in (f"data.name={folder}", *SETTINGS):
        command += ["--set", setting]
    subprocess.run(command, check=True)
    return out


def read_rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def write_rows(path: Path, rows: list[list[str]], count: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "description"])
        for i in range(count):
            _, title, text = rows[i % len(rows)]
            # Each row has a word of its own, so that no text is seen twice.
            writer.writerow([i, title, f"{text} {i}"])


def accuracy_and_calibration(predictor: Predictor, rows: list[list[str]]) -> None:
    labels = np.array([int(row[0]) - 1 for row in rows])
    logits = predictor.logits([f"{title} {text}" for _, title, text in rows]).astype(np.float64)
    before = calibration_error(probabilities_of(logits), labels)
    temperature = Temperature.of(predictor.calibration)
    after = calibration_error(temperature.probabilities(logits), labels)
    accuracy = (logits.argmax(axis=1) == labels).mean()
    print(
        f"test accuracy {accuracy:.4f}, expected calibration error {before:.4f}, with temperature "
        f"{temperature.base:.3f} {after:.4f} ({len(labels):,} texts)"
    )


def contest(
    predictor: Predictor, source: Path, scratch: Path, folder: Path, options: argparse.Namespace
) -> None:
    def ours() -> None:
        predict_file(
            predictor, source, scratch / "out.csv", Choice(), jobs=options.jobs, say=lambda _: None
        )

    def ours_alone() -> None:
        predict_file(predictor, source, scratch / "out.csv", Choice(), jobs=1, say=lambda _: None)

    sides: dict[str, Callable[[], None]] = {"ours": ours, "ours, one thread": ours_alone}
    if other := fasttext_side(folder, source, scratch):
        sides["fastText"] = other
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    work: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, side in sides.items():
            before = time.process_time()
            seconds[name].append(timed(side))
            work[name].append(time.process_time() - before)
    cores = options.jobs or prediction.cores()
    for name, times in seconds.items():
        speeds = sorted(options.texts / each for each in times)
        print(
            f"{name}: {median(speeds):,.0f} texts/s ({speeds[0]:,.0f} to {speeds[-1]:,.0f}), "
            f"{options.texts:,} texts from CSV to CSV, {cores} cores at hand; "
            f"{1e6 * median(work[name]) / options.texts:.1f} us of one processor a text"
        )


def fasttext_side(folder: Path, source: Path, scratch: Path) -> Callable[[], None] | None:
    try:
        import fasttext
    except ImportError:
        print("fastText is not installed")
        return None
    lines = scratch / "fasttext.txt"
    with lines.open("w", encoding="utf-8") as file:
        for label, title, text in read_rows(folder / "train.csv"):
            file.write(f"__label__{label} {' '.join(f'{title} {text}'.lower().split())}\n")
    model = fasttext.train_supervised(str(lines), wordNgrams=2, epoch=5, lr=0.25, verbose=0)

    def predict() -> None:
        with (
            source.open(newline="", encoding="utf-8") as file,
            (scratch / "other.csv").open("w", newline="", encoding="utf-8") as out,
        ):
            reader, writer = csv.reader(file), csv.writer(out)
            writer.writerow([*next(reader), "label", "probability"])
            for row in reader:
                text = " ".join(f"{row[1]} {row[2]}".lower().split())
                (pair,) = model.f.predict(f"{text}\n", 1, 0.0, "strict")
                writer.writerow([*row, pair[1], f"{pair[0]:.6f}"])

    return predict


def one_text(predictor: Predictor, texts: list[str]) -> None:
    predictor.probabilities(texts)
    before = time.process_time()
    times = [timed(lambda text=text: predictor.probabilities([text])) for text in texts]
    work = (time.process_time() - before) / len(texts)
    print(
        f"one text, warm: {1e3 * median(times):.3f} ms (median of {len(texts)} texts), "
        f"{1e3 * work:.3f} ms of one processor"
    )


def start(bundle: Path, rounds: int) -> None:
    command = [sys.executable, "-m", "textcls.predict", str(bundle), "The striker scored twice"]
    times = [
        timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
        for _ in range(rounds)
    ]
    print(
        f"one text from the command: {median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
    )


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
