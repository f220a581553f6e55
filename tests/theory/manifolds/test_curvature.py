"""Sectional curvature: of a plane, not of its basis; errors."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.manifolds import curvature


def test_curvature_of_a_plane_does_not_depend_on_its_basis() -> None:
    rng = np.random.default_rng(0)
    S, R = (np.triu(rng.standard_normal((3, 3)), 1) for _ in range(2))
    S, R = S - S.T, R - R.T
    for formula in (curvature.stiefel, curvature.oblique, curvature.rotations):
        assert formula(S + 2 * R, R - S) == pytest.approx(formula(S, R))


def test_a_circle_has_no_sectional_curvature() -> None:
    with pytest.raises(InvalidArgument, match="two dimensions"):
        curvature.curvature_range("sphere", 2, 1)
