"""Minnorm's one limit, Y X^+ with the smallest layers there are: whatever the depth, the outputs and the start."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.networks import everything
from experiments.deep_linear.networks import Constraint, MinnormDescent, squared_loss, train_stack
from experiments.training.batches import layers_of
from experiments.training.updates import DecayedDescent, GradientDescent, Update, constant
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, end_to_end, squared_norm
from theory.core.trajectory import Trajectory
from theory.deep_linear import minnorm
from theory.deep_linear.modes import planted
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw
from theory.minnorm.tuning import Tuning

SPREAD = (1.4, 0.8)  # largest and smallest eigenvalue of X X^T, and strength of a mode
# Sizes of the starts, by depth: from small ones depths 3 and beyond can collapse, large ones need tiny steps.
SCALES = {1: (0.3, 1.0, 3.0), 2: (0.3, 1.0, 1.5), 3: (0.6, 1.0, 1.5), 4: (0.9, 1.0, 1.2)}


@claim(
    "minnorm.deep_limit",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    statement=r"W \to Y X^+\ \text{for every depth, output dimension and start};\quad \min \sum_l |W_l|_F^2 ="
    r" L \sum_k \sigma_k(Y X^+)^{2/L},\ \Lambda^* = U s^{2/L - 1} V^\top (X^+)^\top",
    hypotheses=(
        "augmentation above the critical one",
        "start outside the basin of collapse",
        "rank of Y X^+ is min(K, n) for the multipliers to be unique",
    ),
    controls=(
        "gradient descent has that limit",
        "weight decay has that limit",
        "gradient descent reaches the least norm",
        "least norm with exponent 1/L",
        "multipliers of another depth",
        "another interpolant has smaller layers",
        "singular values of W that do not interpolate",
    ),
)
def one_limit_whatever_the_depth_and_start(study: Study) -> Iterator[Check | Curves]:
    for L, K in study.pick(
        smoke=((2, 3), (3, 1)),
        quick=((1, 1), (1, 3), (2, 1), (2, 3), (3, 1), (3, 3), (4, 3)),
        paper=tuple((L, K) for L in (1, 2, 3, 4) for K in (1, 2, 3, 5)),
    ):
        yield from _limit(study, L, K)
    yield from _least_among_interpolants(study)


def _limit(study: Study, L: int, K: int) -> Iterator[Check | Curves]:
    d, n, h = 7, 4, 8
    rng = study.rng("limit", L, K)
    draws, horizon = study.pick(smoke=(2, 14.0), quick=(4, 24.0), paper=(16, 28.0))
    scales, widths = SCALES[L], [d, *[h] * (L - 1), K]
    strengths = np.linspace(*SPREAD, min(K, n))
    problem = planted(strengths, np.linspace(*SPREAD, n), d=d, K=K, rng=rng, draws=draws).each(len(scales))
    W = [np.tile(scales, draws)[:, None, None] * layer for layer in isometries(rng, widths, len(problem.X))]
    tuning, eta = _tuning(L)
    constraint = Constraint(problem, widths, study.device)
    steps = 16 * round(horizon / eta / 16)
    record = [0, *range(steps // 2, steps + 1, steps // 16)]
    name = f"depth {L}, {K} outputs"
    run = _train(study, name, constraint, W, MinnormDescent(constraint, tuning), eta, steps, record)
    stack = layers_of(run.arrays)
    end, solution = end_to_end(stack), problem.minimum_norm_solution
    unseen = (1 - eta) ** run.facts["recorded"][:, None, None, None] * (W[0] @ problem.unseen)
    size = np.prod([np.linalg.norm(layer, axis=(-2, -1)).max() for layer in stack])
    rounding = (steps + L) * (d + n * K + h) * EPS * max(1.0, size)
    because = "d + n K + h roundings of a row of W_1 a step, times the layers after it"
    predicted = minnorm.deviation(problem, stack, unseen)
    yield equal(f"{name}: W - Y X^+", end - solution, predicted, tolerance=rounding, because=because)
    left = np.linalg.norm((end - solution)[-1], axis=(-2, -1))
    kept = [np.linalg.norm(layer[-1], ord=2, axis=(-2, -1)) for layer in stack[1:]]
    kept = np.prod([np.linalg.norm(unseen[-1], axis=(-2, -1)), *kept], axis=0)
    because = "twice what Q W_1^T has kept, through the later layers: the violations, at faster rates, have died out"
    yield at_most(f"{name}: |W - Y X^+| at the end", left, 2 * kept, slack=rounding, because=because)
    values = {
        "least norm": (squared_norm(stack)[1:], minnorm.least_norm(solution, L)),
        "multipliers": (run["multiplier"][1:].mT, minnorm.solution_multiplier(problem, L)),
    }
    for word, (paths, limit) in values.items():
        yield settles(f"{name}: {word}", run.t[1:], paths, limit, rounding / eta)
    if (L, K) == (2, 3):
        yield from _wrong_limits(run.t[1:], values, problem, rounding / eta)
        yield from _other_methods(study, problem, constraint, W, eta, steps, kept)
        yield curves(t=run.t, distance=np.linalg.norm(end - solution, axis=(-2, -1)), scales=np.tile(scales, draws))


def settles(name: str, t: Array, paths: Array, limit: Array | float, rounding: float, rate: float = 1.0) -> Check:
    """Paths (T, runs, ...) at evenly spaced times, which converge at least as e^(-rate t), end at the limit."""
    moves = np.abs(np.diff(paths, axis=0))
    faded = np.exp(rate * (t[1:] - t[-1])).reshape(-1, *[1] * (moves.ndim - 1)) * moves
    tolerance = faded.max() / (1 - np.exp(rate * (t[0] - t[1]))) + rounding
    because = f"the largest move between records, faded at rate {rate:g} since, summed to infinity; and rounding"
    return equal(name, paths[-1], limit, tolerance=tolerance, because=because)


def _wrong_limits(
    t: Array, values: dict[str, tuple[Array, Array]], problem: TeacherStudent, rounding: float
) -> Iterator[Check]:
    """At depth 2: the powers 2/L of the least norm and 2/L - 1 of the multipliers, mistaken."""
    paths, _ = values["least norm"]
    power = minnorm.least_norm(problem.minimum_norm_solution, 4) / 2
    yield refuted("least norm with exponent 1/L", settles("1/L", t, paths, power, rounding))
    paths, _ = values["multipliers"]
    other = minnorm.solution_multiplier(problem, 3)
    yield refuted("multipliers of another depth", settles("depth 3", t, paths, other, rounding))


def _other_methods(
    study: Study, problem: TeacherStudent, constraint: Constraint, W: Layers, eta: float, steps: int, kept: Array
) -> Iterator[Check]:
    """Gradient descent and weight decay from the same starts: they fit too, but not with the smallest layers."""
    solution, L = problem.minimum_norm_solution, len(W)
    loss = squared_loss(constraint)
    rules = {"gradient descent": GradientDescent(loss), "weight decay": DecayedDescent(loss, constant(0.02))}
    for word, rule in rules.items():
        stack = layers_of(_train(study, word, constraint, W, rule, eta, steps, [steps]).arrays)
        end = end_to_end(stack)[-1]
        left = np.linalg.norm(end - solution, axis=(-2, -1))
        because = "what is left to Minnorm after as many steps"
        yield refuted(f"{word} has that limit", at_most(f"{word}: |W - Y X^+|", left, 2 * kept, because=because))
        if word == "gradient descent":
            norm, least = squared_norm(stack)[-1], minnorm.least_norm(solution, L)
            fitted = np.linalg.norm(minnorm.residual(problem, end), axis=(-2, -1))
            # The least norm, convex at depth 2, falls by at most 2 |Lambda*| for each unit of the residual.
            slack = 2 * np.linalg.norm(minnorm.solution_multiplier(problem, L), axis=(-2, -1)) * fitted
            because = "of all interpolants Y X^+ has the smallest layers; slack: what is left of the residual"
            yield at_least("gradient descent: layers no smaller", norm, least, slack=slack, because=because)
            smallest = at_most("layers", norm, least, slack=slack, because=because)
            yield refuted("gradient descent reaches the least norm", smallest)


def _least_among_interpolants(study: Study) -> Iterator[Check]:
    """Every singular value of Y X^+ + M Q is at least that of Y X^+ (Weyl), and so is the least norm, at any depth."""
    rng, draws = study.rng("interpolants"), study.pick(smoke=20, quick=200, paper=2000)
    problem = draw(Ensemble(d=6, n=3, K=2), rng, draws)
    solution = problem.minimum_norm_solution
    M = np.exp(rng.uniform(-3, 1, (draws, 1, 1))) * rng.standard_normal(solution.shape)
    singular_values = lambda W: np.linalg.svd(W, compute_uv=False)  # noqa: E731
    s, other = singular_values(solution), singular_values(solution + M @ problem.unseen)
    slack = 2 * problem.d * EPS * s.max()
    because = "W W^T = Y X^+ (Y X^+)^T + M Q M^T; slack: rounding"
    yield at_least("singular values of interpolants", other, s, slack=slack, because=because)
    unfitted = singular_values(solution - 0.5 * solution @ problem.seen)
    smaller = at_least("Y X^+ + M P", unfitted, s, slack=slack, because=because)
    yield refuted("singular values of W that do not interpolate", smaller)
    least = {L: minnorm.least_norm(solution + M @ problem.unseen, L) / minnorm.least_norm(solution, L) for L in SCALES}
    for L, ratio in least.items():
        yield at_least(f"depth {L}: least norm of interpolants", ratio, 1, slack=slack, because=because)
    largest = np.max(list(least.values()), axis=0)
    beaten = at_most("least norm of interpolants", largest, 1, slack=slack, because=because)
    yield refuted("another interpolant has smaller layers", beaten)


def _tuning(L: int) -> tuple[Tuning, float]:
    """Far above the critical augmentation, every violation faster than a = 1; and a learning rate stable for both."""
    weakest = L * SPREAD[1] ** (3 - 2 / L)  # |grad h|^2 where examples and labels are weakest
    margin = {1: 1.0, 2: 1.0, 3: 1.5, 4: 2.0}[L]
    return Tuning(1.0, 10 * margin / weakest, (L + 3) * margin / weakest), 0.02 if L < 3 else 0.01


def isometries(rng: np.random.Generator, widths: list[int], runs: int) -> list[Array]:
    """Random layers with orthonormal rows or columns, each times a number between 0.7 and 1.3, so not balanced."""
    square = lambda size: np.linalg.qr(rng.standard_normal((runs, size, size)))[0]  # noqa: E731
    shapes = zip(widths[1:], widths)
    return [rng.uniform(0.7, 1.3, (runs, 1, 1)) * square(max(shape))[:, : shape[0], : shape[1]] for shape in shapes]


def _train(
    study: Study, name: str, constraint: Constraint, W: Layers, rule: Update, eta: float, steps: int, record: list[int]
) -> Trajectory:
    schedule = {"learning_rate": eta, "steps": steps, "record": record}
    return train_stack(study, name, constraint, W, rule, **schedule, observe=everything)
