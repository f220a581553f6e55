"""The signatures of the package are checked while tests run: of each function the first calls of a test."""

import jaxtyping
import numpy as np
import pytest

from theory.shallow.nonseparable import unavoidable_violations
from typechecking import MOST

SEPARABLE = np.eye(2)


@pytest.mark.parametrize("Z", [np.ones(3), np.ones((2, 2, 2)), [[1.0]]])
def test_another_shape_or_type_is_refused(Z: object) -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="unavoidable_violations"):
        unavoidable_violations(Z)


def test_so_many_calls_are_checked_and_no_more() -> None:
    for _ in range(MOST):
        unavoidable_violations(SEPARABLE)
    with pytest.raises(Exception) as refusal:
        unavoidable_violations(np.ones(3))
    assert not isinstance(refusal.value, jaxtyping.TypeCheckError)


def test_another_test_is_checked_anew() -> None:
    test_another_shape_or_type_is_refused(np.ones(3))
