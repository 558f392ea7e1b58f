"""A study in a journal file, for the tests of this folder."""

from pathlib import Path

import optuna
import pytest
from study_parts import MILESTONES, NAME

from tune.study import study
from tune.study.study import SearchStudy


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.fixture
def made(journal: Path) -> SearchStudy:
    sampler = optuna.samplers.RandomSampler(seed=0)
    return study.create_study(
        journal, NAME, metric="test_accuracy", milestones=MILESTONES, sampler=sampler
    )
