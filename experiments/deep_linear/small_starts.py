"""Two layers from small starts, by descent: how far each mode has come."""

from collections.abc import Sequence

import numpy as np
import torch

from experiments.deep_linear.gains import copies_of
from experiments.deep_linear.networks import Constraint, ControlledDescent, squared_loss, students
from experiments.training import State
from experiments.training.together import copies, refined_together
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory
from theory.deep_linear.modes import Modes
from theory.deep_linear.problem import TeacherStudent


def trained(
    study: Study,
    modes: Modes,
    W: Layers,
    *,
    learning_rate: float,
    horizon: float,
    every: float,
    levels: int = 1,
    problem: TeacherStudent | None = None,
) -> list[Trajectory]:
    """Strengths u_k^T W v_k (T, runs, modes) and losses (T, runs), at learning_rate / 1, 2, 4, ...

    Args:
        modes: of as many draws as there are runs, or of one that all runs share.
        W: two layers (runs, ...).
        every: time between records, about.
        problem: what is taught instead, if it is not the problem of the modes.
    """
    taught = copies_of(problem or modes.problem, levels) if len(modes.s) > 1 else (problem or modes.problem)
    layers = [copies(layer, levels) for layer in W]
    U, V = (
        torch.tensor(np.concatenate([frame] * (levels if len(frame) > 1 else 1)), device=study.device)
        for frame in (modes.U, modes.V)
    )
    constraint = Constraint(taught, W, study.device)
    loss = squared_loss(constraint)

    def look(state: State) -> State:
        strength = ((U.mT @ state["W2"]) * (state["W1"] @ V).mT).sum(-1)
        return {"strength": strength, "loss": loss(state)}

    trainee = students(study, constraint, layers, ControlledDescent(taught), look)
    between = max(round(every / learning_rate), 1)
    record = range(0, int(np.ceil(horizon / learning_rate / between)) * between + 1, between)
    return refined_together(trainee, learning_rate=learning_rate, record=record, levels=levels)


def normal_layers(
    rng: np.random.Generator, modes: Modes, width: int, deviations: Sequence[float] | Array, runs: int
) -> list[Array]:
    """W_1 (runs, width, d), W_2 (runs, K, width) of normal entries with these two standard deviations."""
    shapes = (width, modes.problem.d), (modes.problem.K, width)
    return [deviation * rng.standard_normal((runs, *shape)) for deviation, shape in zip(deviations, shapes)]
