"""Lieder's bound: its residual for every nonexpansive map, where it is attained, and what it takes to break it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.halpern.networks import LeastSquares, anchored, carried_rounding, regression, squared_loss
from experiments.methods.halpern import Schedule, halpern_, harmonic
from experiments.shallow.examples import random_problems
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.halpern import fixed_points, least_squares

OVER = "residual over bound"


@dataclass(frozen=True)
class Sizes(LeastSquares):
    """Of descent on least squares, and of the other maps."""

    steps: int = varies("k at most", 400, smoke=100, paper=4000, low=20, high=20_000)
    runs: int = varies("random starts, and maps of each kind", 8, smoke=3, paper=32, low=2, high=200)


@claim(
    "lieder2021.bound",
    source="Lieder 2021 (Optimization Letters 15), Theorem 2.1; exact residual and attaining rotation ours",
    source_kind=AS_PRINTED,
    statement=r"x_{k+1} = \tfrac{1}{k+2} x_0 + \tfrac{k+1}{k+2} T x_k:\quad"
    r" \tfrac12 \|x_k - T x_k\| \le \frac{\|x_0 - x^*\|}{k+1};\quad"
    r" T x = x^* + A (x - x^*):\ x_k - T x_k = \frac{(I - A^{k+1})(x_0 - x^*)}{k+1}",
    hypotheses=("T nonexpansive, x* a fixed point of it", "start = anchor = x_0"),
    theory_side="bound",
    controls=(
        "bound 10 % smaller",
        "start away from the anchor",
        "step 10 % too long",
        "no anchoring",
        "constant weights",
        "exact residual with A^k",
    ),
    parameters=Sizes,
)
def residual_falls_at_least_as_fast_as_the_bound(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    problem, rng, steps = regression(study.rng("problem"), sizes), study.rng("starts"), sizes.steps
    w = rng.standard_normal((sizes.runs, problem.D, problem.m))
    # The leading eigendirection: at the longest step A = -1 there.
    w[0] = problem.minimum_norm_solution + problem.Phi1[:, :1]
    yield from _descent(study, problem, w, steps)
    yield from _away_from_the_anchor(study, problem, w, steps)
    long = _train(study, problem, w, w, 1.1, 60)
    yield long.ratio.control("step 10 % too long").at_most(1)
    yield from _rotations(study, steps)
    yield from _other_maps(study, steps, sizes.runs)


class Residuals(NamedTuple):
    """w_k - T w_k (T, runs, D, m) of a training at steps k (T,), and its norm over Lieder's bound; both predicted."""

    k: Array
    residual: Measured
    predicted: Array
    ratio: Measured
    ratio_predicted: Array


def _train(
    study: Study, problem: Regression, w: Array, v: Array, share: float, steps: int, case: str = ""
) -> Residuals:
    """Gradient descent on least squares from w, with the anchor v, at a share of the longest step."""
    eta, axes = share * least_squares.largest_step(problem), ("record", "run")
    trainee = anchored(study, squared_loss(problem, study.device), w, anchor=v)
    run = trainee.train(learning_rate=eta, steps=steps, record=_both_parities(steps))
    k = run.facts["recorded"]
    within = carried_rounding(problem, k, run["w"], v, w) * 2
    seen = eta * problem.X.T @ (problem.X @ run["w"] - problem.Y)
    predicted = fixed_points.residual(problem, eta, w, v, k)
    bound = fixed_points.residual_bound(_norm(w - least_squares.nearest_solution(problem, w)), k)
    slack = Tolerance(within.value[..., 0, 0] * np.sqrt(w[0].size) / bound, within.reason)
    return Residuals(
        k,
        measured("residual", seen, within=within, case=case, axes=axes),
        predicted,
        measured(OVER, _norm(seen) / bound, within=slack, part="Theorem 2.1", case=case, axes=axes),
        _norm(predicted) / bound,
    )


def _descent(study: Study, problem: Regression, w: Array, steps: int) -> Iterator[Check | Curves]:
    """Exact residual, bound, and equality at the longest step in the leading eigendirection, at every other k."""
    for share, case in ((0.5, "half the longest step"), (1.0, "the longest step")):
        k, residual, predicted, ratio, ratio_predicted = _train(study, problem, w, w, share, steps, case)
        yield residual.equals(predicted)
        yield ratio.at_most(share)
    even, leading = k % 2 == 0, Tolerance(ratio.within.value[:, 0], ratio.within.reason)
    attained = measured("equality at even k, 0 at odd k", ratio.value[:, 0], within=leading, axes=("record",))
    yield attained.equals(even.astype(float))
    shorter = fixed_points.residual(problem, least_squares.largest_step(problem), w, w, np.maximum(k - 1, 0))
    with_one_step_less = shorter * least_squares.after_steps(np.maximum(k, 1) / (k + 1), w)
    yield residual.control("exact residual with A^k").equals(with_one_step_less)
    shown = {"attained": ratio.value[:, 0], "random": ratio.value[:, 1], "random_predicted": ratio_predicted[:, 1]}
    yield curves("longest step, even k", steps=k[even] + 1, **{name: curve[even] for name, curve in shown.items()})


