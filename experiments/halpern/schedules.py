"""Which weights find the solution of least norm: they must vanish but not be summable, and the step be short enough."""

from collections.abc import Iterator

import numpy as np

from experiments.halpern.descent import ROUNDING, polynomial, rounding, train_regression
from experiments.halpern.least_squares import regression
from experiments.training.loop import recording_steps
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.halpern import least_squares, schedules

WEIGHT = 0.02  # of the constant schedule
# lambda_k = c / (k + 2)^power, one a run: gradient descent, Halpern's, summable, constant.
C, POWER = np.array([0.0, 1.0, 1.0, WEIGHT]), np.array([0.0, 1.0, 2.0, 0.0])
LEFT = (schedules.none, schedules.harmonic, schedules.inverse_square, lambda k: schedules.constant(WEIGHT, k))
WORDS = ("none", "1/(k + 2)", "1/(k + 2)^2", f"constant {WEIGHT}")


@claim(
    "banburski2019.nmgd_schedules",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), reconstructed; conditions of Wittmann 1992; formulas ours",
    statement=r"w_k = P_k A^k w_0 + \sum_{j<k} \tfrac{P_k}{P_j} A^{k-1-j} (I - A) w^*,\ P_k = \prod_{j<k} (1 -"
    r" \lambda_j);\quad \lambda_k = \tfrac{1}{(k+2)^2}: w \to w^* + \tfrac12 P_n w_0;\quad \lambda_k = \lambda:"
    r" w \to (H + \tfrac{\lambda}{(1-\lambda)\eta})^{-1} X^\top Y",
    hypotheses=("least squares", "anchor 0"),
    controls=(
        "summable weights forget the start",
        "summable weights keep all of the start",
        "constant weight: minimum norm",
        "constant weight: mu without 1 - lambda",
        "step 10 % too long: bounded",
        "weights of another schedule",
    ),
)
def weights_must_vanish_and_not_be_summable(study: Study) -> Iterator[Check | Curves]:
    problem = regression(study.rng("problem"))
    start = study.rng("start").standard_normal((1, problem.D, problem.m))
    w = np.repeat(start, len(LEFT), axis=0)
    steps = study.pick(smoke=300, quick=3000, paper=30_000)
    eta = 0.45 * least_squares.largest_step(problem)
    schedule = polynomial(C, POWER, study.device)
    record = _rarely(steps)
    run = train_regression(study, "four", problem, w, learning_rate=eta, steps=steps, record=record, schedule=schedule)
    k = run.facts["recorded"]
    predicted = np.concatenate([least_squares.iterates(problem, eta, left, start, k) for left in LEFT], axis=1)
    tolerance = rounding(problem, k, run["w"])
    for i, word in enumerate(WORDS):
        mine = slice(i, i + 1)
        name = f"weights {word}, every step"
        yield equal(name, run["w"][:, mine], predicted[:, mine], tolerance=tolerance, because=ROUNDING)
    check = equal("formula", run["w"][:, 1:2], predicted[:, 2:3], tolerance=tolerance, because=ROUNDING)
    yield refuted("weights of another schedule", check)
    yield from _summable(problem, start[0], run["w"][-1, 2], steps, eta)
    yield from _constant(problem, start[0], run["w"][-1, 3], steps, eta)
    yield from _too_long(study, problem, start)
    yield curves(**_curves(problem, run["w"], predicted, k), words=WORDS, k=k)


def _rarely(steps: int) -> list[int]:
    """Steps from 0, then evenly spaced in their logarithm."""
    return sorted({0, *np.geomspace(1, steps, 33).round().astype(int).tolist()})


