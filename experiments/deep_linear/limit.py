"""Minnorm's one limit, Y X^+ with the smallest layers there are: whatever the depth, the outputs and the start."""

from collections.abc import Iterator

import numpy as np

from experiments.deep_linear.convergence import settled
from experiments.deep_linear.networks import by_descent, by_minnorm, by_weight_decay, isometries
from experiments.training.batches import layers_of
from theory.claims import RECONSTRUCTED, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, rounding
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, end_to_end, squared_norm
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
    source_kind=RECONSTRUCTED,
    statement=r"W \to Y X^+\ \text{for every depth, output dimension and start};\quad \min \sum_l |W_l|_F^2 ="
    r" L \sum_k \sigma_k(Y X^+)^{2/L},\ \Lambda^* = U s^{2/L - 1} V^\top (X^+)^\top",
    hypotheses=(
        "Minnorm on W = W_L ... W_1, multipliers Lambda -> Lambda^*; Y X^+ = U s V^T, sigma_k its singular values",
        "augmentation above the critical one",
        "start outside the basin of collapse",
        "rank of Y X^+ is min(K, n) for the multipliers to be unique",
    ),
    theory_side="closed form",
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
    d, n, h, case = 7, 4, 8, f"depth {L}, {K} outputs"
    rng = study.rng("limit", L, K)
    draws, horizon = study.pick(smoke=(2, 14.0), quick=(4, 24.0), paper=(16, 28.0))
    scales, strengths = SCALES[L], np.linspace(*SPREAD, min(K, n))
    problem = planted(strengths, np.linspace(*SPREAD, n), d=d, K=K, rng=rng, draws=draws).each(len(scales))
    W = [
        np.tile(scales, draws)[:, None, None] * layer
        for layer in isometries(rng, [d, *[h] * (L - 1), K], len(problem.X))
    ]
    tuning, eta = _tuning(L)
    steps = 16 * round(horizon / eta / 16)
    record = [0, *range(steps // 2, steps + 1, steps // 16)]
    run = by_minnorm(study, problem, W, tuning).train(learning_rate=eta, steps=steps, record=record)
    layers, solution = layers_of(run.arrays), problem.minimum_norm_solution
    difference = end_to_end(layers) - solution
    size = np.prod([np.linalg.norm(layer, axis=(-2, -1)).max() for layer in layers])
    of = "a row of W_1, d + n K + h of them a step, times the layers after it"
    rounded = rounding((steps + L) * (d + n * K + h), max(1.0, size), of=of)
    deviation = measured("W - Y X^+", difference, within=rounded, case=case, axes=("record", "run"))
    kept_after = lambda k: (1 - k * eta) ** run.facts["recorded"][:, None, None, None]  # noqa: E731
    yield deviation.equals(lambda k: minnorm.deviation(problem, layers, kept_after(k) * (W[0] @ problem.unseen)))
    # Twice what Q W_1^T has kept, through the later layers: the violations, at faster rates, have died out.
    kept = [np.linalg.norm(layer[-1], ord=2, axis=(-2, -1)) for layer in layers[1:]]
    unseen = np.linalg.norm(kept_after(1)[-1] * (W[0] @ problem.unseen), axis=(-2, -1))
    kept = 2 * np.prod([unseen, *kept], axis=0)[:, None, None]
    within = rounded + Tolerance(kept, "twice what the later layers let through of what W_1 has kept of its start")
    end = measured("Y X^+", end_to_end(layers)[-1], within=within, case=case, axes=("run",))
    yield end.equals(solution)
    drift = rounded * (1 / eta)
    norm = settled("least norm", run.t[1:], squared_norm(layers)[1:], drift, case=case)
    yield norm.equals(minnorm.least_norm(solution, L))
    multipliers = settled("multipliers", run.t[1:], run["multipliers"][1:].mT, drift, case=case)
    yield multipliers.equals(minnorm.solution_multiplier(problem, L))
    if (L, K) == (2, 3):
        # The powers 2/L of the least norm and 2/L - 1 of the multipliers, mistaken.
        yield norm.control("least norm with exponent 1/L").equals(minnorm.least_norm(solution, 4) / 2)
        yield multipliers.control("multipliers of another depth").equals(minnorm.solution_multiplier(problem, 3))
        yield from _other_methods(study, problem, W, eta, steps, within)
        yield curves(t=run.t, distance=np.linalg.norm(difference, axis=(-2, -1)), scales=np.tile(scales, draws))


def _other_methods(
    study: Study, problem: TeacherStudent, W: Layers, eta: float, steps: int, within: Tolerance
) -> Iterator[Check]:
    """Gradient descent and weight decay from the same starts: they fit too, but not with the smallest layers."""
    solution, L = problem.minimum_norm_solution, len(W)
    trainees = {
        "gradient descent": by_descent(study, problem, W),
        "weight decay": by_weight_decay(study, problem, W, 0.02),
    }
    for word, trainee in trainees.items():
        run = trainee.train(learning_rate=eta, steps=steps, record=[steps])
        layers = [layer[-1] for layer in layers_of(run.arrays)]
        end = end_to_end(layers)
        other = measured("Y X^+", end, within=within, case=word, axes=("run",))
        yield other.control(f"{word} has that limit").equals(solution)
        if word == "weight decay":
            continue
        least, fitted = minnorm.least_norm(solution, L), np.linalg.norm(minnorm.residual(problem, end), axis=(-2, -1))
        # The least norm, convex at depth 2, falls by at most 2 |Lambda*| for each unit of the residual.
        slack = 2 * np.linalg.norm(minnorm.solution_multiplier(problem, L), axis=(-2, -1)) * fitted
        because = "of all interpolants Y X^+ has the smallest layers; what is left of the residual"
        norm = measured("layers no smaller", squared_norm(layers), within=Tolerance(slack, because), case=word)
        yield norm.supporting().at_least(least)
        yield norm.control("gradient descent reaches the least norm").at_most(least)


def _least_among_interpolants(study: Study) -> Iterator[Check]:
    """Every singular value of Y X^+ + M Q is at least that of Y X^+ (Weyl), and so is the least norm, at any depth."""
    rng, draws = study.rng("interpolants"), study.pick(smoke=20, quick=200, paper=2000)
    problem = draw(Ensemble(d=6, n=3, K=2), rng, draws)
    solution = problem.minimum_norm_solution
    M = np.exp(rng.uniform(-6, 1, (draws, 1, 1))) * rng.standard_normal(solution.shape)
    other = solution + M @ problem.unseen
    s = np.linalg.svd(solution, compute_uv=False)
    within = rounding(2 * problem.d, s.max(), of="the largest singular value; W W^T = Y X^+ (Y X^+)^T + M Q M^T")

    def values(W: Array) -> Measured:
        return measured(
            "singular values of interpolants", np.linalg.svd(W, compute_uv=False), within=within, axes=("draw", "mode")
        )

    yield values(other).at_least(s)
    unfitted = values(solution - 0.5 * solution @ problem.seen)
    yield unfitted.control("singular values of W that do not interpolate").at_least(s)
    ratios = {L: minnorm.least_norm(other, L) / minnorm.least_norm(solution, L) for L in SCALES}
    for L, ratio in ratios.items():
        case = f"depth {L}"
        yield measured("least norm of interpolants", ratio, within=within, case=case, axes=("draw",)).at_least(1)
    largest = measured("least norm of interpolants", np.max(list(ratios.values()), axis=0), within=within)
    yield largest.control("another interpolant has smaller layers").at_most(1)


def _tuning(L: int) -> tuple[Tuning, float]:
    """Far above the critical augmentation, every violation faster than a = 1; and a learning rate stable for both."""
    weakest = L * SPREAD[1] ** (3 - 2 / L)  # |grad h|^2 where examples and labels are weakest
    safety = {1: 1.0, 2: 1.0, 3: 1.5, 4: 2.0}[L]
    return Tuning(1.0, 10 * safety / weakest, (L + 3) * safety / weakest), 0.02 if L < 3 else 0.01
