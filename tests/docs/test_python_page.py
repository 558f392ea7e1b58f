"""The code of docs/python.md runs as it stands, block after block."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def test_the_examples_run(
    one_free_cpu: None,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    names: dict[str, Any] = {"__name__": "page"}
    with warnings.catch_warnings():  # without a network other vectors are used, and that is said
        warnings.filterwarnings("ignore", message="the vectors glove", category=UserWarning)
        for number, block in enumerate(BLOCKS):
            exec(compile(block, f"block {number} of {PAGE.name}", "exec"), names)  # noqa: S102
    assert len(BLOCKS) == 8
    assert names["clf"].predict(["A goal by the striker"]).tolist() == ["sport"]
    assert names["result"].best.params["rate"] > 0.1
    for name in ("first", "second", "third", "fourth"):
        assert (tmp_path / "runs" / name / "report.html").exists()
    assert sorted(capsys.readouterr().out.splitlines())[0].startswith("trial 0 ")
