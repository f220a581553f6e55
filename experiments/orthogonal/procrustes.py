"""The Procrustes flow: its closed form, its limits and rates in both components of O(d), and what OPT cannot fit."""

from collections.abc import Iterator

import numpy as np
import torch

from experiments.orthogonal.linear import minimised, refine, squared_loss
from experiments.training.legacy import extrapolated
from experiments.training.loop import train
from experiments.training.refinement import tends_to
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.flows import flow
from theory.orthogonal import procrustes
from theory.orthogonal.procrustes import (
    Component,
    LinearOPT,
    component,
    coordinates,
    random_problem,
    start_near,
    transposed,
)

S = np.array([2.0, 1.5, 1.1, 0.8, 0.5])  # singular values of M; sums of two are distinct
SIZE = 0.8  # of the Cayley coordinates at the start: angles up to some 150 degrees


@claim(
    "liu2021.procrustes_flow",
    source="Liu et al. 2021 (OPT), derived: linear layer, gradient flow on O(d)",
    statement=r"R' = \tfrac12 (M - R M^\top R):\quad P^\top R Q = (I + A)(I - A)^{-1},\ "
    r"A_{ij}(t) = e^{-(s_i + s_j) t / 2} A_{ij}(0)",
    hypotheses=("gradient flow in the embedded metric", "whitened inputs or a tight frame of neurons"),
    controls=(
        "singular values 5 % larger",
        "M transposed",
        "twice as fast, as on the parameters of a map",
        "neither whitened inputs nor a tight frame",
    ),
)
def the_flow_is_solved(study: Study) -> Iterator[Check | Curves]:
    s, runs = S[: study.pick(smoke=3, quick=5, paper=5)], study.pick(smoke=2, quick=8, paper=32)
    spread = np.linspace(1.3, 0.7, len(s))
    for name, inputs, neurons in (("tight frame", spread, 1.0), ("whitened inputs", 1.0, spread)):
        problem, R = both_components(study, s, runs, inputs=inputs, neurons=neurons)
        t, values = _trained(study, name, problem, R)
        exact = procrustes.solution(problem, R, t)
        yield _against_the_ode(name, problem, R, t, exact)
        yield from tends_to(f"{name}: R(t)", values, exact)
    larger = LinearOPT(problem.X, 1.05 * problem.Y, problem.W0)
    yield _refuted("singular values 5 % larger", values, procrustes.solution(larger, R, t))
    one = np.broadcast_to(np.eye(len(s)), R.shape)
    yield _refuted("M transposed", values, procrustes.solution(LinearOPT(one, problem.M, one), R, t))
    yield _refuted("twice as fast, as on the parameters of a map", values, procrustes.solution(problem, R, 2 * t))
    # The same M: the same random numbers.
    data = random_problem(study.rng("problem"), s, N=len(s) + 3, n=len(s) + 4, runs=runs, inputs=spread, neurons=spread)
    neither = LinearOPT(*(np.concatenate([array, array]) for array in (data.X, data.Y, data.W0)))
    _, other = _trained(study, "neither", neither, R)
    yield _refuted("neither whitened inputs nor a tight frame", other, exact)


def both_components(study: Study, s: Array, runs: int, **spectra: Array | float) -> tuple[LinearOPT, Array]:
    """Random problems, each twice, and starts (2 runs, d, d): first with the determinant of M, then with the other."""
    d = len(s)
    once = random_problem(study.rng("problem"), s, N=d + 3, n=d + 4, runs=runs, **spectra)
    problem = LinearOPT(*(np.concatenate([array, array]) for array in (once.X, once.Y, once.W0)))
    sides = np.broadcast_to(np.eye(d), problem.M.shape).copy()
    sides[runs:, -1, -1] = -1
    return problem, start_near(component(problem, sides), study.rng("start"), SIZE)


def _trained(study: Study, name: str, problem: LinearOPT, R: Array) -> tuple[Array, list[Array]]:
    loss = squared_loss(problem, study.device)
    runs = refine(study, name, loss, R, learning_rate=0.05, horizon=4.0)
    return runs[0].t, [run["R"] for run in runs]


def _against_the_ode(name: str, problem: LinearOPT, R: Array, t: Array, exact: Array) -> Check:
    """R' = -R skew(R^T grad L) integrated, which knows nothing of singular values."""

    def solved(tolerance: float) -> Array:
        velocity = lambda _, state: {"R": procrustes.velocity(problem, state["R"])}  # noqa: E731
        return flow(velocity, {"R": R}, t, relative_tolerance=tolerance, absolute_tolerance=tolerance / 100)["R"]

    fine, coarse = solved(1e-12), solved(1e-10)
    tolerance = np.abs(fine - coarse).max() + 1e3 * EPS
    because = "what a hundred times the solver's tolerance changes, and rounding"
    return equal(f"{name}: against the ODE", fine, exact, tolerance=tolerance, because=because)


