"""Ranges of norms: ranges indeed, consistent with their scales; errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.manifolds import norms


@given(st.integers(1, 6), st.integers(0, 5), st.sampled_from(norms.MANIFOLDS))
def test_ranges_are_ranges(B: int, more: int, manifold: norms.Manifold) -> None:
    ends = norms.ranges(manifold, B + more, B)
    assert set(ends) == set(norms.NORMS)
    assert all(0 < low <= high * (1 + 1e-12) for low, high in ends.values())
    assert norms.scale(manifold, B + more, B) <= norms.scale(manifold, B + more, B, ("Frobenius",))


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"A, B = \(2, 3\)"):
        norms.ranges("sphere", 2, 3)
    with pytest.raises(InvalidArgument, match="B = 0"):
        norms.ranges("sphere", 2, 0)
    with pytest.raises(InvalidArgument, match="a power of 2"):
        norms.extreme_points("sphere", 6, 3)
