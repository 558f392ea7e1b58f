"""Equal minutes for everyone: our search, fastText's autotune, TF-IDF with a linear SVM.

    pip install fasttext-wheel scikit-learn
    python benchmarks/contests.py --data FOLDER [--seconds 300] [--runs 3] [--players ours,...]

All see the same rows. Each chooses on the same validation split, a share of train, and reads the
test split once. Ours is timed from the command to the exit of its process, so it gets a budget
that leaves it time to start and to end; fastText gets all of the seconds for its autotuning.
"""

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil

from textcls.config.models import DataConfig
from textcls.data.dataset import TextDataset, locate
from textcls.text.tokenizer import tokenize

ROOT = Path(__file__).parents[1]
RESERVE_S = 12.0  # of our seconds: what start and end take beyond the search's own clock


@dataclass(frozen=True, slots=True)
class Contest:
    """What everyone gets."""

    data: str
    validation_fraction: float
    seconds: float
    extra: Sequence[str]
    folder: Path

    def read(self) -> TextDataset:
        """The rows, split as our own search splits them."""
        config = DataConfig(name=self.data, validation_fraction=self.validation_fraction)
        return locate(config).read()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a player reached, and in how many seconds."""

    validation: float
    test: float
    seconds: float
    note: str


def ours(contest: Contest, seed: int) -> Outcome:
    """`python -m tune.search --space search_spaces/strong.yaml`, its defaults but for the seed."""
    name = f"ours-{seed}"
    command = [sys.executable, "-m", "tune.search", "--space", "search_spaces/strong.yaml"]
    command += ["--data", contest.data, "--seed", str(seed), "--samples", "10000", "--quiet"]
    command += ["--set", f"data.validation_fraction={contest.validation_fraction}"]
    command += ["--time-budget", f"{contest.seconds - RESERVE_S:.0f}s", *contest.extra]
    command += ["--runs-dir", str(contest.folder), "--name", name]
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    result = json.loads((contest.folder / name / "result.json").read_text(encoding="utf-8"))
    best = result["best"]
    trials = f"{result['trials']['total']} trials, {json.dumps(best['params'])}"
    return Outcome(best["val_accuracy"], best["test_accuracy"], seconds, trials)


def fasttext(contest: Contest, seed: int) -> Outcome:
    """fastText with its autotuning on two threads; the texts cut into tokens as ours are."""
    import fasttext as library

    dataset = contest.read()
    files = {}
    for name, split in dataset.splits.items():
        files[name] = contest.folder / f"fasttext-{name}.txt"
        rows = zip(split.texts.to_pylist(), split.labels, strict=True)
        lines = (f"__label__{label} {' '.join(tokenize(text, 10_000))}\n" for text, label in rows)
        files[name].write_text("".join(lines), encoding="utf-8")
    began = time.perf_counter()
    model = library.train_supervised(
        input=str(files["train"]),
        autotuneValidationFile=str(files["validation"]),
        autotuneDuration=int(contest.seconds),
        seed=seed,
        thread=2,
        verbose=0,
    )
    seconds = time.perf_counter() - began
    scores = [model.test(str(files[name]))[1] for name in ("validation", "test")]
    return Outcome(*scores, seconds, f"dim {model.dim}, word n-grams {model.wordNgrams}")


def svm(contest: Contest, seed: int) -> Outcome:
    """TF-IDF of words and pairs, linear SVM; C from validation, then fitted on all of train."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    dataset = contest.read()
    texts = {name: split.texts.to_pylist() for name, split in dataset.splits.items()}
    labels = {name: list(split.labels) for name, split in dataset.splits.items()}
    began = time.perf_counter()

    def fitted(rows: list[str], truth: list[int], c: float) -> Callable[[str], float]:
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = LinearSVC(C=c, random_state=seed).fit(vectorizer.fit_transform(rows), truth)
        return lambda name: float(model.score(vectorizer.transform(texts[name]), labels[name]))

    scores = {
        c: fitted(texts["train"], labels["train"], c)("validation") for c in (0.1, 0.3, 1.0, 3.0)
    }
    c = max(scores, key=scores.__getitem__)
    both = [texts["train"] + texts["validation"], labels["train"] + labels["validation"]]
    test = fitted(*both, c)("test")
    return Outcome(scores[c], test, time.perf_counter() - began, f"C {c:g}")


PLAYERS = {"ours": ours, "fasttext": fasttext, "svm": svm}


def apart(player: str, contest: Contest, seed: int) -> Outcome | None:
    """One run in a process of its own; None when that was killed, as fastText's may be."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(PLAYERS[player], contest, seed).result()
        except BrokenProcessPool:
            return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--validation-fraction", type=float, default=0.05)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--players", default=",".join(PLAYERS))
    parser.add_argument("extra", nargs="*", help="after --, options for our search")
    options = parser.parse_args()
    data = options.data if options.data == "synthetic" else str(Path(options.data).resolve())
    print(f"{date.today()}, {psutil.cpu_count()} cores, {options.seconds:g} s each", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        contest = Contest(
            data, options.validation_fraction, options.seconds, options.extra, Path(scratch)
        )
        for player in options.players.split(","):
            tests = []
            for seed in range(options.runs):
                outcome = apart(player, contest, seed)
                if outcome is None:
                    print(f"{player:9s} was killed by the system: out of memory?", flush=True)
                    continue
                tests.append(outcome.test)
                print(
                    f"{player:9s} validation {outcome.validation:.4f}, test {outcome.test:.4f} "
                    f"after {outcome.seconds:.0f} s ({outcome.note})",
                    flush=True,
                )
            mean = f"{statistics.mean(tests):.4f}" if tests else "none"
            print(f"{player:9s} mean test accuracy of {len(tests)}: {mean}", flush=True)


if __name__ == "__main__":
    main()
