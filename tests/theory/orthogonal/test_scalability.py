"""What progress by random blocks costs: both sides of the break-even, its ends, and what has no answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import scalability
from theory.orthogonal.stochastic import captured_share


@given(st.integers(3, 2000), st.data())
def test_blocks_are_cheaper_below_the_break_even_and_nowhere_else(d: int, data: st.DataObject) -> None:
    p = data.draw(st.integers(2, d - 1))
    even, cost = scalability.break_even(d, p), scalability.relative_cost
    assert even >= 0
    assert cost(d, p, even) == pytest.approx(1, rel=1e-9)
    assert cost(d, p, even / 2) <= 1 + 1e-12 and cost(d, p, 2 * even + 1) > 1
    assert scalability.break_even_of_progress(d, p, captured_share(d, p)) == pytest.approx(even, rel=1e-6, abs=1e-6)
    assert scalability.break_even_of_progress(d, p, 0.999 * captured_share(d, p)) < even


@given(st.integers(2, 2000), st.data())
def test_the_limits_of_the_cost(d: int, data: st.DataObject) -> None:
    p = data.draw(st.integers(2, d))
    q = captured_share(d, p)
    assert scalability.relative_cost(d, p, np.inf) == pytest.approx(1 / q)
    assert scalability.relative_cost(d, p, 1e300) == pytest.approx(1 / q)
    assert scalability.relative_cost(d, p, 0) == pytest.approx((p / d) ** 3 / q)
    assert scalability.relative_cost(d, d, 3.0) == 1


def test_the_smallest_sizes() -> None:
    assert scalability.break_even(3, 2) == pytest.approx(1.5)
    assert scalability.break_even_of_progress(3, 2, 1 / 3) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: scalability.break_even(5, 5), r"p = 5: expected a number in \[2, 4\]"),
        (lambda: scalability.break_even(5, 1), r"p = 1: expected a number in \[2, 5\]"),
        (lambda: scalability.relative_cost(5, 2, -1.0), r"rest = -1.0: expected a number in \[0, inf\]"),
        (lambda: scalability.break_even_of_progress(5, 2, 1.0), r"progress = 1.0: expected a number in \(0, 1\)"),
        (lambda: scalability.relative_cost(1, 1, 0.0), r"d = 1: expected a number in \[2, inf\)"),
    ],
)
def test_what_has_no_answer_is_refused_in_a_line(call, line: str) -> None:
    with pytest.raises(InvalidArgument, match=line):
        call()
