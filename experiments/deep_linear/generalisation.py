"""Advani & Saxe's generalisation error of a shallow student: at every time, at its best time, under ridge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from experiments.deep_linear.moments import mean_error, of_exact_moments
from experiments.deep_linear.networks import by_descent, by_weight_decay, product
from experiments.deep_linear.spectra import means_over_spectra, sampled_spectra
from experiments.training import Trainee, extrapolated, tends_to
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rate,
    rounding,
    varies,
)
from theory.claims.estimates import SIGNIFICANCE, Estimate, mean
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.core.validation import reject
from theory.deep_linear import generalisation as law
from theory.deep_linear.problem import Ensemble, draw, generalisation_error

ETA = 0.2  # descent is stable up to 2 / lam_1, about 0.6
START = 0.7
STEPS = (1, 4, 16, 80)
RATES = np.linspace(0.1, 2.8, 10)  # of the modes whose best times and memories are compared
# What the error is the sum of, by what makes it k times as large.
PARTS = {
    "teacher": lambda k: (np.sqrt(k), 1.0, 1.0),
    "start": lambda k: (1.0, np.sqrt(k), 1.0),
    "noise": lambda k: (1.0, 1.0, np.sqrt(k)),
}


@dataclass(frozen=True)
class Noisy:
    """Students of one layer, and the figure's."""

    inputs: int = varies("d, of entries N(0, 1/d), of the learning curves", 60, low=20, high=200)
    examples: int = varies("n of the learning curves", 30, low=5, high=150)
    noise: float = varies("standard deviation of the noise on a label", 0.6, low=0.3, high=1)
    start: float = varies("of the larger starts in the learning curves; the other is 0", 0.7, low=0.1, high=2)
    draws: int = varies("of the learning curves", 300, smoke=60, paper=1600, low=20, high=4000)
    learning_rate: float = varies("of the learning curves", 0.05, smoke=ETA, paper=0.02, low=0.01, high=0.3)
    steps: int = varies("of the learning curves", 1200, smoke=100, paper=3000, low=20, high=10000)
    timed_inputs: int = varies("d of best times and ridge", 60, smoke=24, low=20, high=200)
    timed_examples: int = varies("n of best times and ridge", 30, smoke=12, low=5, high=150)
    timed: int = varies("draws whose best time is found", 64, paper=256, low=64, high=4000)
    ridges: int = varies("draws of the ridge", 24, smoke=8, paper=100, low=1, high=1000)
    spectra: int = varies("spectra sampled", 80_000, smoke=40_000, paper=160_000, low=20_000, high=10**6)
    parts: int = varies("spectra whose teachers, starts and noise are averaged", 8, smoke=3, paper=32, low=1, high=200)
    samples: int = varies("draws judged on new examples", 1000, paper=4000, low=500, high=10**4)

    def __post_init__(self) -> None:
        for name, d, n in (
            ("examples", self.inputs, self.examples),
            ("timed_examples", self.timed_inputs, self.timed_examples),
        ):
            if not d <= 4 * n <= 3 * d:
                reject(name, n, f"a quarter to three quarters of the inputs, {d}")

    @property
    def ensemble(self) -> Ensemble:
        """Of the learning curves."""
        return Ensemble(self.inputs, self.examples, noise=self.noise)

    @property
    def timed_ensemble(self) -> Ensemble:
        return Ensemble(self.timed_inputs, self.timed_examples, noise=self.noise)


@claim(
    "advani2017.generalisation_error",
    source="Advani & Saxe 2017, sections 3 and 4; finite size: Bai & Silverstein 2004, equation 5.13",
    source_kind=RECONSTRUCTED,
    statement=r"E_g(t) = \tfrac1d \sum_{k=1}^n \Big[(\sigma_w^2 + \sigma_0^2) e^{-2\lambda_k t} +"
    r" \tfrac{\sigma_\epsilon^2}{\lambda_k} (1 - e^{-\lambda_k t})^2\Big] +"
    r" (1 - \tfrac nd)(\sigma_w^2 + \sigma_0^2) + \sigma_\epsilon^2,\quad"
    r" t_k = \tfrac{1}{\lambda_k} \log\Big(1 + \tfrac{\sigma_w^2 + \sigma_0^2}{\sigma_\epsilon^2} \lambda_k\Big)",
    hypotheses=(
        "n < d Gaussian inputs of entries N(0, 1/d), X X^T with eigenvalues lambda_k > 0",
        "teacher, start and noise on the labels uncorrelated, of variances sigma_w^2, sigma_0^2, sigma_epsilon^2",
        "one layer",
        "gradient flow, or descent with its memory",
        "t_k: when mode k has its least error",
    ),
    theory_side="closed form",
    controls=(
        *(f"{part} 10 % larger" for part in PARTS),
        "the flow at 1.1 times the time",
        "no noise on new examples",
        "Marchenko-Pastur without its correction",
        "best time 10 % later",
        "ridge of half the strength",
    ),
    parameters=Noisy,
)
def error_is_known_at_every_time(study: Study, size: Noisy) -> Iterator[Check | Curves]:
    yield from _each_student(study)
    yield from _each_part(study, size.parts)
    yield from _on_new_examples(study, size.samples)
    yield from means_over_spectra()
    yield from sampled_spectra(study, size.spectra)
    yield from _best_memories(size.timed_ensemble)
    yield from _best_time(study, size.timed_ensemble, size.timed)
    yield from _ridge(study, size.timed_ensemble, size.ridges)
    yield from _learning_curves(study, size)


