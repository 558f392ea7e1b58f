"""The teaching page: its code prints what it says, its commands write the curves that are drawn."""

import csv
import importlib.util
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import page_parts
import pytest
from page_parts import ROOT

from tune import cli

PAGE = ROOT / "docs" / "teaching.md"
SMALL = ["--set", "data.train_size=320", "--set", "data.test_size=80", "--set", "train.log_every=2"]
NUMBER = re.compile(r"-?\d+\.\d+|\d+")


def make_pictures() -> Any:
    spec = importlib.util.spec_from_file_location("make_pictures", ROOT / "docs/make_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_code_prints_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = page_parts.blocks(PAGE)
    shown = 0
    for block, after in pairwise(blocks):
        if block.language == "python":
            exec(compile(block.text, "the page", "exec"), {})  # noqa: S102
            printed = capsys.readouterr().out
            assert NUMBER.sub("#", printed) == NUMBER.sub("#", after.text)
            numbers, told = (list(map(float, NUMBER.findall(t))) for t in (printed, after.text))
            assert numbers == pytest.approx(told, abs=0.05)  # another torch rounds otherwise
            shown += 1
    assert shown == 2


def test_the_commands_write_the_curves_of_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    pictures = make_pictures()
    for words in pictures.page_commands():
        assert cli.main([*words[1:], *SMALL]) == 0, shlex.join(words)
        with (tmp_path / words[-1]).open(newline="") as file:
            assert [row["step"] for row in csv.DictReader(file)] == ["2", "4", "6", "8", "10"]
    for name, panels in pictures.FIGURES.items():
        drawn = ElementTree.fromstring(pictures.draw(panels, tmp_path))  # noqa: S314
        lines = drawn.findall(".//{http://www.w3.org/2000/svg}polyline")
        assert len(lines) == sum(len(panel.curves) for panel in panels), name
        assert (ROOT / "docs" / "pictures" / f"{name}.svg").exists()
        assert f"pictures/{name}.svg" in PAGE.read_text(encoding="utf-8")
