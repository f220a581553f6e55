"""Hessians and contractions of a minimum whose rates are chosen: right ones are found, wrong ones refused."""

import numpy as np
import torch

from experiments.manifolds.networks import tensor
from experiments.manifolds.rates import Minimum, contraction, contraction_curves, hessian_at
from experiments.methods.manifolds import RiemannianStep, Sphere
from theory.claims import Study

STUDY = Study("toy.claim")
RATES = np.array([0.5, 1.5])  # of -x^T diag(2, 1.5, 0.5) x / 2 at the first axis
LEVELS = torch.tensor([[2.0], [1.5], [0.5]], dtype=torch.float64)
OPTIMUM, MODES = np.eye(3, 1), np.eye(3)[1:, :, None]
MOVES = {"x": RiemannianStep(Sphere())}


def minimum() -> Minimum:
    loss = lambda state: -0.5 * (LEVELS * state["x"].square()).sum((-2, -1))  # noqa: E731
    return Minimum(loss, {"x": tensor(STUDY, OPTIMUM)}, {"x": tensor(STUDY, MODES)}, RATES)


def test_the_hessian_is_diagonal_in_the_modes() -> None:
    hessian = hessian_at(STUDY, minimum(), MOVES, "toy")
    assert hessian.equals(np.diag(RATES)).passed
    assert not hessian.equals(np.diag(1.01 * RATES)).passed


def test_each_mode_contracts_at_its_rate() -> None:
    left = contraction(STUDY, minimum(), MOVES, 0.1, "toy")
    assert left.equals(1 - 0.1 * RATES).passed
    assert not left.equals(1 - 0.101 * RATES).passed
    shown = contraction_curves(left, 0.1 * RATES)
    assert shown.group == "toy" and set(shown.arrays) == {"predicted", "measured", "distance"}
