"""Derivatives by training steps from displaced starts."""

import numpy as np
import pytest

from experiments.chain.jacobians import characteristic, coefficients, jacobian, pair, step_at_the_minimum
from theory.chain import minnorm
from theory.chain.problem import Chain
from theory.claims import Study
from theory.minnorm.tuning import Tuning

STUDY = Study("tests.chain", "smoke")
CHAIN, TUNING = Chain(1.7, 3, x=1.2), Tuning(np.array([1.0, 0.6]), 0.8, np.array([0.5, 0.4]))  # of complex pairs


def test_the_jacobian_is_that_of_the_velocity() -> None:
    J, error = jacobian(STUDY, CHAIN, TUNING)
    z, step = np.append(np.full(3, CHAIN.omega), minnorm.solution_multiplier(CHAIN)), 1e-5
    for i in range(2):
        tuning = Tuning(TUNING.a[i], TUNING.b, TUNING.c[i])
        move = lambda state: np.append(*minnorm.velocity(CHAIN, tuning, state[:-1], state[-1]))  # noqa: B023, E731
        differences = np.stack([(move(z + step * e) - move(z - step * e)) / (2 * step) for e in np.eye(4)], axis=-1)
        assert np.linalg.norm(J[i] - differences) < error[i] + 1e-8
    assert (error < 1e-6).all()


def test_the_pair_turns_and_grows_as_its_eigenvalues_say() -> None:
    growth, angle, within = pair(STUDY, CHAIN, TUNING, 0.01)
    factor = 1 + 0.01 * minnorm.spectrum(CHAIN, TUNING)[:, -1]
    assert (np.abs(growth - np.log(np.abs(factor))) <= within.value).all()
    assert (np.abs(angle - np.angle(factor)) <= within.value).all()


def test_polynomials_are_compared_where_eigenvalues_meet() -> None:
    roots = np.array([[-1.0, -1.0, 2.0], [1j, -1j, 0.5]])
    assert coefficients(roots) == pytest.approx(np.array([[0, -3, -2], [-0.5, 1, -0.5]]))
    J = np.array([[[0.0, 1.0], [-1.0, 0.0]]])
    assert characteristic("p", J, np.array([1e-9]), "").equals(coefficients(np.array([[1j, -1j]]))).passed


def test_the_minimum_rests_with_its_own_multiplier_only() -> None:
    assert step_at_the_minimum(STUDY, CHAIN, 1.0, "").equals(0).passed
    assert not step_at_the_minimum(STUDY, CHAIN, 1.001, "").equals(0).passed
