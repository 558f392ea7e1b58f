"""Compare the one command with what people would otherwise use: TF-IDF with an SVM, and fastText.

    pip install -e '.[benchmarks]'
    python benchmarks/contest.py [--seconds 120] [--sets FOLDER ...] [--rows N] [--seed N]

A set is a folder with a train and a test file; by default those of ../shared that have both. All
players see the same rows on the same cores, one after the other, choose on rows of train, and meet
the test split once. Ours is `python -m tune.search --data FOLDER --time-budget SECONDS` and nothing
else. The SVMs choose C on validation rows and are then fitted to these as well; fastText tunes
itself on them for as long as ours searches. `--rows` takes so many rows of train, drawn by the
seed. The result is a table and, with `--out`, a JSON file. The exit code is 1 where ours is worse
than the best other by more than 0.005 on any set, or is not ahead on four of five.
"""

import argparse
import csv
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from textcls.config.models import DataConfig
from textcls.data.dataset import Split, locate
from textcls.text.tokenizer import choose_tokenizer, tokenize

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
VALIDATION = 0.1  # of train, for the others, where a set has no validation rows of its own
MARGIN = 0.005  # by which ours may be worse
SHARE_AHEAD = 0.8


@dataclass(frozen=True, slots=True)
class Contest:
    """One data set, and what everyone gets for it."""

    name: str
    folder: Path
    scratch: Path
    seconds: float
    seed: int

    def rows(self, split: str) -> tuple[list[str], list[int]]:
        """Return the texts and labels of "train", "validation" or "test"."""
        source = locate(DataConfig(name=str(self.folder)))
        found = source.read()
        if "validation" not in found.splits:
            carved = DataConfig(name=str(self.folder), validation_fraction=VALIDATION)
            found = locate(carved).read()
        return _rows(found.splits[split])


def _rows(split: Split) -> tuple[list[str], list[int]]:
    return split.texts.to_pylist(), np.asarray(split.labels).tolist()


