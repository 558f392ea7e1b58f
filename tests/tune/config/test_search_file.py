# ruff: noqa: E501  # messages are quoted whole
"""A search file becomes a checked search, or every problem at once."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from textcls.config.loader import Override
from textcls.config.models import EmbeddingConfig, ModelConfig, TrainConfig
from textcls.exceptions import ConfigError
from tune.config.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from tune.config.search_file import (
    NamedConfiguration,
    ResourceConfig,
    SearchConfig,
    SearchFile,
    dump_search,
    load_search,
)

SHIPPED = sorted((Path(__file__).parents[3] / "search_spaces").glob("*.yaml"))
GRU = """\
model: gru
space:
  hidden_size:   {type: int, low: 32, high: 256, log: true}
  learning_rate: {type: float, low: 1.0e-4, high: 3.0e-2, log: true}
"""
JOINT = """\
space:
  model:        {type: categorical, choices: [cnn, gru]}
  hidden_size:  {type: int, low: 32, high: 256}
  kernel_sizes: {type: categorical, choices: [[3], [3, 5]], when: {model: cnn}}
  layers:       {type: int, low: 1, high: 2, when: {model: gru}}
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "space.yaml"


def problems(file: Path, text: str, overrides=()) -> list[str]:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_search(file, overrides)
    header, *lines = str(caught.value).split("\n")
    assert header == f"{file}: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return [line.strip() for line in lines]


