"""The exact interval of a median: by hand, by brute force, and how often it misses."""

from math import comb

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.images.medians import fewest_draws, median


@pytest.mark.parametrize(("R", "k"), [(8, 0), (9, 1), (12, 2), (20, 5)])
def test_the_order_statistics_are_the_innermost_that_are_rare_enough(R: int, k: int) -> None:
    def missed(k: int) -> float:
        return 2 * sum(comb(R, j) for j in range(k + 1)) / 2**R

    assert missed(k) <= 0.05 < missed(k + 1)
    draws = np.random.default_rng(R).permutation(np.arange(R) ** 2.0)
    found = median(draws, 0.05)
    assert (found.low, found.high) == (k**2, (R - 1 - k) ** 2)
    assert found.value == np.median(draws) and found.significance == 0.05


def test_it_misses_as_often_as_it_says_however_skewed_the_draws_are() -> None:
    """20 draws, k = 5: it misses with probability 2 P(Bin(20, 1/2) <= 5) = 0.0414."""
    draws = np.random.default_rng(0).exponential(size=(20000, 20)) ** 3
    intervals = [median(some, 0.05) for some in draws]
    missed = np.mean([not (found.low <= np.log(2) ** 3 <= found.high) for found in intervals])
    assert missed == pytest.approx(0.0414, abs=5 * (0.0414 / 20000) ** 0.5)


def test_too_few_draws() -> None:
    assert median(np.arange(22.0), 2**-21).low == 0
    with pytest.raises(InvalidArgument, match="draws = 21 draws: expected more, for an interval that misses"):
        median(np.arange(21.0), 2**-21)


@pytest.mark.parametrize("significance", [0.5, 0.05, 1e-3, 2e-7])
def test_the_fewest_draws_of_which_a_median_has_an_interval(significance: float) -> None:
    fewest = fewest_draws(significance)
    median(np.arange(float(fewest)), significance)
    with pytest.raises(InvalidArgument):
        median(np.arange(fewest - 1.0), significance)


def test_the_fewest_draws_are_counted_exactly() -> None:
    for R in range(2, 1000):
        assert fewest_draws(2.0 ** (1 - R)) == R
        assert fewest_draws(np.nextafter(2.0 ** (1 - R), 0)) == R + 1
