"""The Minnorm flow as a predictor on a fixed active set, its spectrum, its rate and its Lyapunov function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.flows import flow
from theory.core.separable import Separable, labelled_by_a_teacher, planted
from theory.shallow import minnorm_flow
from theory.shallow.minnorm_flow import ActiveSetFlow

seeds = st.integers(0, 10_000)
SHARES = np.array([0.5, 0.3, 0.2])


def setup(seed: int) -> tuple[Separable, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    problem = Separable(labelled_by_a_teacher(rng, n=8, d=3, runs=1, least=0.4)[0])
    return problem, rng.standard_normal(3), rng.exponential(size=8) * (rng.random(8) < 0.5)


def pieces(seed: int, b: float) -> ActiveSetFlow:
    """More examples active than dimensions, fewer, or none."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((5, 3))
    active = rng.random(5) < 0.6
    return ActiveSetFlow(Z, active, rng.standard_normal(3), rng.exponential(size=5) * active, 1.3, b)


@settings(max_examples=50, deadline=None)
@given(seeds, st.floats(0.01, 5), st.floats(0, 4), st.floats(0, 4))
def test_active_set_flows_are_semigroups(seed: int, b: float, first: float, second: float) -> None:
    piece = pieces(seed, b)
    w, multipliers = piece(np.array(first))
    if multipliers.min() < 0:  # beyond the piece's own life
        return
    later = ActiveSetFlow(piece.Z, piece.active, w, multipliers, piece.a, piece.b)(np.array(second))
    once = piece(np.array(first + second))
    for x, y in zip(later, once):
        assert np.allclose(x, y, atol=1e-8 * (1 + np.abs(y).max()))


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0.05, 3))
def test_active_set_flows_solve_the_linear_flow(seed: int, b: float) -> None:
    piece = pieces(seed, b)

    def velocity(_: float, state: dict) -> dict:
        return {
            "w": -piece.a * (state["w"] - state["m"] @ piece.Z),
            "m": piece.b * piece.active * (1 - piece.Z @ state["w"]),
        }

    t = np.linspace(0, 3, 4)
    solution = flow(velocity, {"w": piece.w, "m": piece.multipliers}, t, relative_tolerance=1e-12)
    w, multipliers = piece(t)
    assert np.allclose(solution["w"], w, atol=1e-8)
    assert np.allclose(solution["m"], multipliers, atol=1e-8)


def test_the_critical_mode_has_its_double_root() -> None:
    """One example of length 1, b = a/4: nu = 0 exactly, and t e^{-at/2} appears."""
    piece = ActiveSetFlow(np.array([[1.0]]), np.array([True]), np.array([0.0]), np.array([1.0]), 1.0, 0.25)
    w, _ = piece(np.array([0.0, 2.0, np.inf]))
    # x = w - 1 starts at -1 with x' = -(x - (lambda - 1)) = 1: x = (-1 + t/2) e^{-t/2}.
    assert np.allclose(w[:, 0], [0.0, 1 + 0 * np.exp(-1), 1.0], atol=1e-14)


def test_start_end_and_shapes() -> None:
    problem = Separable(planted(np.random.default_rng(0), SHARES, d=4, slack=np.array([0.5]))[0])
    start = problem, np.ones(4), 0.9 * problem.duals
    w, multipliers = minnorm_flow.solution(*start, np.array([0.0, np.inf]), a=1.0, b=0.5)
    assert np.allclose(w, [np.ones(4), problem.w], atol=1e-12)
    assert np.allclose(multipliers, [0.9 * problem.duals, problem.duals], atol=1e-12)
    t = np.linspace(0, 5, 6).reshape(2, 3)
    w, multipliers = minnorm_flow.solution(*start, t, a=1.0, b=0.5)
    assert w.shape == (2, 3, 4)
    assert multipliers.shape == (2, 3, 4)
    for path, state in zip((w, multipliers), minnorm_flow.solution(*start, 4.0, a=1.0, b=0.5)):
        assert np.allclose(path[1, 1], state)


def test_contradicting_examples_have_infinite_multipliers_in_the_end() -> None:
    Z = np.array([[1.0, 0.0], [-1.0, 0.0]])
    piece = ActiveSetFlow(Z, np.ones(2, bool), np.array([3.0, 1.0]), np.zeros(2), 1.0, 1.0)
    w, multipliers = piece(np.array(np.inf))
    assert np.isposinf(multipliers).all()
    assert np.allclose(w, 0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.01, 3), st.floats(0, 2))
def test_the_spectrum_is_that_of_the_linear_flow(seed: int, b: float, c: float) -> None:
    problem, _, _ = setup(seed)
    Z = problem.Z[problem.support]
    k, d = Z.shape
    a = 0.8
    block = np.block([[-a * (np.eye(d) + c * Z.T @ Z), a * Z.T], [-b * Z, np.zeros((k, k))]])
    predicted = minnorm_flow.spectrum(problem, a, b, c)
    coefficients = np.poly(predicted)
    assert np.allclose(coefficients, np.poly(block), rtol=1e-7, atol=1e-9)
    if c == 0:
        assert -predicted.real.max() == pytest.approx(float(minnorm_flow.rate(problem.gram_range[0], a, b)), rel=1e-9)


def test_the_rate_saturates_at_its_kink() -> None:
    kink = float(minnorm_flow.critical_dual_rate(0.3, 1.7))
    rates = minnorm_flow.rate(0.3, 1.7, np.array([0.99, 1.0, 10.0]) * kink)
    assert rates[0] < 0.85
    assert np.array_equal(rates[1:], [0.85, 0.85])


@settings(max_examples=50, deadline=None)
@given(seeds, st.floats(0.1, 3), st.floats(0.1, 3))
def test_the_lyapunov_function_falls_at_every_state(seed: int, a: float, b: float) -> None:
    problem, w, multipliers = setup(seed)
    w_dot, m_dot = minnorm_flow.velocity(problem.Z, w, multipliers, a, b)
    slope = (w - problem.w) @ w_dot / a + (multipliers - problem.duals) @ m_dot / b
    loss = minnorm_flow.dissipation(problem, w, multipliers)
    assert slope <= -loss + 1e-9 * (1 + abs(slope))
    assert loss >= ((w - problem.w) ** 2).sum() * (1 - 1e-12) - 1e-9


def test_the_integrated_flow_says_what_it_may_be_off_by() -> None:
    """From a start so near that no multiplier reaches 0: no kinks there."""
    problem = Separable(planted(np.random.default_rng(1), SHARES, d=4)[0])
    start, t = (1.01 * problem.w, 0.99 * problem.duals), np.linspace(0, 8, 5)
    run = minnorm_flow.integrated(problem.Z, *start, t, a=1.3, b=0.5)
    w, multipliers = minnorm_flow.solution(problem, *start, t, a=1.3, b=0.5)
    assert np.abs(run["w"] - w).max() < run.facts["error"]
    assert np.abs(run["multipliers"] - multipliers).max() < run.facts["error"]
