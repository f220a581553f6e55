"""The smoothed margin beside the hard one, and the rate it grows at."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.homogeneous import smoothed_margin


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 9))
def test_the_smoothed_margin_lies_below_the_hard_one(seed: int, depth: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    q, size = rng.standard_normal((5, n)), rng.uniform(0.1, 9, 5)
    hard, smooth = smoothed_margin.normalised_margin(q, size, depth), smoothed_margin.smoothed_margin(q, size, depth)
    assert hard.shape == smooth.shape == (5,)
    assert (smooth <= hard + 1e-12 / size ** (depth / 2)).all()
    assert (smooth >= hard - (np.log(n) + 1e-12) / size ** (depth / 2)).all()


@given(st.integers(0, 1000))
def test_the_rate_is_above_its_bound_where_the_loss_is_below_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    q = rng.uniform(0.1, 5, (20, 4)) + np.log(4)  # so that the loss is below 1
    size, across = rng.uniform(0.1, 9, 20), rng.uniform(0, 9, 20)
    rate = smoothed_margin.smoothed_margin_rate(q, size, across, 2)
    assert (rate >= smoothed_margin.smoothed_margin_bound(q, across) * (1 - 1e-12)).all()
    assert (smoothed_margin.norm_growth(q) >= -smoothed_margin.log_loss(q)).all()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_rates_are_those_of_a_step_of_descent(depth: int) -> None:
    """q_n = (a_n . theta)^L is homogeneous of degree L; a step down the gradient of log Loss, by differences."""
    rng = np.random.default_rng(depth)
    a, theta = rng.uniform(0.5, 2, (4, 3)), np.array([0.9, 0.4, 1.2])

    def q(at: np.ndarray) -> np.ndarray:
        return (a @ at) ** depth

    steps = 1e-6 * np.eye(3)
    gradient = np.array(
        [smoothed_margin.log_loss(q(theta + e)) - smoothed_margin.log_loss(q(theta - e)) for e in steps]
    )
    gradient /= 2e-6
    size = np.array(theta @ theta)
    across = np.array(gradient @ gradient - (gradient @ theta) ** 2 / size)
    ends = [theta - s * gradient for s in (1e-6, -1e-6)]
    logs = [np.log(smoothed_margin.smoothed_margin(q(end), np.array(end @ end), depth)) for end in ends]
    rate = smoothed_margin.smoothed_margin_rate(q(theta), size, across, depth)
    assert rate == pytest.approx((logs[0] - logs[1]) / 2e-6, rel=1e-6)
    growth = (ends[0] @ ends[0] - ends[1] @ ends[1]) / 2e-6
    assert 2 * depth * smoothed_margin.norm_growth(q(theta)) == pytest.approx(growth, rel=1e-6)


def test_margins_by_hand() -> None:
    q, size = np.log(np.array([[2.0, 4.0], [8.0, 8.0]])), np.array([4.0, 9.0])
    assert smoothed_margin.log_loss(q) == pytest.approx(np.log([3 / 4, 1 / 4]))
    assert smoothed_margin.normalised_margin(q, size, 3) == pytest.approx(np.log([2, 8]) / [8, 27])
    assert smoothed_margin.smoothed_margin(q, size, 1) == pytest.approx(np.log([4 / 3, 4]) / [2, 3])
    assert smoothed_margin.norm_growth(q) == pytest.approx([(2 * np.log(2) + np.log(4)) / 3, np.log(8)])
    bound = smoothed_margin.smoothed_margin_bound(q, np.array([0.5, 3.0]))
    assert bound == pytest.approx([0.5 / (4 / 3 * np.log(2)), 1 / np.log(2)])


def test_of_one_example_the_bound_is_the_rate() -> None:
    q, size, across = np.array([[1.7], [0.2]]), np.array([2.0, 3.0]), np.array([0.4, 5.0])
    rate = smoothed_margin.smoothed_margin_rate(q, size, across, 3)
    assert rate == pytest.approx(smoothed_margin.smoothed_margin_bound(q, across))
