"""The report in a real browser: nothing is asked for, nothing fails, hovering shows numbers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_parts import needs_chromium, started_browser
from report_runs import (
    SECTIONS,
    epochs_of,
    make_search,
    many_trials,
    trial,
    write_real_run,
    write_run,
)

from tune import compare
from tune.report import writer
from tune.study.records import State

pytestmark = needs_chromium

FIGURES = [
    "best-over-time", "best-over-texts", "learning-curves", "best-losses",
    "parameter-hidden_size", "parameter-pooling", "parallel-plot", "timeline-plot",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The reports of a small real run and of a thousand trials, and their comparison."""
    root = tmp_path_factory.mktemp("runs")
    real = write_real_run(root / "real", trials=30)
    search = make_search(search={"samples": 1_000})
    many = write_run(root / "many", search, many_trials(search, 1_000))
    both = root / "both.html"
    compare.main([str(real.root), str(many.root), "--html", str(both)])
    return {"real": writer.write_report(real), "many": writer.write_report(many), "both": both}


class Visit:
    """An opened page, and what it said and asked for."""

    def __init__(self, browser: Any, path: Path, width: int = 1200, **keys: Any) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, **keys)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.address = path.as_uri()
        self.page.goto(self.address)

    def hover(self, selector: str, right: float, down: float) -> str:
        """Point at a place of an element and read what is shown; empty when nothing is."""
        target = self.page.locator(selector)
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        self.page.mouse.move(box["x"] + right * box["width"], box["y"] + down * box["height"])
        self.page.wait_for_timeout(60)
        tip = self.page.locator("#tip")
        return str(tip.inner_text()) if tip.is_visible() else ""

    def point_at_a_mark(self, figure: str) -> str:
        """Point at the last mark of a figure that has a trial or words."""
        place = self.page.evaluate(
            """(id) => {
                const path = [...document.querySelectorAll(
                    `#${id} path[data-n], #${id} path[data-tips]`)].pop();
                const first = path.getAttribute("d").split("M")[1].replace("h0", "").split("L")[0];
                return first.split(" ").map((number) => number / 1000);
            }""",
            figure,
        )
        return self.hover(f"#{figure} .area", place[0] + 0.001, place[1])


@pytest.mark.parametrize("name", ["real", "many", "both"])
def test_the_page_asks_for_nothing_and_nothing_fails(browser, pages, name: str) -> None:
    visit = Visit(browser, pages[name])
    visit.page.mouse.wheel(0, 2_000)
    visit.page.wait_for_timeout(100)
    assert visit.asked == [visit.address]
    assert visit.said == []
    visit.page.close()


def test_every_section_is_there_and_shows_something(browser, pages) -> None:
    visit = Visit(browser, pages["real"])
    found = visit.page.evaluate(
        "[...document.querySelectorAll('section')].map((s) => [s.id, s.innerText.length])"
    )
    assert [name for name, _ in found] == SECTIONS
    assert all(length > 20 for _, length in found)
    drawn = visit.page.evaluate(
        "[...document.querySelectorAll('figure .area')].map((a) => [a.offsetWidth, a.offsetHeight])"
    )
    assert all(width > 150 and height > 20 for width, height in drawn)
    visit.page.close()


@pytest.fixture(scope="module")
def real_visit(browser, pages) -> Iterator[Visit]:
    """The report of the small run, opened once for tests that only look at it."""
    visit = Visit(browser, pages["real"])
    yield visit
    visit.page.close()


@pytest.mark.parametrize("figure", FIGURES)
def test_pointing_at_a_mark_shows_its_numbers(real_visit: Visit, figure: str) -> None:
    shown = real_visit.point_at_a_mark(figure)
    assert any(character.isdigit() for character in shown), shown
    if "Trial" in shown:
        assert "learning_rate" in shown
        assert (
            real_visit.page.locator("path.hot").count() > 3
        )  # the same trial in the other figures
    assert real_visit.said == []
    real_visit.page.mouse.move(2, 2)
    real_visit.page.wait_for_timeout(60)
    assert not real_visit.page.locator("#tip").is_visible()
    assert real_visit.page.locator("path.hot").count() == 0


def test_the_matrix_speaks_and_names_are_text(real_visit: Visit) -> None:
    shown = real_visit.hover(".confusion tbody tr:first-of-type td:last-of-type", 0.5, 0.5)
    assert "labelled <script>alert(1)</script>" in shown
    assert real_visit.said == []


def test_a_button_copies_the_best_parameters(browser, pages) -> None:
    visit = Visit(browser, pages["real"])
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.locator("#best .copy").first.click()
    visit.page.wait_for_timeout(100)
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert copied == visit.page.locator("#best code").first.text_content()
    assert "learning_rate" in copied
    visit.page.close()


