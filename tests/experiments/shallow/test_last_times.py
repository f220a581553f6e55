"""When an error is above a level for the last time."""

import numpy as np
import pytest

from experiments.shallow.last_times import last_above, log_time, logarithmic_times, minnorm_flows, minnorm_times
from theory.core.separable import Separable, direction_error, planted
from theory.shallow import event_driven, gradient_flow


def test_the_first_record_from_which_on_the_error_stays_below() -> None:
    error = np.array([[3.0, 0.1, 3.0], [1.0, 0.1, 3.0], [2.0, 0.1, 3.0], [1.0, 0.1, 3.0]])
    assert last_above(error, 1.5).tolist() == [3, 0, 3]  # after its last rise; from the start; never


@pytest.mark.parametrize("t", [1e-9, 1.0, 1e12])
def test_log_t(t: float) -> None:
    assert log_time(np.log1p(t)) == pytest.approx(np.log(t), rel=1e-12, abs=1e-12)


def test_late_times_continue_the_integrated_ones() -> None:
    """Levels that a long integration reaches, from one that ends before."""
    rng = np.random.default_rng(2)
    problem = Separable(planted(rng, np.array([0.5, 0.3, 0.2]), d=5, runs=2))
    w0, levels = 0.3 * rng.standard_normal((2, 5)), np.array([0.01])
    found = []
    for end in (30.0, 120.0):
        s = np.concatenate([[0.0], np.geomspace(1e-1, end, 1000)])
        flow = gradient_flow.normalised_flow(problem.Z, w0, s, relative_tolerance=1e-7)
        offset = flow["w"][-1] - problem.w * flow["tau"][-1][:, None]
        found.append((direction_error(problem, flow["w"][-1]), logarithmic_times(problem, flow, offset, levels)))
    assert (found[0][0] > levels).all() and (found[1][0] < levels).all()
    for early, late in zip(found[0][1], found[1][1]):
        assert early.shape == (2, 1)
        assert np.allclose(early, late, rtol=0.02)  # the cells of the late one are 0.7 % wide


def test_minnorm_is_followed_from_multipliers_of_0() -> None:
    rng = np.random.default_rng(3)
    problem = Separable(planted(rng, np.array([0.5, 0.3, 0.2]), d=5, runs=2))
    w0, b, t = rng.standard_normal((2, 5)), np.array([0.5, 1.0]), np.linspace(0, 60, 4001)
    weights = minnorm_flows(problem, w0, 1.0, b, 60.0)(t)
    assert weights.shape == (4001, 2, 5)
    one = event_driven.solve(problem.Z[1], w0[1], np.zeros(3), a=1.0, b=1.0, until=60.0)
    assert np.allclose(weights[:, 1], one(t)[0])
    levels = np.array([0.1, 1e-4])
    times = minnorm_times(problem, w0, 1.0, b, np.array([60.0, 60.0]), levels)
    error = direction_error(problem, weights)
    for level, found in zip(levels, times.T):
        assert (error[t[:, None] >= found] <= level).all()
        assert [error[np.searchsorted(t, time) - 1, run] > level for run, time in enumerate(found)] == [True, True]
