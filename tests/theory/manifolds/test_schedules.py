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


def test_steps_fall_as_said() -> None:
    assert Schedule(0.7, 2.5, 0.8)(3.0) == pytest.approx(0.7 * 5.5**-0.8)
    assert Schedule(0.7)(np.array([0.0, 3.0])) == pytest.approx([0.7, 0.175])


@pytest.mark.parametrize(
    ("q", "everywhere", "noise"),
    [(0, True, False), (0.5, True, False), (0.51, True, True), (1, True, True), (1.01, False, True)],
)
def test_what_robbins_and_monro_ask_for(q: float, everywhere: bool, noise: bool) -> None:
    schedule = Schedule(1.3, q=q)
    assert (schedule.reaches_everywhere, schedule.averages_noise) == (everywhere, noise)
    assert schedule.converges == (everywhere and noise)


@pytest.mark.parametrize("h", [0.4, 2.3, 4.1])
@pytest.mark.parametrize("q", [0, 1, 2])
def test_large_rates_change_the_sign_of_what_remains(q: int, h: float) -> None:
    schedule = Schedule(0.9, 1.6, q)
    by_hand = np.cumprod([1.0, *(1 - h * schedule(np.arange(12.0)))])
    assert schedules.remaining(schedule, h, np.arange(13.0)) == pytest.approx(by_hand, rel=1e-9)


def test_the_limit_of_summable_steps() -> None:
    schedule, h = Schedule(0.9, 1.6, 2), 2.3
    product = np.prod(1 - h * schedule(np.arange(1e6)))
    assert schedules.remaining(schedule, h, np.inf) == pytest.approx(product, rel=1e-5)
