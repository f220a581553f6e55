"""Stable step sizes: they are those of the eigenvalues, and those of the chain where both know them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain.minnorm import critical_augmentation as chain_augmentation
from theory.chain.problem import Chain
from theory.core.validation import InvalidArgument
from theory.minnorm.stability import (
    Mode,
    critical_augmentation,
    largest_learning_rate,
    linear_chain,
    linear_model,
    require_stable,
    step_matrix,
)


@settings(max_examples=100, deadline=None)
@given(st.floats(-3, 3), st.floats(0.1, 5), st.floats(0.01, 2), st.floats(0, 3), st.floats(0.01, 3))
def test_the_stable_range_is_that_of_the_eigenvalues(m: float, g: float, B: float, c: float, A: float) -> None:
    """Spectral radius below 1 exactly where the two conditions hold, but for a band of rounding about the edge."""
    modes = [Mode(m, g)]
    radius = np.abs(np.linalg.eigvals(step_matrix(modes[0], A, B, c))).max()
    stable = c > critical_augmentation(modes, B) and A < largest_learning_rate(modes, B, c)
    assert stable == (radius < 1) or abs(radius - 1) < 1e-9


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_the_critical_augmentation_is_that_of_the_chain(depth: int) -> None:
    critical = critical_augmentation(linear_chain(depth, 1.7), 0.3) - 0.3
    assert critical == pytest.approx(float(chain_augmentation(Chain(1.7, depth))), abs=1e-15)


def test_modes_of_known_models() -> None:
    assert linear_chain(1, 1.7) == linear_model(np.ones((1, 1)))
    assert linear_chain(2, 1.7) == ((2.0, 0.0), (0.0, 2 * 1.7))
    assert [g for _, g in linear_model(np.diag([2.0, 0.0]))] == [0.0, 4.0]
    for arguments, message in (((0, 1.0), "depth = 0"), ((2, -1.0), "target = -1")):
        with pytest.raises(InvalidArgument, match=message):
            linear_chain(*arguments)
    with pytest.raises(InvalidArgument, match=r"inputs.shape = \(0, 2\)"):
        linear_model(np.ones((0, 2)))


def test_alternating_steps_may_have_less_augmentation() -> None:
    """They count B more of it."""
    modes = linear_chain(3, 1.7)
    c = critical_augmentation(modes, 0.1) - 0.05
    require_stable(modes, 0.01, 0.1, c, added=0.1)
    with pytest.raises(InvalidArgument, match="augmentation = "):
        require_stable(modes, 0.01, 0.1, c, added=0.0)
    with pytest.raises(InvalidArgument, match="lr = 5"):
        require_stable(modes, 5.0, 0.1, c, added=0.1)


def test_modes_of_a_linear_model_are_those_of_its_gram_matrix() -> None:
    X = np.random.default_rng(0).normal(size=(5, 3))
    assert [m for m, _ in linear_model(X)] == [1.0] * 3
    np.testing.assert_allclose(sorted(g for _, g in linear_model(X)), np.linalg.eigvalsh(X.T @ X), rtol=1e-10)
    wide = linear_model(X.T)
    assert wide[0] == (1.0, 0.0) and len(wide) == 4
    assert all(g > 0 for _, g in wide[1:])


@pytest.mark.parametrize(("depth", "target"), [(2, 1.7), (3, 0.6), (4, 1.7)])
def test_modes_of_a_chain_are_those_of_its_lagrangian(depth: int, target: float) -> None:
    """1/2 |w|^2 + lambda (s - w_1 ... w_L) at w_l = s^(1/L), lambda = s^(2/L - 1), by central differences."""
    w, multiplier, step = np.full(depth, target ** (1 / depth)), target ** (2 / depth - 1), 1e-4

    def lagrangian(weights: np.ndarray) -> float:
        return 0.5 * (weights**2).sum() + multiplier * (target - weights.prod())

    steps = step * np.eye(depth)
    M = [
        [sum(a * b * lagrangian(w + a * p + b * q) for a in (1, -1) for b in (1, -1)) / (4 * step**2) for q in steps]
        for p in steps
    ]
    modes = linear_chain(depth, target)
    np.testing.assert_allclose(np.sort([m for m, _ in modes]), np.linalg.eigvalsh(M), atol=1e-5)
    np.testing.assert_allclose([g for _, g in modes], [*[0.0] * (depth - 1), ((target / w) ** 2).sum()], rtol=1e-12)


def test_one_step_is_its_matrix() -> None:
    """min m/2 x^2 subject to g^(1/2) x = 0: x <- x - A (m x + (l + c g^(1/2) x) g^(1/2)), l <- l + B g^(1/2) x."""
    m, g, A, B, c, x, l = -0.4, 2.3, 0.2, 0.7, 0.9, 1.3, -0.6
    h = -np.sqrt(g) * x
    expected = x - A * (m * x - (l + c * h) * np.sqrt(g)), l + B * h
    np.testing.assert_allclose(step_matrix(Mode(m, g), A, B, c) @ [x, l], expected, rtol=1e-14)


def test_the_strictest_mode_decides() -> None:
    modes = (Mode(1.0, 0.0), Mode(1.0, 0.5), Mode(0.8, 2.0), Mode(-1.0, 6.0))
    assert critical_augmentation(modes, 0.7) == pytest.approx(0.7 + 1 / 6)
    assert largest_learning_rate(modes, 0.7, 1.1) == pytest.approx(4 / (2 * (-1 + 1.1 * 6) - 0.7 * 6))
    assert critical_augmentation(modes[:1], 0.7) == -np.inf
    assert largest_learning_rate(modes[:1], 0.7, 1.1) == pytest.approx(2.0)
    require_stable(modes[:1], 1.99, 0.7, 0.0, added=0.0)


@pytest.mark.parametrize("added", [0.0, 0.3])
def test_the_edges_themselves_are_refused(added: float) -> None:
    modes, B = linear_chain(3, 1.7), 0.3
    critical = critical_augmentation(modes, B) - added
    require_stable(modes, 0.01, B, critical * (1 + 1e-9), added)
    for c in (critical, critical * (1 - 1e-9)):
        with pytest.raises(InvalidArgument, match="augmentation = .*repels"):
            require_stable(modes, 0.01, B, c, added)
    largest = largest_learning_rate(modes, B, 0.9 + added)
    require_stable(modes, largest * (1 - 1e-9), B, 0.9, added)
    for lr in (largest, largest * (1 + 1e-9)):
        with pytest.raises(InvalidArgument, match=rf"lr = .*\(0, {largest:.6g}\)"):
            require_stable(modes, lr, B, 0.9, added)
