"""Times are read off distances."""

import numpy as np
import pytest

from experiments.chain.hitting_times import hitting_time, hitting_times


def test_a_distance_that_falls() -> None:
    t = np.linspace(0, 5, 101)
    falling = np.exp(-2 * t)
    assert hitting_time(t, falling, 1e-2) == pytest.approx(np.log(100) / 2, abs=1e-10)
    assert hitting_time(t, falling, 1e-9) == np.inf
    assert hitting_time(t, falling, 2.0) == 0
    times = hitting_times(t, falling, (1e-2, 1e-9, 2.0))
    assert times == pytest.approx([np.log(100) / 2, np.inf, 0], abs=1e-10)


def test_a_distance_that_comes_back_has_not_arrived() -> None:
    t = np.linspace(0, 5, 101)
    returning = np.exp(-t) * (1.5 + np.cos(2 * t))
    crossing = hitting_time(t, returning, 0.1)
    assert (returning[t > crossing] < 0.1).all()
    assert np.exp(-crossing) * (1.5 + np.cos(2 * crossing)) == pytest.approx(0.1, rel=1e-5)
