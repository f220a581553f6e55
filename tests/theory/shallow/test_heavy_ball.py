"""Modes of one step, and the best of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.shallow import heavy_ball

steps = st.floats(0.05, 1.9)


def step_matrix(g: float, A: float, B: float, alternating: bool) -> np.ndarray:
    s = np.sqrt(g)
    primal = np.array([1 - A, A * s])
    seen = primal if alternating else np.array([1.0, 0.0])
    return np.array([primal, np.array([0.0, 1.0]) - B * s * seen])


@given(steps, st.floats(0.01, 3), st.floats(0.1, 4))
def test_determinant_trace_and_radius_are_those_of_the_step(A: float, B: float, g: float) -> None:
    for modes, alternating in ((heavy_ball.alternating_modes, True), (heavy_ball.simultaneous_modes, False)):
        matrix = step_matrix(g, A, B, alternating)
        determinant, trace = modes(np.array([g]), A, B)
        assert determinant[0] == pytest.approx(np.linalg.det(matrix), abs=1e-12)
        assert trace[0] == pytest.approx(np.trace(matrix), abs=1e-12)
        largest = np.abs(np.linalg.eigvals(matrix)).max()
        assert heavy_ball.radius(determinant, trace)[0] == pytest.approx(largest, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.1, 2), st.floats(1.01, 200), steps, st.floats(0.01, 10))
def test_nothing_contracts_faster_than_the_best_steps(g_min: float, kappa: float, A: float, B: float) -> None:
    g = np.geomspace(g_min, kappa * g_min, 7)
    for modes, best in (
        (heavy_ball.alternating_modes, heavy_ball.best_alternating),
        (heavy_ball.simultaneous_modes, heavy_ball.best_simultaneous),
    ):
        optimum = best(np.array(g_min), np.array(kappa * g_min))
        chosen = heavy_ball.radius(*modes(g, float(optimum.A), float(optimum.B))).max()
        assert max(chosen, abs(1 - optimum.A)) == pytest.approx(float(optimum.contraction), abs=1e-6)
        other = max(heavy_ball.radius(*modes(g, A, B)).max(), abs(1 - A))
        assert other >= optimum.contraction - 1e-6


@given(steps, st.floats(0.2, 4))
def test_the_limits_of_stability(A: float, g: float) -> None:
    for modes, limit in (
        (heavy_ball.alternating_modes, heavy_ball.alternating_limit(np.array(g), A)),
        (heavy_ball.simultaneous_modes, heavy_ball.simultaneous_limit(np.array(g))),
    ):
        inside, beyond = (heavy_ball.radius(*modes(np.array([g]), A, float(f * limit)))[0] for f in (0.99, 1.01))
        assert inside < 1 < beyond


def test_alternating_steps_are_a_heavy_ball_on_the_dual() -> None:
    rng = np.random.default_rng(0)
    Z, w, multipliers, A, B = rng.standard_normal((3, 5)), rng.standard_normal(5), rng.exponential(size=3), 0.3, 0.07
    path = [multipliers]
    for _ in range(3):
        w = (1 - A) * w + A * Z.T @ path[-1]
        path.append(path[-1] + B * (1 - Z @ w))
    for before, now, after in zip(path[:-2], path[1:-1], path[2:]):
        assert np.allclose(heavy_ball.next_difference(Z @ Z.T, before, now, A, B), after - now, atol=1e-13)


def test_the_best_contractions_are_those_of_the_condition_number() -> None:
    """kappa = 9: Polyak's (3 - 1) / (3 + 1), and (18 - 1) / (18 + 1)."""
    g_min, g_max = np.array(0.7), np.array(6.3)
    assert heavy_ball.best_alternating(g_min, g_max).contraction == pytest.approx(0.5, rel=1e-14)
    assert heavy_ball.best_simultaneous(g_min, g_max).contraction == pytest.approx(17 / 19, rel=1e-14)
    assert heavy_ball.alternating_limit(g_max, 0.6) == pytest.approx(2.8 / (0.6 * 6.3), rel=1e-14)
    assert heavy_ball.simultaneous_limit(g_max) == pytest.approx(1 / 6.3, rel=1e-14)
