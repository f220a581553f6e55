"""Min et al. 2023, trained: linear networks of two, three and more layers against the bounds from their imbalances."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.training.legacy import extrapolated_at_most, refined
from experiments.training.loop import train
from experiments.training.updates import GradientDescent, Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims import estimates as rates
from theory.claims.legacy import at_least, equal, misprint, order, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.imbalance import three_layers, tighter_rate
from theory.imbalance.convergence import exponential_bound
from theory.imbalance.dynamics import split
from theory.imbalance.problem import coordinates
from theory.imbalance.three_layers import FullRankRegression

WIDTHS = ((1, 4, 6, 1), (2, 5, 5, 3), (3, 6, 4, 2), (3, 4, 4, 3), (1, 3, 3, 4), (4, 3, 2, 2))  # (n, h1, h2, m)
SCALES = ((1.0, 1.0, 1.0), (2.0, 0.3, 2.0), (0.3, 2.0, 0.5), (2.0, 0.5, 0.5))


@claim(
    "min2023.three_layers",
    source="Min et al. 2023, Lemma 3, Theorems 1 to 3, equations 9 and 12",
    statement=r"\lambda_{\min}(T) \ge \Delta^* = \tfrac12(\Delta_{21}^{(2)} + \Delta_{21}^2) + \Delta_{21}\Delta_{23} "
    r"+ \tfrac12(\Delta_{23}^{(2)} + \Delta_{23}^2),\quad L(t) - L^* \le e^{-\gamma \Delta^* t}(L(0) - L^*)",
    hypotheses=("gradient flow", "gamma-PL loss", "h_1, h_2 >= 1"),
    controls=(
        "Delta* 5% larger where it is attained",
        "roles of n and m exchanged",
        "gamma doubled, pointwise",
        "rate 5% larger, along training",
        "K / mu left out of the least singular value",
        "product bound of layers that are not unimodal",
        "product bound 5% larger where it is attained",
        "homogeneous bound without its exponent 2 - 2/L",
        "imbalance drift with its two terms exchanged",
        "as printed: equation 12 without the factor 1/2",
        "as printed: the exponent 1 - gamma Delta* k eta",
    ),
)
def imbalances_set_the_rate_of_deeper_networks(study: Study) -> Iterator[Check | Curves]:
    yield from _two_layers(study)
    yield from _least_singular_value()
    yield from _three_layers(study)
    yield from _attained(study)
    yield from _unimodal(study)
    yield from _homogeneous(study)
    yield from _one_step(study)
    yield from _training(study)
    yield from _training_where_attained(study)


_ALGEBRA = "an inequality of matrices: slack is the rounding of the products and of their eigenvalues"


def _two_layers(study: Study) -> Iterator[Check]:
    """Lemma 3 and Theorem 1 against the gradients of torch; equation 12 as printed at the start that refutes it."""
    runs = study.pick(smoke=30, quick=300, paper=3000)
    cells = []
    for n, h, m in ((1, 2, 1), (2, 5, 2), (3, 4, 1), (1, 6, 3), (2, 3, 3)):
        rng = study.rng("two layers", n, h, m)
        target = 1.5 * np.eye(n, m) + 0.1 * rng.standard_normal((n, m))
        problem = _regression(rng, target, spread=1.2)
        first = rng.standard_normal((runs, n, h))
        layers = (first, np.linalg.pinv(first) @ target + 0.1 * rng.standard_normal((runs, h, m)))
        kernel, slack = _kernel_floor(study, layers)
        W = three_layers.product(layers)
        sigma_n, sigma_m = (three_layers.singular_value(W, k) for k in (n, m))
        lemma = three_layers.two_layer_level(three_layers.imbalances(layers)[0], n, m, sigma_n, sigma_m) / 2
        rate, rounding = _measured_rate(study, problem, layers)
        cells.append((kernel, slack, lemma, rate, rounding, three_layers.two_layer_rate(problem, layers)))
    kernel, slack, lemma, rate, rounding, theorem = (np.concatenate(column) for column in zip(*cells, strict=True))
    yield at_least("l_min(T) of two layers (equation 9)", kernel, lemma, slack=slack, because=_ALGEBRA)
    scalars = slice(0, runs)
    because = f"equality for n = m = 1. {_ALGEBRA}"
    name = "l_min(T) of two layers, n = m = 1 (equation 9)"
    yield equal(name, kernel[scalars], lemma[scalars], tolerance=slack[scalars], because=because)
    yield at_least("rate of two layers (equation 12 with 1/2)", rate, theorem, slack=rounding, because=_ALGEBRA)
    yield from _two_layers_attained(study)
    target = np.diag([1.0, 0.8])
    problem = FullRankRegression(np.eye(2), target)
    layers = (np.sqrt(0.9) * np.eye(2, 4)[None], np.sqrt(0.4) * np.eye(4)[None, :, 2:])
    rate, rounding = _measured_rate(study, problem, layers)
    bound = three_layers.two_layer_rate(problem, layers)
    because = f"orthogonal rows, W(0) = 0: nu = 0, and the true rate is gamma (0.9 + 0.4). {_ALGEBRA}"
    yield equal("rate from orthogonal rows (equation 12 with 1/2)", rate, bound, tolerance=rounding, because=because)
    printed = at_least("rate from orthogonal rows, equation 12", rate, 2 * bound, slack=rounding, because=because)
    yield misprint("equation 12 without the factor 1/2", printed, correction="alpha_2 = B / 2, as equation 9 has it")


def _two_layers_attained(study: Study) -> Iterator[Check]:
    """n = 2, m = 1 and a residual so small that nu_1 is sigma_1(W): there the rate is gamma alpha_2."""
    size = 1e-4
    white, network = tighter_rate.equality_case(
        study.rng("attained"),
        S=np.ones(2),
        m=1,
        above=4.0,
        below=0.2,
        products=np.array([1.5]),
        extra=np.array([0.4]),
        residual_size=size,
    )
    V, U1 = split(white, coordinates(white, network))
    problem, layers = FullRankRegression(np.eye(2), white.targets), (U1, V.mT)
    rate, slack = _measured_rate(study, problem, layers)
    because = "B is 2-Lipschitz in nu_1, which is within 2 |W - W*| of sigma_1(W); and rounding"
    name = "rate of two layers where it is attained, n = 2, m = 1"
    tolerance = slack + problem.pl_constant / 2 * 2 * 2 * size
    yield equal(name, rate, three_layers.two_layer_rate(problem, layers), tolerance=tolerance, because=because)


def _least_singular_value() -> Iterator[Check]:
    """nu_k is attained: of the W no worse than W_0, the one that went furthest in the flattest direction."""
    X, target = np.diag([2.0, 1.0]), np.array([[0.0], [3.0]])
    problem = FullRankRegression(X, X @ target)
    start = (target + np.array([[0.7], [0.0]]))[None]
    furthest = (target - np.array([[0.0], [0.7 * 2.0]]))[None]
    because = "both losses are 1/2 (2 x 0.7)^2; rounding of a few operations"
    few = 20 * EPS * 10
    yield equal("the two losses", problem.excess(furthest), problem.excess(start), tolerance=few, because=because)
    smallest = np.linalg.norm(furthest)

    def attained(nu: Array | float) -> Check:
        return equal("sigma_1 of the furthest W as good as W_0", smallest, nu, tolerance=few, because=because)

    yield attained(three_layers.least_singular_value(problem, start, 1))
    yield refuted("K / mu left out of the least singular value", attained(float(np.linalg.norm(target)) - 0.7))


def _three_layers(study: Study) -> Iterator[Check | Curves]:
    """Theorem 2 over shapes and scales, l_min(T) from the Jacobian torch differentiates."""
    runs = study.pick(smoke=20, quick=300, paper=3000)
    cells = []
    for widths in WIDTHS:
        for scales in SCALES:
            layers = three_layers.gaussian_layers(widths, study.rng("shapes", widths, scales), scales=scales, runs=runs)
            kernel, slack = _kernel_floor(study, layers)
            bound = three_layers.three_layer_bound(*three_layers.imbalances(layers), widths[0], widths[-1])
            cells.append((kernel, slack, three_layers.smallest_curvature(layers), bound))
    kernel, slack, formula, bound = (np.concatenate(column) for column in zip(*cells, strict=True))
    because = "T is the tangent kernel of the product of the layers; rounding of products and eigenvalues"
    yield equal("l_min(T) from torch's Jacobian", kernel, formula, tolerance=slack, because=because)
    yield at_least("l_min(T) of three layers over Delta*", kernel, bound, slack=slack, because=_ALGEBRA)
    yield curves(kernel_floor=kernel, delta_star=bound)


def _attained(study: Study) -> Iterator[Check]:
    """Delta* = l_min(T) = l_n(W_1 W_1^T) l_m(W_3^T W_3) where W_2 = 0, and for two scalar chains with W_2 != 0."""
    cells = []
    for n, h1, h2, m in ((1, 4, 6, 1), (3, 6, 4, 2), (2, 5, 5, 3)):
        first, _, last = three_layers.gaussian_layers((n, h1, h2, m), study.rng("attained", n, m), scales=(1, 1, 1))
        layers = (first, np.zeros((1, h1, h2)), last)
        cells.append((layers, n, m))
    # Here W_1 or W_3 is 0, so that the other imbalance shows all of W_2.
    outer, middle, zero = np.array([[[0.0, 3.0]]]), np.diag([2.0, 1.0])[None], np.zeros((1, 1, 2))
    cells.append(((outer, middle, zero.mT), 1, 1))
    cells.append(((zero, middle, outer.mT), 1, 1))
    because = f"equality: nothing of W_2 is left out by the bound. {_ALGEBRA}"
    for index, (layers, n, m) in enumerate(cells):
        kernel, slack = _kernel_floor(study, layers)
        D = three_layers.imbalances(layers)
        name = f"Delta* where it is attained, case {index + 1}"
        bound = three_layers.three_layer_bound(*D, n, m)
        yield equal(name, kernel, bound, tolerance=slack, because=because)
        if (n, m) == (3, 2):
            larger = equal(name, kernel, 1.05 * bound, tolerance=slack, because=because)
            yield refuted("Delta* 5% larger where it is attained", larger)
            exchanged = equal(name, kernel, three_layers.three_layer_bound(*D, m, n), tolerance=slack, because=because)
            yield refuted("roles of n and m exchanged", exchanged)


def _unimodal(study: Study) -> Iterator[Check]:
    """Theorem 3 for matrices and for scalars; equality where the turning layer is zero."""
    runs = study.pick(smoke=30, quick=300, paper=3000)
    cells = []
    for widths in ((2, 5, 4, 3), (3, 5, 4, 6, 2), (1, 1, 1, 1, 1)):
        for turn in range(1, len(widths)):
            rng = study.rng("unimodal", widths, turn)
            layers = three_layers.unimodal_layers(rng, widths=widths, turn=turn, gap=0.5, runs=runs)
            cells.append((*_kernel_floor(study, layers), three_layers.unimodal_bound(layers, turn)))
    kernel, slack, bound = (np.concatenate(column) for column in zip(*cells, strict=True))
    yield at_least("l_min(T) of unimodal layers over the product", kernel, bound, slack=slack, because=_ALGEBRA)
    for values, turn in (((2.0, 1.5, 0.0, 1.2, 1.7), 3), ((0.0, 0.7, 1.3, 2.0), 1)):
        layers = _scalars(values)
        kernel, slack = _kernel_floor(study, layers)
        name = f"product bound where it is attained, l* = {turn}"
        product = three_layers.unimodal_bound(layers, turn)
        yield equal(name, kernel, product, tolerance=slack, because=f"equality where W_(l*) = 0. {_ALGEBRA}")
    larger = equal(name, kernel, 1.05 * product, tolerance=slack, because=_ALGEBRA)
    yield refuted("product bound 5% larger where it is attained", larger)
    layers = _scalars((1.0, 3.0, 1.0))
    kernel, slack = _kernel_floor(study, layers)
    factors = three_layers.turning_factors(three_layers.imbalances(layers), 2, 1, 1)
    wrong = at_least("l_min(T) over the product", kernel, factors.prod(axis=-1), slack=slack, because=_ALGEBRA)
    yield refuted("product bound of layers that are not unimodal", wrong)


def _homogeneous(study: Study) -> Iterator[Check]:
    """D_l = d_l I: layers in shared singular bases whose squares differ by constants; equality for equal scalars."""
    runs = study.pick(smoke=30, quick=300, paper=3000)
    cells = []
    for depth in (2, 3, 5):
        rng = study.rng("homogeneous", depth)
        for turn in range(1, depth + 1):
            gaps = np.cumsum(rng.uniform(0, 2, (runs, depth, 1)), axis=1)
            distance = np.abs(np.arange(1, depth + 1) - turn)
            squares = rng.uniform(0.01, 1, (runs, 1, 2)) + gaps[:, distance] - gaps[:, :1]
            # Each side needs an order of its own, or the two would mirror each other.
            squares[:, turn:] += rng.uniform(0, 1, (runs, 1, 1))
            layers = tuple(np.sqrt(squares[:, l, :, None]) * np.eye(2) for l in range(depth))
            cells.append((*_kernel_floor(study, layers), three_layers.homogeneous_bound(layers, turn)))
    kernel, slack, bound = (np.concatenate(column) for column in zip(*cells, strict=True))
    yield at_least("l_min(T) of homogeneous layers", kernel, bound, slack=slack, because=_ALGEBRA)
    for values in ((1.6, 0.7), (1.3, 1.3, 1.3, 1.3)):
        layers = _scalars(values)
        kernel, slack = _kernel_floor(study, layers)
        depth = len(values)
        name = f"homogeneous bound where it is attained, {depth} layers"
        bound = three_layers.homogeneous_bound(layers, turn=int(np.argmin(values)) + 1)
        because = f"equality for two scalars, and for equal ones. {_ALGEBRA}"
        yield equal(name, kernel, bound, tolerance=slack, because=because)
    weakest = np.prod(values)
    wrong = equal(name, kernel, depth * weakest**2, tolerance=slack, because=_ALGEBRA)
    yield refuted("homogeneous bound without its exponent 2 - 2/L", wrong)


def _one_step(study: Study) -> Iterator[Check]:
    """D_l after one step of torch, to rounding: the drift is eta^2 times a difference of squares."""
    rng = study.rng("one step")
    problem = _regression(rng, rng.standard_normal((3, 2)), spread=1.5)
    layers = three_layers.gaussian_layers((3, 6, 5, 2), rng, scales=(0.5, 0.5, 0.5), runs=8)
    eta = 0.01
    run = _descend(study, "one step", problem, layers, learning_rate=eta, steps=1, record=[0, 1])
    before, after = ([weights[k] for weights in _layers(run)] for k in (0, 1))
    gradient = problem.gradient(three_layers.product(before))
    predicted = three_layers.imbalance_drift(before, gradient, eta)
    gradients = three_layers.layer_gradients(before, gradient)
    terms = sum(W.shape[-2] + W.shape[-1] for W in before) + sum(problem.X.shape)
    size = sum(np.abs(W).sum((-2, -1)).max() for W in before)
    size += eta * sum(np.abs(G).sum((-2, -1)).max() for G in gradients)
    because = f"an identity; {terms} roundings of numbers no larger than the squared weights"
    for l, (new, old, drift) in enumerate(
        zip(three_layers.imbalances(after), three_layers.imbalances(before), predicted, strict=True), start=1
    ):
        name = f"drift of D_{l} in one step"
        yield equal(name, new - old, drift, tolerance=terms * EPS * size**2, because=because)
        if l == 1:
            mirrored = equal(name, new - old, -drift, tolerance=terms * EPS * size**2, because=because)
            yield refuted("imbalance drift with its two terms exchanged", mirrored)


def _training(study: Study) -> Iterator[Check | Curves]:
    """Three layers with the paper's fan-out start: loss curves against Theorem 2, conservation of D_1 and D_2."""
    widths = study.pick(smoke=(2, 30, 60, 1), quick=(5, 100, 200, 1), paper=(5, 300, 500, 1))
    runs = study.pick(smoke=3, quick=6, paper=10)
    rng = study.rng("training")
    problem = _regression(rng, np.ones((widths[0], 1)), spread=1.2)
    layers = three_layers.gaussian_layers(widths, rng, scales=three_layers.fan_out_scales(widths), runs=runs)
    bound = three_layers.three_layer_bound(*three_layers.imbalances(layers), widths[0], widths[-1])
    rate = problem.pl_constant * bound
    fastest = problem.smoothness * np.linalg.eigvalsh(three_layers.curvature(layers))[..., -1].max()
    trained = _refined(study, "training", problem, layers, learning_rate=0.1 / fastest, t_end=3 / float(rate.max()))
    excess = [problem.excess(three_layers.product(_layers(run))) for run in trained]
    halved = rates.halving_order(excess[0] - excess[1], excess[1] - excess[2])
    yield order("descent approaches the flow", halved, 1.0, excludes=(0.5, 2.0))
    ratios = [L[1:] / exponential_bound(L[0], rate, run.t[1:]) for L, run in zip(excess, trained, strict=True)]
    yield extrapolated_at_most("loss of three layers over Theorem 2's bound", ratios)
    states = _layers(trained[-1])
    measured, slack = _measured_rate(study, problem, states)
    D = three_layers.imbalances(states)
    pointwise = problem.pl_constant * three_layers.three_layer_bound(*D, widths[0], widths[-1])
    yield at_least("rate of three layers along training", measured, pointwise, slack=slack, because=_ALGEBRA)
    for l in (1, 2):
        ends = [three_layers.imbalances([W[-1] for W in _layers(run)])[l - 1] for run in trained]
        start = three_layers.imbalances(layers)[l - 1]
        drift, error = rates.richardson(ends)
        size = np.abs(start).max()
        tolerance = error.max() + sum(widths) * EPS * size * max(run.facts["recorded"][-1] for run in trained)
        because = "conserved by the flow: the drift of descent, extrapolated; its largest last correction, and rounding"
        yield equal(f"D_{l} at the end of training", drift, start, tolerance=tolerance, because=because)
    because = "at k = 0 the bound is L(0) - L*, exactly: rounding of one exponential"
    name = "the bound at k = 0 over L(0) - L*"
    initial = exponential_bound(excess[-1][0], rate, np.zeros(1))[0] / excess[-1][0]
    yield equal(name, initial, 1.0, tolerance=4 * EPS, because=because)
    wrong = equal(name, np.e * initial, 1.0, tolerance=4 * EPS, because=because)
    yield misprint("the exponent 1 - gamma Delta* k eta", wrong, correction="exp(-gamma Delta* k eta)")
    yield curves(t=trained[-1].t, excess=excess[-1], rate=measured, delta_star_rate=pointwise)


