"""Curves of directions that two dynamics share: with which clock, and where they do not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.homogeneous.networks import all_directions
from experiments.homogeneous.predictions import in_time
from experiments.homogeneous.problems import (
    as_examples,
    classifying_directions,
    partly_seen,
    sized_layers,
    unit_examples,
)
from experiments.homogeneous.rules import SlowedDescent
from experiments.homogeneous.trainees import EXAMPLES, RUNS, SOLVER, STEPS, flows, refined, trainee, turned
from experiments.training import extrapolated, tends_to
from theory.claims import OURS, Check, Measured, Study, Tolerance, claim, measured, varies
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import Examples, Polar, exponential_slope, log_slope, polar

FLOWS = flows()  # |v| = 1 in weight normalisation: then they can coincide
TIMES = np.linspace(0, 1.5, 16)
RECORDED = np.linspace(0, 1, 9)  # of a training
POINTS = np.linspace(0, 1.5, 401)  # of a curve, by time or by growth
NETWORKS = ((5, 1), (3, 3, 1), (3, 3, 2, 1), (4, 3, 3, 2, 1))  # of each depth
BOTH = Tolerance(2 * SOLVER, "both flows integrated to 1e-11")


@dataclass(frozen=True)
class Sizes:
    """Of networks whose curves are compared, and of the trainings of those of two layers."""

    size: float = varies("of every layer, where all are alike, r", 1.3, low=0.5, high=2)
    unequal: tuple[float, ...] = varies("sizes of two layers that differ", (0.8, 2.1), low=0.7, high=3)
    depths: tuple[int, ...] = varies("of the networks", (1, 2, 3), smoke=(1, 2), paper=(1, 2, 3, 4), low=1, high=4)
    examples: int = EXAMPLES()
    runs: int = RUNS(4, smoke=2, paper=16)
    steps: int = STEPS(96, smoke=64, paper=512)

    def __post_init__(self) -> None:
        if len(self.unequal) != 2 or max(self.unequal) < 1.5 * min(self.unequal):
            reject("unequal", self.unequal, "two numbers, one 1.5 times the other at least")
        if len(set(self.depths)) < len(self.depths) or 1 not in self.depths:
            reject("depths", self.depths, "different ones, 1 among them")
        if abs(np.log(self.size)) < 0.05:
            reject("size", self.size, "not 1: another clock is to show")

    @property
    def equal(self) -> tuple[float, float]:
        return self.size, self.size


@claim(
    "homogeneous.curve_of_frozen_sizes",
    source="ours; the dynamics of Banburski et al. 2019",
    source_kind=OURS,
    statement=r"\rho_k = r \text{ for every } k:\quad V_k^{TG}(r^2 t) = V_k^{LM}(t)",
    hypotheses=(
        "network homogeneous of degree 1 in each layer rho_k V_k, |V_k| = 1; any loss of the margins",
        "LM: gradient flow of V_k with multipliers that keep |V_k| = 1; TG: of the layers, along their spheres",
        "layers of one size r",
    ),
    theory_side="ODE",
    controls=(
        "Lagrange multiplier and tangent gradient, unequal sizes: one curve",
        "tangent gradient in the time of the Lagrange multiplier",
    ),
    parameters=Sizes,
)
def frozen_sizes_have_one_curve_if_equal(study: Study, sizes: Sizes) -> Iterator[Check]:
    for examples, start in _starts(study, sizes):
        case = f"depth {len(start.V)}"
        constrained = all_directions(_follow("Lagrange multiplier", examples, start, TIMES))
        tangent = all_directions(_follow("tangent gradient", examples, start, sizes.size**2 * TIMES))
        name = "tangent gradient at r^2 t is Lagrange multiplier at t"
        yield measured(name, tangent, within=BOTH, case=case, axes=("t",)).supporting().equals(constrained)
        if case == "depth 1":
            same = measured("time", all_directions(_follow("tangent gradient", examples, start, TIMES)), within=BOTH)
            yield same.control("tangent gradient in the time of the Lagrange multiplier").equals(constrained)
    yield _trained(study, sizes)
    pair = ("Lagrange multiplier", "tangent gradient")
    unequal = _one_curve(study, sizes, pair, sizes.unequal)
    yield _one_curve(study, sizes, pair, sizes.equal).supporting().equals(0.0, against=float(unequal.value.max()))
    yield unequal.control("Lagrange multiplier and tangent gradient, unequal sizes: one curve").equals(0.0)


def _trained(study: Study, sizes: Sizes) -> Check:
    """Differences of two trainings, which vanish with the learning rate: one at r^2 times the time of the other."""
    examples, W = _two_layers(study, sizes)
    tangent = turned(refined(trainee(study, "tangent gradient", examples, W), sizes.size**2, sizes.steps))
    constrained = turned(refined(trainee(study, "Lagrange multiplier", examples, W), 1.0, sizes.steps))
    alike = extrapolated("tangent gradient is Lagrange multiplier", [a - b for a, b in zip(tangent, constrained)])
    timed = in_time(RECORDED, constrained[-1])
    return alike.equals(lambda k: timed(k) - timed(1))


def _two_layers(study: Study, sizes: Sizes) -> tuple[Examples, Layers]:
    rng = study.rng("trained")
    return unit_examples(rng, sizes.examples, 3), sized_layers(rng, (3, 3, 1), sizes.equal, sizes.runs)


@claim(
    "homogeneous.curve_of_gradient_flow",
    source="ours; the dynamics of Banburski et al. 2019",
    source_kind=OURS,
    statement=r"\rho_k(0) \text{ all equal}:\quad "
    r"(\rho, V)^{EWN}\Big(\int_0^t \frac{ds}{\rho_1^2}\Big) = (\rho, V)^{GF}(t);\quad \text{not so } WN",
    hypotheses=(
        "network homogeneous of degree 1 in each layer rho_k V_k, |V_k| = 1; any loss of the margins",
        "GF: gradient flow of the layers; WN: of g_k and v_k, layers g_k v_k / |v_k|; EWN: of log g_k and v_k",
        "|v_k| = 1 at the start",
    ),
    theory_side="ODE",
    controls=(
        "gradient flow and exponential, unbalanced: one curve",
        "gradient flow and weight normalisation: one curve",
        "gradient flow and weight normalisation: one trajectory",
        "exponential normalisation in the time of gradient flow",
    ),
    parameters=Sizes,
)
def exponential_gains_share_the_curve_of_gradient_flow(study: Study, sizes: Sizes) -> Iterator[Check]:
    for examples, start in _starts(study, sizes):
        case = f"depth {len(start.V)}"
        free = _follow("gradient flow", examples, start, TIMES)
        later = _follow("exponential", examples, start, free["clock"][:, 0])
        for quantity in ("rho", *dynamics.named(start.V)):
            name = f"exponential normalisation at int dt / rho_1^2 is gradient flow at t, {quantity}"
            alike = measured(name, later[quantity], within=BOTH, case=case, axes=("t",))
            yield alike.supporting().equals(free[quantity])
        if case == "depth 1":
            early = measured("time", _follow("exponential", examples, start, TIMES)["rho"], within=BOTH)
            yield early.control("exponential normalisation in the time of gradient flow").equals(free["rho"])
    pair = ("gradient flow", "exponential")
    unbalanced = _one_curve(study, sizes, pair, sizes.unequal)
    yield _one_curve(study, sizes, pair, sizes.equal).supporting().equals(0.0, against=float(unbalanced.value.max()))
    yield unbalanced.control("gradient flow and exponential, unbalanced: one curve").equals(0.0)
    yield from _slowed(study, sizes)
    yield from _at_equal_sizes(study)


def _slowed(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Exponential normalisation, trained by steps over rho_1^2, is gradient flow."""
    examples, W = _two_layers(study, sizes)
    descent = trainee(study, "exponential", examples, W)
    seen = refined(replace(descent, rule=SlowedDescent(descent.loss)), 1.0, sizes.steps)
    free = dynamics.flow(dynamics.gradient_flow, examples, polar(W), RECORDED, log_slope)
    rho, case = [state.rho for state in seen], "exponential normalisation by steps over rho_1^2"
    yield from tends_to("sizes", rho, in_time(RECORDED, free["rho"]), SOLVER, case=case)
    yield from tends_to("directions", turned(seen), in_time(RECORDED, all_directions(free)), SOLVER, case=case)


