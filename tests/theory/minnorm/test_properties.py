"""Stable step sizes against the spectral radius of whole steps, of linear models and of chains; planted problems."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.minnorm.problems import well_conditioned
from theory.minnorm.stability import (
    Mode,
    critical_augmentation,
    largest_learning_rate,
    linear_chain,
    linear_model,
    require_stable,
)

seeds = st.integers(0, 10_000)
rates, numbers = st.floats(0.02, 2), st.floats(0.05, 3)
EDGE = 1e-3  # next to where the spectral radius passes 1


def linear_step(X: Array, A: float, B: float, c: float, alternating: bool) -> Array:
    """(w, l) <- (w - A (w - X^T (l - c X w)), l - B X w), the multipliers after the weights, or with them."""
    n, d = X.shape
    weights = np.hstack([(1 - A) * np.eye(d) - A * c * X.T @ X, A * X.T])
    kept = np.hstack([np.zeros((n, d)), np.eye(n)])
    moved = weights if alternating else np.hstack([np.eye(d), np.zeros((d, n))])
    return np.vstack([weights, kept - B * X @ moved[:d]])


def chain_step(L: int, s: float, A: float, B: float, c: float, alternating: bool) -> Array:
    """Its Jacobian at w_l = s^(1/L), lambda = s^(2/L - 1), by complex steps."""

    def step(z: Array) -> Array:
        w, multiplier = z[:L], z[L]
        others = np.array([np.delete(w, l).prod() for l in range(L)])
        moved = w - A * (w - (multiplier + c * (s - w.prod())) * others)
        return np.append(moved, multiplier + B * (s - (moved if alternating else w).prod()))

    rest = np.append(np.full(L, s ** (1 / L)), s ** (2 / L - 1)).astype(complex)
    return np.stack([step(rest + 1e-30j * e).imag / 1e-30 for e in np.eye(L + 1)], axis=-1)


def accepts(modes: tuple[Mode, ...], A: float, B: float, c: float, added: float) -> bool:
    try:
        require_stable(modes, A, B, c, added)
    except InvalidArgument:
        return False
    return True


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(1, 3), st.integers(0, 2), rates, numbers, st.sampled_from([1.0, 0.03, 30.0]), st.booleans())
def test_steps_of_linear_models(
    seed: int, n: int, more: int, B: float, above: float, unit: float, alternating: bool
) -> None:
    """X -> u X with l -> l / u takes B and c to B / u^2 and c / u^2."""
    X = unit * np.random.default_rng(seed).standard_normal((n, n + more))
    B, above = B / unit**2, above / unit**2
    judge(linear_model(X), lambda A, c: linear_step(X, A, B, c, alternating), B, above, alternating)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.floats(0.2, 4), rates, numbers, st.booleans())
def test_steps_of_chains(L: int, s: float, B: float, above: float, alternating: bool) -> None:
    judge(linear_chain(L, s), lambda A, c: chain_step(L, s, A, B, c, alternating), B, above, alternating)


def judge(
    modes: tuple[Mode, ...], step: Callable[[float, float], Array], B: float, above: float, alternating: bool
) -> None:
    """On either side of the critical augmentation, and of the largest learning rate above it."""
    added = B if alternating else 0.0
    critical = critical_augmentation(modes, B)
    scale = max(1 / max(g for _, g in modes), B)
    c = max(critical, -scale) + above - added
    largest = largest_learning_rate(modes, B, c + added)
    for A, stable in ((largest * (1 - EDGE), True), (largest * (1 + EDGE), False)):
        assert (np.abs(np.linalg.eigvals(step(A, c))).max() < 1) == stable == accepts(modes, A, B, c, added)
    c, slow = critical - added - EDGE * scale, 1e-2 * largest
    assert np.abs(np.linalg.eigvals(step(slow, c))).max() > 1
    assert not accepts(modes, slow, B, c, added)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 4))
def test_planted_supports_have_room(seed: int, runs: int) -> None:
    Z = well_conditioned(np.random.default_rng(seed), runs)
    assert Z.shape == (runs, 12, 8)
    gram = Z[:, :4] @ Z[:, :4].mT
    eigenvalues = np.linalg.eigvalsh(gram)
    assert (eigenvalues >= 0.8 - 1e-12).all() and (eigenvalues <= 1.25 + 1e-12).all()
    duals = np.linalg.solve(gram, np.ones((runs, 4, 1)))
    assert (duals >= 0.5).all()
    margins = Z[:, 4:] @ Z[:, :4].mT @ duals  # of w = sum_i alpha_i z_i
    assert (margins >= 1.5 - 1e-12).all()
