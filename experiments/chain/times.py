"""How long each method takes to come within epsilon of the minimum norm, and stay: in training, and by their laws."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from experiments.chain.paths import (
    BEST,
    CHAIN,
    PHASE,
    START,
    SWITCH,
    by_minnorm,
    by_weight_decay,
    every_distance,
    methods,
    minnorm_flow,
    solved,
    weight_decay_flow,
)
from experiments.training import extrapolated, tends_to
from theory.chain import gradient_flow, times, weight_decay
from theory.chain.problem import distance
from theory.chain.times import hitting_time, hitting_times
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    varies,
)
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.core.validation import reject

EPSILONS = np.array([1e-1, 1e-2, 1e-3, 1e-4])
# Of Minnorm in training; it overtakes annealed weight decay between the first and the second.
ACCURACIES = np.append([0.25, 0.2, 0.1, 0.03], 10.0 ** -np.arange(2, 9))
EASIEST, CROSSED, TOLD = range(3)
# Two phases that a search over both found fast to an accuracy of 0.1: this weight decay, until then.
FAST_PHASE, FAST_SWITCH = 2.0, 0.55
SOLVED = 1e-5  # of the times of integrated flows


@dataclass(frozen=True)
class Race:
    """How the methods are trained; the chain and its start are those that the empirical accuracies are of."""

    gammas: tuple[float, ...] = varies(
        "three constant weight decays whose paths are shown", (0.3, 0.1, 0.03), low=0.01, high=0.4
    )
    horizon: float = varies(
        "until when weight decays are watched", 24.0, smoke=12.0, paper=96.0, low=12, high=96, unit="time"
    )
    learning_rate: float = varies("of weight decay, coarsest run", 0.04, smoke=0.06, low=0.01, high=0.06)
    minnorm_learning_rate: float = varies("of Minnorm, coarsest run", 0.02, smoke=0.03, low=5e-3, high=0.03)
    accuracies: int = varies(
        "of 0.25, 0.2, 0.1, 0.03, 0.01: how many weight decay is trained to", 5, smoke=3, low=3, high=5
    )

    def __post_init__(self) -> None:
        if len(set(self.gammas)) != 3:
            reject("gammas", self.gammas, "three different weight decays")
        if 48 * SWITCH % self.horizon:
            reject(
                "horizon",
                self.horizon,
                f"12, 18, 24 or another number that divides {48 * SWITCH:g}: t = {SWITCH:g} is looked at",
            )

    @property
    def wait(self) -> float:
        """Until when weight decay is trained: it comes to an accuracy by kappa / accuracy."""
        return {3: 11.0, 4: 50.0, 5: 160.0}[self.accuracies]


@claim(
    "minnorm.chain_times",
    source="Bansal et al. 2018, abstract (reconstruction: method, accuracy and laws are ours)",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"T(\epsilon) \text{ until } |w - w^*| < \epsilon \text{ for good, } w^* \text{ the nearest minimum of}"
    r" \ |w| \text{ under } \textstyle\prod_l w_l = s:"
    r"\quad T_{\text{Minnorm}} \sim \tfrac{1}{2a} \log\tfrac1\epsilon,\ T_{\text{L2}} \sim \tfrac{\kappa}{2\epsilon}"
    r" \log\tfrac1\epsilon,\ T_{1/(1+t)} \sim \tfrac{\kappa}{\epsilon},\ \kappa = \tfrac{\sqrt L\, s^{1/L}}{g},\ g ="
    r" \sigma L s^{2 - 2/L};\quad T_{\text{Minnorm}} < T_{\text{L2}}, T_{1/(1+t)} \text{ if } \epsilon \le 0.2",
    hypotheses=(
        "L weights, input x, sigma = x^2, target x s; depth 3, one unbalanced start",
        "L2: the best constant weight decay for each epsilon, or 1 / (1 + t), and not one that is switched off",
        "Minnorm: its best tuning, at the speed a = 1 of the weights (the comparison depends on this unit)",
    ),
    theory_side="law",
    controls=(
        "gradient flow arrives",
        "constant weight decay arrives",
        "two-phase weight decay arrives",
        "best weight decay 10 % slower",
        "annealed weight decay 10 % slower",
        "Minnorm at a rate 10 % lower",
        "Minnorm is the first to 0.25 too",
        "Minnorm is the first, whatever the weight decay",
    ),
    parameters=Race,
)
def minnorm_is_faster_than_lasting_weight_decay(study: Study, race: Race) -> Iterator[Check | Curves]:
    yield from _weight_decay_on_its_flow(study, race)
    yield from _minnorm_on_its_flow(study, race.minnorm_learning_rate)
    fixed = np.array([times.fixed_time(CHAIN, START, epsilon) for epsilon in EPSILONS])
    annealed = times.annealed_times(CHAIN, START, EPSILONS)
    two_phases = times.two_phase_times(CHAIN, START, PHASE, EPSILONS)
    yield curves("times", epsilons=EPSILONS, best_fixed=fixed, annealed=annealed, two_phases=two_phases)
    yield from _best_fixed(fixed)
    yield from _annealed(annealed)
    arrived, checks = _times_of_minnorm(study, race.minnorm_learning_rate)
    yield from checks
    yield from _decades(arrived)
    yield from _times_of_weight_decay(study, arrived, race)


def _weight_decay_on_its_flow(study: Study, race: Race) -> Iterator[Check | Curves]:
    """Distance along the way, trained and flowing: the six methods without a multiplier as one batch."""
    runs = by_weight_decay(study, np.array([0.0, *race.gammas]), PHASE, SWITCH).refine(
        learning_rate=race.learning_rate, horizon=race.horizon, records=49
    )
    t, logs = runs[0].t, [np.log(distance(CHAIN, run["w"])) for run in runs]
    flow = partial(weight_decay_flow, race.gammas)
    solution, error = solved(flow, t)
    name = "six schedules of weight decay: log distance"
    yield from tends_to(name, logs, lambda k: solution if k == 1 else flow(t, 1e-7, k), error)
    distances, residual = np.exp(solution), np.exp(logs[-1] - solution) - 1
    names = np.array(methods(race.gammas))
    yield curves("weight decay", methods=names, t=t, flow=distances, trained=np.exp(logs[-1]), percent=100 * residual)
    yield from _plateaus(runs, np.array(race.gammas))


def _minnorm_on_its_flow(study: Study, eta: float) -> Iterator[Check | Curves]:
    runs = by_minnorm(study).refine(learning_rate=eta, horizon=8.0, records=41, levels=4)
    t, logs = runs[0].t, [np.log(distance(CHAIN, run["w"])) for run in runs]
    solution, error = solved(minnorm_flow, t)
    rounded = 2 ** len(runs) * 16 * EPS * CHAIN.omega / np.exp(solution)
    fine = np.linspace(0, 12, 961)
    flowing = times.minnorm_distances(CHAIN, BEST, START, fine)
    # At k times the speed it is where it would be at k times the time.
    further = CubicSpline(fine, np.log(flowing))
    name = "Minnorm: log distance"
    yield from tends_to(name, logs, lambda k: solution if k == 1 else further(k * t)[:, None], error + rounded)
    percent = 100 * (np.exp(logs[-1] - solution)[:, 0] - 1)
    yield curves("Minnorm, trained", t=t, distance=np.exp(logs[-1][:, 0]), percent=percent)
    yield curves("Minnorm", t=fine[::4], distance=flowing[::4])
    dense = np.logspace(-1, -9, 65)
    yield curves("times of Minnorm", epsilons=dense, times=hitting_times(fine, flowing, dense))


def _plateaus(runs: list[Trajectory], gammas: Array) -> Iterator[Check]:
    """Where training ends that never arrives: at the limit of gradient flow, and at the bias of each gamma."""
    horizon, ends = runs[0].t[-1], [distance(CHAIN, run["w"][-1]) for run in runs]
    distances, error = richardson(ends)
    within = Tolerance(np.exp(-CHAIN.g * horizon / 2) + error[0], "e^(-g t / 2), and the last Richardson correction")
    left = measured("distance left", distances[0], within=within, case="gradient flow")
    yield left.equals(float(distance(CHAIN, gradient_flow.limit(CHAIN, START))))
    products = np.array([weight_decay.equilibrium(CHAIN, gamma) for gamma in gammas])
    # What is left of the imbalance adds to the bias in squares, at most A e^(-2 gamma t).
    A = np.linalg.norm(START**2 - (START**2).mean()) / (2 * CHAIN.omega)
    tolerance = 2 * A * np.exp(-2 * gammas * horizon) + error[1:4]
    within = Tolerance(tolerance, "twice what weight decay leaves of the imbalance, and the last Richardson correction")
    left = measured("distance left", distances[1:4], within=within, case="gamma")
    yield left.equals(np.sqrt(CHAIN.L) * (CHAIN.omega - products ** (1 / CHAIN.L)))
    for i, method in ((0, "gradient flow"), (3, "constant weight decay"), (5, "two-phase weight decay")):
        left = measured("distance left", distances[i], within=Tolerance(error[i], "accuracy asked for"))
        yield left.control(f"{method} arrives").at_most(1e-4)


def _best_fixed(taken: Array) -> Iterator[Check | Curves]:
    """The best of many constant gammas for each epsilon, against the best there is as epsilon -> 0."""
    formula = np.array([weight_decay.best_fixed_time(CHAIN, START, epsilon) for epsilon in EPSILONS])
    ratio = taken / formula
    limit, error = richardson(list(ratio[1:]), ratio=10)
    because = "last Richardson correction in epsilon, and the square of the first term left out"
    within = Tolerance(error + np.abs(ratio[1] - 1) ** 2, because)
    best = measured("time over its formula", limit, within=within, case="best weight decay")
    yield best.equals(1.0)
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


def _times_of_minnorm(study: Study, eta: float) -> tuple[Measured, list[Check | Curves]]:
    """The times of trained Minnorm at learning rate 0, and that they approach the flow's at order 1."""
    trained = []
    for level in range(3):
        run = every_distance(by_minnorm(study), eta / 2**level, round(12 / eta) * 2**level)
        trained.append(hitting_times(run.t, run["distance"][:, 0], ACCURACIES)[None])
    fine = np.linspace(0, 12, 2401)
    flowing, rougher = (
        hitting_times(fine, times.minnorm_distances(CHAIN, BEST, START, fine, tolerance), ACCURACIES)[None]
        for tolerance in (1e-13, 1e-12)
    )
    name, off = "Minnorm: time to epsilon", np.abs(flowing - rougher) + 1e-6
    shown = curves("times of Minnorm, trained", epsilons=ACCURACIES[TOLD:], times=trained[-1][0, TOLD:])
    return extrapolated(name, trained, off), [*tends_to(name, trained, lambda k: flowing / k, off), shown]


