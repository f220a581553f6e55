"""Advani & Saxe's generalisation error of a shallow student: at every time, at its best time, under ridge."""

from collections.abc import Iterator

import numpy as np
import torch

from experiments.deep_linear.networks import Constraint, product, squared_loss, train_stack
from experiments.training.legacy import refined
from experiments.training.refinement import tends_to
from experiments.training.updates import DecayedDescent, GradientDescent, Update, constant
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import SIGNIFICANCE, Estimate, halving_order, mean
from theory.claims.legacy import at_least, equal, order, rate, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import gaussian_stack
from theory.core.trajectory import Trajectory
from theory.deep_linear import generalisation as law
from theory.deep_linear import spectrum
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw, generalisation_error

ETA = 0.2  # descent is stable up to 2 / lam_1, about 0.6
START = 0.7
STEPS = (1, 4, 16, 80)
# Each part of the error in turn makes up nine tenths of it: (teacher, start, noise).
PARTS = {"teacher": (1.0, 0.0, 0.0), "start": (0.1, 1.0, 0.0), "noise": (0.1, 0.0, 1.0)}


@claim(
    "advani2017.generalisation_error",
    source="Advani & Saxe 2017, sections 3 and 4; finite size: Bai & Silverstein 2004, equation 5.13",
    statement=r"E_g(t) = \tfrac1d \sum_k \Big[(\sigma_w^2 + \sigma_0^2) e^{-2\lambda_k t} +"
    r" \tfrac{\sigma_\epsilon^2}{\lambda_k} (1 - e^{-\lambda_k t})^2\Big] +"
    r" (1 - \tfrac nd)(\sigma_w^2 + \sigma_0^2) + \sigma_\epsilon^2,\quad"
    r" t_k = \tfrac{1}{\lambda_k} \log\Big(1 + \tfrac{\sigma_w^2 + \sigma_0^2}{\sigma_\epsilon^2} \lambda_k\Big)",
    hypotheses=("Gaussian inputs, teacher, noise and start", "one layer", "gradient flow, or descent with its memory"),
    controls=(
        *(f"{part} 10 % larger" for part in PARTS),
        "the flow at 1.1 times the time",
        "no noise on new examples",
        "Marchenko-Pastur without its correction",
        "best time 10 % later",
        "ridge of half the strength",
    ),
)
def error_is_known_at_every_time(study: Study) -> Iterator[Check | Curves]:
    yield from _each_student(study)
    yield from _mean_of_each_part(study)
    yield from _on_new_examples(study)
    yield from _means_over_spectra(study)
    yield from _best_times(study)
    yield from _ridge(study)
    yield from _for_the_figure(study)


def _each_student(study: Study) -> Iterator[Check]:
    """Weights of single students: descent to rounding, and the flow at order 1."""
    ensemble = Ensemble(14, 9, K=2, noise=0.4)
    problem = draw(ensemble, study.rng("students"), 3)
    start = _start(study, "students", ensemble, 3, START)
    run = _train(study, "descent", problem, start, ETA, list(STEPS))
    kept = np.stack([(1 - ETA * problem.rates) ** steps for steps in STEPS])
    tolerance = 8 * (ensemble.d + ensemble.n) * EPS * STEPS[-1] * float(np.abs(run["W"]).max())
    because = "8 (d + n) roundings of the largest weight a step"
    predicted = law.student(problem, start, kept)
    yield equal("descent: every weight", run["W"], predicted, tolerance=tolerance, because=because)

    def descend(name: str, *, learning_rate: float, steps: int, record: list[int]) -> Trajectory:
        return _train(study, name, problem, start, learning_rate, record)

    runs = refined(descend, "flow", learning_rate=0.05, horizon=4.0, records=9, levels=4)
    weights = [run["W"] for run in runs]
    predicted = law.student(problem, start, law.flow_memory(problem.rates, runs[0].t))
    yield from tends_to("flow: every weight", weights, predicted)
    late = law.student(problem, start, law.flow_memory(problem.rates, 1.1 * runs[0].t))
    wrong = list(tends_to("late", weights, late))[-1]
    yield refuted("the flow at 1.1 times the time", wrong)


