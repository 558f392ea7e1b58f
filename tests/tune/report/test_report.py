import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from html_parts import Seen
from report_runs import (
    BEGAN,
    NASTY,
    SECTIONS,
    SPACE,
    about,
    make_search,
    many_trials,
    trial,
    write_real_run,
    write_run,
)

from textcls.config.models import TrainFile
from textcls.training.step_log import StepPoint, points_as_csv
from tune.analysis import run_data
from tune.analysis.timeline import build_timeline
from tune.analysis.winner_score import score_winner
from tune.report import __main__ as report_command
from tune.report import page as report_page
from tune.report import writer
from tune.report._overview import searched_yaml, sentences, whole_yaml
from tune.report._plots import path_data
from tune.run_folder.paths import RunFolder
from tune.study.records import State

PARAMS = {"hidden_size": 64, "learning_rate": 0.004, "dropout": 0.1, "pooling": "max"}


def written(folder: RunFolder) -> str:
    return writer.write_report(folder).read_text(encoding="utf-8")


def sections(page: str) -> dict[str, str]:
    """The text of each section."""
    parts = page.split('<section id="')[1:]
    return {part.split('"')[0]: Seen(part.split(">", 1)[1]).text.strip() for part in parts}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    search = make_search()
    root = tmp_path_factory.mktemp("runs") / "usual"
    return write_run(root, search, many_trials(search, 40, slots=2))


def test_two_parameters_are_drawn_against_each_other(tmp_path: Path, usual: RunFolder) -> None:
    figure = written(usual).split('id="parameter-plane"')[1].split("</figure>")[0]
    trials = [set(numbers.split()) for numbers in re.findall(r'data-n="([\d ]+)"', figure)]
    assert len(trials) == 4  # a shade for each quarter
    assert sum(map(len, trials)) == len(set().union(*trials))
    best = max(run_data.load_run(usual).records, key=lambda each: each.values[:1] or (0.0,))
    assert str(best.number) in trials[-1]
    assert figure.index("learning_rate") < figure.index("dropout")  # the one that decides first
    search = make_search()
    few = write_run(tmp_path / "few", search, many_trials(search, 3))
    choices = make_search(space={"pooling": SPACE["pooling"], "dropout": SPACE["dropout"]})
    made = [
        trial(choices, State.PRUNED, [0.5 + at / 100], {"pooling": "max", "dropout": 0.02 * at})
        for at in range(12)
    ]
    one = write_run(tmp_path / "one", choices, made)
    rates = [0.001 * (1 + at) for at in range(12)]
    same = [trial(search, State.PRUNED, [0.5], PARAMS | {"learning_rate": each}) for each in rates]
    alike = write_run(tmp_path / "alike", search, same)
    assert all("parameter-plane" not in written(folder) for folder in (few, one, alike))


def test_a_front_is_drawn_with_all_trials_and_listed(tmp_path: Path, usual: RunFolder) -> None:
    search = make_search(search={"metric": ["test_accuracy", "operations"]})
    trials = [
        trial(search, State.COMPLETE, [value], PARAMS | {"hidden_size": size})
        for size, value in ((64, 0.9), (32, 0.8), (128, 0.85), (100, 0.93))
    ]
    page = written(write_run(tmp_path / "run", search, trials))
    figure = page.split('id="front-plot"')[1].split("</figure>")[0]
    assert "The front: 3 trials" in figure
    drawn = [found.split() for found in re.findall(r'data-n="([\d ]+)"', figure)]
    assert drawn == [["2"], ["1", "0", "3"]]
    table = Seen(figure.split("<table")[1]).text
    assert table.index("0.9300") < table.index("0.9000") < table.index("0.8000")
    assert "0.8500" not in table
    assert "100,000" in table
    assert "front-plot" not in written(usual)