def _decades(arrived: Measured) -> Iterator[Check]:
    """d = C (t - z) e^(-r t) in the end, as the eigenvalue is double: three times tell r and z."""
    taken, off = (np.broadcast_to(number, arrived.value.shape)[0] for number in (arrived.value, arrived.within.value))
    earlier, later = (int(np.flatnonzero(ACCURACIES == epsilon)[0]) for epsilon in (1e-3, 1e-4))
    rate = _rate_of_a_double_root(taken[later::2])
    moved = abs(_rate_of_a_double_root(taken[later::2] + off[later::2] * [1, -1, 1]) - rate)
    correction = abs(_rate_of_a_double_root(taken[earlier:-1:2]) - rate)
    within = Tolerance(correction + moved, "its change from times a decade earlier, and what the times are off by")
    decay = measured("Minnorm: rate that the times of four decades tell", rate, within=within)
    yield decay.equals(2 * BEST.a)
    yield decay.control("Minnorm at a rate 10 % lower").equals(0.9 * 2 * BEST.a)


def _rate_of_a_double_root(taken: Array) -> float:
    """r from the times (3,) at which C (t - z) e^(-r t) has fallen by a factor 100 each: r is the same for both.

    NaN if no z between 0 and the first of them makes it so.
    """

    def rates(zero: float) -> Array:
        return (np.log(100) + np.diff(np.log(taken - zero))) / np.diff(taken)

    def differ(zero: float) -> float:
        return float(np.diff(rates(zero))[0])

    latest = taken[0] - 1e-6
    if differ(0) * differ(latest) > 0:
        return float("nan")
    return float(rates(brentq(differ, 0, latest))[0])


