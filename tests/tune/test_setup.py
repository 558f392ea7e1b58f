from pathlib import Path

import pytest

from tune import setup
from tune.config import search_file


def search(scheduler: str, tmp_path: Path) -> search_file.SearchFile:
    path = tmp_path / "space.yaml"
    text = "train: {epochs: 4}\nspace: {dropout: {type: float, low: 0.0, high: 0.5}}\n"
    path.write_text(f"{text}search: {{scheduler: {scheduler}}}\n")
    return search_file.load_search(path)


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ("{grace_period: 0.5, reduction_factor: 2}", (0.5, 1, 2, 4)),
        ("{grace_texts: 500, reduction_factor: 2}", (0.5, 1, 2, 4)),
        ("{grace_texts: 500, grace_period: 3, reduction_factor: 2}", (0.5, 1, 2, 4)),
        ("{grace_texts: 9000}", (4,)),
    ],
)
def test_the_first_rung_is_counted_in_epochs_or_in_texts(
    scheduler: str, expected: tuple[float, ...], tmp_path: Path
) -> None:
    assert setup.rung_epochs(search(scheduler, tmp_path), texts=1000) == expected


def test_the_last_rung_lies_where_small_data_ends(tmp_path: Path) -> None:
    asked = search("{grace_period: 0.5, reduction_factor: 2}", tmp_path)
    train = asked.train.model_copy(update={"least_texts": 5_001})
    assert setup.rung_epochs(asked.model_copy(update={"train": train}), 1000) == (0.5, 1, 2, 4, 6)


def test_the_best_so_many_pass_where_the_file_says_so(tmp_path: Path) -> None:
    rungs = setup.scheduler_of(search("{name: top_k, keep: 1}", tmp_path), 2)
    assert rungs is not None
    assert [rungs.should_continue(trial, 0, value) for trial, value in enumerate([3, 2, 4])] == [
        True,
        False,
        True,
    ]
