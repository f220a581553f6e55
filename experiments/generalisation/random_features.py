"""Linear classifiers of random ReLU features of images: least squares of least norm, and ridge."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.classifiers.tasks import Task
from experiments.generalisation.learners import Learner, ridge
from theory.core.arrays import Array

PENALTY = 0.3  # of ridge, in units of the mean squared length of an image's features
LEAST_SQUARES, RIDGE = "least squares", "ridge"


class Learned(NamedTuple):
    """Of each number of features and each draw (numbers, draws).

    Attributes:
        error: on new images.
        risk: the mean square of what outputs are off by there, the label's being 1 and all others 0.
    """

    error: Array
    risk: Array


def minimum_norm(X: Array, z: Array) -> Array:
    """X^+ z (draws, p, classes)."""
    return np.linalg.pinv(X) @ z


def penalised(X: Array, z: Array) -> Array:
    """Ridge with a penalty that is small beside most of what the features' Gram matrices hold."""
    return ridge(X, z, PENALTY * float((X**2).sum(-1).mean()))


LEARNERS: dict[str, Learner] = {LEAST_SQUARES: minimum_norm, RIDGE: penalised}


def learned(rng: np.random.Generator, task: Task, numbers: Sequence[int]) -> dict[str, Learned]:
    """What each learner makes of the first p random features, for each p of the numbers."""
    G = rng.standard_normal((task.seeds, max(numbers), task.pixels)) / np.sqrt(task.pixels)
    seen, new = (np.maximum(split.x.astype(np.float64) @ G.mT, 0) for split in (task.train, task.test))
    z, y = (np.eye(task.classes)[split.y] for split in (task.train, task.test))
    found: dict[str, list[tuple[Array, Array]]] = {name: [] for name in LEARNERS}
    for p in numbers:
        for name, learner in LEARNERS.items():
            f = new[..., :p] @ learner(seen[..., :p], z)
            wrong = f.argmax(-1) != task.test.y
            found[name].append((wrong.mean(-1), ((f - y) ** 2).sum(-1).mean(-1)))
    return {name: Learned(*(np.stack(each) for each in zip(*rows))) for name, rows in found.items()}
