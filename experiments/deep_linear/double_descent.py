"""Test error against the number of examples: the peak at n = d, which Minnorm does not avoid, and ridge does."""

from collections.abc import Iterator

import numpy as np

from experiments.deep_linear.networks import Constraint, ControlledDescent, train_stack
from experiments.deep_linear.race import change_of_error, product_and_gain
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import mean
from theory.claims.legacy import at_most, equal, rate, refuted
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.deep_linear import generalisation as law
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw, generalisation_error

NOISE, ETA, START, WIDTH = 0.6, 0.01, 0.4, 4
DIRECTIONS = 30


@claim(
    "minnorm.deep_double_descent",
    source="Advani & Saxe 2017, section 4 (the peak at n = d); exact at every size, and for Minnorm: ours",
    statement=r"E_g(Y X^+) = K\Big[\big(1 - \tfrac nd\big)_+ \sigma_w^2 + \sigma_\epsilon^2\Big(1 +"
    r" \frac{\min(n, d)}{|d - n| - 1}\Big)\Big]",
    hypotheses=("Gaussian inputs, teacher and noise", "|d - n| > 1", "Minnorm needs n <= d: beyond, no fit is exact"),
    controls=(
        "d - n in place of d - n - 1",
        "more examples never hurt Minnorm",
        "gradient descent in place of Minnorm",
    ),
)
def exact_fitting_peaks_at_as_many_examples_as_inputs(study: Study) -> Iterator[Check | Curves]:
    yield from _means(study)
    d, many = DIRECTIONS, (6, 12, 18, 22, 48, 60, 90)
    counts = study.pick(smoke=(12, 60), quick=many, paper=many)
    trained = []
    for n in counts:
        trained.append((yield from _trained(study, Ensemble(d, n, noise=NOISE))))
    yield curves(d=d, noise=NOISE, trained_n=np.array(counts), trained=np.array(trained))
    n = np.array([n for n in range(2, 4 * d) if abs(n - d) > 1])
    fitted = np.array([law.final_error(Ensemble(d, int(k), noise=NOISE)) for k in n])
    ridge = np.array([law.best_ridge_error(Ensemble(d, int(k), noise=NOISE)) for k in n])
    yield curves(n=n, fitted=fitted, ridge=ridge)
    because = "the best ridge is at least as good as any; its expansion leaves O(1/d^2)"
    slack = (1 + NOISE**2) / d**2
    yield at_most("the best ridge", ridge, fitted, slack=slack, because=because)
    # Fewer examples, less harm: a third of d against two examples short of it.
    few, late = (float(fitted[n == k][0]) for k in (d // 3, d - 2))
    yield refuted("more examples never hurt Minnorm", at_most("E_g at n = d - 2", late, few, because="monotone in n"))


def _means(study: Study) -> Iterator[Check]:
    """The mean over draws at finite size, on either side of the peak."""
    draws = study.pick(smoke=4000, quick=8000, paper=16000)
    for n in (12, 34):
        ensemble = Ensemble(22, n, K=2, noise=NOISE)
        problem = draw(ensemble, study.rng("means", n), draws)
        errors = generalisation_error(ensemble, problem, problem.minimum_norm_solution)
        # Without the noise of new labels, which only adds a constant.
        constant = ensemble.K * NOISE**2
        ratio = (errors - constant) / (law.final_error(ensemble) - constant)
        yield rate(f"d = 22, n = {n}: mean error of the fit", mean(ratio), 1, excludes=(0.9, 1.1))
        fitted_noise = ((problem.noise @ problem.pseudoinverse) ** 2).sum((-2, -1)) / (ensemble.d * constant)
        part = min(n, 22) / (abs(22 - n) - 1)
        estimate = mean(fitted_noise)
        yield rate(f"d = 22, n = {n}: fitted noise", estimate, part, excludes=(0.9 * part, 1.1 * part))
        if n == 12:
            wrong = rate("d - n", estimate, 12 / 10, excludes=(1.0,))
            yield refuted("d - n in place of d - n - 1", wrong)


def _trained(study: Study, ensemble: Ensemble) -> Iterator[Check]:
    """Two layers trained for real, by Minnorm where labels can be fitted, else by gradient descent.

    Returns the mean of E_g over draws and the half-width of its 95 % interval.
    """
    draws, n = study.pick(smoke=6, quick=24, paper=80), ensemble.n
    problem = draw(ensemble, study.rng("trained", n), draws)
    start = gaussian_stack(study.rng("starts", n), (ensemble.d, WIDTH, 1), START, runs=draws)
    fits = n < ensemble.d
    minnorm, descent = ControlledDescent(problem, 1.0, 4.0, 2.0), ControlledDescent(problem, 0.0, 0.0, 1.0)
    W, left = _final(study, f"{n}", problem, start, minnorm if fits else descent)
    errors = generalisation_error(ensemble, problem, W)
    fitted = generalisation_error(ensemble, problem, problem.minimum_norm_solution)
    tolerance = change_of_error(ensemble, problem.teacher, W, left)
    because = "what is not forgotten and not fitted yet" if fits else "|W - W^| <= |gradient| / lam_min"
    yield equal(f"n = {n}: E_g of trained students", errors, fitted, tolerance=tolerance, because=because)
    if n == 12:
        other = generalisation_error(ensemble, problem, _final(study, "descent", problem, start, descent)[0])
        wrong = equal("descent", other, fitted, tolerance=tolerance, because=because)
        yield refuted("gradient descent in place of Minnorm", wrong)
    half = mean(errors, 0.05).half_width
    return float(errors.mean()), half


def _final(
    study: Study, name: str, problem: TeacherStudent, start: list[Array], rule: ControlledDescent
) -> tuple[Array, Array]:
    """The students (draws, 1, d) at the end, and a bound on their distance from W^ of their draw."""
    steps = study.pick(smoke=1200, quick=4000, paper=8000)
    run = train_stack(
        study,
        name,
        Constraint(problem, (problem.d, WIDTH, 1), study.device),
        start,
        rule,
        learning_rate=ETA,
        steps=steps,
        record=[steps],
        observe=product_and_gain,
    )
    W, gain = run["W"][-1], run["gain"][-1]
    residual = problem.Y - W @ problem.X
    S = problem.singular_values[:, -1]
    if problem.n >= problem.d:
        gradient = residual @ problem.X.mT
        return W, np.sqrt((gradient**2).sum((-2, -1))) / S**2
    unseen = np.linalg.norm(start[0] @ problem.unseen, axis=(-2, -1))
    return W, gain * unseen * (1 - ETA) ** steps + np.sqrt((residual**2).sum((-2, -1))) / S
