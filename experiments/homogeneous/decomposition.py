"""Sizes and directions: homogeneity of real networks, and the flow that gradient descent is in these coordinates."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from experiments.homogeneous.networks import LOSSES, call, sizes_and_directions, stack_margins, tensors, trainer
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.training import batches as stacks
from experiments.training.legacy import extrapolated, refined
from experiments.training.refinement import tends_to
from experiments.training.updates import GradientDescent, Loss, State, along
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import Examples, per_layer, polar, pulls

WIDTHS = (4, 6, 5, 1)
LEAKS = {"linear": 1.0, "leaky ReLU": 0.2, "ReLU": 0.0}
HORIZON = 1.0


@claim(
    "banburski2019.decomposition",
    source="Banburski et al. 2019 (content: sizes and directions of the layers, and their gradient flow)",
    statement=r"f(W) = \rho f(V),\ \langle W_k, \partial_{W_k} f \rangle = f,\quad"
    r" \dot\rho_k = \frac{\rho}{\rho_k} A,\ \dot V_k = \frac{\rho}{\rho_k^2} B_k,\quad"
    r" \frac{d \rho_k^2}{dt} = 2 \rho A \text{ for every } k",
    hypotheses=("homogeneous of degree 1 in each layer: no biases", "gradient flow of any loss of the margins"),
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
    runs, n = study.pick(smoke=3, quick=20, paper=200), 12
    for name, (module, d, terms) in _modules().items():
        rng = study.rng("homogeneity", name)
        (X,) = tensors(study.device, rng.standard_normal((n, d)))
        W = {
            parameter: torch.tensor(rng.standard_normal((runs, *shape.shape)), device=study.device)
            for parameter, shape in module.named_parameters()
        }
        sizes = {parameter: layer.flatten(1).norm(dim=1) for parameter, layer in W.items()}
        rho = torch.stack(list(sizes.values())).prod(0)
        V = {parameter: layer / along(sizes[parameter], layer) for parameter, layer in W.items()}
        f = call(module, W, X)
        # Every number of a forward or backward pass is a sum of `terms` products at most, of size rho |x| at most.
        size = (rho[:, None] * X.norm(dim=1)).cpu().numpy()
        tolerance = terms * EPS * size
        because = f"{terms} roundings of rho |x|"
        scaled = equal(
            f"{name}: f(W) = rho f(V)",
            f.cpu().numpy(),
            (rho[:, None] * call(module, V, X)).cpu().numpy(),
            tolerance=tolerance,
            because=because,
        )
        weight = torch.tensor(rng.standard_normal((runs, n)), device=study.device)
        left, right = _euler(module, W, X, weight)
        euler = equal(
            f"{name}: Euler's identity",
            left,
            right,
            tolerance=(tolerance * np.abs(weight.cpu().numpy())).sum(-1),
            because=f"{because}, summed over examples",
        )
        if name in ("biases", "tanh"):
            yield refuted(f"{name}: f(W) = rho f(V)", scaled)
        else:
            yield scaled
            yield euler
        if name == "tanh":
            yield refuted("tanh: Euler's identity", euler)


def _modules() -> dict[str, tuple[nn.Module, int, int]]:
    """Module, number of its inputs, and how many products are rounded on the way through it."""
    terms = 4 * sum(WIDTHS)
    layered = {name: (stacks.stack(WIDTHS, activation), WIDTHS[0], terms) for name, activation in _ACTIVATIONS.items()}
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


_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "leaky ReLU": lambda: nn.LeakyReLU(0.2),
    "ReLU": nn.ReLU,
    "tanh": nn.Tanh,
}


def _euler(module: nn.Module, W: State, X: Tensor, weight: Tensor) -> tuple[Array, Array]:
    """<W_k, d/dW_k sum_n c_n f(x_n)> of each layer, and sum_n c_n f(x_n): shapes (layers, runs) and (runs,)."""
    leaves = {name: layer.detach().requires_grad_() for name, layer in W.items()}
    with torch.enable_grad():
        total = (weight * call(module, leaves, X)).sum(-1)
        gradients = torch.autograd.grad(total.sum(), tuple(leaves.values()))
    radial = [(layer * gradient).flatten(1).sum(1) for layer, gradient in zip(W.values(), gradients)]
    return torch.stack(radial).cpu().numpy(), total.detach().cpu().numpy()


def _velocities(study: Study) -> Iterator[Check]:
    """-grad of each loss by autograd, in W, against the two pulls, at random states."""
    runs = study.pick(smoke=3, quick=20, paper=200)
    for word, leak in LEAKS.items():
        examples, W = _problem(study, word, leak, WIDTHS, runs)
        state = polar(W)
        rho, V = per_layer(state.rho), state.V
        for name, (_, pull) in LOSSES.items():
            force = [-g for g in _torch_gradients(study, examples, name, W)]
            sizes = np.stack([(v * f).sum((-2, -1)) for v, f in zip(V, force)], axis=-1)
            turns = [(f - s * v) / r for f, s, v, r in zip(force, per_layer(sizes), V, rho)]
            A, B = pulls(examples, state, pull)
            radial, angular = dynamics.gradient_flow(state.rho)
            # q is off by its roundings and -l' by as much of itself at most (all four are 1-Lipschitz, or their
            # logarithm is), so a force of size sum -l' |x| rho / rho_k is off by (1 + rho |x|) roundings of itself.
            length = np.linalg.norm(examples.X, axis=1)
            q = state.product[:, None] * length
            weight = np.abs(pull(-q)) if name in ("exponential", "squared") else np.ones_like(q)
            terms = 4 * (sum(WIDTHS) + len(length))
            size = (weight * length * (1 + q)).sum(-1)
            radial_tolerance = terms * EPS * size[:, None] * np.abs(radial)
            because = f"{terms} roundings of sum -l' |x| (1 + rho |x|), times the speed"
            where = f"{word}, {name} loss"
            yield equal(f"{where}: rho_k'", sizes, radial * A[:, None], tolerance=radial_tolerance, because=because)
            predicted = [speed * b for speed, b in zip(per_layer(angular), B)]
            tolerance = terms * EPS * size[:, None] * angular
            yield _directions(f"{where}: V_k'", turns, predicted, tolerance, because)
            if where == "ReLU, exponential loss":
                slower = [speed * b for speed, b in zip(per_layer(radial), B)]
                wrong = _directions("turn", turns, slower, tolerance, because)
                yield refuted("directions turn by rho / rho_k", wrong)
                whole = [speed * (b + A[:, None, None] * v) for speed, b, v in zip(per_layer(angular), B, V)]
                wrong = _directions("turn", turns, whole, tolerance, because)
                yield refuted("directions keep the part of the force along them", wrong)
                faster = 1.1 * radial * A[:, None]
                wrong = equal("sizes", sizes, faster, tolerance=radial_tolerance, because=because)
                yield refuted("sizes grow 10 % faster", wrong)


def _directions(name: str, measured: list[Array], predicted: list[Array], tolerance: Array, because: str) -> Check:
    """Arrays of all layers in one check; tolerance (runs, L)."""
    flat = lambda arrays: np.concatenate([a.reshape(len(a), -1) for a in arrays], axis=-1)  # noqa: E731
    each = flat([np.broadcast_to(t, m.shape) for t, m in zip(per_layer(tolerance), measured)])
    return equal(name, flat(measured), flat(predicted), tolerance=each, because=because)


def _flow(study: Study) -> Iterator[Check | Curves]:
    """Descent on W at three learning rates, against the flow of sizes and directions."""
    runs = study.pick(smoke=2, quick=4, paper=16)
    examples, W = _problem(study, "flow", 1.0, (4, 3, 3, 1), runs)
    for name in study.pick(smoke=("exponential",), quick=("exponential", "squared"), paper=tuple(LOSSES)):
        loss = _loss(study, examples, (4, 3, 3, 1), name)
        rate = HORIZON / study.pick(smoke=64, quick=96, paper=512)
        trained = refined(
            trainer(study, loss, stacks.state_of(W)), name, learning_rate=rate, horizon=HORIZON, records=9
        )
        t = trained[0].t
        pull = LOSSES[name][1]
        exact = dynamics.flow(dynamics.gradient_flow, examples, polar(W), t, pull)
        seen = [sizes_and_directions(run) for run in trained]
        yield from tends_to(f"{name}: sizes", [s.rho for s in seen], exact["rho"], 1e-9)
        yield from tends_to(f"{name}: directions", [_flat(s.V) for s in seen], _flat_of(exact), 1e-9)
        growth = [s.rho**2 - polar(W).rho ** 2 for s in seen]
        # 2 int rho A dt from the flow's own first layer: no other layer of training knows of it.
        common = exact["rho"][..., :1] ** 2 - exact["rho"][:1, ..., :1] ** 2
        yield extrapolated(f"{name}: every rho_k^2 grows alike", growth, np.broadcast_to(common, growth[0].shape), 1e-9)
        if name == "exponential":
            normalised = dynamics.flow(dynamics.weight_normalisation, examples, polar(W), t, pull)
            wrong = extrapolated("directions", [_flat(s.V) for s in seen], _flat_of(normalised), 1e-9)
            yield refuted("flow: directions turn by rho", wrong)
            yield curves(t=t, sizes=seen[-1].rho, flow_sizes=exact["rho"])


def _problem(study: Study, name: str, leak: float, widths: tuple[int, ...], runs: int) -> tuple[Examples, list[Array]]:
    rng = study.rng("problem", name)
    return unit_examples(rng, 6, widths[0], leak), sized_layers(rng, widths, (1.2, 0.8, 1.0), runs)


def _loss(study: Study, examples: Examples, widths: tuple[int, ...], name: str) -> Loss:
    margins = stack_margins(examples, widths, study.device)
    return lambda state: LOSSES[name][0](margins(state))


def _torch_gradients(study: Study, examples: Examples, name: str, W: list[Array]) -> list[Array]:
    rule = GradientDescent(_loss(study, examples, WIDTHS, name))
    state = {key: torch.tensor(layer, device=study.device) for key, layer in stacks.state_of(W).items()}
    rule.begin(state)
    return [gradient.cpu().numpy() for gradient in rule.evaluate(state)[1]]


def _flat(V: list[Array]) -> Array:
    """Directions (T, runs, h, h') side by side, (T, runs, all)."""
    return np.concatenate([direction.reshape(*direction.shape[:2], -1) for direction in V], axis=-1)


def _flat_of(flow: Trajectory) -> Array:
    return _flat(dynamics.directions(flow.arrays))