def _away_from_the_anchor(study: Study, problem: Regression, w: Array, steps: int) -> Iterator[Check | Curves]:
    """Without start = anchor the bound fails, another holds: in place of |w_0 - w*| the distances of start and anchor
    to the solution nearest to the anchor. Start and anchor on both sides of that, along the leading eigendirection,
    attain it at odd k, since A = -1 there at the longest step."""
    anchor, case = 0 * w, "start away from the anchor"
    anchor[0] = problem.minimum_norm_solution + 0.7 * problem.Phi1[:, :1]
    solution = least_squares.nearest_solution(problem, anchor)
    start = solution + 0.02 * w
    start[0] = problem.minimum_norm_solution - 0.4 * problem.Phi1[:, :1]
    k, residual, predicted, ratio, ratio_predicted = _train(study, problem, start, anchor, 1.0, steps, case)
    yield residual.equals(predicted)
    yield ratio.control("start away from the anchor").at_most(1)
    # |I - A| |A^k| and |I - A^k| are at most 2.
    bound = fixed_points.residual_bound(_norm(start - solution) + _norm(anchor - solution), k)
    both = measured("bound by both distances", _norm(residual.value) / bound, within=ratio.within, case="start away")
    yield both.at_most(1)
    yield curves("start away", steps=k + 1, trained=ratio.value[:, 1], predicted=ratio_predicted[:, 1])


Map = Callable[[Tensor], Tensor]


def _rotations(study: Study, steps: int) -> Iterator[Check | Curves]:
    """For every k a rotation of the plane that attains the bound: no smaller constant holds at any step."""
    n, k = np.unique(np.geomspace(1, steps, 24).round().astype(int)), np.arange(steps + 1)
    R = torch.tensor(fixed_points.attaining_rotation(n), device=study.device)
    start = np.zeros((len(n), 2))
    start[:, 0] = study.rng("radius").uniform(0.5, 2, len(n))
    turn = lambda x: _times(R, x)  # noqa: E731
    ratio = _over_bound(study, turn, start, 0 * start, steps, terms=20, case="rotations")
    yield ratio.at_most(1)
    predicted = fixed_points.rotation_ratio(n, k)
    yield replace(ratio, name="residual", part="").equals(predicted)
    own = n, np.arange(len(n))
    within = Tolerance(ratio.within.value[n, 0], ratio.within.reason)
    attained = measured("the bound is attained", ratio.value[own], within=within, case="rotations", axes=("rotation",))
    yield attained.equals(1.0)
    yield attained.control("bound 10 % smaller").equals(0.9)
    others: dict[str, Schedule] = {"no anchoring": lambda k: 0.0, "constant weights": lambda k: 0.1}
    for control, schedule in others.items():
        broken = _over_bound(study, turn, start, 0 * start, steps, schedule, terms=20)
        yield broken.control(control).at_most(1)
    yield curves("rotations", rotation_steps=n, steps=k + 1, trained=ratio.value, predicted=predicted)


def _other_maps(study: Study, steps: int, runs: int) -> Iterator[Check | Curves]:
    """Maps that are not affine, each with a fixed point known beforehand; the first run of each attains the bound."""
    rng = study.rng("maps")
    for case, example in {
        "folding": _folding(study, rng, runs),
        "soft thresholding": _soft_thresholding(study, rng, runs),
        "reflections": _reflections(study, rng, runs),
    }.items():
        ratio = _over_bound(study, *example, steps, terms=80, case=case)
        yield ratio.at_most(1)
        yield curves(case, steps=np.arange(steps + 1) + 1, ratio=ratio.value[:, 0])


def _folding(study: Study, rng: np.random.Generator, runs: int) -> tuple[Map, Array, Array]:
    """x -> Q^T |Q x|: the points with Q x >= 0 are fixed. Where Q x < 0 the first step goes twice as far as 0."""
    Q = np.linalg.qr(rng.standard_normal((runs, 5, 5)))[0]
    start = rng.standard_normal((runs, 5))
    start[0] = -Q[0].T @ np.abs(start[0])
    fixed = _times(Q.mT, np.maximum(_times(Q, start), 0))
    frame = torch.tensor(Q, device=study.device)
    return lambda x: _times(frame.mT, _times(frame, x).abs()), start, fixed


