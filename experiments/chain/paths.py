"""One unbalanced chain on its way to the minimum norm, by Minnorm and under weight decays: trained, and as flows."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from experiments.chain.networks import decayed_descent, minnorm_descent
from experiments.training import State, Trainee
from experiments.updates import Schedule
from theory.chain import minnorm, times, weight_decay
from theory.chain.problem import Chain, distance
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.flows import flow
from theory.core.trajectory import Trajectory

CHAIN = Chain(1.7, 3)
START = np.array([1.8, 1.0, 0.9])
BEST = minnorm.best_tuning(CHAIN)
PHASE, SWITCH = 0.5, 6.0  # two phases: weight decay PHASE until SWITCH, then none


def methods(gammas: Sequence[float]) -> list[str]:
    """Names of the flows of `weight_decay_flow`."""
    return ["gradient flow", *(f"L2, gamma = {gamma:g}" for gamma in gammas), "annealed L2", "two-phase L2"]


def by_minnorm(study: Study) -> Trainee:
    return minnorm_descent(study, CHAIN, START[None], BEST)


def by_weight_decay(study: Study, constant: Array, phase: float, switch: float) -> Trainee:
    """A run for each of these constant weight decays (n,), one with 1 / (1 + t), one with `phase` until `switch`."""
    return decayed_descent(
        study, CHAIN, np.repeat(START[None], len(constant) + 2, axis=0), _gamma(constant, phase, switch)
    )


def _gamma(constant: Array, phase: float, switch: float) -> Schedule:
    def schedule(time: Tensor) -> Tensor:
        lasting = torch.tensor(constant, dtype=time.dtype, device=time.device)
        return torch.cat([lasting, 1 / (1 + time[-2:-1]), phase * (time[-1:] < switch - 1e-9)])

    return schedule


def every_distance(trainee: Trainee, eta: float, steps: int) -> Trajectory:
    """|w - w*| at every step of it, as `distance`."""
    target = torch.tensor(CHAIN.omega, dtype=torch.float64, device=trainee.study.device)

    def observe(state: State) -> State:
        return {"distance": (state["w"] - target).norm(dim=-1)}

    return replace(trainee, observe=observe).train(learning_rate=eta, steps=steps, record=range(steps + 1))


def solved(solve: Callable[[Array, float], Array], t: Array) -> tuple[Array, Array]:
    """A flow, and what a hundred times the tolerance changes."""
    fine, coarse = solve(t, 1e-12), solve(t, 1e-10)
    return fine, np.abs(fine - coarse).max(0)


def weight_decay_flow(gammas: Sequence[float], t: Array, tolerance: float, k: float = 1.0) -> Array:
    """Log distances (T, n + 3) of the flows of `methods` with k times the weight decay; one jumps at SWITCH."""

    def piece(start: Array, begins: float, phase: float, grid: Array) -> Array:
        def velocity(time: float, state: dict[str, Array]) -> dict[str, Array]:
            gamma = k * np.array([0.0, *gammas, 1 / (1 + begins + time), phase])
            return {"w": weight_decay.velocity(CHAIN, state["w"], gamma)}

        solution = flow(velocity, {"w": start}, grid, relative_tolerance=tolerance, absolute_tolerance=tolerance / 100)
        return solution["w"]

    first = piece(np.repeat(START[None], len(methods(gammas)), axis=0), 0.0, PHASE, t[t <= SWITCH])
    second = piece(first[-1], SWITCH, 0.0, t[t >= SWITCH] - SWITCH)
    return np.log(distance(CHAIN, np.concatenate([first, second[1:]])))


def minnorm_flow(t: Array, tolerance: float) -> Array:
    """Log distances (T, 1)."""
    return np.log(times.minnorm_distances(CHAIN, BEST, START, t, tolerance))[:, None]