def _refuted(name: str, values: list[Array], wrong: Array) -> Check:
    return refuted(name, extrapolated(name, values, wrong))


@claim(
    "liu2021.procrustes_limit",
    source="Liu et al. 2021 (OPT), derived: linear layer, gradient flow on O(d)",
    statement=r"R \to P Q^\top \text{ at rate } \tfrac{s_{d-1} + s_d}{2} \text{ if } \det R_0 \det M > 0;\quad"
    r" R \to P\,\mathrm{diag}(1, \dots, 1, -1)\,Q^\top \text{ at rate } \tfrac{s_{d-1} - s_d}{2},\ "
    r"L^* \text{ higher by } 2 s_d \text{ if } < 0",
    hypotheses=("gradient flow in the embedded metric", "whitened inputs", "start off the cut locus of the optimum"),
    controls=(
        "one rate for both components",
        "the rate of the fastest mode",
        "excess loss at the rate of the distance",
        "a rotation reaches the optimum of the other component",
    ),
)
def the_determinant_decides_the_limit(study: Study) -> Iterator[Check | Curves]:
    s, runs = S[: study.pick(smoke=3, quick=5, paper=5)], study.pick(smoke=2, quick=8, paper=32)
    problem, R = both_components(study, s, runs, neurons=np.linspace(1.3, 0.7, len(s)))
    loss = squared_loss(problem, study.device)
    observe = lambda state: {"R": state["R"], "loss": loss(state)}  # noqa: E731
    horizon = study.pick(smoke=16.0, quick=32.0, paper=32.0)
    trained = refine(study, "both", loss, R, learning_rate=0.05, horizon=horizon, records=33, observe=observe)
    t, chart = trained[0].t, component(problem, R)
    yield from _every_mode(t, chart, [coordinates(chart, run["R"]) for run in trained])
    distances = [np.linalg.norm(run["R"] - chart.optimum, axis=(-2, -1)) for run in trained]
    yield from _distance(t, chart, distances, coordinates(chart, R), one_each=slice(None, None, runs))
    yield from _slowest_mode(t, chart, distances)
    yield from _excess_loss(t, chart, [run["loss"] for run in trained], problem, R)


def _distance(t: Array, chart: Component, trained: list[Array], A: Array, one_each: slice) -> Iterator[Check | Curves]:
    """The distance to the optimum at all times; for the figure, one run of each component."""
    exact, logs = procrustes.distance(procrustes.mode_amplitudes(chart, A, t)), [np.log(each) for each in trained]
    yield from tends_to("log distance", logs, np.log(exact), 1e2 * EPS / exact)
    fine = np.linspace(0, t[-1], 321)
    predicted = procrustes.distance(procrustes.mode_amplitudes(chart, A, fine))
    yield curves(t=t, trained=np.stack(trained)[..., one_each], exact=exact[:, one_each])
    yield curves(extrapolated=np.exp(richardson(logs)[0])[:, one_each])
    yield curves(t_fine=fine, predicted=predicted[:, one_each], slowest=procrustes.slowest_rate(chart)[one_each])


def _excess_loss(t: Array, chart: Component, trained: list[Array], problem: LinearOPT, R: Array) -> Iterator[Check]:
    """It decays twice as fast as the distance, to an optimum that is 2 s_d higher in the other component."""
    optimal, A, runs = procrustes.optimal_loss(problem, chart), coordinates(chart, R), len(R) // 2
    excess, half = (procrustes.excess_loss(chart, procrustes.mode_amplitudes(chart, A, when)) for when in (t, t / 2))
    rounding = 1e2 * EPS * float(optimal.max())
    values = [losses - optimal for losses in trained]
    yield from tends_to("excess loss", values, excess, rounding)
    yield refuted("excess loss at the rate of the distance", extrapolated("excess loss", values, half, rounding))
    end, tolerance = trained[-1][-1], (2 * excess[-1] + rounding).reshape(2, runs).sum(0)
    because = "twice what the flow leaves of the excess at the last time, and rounding"
    price = end[runs:] - end[:runs]
    yield equal("price of the other component", price, 2 * S[problem.d - 1], tolerance=tolerance, because=because)
    reached = equal("loss", end[runs:], optimal[:runs], tolerance=tolerance, because=because)
    yield refuted("a rotation reaches the optimum of the other component", reached)


