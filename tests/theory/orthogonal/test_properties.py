"""Energies, blocks and penalties: invariances, limits and independent computations, at random and at the edges."""

from itertools import combinations, product
from math import comb, fsum

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

from theory.core.arrays import Array
from theory.orthogonal import asymptotics, energy, gamma, landscape, relaxed, stochastic

few = settings(deadline=None, max_examples=20)
seeds = st.integers(0, 10_000)
exponents = st.sampled_from([0, 1e-9, 0.3, 1, 1.7, 2, 4.5])


def neurons(seed: int, d: int, N: int) -> Array:
    return np.random.default_rng(seed).standard_normal((d, N))


def rotation(seed: int, d: int) -> Array:
    return np.linalg.qr(neurons(seed, d, d))[0]


@few
@given(seeds, st.integers(1, 5), st.integers(1, 5), exponents)
def test_energies_see_angles_between_lines_and_nothing_else(seed: int, d: int, N: int, s: float) -> None:
    rng, W = np.random.default_rng(seed), neurons(seed, d, N)
    order, lengths = rng.permutation(N), 10.0 ** rng.uniform(-150, 150, N)
    turned = (rotation(seed + 1, d) @ W * lengths)[:, order]
    assert energy.cosines(turned) == pytest.approx(energy.cosines(W)[np.ix_(order, order)], abs=1e-13)
    a, b = W[:, 0], W[:, -1]
    assert energy.cosines(W)[0, -1] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)))
    if d > 1:
        mirrored = turned * rng.choice([-1, 1], N)
        assert energy.half_space_energy(mirrored, s) == pytest.approx(energy.half_space_energy(W, s), rel=1e-7)


@few
@given(seeds, st.integers(1, 5), st.integers(0, 2), exponents)
def test_no_half_space_is_below_that_of_an_orthonormal_frame(seed: int, N: int, more: int, s: float) -> None:
    least = energy.half_space_minimum(N, N + more, s)
    frame = rotation(seed, N + more)[:, :N]
    assert energy.half_space_energy(frame, s) == pytest.approx(least, rel=1e-12, abs=1e-12)
    leaning = frame + 0.1 * neurons(seed + 1, N + more, N)
    assert energy.half_space_energy(leaning, s) >= least - 1e-12


@few
@given(st.floats(1e-300, 1e300), st.sampled_from([1e-9, 0.3, 1, 1.7, 2]))
def test_powers_are_powers_of_the_exponential_of_the_logarithm(z2: float, s: float) -> None:
    logarithm = float(energy.kernel(z2, 0))
    assert logarithm == pytest.approx(-0.5 * np.log(z2))
    assert np.log(energy.kernel(z2, s)) == pytest.approx(s * logarithm, rel=1e-12, abs=1e-14)
    assert energy.kernel(0, 0) == energy.kernel(0, s) == np.inf


def least_points(N: int, d: int) -> Array:
    """The points of the least energy; a simplex in as many dimensions as it has corners."""
    if d == 2:
        angles = 0.3 + 2 * np.pi * np.arange(N) / N
        return np.stack([np.cos(angles), np.sin(angles)])
    if N <= d + 1:
        return np.eye(N) - 1 / N
    return np.hstack([np.eye(d), -np.eye(d)])


@few
@given(seeds, st.integers(2, 5), st.integers(2, 9), exponents)
def test_minima_are_attained_and_nothing_is_below_them(seed: int, d: int, N: int, s: float) -> None:
    N = N if d == 2 or N <= d + 1 else 2 * d
    least = energy.minimum(N, d, s)
    assert energy.energy(least_points(N, d), s) == pytest.approx(least, rel=1e-10, abs=1e-10)
    assert energy.energy(neurons(seed, d, N), s) >= least - 1e-10
    if N == 2 * d:
        assert energy.cross_polytope_energy(d, s) >= least - 1e-10  # of four points in the plane a square's


