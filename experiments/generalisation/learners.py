"""Learners that see some of the features, on many draws of the examples at once: their weights in closed form."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from theory.core.arrays import Array
from theory.core.separable import apply

Learner = Callable[[Array, Array], Array]  # of X (draws, n, p) and targets (draws, n, k), weights (draws, p, k)
Key = TypeVar("Key", bound=Hashable)

AT_ONCE = 2000  # draws


class Drawn(NamedTuple):
    """Teachers b (draws, D), examples X (draws, n, D), and targets z (draws, n, 2): with noise, and with minus it."""

    b: Array
    X: Array
    z: Array


@dataclass(frozen=True)
class Found:
    """w . b, |w|^2 and the error of learners (draws,): means over the two signs of the noise."""

    overlap: Array
    squared_norm: Array
    error: Array


def gaussian_draws(rng: np.random.Generator, b: Array, n: int, noise: float) -> Drawn:
    """Normal examples, n of each teacher b (draws, D)."""
    X = rng.standard_normal((len(b), n, b.shape[-1]))
    e = noise * rng.standard_normal((len(b), n, 1)) * np.array([1, -1])
    return Drawn(b, X, apply(X, b)[..., None] + e)


def class_mean(X: Array, z: Array) -> Array:
    """X^T z / n."""
    return X.mT @ z / z.shape[-2]


def class_mean_of_signs(X: Array, z: Array) -> Array:
    """X^T sign(z) / n."""
    return class_mean(X, np.sign(z))


def ridge(X: Array, z: Array, penalty: float = 0.0) -> Array:
    """(X^T X + penalty)^-1 X^T z by the smaller Gram matrix; X^+ z where there is no penalty."""
    n, p = X.shape[-2:]
    if p <= n:
        return np.linalg.solve(X.mT @ X + penalty * np.eye(p), X.mT @ z)
    return X.mT @ np.linalg.solve(X @ X.mT + penalty * np.eye(n), z)


def found(drawn: Drawn, p: int, learner: Learner) -> Found:
    """What a learner finds that sees the first p features."""
    w = learner(drawn.X[..., :p], drawn.z)
    overlap, squared = (drawn.b[:, :p, None] * w).sum(1), (w**2).sum(1)
    cosine = overlap / np.sqrt(squared * (drawn.b**2).sum(1)[:, None])
    error = np.arccos(np.clip(cosine, -1, 1)) / np.pi
    return Found(*(each.mean(1) for each in (overlap, squared, error)))


def over_draws(
    rng: np.random.Generator, b: Array, n: int, noise: float, learners: Mapping[Key, tuple[int, Learner]]
) -> dict[Key, Found]:
    """What learners find, each with its p, on the same examples of the teachers b (draws, D)."""
    parts = []
    for first in range(0, len(b), AT_ONCE):
        drawn = gaussian_draws(rng, b[first : first + AT_ONCE], n, noise)
        parts.append({key: vars(found(drawn, p, learner)) for key, (p, learner) in learners.items()})
    return {
        key: Found(**{name: np.concatenate([part[key][name] for part in parts]) for name in parts[0][key]})
        for key in learners
    }
