"""What holds of every step and schedule on a weight manifold: steps taken by hand, recursions, other formulas."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.manifolds import noise, rayleigh, schedules, steps
from theory.manifolds.schedules import Schedule

few = settings(deadline=None, max_examples=20)
seeds = st.integers(0, 10**6)
scales = st.sampled_from([1e-100, 1e-3, 1.0, 7.0, 1e100])


def exponential(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The geodesic of each unit column w along v, for the time 1."""
    size = np.linalg.norm(v, axis=-2, keepdims=True)
    return np.cos(size) * w + np.sinc(size / np.pi) * v


@few
@given(seeds, st.floats(0, 2), st.sampled_from([1e-60, 1.0, 1e60]), st.integers(0, 8))
def test_moments_add_up_over_what_remains_of_each_step(seed: int, q: float, unit: float, count: int) -> None:
    c, a, h, sigma, start = np.random.default_rng(seed).uniform(0.3, 1.8, 5)
    schedule = Schedule(c, a, q)
    g = schedule(np.arange(float(count)))
    kept = np.cumprod((1 - g * h)[::-1])[::-1]
    after = np.append(kept[1:], 1.0)[:count]
    exact = np.prod(1 - g * h) ** 2 * start + (sigma * g * after) @ (sigma * g * after)
    moments = noise.second_moments(schedule, h, unit * sigma, unit**2 * start, count)
    assert len(moments) == count + 1
    assert moments[-1] == pytest.approx(unit**2 * exact, rel=1e-10)


@few
@given(seeds, st.floats(0.01, 1.99), scales)
def test_the_stationary_moment_is_a_fixed_point(seed: int, strength: float, unit: float) -> None:
    h, sigma = np.random.default_rng(seed).uniform(0.3, 3, 2)
    h, sigma = float(h), float(sigma)
    at = noise.stationary(strength / h, h, sigma)
    assert (1 - strength) ** 2 * at + (strength / h * sigma) ** 2 == pytest.approx(at, rel=1e-11)
    assert noise.stationary(strength / h * unit, h / unit, sigma / unit) == pytest.approx(at, rel=1e-12)


@few
@given(seeds, st.floats(0.6, 3))
def test_the_law_of_harmonic_steps_solves_its_recursion_to_third_order(seed: int, strength: float) -> None:
    """m(t + 1) = (1 - g h)^2 m(t) + g^2 sigma^2, whose terms are of order 1 / t^2, up to O(1 / t^4)."""
    h, a, sigma = (float(each) for each in np.random.default_rng(seed).uniform(0.3, 3, 3))
    schedule, t = Schedule(strength / h, a), 3000.0
    m, after = noise.harmonic(schedule, h, sigma, np.array([t, t + 1]))
    g = schedule(t)
    missing = after - (1 - g * h) ** 2 * m - (g * sigma) ** 2
    assert abs(missing) * t**3 < 0.02 * (strength / h * sigma) ** 2


@few
@given(seeds, st.floats(0.2, 4), st.floats(0, 2), st.floats(0, 3))
def test_angles_are_of_steps_on_the_circle(seed: int, h: float, rho: float, c: float) -> None:
    """x <- exp_x(g A x), less the part along x; A = diag(h, 0), and x (cos theta, sin theta)."""
    rng = np.random.default_rng(seed)
    theta, g = rng.uniform(-1.5, 1.5, 3), rng.uniform(0.1, 1.0, 4)
    around = lambda theta: np.stack([np.cos(theta), np.sin(theta)])  # noqa: E731
    A = np.diag([h, 0.0])
    plain = grained = around(theta)
    for size in g:
        downhill = A @ plain - plain * (plain * (A @ plain)).sum(0)
        plain = exponential(plain, size * downhill)
        downhill = A @ grained - grained * (grained * (A @ grained)).sum(0)
        R = np.linalg.norm(downhill, axis=0)
        factor = np.sqrt(np.maximum(1, R**2 * np.maximum((2 * rho + R) ** 2, 1 + c * (rho + R))))
        grained = exponential(grained, size / factor * downhill)
    assert around(rayleigh.circle_angles(theta, h, g)[-1]) == pytest.approx(plain, abs=1e-9)
    assert around(rayleigh.fine_grained_angles(theta, h, g, rho, c)[-1]) == pytest.approx(grained, abs=1e-9)
    # <log_x x*, grad L>: along the circle, theta back to 0.
    slope = -(A @ around(theta) * around(theta + np.pi / 2)).sum(0)
    assert rayleigh.alignment(theta, h) == pytest.approx(-theta * slope, abs=1e-12)
    assert (rayleigh.alignment(theta, h) <= 0).all()


