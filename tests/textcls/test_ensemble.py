import json
from pathlib import Path

import pytest

from textcls import ensemble
from textcls.exceptions import BundleError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 9, "members": ["1"], "about": {}}', "format: must be 1, but is 9"),
        ('{"format": 1, "members": ["../1"], "about": {}}', "must be folders beside it"),
        ('{"format": 1, "members": [], "about": {}}', "members: must hold at least 1 item"),
        ('{"format": 1, "mem', "Invalid JSON"),
        ('{"format": 1}', "members: is missing"),
        ('{"format": 1, "members": ["1"], "about": {}}', "not a classifier folder"),
    ],
)
def test_what_is_no_ensemble_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "ensemble.json").write_text(content)
    with pytest.raises(BundleError, match=message):
        ensemble.load_ensemble(tmp_path)


def test_what_is_written_names_its_members(tmp_path: Path) -> None:
    ensemble.write_ensemble(tmp_path, ["4", "7"], {"run": "x"})
    content = json.loads((tmp_path / "ensemble.json").read_text())
    assert content == {"format": 1, "members": ["4", "7"], "about": {"run": "x"}}
