"""What bounds and laws satisfy at any arguments: instances below them, equality where it is claimed, other ways."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import EPS
from theory.core.linear_networks import end_to_end, gaussian_stack, imbalances
from theory.core.regression import Regression, random_regression
from theory.imbalance import convergence, dynamics, invariant_set, three_layers, tighter_rate, wide_limit, width
from theory.imbalance.problem import coordinates, gaussian
from theory.imbalance.three_layers import FullRankRegression

few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 3)
exponents = st.floats(0.3, 0.5)
sizes = st.sampled_from([1e-9, 0.3, 1.0, 2.0, 1e5])


def regression(rng: np.random.Generator, r: int, m: int, *, null: int = 2) -> Regression:
    values = np.sort(rng.uniform(0.4, 1.6, r))[::-1]
    return random_regression(rng, D=r + null, n=r + 1, m=m, singular_values=values)


def entry(spectrum: np.ndarray, k: int) -> float:
    """The k-th largest, above 0; 0 where there is none."""
    return max(np.sort(spectrum)[::-1][k - 1], 0.0) if k <= spectrum.size else 0.0


def sides(plus: float, minus: float, delta: float, sigma_m: float, sigma_r: float) -> float:
    return -plus + np.hypot(plus + delta, 2 * sigma_m) - minus + np.hypot(minus + delta, 2 * sigma_r)


# The rate with the margin term ----------------------------------------------------------------------------------------


@few
@given(st.sampled_from([0.0, 1e-6, 0.4, 3.0, 1e7]), st.sampled_from([0.0, 1e-6, 0.7, 2.0]), st.floats(0, 5))
def test_a_side_of_the_level_in_many_digits(spread, delta, sigma) -> None:
    with mpmath.workdps(700):  # the difference of two roots
        a, b, c = map(mpmath.mpf, (spread, delta, sigma))
        exact = float(-a + mpmath.sqrt((a + b) ** 2 + 4 * c**2))
    value = tighter_rate.side(*map(np.array, (spread, delta, sigma)))
    assert value == pytest.approx(exact, rel=8 * EPS, abs=1e-320)
    assert tighter_rate.side(*(8 * np.array(x) for x in (spread, delta, sigma))) == 8 * value


@few
@given(seeds, counts, counts, st.integers(1, 6), st.booleans())
def test_rates_of_a_state_by_their_definitions(seed, r, m, h, near) -> None:
    rng = np.random.default_rng(seed)
    data = regression(rng, r, m)
    Z = coordinates(data, gaussian(data, h, rng, scales=(0.3 if near else 1.0, 0.6), runs=2))
    Lambda = convergence.imbalance(data, Z)
    fall = data.S[-1] ** 2
    residuals, targets = np.linalg.norm(dynamics.residual(data, Z), axis=(1, 2)), data.targets
    plus, minus, delta = tighter_rate.spreads(data, Z)
    levels = tighter_rate.level(data, Z, np.array([0.2, 0.9]), np.array([0.5, 0.1]))
    limits, bounds = tighter_rate.limiting_rate(data, Z), tighter_rate.loss_bound(data, Z, np.array([0.0, 0.7]))
    for i in range(2):
        up, down = np.linalg.eigvalsh(Lambda[i]), -np.linalg.eigvalsh(Lambda[i])
        spread = entry(up, 1) - entry(up, r), entry(down, 1) - entry(down, m)
        least = entry(up, r) + entry(down, m)
        assert (plus[i], minus[i], delta[i]) == pytest.approx((*spread, least), abs=1e-11)
        assert levels[i] == pytest.approx(sides(*spread, least, (0.2, 0.9)[i], (0.5, 0.1)[i]), abs=1e-10)
        singular = [np.sqrt(entry(np.linalg.eigvalsh(targets @ targets.T), k)) for k in (m, r)]
        assert [tighter_rate.singular_value(targets, k) for k in (m, r)] == pytest.approx(singular, abs=1e-7)
        assert limits[i] == pytest.approx(fall * sides(*spread, least, *(s / data.S[0] for s in singular)), abs=1e-6)
        margins = [max(s - residuals[i], 0) / data.S[0] for s in singular]
        assert [tighter_rate.margin(data, Z, k)[i] for k in (m, r)] == pytest.approx(margins, abs=1e-7)
        excess = 0.5 * residuals[i] ** 2
        exponent = 0.7 * fall * sides(*spread, least, *margins)
        assert bounds[:, i] == pytest.approx([excess, excess * np.exp(-exponent)], rel=1e-6)


@few
@given(seeds, counts, counts, st.lists(st.sampled_from([0.0, 0.1, 0.5]), min_size=2, max_size=4))
def test_restarts_add_up(seed, r, m, steps) -> None:
    """Over two stretches of time as over each; without a change of the state, the exponent of the bound."""
    rng = np.random.default_rng(seed)
    data = regression(rng, r, m)
    t = np.cumsum([0.3, *steps])
    Z = coordinates(data, gaussian(data, 4, rng, runs=len(t)))[:, None]
    whole = tighter_rate.restarted_exponent(data, Z, t)
    first, rest = (tighter_rate.restarted_exponent(data, Z[part], t[part]) for part in (slice(0, 2), slice(1, None)))
    assert whole == pytest.approx(np.concatenate([first, first[-1] + rest[1:]]), rel=1e-12, abs=1e-14)
    assert whole[1:] - whole[:-1] == pytest.approx(np.diff(t)[:, None] * tighter_rate.margin_rate(data, Z)[:-1])
    still = tighter_rate.restarted_exponent(data, np.broadcast_to(Z[:1], Z.shape), t)
    bound = tighter_rate.loss_bound(data, Z[0], t - t[0])
    assert bound == pytest.approx(np.exp(-still) * dynamics.excess_loss(data, Z[0]))


@few
@given(seeds, counts, counts, st.floats(0.1, 2), st.floats(0.1, 2))
def test_cases_of_equality_are_equal_and_others_are_not_below(seed, r, m, above, below) -> None:
    """Proposition 1' and Lemma 8: planes of their own attain both; random weights do not fall below."""
    rng = np.random.default_rng(seed)
    S = np.sort(rng.uniform(0.5, 2, r))[::-1]
    products = np.sort(rng.uniform(0.1, 2, min(r, m)))[::-1]
    extra = (above if r > m else below) * np.sort(rng.uniform(0, 1, abs(r - m)))[::-1]
    data, network = tighter_rate.equality_case(
        rng, S=S, m=m, above=above, below=below, products=products, extra=extra, residual_size=0.3
    )
    Z = coordinates(data, network)
    assert data.S == pytest.approx(S) and 2 * dynamics.excess_loss(data, Z) == pytest.approx([0.09])
    assert tighter_rate.spreads(data, Z)[0] >= -1e-12
    if r != m:
        assert tighter_rate.product_rate(data, Z) == pytest.approx(convergence.pointwise_rate(data, Z), rel=1e-9)
    h = int(rng.integers(1, 5))
    A, B = rng.standard_normal((r, h)), rng.standard_normal((h, m))
    smallest = np.linalg.eigvalsh(B.T @ B)[0]
    bound = tighter_rate.smallest_gram_eigenvalue(A.T @ A - B @ B.T, A @ B)
    assert bound <= smallest + 1e-10
    V, U1 = dynamics.split(data, Z[0])
    if r >= m:
        attained = tighter_rate.smallest_gram_eigenvalue(U1.T @ U1 - V.T @ V, U1 @ V.T)
        assert attained == pytest.approx(np.linalg.eigvalsh(V @ V.T)[0], rel=1e-9)


