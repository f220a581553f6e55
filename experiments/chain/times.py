"""How long each method takes to come within epsilon of the minimum norm, and stay: flows, and chains trained beside."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from experiments.chain.networks import MinnormDescent, refine, squared_loss, train_chain
from experiments.training.refinement import tends_to
from experiments.training.updates import DecayedDescent, State, Update, constant
from theory.chain import gradient_flow, minnorm, weight_decay
from theory.chain.problem import Chain, distance
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.flows import flow
from theory.core.trajectory import Trajectory

CHAIN = Chain(1.7, 3)
START = np.array([1.8, 1.0, 0.9])
GAMMAS = (0.3, 0.1, 0.03)
SWITCH, PHASE = 6.0, 0.5  # two phases: weight decay PHASE until SWITCH, then none
METHODS = ("gradient flow", *(f"L2, gamma = {gamma:g}" for gamma in GAMMAS), "annealed L2", "two-phase L2")
DISTANT = (1e-1, 1e-2, 1e-3, 1e-4)


@claim(
    "minnorm.chain_times",
    source="Bansal et al. 2018 (reconstruction: the claim of faster convergence, on the scalar chain); ours",
    statement=r"T_{L2}(\epsilon) \sim \tfrac{\kappa}{2\epsilon} \log\tfrac1\epsilon,\ T_{1/(1+t)}(\epsilon) \sim"
    r" \tfrac{\kappa}{\epsilon},\ \kappa = \tfrac{\sqrt L\,\omega}{g};\quad"
    r" T_{Minnorm}(\epsilon) \sim \tfrac{1}{2a} \log\tfrac1\epsilon",
    hypotheses=("depth 3, unbalanced start", "best constant weight decay for each epsilon", "best tuning of Minnorm"),
    controls=(
        "gradient flow arrives",
        "constant weight decay arrives",
        "two-phase weight decay arrives",
        "best weight decay 10 % slower",
        "annealed weight decay 10 % slower",
        "Minnorm at half the rate",
    ),
)
def minnorm_is_faster_than_any_weight_decay(study: Study) -> Iterator[Check | Curves]:
    t, distances, solver_error = yield from _training_on_the_flows(study)
    yield from _plateaus(t, distances, solver_error)
    fixed = yield from _best_fixed(study)
    annealed = yield from _annealed()
    two_phases = _two_phases()
    yield from _minnorm(fixed, annealed, two_phases)
    yield from _trained_times(study)


def _training_on_the_flows(study: Study) -> Iterator[Check | Curves]:
    """Distance along the way, trained and flowing: seven methods, those without a multiplier as one batch."""
    horizon, eta = study.pick(smoke=(12.0, 0.06), quick=(24.0, 0.04), paper=(96.0, 0.04))
    w = np.repeat(START[None], len(METHODS), axis=0)
    decayed = refine(study, "weight decay", CHAIN, w, _family, learning_rate=eta, horizon=horizon, records=49, levels=3)
    t = decayed[0].t
    solution, family_error = _solved(_family_flow, t)
    logs = [np.log(distance(CHAIN, run["w"])) for run in decayed]
    yield from tends_to("six schedules of weight decay: log distance", logs, solution, family_error)
    best = minnorm.best_tuning(CHAIN)
    rule = lambda: MinnormDescent(CHAIN, best)  # noqa: E731
    integral = refine(study, "Minnorm", CHAIN, w[:1], rule, learning_rate=0.02, horizon=8.0, records=41)
    minnorm_logs = [np.log(distance(CHAIN, run["w"])) for run in integral]
    solution_minnorm, error = _solved(_minnorm_flow, integral[0].t)
    rounding = 2 ** len(integral) * 16 * EPS * CHAIN.omega / np.exp(solution_minnorm)
    yield from tends_to("Minnorm: log distance", minnorm_logs, solution_minnorm, error + rounding)
    yield curves(methods=np.array(METHODS), t=t, flow=np.exp(solution), trained=np.exp(logs[-1]))
    fine = np.linspace(0, 12, 241)
    yield curves(t_minnorm=fine, flow_minnorm=np.exp(_minnorm_flow(fine, 1e-12)[:, 0]))
    yield curves(t_minnorm_trained=integral[0].t, trained_minnorm=np.exp(minnorm_logs[-1][:, 0]))
    yield curves(residual=np.exp(logs[-1] - solution) - 1)
    yield curves(residual_minnorm=np.exp(minnorm_logs[-1] - solution_minnorm)[:, 0] - 1)
    distances = np.exp(solution)
    return t, distances, distances[-1] * family_error + 16 * EPS * CHAIN.omega


def _solved(solve: Callable[[Array, float], Array], t: Array) -> tuple[Array, Array]:
    """A flow, and what a hundred times the tolerance changes."""
    fine, coarse = solve(t, 1e-12), solve(t, 1e-10)
    return fine, np.abs(fine - coarse).max(0)


def _gamma(time: Tensor) -> Tensor:
    """The schedules of METHODS at times (6,), one a run."""
    fixed = torch.tensor((0.0, *GAMMAS), dtype=time.dtype, device=time.device)
    annealed = 1 / (1 + time[4:5])
    return torch.cat([fixed, annealed, PHASE * (time[5:] < SWITCH - 1e-9)])


def _family() -> Update:
    return DecayedDescent(squared_loss(CHAIN), _gamma)


def _family_flow(t: Array, tolerance: float) -> Array:
    """Log distances (T, 6) of the flows, in two pieces: one schedule jumps at SWITCH."""

    def piece(start: Array, begins: float, phase: float, times: Array) -> Array:
        def velocity(time: float, state: dict[str, Array]) -> dict[str, Array]:
            gamma = np.array([0.0, *GAMMAS, 1 / (1 + begins + time), phase])
            return {"w": weight_decay.velocity(CHAIN, state["w"], gamma)}

        solution = flow(velocity, {"w": start}, times, relative_tolerance=tolerance, absolute_tolerance=tolerance / 100)
        return solution["w"]

    first = piece(np.repeat(START[None], len(METHODS), axis=0), 0.0, PHASE, t[t <= SWITCH])
    second = piece(first[-1], SWITCH, 0.0, t[t >= SWITCH] - SWITCH)
    return np.log(distance(CHAIN, np.concatenate([first, second[1:]])))


def _minnorm_flow(t: Array, tolerance: float) -> Array:
    """Log distance (T, 1) of the Minnorm flow at its best tuning."""
    best = minnorm.best_tuning(CHAIN)

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        w, multiplier = minnorm.velocity(CHAIN, best, state["w"], state["multiplier"])
        return {"w": w, "multiplier": multiplier}

    start = {"w": START[None], "multiplier": np.zeros(1)}
    solution = flow(velocity, start, t, relative_tolerance=tolerance, absolute_tolerance=1e-15)
    return np.log(distance(CHAIN, solution["w"]))


def _plateaus(t: Array, distances: Array, solver_error: Array) -> Iterator[Check | Curves]:
    """Where the methods that never arrive end: the limits of gradient flow, and the bias of each gamma."""
    left = float(distance(CHAIN, gradient_flow.limit(CHAIN, START)))
    tolerance = np.exp(-CHAIN.g * t[-1] / 2) + solver_error[0]
    because = "e^(-g t / 2), and the solver's error"
    yield equal("gradient flow: distance left", distances[-1, 0], left, tolerance=tolerance, because=because)
    products = np.array([weight_decay.equilibrium(CHAIN, gamma) for gamma in GAMMAS])
    biases = np.sqrt(3) * (CHAIN.omega - products ** (1 / 3))
    # What is left of the imbalance adds to the bias in squares, at most A e^(-2 gamma t).
    A = np.linalg.norm(START**2 - (START**2).mean()) / (2 * CHAIN.omega)
    tolerance = 2 * A * np.exp(-2 * np.array(GAMMAS) * t[-1]) + solver_error[1:4]
    because = "twice what weight decay leaves of the imbalance, and the solver's error"
    yield equal("gamma: distance left", distances[-1, 1:4], biases, tolerance=tolerance, because=because)
    within = lambda i: at_most("distance", distances[-1, i], 1e-4, because="accuracy asked for")  # noqa: E731
    yield refuted("gradient flow arrives", within(0))
    yield refuted("constant weight decay arrives", within(3))
    yield refuted("two-phase weight decay arrives", within(5))
    yield curves(plateaus=np.array([left, *biases]))


def hitting_time(t: Array, distances: Array, epsilon: float) -> float:
    """When a distance (T,) is last above epsilon: the last crossing of the cubic spline of its logarithm.

    Infinite if it still is above at the end.
    """
    if distances[-1] > epsilon:
        return np.inf
    above = np.flatnonzero(distances > epsilon)
    if above.size == 0:
        return 0.0
    near = slice(max(above[-1] - 3, 0), above[-1] + 5)
    roots = CubicSpline(t[near], np.log(distances[near] / epsilon)).roots(extrapolate=False)
    return float(roots[(roots >= t[above[-1]]) & (roots <= t[above[-1] + 1])][-1])


def _best_fixed(study: Study) -> Iterator[Check | Curves]:
    """The best of many constant gammas for each epsilon, against the best there is as epsilon -> 0."""
    epsilons = np.array(DISTANT)
    measured = np.array([_best_fixed_time(epsilon) for epsilon in epsilons])
    predicted = np.array([weight_decay.best_fixed_time(CHAIN, START, epsilon) for epsilon in epsilons])
    ratio = measured / predicted
    limit, error = richardson(list(ratio[1:]), ratio=10)
    tolerance = error + np.abs(ratio[1] - 1) ** 2
    because = "last Richardson correction in epsilon, and the square of the first term left out"
    yield equal("best weight decay: time over its formula", limit, 1, tolerance=tolerance, because=because)
    slower = equal("time over formula", limit, 1.1, tolerance=tolerance, because=because)
    yield refuted("best weight decay 10 % slower", slower)
    yield curves(epsilons=epsilons, best_fixed=measured, best_fixed_formula=predicted)
    return measured


def _best_fixed_time(epsilon: float) -> float:
    theta = np.linspace(0.7, 1 + 0.9 * epsilon, 27)
    gamma = theta * epsilon / weight_decay.distance_per_gamma(CHAIN)
    # In units of 1 / gamma all of them forget alike.
    scaled = np.linspace(0, 1.5 * np.log(4 / epsilon), 1201)

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        return {"w": weight_decay.velocity(CHAIN, state["w"], gamma) / gamma[:, None]}

    start = {"w": np.repeat(START[None], len(gamma), axis=0)}
    w = flow(velocity, start, scaled, method="LSODA", relative_tolerance=1e-9, absolute_tolerance=1e-11 * epsilon)["w"]
    times = np.array([hitting_time(scaled, d, epsilon) / g for d, g in zip(distance(CHAIN, w).T, gamma)])
    # Between the gammas tried, by a spline through the best and three on either side.
    best = int(times.argmin())
    spline = CubicSpline(theta[best - 3 : best + 4], times[best - 3 : best + 4])
    return float(spline(np.linspace(theta[best - 1], theta[best + 1], 2001)).min())


def _annealed() -> Iterator[Check | Curves]:
    """gamma = 1 / (1 + t), in log time: epsilon T tends to kappa."""
    log_time = np.linspace(0, 9.5, 3001)

    def velocity(tau: float, state: dict[str, Array]) -> dict[str, Array]:
        return {"w": np.exp(tau) * weight_decay.velocity(CHAIN, state["w"], np.exp(-tau))}

    solution = flow(velocity, {"w": START}, log_time, method="LSODA", absolute_tolerance=1e-13)
    distances = distance(CHAIN, solution["w"])
    times = np.array([hitting_time(np.expm1(log_time), distances, epsilon) for epsilon in DISTANT])
    limit, error = richardson(list(times[1:] * np.array(DISTANT[1:])), ratio=10)
    predicted = weight_decay.annealed_time(CHAIN, 1.0, 1.0)
    because = "last Richardson correction in epsilon"
    yield equal("annealed weight decay: epsilon x time", limit, predicted, tolerance=error, because=because)
    slower = equal("epsilon x time", limit, 1.1 * predicted, tolerance=error, because=because)
    yield refuted("annealed weight decay 10 % slower", slower)
    yield curves(annealed=times)
    return times


def _two_phases() -> Array:
    """The best switch for each epsilon, weight decay PHASE before it: log(1 / epsilon), for an epsilon known before."""
    switch = np.linspace(0, 14, 113)
    t = np.linspace(0, 20, 801)
    w = flow(lambda _, state: {"w": weight_decay.velocity(CHAIN, state["w"], PHASE)}, {"w": START}, t)["w"]
    states = np.stack([CubicSpline(t, w)(number) for number in switch])
    after = np.linspace(0, 8, 321)
    released = flow(lambda _, state: {"w": gradient_flow.velocity(CHAIN, state["w"])}, {"w": states}, after)["w"]
    distances = distance(CHAIN, released)
    return np.array(
        [min(number + hitting_time(after, d, epsilon) for number, d in zip(switch, distances.T)) for epsilon in DISTANT]
    )


def _minnorm(fixed: Array, annealed: Array, two_phases: Array) -> Iterator[Check | Curves]:
    """Each decade costs log(10) / (2a), and a little more because the eigenvalue is double."""
    t = np.linspace(0, 14, 2801)
    distances = np.exp(_minnorm_flow(t, 1e-12)[:, 0])
    epsilons = 10.0 ** -np.arange(1, 10)
    times = np.array([hitting_time(t, distances, epsilon) for epsilon in epsilons])
    decades = np.diff(times)[5:]
    rate = -minnorm.spectrum(CHAIN, minnorm.best_tuning(CHAIN)).real.max()
    because = "d = (C + C' t) e^(-2 a t), growing in its bracket"
    yield at_least("Minnorm: time a decade", decades, np.log(10) / rate, because=because)
    because = "and the bracket, zero at t < 3, adds less than a tenth beyond t = 8"
    yield at_most("Minnorm: time a decade, at most", decades, 1.1 * np.log(10) / rate, because=because)
    half = at_least("decade", decades, np.log(10) / (rate / 2), because=because)
    yield refuted("Minnorm at half the rate", half)
    four = times[: len(DISTANT)]
    because = "the paper's claim, at each epsilon from 0.1 to 1e-4"
    yield at_most("Minnorm before the best constant weight decay", four, fixed, because=because)
    yield at_most("Minnorm before annealed weight decay", four, annealed, because=because)
    because = "honest: told epsilon beforehand, two phases come within a factor"
    yield at_most("two phases before the best constant weight decay", two_phases, fixed, because=because)
    dense = np.logspace(-1, -9, 65)
    yield curves(minnorm_epsilons=dense, minnorm_times=[hitting_time(t, distances, epsilon) for epsilon in dense])
    yield curves(two_phases=two_phases)


def _trained_times(study: Study) -> Iterator[Check | Curves]:
    """The same times from training, where training can wait for them; Minnorm's approach the flow's at order 1."""
    best = minnorm.best_tuning(CHAIN)
    epsilons = (1e-1, 1e-2, 1e-3, 1e-4)
    times = []
    for level in range(3):
        eta = 0.02 / 2**level
        steps = round(9 / eta)
        run = _every_distance(study, f"times {level}", MinnormDescent(CHAIN, best), 1, eta, steps)
        times.append(np.array([[hitting_time(run.t, run["distance"][:, 0], epsilon) for epsilon in epsilons]]))
    t = np.linspace(0, 14, 2801)
    distances = np.exp(_minnorm_flow(t, 1e-12)[:, 0])
    predicted = np.array([[hitting_time(t, distances, epsilon) for epsilon in epsilons]])
    yield from tends_to("Minnorm: time to epsilon", times, predicted, 1e-6)
    yield curves(trained_epsilons=epsilons, trained_times=times[-1][0])
    epsilons, steps = study.pick(smoke=((1e-1,), 200), quick=((1e-1, 3e-2, 1e-2), 2200), paper=(DISTANT[:3], 30000))
    gamma = (np.outer(epsilons, np.linspace(0.6, 1, 9)) / weight_decay.distance_per_gamma(CHAIN)).ravel()
    rule = DecayedDescent(squared_loss(CHAIN), constant(gamma))
    run = _every_distance(study, "best gamma", rule, len(gamma), 0.06, steps)
    reached = [min(hitting_time(run.t, d, epsilon) for d in run["distance"].T) for epsilon in epsilons]
    yield curves(trained_fixed_epsilons=np.array(epsilons), trained_fixed=np.array(reached))


def _every_distance(study: Study, name: str, rule: Update, runs: int, eta: float, steps: int) -> Trajectory:
    target = torch.tensor(CHAIN.omega, dtype=torch.float64, device=study.device)

    def observe(state: State) -> State:
        return {"distance": (state["w"] - target).norm(dim=-1)}

    w = np.repeat(START[None], runs, axis=0)
    record = list(range(steps + 1))
    return train_chain(study, name, CHAIN, w, rule, learning_rate=eta, steps=steps, record=record, observe=observe)