def _training_where_attained(study: Study) -> Iterator[Check]:
    """W_2 = 0 between large outer layers: W_2 stays small and the loss follows the bound all the way."""
    problem = FullRankRegression(np.diag([1.5, 1.2]), np.diag([1.5, 1.2]) @ np.array([[0.0], [0.02]]))
    first, last = np.diag([3.0, 2.0]) @ np.eye(2, 4), 2.5 * np.eye(3, 1)
    layers = (first[None], np.zeros((1, 4, 3)), last[None])
    rate = problem.pl_constant * three_layers.three_layer_bound(*three_layers.imbalances(layers), 2, 1)
    measured, slack = _measured_rate(study, problem, layers)
    name = "rate of three layers where the bound is attained"
    because = f"W_2 = 0 and a residual in the slowest direction. {_ALGEBRA}"
    yield equal(name, measured, rate, tolerance=slack, because=because)
    doubled = equal(name, measured, 2 * rate, tolerance=slack, because=because)
    yield refuted("gamma doubled, pointwise", doubled)
    trained = _refined(study, "attained", problem, layers, learning_rate=0.1 / rate[0], t_end=20 / rate[0])
    excess = [problem.excess(three_layers.product(_layers(run))) for run in trained]
    for factor in (1.0, 1.05):
        ratios = [
            L[1:] / exponential_bound(L[0], factor * rate, run.t[1:]) for L, run in zip(excess, trained, strict=True)
        ]
        check = extrapolated_at_most("loss over the bound where it is attained", ratios)
        yield check if factor == 1.0 else refuted("rate 5% larger, along training", check)