# Layers ---------------------------------------------------------------------------------------------------------------


@few
@given(seeds, st.lists(st.integers(1, 3), min_size=3, max_size=5), st.floats(0.01, 2))
def test_curvature_and_drift_by_brute_force(seed, widths, learning_rate) -> None:
    """T E = sum_l (W_{>l} W_{>l}^T) E (W_{<l}^T W_{<l}); a step of every layer, and the imbalances on either side."""
    rng = np.random.default_rng(seed)
    W = [layer[0] for layer in gaussian_stack(rng, widths, three_layers.fan_out_scales(widths))]
    m, n = widths[-1], widths[0]
    G = rng.standard_normal((m, n))
    total, stepped = np.zeros((m, n)), []
    for l, layer in enumerate(W):
        after = np.linalg.multi_dot([np.eye(m), *W[:l:-1], np.eye(widths[l + 1])])
        before = np.linalg.multi_dot([np.eye(widths[l]), *W[:l][::-1], np.eye(n)])
        total += after @ after.T @ G @ before.T @ before
        stepped.append(layer - learning_rate * after.T @ G @ before.T)
    T = three_layers.curvature(W)
    assert (T @ G.ravel()).reshape(m, n) == pytest.approx(total, rel=1e-9, abs=1e-9)
    assert three_layers.smallest_curvature(W) == pytest.approx(max(np.linalg.eigvalsh(T)[0], 0), abs=1e-12)
    drifts = three_layers.imbalance_drift(W, G, learning_rate)
    change = [after - before for before, after in zip(imbalances(W), imbalances(stepped))]
    for drift, exact in zip(drifts, change, strict=True):
        assert drift == pytest.approx(exact, rel=1e-8, abs=1e-9)
    scales = three_layers.fan_out_scales(widths)
    assert [scale**-2 for scale in scales] == pytest.approx(widths[1:])


