"""The summary of a run, as it is pasted elsewhere."""

import re
from pathlib import Path

import pytest
from report_runs import make_search, many_trials, trial, write_run

from tune.analysis.run_data import load_run
from tune.report import __main__ as report_command
from tune.report.summary import Summary, summarise_run
from tune.study.records import State

PARAMS = {"hidden_size": 64, "learning_rate": 0.004, "dropout": 0.1, "pooling": "max"}


def rows(root: Path, *trials, search=None, **result) -> dict[str, str]:
    folder = write_run(root, search or make_search(), list(trials), **result)
    return dict(summarise_run(load_run(folder)).rows)


def test_a_search_in_a_few_lines(tmp_path: Path) -> None:
    search = make_search()
    found = rows(tmp_path / "run", *many_trials(search, 40), number=None, best=None)
    assert found["Search"].startswith("gru: 32 trials over hidden_size")
    assert (
        found["Data"] == "synthetic (20,000 / 4,000 embedded texts): 20,000 train, 4,000 test texts"
    )
    assert found["Vectors"] == "corpus"
    assert re.fullmatch(r"40 \(.*\d+ pruned.*\) in 2m00s", found["Trials"])
    assert re.search(r"95 % interval 0\.\d{4} to 0\.\d{4}, 4,000 texts", found["Test accuracy"])
    assert found["Test accuracy"].endswith("the trials were compared on them")
    assert "torch 2.13.0" in found["Run on"]


def test_a_winner_chosen_on_validation(tmp_path: Path) -> None:
    search = make_search(search={"metric": "val_accuracy"}, data={"validation_fraction": 0.1})
    best = {
        "number": 0,
        "value": 0.93,
        "val_accuracy": 0.93,
        "test_accuracy": 0.9,
        "test_macro_f1": 0.85,
    }
    only = trial(search, State.COMPLETE, [0.9, 0.93], PARAMS)
    found = rows(tmp_path / "run", only, search=search, best=best)
    assert (
        found["Winner"] == "trial 0: hidden_size 64, learning_rate 0.004, dropout 0.1, pooling max"
    )
    assert found["Chosen by validation accuracy"] == "0.9300, the best of the trials"
    assert found["Test accuracy"] == "0.9000, 95 % interval 0.8903 to 0.9089, 4,000 texts"
    assert found["Test macro F1"] == "0.8500"


def test_the_linear_classifier_alone(tmp_path: Path) -> None:
    fallback = {"kind": "linear classifier", "reason": "No trial is better."}
    best = {
        "number": None,
        "value": 0.91,
        "test_accuracy": 0.91,
        "params": {},
        "fallback": fallback,
    }
    found = rows(tmp_path / "run", trial(make_search(), State.COMPLETE, [0.9], PARAMS), best=best)
    assert found["Winner"] == "the linear classifier alone"
    assert found["Test accuracy"].startswith("0.9100, 95 % interval")


def test_a_trial_that_won_before_its_first_rung(tmp_path: Path) -> None:
    fallback = {"kind": "unfinished trial", "reason": "The time budget ended.", "epoch": 0.1}
    best = {"number": 0, "value": 0.91, "params": PARAMS, "fallback": fallback}
    found = rows(tmp_path / "run", trial(make_search(), State.INTERRUPTED, [], PARAMS), best=best)
    assert found["Winner"] == "trial 0, before its first rung"


def test_nothing_yet(tmp_path: Path) -> None:
    found = rows(tmp_path / "run", state=None, environment={"corpora": [], "versions": {}})
    assert "Winner" not in found
    assert "Data" not in found
    assert found["Trials"] == "cut off"


def test_what_each_form_gives_a_meaning_is_escaped() -> None:
    told = Summary("a_b", (("Data", "50 % of <b>x|y</b> & $z_1\n#"),))
    assert r"50 % of \<b\>x\|y\</b\> & $z\_1 #" in told.markdown()
    assert r"50 \% of <b>x|y</b> \& \$z\_1 \# \\" in told.latex()
    assert "50 % of &lt;b&gt;x|y&lt;/b&gt; &amp; $z_1" in told.html()


@pytest.mark.parametrize(("form", "begins"), [("markdown", "**run**"), ("latex", "% run")])
def test_the_command_prints_it_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, begins: str
) -> None:
    folder = write_run(tmp_path / "run", make_search(), many_trials(make_search(), 5))
    assert report_command.main([str(folder.root), "--summary", form]) == 0
    assert capsys.readouterr().out.startswith(begins)
    assert not folder.report.exists()


def test_one_large_class_puts_macro_f1_beside_the_accuracy(tmp_path: Path) -> None:
    large = {"spam": 300, "ham": 3_700}
    corpus = {"texts": {"train": 9, "test": 4_000}, "texts_per_class": {"test": large}}
    best = {"number": 0, "value": 0.93, "test_accuracy": 0.93, "test_macro_f1": 0.61}
    only = trial(make_search(), State.COMPLETE, [0.93], PARAMS)
    told = {}
    for name, corpora in (("large", [corpus]), ("even", [{**corpus, "texts_per_class": {}}])):
        folder = write_run(
            tmp_path / name, make_search(), [only], best=best, environment={"corpora": corpora}
        )
        assert report_command.main([str(folder.root)]) == 0
        told[name] = (
            "macro F1: 0.6100 (ham alone has 92% of the texts)" in folder.report.read_text()
        )
    assert told == {"large": True, "even": False}


def test_a_front_by_its_ends(tmp_path: Path) -> None:
    search = make_search(search={"metric": ["test_accuracy", "operations"]})
    trials = [
        trial(search, State.COMPLETE, [value], PARAMS | {"hidden_size": size})
        for size, value in ((64, 0.9), (32, 0.8), (128, 0.85), (100, 0.93))
    ]
    found = rows(tmp_path / "run", *trials, search=search)
    assert found["Front"] == (
        "3 trials: 0.8000 with 32,000 operations a token (trial 1) to 0.9300 with 100,000 "
        "operations a token (trial 3)"
    )
    assert found["Search"].endswith("on test_accuracy against operations")
    assert "Front" not in rows(
        tmp_path / "usual", trial(make_search(), State.COMPLETE, [0.9], PARAMS)
    )
