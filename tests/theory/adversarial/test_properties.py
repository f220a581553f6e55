"""What holds of caps, kernels, couplings, polynomials and regrets at any sizes, their limits among them."""

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from theory.adversarial import coupling, descent, kernel, polynomials, regret, sphere
from theory.core.validation import InvalidArgument

seeds = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)
biases = st.sampled_from([0.0, 0.3, 1.0, 2.5])


def unit(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    X = rng.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@given(st.floats(0.01, 1.7), st.floats(0, 1))
def test_the_gap_is_at_least_as_printed(delta: float, share: float) -> None:
    rho = share * delta / 2
    found, printed = sphere.gap(delta, rho), sphere.printed_gap(delta, rho)
    assert found >= printed - 1e-12
    assert sphere.gap(delta, rho, 1e7) == pytest.approx(float(printed), abs=1e-6)
    theta, phi = sphere.angle(delta), sphere.angle(rho)
    assert found == pytest.approx(0.75 * (np.cos(phi) - np.cos(theta - phi)), abs=1e-12)


@given(st.floats(0, 1.2), st.floats(0.3, 3))
def test_touching_caps_have_no_gap(rho: float, radius: float) -> None:
    assume(rho <= np.sqrt(2) * radius)
    touching = float(sphere.touching_distance(rho, radius))
    assert touching <= min(2 * rho, 2 * radius) + 1e-12
    assert sphere.gap(min(touching, 2 * radius), rho, radius) == pytest.approx(0, abs=1e-7)
    assert sphere.touching_distance(2 * radius, radius) == pytest.approx(2 * radius)


@few
@given(seeds, st.integers(1, 6), st.floats(0.01, 1))
def test_the_floor_counts_disjoint_pairs(seed: int, n: int, rho: float) -> None:
    rng = np.random.default_rng(seed)
    X, y = unit(rng, n, 3), rng.choice([-1.0, 1.0], n)
    found = sphere.floor(X, y, rho)
    assert 0 <= found <= 2 * min((y > 0).mean(), (y < 0).mean()) + 1e-12
    assert sphere.floor(X, y, 0.0) == 0
    assert sphere.floor(X, y, 2.0) == pytest.approx(2 * min((y > 0).mean(), (y < 0).mean()))
    assert sphere.floor(1e150 * X, y, 1e150 * rho) == found
    assert sphere.floor(X, -y, rho) == found


def test_the_floor_of_a_star_and_of_a_pair() -> None:
    at = np.radians([0, 8, -8, 90])
    X = np.stack([np.cos(at), np.sin(at)], -1)
    assert sphere.floor(X, np.array([1.0, -1.0, -1.0, -1.0]), 0.1) == 0.5
    assert sphere.floor(X[:2], np.array([1.0, -1.0]), 0.1) == 1
    assert sphere.floor(X[:2], np.array([1.0, -1.0]), 0.0697) == 0  # 2 rho is 0.1394 and the distance 0.1395


@given(st.floats(-1, 1), biases)
def test_kappa_is_its_formula(t: float, bias: float) -> None:
    with mpmath.workdps(40):
        exact = t * (mpmath.pi - mpmath.acos((mpmath.mpf(t) + bias) / (1 + mpmath.mpf(bias)))) / (2 * mpmath.pi)
    assert float(kernel.kappa(t, bias)) == pytest.approx(float(exact), abs=1e-15)


@given(biases, st.floats(0, 0.6), st.floats(-0.5, 0.5))
@few
def test_coefficients_add_up_to_kappa(bias: float, offset: float, s: float) -> None:
    slope = 1 - offset
    b = kernel.coefficients(120, bias, slope, offset)
    assert np.polynomial.polynomial.polyval(s, b) == pytest.approx(float(kernel.kappa(slope * s + offset, bias)))
    assert (b >= 0).all()
    assert ((b > 0).sum() == 120 or offset < 1e-9) and (bias > 0 or offset > 0 or (b[3::2] == 0).all())


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_norms_of_polynomials(q: list[float]) -> None:
    b = kernel.coefficients(3)
    found = kernel.squared_norm(np.array(q), b)
    assert np.isinf(found) == (q[0] != 0)
    lifted = kernel.coefficients(3, 1.0, 0.75, 0.25)
    assert np.isfinite(kernel.squared_norm(np.array(q), lifted))


@few
@given(seeds, st.integers(1, 4), biases)
def test_kernels_of_rows(seed: int, n: int, bias: float) -> None:
    rng = np.random.default_rng(seed)
    X, alpha = unit(rng, n, 3), rng.standard_normal(n)
    K = kernel.gram(X, X, bias)
    assert np.allclose(K, kernel.kappa(np.clip(X @ X.T, -1, 1), bias), atol=1e-7)
    assert np.linalg.eigvalsh(K)[0] > -1e-12
    assert np.allclose(np.diag(kernel.seen_by_both(X, X, bias)), 0.5)
    found = kernel.sampling_variance(X, X, alpha, bias)
    assert (found >= 0).all()
    assert kernel.sampling_variance(X[:1], X[:1], np.ones(1), bias)[0] == pytest.approx(0.25)


@few
@given(seeds)
def test_one_neuron_has_the_variance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, x, alpha = unit(rng, 3, 3), unit(rng, 1, 3), rng.standard_normal(3)
    w, b = rng.standard_normal((40_000, 3)), rng.standard_normal((40_000, 1))
    values = ((w @ X.T + b >= 0) * alpha) @ (X @ x[0]) * (w @ x[0] + b[:, 0] >= 0)
    squares = (values - (kernel.gram(x, X) @ alpha)[0]) ** 2
    assert squares.mean() == pytest.approx(float(kernel.sampling_variance(x, X, alpha)[0]), abs=6 * squares.std() / 200)


@few
@given(seeds, st.floats(0.01, 0.9))
def test_the_smallest_function_keeps_its_slack(seed: int, slack: float) -> None:
    rng = np.random.default_rng(seed)
    X, y = unit(rng, 5, 3), rng.choice([-1.0, 1.0], 5)
    K = kernel.gram(X, X)
    assume(np.linalg.eigvalsh(K)[0] > 1e-3)
    alpha, square = kernel.least_norm(K, y, slack)
    assert np.abs(K @ alpha - y).max() <= slack + 1e-9
    assert square <= (y * (1 - slack)) @ np.linalg.solve(K, y * (1 - slack)) + 1e-9
    assert kernel.least_norm(K, y, 2.0)[1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-20, 1e-9, 1.0, 1e9, 1e20])
