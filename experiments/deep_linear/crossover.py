"""Where fitting the labels exactly is not best: stopping early from small starts, and how small is small."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from experiments.deep_linear.moments import mean_error, of_exact_moments
from experiments.deep_linear.networks import by_descent, product
from theory.claims import OURS, Check, Curves, Study, by_chance, claim, curves, measured, rate, rounding, varies
from theory.claims.estimates import SIGNIFICANCE, Estimate, mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.deep_linear import generalisation as law
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw, generalisation_error

ETA = 0.2


@dataclass(frozen=True)
class Crossing:
    inputs: int = varies("d, of entries N(0, 1/d)", 60, low=30, high=200)
    examples: int = varies("n", 30, low=10, high=150)
    noise: float = varies("standard deviation of the noise on a label", 0.6, low=0.2, high=1)
    draws: int = varies("problems", 256, smoke=100, paper=1000, low=100, high=4000)

    def __post_init__(self) -> None:
        if not self.inputs <= 4 * self.examples <= 3 * self.inputs:
            reject("examples", self.examples, f"a quarter to three quarters of the inputs, {self.inputs}")


@claim(
    "minnorm.deep_crossover",
    source="ours; the limits of the claim of Bansal et al. 2018 under label noise",
    source_kind=OURS,
    statement=r"\min_t E_g(t; s_0) < E_g(Y X^+) \iff s_0 < s_0^*\quad\text{under label noise};\quad"
    r" E_g(t; 0) \ge E_g(Y X^+)\ \text{for all } t\ \text{without}",
    hypotheses=(
        "E_g(t; s_0): mean error at time t of one layer started with entries N(0, s_0^2)",
        "E_g(Y X^+): that of the minimum-norm solution; s_0^*: the scale that makes the two equal",
        "stopped at the best time of the ensemble",
        "n < d",
    ),
    theory_side="closed form",
    controls=("crossover 10 % later", "with label noise, later is always better", "gain of stopping without noise"),
    parameters=Crossing,
)
def small_starts_stopped_early_beat_exact_fitting(study: Study, size: Crossing) -> Iterator[Check | Curves]:
    """One draw's crossover has a standard deviation of 6 %: of 256 draws the interval is 2 %, a fifth of what it has to
    exclude.
    """
    ensemble = Ensemble(size.inputs, size.examples, noise=size.noise)
    predicted = law.crossover(ensemble, _memory)
    steps = round(law.best_time(ensemble, predicted, _memory) / ETA)
    problem, start = of_exact_moments(ensemble, study.rng("draws"), size.draws, 1.0)
    from_nothing, begun = (
        mean_error(ensemble, problem, _trained(study, problem, W, [steps])[-1]) for W in (0 * start, start)
    )
    fitted = mean_error(ensemble, problem, problem.minimum_norm_solution)
    estimate = _crossing(from_nothing - fitted, begun - from_nothing)
    crossing = rate("crossover", estimate)
    yield crossing.equals(predicted, excludes=(0.9 * predicted, 1.1 * predicted))
    yield crossing.control("crossover 10 % later").equals(1.1 * predicted, excludes=(0.9 * predicted,))
    stopped, late = (law.error(ensemble, problem.rates, memory) for memory in _memories(problem, steps))
    within = rounding(1e4, fitted, of="the error of the fit")
    gain = measured("what stopping gains from start 0", fitted - from_nothing, within=within, axes=("draw",))
    yield gain.equals(late - stopped)
    yield from _on_the_way(study, size.noise)
    yield curves(crossover=predicted, crossover_band=(estimate.low, estimate.high))
    yield curves(crossover_of_flow=law.crossover(ensemble))


def _memory(rates: Array, t: float) -> Array:
    """The memory of gradient descent at time t."""
    return law.descent_memory(rates, t / ETA, ETA)


def _memories(problem: TeacherStudent, steps: int) -> tuple[Array, Array]:
    """Of students stopped after so many steps, and at the end."""
    stopped = law.descent_memory(problem.rates, steps, ETA)
    return stopped, 0 * stopped


def _crossing(least: Array, growth: Array) -> Estimate:
    """s0 at which mean(least + s0^2 growth) = 0, with every s0 whose Student interval holds 0 (Fieller)."""

    def root(end: str) -> float:
        return float(brentq(lambda s: getattr(mean(least + s**2 * growth), end), 0.0, 2.0))

    return Estimate(
        root("value"), root("high"), root("low"), f"Fieller's interval over {len(least)} draws", SIGNIFICANCE
    )


def _on_the_way(study: Study, noisy: float) -> Iterator[Check]:
    """From start 0 every mode only gets nearer to the teacher: no draw is ever below its fit. Noise ends that."""
    for noise in (0.0, noisy):
        ensemble = Ensemble(24, 12, noise=noise)
        problem = draw(ensemble, study.rng("noise", noise), 400)
        W = _trained(study, problem, np.zeros((len(problem.X), 1, ensemble.d)), [1, 5, 25, 125])
        fitted = generalisation_error(ensemble, problem, problem.minimum_norm_solution)
        errors = generalisation_error(ensemble, problem, W)
        # What the examples show is learned without error, the rest not at all.
        within = rounding(1e3, fitted, of="the error of the fit")
        on_the_way = measured("E_g on the way", errors, within=within, case=f"noise {noise}", axes=("record", "draw"))
        if noise:
            yield on_the_way.control("with label noise, later is always better").at_least(fitted)
            continue
        yield on_the_way.at_least(fitted)
        gained = mean(fitted - errors[1])
        gain = measured("stopping gains", gained.value, within=by_chance(gained, "paired over draws"))
        yield gain.control("gain of stopping without noise").at_least(0)


def _trained(study: Study, problem: TeacherStudent, start: Array, record: Sequence[int]) -> Array:
    """One layer W (T, runs, 1, d) after each of these steps of gradient descent."""
    trainee = by_descent(study, problem, [start], product)
    return trainee.train(learning_rate=ETA, steps=record[-1], record=record)["W"]
