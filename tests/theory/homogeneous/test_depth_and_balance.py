"""Errors at a margin: against the flow of one row and L - 1 sizes, limits, and what has no error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from theory.core.validation import InvalidArgument
from theory.homogeneous import depth_and_balance as theory

SIZES = st.floats(0.05, 3)
GAMMA = 0.4


def margin_of(row: np.ndarray, others: np.ndarray) -> float:
    return float(GAMMA * row[0] * np.prod(others))


@settings(deadline=None, max_examples=30)
@given(SIZES, SIZES, st.lists(SIZES, max_size=3), st.floats(1.2, 200))
def test_gradient_flow_has_this_error(seen, unseen, others, growth):
    """Up the gradient of the margin: time does not matter, and the row's unseen part has none."""
    start = np.array([seen, *others])
    at = growth * margin_of(start[:1], start[1:])

    def velocity(_, sizes):
        return np.prod(sizes) / sizes / np.prod(sizes)

    reached = lambda _, sizes: np.log(margin_of(sizes[:1], sizes[1:]) / at)  # noqa: E731
    reached.terminal = True
    end = solve_ivp(velocity, (0, 1e5), start, events=reached, rtol=1e-10, atol=1e-12).y_events[0][0]
    found = theory.error(np.array([at]), np.array([seen]), np.array([unseen]), start[None, 1:], GAMMA)
    assert found[0] == pytest.approx(np.arctan(unseen / end[0]) / np.pi, rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(SIZES, st.floats(0, 1.4), st.lists(SIZES, max_size=3), st.floats(1.2, 200))
def test_weight_normalisation_turns_and_grows_to_the_margin(size, angle, others, growth):
    arrays = np.array([size]), np.array([angle]), np.array([others]).reshape(1, -1)
    at = np.array([growth * GAMMA * size * np.cos(angle) * np.prod(others)])
    rho = theory.first_size(at, *arrays, GAMMA)
    theta = theory.angle_at(rho, *arrays[:2])
    grown = np.sqrt(np.square(others) + rho[0] ** 2 - size**2)
    assert GAMMA * rho * np.cos(theta) * np.prod(grown) == pytest.approx(at, rel=1e-9)
    assert np.sin(theta) == pytest.approx(np.sin(angle) * np.exp(-(rho**2 - size**2) / 2), rel=1e-9, abs=1e-300)
    assert theory.weight_normalised_error(at, *arrays, GAMMA) == pytest.approx(theta / np.pi)


@settings(deadline=None)
@given(st.integers(1, 5), st.floats(1e-3, 1))
def test_balanced_layers_tend_to_the_root(depth, unseen):
    at, seen = np.array([1e30]), np.array([0.5])
    size = np.hypot(0.5, unseen)
    found = theory.error(at, seen, np.array([unseen]), np.full((1, depth - 1), size), GAMMA)
    assert found == pytest.approx(theory.balanced_error(at, unseen, GAMMA, depth), rel=1e-5)


@settings(deadline=None)
@given(st.floats(1.5, 10), st.integers(2, 5))
def test_depth_and_imbalance_make_it_worse(kappa, depth):
    at = np.array([12.0])

    def of(layers: int, factor: float) -> float:
        first = np.array([0.35 * factor])
        others = np.full((1, layers - 1), 0.5)
        others[0, -1] /= factor
        return float(theory.error(at, first, first, others, GAMMA)[0])

    assert of(depth, 1) < of(depth + 1, 1)
    assert of(depth, 1) < of(depth, kappa)


def test_one_layer_keeps_what_is_not_seen():
    at = np.array([2.0, 8.0])
    x = at / GAMMA
    found = theory.error(at, np.array([0.5]), np.array([0.7]), np.zeros((1, 0)), GAMMA)
    assert found == pytest.approx(np.arctan(0.7 / x) / np.pi)


def test_without_an_end_nothing_is_wrong():
    ends = np.array([np.inf]), np.ones(1), np.ones(1), np.ones((1, 1)), GAMMA
    assert theory.error(*ends) == 0
    assert theory.weight_normalised_error(*ends) == 0


@pytest.mark.parametrize(
    ("margin", "seen", "others", "line"),
    [(0.1, 1.0, 1.0, "margins from those of the start"), (1.0, 0.0, 1.0, "size"), (1.0, 1.0, 0.0, "others")],
)
def test_what_the_flow_does_not_reach_is_refused(margin, seen, others, line):
    with pytest.raises(InvalidArgument, match=line):
        theory.error(np.array([margin]), np.array([seen]), np.ones(1), np.array([[others]]), GAMMA)
