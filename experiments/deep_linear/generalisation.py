"""Advani & Saxe's generalisation error of a shallow student: at every time, at its best time, under ridge."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from experiments.deep_linear.networks import by_descent, by_weight_decay, product
from experiments.training import Trainee, extrapolated, tends_to
from theory.claims import (
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    order,
    rate,
    rounding,
)
from theory.claims.estimates import SIGNIFICANCE, Estimate, mean, observed_order
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.deep_linear import generalisation as law
from theory.deep_linear import spectrum
from theory.deep_linear.problem import Ensemble, draw, generalisation_error

ETA = 0.2  # descent is stable up to 2 / lam_1, about 0.6
START = 0.7
STEPS = (1, 4, 16, 80)
RATES = np.linspace(0.1, 2.8, 10)  # of the modes whose best times and memories are compared
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
    theory_side="closed form",
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
    for part in PARTS:
        yield from _mean_of_one_part(study, part)
    yield from _on_new_examples(study)
    yield from _means_over_spectra()
    yield from _sampled_spectra(study)
    noisy = Ensemble(*study.pick(smoke=(24, 12), quick=(60, 30), paper=(60, 30)), noise=0.6)
    yield from _best_memories(noisy)
    yield from _best_time(study, noisy)
    yield from _ridge(study, noisy)
    yield from _learning_curves(study)


def _each_student(study: Study) -> Iterator[Check]:
    """Weights of single students: descent to rounding, and the flow at order 1."""
    ensemble = Ensemble(14, 9, K=2, noise=0.4)
    problem = draw(ensemble, study.rng("students"), 3)
    start = _start(study, "students", ensemble, 3, START)
    trainee = by_descent(study, problem, [start], product)
    W = _steps(trainee, STEPS)
    within = rounding(8 * (ensemble.d + ensemble.n) * STEPS[-1], np.abs(W).max(), of="the largest weight")
    predicted = law.student(problem, start, law.descent_memory(problem.rates, STEPS, ETA))
    yield measured("every weight", W, within=within, case="descent", axes=("record", "draw")).equals(predicted)
    runs = trainee.refine(learning_rate=0.05, horizon=4.0, records=9, levels=4)
    t, weights = runs[0].t, [run["W"] for run in runs]
    yield from tends_to("every weight", weights, law.solution(problem, start, t), case="flow")
    late = law.solution(problem, start, 1.1 * t)
    yield extrapolated("every weight", weights, case="flow").control("the flow at 1.1 times the time").equals(late)


def _mean_of_one_part(study: Study, part: str) -> Iterator[Check]:
    """Means over teachers, noise and starts, given each draw's rates; the sum without the noise of new labels."""
    d, n = study.pick(smoke=(24, 12), quick=(60, 30), paper=(60, 30))
    draws = study.pick(smoke=2500, quick=2000, paper=6000)
    teacher, start, noise = PARTS[part]
    ensemble = Ensemble(d, n, teacher=teacher, noise=noise)
    problem = draw(ensemble, study.rng("means", part), draws)
    W = _steps(by_descent(study, problem, [_start(study, f"means {part}", ensemble, draws, start)], product), STEPS)
    memory = law.descent_memory(problem.rates, STEPS, ETA)
    errors = generalisation_error(ensemble, problem, W) - noise**2
    predicted = law.error(ensemble, problem.rates, memory, start) - noise**2
    for steps, seen, expected in zip(STEPS, errors, predicted):
        # Means of the ratio, but weighted by what is expected: draws of small rates weigh no more than they cost.
        estimate = mean(seen / expected.mean() - expected / expected.mean() + 1, SIGNIFICANCE / len(STEPS))
        ratio = rate("mean error", estimate, case=f"{part}, {steps} steps")
        yield ratio.equals(1, excludes=(0.9, 1.1))
    yield ratio.control(f"{part} 10 % larger").equals(1.1, excludes=(0.9,))


def _on_new_examples(study: Study) -> Iterator[Check]:
    """What `generalisation_error` integrates, sampled: new inputs, their labels with their noise, squared errors."""
    ensemble, draws, new = Ensemble(24, 12, K=2, noise=0.7), study.pick(smoke=1000, quick=1000, paper=4000), 40
    rng = study.rng("new examples")
    problem = draw(ensemble, rng, draws)
    start = _start(study, "new examples", ensemble, draws, START)
    W = _steps(by_descent(study, problem, [start], product), [16])[-1]
    x = rng.standard_normal((draws, ensemble.d, new)) / np.sqrt(ensemble.d)
    labels = problem.teacher @ x + ensemble.noise * rng.standard_normal((draws, ensemble.K, new))
    outputs = (torch.tensor(W) @ torch.tensor(x)).numpy()
    sampled = ((labels - outputs) ** 2).sum(1).mean(-1)
    expected = generalisation_error(ensemble, problem, W)
    yield rate("error on new examples", mean(sampled / expected)).equals(1, excludes=(0.9, 1.1))
    without = rate("error on new examples", mean(sampled / (expected - ensemble.K * ensemble.noise**2)))
    yield without.control("no noise on new examples").equals(1, excludes=(0.9,))


