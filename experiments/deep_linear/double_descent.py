"""Test error against the number of examples: the peak at n = d, which Minnorm does not avoid, and ridge does."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.deep_linear.convergence import change_of_error, left_of_minnorm
from experiments.deep_linear.moments import mean_error, of_exact_moments
from experiments.deep_linear.networks import Constraint, ControlledDescent, product_and_gain, students
from theory.claims import OURS, Check, Curves, Study, Tolerance, by_chance, claim, curves, measured, rate, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.core.validation import reject
from theory.deep_linear import generalisation as law
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw, generalisation_error

ETA, START = 0.01, 0.4
MANY = (6, 12, 18, 22, 48, 60, 90)


@dataclass(frozen=True)
class Peak:
    """Students on either side of as many examples as inputs."""

    inputs: int = varies("d of the trained students", 30, low=8, high=60)
    examples: tuple[int, ...] = varies("n of the trained students", MANY, smoke=(12, 60), low=2, high=180)
    # Below 0.25 the peak is not yet seen at n = 18 of d = 22.
    noise: float = varies("standard deviation of the noise on a label", 0.6, low=0.3, high=2)
    width: int = varies("of the hidden layer", 4, low=1, high=16)
    draws: int = varies("trained students for each n", 24, smoke=6, paper=80, low=3, high=400)
    steps: int = varies("of their training", 4000, smoke=1200, paper=8000, low=600, high=20000)
    means: int = varies(
        "draws of the means over solutions at d = 22", 4000, smoke=2000, paper=16000, low=2000, high=50000
    )

    def __post_init__(self) -> None:
        if len(set(self.examples)) < len(self.examples):
            reject("examples", self.examples, "numbers that all differ")
        for n in self.examples:
            if 4 * abs(self.inputs - n) < self.inputs:
                reject(
                    "examples",
                    n,
                    f"a quarter of the inputs, {self.inputs}, away from them: slower ones are not fitted in time",
                )
        if min(self.examples) > self.inputs:
            reject("examples", self.examples, f"one below the inputs, {self.inputs}, among them: there Minnorm trains")

    @property
    def broken(self) -> int:
        """Where gradient descent takes Minnorm's place: 12 where it is one of them, else the fewest examples."""
        return 12 if 12 in self.examples and self.inputs > 12 else min(self.examples)


@claim(
    "minnorm.deep_double_descent",
    source="Advani & Saxe 2017, section 4 (the peak at n = d); exact at every size, and for Minnorm: ours",
    source_kind=OURS,
    statement=r"E_g(Y X^+) = K\Big[\big(1 - \tfrac nd\big)_+ \sigma_w^2 + \sigma_\epsilon^2\Big(1 +"
    r" \frac{\min(n, d)}{|d - n| - 1}\Big)\Big]",
    hypotheses=(
        "n inputs of d entries N(0, 1/d); K outputs; teacher and noise of variances sigma_w^2 and sigma_epsilon^2",
        "E_g(Y X^+): mean error of the minimum-norm solution on new examples; (x)_+ = max(x, 0)",
        "|d - n| > 1",
        "Minnorm needs n <= d: beyond, no fit is exact",
    ),
    theory_side="closed form",
    controls=(
        "d - n in place of d - n - 1",
        "more examples never hurt Minnorm",
        "gradient descent in place of Minnorm",
    ),
    parameters=Peak,
)
def exact_fitting_peaks_at_as_many_examples_as_inputs(study: Study, peak: Peak) -> Iterator[Check | Curves]:
    yield from _means(study, peak)
    trained = []
    for n in peak.examples:
        trained.append((yield from _trained(study, Ensemble(peak.inputs, n, noise=peak.noise), peak)))
    error, band = np.transpose(trained)
    yield curves("trained", n_over_d=np.array(peak.examples) / peak.inputs, error=error, band=band)
    yield from _against_ridge(peak)


