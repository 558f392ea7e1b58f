"""`tune.Search` runs what the command runs, returns a result and leaves the process as it was."""

import doctest
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

import tune
from textcls.exceptions import ConfigError, DataError
from tune import (
    Callback,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    RunData,
    Search,
    SearchError,
    SearchResult,
    TrialConfig,
    api,
)
from tune.analysis import comparison
from tune.config import search_file
from tune.config.search_file import ObjectiveSearchFile
from tune.exceptions import RunFolderError
from tune.monitor.search_state import SearchPlan
from tune.study.records import State, TrialRecord

SPORT = ["the striker scored", "a late goal", "the coach won the cup", "an own goal"]
MONEY = ["shares fell", "profits rose", "the bank cut its rates", "a bond of the bank"]
TEXTS = (SPORT + MONEY) * 10
LABELS = (["sport"] * 4 + ["money"] * 4) * 10
SECTIONS: dict[str, Any] = {
    "model": {"name": "gru", "hidden_size": 6},
    "embeddings": {"name": "random", "dim": 8},
    "data": {"validation_fraction": 0.2},
    "train": {"epochs": 3},
    "space": {"learning_rate": FloatDistribution(low=0.003, high=0.03, log=True)},
    "search": {"samples": 3, "metric": "val_accuracy", "sampler": "random", "max_concurrent": 1},
}


