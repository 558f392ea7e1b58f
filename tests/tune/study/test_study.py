import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from study_parts import NAME, fresh, metrics, run_trial, suggest

from tune.exceptions import SearchError
from tune.study import study
from tune.study.records import State
from tune.study.study import SearchStudy


def optuna_trial(journal: Path, number: int) -> optuna.trial.FrozenTrial:
    """As Optuna itself reads it from the file."""
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(study_name=NAME, storage=storage).trials[number]


def test_a_complete_trial_is_told_with_its_best_rung(made: SearchStudy, journal: Path) -> None:
    number = run_trial(made, State.COMPLETE, 0.5, 0.9, 0.8)
    trial = optuna_trial(journal, number)
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.9)
    assert trial.intermediate_values == {250: 0.5, 750: 0.9, 1000: 0.8}
    record = made.record(number)
    assert (record.best_rung, record.value) == (1, 0.9)
    assert record.curve[2]["test_loss"] == pytest.approx(0.2)


def test_a_stopped_trial_is_told_as_pruned_with_its_last_point(
    made: SearchStudy, journal: Path
) -> None:
    trial = optuna_trial(journal, run_trial(made, State.PRUNED, 0.5, 0.6))
    assert trial.state == TrialState.PRUNED
    assert trial.intermediate_values == {250: 0.5, 750: 0.6}


@pytest.mark.parametrize(
    ("state", "message", "told", "value"),
    [
        (State.DIVERGED, "loss is nan", TrialState.COMPLETE, 0.0),
        (State.FAILED, "out of memory (CUDA)", TrialState.COMPLETE, 0.0),
        (State.FAILED, "KeyError: 'x'", TrialState.FAIL, None),
        (State.INTERRUPTED, "stopped", TrialState.FAIL, None),
    ],
)
def test_what_the_sampler_learns_from_other_ends(
    made: SearchStudy,
    journal: Path,
    state: State,
    message: str,
    told: TrialState,
    value: float | None,
) -> None:
    number = run_trial(made, state, 0.5, message=message)
    trial = optuna_trial(journal, number)
    assert (trial.state, trial.value) == (told, value)
    record = made.record(number)
    assert (record.state, record.message, record.value) == (state, message, 0.5)


def test_everything_is_on_disk_when_a_call_returns(made: SearchStudy, journal: Path) -> None:
    number = made.ask(suggest).number
    assert study.read_study(journal, NAME).record(number).params == made.record(number).params
    made.report(number, 0, metrics(0.5))
    assert study.read_study(journal, NAME).record(number).values == (0.5,)
    made.end(number, State.PRUNED)
    assert study.read_study(journal, NAME).record(number).state == State.PRUNED


def test_what_is_enqueued_comes_first_and_in_order(made: SearchStudy) -> None:
    made.enqueue({"rate": 0.01, "size": 50}, name="reference")
    made.enqueue({"rate": 0.5})
    first, second = made.ask(suggest), made.ask(suggest)
    assert (first.params, first.name) == ({"rate": 0.01, "size": 50}, "reference")
    assert (second.params["rate"], second.name) == (0.5, None)


def test_what_is_enqueued_amid_a_search_comes_next(made: SearchStudy) -> None:
    made.ask(suggest)
    made.ask(suggest)
    made.enqueue({"rate": 0.5, "size": 3})
    assert made.ask(suggest).params == {"rate": 0.5, "size": 3}
    assert made.ask(suggest).params != {"rate": 0.5, "size": 3}