def test_a_file_becomes_a_search(file):
    file.write_text(GRU + "search: {samples: 7, scheduler: none, time_budget: 5m}\n")
    search = load_search(file, ["train.epochs=3", Override("data.name", "trec", "--data")])
    assert search.model == ModelConfig(name="gru")
    assert search.train == TrainConfig(epochs=3.0)
    assert search.data.name == "trec"
    assert search.space["hidden_size"] == IntDistribution(type="int", low=32, high=256, log=True)
    assert search.space["learning_rate"].high == 0.03
    assert search.search.samples == 7
    assert search.search.scheduler.name == "none"
    assert search.search.time_budget_s == 300.0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hiden_size: {type: int, low: 1, high: 2}", "space.hiden_size: unknown parameter; did you mean hidden_size?"),
        ("max_length: {type: int, low: 1, high: 2}", "space.max_length: cannot be searched: all trials share one corpus; set it under data"),
        ("seed: {type: int, low: 1, high: 2}", "space.seed: cannot be searched: the best seed says nothing about the next one"),
        ("epochs: {type: int, low: 1, high: 2}", "space.epochs: cannot be searched: the scheduler decides how long a trial trains, at most train.epochs"),
        ("name: {type: categorical, choices: [cnn]}", "space.name: cannot be searched: call it model or embeddings"),
        ("kernel_sizes: {type: categorical, choices: [[3]]}", "space.kernel_sizes: gru has no kernel_sizes, only cnn"),
        ("batch_size: 32", "space.batch_size: must be a distribution such as {type: int, low: 1, high: 8}, but is 32; a fixed value belongs under model, embeddings or train"),
        ("batch_size:", "space.batch_size: must be a distribution such as {type: int, low: 1, high: 8}, but is null; a fixed value belongs under model, embeddings or train"),
        ("batch_size: {low: 1, high: 2}", "space.batch_size: must say its type, but is null"),
        ("batch_size: {type: integer, low: 1, high: 2}", "space.batch_size.type: must be one of int, float, categorical, but is the text 'integer'; did you mean int?"),
        ("batch_size: {type: int, low: 1}", "space.batch_size.high: is missing"),
        ("batch_size: {type: int, low: 1, hihg: 2, high: 2}", "space.batch_size.hihg: unknown key; did you mean high?"),
        ("batch_size: {type: int, low: 1, high: 2, choices: [1]}", "space.batch_size.choices: unknown key; expected one of high, log, low, step, type, when"),
        ("batch_size: {type: int, low: 1.5, high: 2}", "space.batch_size.low: must be a whole number, but is 1.5"),
        ("batch_size: {type: int, low: 0, high: 2}", "space.batch_size.low: must be at least 1, but is 0"),
        ("batch_size: {type: int, low: 3, high: 2}", "space.batch_size: low must not exceed high, but low is 3 and high is 2"),
        ("batch_size: {type: int, low: 0, high: 2, log: true}", "space.batch_size: a log range must not touch 0, but low is 0"),
        ("batch_size: {type: int, low: 1, high: 9, log: true, step: 2}", "space.batch_size: log and step exclude each other, but step is 2"),
        ("batch_size: {type: int, low: 1, high: 10, step: 2}", "space.batch_size: high must be low plus a whole number of steps, but low is 1, step is 2 and high is 10"),
        ("batch_size: {type: int, low: 1, high: 10, step: 0}", "space.batch_size.step: must be at least 1, but is 0"),
        ("batch_size: {type: float, low: 1, high: 10}", "space.batch_size.type: batch_size must be searched as int or categorical, not float"),
        ("bidirectional: {type: int, low: 0, high: 1}", "space.bidirectional.type: bidirectional must be searched as categorical, not int"),
        ("dim: {type: int, low: 20, high: 50}", "space.dim.type: dim must be searched as categorical, not int"),
        ("max_grad_norm: {type: float, low: 1e-4, high: 1}", "space.max_grad_norm.low: must be a number, but is the text '1e-4' (YAML wants 1.0e-4)"),
        ("max_grad_norm: {type: float, low: 0, high: 1}", "space.max_grad_norm.low: must be above 0, but is 0.0"),
        ("max_grad_norm: {type: float, low: .nan, high: 1}", "space.max_grad_norm.low: must be a finite number, but is nan"),
        ("max_grad_norm: {type: float, low: 1, high: 2, step: 1.0e-30}", "space.max_grad_norm: step is too fine for the range: 1e-30 between 1.0 and 2.0"),
        ("max_grad_norm: {type: float, low: 3, high: 0, log: true}", "space.max_grad_norm: low must not exceed high, but low is 3.0 and high is 0.0"),
        ("dropout: {type: float, low: 0.5, high: 0.1}", "space.dropout: low must not exceed high, but low is 0.5 and high is 0.1"),
        ("dropout: {type: float, low: 0.0, high: 1.0}", "space.dropout.high: must be below 1, but is 1.0"),
        ("pooling: {type: categorical, choices: []}", "space.pooling.choices: must hold at least 1 item(s), but is a list"),
        ("pooling: {type: categorical, choices: max}", "space.pooling.choices: must be a list, but is the text 'max'"),
        ("pooling: {type: categorical, choices: [max, mean, max]}", "space.pooling: choices must differ, but 'max' occurs twice"),
        ("pooling: {type: categorical, choices: [last, maxi]}", "space.pooling.choices[1]: must be one of last, max, mean, but is the text 'maxi'; did you mean max?"),
        ("pooling: {type: categorical, choices: [{a: 1}]}", "space.pooling.choices[0]: must be text, a number, true, false or a list of these, but is a mapping"),
        ("pooling: {type: categorical, choices: [.inf]}", "space.pooling.choices[0]: must be a finite number, but is inf"),
        ("pooling: {type: categorical, choices: [max], when: {pooling: max}}", "space.pooling.when.pooling: a parameter cannot depend on itself"),
        ("pooling: {type: categorical, choices: [max], when: {hiden_size: 32}}", "space.pooling.when.hiden_size: must name a parameter of this space, but is 'hiden_size'; did you mean hidden_size?"),
        ("pooling: {type: categorical, choices: [max], when: {learning_rate: 0.01}}", "space.pooling.when.learning_rate: must name a whole number or a choice, but learning_rate is a float"),
        ("pooling: {type: categorical, choices: [max], when: {hidden_size: [40, 300]}}", "space.pooling.when.hidden_size: must lie between 32 and 256, but is 300"),
    ],
)  # fmt: skip
def test_a_parameter_is_refused_with_its_line(file, line, expected):
    assert problems(file, f"{GRU}  {line}\n") == [f"line 5, {expected}"]