def ours(contest: Contest) -> tuple[float, str]:
    """Run the command; return the test accuracy and what won."""
    command = [sys.executable, "-m", "tune.search", "--data", str(contest.folder), "--quiet"]
    command += ["--time-budget", f"{contest.seconds:g}s", "--seed", str(contest.seed)]
    command += ["--runs-dir", str(contest.scratch), "--name", "ours"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    run = contest.scratch / "ours"
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    best = result["best"]
    return best["test_accuracy"], f"{result['trials']['total']} trials, {json.dumps(best)}"


def fasttext(contest: Contest) -> tuple[float, str]:
    """Let fastText tune itself; it gets the texts cut into tokens as ours are."""
    import fasttext as library

    files: dict[str, str] = {}
    tokenizer = choose_tokenizer(contest.rows("train")[0][:2_000])
    for name in ("train", "validation", "test"):
        path = contest.scratch / f"{name}.fasttext"
        lines = (
            f"__label__{label} {' '.join(tokenize(text, 10_000, tokenizer))}\n"
            for text, label in zip(*contest.rows(name), strict=True)
        )
        path.write_text("".join(lines), encoding="utf-8")
        files[name] = str(path)
    model = library.train_supervised(
        input=files["train"],
        autotuneValidationFile=files["validation"],
        autotuneDuration=int(contest.seconds),
        seed=contest.seed,
        thread=os.cpu_count(),
        verbose=0,
    )
    return model.test(files["test"])[1], f"dim {model.dim}, word n-grams {model.wordNgrams}"


def svm(contest: Contest, **features: Any) -> tuple[float, str]:
    """Fit TF-IDF and a linear SVM, C chosen on the validation rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    train, validation, test = map(contest.rows, ("train", "validation", "test"))

    def score(train: Any, test: Any, penalties: Sequence[float]) -> list[float]:
        vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **features)
        known, new = vectorizer.fit_transform(train[0]), vectorizer.transform(test[0])
        return [
            float(
                LinearSVC(C=c, random_state=contest.seed).fit(known, train[1]).score(new, test[1])
            )
            for c in penalties
        ]

    tried = (0.1, 0.3, 1.0, 3.0, 10.0)
    c = tried[int(np.argmax(score(train, validation, tried)))]
    both = (train[0] + validation[0], train[1] + validation[1])
    return score(both, test, (c,))[0], f"C {c:g}"


def svm_words(contest: Contest) -> tuple[float, str]:
    """Fit it on words and pairs of words."""
    return svm(contest, ngram_range=(1, 2))


def svm_characters(contest: Contest) -> tuple[float, str]:
    """Fit it on n-grams of 2 to 5 characters, across words."""
    return svm(contest, analyzer="char", ngram_range=(2, 5))


PLAYERS: dict[str, Callable[[Contest], tuple[float, str]]] = {
    "svm_words": svm_words,
    "svm_characters": svm_characters,
    "fasttext": fasttext,
    "ours": ours,
}


def play(player: str, contest: Contest) -> dict[str, Any] | None:
    """Run a player in a process of its own; return None when that was killed, as fastText's may."""
    began = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            accuracy, note = pool.submit(PLAYERS[player], contest).result()
        except BrokenProcessPool:
            return None
    return {"test": accuracy, "seconds": time.perf_counter() - began, "note": note}


def compare(contest: Contest, players: Sequence[str]) -> dict[str, Any]:
    """Let the players run on one set; return their results and by how much ours is ahead."""
    found: dict[str, Any] = {}
    for player in players:
        result = play(player, contest)
        if result is None:
            print(f"{contest.name:16} {player} was killed: out of memory?", flush=True)
            continue
        found[player] = result
    others = [result["test"] for player, result in found.items() if player != "ours"]
    lead = found["ours"]["test"] - max(others) if others and "ours" in found else None
    columns = (f"{found[p]['test']:.4f}" if p in found else "-" for p in players)
    line = "".join(f"{text:>16}" for text in columns)
    print(f"{contest.name:16}{line}" + ("" if lead is None else f"{lead:>+10.4f}"), flush=True)
    return {"set": contest.name, "players": found, "lead": lead}


def sampled(folder: Path, rows: int, seed: int, out: Path) -> Path:
    """Write a folder with `rows` rows of train, drawn at random, and all of test."""
    found = locate(DataConfig(name=str(folder))).read()
    for split in ("train", "test"):
        texts, labels = _rows(found.splits[split])
        order = range(len(texts))
        if split == "train":
            order = np.random.default_rng(seed).permutation(len(texts))[:rows].tolist()
        with (out / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows((texts[i], found.label_names[labels[i]]) for i in order)
    return out


def known_sets() -> list[Path]:
    """Return the folders of ../shared that hold a train and a test file."""
    folders = [*sorted(SHARED.glob("data/*")), *sorted(SHARED.glob("cases/*"))]
    return [each for each in folders if all(any(each.glob(f"{s}.*")) for s in ("train", "test"))]


def machine() -> dict[str, Any]:
    """Describe where and when this runs."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "machine": platform.platform(),
        "python": platform.python_version(),
    }


def main() -> int:
    """Run the contests; return 1 where ours loses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", type=Path, default=known_sets(), metavar="FOLDER")
    parser.add_argument("--seconds", type=float, default=120, help="of our search and of fastText")
    parser.add_argument("--rows", type=int, help="rows of train to use, by default all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--players", default=",".join(PLAYERS))
    parser.add_argument("--out", type=Path, metavar="FILE", help="a JSON file")
    options = parser.parse_args()
    players = options.players.split(",")
    about = {**machine(), "seconds": options.seconds, "rows": options.rows, "seed": options.seed}
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print(f"{'':16}" + "".join(f"{player:>16}" for player in players) + f"{'lead':>10}", flush=True)
    results = []
    for folder in options.sets:
        with tempfile.TemporaryDirectory() as place:
            scratch = Path(place)
            data = folder.resolve()
            if options.rows:
                (scratch / "data").mkdir()
                data = sampled(data, options.rows, options.seed, scratch / "data")
            contest = Contest(folder.name, data, scratch, options.seconds, options.seed)
            results.append(compare(contest, players))
        if options.out:
            text = json.dumps({**about, "results": results}, indent=1, ensure_ascii=False)
            options.out.write_text(text + "\n", encoding="utf-8")
    leads = [result["lead"] for result in results if result["lead"] is not None]
    ahead = sum(lead > 0 for lead in leads)
    print(f"ahead on {ahead} of {len(leads)}, least lead {min(leads, default=0.0):+.4f}")
    return int(any(lead < -MARGIN for lead in leads) or ahead < SHARE_AHEAD * len(leads))


if __name__ == "__main__":
    sys.exit(main())