def _mean_of_each_part(study: Study) -> Iterator[Check]:
    """Means over teachers, noise and starts, given each draw's rates; the sum without the noise of new labels."""
    d, n = study.pick(smoke=(24, 12), quick=(60, 30), paper=(60, 30))
    draws = study.pick(smoke=2500, quick=2000, paper=6000)
    for part, (teacher, start, noise) in PARTS.items():
        ensemble = Ensemble(d, n, teacher=teacher, noise=noise)
        problem = draw(ensemble, study.rng("means", part), draws)
        W = _start(study, f"means {part}", ensemble, draws, start)
        run = _train(study, f"means, {part}", problem, W, ETA, list(STEPS))
        kept = np.stack([(1 - ETA * problem.rates) ** steps for steps in STEPS])
        measured = generalisation_error(ensemble, problem, run["W"]) - noise**2
        predicted = law.error(ensemble, problem.rates, kept, start) - noise**2
        for steps, seen, expected in zip(STEPS, measured, predicted):
            # Means of the ratio, but weighted by what is expected: draws of small rates weigh no more than they cost.
            estimate = mean(seen / expected.mean() - expected / expected.mean() + 1, SIGNIFICANCE / len(STEPS))
            yield rate(f"{part}, {steps} steps: mean error", estimate, 1, excludes=(0.9, 1.1))
        name = f"{part} 10 % larger"
        yield refuted(name, rate(name, estimate, 1.1, excludes=(0.9,)))


def _on_new_examples(study: Study) -> Iterator[Check]:
    """What `generalisation_error` integrates, sampled: new inputs, their labels with their noise, squared errors."""
    ensemble, draws, new = Ensemble(24, 12, K=2, noise=0.7), study.pick(smoke=1000, quick=1000, paper=4000), 40
    rng = study.rng("new examples")
    problem = draw(ensemble, rng, draws)
    start = _start(study, "new examples", ensemble, draws, START)
    W = _train(study, "new examples", problem, start, ETA, [16])["W"][-1]
    x = rng.standard_normal((draws, ensemble.d, new)) / np.sqrt(ensemble.d)
    labels = problem.teacher @ x + ensemble.noise * rng.standard_normal((draws, ensemble.K, new))
    outputs = (torch.tensor(W) @ torch.tensor(x)).numpy()
    sampled = ((labels - outputs) ** 2).sum(1).mean(-1)
    ratio = sampled / generalisation_error(ensemble, problem, W)
    yield rate("error on new examples", mean(ratio), 1, excludes=(0.9, 1.1))
    without = sampled / (generalisation_error(ensemble, problem, W) - ensemble.K * ensemble.noise**2)
    yield refuted("no noise on new examples", rate("no noise", mean(without), 1, excludes=(0.9,)))


def _means_over_spectra(study: Study) -> Iterator[Check]:
    """Marchenko & Pastur's law corrected: polynomials exactly, 1/lam at order 1/d, learning curves sampled."""
    rounding = "the trapezoidal rule converges geometrically; rounding of its sum"
    for d, n in ((12, 7), (7, 12)):
        ensemble = Ensemble(d, n)
        tolerance = 1e3 * EPS * n
        first = spectrum.expected_sum(ensemble, lambda x: x)
        yield equal(f"d = {d}: E tr X X^T", first, n, tolerance=tolerance, because=rounding)
        second = n * (1 + (n + 1) / d)
        squared = spectrum.expected_sum(ensemble, lambda x: x**2)
        yield equal(f"d = {d}: E tr (X X^T)^2", squared, second, tolerance=10 * tolerance, because=rounding)
        sizes = [Ensemble(size * d, size * n) for size in (32, 64)]
        left = [[spectrum.expected_inverse_sum(e) - spectrum.expected_sum(e, lambda x: 1 / x)] for e in sizes]
        name = f"d = {d}: E tr (X X^T)^-1 less its expansion, order in 1/d"
        yield order(name, halving_order(*np.array(left)), 1, excludes=(0, 2))
    yield from _sampled_spectra(study)


