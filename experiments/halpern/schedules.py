"""Which weights find the solution of least norm: they must vanish but not be summable, and the step be short enough."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments.halpern.networks import (
    LeastSquares,
    anchored,
    carried_rounding,
    polynomial,
    regression,
    require_forgetting,
    squared_loss,
)
from experiments.training import recording_steps
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.halpern import least_squares, schedules

POWER = np.array([0.0, 1.0, 2.0, 0.0])  # lambda_k = c / (k + 2)^power: descent, Halpern's, summable, constant


@dataclass(frozen=True)
class Sizes(LeastSquares):
    """Of descent on least squares by four schedules, from one random start."""

    steps: int = varies("k at most", 3000, smoke=300, paper=30_000, low=50, high=50_000)
    step: float = varies("learning rate, of the longest 2 / h_max", 0.45, low=0, high=1, brackets="()")
    weight: float = varies("of the constant schedule", 0.02, low=0.001, high=0.9)
    diverging_steps: int = varies("with a learning rate 10 % too long", 400, smoke=200, paper=1000, low=50, high=1500)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_forgetting(self, self.step, self.steps)

    @property
    def c(self) -> Array:
        """One a schedule."""
        return np.array([0.0, 1.0, 1.0, self.weight])

    @property
    def left(self) -> tuple[Callable[[Array], Array], ...]:
        """P_k of each schedule."""
        constant = partial(schedules.constant, self.weight)
        return schedules.none, schedules.harmonic, schedules.inverse_square, constant

    @property
    def words(self) -> tuple[str, ...]:
        """For the case of a check, and for figure 9."""
        return "none", "1/(k + 2)", "1/(k + 2)^2", f"constant {self.weight:g}"


@claim(
    "banburski2019.nmgd_schedules",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), reconstructed; conditions of Wittmann 1992; formulas ours",
    source_kind=RECONSTRUCTED,
    statement=r"w_{k+1} = (1 - \lambda_k)(w_k - \eta \nabla L),\ A = I - \eta H:\quad"
    r" w_k = P_k A^k w_0 + \sum_{j<k} \tfrac{P_k}{P_j} A^{k-1-j} (I - A) w^*,\ P_k = \prod_{j<k} (1 - \lambda_j);\quad"
    r" \lambda_k = \tfrac{1}{(k+2)^2}: w \to w^* + \tfrac12 P_n w_0;\quad"
    r" \lambda_k = \lambda: w \to (H + \tfrac{\lambda}{(1-\lambda)\eta})^{-1} X^\top Y",
    hypotheses=(
        "least squares, H = X^T X, w* = X^+ Y, P_n the projector on what X does not see",
        "eta at most 2/h_max, h_max the largest eigenvalue of H, for the limits",
    ),
    theory_side="closed form",
    controls=(
        "summable weights forget the start",
        "summable weights keep all of the start",
        "constant weight: minimum norm",
        "constant weight: mu without 1 - lambda",
        "step 10 % too long: bounded",
        "weights of another schedule",
    ),
    parameters=Sizes,
)
def weights_must_vanish_and_not_be_summable(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    problem = regression(study.rng("problem"), sizes)
    start = study.rng("start").standard_normal((1, problem.D, problem.m))
    steps, eta = sizes.steps, sizes.step * least_squares.largest_step(problem)
    loss, schedule = squared_loss(problem, study.device), polynomial(sizes.c, POWER, study.device)
    four = anchored(study, loss, np.repeat(start, len(POWER), axis=0), schedule)
    run = four.train(learning_rate=eta, steps=steps, record=_rarely(steps))
    k, w = run.facts["recorded"], run["w"]
    solution = lambda i, factor: least_squares.scheduled_solution(problem, factor * eta, sizes.left[i], start, k)  # noqa: E731
    predicted = [solution(i, 1.0) for i in range(len(POWER))]
    within = carried_rounding(problem, k, w)
    for i, word in enumerate(sizes.words):
        every = measured("every step", w[:, i : i + 1], within=within, case=f"weights {word}", axes=("record",))
        yield every.equals(partial(solution, i))
        if i == 1:
            yield every.control("weights of another schedule").equals(predicted[2])
    yield from _summable(problem, start[0], w[-1, 2], steps, eta)
    yield from _constant(problem, start[0], w[-1, 3], steps, eta, sizes.weight)
    yield from _too_long(study, problem, start, sizes.diverging_steps)
    yield _curves(problem, w, np.concatenate(predicted, axis=1), k, sizes.words)


def _rarely(steps: int) -> list[int]:
    """Steps from 0, then evenly spaced in their logarithm."""
    return sorted({0, *np.geomspace(1, steps, 33).round().astype(int).tolist()})


def _summable(problem: Regression, w0: Array, end: Array, k: int, eta: float) -> Iterator[Check]:
    """What is left of the start is 1/2 + 1/(2 (k + 1)); in the row space the error is at most its scaled limit."""
    half, solution = 0.5 * least_squares.null_part(problem, w0), problem.minimum_norm_solution
    # lambda_k < 1/(k + 1)^2: each anchoring moves by at most |w*|, which fades at the smallest rate 1 - a.
    slowest = 1 - np.abs(least_squares.factors(problem, eta)).max()
    fade = np.exp(-slowest * k / 2) * np.linalg.norm(w0 - solution)
    held = np.linalg.norm(solution) * (4 / (k * k * slowest) + np.exp(-slowest * k / 2))
    carried = carried_rounding(problem, np.array(k), w0).value.item()
    because = "1/(2 (k + 1)) of the start to go, what the last k/2 anchorings hold up, what A^(k/2) leaves; doubled"
    within = Tolerance(2 * (np.abs(half) / (k + 1) + fade + held + carried), because)
    stays = measured("half of the start stays", end, within=within, case="summable")
    yield stays.equals(lambda k: solution + k * half)
    yield stays.control("summable weights forget the start").equals(solution)
    yield stays.control("summable weights keep all of the start").equals(solution + 2 * half)


def _constant(problem: Regression, w0: Array, end: Array, k: int, eta: float, weight: float) -> Iterator[Check]:
    """In the row space, where ridge regression lies; the rest fades as (1 - lambda)^k and no faster."""
    mu = least_squares.ridge_of_constant_weight(eta, weight)
    rest = least_squares.ridge(problem, mu)
    factor = (1 - weight) * np.abs(least_squares.factors(problem, eta)).max()
    within = Tolerance(factor**k * np.linalg.norm(w0 - rest), "(1 - lambda)^k |A|^k of the first error")
    carried = carried_rounding(problem, np.array(1 / (1 - factor)), w0).value.item()
    within += Tolerance(carried, "rounding of the steps that have not faded")
    seen = end - least_squares.null_part(problem, end)
    ridge = measured("ridge regression", seen, within=within, case="constant")
    yield ridge.equals(lambda factor: least_squares.ridge(problem, factor * mu))
    yield ridge.control("constant weight: minimum norm").equals(problem.minimum_norm_solution)
    yield ridge.control("constant weight: mu without 1 - lambda").equals(least_squares.ridge(problem, weight / eta))


def _too_long(study: Study, problem: Regression, start: Array, steps: int) -> Iterator[Check]:
    """eta = 2.2 / h_max: a = -1.2, and anchoring only divides the growth by k + 1."""
    eta = 1.1 * least_squares.largest_step(problem)
    trainee = anchored(study, squared_loss(problem, study.device), start)
    run = trainee.train(learning_rate=eta, steps=steps, record=recording_steps(steps, 41))
    k, (n, D) = run.facts["recorded"], problem.X.shape
    # An error in step j grows as the iterate does from there on; the iterate had j + 1 roundings by then.
    sizes = np.abs(run["w"]).max((1, 2, 3), keepdims=True)
    terms = (n + D + 8) * (1 + eta * problem.S[0] ** 2) * (k.reshape(-1, 1, 1, 1) + 1) ** 2
    within = rounding(terms, np.maximum(sizes, sizes[0]), of="the iterate, growing as it does: n + D + 8 a step")
    every = measured("every step", run["w"], within=within, case="step 10 % too long", axes=("record",))
    yield every.equals(lambda factor: least_squares.solution(problem, factor * eta, start, 0 * start, k))
    first, last = np.linalg.norm(run["w"][[0, -1], 0], axis=(1, 2))
    size = measured("size at the end", last, within=exactly("what a nonexpansive step would allow"))
    yield size.control("step 10 % too long: bounded").at_most(first)


def _curves(problem: Regression, trained: Array, predicted: Array, k: Array, words: tuple[str, ...]) -> Curves:
    """What figure 9 draws of the four: null components and distances, and what is left between the two."""
    null, null_trained = (_norm(least_squares.null_part(problem, w)) for w in (predicted, trained))
    distance, distance_trained = (_norm(w - problem.minimum_norm_solution) for w in (predicted, trained))
    scale = _norm(trained[0])[None]
    return curves(
        words=words,
        steps=k + 1,
        null=null,
        null_trained=null_trained,
        null_residual=(null_trained - null) / scale,
        distance=distance,
        distance_trained=distance_trained,
        distance_residual=(distance_trained - distance) / scale,
    )


def _norm(w: Array) -> Array:
    return np.linalg.norm(w, axis=(-2, -1))
