"""A study in a database is what it is in a journal; a real SQLite file stands for all."""

import json
import sqlite3
from pathlib import Path

import optuna
import pytest

from tune import search, status
from tune.exceptions import SearchError
from tune.report import __main__ as report_command
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.study import databases, journal, study
from tune.study.records import State, TrialRecord
from tune.study.study import SearchStudy

MILESTONES = (0.5, 1.0)
SPACE = """
model: gru
data: {name: synthetic, train_size: 600, test_size: 200}
embeddings: {name: random, dim: 16}
train: {epochs: 0.5, batch_size: 32}
space:
  hidden_size: {type: int, low: 8, high: 16}
  learning_rate: {type: float, low: 1.0e-4, high: 3.0e-2, log: true}
points:
- {hidden_size: 12, learning_rate: 0.02}
"""


def sampler(trials: int = 0) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=trials)


def create(place: journal.Place, name: str = "run", owner: str | None = None) -> SearchStudy:
    return study.create_study(
        place, name, metric="test_accuracy", milestones=MILESTONES, sampler=sampler(), owner=owner
    )


def run_some(made: SearchStudy) -> None:
    """Trials that end in every way, one that is cut off and one that waits."""
    made.enqueue({"x": 0.25}, name="first")
    ends = (State.COMPLETE, State.PRUNED, State.DIVERGED, State.FAILED, State.INTERRUPTED)
    for end in ends:
        number = made.ask(lambda trial: {"x": trial.suggest_float("x", 0, 1)}).number
        for rung in range(2 if end == State.COMPLETE else 1):
            made.report(
                number,
                rung,
                {"test_accuracy": 0.5 + rung / 4, "epoch": MILESTONES[rung], "seconds": 1.0 + rung},
            )
        made.end(number, end, "" if end in ends[:2] else f"it {end}")
    cut_off = made.ask(lambda trial: {"x": trial.suggest_float("x", 0, 1)}).number
    made.report(cut_off, 0, {"test_accuracy": 0.625, "epoch": 0.5, "seconds": 1.0})
    made.enqueue({"x": 0.75})


def told(record: TrialRecord) -> tuple[object, ...]:
    """All but the times."""
    return (
        record.number, record.state, record.params, record.name, record.continues, record.message,
        record.curve, record.values,
    )  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


def test_the_same_trials_in_either_place(tmp_path: Path, url: str) -> None:
    found: list[list[tuple[object, ...]]] = []
    for place in (tmp_path / "study.journal", url):
        run_some(create(place))
        before = study.read_study(place, "run").records()
        assert before[-1].state == State.RUNNING
        taken_up = study.resume_study(place, "run", sampler)
        assert [each.number for each in taken_up.end_cut_off()] == [before[-1].number]
        for number in taken_up.cut_off():
            taken_up.requeue(number)
        assert taken_up.waiting() == 3
        found.append([told(record) for record in study.read_study(place, "run").records()])
    assert found[0] == found[1]
    assert len(found[0]) == 6


def test_several_studies_in_one_database(url: str) -> None:
    run_some(create(url, "one"))
    create(url, "two")
    with pytest.raises(SearchError, match=r"holds a study 'one' already; choose another --name"):
        create(url, "one")
    assert len(study.read_study(url, "one").records()) == 6
    assert study.read_study(url, "two").records() == []
    with pytest.raises(SearchError, match=r"not the database of the search 'three'"):
        study.read_study(url, "three")


def test_a_study_that_never_began_makes_room(url: str) -> None:
    begun = optuna.create_study(study_name="run", storage=url)
    begun.set_user_attr("textcls-tune", True)
    begun.enqueue_trial({"x": 0.5})
    with pytest.raises(SearchError, match="killed before its first trial"):
        study.read_study(url, "run")
    assert create(url).waiting() == 0


def test_a_study_that_its_folder_does_not_know_makes_room_for_its_owner(url: str) -> None:
    create(url, owner="a").enqueue({"x": 0.5})
    for other in ("b", None):
        with pytest.raises(SearchError, match="holds a study 'run' already"):
            create(url, owner=other)
    again = create(url, owner="a")
    assert again.waiting() == 0
    again.ask(lambda trial: {"x": trial.suggest_float("x", 0, 1)})
    with pytest.raises(SearchError, match="holds a study 'run' already"):
        create(url, owner="a")  # a trial has begun


