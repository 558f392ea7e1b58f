"""One Ray with two CPUs for all tests that need it."""

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from study_parts import MILESTONES, NAME

from tune import study
from tune.study import SearchStudy


@pytest.fixture(scope="session")
def two_cpus() -> Iterator[None]:
    """A Ray that is running; a search finds it and uses it."""
    from tune import joining

    joining.prepare(None)
    from tune import cluster

    with cluster.session(cpus=2, dashboard=False):
        yield


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.fixture
def made(journal: Path) -> SearchStudy:
    sampler = optuna.samplers.RandomSampler(seed=0)
    return study.create(
        journal, NAME, metric="test_accuracy", milestones=MILESTONES, sampler=sampler
    )
