"""Distances to class means, against means taken example by example."""

import numpy as np
import pytest

from theory.images.class_means import beyond_the_nearest, distances, to_own_class

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 17, 5)) * [1.0, 2.0, 0.5, 1.5, 3.0] + 0.7
Y = np.stack([RNG.permutation(np.arange(17) % 3) for _ in range(2)])


def brute(x: np.ndarray, y: np.ndarray, i: int, k: int) -> float:
    others = [x[j] for j in range(len(y)) if y[j] == k and j != i]
    return float(np.linalg.norm(x[i] - np.mean(others, axis=0)))


def test_each_mean_is_of_the_others() -> None:
    found = distances(X[0], Y[0], 3)
    assert found == pytest.approx(np.array([[brute(X[0], Y[0], i, k) for k in range(3)] for i in range(17)]))


def test_own_class_and_nearest_other() -> None:
    for run, (x, y) in enumerate(zip(X, Y)):
        own = np.array([brute(x, y, i, y[i]) for i in range(17)])
        other = np.array([min(brute(x, y, i, k) for k in range(3) if k != y[i]) for i in range(17)])
        assert to_own_class(X, Y, 3)[run] == pytest.approx(own)
        assert beyond_the_nearest(X, Y, 3)[run] == pytest.approx(own - other)


def test_a_class_without_others() -> None:
    """The only example of its class is infinitely far from it; a class without examples is near to nobody."""
    x, y = X[:1], np.where(np.arange(17) == 4, 3, Y[:1])
    found = distances(x[0], y[0], 5)
    assert np.isinf(found[4, 3]) and np.isinf(found[:, 4]).all()
    assert np.isfinite(found[:, :3]).all() and np.isfinite(np.delete(found[:, 3], 4)).all()
    assert np.isposinf(to_own_class(x, y, 5)[0, 4]) and np.isposinf(beyond_the_nearest(x, y, 5)[0, 4])
    assert np.isfinite(np.delete(beyond_the_nearest(x, y, 5)[0], 4)).all()