def test_a_study_of_somebody_else_is_not_touched(url: str) -> None:
    theirs = optuna.create_study(study_name="run", storage=url)
    theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    with pytest.raises(SearchError, match="a study 'run' that this program has not made; choose"):
        create(url)
    assert len(optuna.load_study(study_name="run", storage=url).trials) == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("study.db", r"--storage study\.db: no URL of a database, such as sqlite:///study\.db"),
        ("sqlite://", "such a database is gone when the search ends"),
        ("sqlite:///:memory:", "such a database is gone when the search ends"),
        ("postgresql://me:secret@host/name", r"^--storage: the URL holds a password, .*~/\.pgpass"),
        ("postgresql://me@host/name?password=secret", r"^--storage: the URL holds a password"),
    ],
)
def test_urls_that_are_refused(given: str, message: str) -> None:
    with pytest.raises(SearchError, match=message) as refused:
        journal.check_url(given)
    assert "secret" not in str(refused.value)


def test_a_relative_file_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert journal.check_url("sqlite:///study.db") == f"sqlite:///{tmp_path}/study.db"
    other = "postgresql+psycopg://me@host/name"
    assert journal.check_url(other) == other


def test_databases_that_cannot_be_used(tmp_path: Path) -> None:
    no_database = tmp_path / "notes.txt"
    no_database.write_text("not a database, but long enough to look at\n" * 50)
    with pytest.raises(SearchError, match=r"notes\.txt: cannot be used \(file is not a database"):
        create(f"sqlite:///{no_database}")
    with pytest.raises(SearchError, match=r"x\.db: cannot be used \(unable to open"):
        create(f"sqlite:///{tmp_path}/missing/x.db")
    with pytest.raises(SearchError, match="its driver is missing"):
        create("mssql+pyodbc://me@host/name")


def test_a_database_that_a_folder_names_is_opened_only_when_told_to(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(databases, "_allowed", set())  # as in a process that has just begun
    folder = paths.create(tmp_path, "run")
    folder.space.write_text(SPACE)
    folder.database.write_text(json.dumps({"storage": url, "study_name": "run"}))
    for main, rest in ((status.main, []), (report_command.main, ["--out", str(tmp_path / "x")])):
        assert main([str(folder.root), *rest]) == 1
        said = capsys.readouterr().err
        assert f"names the database '{url}', which has not been named to --storage" in said
    assert not (tmp_path / "studies.db").exists()

    assert status.main([str(folder.root), "--storage", url]) == 1
    assert f"{url}: no such file" in capsys.readouterr().err
    assert not (tmp_path / "studies.db").exists()

    run_some(create(url))
    monkeypatch.setattr(databases, "_allowed", set())
    assert status.main([str(folder.root)]) == 0  # it was named before
    assert "6 of" in capsys.readouterr().out


@pytest.mark.usefixtures("one_free_cpu")
def test_a_search_in_a_database_is_resumed_shown_and_reported(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "space.yaml").write_text(SPACE)
    runs = ["--runs-dir", str(tmp_path / "runs"), "--quiet", "--max-concurrent", "1"]
    given = ["--space", str(tmp_path / "space.yaml"), "--name", "run", "--storage", url]
    assert search.main([*given, *runs, "--samples", "2"]) == 0, capsys.readouterr().err
    folder = RunFolder(tmp_path / "runs" / "run")
    assert not folder.journal.exists()
    assert paths.began(folder)
    first = study.read_study(url, "run").records()
    assert len(first) == 2

    elsewhere = f"sqlite:///{tmp_path / 'other.db'}"
    assert search.main(["--resume", "run", *runs, "--storage", elsewhere]) == 1
    assert f"but the run's study lies at {url}" in capsys.readouterr().err

    assert search.main(["--resume", "run", *runs, "--samples", "3"]) == 0, capsys.readouterr().err
    after = study.read_study(url, "run").records()
    assert after[:2] == first
    assert len(after) == 3
    assert json.loads(folder.result.read_text())["trials"]["total"] == 3
    assert "<html" in folder.report.read_text()
    capsys.readouterr()
    assert status.main([str(folder.root)]) == 0
    assert "3 of 3" in capsys.readouterr().out


@pytest.mark.usefixtures("one_free_cpu")
def test_a_database_that_is_lost_amid_a_search(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "space.yaml").write_text(SPACE)
    reported, lost = SearchStudy.report, []

    def lose(made: SearchStudy, *report: object, goes_on: bool) -> None:
        if not lost:
            lost.append(True)
            with sqlite3.connect(tmp_path / "studies.db") as opened:
                opened.execute("DROP TABLE trial_user_attributes")
            opened.close()
        reported(made, *report, goes_on=goes_on)  # type: ignore[arg-type]

    monkeypatch.setattr(SearchStudy, "report", lose)
    runs = ["--runs-dir", str(tmp_path / "runs"), "--quiet", "--samples", "2", "--storage", url]
    code = search.main(["--space", str(tmp_path / "space.yaml"), "--name", "run", *runs])
    printed = capsys.readouterr().err
    assert code == 1, printed
    assert "the database of its study no longer answers" in printed
    assert "--resume run goes on once it does" in printed
    assert (tmp_path / "runs" / "run" / "study.json").exists()
