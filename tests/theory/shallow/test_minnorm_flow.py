"""The Minnorm flow as a predictor on a fixed active set, its spectrum, its rate and its Lyapunov function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.flows import flow
from theory.core.separable import Separable, labelled_by_a_teacher, planted
from theory.core.validation import InvalidArgument
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


def test_the_lyapunov_function_and_its_fall_by_hand() -> None:
    """V by its definition; along the velocity it changes by its gradient: by the dissipation, where all are free."""
    problem = Separable(planted(np.random.default_rng(2), SHARES, d=4, slack=np.array([0.7]))[0])
    rng = np.random.default_rng(3)
    w, multipliers, a, b, step = rng.standard_normal(4), rng.exponential(size=4), 1.3, 0.7, 1e-6
    off, above = w - problem.w, multipliers - problem.duals
    V = minnorm_flow.lyapunov(problem, w, multipliers, a, b)
    assert V == pytest.approx(off @ off / 2.6 + above @ above / 1.4, rel=1e-13)
    w_dot, m_dot = minnorm_flow.velocity(problem.Z, w, multipliers, a, b)
    ahead, behind = (
        minnorm_flow.lyapunov(problem, w + t * w_dot, multipliers + t * m_dot, a, b) for t in (step, -step)
    )
    assert (ahead - behind) / (2 * step) == pytest.approx(-minnorm_flow.dissipation(problem, w, multipliers), rel=1e-7)


def test_a_multiplier_at_0_only_grows() -> None:
    Z, w = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]]), np.array([0.5, 3.0])
    w_dot, m_dot = minnorm_flow.velocity(Z, w, np.array([0.0, 0.0, 0.4]), 1.3, 0.7)
    assert w_dot == pytest.approx([-1.3 * (0.5 - 0.8), -1.3 * (3.0 - 0.4)])
    assert m_dot == pytest.approx([0.35, 0.0, -2.1])


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 3), st.floats(0.5, 2), st.floats(0.02, 3))
def test_the_rate_is_that_of_the_slowest_mode(g_min: float, a: float, b: float) -> None:
    roots = np.roots([1, a, a * b * g_min])
    assert minnorm_flow.rate(g_min, a, b) == pytest.approx(-roots.real.max(), abs=1e-6)
    assert minnorm_flow.critical_dual_rate(g_min, a) == pytest.approx(a / (4 * g_min), rel=1e-14)


def test_near_the_double_root_the_propagators_stay_accurate() -> None:
    """On both sides of nu = 0, where the series takes over: continuous to twelve digits."""
    t = np.array([0.7, 3.0])
    around = [
        ActiveSetFlow(np.array([[1.0]]), np.array([True]), np.array([0.4]), np.array([1.1]), 1.3, 1.3 / 4 * factor)(t)
        for factor in (1 - 1e-13, 1.0, 1 + 1e-13)
    ]
    for w, multipliers in around:
        assert np.allclose(w, around[1][0], rtol=1e-11)
        assert np.allclose(multipliers, around[1][1], rtol=1e-11)
    for factor in (0.9985, 0.9995, 1.0005, 1.0015):  # square of nu t on both sides of 1e-3
        b = 1.3 / 4 * factor
        piece = ActiveSetFlow(np.array([[1.0]]), np.array([True]), np.array([0.4]), np.array([1.1]), 1.3, b)

        def velocity(_: float, state: dict, b: float = b) -> dict:
            return {"w": -1.3 * (state["w"] - state["m"]), "m": b * (1 - state["w"])}

        solution = flow(velocity, {"w": np.array([0.4]), "m": np.array([1.1])}, t, relative_tolerance=1e-12)
        assert np.allclose(solution["w"], piece(t)[0], atol=1e-10)
        assert np.allclose(solution["m"], piece(t)[1], atol=1e-10)


def test_what_a_piece_refuses() -> None:
    Z, w = np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2)
    with pytest.raises(InvalidArgument, match="a = 0.0"):
        ActiveSetFlow(Z, np.ones(2, bool), w, np.zeros(2), 0.0, 1.0)
    with pytest.raises(InvalidArgument, match="b = -1.0"):
        ActiveSetFlow(Z, np.ones(2, bool), w, np.zeros(2), 1.0, -1.0)
    for multipliers in (np.array([-0.1, 0.0]), np.array([0.0, 0.1])):
        with pytest.raises(InvalidArgument, match="none below 0, and 0 off the active set"):
            ActiveSetFlow(Z, np.array([True, False]), w, multipliers, 1.0, 1.0)


def test_the_fastest_mode() -> None:
    def fastest(b: float) -> float:
        return ActiveSetFlow(np.diag([3.0, 0.5]), np.ones(2, bool), np.zeros(2), np.zeros(2), 1.3, b).fastest

    assert fastest(0.7) == pytest.approx(3 * np.sqrt(1.3 * 0.7))
    assert fastest(0.01) == 1.3
    assert ActiveSetFlow(np.eye(2), np.zeros(2, bool), np.ones(2), np.zeros(2), 1.3, 0.7).fastest == 1.3


def test_the_integrated_flow_says_what_it_may_be_off_by() -> None:
    """From a start so near that no multiplier reaches 0: no kinks there."""
    problem = Separable(planted(np.random.default_rng(1), SHARES, d=4)[0])
    start, t = (1.01 * problem.w, 0.99 * problem.duals), np.linspace(0, 8, 5)
    run = minnorm_flow.integrated(problem.Z, *start, t, a=1.3, b=0.5)
    w, multipliers = minnorm_flow.solution(problem, *start, t, a=1.3, b=0.5)
    assert np.abs(run["w"] - w).max() < run.facts["error"]
    assert np.abs(run["multipliers"] - multipliers).max() < run.facts["error"]
