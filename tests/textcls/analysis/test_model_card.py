"""The card says what the bundle says, and nothing in it is taken for markup."""

from pathlib import Path

import pytest
import yaml
from bundle_parts import LABELS, export_small

from textcls.analysis.model_card import card_text
from textcls.runtime.bundle_files import Calibration, Description, read_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    about = {"search": {"metric": "test_accuracy"}, "configuration": {"data": {"name": "<b>|x"}}}
    return export_small(tmp_path, about=about)


def test_an_exported_classifier_has_its_card(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == card_text(read_bundle(folder).description)
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["pipeline_tag"] == "text-classification"
    assert "license" not in front
    assert ", ".join(LABELS) in text
    assert "optimistic" in text
    assert "Not recorded" in text
    assert "not calibrated" in text
    assert r"Trained on \<b\>\|x." in text


def test_the_calibration_is_told(folder: Path) -> None:
    description: Description = read_bundle(folder).description
    found = Calibration(
        temperature=2.5, split="validation", texts=300, ece_before=0.06, ece_after=0.01
    )
    text = card_text(description.model_copy(update={"calibration": found}))
    assert "divided by 2.500, found on 300 texts of validation" in text
