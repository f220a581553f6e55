"""How long each method takes to come within epsilon of the minimum norm, and stay: flows, and chains trained beside."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from experiments.chain.networks import decayed_descent, minnorm_descent
from experiments.training import State, Trainee, tends_to
from theory.chain import gradient_flow, minnorm, times, weight_decay
from theory.chain.problem import Chain, distance
from theory.chain.times import hitting_times
from theory.claims import Check, Curves, Study, Tolerance, claim, curves, exactly, measured
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.flows import flow
from theory.core.trajectory import Trajectory

CHAIN = Chain(1.7, 3)
START = np.array([1.8, 1.0, 0.9])
BEST = minnorm.best_tuning(CHAIN)
GAMMAS = (0.3, 0.1, 0.03)
SWITCH, PHASE = 6.0, 0.5  # two phases: weight decay PHASE until SWITCH, then none
METHODS = ("gradient flow", *(f"L2, gamma = {gamma:g}" for gamma in GAMMAS), "annealed L2", "two-phase L2")
EPSILONS = np.array([1e-1, 1e-2, 1e-3, 1e-4])


@claim(
    "minnorm.chain_times",
    source="Bansal et al. 2018 (reconstruction: the claim of faster convergence, on the scalar chain); ours",
    statement=r"T_{L2}(\epsilon) \sim \tfrac{\kappa}{2\epsilon} \log\tfrac1\epsilon,\ T_{1/(1+t)}(\epsilon) \sim"
    r" \tfrac{\kappa}{\epsilon},\ \kappa = \tfrac{\sqrt L\,\omega}{g};\quad"
    r" T_{Minnorm}(\epsilon) \sim \tfrac{1}{2a} \log\tfrac1\epsilon",
    hypotheses=("depth 3, unbalanced start", "best constant weight decay for each epsilon", "best tuning of Minnorm"),
    theory_side="law",
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
    yield from _weight_decay_on_its_flow(study)
    yield from _minnorm_on_its_flow(study)
    fixed = np.array([times.fixed_time(CHAIN, START, epsilon) for epsilon in EPSILONS])
    annealed = times.annealed_times(CHAIN, START, EPSILONS)
    two_phases = times.two_phase_times(CHAIN, START, PHASE, EPSILONS)
    yield curves("times", epsilons=EPSILONS, best_fixed=fixed, annealed=annealed, two_phases=two_phases)
    yield from _best_fixed(fixed)
    yield from _annealed(annealed)
    t = np.linspace(0, 14, 2801)
    flowing = times.minnorm_distances(CHAIN, BEST, START, t)
    yield from _decades_of_minnorm(t, flowing)
    yield from _minnorm_is_first(hitting_times(t, flowing, EPSILONS), fixed, annealed, two_phases)
    yield from _trained_times(study, hitting_times(t, flowing, EPSILONS))
    yield from _trained_times_of_weight_decay(study)


def _weight_decay_on_its_flow(study: Study) -> Iterator[Check | Curves]:
    """Distance along the way, trained and flowing: the six methods without a multiplier as one batch."""
    horizon, eta = study.pick(smoke=(12.0, 0.06), quick=(24.0, 0.04), paper=(96.0, 0.04))
    trainee = decayed_descent(study, CHAIN, np.repeat(START[None], len(METHODS), axis=0), _gamma)
    runs = trainee.refine(learning_rate=eta, horizon=horizon, records=49)
    t, logs = runs[0].t, [np.log(distance(CHAIN, run["w"])) for run in runs]
    solution, error = _solved(_weight_decay_flow, t)
    yield from tends_to("six schedules of weight decay: log distance", logs, solution, error)
    distances, residual = np.exp(solution), np.exp(logs[-1] - solution) - 1
    names = np.array(METHODS)
    yield curves("weight decay", methods=names, t=t, flow=distances, trained=np.exp(logs[-1]), percent=100 * residual)
    yield from _plateaus(t[-1], distances[-1], distances[-1] * error + 16 * EPS * CHAIN.omega)


def _minnorm_on_its_flow(study: Study) -> Iterator[Check | Curves]:
    runs = _by_minnorm(study).refine(learning_rate=0.02, horizon=8.0, records=41, levels=4)
    t, logs = runs[0].t, [np.log(distance(CHAIN, run["w"])) for run in runs]
    solution, error = _solved(_minnorm_flow, t)
    rounded = 2 ** len(runs) * 16 * EPS * CHAIN.omega / np.exp(solution)
    yield from tends_to("Minnorm: log distance", logs, solution, error + rounded)
    percent = 100 * (np.exp(logs[-1] - solution)[:, 0] - 1)
    yield curves("Minnorm, trained", t=t, distance=np.exp(logs[-1][:, 0]), percent=percent)
    fine = np.linspace(0, 12, 241)
    yield curves("Minnorm", t=fine, distance=times.minnorm_distances(CHAIN, BEST, START, fine))


def _solved(solve: Callable[[Array, float], Array], t: Array) -> tuple[Array, Array]:
    """A flow, and what a hundred times the tolerance changes."""
    fine, coarse = solve(t, 1e-12), solve(t, 1e-10)
    return fine, np.abs(fine - coarse).max(0)


def _gamma(time: Tensor) -> Tensor:
    """The schedules of METHODS at times (6,), one a run."""
    fixed = torch.tensor((0.0, *GAMMAS), dtype=time.dtype, device=time.device)
    annealed = 1 / (1 + time[4:5])
    return torch.cat([fixed, annealed, PHASE * (time[5:] < SWITCH - 1e-9)])


def _weight_decay_flow(t: Array, tolerance: float) -> Array:
    """Log distances (T, 6) of the flows, in two pieces: one schedule jumps at SWITCH."""

    def piece(start: Array, begins: float, phase: float, grid: Array) -> Array:
        def velocity(time: float, state: dict[str, Array]) -> dict[str, Array]:
            gamma = np.array([0.0, *GAMMAS, 1 / (1 + begins + time), phase])
            return {"w": weight_decay.velocity(CHAIN, state["w"], gamma)}

        solution = flow(velocity, {"w": start}, grid, relative_tolerance=tolerance, absolute_tolerance=tolerance / 100)
        return solution["w"]

    first = piece(np.repeat(START[None], len(METHODS), axis=0), 0.0, PHASE, t[t <= SWITCH])
    second = piece(first[-1], SWITCH, 0.0, t[t >= SWITCH] - SWITCH)
    return np.log(distance(CHAIN, np.concatenate([first, second[1:]])))


def _minnorm_flow(t: Array, tolerance: float) -> Array:
    return np.log(times.minnorm_distances(CHAIN, BEST, START, t, tolerance))[:, None]


def _plateaus(horizon: float, distances: Array, solver_error: Array) -> Iterator[Check]:
    """Where the methods that never arrive end: the limits of gradient flow, and the bias of each gamma."""
    tolerance = np.exp(-CHAIN.g * horizon / 2) + solver_error[0]
    within = Tolerance(tolerance, "e^(-g t / 2), and the solver's error")
    left = measured("distance left", distances[0], within=within, case="gradient flow")
    yield left.equals(float(distance(CHAIN, gradient_flow.limit(CHAIN, START))))
    products = np.array([weight_decay.equilibrium(CHAIN, gamma) for gamma in GAMMAS])
    # What is left of the imbalance adds to the bias in squares, at most A e^(-2 gamma t).
    A = np.linalg.norm(START**2 - (START**2).mean()) / (2 * CHAIN.omega)
    tolerance = 2 * A * np.exp(-2 * np.array(GAMMAS) * horizon) + solver_error[1:4]
    within = Tolerance(tolerance, "twice what weight decay leaves of the imbalance, and the solver's error")
    left = measured("distance left", distances[1:4], within=within, case="gamma")
    yield left.equals(np.sqrt(3) * (CHAIN.omega - products ** (1 / 3)))
    for i, method in ((0, "gradient flow"), (3, "constant weight decay"), (5, "two-phase weight decay")):
        left = measured("distance left", distances[i], within=exactly("accuracy asked for"))
        yield left.control(f"{method} arrives").at_most(1e-4)


def _best_fixed(taken: Array) -> Iterator[Check | Curves]:
    """The best of many constant gammas for each epsilon, against the best there is as epsilon -> 0."""
    formula = np.array([weight_decay.best_fixed_time(CHAIN, START, epsilon) for epsilon in EPSILONS])
    ratio = taken / formula
    limit, error = richardson(list(ratio[1:]), ratio=10)
    because = "last Richardson correction in epsilon, and the square of the first term left out"
    within = Tolerance(error + np.abs(ratio[1] - 1) ** 2, because)
    best = measured("time over its formula", limit, within=within, case="best weight decay")
    yield best.equals(1)
    yield best.control("best weight decay 10 % slower").equals(1.1)
    yield curves("times", best_fixed_formula=formula)


def _annealed(taken: Array) -> Iterator[Check]:
    """epsilon T tends to kappa."""
    limit, error = richardson(list(taken[1:] * EPSILONS[1:]), ratio=10)
    within = Tolerance(error, "last Richardson correction in epsilon")
    annealed = measured("epsilon x time", limit, within=within, case="annealed weight decay")
    predicted = weight_decay.annealed_time(CHAIN, 1.0, 1.0)
    yield annealed.equals(predicted)
    yield annealed.control("annealed weight decay 10 % slower").equals(1.1 * predicted)


def _decades_of_minnorm(t: Array, distances: Array) -> Iterator[Check | Curves]:
    """Each decade costs log(10) / (2a), and a little more because the eigenvalue is double."""
    decades = np.diff(hitting_times(t, distances, 10.0 ** -np.arange(1, 10)))[5:]
    rate = -minnorm.spectrum(CHAIN, BEST).real.max()
    at_least = exactly("d = (C + C' t) e^(-2 a t), growing in its bracket")
    decade = measured("Minnorm: time a decade", decades, within=at_least)
    yield decade.at_least(np.log(10) / rate)
    yield decade.control("Minnorm at half the rate").at_least(np.log(10) / (rate / 2))
    at_most = exactly("and the bracket, zero at t < 3, adds less than a tenth beyond t = 8")
    yield measured("Minnorm: time a decade, at most", decades, within=at_most).at_most(1.1 * np.log(10) / rate)
    dense = np.logspace(-1, -9, 65)
    yield curves("times of Minnorm", epsilons=dense, times=hitting_times(t, distances, dense))


def _minnorm_is_first(taken: Array, fixed: Array, annealed: Array, two_phases: Array) -> Iterator[Check]:
    claimed = exactly("the paper's claim, at each epsilon from 0.1 to 1e-4")
    yield measured("Minnorm before the best constant weight decay", taken, within=claimed).at_most(fixed)
    yield measured("Minnorm before annealed weight decay", taken, within=claimed).at_most(annealed)
    told = exactly("honest: told epsilon beforehand, two phases come within a factor")
    yield measured("two phases before the best constant weight decay", two_phases, within=told).at_most(fixed)


def _trained_times(study: Study, predicted: Array) -> Iterator[Check | Curves]:
    """The times of Minnorm from training; they approach the flow's at order 1."""
    trained = []
    for level in range(3):
        run = _every_distance(_by_minnorm(study), 0.02 / 2**level, round(9 / (0.02 / 2**level)))
        trained.append(hitting_times(run.t, run["distance"][:, 0], EPSILONS)[None])
    yield from tends_to("Minnorm: time to epsilon", trained, predicted[None], 1e-6)
    yield curves("times of Minnorm, trained", epsilons=EPSILONS, times=trained[-1][0])


