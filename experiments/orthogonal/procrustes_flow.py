"""The Procrustes flow in closed form: against the ODE, against the map that Riccati equations have, and trained."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.orthogonal.linear import Spectrum, both_components, descent, random_data, squared_loss, twice
from experiments.training import extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.flows import flow
from theory.core.trajectory import Trajectory
from theory.orthogonal import procrustes
from theory.orthogonal.procrustes import LinearOPT, component


@dataclass(frozen=True)
class Sizes(Spectrum):
    """Of the problems, and of the training that is refined."""

    learning_rate: float = varies("the largest of three", 0.05, low=0.002, high=0.05)
    horizon: float = varies("of the training", 4.0, low=0.5, high=8, unit="time")
    runs: int = varies("random problems, each in both components of O(d)", 8, smoke=2, paper=32, low=1, high=200)


@claim(
    "orthogonal.procrustes_flow",
    source="ours, of OPT (Liu et al. 2021) on a linear layer: gradient flow on O(d)",
    source_kind=OURS,
    statement=r"R' = \tfrac12 (M - R M^\top R):\quad P^\top R Q = (I + A)(I - A)^{-1},\ "
    r"A_{ij}(t) = e^{-(s_i + s_j) t / 2} A_{ij}(0)",
    hypotheses=(
        "gradient flow of the rotation R in the embedded metric",
        "whitened inputs or a tight frame of neurons, M = X Y^T W0^T = P diag(s) Q^T, A skew",
    ),
    theory_side="closed form",
    controls=(
        "singular values 5 % larger",
        "M transposed",
        "twice as fast, as on the parameters of a map",
        "neither whitened inputs nor a tight frame",
    ),
    parameters=Sizes,
)
def the_flow_is_solved(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    s, runs = sizes.s, sizes.runs
    spread = np.linspace(1.3, 0.7, len(s))
    for case, inputs, neurons in (("tight frame", spread, 1.0), ("whitened inputs", 1.0, spread)):
        problem, R = both_components(study, s, runs, inputs=inputs, neurons=neurons)
        t, values = _trained(study, problem, R, sizes)
        solution = lambda k: procrustes.solution(problem, R, k * t)  # noqa: B023, E731
        exact = solution(1.0)
        yield _integrated(case, problem, R, t).supporting().equals(exact)
        yield _linear_fractional(case, problem, R, t).supporting().equals(_aligned(problem, R, exact))
        yield from tends_to("R(t)", values, solution, case=case)
        yield _coordinates(case, problem, R, t, values[-1])
    trained = extrapolated("R(t)", values)
    larger = LinearOPT(problem.X, 1.05 * problem.Y, problem.W0)
    yield trained.control("singular values 5 % larger").equals(procrustes.solution(larger, R, t))
    one = np.broadcast_to(np.eye(len(s)), R.shape)
    transposed = LinearOPT(one, problem.M, one)
    yield trained.control("M transposed").equals(procrustes.solution(transposed, R, t))
    faster = procrustes.solution(problem, R, 2 * t)
    yield trained.control("twice as fast, as on the parameters of a map").equals(faster)
    # The same M: the same random numbers.
    neither = twice(random_data(study.rng("problem"), s, runs, inputs=spread, neurons=spread))
    other = extrapolated("R(t)", _trained(study, neither, R, sizes)[1])
    yield other.control("neither whitened inputs nor a tight frame").equals(exact)


def _trained(study: Study, problem: LinearOPT, R: Array, sizes: Sizes) -> tuple[Array, list[Array]]:
    trainee = descent(study, squared_loss(problem, study.device), R)
    runs = trainee.refine(learning_rate=sizes.learning_rate, horizon=sizes.horizon, records=17)
    return runs[0].t, [run["R"] for run in runs]


def _integrated(case: str, problem: LinearOPT, R: Array, t: Array) -> Measured:
    """R' = -R skew(R^T grad L) integrated, which knows nothing of singular values."""

    def solved(tolerance: float) -> Trajectory:
        velocity = lambda _, state: {"R": procrustes.velocity(problem, state["R"])}  # noqa: E731
        return flow(velocity, {"R": R}, t, relative_tolerance=tolerance, absolute_tolerance=tolerance / 100)

    fine, coarse = solved(1e-12), solved(1e-10)
    within = Tolerance(np.abs(fine["R"] - coarse["R"]).max(), "what a hundred times the solver's tolerance changes")
    within += Tolerance(fine.facts["steps"] * fine.facts["local_error"], "that tolerance itself, at every step")
    within += rounding(1e3, of="entries no larger than 1")
    return measured("against the ODE", fine["R"], within=within, case=case, axes=("t", "run"))


def _coordinates(case: str, problem: LinearOPT, start: Array, t: Array, trained: Array) -> Curves:
    """|A_ij| (T, pairs) of the first run, in whose coordinates the flow is linear; pairs with their rates."""
    chart = component(problem, start)
    i, j = np.triu_indices(problem.d, 1)
    A = procrustes.coordinates(chart, start)
    seen, law = procrustes.coordinates(chart, trained), procrustes.coordinates_solution(chart, A, t)
    pairs = {name: np.abs(value[:, 0, i, j]) for name, value in (("trained", seen), ("law", law))}
    return curves(case, t=t, rates=chart.rates[0, i, j], **pairs)


def _aligned(problem: LinearOPT, start: Array, R: Array) -> Array:
    """R~ = P^T R Q, in the component of O(d) of the start."""
    chart = component(problem, start)
    return chart.P.mT @ R @ chart.Q


def _linear_fractional(case: str, problem: LinearOPT, R: Array, t: Array) -> Measured:
    """R~ by the matrix exponential of the Riccati equation, which knows nothing of Cayley's coordinates."""
    chart = component(problem, R)
    lost = np.exp(np.multiply.outer(t, chart.s[:, 0] - chart.s[:, -1]) / 2)[..., None, None]
    of = "entries no larger than 1, of which e^((s_1 - s_d) t / 2) takes digits"
    value = procrustes.riccati_solution(chart.s, _aligned(problem, R, R), t)
    within = rounding(10 * problem.d**2, lost, of=of)
    return measured("against the linear fractional map", value, within=within, case=case, axes=("t", "run"))
