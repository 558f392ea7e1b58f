"""Every sentence about a search must be true: terminal, status, report and compare."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import told_runs
from told_runs import report_text

from tune import compare, status
from tune.analysis import run_data
from tune.config import search_file
from tune.results import _rerun_stats, winner
from tune.results._rerun_stats import Rerun
from tune.run_folder.paths import RunFolder

NOUNS = "trials|texts|rungs|seeds|classes|runs|epochs|others|minutes|rows"


@pytest.fixture(params=told_runs.RUNS, ids=lambda made: made.__name__)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    make: Callable[[Path], RunFolder] = request.param
    return make(tmp_path / "run")


def status_text(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> str:
    assert status.main([str(folder.root)]) == 0
    return capsys.readouterr().out


def figure(text: str) -> float:
    return float(text.replace(",", ""))


def check_figures(text: str) -> None:
    """Fail where figures contradict each other whatever the run is about."""
    for part, whole in re.findall(r"(?<![\d.,])([\d,]+) of (?:the )?([\d,]+)\b(?!\.\d)", text):
        assert figure(part) <= figure(whole), f"{part} of {whole}"
    intervals = re.findall(r"interval[^.\n]*?(-?\d\.\d{4}) to (-?\d\.\d{4})", text)
    for low, high in intervals:
        assert 0.0 <= float(low) <= float(high) <= 1.0, f"{low} to {high}"
    assert not re.search(rf"(?<![\d.,:-])1 (?:{NOUNS})\b", text), "1 with a plural"
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_no_figure_contradicts_another(
    folder: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    check_figures(report_text(folder))
    check_figures(status_text(folder, capsys))
    other = told_runs.one_trial(tmp_path / "other")
    assert compare.main([str(folder.root), str(other.root)]) == 0
    check_figures(capsys.readouterr().out)


def test_a_good_classifier_of_few_imbalanced_texts_does_not_guess(tmp_path: Path) -> None:
    assert "guessing" not in report_text(told_runs.small(tmp_path / "run"))


def test_a_chain_of_interrupted_trials_is_one_trial_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = told_runs.resumed(tmp_path / "run")
    told = status_text(folder, capsys)
    assert "5 of 5: 2 complete, 3 pruned" in told
    assert "5 at 0.25, 3 at 0.75, 2 at 2 epochs" in told
    page = report_text(folder)
    assert re.search(r"Trials\s+5\n", page)
    assert re.search(r"2 complete, 3 pruned\n", page)
    assert compare.main([str(folder.root), str(folder.root)]) == 0
    assert "5 (2 complete, 3 pruned)" in capsys.readouterr().out


def test_a_resumed_search_says_which_start_took_how_long(tmp_path: Path) -> None:
    page = report_text(told_runs.resumed(tmp_path / "run"))
    assert "in 2 starts, the last of which took 2m00s" in page
    assert "with start and end" not in page


def test_the_headline_of_a_confirmed_search_is_its_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = told_runs.confirmed_on_test(tmp_path / "run")
    page = report_text(folder)
    assert page.index("0.5650") < page.index("0.6400")
    assert "mean of 2 fresh seeds" in page
    assert "Its best seed, which is in best/, has 0.6400" in page
    assert "leads so clearly" not in page
    assert "p = 0.56, so which of the two is better may be chance" in page
    assert "1.51" not in page
    assert "test_accuracy 0.5650 with 2 fresh seeds (0.6400 in the search)" in status_text(
        folder, capsys
    )
    assert compare.main([str(folder.root), str(folder.root)]) == 0
    assert "0.5650 (" in (told := capsys.readouterr().out)
    assert "mean of 2 seeds" in told


def test_the_terminal_leads_with_the_mean_of_the_seeds(tmp_path: Path) -> None:
    folder = told_runs.confirmed_on_test(tmp_path / "run")
    loaded = run_data.load_run(folder)
    reruns = [
        Rerun(number, seed, {"test_accuracy": value})
        for number, values in ((0, (0.64, 0.49)), (1, (0.50, 0.51)))
        for seed, value in enumerate(values)
    ]
    judged = _rerun_stats.judge_reruns("test_accuracy", [(0, 0.64), (1, 0.5)], reruns)
    made = winner.Winner(loaded.records[0], {}, {"test": (0.64, 100)}, judged)
    rows = winner.winner_lines(made, loaded.config, folder)
    labels = [label for label, _ in rows]
    at = labels.index("Test accuracy")
    assert rows[at][1].startswith("0.5650, the mean of 2 fresh seeds, 95 % interval 0.")
    assert rows[at + 1][1].startswith("of its best seed, which is in best/: 0.6400, 95 % interval")
    check_figures("\n".join(text for _, text in rows))
    assert any("which of them is better may be chance" in text for _, text in rows)


def test_a_test_split_that_was_read_once_stays_the_headline(tmp_path: Path) -> None:
    page = report_text(told_runs.confirmed_on_validation(tmp_path / "run"))
    assert page.index("0.6100") < page.index("0.5650")
    assert "the test split had no part in the choice" in page


def test_equal_perfect_trials_do_not_lead_clearly(tmp_path: Path) -> None:
    page = report_text(told_runs.perfect(tmp_path / "run"))
    assert "leads so clearly" not in page
    assert "4 others have the same value" in page
    assert "4 other trials lie within the winner's interval" in page


def test_a_clear_leader_is_said_to_lead(tmp_path: Path) -> None:
    search = told_runs.make_search()
    made = [
        told_runs.trial(search, told_runs.State.COMPLETE, [0.3, 0.4, value], told_runs.PARAMS)
        for value in (0.95, 0.6)
    ]
    page = report_text(told_runs.write_run(tmp_path / "run", search, made, number=0))
    assert "leads so clearly" in page


def test_vectors_are_called_by_what_was_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = told_runs.other_vectors(tmp_path / "run")
    assert "embeddings=corpus (for glove-twitter-50)" in status_text(folder, capsys)
    page = report_text(folder)
    assert "corpus (for glove-twitter-50)" in page
    assert re.search(r"Vectors\s+corpus, random\n", page)


def test_a_search_by_macro_f1_shows_it_beside_the_accuracy(tmp_path: Path) -> None:
    page = report_text(told_runs.by_macro_f1(tmp_path / "run"))
    assert "test macro F1: 0.6300" in page
    assert "chosen by validation macro F1: 0.6600" in page
    assert "guessing" not in page


def test_named_configurations_are_counted_as_the_trials_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "2 of 3" in status_text(told_runs.named(tmp_path / "run"), capsys)


@pytest.mark.parametrize("override", ["search.samples=4", "search.samples = 4"])
def test_samples_of_named_configurations_are_refused_and_not_ignored(
    tmp_path: Path, override: str
) -> None:
    folder = told_runs.named(tmp_path / "run")
    with pytest.raises(search_file.ConfigError, match="names 3 configurations, each of which is"):
        search_file.load_search(folder.space, [override])
    assert search_file.load_search(folder.space).search.samples == 32