def test_curves_within_the_epochs_are_drawn_where_they_were_recorded(tmp_path: Path) -> None:
    search = make_search(train={"epochs": 2.0, "log_every": 10})
    trials = [trial(search, State.COMPLETE, [0.8, 0.9, 0.92], PARAMS)]
    trials.append(trial(search, State.DIVERGED, [], PARAMS))
    folder = write_run(tmp_path / "run", search, trials)
    assert "steps-loss" not in written(folder)
    points = [StepPoint(10 * at, at / 50, 1.4 / at, 0.5, 3.0 / at, 0.1, 0.01) for at in (1, 2, 3)]
    for number in (0, 1):
        folder.trial(number).root.mkdir(parents=True)
        folder.trial(number).steps.write_text(points_as_csv(points))
    page = written(folder)
    for key in ("loss", "grad-norm", "clipped"):
        figure = page.split(f'id="steps-{key}"')[1].split("</figure>")[0]
        assert 'class="best line"' in figure
        assert 'class="lost line"' in figure
    assert "Trials 0, 1, a point for every 10 steps." in page
    folder.trial(1).steps.write_text("step\n1\n")
    assert "steps.csv: damaged" in written(folder)


def test_a_real_run_has_every_section_and_its_texts(tmp_path: Path) -> None:
    page = written(write_real_run(tmp_path / "run"))
    found = sections(page)
    assert list(found) == SECTIONS
    assert all(found.values())
    assert "Confusion matrix" in found["mistakes"]
    assert "word3 & <b>bold</b>" in found["mistakes"]


def test_nothing_that_comes_from_data_becomes_an_element(tmp_path: Path) -> None:
    folder = write_real_run(tmp_path / "run")
    folder.environment.write_text(
        folder.environment.read_text().replace("synthetic", NASTY).replace("desk", NASTY)
    )
    page = written(folder)
    names = [name for name, _ in Seen(page).elements]
    assert names.count("script") == 2  # the data block and our own
    assert "b" in names
    assert page.count("<b>bold") == 0
    assert page.count("<script>alert") == 0
    assert NASTY in Seen(page).text


@pytest.mark.parametrize("state", ["complete", "interrupted", "failed", None])
@pytest.mark.parametrize("count", [0, 1, 25])
def test_every_state_of_a_run_has_a_report(tmp_path: Path, state: str | None, count: int) -> None:
    search = make_search()
    made = many_trials(search, count)
    if state is None and count:
        made.append(trial(search, State.RUNNING, [0.8], PARAMS, begin_s=400.0))
    found = sections(written(write_run(tmp_path / "run", search, made, state=state)))
    assert list(found) == SECTIONS
    assert all(len(text.split()) > 2 for text in found.values()), found


LINEAR = {"val_accuracy": 0.91, "test_accuracy": 0.9}


def test_the_linear_classifier_in_the_winner_is_told(tmp_path: Path) -> None:
    search = make_search()
    made = [trial(search, State.COMPLETE, [0.8, 0.93, 0.93], PARAMS)]
    best = {"number": 0, "classifier": "trial", "linear_alone": LINEAR}
    told = run_data.load_run(write_run(tmp_path / "run", search, made, best=best))
    assert sentences(told, score_winner(told))[-1] == (
        "The linear classifier in it, alone, labels 0.9000 of the test texts and 0.9100 of the "
        "validation texts correctly; the encoder adds the rest."
    )


def test_the_linear_classifier_as_the_winner_is_told(tmp_path: Path) -> None:
    search = make_search()
    made = [trial(search, State.COMPLETE, [0.8, 0.85, 0.85], PARAMS)]
    reason = "No trial is better than the linear classifier alone."
    best = {
        "number": None,
        "value": 0.91,
        "params": {},
        "fallback": {"kind": "linear classifier", "reason": reason},
        **LINEAR,
    }
    folder = write_run(tmp_path / "run", search, made, best=best)
    told = run_data.load_run(folder)
    assert sentences(told, score_winner(told)) == [
        f"{reason} It labels 0.9000 of the test texts and 0.9100 of the validation texts correctly."
    ]
    assert "test accuracy of the linear classifier" in sections(written(folder))["result"]


def test_a_linear_winner_that_validation_chose_is_told_by_its_test_accuracy(tmp_path: Path) -> None:
    search = make_search(search={"metric": "val_accuracy"}, data={"validation_fraction": 0.1})
    made = [trial(search, State.COMPLETE, [0.8, 0.85, 0.85], PARAMS)]
    fallback = {"kind": "linear classifier", "reason": "No trial is better."}
    best = {"number": None, "value": 0.91, "params": {}, "fallback": fallback, **LINEAR}
    found = sections(written(write_run(tmp_path / "run", search, made, best=best)))
    assert "0.9000test accuracy of the linear classifier" in found["result"]
    assert "95 % interval" in found["result"]
    assert "chosen by validation accuracy: 0.9100" in found["result"]
    assert "The linear classifier has no such parameters" in found["best"]