def _each_student(study: Study) -> Iterator[Check]:
    """Weights of single students: descent to rounding, and the flow at order 1."""
    ensemble = Ensemble(14, 9, K=2, noise=0.4)
    problem = draw(ensemble, study.rng("students"), 3)
    start = _start(study, "students", ensemble, 3, START)
    trainee = by_descent(study, problem, [start], product)
    W = _steps(trainee, STEPS)
    within = rounding(8 * (ensemble.d + ensemble.n) * STEPS[-1], np.abs(W).max(), of="the largest weight")
    every = measured("every weight", W, within=within, case="descent", axes=("record", "draw"))
    yield every.equals(lambda k: law.student(problem, start, law.descent_memory(k * problem.rates, STEPS, ETA)))
    runs = trainee.refine(learning_rate=0.05, horizon=4.0, records=9, levels=4)
    t, weights = runs[0].t, [run["W"] for run in runs]
    yield from tends_to("every weight", weights, lambda k: law.solution(problem, start, k * t), case="flow")
    late = law.solution(problem, start, 1.1 * t)
    yield extrapolated("every weight", weights, case="flow").control("the flow at 1.1 times the time").equals(late)


def _each_part(study: Study, draws: int) -> Iterator[Check]:
    """The mean over teachers, starts and noise given each draw's rates, to rounding, part by part."""
    ensemble = Ensemble(24, 12, noise=0.8)
    problem, start = of_exact_moments(ensemble, study.rng("parts"), draws, START)
    errors = mean_error(ensemble, problem, _steps(by_descent(study, problem, [start], product), STEPS))

    def predicted(teacher: float, begun: float, noise: float) -> Array:
        changed = Ensemble(ensemble.d, ensemble.n, teacher=teacher, noise=noise * ensemble.noise)
        return law.error(changed, problem.rates, law.descent_memory(problem.rates, STEPS, ETA), begun * START)

    within = rounding(8 * (ensemble.d + ensemble.n) * STEPS[-1], errors.max(), of="the error, d + n a step")
    for part, times in PARTS.items():
        error = measured("mean error", errors, within=within, case=f"{part} and the others", axes=("record", "draw"))
        yield error.equals(lambda k, times=times: predicted(*times(k)))
        yield error.control(f"{part} 10 % larger").equals(predicted(*times(1.1)))


def _on_new_examples(study: Study, draws: int) -> Iterator[Check]:
    """What `generalisation_error` integrates, sampled: new inputs, their labels with their noise, squared errors."""
    ensemble, new = Ensemble(24, 12, K=8, noise=0.7), 40
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


def _best_memories(ensemble: Ensemble) -> Iterator[Check]:
    """Each mode's best time leaves its best memory, and so does the best ridge; no other memory has less error."""
    best = law.best_memory(ensemble, RATES, START)
    stopped = np.diagonal(law.flow_memory(RATES, law.best_times(ensemble, RATES, START)))
    few = rounding(32, of="numbers up to 1: both are (se^2 / lam) / (sw^2 + s0^2 + se^2 / lam)")
    yield measured("memory of modes at their best times", stopped, within=few, axes=("mode",)).equals(best)
    ridge = law.ridge_memory(RATES, law.best_ridge_strength(ensemble))
    from_nothing = measured("memory of the best ridge", ridge, within=few, axes=("mode",))
    yield from_nothing.equals(law.best_memory(ensemble, RATES))
    others = np.clip(best + np.linspace(-0.2, 0.2, 41)[:, None], 0, 1)
    errors = law.error(ensemble, RATES[:, None], others[..., None], START)
    least = law.error(ensemble, RATES[:, None], best[:, None], START)
    within = rounding(8, least, of="the minimum of a parabola")
    yield measured("error of other memories", errors, within=within, axes=("memory", "mode")).at_least(least)


