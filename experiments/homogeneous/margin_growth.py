"""How margins grow once the data are fitted: the law of aligned networks of any depth, and two points' closed form."""

from collections.abc import Callable, Iterator
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
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers
from theory.core.separable import apply, planted
from theory.core.trajectory import Trajectory
from theory.homogeneous import margin_growth as theory
from theory.homogeneous.margin_growth import Aligned, TwoPoints

DEPTHS = (1, 2, 3, 4)
GAIN, COPIES, WIDTH = 0.7, 3, 4
EVEN = np.full(COPIES, 1 / COPIES)
POINTS = TwoPoints(square=1.3, product=0.4)

# The time (T, runs) that a law gives a training from its start to each of its states.
Time = Callable[[Trajectory], Array]


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
)
def margins_grow_by_an_implicit_law(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    starts = np.linspace(0.4, 1.6, study.pick(smoke=2, quick=4, paper=16))
    Z = planted(rng, EVEN, d=4, margin=GAIN, spread=0.7, runs=len(starts))
    log_t = np.linspace(-3, study.pick(smoke=40, quick=100, paper=100), 250)
    yield curves(depths=np.array(DEPTHS), log_t=log_t, start=starts[0], gain=GAIN, copies=COPIES)
    for L in DEPTHS:
        network = Aligned(L, GAIN, COPIES)
        W = _aligned(network, Z, starts)
        runs, time = _trained(study, Z, W), partial(_time, network, theory.growth_time)
        yield from _on_the_law(f"depth {L}", runs, time)
        tau = runs[-1]["tau"][1:, 0]
        yield curves(
            f"depth {L}",
            margin=theory.solution(network, float(starts[0]), np.exp(log_t)),
            trained_log_t=tau + np.log(-np.expm1(-tau)),  # log t of tau = log(1 + t)
            trained=runs[-1]["q"][1:, 0].mean(-1),
            residual=_ahead(time, runs[-1])[1:, 0],
        )
        if L == 2:
            yield from _two_layer_controls(study, Z, W, runs)
    yield from _two_points(study)


def _two_layer_controls(study: Study, Z: Array, W: Layers, runs: list[Trajectory]) -> Iterator[Check]:
    for name, network in {
        "law of a network one layer deeper": Aligned(3, GAIN, COPIES),
        "mean loss in place of the sum": Aligned(2, GAIN, 1),
        "gain 10 % larger": Aligned(2, 1.1 * GAIN, COPIES),
    }.items():
        yield _law(runs, partial(_time, network, theory.growth_time)).control(name).equals(0.0)
    last = [(run["q"].mean(-1) - run["tau"])[-1:] for run in runs]
    asymptote = extrapolated("law", last, _rounding(runs)).control("the asymptote in place of the law")
    yield asymptote.equals(0.0)
    right = Aligned(2, GAIN, COPIES)
    exponential, logistic = (partial(_time, right, time) for time in (theory.growth_time, theory.logistic_growth_time))
    tilted = [W[0] + 0.5 * np.roll(W[0], 1, axis=-1), W[1]]
    skewed = [W[0] * 2, W[1] / 2]
    for name, start in {"layers that are not aligned": tilted, "layers that are not balanced": skewed}.items():
        yield _law(_trained(study, Z, start), exponential).control(name).equals(0.0)
    other = _trained(study, Z, W, logistic=True)
    yield from _on_the_law("logistic loss, depth 2", other, logistic)
    yield _law(other, exponential).control("law of the exponential loss for the logistic").equals(0.0)


def _aligned(network: Aligned, Z: Array, starts: Array) -> list[Array]:
    """W_l = rho_l u_l u_{l-1}^T, every entry of u_1, ..., u_{L-1} above 0, so that rectified units let all of it by."""
    rho = theory.layer_norms(network, starts)[:, None, None]
    # Equal shares: the mean of the examples is GAIN times the direction all have the margin GAIN in.
    seen = Z.mean(-2, keepdims=True) / GAIN
    inner = np.sqrt(np.arange(1.0, WIDTH + 1) / np.arange(1.0, WIDTH + 1).sum())
    units = [seen, *[np.broadcast_to(inner, (len(Z), 1, WIDTH))] * (network.depth - 1), np.ones((len(Z), 1, 1))]
    return [rho * after.mT * before for before, after in zip(units, units[1:])]


def _trained(study: Study, Z: Array, W: Layers, logistic: bool = False) -> list[Trajectory]:
    """Rectified networks, all labels 1, at three step sizes; recorded: the margins q (runs, n) and tau = log(1 + t)."""
    margins = margins_of(W, Z, study.device, nn.ReLU)
    loss = log_logistic(lambda state: -margins(state)) if logistic else loss_of(margins)
    observe = lambda state: {"q": margins(state), "tau": state["tau"]}  # noqa: E731
    # log Loss falls by q / (1 + q) per unit of s, q = |grad log Loss|^2: a linear network needs longest.
    pace = 3.0 if len(W) == 1 else 1.0
    horizon = pace * study.pick(smoke=30, quick=100, paper=100)
    eta = pace * study.pick(smoke=0.3, quick=0.3, paper=0.05)
    trainee = Trainee(study, loss, state_of(W), LogTimeDescent(loss), observe)
    return trainee.refine(learning_rate=eta, horizon=horizon, records=26)


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


def _two_points(study: Study) -> Iterator[Check]:
    """Two examples at an angle, from unequal margins: the invariant, the time of every state, and the limit."""
    cosine, length = POINTS.product / POINTS.square, np.sqrt(POINTS.square)
    Z = length * np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])
    start = np.array([[0.5, -0.8], [-0.3, 1.4], [1.0, 0.2]])
    loss = log_loss(Z, study.device)
    trainee = Trainee(study, loss, {"w": apply(np.linalg.inv(Z), start)}, NormalisedDescent(loss))
    horizon, eta = study.pick(smoke=(10.0, 0.05), quick=(24.0, 0.04), paper=(24.0, 0.005))
    runs = trainee.refine(learning_rate=eta, horizon=horizon, records=17)
    margins = [apply(Z, run["w"]) for run in runs]
    rounding = _rounding(runs)
    # m_1 - m_2 falls as t^-kappa beside margins of size log t, and so carries that many times their rounding.
    noise = rounding / np.abs(margins[-1][..., 0] - margins[-1][..., 1]).min()
    kept, sums = _invariant(POINTS, margins[0])[:1], margins[-1].sum(-1)
    conserved: Predicted = lambda k: kept - (k - 1) * POINTS.kappa * (sums - sums[:1]) / 2  # noqa: E731
    invariants = [_invariant(POINTS, m) for m in margins]
    yield from tends_to("log of the invariant", invariants, conserved, noise, case="two points")
    time = partial(_two_point_time, POINTS, Z)
    ahead, at_another = [_ahead(time, run) for run in runs], _at_another_rate(time(runs[-1]))
    yield from tends_to("log time of each state", ahead, at_another, rounding, case="two points")
    yield _difference_at_last(runs, margins, theory.two_point_difference(POINTS, start), noise)
    wider = TwoPoints(POINTS.square * 1.1, POINTS.product * 1.1)
    sharper = TwoPoints(POINTS.square, POINTS.square * (1 - 1.1 * POINTS.kappa) / (1 + 1.1 * POINTS.kappa))
    other = extrapolated("invariant", [_invariant(sharper, m) - _invariant(sharper, m[:1]) for m in margins], noise)
    yield other.control("two points: kappa 10 % larger").equals(0.0)
    faster = extrapolated("clock", [_ahead(partial(_two_point_time, wider, Z), run) for run in runs], rounding)
    yield faster.control("two points: a + b 10 % larger").equals(0.0)


def _difference_at_last(runs: list[Trajectory], margins: list[Array], predicted: Array, noise: float) -> Check:
    """t^kappa (m_1 - m_2), which what the finite time leaves of it holds up more than the steps do: no order."""
    # sinh d/2 = d/2 up to d^2/24, and t = e^{s/2} / (a + b) up to what the start took.
    late = float(np.exp(-runs[-1]["tau"][-1].min() * min(1.0, 2 * POINTS.kappa)))
    left = (10 * late + noise) * np.abs(predicted).max()
    limit = [np.exp(POINTS.kappa * run["tau"][-1:]) * (m[-1:, :, 0] - m[-1:, :, 1]) for run, m in zip(runs, margins)]
    name = "t^kappa x difference of margins, learning rate 0"
    return extrapolated(name, limit, left, case="two points").equals(predicted)


def _invariant(points: TwoPoints, m: Array) -> Array:
    return np.log(np.abs(theory.two_point_invariant(points, m)))


def _two_point_time(points: TwoPoints, Z: Array, run: Trajectory) -> Array:
    log = theory.two_point_log_clock(points, apply(Z, run["w"]))
    return np.exp(log) - np.exp(log[:1])