def test_missing_pieces_are_said(usual: RunFolder, tmp_path: Path) -> None:
    search = make_search()
    folder = write_run(tmp_path / "run", search, [trial(search, State.FAILED, [], PARAMS)])
    folder.environment.unlink()
    found = sections(written(folder))
    assert "environment.json is missing or damaged" in found["result"]
    assert "environment.json is missing or damaged" in found["environment"]
    assert "Too few trials" in found["importance"]
    assert "There is no winner yet" in found["mistakes"]
    assert "no reason was recorded" in found["failures"]
    assert "log of trial 0 is gone" in found["failures"]
    assert "(best/) is missing" in sections(written(usual))["mistakes"]


def test_the_end_of_a_failed_trials_log_is_shown(tmp_path: Path) -> None:
    search = make_search()
    made = [trial(search, State.FAILED, [], PARAMS, message=f"ValueError: {NASTY}")]
    folder = write_run(tmp_path / "run", search, made, state="failed")
    folder.trial(0).root.mkdir(parents=True)
    folder.trial(0).log.write_text("\n".join(f"line {at}" for at in range(100)))
    failures = sections(written(folder))["failures"]
    assert f"ValueError: {NASTY}" in failures
    assert "line 99" in failures
    assert "line 9\n" not in failures


def test_the_result_in_words_names_interval_split_and_selection(usual: RunFolder) -> None:
    told = run_data.load_run(usual)
    judged = score_winner(told)
    assert judged is not None
    accuracy, selection = sentences(told, judged)
    low, high = judged.scores[0].interval or (0, 0)
    assert f"{judged.value:.4f}" in accuracy
    assert f"from {low:.4f} to {high:.4f}" in accuracy
    assert "4,000 test texts" in accuracy
    assert f"best of {judged.candidates} trials" in selection
    assert "on the test split" in selection
    assert f"{judged.selection_bias:.4f}" in selection


def test_a_clean_selection_is_told_as_such(tmp_path: Path) -> None:
    search = make_search(search={"metric": "val_accuracy"}, data={"validation_fraction": 0.1})
    best = {"number": 0, "test_accuracy": 0.9, "val_accuracy": 0.92}
    made = [trial(search, State.COMPLETE, [0.8, 0.9, 0.92], PARAMS)]
    told = run_data.load_run(write_run(tmp_path / "run", search, made, best=best))
    assert "the test split had no part in the choice" in sentences(told, score_winner(told))[-1]


def test_the_best_parameters_train_again(tmp_path: Path) -> None:
    space = {
        "hidden_size": {"type": "int", "low": 32, "high": 256},
        "kernel_sizes": {"type": "categorical", "choices": [[3], [3, 5]]},
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
    }
    search = make_search(space=space, model={"name": "cnn"}, train={"epochs": 2.0, "seed": 7})
    params = {"hidden_size": 40, "kernel_sizes": "[3, 5]", "learning_rate": 0.001}
    made = [
        trial(search, State.INTERRUPTED, [], params),
        trial(search, State.PRUNED, [0.5], params | {"hidden_size": 50}),
        trial(search, State.COMPLETE, [0.7, 0.8, 0.9], params, continues=0),
    ]
    told = run_data.load_run(write_run(tmp_path / "run", search, made))
    judged = score_winner(told)
    assert judged is not None
    assert yaml.safe_load(searched_yaml(told, judged)) == {
        "model": {"hidden_size": 40, "kernel_sizes": [3, 5]},
        "train": {"learning_rate": 0.001},
    }
    again = TrainFile.model_validate(yaml.safe_load(whole_yaml(told, judged)))
    model, embeddings, train = search.configuration(told.params(judged.record))
    assert (again.model, again.data, again.embeddings) == (model, search.data, embeddings)
    assert again.train == train.model_copy(update={"seed": 7})  # that of the trial it continued