def test_a_loop_of_conditions_is_refused(file):
    text = (
        "space:\n"
        "  layers: {type: int, low: 1, high: 2, when: {pooling: max}}\n"
        "  pooling: {type: categorical, choices: [max], when: {layers: 1}}\n"
    )
    expected = "line 1, space: the conditions of layers, pooling never hold"
    assert problems(file, text) == [expected]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (", when: {model: cnn}", "", "line 4, space.kernel_sizes: gru has no kernel_sizes, only cnn; add when: {model: cnn}"),
        ("when: {model: cnn}", "when: {model: [cnn, gru]}", "line 4, space.kernel_sizes: gru has no kernel_sizes, only cnn; add when: {model: cnn}"),
        (", when: {model: gru}", "", "line 5, space.layers: cnn has no layers, only rnn and gru; add when: {model: [rnn, gru]}"),
        ("when: {model: gru}", "when: {model: rnn}", "line 5, space.layers.when.model: must be one of cnn, gru, but is the text 'rnn'"),
    ],
)  # fmt: skip
def test_a_parameter_of_some_models_needs_a_condition_where_the_model_is_searched(
    file, old, new, expected
):
    assert problems(file, JOINT.replace(old, new)) == [expected]


def test_a_condition_may_lead_to_the_model_through_another(file):
    through = "  bidirectional: {type: categorical, choices: [true, false], when: {layers: 2}}\n"
    file.write_text(JOINT + through)
    assert load_search(file).space["bidirectional"].conditions == {"layers": (2,)}
    wrong = (
        "  bidirectional: {type: categorical, choices: [true, false], when: {hidden_size: 32}}\n"
    )
    expected = "cnn has no bidirectional, only rnn and gru; add when: {model: [rnn, gru]}"
    assert problems(file, JOINT + wrong) == [f"line 6, space.bidirectional: {expected}"]


def test_a_list_is_no_value_of_a_condition_on_lists(file):
    chain = "  blocks: {type: int, low: 1, high: 2, when: {kernel_sizes: 3}}\n"
    assert problems(file, JOINT + chain) == [
        "line 6, space.blocks.when.kernel_sizes: must be one of [3], [3, 5], but is 3"
    ]


def test_a_fixed_value_that_no_searched_model_has_is_refused(file):
    text = GRU.replace("model: gru", "model: {name: gru, blocks: 2}")
    assert problems(file, text) == ["line 1, model.blocks: gru has no blocks, only cnn"]
    file.write_text("model: {blocks: 2, layers: 2}\n" + JOINT)  # each serves one of the two
    load_search(file)
    file.write_text(GRU.replace("model: gru", "model: {name: gru, blocks: 3}"))  # its default
    load_search(file)


def test_two_ways_to_freeze_exclude_each_other(file):
    both = "  freeze_iters: {type: int, low: 0, high: 9}\n  freeze_fraction: {type: float, low: 0, high: 0.5}\n"
    message = "freeze_iters and freeze_fraction exclude each other, but are 9 and 0.5"
    assert problems(file, GRU + both) == [f"line 2, space: {message}"]
    text = GRU + both.split("\n")[1] + "\ntrain: {freeze_iters: 9}\n"
    assert problems(file, text) == [f"line 2, space: {message}"]
    apart = both.replace("9}", "9, when: {model: gru}}").replace("0.5}", "0.5, when: {model: cnn}}")
    file.write_text(JOINT + apart)
    load_search(file)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ("{hidden_size: 500}", "points[0].hidden_size: must lie between 32 and 256, but is 500"),
        ("{hidden_size: 40.0}", "points[0].hidden_size: must be a whole number, but is 40.0"),
        ("{learning_rate: 1e-3}", "points[0].learning_rate: must be a number, but is the text '1e-3'"),
        ("{learning_rate: true}", "points[0].learning_rate: must be a number, but is true"),
        ("{hiden_size: 50}", "points[0].hiden_size: is no parameter of the space; did you mean hidden_size?"),
        ("{dropout: 0.5}", "points[0].dropout: is not searched; a point holds parameters of the space"),
        ("{hidden_size: {a: 1}}", "points[0].hidden_size: must be text, a number, true, false or a list of these, but is a mapping"),
        ("3", "points[0]: must be a mapping, but is 3"),
    ],
)  # fmt: skip
def test_a_point_outside_the_space_is_refused_by_name(file, point, expected):
    found = problems(file, f"{GRU}points:\n  - {point}\n")
    assert found == [f"line 6, {expected}"]


def test_a_point_s_choice_is_one_of_the_choices_and_true_is_not_1(file):
    text = (
        JOINT + "  bidirectional: {type: categorical, choices: [false, true], when: {model: gru}}\n"
    )
    points = "points: [{model: gru, bidirectional: 1}, {model: cnn, kernel_sizes: [5]}]\n"
    assert problems(file, text + points) == [
        "line 7, points[0].bidirectional: must be one of false, true, but is 1",
        "line 7, points[1].kernel_sizes: must be one of [3], [3, 5], but is [5]",
    ]


