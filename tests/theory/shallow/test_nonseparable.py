"""What no classifier without bias can avoid violating."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import EPS
from theory.core.separable import labelled_by_a_teacher
from theory.core.validation import InvalidArgument
from theory.shallow.nonseparable import unavoidable_violations


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_unavoidable_violations_are_optimal(seed: int) -> None:
    """v >= 0 and Z^T v = 0, and some w has (1 - Z w)_+ = v: the gradient of the squared hinge vanishes there."""
    Z = np.random.default_rng(seed).standard_normal((8, 2))
    v = unavoidable_violations(Z)
    # v = 1 - Z w_q: nearly separable examples have a w_q of up to 1e4 among these seeds, and a dozen roundings of it.
    rounding = 12 * EPS * 1e4
    assert (v >= -rounding).all()
    assert np.allclose(Z.T @ v, 0, atol=rounding * np.linalg.norm(Z))
    assert v.sum() == pytest.approx((v**2).sum(), abs=8 * rounding)
    other = np.random.default_rng(seed + 1).standard_normal((200, 2))
    assert ((np.maximum(1 - other @ Z.T, 0) ** 2).sum(-1) >= (v**2).sum() - 1e-10).all()


def test_separable_examples_have_no_unavoidable_violations() -> None:
    Z = labelled_by_a_teacher(np.random.default_rng(0), n=8, d=3, runs=1, least=0.3)[0]
    assert np.allclose(unavoidable_violations(Z), 0, atol=1e-12)


def test_examples_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"Z\[0, 0\] = inf"):
        unavoidable_violations(np.array([[np.inf, 1.0]]))