def _summable(problem: Regression, w0: Array, end: Array, k: int, eta: float) -> Iterator[Check]:
    """What is left of the start is 1/2 + 1/(2 (k + 1)); in the row space the error is at most its scaled limit."""
    half = 0.5 * least_squares.null_part(problem, w0)
    # lambda_k < 1/(k + 1)^2: each pull of at most |w*| fades at the smallest rate 1 - a.
    slowest = 1 - np.abs(least_squares.factors(problem, eta)).max()
    fade = np.exp(-slowest * k / 2) * np.linalg.norm(w0 - problem.minimum_norm_solution)
    pulled = np.linalg.norm(problem.minimum_norm_solution) * (4 / (k * k * slowest) + np.exp(-slowest * k / 2))
    tolerance = np.abs(half) / (k + 1) + fade + pulled + rounding(problem, np.array(k), w0).item()
    because = "1/(2 (k + 1)) of the start to go, what the last k/2 pulls hold up, what A^(k/2) leaves; doubled"
    limit = problem.minimum_norm_solution + half
    yield equal("summable: half of the start stays", end, limit, tolerance=2 * tolerance, because=because)
    for name, wrong in (("forget the start", limit - half), ("keep all of the start", limit + half)):
        check = equal(name, end, wrong, tolerance=2 * tolerance, because=because)
        yield refuted(f"summable weights {name}", check)


def _constant(problem: Regression, w0: Array, end: Array, k: int, eta: float) -> Iterator[Check]:
    """In the row space, where ridge regression lies; the rest fades as (1 - lambda)^k and no faster."""
    seen = end - least_squares.null_part(problem, end)
    rest = least_squares.ridge(problem, least_squares.ridge_of_constant_weight(eta, WEIGHT))
    factor = (1 - WEIGHT) * np.abs(least_squares.factors(problem, eta)).max()
    left = factor**k * np.linalg.norm(w0 - rest)
    tolerance = left + rounding(problem, np.array(1 / (1 - factor)), w0).item()
    because = "(1 - lambda)^k |A|^k of the first error, and the rounding of the steps that have not faded"
    yield equal("constant: ridge regression", seen, rest, tolerance=tolerance, because=because)
    for name, wrong in (
        ("minimum norm", problem.minimum_norm_solution),
        ("mu without 1 - lambda", least_squares.ridge(problem, WEIGHT / eta)),
    ):
        check = equal(name, seen, wrong, tolerance=tolerance, because=because)
        yield refuted(f"constant weight: {name}", check)


def _too_long(study: Study, problem: Regression, start: Array) -> Iterator[Check]:
    """eta = 2.2 / S_1^2: a = -1.2, and the pull only divides the growth by k + 1."""
    eta = 1.1 * least_squares.largest_step(problem)
    steps = study.pick(smoke=200, quick=400, paper=1000)
    record = recording_steps(steps, 41)
    run = train_regression(study, "too long", problem, start, learning_rate=eta, steps=steps, record=record)
    k = run.facts["recorded"]
    predicted = least_squares.halpern(problem, eta, start, 0 * start, k)
    # An error in step j grows as the iterate does from there on; the iterate had j + 1 roundings by then.
    sizes = np.abs(run["w"]).max((1, 2, 3), keepdims=True)
    n, D = problem.X.shape
    terms = (n + D + 8) * (1 + eta * problem.S[0] ** 2) * (k.reshape(-1, 1, 1, 1) + 1) ** 2
    tolerance = terms * EPS * np.maximum(sizes, sizes[0])
    because = "(n + D + 8) roundings a step, growing as the iterate does, k + 1 times divided by its decreasing weight"
    yield equal("step 10 % too long: every step", run["w"], predicted, tolerance=tolerance, because=because)
    ends = np.linalg.norm(run["w"][[0, -1], 0], axis=(1, 2))
    check = at_most("bounded", ends[1], ends[0], because="what a nonexpansive step would allow")
    yield refuted("step 10 % too long: bounded", check)


def _curves(problem: Regression, trained: Array, predicted: Array, k: Array) -> dict[str, Array]:
    """What figure 9 draws of the four: null components and distances, and what is left between the two."""
    norm = lambda array: np.linalg.norm(array, axis=(-2, -1))  # noqa: E731
    solution, unseen = problem.minimum_norm_solution, least_squares.null_part(problem, predicted)
    scale = norm(trained[0])[None]
    return {
        "null": norm(unseen),
        "null_trained": norm(least_squares.null_part(problem, trained)),
        "distance": norm(predicted - solution),
        "distance_trained": norm(trained - solution),
        "null_residual": (norm(least_squares.null_part(problem, trained)) - norm(unseen)) / scale,
        "residual": (norm(trained - solution) - norm(predicted - solution)) / scale,
    }