@few
@given(seeds, counts, counts, st.integers(1, 4))
def test_two_layers_fall_at_the_rate_of_what_is_below_them(seed, n, m, h) -> None:
    rng = np.random.default_rng(seed)
    data = FullRankRegression(rng.standard_normal((n + 2, n)), 3 * rng.standard_normal((n + 2, m)))
    W = [layer[0] for layer in gaussian_stack(rng, [n, h, m], 1.2)]
    D, product = imbalances(W)[0], end_to_end(W)
    up, down = np.linalg.eigvalsh(D), -np.linalg.eigvalsh(D)
    delta = entry(down, n) + entry(up, m)
    spread = entry(down, 1) - entry(down, n), entry(up, 1) - entry(up, m)
    given_ones = three_layers.two_layer_level(D, n, m, np.array(0.4), np.array(1.1))
    assert given_ones == pytest.approx(sides(*spread, delta, 1.1, 0.4), abs=1e-10)
    own = [tighter_rate.singular_value(product, k) for k in (n, m)]
    level = three_layers.two_layer_level(D, n, m, *own)
    assert level / 2 <= three_layers.smallest_curvature(W) + 1e-10
    target = (np.linalg.pinv(data.X) @ data.Y).T
    near = target + 0.05 * rng.standard_normal((m, n))
    condition = np.linalg.cond(data.X)
    for k in (n, m):
        sigma = np.linalg.svd(target, compute_uv=False)
        least = max(entry(sigma, k) - condition * np.linalg.norm(near - target), 0)
        assert three_layers.least_singular_value(data, near, k) == pytest.approx(least, abs=1e-9)
    nu = [three_layers.least_singular_value(data, product, k) for k in (n, m)]
    mu = np.linalg.eigvalsh(data.X.T @ data.X)[0]
    rate = three_layers.two_layer_rate(data, W)
    assert rate == pytest.approx(mu * three_layers.two_layer_level(D, n, m, *nu), rel=1e-9, abs=1e-12)
    doubled = FullRankRegression(2 * data.X, 2 * data.Y)
    assert three_layers.two_layer_rate(doubled, W) == pytest.approx(4 * rate, rel=1e-9, abs=1e-11)


@few
@given(seeds, counts, counts, st.integers(2, 4), st.floats(0.1, 1), st.data())
def test_unimodal_layers_are_bounded_by_the_factors_of_their_turn(seed, n, m, depth, gap, data) -> None:
    turn = data.draw(st.integers(1, depth))
    rng = np.random.default_rng(seed)
    widths = [n, *[max(n, m) + int(extra) for extra in rng.integers(0, 2, depth - 1)], m]
    W = three_layers.unimodal_layers(rng, widths=widths, turn=turn, gap=gap, runs=2)
    assert [layer.shape[1:] for layer in W] == [(after, before) for before, after in pairwise(widths)]
    D = imbalances(W)
    factors = three_layers.turning_factors(D, turn, n, m)
    for run in range(2):
        falls = [entry(-np.linalg.eigvalsh(D[l][run]), n) for l in range(turn - 1)]
        rises = [entry(np.linalg.eigvalsh(D[l][run]), m) for l in range(turn - 1, depth - 1)]
        exact = [*np.cumsum(falls[::-1])[::-1], *np.cumsum(rises)]
        assert factors[run] == pytest.approx(exact, abs=1e-10) and min([*falls, *rises]) >= gap - 1e-10
    bound = three_layers.unimodal_bound(W, turn)
    assert bound == pytest.approx(factors.prod(-1))
    assert (bound <= three_layers.smallest_curvature(W) + 1e-9).all()
    scalars = np.sqrt(np.abs(np.arange(1, depth + 1) - turn) * gap)
    chain = [np.array([[value]]) for value in scalars]
    assert three_layers.unimodal_bound(chain, turn) == pytest.approx(np.prod(np.delete(scalars**2, turn - 1)))


# Wide random starts ---------------------------------------------------------------------------------------------------


@few
@given(seeds, counts, counts, st.floats(1e-12, 0.99), st.floats(0, 30))
def test_tails_and_the_deviations_they_give(seed, r, m, delta, t) -> None:
    data = regression(np.random.default_rng(seed), r, m)
    over = np.sqrt(data.m + data.D)
    assert width.tail(width.deviation(data, delta) - over) == pytest.approx(delta, rel=1e-10)
    assert width.log_tail(t) == pytest.approx(np.log(2) - t * t / 2) and width.tail(t) == np.exp(width.log_tail(t))
    assert width.printed_log_tail(t) == pytest.approx(np.log(2) - t * t)
    assert np.exp(-2 * (width.printed_deviation(data, delta) - over)) == pytest.approx(delta / 2)
    exact = mpmath.log(mpmath.erfc((2 + mpmath.mpf(t)) / mpmath.sqrt(2)))
    assert width.scalar_log_tail(t) == pytest.approx(float(exact), rel=1e-12)
    assert width.scalar_log_tail(t) <= width.log_tail(t)


