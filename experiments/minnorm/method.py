"""What the method promises: descent with weight decay, the support vector machine's duals, Euler's identity.

Every fit goes through the wrapper as a user would use it, and is judged by what is written out beside it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.methods.minnorm import Margin, Minnorm, SimultaneousMinnorm
from experiments.minnorm.fits import Data, DescentWithDecay, LinearModels, Rates, around, fit, path
from theory.claims import RECONSTRUCTED, Check, Measured, Study, Tolerance, claim, measured, rounding, varies
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply
from theory.minnorm.problems import well_conditioned

CHANGE = 1e-4  # of a constant, from which the slope is taken
CONVERGED, ROUNDS = 0.003, 20  # of |theta|^2 that may be left of a network's training; how often it is trained on


@dataclass(frozen=True)
class Sizes:
    """Of the fits: of linear models, and of the networks of Euler's identity."""

    runs: int = varies("linear models", 32, smoke=8, paper=128, low=1, high=500)
    steps: int = varies("of a linear model", 1500, smoke=500, paper=3000, low=300, high=10_000)
    control_steps: int = varies("of one without weight decay or projection", 400, smoke=150, low=100, high=2000)
    width: int = varies("of the networks", 32, low=8, high=128)
    network_steps: int = varies("of a network", 2000, smoke=600, paper=6000, low=400, high=10_000)


@claim(
    "minnorm.method",
    source="Bansal et al. 2018 (reconstruction: augmented Lagrangian, one multiplier an example)",
    source_kind=RECONSTRUCTED,
    statement=r"\lambda \leftarrow [\lambda + B h]_+,\ \theta \leftarrow (1 - A)\theta"
    r" - A \sum_i [\lambda_i + c h_i]_+ \nabla h_i,\ h_i = 1 - y_i f_\theta(x_i)"
    r" \;\Rightarrow\; \lambda \to \alpha \text{ if } f_\theta(x) = \theta^\top x,\quad "
    r"\|\theta\|^2 - L \sum_i \lambda_i \to 0 \text{ if } f_{r \theta} = r^L f_\theta \text{ for } r > 0,\quad "
    r"\alpha \ge 0 \text{ maximising } \textstyle\sum_i \alpha_i - \tfrac12 \|\sum_i \alpha_i y_i x_i\|^2",
    hypotheses=("plain SGD", "separable data", "convergence"),
    theory_side="law",
    controls=(
        "weight decay removed",
        "multipliers not projected",
        "shuffled index",
        "simultaneous with augmentation c",
        "duals without weight decay",
        "duals without projection",
        "linear layers: degree 3 in place of 2",
        "squared rectifier: degree 2 in place of 3",
        "an output bias",
    ),
    parameters=Sizes,
)
def multipliers_are_the_duals(study: Study, sizes: Sizes) -> Iterator[Check]:
    yield from _descent_with_weight_decay(study)
    yield from _alternating_is_augmentation(study)
    yield from _support_vector_machine(study, sizes)
    yield from _eulers_identity(study, sizes.width, sizes.network_steps)


def _descent_with_weight_decay(study: Study) -> Iterator[Check]:
    """Mini-batches of a tanh network: the wrapper against SGD(weight_decay=1) on sum_i [lambda_i + c h_i]_+ h_i."""
    rng = study.rng("descent")
    n, steps, rates = 12, 24, (0.02, 0.05, 0.5)
    inputs = torch.tensor(rng.normal(size=(n, 5)))
    batches = [torch.tensor(rng.permutation(n)[:6]) for _ in range(steps)]
    seed = _seed(rng)

    def network() -> nn.Module:
        drawn = _network(seed, 5, 8, nn.Tanh(), scale=2.0)
        with torch.no_grad():
            drawn[2].weight *= 3 / drawn(inputs).abs().max()
        return drawn

    # Half the examples start right, one of them with margin 3: only the projection keeps its multiplier from below 0.
    outputs = network()(inputs).detach()
    largest = outputs.abs() >= outputs.abs().median()
    targets = torch.where(largest, outputs.sign(), torch.tensor(rng.choice([-1.0, 1.0], n)))
    data = inputs, targets, batches
    because = "24 steps x 2.2e-16 x numbers of size 2: both ways differ by a rounding a step, which is not amplified"
    within, name = Tolerance(1e-14, because), "SGD with weight decay"
    for order in (Minnorm, SimultaneousMinnorm):
        by_hand = partial(_by_hand, network, data, rates, simultaneous=order is SimultaneousMinnorm)
        wrapped = fit(study, drawn := network(), around(drawn, Margin(n), rates, order), data)[-1]
        case = "simultaneous" if order is SimultaneousMinnorm else "alternating"
        yield measured(name, wrapped, within=within, case=case).equals(
            _near_one(lambda k, by_hand=by_hand: by_hand(decay=k))
        )
    for control, wrong in {
        "weight decay removed": by_hand(decay=0.0),
        "multipliers not projected": by_hand(least=-np.inf),
        "shuffled index": path(drawn := network(), around(drawn, Margin(n), rates, _Shuffled), data)[-1],
    }.items():
        yield measured(name, wrapped, within=within).control(control).equals(wrong)