def test_a_broken_fixed_value_is_not_blamed_on_what_depends_on_it(file):
    text = "model: {hidden_size: x}\n" + GRU.replace("model: gru\n", "").replace("32,", "64,")
    assert problems(file, text + "points: [{}]\n") == [
        "line 1, model.hidden_size: must be a whole number, but is the text 'x'"
    ]
    text = GRU.replace("model: gru", "model: cn") + "  blocks: {type: int, low: 1, high: 2}\n"
    assert problems(file, text) == [
        "line 1, model: must be one of cnn, rnn, gru, but is the text 'cn'; did you mean cnn?"
    ]


def test_a_point_that_leaves_out_what_has_no_default_in_range_is_refused(file):
    text = GRU.replace("low: 32", "low: 64") + "points: [{learning_rate: 1.0e-3}]\n"
    assert problems(file, text) == [
        "line 5, points[0]: leaves out hidden_size, whose default does not lie in its range: "
        "it must lie between 64 and 256, but is 50"
    ]


def test_a_point_must_not_set_what_its_own_choices_rule_out(file):
    text = JOINT + "points: [{model: gru, kernel_sizes: [3]}, {model: cnn, kernel_sizes: [3]}]\n"
    assert problems(file, text) == [
        "line 6, points[0].kernel_sizes: does not apply here: "
        "it needs model to be cnn, but model is gru"
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("search: {metric: accuracy}", "search.metric: must be one of test_accuracy, val_accuracy, test_macro_f1, val_macro_f1, test_balanced_accuracy, val_balanced_accuracy, but is the text 'accuracy'; did you mean val_accuracy?"),
        ("search: {samples: 0}", "search.samples: must be at least 1, but is 0"),
        ("search: {scheduler: ahsa}", "search.scheduler: must be one of asha, hyperband, median, top_k, none, but is the text 'ahsa'; did you mean asha?"),
        ("search: {scheduler: {reduction_factor: 1}}", "search.scheduler.reduction_factor: must be at least 2, but is 1"),
        ("search: {scheduler: {grace_period: 0}}", "search.scheduler.grace_period: must be above 0, but is 0"),
        ("search: {time_budget: 5 minutes}", "search.time_budget: must be seconds or a time such as 90s, 5m or 1h30m, but is the text '5 minutes'"),
        ("search: {time_budget: 0s}", "search.time_budget: must be above 0, but is the text '0s'"),
        ("search: {time_budget_s: 5}", "search.time_budget_s: unknown key; did you mean time_budget?"),
        ("search: {metric: [val_accuracy, speed]}", "search: metric, where it is a list, must hold one of test_accuracy, val_accuracy, test_macro_f1, val_macro_f1, test_balanced_accuracy, val_balanced_accuracy and one of operations, parameters, bytes, texts_per_second, but is [val_accuracy, speed]"),
        ("search: {metric: [val_accuracy, bytes], cost: operations}", "search: metric names the cost bytes, but cost is the text 'operations'; leave one of them out"),
        ("search: {metric: [val_accuracy, bytes], sampler: cmaes}", "search: sampler: cmaes looks at the metric alone, but cost is bytes: use gp, tpe or random"),
        ("search: {metric: [val_accuracy, bytes], scheduler: median}", "search: scheduler: median looks at the metric alone, but cost is bytes: use asha, hyperband or none"),
        ("search: {cost: bytes, stop_when: {gain_below: 0.1, within: 5m}}", "search: stop_when looks at the metric alone, but cost is bytes: use samples or time_budget"),
        ("resources: {cpu: 1.5}", "resources.cpu: must be a whole number or below 1, but is 1.5"),
        ("resources: {gpu: 1.5}", "resources.gpu: must be a whole number or a share 1/k, but is 1.5"),
        ("resources: {gpu: 0.3}", "resources.gpu: must be a share 1/k of a card, but is 0.3, of which 3 fit on a card; write 0.3333 for as many"),
        ("resources: {gpu: 1.0e-300}", "resources.gpu: must be 0 or at least 0.001, but is 1e-300"),
        ("resources: {cpu: 0}", "resources.cpu: must be at least 0.001, but is 0"),
        ("resources: {gpu: much}", "resources.gpu: must be a number or auto, but is the text 'much'"),
        ("resources: {gpu: true}", "resources.gpu: must be a number or auto, but is true"),
        ("resources: {gpu: -1}", "resources.gpu: must be at least 0, but is -1"),
    ],
)  # fmt: skip
def test_the_search_s_own_settings_are_checked(file, line, expected):
    assert problems(file, f"{GRU}{line}\n") == [f"line 5, {expected}"]