def _at_equal_sizes(study: Study) -> Iterator[Check]:
    """One layer, by how much it has grown: exponential normalisation is gradient flow, weight normalisation is not."""
    rng, d = study.rng("orbits"), 5
    problem = partly_seen(rng, d)
    start = Polar(np.full((1, 1), 0.7), [classifying_directions(rng, problem, 1)])
    free, exponential, normalised = (
        dynamics.orbit(FLOWS[name], as_examples(problem), start, POINTS, log_slope)["V1"].reshape(len(POINTS), d)
        for name in ("gradient flow", "exponential", "weight normalisation")
    )
    within = Tolerance(BOTH.value, "at equal sizes, both integrated to 1e-11")
    alike = measured("gradient flow and exponential at equal sizes", exponential, within=within, axes=("growth",))
    yield alike.supporting().equals(free)
    other = measured("sizes", normalised, within=within, axes=("growth",))
    yield other.control("gradient flow and weight normalisation: one trajectory").equals(free)
    apart = _distance("gradient flow and weight normalisation: one curve", normalised, free)
    yield apart.control(apart.name).equals(0.0)


def _starts(study: Study, sizes: Sizes) -> Iterator[tuple[Examples, Polar]]:
    """Networks of equal sizes, one of each depth."""
    for widths in (NETWORKS[depth - 1] for depth in sizes.depths):
        rng = study.rng("coincidences", *widths)
        examples = unit_examples(rng, sizes.examples, widths[0])
        yield examples, polar(sized_layers(rng, widths, [sizes.size] * (len(widths) - 1), 1))


def _follow(name: str, examples: Examples, start: Polar, t: Array) -> Trajectory:
    return dynamics.flow(FLOWS[name], examples, start, t, exponential_slope)


def _one_curve(study: Study, sizes: Sizes, pair: tuple[str, str], scales: tuple[float, ...]) -> Measured:
    """Whether two layers of these sizes run through one curve, as a set of points, whatever its clock."""
    rng = study.rng("curves")
    examples = unit_examples(rng, sizes.examples, 3)
    start = Polar(np.array([scales]), polar(sized_layers(rng, (3, 3, 1), (1.0, 1.0), 1)).V)
    paths = [all_directions(_follow(name, examples, start, POINTS))[:, 0] for name in pair]
    return _distance(" and ".join(pair) + ": one curve", *paths)


def _distance(name: str, first: Array, second: Array) -> Measured:
    """How far the curve that is shorter (in the space of directions) lies off the other one."""
    short, long = sorted((first, second), key=lambda curve: np.linalg.norm(np.diff(curve, axis=0), axis=1).sum())
    # Every second point's distance from the polyline of the others is four times a chord's own distance from the arc.
    chord = dynamics.distance_to_curve(long[1:-1:2], long[::2]).max()
    because = "distance of the curve from its polyline, by leaving out every second point; and the solver"
    distance = dynamics.distance_to_curve(short[:: len(short) // 40], long)
    return measured(name, distance, within=Tolerance(chord + 2 * SOLVER, because))