class Witness(Callback):
    """Writes down what it hears and prints at each end."""

    def __init__(self) -> None:
        self.plan: SearchPlan | None = None
        self.facts: dict[str, str] = {}
        self.sentences: list[str] = []
        self.ended: list[int] = []
        self.over = False

    def on_message(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def on_facts(self, facts: Any) -> None:
        self.facts = dict(facts)

    def on_search_start(self, plan: SearchPlan) -> None:
        self.plan = plan

    def on_trial_end(self, record: TrialRecord) -> None:
        self.ended.append(record.number)
        print(f"trial {record.number} ended")

    def on_search_end(self) -> None:
        self.over = True


def surroundings() -> tuple[Any, ...]:
    root = logging.getLogger()
    signals = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    return sys.stdout, sys.stderr, root.level, list(root.handlers), signals


@pytest.fixture(scope="module")
def searched(
    tmp_path_factory: pytest.TempPathFactory,
    two_cpus: None,  # noqa: ARG001
) -> Iterator[tuple[SearchResult, Witness]]:
    root = tmp_path_factory.mktemp("api")
    witness = Witness()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTCLS_CACHE", str(root / "cache"))
        before = surroundings()
        found = Search(**SECTIONS).run(
            TEXTS, LABELS, name="run", runs_dir=root, callbacks=[witness]
        )
        assert surroundings() == before
        yield found, witness


def test_the_result_is_what_the_run_folder_holds(searched: tuple[SearchResult, Witness]) -> None:
    found, _ = searched
    assert (found.state, len(found.trials), found.folder.name) == ("complete", 3, "run")
    assert found.best.value == max(trial.value for trial in found.trials)
    assert set(found.best.params) == {"learning_rate"}
    assert found.best.metrics["val_accuracy"] == found.best.value
    assert found.report.exists()
    assert found.classifier.predict(["a late goal"]).tolist() == ["sport"]
    assert found.classifier.classes_.tolist() == ["money", "sport"]
    table = found.trials.to_pandas()
    assert table["number"].tolist() == [0, 1, 2]
    assert table["val_accuracy"].max() == found.best.value
    assert "params_learning_rate" in table.columns
    curves = list(found.trials.curves())
    assert len(curves) == sum(len(each.values) for each in found.trials)
    assert min(point["rung"] for point in curves) == 1  # as in the leaderboard
    assert repr(found).startswith("<SearchResult run: complete, 3 trials, best ")
    assert "learning_rate=" in found._repr_html_()
    loaded = SearchResult.load("run", found.folder.parent)
    assert loaded.best == found.best
    assert RunData.load(found.folder).trials.to_dicts() == found.trials.to_dicts()


def test_its_report_shows_the_mistakes_of_texts_that_lie_in_no_file(
    searched: tuple[SearchResult, Witness],
) -> None:
    page = searched[0].report.read_text(encoding="utf-8")
    assert "Confusion matrix" in page


def test_a_callback_hears_everything_and_prints_where_it_did(
    searched: tuple[SearchResult, Witness], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found, witness = searched
    assert sorted(witness.ended) == [0, 1, 2]
    assert witness.plan is not None
    assert (witness.plan.metric, witness.plan.samples) == ("val_accuracy", 3)
    assert witness.over
    assert "texts in memory" in witness.facts["Data"]
    assert any("were split off train as test" in sentence for sentence in witness.sentences)
    assert "trial 0 ended" not in (found.folder / "search.log").read_text()
    again = Witness()
    Search(**SECTIONS).run(TEXTS, LABELS, runs_dir=tmp_path, callbacks=[again])
    printed = capfd.readouterr()
    assert sorted(printed.out.split("\n")) == ["", *(f"trial {n} ended" for n in range(3))]
    assert printed.err == ""


def test_a_run_goes_on_with_more_trials_and_with_the_same_texts_only(
    searched: tuple[SearchResult, Witness],
) -> None:
    root = searched[0].folder.parent
    more = Search(**SECTIONS | {"search": {**SECTIONS["search"], "samples": 4}})
    with pytest.raises(SearchError, match="something has changed: the data"):
        more.run(TEXTS[1:], LABELS[1:], name="run", runs_dir=root, resume=True)
    before = searched[0].trials.to_dicts()
    after = more.run(TEXTS, LABELS, name="run", runs_dir=root, resume=True).trials.to_dicts()
    assert after[:3] == before
    assert len(after) == 4


def test_a_name_that_is_taken_and_other_misuse(
    searched: tuple[SearchResult, Witness], tmp_path: Path
) -> None:
    root = searched[0].folder.parent
    with pytest.raises(RunFolderError, match="exists already"):
        Search(**SECTIONS).run(TEXTS, LABELS, name="run", runs_dir=root)
    with pytest.raises(ConfigError, match="resume=True needs the name"):
        Search(**SECTIONS).run(TEXTS, LABELS, runs_dir=tmp_path, resume=True)
    with pytest.raises(ConfigError, match="either texts or data"):
        Search(**SECTIONS).run(TEXTS, LABELS, data="x.csv", runs_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"needs a search that Search\.over describes"):
        Search(**SECTIONS).run(objective=parabola, runs_dir=tmp_path)
    with pytest.raises(DataError, match="do not fit"):
        Search(**SECTIONS).run(TEXTS, LABELS[1:], runs_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_searched_from_a_thread(two_cpus: None, tmp_path: Path) -> None:  # noqa: ARG001
    rows = [f"{text},{label}\n" for text, label in zip(TEXTS, LABELS, strict=True)]
    (tmp_path / "all.csv").write_text("text,label\n" + "".join(rows))
    found: list[SearchResult] = []

    def go() -> None:
        search = Search(**SECTIONS | {"search": {**SECTIONS["search"], "samples": 1}})
        found.append(search.run(data=tmp_path / "all.csv", runs_dir=tmp_path / "runs"))

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    assert found[0].state == "complete"
    assert found[0].data.environment["corpora"][0]["data"].startswith("all.csv")


def test_a_shipped_space_and_the_values_over_it() -> None:
    search = Search.load("gru", {"search.samples": 5, "train.epochs": 1})
    assert (search.config.search.samples, search.config.train.epochs) == (5, 1.0)
    assert set(search.config.space) == {
        "hidden_size", "learning_rate", "max_grad_norm", "freeze_iters",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="did you mean gru"):
        Search.load("grru")
    with pytest.raises(ConfigError, match=r"search\.sample: unknown key; did you mean samples"):
        Search.load("gru", {"search.sample": 5})


def test_every_problem_of_a_search_in_python_is_told() -> None:
    with pytest.raises(ConfigError) as refused:
        Search(
            model="gru",
            space={"hiden_size": IntDistribution(low=1, high=9)},
            search={"samples": 0, "metric": "accuracy"},
        )
    message = str(refused.value)
    assert message.startswith("Search: 3 problems\n")
    assert "space.hiden_size: unknown parameter; did you mean hidden_size?" in message
    assert "search.samples: must be at least 1, but is 0" in message
    assert "search.metric: must be one of test_accuracy" in message


def test_distributions_of_the_package_of_optuna_and_plain_ones_are_the_same() -> None:
    ours = Search(
        space={
            "hidden_size": IntDistribution(low=8, high=64, log=True),
            "dropout": FloatDistribution(low=0.0, high=0.5, step=0.25),
            "pooling": CategoricalDistribution(choices=("last", "max")),
        }
    )
    theirs = Search(
        space={
            "hidden_size": optuna.distributions.IntDistribution(8, 64, log=True),
            "dropout": optuna.distributions.FloatDistribution(0.0, 0.5, step=0.25),
            "pooling": optuna.distributions.CategoricalDistribution(["last", "max"]),
        }
    )
    plain = Search(
        space={
            "hidden_size": {"type": "int", "low": 8, "high": 64, "log": True},
            "dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.25},
            "pooling": {"type": "categorical", "choices": ["last", "max"]},
        }
    )
    assert ours.config == theirs.config == plain.config


def make_parabola() -> Callable[[TrialConfig], Iterator[dict[str, float]]]:
    def parabola(config: TrialConfig) -> Iterator[dict[str, float]]:  # nested: sent by value
        for epoch in range(1, 10):
            yield {"value": -((config["x"] - 0.3) ** 2) - 1 / epoch, "seed": config.seed}

    return parabola


parabola = make_parabola()
"""Best at x = 0.3; better with every epoch."""

SPACE = {"x": FloatDistribution(low=-1.0, high=1.0)}


def test_any_function_can_be_searched_and_is_confirmed_through_itself(
    two_cpus: None,  # noqa: ARG001
    tmp_path: Path,
) -> None:
    settings = {"samples": 8, "confirm": {"top": 2, "seeds": 2}, "sampler": "random"}
    search = Search.over("parabola", SPACE, epochs=9, search=settings, points=[{"x": 0.25}])
    found = search.run(objective=parabola, name="run", runs_dir=tmp_path)
    assert found.data.milestones == (1.0, 3.0, 9.0)
    assert {trial.state for trial in found.trials} == {State.COMPLETE, State.PRUNED}
    x = found.best.params["x"]
    assert abs(x - 0.3) <= 0.05  # the point that was given, or a better one
    assert found.best.value == pytest.approx(-((x - 0.3) ** 2) - 1 / 9)
    standings = found.data.result["best"]["confirmation"]["standings"]
    assert [len(each["values"]) for each in standings] == [2, 2]
    assert standings[0]["mean"] == pytest.approx(found.best.value)
    seeds = {trial.curve[0]["seed"] for trial in found.trials}
    assert len(seeds) == 8
    page = found.report.read_text(encoding="utf-8")
    assert "The whole configuration" not in page
    assert repr(found.data) == "<RunData run: complete, 8 trials>"
    (contender,) = comparison.contenders([found.data])
    table = dict(dict(comparison.comparison_sections([contender]))["Search"])
    assert table["data"] == (comparison.NONE,)  # not the default's, which nobody read
    loaded = search_file.load_search(found.folder / "space.yaml")
    assert isinstance(loaded, ObjectiveSearchFile)
    assert loaded == search.config
    more = Search.over(
        "parabola", SPACE, epochs=9, search=settings | {"samples": 9}, points=[{"x": 0.25}]
    )
    assert len(more.run(objective=parabola, name="run", runs_dir=tmp_path, resume=True).trials) == 9


def test_an_objective_that_fails_is_told_with_its_own_words(
    two_cpus: None,  # noqa: ARG001
    tmp_path: Path,
) -> None:
    def broken(_config: TrialConfig) -> dict[str, float]:
        raise RuntimeError("the scale is not plugged in")

    search = Search.over("scale", SPACE, search={"samples": 9})
    with pytest.raises(SearchError, match="the scale is not plugged in"):
        search.run(objective=broken, name="run", runs_dir=tmp_path)
    with pytest.raises(ConfigError, match="pass objective="):
        search.run(runs_dir=tmp_path)


def test_misfits_of_a_search_over_an_objective() -> None:
    with pytest.raises(ConfigError) as refused:
        Search.over("f", SPACE, points=[{"y": 1.0}], search={"ensemble": 3})
    message = str(refused.value)
    assert "points[0].y: is no parameter of the space" in message
    assert "points[0]: leaves out x" in message
    assert "search.ensemble: averages text classifiers" in message


SCRIPT = """
import sys
from tune import FloatDistribution, Search

def area(config):
    return config["x"] * (1 - config["x"])

search = Search.over("area", {"x": FloatDistribution(low=0.0, high=1.0)}, search={"samples": 3})
result = search.run(objective=area, runs_dir=sys.argv[1])
print(len(result.trials), result.state)
"""


def test_a_script_without_a_guard_searches_on_the_cluster_that_the_environment_names(
    ray_address: str, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py", str(tmp_path / "runs")],
        cwd=tmp_path,
        env=os.environ | {"RAY_ADDRESS": ray_address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "3 complete\n"), done.stderr


INTERRUPTED = """
import os, signal, sys
from tune import Callback, FloatDistribution, Search

class Impatient(Callback):
    def on_trial_end(self, record):
        if record.number == 0:  # a second time would end the process at once
            os.kill(os.getpid(), signal.SIGINT)

def slow(config):
    import time
    for _ in range(600):
        yield {"value": config["x"]}
        time.sleep(0.1 if config.number else 0)

search = Search.over("slow", {"x": FloatDistribution(low=0.0, high=1.0)}, epochs=600,
                     search={"samples": 9, "scheduler": "none"}, resources={"cpu": 1})
try:
    search.run(objective=slow, name="run", runs_dir=sys.argv[1], callbacks=[Impatient()])
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_is_what_it_was_once_everything_is_written(ray_address: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(INTERRUPTED)
    done = subprocess.run(
        [sys.executable, "script.py", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"RAY_ADDRESS": ray_address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "interrupted\n", done.stderr
    found = SearchResult.load("run", tmp_path)
    assert found.state == "interrupted"
    assert found.best.value == max(each.value or 0.0 for each in found.trials)
    assert {trial.state for trial in found.trials} == {State.COMPLETE, State.INTERRUPTED}


@pytest.mark.parametrize("module", [api, tune.analysis.trials, tune.monitor.callback])
def test_the_examples_of_the_docstrings(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
