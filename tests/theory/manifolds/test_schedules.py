"""What schedules leave: products of their steps, their limits, times of any shape; errors."""

from typing import Any

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.manifolds import schedules
from theory.manifolds.schedules import Schedule


@pytest.mark.parametrize("q", [0, 1, 2])
def test_what_remains_is_a_product_with_a_limit(q: int) -> None:
    h, t = 0.4, np.array([0.0, 3.0, 8.0])
    left = schedules.remaining(Schedule(0.5, 1.5, q), h, t)
    by_hand = np.cumprod([1.0, *(1 - h * Schedule(0.5, 1.5, q)(np.arange(8.0)))])
    assert left == pytest.approx(by_hand[[0, 3, 8]])
    limit = schedules.remaining(Schedule(0.5, 1.5, q), h, np.array([1e7, np.inf]))
    assert limit[1] == pytest.approx(limit[0], abs=0.05)
    assert (limit[1] > 0) == (q == 2)


@pytest.mark.parametrize("q", [0, 1, 2])
@pytest.mark.parametrize("t", [0.0, 3, np.inf, np.array([[0.0, 3.0, np.inf]] * 2)], ids=str)
def test_times_have_any_shape(q: int, t: Any) -> None:
    left = schedules.remaining(Schedule(0.5, 1.5, q), 0.4, t)
    assert np.shape(left) == np.shape(t)
    if np.ndim(t):
        assert left[1, 1] == schedules.remaining(Schedule(0.5, 1.5, q), 0.4, 3.0)


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="c = 0"):
        Schedule(0.0)
    with pytest.raises(InvalidArgument, match="q = -1"):
        Schedule(1.0, q=-1.0)
    with pytest.raises(InvalidArgument, match=r"q = 0.7"):
        schedules.remaining(Schedule(1.0, 1.0, 0.7), 0.5, 3.0)
    with pytest.raises(InvalidArgument, match="t = -1"):
        schedules.remaining(Schedule(1.0), 0.5, -1.0)
