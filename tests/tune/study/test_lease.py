"""A study in a database is searched by one process at a time, on whatever machine."""

import json
import os
import socket
import time
from pathlib import Path

import optuna
import pytest

from tune.exceptions import RunFolderError, SearchError
from tune.study import lease, study
from tune.study.lease import StudyHold

NAME = "run"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with a study of which one trial runs."""
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    made = study.create_study(
        url, NAME, metric="accuracy", milestones=(1.0,),
        sampler=optuna.samplers.RandomSampler(seed=0),
    )  # fmt: skip
    made.ask(lambda trial: {"x": trial.suggest_float("x", 0, 1)})
    return url


def seen(url: str) -> str:
    opened = optuna.storages.get_storage(url)
    return str(opened.get_study_user_attrs(opened.get_study_id_from_name(NAME)).get(lease._HELD))


def as_of_another_machine(url: str, seconds_ago: float) -> None:
    """Have the sign of life be one of another machine."""
    opened = optuna.storages.get_storage(url)
    said = lease.checked_lease(seen(url).encode(), "here")
    said |= {"host": "far", "holder": "process 7 on far", "seen": time.time() - seconds_ago}
    number = opened.get_study_id_from_name(NAME)
    opened.set_study_user_attr(number, lease._HELD, json.dumps(said))


def test_a_second_process_is_refused_until_a_minute_after_the_last_sign_of_life(url: str) -> None:
    lost: list[SearchError] = []
    with StudyHold(lost.append) as first:
        first.take(url, NAME)
        as_of_another_machine(url, lease.LEASE_S - 20)
        with (
            StudyHold(lost.append) as second,
            pytest.raises(SearchError, match="process 7 on far; stop it"),
        ):
            second.take(url, NAME)
        as_of_another_machine(url, lease.LEASE_S + 1)
        with StudyHold(lost.append) as second:
            second.take(url, NAME)
            assert socket.gethostname() in seen(url)


def test_a_search_that_has_ended_holds_nothing(url: str) -> None:
    lost: list[SearchError] = []
    for _ in range(2):
        with StudyHold(lost.append) as hold:
            hold.take(url, NAME)
            assert str(os.getpid()) in seen(url)
        assert seen(url) == ""


def test_the_sign_of_life_is_renewed(url: str) -> None:
    lost: list[SearchError] = []
    with StudyHold(lost.append, renewed_every_s=0.01) as hold:
        hold.take(url, NAME)
        first = seen(url)
        until = time.monotonic() + 30
        while seen(url) == first and time.monotonic() < until:
            time.sleep(0.02)
        assert seen(url) != first


def test_a_process_that_slept_learns_that_another_took_over(url: str) -> None:
    lost: list[SearchError] = []
    with StudyHold(lost.append, renewed_every_s=0.01) as hold:
        hold.take(url, NAME)
        as_of_another_machine(url, 0)
        until = time.monotonic() + 30
        while not lost and time.monotonic() < until:
            as_of_another_machine(url, 0)  # it may have been written over at the same moment
            time.sleep(0.02)
    assert "taken over by process 7 on far" in str(lost[0])
    assert "process 7 on far" in seen(url)  # and it is not given back


def test_who_is_refused_changes_no_trial(url: str) -> None:
    lost: list[SearchError] = []
    with StudyHold(lost.append) as first:
        first.take(url, NAME)
        with StudyHold(lost.append) as second, pytest.raises(SearchError, match="in use by"):
            second.take(url, NAME)
        assert [str(each.state) for each in study.read_study(url, NAME).records()] == ["running"]


def test_a_damaged_sign_of_life_is_named(url: str) -> None:
    lost: list[SearchError] = []
    opened = optuna.storages.get_storage(url)
    opened.set_study_user_attr(opened.get_study_id_from_name(NAME), lease._HELD, '{"pid": true}')
    with StudyHold(lost.append) as hold, pytest.raises(RunFolderError, match="damaged"):
        hold.take(url, NAME)
