"""The documentation site is built without a warning, from pages that say what the code says."""

import os
import re
import subprocess
import sys
import tomllib
from html import unescape
from importlib import util
from pathlib import Path
from typing import Any

import page_parts
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

without_mkdocs = pytest.mark.skipif(
    util.find_spec("material") is None or util.find_spec("mkdocstrings") is None,
    reason="MkDocs Material and mkdocstrings (the extra docs) are not installed",
)


def site_pages() -> Any:
    spec = util.spec_from_file_location("site_pages", ROOT / "docs" / "site_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@without_mkdocs
def test_pages_made_from_other_files_are_there(built: Path) -> None:
    told = {
        "index.html": "textcls-tune search",
        "configuration.html": "learning_rate",
        "changelog.html": "0.1.0 (unreleased)",
        "api.html": "predict_proba",
        "benchmarks.html": "trial_speed.py",
    }
    for page, words in told.items():
        text = unescape(re.sub(r"<[^>]+>", "", (built / page).read_text(encoding="utf-8")))
        assert words in text, page


@without_mkdocs
def test_every_page_opens_without_another_server(built: Path) -> None:
    for page in built.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img)[^>]* src="(http[^"]*)"', text)
        loaded += re.findall(r'<link[^>]* href="(http[^"]*)"[^>]*rel="stylesheet"', text)
        assert loaded == [], page


@without_mkdocs
def test_every_link_within_the_site_leads_to_a_file(built: Path) -> None:
    followed = 0
    for page in built.rglob("*.html"):
        if page.name == "404.html":  # its links are those of a server's root
            continue
        for link in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link):
                followed += 1
                assert (page.parent / link).exists(), (page.name, link)
    assert followed > 500


@pytest.mark.parametrize("page", page_parts.PAGES, ids=lambda page: page.stem)
def test_the_rows_of_a_table_have_as_many_cells_as_its_head(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [re.sub(r"`[^`]*`|\\\|", "", row).count("|") for row in table.splitlines()]
        assert len(set(rows)) == 1, (page.name, table.splitlines()[0])


def test_links_of_the_repository_become_links_of_the_site() -> None:
    pages = {"data.md", "benchmarks.md", "contributing/log.md", "pictures/a.png"}
    relinked = site_pages().relinked
    assert relinked("[a](docs/data.md#texts)", "index.md", pages) == "[a](data.md#texts)"
    assert relinked("![a](docs/pictures/a.png)", "index.md", pages) == "![a](pictures/a.png)"
    assert relinked("[b](../benchmarks/README.md)", "data.md", pages) == "[b](benchmarks.md)"
    assert relinked("[b](benchmarks/)", "index.md", pages) == "[b](benchmarks.md)"
    assert relinked("[d](../data.md)", "contributing/log.md", pages) == "[d](../data.md)"
    assert relinked("[the script](../benchmarks/x.py)", "data.md", pages) == "the script"
    same = "[a](#texts) [b](https://example.org/docs/x.md)"
    assert relinked(same, "data.md", pages) == same


def test_the_page_on_dependencies_names_each_of_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    declared = {Requirement(each).name for each in project["dependencies"]}
    assert {name for name in declared if not re.search(rf"\b{name}\b", page)} == set()
    extras = set(project["optional-dependencies"])
    assert {name for name in extras if f"`{name}`" not in page} == set()
