"""Exponential loss with vanishing regularisation: the flow, and where its limit is known."""

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


def test_the_strength_of_regularisation_is_c() -> None:
    one = Separable(planted(np.random.default_rng(1), SHARES, d=3))
    w, h = np.random.default_rng(2).standard_normal((1, 3)) * 0.3, 1e-4
    run = exponential_loss.regularised_flow(one, w, np.array([0.9 - h, 0.9, 0.9 + h]), c=1.7)["w"]
    force = apply(one.Z.mT, np.exp(0.9 - apply(one.Z, run[1])))
    assert np.allclose((run[2] - run[0]) / (2 * h), force - 1.7 * run[1], atol=1e-5)


def test_the_direction_limit_is_the_part_of_w_tilde_across_w_hat() -> None:
    """z_i . w~ = -log alpha_i on three support vectors in three dimensions, solved here."""
    one = Separable(planted(np.random.default_rng(3), SHARES, d=3, margin=0.7)[0])
    tilde, unit = np.linalg.solve(one.Z, -np.log(one.duals)), one.w / np.linalg.norm(one.w)
    across = tilde - unit * (unit @ tilde)
    assert exponential_loss.direction_limit(one) == pytest.approx(np.linalg.norm(across), rel=1e-10)


def test_the_direction_limit_is_of_one_problem_whose_examples_lie_in_the_span_of_the_support() -> None:
    with pytest.raises(InvalidArgument, match="one problem"):
        exponential_loss.direction_limit(PROBLEM)
    with pytest.raises(InvalidArgument, match="span"):
        exponential_loss.direction_limit(PROBLEM.run(0))
