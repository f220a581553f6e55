"""Squared hinge loss: limits as functions of the data; batches."""

import numpy as np
import pytest

from theory.core.separable import Separable, apply, planted
from theory.halpern import squared_hinge

SHARES = np.array([0.5, 0.3, 0.2])
PROBLEM = Separable(planted(np.random.default_rng(0), SHARES, d=5, slack=np.array([0.7, 1.2]), runs=4))


def test_the_limit_of_the_error_is_what_the_duals_say() -> None:
    eta = 0.1 * np.arange(1, 5)
    missing = -apply(PROBLEM.Z, squared_hinge.hinge_error_limit(PROBLEM, eta))
    assert np.allclose((eta[:, None] * missing)[PROBLEM.support], PROBLEM.duals[PROBLEM.support])


def test_duals_are_read_off_at_any_steps_and_runs() -> None:
    k = np.array([10, 20, 30])
    w = PROBLEM.w + squared_hinge.hinge_error_limit(PROBLEM, 0.1) / (k[:, None, None] + 1)
    duals = squared_hinge.duals_read_off(PROBLEM, 0.1, w, k)
    assert duals.shape == (3, 4, 5)
    assert np.allclose(duals[:, PROBLEM.support], PROBLEM.duals[PROBLEM.support])
    one = squared_hinge.duals_read_off(PROBLEM.run(2), 0.1, w[1, 2], np.array(20))
    assert np.allclose(one, duals[1, 2])


def test_the_factor_is_that_of_the_slowest_direction() -> None:
    factor = squared_hinge.hinge_factor(PROBLEM, 0.05)
    for i in range(4):
        Z = PROBLEM.Z[i][PROBLEM.support[i]]
        assert factor[i] == pytest.approx(1 - 0.05 * np.linalg.eigvalsh(Z @ Z.T)[0])


def test_the_iteration_tends_to_its_limits() -> None:
    """Halpern's iteration on the squared hinge loss of one problem, step by step."""
    one, k = PROBLEM.run(1), 6000
    eta, w = 1 / np.linalg.norm(one.Z, ord=2) ** 2, np.array([0.3, -0.2, 0.5, 0.1, -0.4])
    for step in range(k):
        w = (step + 1) / (step + 2) * (w + eta * one.Z.T @ np.maximum(1 - one.Z @ w, 0))
    supported = one.Z[one.support]
    seen = np.linalg.pinv(supported) @ supported @ ((k + 1) * (w - one.w))
    assert np.allclose(seen, squared_hinge.hinge_error_limit(one, eta), rtol=0, atol=1e-6)
    assert np.allclose(squared_hinge.duals_read_off(one, eta, w, np.array(k)), one.duals, rtol=0, atol=1e-6)
