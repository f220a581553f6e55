"""Jacobians of trained steps against the matrices of the equations."""

import numpy as np

from experiments.methods.minnorm.descent import AlternatingMinnormDescent
from experiments.shallow.propagators import propagators
from theory.claims import Study
from theory.core.separable import Separable, planted

STUDY = Study("test.shallow")
PROBLEM = Separable(planted(np.random.default_rng(0), np.array([0.5, 0.3, 0.2]), d=4)[0])


def step(a: float, b: float, c: float, eta: float, *, alternating: bool = False) -> np.ndarray:
    Z, (n, d) = PROBLEM.Z, PROBLEM.Z.shape
    weights = np.hstack([np.eye(d) - eta * a * (np.eye(d) + c * Z.T @ Z), eta * a * Z.T])
    seen = weights if alternating else np.eye(d, d + n)
    return np.vstack([weights, np.hstack([np.zeros((n, d)), np.eye(n)]) - eta * b * Z @ seen])


def test_one_step() -> None:
    jacobian = propagators(STUDY, PROBLEM, 1.3, 0.7, 0.4, learning_rate=0.05)
    assert np.allclose(jacobian, step(1.3, 0.7, 0.4, 0.05), atol=1e-11)
    jacobian = propagators(STUDY, PROBLEM, 1.3, 0.7, learning_rate=0.05, kind=AlternatingMinnormDescent)
    assert np.allclose(jacobian, step(1.3, 0.7, 0.0, 0.05, alternating=True), atol=1e-11)


def test_several_b_at_once_and_several_steps() -> None:
    b = np.array([0.2, 0.9])
    found = propagators(STUDY, PROBLEM, 1.0, b, learning_rate=0.1, steps=3)
    expected = [np.linalg.matrix_power(step(1.0, float(each), 0.0, 0.1), 3) for each in b]
    assert np.allclose(found, expected, atol=1e-11)