@pytest.mark.parametrize(
    ("written", "cost"),
    [
        ("[val_accuracy, operations]", "operations"),
        ("[parameters, val_accuracy]", "parameters"),
        ("[val_accuracy, texts_per_second]", "operations"),
    ],
)
def test_a_metric_with_a_cost_is_taken_apart_and_written_back(file, written, cost):
    def load(text):
        file.write_text(text)
        return load_search(file)

    found = load(f"{GRU}search: {{metric: {written}}}\n")
    assert (found.search.metric, found.search.cost) == ("val_accuracy", cost)
    assert found.search.sampler == "gp"
    assert load(dump_search(found)) == found
    one = load(f"{GRU}search: {{metric: val_accuracy}}\n")
    assert (one.search.cost, one.search.sampler) == (None, "tpe")


@pytest.mark.parametrize("gpu", [0, 0.25, 0.33, 0.3333, 0.5, 1, 2])
def test_shares_of_a_card_that_fit(gpu):
    assert ResourceConfig(gpu=gpu).gpu == gpu


@pytest.mark.parametrize(
    ("written", "seconds"), [(90, 90), ("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400)]
)
def test_a_time_budget_is_seconds_or_a_time(written, seconds):
    assert SearchConfig.model_validate({"time_budget": written}).time_budget_s == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model: gru\n", "line 1, space: must hold at least one parameter to search, but is empty"),
        (GRU + "configurations: {a: {params: {}}}\n", "line 2, space: configurations are run as they are; take out either them or space"),
        ("points: [{}]\nconfigurations: {a: {params: {}}}\n", "line 1, points: configurations are run as they are; take out either them or points"),
        ("configurations:\n  a: {}\n", "line 2, configurations.a.params: is missing"),
        ("configurations:\n  a: {params: {lerning_rate: 1}}\n", "line 2, configurations.a.params.lerning_rate: unknown parameter; did you mean learning_rate?"),
        ("configurations:\n  a: {params: {learning_rate: 0}}\n", "line 2, configurations.a.params.learning_rate: must be above 0, but is 0"),
        ("configurations:\n  a: {params: {model: cnn, layers: 2}}\n", "line 2, configurations.a.params.layers: cnn has no layers, only rnn and gru"),
        ("configurations:\n  a: {params: {freeze_iters: 1, freeze_fraction: 0.1}}\n", "line 2, configurations.a.params: freeze_iters and freeze_fraction exclude each other, but are 1 and 0.1"),
        ("model: {layers: 2}\nconfigurations:\n  a: {params: {model: cnn}}\n", "line 1, model.layers: cnn has no layers, only rnn and gru"),
    ],
)  # fmt: skip
def test_a_file_searches_a_space_or_runs_configurations(file, text, expected):
    assert problems(file, text) == [expected]


def test_every_problem_is_listed_at_once(file):
    text = (
        "model: {name: gru, hiden_size: 64}\n"
        "train:\n  epochs: 1e-4\n"
        "space:\n"
        "  learning_rate: {type: float, low: 1e-4, high: 3.0e-2, log: true}\n"
        "  max_grad_norm: {type: float, low: 0, high: 10.0, log: true}\n"
        "  kernel_sizes: {type: categorical, choices: [[3], [3, 5]]}\n"
        "  dropout: {type: float, low: 0.5, high: 0.1}\n"
        "  hiden_size: {type: int, low: 1, high: 3}\n"
        "  freeze_iters: {type: int, low: 0, high: 9}\n"
        "points:\n  - {freeze_iters: 10}\n"
        "search: {sampler: tep}\n"
    )
    assert problems(file, text, ["search.samples=0", "space.freeze_iters.hihg=3"]) == [
        "line 1, model.hiden_size: unknown key; did you mean hidden_size?",
        "line 3, train.epochs: must be a number, but is the text '1e-4' (YAML wants 1.0e-4)",
        "line 5, space.learning_rate.low: must be a number, but is the text '1e-4' (YAML wants 1.0e-4)",
        "line 6, space.max_grad_norm: a log range must not touch 0, but low is 0.0",
        "line 7, space.kernel_sizes: gru has no kernel_sizes, only cnn",
        "line 8, space.dropout: low must not exceed high, but low is 0.5 and high is 0.1",
        "line 9, space.hiden_size: unknown parameter; did you mean hidden_size?",
        "line 13, search.sampler: must be one of tpe, gp, cmaes, qmc, random, grid, but is the text 'tep'; did you mean tpe?",
        "--set space.freeze_iters.hihg: unknown key; did you mean high?",
        "--set search.samples: must be at least 1, but is 0",
    ]


