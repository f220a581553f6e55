"""Distances and p-values of draws, against scipy's where it has them; and how claims use them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from theory.claims import laws, samples


@given(st.integers(0, 99), st.integers(2, 60), st.integers(2, 60))
def test_distances_are_scipys(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.round(rng.normal(size=n), 1), np.round(rng.normal(size=m), 1)
    assert laws.distance_from_uniform(stats.norm.cdf(a)) == pytest.approx(stats.kstest(a, "norm").statistic)
    assert laws.distance_between(a, b) == pytest.approx(stats.ks_2samp(a, b, method="asymp").statistic)


def test_many_cases_at_once_are_as_each_by_itself() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 20)), rng.normal(size=(7, 30))
    assert np.allclose(laws.of_same(a, b), [laws.of_same(x, y) for x, y in zip(a, b)])
    u = stats.norm.cdf(a)
    assert np.allclose(laws.of_uniform(u), [laws.of_uniform(x) for x in u])


def test_smooth_tests_of_ranks_are_those_of_uniforms_against_many_others() -> None:
    rng = np.random.default_rng(1)
    a = 1.3 * rng.normal(size=200)
    many = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert np.allclose(laws.smooth_ranks(a, many), laws.smooth(stats.norm.cdf(a)), atol=0.02)


def test_few_draws_refuse_nothing_finely() -> None:
    """Of 3 against 3 no outcome is rarer than one in ten."""
    assert laws.of_same(np.arange(3.0), 10 + np.arange(3.0)) >= 0.1


def test_claims_compare_draws_with_others() -> None:
    rng = np.random.default_rng(2)
    draws = samples("draws", rng.exponential(size=9000), because="seeds")
    check = draws.match(rng.exponential(size=9000))
    assert check.passed and check.kind == "law" and check.resolution is not None and 0.02 < check.resolution < 0.12
    assert draws.control("a tenth more").match(1.1 * rng.exponential(size=90_000)).passed
    assert not draws.match(2 * rng.exponential(size=9000)).passed


def test_the_significance_of_draws_can_be_stated() -> None:
    draws = np.random.default_rng(3).normal(0.12, 1, 500)
    loose, strict = (
        samples("draws", draws, because="seeds", significance=level).follow(stats.norm()) for level in (0.05, 1e-6)
    )
    assert not loose.passed and strict.passed
    assert loose.significance == 0.05 and strict.headroom == pytest.approx(loose.headroom * 0.05 / 1e-6)
