"""Search spaces as Optuna sees them, and back."""

from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcls.config.models import EmbeddingConfig
from tune.config.optuna_space import (
    active,
    decode_params,
    embedding_choices,
    encode_params,
    initial_points,
    optuna_distributions,
    position,
    reference_point,
    searched,
    suggest,
)
from tune.config.search_file import SearchFile, load_search
from tune.samplers._gp import CurveGPSampler

SHIPPED = {path.stem: path for path in (Path(__file__).parents[3] / "search_spaces").glob("*.yaml")}
JOINT = {
    "kernel_sizes": {"type": "categorical", "choices": [[3], [3, 5]], "when": {"model": "cnn"}},
    "bidirectional": {"type": "categorical", "choices": [False, True], "when": {"layers": 2}},
    "layers": {"type": "int", "low": 1, "high": 2, "when": {"model": ["rnn", "gru"]}},
    "model": {"type": "categorical", "choices": ["cnn", "rnn", "gru"]},
    "dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.1},
    "batch_size": {"type": "int", "low": 16, "high": 64, "step": 16},
}


@pytest.fixture
def joint():
    return SearchFile.model_validate({"space": JOINT})


def test_distributions_keep_both_bounds_scale_and_steps(joint):
    found = optuna_distributions(joint)
    assert found["dropout"] == optuna.distributions.FloatDistribution(0.0, 0.5, step=0.1)
    assert found["batch_size"] == optuna.distributions.IntDistribution(16, 64, step=16)
    assert found["kernel_sizes"].choices == ("[3]", "[3, 5]")
    gru = optuna_distributions(load_search(SHIPPED["gru"]))
    assert gru["hidden_size"] == optuna.distributions.IntDistribution(32, 256, log=True)
    assert gru["learning_rate"] == optuna.distributions.FloatDistribution(1e-4, 3e-2, log=True)


def test_both_bounds_of_a_range_are_drawn(joint):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [suggest(study.ask(), joint.space) for _ in range(100)]
    assert {params["batch_size"] for params in drawn} == {16, 32, 48, 64}
    assert {params["layers"] for params in drawn if "layers" in params} == {1, 2}


def test_a_trial_has_the_parameters_whose_conditions_hold(joint):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(50):
        params = suggest(study.ask(), joint.space)
        recurrent = params["model"] != "cnn"
        assert ("kernel_sizes" in params) == (not recurrent)
        assert ("layers" in params) == recurrent
        assert ("bidirectional" in params) == (params.get("layers") == 2)
        assert set(active(joint.space, params)) == set(params)
        joint.configuration(params)


def test_what_does_not_hold_is_not_active(joint):
    params = {"model": "cnn", "kernel_sizes": (3,), "layers": 2, "bidirectional": True}
    assert set(active(joint.space, params)) == {"model", "kernel_sizes"}


def test_optuna_keeps_what_decodes_to_the_same_parameters(joint):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    for _ in range(30):
        trial = study.ask()
        params = suggest(trial, joint.space)
        assert encode_params(params) == trial.params
        assert decode_params(joint.space, trial.params) == params


def test_a_point_enqueued_in_optuna_comes_back_as_it_was(joint):
    study = optuna.create_study()
    point = {"model": "cnn", "kernel_sizes": (3, 5), "dropout": 0.3, "batch_size": 48}
    study.enqueue_trial(encode_params(point))
    assert suggest(study.ask(), joint.space) == point


SAMPLERS = {
    "tpe": lambda _space: optuna.samplers.TPESampler(
        seed=0, n_startup_trials=3, multivariate=True, group=True
    ),
    "gp": lambda space: CurveGPSampler(space, seed=0),
    "random": lambda _space: optuna.samplers.RandomSampler(seed=0),
    "qmc": lambda _space: optuna.samplers.QMCSampler(seed=0, warn_independent_sampling=False),
}


@pytest.mark.parametrize("path", SHIPPED.values(), ids=SHIPPED)
@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_samplers_propose_within_every_shipped_space(sampler, path):
    search = load_search(path)
    space = searched(search)
    study = optuna.create_study(sampler=sampler(space))
    for number in range(8):
        trial = study.ask()
        params = suggest(trial, space)
        assert all(space[name].refusal(value) is None for name, value in params.items())
        search.configuration(params)
        study.tell(trial, number)


def test_points_are_completed_from_fixed_and_default_values():
    search = SearchFile.model_validate(
        {
            "space": JOINT,
            "model": {"layers": 2},
            "points": [{}, {"model": "cnn", "dropout": 0}, {"model": "rnn", "batch_size": 16}],
        }
    )
    default, cnn, rnn = initial_points(search)
    assert default == {
        "model": "gru",
        "layers": 2,
        "bidirectional": False,
        "dropout": 0.0,
        "batch_size": 32,
    }
    assert cnn == {"model": "cnn", "kernel_sizes": (3,), "dropout": 0.0, "batch_size": 32}
    assert isinstance(cnn["dropout"], float)
    assert rnn["batch_size"] == 16


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_the_reference_configuration_is_tried_first_in_every_shipped_space(name):
    search = load_search(SHIPPED[name])
    reference = reference_point(search)
    if name == "reference":
        assert reference in initial_points(search)
        return
    assert initial_points(search)[0] == reference
    model, _, train = search.configuration(reference)
    assert (model.hidden_size, train.learning_rate, train.batch_size) == (50, 1e-2, 32)
    assert train.max_grad_norm == (2.0 if name == "cnn" else 1.0)
    assert train.freeze_iters == (1_000 if name == "gru" else 0)
    assert train.freeze_fraction == (0.27 if name == "all" else 0.0)


