"""A journal that was cut off or scribbled on is opened rightly or refused, never misread."""

from pathlib import Path

import pytest
from study_parts import NAME, fresh, metrics, run_trial, suggest

from tune import setup
from tune.config.search_file import SearchFile
from tune.exceptions import RunFolderError, SearchError
from tune.run_folder import paths
from tune.study import study
from tune.study.records import State, TrialRecord
from tune.study.study import SearchStudy


def written(made: SearchStudy, journal: Path, last: str) -> tuple[bytes, int]:
    """A journal whose last record is of a kind, and where that record begins."""
    run_trial(made, State.COMPLETE, 0.5, 0.6, 0.7)
    number = made.ask(suggest).number
    if last == "end":
        made.report(number, 0, metrics(0.5))
        made.end(number, State.PRUNED, "ünïcode")
    elif last == "report":
        made.report(number, 0, metrics(0.5))
    content = journal.read_bytes()
    return content, content.rstrip(b"\n").rfind(b"\n") + 1


def trials(journal: Path) -> list[TrialRecord]:
    return study.read_study(journal, NAME).records()


@pytest.mark.parametrize("last", ["ask", "report", "end"])
def test_cut_at_every_byte_of_its_last_record(made: SearchStudy, journal: Path, last: str) -> None:
    content, begin = written(made, journal, last)
    whole = trials(journal)
    journal.write_bytes(content[:begin])
    without = trials(journal)
    assert without != whole
    for cut in range(begin, len(content)):
        journal.write_bytes(content[:cut])
        # Only the line's end may be missing: then the record is there, or never was.
        assert trials(journal) in ([without, whole] if cut == len(content) - 1 else [without])
        assert journal.read_bytes() == content[:cut]  # who looks changes nothing
        taken_up = study.resume_study(journal, NAME, fresh)
        assert taken_up.records() == without
        taken_up.end_cut_off()
        assert State.RUNNING not in {record.state for record in trials(journal)}


@pytest.mark.parametrize(
    "garbage",
    [b"garbage", b"\x00" * 64, b"\xff\xfe", b"{", b"[]", b"null", b"{}", b'{"op_code": 5}',
     b'{"op_code": 99, "worker_id": "x"}', b"\n", b"\n\n", b"\x80abc\n" * 3],
)  # fmt: skip
@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.parametrize("opened", ["read", "resume"])
def test_garbage_behind_the_last_record(
    made: SearchStudy, journal: Path, garbage: bytes, ending: bytes, opened: str
) -> None:
    content, _begin = written(made, journal, "end")
    whole = trials(journal)
    journal.write_bytes(content + garbage + ending)
    try:
        if opened == "read":
            found = study.read_study(journal, NAME)
        else:
            found = study.resume_study(journal, NAME, fresh)
        assert found.records() == whole
    except SearchError as error:
        assert str(error).startswith(  # noqa: PT017  # either is right
            f"{journal}: not the journal of the search 'run', or damaged"
        )


@pytest.mark.parametrize("size", range(0, 400, 7))
def test_a_journal_cut_off_near_its_beginning(made: SearchStudy, journal: Path, size: int) -> None:
    content, _begin = written(made, journal, "end")
    journal.write_bytes(content[:size])
    try:
        assert study.resume_study(journal, NAME, fresh).milestones  # or a message
    except SearchError as error:
        assert str(error).startswith(  # noqa: PT017  # either is right
            f"{journal}: "
        )


def test_a_run_that_was_killed_amid_its_start_begins_anew(tmp_path: Path) -> None:
    search = SearchFile.model_validate(
        {
            "space": {"hidden_size": {"type": "int", "low": 8, "high": 32}},
            "points": [{"hidden_size": 10}, {"hidden_size": 20}],
        }
    )
    folder = paths.create(tmp_path, "whole")
    setup.new_study(search, folder, texts=100)
    content = folder.journal.read_bytes()
    assert paths.began(folder)
    ends = [0, *(i + 1 for i, byte in enumerate(content) if byte == ord("\n"))]
    assert len(ends) > 5
    for number, end in enumerate(ends[:-1]):
        cut = paths.create(tmp_path, f"cut-{number}")
        cut.journal.write_bytes(content[:end])
        assert not paths.began(cut)
        assert paths.create(tmp_path, f"cut-{number}") == cut  # it may be begun anew
    with pytest.raises(RunFolderError, match="exists already"):
        paths.create(tmp_path, "whole")
    assert setup.reopen_study(search, folder).waiting() == 2