def _soft_thresholding(study: Study, rng: np.random.Generator, runs: int) -> tuple[Map, Array, Array]:
    """Proximal gradient descent on 1/2 |X x - y|^2 + |x|_1; its minimiser planted: X^T (y - X x*) a subgradient.

    Where no entry of it is 0, the map is affine about it, and reflects the leading eigendirection.
    """
    X = rng.standard_normal((runs, 10, 6))
    fixed = np.where(np.arange(6) < 3, rng.standard_normal((runs, 6)), 0.0)
    fixed[0] = rng.choice([-1.0, 1.0], 6) * rng.uniform(0.5, 1, 6)
    subgradient = np.where(fixed != 0, np.sign(fixed), rng.uniform(-0.9, 0.9, (runs, 6)))
    y = _times(X, fixed) + _times(np.linalg.pinv(X).mT, subgradient)
    eta = 2 / np.linalg.norm(X, ord=2, axis=(-2, -1))[:, None] ** 2
    data, targets, rate = (torch.tensor(array, device=study.device) for array in (X, y, eta))

    def step(x: Tensor) -> Tensor:
        x = x - rate * _times(data.mT, _times(data, x) - targets)
        return x.sign() * (x.abs() - rate).clamp(min=0)

    start = 3 * rng.standard_normal((runs, 6))
    start[0] = fixed[0] + 0.3 * np.linalg.svd(X[0])[2][0]
    return step, start, fixed


def _reflections(study: Study, rng: np.random.Generator, runs: int) -> tuple[Map, Array, Array]:
    """Reflections at the planes z_i . x = 1 of points below them, one after the other; w_hat lies above all.

    The first run starts just below the plane that is nearest to a point above all, and below no other.
    """
    problem = random_problems(rng, runs)
    start, fixed = rng.standard_normal(problem.w.shape), problem.w.copy()
    normals = problem.Z[0] / np.linalg.norm(problem.Z[0], axis=-1, keepdims=True)
    heights = normals @ (3 * problem.w[0]) - 1 / np.linalg.norm(problem.Z[0], axis=-1)
    nearest, next_one = np.argsort(heights)[:2]
    fixed[0] = 3 * problem.w[0] - heights[nearest] * normals[nearest]
    start[0] = fixed[0] - (heights[next_one] - heights[nearest]) / 2 * normals[nearest]
    Z = torch.tensor(problem.Z, device=study.device)

    def step(x: Tensor) -> Tensor:
        for i in range(Z.shape[1]):
            z = Z[:, i]
            missing = (1 - (z * x).sum(-1, keepdim=True)).clamp(min=0)
            x = x + 2 * missing * z / z.square().sum(-1, keepdim=True)
        return x

    return step, start, fixed


def _over_bound(
    study: Study,
    step: Map,
    start: Array,
    fixed: Array,
    steps: int,
    schedule: Schedule = harmonic,
    *,
    terms: int,
    case: str = "",
) -> Measured:
    """|x_k - T x_k| over Lieder's bound (steps + 1, runs), start = anchor, for a map that rounds `terms` times."""
    anchor = torch.tensor(start, device=study.device)
    x, seen = anchor.clone(), []
    for k in range(steps + 1):
        moved = step(x)
        seen.append((x - moved).norm(dim=-1))
        halpern_([moved], k, anchor=[anchor], schedule=schedule)
        x = moved
    distance = np.linalg.norm(start - fixed, axis=-1)
    ratio = torch.stack(seen).cpu().numpy() / fixed_points.residual_bound(distance, np.arange(steps + 1))
    squares = np.arange(1, steps + 2)[:, None] ** 2
    largest = (1 + np.abs(start).max() / distance) if fixed.any() else 1.0
    within = rounding(terms * squares, largest, of=f"a ratio: {terms} a step, carried on without growth, times k + 1")
    return measured(OVER, ratio, within=within, part="Theorem 2.1", case=case, axes=("step", "run"))


def _both_parities(steps: int) -> list[int]:
    """Even steps, evenly spaced in their logarithm, each with the odd one after it."""
    even = 2 * np.unique(np.geomspace(1, steps // 2, 30).round().astype(int)) - 2
    return sorted({*even.tolist(), *(even + 1).tolist()})


def _norm(array: Array) -> Array:
    return np.linalg.norm(array, axis=(-2, -1))


def _times(matrix: Any, vector: Any) -> Any:
    """Matrix times vector, run by run, in numpy or in torch."""
    return (matrix @ vector[..., None])[..., 0]
