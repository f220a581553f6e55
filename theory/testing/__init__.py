"""Assertions on convergence for your own tests: what `numpy.testing` is for arrays.

    from theory.testing import assert_rate

    def test_the_loss_decays_at_twice_the_smallest_eigenvalue():
        t, losses = train(seeds=range(5))  # (T,) and (T, 5)
        assert_rate(t, losses, 2 * smallest_eigenvalue)

Each assertion takes lists, arrays and tensors, of one run (T,) or of independent runs (T, R), and passes only where a
constant that is off by `resolves`, 5 % unless another share is given, would not have passed. It raises

- `AssertionError` where the data contradict what is asserted, with what was predicted and measured, its interval,
  resolution and headroom, and the worst place;
- `Undecided`, an AssertionError, where they do not contradict it, but would not contradict what is further off either:
  it says how many more runs, later times or finer steps would decide;
- `InvalidArgument`, a ValueError, where the question is wrong.

True statements about random numbers fail with a probability of at most `significance` (0.001) on fresh random numbers,
runs as skewed as exponential samples included. The `fitted_` functions return the estimate, with its interval.
"""

from theory.testing.bounds import assert_below, assert_conserved
from theory.testing.laws import assert_distributed, assert_same_law
from theory.testing.limits import assert_tends_to, fitted_limit
from theory.testing.powers import assert_order, assert_slope, fitted_order, fitted_slope
from theory.testing.rates import assert_rate, assert_rate_at_least, fitted_rate
from theory.testing.verdict import Undecided

__all__ = [
    "Undecided",
    "assert_below",
    "assert_conserved",
    "assert_distributed",
    "assert_order",
    "assert_rate",
    "assert_rate_at_least",
    "assert_same_law",
    "assert_slope",
    "assert_tends_to",
    "fitted_limit",
    "fitted_order",
    "fitted_rate",
    "fitted_slope",
]