def _regression(rng: np.random.Generator, minimiser: Array, spread: float) -> FullRankRegression:
    """X (n + 3, n) with singular values from `spread` down to 1, this minimiser, and L* > 0."""
    n, m = minimiser.shape
    W = np.linalg.qr(rng.standard_normal((n + 3, n + 1)))[0]
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    X = (W[:, :n] * np.linspace(spread, 1, n)) @ Q.T
    return FullRankRegression(X, X @ minimiser + 0.1 * W[:, n:] @ rng.standard_normal((1, m)))


def _scalars(values: Sequence[float]) -> tuple[Array, ...]:
    return tuple(np.full((1, 1, 1), value) for value in values)


def _deep_loss(problem: FullRankRegression, device: str) -> Loss:
    """1/2 |Y - X W_1 ... W_L|^2 of each run."""
    X, Y = (torch.tensor(array, device=device) for array in (problem.X, problem.Y))

    def loss(state: State) -> Tensor:
        outputs = X
        for name in sorted(state):
            outputs = outputs @ state[name]
        return 0.5 * (Y - outputs).square().sum((1, 2))

    return loss


def _state(layers: Sequence[Array]) -> dict[str, Array]:
    return {f"W{l}": W for l, W in enumerate(layers, start=1)}


def _layers(run: Trajectory) -> list[Array]:
    """The recorded layers, each (T, runs, h_{l-1}, h_l)."""
    return [run[name] for name in sorted(run.arrays)]


