"""Regressions, layers and their tangent kernels: what the claims of this paper share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.imbalance import appendix_a1, own_data
from experiments.imbalance.deep_networks import deep_network
from experiments.imbalance.loss_bounds import Bounded, above_the_floor
from experiments.imbalance.networks import linear_network
from experiments.training import State
from experiments.training.batches import layers_of
from experiments.training.together import refine_together
from theory.claims import Study, Tolerance, varies
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, end_to_end, gaussian_stack, imbalances, squared_norm
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.imbalance import three_layers, tighter_rate
from theory.imbalance.dynamics import split
from theory.imbalance.problem import coordinates
from theory.imbalance.three_layers import FullRankRegression

OUTER_AND_MIDDLE = (2.0, 0.1, 2.0)  # scales of layers on the user's data: the middle one is what moves
DATA = "own data"  # the case of what is judged on them
WORK = 3e9  # runs x weights x steps of the coarsest of four trainings: about two minutes


@dataclass(frozen=True)
class TwoLayers:
    """Random layers near the minimiser."""

    states: int = varies("random layers of each shape", 300, smoke=30, paper=3000, low=1, high=10_000)
    distance: float = varies("size of their noise about the minimiser", 0.1, low=1e-6, high=10)


@dataclass(frozen=True)
class FanOut:
    """Three layers from the paper's fan-out start, standard deviations h_l^(-1/2), and their training."""

    widths: tuple[int, ...] = varies(
        "n inputs, two hidden layers, m outputs",
        (5, 100, 200, 1),
        smoke=(2, 30, 60, 1),
        paper=(5, 300, 500, 1),
        low=1,
        high=2000,
    )
    runs: int = varies("starts", 6, smoke=3, paper=10, low=2, high=100)
    spread: float = varies("condition number of X", 1.2, low=1, high=10)
    step: float = varies("learning rate x largest curvature of the end-to-end loss", 0.1, low=0.01, high=0.3)
    decay: float = varies("rate of the bound x time for which is trained", 3.0, low=0.5, high=20)

    def __post_init__(self) -> None:
        if len(self.widths) != 4:
            reject("widths", self.widths, "four numbers: n, h_1, h_2, m")
        n, first, second, m = self.widths
        if first < n + m or second < n + m:
            reject("widths", self.widths, f"hidden layers of at least n + m = {n + m}: Delta* of this start is 0 below")


# What the statements use, by name.
LAYERS = (
    r"L = f(W),\quad W = W_L \cdots W_1 \in \mathbb{R}^{m \times n},\quad D_l = W_{l+1}^\top W_{l+1} - W_l W_l^\top"
)
KERNEL = (
    r"T E = \sum_l W_{>l} W_{>l}^\top E\, W_{<l}^\top W_{<l},\quad W_{>l} = W_L \cdots W_{l+1},\quad "
    r"W_{<l} = W_{l-1} \cdots W_1,\quad " + LAYERS
)
TWO_LAYERS = (
    r"B(x, y) = -\Delta_+ + \sqrt{(\Delta_+ + \Delta)^2 + 4 y^2} - \Delta_- + \sqrt{(\Delta_- + \Delta)^2 + 4 x^2},"
    r"\quad \Delta_+ = [\lambda_1(-D_1)]_+ - [\lambda_n(-D_1)]_+,\quad "
    r"\Delta_- = [\lambda_1(D_1)]_+ - [\lambda_m(D_1)]_+,\quad "
    r"\Delta = [\lambda_n(-D_1)]_+ + [\lambda_m(D_1)]_+"
)
PL = r"\|\nabla f\|_F^2 \ge \gamma (f - f^*)"


def algebra(slack: Array, because: str = "an inequality of matrices") -> Tolerance:
    """The rounding of a number made of the layers at one state."""
    return Tolerance(slack, f"{because}: slack is the rounding of the products and of their eigenvalues")