@few
@given(seeds, st.integers(1, 5), st.integers(0, 5))
def test_extreme_singular_values_are_those_of_two_diagonals(seed, m, extra) -> None:
    n = m + extra
    low, high = width.extreme_singular_values(n, m, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    main, below = np.sqrt(rng.chisquare(n - np.arange(m))), np.sqrt(rng.chisquare(m - 1 - np.arange(m - 1)))
    values = np.linalg.svd(np.diag(main) + np.diag(below, -1), compute_uv=False)
    assert (low, high) == pytest.approx((values[-1], values[0]), rel=1e-9, abs=1e-12)


@few
@given(seeds, counts, counts, st.floats(1, 1e6), exponents, st.floats(0.01, 30))
def test_the_bounds_of_lemma_1_and_theorem_2(seed, r, m, h, exponent, s) -> None:
    """In other words than the code's; the worst start of the event attains (18) and is inside the event."""
    rng = np.random.default_rng(seed)
    data = regression(rng, r, m, null=m + r)
    root, shrink = np.sqrt(h), h**-exponent
    overlap = 2 * root * s if root >= s else (root + s) ** 2 / 2
    assert width.product_bound(data, h, exponent, s) == pytest.approx(np.sqrt(m) * overlap * shrink**2)
    bound = width.overlap_bound(data, h, exponent, s)
    assert bound == pytest.approx(np.sqrt(m + r) * overlap * shrink**2)
    start = width.extreme_network(data, h, exponent, s, rng)
    assert np.hypot(*invariant_set.leakage(data, start)) == pytest.approx([bound], rel=1e-6)
    values = np.linalg.svd(np.concatenate([start.V, start.U], axis=-2), compute_uv=False) / shrink
    assert values.min() >= max(root - s, 0) - 1e-6 * root and values.max() <= (root + s) * (1 + 1e-9)
    assert width.lemma_width(s) == pytest.approx((4 * s) ** 2)
    level = width.imbalance_level_bound(round(h), exponent)
    assert level == pytest.approx(wide_limit.level(round(h), exponent))
    weight = np.linalg.norm(data.Y)
    assert width.residual_bound(data, h) == pytest.approx(weight + data.S[0] * h)
    assert width.printed_residual_bound(data, h) == pytest.approx(weight + h / data.S[-1])
    Z = coordinates(data, gaussian(data, 5, rng))
    V, U1 = dynamics.split(data, Z)
    product = np.linalg.norm(U1 @ V.mT, axis=(1, 2))
    assert (np.linalg.norm(dynamics.residual(data, Z), axis=(1, 2)) <= width.residual_bound(data, product)).all()
    power = 1 / (4 * exponent - 1)
    first, last = data.S[0] ** 2, data.S[-1] ** 2
    exact = max(16 * s**2, 4 * (first / last) ** 2 * m * s**2) ** power
    assert width.theorem_width(data, exponent, s) == pytest.approx(exact, rel=1e-9)
    printed = max(16 * s**2, 4 * first / last**3 * m * s**2) ** power
    assert width.printed_theorem_width(data, exponent, s) == pytest.approx(printed, rel=1e-9)
    log_growth = (1 + data.S[0] / last * weight) / h ** (1 - 2 * exponent)
    distance = width.distance_bound(data, h, exponent, s)
    assert np.log(distance) == pytest.approx(log_growth + np.log(bound), rel=1e-9, abs=1e-9)


@few
@given(seeds, counts, counts, st.integers(0, 3), sizes)
def test_the_laws_of_what_is_not_seen(seed, r, m, extra, scale) -> None:
    """A mean over matrices of one entry each, which have the covariance of U2; a turn or mixing of the outputs."""
    rng = np.random.default_rng(seed)
    data, h = regression(rng, r, m), m + extra
    V = rng.standard_normal((m, h))
    units = np.eye(2 * h).reshape(2 * h, 2, h) * np.sqrt(2 * h) * scale
    mean = np.mean([((unit @ V.T) ** 2).sum() for unit in units])
    assert width.distance_given_output(data, V, scale) == pytest.approx(mean)
    U2 = scale * rng.standard_normal((2, h))
    law = width.whitened_distance(V, U2 @ V.T, scale)
    assert law == pytest.approx(((U2 @ np.linalg.pinv(V) @ V) ** 2).sum() / scale**2, rel=1e-6)
    mixing = rng.standard_normal((m, m)) + 3 * np.eye(m)
    assert width.whitened_distance(mixing @ V, U2 @ V.T @ mixing.T, scale) == pytest.approx(law, rel=1e-6)
