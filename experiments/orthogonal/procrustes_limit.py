"""Limits and rates of the Procrustes flow in both components of O(d)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.orthogonal.linear import Spectrum, both_components, descent, squared_loss
from experiments.training import extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.validation import reject
from theory.orthogonal import procrustes
from theory.orthogonal.procrustes import Component, LinearOPT, component, coordinates, coordinates_solution

DROWNED = 15.0  # -log of what is left of a mode when rounding of R begins to count


@dataclass(frozen=True)
class Sizes(Spectrum):
    """Of the problems, and of the training that is refined."""

    learning_rate: float = varies("the largest of three", 0.05, low=0.005, high=0.05)
    decay: float = varies("-log of what the slowest mode of a rotation has left at the end", 20.8, low=12, high=24)
    runs: int = varies("random problems, each in both components of O(d)", 8, smoke=2, paper=32, low=1, high=200)

    def __post_init__(self) -> None:
        super().__post_init__()
        # Of 33 records one at least has to come before the fastest mode has drowned.
        most = 2 * DROWNED * 32 / self.decay
        ratio = (self.s[0] + self.s[1]) / (self.s[-2] + self.s[-1])
        if ratio > most / 2:
            reject("singular_values", self.singular_values, f"s_1 + s_2 at most {most / 2:.3g} (s_(d-1) + s_d)")

    @property
    def horizon(self) -> float:
        """When the slowest mode of a rotation has decayed so far."""
        return float(self.decay / ((self.s[-2] + self.s[-1]) / 2))


@claim(
    "orthogonal.procrustes_limit",
    source="ours, of OPT (Liu et al. 2021) on a linear layer: gradient flow on O(d)",
    source_kind=OURS,
    statement=r"R \to P Q^\top \text{ at rate } \tfrac{s_{d-1} + s_d}{2} \text{ if } \det R_0 \det M > 0;\quad"
    r" R \to P\,\mathrm{diag}(1, \dots, 1, -1)\,Q^\top \text{ at rate } \tfrac{s_{d-1} - s_d}{2},\ "
    r"L^* \text{ higher by } 2 s_d \text{ if } < 0",
    hypotheses=(
        "gradient flow of the rotation R from R_0 in the embedded metric",
        "whitened inputs, M = X Y^T W0^T = P diag(s) Q^T, s positive and decreasing",
        "start off the cut locus of the optimum",
    ),
    theory_side="closed form",
    controls=(
        "one rate for both components",
        "the rate of the fastest mode",
        "excess loss at the rate of the distance",
        "a rotation reaches the optimum of the other component",
    ),
    parameters=Sizes,
)
def the_determinant_decides_the_limit(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    s = sizes.s
    problem, R = both_components(study, s, sizes.runs, neurons=np.linspace(1.3, 0.7, len(s)))
    trainee = descent(study, squared_loss(problem, study.device), R)
    trained = trainee.refine(learning_rate=sizes.learning_rate, horizon=sizes.horizon, records=33)
    t, chart = trained[0].t, component(problem, R)
    yield from _every_mode(t, chart, [coordinates(chart, run["R"]) for run in trained])
    distances = [np.linalg.norm(run["R"] - chart.optimum, axis=(-2, -1)) for run in trained]
    yield from _distance(t, chart, distances, coordinates(chart, R))
    yield from _slowest_mode(t, chart, distances)
    yield from _excess_loss(t, chart, [run["loss"] for run in trained], problem, R)


def _distance(t: Array, chart: Component, trained: list[Array], A: Array) -> Iterator[Check | Curves]:
    """The distance to the optimum at all times; for the figure, one run of each component."""
    distance = lambda k: procrustes.distance(coordinates_solution(chart, A, k * t))  # noqa: E731
    exact, logs = distance(1.0), [np.log(each) for each in trained]
    yield from tends_to("log distance", logs, lambda k: np.log(distance(k)), 1e2 * EPS / exact)
    fine = np.linspace(0, t[-1], 321)
    predicted = procrustes.distance(coordinates_solution(chart, A, fine))
    levels, limit, slowest = np.stack(trained), np.exp(richardson(logs)[0]), procrustes.slowest_rate(chart)
    yield curves(t=t, t_predicted=fine, least=predicted.min())
    for side, run in (("with", 0), ("against", len(A) // 2)):
        yield curves(
            side,
            trained=levels[-1, :, run],
            predicted=predicted[:, run],
            rate=slowest[run],
            deviation=100 * (levels[..., run] / exact[:, run] - 1),  # per cent
            extrapolated_deviation=100 * (limit[:, run] / exact[:, run] - 1),
        )


def _excess_loss(t: Array, chart: Component, trained: list[Array], problem: LinearOPT, R: Array) -> Iterator[Check]:
    """It decays twice as fast as the distance, to an optimum that is 2 s_d higher in the other component."""
    optimal, A, runs = procrustes.optimal_loss(problem, chart), coordinates(chart, R), len(R) // 2
    excess = lambda k: procrustes.excess_loss(chart, coordinates_solution(chart, A, k * t))  # noqa: E731
    error = 1e2 * EPS * float(optimal.max())
    values = [losses - optimal for losses in trained]
    yield from tends_to("excess loss", values, excess, error)
    slow = extrapolated("excess loss", values, error).control("excess loss at the rate of the distance")
    yield slow.equals(excess(0.5))
    end = trained[-1][-1]
    left = (2 * excess(1.0)[-1] + error).reshape(2, runs).sum(0)
    within = Tolerance(left, "twice what the flow leaves of the excess at the last time, and rounding")
    higher = measured("difference of the optimal losses", end[runs:] - end[:runs], within=within)
    yield higher.equals(2 * chart.s[0, -1])
    reached = measured("loss", end[runs:], within=within)
    yield reached.control("a rotation reaches the optimum of the other component").equals(optimal[:runs])


def _every_mode(t: Array, chart: Component, trained: list[Array]) -> Iterator[Check]:
    """-log |A_ij(t) / A_ij(0)| / t is (s_i + s_j) / 2 at all times, with s_d < 0 in the other component."""
    i, j = np.triu_indices(chart.s.shape[-1], 1)
    drowned = np.searchsorted(t, DROWNED / chart.rates.max())
    early = slice(1, min(9, int(drowned)))  # later the fast modes drown in the rounding of R
    modes = [np.abs(A[..., i, j]) for A in trained]
    rates = [-np.log(A[early] / A[0]) / t[early, None, None] for A in modes]
    predicted = np.broadcast_to(chart.rates[:, i, j], rates[0].shape)
    yield from tends_to("rate of each mode", rates, lambda k: k * predicted)
    same = np.broadcast_to(chart.rates[:1, i, j], rates[0].shape)
    yield extrapolated("rate", rates).control("one rate for both components").equals(same)


def _slowest_mode(t: Array, chart: Component, distances: list[Array]) -> Iterator[Check]:
    """The distance over the last quarter of the run decays at the rate of the slowest mode."""
    begin = 3 * len(t) // 4
    span = t[-1] - t[begin]
    value, error = richardson([np.log(distance[begin] / distance[-1]) / span for distance in distances])
    i, j = np.triu_indices(chart.s.shape[-1], 1)
    rates = np.sort(chart.rates[:, i, j], axis=-1)
    # Coordinates start within a factor of 2 of each other, and enter the squared distance by |A|^2 (1 + O(|A|^2)).
    others = 4 * np.exp(-2 * (rates[:, 1:] - rates[:, :1]) * t[begin]).sum(-1) + 8 * np.exp(-2 * rates[:, 0] * t[begin])
    within = Tolerance(error + others / (2 * span), "what is left of the other modes, last Richardson correction")
    within += rounding(100, 1 / distances[-1][-1] / span, of="R over the distance and the time")
    slowest = measured("rate of the distance", value, within=within, axes=("run",))
    yield slowest.equals(procrustes.slowest_rate(chart))
    yield slowest.control("the rate of the fastest mode").equals(rates[:, -1])
