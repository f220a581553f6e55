"""The edges of energies, asymptotics, blocks and penalties: no pair, coincident neurons, small s, many dimensions."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import polygamma

from theory.core.validation import InvalidArgument
from theory.orthogonal import asymptotics, energy, gamma, relaxed, stochastic

few = settings(deadline=None, max_examples=30)
dimensions = st.sampled_from([2, 3, 4, 7, 32, 33, 34, 1000, 10**5, 10**8, 10**12])
exponents = st.sampled_from([1e-12, 1e-8, 1e-3, 0.1, 0.49, 0.9, 1, 1.4, 5, 15.4, 400])


def log_mean(d: int, s: mpmath.mpf) -> mpmath.mpf:
    b = mpmath.mpf(d - 1) / 2
    quotient = lambda x: mpmath.loggamma(x - s / 2) - mpmath.loggamma(x)  # noqa: E731
    return quotient(b) - quotient(2 * b) - s * mpmath.log(2)


@few
@given(dimensions, exponents)
def test_mean_and_variance_of_a_pair_keep_their_digits(d: int, s: float) -> None:
    with mpmath.workdps(90):
        mean = log_mean(d, mpmath.mpf(s)) if s < d - 1 else mpmath.inf
        spread = mpmath.exp(log_mean(d, 2 * mpmath.mpf(s))) - mpmath.exp(2 * mean) if 2 * s < d - 1 else mpmath.inf
        expected = float(mpmath.exp(mean)), float(spread)
    assert energy.mean_of_pair(d, s) == pytest.approx(expected[0], rel=1e-13)
    assert energy.variance_of_pair(d, s) == pytest.approx(expected[1], rel=1e-13)


def test_a_vanishing_exponent_leaves_the_logarithm() -> None:
    for d in (2, 3, 10**8):
        variance = energy.variance_of_pair(d, 0)
        assert energy.variance_of_pair(d, 1e-8) / 1e-16 == pytest.approx(variance, rel=1e-6)
    assert energy.variance_of_pair(10**8, 0) == pytest.approx(2.5e-9, rel=1e-7)


@few
@given(st.floats(0.01, 1e9), st.sampled_from([1e-12, 1e-4, 0.1, 0.249, 0.251, 0.4, 0.4999]))
def test_quotients_of_gamma_functions(x: float, share: float) -> None:
    r = share * x
    with mpmath.workdps(60):
        at = [mpmath.loggamma(mpmath.mpf(x) - k * mpmath.mpf(r)) for k in range(3)]
        first, second = float(at[1] - at[0]), float(at[0] - 2 * at[1] + at[2])
    assert gamma.log_quotient(x, r) == pytest.approx(first, rel=1e-12, abs=1e-14)
    assert gamma.second_difference(x, r) == pytest.approx(second, rel=1e-11)
    assert gamma.second_difference(x, 1e-9 * x) == pytest.approx((1e-9 * x) ** 2 * polygamma(1, x), rel=1e-7)


def test_one_neuron_has_no_energy_whatever_a_pair_has() -> None:
    assert energy.mean_energy(1, 3, 5) == 0
    assert energy.variance_energy(1, 3, 5) == 0
    assert energy.mean_energy(2, 3, 5) == np.inf
    assert energy.minimum(1, 3, 1) == energy.minimum(1, 2, 0) == energy.polygon_energy(1, 3) == 0
    assert energy.energy(np.ones((3, 1)), 2) == 0
    with pytest.raises(InvalidArgument, match="N = 1"):
        asymptotics.heavy_tailed_energy(1, 3)


@pytest.mark.parametrize("s", [0, 1, 2.5])
def test_coincident_and_opposite_neurons(s: float) -> None:
    w = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert energy.energy(w, s) == np.inf
    assert energy.energy(w * [1, -1], s) == pytest.approx(2 * energy.kernel(4, s))


@few
@given(st.integers(0, 99), st.sampled_from([1e-250, 1e-160, 1e160, 1e250]))
def test_energies_see_no_lengths(seed: int, length: float) -> None:
    W = np.random.default_rng(seed).standard_normal((3, 4))
    sizes = np.array([length, 1.0, 1.0, 1 / length])
    assert energy.energy(W * sizes, 1) == pytest.approx(energy.energy(W, 1), rel=1e-12)
    assert energy.energy(W[:, ::-1], 1) == pytest.approx(energy.energy(W, 1), rel=1e-12)


@pytest.mark.parametrize("weight", [0.0, np.nan, np.inf])
def test_a_neuron_without_a_direction_is_refused(weight: float) -> None:
    with pytest.raises(InvalidArgument, match="neuron"):
        energy.cosines(np.array([[1.0, weight], [0.0, weight]]))


def test_large_polygons() -> None:
    assert energy.polygon_energy(100_000, 0) == pytest.approx(-1e5 * np.log(1e5), rel=1e-12)
    assert energy.polygon_energy(100_000, 2) == pytest.approx(1e5 * (1e10 - 1) / 12, rel=1e-13)


def test_close_pairs_in_many_dimensions() -> None:
    # Gamma(x + 1/2) / Gamma(x) = sqrt(x) (1 - 1 / 8x + ...), x = (d - 1) / 2
    d = 10**8
    assert asymptotics.close_pairs(d) == pytest.approx(
        (1 - 1 / (4 * (d - 1))) / np.sqrt(2 * np.pi * (d - 1)), rel=1e-14
    )


def test_close_triples_do_not_cancel() -> None:
    assert asymptotics.close_triples(3) == pytest.approx(0.0231938329, rel=1e-8)
    assert 0 < asymptotics.close_triples(40) < asymptotics.close_triples(30) < asymptotics.close_triples(8)
    with pytest.raises(InvalidArgument, match="d = 101"):
        asymptotics.close_triples(101)


def test_nearly_square_spectra() -> None:
    assert asymptotics.spectral_edges(1 - 1e-15)[0] == pytest.approx(5e-16, rel=0.12)
    with mpmath.workdps(40):
        expected = float(1 - mpmath.sqrt(mpmath.mpf(1 - 1e-9)))
    assert asymptotics.spectral_edges(1 - 1e-9)[0] == pytest.approx(expected, rel=1e-13)
    with pytest.raises(InvalidArgument, match="N = 0"):
        asymptotics.spectral_moments(0, 3)


def test_rounds_in_many_dimensions() -> None:
    assert stochastic.rounds_to_see_all_pairs(2) == 1
    assert stochastic.rounds_to_see_all_pairs(4) == pytest.approx(6 * (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5 + 1 / 6))
    n = 10**6 * (10**6 - 1) / 2
    assert stochastic.rounds_to_see_all_pairs(10**6) == pytest.approx(n * (np.log(n) + np.euler_gamma), rel=1e-12)
    n = 10**9 * (10**9 - 1) / 2
    assert stochastic.most_rounds_to_see_all_pairs(10**9, 2) == pytest.approx(n * (np.log(n) + 1), rel=1e-9)
    assert stochastic.most_rounds_to_see_all_pairs(5, 1) == np.inf
    assert stochastic.most_rounds_to_see_all_pairs(5, 5) == stochastic.most_rounds_to_see_all_pairs(2, 2) == 1
    with pytest.raises(InvalidArgument, match="d = 1"):
        stochastic.rounds_to_see_all_pairs(1)


@pytest.mark.parametrize("weight", [1e-300, 1e-9, 0.25, 1.0, 1e9, 1e300])
@pytest.mark.parametrize("s", [1e-200, 1e-8, 1.0, 1 + 1e-12, 1e8, 1e200])
def test_penalised_targets_of_any_size(s: float, weight: float) -> None:
    r = float(relaxed.squared_penalty_minimiser(np.array([s]), weight)[0])
    with mpmath.workdps(60):
        a, x = 4 * mpmath.mpf(weight), mpmath.mpf(r)
        residual, size = x - s + a * x * (x**2 - 1), abs(3 * a * x**2 + 1 - a) * x
    assert abs(residual) <= 1e-14 * size + 1e-14 * s


@pytest.mark.parametrize("weight", [1e-200, 1e-40, 1e-16, 1e-12, 1e-3])
@pytest.mark.parametrize("s", [np.array([2.0, 0.5]), np.array([1.08854366, 0.88020392, 0.21706975, 0.73357573])])
def test_next_to_no_penalty_leaves_the_target(weight: float, s: np.ndarray) -> None:
    # To first order r = s - 2 lambda s (s^2 - 1) / |s^2 - 1|.
    first = s - 2 * weight * s * (s**2 - 1) / np.linalg.norm(s**2 - 1)
    assert relaxed.unsquared_penalty_minimiser(s, weight) == pytest.approx(first, abs=20 * weight**2 + 1e-15)


def test_penalties_ask_for_an_invertible_target() -> None:
    assert relaxed.threshold(np.ones(2)) == 0
    assert (relaxed.unsquared_penalty_minimiser(np.ones(2), 1e-300) == 1).all()
    for minimiser in (relaxed.squared_penalty_minimiser, relaxed.unsquared_penalty_minimiser):
        for s in (0.0, -1.0, np.nan):
            with pytest.raises(InvalidArgument, match=r"s\[1\]"):
                minimiser(np.array([1.0, s]), 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: energy.kernel(np.array([1.0, -1e-300]), 1), r"squared_distance\[1\] = -1e-300"),
        (lambda: energy.kernel(1.0, -1), "s = -1"),
        (lambda: gamma.log_quotient(0.5, 0.5), r"r = 0.5: expected a number in \[0, 0.5\)"),
        (lambda: gamma.excess(2.0, -1e300), r"r = -1e\+300"),
        (lambda: gamma.excess(np.inf, 1.0), "x = inf"),
        (lambda: gamma.second_difference(2.0, 1.0), r"2 r = 2.0: expected a number in \[0, 2\)"),
        (lambda: gamma.harmonic(-1.0), "n = -1.0"),
        (lambda: relaxed.threshold(np.array([1.0, np.inf])), r"s\[1\] = inf"),
        (lambda: relaxed.limiting_defect(np.array([0.0])), r"s\[0\] = 0.0"),
        (lambda: relaxed.unsquared_penalty_minimiser(np.array([1e101]), 1.0), r"s\[0\] = 1e\+101"),
    ],
)
def test_arguments_outside_of_the_domain_are_named(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()


def test_ends_of_quotients() -> None:
    assert gamma.log_quotient(3.0, 0.0) == gamma.excess(3.0, 0.0) == gamma.harmonic(0) == pytest.approx(0, abs=1e-15)
    assert gamma.log_quotient(1.0, 1 - 1e-12) == pytest.approx(np.log(1e12), rel=1e-4)  # Gamma(x) ~ 1 / x


def test_thresholds_of_huge_targets() -> None:
    s = np.array([3e200, 4e200])
    assert relaxed.threshold(s) == pytest.approx(2.5e200) == 2 * relaxed.limiting_defect(s)


@few
@given(st.sampled_from([2, 3, 7, 50]), st.sampled_from([1e-3, 1e-9, 1e-13]))
def test_means_next_to_where_they_are_infinite(d: int, gap: float) -> None:
    s = (d - 1) * (1 - gap)
    with mpmath.workdps(40):
        expected = float(mpmath.exp(log_mean(d, mpmath.mpf(s))))
    assert energy.mean_of_pair(d, s) == pytest.approx(expected, rel=1e-13)
    assert energy.variance_of_pair(d, s / 2) == pytest.approx(expected, rel=1e-2 if gap < 1e-3 else 0.5)
