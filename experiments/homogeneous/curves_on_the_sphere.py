"""Curves of directions on the sphere in three dimensions: which dynamics share one, and where they all end."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.homogeneous.networks import sizes_and_directions
from experiments.homogeneous.predictions import departing
from experiments.homogeneous.problems import as_examples, classifying_directions
from experiments.homogeneous.rest import at_rest
from experiments.homogeneous.rules import SlowedDescent
from experiments.homogeneous.trainees import FREE, flows, trainee
from experiments.training import extrapolated
from theory.claims import RECONSTRUCTED, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import Array
from theory.core.separable import Separable, planted
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.homogeneous import dynamics
from theory.homogeneous.critical_points import equilibrium
from theory.homogeneous.decomposition import Polar, log_slope

MARKS = 24  # records of a training, evenly spaced in the logarithm of its steps


@dataclass(frozen=True)
class Sizes:
    """Of the layer, and how it is trained."""

    start: float = varies("size of the layer where sizes are free", 0.15, low=0.05, high=1)
    growth: float = varies("log of how much the free sizes grow", 3.8, low=1, high=5)
    frozen: tuple[float, ...] = varies("sizes where they are frozen", (1.5, 4.0, 12.0), low=0.5, high=30)
    margin: float = varies("of the problem", 0.7, low=0.3, high=2)
    spread: float = varies("of the examples across the max margin", 0.8, low=0.3, high=2)
    steps: int = varies("of the coarsest training of free sizes", 600, smoke=160, paper=6000, low=100, high=10_000)
    frozen_steps: int = varies("of the training at frozen sizes", 2000, smoke=1000, paper=12_000, low=500, high=20_000)

    def __post_init__(self) -> None:
        if list(self.frozen) != sorted(set(self.frozen)) or len(self.frozen) < 2:
            reject("frozen", self.frozen, "at least two sizes, rising")


@claim(
    "banburski2019.curves_on_the_sphere",
    source="Banburski et al. 2019 (content: the dynamics end at the same directions); their curves ours",
    source_kind=RECONSTRUCTED,
    statement=r"\text{one layer: the curve of } V \text{ is one for GF and EWN, another for WN, one for LM and TG;}"
    r"\quad V \to V^*(\rho) \text{ where } \rho \text{ is frozen},\ V^*(\rho) \to \hat w / |\hat w|",
    hypotheses=(
        "one layer rho V, |V| = 1, three dimensions; logarithm of the exponential loss",
        "GF, EWN, WN, LM, TG: the five dynamics as in banburski2019.five_dynamics, |v| = 1",
        "V*(rho): the direction of least loss at size rho; w_hat: of the max-margin classifier",
        "of 200 random problems the one whose support is conditioned most nearly by 10, so that it shows what settles "
        "first; the start is the first drawn",
    ),
    theory_side="ODE",
    controls=("trained: weight normalisation is gradient flow", "frozen sizes end at the max-margin direction"),
    parameters=Sizes,
)
def directions_move_on_few_curves(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    rng = study.rng("sphere")
    problem = _problem(rng, sizes)
    V = classifying_directions(rng, problem, 1)
    yield curves(max_margin=problem.w * problem.margin, frozen_sizes=np.array(sizes.frozen), start=V[0, 0])
    yield from _free(study, sizes, problem, V)
    yield from _frozen(study, sizes, problem, V)


def _problem(rng: np.random.Generator, sizes: Sizes) -> Separable:
    """Three examples in three dimensions, all of them support vectors, with duals of their own. Searched for: of 200
    the one in which one direction across the max margin settles most nearly ten times as fast as the other."""
    shares = np.array([0.6, 0.3, 0.1])
    candidates = Separable(planted(rng, shares, d=3, margin=sizes.margin, spread=sizes.spread, runs=200))
    return candidates.run(int(np.abs(np.log(candidates.condition / 10)).argmin()))


def _orbit(name: str, sizes: Sizes, problem: Separable, V: Array) -> Trajectory:
    start, growth = Polar(np.full((1, 1), sizes.start), [V]), np.linspace(0, sizes.growth, 191)
    options = {"method": "LSODA", "relative_tolerance": 1e-9}
    return dynamics.orbit(flows()[name], as_examples(problem), start, growth, log_slope, **options)


def _free(study: Study, sizes: Sizes, problem: Separable, V: Array) -> Iterator[Check | Curves]:
    trained = {}
    for name in FREE:
        path = _orbit(name, sizes, problem, V)
        trained[name] = [sizes_and_directions(run) for run in _trained(study, name, sizes, problem, V)]
        seen, curve = trained[name][-1], path["V1"][:, 0, 0]
        yield curves(
            name,
            curve=curve,
            sizes=path["rho"][:, 0, 0],
            angles=_angle(problem, curve),
            trained=seen.V[0][:, 0, 0],
            trained_sizes=seen.rho[:, 0, 0],
            trained_angles=_angle(problem, seen.V[0][:, 0, 0]),
        )
    same, other = (
        [first.V[0][:, :, 0] - second.V[0][:, :, 0] for first, second in zip(trained[name], trained["gradient flow"])]
        for name in ("exponential", "weight normalisation")
    )
    yield extrapolated("trained: exponential is gradient flow", same).equals(departing(other[-1]))
    yield extrapolated("other", other).control("trained: weight normalisation is gradient flow").equals(0.0)


def _angle(problem: Separable, V: Array) -> Array:
    """Angle of directions (..., d) to the max-margin one, in radians."""
    return 2 * np.arcsin(np.linalg.norm(V - problem.w * problem.margin, axis=-1) / 2)


def _trained(study: Study, name: str, sizes: Sizes, problem: Separable, V: Array) -> list[Trajectory]:
    """At three learning rates, recorded where the size has grown evenly in its logarithm (gradient flow: rho ~ s)."""
    descent = trainee(study, name, as_examples(problem), [sizes.start * V])
    if name == "exponential":
        descent = replace(descent, rule=SlowedDescent(descent.loss))
    # Sizes grow by at most the largest |z| and at last by the margin a unit of time.
    horizon = sizes.start * (np.exp(sizes.growth) - 1) / float(problem.margin)
    base = sizes.steps
    return [
        descent.train(
            learning_rate=horizon / base / 2**level,
            steps=base << level,
            record=[mark << level for mark in _marks(base)],
        )
        for level in range(3)
    ]


def _marks(steps: int) -> list[int]:
    """Steps evenly spaced in their logarithm, and 0."""
    return sorted({0, *np.round(np.geomspace(1, steps, MARKS)).astype(int).tolist()})


def _frozen(study: Study, sizes: Sizes, problem: Separable, V: Array) -> Iterator[Check | Curves]:
    """Layers of frozen sizes: along the flow to where the direction of that size rests."""
    frozen = np.array(sizes.frozen)
    examples, best, t = as_examples(problem), problem.w * problem.margin, np.geomspace(1e-2, 60, 120)
    path = dynamics.flow(
        lambda rho: tuple(speed * rho for speed in dynamics.tangent_gradient(rho)),  # V' = B, at every size
        examples,
        Polar(frozen[:, None], [np.repeat(V, len(frozen), axis=0)]),
        np.concatenate([[0.0], t]),
        log_slope,
        method="LSODA",
        relative_tolerance=1e-10,
    )
    descent = trainee(study, "tangent gradient", examples, [frozen[:, None, None] * V])
    rate = 0.25 / float(np.square(problem.Z).sum(-1).max())
    steps = sizes.frozen_steps
    run = descent.train(learning_rate=rate, steps=steps, record=_marks(steps))
    trained, between = sizes_and_directions(run).V[0][:, :, 0], np.geomspace(frozen[0], frozen[-1], 24)
    rest, rests = equilibrium(problem, frozen), equilibrium(problem, between)
    yield curves("frozen", curves=path["V1"][:, :, 0], trained=trained, angles=_angle(problem, trained[-1]), rest=rest)
    yield curves("rest", sizes=between, angles=_angle(problem, rests))
    grown, V_end, within = at_rest(study, problem, run["W1"][-1, :, 0])
    end = measured("trained: frozen sizes end where they rest", V_end, within=within, axes=("size", "entry"))
    yield end.equals(lambda k: equilibrium(problem, k * grown))
    yield end.control("frozen sizes end at the max-margin direction").equals(best)
    because = "the solver's relative tolerance times its steps; at rest nothing is left to move"
    within = Tolerance(path.facts["steps"] * path.facts["local_error"] + 1e-7, because)
    flowed = measured("frozen sizes end where they rest", path["V1"][-1, :, 0], within=within, axes=("size", "entry"))
    yield flowed.supporting().equals(rest)
