"""Random blocks: all of them, and at their extremes; errors."""

from itertools import combinations

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.orthogonal import stochastic


def test_shares_and_rounds_of_the_extreme_blocks() -> None:
    assert stochastic.captured_share(6, 6) == 1
    assert stochastic.captured_share(6, 1) == 0
    assert stochastic.most_rounds_to_see_all_pairs(6, 6) == 1
    assert stochastic.most_rounds_to_see_all_pairs(6, 1) == np.inf
    assert stochastic.rounds_to_see_all_pairs(2) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stochastic.captured_share(4, 5), r"p = 5: expected a number in \[1, 4\]"),
        (lambda: stochastic.captured_share(4, 0), "p = 0"),
        (lambda: stochastic.captured_share(1, 1), r"d = 1: expected a number in \[2, inf\)"),
    ],
)
def test_errors_name_the_argument(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()


@pytest.mark.parametrize(("d", "p"), [(4, 2), (6, 3), (7, 5)])
def test_shares_over_all_blocks(d: int, p: int) -> None:
    half = np.random.default_rng(0).standard_normal((d, d))
    A = half - half.T
    shares = [np.square(A[np.ix_(S, S)]).sum() / np.square(A).sum() for S in combinations(range(d), p)]
    assert stochastic.captured_share(d, p) == pytest.approx(np.mean(shares))


@pytest.mark.parametrize("d", [3, 4])
def test_rounds_until_all_pairs_were_seen_as_a_chain(d: int) -> None:
    """The mean waits for each new pair: n / (those missing) rounds, one after the other."""
    n = d * (d - 1) // 2
    assert stochastic.rounds_to_see_all_pairs(d) == pytest.approx(sum(n / missing for missing in range(1, n + 1)))


@pytest.mark.parametrize(("d", "p"), [(4, 3), (8, 4), (5, 2), (12, 11), (2, 1)])
def test_the_union_bound_is_its_sum(d: int, p: int) -> None:
    q, n = p * (p - 1) / (d * (d - 1)), d * (d - 1) / 2
    summed = np.minimum(1, n * (1 - q) ** np.arange(3000.0)).sum() if q else np.inf
    assert stochastic.most_rounds_to_see_all_pairs(d, p) == pytest.approx(summed)


def test_the_union_bound_lies_above_the_exact_mean() -> None:
    for d in (3, 5, 9):
        assert stochastic.most_rounds_to_see_all_pairs(d, 2) > stochastic.rounds_to_see_all_pairs(d)
    # Blocks of three of four have seen all pairs once three coordinates were left out.
    assert stochastic.most_rounds_to_see_all_pairs(4, 3) == pytest.approx(4.5)
    assert 4.5 > 1 + 4 / 3 + 4 / 2
