"""Laws of wide starts against draws and many digits; worst starts against training; probabilities against others."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import convergence, dynamics, invariant_set, wide_limit, wide_starts, width
from theory.imbalance.compression import compress, gaussian_compressed
from theory.imbalance.problem import coordinates, fan_in_scale, gaussian

few = settings(max_examples=20, deadline=None)
fewer = settings(max_examples=6, deadline=None)  # flows are integrated
seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 3)
exponents = st.floats(0.3, 0.5)


def problem_of(rng: np.random.Generator, r: int, m: int, unseen: int) -> Regression:
    return random_regression(rng, D=r + unseen, n=r, m=m, singular_values=np.sort(rng.uniform(0.7, 1.2, r))[::-1])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300) | st.integers(1, 10**15))
def test_mean_length_in_many_digits(degrees) -> None:
    with mpmath.workdps(40):
        n = mpmath.mpf(degrees)
        exact = float(mpmath.sqrt(2) * mpmath.exp(mpmath.loggamma((n + 1) / 2) - mpmath.loggamma(n / 2)))
    assert wide_starts.mean_length(degrees) == pytest.approx(exact, rel=1e-12)
    assert wide_starts.mean_length(degrees) <= np.sqrt(degrees)


def test_mean_length_of_nothing_is_0_and_of_less_is_refused() -> None:
    assert wide_starts.mean_length(0) == 0.0
    with pytest.raises(InvalidArgument, match="degrees = -1: expected a whole number"):
        wide_starts.mean_length(-1)


@few
@given(seeds, counts, counts, st.integers(0, 4), exponents, st.floats(1, 5))
def test_laws_of_wide_starts(seed, r, m, unseen, a, s) -> None:
    rng = np.random.default_rng(seed)
    data = problem_of(rng, r, m, unseen)
    h, runs = 10**12, 4000
    drawn = gaussian_compressed(data, h, rng, scales=(fan_in_scale(h, a),) * 2, runs=runs)
    rows = np.concatenate([drawn.network.V, drawn.network.U], axis=-2)
    overlap = np.linalg.norm(rows @ drawn.frozen.mT, axis=(-2, -1))
    product = np.linalg.norm(drawn.network.end_to_end, axis=(-2, -1))
    for size, degrees, bound, share in (
        (overlap, wide_starts.overlap_degrees(data), width.overlap_bound, wide_starts.overlap_share),
        (product, wide_starts.product_degrees(data), width.product_bound, wide_starts.product_share),
    ):
        if degrees == 0:
            assert size.max() == 0 and share(data, s) == 0
            continue
        squared = size**2 * h ** (4 * a - 1)
        assert squared.mean() == pytest.approx(degrees, abs=7 * np.sqrt(2 * degrees / runs))
        ratios = size / bound(data, h, a, s)
        assert share(data, s) == pytest.approx(ratios.mean(), abs=7 * ratios.std() / np.sqrt(runs))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 30), st.floats(1e-9, 0.999), st.floats(0.2, 100))
def test_bound_on_the_failure(m, r, unseen, delta, widths) -> None:
    s = np.sqrt(m + r + unseen) + np.log(2 / delta) / 2
    bound = wide_starts.failure_bound(m, r, r + unseen, widths * s**2, s)
    assert 0 <= bound <= 1
    assert wide_starts.failure_bound(m, r, r + unseen, 2 * widths * s**2, s) <= bound
    if unseen:  # Lemma 1 as it is printed
        assert wide_starts.failure_bound(m, r, r + unseen, 16 * s**2, s) <= 0.77 * delta
    # One choice of what the largest singular value may be, by another library.
    h, size = widths * s**2, m + r
    least, most = ((np.sqrt(h) * x - np.sqrt(size)) for x in (1 - 0.5**0.5, 0.6))
    by_hand = sum(np.exp(-(max(x, 0.0) ** 2) / 2) for x in (least, most))
    by_hand += stats.chi2.sf(4 * m * s**2 / 2.56, r * m)
    by_hand += stats.chi2.sf(4 * size * s**2 / 2.56, size * unseen) if unseen else 0
    assert bound <= by_hand * (1 + 1e-9)


def test_the_bound_on_the_failure_is_one() -> None:
    """At a width where starts fail now and then."""
    rng = np.random.default_rng(1)
    m, r, D, s, a = 1, 1, 2, 2.2, 0.5
    data, h = random_regression(rng, D=D, n=1, m=m, singular_values=np.array([1.0])), 60
    network = gaussian(data, h, rng, scales=(h**-a, h**-a), runs=5000)
    V, U1 = dynamics.split(data, coordinates(data, network))
    fails = convergence.imbalance_level(data, network) <= width.imbalance_level_bound(h, a)
    fails |= np.hypot(*invariant_set.leakage(data, network)) > width.overlap_bound(data, h, a, s)
    fails |= np.linalg.norm(U1 @ V.mT, axis=(-2, -1)) > width.product_bound(data, h, a, s)
    assert fails.mean() <= wide_starts.failure_bound(m, r, D, h, s) < 1


@fewer
@given(seeds, counts, counts, exponents, st.sampled_from([0.1, 1.0, 10.0]))
def test_the_worst_start_ends_where_its_law_says(seed, r, m, a, targets) -> None:
    rng = np.random.default_rng(seed)
    data = problem_of(rng, r, m, m + r)
    data = Regression(data.X, targets * data.Y)
    s, h = 3.0, 200
    small = compress(data, width.extreme_network(data, h, a, s, rng))
    Z = np.concatenate([small.network.V, small.network.U], axis=-2)[0]
    length = wide_starts.squared_length(h, a, s)
    assert Z @ Z.T == pytest.approx(length * np.eye(m + r), rel=1e-9, abs=1e-9 * length)
    overlap = np.linalg.norm(Z @ small.frozen[0].T)
    assert overlap == pytest.approx(width.overlap_bound(data, h, a, s))
    p = wide_limit.limit(data)
    gram = wide_limit.output_gram(p, length)
    expected = overlap * np.sqrt(np.trace(gram) / (length * (m + r)))
    assert wide_starts.distance_from_extreme_start(data, h, a, s) == pytest.approx(expected)
    end = 40 / (data.S[-1] ** 2 * 2 * length)
    flow = dynamics.gradient_flow(small.problem, small.network, np.array([0.0, end]), relative_tolerance=1e-10)["Z"]
    V, U = flow[-1][:, :m], flow[-1][:, m:]
    assert small.distance_to_minimum_norm(U, V)[0] == pytest.approx(expected, rel=1e-6)


@few
@given(seeds, counts, counts, st.integers(1, 300), exponents)
def test_share_of_the_distance(seed, r, m, unseen, a) -> None:
    data = problem_of(np.random.default_rng(seed), r, m, unseen)
    h, s = 10**9, 4.0
    squared = unseen * h ** (-2 * a) * np.trace(wide_limit.output_gram(wide_limit.limit(data), h ** (1 - 2 * a)))
    growth = np.exp((1 + data.S[0] / data.S[-1] ** 2 * np.linalg.norm(data.Y)) / h ** (1 - 2 * a))
    bound = 2 * growth * np.sqrt(m + r) * s * h ** (0.5 - 2 * a)
    assert wide_starts.distance_share(data, h, a, s) == pytest.approx(np.sqrt(squared) / bound)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: wide_starts.failure_bound(1, 3, 2, 10.0, 1.0), r"D = 2: expected at least r = 3"),
        (lambda: wide_starts.failure_bound(0, 3, 4, 10.0, 1.0), r"m = 0: expected a whole number of at least 1"),
        (lambda: wide_starts.failure_bound(1, 1, 2, 0.0, 1.0), r"h = 0.0: expected a finite number above 0"),
        (lambda: wide_starts.squared_length(3.0, 0.5, 2.0), r"h = 3.0: expected at least s\^2 = 4"),
        (lambda: wide_starts.squared_length(30.0, 0.2, 2.0), r"exponent = 0.2: expected a number in \(0.25"),
    ],
)
def test_what_is_refused(call, said) -> None:
    with pytest.raises(InvalidArgument, match=said):
        call()