def _sampled_spectra(study: Study) -> Iterator[Check]:
    draws = study.pick(smoke=40_000, quick=80_000, paper=160_000)
    sums = {"forgotten": lambda x: np.exp(-2 * x), "learned": lambda x: (1 - np.exp(-2 * x)) ** 2 / x}
    ensembles = [Ensemble(d, d // 2) for d in (6, 12)]
    rates = [draw(ensemble, study.rng("spectra", ensemble.d), draws).rates for ensemble in ensembles]
    for name, f in sums.items():
        # The O(1/d) left by the correction at two sizes: 2 (at 2d) - (at d) leaves O(1/d^2).
        beyond = [mean(f(r).sum(-1)) for r in rates]
        small, large = (e.value - spectrum.expected_sum(ensemble, f) for e, ensemble in zip(beyond, ensembles))
        noise = np.hypot(2 * beyond[1].half_width, beyond[0].half_width)
        because = "confidence interval, and what is left at d = 12 once the O(1/d) is extrapolated away: its square"
        tolerance = noise + abs(small - large) ** 2
        yield equal(f"{name}: sum over rates", 2 * large - small, 0, tolerance=tolerance, because=because)
        if name == "forgotten":
            bulk = [e.value - spectrum.bulk_sum(ensemble, f) for e, ensemble in zip(beyond, ensembles)]
            wrong = equal("bulk alone", 2 * bulk[1] - bulk[0], 0, tolerance=tolerance, because=because)
            yield refuted("Marchenko-Pastur without its correction", wrong)


def _best_times(study: Study) -> Iterator[Check]:
    """Each mode's and the whole student's: where the error turns, by formula and trained."""
    ensemble = Ensemble(*study.pick(smoke=(24, 12), quick=(60, 30), paper=(60, 30)), noise=0.6)
    rates = np.linspace(0.1, 2.8, 10)
    stopped = law.flow_memory(rates, law.best_times(ensemble, rates, START))
    because = "a few roundings: both are (se^2 / lam) / (sw^2 + s0^2 + se^2 / lam)"
    at_their_best = np.diagonal(stopped)
    best = law.best_memory(ensemble, rates, START)
    yield equal("memory of modes at their best times", at_their_best, best, tolerance=32 * EPS, because=because)
    yield from _minimum_over_memories(ensemble, rates)
    measured = _zero_of_the_slope(study, ensemble, study.pick(smoke=3000, quick=3000, paper=6000))
    yield rate("best time of the mean, trained over formula", measured, 1, excludes=(0.9, 1.1))
    yield refuted("best time 10 % later", rate("later", measured, 1.1, excludes=(0.9,)))


def _minimum_over_memories(ensemble: Ensemble, rates: Array) -> Iterator[Check]:
    """No memory of any mode has less error than the best one."""
    best = law.best_memory(ensemble, rates, START)
    others = np.clip(best + np.linspace(-0.2, 0.2, 41)[:, None], 0, 1)
    errors = law.error(ensemble, rates[:, None], others[..., None], START)
    least = law.error(ensemble, rates[:, None], best[:, None], START)
    because = "the best memory minimises a parabola; rounding"
    yield at_least("error of other memories", errors, least, slack=8 * EPS * least, because=because)


def _zero_of_the_slope(study: Study, ensemble: Ensemble, draws: int) -> Estimate:
    """Where the slope of the mean error of trained students is 0, over the best time of descent at their step size.

    Its interval holds every time at which the interval of the slope (a secant) holds 0.
    """
    problem = draw(ensemble, study.rng("best time"), draws)
    start = _start(study, "best time", ensemble, draws, START)
    # Starts of both signs take the noise of the cross terms out of every draw.
    both = problem.each(2)
    W = np.repeat(start, 2, axis=0) * np.tile([1.0, -1.0], draws)[:, None, None]
    predicted = law.best_time(ensemble, START, lambda x, t: np.abs(1 - ETA * x) ** (t / ETA))
    record = np.unique(np.round(np.linspace(0.7, 1.3, 7) * predicted / ETA).astype(int)).tolist()
    run = _train(study, "best time", both, W, ETA, record)
    E = generalisation_error(ensemble, both, run["W"]).reshape(len(record), draws, 2).mean(-1)
    slopes = np.diff(E, axis=0) / np.diff(run.t)[:, None]
    middles = (run.t[1:] + run.t[:-1]) / 2 / predicted
    intervals = [mean(slope, SIGNIFICANCE / len(slopes)) for slope in slopes]
    crossing = [float(np.interp(0, [getattr(e, end) for e in intervals], middles)) for end in ("value", "high", "low")]
    return Estimate(*crossing, f"the times at which the Student interval of the slope holds 0, {draws} draws")


def _ridge(study: Study) -> Iterator[Check]:
    """Weight decay of one layer is ridge regression; the best one has every mode's best memory."""
    ensemble = Ensemble(*study.pick(smoke=(24, 12), quick=(60, 30), paper=(60, 30)), noise=0.6)
    draws = study.pick(smoke=1500, quick=1500, paper=6000)
    mu = law.best_ridge_strength(ensemble)
    rates = np.linspace(0.1, 2.8, 10)
    kept, best = law.ridge_memory(rates, mu), law.best_memory(ensemble, rates)
    because = "a few roundings: mu / (lam + mu) = 1 / (1 + lam / mu)"
    yield equal("memory of the best ridge", kept, best, tolerance=32 * EPS, because=because)
    problem = draw(ensemble, study.rng("ridge"), draws)
    strengths = mu * np.array([0.5, 1.0, 2.0])
    steps = 120
    errors = []
    for strength in strengths:
        start = _start(study, f"ridge {strength}", ensemble, draws, START)
        run = _train(study, f"ridge {strength}", problem, start, ETA, [steps], decay=float(strength))
        errors.append(generalisation_error(ensemble, problem, run["W"][-1]) - ensemble.noise**2)
    solution = law.student(problem, np.zeros_like(start), law.ridge_memory(problem.rates, strengths[-1]))
    # The slowest direction forgets as (1 - eta mu)^steps.
    left = (1 - ETA * strengths[-1]) ** steps * np.abs(start - solution).sum((-2, -1)).max()
    because = "what is left of the start, the largest of the draws, and rounding"
    yield equal("ridge: every weight", run["W"][-1], solution, tolerance=left + 1e4 * EPS, because=because)
    predicted = law.error(ensemble, problem.rates, law.ridge_memory(problem.rates, mu)) - ensemble.noise**2
    yield rate("best ridge: mean error", mean(errors[1] / predicted), 1, excludes=(0.9, 1.1))
    for i in (0, 2):
        cost = mean(errors[i] - errors[1])
        because = "paired over draws; the best strength is the best on average"
        yield at_least(f"ridge {strengths[i] / mu:g} times as strong: error added", cost.low, 0, because=because)
    wrong = mean(errors[1] - errors[0])
    yield refuted("ridge of half the strength", at_least("half as strong is the best", wrong.high, 0, because=because))


def _for_the_figure(study: Study) -> Iterator[Check | Curves]:
    """Learning curves from two starts, by formula and trained, with their best times."""
    ensemble = Ensemble(60, 30, noise=0.6)
    draws = study.pick(smoke=60, quick=300, paper=1600)
    starts = np.array([0.0, 0.7])
    t = np.geomspace(0.05, 60, 121)
    eta, last = study.pick(smoke=(ETA, 100), quick=(0.05, 1200), paper=(0.02, 3000))
    steps = np.unique(np.round(np.geomspace(1, last, 17)).astype(int)).tolist()
    problem = draw(ensemble, study.rng("figure"), draws)
    trained = []
    for start in starts:
        W = _start(study, f"figure {start}", ensemble, draws, float(start))
        run = _train(study, f"figure {start}", problem, W, eta, steps)
        trained.append(generalisation_error(ensemble, problem, run["W"]))
    bands = np.array([[mean(errors, 0.05).half_width for errors in curve] for curve in trained])
    middle = np.mean(trained, axis=-1)
    expected = np.array(
        [law.expected_error(ensemble, lambda x: law.flow_memory(x, t), float(start)) for start in starts]
    )
    descent = np.array(
        [
            law.expected_error(ensemble, lambda x: (1 - eta * x) ** np.array(steps)[:, None], float(start))
            for start in starts
        ]
    )
    wide = np.array([[mean(errors, SIGNIFICANCE / middle.size).half_width for errors in curve] for curve in trained])
    because = f"Student interval over {draws} draws; the expansion in 1/d leaves O(1/d^2)"
    size = (ensemble.teacher**2 + START**2 + ensemble.noise**2) / ensemble.d**2
    yield equal("mean learning curves", middle, descent, tolerance=wide + size, because=because)
    yield curves(t=t, starts=starts, expected=expected, t_trained=run.t, trained=middle, trained_band=bands)
    yield curves(at_trained=descent, residual=middle / descent - 1)
    best = [law.best_time(ensemble, float(start)) for start in starts]
    least = [law.best_stopped_error(ensemble, float(start)) for start in starts]
    yield curves(best_times=best, best_errors=least, ridge=law.best_ridge_error(ensemble))
    yield curves(fitted=law.final_error(ensemble), noise=ensemble.noise, size=(ensemble.d, ensemble.n))


def _start(study: Study, name: str, ensemble: Ensemble, draws: int, scale: float) -> Array:
    if scale == 0:
        return np.zeros((draws, ensemble.K, ensemble.d))
    return gaussian_stack(study.rng("start", name), (ensemble.d, ensemble.K), scale, runs=draws)[0]


def _train(
    study: Study,
    name: str,
    problem: TeacherStudent,
    start: Array,
    eta: float,
    record: list[int],
    decay: float = 0.0,
) -> Trajectory:
    """One `nn.Linear` layer trained by descent, whose gradient is autograd's; W recorded at the steps asked for."""
    constraint = Constraint(problem, (problem.d, problem.K), study.device)
    loss = squared_loss(constraint)
    rule: Update = DecayedDescent(loss, constant(decay)) if decay else GradientDescent(loss)
    return train_stack(
        study,
        name,
        constraint,
        [start],
        rule,
        learning_rate=eta,
        steps=max(record),
        record=record,
        observe=product,
    )
