"""Where fitting the labels exactly is not best: stopping early from small starts, and how small is small."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.optimize import brentq

from experiments.deep_linear.networks import by_descent, product
from theory.claims import Check, Curves, Study, claim, curves, exactly, measured, rate, rounding
from theory.claims.estimates import SIGNIFICANCE, Estimate, mean
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.deep_linear import generalisation as law
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw, generalisation_error

ETA = 0.2


@claim(
    "minnorm.deep_crossover",
    source="ours; the limits of the claim of Bansal et al. 2018 under label noise",
    statement=r"\min_t E_g(t; s_0) < E_g(Y X^+) \iff s_0 < s_0^*\quad\text{under label noise};\quad"
    r" E_g(t; 0) \ge E_g(Y X^+)\ \text{for all } t\ \text{without}",
    hypotheses=("one layer", "stopped at the best time of the ensemble", "n < d"),
    theory_side="closed form",
    controls=("crossover 10 % later", "with label noise, later is always better", "gain of stopping without noise"),
)
def small_starts_stopped_early_beat_exact_fitting(study: Study) -> Iterator[Check | Curves]:
    ensemble = Ensemble(60, 30, noise=0.6)
    predicted = law.crossover(ensemble, _memory)
    draws = study.pick(smoke=1500, quick=2500, paper=6000)
    steps = round(law.best_time(ensemble, predicted, _memory) / ETA)
    least, growth = _against_the_fit(study, ensemble, steps, draws)
    estimate = _crossing(least, growth)
    crossing = rate("crossover", estimate)
    yield crossing.equals(predicted, excludes=(0.9 * predicted, 1.1 * predicted))
    yield crossing.control("crossover 10 % later").equals(1.1 * predicted, excludes=(0.9 * predicted,))
    stopped = float(law.expected_error(ensemble, lambda rates: law.descent_memory(rates, steps, ETA)))
    gain = law.final_error(ensemble) - stopped
    yield rate("what stopping gains from start 0", mean(-least)).equals(gain, excludes=(0.8 * gain, 1.2 * gain))
    yield from _on_the_way(study, draws)
    yield curves(crossover=predicted, crossover_band=(estimate.low, estimate.high))
    yield curves(crossover_of_flow=law.crossover(ensemble))


def _memory(rates: Array, t: float) -> Array:
    """The memory of gradient descent at time t."""
    return law.descent_memory(rates, t / ETA, ETA)


def _against_the_fit(study: Study, ensemble: Ensemble, steps: int, draws: int) -> tuple[Array, Array]:
    """E_g of trained students less that of W^ of their draw: from start 0, and what s0^2 = 1 adds to it (draws,)."""
    problem = draw(ensemble, study.rng("draws"), draws)
    gaussian = gaussian_stack(study.rng("starts"), (ensemble.d, 1), 1.0, runs=draws)[0]
    # E_g is a parabola in the scale of the start; starts of both signs leave its even part.
    W = np.repeat(gaussian, 3, axis=0) * np.tile([0.0, 1.0, -1.0], draws)[:, None, None]
    each = problem.each(3)
    E = generalisation_error(ensemble, each, _trained(study, each, W, [steps])[-1]).reshape(draws, 3)
    fitted = generalisation_error(ensemble, problem, problem.minimum_norm_solution)
    return E[:, 0] - fitted, E[:, 1:].mean(1) - E[:, 0]


def _crossing(least: Array, growth: Array) -> Estimate:
    """s0 at which mean(least + s0^2 growth) = 0, with every s0 whose Student interval holds 0 (Fieller)."""

    def root(end: str) -> float:
        return float(brentq(lambda s: getattr(mean(least + s**2 * growth), end), 0.0, 2.0))

    return Estimate(root("value"), root("high"), root("low"), f"Fieller's interval over {len(least)} draws")


def _on_the_way(study: Study, draws: int) -> Iterator[Check]:
    """From start 0 every mode only gets nearer to the teacher: no draw is ever below its fit. Noise ends that."""
    for noise in (0.0, 0.6):
        ensemble = Ensemble(24, 12, noise=noise)
        problem = draw(ensemble, study.rng("noise", noise), draws // 4)
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
        gained = mean(fitted - errors[1], SIGNIFICANCE)
        within = exactly("Student interval of the paired difference")
        yield (
            measured("stopping gains", gained.high, within=within).control("gain of stopping without noise").at_least(0)
        )


def _trained(study: Study, problem: TeacherStudent, start: Array, record: Sequence[int]) -> Array:
    """One layer W (T, runs, 1, d) after each of these steps of gradient descent."""
    trainee = by_descent(study, problem, [start], product)
    return trainee.train(learning_rate=ETA, steps=record[-1], record=record)["W"]
