"""Trajectories: checked shapes, names, and subtraction at equal times."""

import numpy as np
import pytest

from theory.core.trajectory import Trajectory
from theory.core.validation import InvalidArgument

T = np.array([0.0, 0.5, 1.0])


def test_arrays_are_found_by_name() -> None:
    x = np.ones((3, 2, 4))
    assert Trajectory(T, {"x": x})["x"] is x


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InvalidArgument, match="name = 'loss': expected one of U, V"):
        Trajectory(T, {"V": T, "U": T})["loss"]


def test_an_array_needs_one_row_a_time() -> None:
    with pytest.raises(InvalidArgument, match=r"arrays\['x'\].shape = \(2,\): expected a first dimension of 3"):
        Trajectory(T, {"x": np.zeros(2)})


def test_difference_keeps_what_both_have() -> None:
    first = Trajectory(T, {"x": T, "y": T}, {"steps": 5})
    second = Trajectory(T * (1 + 1e-14), {"x": 3 * T, "z": T})
    difference = first - second
    assert set(difference.arrays) == {"x"}
    assert np.array_equal(difference["x"], -2 * T)
    assert np.array_equal(difference.t, T)


def test_runs_may_have_their_own_times() -> None:
    t = np.multiply.outer(T, [1.0, 2.0])
    assert (Trajectory(t, {"x": t}) - Trajectory(t, {"x": t}))["x"].max() == 0


@pytest.mark.parametrize("t", [T + 1e-6, np.append(T, 2.0), np.multiply.outer(T, [1.0, 1.0])])
def test_different_times_are_not_subtracted(t: np.ndarray) -> None:
    with pytest.raises(InvalidArgument, match="expected the times of the trajectory it is subtracted from"):
        Trajectory(T, {"x": T}) - Trajectory(t, {"x": t})