def _descend(
    study: Study,
    name: str,
    problem: FullRankRegression,
    layers: Sequence[Array],
    *,
    learning_rate: float,
    steps: int,
    record: Sequence[int],
) -> Trajectory:
    return train(
        _deep_loss(problem, study.device),
        _state(layers),
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        observe=dict,
        **study.training(name),
    )


def _refined(
    study: Study,
    name: str,
    problem: FullRankRegression,
    layers: Sequence[Array],
    *,
    learning_rate: float,
    t_end: float,
) -> list[Trajectory]:
    def descend(level: str, **schedule: Any) -> Trajectory:
        return _descend(study, level, problem, layers, **schedule)

    return refined(descend, name, learning_rate=learning_rate, horizon=t_end, records=21)


def _kernel_floor(study: Study, layers: Sequence[Array]) -> tuple[Array, Array]:
    """l_min(J J^T), J the Jacobian of W_1 ... W_L by torch (runs,), and the rounding it and the bounds may carry."""

    def product(*weights: Tensor) -> Tensor:
        return torch.linalg.multi_dot(weights) if len(weights) > 1 else weights[0]

    tensors = tuple(torch.tensor(W, device=study.device) for W in layers)
    jacobian = torch.func.jacrev(product, argnums=tuple(range(len(layers))))
    parts = torch.func.vmap(jacobian)(*tensors)
    J = torch.cat([part.flatten(3).flatten(1, 2) for part in parts], dim=-1)
    floor = torch.linalg.eigvalsh(J @ J.mT)[..., 0].cpu().numpy()
    terms = 4 * sum(sum(W.shape[-2:]) for W in layers)
    # No entry of T, and no product in a bound, exceeds this: every layer's square replaced by the sum of all of them.
    size = sum((W**2).sum((-2, -1)) for W in layers) ** (len(layers) - 1)
    return floor, terms * EPS * size