def _every_mode(t: Array, chart: Component, trained: list[Array]) -> Iterator[Check]:
    """-log |A_ij(t) / A_ij(0)| / t is (s_i + s_j) / 2 at all times, with s_d < 0 in the other component."""
    i, j = np.triu_indices(chart.s.shape[-1], 1)
    early = slice(1, 9)  # later the fast modes drown in the rounding of R
    modes = [np.abs(A[..., i, j]) for A in trained]
    rates = [-np.log(A[early] / A[0]) / t[early, None, None] for A in modes]
    predicted = np.broadcast_to(chart.rates[:, i, j], rates[0].shape)
    yield from tends_to("rate of each mode", rates, predicted)
    same = np.broadcast_to(chart.rates[:1, i, j], rates[0].shape)
    yield refuted("one rate for both components", extrapolated("rate", rates, same))


def _slowest_mode(t: Array, chart: Component, distances: list[Array]) -> Iterator[Check]:
    """The distance over the last quarter of the run decays at the rate of the slowest mode."""
    begin = 3 * len(t) // 4
    span = t[-1] - t[begin]
    measured, error = richardson([np.log(distance[begin] / distance[-1]) / span for distance in distances])
    i, j = np.triu_indices(chart.s.shape[-1], 1)
    rates = np.sort(chart.rates[:, i, j], axis=-1)
    # Coordinates start within a factor of 2 of each other, and enter the squared distance by |A|^2 (1 + O(|A|^2)).
    others = 4 * np.exp(-2 * (rates[:, 1:] - rates[:, :1]) * t[begin]).sum(-1) + 8 * np.exp(-2 * rates[:, 0] * t[begin])
    rounding = 1e2 * EPS / distances[-1][-1] / span
    tolerance = error + others / (2 * span) + rounding
    because = "what is left of the other modes, last Richardson correction, and rounding"
    slowest = procrustes.slowest_rate(chart)
    yield equal("rate of the distance", measured, slowest, tolerance=tolerance, because=because)
    fastest = equal("rate of the distance", measured, rates[:, -1], tolerance=tolerance, because=because)
    yield refuted("the rate of the fastest mode", fastest)


@claim(
    "liu2021.expressivity_gap",
    source="Liu et al. 2021 (OPT), derived: what a fixed W0 leaves",
    statement=r"\min_{R \in O(d)} \tfrac12 |R W_0 - T|_F^2 = \tfrac12 (|W_0|_F^2 + |T|_F^2) - |T W_0^\top|_*,"
    r"\quad 2 s_d \text{ more in the other component};\quad 0 \iff T^\top T = W_0^\top W_0",
    hypotheses=("linear layer", "T W0^T of full rank"),
    controls=("free weights keep the gap", "both components leave the same", "nuclear norm 1 % larger"),
)
def rotations_leave_a_gap(study: Study) -> Iterator[Check | Curves]:
    s, runs = S[: study.pick(smoke=3, quick=5, paper=5)], study.pick(smoke=2, quick=8, paper=32)
    problem, R = both_components(study, s, runs, neurons=np.linspace(1.3, 0.7, len(s)))
    layer = _without_inputs(problem.W0, problem.X @ transposed(problem.Y))
    gap, other = procrustes.expressivity_gap(layer.W0, transposed(layer.Y))
    predicted = np.concatenate([gap[:runs], other[runs:]])
    end, tolerance = minimised(study, "gap", layer, R)
    because = "|R'|^2 / rate at the end, twice what a quadratic minimum has above it, and rounding"
    yield equal("loss of trained rotations", end, predicted, tolerance=tolerance, because=because)
    same = equal("loss of trained rotations", end, gap, tolerance=tolerance, because=because)
    yield refuted("both components leave the same", same)
    larger = equal("loss of trained rotations", end, predicted - 0.01 * s.sum(), tolerance=tolerance, because=because)
    yield refuted("nuclear norm 1 % larger", larger)

    turned = _without_inputs(problem.W0, procrustes.random_rotation(study.rng("turn"), len(s), 2 * runs) @ problem.W0)
    start = start_near(component(turned, np.broadcast_to(np.eye(len(s)), R.shape)), study.rng("near"), SIZE)
    end, tolerance = minimised(study, "no gap", turned, start)
    yield equal("T^T T = W0^T W0: no gap", end, 0, tolerance=tolerance, because=because)

    target = torch.tensor(transposed(layer.Y), dtype=torch.float64, device=study.device)
    free = lambda state: 0.5 * (state["W"] - target).square().sum((1, 2))  # noqa: E731
    run = train(free, {"W": layer.W0}, learning_rate=0.5, steps=60, record=[60], **study.training("free"))
    kept = equal("free weights", run["loss"][-1], predicted, tolerance=1e2 * EPS * predicted, because="rounding")
    yield refuted("free weights keep the gap", kept)


def _without_inputs(W0: Array, T: Array) -> LinearOPT:
    """1/2 |R W0 - T|^2: X = I, Y = T^T."""
    return LinearOPT(np.broadcast_to(np.eye(W0.shape[-2]), (*W0.shape[:-1], W0.shape[-2])), transposed(T), W0)