def _alternating_is_augmentation(study: Study) -> Iterator[Check]:
    """[[l + B h]_+ + c h]_+ = [l + (B + c) h]_+ for l >= 0: alternating steps are simultaneous ones with c + B."""
    rng = study.rng("orders")
    n, steps, (A, B, c) = 10, 40, (0.02, 0.05, 0.5)
    inputs, targets = torch.tensor(rng.normal(size=(n, 4))), torch.tensor(rng.choice([-1.0, 1.0], n))
    seed, data = _seed(rng), (inputs, targets, [None] * steps)

    def simultaneous(augmentation: float) -> Array:
        network = _network(seed, 4, 8, nn.Tanh(), scale=2.0)
        return path(network, around(network, Margin(n), (A, B, augmentation), SimultaneousMinnorm), data)[-1]

    network = _network(seed, 4, 8, nn.Tanh(), scale=2.0)
    within = rounding(10 * steps, of="numbers of size 1, a few in each of 40 steps")
    end = fit(study, network, around(network, Margin(n), (A, B, c)), data)[-1]
    alternating = measured("alternating steps: simultaneous ones with c + B", end, within=within)
    yield alternating.equals(_near_one(lambda k: simultaneous(c + k * B)))
    yield alternating.control("simultaneous with augmentation c").equals(simultaneous(c))


def _support_vector_machine(study: Study, sizes: Sizes) -> Iterator[Check]:
    """A linear model: the multipliers end as the duals of the maximum margin, which least-distance programming finds.

    At any state Z w = 1 - h and w = Z^T lambda + s. On the support, off which lambda vanishes, so G (lambda - alpha)
    = -h - Z s: what is left of the constraints and of the gradient bounds the distance to the duals.
    """
    runs = sizes.runs
    problem = Separable(well_conditioned(study.rng("separable"), runs))
    n, d = problem.Z.shape[1:]
    targets = torch.tensor(study.rng("labels").choice([-1.0, 1.0], (n, runs)))
    inputs = torch.tensor(problem.Z).transpose(0, 1) * targets[..., None]
    largest = np.linalg.norm(problem.Z, ord=2, axis=(1, 2)).max() ** 2
    rates = (0.5, 2 / largest, 0.0)  # stable whichever examples are active
    data = inputs, targets, [None] * sizes.steps
    method = around(models := LinearModels(runs, d), Margin(n, runs), rates)
    states = fit(study, models, method, data)
    first, w = (state[: runs * d].reshape(runs, d) for state in states[[0, -1]])
    multipliers = _multipliers(states[-1], n, runs)

    g_min, g_max = problem.gram_range
    left = np.where(problem.support, 1 - apply(problem.Z, w), 0.0)
    slope = np.linalg.norm(w - apply(problem.Z.mT, multipliers), axis=-1)
    rounded = 4 * (n + d) * EPS * (1 + g_max * np.linalg.norm(problem.duals, axis=-1))
    tolerance = (np.linalg.norm(left, axis=-1) + np.sqrt(g_max) * slope + rounded) / g_min
    because = "(|h| + |Z_S| |s| + rounding) / g_min: what is left of the constraints and of the gradient"
    within, name = Tolerance(tolerance[:, None], because), "multipliers: duals of the maximum margin"
    yield measured(name, multipliers, within=within, axes=("run", "example")).equals(problem.duals)
    away = np.sqrt(g_max) * tolerance + slope  # of w from the maximum margin
    squared = measured("|w|^2 = sum of the duals", (w**2).sum(-1), within=Tolerance(3 * away, because), axes=("run",))
    yield squared.equals(problem.duals.sum(-1))
    longest = np.linalg.norm(problem.Z, axis=-1).max()
    violation = measured("violation", float(method.violation), within=Tolerance(away.max() * longest, because))
    yield violation.at_most(0.0, against=float((1 - apply(problem.Z, first)).max()))
    complementary = Tolerance(float((np.linalg.norm(multipliers, axis=-1) * tolerance).sum() * g_max.max()), because)
    gap = measured("complementarity gap", float(method.complementarity_gap), within=complementary).supporting()
    yield gap.at_most(0.0, against=float(problem.duals.sum()))
    briefly = *data[:2], [None] * sizes.control_steps
    for missing, change in (("weight decay", {"decay": 0.0}), ("projection", {"least": -np.inf})):
        wrong = _multipliers(_by_hand(lambda: LinearModels(runs, d), briefly, rates, **change), n, runs)
        yield measured(name, wrong, within=within).control(f"duals without {missing}").equals(problem.duals)