def regression(rng: np.random.Generator, minimiser: Array, *, spread: float) -> FullRankRegression:
    """X (n + 3, n) with singular values from `spread` down to 1, this minimiser (m, n), and L* > 0."""
    m, n = minimiser.shape
    W = np.linalg.qr(rng.standard_normal((n + 3, n + 1)))[0]
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    X = (W[:, :n] * np.linspace(spread, 1, n)) @ Q.T
    return FullRankRegression(X, X @ minimiser.T + 0.1 * W[:, n:] @ rng.standard_normal((1, m)))


def scalars(values: Sequence[float]) -> list[Array]:
    """A network of width 1 with these weights, one run."""
    return [np.full((1, 1, 1), value) for value in values]


def two_layers(study: Study, sizes: TwoLayers) -> Iterator[tuple[FullRankRegression, Layers]]:
    """Random layers near the minimiser, of several shapes; the first has n = m = 1."""
    runs, distance = sizes.states, sizes.distance
    for n, h, m in ((1, 2, 1), (2, 5, 2), (3, 4, 1), (1, 6, 3), (2, 3, 3)):
        rng = study.rng("two layers", n, h, m)
        target = 1.5 * np.eye(m, n) + distance * rng.standard_normal((m, n))
        problem = regression(rng, target, spread=1.2)
        first = rng.standard_normal((runs, h, n))
        second = target @ np.linalg.pinv(first) + distance * rng.standard_normal((runs, m, h))
        yield problem, (first, second)


def attained_by_two_layers(
    study: Study, n: int, m: int, residual: float, *, above: float = 4.0, below: float = 0.2
) -> tuple[FullRankRegression, list[Array]]:
    """X = 1 and two layers where Lemma 3 and the rate of the loss are attained; W is this far from its minimiser."""
    white, network = tighter_rate.equality_case(
        study.rng("attained", n, m),
        S=np.ones(n),
        m=m,
        above=above,
        below=below,
        products=np.linspace(1.5, 1.2, min(n, m)),
        extra=np.linspace(0.15, 0.1, abs(n - m)),
        residual_size=residual,
    )
    V, U1 = split(white, coordinates(white, network))
    return FullRankRegression(np.eye(n), white.targets), [U1.mT, V]


def fan_out_training(study: Study, sizes: FanOut) -> tuple[FullRankRegression, list[Array], list[Trajectory]]:
    """Three layers with the paper's fan-out start, and their training at four learning rates, coarse to fine."""
    rng, widths, runs = study.rng("training"), sizes.widths, sizes.runs
    problem = regression(rng, np.ones((widths[-1], widths[0])), spread=sizes.spread)
    W = gaussian_stack(rng, widths, three_layers.fan_out_scales(widths), runs=runs)
    fastest = problem.smoothness * np.linalg.eigvalsh(three_layers.curvature(W))[..., -1].max()
    slowest = delta_star_rate(problem, W).max()
    eta, time = sizes.step / fastest, sizes.decay / float(slowest) if slowest > 0 else np.inf
    weights = sum(layer.size for layer in W)
    if not weights * time / eta < WORK:
        reject("widths", widths, f"a start whose bound falls in fewer than {time / eta:.3g} steps: Delta* is too small")
    trainee = deep_network(study, problem, W)
    return problem, W, trainee.refine(learning_rate=eta, horizon=time, records=21, levels=4)


def two_layers_on_data(study: Study) -> tuple[FullRankRegression, list[Trajectory]]:
    """The user's own data in their own basis, two layers W_1 = U^T and W_2 = V, coarse to fine."""
    plan = own_data.plan(study, study.rng("own data"), appendix_a1.SCALES)
    problem, eta = FullRankRegression(plan.problem.X, plan.problem.Y), plan.learning_rate

    def layers(state: State) -> State:
        return {"W1": state["U"].mT, "W2": state["V"]}

    trainee = linear_network(study, plan.problem, plan.network, observe=layers)
    return problem, trainee.refine(learning_rate=eta, horizon=plan.steps * eta, records=21, levels=3)


