"""ReLU networks: per step, what norm-minimising descent does to the balance, and to what the data do not see."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from experiments.methods.halpern import RegularisedDescent
from experiments.training import GradientDescent, Loss, State, Trainee
from experiments.training.batches import layers_of, outputs, stack, state_of
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack, imbalances, squared_norm
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.halpern import nonconvex


@dataclass(frozen=True)
class Sizes:
    """Of the network, its data and its training."""

    inputs: int = varies("of the network", 10, low=2, high=100)
    widths: tuple[int, ...] = varies("of the hidden layers", (7, 6), low=1, high=100)
    examples: int = varies("fewer than inputs, so that something is never seen", 6, low=1, high=99)
    scale: float = varies("standard deviation of the weights at the start", 0.4, low=0.01, high=1)
    learning_rate: float = varies("of gradient descent", 0.02, low=0, high=0.1, brackets="(]")
    steps: int = varies("of which each is judged", 250, smoke=80, paper=2500, low=2, high=5000)
    runs: int = varies("random starts", 6, smoke=2, paper=24, low=1, high=100)

    def __post_init__(self) -> None:
        if self.examples >= self.inputs:
            reject("examples", self.examples, f"fewer than the {self.inputs} inputs")
        if len(self.widths) > 4:
            reject("widths", self.widths, "at most four hidden layers")

    @property
    def layers(self) -> tuple[int, ...]:
        """Inputs, widths, and one output."""
        return self.inputs, *self.widths, 1


@claim(
    "banburski2019.nmgd_relu",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), reconstructed; after Du, Hu & Lee 2018; laws ours",
    source_kind=RECONSTRUCTED,
    statement=r"W_l^+ = (1 - \lambda_k)(W_l - \eta G_l):\quad D^+ = (1 - \lambda_k)^2 \left(D + \eta^2 (G_{l+1}^\top"
    r" G_{l+1} - G_l G_l^\top)\right),\ D = W_{l+1}^\top W_{l+1} - W_l W_l^\top\ \text{(its diagonal, with"
    r" ReLUs)};\quad W_1(k) P_n = W_1(0) P_n \textstyle\prod_{j<k} (1 - \lambda_j)",
    hypotheses=(
        "layers W_l without biases, G_l their gradients",
        "ReLU, or linear layers for the whole matrix",
        "gradient step, then anchoring to 0",
        "P_n the projector on what the inputs do not see",
    ),
    theory_side="identity",
    controls=(
        "without the change by the gradients",
        "shrinks once, not squared",
        "the whole matrix, with ReLUs",
        "tanh",
        "what the data do not see is kept",
    ),
    parameters=Sizes,
)
def every_step_of_a_network_obeys_the_balance(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    rng, n, d = study.rng("network"), sizes.examples, sizes.inputs
    X, y = rng.standard_normal((n, d)) / d**0.5, rng.standard_normal(n)
    start = gaussian_stack(rng, sizes.layers, sizes.scale, runs=sizes.runs)
    eta, steps = sizes.learning_rate, sizes.steps
    relu, linear, tanh = (
        _network(study, activation, X, y, start).train(learning_rate=eta, steps=steps, record=range(steps + 1))
        for activation in (nn.ReLU, nn.Identity, nn.Tanh)
    )
    W, G, weight = *_before(relu), _weights(relu)
    balance = _balance(relu, diagonals, case="ReLU")
    yield balance.equals(lambda k: _flat(diagonals(_after_step(relu, k))))
    gradients_left_out = nonconvex.imbalances_after_halpern(W, [0 * g for g in G], eta, weight)
    yield balance.control("without the change by the gradients").equals(_flat(diagonals(gradients_left_out)))
    once = nonconvex.imbalances_after_halpern(W, G, eta, 1 - np.sqrt(1 - weight))
    yield balance.control("shrinks once, not squared").equals(_flat(diagonals(once)))
    yield _whole_run(relu)
    yield from _unseen(relu, X)
    yield _balance(linear, list, case="linear").equals(lambda k: _flat(_after_step(linear, k)))
    yield _balance(relu, list).control("the whole matrix, with ReLUs").equals(_flat(_after_step(relu)))
    yield _balance(tanh, diagonals).control("tanh").equals(_flat(diagonals(_after_step(tanh))))
    yield curves(k=relu.facts["recorded"], squared_norm=squared_norm(layers_of(relu.arrays)), loss=relu["loss"])


def diagonals(D: Sequence[Array]) -> list[Array]:
    """|outgoing weights|^2 - |incoming weights|^2 of every neuron."""
    return [np.diagonal(matrix, axis1=-2, axis2=-1) for matrix in D]


def _balance(
    run: Trajectory,
    part: Callable[[Sequence[Array]], list[Array]],
    *,
    name: str = "balance, every step",
    case: str = "",
) -> Measured:
    """`part` of every D_l after each step, in one row."""
    after = imbalances([layer[1:] for layer in layers_of(run.arrays)])
    return measured(name, _flat(part(after)), within=_rounding(run), case=case)


def _flat(D: Sequence[Array]) -> Array:
    return np.concatenate([matrix.ravel() for matrix in D])


def _rounding(run: Trajectory) -> Tolerance:
    layers = layers_of(run.arrays)
    squares = max(float(np.square(layer).sum(axis).max()) for layer in layers for axis in (-2, -1))
    return rounding(
        4 * (max(max(layer.shape[-2:]) for layer in layers) + 4),
        squares,
        of="a neuron's largest squared norm, 4 (widest layer + 4)",
    )


def _after_step(run: Trajectory, k: float = 1.0) -> list[Array]:
    """D_l predicted after each step, of k times its weight, from the layers and gradients before it."""
    return nonconvex.imbalances_after_halpern(*_before(run), _rate(run), k * _weights(run))


def _before(run: Trajectory) -> tuple[list[Array], list[Array]]:
    """Layers and gradients before each step."""
    W = layers_of(run.arrays)
    return [layer[:-1] for layer in W], [run[f"G{l}"][:-1] for l in range(1, len(W) + 1)]


def _rate(run: Trajectory) -> float:
    """The learning rate of a run whose first step is recorded."""
    return float(run.t[1])


def _weights(run: Trajectory) -> Array:
    """lambda_k of each step (T - 1, 1): 1 - lambda_k = (1 + eta k) / (1 + eta (k + 1))."""
    eta = _rate(run)
    return (eta / (1 + eta * run.facts["recorded"][1:]))[:, None]


def _whole_run(run: Trajectory) -> Check:
    """From the first step to each: D_k = P_k^2 (D_0 + eta^2 sum_{j < k} D(G_j) / P_j^2), P_k = 1/(1 + eta k)."""
    k, (_, G), eta = run.facts["recorded"], _before(run), _rate(run)
    left = (1 / (1 + eta * k))[:, None, None]
    start = diagonals(imbalances([layer[0] for layer in layers_of(run.arrays)]))
    changes = diagonals(imbalances(G))

    def predicted(power: float) -> Array:
        kept = left ** (2 * power)
        sums = [np.cumsum(change / kept[:-1], axis=0) for change in changes]
        return _flat([kept[1:] * (D + eta**2 * each) for D, each in zip(start, sums)])

    balance = _balance(run, diagonals, name="balance, from the start", case="ReLU")
    return replace(balance, within=balance.within * len(k)).equals(predicted)


def _unseen(run: Trajectory, X: Array) -> Iterator[Check]:
    k = run.facts["recorded"]
    unseen = run["W1"] @ (np.eye(X.shape[1]) - np.linalg.pinv(X) @ X)
    # A step rounds a sum over the examples, and the projector a sum over the inputs.
    terms = 2 * (sum(X.shape) + 4) * (len(k) + np.linalg.cond(X))
    within = rounding(terms, np.abs(run["W1"]).max(), of="the largest weight: 2 (n + d + 4) a step, and X's condition")
    left = measured("what the data do not see", unseen, within=within, case="ReLU", axes=("step", "run"))
    share = (1 / (1 + run.t)).reshape(-1, 1, 1, 1)
    yield left.equals(lambda power: share**power * unseen[:1])
    yield left.control("what the data do not see is kept").equals(unseen[:1])


def _network(study: Study, activation: Callable[[], nn.Module], X: Array, y: Array, start: list[Array]) -> Trainee:
    """Layers, gradients and loss are recorded."""
    widths = X.shape[1], *(layer.shape[-2] for layer in start)
    network = stack(widths, activation)
    inputs, targets = (torch.tensor(array, device=study.device) for array in (X, y))

    def loss(state: State) -> torch.Tensor:
        return 0.5 * (outputs(network, state, inputs)[..., 0] - targets).square().sum(-1)

    rule = RegularisedDescent(GradientDescent(loss))
    return Trainee(study, loss, state_of(start), rule, lambda state: _layers_and_gradients(loss, state))


def _layers_and_gradients(loss: Loss, state: State) -> State:
    rule = GradientDescent(loss)
    layers = {name: tensor for name, tensor in state.items() if name.startswith("W")}
    rule.begin(layers)
    losses, gradients = rule.evaluate(layers)
    return {**layers, **{f"G{l}": gradient for l, gradient in enumerate(gradients, start=1)}, "loss": losses}
