"""Ray's own dashboard in a real browser: the printed token opens it, trials bear their names."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_parts import needs_chromium, started_browser

pytestmark = needs_chromium
TOKEN = "ab" * 32
REPOSITORY = Path(__file__).parents[3]
PATIENCE_MS = 60_000


@pytest.fixture
def search(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A search with a Ray of its own that lasts longer than the test looks at it."""
    command = [sys.executable, "-m", "tune.search", "--data", "synthetic", "--samples", "500"]
    command += ["--space", str(REPOSITORY / "search_spaces" / "gru.yaml"), "--epochs", "6"]
    command += ["--max-concurrent", "1"]
    started = subprocess.Popen(
        [*command, "--runs-dir", str(tmp_path)],
        env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN},
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield started
    os.killpg(started.pid, signal.SIGTERM)  # as `timeout` does: its Ray has to outlive that
    try:
        said, _ = started.communicate(timeout=90)
    finally:
        started.kill()
    assert started.returncode == 143, said
    assert "Ray has died" not in said


@pytest.fixture
def page() -> Iterator[Any]:
    with started_browser() as browser:
        opened = browser.new_page(viewport={"width": 1500, "height": 1000})
        opened.set_default_timeout(PATIENCE_MS)
        yield opened


def _dashboard(search: subprocess.Popen[str]) -> str:
    said = []
    assert search.stdout is not None
    for line in search.stdout:
        said.append(line)
        if found := re.search(r"http://[\d.]+:\d+", line):
            return found.group()
    pytest.fail("no address was printed:\n" + "".join(said))


def test_the_token_opens_the_dashboard_and_it_shows_the_job_and_the_trials_by_name(
    search: subprocess.Popen[str], page: Any
) -> None:
    address = _dashboard(search)
    page.goto(f"{address}/#/jobs")
    dialog = page.locator("[role=dialog]")
    dialog.wait_for()
    assert "tune.search" not in page.inner_text("body")  # nothing is shown before the token

    dialog.locator("input").fill(TOKEN)
    dialog.get_by_role("button").last.click()
    page.get_by_text("tune.search").first.wait_for()

    page.goto(f"{address}/#/jobs/01000000")
    page.get_by_text("Task Table", exact=True).first.click()
    page.get_by_text(re.compile(r"^trial \d+: ")).first.wait_for()
    named = re.findall(r"^trial \d+: .*", page.inner_text("body"), flags=re.MULTILINE)
    assert all("hidden_size=" in each for each in named), named