def test_a_trial_that_was_cut_off_is_closed_and_tried_again(
    made: SearchStudy, journal: Path
) -> None:
    made.enqueue({"rate": 0.01, "size": 50}, name="reference")
    number = made.ask(suggest).number
    made.report(number, 0, metrics(0.5))

    second = study.resume_study(journal, NAME, fresh)
    assert [record.state for record in second.end_cut_off()] == [State.INTERRUPTED]
    assert second.cut_off() == [number]
    second.requeue(number)
    assert second.cut_off() == []
    again = second.ask(suggest)
    assert (again.params, again.name) == ({"rate": 0.01, "size": 50}, "reference")
    assert (again.continues, again.origin) == (number, number)

    third = study.resume_study(journal, NAME, fresh)
    third.end_cut_off()
    assert third.cut_off() == [again.number]
    third.requeue(again.number)
    last = third.ask(suggest)
    assert (last.continues, last.origin) == (again.number, number)


def test_an_end_that_was_half_recorded_is_kept(made: SearchStudy, journal: Path) -> None:
    number = run_trial(made, State.PRUNED, 0.5)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))  # the state is there, Optuna's own end is not
    taken_up = study.resume_study(journal, NAME, fresh)
    assert [record.state for record in taken_up.end_cut_off()] == [State.PRUNED]
    assert optuna_trial(journal, number).state == TrialState.PRUNED


def test_a_record_that_was_cut_off_never_counted(made: SearchStudy, journal: Path) -> None:
    number = made.ask(suggest).number
    made.report(number, 0, metrics(0.5))
    before = journal.stat().st_size
    made.report(number, 1, metrics(0.6, 1))
    whole = journal.read_bytes()
    for cut in [*range(before, len(whole), 9), len(whole) - 1]:
        journal.write_bytes(whole[:cut])
        taken_up = study.resume_study(journal, NAME, fresh)
        assert taken_up.record(number).values == (0.5,)
        taken_up.end_cut_off()  # what is written now must be readable as well
        assert study.read_study(journal, NAME).record(number).state == State.INTERRUPTED


@pytest.mark.parametrize("damage", [b"garbage\n", b'{"op_code": 99}\n', b"\xff\xfe\n", b"[]\n"])
def test_a_damaged_journal_is_refused(made: SearchStudy, journal: Path, damage: bytes) -> None:
    run_trial(made, State.COMPLETE, 0.5, 0.6, 0.7)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:6], damage, *lines[6:]]))
    with pytest.raises(SearchError, match=r"study\.journal: not the journal of the search 'run'"):
        study.resume_study(journal, NAME, fresh)


def test_another_format_is_refused(
    made: SearchStudy, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_trial(made, State.COMPLETE, 0.5, 0.6, 0.7)
    monkeypatch.setattr(study, "FORMAT", 2)
    with pytest.raises(SearchError, match="format 1, but this version reads format 2"):
        study.read_study(journal, NAME)


def test_a_search_that_goes_on_does_not_propose_the_same_again(
    made: SearchStudy, journal: Path
) -> None:
    for _ in range(3):
        run_trial(made, State.COMPLETE, 0.5, 0.5, 0.5)
    second = study.resume_study(journal, NAME, fresh)
    for _ in range(3):
        run_trial(second, State.COMPLETE, 0.5, 0.5, 0.5)
    assert len({record.params["rate"] for record in second.records()}) == 6


@pytest.mark.parametrize("number", [2, 7, -1, "0", 0.5, True])
def test_a_trial_that_continues_no_earlier_one_is_refused(
    made: SearchStudy, journal: Path, number: object
) -> None:
    for _ in range(2):
        run_trial(made, State.INTERRUPTED, 0.5)
    made._study.enqueue_trial({"rate": 0.5, "size": 3}, user_attrs={"continues": 0})
    content = journal.read_text()
    assert content.count('"continues":0') == 1
    journal.write_text(content.replace('"continues":0', f'"continues":{json.dumps(number)}'))
    taken_up = study.resume_study(journal, NAME, fresh)
    with pytest.raises(SearchError, match="trial 2 is recorded as the continuation of trial"):
        taken_up.ask(suggest)
    with pytest.raises(SearchError, match="trial 2 is recorded as the continuation of trial"):
        taken_up.records()
