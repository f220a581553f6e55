"""The claim of the paper: Minnorm finds the max-margin direction exponentially faster. Tested on random problems."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments.methods.minnorm.descent import AlternatingMinnormDescent
from experiments.shallow.classifiers import (
    classifier,
    curvature,
    exponential_loss,
    minnorm_classifier,
    normalised_classifier,
)
from experiments.shallow.descents import accelerated_classifier
from experiments.shallow.examples import RandomProblems, random_problems, separated_problem, stable_steps
from experiments.shallow.kinks import LEVELS, refined_minnorm, tends_to_kinked
from experiments.shallow.last_times import (
    last_above,
    log_time,
    logarithmic_times,
    minnorm_flows,
    minnorm_times,
)
from experiments.training import Trainee, recording_steps
from experiments.training.together import copies, refined_together
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    varies,
)
from theory.core.arrays import Array
from theory.core.separable import Separable, direction_error
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.minnorm.tuning import Tuning
from theory.shallow import gradient_flow, heavy_ball, minnorm_flow

SPEED = 1.3  # a, where it is judged how a decade's steps depend on it
MOST_TOGETHER = 2400  # examples of all problems
FASTER = 500  # how many times at most, at an error of 1e-2
ERRORS = 10.0 ** np.array([-0.5, -1, -1.5, -2, -3, -4, -6, -8])  # of the direction
SMALL, SMALLER = 3, 6  # 1e-2 and 1e-6 among them
DESCENT, NORMALISED, DEFAULT, BEST = METHODS = (
    "gradient descent",
    "loss-normalised",
    "Minnorm, default",
    "Minnorm, best b",
)
ACCELERATED = "accelerated"  # Ji, Srebro & Telgarsky 2021
HORIZONS = dict(zip(METHODS, (0.5, 3.0, 3.0, 3.0)))  # until when training is refined; gradient descent starts steeply
SHARES_OF_CRITICAL_B = np.array([0.5, 0.6, 0.7, 0.85])
COARSEST, MOST = 0.5, 40_000  # learning rate x curvature, and steps, where training is refined
EVERY_PROBLEM = exactly("every one of the random problems")
RECORDS = 25  # of the refined trainings
LAST_DRAWN = 9.5  # log10 of the latest time in the figure


@dataclass(frozen=True)
class Race(RandomProblems):
    a: float = varies("Minnorm's speed of the weights", 1.0, low=0.3, high=2)
    b: float = varies("its speed of the multipliers by default; the best one beside it", 1.0, low=0.1, high=2)
    scale: float = varies("of the starts", 0.3, low=0.05, high=1)
    runs: int = varies("random problems", 24, smoke=8, paper=200, low=1, high=200)
    budget: int = varies("steps of training to an error", 1500, smoke=200, paper=20000, low=200, high=20000)
    longer: int = varies("the same for loss-normalised descent", 8000, smoke=800, paper=40000, low=200, high=40000)
    refinement: int = varies("steps, the fewest, of what is refined", 300, smoke=200, paper=4000, low=100, high=4000)
    pictured_steps: int = varies("x 2 |z|^2, of descent in the picture", 300, smoke=30, paper=600, low=10, high=1000)
    pictured_time: float = varies("of Minnorm there", 44.0, smoke=5.0, paper=60.0, low=2, high=100, unit="time")

    def __post_init__(self) -> None:
        self.require_at_most(self.runs, MOST_TOGETHER)
        if self.longer < self.budget:
            reject("longer", self.longer, f"at least the budget {self.budget} of the other methods")


@claim(
    "minnorm.shallow_hitting_times",
    source="Bansal et al. 2018, abstract (reconstruction: the setting, the parameters and the constants are ours)",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"T(\epsilon) \text{ until } \big|\tfrac{w}{|w|} - \tfrac{\hat w}{|\hat w|}\big| \le \epsilon"
    r" \text{ for good:}\quad T_{\text{Minnorm}} \sim \tfrac{1}{r} \log \tfrac{1}{\epsilon},\ r = \tfrac{1}{2}"
    r" \big(a - \sqrt{a^2 - 4 a b\, g_{\min}}\big);\quad \text{steps of training to } \epsilon = 10^{-2}:"
    r"\ N_{\text{Minnorm}} < N_{\text{loss-normalised descent}},\ \text{to } \epsilon = 10^{-6}:"
    r"\ N_{\text{Minnorm}} < N_{\text{accelerated descent}}",
    hypotheses=(
        "examples z_i = y_i x_i separable; w_hat their max-margin classifier, of a support with condition below 60",
        "g_min the least eigenvalue of the support's Gram matrix; the law: b <= a / (4 g_min)",
        "steps: Minnorm at its best alternating steps for |Z|^2 of all examples, from which it is hardly ever trapped; "
        "the others at 1 / max |z_i|^2, near their largest stable ones",
        "accelerated descent: the best known without rescaling, by a constant over the steps' square; who is first on "
        "other problems, and rescaled descent, are shallow.scoreboard and shallow.rescaling",
        "small errors; the times of both gradient flows are those of soudry2018.direction",
    ),
    theory_side="law",
    controls=(
        "Minnorm is ahead at large errors too",
        "steps of Minnorm at a thousandth of the best dual rate",
        "rate 10 % lower",
    ),
    parameters=Race,
)
def minnorm_is_exponentially_faster(study: Study, sizes: Race) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    problem = random_problems(rng, sizes.runs, sizes)
    w0 = sizes.scale * rng.standard_normal(problem.w.shape)
    if (steps := _steep(problem, w0)) > MOST:
        reject("scale", sizes.scale, f"one from which descent takes {MOST} steps to follow its flow, not {steps}")
    best = minnorm_flow.critical_dual_rate(problem.gram_range[0], sizes.a)
    # Both gradient flows in one: w along the orbit, the time s of the loss-normalised one, log(1 + t) of the other.
    s = np.concatenate([[0.0], np.geomspace(1e-3, 600, 400)])
    flow = gradient_flow.normalised_flow(problem.Z, w0, s, relative_tolerance=1e-9)
    offset = flow["w"][-1] - problem.w * flow["tau"][-1][:, None]
    yield from _times(problem, sizes, w0, best, flow, offset)
    yield from _steps_of_training(study, sizes, problem, w0)
    yield from _steps_a_decade(study)
    yield from _training_tends_to_the_flows(study, sizes, problem, w0, best)
    constant = gradient_flow.direction_constant(problem, offset)
    yield from _first_problem(study, sizes, problem, w0, best, flow, float(constant[0]))
    yield curves(errors=ERRORS, constant=constant, squared_norm=1 / problem.margin**2, best_b=best)


def _times(
    problem: Separable, sizes: Race, w0: Array, best: Array, flow: Trajectory, offset: Array
) -> Iterator[Curves]:
    """For the figure: the times of the exact flows."""
    log_times = dict(zip((DESCENT, NORMALISED), logarithmic_times(problem, flow, offset, ERRORS)))
    for name, b in ((DEFAULT, np.full_like(best, sizes.b)), (BEST, best)):
        ends = 40 / minnorm_flow.rate(problem.gram_range[0], sizes.a, b)
        log_times[name] = np.log(minnorm_times(problem, w0, sizes.a, b, ends, ERRORS))
    for name, each in log_times.items():
        spread = np.quantile(each / np.log(10), (0.1, 0.5, 0.9), axis=0).clip(-300, 20)
        low, median, high = 10.0**spread
        yield curves(name, log_times=each, low_time=low, median_time=median, high_time=high)


def _steps_of_training(study: Study, sizes: Race, problem: Separable, w0: Array) -> Iterator[Check | Curves]:
    """Steps to each error, in training, all of them counted; one that is not there yet takes at least the budget."""
    # The largest eigenvalue of all examples, not only the support's: any of them may be active on the way.
    g_min, g_max = problem.gram_range[0], np.linalg.norm(problem.Z, ord=2, axis=(-2, -1)) ** 2
    steps, longest = heavy_ball.best_alternating(g_min, g_max), (problem.Z**2).sum(-1).max(-1)
    # At the best dual rate and at a thousandth of it, side by side.
    both = Tuning(np.tile(steps.A, 2), np.concatenate([steps.B, steps.B / 1000]))
    twice = copies(problem.Z, 2), both, copies(w0, 2)
    alternating = minnorm_classifier(study, *twice, kind=AlternatingMinnormDescent)
    budget, longer = sizes.budget, sizes.longer
    trainees = {
        DESCENT: (
            classifier(study, exponential_loss(problem.Z, study.device), w0),
            1 / curvature(problem, w0),
            budget,
        ),
        NORMALISED: (normalised_classifier(study, problem.Z, w0), 1 / longest, longer),
        DEFAULT: (
            minnorm_classifier(study, problem.Z, Tuning(sizes.a, sizes.b), w0),
            0.5 / np.maximum(sizes.b * g_max, sizes.a),
            budget,
        ),
        BEST: (alternating, 1.0, budget),
        ACCELERATED: (accelerated_classifier(study, problem.Z, w0), 1 / longest, budget),
    }
    weights = {
        name: trainee.train(learning_rate=rate, steps=most, record=range(most + 1))["w"]
        for name, (trainee, rate, most) in trainees.items()
    }
    weights[BEST], weights["slow"] = np.split(weights[BEST], 2, axis=1)
    errors = {name: _errors(problem, w) for name, w in weights.items()}
    counts = {name: _counts(error) for name, error in errors.items()}
    others = np.minimum(counts[NORMALISED], longer)
    stable = exactly(f"{EVERY_PROBLEM.reason}; loss-normalised descent at a stable step size near the largest")
    name = "step ratio, best Minnorm over loss-normalised"
    ratio = measured(name, counts[BEST][:, SMALL] / others[:, SMALL], within=stable, case="error 1e-2", axes=("run",))
    why = "it grows as 1 / (error x log(1 / error)), and at large errors Minnorm is not the first"
    yield ratio.within_factor(FASTER, because=why).at_most(1.0)
    accelerated = np.minimum(counts.pop(ACCELERATED)[:, SMALLER], budget)
    ratio = measured(
        "step ratio, best Minnorm over accelerated",
        counts[BEST][:, SMALLER] / accelerated,
        within=EVERY_PROBLEM,
        case="error 1e-6",
        axes=("run",),
    )
    yield ratio.within_factor(FASTER, because="it grows as 1 / (error^(1/2) x log(1 / error))").at_most(1.0)
    # The first step of Minnorm, its multipliers still 0, only shrinks the weights; gradient descent turns them at once.
    first = measured(
        "direction errors after a step", errors[BEST][1] / errors[DESCENT][1], within=stable, axes=("run",)
    )
    yield first.control("Minnorm is ahead at large errors too").at_most(1.0)
    ratio = np.minimum(counts.pop("slow")[:, SMALL] / others[:, SMALL], 10)
    slower = measured(name, ratio, within=stable, axes=("run",))
    yield slower.control("steps of Minnorm at a thousandth of the best dual rate").at_most(1.0)
    yield curves(budget=longer)
    for name, each in counts.items():
        median = np.quantile(each, 0.5, axis=0, method="nearest")
        shown = np.where(np.isfinite(median) & (median > 0), median, np.nan)
        yield curves(name, steps=each, median_steps=shown)


def _steps_a_decade(study: Study) -> Iterator[Check]:
    """One problem at b below the critical, off its solution along the slowest mode: a real one of the flow, e^(-r t),
    that a step of training contracts by 1 - learning rate x r. With Z Z^T u = g_min u it is lambda - alpha = u and
    w - w_hat = r / (b g_min) Z^T u."""
    problem, eta = separated_problem(study.rng("separated")), 0.1
    g_min = float(problem.gram_range[0])
    b = SHARES_OF_CRITICAL_B * minnorm_flow.critical_dual_rate(g_min, SPEED)
    rate = minnorm_flow.rate(g_min, SPEED, b)
    slowest = np.linalg.eigh(problem.Z @ problem.Z.T)[1][:, 0]
    off = (rate / (b * g_min))[:, None] * (slowest @ problem.Z)
    turned = np.linalg.norm(off - np.outer(off @ problem.w, problem.w) * problem.margin**2, axis=1) * problem.margin
    # A decade before the first that is counted; so near the duals none of the multipliers is ever held at 0.
    size = 1e-5 / turned[:, None]
    start = problem.w + size * off, problem.duals + size * slowest
    steps = int(np.log(3 * 1e5) / rate.min() / eta)
    trainee = minnorm_classifier(study, problem.Z, Tuning(SPEED, b), *start)
    run = trainee.train(learning_rate=eta, steps=steps, record=range(steps + 1))
    error = direction_error(problem, run["w"])
    early, late = (last_above(error, level) for level in (1e-6, 1e-10))
    within = Tolerance(0.5, "two counts of steps over four decades")
    decade = measured("steps a decade", (late - early) / 4, within=within, axes=("b",))

    def predicted(k: float) -> Array:
        return np.log(10) / -np.log1p(-eta * k * rate)

    yield decade.equals(predicted)
    yield decade.control("rate 10 % lower").equals(predicted(0.9))


def _errors(problem: Separable, w: Array) -> Array:
    error = direction_error(problem, w)
    return np.where(np.isfinite(error), error, np.inf)


def _counts(error: Array) -> Array:
    """Steps after which the error (T, runs) stays below each of ERRORS, (runs, errors); infinite past the budget."""
    return np.stack([np.where(error[-1] > level, np.inf, last_above(error, level)) for level in ERRORS], axis=-1)


def _refined(trainee: Trainee, horizon: float, steps: int) -> list[Trajectory]:
    record = recording_steps(steps, RECORDS)
    return refined_together(trainee, learning_rate=horizon / steps, record=record, levels=LEVELS)


def _steep(problem: Separable, w0: Array) -> int:
    """Steps in which gradient descent follows its flow from where the loss is curved most."""
    return int(HORIZONS[DESCENT] * curvature(problem, w0).max() / COARSEST)


def _training_tends_to_the_flows(
    study: Study, sizes: Race, problem: Separable, w0: Array, best: Array
) -> Iterator[Check]:
    """Weights of the four methods, trained at three step sizes, against their exact flows at k times the speed."""
    a, steps, default = sizes.a, sizes.refinement, np.full_like(best, sizes.b)
    enough = {DESCENT: max(steps, _steep(problem, w0)), NORMALISED: steps}
    Z, w = copies(problem.Z, LEVELS), copies(w0, LEVELS)
    trainees = {
        DESCENT: classifier(study, exponential_loss(Z, study.device), w),
        NORMALISED: normalised_classifier(study, Z, w),
    }
    runs = {name: _refined(trainees[name], HORIZONS[name], enough[name]) for name in trainees}
    fine = stable_steps(problem.gram_range[1], sizes.b, HORIZONS[DEFAULT], fewest=steps)
    both = copies(problem.Z, 2), Tuning(a, np.concatenate([default, best])), copies(w0, 2)
    of_both = refined_minnorm(study, *both, horizon=HORIZONS[DEFAULT], steps=fine, records=RECORDS)
    flows: dict[str, Callable[[Array], Array]] = {
        DESCENT: partial(_descended, problem, w0),
        NORMALISED: lambda t: gradient_flow.normalised_flow(problem.Z, w0, t)["w"],
        DEFAULT: minnorm_flows(problem, w0, a, default, 2 * HORIZONS[DEFAULT]),
        BEST: minnorm_flows(problem, w0, a, best, 2 * HORIZONS[BEST]),
    }
    for name in METHODS:
        trained = runs.get(name, of_both)
        weights = [run["w"] for run in trained]
        if name in (DEFAULT, BEST):
            weights = [np.split(w, 2, axis=1)[name == BEST] for w in weights]
        at_speed = partial(_at_speed, flows[name], trained[0].t)
        yield from tends_to_kinked("weights", weights, at_speed, case=name)


def _at_speed(flow: Callable[[Array], Array], t: Array, k: float) -> Array:
    return flow(k * t)


def _descended(problem: Separable, w0: Array, t: Array) -> Array:
    """w (T, runs, d) of gradient flow."""
    tau = np.log1p(t)
    return gradient_flow.flow_in_log_time(problem, w0, tau)["rho"] + problem.w * tau[:, None, None]


def _first_problem(
    study: Study, sizes: Race, problem: Separable, w0: Array, best: Array, flow: Trajectory, constant: float
) -> Iterator[Curves]:
    """The picture: direction error of the first problem under the exact flows, and trained far beyond the start."""
    first, w0, a = problem.run(0), w0[:1], sizes.a
    # Steps learning_rate / loss take gradient descent to log t = 50 and later: its time is the sum of its steps.
    rate = float(0.5 / (first.Z**2).sum(-1).max())
    steps = int(sizes.pictured_steps / rate)
    record = sorted({int(step) for step in np.geomspace(2, steps, 14)})
    run = normalised_classifier(study, first.Z[None], w0).train(learning_rate=rate, steps=steps, record=record)
    error = direction_error(first, run["w"][:, 0])
    exact = direction_error(first, gradient_flow.normalised_flow(first.Z, w0[0], run.t)["w"])
    along = direction_error(problem, flow["w"])[1:, 0]
    t = np.geomspace(30, 10**LAST_DRAWN, 100)
    for name, line_t, trained_t, asymptote in (
        (DESCENT, _drawn(flow["tau"][1:, 0]), _drawn(run["tau"][:, 0]), constant / np.log(t)),
        (NORMALISED, flow.t[1:], run.t, constant / first.margin**2 / t),
    ):
        yield curves(name, line_t=line_t, line_error=along, asymptote_t=t, asymptote=asymptote)
        yield curves(name, t=trained_t, error=error, deviation=error / exact - 1)
    eta, end = 0.01, sizes.pictured_time
    record = sorted({int(t / eta) for t in np.geomspace(0.1, end, 22)})
    fine = np.geomspace(0.05, end, 600)
    rates = np.array([sizes.b, best[0]])
    trainee = minnorm_classifier(study, first.Z, Tuning(a, rates), copies(w0, 2), kind=AlternatingMinnormDescent)
    run = trainee.train(learning_rate=eta, steps=record[-1], record=record)
    for i, name in enumerate((DEFAULT, BEST)):
        weights = minnorm_flows(problem, w0, a, rates[i : i + 1], end)
        exact, line = (direction_error(first, weights(t)[:, 0]) for t in (run.t, fine))
        error = direction_error(first, run["w"][:, i])
        yield curves(name, line_t=fine, line_error=line, t=run.t, error=error, deviation=error / exact - 1)


def _drawn(tau: Array) -> Array:
    """t, where it can be drawn at all."""
    return np.exp(np.minimum(log_time(tau), 50.0))