@few
@given(st.floats(-12, 3))
def test_a_cycle_turns_back_in_each_step(excess: float) -> None:
    strength = 2 + 10**excess
    theta = rayleigh.cycle_angle(strength)
    path = rayleigh.circle_angles(np.array([theta]), strength, np.ones(2))[:, 0]
    assert path == pytest.approx([theta, -theta, theta], rel=1e-6)
    assert 0 < theta < np.pi / 2 and rayleigh.cycle_angle(strength * 1.01) > theta


@few
@given(st.floats(1e-12, 1.5), st.floats(0.05, 3))
def test_a_saddle_is_left_no_sooner_and_no_later(beta: float, strength: float) -> None:
    count = int(rayleigh.steps_to_leave(np.array([beta]), strength)[0])
    path = np.pi / 2 - rayleigh.circle_angles(np.array([np.pi / 2 - beta]), strength, np.ones(count))[:, 0]
    assert (path[:-1] < np.pi / 4).all() and path[-1] >= np.pi / 4 * (1 - 1e-4)
    fastest = np.log(max(np.pi / 4 / beta, 1)) / np.log1p(strength)
    slowest = np.log(max(np.pi / 4 / beta, 1)) / np.log1p(2 * strength / np.pi)
    assert fastest <= count <= np.ceil(slowest) + 1e-9


@few
@given(st.floats(0, 30), st.floats(0, 30), st.floats(0, 30))
def test_no_step_is_longer_than_the_cap(rho: float, c: float, R: float) -> None:
    cap = steps.largest_step(rho, c)
    assert R <= cap * steps.normaliser(R, rho, c) * (1 + 1e-12)
    assert steps.normaliser(cap, rho, c) == pytest.approx(1, rel=1e-12)
    assert steps.normaliser(1.001 * cap, rho, c) > 1.0009
    more = steps.normaliser(np.array([R, 2 * R]), rho, c)
    assert more[1] >= more[0] == steps.normaliser(R, rho, c)


@few
@given(st.floats(-1e6, 1e6), st.integers(-1000, 1000))
def test_a_sine_vanishes_at_half_turns_alone(theta: float, turns: int) -> None:
    assert steps.sine(np.array(theta)) == pytest.approx(np.sin(theta), abs=3e-16 * abs(theta))
    assert steps.sine(np.array([turns * np.pi])) == 0
    assert steps.sine(np.array(turns * np.pi + 0.3)) == pytest.approx((-1) ** turns * np.sin(0.3), rel=1e-9)


@few
@given(st.floats(0.05, 3), st.floats(1e-3, 3), st.floats(1e-3, 2), st.floats(0, np.pi))
def test_zeta_bounds_sides_of_hyperbolic_triangles(k: float, rho: float, size: float, angle: float) -> None:
    """The law of cosines at curvature -k; the bound is attained by small v across."""
    with mpmath.workdps(60):
        root = mpmath.sqrt(k)
        side = lambda b, gamma: (  # noqa: E731
            mpmath.acosh(
                mpmath.cosh(root * (rho - b))
                + mpmath.sinh(root * rho) * mpmath.sinh(root * b) * 2 * mpmath.sin(gamma / 2) ** 2
            )
            / root
        )
        squared = float(side(size, angle) ** 2)
        tiny = mpmath.mpf("1e-12")
        attained = float((side(tiny, mpmath.pi / 2) ** 2 - mpmath.mpf(rho) ** 2) / tiny**2)
    at, inner = np.array([rho]), np.array([rho * size * np.cos(angle)])
    zeta = steps.zeta(k, at)
    assert zeta == pytest.approx(attained, rel=1e-9)
    assert squared <= steps.squared_distance_bound(at, inner, np.array([size]), zeta) * (1 + 1e-12) + 1e-14
    flat = rho**2 + size**2 - 2 * rho * size * np.cos(angle)
    assert steps.squared_distance_bound(at, inner, np.array([size]), steps.zeta(0.0, at)) == pytest.approx(flat)


@few
@given(seeds, st.sampled_from([0, 1, 2]), st.integers(0, 30), st.integers(0, 30))
def test_what_remains_composes(seed: int, q: int, t: int, later: int) -> None:
    c, a, h = (float(each) for each in np.random.default_rng(seed).uniform(0.3, 1.5, 3))
    left = schedules.remaining(Schedule(c, a, q), h, np.array([float(t), float(t + later)]))
    after = schedules.remaining(Schedule(c, a + t, q), h, float(later))
    assert left[1] == pytest.approx(left[0] * after, rel=1e-9, abs=1e-300)