def _means_over_spectra() -> Iterator[Check]:
    """Marchenko & Pastur's law corrected: polynomials exactly, 1/lam at order 1/d."""
    for d, n in ((12, 7), (7, 12)):
        ensemble, case = Ensemble(d, n), f"d = {d}"
        # The trapezoidal rule converges geometrically.
        within = rounding(1e3, n, of="the sum over rates")
        first, second = (spectrum.expected_sum(ensemble, f) for f in (lambda x: x, lambda x: x**2))
        yield measured("E tr X X^T", first, within=within, case=case).equals(n)
        yield measured("E tr (X X^T)^2", second, within=within * 10, case=case).equals(n * (1 + (n + 1) / d))
        sizes = [Ensemble(size * d, size * n) for size in (32, 64, 128)]
        left = [spectrum.expected_inverse_sum(e) - spectrum.expected_sum(e, lambda x: 1 / x) for e in sizes]
        name = "E tr (X X^T)^-1 less its expansion, order in 1/d"
        yield order(name, observed_order(left), case=case).equals(1, excludes=(0.75, 1.25))


def _sampled_spectra(study: Study) -> Iterator[Check]:
    """Sums over the rates of draws, as they appear in the error of a student."""
    draws = study.pick(smoke=40_000, quick=80_000, paper=160_000)
    sums = {"forgotten": lambda x: np.exp(-2 * x), "learned": lambda x: (1 - np.exp(-2 * x)) ** 2 / x}
    ensembles = [Ensemble(d, d // 2) for d in (6, 12)]
    rates = [draw(ensemble, study.rng("spectra", ensemble.d), draws).rates for ensemble in ensembles]
    for case, f in sums.items():
        # The O(1/d) left by the correction at two sizes: 2 (at 2d) - (at d) leaves O(1/d^2).
        sampled = [mean(f(r).sum(-1)) for r in rates]
        small, large = (e.value - spectrum.expected_sum(ensemble, f) for e, ensemble in zip(sampled, ensembles))
        noise = np.hypot(2 * sampled[1].half_width, sampled[0].half_width)
        because = "confidence interval, and what is left at d = 12 once the O(1/d) is extrapolated away: its square"
        within = Tolerance(noise + abs(small - large) ** 2, because)
        yield measured("sum over rates", 2 * large - small, within=within, case=case).equals(0)
        if case == "forgotten":
            small, large = (e.value - spectrum.bulk_sum(ensemble, f) for e, ensemble in zip(sampled, ensembles))
            bulk = measured("sum over rates", 2 * large - small, within=within, case=case)
            yield bulk.control("Marchenko-Pastur without its correction").equals(0)


def _best_memories(ensemble: Ensemble) -> Iterator[Check]:
    """Each mode's best time leaves its best memory, and so does the best ridge; no other memory has less error."""
    best = law.best_memory(ensemble, RATES, START)
    stopped = np.diagonal(law.flow_memory(RATES, law.best_times(ensemble, RATES, START)))
    few = rounding(32, of="numbers up to 1: both are (se^2 / lam) / (sw^2 + s0^2 + se^2 / lam)")
    yield measured("memory of modes at their best times", stopped, within=few, axes=("mode",)).equals(best)
    ridge = law.ridge_memory(RATES, law.best_ridge_strength(ensemble))
    yield measured("memory of the best ridge", ridge, within=few, axes=("mode",)).equals(
        law.best_memory(ensemble, RATES)
    )
    others = np.clip(best + np.linspace(-0.2, 0.2, 41)[:, None], 0, 1)
    errors = law.error(ensemble, RATES[:, None], others[..., None], START)
    least = law.error(ensemble, RATES[:, None], best[:, None], START)
    within = rounding(8, least, of="the minimum of a parabola")
    yield measured("error of other memories", errors, within=within, axes=("memory", "mode")).at_least(least)


def _best_time(study: Study, ensemble: Ensemble) -> Iterator[Check]:
    """The whole student's best time: where the slope of the mean error of trained students is 0, over the formula.

    Its interval holds every time at which the interval of the slope (a secant) holds 0.
    """
    draws = study.pick(smoke=3000, quick=3000, paper=6000)
    problem = draw(ensemble, study.rng("best time"), draws)
    start = _start(study, "best time", ensemble, draws, START)
    # Starts of both signs take the noise of the cross terms out of every draw.
    both = problem.each(2)
    W = np.repeat(start, 2, axis=0) * np.tile([1.0, -1.0], draws)[:, None, None]
    predicted = law.best_time(ensemble, START, lambda rates, t: law.descent_memory(rates, t / ETA, ETA))
    record = np.unique(np.round(np.linspace(0.7, 1.3, 7) * predicted / ETA).astype(int))
    errors = generalisation_error(ensemble, both, _steps(by_descent(study, both, [W], product), record.tolist()))
    t, E = ETA * record, errors.reshape(len(record), draws, 2).mean(-1)
    slopes = np.diff(E, axis=0) / np.diff(t)[:, None]
    middles = (t[1:] + t[:-1]) / 2 / predicted
    intervals = [mean(slope, SIGNIFICANCE / len(slopes)) for slope in slopes]
    crossing = [float(np.interp(0, [getattr(e, end) for e in intervals], middles)) for end in ("value", "high", "low")]
    estimate = Estimate(*crossing, f"the times at which the Student interval of the slope holds 0, {draws} draws")
    turn = rate("best time of the mean, trained over formula", estimate)
    yield turn.equals(1, excludes=(0.9, 1.1))
    yield turn.control("best time 10 % later").equals(1.1, excludes=(0.9,))


def _ridge(study: Study, ensemble: Ensemble) -> Iterator[Check]:
    """Weight decay of one layer is ridge regression, at half, once and twice the best strength."""
    draws, steps = study.pick(smoke=1500, quick=1500, paper=6000), 120
    mu = law.best_ridge_strength(ensemble)
    problem = draw(ensemble, study.rng("ridge"), draws)
    errors, factors = [], (0.5, 1.0, 2.0)
    for strength in mu * np.array(factors):
        start = _start(study, f"ridge {strength}", ensemble, draws, START)
        W = _steps(by_weight_decay(study, problem, [start], float(strength), product), [steps])[-1]
        errors.append(generalisation_error(ensemble, problem, W) - ensemble.noise**2)
    solution = law.student(problem, np.zeros_like(start), law.ridge_memory(problem.rates, strength))
    # The slowest direction forgets as (1 - eta mu)^steps.
    left = (1 - ETA * strength) ** steps * np.abs(start - solution).sum((-2, -1)).max()
    within = Tolerance(left, "what is left of the start, the largest of the draws") + rounding(1e4, of="the weights")
    yield measured("every weight", W, within=within, case="ridge", axes=("draw",)).equals(solution)
    predicted = law.error(ensemble, problem.rates, law.ridge_memory(problem.rates, mu)) - ensemble.noise**2
    yield rate("mean error", mean(errors[1] / predicted), case="best ridge").equals(1, excludes=(0.9, 1.1))
    within = exactly("Student interval, paired over draws; the best strength is the best on average")
    for i in (0, 2):
        cost, case = mean(errors[i] - errors[1]), f"ridge {factors[i]:g} times as strong"
        yield measured("error added", cost.low, within=within, case=case).at_least(0)
    half = measured("error added", mean(errors[1] - errors[0]).high, within=within)
    yield half.control("ridge of half the strength").at_least(0)


def _learning_curves(study: Study) -> Iterator[Check | Curves]:
    """Learning curves from two starts, by formula and trained, with their best times."""
    ensemble = Ensemble(60, 30, noise=0.6)
    draws = study.pick(smoke=60, quick=300, paper=1600)
    starts = np.array([0.0, 0.7])
    t = np.geomspace(0.05, 60, 121)
    eta, last = study.pick(smoke=(ETA, 100), quick=(0.05, 1200), paper=(0.02, 3000))
    steps = np.unique(np.round(np.geomspace(1, last, 17)).astype(int)).tolist()
    problem = draw(ensemble, study.rng("figure"), draws)
    trained, flow, expected = [], [], []
    for start in starts.tolist():
        W = _start(study, f"figure {start}", ensemble, draws, start)
        trainee = by_descent(study, problem, [W], product)
        trained.append(generalisation_error(ensemble, problem, _steps(trainee, steps, eta)))
        flow.append(law.expected_error(ensemble, lambda rates: law.flow_memory(rates, t), start))
        expected.append(law.expected_error(ensemble, lambda rates: law.descent_memory(rates, steps, eta), start))
    middle = np.mean(trained, axis=-1)
    band, wide = (
        np.array([[mean(errors, significance).half_width for errors in curve] for curve in trained])
        for significance in (0.05, SIGNIFICANCE / middle.size)
    )
    size = (ensemble.teacher**2 + START**2 + ensemble.noise**2) / ensemble.d**2
    within = Tolerance(wide + size, f"Student interval over {draws} draws; the expansion in 1/d leaves O(1/d^2)")
    yield measured("mean learning curves", middle, within=within, axes=("start", "record")).equals(expected)
    yield curves(t=t, starts=starts, expected=flow, t_trained=eta * np.array(steps), trained=middle, band=band)
    yield curves(at_trained=expected, residual=middle / expected - 1)
    best = [law.best_time(ensemble, start) for start in starts.tolist()]
    least = [law.best_stopped_error(ensemble, start) for start in starts.tolist()]
    yield curves(best_times=best, best_errors=least, ridge=law.best_ridge_error(ensemble))
    yield curves(fitted=law.final_error(ensemble), noise=ensemble.noise, size=(ensemble.d, ensemble.n))


def _start(study: Study, name: str, ensemble: Ensemble, draws: int, scale: float) -> Array:
    if scale == 0:
        return np.zeros((draws, ensemble.K, ensemble.d))
    return gaussian_stack(study.rng("start", name), (ensemble.d, ensemble.K), scale, runs=draws)[0]


def _steps(trainee: Trainee, record: Sequence[int], learning_rate: float = ETA) -> Array:
    """W (T, runs, K, d) after each of these steps."""
    return trainee.train(learning_rate=learning_rate, steps=record[-1], record=record)["W"]
