"""How margins grow once the data are fitted: the law of aligned networks of any depth, and two points' closed form."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from torch import nn

from experiments.homogeneous.losses import log_logistic, loss_of
from experiments.homogeneous.networks import margins_of
from experiments.homogeneous.rules import LogTimeDescent
from experiments.shallow.classifiers import NormalisedDescent, log_loss
from experiments.training import Trainee, extrapolated, tends_to
from experiments.training.batches import state_of
from theory.claims import Check, Curves, Measured, Study, Tolerance, claim, curves, measured
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

# How far the trained margins are ahead of the law in its own time, (T, runs): 0 on the law.
Ahead = Callable[[Trajectory], Array]


@claim(
    "lyu2020.margin_growth",
    source="Lyu & Li 2020 (ICLR), the growth of margin and weights, with the law and its constants worked out; ours",
    statement=r"m' = n L \gamma^{2/L} m^{2 - 2/L} e^{-m},\quad \int_{m_0}^{m} e^x x^{-(2 - 2/L)}\,dx"
    r" = n L \gamma^{2/L} t;\quad \text{two points: } \sinh\tfrac{d}{2}\, e^{\kappa s / 2} = \text{const}",
    hypotheses=(
        "gradient flow of the sum of exponential losses (logistic: with its own law)",
        "balanced, aligned layers; the examples share one margin",
        "two points: a linear classifier, examples of one length",
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
        runs, ahead = _trained(study, Z, W), partial(_ahead, network, theory.growth_time)
        yield from _on_the_law(f"depth {L}", runs, ahead)
        tau = runs[-1]["tau"][1:, 0]
        yield curves(
            f"depth {L}",
            margin=theory.solution(network, float(starts[0]), np.exp(log_t)),
            trained_log_t=tau + np.log(-np.expm1(-tau)),  # log t of tau = log(1 + t)
            trained=runs[-1]["q"][1:, 0].mean(-1),
            residual=ahead(runs[-1])[1:, 0],
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
        yield _law(runs, partial(_ahead, network, theory.growth_time)).control(name).equals(0.0)
    asymptote = _law(runs, lambda run: (run["q"].mean(-1) - run["tau"])[-1:])
    yield asymptote.control("the asymptote in place of the law").equals(0.0)
    right = Aligned(2, GAIN, COPIES)
    exponential, logistic = (partial(_ahead, right, time) for time in (theory.growth_time, theory.logistic_growth_time))
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


def _ahead(network: Aligned, time: Callable[..., Array], run: Trajectory) -> Array:
    """log(1 + time the law gives the trained margin) - tau, (T, runs)."""
    m = run["q"].mean(-1)
    return np.log1p(time(network, m[:1], m)) - run["tau"]


def _on_the_law(case: str, runs: list[Trajectory], ahead: Ahead) -> Iterator[Check]:
    values, rounding, q = [ahead(run) for run in runs], _rounding(runs), runs[-1]["q"]
    yield from tends_to("log time of each margin", values, np.zeros_like(values[0]), rounding, case=case)
    because = "one margin at every step: each step adds a few roundings of the margin"
    within = Tolerance(rounding * q.max(), because)
    name = "the examples keep one margin"
    yield measured(name, np.ptp(q, axis=-1), within=within, case=case, axes=("t", "run")).equals(0.0)


def _law(runs: list[Trajectory], ahead: Ahead) -> Measured:
    return extrapolated("law", [ahead(run) for run in runs], _rounding(runs))


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
    margins, taus = [apply(Z, run["w"]) for run in runs], [run["tau"] for run in runs]
    rounding = _rounding(runs)
    # m_1 - m_2 falls as t^-kappa beside margins of size log t, and so carries that many times their rounding.
    noise = rounding / np.abs(margins[-1][..., 0] - margins[-1][..., 1]).min()
    invariant = _invariants(POINTS, margins)
    kept = np.broadcast_to(invariant[0][:1], invariant[0].shape)
    yield from tends_to("log of the invariant", invariant, kept, noise, case="two points")
    clock, zero = _clocks(POINTS, margins, taus), np.zeros_like(taus[0])
    yield from tends_to("log time of each state", clock, zero, rounding, case="two points")
    limit = [np.exp(POINTS.kappa * tau[-1]) * (m[-1, :, 0] - m[-1, :, 1]) for m, tau in zip(margins, taus)]
    predicted = theory.two_point_difference(POINTS, start)
    # sinh d/2 = d/2 up to d^2/24, and t = e^{s/2} / (a + b) up to what the start took.
    late = float(np.exp(-taus[-1][-1].min() * min(1.0, 2 * POINTS.kappa)))
    left = (10 * late + noise) * np.abs(predicted).max()
    each = [difference[:, None] for difference in limit]
    # What the finite time leaves is more than what the steps do: there is an extrapolation to judge, and no order.
    ends = extrapolated("t^kappa x difference of margins, learning rate 0", each, left, case="two points")
    yield ends.equals(predicted[:, None])
    wider = TwoPoints(POINTS.square * 1.1, POINTS.product * 1.1)
    sharper = TwoPoints(POINTS.square, POINTS.square * (1 - 1.1 * POINTS.kappa) / (1 + 1.1 * POINTS.kappa))
    other = extrapolated("invariant", _invariants(sharper, margins), noise)
    yield other.control("two points: kappa 10 % larger").equals(kept)
    faster = extrapolated("clock", _clocks(wider, margins, taus), rounding)
    yield faster.control("two points: a + b 10 % larger").equals(zero)


def _invariants(points: TwoPoints, margins: list[Array]) -> list[Array]:
    return [np.log(np.abs(theory.two_point_invariant(points, m))) for m in margins]


def _clocks(points: TwoPoints, margins: list[Array], taus: list[Array]) -> list[Array]:
    """log(1 + time from the start to each state) by the closed form, less tau."""
    logs = [theory.two_point_log_clock(points, m) for m in margins]
    return [np.log1p(np.exp(log) - np.exp(log[:1])) - tau for log, tau in zip(logs, taus)]
