"""Squared hinge and exponential loss: limits as functions of the data; batches."""

import numpy as np
import pytest

from theory.core.separable import Separable, apply, planted
from theory.core.validation import InvalidArgument
from theory.halpern import margin

SHARES = np.array([0.5, 0.3, 0.2])
PROBLEM = Separable(planted(np.random.default_rng(0), SHARES, d=5, slack=np.array([0.7, 1.2]), runs=4))


def test_the_limit_of_the_error_is_what_the_duals_say() -> None:
    eta = 0.1 * np.arange(1, 5)
    missing = -apply(PROBLEM.Z, margin.hinge_error_limit(PROBLEM, eta))
    assert np.allclose((eta[:, None] * missing)[PROBLEM.support], PROBLEM.duals[PROBLEM.support])


def test_duals_are_read_off_at_any_steps_and_runs() -> None:
    k = np.array([10, 20, 30])
    w = PROBLEM.w + margin.hinge_error_limit(PROBLEM, 0.1) / (k[:, None, None] + 1)
    duals = margin.duals_read_off(PROBLEM, 0.1, w, k)
    assert duals.shape == (3, 4, 5)
    assert np.allclose(duals[:, PROBLEM.support], PROBLEM.duals[PROBLEM.support])
    one = margin.duals_read_off(PROBLEM.run(2), 0.1, w[1, 2], np.array(20))
    assert np.allclose(one, duals[1, 2])


def test_the_factor_is_that_of_the_slowest_direction() -> None:
    factor = margin.hinge_factor(PROBLEM, 0.05)
    for i in range(4):
        Z = PROBLEM.Z[i][PROBLEM.support[i]]
        assert factor[i] == pytest.approx(1 - 0.05 * np.linalg.eigvalsh(Z @ Z.T)[0])


def test_the_regularised_flow_starts_at_its_start_and_composes() -> None:
    one = Separable(planted(np.random.default_rng(1), SHARES, d=3))
    w = np.random.default_rng(2).standard_normal((1, 3)) * 0.3
    run = margin.regularised_flow(one, w, np.array([0.0, 0.7, 1.5]))
    assert np.allclose(run["w"][0], w)
    # The equation in t from w(0.7) is not that from w(0): log time says how much of the pull is left.
    h = 1e-4
    near = margin.regularised_flow(one, w, np.array([0.7 - h, 0.7, 0.7 + h]))["w"]
    push = apply(one.Z.mT, np.exp(0.7 - apply(one.Z, near[1])))
    assert np.allclose((near[2] - near[0]) / (2 * h), push - near[1], atol=1e-5)


def test_growth_is_reached_when_it_is_said_to_be() -> None:
    one = Separable(planted(np.random.default_rng(3), SHARES, d=3)[0])
    tau = margin.times_of_growth(one, np.zeros(3), np.array([2.0, 4.0]))
    w = margin.regularised_flow(one, np.zeros(3), tau)["w"]
    assert np.allclose(w @ one.w * one.margin**2, [2.0, 4.0], atol=1e-6)


def test_the_direction_limit_is_of_one_problem_whose_examples_lie_in_the_span_of_the_support() -> None:
    with pytest.raises(InvalidArgument, match="one problem"):
        margin.direction_limit(PROBLEM)
    with pytest.raises(InvalidArgument, match="span"):
        margin.direction_limit(PROBLEM.run(0))