def _times_of_weight_decay(study: Study, minnorm: Measured, race: Race) -> Iterator[Check | Curves]:
    """Times of constant and annealed weight decay from training, where it can wait for them. Minnorm is faster from an
    accuracy of 0.2 on; but not than two phases that are told the accuracy."""
    epsilons, horizon = ACCURACIES[: race.accuracies], race.wait
    gamma, each, flowing = np.concatenate([_nearly_best(epsilon) for epsilon in epsilons], axis=-1)
    trainee = by_weight_decay(study, gamma, FAST_PHASE, FAST_SWITCH)
    constant, annealed, told = [], [], []
    for level in range(3):
        run = every_distance(trainee, 0.05 / 2**level, round(horizon / 0.05) * 2**level)
        t, distances = run.t, run["distance"].T
        constant.append(np.array([[hitting_time(t, d, epsilon) for d, epsilon in zip(distances, each)]]))
        annealed.append(hitting_times(t, distances[-2], epsilons)[None])
        told.append(hitting_times(t, distances[-1], epsilons[[TOLD]])[None])
    yield from tends_to("constant weight decay: time to epsilon", constant, lambda k: k * flowing[None], SOLVED)
    flowing_annealed = times.annealed_times(CHAIN, START, epsilons)[None]
    yield from tends_to("annealed weight decay: time to epsilon", annealed, lambda k: k * flowing_annealed, SOLVED)
    best = np.array([extrapolated("best", constant).value[0, each == epsilon].min() for epsilon in epsilons])
    yield curves("times of weight decay, trained", epsilons=epsilons[TOLD:], times=best[TOLD:])
    yield from _comparison(minnorm, best, extrapolated("annealed", annealed), extrapolated("told", told))


