"""The tutorial and the page of the first search, executed from top to bottom, made small."""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import page_parts
import pytest
from page_parts import ROOT
from serve_parts import serving

from tune import cli

SMALL = {
    "tickets": "--max-concurrent 1 --samples 2 --embeddings random --epochs 1"
    " --set search.confirm.top=0",
    "first": "--max-concurrent 1 --samples 2 --epochs 0.5 --data synthetic --embeddings random"
    " --set data.train_size=400 --set data.test_size=200 --set resources.gpu=0",
    "tiny": "--max-concurrent 1 --set resources.gpu=0",
}
"""Options that make a search of these pages last a second; the later one of two counts."""

ON_A_RUN = ("check", "compare", "predict", "report", "status")
"""Commands that need nothing but a run."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_free_cpu: None) -> Iterator[Path]:  # noqa: ARG001
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    return tmp_path


def run(words: list[str]) -> None:
    """Run a command of this program in this process."""
    name = words[words.index("--name") + 1] if "--name" in words else ""
    extra = shlex.split(SMALL[name]) if words[0] == "search" and name else []
    assert cli.main([*words, *extra]) == 0, words


def run_page(name: str, names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run a page's Python and its commands; return what each command printed to standard output.

    Left out are the installation, the service, and what asks it.
    """
    page, printed = ROOT / "docs" / name, []
    for number, block in enumerate(page_parts.blocks(page)):
        if block.language == "python":
            exec(compile(block.text, f"block {number} of {name}", "exec"), names)  # noqa: S102
        elif block.language == "sh":
            for line in page_parts.lines(block.text):
                if line.startswith("textcls-tune") and " serve " not in line:
                    run(shlex.split(line)[1:])
                    printed.append(capsys.readouterr().out)
    return printed


def test_the_tutorial_leads_from_a_file_to_a_service(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    inspected, searched, reported, predicted, _ = run_page("tutorial.md", names, capsys)
    assert "nothing looks wrong" in inspected
    assert "120 of 600 rows were split off train as test" in searched
    assert re.search(r"^class +test texts  precision", searched, re.M)
    assert reported.strip().endswith("runs/tickets/report.html")
    assert predicted.startswith("delivery\t")
    with (folder / "labelled.csv").open(newline="") as file:
        labelled = list(csv.DictReader(file))
    assert list(labelled[0]) == ["subject", "body", "queue", "label", "probability"]
    text = f"{labelled[0]['subject']} {labelled[0]['body']}"  # the columns of the training
    probability = names["result"].classifier.predict_proba([text]).max()
    assert float(labelled[0]["probability"]) == pytest.approx(probability, abs=1e-5)
    assert names["result"].classifier.predict(["The invoice is wrong"]).tolist() == ["billing"]

    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    (sent,) = re.findall(r"^curl .* -d '(.*)' http", text, re.M)
    with serving(folder / "runs" / "tickets") as service:
        status, answer = service.ask("POST", "/predict", json.loads(sent))
    assert (status, answer["predictions"][0]["label"]) == (200, "account")

    use_the_run(folder)


def use_the_run(folder: Path) -> None:
    """Run what other pages do with a run that is there."""
    shutil.copy(folder / "tickets.csv", folder / "new.csv")
    predicting = ROOT / "docs" / "predicting.md"
    done = 0
    for page in (predicting, ROOT / "docs" / "recipes.md"):
        for words in map(page_parts.as_command, page_parts.commands(page)):
            named = ["tickets" if word in ("NAME", "ONE", "TWO") else word for word in words]
            if named != words and words[0] in ON_A_RUN and len(words) > 2:
                assert cli.main(named) in (0, 3), words  # 3: check tells of a difference
                done += 1
    assert done >= 10
    for block in page_parts.blocks(predicting):
        if block.language == "python":
            code = block.text.replace("runs/NAME", "runs/tickets")
            exec(compile(code, predicting.name, "exec"), {})  # noqa: S102


def test_the_first_search_is_run_read_and_resumed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run_page("first_search.md", {}, capsys)
    assert "3 trials over hidden_size" in printed[1]
    assert (folder / "runs" / "first" / "report.html").exists()
    assert (
        json.loads((folder / "runs" / "tiny" / "result.json").read_text())["trials"]["total"] == 3
    )