def test_the_smallest_function_of_a_kernel_of_low_rank(scale: float) -> None:
    """Examples that repeat: the rounding in the place of their eigenvalues counts for nothing, whatever the scale."""
    rng = np.random.default_rng(0)
    X, y = unit(rng, 4, 3), np.array([1.0, -1.0, 1.0, 1.0])
    twice = np.concatenate([X, X])
    alpha, square = kernel.least_norm(scale * kernel.gram(twice, twice), np.concatenate([y, y]), 0.1)
    once, least = kernel.least_norm(kernel.gram(X, X), y, 0.1)
    assert square * scale == pytest.approx(least, rel=1e-9)
    assert (alpha[:4] + alpha[4:]) * scale == pytest.approx(once, rel=1e-7)


@given(st.floats(1, 1e12), biases)
def test_outputs_at_the_start(m: float, bias: float) -> None:
    assert float(kernel.start_variance(m, bias)) == pytest.approx((1 + bias) / 2 * m ** (-2 / 3))


@given(st.floats(0.1, 5), st.floats(0.1, 1), st.floats(0.5, 2), st.floats(1, 8))
def test_errors_of_coupling(R: float, along: float, tau: float, digits: float) -> None:
    m, h = 10**digits, R * along * 10 ** (-2 / 3 * digits)
    z = tau / 10 ** (digits / 2)
    with mpmath.workdps(30):
        exact = mpmath.quad(lambda u: (h - u) * mpmath.npdf(u, 0, z), [0, h])
        square = mpmath.quad(lambda u: (h - u) ** 2 * mpmath.npdf(u, 0, z), [0, h])
    assert float(coupling.common_error(R, along, m, tau)) == pytest.approx(float(m ** (2 / 3) / 2 * exact), rel=1e-9)
    assert float(coupling.symmetric_variance(R, along, m, tau)) == pytest.approx(float(m ** (1 / 3) * square), rel=1e-8)
    assert coupling.worst_error(R, along, m, tau) == 2 * coupling.common_error(R, along, m, tau)


@given(st.floats(0.1, 5), st.floats(0.1, 1), st.floats(0.5, 2))
def test_couplings_in_the_limit(R: float, along: float, tau: float) -> None:
    m = 1e30
    limit = (R * along) ** 2 * m ** (-1 / 6) / (4 * tau * np.sqrt(2 * np.pi))
    assert float(coupling.common_error(R, along, m, tau)) == pytest.approx(limit, rel=1e-6)
    spread = (R * along) ** 3 * m ** (-7 / 6) / (3 * tau * np.sqrt(2 * np.pi))
    assert float(coupling.symmetric_variance(R, along, m, tau)) == pytest.approx(spread, rel=1e-6)
    width = coupling.sufficient_width(R, limit, tau)
    assert width == pytest.approx(m * (2 / along**2) ** 6, rel=1e-6)


@few
@given(st.floats(-0.5, 0.9), st.floats(0.05, 0.95), st.integers(1, 14))
def test_the_best_polynomial(low: float, share: float, degree: int) -> None:
    high = low + share * (1 - low)
    assume(high - low > 0.01)
    error, q = polynomials.best(degree, low, high)
    t = np.linspace(-1, 1, 4001)
    values = chebyshev.chebval(t, q)
    assert np.abs(values[t <= low]).max() <= error * (1 + 1e-6) + 1e-7
    assert np.abs(values[t >= high] - 1).max(initial=0) <= error * (1 + 1e-6) + 1e-7
    assert error >= polynomials.error_at_least(degree, low, high) - 1e-7
    assert polynomials.degree_at_least(min(error, 0.5), low, high) <= degree + 1e-3