def _nearly_best(epsilon: float) -> Array:
    """(gamma, epsilon, time of the flow) of constant weight decays that take at most a tenth more than the best."""
    gamma = np.linspace(0.5, 1, 21) * epsilon / weight_decay.distance_per_gamma(CHAIN)
    taken = times.decayed_times(CHAIN, START, gamma, epsilon)
    near = taken < 1.1 * taken.min()
    return np.array([gamma[near], np.full(near.sum(), epsilon), taken[near]])


def _comparison(minnorm: Measured, best: Array, annealed: Measured, told: Measured) -> Iterator[Check]:
    taken = minnorm.value[0, : len(best)]
    because = "what the times of both are off by; that it is so from an accuracy of 0.2 on is empirical"
    within = Tolerance(np.max(minnorm.within.value) + np.max(annealed.within.value), because)
    least = np.minimum(best, annealed.value[0])
    first = measured("Minnorm before any lasting weight decay", taken[CROSSED:], within=within, axes=("accuracy",))
    yield first.at_most(least[CROSSED:])
    easiest = measured("Minnorm before any lasting weight decay", taken[EASIEST], within=within)
    yield easiest.control("Minnorm is the first to 0.25 too").at_most(least[EASIEST])
    within = Tolerance(np.max(minnorm.within.value) + np.max(told.within.value), because)
    condition = "of weight decay that lasts, constant or 1 / (1 + t); switched off in time it is faster to 0.1"
    sentence = measured("Minnorm before two phases", taken[TOLD], within=within)
    sentence = sentence.unconditioned("Minnorm is the first, whatever the weight decay", condition=condition)
    yield sentence.at_most(float(told.value[0, 0]))
