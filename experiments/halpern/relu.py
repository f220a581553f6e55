"""ReLU networks: per step, what norm-minimising descent does to the balance, and to what the data do not see."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from experiments.halpern.descent import HalpernDescent
from experiments.methods.halpern import vanishing
from experiments.training.batches import layers_of, outputs, stack, state_of
from experiments.training.loop import train
from experiments.training.updates import GradientDescent, Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import gaussian_stack, imbalances, squared_norm
from theory.core.trajectory import Trajectory
from theory.halpern import nonconvex

WIDTHS = (10, 7, 6, 1)
EXAMPLES = 6  # fewer than inputs
ETA = 0.02


@claim(
    "banburski2019.nmgd_relu",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), reconstructed; after Du, Hu & Lee 2018; laws ours",
    statement=r"D^+ = (1 - \lambda_k)^2 \left(D + \eta^2 (G_{l+1}^\top G_{l+1} - G_l G_l^\top)\right),\ D ="
    r" W_{l+1}^\top W_{l+1} - W_l W_l^\top\ \text{(its diagonal, with ReLUs)};\quad W_1(k) P_n = P_k W_1(0) P_n",
    hypotheses=("no biases", "ReLU, or linear layers for the whole matrix", "gradient step, then the pull to 0"),
    controls=(
        "without the change by the gradients",
        "shrinks once, not squared",
        "the whole matrix, with ReLUs",
        "tanh",
        "what the data do not see is kept",
    ),
)
def every_step_of_a_network_obeys_the_balance(study: Study) -> Iterator[Check | Curves]:
    runs, steps = study.pick(smoke=2, quick=6, paper=24), study.pick(smoke=80, quick=250, paper=2500)
    rng = study.rng("network")
    X, y = rng.standard_normal((EXAMPLES, WIDTHS[0])) / WIDTHS[0] ** 0.5, rng.standard_normal(EXAMPLES)
    start = gaussian_stack(rng, WIDTHS, 0.4, runs=runs)
    relu = _train(study, "ReLU", nn.ReLU, X, y, start, steps)
    yield from _balance("ReLU", relu, diagonals)
    yield from _whole_run(relu)
    yield from _unseen(relu, X)
    linear = _train(study, "linear", nn.Identity, X, y, start, steps)
    yield from _balance("linear", linear, lambda D: D)
    predicted, after, tolerance = _step(relu)
    yield _refuted("the whole matrix, with ReLUs", after, predicted, tolerance)
    predicted, after, tolerance = _step(_train(study, "tanh", nn.Tanh, X, y, start, steps))
    yield _refuted("tanh", diagonals(after), diagonals(predicted), tolerance)
    yield curves(k=relu.facts["recorded"], squared_norm=squared_norm(layers_of(relu.arrays)), loss=relu["loss"])


def diagonals(D: list[Array]) -> list[Array]:
    """|outgoing weights|^2 - |incoming weights|^2 of every neuron."""
    return [np.diagonal(matrix, axis1=-2, axis2=-1) for matrix in D]


def _balance(word: str, run: Trajectory, part: Callable[[list[Array]], list[Array]]) -> Iterator[Check]:
    predicted, after, tolerance = _step(run)
    yield _equal(f"{word}: balance, every step", part(after), part(predicted), tolerance)
    if word == "ReLU":
        W, G = _before(run)
        shrinkage = _weights(run)
        wrong = nonconvex.imbalances_after_halpern(W, [0 * g for g in G], ETA, shrinkage)
        yield _refuted("without the change by the gradients", part(after), part(wrong), tolerance)
        wrong = nonconvex.imbalances_after_halpern(W, G, ETA, 1 - np.sqrt(1 - shrinkage))
        yield _refuted("shrinks once, not squared", part(after), part(wrong), tolerance)


def _step(run: Trajectory) -> tuple[list[Array], list[Array], float]:
    """Balance after each step, predicted and trained, and what rounding may do to it."""
    W, G = _before(run)
    after = imbalances([layer[1:] for layer in layers_of(run.arrays)])
    predicted = nonconvex.imbalances_after_halpern(W, G, ETA, _weights(run))
    return predicted, after, _rounding(run)


def _whole_run(run: Trajectory) -> Iterator[Check]:
    """From the first step to each: D_k = P_k^2 (D_0 + eta^2 sum_{j < k} D(G_j) / P_j^2), P_k = 1/(1 + eta k)."""
    _, G = _before(run)
    k = run.facts["recorded"]
    kept = (1 / (1 + ETA * k))[:, None, None] ** 2
    start = diagonals(imbalances([layer[0] for layer in layers_of(run.arrays)]))
    changes = diagonals(imbalances(G))
    predicted = [kept[1:] * (D + ETA**2 * np.cumsum(change / kept[:-1], axis=0)) for D, change in zip(start, changes)]
    after = diagonals(imbalances([layer[1:] for layer in layers_of(run.arrays)]))
    yield _equal("ReLU: balance, from the start", after, predicted, len(k) * _rounding(run))


def _unseen(run: Trajectory, X: Array) -> Iterator[Check]:
    k = run.facts["recorded"]
    null = np.eye(X.shape[1]) - np.linalg.pinv(X) @ X
    unseen = run["W1"] @ null
    left = (1 / (1 + ETA * k)).reshape(-1, 1, 1, 1)
    # A step rounds a sum over the examples, and the projector a sum over the inputs.
    largest = float(np.abs(run["W1"]).max())
    tolerance = 2 * (sum(X.shape) + 4) * EPS * largest * (len(k) + np.linalg.cond(X))
    because = "2 (n + d + 4) roundings a step of the largest weight, and the condition of X"
    yield equal("ReLU: what the data do not see", unseen, left * unseen[:1], tolerance=tolerance, because=because)
    check = equal("kept", unseen, unseen[:1], tolerance=tolerance, because=because)
    yield refuted("what the data do not see is kept", check)


def _equal(name: str, after: list[Array], predicted: list[Array], tolerance: float) -> Check:
    because = "4 (widest layer + 4) roundings of a neuron's largest squared norm, each step"
    flat = [np.concatenate([matrix.ravel() for matrix in D]) for D in (after, predicted)]
    return equal(name, *flat, tolerance=tolerance, because=because)


def _refuted(control: str, after: list[Array], predicted: list[Array], tolerance: float) -> Check:
    return refuted(control, _equal(control, after, predicted, tolerance))


def _before(run: Trajectory) -> tuple[list[Array], list[Array]]:
    """Layers and gradients before each step."""
    W = layers_of(run.arrays)
    return [layer[:-1] for layer in W], [run[f"G{l}"][:-1] for l in range(1, len(W) + 1)]


def _weights(run: Trajectory) -> Array:
    """lambda_k of each step (T - 1, 1): 1 - lambda_k = (1 + eta k) / (1 + eta (k + 1))."""
    return (ETA / (1 + ETA * run.facts["recorded"][1:]))[:, None]


def _rounding(run: Trajectory) -> float:
    squares = max(float(np.square(layer).sum(axis).max()) for layer in layers_of(run.arrays) for axis in (-2, -1))
    return 4 * (max(WIDTHS) + 4) * EPS * squares


def _train(
    study: Study, name: str, activation: Callable[[], nn.Module], X: Array, y: Array, start: list[Array], steps: int
) -> Trajectory:
    """Records every step: layers, gradients, loss."""
    network = stack(WIDTHS, activation)
    inputs, targets = (torch.tensor(array, device=study.device) for array in (X, y))

    def loss(state: State) -> torch.Tensor:
        return 0.5 * (outputs(network, state, inputs)[..., 0] - targets).square().sum(-1)

    return train(
        loss,
        state_of(start),
        learning_rate=ETA,
        steps=steps,
        record=list(range(steps + 1)),
        observe=lambda state: _layers_and_gradients(loss, state),
        update=HalpernDescent(GradientDescent(loss), vanishing(ETA)),
        **study.training(name),
    )


def _layers_and_gradients(loss: Loss, state: State) -> State:
    rule = GradientDescent(loss)
    layers = {name: tensor for name, tensor in state.items() if name.startswith("W")}
    rule.begin(layers)
    losses, gradients = rule.evaluate(layers)
    return {**layers, **{f"G{l}": gradient for l, gradient in enumerate(gradients, start=1)}, "loss": losses}