@given(st.floats(-0.5, 0.99), st.integers(1, 60))
def test_chebyshev_at_a_point(low: float, degree: int) -> None:
    error = polynomials.error_at_one(degree, low)
    exact = 1 / (1 + mpmath.chebyt(degree, (3 - mpmath.mpf(low)) / (1 + low)))
    assert error == pytest.approx(float(exact), rel=1e-9)
    if error > 1e-12:
        assert polynomials.degree_at_least(error, low, 1.0) == pytest.approx(degree, rel=1e-6)


@given(st.floats(0.05, 1.9), st.floats(0.02, 0.95))
def test_the_rate_of_steps(delta: float, share: float) -> None:
    rho = share * delta / 2
    low, high = polynomials.interval(delta, rho)
    gamma = delta * (delta - 2 * rho)
    assert high - low == pytest.approx(gamma / 2)
    assume(gamma > 1e-4)
    assert polynomials.rate(low, high) >= gamma / 4
    assert polynomials.degree_at_most(0.1, gamma) == pytest.approx(4 * np.log(10) / gamma)


@given(st.floats(0.1, 0.9))
def test_the_rate_of_the_symmetric_step(a: float) -> None:
    """Of two intervals that mirror each other: 1/2 log((1 + a) / (1 - a)) (Eremenko & Yuditskii)."""
    assert polynomials.rate(-a, a) == pytest.approx(np.log((1 + a) / (1 - a)) / 2, rel=1e-6)


@given(st.floats(0.1, 100), st.floats(1, 1e6), st.floats(0.1, 2), st.floats(0, 1))
def test_the_best_rate_is_the_best(norm: float, steps: float, gradient: float, loss: float) -> None:
    best = regret.best_rate(norm, steps, gradient)
    least = float(regret.mean_loss_bound(loss, norm, best, steps, gradient))
    assert least == pytest.approx(loss + norm * gradient / np.sqrt(steps))
    assert least <= regret.mean_loss_bound(loss, norm, 1.1 * best, steps, gradient)
    assert regret.sufficient_steps(norm, norm * gradient / np.sqrt(steps), gradient) == pytest.approx(steps)


@few
@given(seeds, st.integers(1, 20), st.floats(0.01, 2))
def test_regret_is_an_identity(seed: int, steps: int, eta: float) -> None:
    rng = np.random.default_rng(seed)
    G, U, W = rng.standard_normal((steps, 3)), rng.standard_normal(3), np.zeros(3)
    left, before = 0.0, W
    for g in G:
        left, W = left + g @ (W - U), W - eta * g
    found = regret.regret(np.sum((before - U) ** 2), np.sum((W - U) ** 2), np.sum(G**2), eta)
    assert left == pytest.approx(float(found), abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sphere.gap(2.0, 0.1), r"chord = 2.0: expected a number in \[0, 1.73205\]"),
        (lambda: sphere.floor(np.eye(2), np.array([1.0, 0.0]), 0.1), "y = .*: expected 2 labels, each 1 or -1"),
        (lambda: sphere.floor(np.diag([1.0, 2.0]), np.ones(2), 0.1), "rows of lengths 1 to 2: expected one length"),
        (lambda: kernel.kappa(1.1), r"t = 1.1: expected a number in \[-1, 1\]"),
        (lambda: kernel.coefficients(3, 1.0, 0.8, 0.3), r"offset = 0.3: expected a number in \[0, 0.2\]"),
        (lambda: kernel.gram(np.zeros((1, 2)), np.ones((1, 2)), 0.0), r"X\[0\] = 0 without bias: expected a row that"),
        (lambda: kernel.least_norm(-np.eye(2), np.ones(2), 0.1), "K = a matrix with eigenvalues from -1: expected"),
        (lambda: kernel.least_norm(np.ones((2, 2)), np.array([1.0, -1.0]), 0.1), "slack = 0.1: expected one that"),
        (lambda: polynomials.rate(0.5, 1.0), r"high = 1.0: expected a number in \(0.5, 1\), see degree_at_least"),
        (lambda: polynomials.best(100, 0.0, 0.5), "degree = 100: expected at most 80"),
        (lambda: polynomials.interval(1.0, 0.5), r"rho = 0.5: expected a number in \[0, 0.5\)"),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()


@few
@given(seeds, st.floats(0.01, 0.5), st.integers(1, 3))
def test_descent_against_the_worst_point(seed: int, eta: float, k: int) -> None:
    """One step by hand; and of one example without an adversary the loss falls by eta' kappa(1) at first."""
    rng = np.random.default_rng(seed)
    X, y = unit(rng, 2 * k, 3), np.array([1.0, -1.0])
    K = kernel.gram(X, X).reshape(2, k, 2, k)
    losses = descent.robust_losses(K, y, eta, 1)
    f = -eta / 2 * sum(-y[i] * K[:, :, i, 0] for i in range(2))
    assert losses[0] == 1
    assert losses[1] == pytest.approx(np.abs(f - y[:, None]).max(1).mean())
    one = descent.robust_losses(np.full((1, 1, 1, 1), 0.5), np.ones(1), 0.1, 3)
    assert one == pytest.approx(1 - 0.05 * np.arange(4))
