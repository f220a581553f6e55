"""What the solvable problems share: descent by steps on manifolds, and the contraction of every mode."""

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import hessian

from experiments.methods.manifolds.descent import FineGrainedUpdate, RiemannianStep
from experiments.training.legacy import refined
from experiments.training.loop import train
from experiments.training.updates import Loss, State
from theory.claims import Check, Curves, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory

Moves = Mapping[str, RiemannianStep]

AWAY, STEPS = 1e-5, 3  # how far from the optimum, and how many steps back
TWICE = "contraction of twice the rate"


def descend(
    study: Study, name: str, loss: Loss, moves: Moves, start: Mapping[str, Array | Tensor], **schedule: Any
) -> Trajectory:
    """Descent with constant steps; the weights are recorded."""
    weights = tuple(start)
    return train(
        loss,
        start,
        observe=lambda state: {weight: state[weight] for weight in weights},
        update=FineGrainedUpdate(loss, moves),
        **schedule,
        **study.training(name),
    )


def refine(
    study: Study,
    name: str,
    loss: Loss,
    moves: Moves,
    start: Mapping[str, Array | Tensor],
    *,
    learning_rate: float,
    horizon: float,
) -> list[Trajectory]:
    """At learning_rate / 1, 2, 4, recorded at the same times."""

    def at(level: str, **schedule: Any) -> Trajectory:
        return descend(study, level, loss, moves, start, **schedule)

    return refined(at, name, learning_rate=learning_rate, horizon=horizon, records=9)


def curvatures(
    study: Study, name: str, loss: Loss, moves: Moves, optimum: State, modes: State, rates: Array
) -> Generator[Check, None, Array]:
    """torch's Hessian along geodesics from the optimum is diagonal in the modes, with `rates`; returns it.

    Args:
        optimum: weights (A, B) by name.
        modes: tangent vectors (modes, A, B) by name.
    """

    def along_geodesics(x: Tensor) -> Tensor:
        velocity = {each: torch.tensordot(x, modes[each], dims=1) for each in optimum}
        moved = {each: moves[each].manifold.exponential(optimum[each], velocity[each])[None] for each in optimum}
        return loss(moved).sum()

    # The length of a velocity has no derivative at 0, where equal shares of two modes may cancel.
    shares = torch.linspace(0.5, 1, len(rates), dtype=torch.float64, device=study.device)
    second = hessian(along_geodesics)(AWAY * shares)
    measured = second.cpu().numpy()
    tolerance = 10 * np.abs(rates).max() * len(rates) * AWAY + 10 * EPS / AWAY**2
    because = "third derivatives over the distance at which torch's Hessian is taken, and rounding there"
    yield equal(f"{name}: Hessian", measured, np.diag(rates), tolerance=tolerance, because=because)
    return measured


def contraction(
    study: Study,
    name: str,
    loss: Loss,
    moves: Moves,
    optimum: State,
    modes: State,
    rates: Array,
    *,
    learning_rate: float,
) -> Generator[Check | Curves, None, tuple[Array, Array]]:
    """Each run starts displaced along one mode; every step leaves 1 - eta h of it. Returns measured and tolerance."""
    start = {each: _displaced(moves[each], optimum[each], modes[each]) for each in optimum}
    run = descend(study, name, loss, moves, start, learning_rate=learning_rate, steps=STEPS, record=[0, STEPS])
    directions = {each: modes[each].cpu().numpy() for each in modes}
    before, after = sum((run[each] * directions[each]).sum((-2, -1)) for each in modes)
    measured = (after / before) ** (1 / STEPS)
    # Reflecting a mode is a symmetry of loss and step, so that the next term is of relative size AWAY^2.
    tolerance = 1e2 * AWAY**2 + 100 * EPS / (AWAY * np.abs(after / before))
    because = "the cubic term, and a hundred roundings over what is left of the displacement"
    yield equal(f"{name}: contraction", measured, 1 - learning_rate * rates, tolerance=tolerance, because=because)
    yield curves(**{f"{name} predicted": learning_rate * rates, f"{name} measured": 1 - measured})
    return measured, tolerance


def twice(measured: Array, tolerance: Array, rates: Array, learning_rate: float) -> Check:
    """The control that every contraction has."""
    because = "the same tolerance"
    wrong = equal("contraction", measured, 1 - 2 * learning_rate * rates, tolerance=tolerance, because=because)
    return refuted(TWICE, wrong)


def tensor(study: Study, array: Array) -> Tensor:
    return torch.tensor(np.array(array), dtype=torch.float64, device=study.device)


def _displaced(step: RiemannianStep, optimum: Tensor, modes: Tensor) -> Tensor:
    return step.manifold.exponential(optimum.expand_as(modes).clone(), AWAY * modes)
