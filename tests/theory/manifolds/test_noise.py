"""Second moments under noise: without noise they are squares of what remains; errors."""

from itertools import product

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
    for g in (0.0, 4.0):
        with pytest.raises(InvalidArgument, match=f"g h = {g / 2:g}"):
            noise.stationary(g, 0.5, 1.0)
    assert noise.stationary(3.8, 0.5, 1.0) == pytest.approx(76)
    with pytest.raises(InvalidArgument, match="2 c h - 1 = 0"):
        noise.harmonic(Schedule(0.5), 1.0, 1.0, np.ones(1))


def test_moments_are_means_over_all_signs() -> None:
    schedule, h, sigma, steps = Schedule(0.7, 1.6, 0.8), 0.9, 0.3, 7
    theta = np.full(2**steps, 0.5)
    signs = np.array(list(product((-1, 1), repeat=steps))).T
    seen = [np.mean(theta**2)]
    for t in range(steps):
        theta = theta - schedule(float(t)) * (h * theta + sigma * signs[t])
        seen.append(np.mean(theta**2))
    assert noise.second_moments(schedule, h, sigma, 0.25, steps) == pytest.approx(np.array(seen))


def test_the_stationary_moment_stays() -> None:
    g, h, sigma = 0.4, 1.3, 0.7
    at = noise.stationary(g, h, sigma)
    assert noise.second_moments(Schedule(g, q=0.0), h, sigma, at, 3) == pytest.approx(at)
    assert noise.second_moments(Schedule(g, q=0.0), h, sigma, 0.0, 200)[-1] == pytest.approx(at)


@pytest.mark.parametrize("c", [0.9, 1.0, 1.7])
def test_harmonic_steps_leave_their_law_up_to_one_over_t_squared(c: float) -> None:
    schedule, h, sigma, t = Schedule(c, 1.4), 1.5, 0.6, np.array([100, 1000])
    exact = noise.second_moments(schedule, h, sigma, 0.0, 1000)[t]
    off = np.abs(exact / noise.harmonic(schedule, h, sigma, t.astype(float)) - 1)
    assert (off < 5 / t**1.7).all()
