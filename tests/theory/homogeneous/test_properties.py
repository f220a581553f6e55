"""What the formulas of homogeneous networks satisfy at any arguments: covariance, limits, and other ways to them."""

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from theory.core.linear_networks import gaussian_stack, per_size, squarable
from theory.core.separable import Separable, planted
from theory.homogeneous import (
    balance,
    critical_points,
    decomposition,
    dynamics,
    margin_growth,
    max_margin,
    normalisation,
    smoothed_margin,
)
from theory.homogeneous.decomposition import Examples, polar
from theory.homogeneous.margin_growth import Aligned, TwoPoints

seeds = st.integers(0, 2**32 - 1)
units = st.sampled_from([1e-140, 1e-9, 0.3, 1.0, 1e5, 1e140])
few = settings(max_examples=20, deadline=None)


def rotation(rng: np.random.Generator, d: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


@few
@given(st.floats(0, 5), st.floats(0, 9), st.floats(0, 9))
def test_forgetting_is_exponential(decay: float, first: float, second: float) -> None:
    both = balance.solution(decay, first) * balance.solution(decay, second)
    assert both == pytest.approx(balance.solution(decay, first + second), rel=1e-12)
    assert balance.solution(decay, first) == pytest.approx(float(mpmath.exp(-2 * mpmath.mpf(decay) * first)), rel=1e-13)


@few
@given(seeds, st.floats(0.1, 30), st.sampled_from([1e-9, 1.0, 1e7]))
def test_forces_at_a_size_are_slopes_of_the_loss_on_the_sphere(seed: int, rho: float, unit: float) -> None:
    """By differences along a geodesic; they turn with the examples, and a unit of length is no force of its own."""
    rng = np.random.default_rng(seed)
    problem = Separable(planted(rng, np.array([0.5, 0.3, 0.2]), d=4, slack=np.array([0.4]))[0])
    V, along = np.linalg.qr(rng.standard_normal((4, 2)))[0].T
    arc = [np.cos(s) * V + np.sin(s) * along for s in (1e-4, -1e-4)]
    size = np.array(rho)
    loss = [logsumexp(-rho * problem.Z @ each) for each in arc]
    force, bend = critical_points.tangential_gradient(problem, size, V), critical_points.curvature(problem, size, V)
    assert force @ along == pytest.approx((loss[1] - loss[0]) / 2e-4 / rho, abs=1e-5 * (1 + rho**2))
    assert force @ V == pytest.approx(0, abs=1e-12)
    middle = logsumexp(-rho * problem.Z @ V)
    assert along @ bend @ along == pytest.approx((sum(loss) - 2 * middle) / 1e-8 / rho, abs=1e-5 * (1 + rho**3))
    Q = rotation(rng, 4)
    turned = Separable(unit * problem.Z @ Q.T)
    assert critical_points.tangential_gradient(turned, size / unit, Q @ V) / unit == pytest.approx(Q @ force, abs=1e-9)
    moved = critical_points.curvature(turned, size / unit, Q @ V) / unit
    assert moved == pytest.approx(Q @ bend @ Q.T, abs=1e-9 * (1 + rho))


@few
@given(seeds, st.floats(0.3, 1e4), st.sampled_from([1e-9, 1.0, 1e7]))
def test_directions_at_rest_have_the_least_loss_of_all(seed: int, rho: float, unit: float) -> None:
    rng = np.random.default_rng(seed)
    Z = planted(rng, np.array([0.5, 0.3, 0.2]), d=4, slack=np.array([0.4]))[0]
    problem, Q, size = Separable(Z), rotation(rng, 4), np.array(rho)
    V = critical_points.equilibrium(problem, size)
    assert np.linalg.norm(V) == pytest.approx(1)
    around = V + np.geomspace(1e-3, 3, 50)[:, None] * rng.standard_normal((50, 4))
    around /= np.linalg.norm(around, axis=-1, keepdims=True)
    assert (logsumexp(-rho * Z @ V) <= logsumexp(-rho * around @ Z.T, axis=-1) + 1e-13 * (1 + rho)).all()
    turned = critical_points.equilibrium(Separable(unit * Z @ Q.T), size / unit)
    assert turned == pytest.approx(Q @ V, abs=1e-8)


@few
@given(seeds)
def test_far_out_the_angle_falls_by_the_approach_constant(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = Separable(planted(rng, np.array([0.5, 0.3, 0.2]), d=5, margin=0.8)[0])
    best, w0 = problem.w * problem.margin, rng.standard_normal(5)
    constant = max_margin.approach_constant(problem, np.zeros(5))
    apart = critical_points.equilibrium(problem, np.array(1e7)) - best
    assert 1e7 * np.linalg.norm(apart) == pytest.approx(float(constant), rel=1e-4, abs=1e-6)
    unseen = np.linalg.norm(w0 - np.linalg.pinv(problem.Z) @ (problem.Z @ w0))
    assert max_margin.approach_constant(problem, w0) == pytest.approx(np.hypot(constant, unseen))


@few
@given(st.lists(st.floats(-700, 700), min_size=1, max_size=5))
def test_slopes_of_losses_at_any_margins(q: list[float]) -> None:
    with mpmath.workdps(30):
        falls = [mpmath.exp(-mpmath.mpf(each)) for each in q]
        exact = {
            decomposition.exponential_slope: falls,
            decomposition.logistic_slope: [fall / (1 + fall) for fall in falls],
            decomposition.squared_slope: [1 - mpmath.mpf(each) for each in q],
            decomposition.log_slope: [fall / sum(falls) for fall in falls],
        }
    for slope, values in exact.items():
        assert slope(np.array(q)) == pytest.approx([float(value) for value in values], rel=1e-12, abs=1e-300)


@few
@given(seeds, st.integers(1, 12), units)
def test_sizes_and_directions_are_the_layers(seed: int, depth: int, unit: float) -> None:
    """Also of more than nine layers, whose names do not sort as their numbers do."""
    W = gaussian_stack(np.random.default_rng(seed), [2] * depth + [1], unit, runs=3)
    assert squarable(W) is W
    state = polar(W)
    for back, layer, direction in zip(decomposition.weights(state), W, state.V):
        assert back == pytest.approx(layer, rel=1e-14)
        assert np.linalg.norm(direction, axis=(-2, -1)) == pytest.approx(1, rel=1e-14)
    for k, number in enumerate(decomposition.per_layer(state.rho)):
        assert np.array_equal(number[:, 0, 0], state.rho[:, k])
    again = dynamics.directions({"rho": state.rho, **dynamics.named(state.V), "clock": state.rho[..., 0]})
    assert len(again) == depth and all(a is b for a, b in zip(again, state.V))


@few
@given(st.floats(0.1, 3), st.floats(0.1, 3), st.integers(1, 5), st.floats(1e-3, 1e3))
def test_unseen_parts_by_depth_compose(first: float, second: float, depth: int, start: float) -> None:
    begin = np.array(start)
    once = max_margin.unseen(begin, np.array(first), depth)
    assert max_margin.unseen(once, np.array(second), depth) == pytest.approx(
        float(max_margin.unseen(begin, np.array(first * second), depth))
    )
    assert max_margin.unseen(begin, np.array(first**depth), depth) == pytest.approx(start / first)


@few
@given(st.integers(1, 6), st.floats(1e-3, 1e3), st.integers(1, 9), st.floats(-20, 6.5))
def test_margins_grow_as_their_layers_do(depth: int, gain: float, copies: int, log_margin: float) -> None:
    """rho' = n gain rho^(L - 1) e^-m of each layer, m = gain rho^L; and the time there is the inverse of the speed."""
    network, m = Aligned(depth, gain, copies), np.exp(log_margin)
    with mpmath.workdps(30):
        rho = (mpmath.mpf(m) / gain) ** (mpmath.mpf(1) / depth)
        speed = (depth * gain * rho ** (depth - 1)) * (copies * gain * rho ** (depth - 1) * mpmath.exp(-mpmath.mpf(m)))
    assert margin_growth.layer_norms(network, np.array(m)) == pytest.approx(float(rho), rel=1e-13)
    assert margin_growth.growth(network, np.array(m)) == pytest.approx(float(speed), rel=1e-11)
    step = 1e-4 / (1 + m)
    time = margin_growth.growth_time(network, m * (1 - step), m * (1 + step))
    assert time * float(speed) == pytest.approx(2 * step * m, rel=1e-6)


@few
@given(st.floats(0.1, 3), st.floats(0, 0.99), st.floats(-5, 5), st.floats(-5, 5), st.floats(-300, 300))
def test_differences_of_two_points(square: float, cosine: float, first: float, second: float, shift: float) -> None:
    """At a right angle m_i = log(e^m_i(0) + a t), so t (m_1 - m_2) -> (e^m_1 - e^m_2) / a; later starts and other units
    of time are factors; and the two may be exchanged."""
    m = np.array([first, second])
    apart = margin_growth.two_point_difference(TwoPoints(square, 0.0), m)
    assert apart == pytest.approx((np.exp(first) - np.exp(second)) / square, rel=1e-9, abs=1e-13)
    points = TwoPoints(square, cosine * square)
    found = margin_growth.two_point_difference(points, m)
    with mpmath.workdps(30):
        kappa = (1 - mpmath.mpf(cosine)) / (1 + mpmath.mpf(cosine))
        half, both = (mpmath.mpf(first) - second) / 2, (mpmath.mpf(first) + second) / 2
        exact = 2 * mpmath.sinh(half) * mpmath.exp(kappa * both) * (square * (1 + mpmath.mpf(cosine))) ** -kappa
    assert found == pytest.approx(float(exact), rel=1e-11, abs=1e-14)
    assert margin_growth.two_point_difference(points, m[::-1]) == -found
    later = margin_growth.two_point_difference(points, m + shift)
    factor = np.exp(points.kappa * shift)
    assert later == pytest.approx(found * factor, rel=1e-9, abs=1e-10 * factor)


@few
@given(seeds, st.sampled_from([1e-6, 1.0, 1e6]))
def test_whitening_forgets_every_affine_map(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    X, w, y = rng.standard_normal((7, 3)), rng.standard_normal((2, 3)), np.array([1.0, -1, 1, -1, 1, -1, 1])
    X = X + 2 * y[:, None]
    A = rotation(rng, 3) @ np.diag([1.0, 2.0, 0.5]) * unit
    assert normalisation.covariance(X @ A + 3) == pytest.approx(A.T @ np.cov(X.T, bias=True) @ A, rel=1e-9)
    white = normalisation.whitened(Examples(X, y))
    assert normalisation.covariance(y[:, None] * white.Z) == pytest.approx(np.eye(3), abs=1e-10)
    moved = normalisation.whitened(Examples(X @ A + 3 * unit, y))
    assert moved.Z @ moved.Z.T == pytest.approx(white.Z @ white.Z.T, abs=1e-8)
    u = normalisation.whitened_direction(X, w)
    assert np.linalg.norm(u, axis=-1) == pytest.approx(1)
    centred = w @ (X - X.mean(0)).T
    assert u @ white.Z.T == pytest.approx(y * centred / centred.std(-1, keepdims=True))


@few
@given(st.floats(-1e300, 1e300), st.floats(1e-300, 1e300), st.integers(1, 9))
def test_margins_by_size_whose_powers_overflow(margin: float, square: float, degree: int) -> None:
    exact = mpmath.mpf(margin) / mpmath.mpf(square) ** (mpmath.mpf(degree) / 2)
    assume(exact == 0 or 1e-300 < abs(exact) < 1e300)
    found = per_size(np.array(margin), np.array(square), degree)
    assert found == pytest.approx(float(exact), rel=1e-11)
    assert smoothed_margin.normalised_margin(np.array([margin, 1e301]), np.array(square), degree) == found
