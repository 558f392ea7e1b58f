"""The pictures of the terminal are drawn from a run folder."""

from importlib import util
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from page_parts import ROOT
from report_runs import make_search, many_trials, write_run

from tune.analysis.run_data import load_run


def make_screenshots() -> Any:
    spec = util.spec_from_file_location("make_screenshots", ROOT / "docs" / "make_screenshots.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_the_display_is_drawn_at_each_width(tmp_path: Path, share: float) -> None:
    pictures, search = make_screenshots(), make_search()
    run = load_run(write_run(tmp_path / "run", search, many_trials(search, 20, slots=2)))
    ended = pictures.state_at(run, share).ended
    assert abs(ended - 20 * share) <= 2  # two end in the same moment at times
    for width in pictures.WIDTHS:
        drawn = pictures.draw_terminal(run, width, share)
        assert "font-face" not in drawn
        text = "".join(ElementTree.fromstring(drawn).itertext()).replace("\xa0", " ")  # noqa: S314
        assert f"{ended}/32 trials" in text
        assert (ROOT / "docs" / "pictures" / f"terminal-{width}.svg").exists()
