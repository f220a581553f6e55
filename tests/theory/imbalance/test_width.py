"""Lemma 1 and Theorem 2: values worked out by hand, domains, and what a change of 10 % once slipped through."""

import numpy as np
import pytest
from scipy import stats

from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import invariant_set, width

DELTA = 0.05


def problem() -> Regression:
    return random_regression(np.random.default_rng(0), D=38, n=5, m=2, singular_values=np.array([2.0, 1.0, 0.5]))


def test_deviation_is_that_of_the_tail() -> None:
    s = width.deviation(problem(), DELTA)
    assert s == pytest.approx(np.sqrt(40) + np.sqrt(2 * np.log(40)))
    assert width.tail(s - np.sqrt(40)) == pytest.approx(DELTA)


def test_printed_deviation_needs_a_width_of_1072() -> None:
    # s = 6.3246 + 1.8444, 16 s^2 = 1067.7: D = 38, m = 2, delta = 0.05, by hand.
    assert width.lemma_width(width.printed_deviation(problem(), DELTA)) == pytest.approx(1067.7, abs=0.1)


def test_printed_tail_is_below_the_probability_it_bounds() -> None:
    assert np.exp(width.printed_log_tail(6.0)) == pytest.approx(4.639e-16, rel=1e-3)
    assert np.exp(width.scalar_log_tail(6.0)) == pytest.approx(1.2442e-15, rel=1e-3)
    assert np.exp(width.scalar_log_tail(0.0)) == pytest.approx(2 * stats.norm.sf(2))
    assert width.log_tail(3.0) == pytest.approx(np.log(2) - 4.5)
    assert width.tail(3.0) == pytest.approx(2 * np.exp(-4.5))


def test_the_extremes_are_those_of_gaussian_matrices() -> None:
    """Sums over the two diagonals' degrees of freedom: for m = 2 the two give |A|^2 and det(A^T A) in law."""
    rng, n = np.random.default_rng(3), 5
    low, high = np.array([width.extreme_singular_values(n, 2, rng) for _ in range(2000)]).T
    # |A|^2 is chi^2 of 10 degrees, det(A^T A) a product of independent chi^2 of 5 and of 4.
    assert stats.kstest(low**2 + high**2, stats.chi2(10).cdf).pvalue > 1e-4
    explicit = np.linalg.svd(rng.standard_normal((2000, n, 2)), compute_uv=False)
    for drawn, expected in ((low, explicit[:, 1]), (high, explicit[:, 0])):
        assert stats.ks_2samp(drawn, expected).pvalue > 1e-4
    assert np.mean((low * high) ** 2) == pytest.approx(20, rel=5 * np.sqrt(((7 * 6) / (5 * 4) - 1) / 2000))
    three = np.array([width.extreme_singular_values(6, 3, rng) for _ in range(2000)])
    explicit = np.linalg.svd(rng.standard_normal((2000, 6, 3)), compute_uv=False)[:, [2, 0]]
    for drawn, expected in zip(three.T, explicit.T):
        assert stats.ks_2samp(drawn, expected).pvalue > 1e-4


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, np.nan])
def test_delta_is_a_probability(delta: float) -> None:
    for function in (width.deviation, width.printed_deviation):
        with pytest.raises(InvalidArgument, match="delta = "):
            function(problem(), delta)


@pytest.mark.parametrize("exponent", [0.25, 0.51, -1.0, np.nan])
def test_the_exponent_lies_in_the_range_of_the_theorem(exponent: float) -> None:
    for function in (width.theorem_width, width.printed_theorem_width):
        with pytest.raises(InvalidArgument, match="exponent = "):
            function(problem(), exponent, 5.0)


def test_theorem_width_is_the_larger_of_its_two_conditions() -> None:
    s = 3.0
    flat = Regression(np.eye(3), np.ones((3, 2)))
    assert width.theorem_width(flat, 0.5, s) == pytest.approx(16 * s**2)
    # lambda_1 / lambda_r = 16, so 4 x 256 x 2 x 9 is the larger one.
    assert width.theorem_width(problem(), 0.5, s) == pytest.approx(18432)
    assert width.theorem_width(problem(), 0.375, s) == pytest.approx(18432**2)


def test_extreme_rows_stay_within_the_event() -> None:
    A, B = width.extreme_rows(50, 2.0, 3, np.random.default_rng(1))
    values = np.linalg.svd(np.concatenate([A, B]), compute_uv=False)
    assert values.max() == pytest.approx(np.sqrt(50) + 2)
    assert values.min() == pytest.approx(np.sqrt(50) - 2)
    np.testing.assert_allclose(A @ B.T, 2 * np.sqrt(50) * 2.0 * np.eye(3), atol=1e-12)


