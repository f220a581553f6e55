"""Times are read off distances, and come near the formulas for small accuracies."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

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


SIGMA, GENERIC = 1.44, Chain(1.7, 3, x=1.2)


def path(gamma, start: np.ndarray = W, end: float = 60.0):
    """Distance from the minimum norm under weight decay gamma(t), by scipy alone: a function of time."""

    def velocity(t: float, w: np.ndarray) -> np.ndarray:
        return SIGMA * (1.7 - w.prod()) * w.prod() / w - gamma(t) * w

    solution = solve_ivp(velocity, (0, end), start, rtol=1e-10, atol=1e-12, dense_output=True).sol
    return lambda t: np.linalg.norm(solution(t).T - 1.7 ** (1 / 3), axis=-1), solution


def arrival(away, epsilon: float, end: float = 60.0) -> float:
    t = np.linspace(0, end, 6001)
    last = np.flatnonzero(away(t) > epsilon)[-1]
    if last == len(t) - 1:
        return np.inf
    return float(brentq(lambda time: away(time) - epsilon, t[last], t[last + 1], xtol=1e-12))


def test_times_under_constant_decays_are_those_of_their_paths() -> None:
    gamma = np.array([0.9, 1.3, 4.0]) * 0.05 / weight_decay.distance_per_gamma(GENERIC) / 1.5
    found = times.decayed_times(GENERIC, W, gamma, 0.05)
    for number, time in zip(gamma[:2], found):
        assert time == pytest.approx(arrival(path(lambda t, g=number: g)[0], 0.05), rel=1e-6)
    assert found[2] == np.inf
    assert times.fixed_time(GENERIC, W, 0.05) <= found.min()
    theta = np.linspace(0.7, 1.0, 61)
    many = times.decayed_times(GENERIC, W, theta * 0.05 / weight_decay.distance_per_gamma(GENERIC), 0.05)
    assert times.fixed_time(GENERIC, W, 0.05) == pytest.approx(many.min(), rel=1e-3)


def test_the_best_constant_decay_of_a_rough_accuracy_is_found_too() -> None:
    gamma = np.linspace(0.5, 0.8, 61) * 0.2 / weight_decay.distance_per_gamma(CHAIN)
    many = times.decayed_times(CHAIN, W, gamma, 0.2)
    assert times.fixed_time(CHAIN, W, 0.2) == pytest.approx(many.min(), rel=1e-3)


def test_annealed_times_are_those_of_their_path() -> None:
    away = path(lambda t: 1 / (1 + t))[0]
    found = times.annealed_times(GENERIC, W, np.array([0.1, 0.02]))
    assert found == pytest.approx([arrival(away, 0.1), arrival(away, 0.02)], rel=1e-6)


def test_the_best_switch_is_the_best_of_many() -> None:
    before = path(lambda t: 0.5, end=14.0)[1]
    switches = np.linspace(0, 14, 113)[8:48:2]
    ends = [switch + arrival(path(lambda t: 0.0, before(switch), 8.0)[0], 0.03, 8.0) for switch in switches]
    found = times.two_phase_times(GENERIC, W, 0.5, np.array([0.03]))[0]
    assert min(ends) - 0.15 < found < min(ends) + 1e-5


def test_the_flow_of_minnorm_is_that_of_its_equations() -> None:
    tuning, omega = minnorm.best_tuning(GENERIC, 0.8), 1.7 ** (1 / 3)

    def velocity(_: float, state: np.ndarray) -> np.ndarray:
        w, multiplier = state[:3], state[3]
        h = 1.2 * (1.7 - w.prod())
        force = 1.2 * (multiplier + tuning.c * h)
        return np.append(0.8 * (-w + force * w.prod() / w), tuning.b * h)

    t = np.linspace(0, 6, 13)
    solution = solve_ivp(velocity, (0, 6), np.append(W, 0.0), t_eval=t, rtol=1e-11, atol=1e-13).y[:3].T
    expected = np.linalg.norm(solution - omega, axis=-1)
    assert times.minnorm_distances(GENERIC, tuning, W, t) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_two_phases_cost_a_logarithm() -> None:
    decades = np.diff(times.two_phase_times(CHAIN, W, 0.5, np.array([1e-2, 1e-3, 1e-4])))
    assert decades[0] == pytest.approx(decades[1], rel=0.2)
