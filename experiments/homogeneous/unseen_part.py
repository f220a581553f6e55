"""The part of a layer's direction off the span of the examples: a law in its size of each dynamics' own."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments.homogeneous.predictions import departing
from experiments.homogeneous.problems import as_examples, classifying_directions, partly_seen
from experiments.homogeneous.trainees import RUNS, SOLVER, STEPS, flows, refined, trainee
from experiments.training import extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable
from theory.core.trajectory import Trajectory
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import log_slope, polar


@dataclass(frozen=True)
class Sizes:
    """Of the layer, and of its training."""

    inputs: int = varies("entries of an example; one direction is not seen", 5, low=4, high=50)
    size: float = varies("of the layer at the start, rho", 0.7, low=0.2, high=2)
    vector: float = varies(
        "|v| of weight normalisation, c, away from 1 so that its place in the formulas shows", 1.3, low=0.7, high=3
    )
    horizon: float = varies("of all but exponential normalisation", 3.0, low=0.5, high=5, unit="time")
    runs: int = RUNS(4, smoke=2, paper=16)
    steps: int = STEPS(96, smoke=64, paper=512)


@claim(
    "homogeneous.unseen_part",
    source="ours; the dynamics of Banburski et al. 2019",
    source_kind=OURS,
    statement=r"|V_\perp|^{GF} \propto \rho^{-1},\quad |V_\perp|^{WN} \propto e^{-\rho^2 / 2 c^2},\quad "
    r"|V_\perp|^{EWN} \propto \rho^{-1/c^2},\quad |V_\perp|^{TG}, |V_\perp|^{LM} \propto "
    r"e^{-\rho^{\mp 1} \int A\,dt} \text{ (upper sign: } TG)",
    hypotheses=(
        "one layer rho V, |V| = 1, and V_perp the part of V off the span of the examples; any loss of the margins",
        "GF: gradient flow of the layer; WN: of g and v, the layer g v / |v| with |v| = c; EWN: of log g and v",
        "TG: along the sphere; LM: of V with a multiplier that keeps |V| = 1; A, the force on rho",
    ),
    theory_side="closed form",
    controls=(
        "weight normalisation keeps rho V_perp",
        "gradient flow forgets V_perp as weight normalisation does",
        "law of V_perp without c",
        "V_perp of the tangent gradient at the rate of the Lagrange multiplier",
    ),
    parameters=Sizes,
)
def each_dynamics_has_its_law_of_what_no_example_sees(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    rng = study.rng("unseen")
    problem = partly_seen(rng, sizes.inputs)
    unseen = np.linalg.svd(problem.Z)[2][-1]
    W = sizes.size * _tilted(rng, problem, unseen, sizes.runs)
    yield from _gradient_descent(study, sizes, problem, unseen, W)
    yield from _weight_normalisation(study, sizes, problem, unseen, W)
    yield from _frozen_sizes(study, sizes, problem, unseen, W)
    yield from _flows(sizes, problem, unseen, W)


def _share(V: Array, unseen: Array) -> Array:
    """|V_perp| / |V_perp(0)| (T, runs) of directions (T, runs, 1, d)."""
    part = np.abs(V[..., 0, :] @ unseen)
    return part / part[0]


def _gradient_descent(
    study: Study, sizes: Sizes, problem: Separable, unseen: Array, W: Array
) -> Iterator[Check | Curves]:
    seen = refined(trainee(study, "gradient flow", as_examples(problem), [W]), sizes.horizon, sizes.steps)[-1]
    rho, share, first = seen.rho[..., 0], _share(seen.V[0], unseen), np.abs(seen.V[0][0, :, 0] @ unseen)
    steps = 4 * sizes.steps
    # The frozen part collects a rounding of |w| a step.
    tolerance = (steps + 16) * 5 * EPS * np.abs(rho).max() / (first * rho[0]) * share
    within = Tolerance(tolerance, "one rounding of |w| times 5 a step, relative to the part")
    name = "gradient descent: V_perp rho stays, at every step size"
    frozen, law = measured(name, share, within=within, axes=("t", "run")), dynamics.unseen_of_gradient_flow(rho[0], rho)
    yield frozen.equals(lambda k: law**k)
    yield _forgotten("gradient flow", sizes.horizon, share, law)
    other = frozen.control("gradient flow forgets V_perp as weight normalisation does")
    yield other.equals(dynamics.unseen_of_weight_normalisation(rho[0], rho))


def _weight_normalisation(
    study: Study, sizes: Sizes, problem: Separable, unseen: Array, W: Array
) -> Iterator[Check | Curves]:
    """log V_perp of both weight normalisations, less its law at the sizes trained: 0 at learning rate 0."""
    for name, law in (
        ("weight normalisation", dynamics.unseen_of_weight_normalisation),
        ("exponential", dynamics.unseen_of_exponential_weight_normalisation),
    ):
        weights = trainee(study, name, as_examples(problem), [W], sizes.vector)
        seen = refined(weights, _horizon(name, sizes, problem, W), sizes.steps)
        shares, grown = [np.log(_share(s.V[0], unseen)) for s in seen], [s.rho[..., 0] for s in seen]
        laws = [np.log(law(sizes.size, rho, sizes.vector)) for rho in grown]
        off = [share - predicted for share, predicted in zip(shares, laws)]
        yield from tends_to("log V_perp against its law in rho", off, departing(laws[-1]), case=name)
        yield _forgotten(name, _horizon(name, sizes, problem, W), np.exp(shares[-1]), np.exp(laws[-1]))
        if name == "weight normalisation":
            power = [share - np.log(sizes.size / rho) for share, rho in zip(shares, grown)]
            yield extrapolated("unseen", power).control("weight normalisation keeps rho V_perp").equals(0.0)
            plain = [share - np.log(law(sizes.size, rho)) for share, rho in zip(shares, grown)]
            yield extrapolated("unseen", plain).control("law of V_perp without c").equals(0.0)


def _frozen_sizes(study: Study, sizes: Sizes, problem: Separable, unseen: Array, W: Array) -> Iterator[Check | Curves]:
    """Where sizes are frozen, V_perp falls by the work int A dt, which is the flow's."""
    for name, power in (("tangent gradient", -1), ("Lagrange multiplier", 1)):
        # Of three learning rates the last correction is too small where its two leading terms cancel all along the way.
        seen = refined(trainee(study, name, as_examples(problem), [W]), sizes.horizon, sizes.steps, levels=4)
        shares, work = [np.log(_share(s.V[0], unseen)) for s in seen], _along(name, sizes, problem, W, 9)["work"]
        law = partial(_worn, work * sizes.size**power)
        yield from tends_to("log V_perp = -int A dt rho^-1 or rho", shares, law, SOLVER, case=name)
        yield _forgotten(name, sizes.horizon, np.exp(shares[-1]), np.exp(law(1.0)))
        if power < 0:
            control = "V_perp of the tangent gradient at the rate of the Lagrange multiplier"
            yield extrapolated("unseen", shares, SOLVER).control(control).equals(-work * sizes.size)


