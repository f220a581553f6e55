"""Step sizes that cannot be stable, and inputs that hardly reach."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.minnorm.stability import Mode, largest_learning_rate, linear_model, require_stable

MODES = (Mode(1.0, 2.0), Mode(1.0, 0.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 0.1, 1.0), "lr = 0.0"),
        ((-0.1, 0.1, 1.0), "lr = -0.1"),
        ((np.nan, 0.1, 1.0), "lr = nan"),
        ((0.1, -0.1, 1.0), "dual_learning_rate = -0.1"),
        ((0.1, np.nan, 1.0), "dual_learning_rate = nan"),
        ((0.1, 0.1, np.nan), "augmentation = nan"),
        ((0.1, 0.1, -1.0), "augmentation = -1.0"),
    ],
)
def test_steps_that_are_none(arguments: tuple, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        require_stable(MODES, *arguments, added=0.0)


def test_below_the_critical_augmentation_no_learning_rate_is_small_enough() -> None:
    """max (B - m / g) = 0.7 - 0.5."""
    assert largest_learning_rate(MODES, 0.7, 0.3) == pytest.approx(min(4 / (2 * 1.6 - 1.4), 4 / 2))
    with pytest.raises(InvalidArgument, match="augmentation = 0.1: expected a number above 0.2"):
        largest_learning_rate(MODES, 0.7, 0.1)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_modes_are_those_of_the_rank(unit: float) -> None:
    """(1, 2) and (2, 4) are parallel: one mode, g = 25, whatever rounding leaves of the other."""
    unreached, reached = linear_model(unit * np.array([[1.0, 2.0], [2.0, 4.0]]))
    assert unreached == Mode(1.0, 0.0)
    assert reached.gram == pytest.approx(25 * unit**2)
    assert linear_model(np.zeros((2, 2))) == (Mode(1.0, 0.0),)
    assert len(linear_model(np.diag([1e7, 1.0]))) == 2