def _best_time(study: Study, ensemble: Ensemble, draws: int) -> Iterator[Check]:
    """The whole student's best time: where the slope of the mean error of trained students is 0, over the formula.

    Its interval holds every time at which the interval of the slope (a secant) holds 0. Only the rates are random: one
    draw's best time has a standard deviation of 5 % at d = 24, 2 % at d = 60, so that of 64 draws the interval is a
    third of the 10 % it has to exclude, and a quarter of the 5 % it has to resolve at d = 60.
    """
    problem, start = of_exact_moments(ensemble, study.rng("best time"), draws, START)
    best = lambda noise: law.best_time(  # noqa: E731
        Ensemble(ensemble.d, ensemble.n, noise=noise), START, lambda rates, t: law.descent_memory(rates, t / ETA, ETA)
    )
    predicted = best(ensemble.noise)
    record = np.unique(np.round(np.linspace(0.7, 1.3, 7) * predicted / ETA).astype(int))
    E = mean_error(ensemble, problem, _steps(by_descent(study, problem, [start], product), record.tolist()))
    t = ETA * record
    slopes = np.diff(E, axis=0) / np.diff(t)[:, None]
    middles = (t[1:] + t[:-1]) / 2 / predicted
    intervals = [mean(slope, SIGNIFICANCE / len(slopes)) for slope in slopes]
    crossing = [float(np.interp(0, [getattr(e, end) for e in intervals], middles)) for end in ("value", "high", "low")]
    because = f"the times at which the Student interval of the slope holds 0, {draws} draws"
    estimate = Estimate(*crossing, because, SIGNIFICANCE)
    turn = rate("best time of the mean, trained over formula", estimate)
    yield turn.equals(1, excludes=(0.9, 1.1))
    yield turn.control("best time 10 % later").equals(1.1, excludes=(0.9,))


def _ridge(study: Study, ensemble: Ensemble, draws: int) -> Iterator[Check]:
    """Weight decay of one layer is ridge regression, at half, once and twice the best strength."""
    mu = law.best_ridge_strength(ensemble)
    steps = round(300 * max(1.0, 0.36 / mu))
    problem, start = of_exact_moments(ensemble, study.rng("ridge"), draws, START)
    errors, left, factors = [], [], (0.5, 1.0, 2.0)
    for strength in mu * np.array(factors):
        W = _steps(by_weight_decay(study, problem, [start], float(strength), product), [steps])[-1]
        solution = law.student(problem, np.zeros_like(start), law.ridge_memory(problem.rates, strength))
        # The slowest direction forgets as (1 - eta mu)^steps.
        forgets = Tolerance((1 - ETA * strength) ** steps * np.abs(start - solution).sum(-1).max(), "left of the start")
        within = forgets + rounding(1e4, np.abs(W).max(), of="the weights")
        case = f"{strength / mu:g} times the best strength"
        every = measured("every weight", W, within=within, case=case, axes=("draw",))
        yield every.equals(
            lambda k, strength=strength: law.student(problem, 0 * start, law.ridge_memory(problem.rates, k * strength))
        )
        errors.append(mean_error(ensemble, problem, W))
        left.append(float(np.max(within.value)))

    def predicted(factor: float) -> Array:
        return law.error(ensemble, problem.rates, law.ridge_memory(problem.rates, factor * mu))

    # |w - w^| <= left moves |wbar - w|^2 / d by 2 |wbar - w| left / d at most, in each of two errors.
    within = Tolerance(4 * max(left) * np.sqrt(np.max(errors) / ensemble.d), "what is left of the start")
    best = measured("mean error", errors[1], within=within, case="best ridge", axes=("draw",))
    yield best.equals(predicted(1.0))
    for i in (0, 2):
        case = f"ridge {factors[i]:g} times as strong"
        added = measured("error added", errors[i] - errors[1], within=within, case=case, axes=("draw",))
        yield added.equals(predicted(factors[i]) - predicted(1.0))
        least = measured("least error added", added.value.min(), within=within, case=case)
        yield least.at_least(0, against=float(added.value.min()))
    half = measured("error added", errors[1] - errors[0], within=within)
    yield half.control("ridge of half the strength").at_least(0)


def _learning_curves(study: Study, size: Noisy) -> Iterator[Check | Curves]:
    """Learning curves of Gaussian students from two starts, by formula and trained, with their best times.

    Six students share the examples of a draw, which makes the interval of the mean half as wide.
    """
    ensemble, draws, eta = size.ensemble, size.draws, size.learning_rate
    several = replace(ensemble, K=6)
    starts = np.array([0.0, size.start])
    t = np.geomspace(0.05, 60, 121)
    steps = np.unique(np.round(np.geomspace(1, size.steps, 17)).astype(int)).tolist()
    problem = draw(several, study.rng("figure"), draws)
    trained, flow, expected = [], [], []
    for start in starts.tolist():
        W = _start(study, f"figure {start}", several, draws, start)
        trainee = by_descent(study, problem, [W], product)
        trained.append(mean_error(ensemble, problem, _steps(trainee, steps, eta)))
        flow.append(law.expected_error(ensemble, lambda rates: law.flow_memory(rates, t), start))
        expected.append(law.expected_error(ensemble, lambda rates: law.descent_memory(rates, steps, eta), start))
    middle = np.mean(trained, axis=-1)
    band, wide = (
        np.array([[mean(errors, significance).half_width for errors in curve] for curve in trained])
        for significance in (0.05, SIGNIFICANCE / middle.size)
    )
    size = (ensemble.teacher**2 + START**2 + ensemble.noise**2) / ensemble.d**2
    because = f"Student interval over {draws} draws; the expansion in 1/d leaves O(1/d^2)"
    within = Tolerance(wide + size, because, SIGNIFICANCE)
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
