"""The five dynamics as trainings of one network, on the logarithm of the exponential loss."""

from functools import partial

import numpy as np

from experiments.homogeneous.losses import loss_of
from experiments.homogeneous.networks import (
    gains,
    polar_margins,
    side_by_side,
    sizes_and_directions,
    stack_margins,
    weight_normalised_margins,
    widths_of,
    with_exponential_gains,
)
from experiments.homogeneous.rules import LagrangeDescent, TangentDescent
from experiments.training import Trainee
from experiments.training.batches import state_of
from theory.claims import Study, varies
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import Examples, Polar, polar
from theory.homogeneous.dynamics import Dynamics

STEPS = partial(varies, "to the horizon, at the largest of three learning rates", low=48, high=1024)
RUNS = partial(varies, "starts of what is trained", low=1, high=64)
EXAMPLES = partial(varies, "n, |x| = 1, in random directions", 6, low=2, high=40)
SOLVER = 1e-8  # of a flow integrated to 1e-11 over a time of order 1, along which nearby curves do not part by e^5
FREE = ("gradient flow", "exponential", "weight normalisation")  # those whose sizes move


def flows(c: float = 1.0) -> dict[str, Dynamics]:
    """What the theory knows of the five; |v_k| = c in weight normalisation."""
    return {
        "gradient flow": dynamics.gradient_flow,
        "Lagrange multiplier": dynamics.lagrange_multiplier,
        "tangent gradient": dynamics.tangent_gradient,
        "weight normalisation": partial(dynamics.weight_normalisation, c=c),
        "exponential": partial(dynamics.exponential_weight_normalisation, c=c),
    }


def trainee(study: Study, name: str, examples: Examples, W: Layers, c: float = 1.0) -> Trainee:
    """One of the five, from layers W_k (runs, h_k, h_{k-1}); |v_k| = c in weight normalisation."""
    if name == "Lagrange multiplier":
        return constrained(study, examples, polar(W))
    if name in ("weight normalisation", "exponential"):
        return _normalised(study, name, examples, W, c)
    loss = loss_of(stack_margins(examples, widths_of(W), study.device))
    return Trainee(study, loss, state_of(W), TangentDescent(loss) if name == "tangent gradient" else None)


def constrained(study: Study, examples: Examples, start: Polar, free_sizes: bool = False) -> Trainee:
    """Descent on the directions with multipliers that keep |V_k| = 1; the sizes are frozen unless they are set free."""
    margins = polar_margins(stack_margins(examples, widths_of(start.V), study.device))
    sizes, directions = gains("g", start.rho), dynamics.named(start.V)
    rule = LagrangeDescent(margins, (*sizes, *directions) if free_sizes else tuple(directions))
    return Trainee(study, loss_of(margins), sizes | directions, rule)


def _normalised(study: Study, name: str, examples: Examples, W: Layers, c: float) -> Trainee:
    start = polar(W)
    vectors = {f"v{k}": c * V for k, V in enumerate(start.V, start=1)}
    margins = weight_normalised_margins(examples, len(W[0]), widths_of(W), study.device)
    if name == "exponential":
        return Trainee(study, loss_of(with_exponential_gains(margins)), gains("a", np.log(start.rho)) | vectors)
    return Trainee(study, loss_of(margins), gains("g", start.rho) | vectors)


def refined(trainee: Trainee, horizon: float, steps: int, levels: int = 3) -> list[Polar]:
    """Sizes and directions at so many learning rates, of these steps at the largest, at nine times to the horizon."""
    rate = horizon / steps
    runs = trainee.refine(learning_rate=rate, horizon=horizon, records=9, levels=levels)
    return [sizes_and_directions(run) for run in runs]


def turned(states: list[Polar]) -> list[Array]:
    """The directions of all layers side by side, (T, runs, all), at each learning rate."""
    return [side_by_side(state.V) for state in states]
