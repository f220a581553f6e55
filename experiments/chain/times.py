"""How soon each method comes within epsilon of the minimum norm, and stays: by its law in time, and in gradients."""

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
    solved,
    weight_decay_flow,
)
from experiments.chain.race import (
    FIXED,
    METHODS,
    MINNORM,
    TWO_PHASES,
    TWO_WITH_MOMENTUM,
    WITH_MOMENTUM,
    gradients_to,
)
from experiments.classifiers.paired import drawn, paired
from experiments.training import extrapolated, tends_to
from theory.chain import gradient_flow, times, weight_decay
from theory.chain.problem import distance
from theory.chain.times import hitting_times
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
    order,
    rounding,
    varies,
)
from theory.claims.estimates import observed_order, richardson
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.core.validation import reject

EPSILONS = np.array([1e-1, 1e-2, 1e-3, 1e-4])
# Of Minnorm in training. Its distance rises again to just below 1e-2, so that no step size resolves when it is there.
ACCURACIES = np.append([0.1, 0.03], 10.0 ** -np.arange(3, 9))
COUNTED = (0.1, 0.03, 0.01)  # accuracies to which gradients are counted; the last is judged
FASTER = ((FIXED, MINNORM), (TWO_PHASES, MINNORM), (TWO_WITH_MOMENTUM, WITH_MOMENTUM))
LOOKS = len(FASTER) + 1
PARTS = 24  # of the time that weight decays are watched
# The switch is at an end of a part. At 16 it would be, too, and the next one where two phases pass w* so closely that
# the logarithm of their distance has no expansion in the learning rates used.
HORIZONS = (12, 18, 24, 36, 48, 72)
HORIZON, RECORDS = 12.0, 40  # of Minnorm: it is within 1e-8 by then


@dataclass(frozen=True)
class Race:
    """How the methods are trained on one chain, and how many on random chains."""

    draws: int = varies(
        "random starts of three chains, each with settings of its own", 320, smoke=224, low=64, high=500
    )
    settings: int = varies("of each method, on each draw", 128, smoke=32, paper=256, low=24, high=400)
    budget: int = varies("gradients at most", 100, smoke=60, low=40, high=400)
    gammas: tuple[float, ...] = varies(
        "three constant weight decays whose paths are shown", (0.3, 0.1, 0.03), low=0.01, high=0.4
    )
    horizon: float = varies(
        "until when weight decays are watched", 24.0, smoke=12.0, paper=72.0, low=12, high=72, unit="time"
    )
    learning_rate: float = varies("of weight decay, coarsest run", 0.04, smoke=0.08, low=0.01, high=0.08)
    minnorm_learning_rate: float = varies("of Minnorm, coarsest run", 0.02, smoke=0.08, low=5e-3, high=0.08)

    def __post_init__(self) -> None:
        if len(set(self.gammas)) != 3:
            reject("gammas", self.gammas, "three different weight decays")
        if self.horizon not in HORIZONS:
            reject("horizon", self.horizon, f"one of {', '.join(map(str, HORIZONS))}")


@claim(
    "minnorm.chain_times",
    source="Bansal et al. 2018, abstract (reconstruction: method, accuracy and laws are ours)",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"T(\epsilon) \text{ until } |w - w^*| < \epsilon \text{ for good, } w^* \text{ the minimum of } |w|"
    r" \text{ under } \textstyle\prod_l w_l = s:"
    r"\quad T_{\text{Minnorm}} \sim \tfrac{1}{2a} \log\tfrac1\epsilon,\ T_{\text{L2}} \sim \tfrac{\kappa}{2\epsilon}"
    r" \log\tfrac1\epsilon,\ T_{1/(1+t)} \sim \tfrac{\kappa}{\epsilon},\ \kappa = \tfrac{\sqrt L\, s^{1/L}}{g},\ g ="
    r" \sigma L s^{2 - 2/L};\quad N_{\text{Minnorm}} < N_{\text{L2}}, N_{\text{two phases}} \text{ at } \epsilon ="
    r" 10^{-2},\ N \text{ the gradients at the best of equally many settings}",
    hypotheses=(
        "L weights, input x, sigma = x^2, target x s; times: flows of speed a, depth 3, one unbalanced start",
        "T_L2: the best constant weight decay for each epsilon; T_1/(1+t): annealed so",
        "N: starts drawn at random, the mean of log N; one setting has to serve three targets at once",
        "two phases: weight decay that is switched off after a number of steps, which is part of the setting",
        "all with momentum, or none",
    ),
    theory_side="law",
    controls=(
        "gradient flow arrives",
        "constant weight decay arrives",
        "two-phase weight decay arrives",
        "best weight decay 5 % slower",
        "annealed weight decay 5 % slower",
        "Minnorm at a rate 5 % lower",
        "Minnorm is faster than two phases, whichever has momentum",
    ),
    parameters=Race,
)
def minnorm_is_faster_than_weight_decay(study: Study, race: Race) -> Iterator[Check | Curves]:
    yield from _weight_decay_on_its_flow(study, race)
    yield from _minnorm_on_its_flow(study, race.minnorm_learning_rate)
    fixed = np.array([times.fixed_time(CHAIN, START, epsilon) for epsilon in EPSILONS])
    annealed = times.annealed_times(CHAIN, START, EPSILONS)
    two_phases = times.two_phase_times(CHAIN, START, PHASE, EPSILONS)
    yield curves("times", epsilons=EPSILONS, best_fixed=fixed, annealed=annealed, two_phases=two_phases)
    yield from _best_fixed(fixed)
    yield from _annealed(annealed)
    yield from _counted(study, race)


