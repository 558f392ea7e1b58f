"""Made-up searches of many kinds, and all that is said about them."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from html_parts import Seen
from report_runs import SPACE, about, make_search, many_trials, trial, write_run

from tune.report import writer
from tune.run_folder.paths import RunFolder
from tune.study.records import State

PARAMS: dict[str, Any] = {
    "hidden_size": 64,
    "learning_rate": 0.004,
    "dropout": 0.1,
    "pooling": "max",
}


def environment(per_class: Mapping[str, int], train: int = 1_000, **keys: Any) -> dict[str, Any]:
    """An environment.json of data with so many test texts of each class."""
    corpus = about()["corpora"][0] | {
        "texts": {"train": train, "test": sum(per_class.values())},
        "texts_per_class": {"train": dict(per_class), "test": dict(per_class)},
    }
    return {"corpora": [corpus], **keys}


def confirmed(number: int, *values: tuple[float, ...], **best: Any) -> dict[str, Any]:
    """The `best` of a result.json whose winner was trained again with fresh seeds."""
    standings = [
        {
            "number": number + at,
            "searched": 0.64,
            "values": list(found),
            "mean": sum(found) / len(found),
            "deviation": 0.1,
            "interval": [-0.38, 1.51],  # as earlier versions recorded it
        }
        for at, found in enumerate(values)
    ]
    p_value = 0.56 if len(values) > 1 else None
    told = {"metric": "test_accuracy", "standings": standings, "p_value": p_value}
    return {"number": number, "confirmation": told, **best}


def small(root: Path) -> RunFolder:
    """123 texts, 92 % of them of one class; the trials find most of the others."""
    search = make_search()
    made = [trial(search, State.COMPLETE, [0.93, 0.943, 0.959], PARAMS) for _ in range(16)]
    about_small = environment({"good": 113, "bad": 10}, train=490)
    return write_run(root, search, made, environment=about_small, number=0)


def resumed(root: Path) -> RunFolder:
    """Two of its five trials were interrupted once, and one of these twice."""
    search = make_search(search={"samples": 5})
    made = [
        trial(search, State.COMPLETE, [0.80, 0.85, 0.90], PARAMS),
        trial(search, State.INTERRUPTED, [0.80], PARAMS, begin_s=10.0),
        trial(search, State.INTERRUPTED, [0.80, 0.86], PARAMS, begin_s=20.0),
        trial(search, State.INTERRUPTED, [0.80], PARAMS, begin_s=60.0, continues=1),
        trial(search, State.PRUNED, [0.80, 0.86], PARAMS, begin_s=70.0, continues=2),
        trial(search, State.COMPLETE, [0.80, 0.84, 0.87], PARAMS, begin_s=90.0, continues=3),
        trial(search, State.PRUNED, [0.70], PARAMS, begin_s=120.0),
        trial(search, State.PRUNED, [0.70], PARAMS, begin_s=130.0),
    ]
    resumes = [{"at": "2026-03-01T12:01:00+00:00", "command": []}]
    return write_run(
        root, search, made, environment=environment({"a": 200, "b": 200}, resumed=resumes), number=0
    )


def confirmed_on_test(root: Path) -> RunFolder:
    """The best seed has 0.64, the mean of both 0.565."""
    search = make_search(search={"confirm": {"top": 2, "seeds": 2}})
    made = [trial(search, State.COMPLETE, [0.3, 0.5, value], PARAMS) for value in (0.64, 0.5)]
    best = confirmed(0, (0.64, 0.49), (0.5, 0.51), test_accuracy=0.64)
    return write_run(root, search, made, environment=environment({"a": 60, "b": 40}), best=best)


def confirmed_on_validation(root: Path) -> RunFolder:
    """Chosen on validation texts: the test split is read once."""
    search = make_search(search={"metric": "val_accuracy", "confirm": {"top": 1, "seeds": 2}})
    made = [trial(search, State.COMPLETE, [0.3, 0.5, 0.64], PARAMS)]
    best = confirmed(0, (0.64, 0.49), test_accuracy=0.61, val_accuracy=0.64)
    return write_run(root, search, made, environment=environment({"a": 60, "b": 40}), best=best)


def all_pruned(root: Path) -> RunFolder:
    """No trial was trained to its end."""
    search = make_search(search={"samples": 4})
    made = [trial(search, State.PRUNED, [0.8], PARAMS, begin_s=11.0 * at) for at in range(4)]
    return write_run(root, search, made, number=0)


def one_trial(root: Path) -> RunFolder:
    """A single trial with one rung."""
    search = make_search(search={"samples": 1, "scheduler": {"grace_period": 2.0}})
    made = [trial(search, State.COMPLETE, [0.8], PARAMS)]
    return write_run(root, search, made, environment=environment({"a": 1, "b": 0}, 1), number=0)


def a_thousand_trials(root: Path) -> RunFolder:
    """Many trials of every kind."""
    search = make_search(search={"samples": 1_000})
    return write_run(root, search, many_trials(search, 1_000))


def perfect(root: Path) -> RunFolder:
    """Five trials label every text correctly."""
    search = make_search(search={"samples": 5})
    made = [trial(search, State.COMPLETE, [0.9, 1.0, 1.0], PARAMS) for _ in range(5)]
    return write_run(root, search, made, environment=environment({"a": 50, "b": 50}), number=0)


def many_classes(root: Path) -> RunFolder:
    """150 classes of ten texts."""
    search = make_search(search={"samples": 8})
    made = [trial(search, State.COMPLETE, [0.01, 0.3, 0.6 + at / 50], PARAMS) for at in range(8)]
    per_class = {f"class {at}": 10 for at in range(150)}
    return write_run(root, search, made, environment=environment(per_class), number=7)


def by_macro_f1(root: Path) -> RunFolder:
    """Compared by macro F1 on validation texts."""
    search = make_search(search={"metric": "val_macro_f1", "samples": 3})
    made = [trial(search, State.COMPLETE, [0.3, 0.5, 0.64 + at / 100], PARAMS) for at in range(3)]
    best = {"number": 2, "test_accuracy": 0.93, "test_macro_f1": 0.63}
    return write_run(root, search, made, environment=environment({"a": 920, "b": 80}), best=best)


def nothing_reached(root: Path) -> RunFolder:
    """Every trial failed."""
    search = make_search(search={"samples": 1})
    made = [trial(search, State.FAILED, [], PARAMS, message="RuntimeError: no")]
    return write_run(root, search, made, state="failed")


def cut_off(root: Path) -> RunFolder:
    """Killed amid its trials."""
    search = make_search()
    made = [
        trial(search, State.PRUNED, [0.8], PARAMS),
        trial(search, State.RUNNING, [0.8, 0.85], PARAMS, begin_s=5.0),
    ]
    return write_run(root, search, made, state=None)


def other_vectors(root: Path) -> RunFolder:
    """GloVe was asked for and out of reach."""
    choices = {"type": "categorical", "choices": ["glove-twitter-50", "random"]}
    search = make_search(
        space=SPACE | {"embeddings": choices}, embeddings={"name": "glove-twitter-50"}
    )
    params = PARAMS | {"embeddings": "glove-twitter-50"}
    made = [trial(search, State.COMPLETE, [0.3, 0.5, 0.64], params)]
    corpora = [
        about()["corpora"][0] | {"embeddings": {"name": name}, "vectors": used}
        for name, used in (("glove-twitter-50", "corpus"), ("random", "random"))
    ]
    return write_run(root, search, made, environment={"corpora": corpora}, number=0)


def named(root: Path) -> RunFolder:
    """Three named configurations, one of them not run yet."""
    configurations = {name: {"params": {"dropout": 0.1}} for name in ("A", "B", "C")}
    search = make_search(configurations=configurations)
    made = [
        trial(search, State.COMPLETE, [0.3, 0.5, value], {}, name=name)
        for name, value in (("A", 0.64), ("B", 0.5))
    ]
    return write_run(root, search, made, state=None)


RUNS: tuple[Callable[[Path], RunFolder], ...] = (
    small,
    resumed,
    confirmed_on_test,
    confirmed_on_validation,
    all_pruned,
    one_trial,
    a_thousand_trials,
    perfect,
    many_classes,
    by_macro_f1,
    nothing_reached,
    cut_off,
    other_vectors,
    named,
)


def report_text(folder: RunFolder) -> str:
    """The text of a run's report, without its scripts and styles, a line for each element."""
    page = writer.write_report(folder, folder.root / "told.html", with_texts=False)
    html = page.read_text(encoding="utf-8")
    for tag in ("script", "style", "svg"):
        html = re.sub(f"<{tag}.*?</{tag}>", "", html, flags=re.DOTALL)
    return Seen(
        re.sub(r"(</(?:p|h1|h2|h3|td|th|li|dt|dd|tr|b|span|small|summary)>)", r"\1\n", html)
    ).text