@few
@given(st.integers(2, 300))
def test_polygons_have_sums_of_cosecants(N: int) -> None:
    assert energy.polygon_energy(N, 0) == pytest.approx(-N * np.log(N), rel=1e-12)
    assert energy.polygon_energy(N, 2) == pytest.approx(N * (N**2 - 1) / 12, rel=1e-12)
    assert energy.polygon_energy(N, 4) == pytest.approx(N * (N**2 - 1) * (N**2 + 11) / 720, rel=1e-12)


@few
@given(st.integers(1, 50), st.integers(2, 40), st.floats(0.01, 0.999))
def test_means_and_variances_of_the_beta_law(N: int, d: int, share: float) -> None:
    s = share * (d - 1)
    with mpmath.workdps(40):
        b, pairs = mpmath.mpf(d - 1) / 2, N * (N - 1)
        moment = lambda power: mpmath.beta(b - power / 2, b) / mpmath.beta(b, b) / mpmath.mpf(2) ** power  # noqa: E731
        mean, half = pairs * moment(mpmath.mpf(s)), mpmath.mpf(s) / 2
        variance = 2 * pairs * (moment(2 * half) - moment(half) ** 2)
    assert energy.mean_energy(N, d, s) == pytest.approx(float(mean), rel=1e-11)
    assert energy.variance_energy(N, d, s / 2) == pytest.approx(float(variance), rel=1e-11)
    assert asymptotics.asymptotically_minimal(d, s) and not asymptotics.asymptotically_minimal(d, d - 1)


@few
@given(seeds, st.integers(1, 40), st.floats(1e-3, 2))
def test_bounds_lie_below_every_energy_on_the_sphere(seed: int, N: int, r: float) -> None:
    best = asymptotics.least_energy_best_bound(N)
    assert asymptotics.least_energy_bound(N, r) <= best + 1e-9 * N**2
    assert asymptotics.least_energy_bound(N, np.sqrt(2 / N)) == pytest.approx(best, abs=1e-12 * N**2)
    assert best <= energy.energy(neurons(seed, 3, N), 1)
    outside = lambda c: 1 / max(1, np.sqrt(1 + r * r + 2 * r * c))  # noqa: E731  of a charge r away, at angle arccos c
    mean = integrate.quad(outside, -1, 1, points=[-r / 2])[0] / 2
    assert asymptotics.smeared_potential(r) == pytest.approx(mean, rel=1e-8)


@few
@given(st.integers(2, 60))
def test_close_pairs_are_the_incomplete_beta_functions(d: int) -> None:
    z = 1e-4
    share = special.betainc((d - 1) / 2, (d - 1) / 2, z * z / 4)
    assert asymptotics.close_pairs(d) == pytest.approx(share / z ** (d - 1), rel=1e-6)


@few
@given(st.integers(2, 10**6), st.sampled_from([3, 4, 6]))
def test_one_pair_decides_the_tail_of_heavy_energies(N: int, d: int) -> None:
    law, pairs = asymptotics.heavy_tailed_energy(N, d), comb(N, 2)
    y = 1e12 * float(pairs) ** 2
    assert law.sf(y) == pytest.approx(pairs * asymptotics.close_pairs(d) * np.sqrt(2 / y), rel=1e-6)
    assert law.support()[0] == pytest.approx(6 * comb(N, 3) * asymptotics.close_triples(d))


@few
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 10**6))
def test_moments_of_cosines_over_all_choices_of_axes(N: int, d: int, many: int) -> None:
    """Cosines enter in pairs and triangles, of which the axes have the mean that the sphere has."""
    axes = np.array(list(product(range(d), repeat=N)))
    G = (axes[:, :, None] == axes[:, None, :]).astype(float)
    moments = [np.trace(np.linalg.matrix_power(G, k), axis1=-2, axis2=-1).mean() for k in (1, 2, 3)]
    assert asymptotics.spectral_moments(N, d) == pytest.approx(moments)
    assert asymptotics.spectral_moments(many, 1) == pytest.approx([many, many**2, many**3])


