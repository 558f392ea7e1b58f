import json
from pathlib import Path

import pytest

from textcls import bundle
from textcls.train import main

ROWS = [("goal match win team", "sports"), ("stock market bank profit", "business")]


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, repeats in (("train.csv", 60), ("test.csv", 10)):
        lines = [f"{text} number {i},{label}" for i in range(repeats) for text, label in ROWS]
        (folder / name).write_text("text,label\n" + "\n".join(lines) + "\n")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))


def test_it_trains_prints_and_writes(data, tmp_path, capsys) -> None:
    arguments = ["--model", "gru", "--data", str(data), "--embeddings", "random", "--epochs", "4"]
    arguments += ["--set", "model.hidden_size=8", "--set", "train.batch_size=8", "--rungs", "0.5,2"]
    arguments += ["--out", str(tmp_path / "best"), "--json", str(tmp_path / "out" / "rungs.json")]
    code = main(arguments)
    assert code == 0
    results = json.loads((tmp_path / "out" / "rungs.json").read_text())
    assert [r["epoch"] for r in results] == [pytest.approx(8 / 15), 2.0, 4.0]
    assert {"step", "train_seconds", "train_loss", "test_accuracy", "test_macro_f1"} <= set(
        results[0]
    )
    assert results[-1]["test_accuracy"] == 1.0
    assert "epoch 2.00 step 30" in capsys.readouterr().out
    loaded = bundle.load_bundle(tmp_path / "best")
    assert loaded.label_names[loaded.probabilities(["the team had a goal"])[0].argmax()] == "sports"
    assert loaded.about["result"] == results[-1]


def test_a_yaml_file_serves_too_and_the_command_line_wins(data, tmp_path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(
        f"model: rnn\ndata: {{name: {data}}}\nembeddings: {{name: random, dim: 8}}\n"
        "train: {epochs: 9, batch_size: 8}\n"
    )
    out = tmp_path / "rungs.json"
    assert main(["--config", str(file), "--epochs", "1", "--json", str(out)]) == 0
    assert json.loads(out.read_text())[-1]["epoch"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "model.hiden_size=5"], "did you mean hidden_size"),
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--rungs", "a"], "--rungs: must be numbers such as 0.25,0.5, but is 'a'"),
        (["--device", "cudaa"], "device: must be one that torch can use here, such as cpu or cuda"),
        (["--device", "meta"], "but is 'meta'"),
        (["--json", "/dev/null/rungs.json"], "--json: the folder /dev/null cannot be made"),
        (["--steps", "/"], "--steps: must be a file to write, but / is a folder"),
        (["--epochs", "1", "--json", "/proc/rungs.json"], "/proc/rungs.json: cannot be written"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_1(data, capsys, arguments, message) -> None:
    assert main(["--data", str(data), "--embeddings", "random", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_what_is_not_a_classifier_is_not_replaced(data, tmp_path, capsys) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.txt").write_text("years of work")
    file = data / "train.csv"
    for taken in (thesis, file):
        arguments = ["--data", str(data), "--embeddings", "random", "--out", str(taken)]
        assert main(arguments) == 1
        told = capsys.readouterr()
        assert f"{taken}: holds something other than a classifier" in told.err
        assert "epoch" not in told.out  # it is said before training takes its time
    assert (thesis / "chapter.txt").read_text() == "years of work"
    assert file.read_text().startswith("text,label")
