"""Limits at step size 0: Richardson's, whose order is looked at."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.claims.estimates import richardson
from theory.claims.step_limit import step_limit
from theory.core.validation import InvalidArgument

H = np.array([0.2, 0.1, 0.05])


@given(st.floats(-5, 5), st.floats(0.5, 2), st.floats(-1, 1), st.sampled_from([1, 2]), st.sampled_from([2.0, 3.0]))
def test_expansions(limit: float, first: float, second: float, order: int, ratio: float) -> None:
    h = 0.2 / ratio ** np.arange(3)
    values = limit + first * h**order * (1 + second * h)
    found = step_limit(h, values, order)
    assert limit in found
    assert found.value == pytest.approx(float(richardson(list(values), ratio, order)[0]))
    assert found.half_width >= float(richardson(list(values), ratio, order)[1])


def test_another_order_has_no_interval() -> None:
    found = step_limit(H, 1 + H**0.5)
    assert found.half_width == np.inf and "differences of order 0.5, not 1" in found.reason
    assert 1 in step_limit(H, 1 + H**2, order=2)


def test_a_limit_that_is_reached_has_no_order_to_look_at() -> None:
    assert step_limit(H, np.array([1.0, 1.0, 1.0])).half_width < 1e-14


def test_runs() -> None:
    rng = np.random.default_rng(0)
    values = 1 + H[:, None] + 0.01 * rng.standard_normal(5)
    found = step_limit(H, values, significance=0.01)
    assert 1 in found and found.runs == 5 and found.significance == 0.01
    assert found.chance + found.left == pytest.approx(found.half_width)
    assert found.values == pytest.approx(values.mean(1))


WRONG = [
    ([0.2, 0.1], np.ones(2), "step_sizes = 2 of them: expected at least 3"),
    ([0.2, 0.1, 0.06], np.ones(3), "step_sizes = .*: expected step sizes in one ratio"),
    ([0.1, 0.2, 0.4], np.ones(3), "step_sizes = .*: expected step sizes in one ratio"),
    ([0.2, 0.1, -0.05], np.ones(3), r"step_sizes\[2\] = -0.05: expected a number in \(0, inf\)"),
    ([0.2, 0.1, 0.05], np.ones((3, 2)), r"values.shape = \(3, 2\): expected \(3,\), or \(3, R\)"),
]


@pytest.mark.parametrize(("h", "values", "line"), WRONG)
def test_what_it_refuses(h: list[float], values: np.ndarray, line: str) -> None:
    with pytest.raises(InvalidArgument, match=line):
        step_limit(h, values)