@few
@given(st.one_of(st.floats(1e-12, 1 - 1e-12), st.sampled_from([1e-300, 1 - 1e-15])))
def test_edges_have_this_sum_and_this_product(ratio: float) -> None:
    low, high = asymptotics.spectral_edges(ratio)
    assert low + high == pytest.approx(2, rel=1e-14)
    assert low * high == pytest.approx(1 - ratio, rel=1e-14)


@few
@given(st.integers(10, 3000), st.floats(0.05, 0.9))
def test_soft_edges_lie_inside_the_hard_ones(d: int, share: float) -> None:
    N = max(1, int(share * d))
    root, other = np.sqrt(d), np.sqrt(N)
    centre = np.array([(root - other) ** 2, (root + other) ** 2])
    scale = np.array(
        [(root - other) * (1 / other - 1 / root) ** (1 / 3), (root + other) * (1 / other + 1 / root) ** (1 / 3)]
    )
    low, high = np.sqrt((centre + 1.2065335745820 * scale * [1, -1]) / d)
    assert asymptotics.soft_edges(N, d) == pytest.approx([low, high], rel=1e-10)
    hard = asymptotics.spectral_edges(N / d)
    assert hard[0] < low < high < hard[1]


@few
@given(st.one_of(st.floats(1e-200, 1e6), st.sampled_from([0.5, 15.9, 16.0, 1e-300])), st.floats(0, 1 - 1e-9))
def test_gamma_functions_of_neighbours(x: float, share: float) -> None:
    r = share * x
    with mpmath.workdps(60):
        quotient = mpmath.loggamma(mpmath.mpf(x) - mpmath.mpf(r)) - mpmath.loggamma(mpmath.mpf(x))
        expected = float(quotient), float(quotient + r * mpmath.log(x))
    assert gamma.log_quotient(x, r) == pytest.approx(expected[0], rel=1e-12, abs=1e-13)
    assert gamma.excess(x, r) == pytest.approx(expected[1], rel=1e-11, abs=1e-12 * max(1, r))
    step = gamma.log_quotient(x + 1, r) - gamma.log_quotient(x, r)
    assert step == pytest.approx(np.log((x - r) / x), rel=1e-9, abs=1e-8)


def test_second_differences_beyond_the_range_of_squares() -> None:
    # Gamma(x) ~ 1 / x at 0, and log Gamma(x) ~ x log x - x far out.
    for q in (1e-7, 0.2, 0.3):
        near = -np.log1p(-((q / (1 - q)) ** 2))
        assert gamma.second_difference(1e-300, q * 1e-300) == pytest.approx(near, rel=1e-12)
        far = 1e300 * ((1 - 2 * q) * np.log1p(-2 * q) - 2 * (1 - q) * np.log1p(-q))
        assert gamma.second_difference(1e300, q * 1e300) == pytest.approx(far, rel=1e-12 if q > 0.1 else 1e-2)
    assert gamma.second_difference(1e300, 1.0) == pytest.approx(1e-300)
    assert gamma.second_difference(2.0, 0.0) == 0


@few
@given(st.integers(1, 3000), st.floats(0.1, 1e15))
def test_harmonic_numbers(n: int, x: float) -> None:
    assert gamma.harmonic(n) == pytest.approx(fsum(1 / k for k in range(1, n + 1)), rel=1e-13)
    assert gamma.harmonic(x + 1) - gamma.harmonic(x) == pytest.approx(1 / (x + 1), abs=1e-13)


@few
@given(st.integers(1, 11))
def test_signs_of_one_component(d: int) -> None:
    signs = landscape.signs(d)
    assert (np.abs(signs) == 1).all() and (np.prod(signs, axis=-1) == 1).all() and (signs[0] == 1).all()
    assert len(np.unique(signs, axis=0)) == len(signs) == 2 ** (d - 1)


@few
@given(seeds, st.integers(2, 6), st.data())
def test_what_a_block_has_of_any_skew_matrix(seed: int, d: int, data: st.DataObject) -> None:
    p = data.draw(st.integers(1, d))
    A = neurons(seed, d, d) - neurons(seed, d, d).T
    inside = [(A[np.ix_(block, block)] ** 2).sum() for block in combinations(range(d), p)]
    assert stochastic.captured_share(d, p) == pytest.approx(np.mean(inside) / (A**2).sum())


