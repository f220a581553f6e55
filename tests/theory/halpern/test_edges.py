"""Ill-conditioned data, very many steps, and limits of norm-minimising descent."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain.problem import Chain
from theory.core.flows import FlowStopped
from theory.core.regression import Regression
from theory.core.separable import Separable
from theory.core.validation import InvalidArgument
from theory.halpern import exponential_loss, fixed_points, flow, least_squares, nonconvex, schedules, squared_hinge

DATA = np.array([[2.0], [3.0]])


def reference(S: float, y: float, eta: float, w: float, v: float, k: int) -> tuple:
    """Iterate, descent and residual in one eigendirection, to 60 digits."""
    x = mpmath.mpf(eta) * mpmath.mpf(S) ** 2
    limit, power = mpmath.mpf(y) / mpmath.mpf(S), (1 - x) ** k
    iterate = limit + (power * (w - limit) + (1 - power) / x * (v - limit)) / (k + 1)
    residual = (x * power * (w - limit) + (1 - power) * (v - limit)) / (k + 1)
    return iterate, limit + power * (w - limit), residual


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([0.5, 1e-3, 1e-8, 1e-12]),
    st.floats(0.05, 2),
    st.sampled_from([(0.0, 0.0), (0.7, -0.3), (0.5, 0.5)]),
    st.sampled_from([0, 1, 2, 3, 17, 10**4, 10**9, 10**15]),
)
def test_slow_directions_keep_their_digits(small: float, eta: float, start: tuple, k: int) -> None:
    problem = Regression(np.diag([1.0, small]), DATA)
    w, v = (np.full((2, 1), value) for value in start)
    found = (
        least_squares.solution(problem, eta, w, v, k),
        least_squares.descent_solution(problem, eta, w, k),
        fixed_points.residual(problem, eta, w, v, k),
    )
    with mpmath.workdps(140):  # the reference divides by x^2, x down to 1e-26
        for row, S in enumerate((1.0, small)):
            wanted = reference(S, float(DATA[row, 0]), eta, *start, k)
            size = max(abs(float(wanted[0])), *map(abs, start))
            for each, exact in zip(found[:2], wanted):
                assert float(abs(each[row, 0] - exact)) <= 1e-12 * max(abs(float(exact)), size)
            apart = eta * S**2 * (abs(float(DATA[row, 0]) / S) + size) * (k + 1)
            assert float(abs(found[2][row, 0] - wanted[2])) <= 1e-12 * min(apart, float(DATA[row, 0]) / S + 1) / (k + 1)


def test_the_first_steps_from_zero_on_a_hopeless_direction() -> None:
    """x = 1e-16: w_k = w* x k / 2 to first order, S w* = 3; 1 - x rounds to 1."""
    problem = Regression(np.diag([1.0, 1e-8]), DATA)
    w = least_squares.solution(problem, 1.0, np.zeros((2, 1)), np.zeros((2, 1)), 100)
    assert w[1, 0] == pytest.approx(3 * 1e-8 * 50, rel=1e-10)


def test_steps_without_end() -> None:
    problem, w = Regression(np.eye(2), DATA), np.ones((2, 1))
    assert np.allclose(least_squares.solution(problem, 2.0, w, w, np.inf), DATA)
    assert np.allclose(fixed_points.residual(problem, 2.0, w, w, np.inf), 0)
    with pytest.raises(InvalidArgument, match="eta = 2.0: expected a learning rate below 2"):
        least_squares.descent_solution(problem, 2.0, w, np.inf)
    with pytest.raises(InvalidArgument, match="eta = 2.1: expected a learning rate of at most 2"):
        least_squares.solution(problem, 2.1, w, w, np.inf)
    with pytest.raises(InvalidArgument, match="eta = 2.0"):
        least_squares.scaled_error_limit(problem, 2.0, w, w)
    with pytest.raises(InvalidArgument, match="eta = 1.5"):
        least_squares.distance_to_ridge(problem, 1.5, np.array(3))
    for k in (-1, 0.5, np.nan):
        with pytest.raises(InvalidArgument, match="(t|k) = "):
            least_squares.solution(problem, 1.0, w, w, k)
    for k in (np.inf, 1e8):
        with pytest.raises(InvalidArgument, match="k = "):
            least_squares.scheduled_solution(problem, 1.0, schedules.harmonic, w, np.array(k))


def test_what_is_left_at_the_end() -> None:
    assert schedules.inverse_square(np.inf) == 0.5
    assert schedules.harmonic(np.inf) == 0
    assert schedules.constant(1e-18, 1e18) == pytest.approx(np.exp(-1))
    assert schedules.constant(1.0, np.array([0, 1])).tolist() == [1, 0]
    assert schedules.constant(0.0, np.inf) == 1
    assert flow.share_left(0.0, 1.0, np.inf) == 1
    assert flow.share_left(0.0, 0.5, np.inf) == 1
    assert flow.share_left(1.0, 2.0, np.inf) == pytest.approx(np.exp(-1))
    assert flow.share_left(1.0, 0.5, np.inf) == 0
    for arguments in ((-1.0, 1.0), (1.0, np.nan)):
        with pytest.raises(InvalidArgument, match="(c|power) = "):
            flow.share_left(*arguments, 1.0)


@pytest.mark.parametrize("c", [0.0, 1e-6, 0.3, 1.0, 2.5, 40.0])
@pytest.mark.parametrize("z", [0.0, 1e-300, 9e-7, 1e-6, 0.5, 19.0, 21.0, 300.0, 1e4, 1e14, 1e200, np.inf])
def test_where_the_flow_rests(c: float, z: float) -> None:
    with mpmath.workdps(40):
        exact = 1 - c / z if z > 10000.0 else float(mpmath.mpf(z) / (c + 1) * mpmath.hyp1f1(1, c + 2, -mpmath.mpf(z)))
    assert flow.rest_point(c, z, 1.0) == pytest.approx(exact, rel=1e-12)
    assert flow.rest_point(c, 0.0, np.inf) == 0


@pytest.mark.parametrize("c", [0.3, 2.5, 40.0])
def test_where_series_take_over(c: float) -> None:
    for z in (9.99e-7, 1.01e-6, 0.99e6 * (1 + c), 1.01e6 * (1 + c)):
        with mpmath.workdps(40):
            exact = float(mpmath.mpf(z) / (c + 1) * mpmath.hyp1f1(1, c + 2, -mpmath.mpf(z)))
        assert flow.rest_point(c, z, 1.0) == pytest.approx(exact, rel=1e-12 if z < 1 else 2e-13)


def test_the_bound_of_a_collapsing_chain_at_its_threshold() -> None:
    """w (1 + t)^(-1 / (L - 2)) at the threshold itself; 0 at infinity from there down, and no bound above."""
    chain = Chain(1.0, 4)
    threshold = nonconvex.collapse_threshold(chain, 1.0)
    late = nonconvex.collapse_bound(chain, 1.0, threshold * np.array([0.5, 1.0, 1.1]), np.array(np.inf))
    assert late.tolist() == [0, 0, np.inf]
    assert nonconvex.collapse_bound(chain, 1.0, threshold, 1e12) == pytest.approx(threshold * 1e-6, rel=1e-9)


def test_duplicates_count_twice() -> None:
    """(k + 1) (w_k - 1) of two equal examples: the step is w + 2 eta (1 - w), and the limit -1 / (2 eta)."""
    twice = Separable(np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert np.allclose(squared_hinge.hinge_error_limit(twice, 0.1), [-5, 0], atol=1e-12)
    assert squared_hinge.hinge_factor(twice, 0.1) == pytest.approx(0.8)
    with pytest.raises(InvalidArgument, match="not all needed"):
        squared_hinge.hinge_error_limit(Separable(np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 2.0], [1.0, -0.1]])), 0.1)
    with pytest.raises(InvalidArgument, match="eta = 0.0"):
        squared_hinge.hinge_error_limit(twice, 0.0)


def test_sums_where_nothing_moves() -> None:
    still, k = np.array([0.0]), np.array([0.0, 7.0, np.inf])
    assert least_squares.sums(still, k)[:, 0].tolist() == [0, 7, np.inf]
    assert least_squares.mean_gone(still, k)[:, 0].tolist() == [0, 0, 0]
    assert least_squares.mean_gone(np.array([0.3]), k)[-1] == 1


@pytest.mark.parametrize("S", [1e-160, 1e-100, 1e100, 1e160])
def test_data_whose_squares_are_beyond_floating_point(S: float) -> None:
    """Halves each step, in units of S: w* = 2 / S."""
    problem, zero = Regression(np.array([[S, 0.0]]), np.array([[2.0]])), np.zeros((2, 1))
    largest, ridge = least_squares.largest_step(problem), least_squares.ridge(problem, 1e-3)[0, 0]
    assert ridge == pytest.approx(float(2 / (mpmath.mpf(S) + mpmath.mpf("1e-3") / S)), rel=1e-12)
    eta = 0.5 / S / S
    if not 1e-300 < eta < np.inf:
        assert largest == (np.inf if S < 1 else pytest.approx(2e-320, rel=1e-3))
        return
    assert largest == pytest.approx(4 * eta, rel=1e-14)
    assert least_squares.descent_solution(problem, eta, zero, 2)[0, 0] * S == pytest.approx(1.5)
    assert least_squares.solution(problem, eta, zero, zero, 2)[0, 0] * S == pytest.approx((1 + 1.5) / 3)
    assert fixed_points.residual(problem, eta, zero, zero, 2)[0, 0] * S == pytest.approx(-2 * 0.875 / 3)
    assert least_squares.distance_to_ridge(problem, eta, 1) * S == pytest.approx(2 / (0.5 * 2) ** 2)


def test_the_flow_ends_whatever_the_size_of_the_data() -> None:
    problem = Regression(np.array([[1e-200, 0.0]]), np.array([[1e-200]]))
    end = flow.solution(problem, 1.5, np.ones((2, 1)), np.array([3.0, np.inf]))
    assert end[..., 0] == pytest.approx(np.array([[0.125, 0.125], [1, 0]]))
    assert flow.scaled_bias(Regression(np.array([[1e90]]), np.ones((1, 1))), 2.0) == pytest.approx(-2e-270, rel=1e-12)


def test_a_bound_from_far_above_the_threshold_begins_at_its_start() -> None:
    chain = Chain(1.0, 4)
    threshold = nonconvex.collapse_threshold(chain, 1.0)
    w = threshold * np.array([3.0, 1e9, 1e200])
    assert nonconvex.collapse_bound(chain, 1.0, w, 0.0) == pytest.approx(w)
    assert nonconvex.collapse_bound(chain, 1.0, w, 1.0).tolist() == [np.inf] * 3
    at = nonconvex.collapse_threshold(chain, 400.0)
    assert nonconvex.collapse_bound(chain, 400.0, at, 1e8) == pytest.approx(at / np.sqrt(1 + 1e8), rel=1e-9)
    assert nonconvex.collapse_bound(chain, 1.0, 0.0, np.array([0.0, 2.0, np.inf])).tolist() == [0, 0, 0]


def test_what_has_no_number_is_named() -> None:
    problem, w = Regression(np.eye(2), DATA), np.ones((2, 1))
    one, infinite = Separable(np.array([[1.0, 0.0]])), np.array([[np.inf], [0.0]])
    for call, named in (
        (lambda: schedules.harmonic(-1), "k = -1"),
        (lambda: schedules.inverse_square(np.array([0, np.nan])), r"k\[1\] = nan"),
        (lambda: schedules.none(-1), "k = -1"),
        (lambda: schedules.constant(0.5, -1), "k = -1"),
        (lambda: fixed_points.residual_bound(-1.0, 2), "distance = -1"),
        (lambda: fixed_points.residual_bound(1.0, -1), "k = -1"),
        (lambda: fixed_points.rotation_ratio(np.array([2]), np.inf), "k = inf"),
        (lambda: flow.rest_point(-1.0, 1.0, 1.0), "c = -1"),
        (lambda: flow.rest_point(1.0, -1.0, 5.0), "h u = -5"),
        (lambda: flow.solution(problem, 1.0, infinite, 1.0), r"P_n w\[0, 0\] = nan"),
        (lambda: flow.scaled_bias(problem, np.inf), "c = inf"),
        (lambda: least_squares.null_part(problem, infinite), r"P_n w\[0, 0\] = nan"),
        (lambda: least_squares.solution(problem, 3.0, w, w, 1e6), r"multiplied weights\[0, 0\] = "),
        (lambda: least_squares.distance_to_ridge(problem, 0.5, -1), "k = -1"),
        (lambda: nonconvex.collapse_bound(Chain(1.0, 4), 1.0, -0.1, 1.0), "w = -0.1"),
        (lambda: nonconvex.imbalance_after_halpern(np.array([np.inf, 1.0]), np.ones(()), 0.5), "D"),
        (lambda: nonconvex.imbalances_after_halpern([np.eye(2)] * 2, [1e200 * np.eye(2)] * 2, 1.0, 0.5), "D"),
        (lambda: squared_hinge.duals_read_off(one, 0.5, one.w, np.inf), r"alpha\[0\] = nan"),
        (lambda: squared_hinge.duals_read_off(one, 0.5, one.w, -1), "k = -1"),
        (lambda: exponential_loss.regularised_flow(one, one.w, np.ones(1), -1.0), "c = -1"),
        (lambda: exponential_loss.regularised_flow(one, one.w, np.array([1.0, 1e9])), r"tau\[1\] = 1000000000"),
        (lambda: exponential_loss.regularised_flow(one, -501 * one.w, np.ones(1)), r"margin at the start\[0\] = -501"),
    ):
        with np.errstate(all="ignore"), pytest.raises(InvalidArgument, match=named):
            call()


def test_a_flow_too_long_says_so() -> None:
    one = Separable(np.array([[1.0, 0.0]]))
    with pytest.raises(FlowStopped, match="after 250 evaluations"):
        exponential_loss.regularised_flow(one, one.w, np.array([1e3]), evaluations=50)
