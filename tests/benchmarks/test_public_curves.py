import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))  # the benchmarks are scripts, not a package

import public_curves  # noqa: E402
import public_players  # noqa: E402
import public_tasks  # noqa: E402

SHARED = Path(__file__).parents[3] / "shared" / "curves"
SETTINGS, EPOCHS = 200, 27
NAMES = ("learning_rate", "beta1")


def losses(rows: np.ndarray) -> np.ndarray:
    """(settings, epochs): best at a learning rate of 1e-2; above 0.3 it diverges after a while."""
    final = 0.2 + 0.1 * np.square(np.log10(rows[:, 0]) + 2) + 0.1 * rows[:, 1]
    curves = final[:, None] + (0.69 - final[:, None]) * np.exp(-np.arange(EPOCHS) / 6)
    curves[rows[:, 0] > 0.3, 5:] = np.nan
    return curves


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("curves")
    generator = np.random.default_rng(0)
    rows = np.stack(
        [10 ** generator.uniform(-4, 0, SETTINGS), 1 - 10 ** generator.uniform(-3, -0.5, SETTINGS)],
        axis=1,
    )
    np.savez(
        made / "made-up.npz",
        names=np.array(NAMES),
        hyperparameters=rows,
        **{"first.valid": losses(rows), "second.valid": losses(rows) + 0.1},
    )
    return made


@pytest.fixture(scope="module")
def tasks(folder: Path) -> list[public_tasks.Task]:
    return public_tasks.read_tasks(folder)


def test_a_table_has_a_task_for_each_of_its_curves(tasks: list[public_tasks.Task]) -> None:
    assert [task.name for task in tasks] == ["first", "second"]
    assert list(tasks[0].space) == ["learning_rate", "1 - beta1"]
    assert tasks[0].epochs == EPOCHS


@pytest.mark.parametrize("smooth", [False, True])
def test_a_recorded_setting_has_its_own_curve(folder: Path, *, smooth: bool) -> None:
    task = public_tasks.read_tasks(folder, smooth=smooth)[0]
    with np.load(folder / "made-up.npz") as table:
        rows, known = table["hyperparameters"], table["first.valid"]
    params = {"learning_rate": float(rows[3, 0]), "1 - beta1": float(1 - rows[3, 1])}
    found = task.curve(params, (1, 9, 27))
    assert found.worth == pytest.approx(-known[3, [0, 8, 26]], abs=1e-3)
    assert found.values == pytest.approx(np.exp(-known[3, [0, 8, 26]]), abs=1e-3)
    assert found.seconds.tolist() == [1, 9, 27]


def test_what_diverged_is_not_a_number(tasks: list[public_tasks.Task]) -> None:
    found = tasks[0].curve({"learning_rate": 0.9, "1 - beta1": 0.1}, (1, 27))
    assert np.isnan(found.values).tolist() == [False, True]


def test_a_search_is_the_same_for_a_seed_and_another_for_another(
    tasks: list[public_tasks.Task],
) -> None:
    def played(seed: int) -> public_players.Trace:
        player = public_players.PLAYERS["gp"]
        return public_players.play(player, tasks[0], seed, slots=2, epochs=150, seconds=0)

    assert played(1) == played(1)
    assert played(1).worth != played(2).worth


def test_the_best_setting_has_no_regret_and_the_median_one_has_1(folder: Path) -> None:
    best, median = public_tasks.read_tasks(folder)[0].scale()
    with np.load(folder / "made-up.npz") as table:
        known = np.nan_to_num(table["first.valid"], nan=np.inf)
    rungs = [rung - 1 for rung in public_tasks.rungs(EPOCHS)]
    reached = known[:, rungs].min(axis=1)
    assert (best, median) == pytest.approx((-reached.min(), -np.median(reached)))


def options(folder: Path, out: Path, **given: object) -> list[str]:
    known = {"data": folder, "json": out, "players": "gp,random,random-full", "seeds": 2} | given
    return [word for name, value in known.items() for word in (f"--{name}", str(value))]


def run(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["public_curves.py", *arguments])
    return public_curves.main()


def test_the_contest_goes_on_where_it_was_cut_off(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "rows.jsonl"
    monkeypatch.setattr(public_curves, "BUDGETS", (2, 3))
    assert run(monkeypatch, options(folder, out)) in (0, 1)
    whole = out.read_text()
    assert len(whole.splitlines()) == 2 * 2 * 3
    printed = capsys.readouterr().out
    assert "regret after so many full trainings' epochs" in printed
    assert printed.splitlines()[-1].startswith("gp is behind random with ASHA on ")
    out.write_text("".join(line + "\n" for line in whole.splitlines()[:5]))
    run(monkeypatch, options(folder, out))
    strip = [{**json.loads(line), "processor_s": 0} for line in out.read_text().splitlines()]
    assert strip == [{**json.loads(line), "processor_s": 0} for line in whole.splitlines()]


def rows_of(regrets: dict[str, float], seeds: int = 8) -> list[public_curves.Row]:
    generator = np.random.default_rng(1)
    count = len(public_curves.BUDGETS)
    return [
        public_curves.Row(
            family="made up",
            task=task,
            player=player,
            seed=seed,
            slots=2,
            by_epochs=[regret + 0.01 * float(generator.normal())] * count,
            by_seconds=[regret] * count,
            trials=9,
            processor_s=0.1,
            timed=False,
            chosen_on=True,
        )
        for task in ("first", "second")
        for player, regret in regrets.items()
        for seed in range(seeds)
    ]


@pytest.mark.parametrize(("gp", "behind"), [(0.1, 0), (0.2, 0), (0.3, 2)])
def test_gp_is_behind_only_beyond_the_interval(
    gp: float, behind: int, capsys: pytest.CaptureFixture
) -> None:
    rows = rows_of({"gp": gp, "random": 0.2})
    assert len(public_curves.report(rows, ["gp", "random"])) == behind
    assert f"behind on {behind}" in capsys.readouterr().out


def test_ranks_have_equals_in_the_middle() -> None:
    regrets = np.array([0.3, 0.1, 0.3]).reshape(1, 1, 3, 1)
    assert public_curves.ranks(regrets).ravel().tolist() == [2.5, 1.0, 2.5]


def test_a_folder_without_curves_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"neither a table \(\*\.npz\) nor lcbench\.onnx"):
        public_tasks.read_tasks(tmp_path)


@pytest.mark.skipif(not (SHARED / "lcbench.onnx").exists(), reason="no LCBench surrogate here")
def test_the_surrogate_has_34_tasks_and_its_best_is_far_from_its_median() -> None:
    pytest.importorskip("onnxruntime")
    found = list(public_tasks.read_surrogate(SHARED))
    assert len(found) == 34
    best, median = found[0].scale()
    assert 0 < median < best <= 1
    middle = {name: known.at(0.5) for name, known in found[0].space.items()}
    curve = found[0].curve(middle, (2, 6, 17, 52))
    assert (np.diff(curve.seconds) > 0).all()
    assert curve.worth.max() <= best