def three_layers_on_data(study: Study) -> tuple[FullRankRegression, list[Array], list[Trajectory]]:
    """The user's own data in their own basis, and large outer layers in their units, coarse to fine.

    Delta* is then about the product of the smallest eigenvalues of W_1^T W_1 and W_3 W_3^T.

    Raises:
        InvalidArgument: training for one factor e of the bound would take longer than this profile has.
    """
    data = own_data.read(study)
    problem = FullRankRegression(np.diag(data.S), data.targets)
    size = problem.r + problem.m
    h, unit = 8 * size, own_data.size_of_the_solution(data) ** (1 / 3)
    scales = [unit * scale / np.sqrt(h) for scale in OUTER_AND_MIDDLE]
    W = gaussian_stack(study.rng("own data"), (problem.r, h, h, problem.m), scales, runs=3)
    fastest = problem.smoothness * np.linalg.eigvalsh(three_layers.curvature(W))[..., -1].max()
    eta, slowest = 0.05 / float(fastest), float(delta_star_rate(problem, W).max())
    if not slowest > 0:
        reject(f"data {study.data}", f"{problem.r} directions, {problem.m} outputs", "a start with Delta* > 0")
    step = 1e-3 + 12 * 8e-10 * sum(layer.size for layer in W)
    steps = own_data.affordable(study, data, eta, slowest, step)
    trainee = deep_network(study, problem, W)
    return problem, W, trainee.refine(learning_rate=eta, horizon=steps * eta, records=21, levels=4)


def delta_star_rate(problem: FullRankRegression, W: Layers) -> Array:
    """gamma Delta*: the rate that Theorem 2 promises from the imbalances of three layers."""
    return problem.pl_constant * three_layers.three_layer_bound(*imbalances(W), problem.D, problem.m)


def smallest_kernel(study: Study, W: Layers) -> tuple[Array, Array]:
    """lambda_min(J J^T) (runs,), J torch's Jacobian of W_L ... W_1, and the rounding it and the bounds may carry."""

    def product(*layers: Tensor) -> Tensor:
        return torch.linalg.multi_dot(layers[::-1]) if len(layers) > 1 else layers[0]

    tensors = tuple(torch.tensor(layer, device=study.device) for layer in W)
    jacobian = torch.func.jacrev(product, argnums=tuple(range(len(W))))
    parts = torch.func.vmap(jacobian)(*tensors)
    J = torch.cat([part.flatten(3).flatten(1, 2) for part in parts], dim=-1)
    smallest = torch.linalg.eigvalsh(J @ J.mT)[..., 0].cpu().numpy()
    terms = 4 * sum(sum(layer.shape[-2:]) for layer in W)
    # No entry of T, and no product in a bound, exceeds this: every layer's square replaced by the sum of all of them.
    return smallest, terms * EPS * squared_norm(W) ** (len(W) - 1)


def trained_at_its_rate(study: Study, problem: FullRankRegression, W: Layers, rate: Array) -> list[Trajectory]:
    """Training of one run until the bound exp(-rate t) has fallen by exp(-20)."""
    trainee = deep_network(study, problem, W)
    return refine_together(
        trainee, learning_rate=0.1 / float(rate[0]), horizon=20 / float(rate[0]), records=21, levels=4
    )


def bounded(problem: FullRankRegression, rate: Array, trained: Sequence[Trajectory]) -> Bounded:
    """L - L* of each training, and the exponents of the bound exp(-rate t)."""
    losses = [problem.excess(end_to_end(layers_of(run.arrays))) for run in trained]
    sizes = [np.sqrt((layer**2).sum((-2, -1))) for layer in layers_of(trained[-1].arrays)]
    size = problem.S[0] * (np.prod(sizes, axis=0) + np.linalg.norm(problem.minimiser))
    terms = sum(trained[-1]["W1"].shape[-2:])
    return above_the_floor(losses, [rate * run.t[:, None] for run in trained], 0.5 * terms * (EPS * size) ** 2)