def _trained_times_of_weight_decay(study: Study) -> Iterator[Curves]:
    """The times of the best constant weight decay from training, where training can wait for them."""
    epsilons, steps = study.pick(smoke=((1e-1,), 200), quick=((1e-1, 3e-2, 1e-2), 2200), paper=(EPSILONS[:3], 30000))
    gamma = (np.outer(epsilons, np.linspace(0.6, 1, 9)) / weight_decay.distance_per_gamma(CHAIN)).ravel()
    w = np.repeat(START[None], len(gamma), axis=0)
    run = _every_distance(decayed_descent(study, CHAIN, w, gamma), 0.06, steps)
    reached = np.min([hitting_times(run.t, d, epsilons) for d in run["distance"].T], axis=0)
    yield curves("times of weight decay, trained", epsilons=epsilons, times=reached)


def _by_minnorm(study: Study) -> Trainee:
    return minnorm_descent(study, CHAIN, START[None], BEST)


def _every_distance(trainee: Trainee, eta: float, steps: int) -> Trajectory:
    target = torch.tensor(CHAIN.omega, dtype=torch.float64, device=trainee.study.device)

    def observe(state: State) -> State:
        return {"distance": (state["w"] - target).norm(dim=-1)}

    return replace(trainee, observe=observe).train(learning_rate=eta, steps=steps, record=range(steps + 1))
