"""The law of one step for networks on the user's own examples: any inputs, any labels."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from torch import nn

from experiments.homogeneous import own_data
from experiments.homogeneous.losses import loss_of
from experiments.homogeneous.networks import network_margins, side_by_side, tensors
from experiments.homogeneous.predictions import scaled
from experiments.homogeneous.rules import LayerwiseDescent, gradients_at, with_gradients
from experiments.training import Loss
from experiments.training.batches import layers_of, stack, state_of
from experiments.training.loop import sharpness
from theory.claims import Check, Study, Tolerance, measured
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.homogeneous import balance
from theory.homogeneous.balance import Law

HIDDEN = (8, 6)
STEPS = {"smoke": 12, "quick": 60, "paper": 600}  # that a profile has the time for
STEP = 0.02  # the length of the first step over that of the weights
DECAYED = 0.01  # of the weights, in one step


class Case(NamedTuple):
    """A network, its loss and the law that is to hold of it."""

    activation: Callable[[], nn.Module]
    loss: str
    law: Law
    speeds: tuple[float, ...]
    decays: bool


CASES = {
    "linear": Case(nn.Identity, "exponential", balance.matrices, (1.0, 1.0, 1.0), False),
    "linear, own learning rates and decay": Case(nn.Identity, "squared", balance.matrices, (1.0, 0.4, 2.0), True),
    "ReLU": Case(nn.ReLU, "logistic", balance.neurons, (1.0, 1.0, 1.0), False),
    "leaky ReLU, decay": Case(lambda: nn.LeakyReLU(0.2), "squared", balance.neurons, (1.0, 1.0, 1.0), True),
}


def layers_stay_balanced(study: Study) -> Iterator[Check]:
    """One step of descent on all of the user's examples, at every step."""
    X, y = own_data.examples(study)
    widths, wanted = (X.shape[1], *HIDDEN, 1), STEPS[study.profile]
    for name, case in CASES.items():
        W = own_data.layers(study.rng("own data", name), X, widths, runs=own_data.RUNS[study.profile])
        # The state and the gradient are kept at every step.
        kept = max(10, own_data.MOST_NUMBERS // (2 * sum(layer.size for layer in W)))
        steps = own_data.affordable(study, X, W, min(wanted, kept))
        loss, start = (
            loss_of(network_margins(stack(widths, case.activation), X, y, study.device), case.loss),
            state_of(W),
        )
        eta = _learning_rate(study, loss, start)
        decay = DECAYED / eta if case.decays else 0.0
        rule = LayerwiseDescent(loss, case.speeds, decay)
        run = with_gradients(study, rule, start).train(learning_rate=eta, steps=steps, record=range(steps + 1))
        yield _in_each_step(f"own data, {name}", run, case.law, eta * np.array(case.speeds), eta * decay)


def _learning_rate(study: Study, loss: Loss, start: Mapping[str, Array]) -> float:
    """A first step of a fiftieth of the weights, or a tenth of the largest that is stable there."""
    G = gradients_at(study, loss, start)
    size, slope = (np.sqrt(sum(np.square(each).sum() for each in arrays.values())) for arrays in (start, G))
    state = dict(zip(start, tensors(study.device, *start.values())))
    curvature = float(sharpness(loss, state).max())
    return float(min(STEP * size / (slope or 1.0), 0.2 / (curvature or 1.0)))


def _in_each_step(case: str, run: Trajectory, law: Law, rates: Array, shrinkage: float) -> Check:
    W = layers_of(run.arrays)
    G = [run[f"dW{k}"][:-1] for k in range(1, len(W) + 1)]
    before = balance.imbalance(law, W, rates)
    # A step rounds an entry of W three times; an entry of an imbalance is a sum of at most 2 h products of them.
    width = max(layer.shape[-1] for layer in W)
    size = sum(np.square(layer).sum((-2, -1)).max() / rate for layer, rate in zip(W, rates))
    within = Tolerance(4 * width * EPS * size, "4 h roundings of the squared layers")
    change = np.diff(side_by_side(before), axis=0)
    after = balance.after_step(law, [layer[:-1] for layer in W], G, rates, shrinkage)
    step = measured("change of the imbalance in a step", change, within=within, case=case, axes=("t", "run"))
    return step.equals(scaled(side_by_side(after) - side_by_side([each[:-1] for each in before])))
