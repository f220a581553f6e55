"""What holds of stable steps and well-conditioned problems, at every size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.separable import Separable, apply
from theory.core.validation import InvalidArgument
from theory.minnorm.problems import well_conditioned
from theory.minnorm.stability import (
    critical_augmentation,
    largest_learning_rate,
    linear_chain,
    linear_model,
    require_stable,
    step_matrix,
)

few = settings(max_examples=20, deadline=None)


@few
@given(st.integers(0, 9999), st.integers(1, 4), st.integers(1, 4), st.sampled_from([1e-6, 0.7, 1.0, 1e6]))
def test_modes_of_a_linear_model_do_not_know_the_frame(seed: int, n: int, d: int, unit: float) -> None:
    """Rotated they are the same, in other units g is in proportion to their square; together |X|^2."""
    rng = np.random.default_rng(seed)
    X, Q = rng.standard_normal((n, d)), np.linalg.qr(rng.standard_normal((d, d)))[0]
    g = np.array([g for _, g in linear_model(X)])
    assert np.allclose([g for _, g in linear_model(unit * X @ Q)], unit**2 * g, rtol=1e-9, atol=0)
    assert g.sum() == pytest.approx((X**2).sum(), rel=1e-12)
    assert {m for m, _ in linear_model(X)} == {1.0}
    assert (g == 0).any() == (n < d)


@few
@given(st.integers(1, 6), st.floats(0.2, 4), st.floats(0.05, 1), st.floats(0.05, 2), st.floats(0, 0.5))
def test_what_is_required_is_that_every_mode_contracts(
    depth: int, target: float, B: float, above: float, added: float
) -> None:
    """A little below the largest learning rate each step's matrix contracts, a little above one of them does not."""
    modes = linear_chain(depth, target)
    c = critical_augmentation(modes, B) - added + above
    largest = largest_learning_rate(modes, B, c + added)
    require_stable(modes, 0.99 * largest, B, c, added)
    with pytest.raises(InvalidArgument, match="lr = "):
        require_stable(modes, 1.01 * largest, B, c, added)
    radii = [
        max(
            np.abs(np.linalg.eigvals(step_matrix(mode, k * largest, B, c + added))).max() for mode in modes if mode.gram
        )
        for k in (0.99, 1.01)
    ]
    free = [abs(1 - k * largest * mode.lagrangian) for k in (1.01,) for mode in modes if not mode.gram]
    assert radii[0] < 1 < max([radii[1], *free])


@few
@given(st.integers(1, 6), st.floats(0.2, 4), st.sampled_from([1e-3, 0.7, 1e3]))
def test_modes_of_a_chain_in_other_units(depth: int, target: float, unit: float) -> None:
    """s -> c^L s: g -> c^(2L - 2) g, and the curvatures, of |w|^2 / 2 in the same unit, stay."""
    modes, scaled = linear_chain(depth, target), linear_chain(depth, target * unit**depth)
    for one, other in zip(modes, scaled):
        assert other.lagrangian == one.lagrangian
        assert other.gram == pytest.approx(one.gram * unit ** (2 * depth - 2), rel=1e-9)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 9999))
def test_well_conditioned_problems_have_the_room_they_promise(seed: int) -> None:
    """g in [0.8, 1.25], alpha of at least 1/2 on four, margins of at least 1.5 on the other eight."""
    Z = well_conditioned(np.random.default_rng(seed), 2)
    alpha = np.linalg.solve(Z[:, :4] @ Z[:, :4].mT, np.ones((2, 4, 1)))[..., 0]
    spectrum = np.linalg.eigvalsh(Z[:, :4] @ Z[:, :4].mT)
    assert (alpha >= 0.5).all() and (spectrum >= 0.8 - 1e-12).all() and (spectrum <= 1.25 + 1e-12).all()
    w = apply(Z[:, :4].mT, alpha)
    assert np.allclose(w, Separable(Z).w, atol=1e-10)
    assert (apply(Z[:, 4:], w) >= 1.5 - 1e-10).all()
