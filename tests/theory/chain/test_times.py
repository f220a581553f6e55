"""Times are read off distances, and come near the formulas for small accuracies."""

import numpy as np
import pytest

from theory.chain import minnorm, times, weight_decay
from theory.chain.problem import Chain, distance
from theory.chain.times import hitting_time, hitting_times

CHAIN, W = Chain(1.7, 3), np.array([1.8, 1.0, 0.9])


def test_a_distance_that_falls() -> None:
    t = np.linspace(0, 5, 101)
    falling = np.exp(-2 * t)
    assert hitting_time(t, falling, 1e-2) == pytest.approx(np.log(100) / 2, abs=1e-10)
    assert hitting_time(t, falling, 1e-9) == np.inf
    assert hitting_time(t, falling, 2.0) == 0
    assert hitting_times(t, falling, (1e-2, 1e-9, 2.0)) == pytest.approx([np.log(100) / 2, np.inf, 0], abs=1e-10)


def test_a_distance_that_comes_back_has_not_arrived() -> None:
    t = np.linspace(0, 5, 101)
    returning = np.exp(-t) * (1.5 + np.cos(2 * t))
    crossing = hitting_time(t, returning, 0.1)
    assert (returning[t > crossing] < 0.1).all()
    assert np.exp(-crossing) * (1.5 + np.cos(2 * crossing)) == pytest.approx(0.1, rel=1e-5)


def test_the_flow_of_minnorm_starts_where_it_is_and_falls_at_its_rate() -> None:
    t = np.linspace(0, 14, 281)
    best = minnorm.best_tuning(CHAIN)
    distances = times.minnorm_distances(CHAIN, best, W, t)
    assert distances[0] == pytest.approx(float(distance(CHAIN, W)))
    late = np.log(distances[240] / distances[280]) / (t[280] - t[240])
    assert 1.6 < late < 2  # -2 a, and a factor t


def test_times_of_weight_decay_tend_to_their_formulas() -> None:
    assert times.fixed_time(CHAIN, W, 1e-2) == pytest.approx(weight_decay.best_fixed_time(CHAIN, W, 1e-2), rel=0.05)
    annealed = times.annealed_times(CHAIN, W, np.array([1e-3, 1e-2]))
    assert annealed[0] == pytest.approx(weight_decay.annealed_time(CHAIN, 1.0, 1e-3), rel=0.05)
    assert annealed[1] < annealed[0]


def test_two_phases_cost_a_logarithm() -> None:
    decades = np.diff(times.two_phase_times(CHAIN, W, 0.5, np.array([1e-2, 1e-3, 1e-4])))
    assert decades[0] == pytest.approx(decades[1], rel=0.2)
