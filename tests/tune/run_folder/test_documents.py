"""Run folders from a stranger: shown, or refused in one message, never a traceback."""

import json
from pathlib import Path

import optuna
import pytest
import structure_parts

from tune.exceptions import RunFolderError
from tune.run_folder import documents
from tune.run_folder.trial_folder import TrialFolder

CASES = 40


def test_any_value_may_be_any_other(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    whole = structure_parts.write_whole_run(tmp_path / "whole")
    assert structure_parts.ends_well(whole) is None
    for place, odd in structure_parts.cases(whole, CASES, seed=1):
        fault = structure_parts.play(tmp_path / "run", whole.root, place, odd)
        assert fault is None, fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[", r"damaged \(Expecting value"),
        (structure_parts.DEEP, "nested too deeply"),
        ('[{"test_accuracy": "0.9"}]', r"0\.test_accuracy: Input should be a valid number"),
        ('[{"test_accuracy": NaN}]', "finite number"),
        ('{"a": 1}', "valid list"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(
    tmp_path: Path, text: str, expected: str
) -> None:
    trial = TrialFolder(tmp_path)
    trial.curve.write_text(text)
    with pytest.raises(RunFolderError, match=rf"curve\.json: damaged.*{expected}|{expected}"):
        trial.read_curve()


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps("x" * 100))
    with pytest.raises(RunFolderError, match="at most 50 bytes, but has 102"):
        documents.read_json(path, most_bytes=50)


def test_unknown_keys_are_left_out_and_known_ones_kept(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    told = {"state": "complete", "trials": {"total": 1}, "best": {"number": 0, "value": 0.5}}
    path.write_text(json.dumps(told | {"surprise": [[]]}))
    assert documents.read_result(path) == told


@pytest.mark.parametrize(
    "text",
    [
        "step,epoch\n1,0.5\n",
        "step,epoch,loss,accuracy,grad_norm,clipped,learning_rate\n1,0.1,nan,0.5,1,0,0.01\n",
        "step,epoch,loss,accuracy,grad_norm,clipped,learning_rate\n1,0.1,1,0.5,1,2,0.01\n",
        "step,epoch,loss,accuracy,grad_norm,clipped,learning_rate\n-1,0.1,1,0.5,1,1,0.01\n",
    ],
)
def test_steps_that_are_damaged_are_one_message(tmp_path: Path, text: str) -> None:
    path = tmp_path / "steps.csv"
    path.write_text(text)
    with pytest.raises(RunFolderError, match=r"steps\.csv: damaged"):
        documents.read_steps(path)