def _means(study: Study, peak: Peak) -> Iterator[Check]:
    """The mean over draws at finite size, on either side of the peak.

    Only the rates are random: the fitted noise of one draw has a standard deviation of 19 % at n = 12 and 14 % at
    n = 34, so that the interval of 4000 draws is 1.6 %, a third of what has to be resolved and a sixth of what has to
    be excluded.
    """
    means, noise = {}, peak.noise
    for n in (12, 18, 34):
        ensemble, case = Ensemble(22, n, noise=noise), f"d = 22, n = {n}"
        problem, _ = of_exact_moments(ensemble, study.rng("means", n), peak.means, 0.0)
        errors = mean_error(ensemble, problem, problem.minimum_norm_solution)
        means[n] = mean(errors)
        if n == 18:
            continue
        # Without the noise of new labels, which only adds a constant.
        ratio = (errors - noise**2) / (law.final_error(ensemble) - noise**2)
        yield rate("mean error of the fit", mean(ratio), case=case).equals(1, excludes=(0.9, 1.1))
        fitted_noise = ((problem.noise @ problem.pseudoinverse) ** 2).sum(-1).mean(-1) / (ensemble.d * noise**2)
        part = min(n, 22) / (abs(22 - n) - 1)
        fitted = rate("fitted noise", mean(fitted_noise), case=case)
        yield fitted.equals(part, excludes=(0.9 * part, 1.1 * part))
        if n == 12:
            yield fitted.control("d - n in place of d - n - 1").equals(12 / 10, excludes=(1.0,))
    within = by_chance(means[18]) + by_chance(means[12])
    late = measured("E_g at n = 18", means[18].value, within=within)
    yield late.control("more examples never hurt Minnorm").at_most(means[12].value)


def _trained(study: Study, ensemble: Ensemble, peak: Peak) -> Iterator[Check]:
    """Two layers trained for real, by Minnorm where labels can be fitted, else by gradient descent.

    Returns the mean of E_g over draws and the half-width of its 95 % interval.
    """
    draws, n = peak.draws, ensemble.n
    problem = draw(ensemble, study.rng("trained", n), draws)
    start = gaussian_stack(study.rng("starts", n), (ensemble.d, peak.width, 1), START, runs=draws)
    fits = n < ensemble.d
    by_descent, by_minnorm = ControlledDescent(problem), ControlledDescent(problem, gamma=1.0, b=4.0, c=2.0)
    W, left = _final(study, problem, start, by_minnorm if fits else by_descent, peak.steps)
    because = "what is not forgotten and not fitted yet" if fits else "|W - W^| <= |gradient| / lam_min"
    within = Tolerance(change_of_error(ensemble, problem.teacher, W, left), because)
    fitted = generalisation_error(ensemble, problem, problem.minimum_norm_solution)
    name, case, errors = "E_g of trained students", f"n = {n}", generalisation_error(ensemble, problem, W)
    yield measured(name, errors, within=within, case=case, axes=("draw",)).equals(fitted)
    if n == peak.broken:
        other = generalisation_error(ensemble, problem, _final(study, problem, start, by_descent, peak.steps)[0])
        wrong = measured(name, other, within=within, case=case, axes=("draw",))
        yield wrong.control("gradient descent in place of Minnorm").equals(fitted)
    return errors.mean(), mean(errors, 0.05).half_width


def _final(
    study: Study, problem: TeacherStudent, start: list[Array], rule: ControlledDescent, steps: int
) -> tuple[Array, Array]:
    """The students (draws, 1, d) at the end, and a bound on their distance from W^ of their draw."""
    trainee = students(study, Constraint(problem, start, study.device), start, rule, product_and_gain)
    run = trainee.train(learning_rate=ETA, steps=steps, record=[steps])
    W, gain = run["W"][-1], run["gain"][-1]
    if problem.n >= problem.d:
        gradient = (problem.Y - W @ problem.X) @ problem.X.mT
        return W, np.sqrt((gradient**2).sum((-2, -1))) / problem.rates[:, -1]
    unseen = np.linalg.norm(start[0] @ problem.unseen, axis=(-2, -1))
    return W, left_of_minnorm(problem, W, gain * unseen * (1 - ETA) ** steps)


def _against_ridge(peak: Peak) -> Iterator[Check | Curves]:
    """Both errors by formula, on either side of the peak."""
    (fitted, ridge), d, noise = ({}, {}), peak.inputs, peak.noise
    for side, counts in (("fewer examples", range(2, d - 1)), ("more examples", range(d + 2, 4 * d))):
        ensembles = [Ensemble(d, n, noise=noise) for n in counts]
        fitted |= {ensemble.n: law.final_error(ensemble) for ensemble in ensembles}
        ridge |= {ensemble.n: law.best_ridge_error(ensemble) for ensemble in ensembles}
        lines = {"fitted": [fitted[n] for n in counts], "ridge": [ridge[n] for n in counts]}
        yield curves(side, n_over_d=np.array(counts) / d, **lines)
    yield curves(d=d, noise=noise)
    because = "the best ridge is at least as good as any; its expansion leaves O(1/d^2)"
    within = Tolerance((1 + noise**2) / d**2, because)
    best = measured("the best ridge", list(ridge.values()), within=within, axes=("n",))
    yield best.supporting().at_most(list(fitted.values()))
