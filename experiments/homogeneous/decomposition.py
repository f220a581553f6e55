"""Sizes and directions: homogeneity of real networks, and the flow that gradient descent is in these coordinates."""

from collections.abc import Callable, Iterator

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
from theory.claims import RECONSTRUCTED, Check, Curves, Measured, Study, Tolerance, claim, curves, measured
from theory.core.arrays import EPS, Array
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import Examples, per_layer, polar, radial_and_tangential

WIDTHS = (4, 6, 5, 1)
NARROW = (4, 3, 3, 1)
LEAKS = {"linear": 1.0, "leaky ReLU": 0.2, "ReLU": 0.0}
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "leaky ReLU": lambda: nn.LeakyReLU(0.2),
    "ReLU": nn.ReLU,
    "tanh": nn.Tanh,
}
HORIZON = 1.0
SOLVER = 1e-9


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
)
def layers_have_sizes_and_directions(study: Study) -> Iterator[Check | Curves]:
    yield from _homogeneity(study)
    yield from _velocities(study)
    yield from _flow(study)


def _homogeneity(study: Study) -> Iterator[Check]:
    for name, (module, d, terms) in _modules().items():
        scaled, euler = _scaled_and_euler(study, name, module, d, terms)
        if name in ("biases", "tanh"):
            yield scaled[0].control(f"{name}: f(W) = rho f(V)").equals(scaled[1])
        else:
            yield scaled[0].equals(scaled[1])
            yield euler[0].equals(euler[1])
        if name == "tanh":
            yield euler[0].control("tanh: Euler's identity").equals(euler[1])


def _scaled_and_euler(
    study: Study, name: str, module: nn.Module, d: int, terms: int
) -> tuple[tuple[Measured, Array], tuple[Measured, Array]]:
    """f(W) beside rho f(V), and <W_k, df/dW_k> beside f(W), at random weights."""
    runs, n = study.pick(smoke=3, quick=20, paper=200), 12
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


def _modules() -> dict[str, tuple[nn.Module, int, int]]:
    """Module, number of its inputs, and how many products are rounded on the way through it."""
    terms = 4 * sum(WIDTHS)
    layered = {name: (stack(WIDTHS, activation), WIDTHS[0], terms) for name, activation in ACTIVATIONS.items()}
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


def _velocities(study: Study) -> Iterator[Check]:
    """-grad of each loss by autograd, in W, against A and B_k, at random states."""
    for word in LEAKS:
        for name in LOSSES:
            yield from _velocity(study, word, name)


def _velocity(study: Study, word: str, name: str) -> Iterator[Check]:
    examples, W = _problem(study, word, LEAKS[word], WIDTHS, study.pick(smoke=3, quick=20, paper=200))
    state, slope, case = polar(W), LOSSES[name][1], f"{word}, {name} loss"
    loss = loss_of(stack_margins(examples, WIDTHS, study.device), name)
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
    terms = 4 * (sum(WIDTHS) + len(length))
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


def _flow(study: Study) -> Iterator[Check | Curves]:
    """Descent on W at three learning rates, against the flow of sizes and directions."""
    examples, W = _problem(study, "flow", 1.0, NARROW, study.pick(smoke=2, quick=4, paper=16))
    start, rate = polar(W), HORIZON / study.pick(smoke=64, quick=96, paper=512)
    for name in study.pick(smoke=("exponential",), quick=("exponential", "squared"), paper=tuple(LOSSES)):
        loss = loss_of(stack_margins(examples, NARROW, study.device), name)
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


def _problem(study: Study, name: str, leak: float, widths: tuple[int, ...], runs: int) -> tuple[Examples, list[Array]]:
    rng = study.rng("problem", name)
    return unit_examples(rng, 6, widths[0], leak), sized_layers(rng, widths, (1.2, 0.8, 1.0), runs)
