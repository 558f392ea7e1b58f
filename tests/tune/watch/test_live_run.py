from pathlib import Path

from watched_runs import GrowingRun

from tune.study import study
from tune.watch._live_run import LiveRun


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def watched(run: GrowingRun, clock: Clock) -> LiveRun:
    return LiveRun(lambda: run.folder, interval_s=2.0, clock=clock, spent=clock)


def test_a_page_grows_with_the_journal(tmp_path: Path) -> None:
    run, clock = GrowingRun(tmp_path / "run", trials=8, first=3), Clock()
    with run.searching():
        live = watched(run, clock)
        before, page = live.status(), live.page()
        assert "3 of 8" in before.facts
        assert (before.state, before.ended) == ("running", False)
        run.add(2)
        assert live.status().version == before.version  # two seconds have not passed
        clock.now += 2.0
        after = live.status()
        assert "5 of 8" in after.facts
        assert after.version != before.version
        assert live.page() != page
        assert f'data-version="{after.version}"' in live.page()
        assert live.page() is live.page()  # rendered once


def test_the_journal_is_opened_once(tmp_path: Path, monkeypatch) -> None:
    run, clock = GrowingRun(tmp_path / "run", trials=8, first=3), Clock()
    opened: list[object] = []
    read_study = study.read_study

    def counted(*given: object) -> study.SearchStudy:
        opened.append(given)
        return read_study(*given)

    monkeypatch.setattr(study, "read_study", counted)
    with run.searching():
        live = watched(run, clock)
        for _ in range(4):
            run.add(1)
            clock.now += 2.0
            live.status()
    assert "7 of 8" in live.status().facts
    assert len(opened) == 1


def test_half_a_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    run, clock = GrowingRun(tmp_path / "run", trials=8, first=3), Clock()
    with run.searching():
        live = watched(run, clock)
        run.add_part_of_a_line()
        clock.now += 2.0
        assert ("3 of 8" in live.status().facts, live.problem) == (True, "")
        run.add(2)
        clock.now += 2.0
        assert "5 of 8" in live.status().facts


def test_a_page_that_takes_long_is_rendered_seldom(tmp_path: Path, monkeypatch) -> None:
    from tune.report import page as report_page

    run, clock = GrowingRun(tmp_path / "run", trials=8, first=3), Clock()
    render = report_page.render_live_page

    def slowly(*given: object) -> str:
        clock.now += 10.0
        return render(*given)

    monkeypatch.setattr(report_page, "render_live_page", slowly)
    with run.searching():
        live = watched(run, clock)
        live.page()
        run.add(1)
        clock.now += 2.0
        live.page()  # the second: the first one is not counted
        first = live.status().version
        run.add(2)
        clock.now += 100.0
        status = live.status()
        assert "6 of 8" in status.facts  # the lines on top go on
        assert status.version == first
        clock.now += 100.0
        assert live.status().version != first


def test_the_end_is_noticed_and_the_mistakes_are_no_longer_waited_for(tmp_path: Path) -> None:
    run, clock = GrowingRun(tmp_path / "run", trials=8, first=3), Clock()
    with run.searching():
        live = watched(run, clock)
        assert "once the search has ended" in live.page()
        assert not live.check_end()
        run.end()
    assert live.check_end()
    status = live.status()
    assert (status.state, status.ended) == ("complete", True)
    assert status.sentence.endswith("This page no longer refreshes itself.")
    assert "once the search has ended" not in live.page()


def test_a_search_that_was_over_before_is_shown_and_does_not_end_the_service(
    tmp_path: Path,
) -> None:
    run, clock = GrowingRun(tmp_path / "run", trials=8, first=3), Clock()
    run.end()
    live = watched(run, clock)
    assert not live.check_end()
    assert live.status().sentence == "The search is complete, with 8 trials."
    with run.searching():  # resumed
        clock.now += 2.0
        assert live.status().state == "running"
    assert live.check_end()


def test_a_run_that_can_no_longer_be_read_is_said(tmp_path: Path) -> None:
    run, clock = GrowingRun(tmp_path / "run", trials=8, first=3), Clock()
    with run.searching():
        live = watched(run, clock)
        kept = run.folder.journal.read_bytes()
        run.folder.journal.write_bytes(b"nonsense\n" * 2)
        clock.now += 2.0
        status = live.status()
        assert status.state == "unreadable"
        assert "study.journal" in status.sentence
        assert "3 of 8" in status.facts
        run.folder.journal.write_bytes(kept)
        clock.now += 2.0
        assert live.status().state == "running"