def test_the_worst_start_is_as_far_off_the_invariant_set_as_the_lemma_allows() -> None:
    data = random_regression(np.random.default_rng(0), D=9, n=4, m=3, singular_values=np.array([1.4, 1.0, 0.6]))
    h, a, s = 900.0, 0.4, 4.0
    network = width.extreme_network(data, h, a, s, np.random.default_rng(1))
    values = np.linalg.svd(np.concatenate([network.V[0], network.U[0]]), compute_uv=False) * h**a
    np.testing.assert_allclose(values, [34.0] * 6 + [26.0] * 6, rtol=1e-12)
    overlap = np.hypot(*invariant_set.leakage(data, network))
    np.testing.assert_allclose(overlap, width.overlap_bound(data, h, a, s), rtol=1e-12)
    with pytest.raises(InvalidArgument, match="D = 9: expected at least m . 2 r = 10"):
        width.extreme_network(Regression(np.eye(3, 9), np.ones((3, 4))), h, a, s, np.random.default_rng(1))


def test_the_bounds_of_lemma_1_by_hand() -> None:
    """m = 2, r = 3, s = 7, h = 10^4, a = 2/5: h^(1 - 2a) = 10^0.8 and h^(2a - 1/2) = 10^1.2."""
    data, h, a, s = problem(), 1e4, 0.4, 7.0
    assert width.imbalance_level_bound(h, a) == pytest.approx(10**0.8)
    assert width.overlap_bound(data, h, a, s) == pytest.approx(14 * np.sqrt(5) / 10**1.2)
    assert width.product_bound(data, h, a, s) == pytest.approx(14 * np.sqrt(2) / 10**1.2)
    assert width.worst_imbalance_level(h, a, s) == pytest.approx(2 * 93**2 / 10**3.2)
    widths = np.array([1e4, 4e4])
    for bound in (width.overlap_bound, width.product_bound):
        np.testing.assert_allclose(bound(data, widths, a, s)[1], bound(data, h, a, s) / 4**0.3)


def test_the_bounds_of_theorem_2_by_hand() -> None:
    """lambda_1^(1/2) = 3, lambda_r^(1/2) = 1/2, |Y| = 2, so log C = 1 + 3 x 4 x 2 = 25; m = 2, r = 2."""
    steep = Regression(np.diag([3.0, 0.5]), np.ones((2, 2)))
    assert width.residual_bound(steep, 5.0) == pytest.approx(17)
    assert width.printed_residual_bound(steep, 5.0) == pytest.approx(12)
    h, a, s = 1e10, 0.4, 7.0
    expected = np.exp(25 / 100) * 28 / 1e3
    assert width.distance_bound(steep, h, a, s) == pytest.approx(expected, rel=1e-12)
    # lambda_1 / lambda_r = 36, and lambda_1 / lambda_r^3 = 9 x 64.
    assert width.theorem_width(steep, 0.5, s) == pytest.approx(4 * 36**2 * 2 * 49)
    assert width.printed_theorem_width(steep, 0.5, s) == pytest.approx(4 * 9 * 64 * 2 * 49)
    assert width.printed_theorem_width(steep, 0.375, s) == pytest.approx((4 * 9 * 64 * 2 * 49) ** 2)
    flat = Regression(2 * np.eye(3), np.ones((3, 2)))
    assert width.printed_theorem_width(flat, 0.5, s) == pytest.approx(16 * 49)


def test_the_statistic_is_chi_squared_whatever_the_outputs() -> None:
    """tr [(V V^T)^-1 V U2^T U2 V^T] is the squared norm of U2 projected on the rows of V, in units of the scale."""
    rng = np.random.default_rng(5)
    V, U2 = rng.standard_normal((2, 3, 6)), 0.7 * rng.standard_normal((2, 4, 6))
    frame = np.linalg.qr(V.mT)[0]
    expected = ((U2 @ frame) ** 2).sum((1, 2)) / 0.49
    np.testing.assert_allclose(width.whitened_distance(V, U2 @ V.mT, 0.7), expected, rtol=1e-12)


def test_the_statistic_is_the_squared_distance_for_one_output() -> None:
    rng = np.random.default_rng(2)
    V, U2 = rng.standard_normal((7, 1, 4)), rng.standard_normal((7, 6, 4))
    unseen = U2 @ V.mT
    expected = (unseen**2).sum((1, 2)) / (V**2).sum((1, 2)) / 0.3**2
    np.testing.assert_allclose(width.whitened_distance(V, unseen, 0.3), expected)
    data = Regression(np.eye(3, 9), np.ones((3, 1)))
    np.testing.assert_allclose(width.distance_given_output(data, V, 0.3), 6 * 0.3**2 * (V**2).sum((1, 2)))
