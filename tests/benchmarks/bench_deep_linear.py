"""Deep linear students: a sweep in one batch against one after the other; a learning curve by formula against draws."""

from collections.abc import Callable

import numpy as np

from benchmarks.timing import interleaved
from experiments.deep_linear.networks import Constraint, ControlledDescent, product, students
from theory.claims import Study
from theory.core.linear_networks import gaussian_stack
from theory.deep_linear import generalisation as law
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw

STUDY = Study("bench.deep_linear")
TEACHERS, SCALES, STEPS = 20, np.array([0.05, 0.1, 0.2, 0.4, 0.6]), 100
WIDTHS = (60, 6, 1)


def test_teachers_and_scales_in_one_batch(report: Callable[[str], None]) -> None:
    rng = np.random.default_rng(0)
    problem = draw(Ensemble(60, 30, noise=0.3), rng, TEACHERS).each(len(SCALES))
    runs = len(problem.X)
    W = [np.tile(SCALES, TEACHERS)[:, None, None] * layer for layer in gaussian_stack(rng, WIDTHS, 1.0, runs=runs)]

    def trained(part: slice) -> np.ndarray:
        own = TeacherStudent(problem.X[part], problem.teacher[part], problem.noise[part])
        start = [layer[part] for layer in W]
        trainee = students(
            STUDY, Constraint(own, start, "cpu"), start, ControlledDescent(own, gamma=1.0, b=1.0), product
        )
        run = trainee.train(learning_rate=0.01, steps=STEPS, record=[STEPS])
        return run["W"][-1]

    def together() -> np.ndarray:
        return trained(slice(None))

    def one_by_one() -> np.ndarray:
        return np.concatenate([trained(slice(run, run + 1)) for run in range(runs)])

    assert np.allclose(together(), one_by_one(), rtol=0, atol=1e-10)
    seconds = interleaved({"together": together, "one by one": one_by_one}, rounds=3)
    ratio = seconds["one by one"] / seconds["together"]
    report(
        f"{TEACHERS} teachers x {len(SCALES)} scales, {STEPS} steps: {seconds['together']:.2f} s in one batch, "
        f"{seconds['one by one']:.2f} s one by one: {ratio:.1f} x"
    )
    assert ratio >= 5


def test_a_learning_curve_by_formula(report: Callable[[str], None]) -> None:
    """How long it takes draws of the data to know E_g(t) as well as the expansion in 1/d does."""
    ensemble, t, start = Ensemble(60, 30, noise=0.6), np.geomspace(0.05, 60, 41), 0.3

    def formula() -> np.ndarray:
        return np.asarray(law.expected_error(ensemble, lambda rates: law.flow_memory(rates, t), start))

    def sampled(draws: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        problem = draw(ensemble, rng, draws)
        W = law.student(problem, start * rng.standard_normal((draws, 1, 60)), law.flow_memory(problem.rates, t))
        errors = ((problem.teacher - W) ** 2).sum((-2, -1)) / ensemble.d + ensemble.noise**2
        return errors.mean(1), errors.std(1, ddof=1) / draws**0.5

    middle, spread = sampled(400)
    assert (np.abs(middle - formula()) < 6 * spread + 1 / ensemble.d**2).all()
    # At the last time the exact value is known, and with it the error of the expansion.
    error = abs(float(law.expected_error(ensemble, np.zeros_like, start)) - law.final_error(ensemble, start))
    needed = 400 * (spread.max() / error) ** 2
    seconds = interleaved({"formula": formula, "400 draws": lambda: sampled(400)}, rounds=3)
    ratio = seconds["400 draws"] * needed / 400 / seconds["formula"]
    report(
        f"learning curve to {error:.1e}: {1e3 * seconds['formula']:.1f} ms by formula; {needed:.1e} draws, "
        f"{seconds['400 draws'] * needed / 400:.0f} s: {ratio:.0f} x"
    )
    assert ratio >= 100
