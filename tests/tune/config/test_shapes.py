from typing import Any

import pytest

from textcls.exceptions import ConfigError
from tune.config import search_file
from tune.config.search_file import SearchFile, make_search
from tune.config.shapes import TrialShapes

RATE = {"type": "float", "low": 0.001, "high": 0.1}


def shapes(space: dict[str, Any], **sections: Any) -> TrialShapes:
    return TrialShapes(SearchFile.model_validate({"space": space, **sections}))


def test_trials_of_one_shape_share_what_decides_a_tensors_shape() -> None:
    made = shapes(
        {
            "learning_rate": RATE,
            "hidden_size": {"type": "int", "low": 8, "high": 64},
            "batch_size": {"type": "categorical", "choices": [16, 32]},
            "embeddings": {"type": "categorical", "choices": ["random", "corpus"]},
            "class_weights": {"type": "categorical", "choices": ["none", "balanced"]},
            "class_sampling": {"type": "categorical", "choices": ["none", "sqrt"]},
        }
    )
    one = {
        "learning_rate": 0.01, "hidden_size": 8, "batch_size": 16, "embeddings": "random",
        "class_weights": "none", "class_sampling": "none",
    }  # fmt: skip
    free = {"learning_rate": 0.02, "class_weights": "balanced"}
    deciding = {
        "hidden_size": 9,
        "batch_size": 32,
        "embeddings": "corpus",
        "class_sampling": "sqrt",
    }
    for name, value in free.items():
        assert made.are_alike(one, {**one, name: value}), name
    for name, value in deciding.items():
        assert not made.are_alike(one, {**one, name: value}), name
    assert set(made.shared(one)) == set(deciding)


def test_what_a_shape_depends_on_is_shared_as_well() -> None:
    made = shapes(
        {
            "dropout": {"type": "categorical", "choices": [0.0, 0.5]},
            "layers": {"type": "int", "low": 1, "high": 2, "when": {"dropout": 0.5}},
            "learning_rate": RATE,
        }
    )
    assert made.shared({"dropout": 0.5, "layers": 2, "learning_rate": 0.01}) == {
        "dropout": 0.5,
        "layers": 2,
    }
    assert made.shared({"dropout": 0.0, "learning_rate": 0.01}) == {"dropout": 0.0}


def test_values_are_as_optuna_stores_them() -> None:
    made = shapes(
        {"kernel_sizes": {"type": "categorical", "choices": [[3], [2, 3]]}}, model={"name": "cnn"}
    )
    shared = made.shared({"kernel_sizes": (2, 3)})
    assert made.are_alike({"kernel_sizes": (2, 3)}, made.decoded(shared))
    assert isinstance(shared["kernel_sizes"], str)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": {"name": "gru", "ngrams": 1}}, "model.ngrams: must be 0 where resources.fuse"),
        ({"train": {"log_every": 5}}, "train.log_every: must be null where resources.fuse"),
        (
            {"space": {"ngrams": {"type": "categorical", "choices": [0, 2]}}},
            "space.ngrams: must be 0 where resources.fuse",
        ),
        ({"resources": {"fuse": 65}}, "resources.fuse"),
        ({"resources": {"fuse": 0}}, "resources.fuse"),
        ({"resources": {"fuse": "many"}}, "resources.fuse"),
    ],
)
def test_what_cannot_be_fused_is_refused_before_anything_starts(
    sections: dict[str, Any], message: str
) -> None:
    base = {"space": {"learning_rate": RATE}, "resources": {"fuse": 4}}
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        make_search(base | sections)
    if "resources" not in sections:
        make_search(base | sections | {"resources": {"fuse": 1}})


def test_a_named_configuration_that_cannot_be_fused_is_named() -> None:
    given = {
        "configurations": {"plain": {"params": {}}, "wide": {"params": {"ngrams": 2}}},
        "resources": {"fuse": "auto"},
    }
    with pytest.raises(ConfigError, match=r"configurations\.wide\.params\.ngrams: must be 0"):
        make_search(given)


def test_an_objective_of_ones_own_is_not_fused() -> None:
    given = {"objective": "mine", "space": {"x": {**RATE}}, "resources": {"fuse": 2}}
    with pytest.raises(ConfigError, match=r"resources\.fuse: trains text classifiers as one"):
        make_search(given)


def test_a_file_with_fuse_is_written_and_read_back() -> None:
    made = make_search({"space": {"learning_rate": RATE}, "resources": {"fuse": "auto"}})
    assert made.resources.fuse == "auto"
    assert "fuse: auto" in search_file.dump_search(made)