def _weight_decay_on_its_flow(study: Study, race: Race) -> Iterator[Check | Curves]:
    """Distance along the way, trained and flowing: the six methods without a multiplier as one batch."""
    runs = by_weight_decay(study, np.array([0.0, *race.gammas]), PHASE, SWITCH).refine(
        learning_rate=race.learning_rate, horizon=race.horizon, records=PARTS + 1, levels=4
    )
    t, logs = runs[0].t, [np.log(distance(CHAIN, run["w"])) for run in runs]
    solution, error = solved(partial(weight_decay_flow, race.gammas), t)
    name = "six schedules of weight decay: log distance"
    estimate = observed_order([log - solution for log in logs], error + EPS * np.abs(logs[-1]).max())
    yield order(f"{name}, order in the learning rate", estimate).equals(1, excludes=(0.75, 1.25))
    yield extrapolated(f"{name}, learning rate 0", logs, error).supporting().equals(solution)
    distances, residual = np.exp(solution), np.exp(logs[-1] - solution) - 1
    names = np.array(methods(race.gammas))
    yield curves("weight decay", methods=names, t=t, flow=distances, trained=np.exp(logs[-1]), percent=100 * residual)
    yield from _plateaus(runs, np.array(race.gammas))


def _plateaus(runs: list[Trajectory], gammas: Array) -> Iterator[Check]:
    """Where training ends that never arrives: at the limit of gradient flow, and at the bias of each gamma."""
    horizon, ends = runs[0].t[-1], [distance(CHAIN, run["w"][-1]) for run in runs]
    distances, error = richardson(ends)
    within = Tolerance(np.exp(-CHAIN.g * horizon / 2) + error[0], "e^(-g t / 2), and the last Richardson correction")
    within += rounding(1000, CHAIN.omega, of="w^*")
    left = measured("distance left", distances[0], within=within, case="gradient flow")
    yield left.equals(float(distance(CHAIN, gradient_flow.limit(CHAIN, START))))
    products = np.array([weight_decay.equilibrium(CHAIN, gamma) for gamma in gammas])
    # What is left of the imbalance adds to the bias in squares, at most A e^(-2 gamma t).
    A = np.linalg.norm(START**2 - (START**2).mean()) / (2 * CHAIN.omega)
    tolerance = 2 * A * np.exp(-2 * gammas * horizon) + error[1:4]
    within = Tolerance(tolerance, "twice what weight decay leaves of the imbalance, and the last Richardson correction")
    within += rounding(1000, CHAIN.omega, of="w^*")
    left = measured("distance left", distances[1:4], within=within, case="gamma")
    yield left.equals(np.sqrt(CHAIN.L) * (CHAIN.omega - products ** (1 / CHAIN.L)))
    for i, method in ((0, "gradient flow"), (3, "constant weight decay"), (5, "two-phase weight decay")):
        left = measured("distance left", distances[i], within=Tolerance(error[i], "accuracy asked for"))
        yield left.control(f"{method} arrives").at_most(1e-4)


