"""Examples and starts that several claims share: of bounded size, so that every seed trains at the same step sizes."""

from collections.abc import Sequence

import numpy as np

from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.core.separable import Separable, planted
from theory.homogeneous.decomposition import Examples, Polar, polar, weights


def unit_examples(rng: np.random.Generator, n: int, d: int, leak: float = 1.0) -> Examples:
    """n inputs in random directions, |x| = 1, labelled by the sign of their first coordinate."""
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return Examples(X, np.where(X[:, 0] > 0, 1.0, -1.0), leak)


def sized_layers(rng: np.random.Generator, widths: Sequence[int], sizes: Sequence[float], runs: int) -> list[Array]:
    """Layers in random directions with |W_k|_F = sizes[k]."""
    directions = polar(gaussian_stack(rng, widths, 1.0, runs=runs)).V
    return weights(Polar(np.tile(np.asarray(sizes, dtype=np.float64), (runs, 1)), directions))


def partly_seen(rng: np.random.Generator, d: int) -> Separable:
    """Three support vectors and two more examples in d - 1 dimensions, turned into d: one direction no example sees."""
    Z = planted(rng, np.array([0.5, 0.3, 0.2]), d=d - 1, margin=0.8, spread=0.6, slack=np.array([0.5, 0.8]))[0]
    frame = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return Separable(Z @ frame[: d - 1])


def as_examples(problem: Separable) -> Examples:
    """Examples times labels as inputs, every label 1."""
    return Examples(problem.Z, np.ones(len(problem.Z)))


def classifying_directions(rng: np.random.Generator, problem: Separable, runs: int) -> Array:
    """Unit vectors (runs, 1, d), far from the max-margin direction but right on every example of one problem.

    In a random direction off it, four fifths of the way to the first example that would be missed, or to 60 degrees.
    """
    best = problem.w * problem.margin
    aside = rng.standard_normal((runs, best.size))
    aside -= np.outer(aside @ best, best)
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    reach = (problem.Z @ best) / np.maximum(-(aside @ problem.Z.T), 1e-9)
    angle = np.minimum(0.8 * np.arctan(reach.min(1, keepdims=True)), np.pi / 3)
    return (np.cos(angle) * best + np.sin(angle) * aside)[:, None]
