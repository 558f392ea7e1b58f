"""The card says what the bundle says, and nothing in it is taken for markup."""

from pathlib import Path

import pytest
import yaml
from bundle_parts import LABELS, export_small

from textcls.analysis.model_card import card_text
from textcls.runtime.bundle_files import About, Calibration, Description, Reduction, read_bundle


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


@pytest.mark.parametrize(
    ("name", "used", "shown"),
    [
        ("/home/ann/clients/tickets.csv", "tickets.csv (/home/ann/clients/tickets.csv)", "tickets"),
        ("clients/tickets", "tickets (clients/tickets)", "tickets"),
        ("C:\\Users\\ann\\tickets.csv", None, "tickets"),
        ("owner/dataset", "owner/dataset", "owner/dataset"),
        ("ag_news", "synthetic (20,000 / 4,000 embedded texts)", "synthetic"),
    ],
)
def test_the_data_is_named_without_its_folders(
    name: str, used: str | None, shown: str, folder: Path
) -> None:
    description = read_bundle(folder).description
    about = About.model_validate(
        {"configuration": {"data": {"name": name}}, "provenance": {"data": used} if used else None}
    )
    text = card_text(description.model_copy(update={"about": about}))
    assert f"Trained on {shown}" in text
    assert "ann" not in text
    assert "clients" not in text


def test_what_a_small_form_left_out_is_told(folder: Path) -> None:
    found = Reduction(words=(9, 5), split="validation", texts=300, changed=1, accuracy=(0.9, 0.89))
    text = card_text(read_bundle(folder).description.model_copy(update={"reduction": found}))
    assert "5 of 9 words of the encoder" in text
    assert "1 of 300 texts of validation get another label; accuracy 0.9000 before" in text