def _forgotten(name: str, horizon: float, trained: Array, law: Array) -> Curves:
    """|V_perp| / |V_perp(0)| (T,) of the first run, trained at the smallest step, and its law."""
    return curves(name, t=np.linspace(0, horizon, len(trained)), trained=trained[:, 0], law=law[:, 0])


def _worn(work: Array, k: float) -> Array:
    return -k * work


def _flows(sizes: Sizes, problem: Separable, unseen: Array, W: Array) -> Iterator[Check]:
    """The closed forms against the integrated flows, at the sizes of these."""
    for name, law in (
        ("gradient flow", dynamics.unseen_of_gradient_flow),
        ("weight normalisation", partial(dynamics.unseen_of_weight_normalisation, c=sizes.vector)),
        ("exponential", partial(dynamics.unseen_of_exponential_weight_normalisation, c=sizes.vector)),
    ):
        path = _along(name, sizes, problem, W, 7)
        left = np.abs(path["V1"][..., 0, :] @ unseen).min()
        within = Tolerance(SOLVER / left, "solver, relative to the part that is left")
        share = np.log(_share(path["V1"], unseen))
        found = measured("log V_perp along the flow", share, within=within, case=name, axes=("t", "run"))
        yield found.supporting().equals(np.log(law(sizes.size, path["rho"][..., 0])))


def _along(name: str, sizes: Sizes, problem: Separable, W: Array, records: int) -> Trajectory:
    """One of the five flows."""
    t = np.linspace(0, _horizon(name, sizes, problem, W), records)
    return dynamics.flow(flows(sizes.vector)[name], as_examples(problem), polar([W]), t, log_slope)


def _horizon(name: str, sizes: Sizes, problem: Separable, W: Array) -> float:
    """Exponential normalisation blows up at last: six tenths of the time until which no run can."""
    until = float(dynamics.finite_until(as_examples(problem), polar([W])).min())
    return 0.6 * until if name == "exponential" else sizes.horizon


def _tilted(rng: np.random.Generator, problem: Separable, unseen: Array, runs: int) -> Array:
    """Classifying directions, tilted 45 degrees to the side that no example sees."""
    V = classifying_directions(rng, problem, runs)
    V = V - (V @ unseen)[..., None] * unseen
    V /= np.linalg.norm(V, axis=-1, keepdims=True)
    return (V + unseen) / np.sqrt(2)
