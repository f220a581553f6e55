"""Single steps in a plane: the cycle beyond the stability limit, and the limit itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import discrete
from theory.orthogonal.procrustes import Component


@given(st.floats(1.01, 5))
def test_the_cycle_is_one(h: float) -> None:
    theta = discrete.cycle_angle(h)
    first, second, third = discrete.plane_angles(np.asarray(theta), h, 2)
    assert second == pytest.approx(-first)
    assert third == pytest.approx(first)
    away = discrete.plane_angles(np.asarray(theta + 1e-6), h, 1)[1] + theta
    assert away / 1e-6 == pytest.approx(discrete.cycle_contraction(h), abs=1e-4)


def test_there_is_no_cycle_below_the_limit() -> None:
    with pytest.raises(InvalidArgument, match="h = 1"):
        discrete.cycle_angle(1.0)


def test_the_limit_is_where_the_fastest_mode_alternates() -> None:
    chart = Component(np.eye(3), np.array([2.0, 1.0, 0.5]), np.eye(3))
    limit = discrete.largest_learning_rate(chart)
    assert limit == pytest.approx(4 / 3)
    assert discrete.contraction(chart, float(limit))[0, 1] == pytest.approx(-1)
