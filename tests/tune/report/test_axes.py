import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune.config.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from tune.report import _axes

NUMBERS = st.floats(1e-6, 1e6)


@given(NUMBERS, NUMBERS)
def test_labels_lie_on_the_axis_in_order(low: float, high: float) -> None:
    for make in (_axes.linear_axis, _axes.log_axis):
        axis = make("x", min(low, high), max(low, high))
        places = [place for place, _ in axis.ticks]
        assert places == sorted(places)
        assert all(-1e-6 <= place <= 1 + 1e-6 for place in places)
        assert len(places) <= 25


@given(NUMBERS, NUMBERS, NUMBERS)
def test_places_keep_the_order_of_the_values(low: float, high: float, value: float) -> None:
    for log in (False, True):
        axis = _axes.Axis("x", min(low, high), max(low, high) * 1.01, log)
        assert 0 <= axis.at(value) <= 1
        assert axis.at(axis.low) == pytest.approx(0.0)
        assert axis.at(axis.high) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.9, 0.95, ["0.90", "0.91", "0.92", "0.93", "0.94", "0.95"]),
        (0.0, 120_000.0, ["0", "25,000", "50,000", "75,000", "100,000"]),
        (0.0, 700_000.0, ["0", "200,000", "400,000", "600,000"]),
    ],
)
def test_even_labels_are_round(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in _axes.linear_axis("x", low, high).ticks] == labels


def test_a_parameters_axis_ends_at_its_edges_in_its_own_scale() -> None:
    rate = FloatDistribution(type="float", low=1e-4, high=3e-2, log=True)
    axis, places = _axes.parameter_axis("learning_rate", rate)
    assert (axis.ticks[0], axis.ticks[-1]) == ((0.0, "0.0001"), (1.0, "0.03"))
    assert axis.at(1e-3) == pytest.approx(rate.position(1e-3))
    assert places == {}
    layers, _ = _axes.parameter_axis("layers", IntDistribution(type="int", low=1, high=2))
    assert [label for _, label in layers.ticks] == ["1", "2"]
    single = IntDistribution(type="int", low=3, high=3)
    assert _axes.parameter_axis("layers", single)[0].at(3) == 0.5


def test_choices_lie_apart_and_are_found_as_optuna_keeps_them() -> None:
    kinds = CategoricalDistribution(type="categorical", choices=((3,), (3, 5), False))
    axis, places = _axes.parameter_axis("kernel_sizes", kinds)
    assert [label for _, label in axis.ticks] == ["[3]", "[3, 5]", "false"]
    assert list(places) == ["[3]", "[3, 5]", False]


def test_very_low_values_do_not_press_the_others_into_a_line() -> None:
    good = [0.9 + 0.001 * step for step in range(40)]
    axis, below = _axes.metric_axis("accuracy", [*good, 0.25, 0.26])
    assert below == 2
    assert axis.low > 0.8
    assert axis.at(0.25) == 0.0
    assert axis.high > max(good)
    assert _axes.metric_axis("accuracy", good)[1] == 0
    assert _axes.metric_axis("accuracy", [0.5] * 3)[0].at(0.5) == pytest.approx(0.5)
    assert _axes.metric_axis("accuracy", [])[1] == 0


@pytest.mark.parametrize(("seconds", "unit"), [(50, "s"), (1_000, "min"), (50_000, "h")])
def test_times_are_labelled_in_the_unit_that_suits(seconds: float, unit: str) -> None:
    ticks = _axes.time_axis("time", seconds).ticks
    assert all(label.endswith(f" {unit}") for _, label in ticks)
    assert ticks[0][0] == 0.0


@given(st.floats(0.001, 1e4), st.floats(1.0, 1e5))
def test_times_by_factors_have_labels(low: float, high: float) -> None:
    axis = _axes.log_time_axis("time", low, low + high)
    assert all(0 <= place <= 1 for place, _ in axis.ticks)
