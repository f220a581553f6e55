"""Complexities of bounds, and the least loss of bounded outputs: other formulas, scales, edges."""

import re

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from theory.core.validation import InvalidArgument
from theory.manifolds import bounds

few = settings(deadline=None, max_examples=25)
seeds = st.integers(0, 10**6)
COMPLEXITIES = (bounds.bartlett, bounds.neyshabur, bounds.golowich)


def drawn(seed: int, runs: int = 2) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 6, rng.integers(2, 5))
    return [rng.standard_normal((runs, after, before)) for before, after in zip(widths, widths[1:])]


@few
@given(seeds)
def test_norms_are_those_of_singular_values_and_rows(seed: int) -> None:
    layers = drawn(seed)
    for l, W in enumerate(layers):
        s = np.linalg.svd(W, compute_uv=False)
        assert bounds.spectral_norms(layers)[l] == pytest.approx(s.max(-1))
        assert bounds.frobenius_norms(layers)[l] == pytest.approx(np.sqrt((s**2).sum(-1)))
        assert bounds.row_lengths(layers)[l] == pytest.approx([sum(map(np.linalg.norm, each)) for each in W])


@few
@given(seeds, st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=4))
def test_complexities_take_the_scale_of_every_layer_once(seed: int, scales: list[float]) -> None:
    layers = drawn(seed)
    scaled = [c * W for c, W in zip(scales, layers)]
    for complexity in COMPLEXITIES:
        assert complexity(scaled) == pytest.approx(complexity(layers) * np.prod(scales[: len(layers)]))


@few
@given(seeds)
def test_complexities_by_their_formulas(seed: int) -> None:
    layers = [W[0] for W in drawn(seed)]
    s = [np.linalg.norm(W, 2) for W in layers]
    h = max(max(W.shape) for W in layers)
    ratios = [sum(np.linalg.norm(row) for row in W) / each for W, each in zip(layers, s)]
    assert bounds.bartlett(layers) == pytest.approx(np.prod(s) * sum(r ** (2 / 3) for r in ratios) ** 1.5)
    ranks = [(W**2).sum() / each**2 for W, each in zip(layers, s)]  # stable ranks
    assert bounds.neyshabur(layers) == pytest.approx(len(s) * np.sqrt(h * sum(ranks)) * np.prod(s))
    assert bounds.golowich(layers) == pytest.approx(np.sqrt(len(s) * np.prod([(W**2).sum() for W in layers])))
    largest = bounds.golowich(layers) / np.sqrt(len(s))
    assert np.prod(s) <= largest * (1 + 1e-12)


@few
@given(seeds, st.lists(st.integers(1, 7), min_size=2, max_size=5))
def test_orthonormal_columns(seed: int, widths: list[int]) -> None:
    rng, widths = np.random.default_rng(seed), sorted(widths, reverse=True)
    layers = [np.linalg.qr(rng.standard_normal((A, B)))[0].T for A, B in zip(widths, widths[1:])]
    found = [float(complexity(layers)) for complexity in COMPLEXITIES]
    assert list(bounds.on_stiefel(widths).values()) == pytest.approx(found)


@few
@given(seeds)
def test_a_layer_that_is_0_makes_everything_0(seed: int) -> None:
    layers = drawn(seed)
    layers[-1] = 0 * layers[-1]
    for complexity in COMPLEXITIES:
        assert (complexity(layers) == 0).all()
    assert (bounds.largest_output(layers, np.array([1.0, 2.0])) == 0).all()


@few
@given(seeds, st.floats(0, 100), st.floats(1e-3, 1e3), st.integers(1, 10**6))
def test_bounds_fall_with_margin_and_examples(seed: int, size: float, margin: float, examples: int) -> None:
    complexity = bounds.golowich(drawn(seed))
    found = bounds.bound(complexity, size, np.full(2, margin), examples)
    assert found == pytest.approx(complexity * size / (margin * np.sqrt(examples)))
    assert bounds.bound(complexity, size, np.full(2, 2 * margin), examples) == pytest.approx(found / 2)
    assert bounds.bound(complexity, size, np.full(2, margin), 4 * examples) == pytest.approx(found / 2)


@few
@given(seeds)
def test_no_output_is_longer(seed: int) -> None:
    layers, rng = [W[0] for W in drawn(seed)], np.random.default_rng(seed)
    x = rng.standard_normal((50, layers[0].shape[1]))
    f = x
    for W in layers:
        f = np.maximum(f, 0) @ W.T if f is not x else f @ W.T
    longest = bounds.largest_output(layers, np.linalg.norm(x, axis=-1))
    assert longest.shape == (50,)
    assert (np.linalg.norm(f, axis=-1) <= longest * (1 + 1e-12)).all()


def test_the_longest_output_is_attained() -> None:
    layers = [np.diag([2.0, 1.0]), np.array([[3.0, 0.0]])]
    assert bounds.largest_output(layers, np.array([5.0])) == pytest.approx(30)


@few
@given(st.floats(0, 50), st.integers(2, 9))
def test_least_cross_entropy_to_many_digits(F: float, K: int) -> None:
    with mpmath.workdps(50):
        exact = mpmath.log(1 + (K - 1) * mpmath.exp(-mpmath.mpf(F) * mpmath.sqrt(mpmath.mpf(K) / (K - 1))))
        assert float(bounds.least_cross_entropy(F, K)) == pytest.approx(float(exact), rel=1e-13)


@settings(deadline=None, max_examples=10)
@given(st.floats(0.1, 4), st.integers(2, 5), seeds)
def test_no_outputs_of_that_length_cost_less(F: float, K: int, seed: int) -> None:
    def loss(free: np.ndarray) -> float:
        f = F * free / np.linalg.norm(free)
        return float(np.log(np.exp(f).sum()) - f[0])

    least = float(bounds.least_cross_entropy(F, K))
    start = np.random.default_rng(seed).standard_normal(K)
    found = minimize(loss, start, tol=1e-12).fun
    assert found >= least - 1e-12
    assert loss(np.eye(K)[0] - 1 / K) == pytest.approx(least)


def test_limits() -> None:
    assert bounds.least_cross_entropy(np.array([0.0, np.inf]), 7) == pytest.approx([np.log(7), 0])
    assert 0 < bounds.least_cross_entropy(500.0, 2) < 1e-300


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: bounds.bartlett([]), "layers = none: expected one at least"),
        (lambda: bounds.golowich([np.ones((2, 3)), np.ones((2, 3))]), "layers = [(2, 3), (2, 3)]: expected W_l"),
        (lambda: bounds.golowich([np.ones(3)]), "layers = [(3,)]: expected matrices"),
        (lambda: bounds.neyshabur([np.full((2, 2), np.nan)]), "layers[0, 0] = nan: expected a finite number"),
        (lambda: bounds.on_stiefel([2, 3]), "widths = (2, 3): expected two at least"),
        (lambda: bounds.least_cross_entropy(1.0, 1), "classes = 1: expected two at least"),
        (lambda: bounds.least_cross_entropy(-1.0, 3), "F = -1.0: expected a number in [0, inf]"),
        (lambda: bounds.bound(np.ones(1), 1.0, np.zeros(1), 5), "margin[0] = 0.0: expected a number in (0, inf)"),
        (lambda: bounds.bound(np.ones(1), 1.0, np.ones(1), 0), "examples = 0: expected a whole number"),
        (lambda: bounds.largest_output([np.eye(2)], np.array([-1.0])), "size[0] = -1.0: expected"),
    ],
)
def test_refusals(call: object, line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        call()  # type: ignore[operator]
