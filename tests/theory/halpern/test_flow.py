"""Vanishing regularisation: t = 0, t = inf, composition, elementary case, errors."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp

from theory.core.regression import random_regression
from theory.core.validation import InvalidArgument
from theory.halpern import flow
from theory.halpern.least_squares import null_part

PROBLEM = random_regression(np.random.default_rng(0), D=6, n=4, m=2, singular_values=np.array([1.4, 0.9, 0.5]))
W = np.random.default_rng(1).standard_normal((3, 6, 2))
strengths = st.floats(0, 4)
moments = st.floats(0, 1e3)


@given(strengths, moments, moments)
@settings(deadline=None)
def test_the_flow_composes(c: float, first: float, second: float) -> None:
    middle = flow.solution(PROBLEM, c, W, first)
    both = flow.solution(PROBLEM, c, middle, np.array(first + second), since=first)
    assert np.allclose(both, flow.solution(PROBLEM, c, W, first + second), atol=1e-12)


@given(strengths)
@settings(deadline=None)
def test_start_and_limit(c: float) -> None:
    assert np.allclose(flow.solution(PROBLEM, c, W, 0.0), W, atol=1e-13)
    end = flow.solution(PROBLEM, c, W, np.inf)
    kept = null_part(PROBLEM, W) if c == 0 else 0
    assert np.allclose(end, PROBLEM.minimum_norm_solution + kept)


@given(st.floats(1e-3, 50), st.floats(1, 1e4))
@settings(deadline=None)
def test_elementary_case(h: float, u: float) -> None:
    z = h * u
    # 1 - 1/z + e^-z/z, whose terms cancel near 0.
    assert float(flow.rest_point(1.0, h, u)) == pytest.approx(1 + np.expm1(-z) / z, rel=1e-12, abs=1e-15 / z)


@pytest.mark.parametrize("z", [1e-4, 0.3, 7.0, 60.0, 900.0, 1e5])
@pytest.mark.parametrize("c", [0.0, 0.5, 2.5])
def test_kummers_function_is_accurate_where_it_would_overflow(c: float, z: float) -> None:
    expected = float(z / (c + 1) * mpmath.hyp1f1(1, c + 2, -z))
    assert float(flow.rest_point(c, z, 1.0)) == pytest.approx(expected, rel=1e-12)


def test_times_of_any_shape_come_first() -> None:
    assert flow.solution(PROBLEM, 1.0, W, np.zeros((2, 5))).shape == (2, 5, 3, 6, 2)
    assert flow.solution(PROBLEM, 1.0, W[0], np.array(1.0)).shape == (6, 2)
    one = flow.solution(PROBLEM, 1.0, W, np.array([0.5, 2.0]))
    assert np.allclose(flow.solution(PROBLEM, 1.0, W[1], np.array([0.5, 2.0])), one[:, 1])


def test_what_is_left_of_the_unseen() -> None:
    t = np.array([0.0, 1.0, 3.0, np.inf])
    assert np.allclose(flow.share_left(2.0, 1.0, t), [1, 1 / 4, 1 / 16, 0])
    assert flow.share_left(1.0, 2.0, np.inf) == pytest.approx(np.exp(-1))
    assert flow.share_left(1.0, 0.5, np.inf) == 0
    unseen = null_part(PROBLEM, flow.solution(PROBLEM, 2.0, W, 3.0))
    assert np.allclose(unseen, null_part(PROBLEM, W) / 16)


def test_bias_in_the_row_space() -> None:
    t = 1e7
    bias = (1 + t) * (flow.solution(PROBLEM, 2.5, 0 * W[0], t) - PROBLEM.minimum_norm_solution)
    assert np.allclose(bias, flow.scaled_bias(PROBLEM, 2.5), atol=1e-4)


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="c = -1"):
        flow.solution(PROBLEM, -1.0, W, 1.0)
    with pytest.raises(InvalidArgument, match="t = -1"):
        flow.solution(PROBLEM, 1.0, W, -1.0)
    with pytest.raises(InvalidArgument, match="t = 1.0"):
        flow.solution(PROBLEM, 1.0, W, 1.0, since=2.0)


@pytest.mark.parametrize("power", [0.4, 1.0, 1.7])
def test_what_is_left_is_an_integral(power: float) -> None:
    shrinkage = quad(lambda s: 0.8 * (1 + s) ** -power, 0, 3.7)[0]
    assert flow.share_left(0.8, power, 3.7) == pytest.approx(np.exp(-shrinkage))


@pytest.mark.parametrize("c", [0.0, 0.6, 2.5])
def test_the_solution_solves_the_equation(c: float) -> None:
    """w' = -X^T (X w - Y) - c w / (1 + t) by another solver."""
    start, H = W[1], PROBLEM.X.T @ PROBLEM.X
    pull = PROBLEM.X.T @ PROBLEM.Y

    def velocity(t: float, w: np.ndarray) -> np.ndarray:
        w = w.reshape(start.shape)
        return (pull - H @ w - c * w / (1 + t)).ravel()

    t = np.array([0.4, 1.9, 6.0])
    found = solve_ivp(velocity, (0, 6), start.ravel(), t_eval=t, rtol=1e-10, atol=1e-12, method="DOP853").y.T
    assert np.allclose(flow.solution(PROBLEM, c, start, t), found.reshape(3, *start.shape), atol=1e-8)
