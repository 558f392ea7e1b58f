"""The page of a running search in a real browser: it refreshes itself and keeps its place."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser_parts import needs_chromium, started_browser
from watched_runs import GrowingRun

from tune.watch._live_run import LiveRun
from tune.watch._service import WatchService

pytestmark = needs_chromium
TOKEN = "of-a-test-0123456789"  # noqa: S105
SPACE = """
model: {name: gru, hidden_size: 8}
data: {name: synthetic, train_size: 1500, test_size: 400}
embeddings: {name: random, dim: 16}
train: {epochs: 4, batch_size: 32}
space:
  learning_rate: {type: float, low: 1.0e-4, high: 3.0e-2, log: true}
search: {samples: 4}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started_browser() as browser:
        yield browser


class Visit:
    """An opened page, and what it said and how often it was loaded."""

    def __init__(self, browser: Any, address: str) -> None:
        self.page = browser.new_page(viewport={"width": 1200, "height": 700})
        self.said: list[str] = []
        self.loaded: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("load", lambda page: self.loaded.append(page.url))
        self.page.goto(address)

    def wait_for(self, script: str) -> None:
        for _ in range(3000):  # wait_for_function needs eval, which the page's policy refuses
            if self.page.evaluate(script):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"never: {script}; {self.page.locator('#live').inner_text()}")

    def trials(self) -> str:
        return str(self.page.locator(".facts dd").first.inner_text())


@contextmanager
def served(run: GrowingRun) -> Iterator[WatchService]:
    live = LiveRun(lambda: run.folder, interval_s=0.1)
    with WatchService(live, 0, TOKEN, 0.1) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        try:
            yield service
        finally:
            service.closing.set()
            service.shutdown()


SEES = "document.querySelector('.facts dd').innerText.startsWith('{}')"


def test_the_page_refreshes_itself_and_keeps_its_place(browser: Any, tmp_path: Path) -> None:
    run = GrowingRun(tmp_path / "run", trials=40, first=20)
    with run.searching(), served(run) as service:
        visit = Visit(browser, service.address)
        page = visit.page
        page.locator("#curves details summary").first.click()
        page.locator("#curves details .scroll").first.evaluate(
            "(table) => { table.scrollTop = 90; }"
        )
        page.evaluate("document.querySelector('#parameters').scrollIntoView({behavior: 'instant'})")
        page.evaluate("window.mark = document.querySelector('#environment')")
        where = "document.querySelector('#parameters').getBoundingClientRect().top"
        before = page.evaluate(where)
        run.add(15)
        visit.wait_for(SEES.format(35))
        assert abs(page.evaluate(where) - before) < 1.5
        opened = page.locator("#curves details")
        assert opened.first.evaluate("(each) => each.open")
        assert page.locator("details[open]").count() == 1
        assert opened.first.locator(".scroll").evaluate("(table) => table.scrollTop") == 90
        assert page.evaluate("window.mark.isConnected")  # what had not changed was left alone
        assert page.title() == "(35) run: running"
        assert "35 of 40" in page.locator("#live-facts").inner_text()
        assert len(visit.loaded) == 1
        assert visit.said == []
        page.close()


def test_hovering_and_copying_work_after_a_refresh(browser: Any, tmp_path: Path) -> None:
    run = GrowingRun(tmp_path / "run", trials=30, first=5)
    with run.searching(), served(run) as service:
        visit = Visit(browser, service.address)
        run.add(20)
        visit.wait_for(SEES.format(25))
        area = visit.page.locator("#timeline-plot .area")
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        visit.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.5)
        visit.page.wait_for_timeout(80)
        assert "Trial" in visit.page.locator("#tip").inner_text()
        run.add(5)
        visit.wait_for("document.querySelector('#live-facts').innerText.includes('30 of 30')")
        assert visit.page.locator("#tip").is_visible()  # nothing is taken away under the pointer
        assert visit.trials().startswith("25")
        visit.page.mouse.move(2, 2)
        visit.wait_for(SEES.format(30))
        visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        visit.page.locator("#best .copy").first.click()
        visit.wait_for("document.querySelector('#best .copy').innerText === 'Copied'")
        assert visit.said == []
        visit.page.close()


def test_the_end_of_the_search_is_shown_and_asked_for_no_longer(
    browser: Any, tmp_path: Path
) -> None:
    run = GrowingRun(tmp_path / "run", trials=8, first=3)
    with served(run) as service:
        with run.searching():
            service.live.status()
            visit = Visit(browser, service.address)
            visit.wait_for("document.querySelector('#live').dataset.state === 'running'")
            run.end()
        service.live.check_end()
        visit.wait_for("document.querySelector('#live').dataset.state === 'complete'")
        visit.wait_for(SEES.format(8))
        assert "This page no longer refreshes itself." in visit.page.locator("#live").inner_text()
        visit.page.wait_for_timeout(300)
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        visit.page.wait_for_timeout(500)
        assert asked == []
        assert service.has_told_all
        assert visit.said == []
        visit.page.close()


def test_a_service_that_no_longer_answers_is_said(browser: Any, tmp_path: Path) -> None:
    run = GrowingRun(tmp_path / "run", trials=8, first=3)
    with run.searching():
        with served(run) as service:
            visit = Visit(browser, service.address)
            visit.wait_for("document.querySelector('#live').dataset.state === 'running'")
        visit.wait_for("document.querySelector('#live').dataset.state === 'lost'")
        assert "textcls-tune watch does not answer" in visit.page.locator("#live").inner_text()
        visit.page.close()


def test_a_real_search_is_watched_to_its_end(
    browser: Any, tmp_path: Path, ray_address: str
) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)
    where = ["--runs-dir", str(tmp_path / "runs")]
    begun = [sys.executable, "-m", "tune.search", "--space", str(space), "--name", "run", *where]
    begun += ["--address", ray_address, "--max-concurrent", "1", "--quiet"]
    with subprocess.Popen(begun, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as it:
        command = [sys.executable, "-m", "tune.watch", "run", *where, "--interval", "0.2"]
        journal = tmp_path / "runs" / "run" / "study.journal"
        while it.poll() is None and not (journal.exists() and b'"format"' in journal.read_bytes()):
            threading.Event().wait(0.1)
        assert it.poll() is None, it.stdout and it.stdout.read()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            visit = Visit(browser, watching.stdout.readline().split()[0])
            visit.wait_for("document.querySelector('#live').dataset.state === 'running'")
            visit.wait_for("document.querySelector('#live').dataset.state === 'complete'")
            out, _ = watching.communicate(timeout=60)
        search_said, _ = it.communicate(timeout=60)
    assert (it.returncode, watching.returncode) == (0, 0), search_said
    assert out == f"The search has ended: complete. Report: {journal.parent / 'report.html'}\n"
    assert visit.trials().startswith("4")
    assert "Confusion matrix" in visit.page.locator("#mistakes").inner_text()
    assert len(visit.loaded) == 1
    assert visit.said == []
    visit.page.close()
