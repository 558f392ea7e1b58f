from collections import Counter

import numpy as np
import pytest

from tune.config.conditions import Space, active
from tune.config.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from tune.samplers._encoding import SpaceEncoder, drawn

SPACE: Space = {
    "model": CategoricalDistribution(type="categorical", choices=("cnn", "rnn", "gru")),
    "widths": CategoricalDistribution(
        type="categorical", choices=((3, 5), (3,)), when={"model": "cnn"}
    ),
    "layers": IntDistribution(type="int", low=1, high=3, when={"model": ("rnn", "gru")}),
    "rate": FloatDistribution(type="float", low=1e-4, high=1e-2, log=True),
    "dropout": FloatDistribution(type="float", low=0.0, high=0.6, step=0.1),
    "hidden": IntDistribution(type="int", low=32, high=512, log=True),
}


def test_a_row_has_the_places_of_the_values() -> None:
    positions = SpaceEncoder(SPACE)
    row = positions.row({"model": "gru", "layers": 3, "rate": 1e-3, "dropout": 0.6, "hidden": 128})
    half = 1 / np.sqrt(2)
    assert row.tolist() == pytest.approx([0, 0, half, 0.5, 1, 0.5, 0, 0, 1])
    assert positions.parameter_of.tolist() == [0, 0, 0, 1, 2, 3, 4, 4, 5]


def test_two_choices_lie_one_apart() -> None:
    positions = SpaceEncoder({"model": SPACE["model"]})
    rows = [positions.row({"model": name}) for name in ("cnn", "gru")]
    assert np.linalg.norm(rows[0] - rows[1]) == pytest.approx(1.0)


@pytest.mark.parametrize("reach", [0.0, 0.1, 5.0])
def test_what_is_drawn_lies_in_the_space(reach: float) -> None:
    positions, generator = SpaceEncoder(SPACE), np.random.default_rng(0)
    params = positions.draw(generator.random(6))
    models = Counter()
    for number in range(400):
        params = (
            positions.draw(generator.random(6))
            if number % 2
            else positions.draw(positions.near(positions.point(params), reach, 1, generator)[0])
        )
        assert set(params) == set(active(SPACE, params))
        assert {"model", "rate", "dropout", "hidden"} <= set(params)
        assert ("layers" in params) == (params["model"] != "cnn")
        for name, value in params.items():
            assert SPACE[name].refusal(value) is None
        models[params["model"]] += 1
    assert len(models) == 3


def test_a_neighbour_is_another_trial_and_near() -> None:
    positions, generator = SpaceEncoder(SPACE), np.random.default_rng(0)
    point = generator.random(6)
    rows = positions.rows(positions.near(point, 0.05, 100, generator))
    moved = np.abs(rows - positions.row(positions.draw(point))).max(axis=1)
    assert np.median(moved) < 0.1
    assert (moved > 0).mean() > 0.5


def test_many_points_become_the_rows_of_their_trials() -> None:
    positions = SpaceEncoder(SPACE)
    points = np.random.default_rng(0).random((300, 6))
    points[:4] = np.array([[0.0], [1.0], [0.5], [0.99]])
    one_by_one = [positions.row(positions.draw(point)) for point in points]
    assert positions.rows(points) == pytest.approx(np.array(one_by_one), abs=1e-9)


def test_a_trial_is_at_its_point() -> None:
    positions, generator = SpaceEncoder(SPACE), np.random.default_rng(0)
    for _ in range(100):
        params = positions.draw(generator.random(6))
        again = positions.draw(positions.point(params))
        assert positions.row(again) == pytest.approx(positions.row(params))
        assert set(again) == set(params)


def test_whole_numbers_are_drawn_alike_those_at_the_ends_too() -> None:
    generator = np.random.default_rng(0)
    counts = Counter(drawn(SPACE["layers"], generator.random()) for _ in range(3000))
    assert sorted(counts) == [1, 2, 3]
    assert min(counts.values()) > 900


@pytest.mark.parametrize("name", ["rate", "dropout", "hidden", "layers"])
def test_the_value_at_a_position_is_at_that_position(name: str) -> None:
    known = SPACE[name]
    assert known.type != "categorical"
    for value in (known.low, known.high):
        assert known.at(known.position(value)) == pytest.approx(value)
    for share in np.linspace(0, 1, 21):
        value = known.at(float(share))
        assert known.refusal(value) is None
        assert known.at(known.position(value)) == pytest.approx(value)
