"""Proposition 1: inside the invariant set training finds the minimum-norm solution, and nowhere beside it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.imbalance import own_data
from experiments.imbalance.networks import largest_curvature, linear_network, squared_loss, trained, trained_coordinates
from experiments.training import recording_steps
from experiments.updates import Adam
from theory.claims import AS_PRINTED, Check, Curves, Study, Tolerance, claim, curves, measured, on_data, varies
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.imbalance import convergence, dynamics, invariant_set
from theory.imbalance.problem import Network, coordinates, frozen_weights, gaussian

STARTS = (
    "both products 0",
    "U2 = 0",
    "only V U2^T = 0",
    "only U1 U2^T = 0",
    "V = 0",
    "generic",
    "U = 0 and V = 0",
)
INSIDE = 2  # the first two satisfy both hypotheses
UNSEEN = 10  # directions at most that are kept of those that the user's data do not see
DECAY = 30.0  # rate x time, so that of the residual e^-30 of its start is left
WORK = 1e10  # inputs x width x outputs x starts x steps: about two minutes
STEP_BY_STEP = "one rounding of H = Z U2^T a step, grown as equation 38 allows"


@dataclass(frozen=True)
class Sizes:
    """Of the problem and its seven starts."""

    width: int = varies("units of the hidden layer", 64, low=2, high=1000, from_data=True)
    scale: float = varies(
        "standard deviation of the weights, times the root of the width", 1.0, low=0.2, high=3, from_data=True
    )
    learning_rate: float = varies(
        "of gradient descent", 0.02, low=0, high=1, brackets="()", unit="time", from_data=True
    )
    steps: int = varies("of gradient descent", 4000, smoke=3000, low=100, high=40_000, from_data=True)
    inputs: int = varies("columns of X, D", 40, low=2, high=300, from_data=True)
    examples: int = varies("rows of X, n", 10, low=1, high=50, from_data=True)
    outputs: int = varies("columns of Y, m", 2, low=1, high=10, from_data=True)

    def __post_init__(self) -> None:
        if self.examples >= self.inputs:
            reject("examples", self.examples, f"fewer than the inputs {self.inputs}: all of U would be seen")
        if self.width <= self.examples + self.outputs:
            reject("width", self.width, f"above examples + outputs = {self.examples + self.outputs}: room for the set")


@claim(
    "min2021.proposition1",
    source="Min et al. 2021, Proposition 1",
    source_kind=AS_PRINTED,
    statement=r"V(0) U_2^\top = 0,\ U_1(0) U_2^\top = 0,\ E(\infty) = 0"
    r" \;\Rightarrow\; U V^\top(\infty) = \hat\Theta = X^+ Y",
    hypotheses=(
        "U1, U2 what the data see of U and what they do not: U = Phi1 U1 + Phi2 U2, X = W S Phi1^T",
        "V(0) U2^T = 0",
        "U1(0) U2^T = 0",
        "the residual E = W^T (Y - X U V^T) vanishes",
    ),
    theory_side="closed form",
    controls=(
        *(f"{start}: minimum norm" for start in STARTS[INSIDE:]),
        "Adam inside the set: minimum norm",
        "growth of H 5 % slower",
    ),
    accepts_data="regression",
    parameters=Sizes,
)
def training_inside_the_invariant_set_finds_the_minimum_norm(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _from_every_start(study, sizes)
    yield from _growth_is_attained(study)


@on_data
def _from_every_start(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    if study.data is None:
        problem, network = _drawn(study, sizes)
        run = _trained(study, problem, network, sizes.learning_rate, sizes.steps)
    else:
        problem, network = _of_the_data(study)
        run = _trained_on_data(study, problem, network)
    distance = invariant_set.distance_to_minimum_norm(problem, trained(run).end_to_end)
    residual = dynamics.residual(problem, trained_coordinates(problem, run))
    rounding = _rounding(problem, network, run, residual)
    # |U V^T - Theta_hat| <= |S^-1 E| + |U2 V^T|: what is left of the residual, and rounding in H = 0.
    left = np.sqrt((residual[-1] ** 2).sum((-2, -1))) / problem.S[-1]
    within = Tolerance(rounding[-1], "roundings of H, grown as equation 38 allows")
    within += Tolerance(left, "residual left / smallest singular value")
    outside = float(distance[-1, INSIDE:].min())
    for i, start in enumerate(STARTS):
        # A start outside the set is judged by the tolerance of the one inside it.
        inside = Tolerance(within.value[min(i, 1)], within.reason)
        reached = measured("distance", distance[-1, i], within=inside, case=start)
        yield (reached if i < INSIDE else reached.control(f"{start}: minimum norm")).equals(0.0, against=outside)
    yield from _the_set_is_invariant(problem, run, rounding)
    yield from _frozen_overlap(problem, network, run, rounding)
    yield from _adam_leaves_the_set(study, problem, network, float(within.value[0]))
    leak = np.hypot(*invariant_set.leakage(problem, trained(run)))
    yield curves(steps=run.facts["recorded"], distance=distance, leak=leak, starts=np.array(STARTS))


def _drawn(study: Study, sizes: Sizes) -> tuple[Regression, Network]:
    rng, n = study.rng("problem"), sizes.examples
    problem = random_regression(rng, D=sizes.inputs, n=n, m=sizes.outputs, singular_values=np.linspace(1.5, 0.7, n))
    return problem, _starts(problem, rng, sizes.width, sizes.scale / np.sqrt(sizes.width))


def _of_the_data(study: Study) -> tuple[Regression, Network]:
    """The data in their own basis and units; directions that no example sees are alike, so that a few of them do."""
    data = own_data.partly_seen(study)
    problem = Regression(np.diag(data.S) @ np.eye(data.r, data.r + min(data.D - data.r, UNSEEN)), data.targets)
    h = 2 * (problem.D + problem.m)
    return problem, _starts(problem, study.rng("own data"), h, 1 / np.sqrt(h))


def _trained_on_data(study: Study, problem: Regression, network: Network) -> Trajectory:
    eta, rate = 0.5 / largest_curvature(problem, network), _slowest_rate(problem, network)
    step = (1e-4 + network.U.size * (problem.m + 1) * 2e-9) / own_data.TRAININGS
    steps = own_data.affordable(study, problem, eta, rate, step, least=DECAY, most=1.01 * DECAY)
    return _trained(study, problem, network, eta, steps)


def _slowest_rate(problem: Regression, network: Network) -> float:
    """Of the residual, at the starts inside the set."""
    inside = Network(network.U[:INSIDE], network.V[:INSIDE])
    return float(convergence.slowest_rate(problem, coordinates(problem, inside)).min() / 2)


def _trained(study: Study, problem: Regression, network: Network, eta: float, steps: int) -> Trajectory:
    """All starts trained, where that is stable and leaves nothing of the residual of those inside the set."""
    stable = 1 / largest_curvature(problem, network)
    if eta > stable:
        reject("learning_rate", eta, f"at most {stable:.3g}, up to where descent from these starts is stable")
    needed = DECAY / (eta * _slowest_rate(problem, network))
    if steps < needed and study.given:
        reject("steps", steps, f"at least {needed:.0f} of {eta:g}, for the residual to vanish")
    steps = max(steps, int(np.ceil(needed)))  # one start in tens of thousands is so slow
    if study.data is None and (work := network.U.size * problem.m * steps) > WORK:
        reject("steps", steps, f"at most {steps * WORK / work:.0f} at these sizes: two minutes of them")
    return linear_network(study, problem, network).train(
        learning_rate=eta, steps=steps, record=recording_steps(steps, 201)
    )


def _starts(problem: Regression, rng: np.random.Generator, h: int, scale: float) -> Network:
    generic = gaussian(problem, h, rng, scales=(scale, scale))
    Z = coordinates(problem, generic)
    V, U1 = dynamics.split(problem, Z)
    unseen = problem.from_unseen(frozen_weights(problem, generic))
    starts = (
        invariant_set.onto_invariant_set(problem, generic),
        Network(generic.U - unseen, generic.V),
        invariant_set.without_overlap(problem, generic, V),
        invariant_set.without_overlap(problem, generic, U1),
        Network(generic.U, np.zeros_like(generic.V)),
        generic,
        Network(np.zeros_like(generic.U), np.zeros_like(generic.V)),
    )
    return Network(np.concatenate([s.U for s in starts]), np.concatenate([s.V for s in starts]))


def _the_set_is_invariant(problem: Regression, run: Trajectory, rounding: Array) -> Iterator[Check]:
    leak = np.hypot(*invariant_set.leakage(problem, trained(run)))
    within = Tolerance(rounding[:, :INSIDE], STEP_BY_STEP)
    inside = measured("H = Z U2^T inside the set", leak[:, :INSIDE], within=within, axes=("t", "run"))
    yield inside.equals(0.0, against=float(leak[-1, STARTS.index("generic")]))


def _frozen_overlap(problem: Regression, network: Network, run: Trajectory, rounding: Array) -> Iterator[Check]:
    """Outside the set too, U2 V^T is what the overlap of U2 with the start makes of V(t); at the start it is that."""
    unseen = problem.unseen(trained(run).end_to_end)
    predicted = invariant_set.unseen_end_to_end(problem, network, run["V"])
    # Where Z(0) has lost rank its rows span less, and QR completes them: the projector is no longer unique.
    full = [i for i, start in enumerate(STARTS) if "V = 0" not in start]
    within = Tolerance(rounding[1:, full, None, None], STEP_BY_STEP)
    overlap = measured("U2 V(t)^T = U2 Pi V(t)^T", unseen[1:, full], within=within, axes=("t", "run"))
    yield overlap.equals(lambda k: k * predicted[1:, full])


def _growth_is_attained(study: Study) -> Iterator[Check]:
    """r = m = 1 with H(0) along the growing direction (1, 1): |H| grows exactly as inequality 38 allows."""
    problem = Regression(np.array([[1.0, 0.0]]), np.array([[1.0]]))
    # Rows v = (0.3, 0), u1 = (0.3, 0.4), u2 = (1, 0): both products with u2 are 0.3. The sign is that of y~, +-1.
    U1, U2, V = np.array([0.3, 0.4]), np.array([1.0, 0.0]), problem.targets * np.array([0.3, 0.0])
    network = Network((problem.Phi1 * U1 + problem.from_unseen(U2[None]))[None], V[None])
    eta, steps = 1e-3, 2000
    run = linear_network(study, problem, network).train(learning_rate=eta, steps=steps, record=range(steps + 1))
    start, *_, end = np.hypot(*invariant_set.leakage(problem, trained(run)))
    residual = dynamics.residual(problem, trained_coordinates(problem, run))
    bound = np.log(invariant_set.growth_bound(problem, run.t, residual)[-1])
    # One step multiplies H by 1 + eta |S E|, whose logarithm is short of eta |S E| by half its square; the bound takes
    # the larger end of each interval, so it exceeds the sum by at most eta times what |S E| loses on the way.
    speed = np.abs(residual)[:, 0, 0, 0]
    within = Tolerance(
        eta * (speed[0] - speed[-1]) + eta**2 * (speed**2).sum() / 2,
        "first order of the step in both the descent and the sum that stands for the integral",
    )
    growth = measured("growth of H along (1, 1)", np.log(end / start), within=within)
    yield growth.equals(bound)
    yield growth.control("growth of H 5 % slower").equals(0.95 * bound)


def _adam_leaves_the_set(study: Study, problem: Regression, network: Network, tolerance: float) -> Iterator[Check]:
    inside = Network(network.U[:1], network.V[:1])
    adam = linear_network(study, problem, inside, rule=Adam(squared_loss(problem, study.device)))
    run = adam.train(learning_rate=0.01, steps=1000, record=[1000])
    distance = invariant_set.distance_to_minimum_norm(problem, trained(run).end_to_end[-1])
    reached = measured("distance", distance, within=Tolerance(tolerance, "the tolerance of gradient descent"))
    yield reached.control("Adam inside the set: minimum norm").equals(0.0)


def _rounding(problem: Regression, network: Network, run: Trajectory, residual: Array) -> Array:
    """What rounding can make of H (T, runs): one rounding of |Z| |U2| a step, and its growth since (equation 38)."""
    growth = invariant_set.growth_bound(problem, run.t, residual)
    Z = np.sqrt((run["V"] ** 2).sum((-2, -1)) + (run["U"] ** 2).sum((-2, -1))).max(0)
    terms = problem.D + network.h
    size = Z * np.linalg.norm(network.U, axis=(-2, -1))
    # What stays at the saddle has a residual for ever, whose growth overflows: but it has no weights to grow.
    grown = np.multiply(growth, size, out=np.zeros_like(growth), where=size > 0)
    return (run.facts["recorded"][:, None] + 1) * EPS * terms * grown
