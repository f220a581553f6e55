"""How margins grow once the data are fitted: the law of aligned networks of any depth, and two points' closed form."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from experiments.homogeneous.descent import descend, log_exponential, log_logistic, network_margins
from experiments.shallow.classifiers import NormalisedDescent, log_loss, train_classifier
from experiments.training.batches import stack
from experiments.training.legacy import extrapolated, refined
from experiments.training.refinement import tends_to
from experiments.training.updates import Loss
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers
from theory.core.separable import apply, planted
from theory.core.trajectory import Trajectory
from theory.homogeneous import margin
from theory.homogeneous.margin import Aligned, TwoPoints

DEPTHS = (1, 2, 3, 4)
GAIN, COPIES, WIDTH = 0.7, 3, 4
EVEN = np.full(COPIES, 1 / COPIES)
POINTS = TwoPoints(square=1.3, product=0.4)


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
        runs = _refine(study, f"depth {L}", Z, W, log_exponential)
        late = partial(_lateness, network, margin.growth_time)
        yield from _on_the_law(f"depth {L}", runs, late)
        m, tau = runs[-1]["q"][:, 0].mean(-1), runs[-1]["tau"][:, 0]
        yield curves(
            **{f"m_{L}": margin.margin(network, float(starts[0]), np.exp(log_t))},
            **{f"trained_log_t_{L}": _log_time(tau[1:]), f"trained_{L}": m[1:]},
            **{f"residual_{L}": late(runs[-1])[1:, 0]},
        )
        if L == 2:
            yield from _two_layer_controls(study, Z, starts, W, runs)
    yield from _two_points(study)


def _two_layer_controls(
    study: Study, Z: Array, starts: Array, W: Layers, runs: list[Trajectory]
) -> Iterator[Check | Curves]:
    right = Aligned(2, GAIN, COPIES)
    for name, network in {
        "law of a network one layer deeper": Aligned(3, GAIN, COPIES),
        "mean loss in place of the sum": Aligned(2, GAIN, 1),
        "gain 10 % larger": Aligned(2, 1.1 * GAIN, COPIES),
    }.items():
        yield refuted(name, _law("law", runs, partial(_lateness, network, margin.growth_time)))
    yield refuted(
        "the asymptote in place of the law", _law("law", runs, lambda run: (run["q"].mean(-1) - run["tau"])[-1:])
    )
    late = partial(_lateness, right, margin.growth_time)
    tilted = [W[0] + 0.5 * np.roll(W[0], 1, axis=-1), W[1]]
    skewed = [W[0] * 2, W[1] / 2]
    for name, start in {"layers that are not aligned": tilted, "layers that are not balanced": skewed}.items():
        broken = _refine(study, name, Z, start, log_exponential)
        yield refuted(name, _law("law", broken, late))
    logistic = _refine(study, "logistic", Z, W, lambda margins: log_logistic(lambda state: -margins(state)))
    yield from _on_the_law("logistic loss, depth 2", logistic, partial(_lateness, right, margin.logistic_growth_time))
    yield refuted("law of the exponential loss for the logistic", _law("law", logistic, late))


def _aligned(network: Aligned, Z: Array, starts: Array) -> list[Array]:
    """W_l = rho_l u_l u_{l-1}^T, every entry of u_1, ..., u_{L-1} above 0, so that rectified units let all of it by."""
    rho = margin.layer_norms(network, starts)[:, None, None]
    # Equal shares: the mean of the examples is GAIN times the direction all have the margin GAIN in.
    seen = Z.mean(-2, keepdims=True) / GAIN
    inner = np.sqrt(np.arange(1.0, WIDTH + 1) / np.arange(1.0, WIDTH + 1).sum())
    units = [seen, *[np.broadcast_to(inner, (len(Z), 1, WIDTH))] * (network.depth - 1), np.ones((len(Z), 1, 1))]
    return [rho * after.mT * before for before, after in zip(units, units[1:])]


def _refine(study: Study, name: str, Z: Array, W: Layers, loss: Callable[..., Loss]) -> list[Trajectory]:
    """Rectified networks, all labels 1, at three step sizes; recorded: the margins q (runs, n) and tau = log(1 + t)."""
    network = stack([Z.shape[-1], *[WIDTH] * (len(W) - 1), 1], nn.ReLU)
    margins = network_margins(network, Z, np.ones(Z.shape[:-1]), study.device)

    def run(level: str, **schedule: Any) -> Trajectory:
        return descend(
            study, level, loss(margins), W, observe=lambda state: {"q": margins(state), "tau": state["tau"]}, **schedule
        )

    # log Loss falls by q / (1 + q) per unit of s, q = |grad log Loss|^2: a linear network needs longest.
    pace = 3.0 if len(W) == 1 else 1.0
    horizon = pace * study.pick(smoke=30, quick=100, paper=100)
    eta = study.pick(smoke=0.3, quick=0.3, paper=0.05)
    return refined(run, name, learning_rate=eta * pace, horizon=horizon, records=26)


def _lateness(network: Aligned, time: Callable[..., Array], run: Trajectory) -> Array:
    """log(1 + time the law gives the trained margin) - tau, (T, runs): 0 on the law."""
    m = run["q"].mean(-1)
    return np.log1p(time(network, m[:1], m)) - run["tau"]


def _on_the_law(name: str, runs: list[Trajectory], late: Callable[[Trajectory], Array]) -> Iterator[Check]:
    values = [late(run) for run in runs]
    yield from tends_to(f"{name}: log time of each margin", values, np.zeros_like(values[0]), _rounding(runs))
    q = runs[-1]["q"]
    spread = np.ptp(q, axis=-1)
    because = "one margin at every step: each step adds a few roundings of the margin"
    yield equal(
        f"{name}: the examples keep one margin", spread, 0.0, tolerance=_rounding(runs) * q.max(), because=because
    )


def _law(name: str, runs: list[Trajectory], late: Callable[[Trajectory], Array]) -> Check:
    values = [late(run) for run in runs]
    return extrapolated(name, values, np.zeros_like(values[0]), _rounding(runs))


def _rounding(runs: list[Trajectory]) -> float:
    """A dozen roundings of tau a step."""
    return 12 * EPS * float(runs[-1].facts["recorded"][-1]) * float(max(1.0, runs[-1]["tau"].max()))


def _two_points(study: Study) -> Iterator[Check | Curves]:
    """Two examples at an angle, from unequal margins: the invariant, the time of every state, and the limit."""
    cosine, length = POINTS.product / POINTS.square, np.sqrt(POINTS.square)
    Z = length * np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])
    m0 = np.array([[0.5, -0.8], [-0.3, 1.4], [1.0, 0.2]])
    w0 = apply(np.linalg.inv(Z), m0)
    loss = log_loss(Z, study.device)

    def run(level: str, **schedule: Any) -> Trajectory:
        return train_classifier(study, level, loss, w0, update=NormalisedDescent(loss), **schedule)

    horizon, eta = study.pick(smoke=(10.0, 0.05), quick=(24.0, 0.04), paper=(24.0, 0.005))
    runs = refined(run, "two points", learning_rate=eta, horizon=horizon, records=17)
    margins = [apply(Z, run["w"]) for run in runs]
    zero = np.zeros((len(runs[0].t), len(m0)))

    def invariant(points: TwoPoints) -> list[Array]:
        return [np.log(np.abs(margin.two_point_invariant(points, m))) for m in margins]

    def clock(points: TwoPoints) -> list[Array]:
        logs = [margin.two_point_log_clock(points, m) for m in margins]
        return [np.log1p(np.exp(log) - np.exp(log[:1])) - run["tau"] for log, run in zip(logs, runs)]

    kept = np.broadcast_to(invariant(POINTS)[0][:1], zero.shape)
    rounding = _rounding(runs)
    # m_1 - m_2 falls as t^-kappa beside margins of size log t, and so carries that many times their rounding.
    noise = rounding / np.abs(margins[-1][..., 0] - margins[-1][..., 1]).min()
    yield from tends_to("two points: log of the invariant", invariant(POINTS), kept, noise)
    yield from tends_to("two points: log time of each state", clock(POINTS), zero, rounding)
    limit = [np.exp(POINTS.kappa * run["tau"][-1:]) * (m[-1:, :, 0] - m[-1:, :, 1]) for run, m in zip(runs, margins)]
    # sinh d/2 = d/2 up to d^2/24, and t = e^{s/2} / (a + b) up to what the start took.
    late = float(np.exp(-runs[-1]["tau"][-1].min() * min(1.0, 2 * POINTS.kappa)))
    predicted = margin.two_point_difference(POINTS, m0)[None]
    yield from tends_to(
        "two points: t^kappa x difference of margins",
        [np.swapaxes(value, 0, 1) for value in limit],
        np.swapaxes(predicted, 0, 1),
        10 * late * np.abs(predicted).max() + noise * np.abs(predicted).max(),
    )
    wider = TwoPoints(POINTS.square * 1.1, POINTS.product * 1.1)
    sharper = TwoPoints(POINTS.square, POINTS.square * (1 - 1.1 * POINTS.kappa) / (1 + 1.1 * POINTS.kappa))
    yield refuted("two points: kappa 10 % larger", extrapolated("invariant", invariant(sharper), kept, noise))
    yield refuted("two points: a + b 10 % larger", extrapolated("clock", clock(wider), zero, rounding))


def _log_time(tau: Array) -> Array:
    """log t of tau = log(1 + t)."""
    return tau + np.log(-np.expm1(-tau))
