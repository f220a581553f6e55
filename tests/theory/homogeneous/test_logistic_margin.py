"""The smoothed margin of the logistic loss."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.homogeneous import logistic_margin
from theory.homogeneous.logistic_margin import THRESHOLD, least_norm_growth, single_margin

margins = st.lists(st.floats(-1, 30), min_size=1, max_size=6).map(np.array)


@settings(deadline=None)
@given(margins)
def test_the_norm_grows_at_least_so_much_below_the_threshold(q):
    loss = np.log1p(np.exp(-q)).sum()
    nu = (q / (1 + np.exp(q))).sum()
    if loss < THRESHOLD:
        assert nu >= least_norm_growth(loss) * (1 - 1e-12)
    if q.size == 1:
        assert nu == pytest.approx(least_norm_growth(loss), rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(st.floats(-30, 30))
def test_one_example_has_its_own_margin(q):
    assert single_margin(np.logaddexp(0.0, -q)) == pytest.approx(q, abs=1e-9, rel=1e-9)


def test_above_the_threshold_the_norm_may_grow_less():
    q = np.array([-0.5, 5.0])
    loss, nu = np.log1p(np.exp(-q)).sum(), (q / (1 + np.exp(q))).sum()
    assert loss > THRESHOLD
    assert nu > least_norm_growth(loss)  # a negative bound
    worse = np.array([0.2, 0.2])
    loss, nu = np.log1p(np.exp(-worse)).sum(), (worse / (1 + np.exp(worse))).sum()
    assert single_margin(loss) < 0 < nu
    with pytest.raises(InvalidArgument, match="loss = 0"):
        logistic_margin.single_margin(np.array(0.0))
