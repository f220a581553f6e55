"""How margins grow once the data are fitted: the law of aligned networks of any depth, and two points' closed form."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import nn

from experiments.homogeneous.losses import log_logistic, loss_of
from experiments.homogeneous.networks import margins_of
from experiments.homogeneous.predictions import Predicted
from experiments.homogeneous.rules import LogTimeDescent
from experiments.shallow.classifiers import NormalisedDescent, log_loss
from experiments.training import Trainee, extrapolated, tends_to
from experiments.training.batches import state_of
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers
from theory.core.separable import apply, planted
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.homogeneous import margin_growth as theory
from theory.homogeneous.margin_growth import Aligned, TwoPoints

STEPS = 5000  # of the coarsest training
SEEN = (2.5, 14.0)  # log of how much the difference of the two margins falls: enough to see, not rounded away

# The time (T, runs) that a law gives a training from its start to each of its states.
Time = Callable[[Trajectory], Array]


@dataclass(frozen=True)
class Growth:
    """Aligned networks and two points: their sizes, how long they are trained, by what steps."""

    depths: tuple[int, ...] = varies("of the networks, L", (1, 2, 3, 4), smoke=(1, 2, 4), low=1, high=8)
    gain: float = varies("margin of the normalised networks, gamma", 0.7, low=0.3, high=3)
    examples: int = varies("that share it, n", 3, low=2, high=30)
    inputs: int = varies("entries of an example", 4, low=2, high=100)
    width: int = varies("of the hidden layers", 4, low=1, high=100)
    horizon: float = varies("about log t at the end of training", 100.0, smoke=30.0, low=10, high=200)
    learning_rate: float = varies(
        "of descent on log Loss by steps rate / (1 + |grad|^2)", 0.3, paper=0.05, low=0, high=0.5, brackets="(]"
    )
    runs: int = varies("starts, at margins from 0.4 to 1.6", 4, smoke=2, paper=16, low=1, high=100)
    square: float = varies("two points: z . z of each, a", 1.3, low=0.3, high=4)
    product: float = varies("two points: z_1 . z_2, b, below a", 0.4, low=0.02, high=4)
    two_points_horizon: float = varies("two points: of log t", 24.0, smoke=10.0, low=6, high=100)
    two_points_learning_rate: float = varies(
        "two points: of normalised descent", 0.04, smoke=0.05, paper=0.005, low=0, high=0.1, brackets="(]"
    )

    def __post_init__(self) -> None:
        if len(set(self.depths)) < len(self.depths) or max(self.depths) == 1:
            reject("depths", self.depths, "different ones, one of them at least 2")
        if self.examples > self.inputs:
            reject("examples", self.examples, f"at most the inputs {self.inputs}")
        if not self.square / 20 <= self.product < self.square:
            reject("product", self.product, f"from a twentieth of the square {self.square:g} to below it")
        least, most = (2 * fall / (self.square - self.product) for fall in SEEN)
        if not least <= self.two_points_horizon <= most:
            reject("two_points_horizon", self.two_points_horizon, f"from {least:.3g} to {most:.3g} at these two points")
        for horizon, learning_rate in (
            ("horizon", "learning_rate"),
            ("two_points_horizon", "two_points_learning_rate"),
        ):
            least = getattr(self, horizon) / STEPS
            if getattr(self, learning_rate) < least:
                reject(
                    learning_rate, getattr(self, learning_rate), f"at least {least:.2g}, {STEPS} steps to the horizon"
                )

    @property
    def two_points(self) -> TwoPoints:
        return TwoPoints(self.square, self.product)

    def network(self, depth: int) -> Aligned:
        return Aligned(depth, self.gain, self.examples)


@claim(
    "homogeneous.margin_growth",
    source="ours; after Lyu & Li 2020 (ICLR), the growth of margin and weights, with the law and its constants",
    source_kind=OURS,
    statement=r"m' = n L \gamma^{2/L} m^{2 - 2/L} e^{-m},\quad \int_{m_0}^{m} e^x x^{-(2 - 2/L)}\,dx"
    r" = n L \gamma^{2/L} t;\quad \text{two points: } \sinh\tfrac{d}{2}\, e^{\kappa s / 2} = \text{const}",
    hypotheses=(
        "gradient flow of the sum of exponential losses (logistic: with its own law)",
        "L balanced, aligned layers; n examples share one margin m, gamma of the normalised weights",
        "two points: a linear classifier, z_1 . z_1 = z_2 . z_2 = a, z_1 . z_2 = b, kappa = (a - b) / (a + b), margins "
        "m_1 and m_2 with sum s and difference d",
    ),
    theory_side="closed form",
    controls=(
        "law of a network one layer deeper",
        "mean loss in place of the sum",
        "gain 10 % larger",
        "the asymptote in place of the law",
        "layers that are not aligned",
        "layers that are not balanced",
        "law of the exponential loss for the logistic",
        "two points: kappa 10 % larger",
        "two points: a + b 10 % larger",
    ),
    parameters=Growth,
)
def margins_grow_by_an_implicit_law(study: Study, sizes: Growth) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    starts, even = np.linspace(0.4, 1.6, sizes.runs), np.full(sizes.examples, 1 / sizes.examples)
    Z = planted(rng, even, d=sizes.inputs, margin=sizes.gain, spread=0.7, runs=len(starts))
    log_t = np.linspace(-3, sizes.horizon, 250)
    yield curves(depths=np.array(sizes.depths), log_t=log_t, start=starts[0])
    controlled = 2 if 2 in sizes.depths else max(sizes.depths)
    for L in sizes.depths:
        network = sizes.network(L)
        W = _aligned(network, Z, starts, sizes.width)
        runs, time = _trained(study, sizes, Z, W), partial(_time, network, theory.growth_time)
        yield from _on_the_law(f"depth {L}", runs, time)
        tau = runs[-1]["tau"][1:, 0]
        yield curves(
            f"depth {L}",
            margin=theory.solution(network, float(starts[0]), np.exp(log_t)),
            trained_log_t=tau + np.log(-np.expm1(-tau)),  # log t of tau = log(1 + t)
            trained=runs[-1]["q"][1:, 0].mean(-1),
            residual=_ahead(time, runs[-1])[1:, 0],
        )
        if L == controlled:
            yield from _controls(study, sizes, Z, W, runs)
    yield from _two_points(study, sizes)


def _controls(study: Study, sizes: Growth, Z: Array, W: Layers, runs: list[Trajectory]) -> Iterator[Check]:
    right = sizes.network(len(W))
    for name, network in {
        "law of a network one layer deeper": sizes.network(len(W) + 1),
        "mean loss in place of the sum": replace(right, copies=1),
        "gain 10 % larger": replace(right, gain=1.1 * right.gain),
    }.items():
        yield _law(runs, partial(_time, network, theory.growth_time)).control(name).equals(0.0)
    last = [(run["q"].mean(-1) - run["tau"])[-1:] for run in runs]
    asymptote = extrapolated("law", last, _rounding(runs)).control("the asymptote in place of the law")
    yield asymptote.equals(0.0)
    exponential, logistic = (partial(_time, right, time) for time in (theory.growth_time, theory.logistic_growth_time))
    tilted = [W[0] + 0.5 * np.roll(W[0], 1, axis=-1), *W[1:]]
    skewed = [W[0] * 2, W[1] / 2, *W[2:]]
    for name, start in {"layers that are not aligned": tilted, "layers that are not balanced": skewed}.items():
        yield _law(_trained(study, sizes, Z, start), exponential).control(name).equals(0.0)
    other = _trained(study, sizes, Z, W, logistic=True)
    yield from _on_the_law(f"logistic loss, depth {len(W)}", other, logistic)
    yield _law(other, exponential).control("law of the exponential loss for the logistic").equals(0.0)


def _aligned(network: Aligned, Z: Array, starts: Array, width: int) -> list[Array]:
    """W_l = rho_l u_l u_{l-1}^T, every entry of u_1, ..., u_{L-1} above 0, so that rectified units let all of it by."""
    rho = theory.layer_norms(network, starts)[:, None, None]
    # Equal shares: the mean of the examples is the gain times the direction all have this margin in.
    seen = Z.mean(-2, keepdims=True) / network.gain
    inner = np.sqrt(np.arange(1.0, width + 1) / np.arange(1.0, width + 1).sum())
    units = [seen, *[np.broadcast_to(inner, (len(Z), 1, width))] * (network.depth - 1), np.ones((len(Z), 1, 1))]
    return [rho * after.mT * before for before, after in zip(units, units[1:])]


def _trained(study: Study, sizes: Growth, Z: Array, W: Layers, logistic: bool = False) -> list[Trajectory]:
    """Rectified networks, all labels 1, at three step sizes; recorded: the margins q (runs, n) and tau = log(1 + t)."""
    margins = margins_of(W, Z, study.device, nn.ReLU)
    loss = log_logistic(lambda state: -margins(state)) if logistic else loss_of(margins)
    observe = lambda state: {"q": margins(state), "tau": state["tau"]}  # noqa: E731
    # log Loss falls by q / (1 + q) per unit of s, q = |grad log Loss|^2: a linear network needs longest.
    pace = 3.0 if len(W) == 1 else 1.0
    trainee = Trainee(study, loss, state_of(W), LogTimeDescent(loss), observe)
    return trainee.refine(learning_rate=pace * sizes.learning_rate, horizon=pace * sizes.horizon, records=26)


def _time(network: Aligned, time: Callable[..., Array], run: Trajectory) -> Array:
    m = run["q"].mean(-1)
    return time(network, m[:1], m)


def _ahead(time: Time, run: Trajectory) -> Array:
    """log(1 + time the law gives the trained margins) - tau, (T, runs): 0 on the law."""
    return np.log1p(time(run)) - run["tau"]


def _at_another_rate(time: Array) -> Predicted:
    """How far ahead trained margins would be if the rate in the law were k times what it is."""
    return lambda k: np.log1p(time) - np.log1p(time / k)


def _on_the_law(case: str, runs: list[Trajectory], time: Time) -> Iterator[Check]:
    values, rounding, q = [_ahead(time, run) for run in runs], _rounding(runs), runs[-1]["q"]
    yield from tends_to("log time of each margin", values, _at_another_rate(time(runs[-1])), rounding, case=case)
    because = "one margin at every step: each step adds a few roundings of the margin"
    within = Tolerance(rounding * q.max(), because)
    one = measured("the examples keep one margin", np.ptp(q, axis=-1), within=within, case=case, axes=("t", "run"))
    yield one.supporting().equals(0.0, against=float(q.max()))


def _law(runs: list[Trajectory], time: Time) -> Measured:
    return extrapolated("law", [_ahead(time, run) for run in runs], _rounding(runs))


def _rounding(runs: list[Trajectory]) -> float:
    """A dozen roundings of tau a step."""
    return 12 * EPS * float(runs[-1].facts["recorded"][-1]) * float(max(1.0, runs[-1]["tau"].max()))


def _two_points(study: Study, sizes: Growth) -> Iterator[Check]:
    """Two examples at an angle, from unequal margins: the invariant, the time of every state, and the limit."""
    points, horizon = sizes.two_points, sizes.two_points_horizon
    cosine, length = points.product / points.square, np.sqrt(points.square)
    Z = length * np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])
    start = np.array([[0.5, -0.8], [-0.3, 1.4], [1.0, 0.2]])
    loss = log_loss(Z, study.device)
    trainee = Trainee(study, loss, {"w": apply(np.linalg.inv(Z), start)}, NormalisedDescent(loss))
    runs = trainee.refine(learning_rate=sizes.two_points_learning_rate, horizon=horizon, records=17)
    margins = [apply(Z, run["w"]) for run in runs]
    rounding = _rounding(runs)
    # m_1 - m_2 falls as t^-kappa beside margins of size log t, and so carries that many times their rounding.
    noise = rounding / np.abs(margins[-1][..., 0] - margins[-1][..., 1]).min()
    kept, sums = _invariant(points, margins[0])[:1], margins[-1].sum(-1)
    conserved: Predicted = lambda k: kept - (k - 1) * points.kappa * (sums - sums[:1]) / 2  # noqa: E731
    invariants = [_invariant(points, m) for m in margins]
    yield from tends_to("log of the invariant", invariants, conserved, noise, case="two points")
    time = partial(_two_point_time, points, Z)
    ahead, at_another = [_ahead(time, run) for run in runs], _at_another_rate(time(runs[-1]))
    yield from tends_to("log time of each state", ahead, at_another, rounding, case="two points")
    yield _difference_at_last(points, runs, margins, theory.two_point_difference(points, start), noise)
    wider = TwoPoints(points.square * 1.1, points.product * 1.1)
    sharper = TwoPoints(points.square, points.square * (1 - 1.1 * points.kappa) / (1 + 1.1 * points.kappa))
    other = extrapolated("invariant", [_invariant(sharper, m) - _invariant(sharper, m[:1]) for m in margins], noise)
    yield other.control("two points: kappa 10 % larger").equals(0.0)
    faster = extrapolated("clock", [_ahead(partial(_two_point_time, wider, Z), run) for run in runs], rounding)
    yield faster.control("two points: a + b 10 % larger").equals(0.0)


def _difference_at_last(
    points: TwoPoints, runs: list[Trajectory], margins: list[Array], predicted: Array, noise: float
) -> Check:
    """t^kappa (m_1 - m_2), which what the finite time leaves of it holds up more than the steps do: no order."""
    # sinh d/2 = d/2 up to d^2/24, and t = e^{s/2} / (a + b) up to what the start took.
    late = float(np.exp(-runs[-1]["tau"][-1].min() * min(1.0, 2 * points.kappa)))
    left = (10 * late + noise) * np.abs(predicted).max()
    limit = [np.exp(points.kappa * run["tau"][-1:]) * (m[-1:, :, 0] - m[-1:, :, 1]) for run, m in zip(runs, margins)]
    name = "t^kappa x difference of margins, learning rate 0"
    return extrapolated(name, limit, left, case="two points").equals(predicted)


def _invariant(points: TwoPoints, m: Array) -> Array:
    return np.log(np.abs(theory.two_point_invariant(points, m)))


def _two_point_time(points: TwoPoints, Z: Array, run: Trajectory) -> Array:
    log = theory.two_point_log_clock(points, apply(Z, run["w"]))
    return np.exp(log) - np.exp(log[:1])