def test_every_drawing_has_its_table_and_every_mark_its_trial(usual: RunFolder) -> None:
    page = written(usual)
    told = run_data.load_run(usual)
    figures = page.split("<figure")[1:]
    assert len(figures) == 2 + 2 + len(told.space) + 1 + 1 + 1 + 1
    assert all("<details><summary>Table" in figure for figure in figures)
    for figure in figures[2:]:
        for _, attributes in Seen("<figure" + figure).elements:
            numbers = attributes.get("data-n")
            if numbers is not None:
                assert (attributes["d"] or "").count("M") == len(numbers.split())
    block = page.split('type="application/json" id="trials">')[1].split("</script>")[0]
    assert len(json.loads(block)["trials"]) == len(told.records)


def test_named_configurations_stand_beside_what_they_should_reach(tmp_path: Path) -> None:
    search = make_search(
        configurations={
            "plain": {"params": {"dropout": 0.0}, "expected": 0.91},
            "with dropout": {"params": {"dropout": 0.5}},
        }
    )
    made = [trial(search, State.COMPLETE, [0.8, 0.9, 0.905], {"dropout": 0.0}, name="plain")]
    found = sections(written(write_run(tmp_path / "run", search, made, number=0)))
    assert "plain" in found["result"]
    assert "0.9100" in found["result"]
    assert "not run" in found["result"]


def test_a_thousand_trials_make_a_small_page_of_few_elements(tmp_path: Path) -> None:
    search = make_search(search={"samples": 1_000})
    told = run_data.load_run(write_run(tmp_path / "run", search, many_trials(search, 1_000)))
    page = report_page.render_report(told, "left out")
    assert len(page.encode()) < 2_000_000  # the promise is 6 MB, with texts and longer spaces
    # A browser opened 34,000 within three seconds; nearly all are the cells of the table.
    assert len(Seen(page).elements) < 45_000
    drawn = [name for name, _ in Seen(page).elements if name in {"path", "circle", "line", "rect"}]
    assert len(drawn) < 200  # a path holds the marks of all trials


def test_a_dot_is_a_line_of_no_length_and_y_points_down() -> None:
    assert path_data([[(0.5, 1.0)], [(0.0, 0.0), (1.0, 0.25)]]) == "M500 0h0M0 1000L1000 750"


def test_the_page_asks_for_nothing(usual: RunFolder) -> None:
    page = written(usual)
    assert page.startswith("<!doctype html>\n<html")
    assert "default-src 'none'" in html.unescape(page)
    seen = Seen(page).elements
    assert not [attributes for _, attributes in seen if "src" in attributes]
    links = {attributes["href"] for name, attributes in seen if name == "a"}
    assert links == {f"#{name}" for name in (*SECTIONS, "learning-curves")}
    assert not {"link", "img", "iframe", "object", "base"} & {name for name, _ in seen}


