"""Exponential loss with vanishing regularisation: the flow, when it grows, and where its limit is known."""

import numpy as np
import pytest

from theory.core.separable import Separable, apply, planted
from theory.core.validation import InvalidArgument
from theory.halpern import exponential_loss

SHARES = np.array([0.5, 0.3, 0.2])
PROBLEM = Separable(planted(np.random.default_rng(0), SHARES, d=5, slack=np.array([0.7, 1.2]), runs=4))


def test_the_regularised_flow_starts_at_its_start_and_composes() -> None:
    one = Separable(planted(np.random.default_rng(1), SHARES, d=3))
    w = np.random.default_rng(2).standard_normal((1, 3)) * 0.3
    run = exponential_loss.regularised_flow(one, w, np.array([0.0, 0.7, 1.5]))
    assert np.allclose(run["w"][0], w)
    # The equation in t from w(0.7) is not that from w(0): log time says how much regularisation is left.
    h = 1e-4
    near = exponential_loss.regularised_flow(one, w, np.array([0.7 - h, 0.7, 0.7 + h]))["w"]
    force = apply(one.Z.mT, np.exp(0.7 - apply(one.Z, near[1])))
    assert np.allclose((near[2] - near[0]) / (2 * h), force - near[1], atol=1e-5)


def test_growth_is_reached_when_it_is_said_to_be() -> None:
    one = Separable(planted(np.random.default_rng(3), SHARES, d=3)[0])
    tau = exponential_loss.times_of_growth(one, np.zeros(3), np.array([2.0, 4.0]))
    w = exponential_loss.regularised_flow(one, np.zeros(3), tau)["w"]
    assert np.allclose(w @ one.w * one.margin**2, [2.0, 4.0], atol=1e-6)


def test_the_direction_limit_is_of_one_problem_whose_examples_lie_in_the_span_of_the_support() -> None:
    with pytest.raises(InvalidArgument, match="one problem"):
        exponential_loss.direction_limit(PROBLEM)
    with pytest.raises(InvalidArgument, match="span"):
        exponential_loss.direction_limit(PROBLEM.run(0))
