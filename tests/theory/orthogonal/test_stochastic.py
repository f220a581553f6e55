"""Random blocks at their extremes; errors."""

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
        (lambda: stochastic.captured_share(1, 1), r"d = 1: expected a number in \[2, inf\)"),
    ],
)
def test_errors_name_the_argument(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()