def _minnorm_on_its_flow(study: Study, eta: float) -> Iterator[Check | Curves]:
    """Times to all accuracies, and the rate that these tell: one training at three learning rates."""
    steps = int(np.ceil(HORIZON / eta / RECORDS)) * RECORDS
    runs = [every_distance(by_minnorm(study), HORIZON / steps / 2**k, steps * 2**k) for k in range(3)]
    t = np.linspace(0, HORIZON, 1201)
    flowing, rougher = (times.minnorm_distances(CHAIN, BEST, START, t, tolerance) for tolerance in (1e-13, 1e-12))
    arrives, roughly = (hitting_times(t, distances, ACCURACIES)[None] for distances in (flowing, rougher))
    arrived = [hitting_times(run.t, run["distance"][:, 0], ACCURACIES)[None] for run in runs]
    name, off = "Minnorm: time to epsilon", np.abs(arrives - roughly) + 1e-6
    yield from tends_to(name, arrived, lambda k: arrives / k, off)
    yield from _decades(extrapolated(name, arrived, off))
    yield curves("times of Minnorm, trained", epsilons=ACCURACIES, times=arrived[-1][0])
    dense = np.logspace(-1, -8.7, 65)
    yield curves("times of Minnorm", epsilons=dense, times=hitting_times(t, flowing, dense))
    yield curves("Minnorm", t=t[::5], distance=flowing[::5])
    shown = slice(0, 2 * len(runs[-1].t) // 3, 4 * steps // RECORDS)
    t_trained, trained = runs[-1].t[shown], runs[-1]["distance"][shown, 0]
    percent = 100 * (trained / CubicSpline(t, flowing)(t_trained) - 1)
    yield curves("Minnorm, trained", t=t_trained, distance=trained, percent=percent)


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
    yield decay.control("Minnorm at a rate 5 % lower").equals(0.95 * 2 * BEST.a)


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


def _best_fixed(taken: Array) -> Iterator[Check | Curves]:
    """The best of many constant gammas for each epsilon, against the best there is as epsilon -> 0."""
    formula = np.array([weight_decay.best_fixed_time(CHAIN, START, epsilon) for epsilon in EPSILONS])
    ratio = taken / formula
    limit, error = richardson(list(ratio[1:]), ratio=10)
    because = "last Richardson correction in epsilon, and the square of the first term left out"
    within = Tolerance(error + np.abs(ratio[1] - 1) ** 2, because)
    best = measured("time over its formula", limit, within=within, case="best weight decay")
    yield best.equals(1.0)
    yield best.control("best weight decay 5 % slower").equals(1.05)
    yield curves("times", best_fixed_formula=formula)


def _annealed(taken: Array) -> Iterator[Check]:
    """epsilon T tends to kappa."""
    limit, error = richardson(list(taken[1:] * EPSILONS[1:]), ratio=10)
    within = Tolerance(error, "last Richardson correction in epsilon")
    annealed = measured("epsilon x time", limit, within=within, case="annealed weight decay")
    predicted = weight_decay.annealed_time(CHAIN, 1.0, 1.0)
    yield annealed.equals(predicted)
    yield annealed.control("annealed weight decay 5 % slower").equals(1.05 * predicted)


def _counted(study: Study, race: Race) -> Iterator[Check | Curves]:
    """Gradients on random chains. A count above the budget is taken for one more than it, which only favours L2."""
    counts = gradients_to(study, COUNTED, draws=race.draws, settings=race.settings, steps=race.budget)
    logs = {method: np.log(count[:, -1]) for method, count in counts.items()}
    for slower, faster in FASTER:
        saved = logs[slower] - logs[faster]
        yield paired(f"log gradients to 0.01, {slower} less {faster}", saved, looks=LOOKS).above(0.0)
        yield drawn(f"{slower} less {faster}", saved, 0.0, looks=LOOKS)
    saved = logs[TWO_WITH_MOMENTUM] - logs[MINNORM]
    condition = "momentum for momentum: two phases with it are no slower than Minnorm without"
    sentence = paired("log gradients to 0.01, two phases with momentum less Minnorm without", saved, looks=LOOKS)
    name = "Minnorm is faster than two phases, whichever has momentum"
    yield sentence.unconditioned(name, condition=condition).above(0.0)
    yield drawn(name, saved, 0.0, looks=LOOKS)
    yield curves("counted", methods=METHODS, accuracies=COUNTED, budget=race.budget)
    for method, count in counts.items():
        low, middle, high = np.quantile(count, (0.1, 0.5, 0.9), axis=0)
        yield curves(f"gradients, {method}", count=count, fewest=low, median=middle, most=high)
