"""Coincidences, other units, overflow and slow modes of classification without bias."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.flows import FlowStopped
from theory.core.separable import Separable, Uncertified
from theory.core.validation import InvalidArgument
from theory.shallow import event_driven, gradient_flow, heavy_ball, minnorm_flow, nonseparable

UNITS = [1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e6, 1e9]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("speed", [1e-8, 1.0, 1e7])
def test_events_do_not_know_units(unit: float, speed: float) -> None:
    """z -> c z, w -> w / c, lambda -> lambda / c^2, b -> b / c^2 is the same flow; and so are faster a, b and t."""
    Z, w, multipliers = np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([2.0, -3.0]), np.array([0.0, 0.4])
    scaled = (Z * unit, w / unit, multipliers / unit**2, 3.0 / speed)
    found = event_driven.solution(*scaled, a=speed, b=2 * speed / unit**2)
    assert np.allclose(found[0] * unit, [0.89867794, 0.91466914], atol=1e-8)
    assert np.allclose(found[1] * unit**2, [0.01861187, 0.58165481], atol=1e-8)


def test_events_that_would_take_for_ever_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_driven, "MOST_LOOKS", 20)
    with pytest.raises(FlowStopped, match="as far as 20 looks reach: the fastest mode moves at the rate 1e"):
        event_driven.solve(np.array([[1e7, 0.0], [0.0, 1.0]]), np.zeros(2), np.zeros(2), a=1.0, b=1.0, until=50.0)


def test_a_large_example_does_not_hide_a_small_one() -> None:
    """sigma = 1e11 and 1, of decoupled examples: each its own flow."""
    flow = minnorm_flow.ActiveSetFlow(np.diag([1e11, 1.0]), np.ones(2, dtype=bool), np.zeros(2), np.zeros(2), 1.0, 0.25)
    w, multipliers = flow(np.array([0.0, 2.0, np.inf]))
    assert np.allclose(w[:, 1], [0, 1 - 2 / np.e, 1], atol=1e-12)  # nu = 0: w = 1 - (1 + t/2) e^(-t/2)
    assert np.allclose(multipliers[:, 1], [0, 1 - 1.5 / np.e, 1], atol=1e-12)  # 1 - (1 + t/4) e^(-t/2)
    assert w[2, 0] == pytest.approx(1e-11)


@pytest.mark.parametrize("sigma", [1e-9, 1e-5, 1e-2, 0.7, 2.0])
def test_multipliers_of_weak_examples_keep_their_digits(sigma: float) -> None:
    a, b, t = 1.3, 0.7, 5.0
    flow = minnorm_flow.ActiveSetFlow(np.array([[sigma]]), np.array([True]), np.zeros(1), np.zeros(1), a, b)
    with mpmath.workdps(60):
        A = mpmath.matrix([[-a, a * mpmath.mpf(sigma), 0], [-b * mpmath.mpf(sigma), 0, b], [0, 0, 0]])
        state = mpmath.expm(A * t) * mpmath.matrix([0, 0, 1])
    w, multipliers = flow(t)
    assert w[0] == pytest.approx(float(state[0]), rel=1e-12)
    assert multipliers[0] == pytest.approx(float(state[1]), rel=1e-12)


def test_the_rate_of_slow_modes() -> None:
    assert minnorm_flow.rate(1e-20, 1.0, 1.0) == pytest.approx(1e-20, rel=1e-14)
    assert minnorm_flow.rate(0.0, 1.0, 1.0) == 0
    assert minnorm_flow.rate(1e-20, 1e9, 1e-9) == pytest.approx(1e-29, rel=1e-14)
    slow = minnorm_flow.spectrum(Separable(np.array([[1e-9, 0.0], [0.0, 1.0]])), 1.0, 1.0)
    assert slow[0] == pytest.approx(-1e-18, rel=1e-12)


@pytest.mark.parametrize("m0", [-800.0, -40.0, -1.0, 0.0, 1e-3, 30.0, 690.0, 800.0, 1e5])
@pytest.mark.parametrize("t", [0.0, 1e-8, 1.0, 1e4, 1e300])
def test_logistic_margins_of_every_size(m0: float, t: float) -> None:
    """e^m + m = e^(m0) + m0 + t."""
    found = float(gradient_flow.logistic_margins(np.eye(1), np.array([m0]), t)[0])
    with mpmath.workdps(50):
        C = mpmath.exp(m0) + mpmath.mpf(m0) + mpmath.mpf(t)
        guess = max(mpmath.mpf(m0), mpmath.log(C) if C > 1 else mpmath.mpf(m0))
        for _ in range(200):  # e^m + m is convex, so that Newton's method comes down from above
            step = (mpmath.exp(guess) + guess - C) / (mpmath.exp(guess) + 1)
            guess -= step
            if abs(step) < mpmath.mpf(10) ** -45:
                break
        off = abs(found - guess)
    assert off <= 1e-14 * max(1, abs(float(guess)))


def test_a_large_example_does_not_excuse_parallel_ones() -> None:
    """Two equal examples beside a large one: not orthogonal (the margin of either is log 11 at t = 5, not log 6)."""
    with pytest.raises(InvalidArgument, match="expected pairwise orthogonal examples"):
        gradient_flow.exponential_margins(np.array([[1e7, 0.0], [0.0, 1.0], [0.0, 1.0]]), np.zeros(2), 5.0)
    beside = gradient_flow.exponential_margins(np.array([[1e7, 0.0], [0.0, 1e-7]]), np.zeros(2), 5.0)
    assert np.allclose(beside, [np.log(1 + 5e14), 5e-14], rtol=1e-2)


def test_weights_have_no_limit() -> None:
    for solution in (gradient_flow.exponential_solution, gradient_flow.logistic_solution):
        with pytest.raises(InvalidArgument, match="t = inf: expected finite times"):
            solution(np.eye(2), np.zeros(2), np.array([1.0, np.inf]))


def test_duplicates_share_their_dual() -> None:
    """w = log(1 + 2 t) of two equal examples, so that w~ = log 2."""
    twice = Separable(np.array([[1.0, 0.0], [1.0, 0.0]]))
    offset = gradient_flow.offset(twice, np.array([5.0, 7.0]))
    assert np.allclose(offset, [np.log(2), 7], atol=1e-12)
    assert gradient_flow.direction_constant(twice, offset) == pytest.approx(7)
    assert gradient_flow.margin_constant(twice) == pytest.approx(0, abs=1e-12)
    assert gradient_flow.relaxation_rate(twice) == pytest.approx(1)


def test_a_duplicate_turns_the_limit() -> None:
    """(1, 1) twice and (1, -1): t e^(-z.w) tends to 1/4, 1/4, 1/2, so that |P w~| = log(2) / 2."""
    problem = Separable(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]))
    offset = gradient_flow.offset(problem, np.zeros(2))
    assert np.allclose(gradient_flow.settled_duals(problem), [0.25, 0.25, 0.5], rtol=1e-12)
    assert np.allclose(offset, [1.5 * np.log(2), 0.5 * np.log(2)], rtol=1e-12)
    assert gradient_flow.margin_constant(problem) == pytest.approx(0.5 * np.log(2), rel=1e-12)
    late = gradient_flow.flow_in_log_time(problem, np.zeros(2), np.array([0.0, 30.0]))["rho"][-1]
    assert np.allclose(late, offset, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-2, 2), min_size=2, max_size=6), st.sampled_from(UNITS))
def test_settled_duals_make_the_classifier(heights: list[int], unit: float) -> None:
    """Examples (1, h): where heights surround 0 all of them are on the margin, and needed."""
    Z = unit * np.column_stack([np.ones(len(heights)), heights])
    problem = Separable(Z)
    if min(heights) < 0 < max(heights) or set(heights) == {0}:
        duals = gradient_flow.settled_duals(problem)
        assert (duals > 0).all()
        assert np.allclose(Z.T @ duals * unit, problem.w * unit, atol=1e-10)
        w = gradient_flow.offset(problem, np.zeros(2))
        assert np.allclose(np.exp(-Z @ w), duals, rtol=1e-8)
    elif 0 in heights:
        with pytest.raises(InvalidArgument, match="whose dual is 0"):
            gradient_flow.settled_duals(problem)


def test_examples_beyond_the_margin_slow_the_limit() -> None:
    assert gradient_flow.relaxation_rate(Separable(np.array([[1.0], [1.2]]))) == pytest.approx(0.2)
    assert gradient_flow.relaxation_rate(Separable(np.array([[1.0], [9.0]]))) == pytest.approx(1)


def test_a_large_example_does_not_pass_for_the_span() -> None:
    with pytest.raises(InvalidArgument, match="examples off the span"):
        gradient_flow.offset(Separable(np.array([[1e-12, 0.0], [1e-11, 1e-13], [1.0, 0.0]])), np.zeros(2))


def test_errors_of_a_direction() -> None:
    problem = Separable(np.eye(2))
    for error in (0.0, 2.0, np.nan):
        with pytest.raises(InvalidArgument, match="error = "):
            gradient_flow.log_hitting_time(problem, np.array([1.0, 0.0]), error)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-2, 2)] * 2), min_size=1, max_size=6), st.sampled_from(UNITS))
def test_unavoidable_violations_do_not_know_units(rows: list[tuple], unit: float) -> None:
    Z = np.array(rows, dtype=float)
    v = nonseparable.unavoidable_violations(Z)
    assert np.allclose(nonseparable.unavoidable_violations(Z * unit), v, atol=1e-9)
    assert np.allclose(Z.T @ v, 0, atol=1e-9)
    assert v @ v == pytest.approx(v.sum(), abs=1e-9)


def test_violations_that_a_solver_missed_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nonseparable, "nnls", lambda E, f, maxiter: (np.zeros(E.shape[1]), 0.0))
    assert np.allclose(nonseparable.unavoidable_violations(np.array([[1.0], [1.0]])), 0, atol=1e-12)
    monkeypatch.setattr(nonseparable, "NEWTON_STEPS", 1)
    with pytest.raises(Uncertified, match="nnls found no projection"):
        nonseparable.unavoidable_violations(np.array([[1.0], [1.0]]))


def test_step_sizes_out_of_range() -> None:
    with pytest.raises(InvalidArgument, match=r"A = 2.0: expected a number in \(0, 2\)"):
        heavy_ball.alternating_limit(np.array(1.0), 2.0)
    for best in (heavy_ball.best_alternating, heavy_ball.best_simultaneous):
        with pytest.raises(InvalidArgument, match="g_min = 0.0"):
            best(np.array(0.0), np.array(1.0))
    steps = heavy_ball.best_alternating(np.array(1e-18), np.array(1.0))
    assert steps.A == pytest.approx(4e-9, rel=1e-8)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ((np.zeros(3), np.zeros(1)), r"w.shape = \(3,\): expected \(2,\)|parameter 'w'|parameter 'multipliers'"),
        ((np.array([np.nan, 0.0]), np.zeros(1)), r"w\[0\] = nan: expected a finite number"),
        ((np.zeros(2), np.array([-1.0])), "multipliers = .*: expected none below 0"),
    ],
)
def test_starts_that_are_none(start: tuple, message: str) -> None:
    with pytest.raises(Exception, match=message):
        event_driven.solution(np.array([[1.0, 0.0]]), *start, 3.0, a=1.0, b=1.0)


def test_the_support_alone_is_not_the_flow_of_duplicates() -> None:
    twice = Separable(np.array([[1.0, 0.0], [1.0, 0.0]]))
    for call in (
        lambda: minnorm_flow.spectrum(twice, 1.0, 1.0),
        lambda: minnorm_flow.solution(twice, np.zeros(2), np.zeros(2), 1.0, a=1.0, b=1.0),
    ):
        with pytest.raises(InvalidArgument, match="an example on the margin beyond the support"):
            call()
    w, multipliers = event_driven.solution(twice.Z, np.zeros(2), np.zeros(2), 60.0, a=1.0, b=1.0)
    assert np.allclose(w, [1, 0], atol=1e-9)
    assert np.allclose(multipliers, 0.5, atol=1e-9)


def test_examples_of_zeros_move_their_multipliers_alone() -> None:
    w, multipliers = event_driven.solution(np.zeros((1, 2)), np.ones(2), np.ones(1), 3.0, a=1.0, b=2.0)
    assert np.allclose(w, np.exp(-3))
    assert multipliers == pytest.approx(7)


@pytest.mark.parametrize("unit", UNITS)
def test_repeated_rows_do_not_stop_the_projection(unit: float) -> None:
    """nnls alone ends away from the optimum: only (2, 2) and (-1, -1) contradict each other."""
    Z = unit * np.array([[2.0, 0], [1, -1], [2, 2], [1, -1], [-1, -1], [2, 0]])
    assert np.allclose(nonseparable.unavoidable_violations(Z), [0, 0, 0.6, 0, 1.2, 0], atol=1e-12)
