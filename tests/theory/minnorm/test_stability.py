"""Stable step sizes: they are those of the eigenvalues, and those of the chain where both know them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain.minnorm import critical_augmentation as chain_augmentation
from theory.chain.problem import Chain
from theory.core.validation import InvalidArgument
from theory.minnorm.stability import (
    Mode,
    critical_augmentation,
    largest_learning_rate,
    linear_chain,
    linear_model,
    require_stable,
    step_matrix,
)


@settings(max_examples=100, deadline=None)
@given(st.floats(-3, 3), st.floats(0.1, 5), st.floats(0.01, 2), st.floats(0, 3), st.floats(0.01, 3))
def test_the_stable_range_is_that_of_the_eigenvalues(m: float, g: float, B: float, c: float, A: float) -> None:
    """Spectral radius below 1 exactly where the two conditions hold, but for a band of rounding about the edge."""
    modes = [Mode(m, g)]
    radius = np.abs(np.linalg.eigvals(step_matrix(modes[0], A, B, c))).max()
    stable = c > critical_augmentation(modes, B) and A < largest_learning_rate(modes, B, c)
    assert stable == (radius < 1) or abs(radius - 1) < 1e-9


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_the_critical_augmentation_is_that_of_the_chain(depth: int) -> None:
    critical = critical_augmentation(linear_chain(depth, 1.7), 0.3) - 0.3
    assert critical == pytest.approx(float(chain_augmentation(Chain(1.7, depth))), abs=1e-15)


def test_modes_of_known_models() -> None:
    assert linear_chain(1, 1.7) == linear_model(np.ones((1, 1)))
    assert linear_chain(2, 1.7) == ((2.0, 0.0), (0.0, 2 * 1.7))
    assert [g for _, g in linear_model(np.diag([2.0, 0.0]))] == [0.0, 4.0]
    for arguments, message in (((0, 1.0), "depth = 0"), ((2, -1.0), "target = -1")):
        with pytest.raises(InvalidArgument, match=message):
            linear_chain(*arguments)
    with pytest.raises(InvalidArgument, match=r"inputs.shape = \(0, 2\)"):
        linear_model(np.ones((0, 2)))


def test_alternating_steps_may_have_less_augmentation() -> None:
    """They count B more of it."""
    modes = linear_chain(3, 1.7)
    c = critical_augmentation(modes, 0.1) - 0.05
    require_stable(modes, 0.01, 0.1, c, added=0.1)
    with pytest.raises(InvalidArgument, match="augmentation = "):
        require_stable(modes, 0.01, 0.1, c, added=0.0)
    with pytest.raises(InvalidArgument, match="lr = 5"):
        require_stable(modes, 5.0, 0.1, c, added=0.1)