def test_a_search_made_in_code_is_checked_alike():
    space = {"kernel_sizes": CategoricalDistribution(type="categorical", choices=((3,),))}
    with pytest.raises(ValidationError, match="gru has no kernel_sizes"):
        SearchFile(space=space)
    search = SearchFile(model=ModelConfig(name="cnn"), space=space)
    assert SearchFile.model_validate(search) is search


def test_a_trial_s_configuration_lays_its_parameters_over_the_fixed_values(file):
    file.write_text(JOINT + "model: {dropout: 0.5}\ntrain: {seed: 3}\n")
    search = load_search(file)
    params = {"model": "cnn", "kernel_sizes": (3, 5), "embeddings": "random", "learning_rate": 1}
    assert search.configuration(params) == (
        ModelConfig(name="cnn", kernel_sizes=(3, 5), dropout=0.5),
        EmbeddingConfig(name="random"),
        TrainConfig(seed=3, learning_rate=1.0),
    )
    with pytest.raises(ConfigError, match="'hiden_size' is not a parameter of a trial"):
        search.configuration({"hiden_size": 3})
    with pytest.raises(ConfigError, match="a trial's hidden_size: must be at least 1, but is 0"):
        search.configuration({"hidden_size": 0})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_is_dumped_holds_every_default_and_loads_back_equal(path, file):
    search = load_search(path)
    text = dump_search(search)
    file.write_text(text)
    assert load_search(file) == search
    for section in (search.model, search.data, search.embeddings, search.train, search.resources):
        assert all(f"  {field}:" in text for field in type(section).model_fields)


numbers = st.floats(1e-6, 0.99)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        SearchFile,
        space=st.fixed_dictionaries(
            {},
            optional={
                "dropout": numbers.map(
                    lambda low: FloatDistribution(type="float", low=low, high=0.99, log=low > 0.5)
                ),
                "hidden_size": st.integers(1, 4096).map(
                    lambda low: IntDistribution(type="int", low=low, high=4096)
                ),
                "embeddings": st.lists(st.text(max_size=9), min_size=1, unique=True).map(
                    lambda names: CategoricalDistribution(type="categorical", choices=names)
                ),
            },
        ).filter(bool),
        search=st.builds(
            SearchConfig, samples=st.integers(1), time_budget=st.none() | st.floats(1e-3, 1e9)
        ),
    )
    | st.builds(
        SearchFile,
        configurations=st.dictionaries(
            st.text(),
            st.builds(
                NamedConfiguration,
                params=st.dictionaries(st.just("embeddings"), st.text()),
                note=st.text(),
            ),
            min_size=1,
        ),
    )
)
def test_any_search_survives_a_dump(tmp_path_factory, search):
    file = tmp_path_factory.mktemp("dumped") / "space.yaml"
    file.write_text(dump_search(search), encoding="utf-8")
    assert load_search(file) == search


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_is_a_search_or_refused_and_nothing_else(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("damaged") / "space.yaml"
    valid = data.draw(st.sampled_from(SHIPPED)).read_text()
    body = valid[valid.index("data:") :]
    pieces = st.sampled_from(
        ["null", "[]", "{}", "-1", "0", "1e-4", ".nan", "true", "x", "gru", "cnn"]
    )
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 12)))
        body = body[:start] + data.draw(st.text(max_size=4) | pieces) + body[end:]
    file.write_bytes(body.encode("utf-8", "surrogatepass"))
    with suppress(ConfigError):
        load_search(file)
