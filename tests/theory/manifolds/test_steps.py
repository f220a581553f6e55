"""The normalised step: where it has no normaliser, zeta where there is no curvature, errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.manifolds import steps


@given(st.integers(0, 1000))
def test_small_gradients_have_no_normaliser(seed: int) -> None:
    R = np.random.default_rng(seed).uniform(0, 0.1, (2, 3))
    assert np.array_equal(steps.normaliser(R, 1.0, 1.0), np.ones((2, 3)))
    assert steps.normaliser(0.0, 1.0, 1.0) == 1


def test_zeta_without_curvature_or_distance_is_one() -> None:
    rho = np.array([0.0, 0.5, 3.0])
    assert steps.zeta(0.0, rho) == pytest.approx(1)
    assert steps.zeta(1.0, rho)[0] == pytest.approx(1)


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="rho = -1"):
        steps.largest_step(-1.0, 1.0)
    with pytest.raises(InvalidArgument, match="k = -1"):
        steps.zeta(-1.0, np.ones(1))
