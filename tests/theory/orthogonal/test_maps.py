"""Maps onto the orthogonal matrices, on any matrix; errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import maps


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_every_map_is_the_identity_on_orthogonal_matrices(seed: int, d: int) -> None:
    R = np.linalg.qr(np.random.default_rng(seed).standard_normal((2, d, d)))[0]
    assert maps.gram_schmidt(R) == pytest.approx(R, abs=1e-12)
    assert maps.polar(R) == pytest.approx(R, abs=1e-12)
    assert maps.distance_to_orthogonal(R) == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_maps_are_orthogonal(seed: int, d: int) -> None:
    P = np.random.default_rng(seed).standard_normal((3, d, d))
    for map in (maps.gram_schmidt, maps.householder, maps.polar):
        assert map(P).shape == P.shape
        assert maps.defect(map(P)).max() < 1e-12


def test_the_polar_differential_is_self_adjoint() -> None:
    P, A, B = np.random.default_rng(0).standard_normal((3, 5, 5))
    left, right = (maps.polar_differential(P, A) * B).sum(), (maps.polar_differential(P, B) * A).sum()
    assert left == pytest.approx(right, rel=1e-9)


def test_a_step_lengthens_what_the_map_does_not_see() -> None:
    with pytest.raises(InvalidArgument, match=r"learning_rate = 0\.0"):
        maps.lengthened(np.ones(2), np.ones(2), 0.0)
    assert maps.lengthened(np.array(4.0), np.array(9.0), 0.5) == pytest.approx(6.25)
