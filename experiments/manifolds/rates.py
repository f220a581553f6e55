"""Rates at a minimum: torch's Hessian along geodesics, and what a step leaves of a displacement along each mode."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import hessian

from experiments.manifolds.networks import Moves, on_manifolds
from experiments.training import Loss, State
from theory.claims import Curves, Measured, Study, Tolerance, curves, measured, rounding
from theory.core.arrays import Array
from theory.core.validation import reject

AWAY, STEPS = 1e-5, 3  # how far from the minimum, and how many steps back
TWICE = "contraction of twice the rate"


def require_falling(name: str, values: tuple[float, ...], gap: float = 0.05) -> None:
    """Refuse what is not two to eight numbers, each below the one before by the gap or more."""
    if not 2 <= len(values) <= 8:
        reject(name, values, "two to eight numbers")
    if -max(np.diff(values)) < gap * (1 - 1e-9):
        reject(name, values, f"each {gap:g} or more below the one before")


def require_stable(learning_rate: float, largest: float) -> None:
    """Refuse steps after which less than a tenth of the fastest mode would be left, or more than there was."""
    if learning_rate * largest > 0.9:
        reject("learning_rate", learning_rate, f"at most 0.9 / {largest:.4g}, the largest rate: {0.9 / largest:.3g}")


class Minimum(NamedTuple):
    """A minimum on a product of manifolds, and the rates h (modes,) along its modes.

    The minimum has weights (A, B) by name, the modes are tangent vectors (modes, A, B) by name.
    """

    loss: Loss
    weights: State
    modes: State
    rates: Array


def hessian_at(study: Study, minimum: Minimum, moves: Moves, case: str) -> Measured:
    """torch's Hessian along geodesics from the minimum, in the modes: to be the diagonal matrix of the rates."""
    loss, weights, modes, rates = minimum

    def along_geodesics(x: Tensor) -> Tensor:
        velocity = {each: torch.tensordot(x, modes[each], dims=1) for each in weights}
        moved = {each: moves[each].manifold.exponential(weights[each], velocity[each])[None] for each in weights}
        return loss(moved).sum()

    # The length of a velocity has no derivative at 0, where equal shares of two modes may cancel.
    shares = torch.linspace(0.5, 1, len(rates), dtype=torch.float64, device=study.device)
    second = hessian(along_geodesics)(AWAY * shares).cpu().numpy()
    third = 10 * np.abs(rates).max() * len(rates) * AWAY
    within = Tolerance(third, "third derivatives over the distance at which torch's Hessian is taken")
    within += rounding(10, 1 / AWAY**2, of="the loss over that distance squared")
    return measured("Hessian", second, within=within, case=case)


def contraction(study: Study, minimum: Minimum, moves: Moves, learning_rate: float, case: str) -> Measured:
    """What a step leaves of a displacement along each mode (modes,): to be 1 - eta h."""
    loss, weights, modes, _ = minimum
    # The exponential map wants one point for each velocity, and points of its own.
    at = {each: weights[each].expand_as(modes[each]).clone() for each in weights}
    start = {each: moves[each].manifold.exponential(at[each], AWAY * modes[each]) for each in weights}
    run = on_manifolds(study, loss, moves, start).train(learning_rate=learning_rate, steps=STEPS, record=[0, STEPS])
    before, after = sum((run[each] * modes[each].cpu().numpy()).sum((-2, -1)) for each in modes)
    left = after / before
    # Reflecting a mode is a symmetry of loss and step, so that the next term is of relative size AWAY^2.
    within = Tolerance(1e2 * AWAY**2, "the cubic term")
    within += rounding(100, 1 / (AWAY * np.abs(left)), of="what is left of the displacement")
    return measured("contraction", left ** (1 / STEPS), within=within, case=case, axes=("mode",))


def contraction_curves(contraction: Measured, predicted: Array) -> Curves:
    """What figure 12 draws of it: 1 - contraction against eta h, and their distance."""
    trained = 1 - contraction.value
    return curves(contraction.case, predicted=predicted, measured=trained, distance=np.abs(trained - predicted))
