"""The smoothed margin beside the hard one, and the rate it grows at."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from theory.homogeneous import smoothed_margin


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 9))
def test_the_smoothed_margin_lies_below_the_hard_one(seed: int, depth: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    q, size = rng.standard_normal((5, n)), rng.uniform(0.1, 9, 5)
    hard, smooth = smoothed_margin.normalised_margin(q, size, depth), smoothed_margin.smoothed_margin(q, size, depth)
    assert hard.shape == smooth.shape == (5,)
    assert (smooth <= hard + 1e-12 / size ** (depth / 2)).all()
    assert (smooth >= hard - (np.log(n) + 1e-12) / size ** (depth / 2)).all()


@given(st.integers(0, 1000))
def test_the_rate_is_above_its_bound_where_the_loss_is_below_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    q = rng.uniform(0.1, 5, (20, 4)) + np.log(4)  # so that the loss is below 1
    size, across = rng.uniform(0.1, 9, 20), rng.uniform(0, 9, 20)
    rate = smoothed_margin.smoothed_margin_rate(q, size, across, 2)
    assert (rate >= smoothed_margin.smoothed_margin_bound(q, across) * (1 - 1e-12)).all()
    assert (smoothed_margin.norm_growth(q) >= -smoothed_margin.log_loss(q)).all()