def test_a_space_without_the_reference_configuration_has_no_reference_point():
    space = {"hidden_size": {"type": "int", "low": 64, "high": 128}}
    assert reference_point(SearchFile.model_validate({"space": space})) is None


def test_the_reference_table_holds_the_five_systems_and_the_two_failures():
    search = load_search(SHIPPED["reference"])
    systems = {
        title: search.configuration(known.params) for title, known in search.configurations.items()
    }
    expected = {title: known.expected for title, known in search.configurations.items()}
    assert expected == {
        "CNN": 0.9068,
        "RNN": 0.2484,
        "GRU": 0.2570,
        "GRU + embeddings": 0.8824,
        "GRU + embeddings + freeze": 0.9024,
        "RNN from U(0, 1)": 0.2484,
        "GRU from U(0, 1)": 0.2570,
    }
    for title, (model, embeddings, train) in systems.items():
        assert (model.name == "cnn") == (title == "CNN")
        assert (model.hidden_size, train.batch_size, train.learning_rate) == (50, 32, 1e-2)
        assert train.max_grad_norm == (2.0 if title == "CNN" else 1.0)
        assert (embeddings.name == "random") == ("embeddings" not in title)
        assert train.freeze_iters == (1_000 if "freeze" in title else 0)
        assert (model.init == "uniform") == ("U(0, 1)" in title)
        assert train.epochs == 1.0
    assert search.search.scheduler.name == "none"


def test_named_configurations_are_points_of_a_space_of_their_own_values():
    search = load_search(SHIPPED["reference"])
    found = initial_points(search)
    assert len(found) == len(search.configurations)
    space = searched(search)
    for point, known in zip(found, search.configurations.values(), strict=True):
        assert search.configuration(point) == search.configuration(known.params)
        study = optuna.create_study()
        study.enqueue_trial(encode_params(point))
        assert suggest(study.ask(), space) == point
    assert set(optuna_distributions(search)) == set(space)


def test_every_embedding_that_a_trial_may_ask_for_is_known_beforehand():
    search = SearchFile.model_validate(
        {
            "embeddings": {"name": "random", "dim": 30},
            "space": {
                "embeddings": {"type": "categorical", "choices": ["random", "glove"]},
                "dim": {
                    "type": "categorical",
                    "choices": [10, 20],
                    "when": {"embeddings": "random"},
                },
                "dropout": {"type": "float", "low": 0.0, "high": 0.5},
            },
        }
    )
    assert embedding_choices(search) == (
        EmbeddingConfig(name="random", dim=10),
        EmbeddingConfig(name="random", dim=20),
        EmbeddingConfig(name="glove", dim=30),
    )
    assert embedding_choices(load_search(SHIPPED["gru"])) == (
        load_search(SHIPPED["gru"]).embeddings,
    )
    named = embedding_choices(load_search(SHIPPED["reference"]))
    assert {(e.name, e.scale) for e in named} == {
        ("random", 1.0),
        ("random", 10.0),
        ("glove-twitter-50", 1.0),
    }


def test_position_is_measured_in_the_range_s_own_scale():
    space = load_search(SHIPPED["gru"]).space
    assert position(space, "learning_rate", 1e-4) == 0.0
    assert position(space, "learning_rate", 3e-2) == 1.0
    assert position(space, "learning_rate", (1e-4 * 3e-2) ** 0.5) == pytest.approx(0.5)
    assert position(space, "freeze_iters", 500) == 0.25
    assert position(load_search(SHIPPED["all"]).space, "model", "cnn") is None
    alone = {"learning_rate": {"type": "float", "low": 1.0, "high": 1.0 + 2**-52, "log": True}}
    narrow = SearchFile.model_validate({"space": alone}).space
    assert 0.0 <= position(narrow, "learning_rate", 1.0) <= 1.0
    alone["learning_rate"] |= {"low": 100.0, "high": 100.0 + 2**-46}  # one logarithm for both
    narrow = SearchFile.model_validate({"space": alone}).space
    assert position(narrow, "learning_rate", 100.0) == 0.5


@settings(max_examples=50, deadline=None)
@given(
    low=st.floats(1e-9, 1e3), factor=st.floats(1.0, 1e3), seed=st.integers(0, 99), log=st.booleans()
)
def test_any_range_is_drawn_from_within_its_bounds(low, factor, seed, log):
    known = {"type": "float", "low": low, "high": low * factor, "log": log}
    search = SearchFile.model_validate({"space": {"learning_rate": known}})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    params = suggest(study.ask(), search.space)
    assert search.space["learning_rate"].refusal(params["learning_rate"]) is None
    assert 0.0 <= position(search.space, "learning_rate", params["learning_rate"]) <= 1.0


@pytest.fixture(autouse=True)
def _quiet_optuna():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_a_field_that_may_be_left_open_is_searched_as_its_type():
    known = {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}
    search = SearchFile.model_validate({"space": {"embedding_learning_rate": known}})
    assert (
        search.configuration({"embedding_learning_rate": 1e-3})[2].embedding_learning_rate == 1e-3
    )
