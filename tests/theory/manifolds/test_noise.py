"""Second moments under noise: without noise they are squares of what remains; errors."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.manifolds import noise, schedules
from theory.manifolds.schedules import Schedule


def test_moments_without_noise_are_squares_of_what_remains() -> None:
    schedule = Schedule(0.5, 1.5, 1)
    moments = noise.second_moments(schedule, 0.4, 0.0, 2.0, 8)
    assert moments == pytest.approx(2 * schedules.remaining(schedule, 0.4, np.arange(9.0)) ** 2)


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="g h = 2"):
        noise.stationary(2.0, 1.0, 1.0)
    with pytest.raises(InvalidArgument, match="2 c h - 1 = 0"):
        noise.harmonic(0.5, 1.0, 1.0, np.ones(1))