def _measured_rate(study: Study, problem: FullRankRegression, layers: Sequence[Array]) -> tuple[Array, Array]:
    """|grad L|^2 / (L - L*) by torch's autograd at each state, and the rounding it may carry."""
    lead = layers[0].shape[:-2]
    flat = {name: torch.tensor(W.reshape(-1, *W.shape[-2:]), device=study.device) for name, W in _state(layers).items()}
    rule = GradientDescent(_deep_loss(problem, study.device))
    rule.begin(flat)
    losses, gradients = rule.evaluate(flat)
    squared = sum(g.square().sum((1, 2)) for g in gradients).cpu().numpy().reshape(lead)
    loss = losses.cpu().numpy().reshape(lead)
    excess = loss - problem.optimal_loss
    terms = sum(problem.X.shape) + sum(sum(W.shape[-2:]) for W in layers)
    X, Y, *sizes = (np.sqrt((a**2).sum((-2, -1))) for a in (problem.X, problem.Y, *layers))
    residual = terms * EPS * (Y + X * np.prod(sizes, axis=0))
    path = X * sum(sizes) ** (len(layers) - 1)
    gradient = path * (residual + terms * EPS * np.sqrt(2 * loss))
    rate = squared / excess
    relative = 2 * gradient / np.sqrt(squared) + (np.sqrt(2 * loss) * residual + terms * EPS * loss) / excess
    return rate, 2 * (rate * relative + terms * EPS * path**2)
