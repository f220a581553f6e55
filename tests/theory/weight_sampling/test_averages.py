"""Variances and averages of one direction, against sums of many digits, at both ends of the step and of the counts."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.weight_sampling import averages
from theory.weight_sampling.descent import Descent, forgotten, heavy_ball_variance, kept, variance, whole

mpmath.mp.dps = 60
descents = st.builds(
    lambda h, share, s: Descent(h, 2 * share / h, s),
    st.floats(0.01, 100),
    st.one_of(st.floats(1e-12, 0.999), st.sampled_from([0.5, 1e-9])),
    st.floats(0, 10),
)
few = st.integers(1, 12)


def exact_rho(descent: Descent) -> mpmath.mpf:
    return 1 - mpmath.mpf(descent.eta * descent.h)  # the product as a float: what is asked about


def close(value: float, exact: mpmath.mpf, share: float, size: float = 0.0) -> bool:
    return abs(mpmath.mpf(float(value)) - exact) <= share * max(abs(exact), size)


@given(descents, st.integers(0, 300))
def test_what_is_kept_and_forgotten(descent: Descent, k: int) -> None:
    exact = exact_rho(descent) ** k
    assert close(kept(descent, k), exact, 1e-10, 1e-300)
    assert close(forgotten(descent, k), 1 - exact, 1e-10)
    assert kept(descent, np.inf) == 0 and forgotten(descent, np.inf) == 1


@given(descents, few, few)
def test_averages_are_means_over_pairs(descent: Descent, K: int, P: int) -> None:
    q = exact_rho(descent) ** P
    alpha = sum(q**j for j in range(1, K + 1)) / K
    correlation = sum(q ** abs(i - j) for i in range(K) for j in range(K)) / K**2
    apart = sum(q ** (K + j - i) for i in range(K) for j in range(K)) / K**2
    V = variance(descent)
    assert close(averages.mean_kept(descent, K, P), alpha, 1e-9, 1e-6)
    assert close(averages.mean_forgotten(descent, K, P), 1 - alpha, 1e-9)
    assert close(averages.decorrelation(descent, K, P), 1 - correlation, 1e-11)
    assert close(averages.averaged_variance(descent, K, P), V * correlation, 1e-8, 1e-6 * V)
    assert close(averages.successive_covariance(descent, K, P), V * apart, 1e-8, 1e-6 * V)


@given(descents)
def test_stationary_variance_is_a_fixed_point(descent: Descent) -> None:
    V = variance(descent)
    # 1 - rho^2 = eta h (2 - eta h): the form without cancellation.
    lost = descent.eta * descent.h * (2 - descent.eta * descent.h)
    assert V * lost == pytest.approx(descent.eta**2 * descent.s**2, rel=1e-12)
    assert heavy_ball_variance(descent, 0.0) == pytest.approx(V)


@given(descents, st.floats(0, 0.99))
def test_heavy_ball_against_its_covariances(descent: Descent, beta: float) -> None:
    """Autocovariances g of w' = (1 + beta - eta h) w - beta w_before - eta xi by Yule and Walker."""
    g0 = heavy_ball_variance(descent, beta)
    a = 1 + beta - descent.eta * descent.h
    g1 = a * g0 / (1 + beta)
    g2 = a * g1 - beta * g0
    left = g0 - a * g1 + beta * g2
    assert left == pytest.approx(descent.eta**2 * descent.s**2, rel=1e-6, abs=1e-12 * g0)


@given(descents, st.floats(0, 0.95), few)
def test_moving_averages_are_means_over_pairs(descent: Descent, mu: float, P: int) -> None:
    """At stationarity Var W = mu^2 Var W + (1 - mu)^2 V + 2 mu (1 - mu) Cov(W, w), Cov = (1 - mu) V q / (1 - mu q)."""
    V, q = variance(descent), float(kept(descent, P))
    W = averages.moving_average_variance(descent, mu, P)
    cov = (1 - mu) * V * q / (1 - mu * q)
    assert W == pytest.approx(mu**2 * W + (1 - mu) ** 2 * V + 2 * mu * (1 - mu) * cov, rel=1e-9)
    assert averages.moving_average_variance(descent, 0.0, P) == pytest.approx(V)


@given(st.floats(0.1, 10), st.floats(0.01, 0.99), st.floats(0.1, 3))
def test_the_average_of_all_iterates_tends_to_its_limit(h: float, share: float, s: float) -> None:
    descent, n = Descent(h, 2 * share / h, s), 1e9
    found = n * averages.averaged_variance(descent, n)
    assert found == pytest.approx(averages.averaging_limit(descent), rel=1e-5)


@given(descents)
def test_limits_of_the_counts(descent: Descent) -> None:
    V = variance(descent)
    assert averages.averaged_variance(descent, 1, 7) == V
    assert averages.averaged_variance(descent, np.inf, 3) == 0 == averages.mean_kept(descent, np.inf)
    assert averages.mean_forgotten(descent, np.inf) == 1 == averages.decorrelation(descent, np.inf)
    assert averages.averaged_variance(descent, 4, np.inf) == pytest.approx(V / 4)
    assert averages.successive_covariance(descent, 4, np.inf) == 0
    assert averages.moving_average_variance(descent, 0.5, np.inf) == pytest.approx(V / 3)


@given(st.integers(0, 10**15))
def test_whole_numbers_are_kept(number: int) -> None:
    assert whole("k", number) == number and whole("k", np.inf) == np.inf


def test_shapes_broadcast() -> None:
    K, P = np.arange(1, 4)[:, None], np.arange(1, 6)
    assert averages.averaged_variance(Descent(1.0, 0.3), K, P).shape == (3, 5)


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"eta h = 2.0: expected a number in \(0, 2\)"):
        Descent(1.0, 2.0)
    with pytest.raises(InvalidArgument, match="h = 0"):
        Descent(0.0, 0.1)
    with pytest.raises(InvalidArgument, match="s = -1"):
        Descent(1.0, 0.1, -1.0)
    descent = Descent(1.0, 0.1)
    with pytest.raises(InvalidArgument, match="k = 1.5: expected whole numbers of at least 0"):
        kept(descent, 1.5)
    with pytest.raises(InvalidArgument, match=r"K = 0.0: expected a number in \[1, inf\]"):
        averages.averaged_variance(descent, 0)
    with pytest.raises(InvalidArgument, match="mu = 1"):
        averages.moving_average_variance(descent, 1.0)
    with pytest.raises(InvalidArgument, match="beta = 1"):
        heavy_ball_variance(descent, 1.0)
