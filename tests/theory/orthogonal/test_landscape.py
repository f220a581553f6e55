"""Critical points: how many, which index, for any singular values; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import landscape
from theory.orthogonal.procrustes import Component

gaps = st.lists(st.floats(0.1, 2), min_size=2, max_size=6)


def chart(steps: list[float], sign: float) -> Component:
    s = np.cumsum(steps)[::-1].copy()
    s[-1] *= sign
    return Component(np.eye(len(s)), s, np.eye(len(s)))


@settings(deadline=None)
@given(gaps, st.sampled_from([1.0, -1.0]))
def test_the_index_counts_negative_rates_and_is_perfect(steps: list[float], sign: float) -> None:
    seen = chart(steps, sign)
    d = len(steps)
    index = landscape.index(seen)
    assert (index == (landscape.spectrum(seen) < 0).sum(-1)).all()
    assert (np.bincount(index, minlength=d * (d - 1) // 2 + 1) == landscape.poincare_polynomial(d)).all()
    assert len(index) == 2 ** (d - 1)
    assert (index == 0).sum() == 1


@settings(deadline=None)
@given(gaps, st.sampled_from([1.0, -1.0]))
def test_heights_and_rotations(steps: list[float], sign: float) -> None:
    seen = chart(steps, sign)
    points = landscape.critical_points(seen)
    assert np.allclose(np.linalg.det(points), 1)
    heights = seen.s.sum() - np.einsum("pii,i->p", points, seen.s)
    assert np.allclose(landscape.excess_loss(seen), heights)
    assert landscape.excess_loss(seen).argmin() == 0


@pytest.mark.parametrize("s", [[2.0, 1.0, 1.0], [2.0, 1.0, 0.0], [2.0, 1.0, -1.0]])
def test_degenerate_singular_values_are_refused(s: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="distinct singular values"):
        landscape.critical_points(Component(np.eye(3), np.array(s), np.eye(3)))


def test_a_batch_is_refused() -> None:
    many = Component(np.eye(2)[None], np.array([[2.0, 1.0]]), np.eye(2)[None])
    with pytest.raises(InvalidArgument, match="one problem"):
        landscape.critical_points(many)


def test_dimensions_are_whole() -> None:
    with pytest.raises(InvalidArgument, match="d = 0"):
        landscape.signs(0)
