"""How long preparing texts takes: cold, warm, and beside the reference experiment's plain loop.

    python benchmarks/preparation.py --data PATH [--rows 127600 1000000] [--repeat 3]

The train texts of `--data` (default: the embedded corpus) are repeated to each number of rows,
written as CSV and prepared in processes of their own, each from its first import on, with random
vectors. "Encode" is the part of a cold start that cuts texts into tokens and numbers them; the rest
reads, checks and stores. "Reference" is NLTK's tokenizer called for each text and a dictionary
lookup for each token, into lists padded to 128. Where the processor seconds are far below the
seconds, the machine was busy with something else.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

TEST_ROWS = 7_600
MAX_LENGTH = 128


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="synthetic", help="a data set, as the commands take it")
    parser.add_argument("--rows", type=int, nargs="+", default=[127_600, 1_000_000])
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the median is shown")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        work, folder, cache = arguments.measure
        print(json.dumps(measure(work, Path(folder), Path(cache))))
        return 0
    print("| texts | work | seconds | processor seconds | per text, µs | peak memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for rows in arguments.rows:
            contest(arguments.data, rows, arguments.repeat, Path(folder))
    return 0


def contest(data: str, rows: int, repeat: int, folder: Path) -> None:
    """Print a line for each kind of work on so many rows."""
    texts = folder / f"rows{rows}"
    write(texts, data, rows)
    for work in ("reference", "encode", "cold", "warm"):
        runs = []
        for run in range(repeat):
            # Cold starts find an empty cache; warm ones that of the last cold start.
            cache = folder / f"cache{rows}-{repeat - 1 if work == 'warm' else run}"
            command = [sys.executable, __file__, "--measure", work, str(texts), str(cache)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            runs.append(json.loads(output.splitlines()[-1]))
        seconds = statistics.median(run["seconds"] for run in runs)
        busy = statistics.median(run["busy"] for run in runs)
        peak = max(run["peak_mb"] for run in runs)
        each = busy / rows * 1e6
        print(f"| {rows:,} | {work} | {seconds:.2f} | {busy:.2f} | {each:.1f} | {peak:.0f} |")


def write(folder: Path, data: str, rows: int) -> None:
    """Repeat the train texts of `data` to `rows` rows, the last of them as the test split."""
    from textcls.config.models import DataConfig
    from textcls.data.dataset import locate

    train = locate(DataConfig(name=data)).read().splits["train"]
    texts, labels = train.texts.to_pylist(), train.labels.tolist()
    endless = ((texts[i % len(texts)], labels[i % len(texts)]) for i in range(rows))
    folder.mkdir()
    for name, size in (("train", rows - TEST_ROWS), ("test", TEST_ROWS)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows(islice(endless, size))


def measure(work: str, folder: Path, cache: Path) -> dict[str, float]:
    """Do the work once in this process."""
    prepared: Callable[[], Any]
    if work == "reference":
        texts = list(read(folder))
        words = {word: i for i, word in enumerate({w for text in texts for w in text.split()})}
        prepared = lambda: reference(texts, words)  # noqa: E731
    elif work == "encode":
        from textcls.config.models import DataConfig
        from textcls.data.dataset import locate
        from textcls.text.encoding import encode_texts

        dataset = locate(DataConfig(name=str(folder))).read()
        prepared = lambda: encode_texts(dataset, MAX_LENGTH, 1)  # noqa: E731
    else:
        prepared = lambda: prepare_all(folder, cache)  # noqa: E731
    start, busy = time.perf_counter(), time.process_time()
    prepared()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return {"seconds": seconds, "busy": busy, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """This process's highest resident memory; `ru_maxrss` would inherit that of its parent."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def prepare_all(folder: Path, cache: Path) -> None:
    from textcls.config.models import DataConfig, EmbeddingConfig
    from textcls.corpus import prepare_corpus

    vectors = EmbeddingConfig(name="random")
    prepare_corpus(DataConfig(name=str(folder), max_length=MAX_LENGTH), vectors, cache_dir=cache)


def reference(texts: list[str], words: dict[str, int]) -> list[list[int]]:
    from nltk.tokenize import WordPunctTokenizer

    tokenizer = WordPunctTokenizer()
    rows = []
    for text in texts:
        tokens = tokenizer.tokenize(text)[:MAX_LENGTH]
        row = [words.get(token.lower(), 0) for token in tokens]
        rows.append(row + [0] * (MAX_LENGTH - len(row)))
    return rows


def read(folder: Path) -> Iterator[str]:
    for name in ("train", "test"):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            yield from (row["text"] for row in csv.DictReader(file))


if __name__ == "__main__":
    sys.exit(main())
