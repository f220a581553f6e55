"""Sizes and directions: homogeneity of real networks, and the flow that gradient descent is in these coordinates."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from experiments.homogeneous.losses import LOSSES, loss_of
from experiments.homogeneous.networks import (
    all_directions,
    call,
    host,
    side_by_side,
    sizes_and_directions,
    stack_margins,
    tensors,
)
from experiments.homogeneous.predictions import in_time
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.homogeneous.rules import gradients_at
from experiments.training import State, Trainee, along, extrapolated, tends_to
from experiments.training.batches import stack, state_of
from theory.claims import RECONSTRUCTED, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import EPS, Array
from theory.core.validation import reject
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import Examples, per_layer, polar, radial_and_tangential

LEAKS = {"linear": 1.0, "leaky ReLU": 0.2, "ReLU": 0.0}
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "leaky ReLU": lambda: nn.LeakyReLU(0.2),
    "ReLU": nn.ReLU,
    "tanh": nn.Tanh,
}
HORIZON = 1.0
SOLVER = 1e-9
TRAINED = ("exponential", "squared", "logistic", "log")  # losses, in the order in which they are trained


@dataclass(frozen=True)
class Sizes:
    """Of networks at random weights, and of those that are trained to time 1."""

    inputs: int = varies("entries of an example", 4, low=2, high=100)
    widths: tuple[int, ...] = varies("of the two hidden layers", (6, 5), low=2, high=100)
    scales: tuple[float, ...] = varies("sizes of the three layers", (1.2, 0.8, 1.0), low=0.3, high=1.5)
    examples: int = varies("n, |x| = 1, in random directions", 6, low=2, high=100)
    runs: int = varies("random weights", 20, smoke=3, paper=200, low=2, high=1000)
    trained_widths: tuple[int, ...] = varies("of the hidden layers that are trained", (3, 3), low=2, high=50)
    trained_runs: int = varies("starts of training", 4, smoke=2, paper=16, low=1, high=64)
    steps: int = varies("to time 1, at the largest of three", 96, smoke=64, paper=512, low=48, high=1024)
    losses: int = varies("in training: so many of the exponential, ...", 2, smoke=1, paper=4, low=1, high=4)

    def __post_init__(self) -> None:
        for name, pair in (("widths", self.widths), ("trained_widths", self.trained_widths)):
            if len(pair) != 2:
                reject(name, pair, "two numbers, of the two hidden layers")
        if len(self.scales) != 3:
            reject("scales", self.scales, "three numbers, of the three layers")
        if self.steps < (least := 3 * self.examples * np.prod(self.scales)):
            reject("steps", self.steps, f"at least {least:.0f} at these sizes: the loss is a sum over the examples")

    @property
    def random(self) -> tuple[int, ...]:
        """Widths of all layers at random weights."""
        return (self.inputs, *self.widths, 1)

    @property
    def trained(self) -> tuple[int, ...]:
        """Widths of all layers that are trained."""
        return (self.inputs, *self.trained_widths, 1)


@claim(
    "banburski2019.decomposition",
    source="Banburski et al. 2019 (content: sizes and directions of the layers, and their gradient flow)",
    source_kind=RECONSTRUCTED,
    statement=r"W_k = \rho_k V_k,\ |V_k|_F = 1,\ \rho = \prod_k \rho_k:\quad f(W) = \rho f(V),"
    r"\ \langle W_k, \partial_{W_k} f \rangle = f,\quad"
    r" \dot\rho_k = \frac{\rho}{\rho_k} A,\ \dot V_k = \frac{\rho}{\rho_k^2} B_k,\quad"
    r" \frac{d \rho_k^2}{dt} = 2 \rho A \text{ for every } k",
    hypotheses=(
        "f homogeneous of degree 1 in each layer W_k: no biases",
        "gradient flow of any loss sum_n l(q_n) of the margins q_n = y_n f(x_n)",
        "A = sum_n -l'(q_n) q_n / rho, B_k = sum_n -l'(q_n) (d(q_n / rho)/dV_k - V_k q_n / rho)",
    ),
    theory_side="identity",
    controls=(
        "biases: f(W) = rho f(V)",
        "tanh: f(W) = rho f(V)",
        "tanh: Euler's identity",
        "directions turn by rho / rho_k",
        "directions keep the part of the force along them",
        "sizes grow 10 % faster",
        "flow: directions turn by rho",
    ),
    parameters=Sizes,
)
def layers_have_sizes_and_directions(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _homogeneity(study, sizes)
    yield from _velocities(study, sizes)
    yield from _flow(study, sizes)


def _homogeneity(study: Study, sizes: Sizes) -> Iterator[Check]:
    for name, (module, d, terms) in _modules(sizes.random).items():
        scaled, euler = _scaled_and_euler(study, name, module, d, terms, sizes.runs)
        if name in ("biases", "tanh"):
            yield scaled[0].control(f"{name}: f(W) = rho f(V)").equals(scaled[1])
        else:
            yield scaled[0].equals(scaled[1])
            yield euler[0].equals(euler[1])
        if name == "tanh":
            yield euler[0].control("tanh: Euler's identity").equals(euler[1])


def _scaled_and_euler(
    study: Study, name: str, module: nn.Module, d: int, terms: int, runs: int
) -> tuple[tuple[Measured, Array], tuple[Measured, Array]]:
    """f(W) beside rho f(V), and <W_k, df/dW_k> beside f(W), at random weights."""
    n = 12
    rng = study.rng("homogeneity", name)
    (X,) = tensors(study.device, rng.standard_normal((n, d)))
    shapes = {parameter: (runs, *p.shape) for parameter, p in module.named_parameters()}
    W = {parameter: tensors(study.device, rng.standard_normal(shape))[0] for parameter, shape in shapes.items()}
    sizes = {parameter: layer.flatten(1).norm(dim=1) for parameter, layer in W.items()}
    rho = torch.stack(list(sizes.values())).prod(0)
    V = {parameter: layer / along(sizes[parameter], layer) for parameter, layer in W.items()}
    # Every number of a forward or backward pass is a sum of `terms` products at most, of size rho |x| at most.
    within = Tolerance(terms * EPS * host(rho[:, None] * X.norm(dim=1)), f"{terms} roundings of rho |x|")
    weight = rng.standard_normal((runs, n))
    scaled = measured("f(W) = rho f(V)", host(call(module, W, X)), within=within, case=name, axes=("run", "example"))
    radial, total = _euler(module, W, X, tensors(study.device, weight)[0])
    because = f"{within.reason}, summed over examples"
    summed = Tolerance((within.value * np.abs(weight)).sum(-1), because)
    euler = measured("Euler's identity", radial, within=summed, case=name, axes=("layer", "run"))
    return (scaled, host(rho[:, None] * call(module, V, X))), (euler, total)


def _modules(widths: tuple[int, ...]) -> dict[str, tuple[nn.Module, int, int]]:
    """Module, number of its inputs, and how many products are rounded on the way through it."""
    terms = 4 * sum(widths)
    layered = {name: (stack(widths, activation), widths[0], terms) for name, activation in ACTIVATIONS.items()}
    with torch.device("meta"):
        convolution = nn.Sequential(
            nn.Unflatten(1, (1, 12)),
            nn.Conv1d(1, 3, 3, bias=False),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Flatten(),
            nn.Linear(15, 1, bias=False),
        )
        biased = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1, bias=False))
    return {**layered, "convolution and max-pooling": (convolution, 12, 200), "biases": (biased, 4, terms)}


def _euler(module: nn.Module, W: State, X: Tensor, weight: Tensor) -> tuple[Array, Array]:
    """<W_k, d/dW_k sum_n c_n f(x_n)> of each layer, and sum_n c_n f(x_n): shapes (layers, runs) and (runs,)."""
    leaves = {name: layer.detach().requires_grad_() for name, layer in W.items()}
    with torch.enable_grad():
        total = (weight * call(module, leaves, X)).sum(-1)
        gradients = torch.autograd.grad(total.sum(), tuple(leaves.values()))
    radial = [(layer * gradient).flatten(1).sum(1) for layer, gradient in zip(W.values(), gradients)]
    return host(torch.stack(radial)), host(total)


def _velocities(study: Study, sizes: Sizes) -> Iterator[Check]:
    """-grad of each loss by autograd, in W, against A and B_k, at random states."""
    for word in LEAKS:
        for name in LOSSES:
            yield from _velocity(study, sizes, word, name)


def _velocity(study: Study, shape: Sizes, word: str, name: str) -> Iterator[Check]:
    widths = shape.random
    examples, W = _problem(study, shape, word, LEAKS[word], widths, shape.runs)
    state, slope, case = polar(W), LOSSES[name][1], f"{word}, {name} loss"
    loss = loss_of(stack_margins(examples, widths, study.device), name)
    descent = [-gradient for gradient in gradients_at(study, loss, state_of(W)).values()]
    radial = np.stack([(v * f).sum((-2, -1)) for v, f in zip(state.V, descent)], axis=-1)
    turning = zip(descent, per_layer(radial), state.V, per_layer(state.rho))
    turns = [(f - along_v * v) / rho for f, along_v, v, rho in turning]
    A, B = radial_and_tangential(examples, state, slope)
    radial_speed, angular_speed = dynamics.gradient_flow(state.rho)
    # q is off by its roundings and -l' by as much of itself at most (all four are 1-Lipschitz, or their
    # logarithm is), so a force of size sum -l' |x| rho / rho_k is off by (1 + rho |x|) roundings of itself.
    length = np.linalg.norm(examples.X, axis=1)
    q = state.product[:, None] * length
    weight = np.abs(slope(-q)) if name in ("exponential", "squared") else np.ones_like(q)
    terms = 4 * (sum(widths) + len(length))
    within = Tolerance(
        terms * EPS * (weight * length * (1 + q)).sum(-1)[:, None],
        f"{terms} roundings of sum -l' |x| (1 + rho |x|), times the speed",
    )
    sizes = measured("rho_k'", radial, within=within * np.abs(radial_speed), case=case, axes=("run", "layer"))
    each = [np.broadcast_to(speed, v.shape) for speed, v in zip(per_layer(angular_speed), state.V)]
    turn = measured("V_k'", _flat(turns), within=within * _flat(each), case=case, axes=("run", "entry"))
    yield sizes.equals(radial_speed * A[:, None])
    yield turn.equals(_flat([speed * b for speed, b in zip(per_layer(angular_speed), B)]))
    if case == "ReLU, exponential loss":
        slower = _flat([speed * b for speed, b in zip(per_layer(radial_speed), B)])
        yield turn.control("directions turn by rho / rho_k").equals(slower)
        whole = _flat([s * (b + A[:, None, None] * v) for s, b, v in zip(per_layer(angular_speed), B, state.V)])
        yield turn.control("directions keep the part of the force along them").equals(whole)
        yield sizes.control("sizes grow 10 % faster").equals(1.1 * radial_speed * A[:, None])


def _flat(arrays: list[Array]) -> Array:
    """Arrays (runs, h, h') of all layers, as one (runs, all)."""
    return side_by_side(arrays, leading=1)


def _flow(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """Descent on W at three learning rates, against the flow of sizes and directions."""
    examples, W = _problem(study, sizes, "flow", 1.0, sizes.trained, sizes.trained_runs)
    start, rate = polar(W), HORIZON / sizes.steps
    for name in TRAINED[: sizes.losses]:
        loss = loss_of(stack_margins(examples, sizes.trained, study.device), name)
        runs = Trainee(study, loss, state_of(W)).refine(learning_rate=rate, horizon=HORIZON, records=9)
        t, slope, seen = runs[0].t, LOSSES[name][1], [sizes_and_directions(run) for run in runs]
        exact = dynamics.flow(dynamics.gradient_flow, examples, start, t, slope)
        rho, turned = exact["rho"], [side_by_side(state.V) for state in seen]
        yield from tends_to("sizes", [state.rho for state in seen], in_time(t, rho), SOLVER, case=name)
        yield from tends_to("directions", turned, in_time(t, all_directions(exact)), SOLVER, case=name)
        growth = [state.rho**2 - start.rho**2 for state in seen]
        # 2 int rho A dt from the flow's own first layer: no other layer of training knows of it.
        common = rho[..., :1] ** 2 - rho[:1, ..., :1] ** 2
        alike = extrapolated("every rho_k^2 grows alike", growth, SOLVER, case=name)
        yield alike.equals(in_time(t, np.broadcast_to(common, growth[0].shape)))
        if name == "exponential":
            normalised = dynamics.flow(dynamics.weight_normalisation, examples, start, t, slope)
            by_rho = extrapolated("directions", turned, SOLVER).control("flow: directions turn by rho")
            yield by_rho.equals(all_directions(normalised))
            yield curves(t=t, sizes=seen[-1].rho, flow_sizes=rho)


def _problem(
    study: Study, sizes: Sizes, name: str, leak: float, widths: tuple[int, ...], runs: int
) -> tuple[Examples, list[Array]]:
    rng = study.rng("problem", name)
    return unit_examples(rng, sizes.examples, widths[0], leak), sized_layers(rng, widths, sizes.scales, runs)