@few
@given(st.integers(2, 40), st.data())
def test_rounds_until_all_pairs_were_seen(d: int, data: st.DataObject) -> None:
    p, n = data.draw(st.integers(2, d)), comb(d, 2)
    exact = stochastic.rounds_to_see_all_pairs(d)
    assert exact == pytest.approx(n * fsum(1 / missing for missing in range(1, n + 1)))
    unseen = (1 - comb(p, 2) / n) ** np.arange(0, 60 * n / comb(p, 2) + 60)
    assert stochastic.most_rounds_to_see_all_pairs(d, p) == pytest.approx(np.minimum(1, n * unseen).sum())
    assert stochastic.most_rounds_to_see_all_pairs(d, 2) >= exact * (1 - 1e-12)


targets = st.lists(
    st.one_of(st.floats(0.05, 4), st.sampled_from([1.0, 1 + 1e-9, 1e-8, 1e8])), min_size=1, max_size=4
).map(np.array)


@few
@given(targets, st.sampled_from([1e-12, 1e-3, 0.2, 0.25, 1.7, 1e9]))
def test_the_squared_penalty_pulls_towards_one_but_not_to_it(s: Array, weight: float) -> None:
    r = relaxed.squared_penalty_minimiser(s, weight)
    assert (np.abs((r - s) + 4 * weight * r * (r - 1) * (r + 1)) <= 1e-13 * (s + r + 4 * weight * r * (1 + r**2))).all()
    assert ((np.minimum(s, 1) <= r * (1 + 1e-12)) & (r <= np.maximum(s, 1) * (1 + 1e-12))).all()
    assert relaxed.squared_penalty_minimiser(s[::-1], weight) == pytest.approx(r[::-1])
    strong = 1e6 * max(1.0, float(np.max(s)))
    defect = np.linalg.norm(relaxed.squared_penalty_minimiser(s, strong) ** 2 - 1)
    assert strong * defect == pytest.approx(relaxed.limiting_defect(s), rel=1e-5, abs=1e-8 * strong)


@few
@given(targets, st.sampled_from([1e-3, 0.2, 0.7, 0.999]))
def test_the_unsquared_penalty_reaches_one_at_the_threshold(s: Array, share: float) -> None:
    weight = share * relaxed.threshold(s)
    assert (relaxed.unsquared_penalty_minimiser(s, max(1.0001 * weight / share, 1e-300)) == 1).all()
    if weight < 1e-6:
        return
    r = relaxed.unsquared_penalty_minimiser(s, weight)
    unit = (r - 1) * (r + 1) / np.linalg.norm((r - 1) * (r + 1))
    assert r - s == pytest.approx(-2 * weight * r * unit, rel=1e-6, abs=1e-6 * float(np.max(s)))
    total = lambda x: 0.5 * np.sum((x - s) ** 2) + weight * np.linalg.norm((x - 1) * (x + 1))  # noqa: E731
    assert total(r) <= min(total(s), total(np.ones_like(s))) * (1 + 1e-12)


@pytest.mark.parametrize("s", [[1e100, 2.0], [1e-200, 3.0], [1e50, 1e-50, 1.0]])
@pytest.mark.parametrize("share", [1e-9, 0.4, 0.9])
def test_unsquared_penalties_of_targets_of_any_size(s: list[float], share: float) -> None:
    target = np.array(s)
    weight = share * relaxed.threshold(target)
    r = relaxed.unsquared_penalty_minimiser(target, weight)
    with mpmath.workdps(400):
        x = [mpmath.mpf(float(each)) for each in r]
        size = mpmath.sqrt(sum((each**2 - 1) ** 2 for each in x))
        for each, goal in zip(x, s):
            pull = 2 * weight * each * (each**2 - 1) / size
            assert abs(each - goal + pull) <= 1e-9 * (each + goal + abs(pull) + abs(2 * weight * each))
