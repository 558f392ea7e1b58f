import json
import math
from pathlib import Path

import pytest
from objective_parts import task

from textcls.exceptions import DivergedError
from textcls.training.trainer import Training, read_checkpoint
from tune.execution.objective import train_classifier
from tune.run_folder.paths import EVALUATE
from tune.run_folder.trial_folder import TrialFolder
from tune.study.records import Interrupted

TIMES = {"seconds", "train_seconds", "texts_per_second", "tokens_per_second"}


def timeless(curve: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: value for key, value in each.items() if key not in TIMES} for each in curve]


def test_a_result_at_each_rung_and_two_checkpoints_in_the_end(tmp_path: Path) -> None:
    whole = task(tmp_path)
    curve = list(train_classifier(whole))
    assert [metrics["epoch"] for metrics in curve] == pytest.approx([0.5, 1, 2, 3], abs=0.05)
    assert json.loads(whole.folder.curve.read_text()) == curve
    values = [each["test_accuracy"] for each in curve]
    assert set(whole.folder.checkpoints()) == {values.index(max(values)), 3}


def test_the_best_rung_that_was_taken_keeps_its_checkpoint(tmp_path: Path) -> None:
    """A search that ends while a better rung waits to be taken still exports the one it knows."""
    whole = task(tmp_path)
    values: list[float] = []
    for metrics in train_classifier(whole):
        known = {values.index(max(values)), len(values) - 1} if values else set()
        assert set(whole.folder.checkpoints()) == known | {len(values)}
        values.append(metrics["test_accuracy"])
    assert values.index(max(values)) > 0, "no later rung was better, so nothing could be deleted"


@pytest.mark.parametrize("rungs", [1, 2, 3])
def test_a_trial_that_was_cut_off_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, rungs: int
) -> None:
    expected = list(train_classifier(task(tmp_path / "whole")))
    first = train_classifier(task(tmp_path / "cut"))
    cut = [next(first) for _ in range(rungs)]
    first.close()
    second = list(train_classifier(task(tmp_path / "cut")))
    assert second[:rungs] == cut
    assert timeless(second) == timeless(expected)
    seconds = [metrics["seconds"] for metrics in second]
    assert seconds == sorted(seconds)


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    first = train_classifier(task(tmp_path))
    for _ in range(3):
        next(first)
    first.close()
    folder = TrialFolder(tmp_path)
    for path in folder.checkpoints().values():
        path.write_bytes(b"damaged")
    assert len(list(train_classifier(task(tmp_path)))) == 4


def test_two_rungs_on_one_step_both_report(tmp_path: Path) -> None:
    curve = list(train_classifier(task(tmp_path, batch_size=200)))  # a step per epoch
    assert [metrics["step"] for metrics in curve] == [1, 1, 2, 3]


def test_a_trial_that_is_asked_to_stop_stops_between_rungs(tmp_path: Path) -> None:
    long = task(tmp_path, batch_size=1, epochs=3)
    results = train_classifier(long)
    next(results)
    long.stop.touch()
    with pytest.raises(Interrupted):
        next(results)
    assert list(long.folder.checkpoints()) == [0]


def test_a_trial_that_ends_before_its_first_rung_is_evaluated_where_that_is_asked(
    tmp_path: Path,
) -> None:
    long = task(tmp_path, batch_size=1)  # the first rung is after 100 steps
    long.stop.write_text(EVALUATE)
    with pytest.raises(Interrupted):
        next(train_classifier(long))
    told = json.loads(long.folder.unfinished.read_text())
    assert 0 < told["step"] < 100
    assert told["epoch"] == told["step"] / 200
    about, _ = read_checkpoint(long.folder.unfinished_checkpoint)
    assert about["step"] == told["step"]
    assert 0 <= told["test_accuracy"] <= 1
    assert not long.folder.curve.exists()


def test_a_trial_that_is_merely_stopped_is_not_evaluated(tmp_path: Path) -> None:
    long = task(tmp_path, batch_size=1)
    long.stop.touch()
    with pytest.raises(Interrupted):
        next(train_classifier(long))
    assert not long.folder.unfinished.exists()
    assert not long.folder.unfinished_checkpoint.exists()


def test_a_loss_that_is_no_number_ends_a_trial_as_diverged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def infinite(*_given: object) -> dict[str, float]:
        return {"accuracy": 0.5, "loss": math.inf}

    monkeypatch.setattr(Training, "evaluate", infinite)
    with pytest.raises(DivergedError, match="test_loss at rung 1 is inf"):
        next(train_classifier(task(tmp_path)))
    assert not TrialFolder(tmp_path).curve.exists()


def test_the_curve_within_the_epochs_goes_on_after_a_cut(tmp_path: Path) -> None:
    whole = task(tmp_path / "whole", log_every=1)
    list(train_classifier(whole))
    first = train_classifier(task(tmp_path / "cut", log_every=1))
    for _ in range(2):
        next(first)
    first.close()
    cut = TrialFolder(tmp_path / "cut")
    begun = cut.read_steps()
    continued = TrialFolder(tmp_path / "other")
    continued.adopt(cut)  # a resumed search gives the trial another number
    list(train_classifier(task(tmp_path / "other", log_every=1)))
    assert 0 < len(begun) < len(whole.folder.read_steps())
    assert continued.read_steps() == whole.folder.read_steps()
    assert [point["step"] for point in continued.read_steps()] == list(
        range(1, len(continued.read_steps()) + 1)
    )


def test_a_trial_that_diverges_leaves_its_curve_within_the_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = task(tmp_path, log_every=1)
    step = Training._train_step

    def broken(self: Training, batch: object) -> object:
        return step(self, batch) * (math.nan if self.step > 5 else 1.0)

    monkeypatch.setattr(Training, "_train_step", broken)
    with pytest.raises(DivergedError):
        list(train_classifier(whole))
    assert len(whole.folder.read_steps()) > 0