def _contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG has it, from 1 to 21."""

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[4:-1].split(",")]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted([light(one), light(other)])
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_stand_out_in_light_and_dark(browser, pages, scheme: str) -> None:
    visit = Visit(browser, pages["real"], color_scheme=scheme)

    def style(selector: str, name: str) -> str:
        script = "([s, n]) => getComputedStyle(document.querySelector(s))[n]"
        return str(visit.page.evaluate(script, [selector, name]))

    paper = style("body", "backgroundColor")
    assert (_contrast(paper, "rgb(0, 0, 0)") > 10) == (scheme == "light")
    for selector in ("body", ".lead", ".keys", "summary", "nav a"):
        assert _contrast(style(selector, "color"), paper) >= 4.5, selector
    for mark in ("best", "complete"):
        assert _contrast(style(f".marks .{mark}", "stroke"), paper) >= 3, mark
    visit.page.close()


@pytest.mark.parametrize("name", ["real", "both"])
@pytest.mark.parametrize("width", [360, 768, 1920])
def test_nothing_is_wider_than_the_window(browser, pages, name: str, width: int) -> None:
    visit = Visit(browser, pages[name], width=width)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    small = visit.page.evaluate(
        "[...document.querySelectorAll('.ys span, .xs span')].map("
        "(s) => parseFloat(getComputedStyle(s).fontSize))"
    )
    assert min(small) >= 11  # letters do not shrink with the drawing
    visit.page.close()


def test_paper_gets_black_on_white_without_buttons(browser, pages) -> None:
    visit = Visit(browser, pages["real"], color_scheme="dark")
    visit.page.emulate_media(media="print")
    colour = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(255, 255, 255)"
    assert not visit.page.locator(".copy").first.is_visible()
    assert not visit.page.locator("nav").first.is_visible()
    visit.page.close()


def test_a_thousand_trials_open_and_answer_to_the_pointer(browser, pages) -> None:
    visit = Visit(browser, pages["many"])
    visit.page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert "Trial" in visit.point_at_a_mark("parameter-learning_rate")
    visit.page.close()


LABELS = """() => [...document.querySelectorAll("figure .frame")].flatMap((frame) =>
    [".xs span", ".tops span", ".ys span"].flatMap((kind) => {
        const boxes = [...frame.querySelectorAll(kind)]
            .map((s) => [s.innerText, s.getBoundingClientRect()])
            .filter(([text, box]) => text.trim() && box.width);
        return boxes.flatMap(([one, a], at) => boxes.slice(at + 1)
            .filter(([, b]) => a.left < b.right && b.left < a.right)
            .filter(([, b]) => a.top < b.bottom && b.top < a.bottom)
            .map(([other]) => `${frame.closest("figure").id} ${kind}: ${one} and ${other}`));
    }))"""


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a search with rungs close to each other, wide ranges and long choices."""
    space = {
        "hidden_size": {"type": "int", "low": 32, "high": 48},
        "learning_rate": {"type": "float", "low": 1e-6, "high": 1.0, "log": True},
        "dropout": {"type": "float", "low": 0.123456, "high": 0.123457},
        "pooling": {"type": "categorical", "choices": ["last", "max", "mean"]},
    }
    scheduler = {"name": "asha", "grace_period": 0.06, "reduction_factor": 2}
    search = make_search(
        space=space, train={"epochs": 2.0}, search={"samples": 30, "scheduler": scheduler}
    )

    def params(at: int) -> dict[str, Any]:
        chosen = {"hidden_size": 32 + at % 16, "learning_rate": 10.0 ** -(at % 6)}
        return chosen | {"dropout": 0.123456, "pooling": "max"}

    rungs = len(epochs_of(search))
    made = [
        trial(
            search, State.COMPLETE, [0.5 + 0.001 * at * rung for rung in range(rungs)], params(at)
        )
        for at in range(30)
    ]
    return writer.write_report(write_run(tmp_path_factory.mktemp("tight") / "run", search, made))


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("name", ["real", "tight"])
def test_no_label_of_an_axis_touches_another(
    browser, pages, tight: Path, name: str, width: int
) -> None:
    visit = Visit(browser, {**pages, "tight": tight}[name], width=width)
    assert visit.page.evaluate(LABELS) == []
    assert visit.page.locator("figure .xs span:visible").count() > 10
    visit.page.close()


def test_a_trial_in_a_table_leads_to_its_curve(browser, pages) -> None:
    visit = Visit(browser, pages["many"])
    link = visit.page.locator(".leaders a").nth(3)
    number = link.inner_text()
    link.click()
    visit.page.wait_for_timeout(100)
    assert visit.page.url.endswith("#learning-curves")
    caption = visit.page.locator("#learning-curves figcaption")
    assert f"Trial {number} is drawn" in caption.inner_text()
    assert visit.page.locator("#learning-curves path.line.hot").count() == 1
    visit.page.mouse.move(5, 5)
    visit.page.wait_for_timeout(60)
    assert visit.page.locator("#learning-curves path.line.hot").count() == 1  # until Escape
    visit.page.keyboard.press("Escape")
    assert visit.page.locator("path.hot").count() == 0
    assert "is drawn" not in caption.inner_text()
    assert visit.said == []
    visit.page.close()


def test_every_column_of_every_table_has_a_heading(browser, pages) -> None:
    visit = Visit(browser, pages["real"])
    empty = visit.page.evaluate(
        "[...document.querySelectorAll('table:not(.facts-table) thead th')]"
        ".filter((each) => !each.textContent.trim()).map((each) => each.closest('section').id)"
    )
    assert empty == []
    visit.page.close()
