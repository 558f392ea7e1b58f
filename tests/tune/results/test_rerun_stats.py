from pathlib import Path

import numpy as np
import pytest
from classifier_parts import split

from tune.results import _rerun_stats
from tune.results._rerun_stats import Rerun, judge_reruns, paired_p_value
from tune.run_folder.paths import RunFolder


def reruns(number: int, *values: float) -> list[Rerun]:
    return [Rerun(number, seed, {"test_accuracy": value}) for seed, value in enumerate(values)]


def test_the_highest_mean_comes_first_not_the_luckiest_trial() -> None:
    judged = judge_reruns(
        "test_accuracy",
        [(4, 0.95), (7, 0.93)],
        [*reruns(4, 0.90, 0.92, 0.88), *reruns(7, 0.93, 0.92, 0.94)],
    )
    assert judged is not None
    first, second = judged.standings
    assert (first.number, second.number) == (7, 4)
    assert first.mean == pytest.approx(0.93)
    assert first.deviation == pytest.approx(0.01)
    half = 4.303 * 0.01 / 3**0.5 / (0.93 * 0.07)  # Student's t, of the logit
    logits = [np.log(0.93 / 0.07) - half, np.log(0.93 / 0.07) + half]
    assert first.interval == pytest.approx([1 / (1 + np.exp(-logit)) for logit in logits], abs=1e-4)
    assert second.searched == 0.95


def test_the_paired_test_is_scipys() -> None:
    from scipy import stats

    a, b = [0.91, 0.93, 0.92, 0.95], [0.90, 0.92, 0.925, 0.93]
    differences = [x - y for x, y in zip(a, b, strict=True)]
    assert paired_p_value(differences) == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired_p_value([0.0, 0.0]) == 1.0
    assert paired_p_value([0.25, 0.25]) == 0.0
    assert paired_p_value([0.1]) is None


def test_a_budget_that_ended_early_prefers_none() -> None:
    judged = judge_reruns(
        "test_accuracy",
        [(1, 0.9), (2, 0.9), (3, 0.9)],
        [*reruns(1, 0.90, 0.91), *reruns(2, 0.89, 0.90), *reruns(3, 0.99)],
    )
    assert judged is not None
    assert [standing.number for standing in judged.standings] == [1, 2]


def test_without_reruns_there_is_no_result_and_with_one_seed_no_interval() -> None:
    assert judge_reruns("test_accuracy", [(1, 0.9)], []) is None
    judged = judge_reruns("test_accuracy", [(1, 0.9), (2, 0.8)], [*reruns(1, 0.8), *reruns(2, 0.7)])
    assert judged is not None
    assert judged.standings[0].interval is None
    assert judged.p_value is None


def test_what_was_trained_is_read_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert _rerun_stats.read_reruns(folder) == []
    _rerun_stats.write_reruns(folder, reruns(3, 0.5, 0.25))
    assert _rerun_stats.read_reruns(folder) == reruns(3, 0.5, 0.25)


def test_train_and_validation_together() -> None:
    from tune.execution.task import Arrays
    from tune.execution.worker import with_validation

    train, more = split([3, 1, 4], seed=1), split([2, 5], seed=2)
    both = with_validation(
        Arrays({"train": train, "validation": more, "test": more}, np.zeros((2, 2)), 3)
    )
    assert list(both.splits) == ["train", "test"]
    joined = both.splits["train"]
    for i, (part, text) in enumerate([(train, 0), (train, 1), (train, 2), (more, 0), (more, 1)]):
        expected = part.tokens[part.offsets[text] : part.offsets[text + 1]]
        found = joined.tokens[joined.offsets[i] : joined.offsets[i + 1]]
        np.testing.assert_array_equal(found, expected)
        assert joined.labels[i] == part.labels[text]
