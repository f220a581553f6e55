"""A sweep by hand: what is read off it for each method."""

import numpy as np

from experiments.deep_linear.sweep import Sweep

# Two times, one draw, three rules, two scales; the first scale does best at the first time.
ERRORS = np.arange(12.0).reshape(2, 1, 3, 2)
NOTHING = np.zeros((2, 1, 2))
SWEEP = Sweep(
    scales=np.array([0.1, 0.2]),
    errors=ERRORS,
    flow=NOTHING,
    correction=NOTHING,
    expected=np.array([[[1.0, 4.0]], [[3.0, 2.0]]]),
    excess=np.array([[[0.5, 0.25]], [[1.0, 2.0]]]),
    gain=np.zeros((1, 2)),
    fitted=np.array([5.0]),
    decayed=np.array([8.2]),
    overdecayed=np.array([9.0]),
    collapsed=np.array([8.8]),
    uncertainty={},
)


def test_errors_of_each_method() -> None:
    assert SWEEP.of("gradient descent").tolist() == [[6.0, 7.0]]
    assert SWEEP.of("weight decay").tolist() == [[8.0, 9.0]]
    assert SWEEP.of("Minnorm").tolist() == [[10.0, 11.0]]
    assert SWEEP.of("stopped early").tolist() == [[0.0, 7.0]]  # each scale at its own best time


def test_what_is_expected_and_when() -> None:
    assert SWEEP.when("stopped early", SWEEP.excess).tolist() == [[0.5, 2.0]]
    assert SWEEP.when("gradient descent", SWEEP.excess).tolist() == [[1.0, 2.0]]
    assert SWEEP.expected_of("stopped early").tolist() == [[1.0, 2.0]]
    assert SWEEP.expected_of("gradient descent").tolist() == [[3.0, 2.0]]
    assert SWEEP.expected_of("Minnorm").tolist() == [[5.0, 5.0]]
    assert SWEEP.nearer_limit().tolist() == [[8.2, 8.8]]
