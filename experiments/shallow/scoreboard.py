"""Five methods on the same random problems: who is first at an error for good, and the laws of the steps they take."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.classifiers.medians import median
from experiments.classifiers.paired import drawn, paired
from experiments.methods.minnorm.descent import AlternatingMinnormDescent
from experiments.shallow import descents
from experiments.shallow.classifiers import (
    classifier,
    exponential_loss,
    minnorm_classifier,
    normalised_classifier,
)
from experiments.shallow.examples import adding_to_one
from experiments.shallow.last_times import last_above
from experiments.training import Trainee
from theory.claims import OURS, Check, Curves, Study, Tolerance, by_chance, claim, curves, measured, varies
from theory.claims.estimates import SIGNIFICANCE
from theory.core.arrays import Array
from theory.core.separable import Separable, direction_error, planted
from theory.core.validation import reject
from theory.minnorm.tuning import Tuning
from theory.shallow import alternating, clocks, gradient_flow, heavy_ball, rescaling, transients
from theory.shallow.heavy_ball import Steps

DESCENT, NORMALISED, ACCELERATED, RESCALED, MINNORM = METHODS = (
    "gradient descent",
    "normalised",
    "accelerated",
    "rescaled",
    "Minnorm",
)
OTHERS = METHODS[:-1]
ERRORS = np.array([0.1, 0.03, 0.01, 3e-3, 1e-3, 1e-4, 1e-6])
LARGE, BEFORE, MIDDLE, SMALL = 0, 1, 2, 4  # 0.1, 0.03, 0.01, 1e-3
LOOKS = len(OTHERS) + 1
FACTOR, SPARE = 2.0, 0.4  # of rescaling: c, and c rho^S at most
SLACK = np.array([0.3, 0.6, 1.0])
CLOSE = 0.015  # empirical: of steps over their law in the median problem
PAST = 100.0  # times the law: steps past the budget, of which it is known that they are many
LATE = 0.5  # the clock from which laws are drawn: that of descent starts below 0
PATH, LONG, DRAWN = 120, 0.02, 40  # steps of Minnorm in the picture; c rho^S there, and cycles


@dataclass(frozen=True)
class Scoreboard:
    margin: float = varies("gamma* of the examples", 0.6, low=0.4, high=0.8)
    shares: tuple[float, ...] = varies("of the duals in their sum, up to a factor", (0.5, 0.3, 0.2), low=0.2, high=5)
    runs: int = varies("problems", 240, paper=1000, low=120, high=2000)
    budget: int = varies("steps at most", 1500, smoke=400, paper=10000, low=400, high=10**5)

    def __post_init__(self) -> None:
        if len(self.shares) < 3:
            reject("shares", f"{len(self.shares)} of them", "3 at least: of two, no mode is slower than another")
        descents.require_unequal(self.shares)


@claim(
    "shallow.scoreboard",
    source="ours; accelerated: Ji, Srebro & Telgarsky 2021 (recalled); rescaled: Wang, Min & Wu 2024",
    source_kind=OURS,
    statement=r"N(\epsilon) \text{ steps from } 0 \text{ until } \big|\tfrac{w}{|w|} - \tfrac{\hat w}{|\hat w|}\big|"
    r" \le \epsilon \text{ for good:}\quad E \log N_m(10^{-3}) > E \log N_{\text{Minnorm}}(10^{-3}),\ m:\text{ gradient"
    r" descent, normalised, accelerated, rescaled};\quad N \approx \tfrac{|P \tilde w|}{\eta \gamma\, \epsilon}"
    r" \text{ (normalised)},\ 2 \sqrt{\tfrac{|P \tilde w|}{\eta \gamma\, \epsilon}} \text{ (accelerated)}",
    hypotheses=(
        "as many support vectors as inputs, and three further examples, all in their span",
        "Minnorm: alternating, its best steps with |Z|^2 of all examples for g_max; accelerated: eta = "
        "1 / max |z|^2; normalised: 1 / mu_max; rescaled: c = 2 at its best eta; descent: one over its first curvature",
        "small errors: to 0.1 normalised descent takes no more steps, rescaled or not",
        "the laws: in the median problem of those with mu_max / mu_min below the median",
    ),
    theory_side="law",
    controls=(
        "Minnorm is faster to an error of 0.1",
        "accelerated steps 20 % fewer",
        "accelerated steps without their root",
        "normalised steps 20 % fewer",
    ),
    parameters=Scoreboard,
)
def minnorm_is_first_at_small_errors(study: Study, sizes: Scoreboard) -> Iterator[Check | Curves]:
    rng, shares = study.rng("examples"), adding_to_one(sizes.shares)
    problem = Separable(planted(rng, shares, d=len(shares), margin=sizes.margin, slack=SLACK, runs=sizes.runs))
    pictured = _pictured(study.rng("pictured"), shares, sizes)
    errors = {name: _errors(problem, trainee, rate, sizes) for name, (trainee, rate) in _field(study, problem).items()}
    counts = {name: _counts(error) for name, error in errors.items()}
    logs = {name: np.log(np.minimum(count, sizes.budget + 1)) for name, count in counts.items()}
    for method in OTHERS:
        saved = logs[method][:, SMALL] - logs[MINNORM][:, SMALL]
        yield paired(f"log steps to 0.001, {method} less Minnorm", saved, looks=LOOKS).above(0.0)
        yield drawn(f"{method} less Minnorm", saved, 0.0, looks=LOOKS)
    saved = np.minimum(logs[NORMALISED], logs[RESCALED])[:, LARGE] - logs[MINNORM][:, LARGE]
    name, condition = "Minnorm is faster to an error of 0.1", "errors of 0.001: to 0.1 normalised descent is no slower"
    sentence = paired("log steps to 0.1, normalised or rescaled less Minnorm", saved, looks=LOOKS)
    yield sentence.unconditioned(name, condition=condition).above(0.0)
    yield from _laws(problem, len(shares), counts)
    first = np.min([counts[name] for name in METHODS], axis=0)
    yield curves(errors=ERRORS, budget=sizes.budget)
    for name in METHODS:
        ahead = ((counts[name] == first) & np.isfinite(first)).sum(0)
        yield curves(f"steps, {name}", median=np.quantile(counts[name], 0.5, axis=0, method="nearest"), first=ahead)
    yield from _first_problem(study, sizes, pictured)


def _field(study: Study, problem: Separable) -> dict[str, tuple[Trainee, Array | float]]:
    """Each method and its learning rates."""
    Z, start = problem.Z, np.zeros_like(problem.w)
    low, high = transients.support_curvature(problem)
    squared = np.linalg.norm(Z, ord=2, axis=(-2, -1)) ** 2
    eta, rho = rescaling.best_step(low, high)
    best = heavy_ball.best_alternating(problem.gram_range[0], squared)
    between = rescaling.steps_between(FACTOR, rho, SPARE)
    return {
        DESCENT: (classifier(study, exponential_loss(Z, study.device), start), 1 / squared),
        NORMALISED: (normalised_classifier(study, Z, start), 1 / high),
        ACCELERATED: (descents.accelerated_classifier(study, Z, start), 1 / (Z**2).sum(-1).max(-1)),
        RESCALED: (descents.rescaled_classifier(study, Z, start, np.full(len(Z), FACTOR), between), eta),
        MINNORM: (descents.boxed_minnorm(study, Z, best.A, best.B), 1.0),
    }


def _errors(problem: Separable, trainee: Trainee, rate: Array | float, sizes: Scoreboard) -> Array:
    """(steps + 1, runs), infinite where the weights have no direction."""
    w = trainee.train(learning_rate=rate, steps=sizes.budget, record=range(sizes.budget + 1))["w"]
    error = direction_error(problem, w)
    return np.where(np.isfinite(error), error, np.inf)


def _counts(error: Array) -> Array:
    """Steps (runs, errors) after which the error stays below each of ERRORS; infinite past the budget."""
    return np.stack([np.where(error[-1] > level, np.inf, last_above(error, level)) for level in ERRORS], axis=-1)


def _laws(problem: Separable, k: int, counts: dict[str, Array]) -> Iterator[Check]:
    """Steps over their law in the median problem: further examples in the span change neither constant nor power."""
    alone = Separable(problem.Z[:, :k])
    low, high = transients.support_curvature(problem)
    settled = high / low < np.median(high / low)
    constant = gradient_flow.direction_constant(alone, descents.offsets(alone))
    slower = clocks.clock_of(constant, ERRORS[MIDDLE]), clocks.clock_of(constant, ERRORS[BEFORE])
    normalised = clocks.normalised_steps(problem, 1 / high, slower[0] - slower[1])
    late, early = counts[NORMALISED][:, MIDDLE], counts[NORMALISED][:, BEFORE]
    between = late - np.where(np.isfinite(early), early, 0.0)  # infinite past the budget
    yield from _median(NORMALISED, "steps from an error of 0.03 to 0.01", (between / normalised)[settled], normalised)
    rate = 1 / (problem.Z**2).sum(-1).max(-1)
    accelerated = clocks.accelerated_steps(problem, rate, clocks.clock_of(constant, ERRORS[SMALL]))
    ratio = (counts[ACCELERATED][:, SMALL] / accelerated)[settled]
    yield from _median(ACCELERATED, "steps to an error of 0.001", ratio, accelerated)
    unrooted = measured(
        "steps over their law", np.median(ratio / accelerated[settled]), within=Tolerance(CLOSE, "empirical: as above")
    )
    yield unrooted.control("accelerated steps without their root").equals(1.0)


def _median(method: str, name: str, ratio: Array, law: Array) -> Iterator[Check]:
    estimate = median(np.minimum(ratio, PAST), SIGNIFICANCE)
    within = by_chance(estimate)
    within += Tolerance(CLOSE + 1 / np.median(law), "a step; empirical: what transients and further examples leave")
    found = measured(f"{name}, over their law", estimate.value, within=within, case=method)
    yield found.resolving(0.15, because="problems differ by what is left of their transients").equals(1.0)
    yield found.control(f"{method} steps 20 % fewer").equals(0.8)


def _first_problem(study: Study, sizes: Scoreboard, pictured: tuple[Separable, Steps, Array]) -> Iterator[Curves]:
    """The picture: support vectors alone, the error of each method over steps, and its law."""
    problem, best, path = pictured
    start, (low, high) = np.zeros_like(problem.w), transients.support_curvature(problem)
    constant = gradient_flow.direction_constant(problem, descents.offsets(problem))
    eta, rho = rescaling.best_step(low, high)
    between = rescaling.steps_between(FACTOR, rho, LONG)
    squared = np.linalg.norm(problem.Z, ord=2, axis=(-2, -1)) ** 2
    record = sorted({round(step) for step in np.geomspace(1, sizes.budget, 28)})
    T = np.array(record, dtype=float)[:, None]
    cycles = int(min(sizes.budget // between[0], DRAWN))
    ends = (int(between[0]) * np.arange(1, cycles + 1)).tolist()
    soon = list(range(2, PATH))
    rescaled = descents.rescaled_classifier(study, problem.Z, start, np.full(1, FACTOR), between)
    minnorm = minnorm_classifier(study, problem.Z, Tuning(best.A, best.B), start, kind=AlternatingMinnormDescent)
    loss = exponential_loss(problem.Z, study.device)
    race: dict[str, tuple[Trainee, Array | float, list[int], Array]] = {
        DESCENT: (
            classifier(study, loss, start),
            1 / squared,
            record,
            clocks.descent_clock(problem, 1 / squared, T).clip(0),
        ),
        NORMALISED: (
            normalised_classifier(study, problem.Z, start),
            1 / high,
            record,
            clocks.normalised_clock(problem, 1 / high, T),
        ),
        ACCELERATED: (
            descents.accelerated_classifier(study, problem.Z, start),
            1 / high,
            record,
            clocks.accelerated_clock(problem, 1 / high, T),
        ),
        RESCALED: (
            rescaled,
            eta,
            ends,
            clocks.rescaled_clock(problem, eta, between, FACTOR, np.arange(1.0, cycles + 1)[:, None]),
        ),
    }
    for name, (trainee, rate, steps, clock) in race.items():
        w = trainee.train(learning_rate=rate, steps=steps[-1], record=steps)["w"]
        law = np.where(clock > LATE, clocks.error_at(constant, clock), np.nan)[:, 0]
        yield curves(f"race, {name}", steps=np.array(steps), error=direction_error(problem, w)[:, 0], law=law)
    w = minnorm.train(learning_rate=1.0, steps=soon[-1], record=soon)["w"]
    law, error = (direction_error(problem, each)[:, 0] for each in (path[soon], w))
    yield curves(f"race, {MINNORM}", steps=np.array(soon), error=error, law=law)


def _pictured(rng: np.random.Generator, shares: Array, sizes: Scoreboard) -> tuple[Separable, Steps, Array]:
    """A problem of support vectors alone, as badly conditioned as those are whose multipliers Minnorm never holds at 0;
    its best steps, and its weights (steps, 1, d) in closed form."""
    drawn = Separable(planted(rng, shares, d=len(shares), margin=0.6 * sizes.margin, runs=200))
    low, high = transients.support_curvature(drawn)
    best = heavy_ball.best_alternating(*drawn.gram_range)
    w, multipliers = alternating.from_zero(drawn, best.A, best.B, np.arange(PATH))
    free = (multipliers.min((0, -1)) >= 0) & (high < 6 * low)
    if not free.any():
        reject("shares", shares.round(3), "more equal ones: Minnorm holds multipliers of these at 0 on the way")
    chosen = int(np.argmax(np.where(free, drawn.condition, 0)))
    one = slice(chosen, chosen + 1)
    return Separable(drawn.Z[one]), Steps(*(each[one] for each in best)), w[:, one]