def test_the_command_writes_beside_the_run_or_where_it_is_told(
    usual: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_command.main([usual.name, "--runs-dir", str(usual.root.parent)]) == 0
    assert Path(capsys.readouterr().out.strip()) == usual.report
    target = tmp_path / "page.html"
    assert report_command.main([str(usual.root), "--out", str(target), "--without-texts"]) == 0
    assert "left out (--without-texts)" in target.read_text()


def test_a_long_command_goes_on_in_the_next_line_as_a_shell_takes_it(tmp_path: Path) -> None:
    words = ["python", "-m", "tune.search", "--space", "a b.yaml", "--samples", "9"]
    words += [each for key in range(9) for each in ("--set", f"train.key={key}")]
    folder = write_run(tmp_path / "run", make_search(), [], environment={"command": words})
    page = html.unescape(writer.write_report(folder).read_text())
    start = page.index("python -m tune.search --space 'a b.yaml'")
    command = page[start : page.index("<", start)]
    echo = ["sh", "-c", f"printf '%s\\n' {command}"]
    assert subprocess.run(echo, capture_output=True, text=True).stdout.splitlines() == words
    assert all(len(line) < 100 for line in command.splitlines())


def test_bad_input_is_one_message(
    usual: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_command.main([str(tmp_path / "none")]) == 1
    assert "no run at" in capsys.readouterr().err
    broken = write_run(tmp_path / "broken", make_search(), [])
    broken.journal.write_text("no journal\n{}\n")
    assert report_command.main([str(broken.root)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    page = tmp_path / "no" / "page.html"
    assert report_command.main([str(usual.root), "--out", str(page)]) == 1
    assert capsys.readouterr().err == f"{page}: cannot be written: No such file or directory\n"


def test_help_and_a_page_without_texts_need_neither_ray_nor_torch(usual: RunFolder) -> None:
    code = (
        "import sys; from tune import compare\nfrom tune.report import __main__ as report_command\n"
        "assert 'optuna' not in sys.modules\n"
        f"report_command.main([{str(usual.root)!r}, '--without-texts'])\n"
        "assert not {'ray', 'torch', 'datasets'} & set(sys.modules), sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_report_that_cannot_be_written_costs_the_search_nothing(
    usual: RunFolder, tmp_path: Path
) -> None:
    said: list[str] = []
    writer.write_report_at_end(RunFolder(tmp_path / "none"), said.append)
    assert "was not written" in said[0]
    usual.report.unlink(missing_ok=True)
    writer.write_report_at_end(usual, said.append)
    assert usual.report.exists()
    assert len(said) == 1


def test_a_running_search_shows_how_far_it_is(tmp_path: Path) -> None:
    search = make_search(search={"samples": 9})
    made = [
        trial(search, State.COMPLETE, [0.8, 0.9, 0.92], PARAMS),
        trial(search, State.RUNNING, [0.81], PARAMS, begin_s=5.0),
    ]
    folder = write_run(tmp_path / "run", search, made, state=None)
    told = run_data.load_run(folder)
    running = replace(told.records[1], state=State.RUNNING)
    read_at = BEGAN.astimezone() + timedelta(seconds=100)
    live = replace(told, state="running", records=(told.records[0], running), read_at=read_at)
    found = sections(report_page.render_report(live, "not yet"))
    assert "2 of 9" in found["result"]
    assert "1 complete, 1 running" in found["result"]
    assert "still running" in found["advice"]
    (_, span) = build_timeline(live).spans
    assert span.ended == pytest.approx(100.0)  # until now


def test_the_command_prints_each_class_with_its_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_real_run(tmp_path / "run")
    assert report_command.main([str(folder.root), "--classes"]) == 0
    head, *rows, page = capsys.readouterr().out.splitlines()
    assert head.split() == ["class", "texts", "precision", "recall", "F1"]
    assert [row.split()[0] for row in rows] == [NASTY, "good"]
    assert all(" to " in row for row in rows)
    assert page == str(folder.report)


def test_a_table_of_classes_without_a_classifier_is_one_message(
    usual: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_command.main([str(usual.root), "--classes"]) == 1
    assert "no table of the classes: The winner's classifier" in capsys.readouterr().err


def test_a_plot_of_one_point_for_each_trial_is_a_sentence(tmp_path: Path) -> None:
    search = make_search()
    made = [trial(search, State.PRUNED, [0.5 + 0.1 * at], PARAMS) for at in range(3)]
    page = written(write_run(tmp_path / "run", search, made))
    text = sections(page)["curves"]
    assert "No trial has reached a second rung, at epoch 0.75, so there are no curves." in text
    assert "the best so far, has a train loss of" in text
    assert 'id="learning-curves"' in page  # where the numbers of the trials lead
    alone = sections(written(write_run(tmp_path / "one", search, made[:1])))["progress"]
    assert "There is one report: 0.5000 by trial 0 at epoch 0.25, after 11.0 s" in alone


@pytest.mark.parametrize(
    ("counts", "told", "macro"),
    [
        ({"a": 500, "b": 480}, "2, about 50% of the test texts each", False),
        ({"a": 500, "b": 200, "c": 300}, "3, from 20.0% (b) to 50% (a) of the test texts", False),
        ({"a": 500, "b": 90, "c": 410}, "3, from 9.0% (b) to 50% (a) of the test texts", True),
    ],
)
def test_classes_stand_in_the_headline_and_macro_f1_where_they_are_uneven(
    tmp_path: Path, counts: dict[str, int], told: str, macro: bool
) -> None:
    search = make_search()
    described = about()
    described["corpora"][0]["texts_per_class"] = {"test": counts}
    made = [trial(search, State.COMPLETE, [0.8, 0.9, 0.92], PARAMS)]
    best = {"number": 0, "test_macro_f1": 0.71}
    folder = write_run(tmp_path / "run", search, made, environment=described, best=best)
    text = " ".join(sections(written(folder))["result"].split())
    assert told in text
    assert ("macro F1: 0.7100" in text) == macro