def _multipliers(state: Array, n: int, runs: int) -> Array:
    """Multipliers (runs, n) of linear models."""
    return state[-n * runs :].reshape(n, runs).T


def _eulers_identity(study: Study, width: int, steps: int) -> Iterator[Check]:
    """theta . grad f = L f for a network of degree L, so |theta|^2 = L sum_i lambda_i y_i f_i = L sum_i lambda_i."""
    rng = study.rng("euler")
    inputs = torch.tensor(np.linalg.qr(rng.normal(size=(8, 8)))[0][:6] * rng.uniform(0.8, 1.2, (6, 1)))
    data = inputs, torch.tensor([1.0] * 5 + [-1.0], dtype=torch.float64), [None] * steps
    for case, activation, degree, wrong in (
        ("linear layers", nn.Identity(), 2, 3),
        ("squared rectifier", _SquaredRectifier(), 3, 2),
    ):
        squared, multipliers, left = _solution(study, _network(_seed(rng), 8, width, activation, scale=1.5), data)
        yield _squared_norm(squared, left, degree, case).equals(degree * multipliers)
        control = _squared_norm(squared, left, wrong, case).control(f"{case}: degree {wrong} in place of {degree}")
        yield control.equals(wrong * multipliers)
    biased = _network(_seed(rng), 8, width, nn.Identity(), scale=1.5, bias=True)
    squared, multipliers, left = _solution(study, biased, data)
    yield _squared_norm(squared, left, 2, "biased").control("an output bias").equals(2 * multipliers)


def _solution(study: Study, network: nn.Module, data: Data) -> tuple[float, float, float]:
    """`_reached`, once hardly anything is left: a network may stay near a saddle for long."""
    method = around(network, Margin(len(data[1])), (0.04, 0.5, 1.0))
    fit(study, network, method, data)
    for _ in range(ROUNDS):
        squared, _, left = _reached(network, method, data)
        if left < CONVERGED * squared:
            break
        path(network, method, data)
    return _reached(network, method, data)


def _reached(network: nn.Module, method: Minnorm, data: Data) -> tuple[float, float, float]:
    """|theta|^2, sum_i lambda_i, and sum_i |lambda_i h_i| + |theta| |s| with s the Lagrangian's gradient."""
    inputs, targets, _ = data
    squared = sum(weight.square().sum() for weight in network.parameters())
    complementary = method.multipliers * (1 - targets * network(inputs))
    gradients = torch.autograd.grad(squared / 2 + complementary.sum(), list(network.parameters()))
    slope = sum(gradient.square().sum() for gradient in gradients).sqrt()
    left = complementary.abs().sum() + squared.sqrt() * slope
    return squared.item(), method.multipliers.sum().item(), left.item()


def _squared_norm(squared: float, left: float, degree: int, case: str) -> Measured:
    because = "| |theta|^2 - L sum lambda | <= L sum |lambda h| + |theta| |gradient of the Lagrangian|, and rounding"
    within = Tolerance(degree * left + 1000 * EPS * squared, because)
    return measured(f"|theta|^2 = {degree} sum lambda", squared, within=within, case=case)


class _Shuffled(Minnorm):
    """Every example moves the multiplier of another."""

    def forward(self, outputs: Tensor, targets: Tensor, index: Tensor) -> Tensor:
        return super().forward(outputs, targets, (index + 1) % len(self.multipliers))


class _SquaredRectifier(nn.Module):
    """max(0, u)^2: homogeneous of degree 2, with a continuous derivative."""

    def forward(self, u: Tensor) -> Tensor:
        return u.relu().square()


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _network(seed: int, d: int, width: int, activation: nn.Module, scale: float, bias: bool = False) -> nn.Module:
    """Two layers with one output, no hidden bias, torch's own initial weights times `scale`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden, last = nn.Linear(d, width, bias=False), nn.Linear(width, 1, bias=bias)
    network = nn.Sequential(hidden, activation, last, nn.Flatten(0)).double()
    for weight in network.parameters():
        weight.data *= scale
    return network


def _near_one(trained: Callable[[float], Array]) -> Callable[[float], Array]:
    """What a training with k times the constant ends with, to first order in k - 1: two trainings.

    They differ by so many roundings that changes of 1e-10 are refused, and of those the second order is none.
    """
    at_one, beyond = trained(1.0), trained(1 + CHANGE)
    return lambda k: at_one + (k - 1) / CHANGE * (beyond - at_one)


def _by_hand(network: Callable[[], nn.Module], data: Data, rates: Rates, **changes: Any) -> Array:
    """The last state without the wrapper."""
    return path(drawn := network(), DescentWithDecay(drawn, data[1], rates, **changes), data)[-1]
