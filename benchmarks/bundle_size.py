"""Measure what a small bundle costs: accuracy on AG News' test rows beside the whole classifier.

    python benchmarks/bundle_size.py --data FOLDER --bundle FOLDER [--bundle FOLDER ...]

FOLDER has AG News' layout (`test.csv`); `benchmarks/predict.py` says how a classifier of it is
trained. Each classifier is written four times: whole, with a byte for each number, with half of its
features as well, and as `textcls-tune export --small` begins, with 60 % of its words too.
"""

import argparse
import csv
import datetime
import os
import platform
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from textcls.calibration.temperature import calibration_error
from textcls.export.small_bundle import LEVELS, reduced
from textcls.runtime.bundle_files import BundleFiles, read_bundle, write_bundle
from textcls.runtime.predictor import Predictor

VARIANTS = {"whole": None, "a byte a number": (1.0, 1.0), "half the features": (1.0, LEVELS[0][1])}
VARIANTS["60 % of the words"] = LEVELS[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--bundle", required=True, type=Path, action="append")
    options = parser.parse_args()
    with (options.data / "test.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    texts = [f"{title} {text}" for _, title, text in rows]
    labels = np.array([int(row[0]) - 1 for row in rows])
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores")
    for bundle in options.bundle:
        print(f"\n{bundle}\n| | MB | accuracy | labels changed | calibration error |")
        print("| --- | --- | --- | --- | --- |")
        files = read_bundle(bundle)
        whole = Predictor(files).probabilities(texts)
        for name, shares in VARIANTS.items():
            size, now = measure(files, shares, texts)
            changed = int((now.argmax(axis=1) != whole.argmax(axis=1)).sum())
            accuracy = (now.argmax(axis=1) == labels).mean()
            error = calibration_error(now, labels)
            print(f"| {name} | {size / 1e6:.2f} | {accuracy:.4f} | {changed} | {error:.4f} |")


def measure(
    files: BundleFiles, shares: tuple[float, float] | None, texts: list[str]
) -> tuple[int, np.ndarray]:
    """Write a variant and read it again; return its bytes and its probabilities of the texts."""
    made = files if shares is None else reduced(files, *shares)
    with TemporaryDirectory() as scratch:
        out = Path(scratch) / "bundle"
        write_bundle(made, out, small=shares is not None)
        size = sum(path.stat().st_size for path in out.iterdir())
        return size, Predictor(read_bundle(out)).probabilities(texts)


if __name__ == "__main__":
    main()
