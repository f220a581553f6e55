"""Lieder's bound: its residual for every nonexpansive map, where it is attained, and what it takes to break it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.halpern.descent import ROUNDING, rounding, train_regression
from experiments.halpern.least_squares import regression
from experiments.methods.halpern import Schedule, halpern_, harmonic
from experiments.shallow.examples import random_problems
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.halpern import fixed_points, least_squares

Map = Callable[[Tensor], Tensor]
BECAUSE = "Theorem 2.1; rounding of the iterates, which T and the pull carry on without growth"


@claim(
    "lieder2021.bound",
    source="Lieder 2021 (Optimization Letters 15), Theorem 2.1; exact residual and attaining rotation ours",
    statement=r"\tfrac12 \|x_k - T x_k\| \le \frac{\|x_0 - x^*\|}{k+1};\quad T\ \text{affine}:\ x_k - T x_k ="
    r" \frac{(I - A^{k+1})(x_0 - x^*)}{k+1}",
    hypotheses=("T nonexpansive", "start = anchor", "lambda_k = 1/(k + 2)"),
    controls=(
        "bound 10 % smaller",
        "start away from the anchor",
        "step 10 % too long",
        "no pull",
        "constant weights",
        "exact residual with A^k",
    ),
)
def residual_falls_at_least_as_fast_as_the_bound(study: Study) -> Iterator[Check | Curves]:
    steps = study.pick(smoke=100, quick=400, paper=4000)
    yield from _descent(study, steps)
    yield from _rotations(study, steps)
    yield from _other_maps(study, steps)


def _descent(study: Study, steps: int) -> Iterator[Check | Curves]:
    """Gradient descent on least squares, trained: exact residual, bound, and equality at the longest step."""
    problem = regression(study.rng("problem"))
    rng = study.rng("starts")
    w = rng.standard_normal((study.pick(smoke=3, quick=8, paper=32), problem.D, problem.m))
    # The leading eigendirection: at the longest step A = -1 there.
    w[0] = problem.minimum_norm_solution + problem.Phi1[:, :1]
    for word, share in (("half the longest step", 0.5), ("the longest step", 1.0)):
        eta = share * least_squares.largest_step(problem)
        k, seen, tolerance = _trained_residuals(study, word, problem, w, w, eta, steps)
        predicted = fixed_points.residual(problem, eta, w, w, k)
        yield equal(f"{word}: residual", seen, predicted, tolerance=tolerance, because=ROUNDING)
        ratio, slack = _ratio(problem, w, k, seen, tolerance)
        yield at_most(f"{word}: residual over bound", ratio, share, slack=slack, because=BECAUSE)
        if share == 1:
            name = "equality at even k, 0 at odd k"
            yield equal(name, ratio[:, 0], k % 2 == 0, tolerance=slack[:, 0], because=BECAUSE)
            shorter = fixed_points.residual(problem, eta, w, w, np.maximum(k - 1, 0))
            scaled = shorter * np.reshape(np.maximum(k, 1) / (k + 1), (-1, 1, 1, 1))
            check = equal("residual", seen, scaled, tolerance=tolerance, because=ROUNDING)
            yield refuted("exact residual with A^k", check)
            exact = _ratio(problem, w, k, predicted, tolerance)[0]
            yield curves(k=k, attained=ratio[:, 0], random=ratio[:, 1], random_predicted=exact[:, 1])
    yield from _broken(study, problem, w, steps)


def _broken(study: Study, problem: Regression, w: Array, steps: int) -> Iterator[Check | Curves]:
    """Without start = anchor the bound fails, another holds; with too long a step nothing does."""
    eta = 0.5 * least_squares.largest_step(problem)
    near = least_squares.nearest_solution(problem, 0 * w) + 0.02 * w
    k, seen, tolerance = _trained_residuals(study, "away", problem, near, 0 * w, eta, steps)
    predicted = fixed_points.residual(problem, eta, near, 0 * w, k)
    yield equal("start away from the anchor: residual", seen, predicted, tolerance=tolerance, because=ROUNDING)
    ratio, slack = _ratio(problem, near, k, seen, tolerance)
    yield refuted("start away from the anchor", at_most("bound", ratio, 1, slack=slack, because=BECAUSE))
    # In place of |w_0 - w*|: that of the start and of the anchor to the solution nearest to the anchor.
    limit = least_squares.nearest_solution(problem, 0 * w)
    distance = _norm(near - limit) + _norm(limit)
    size = _norm(seen) / fixed_points.residual_bound(distance, k)
    yield at_most("start away: bound by both distances", size, 1, slack=slack, because="|I - A| |A^k|, |I - A^k| <= 2")
    exact = _ratio(problem, near, k, predicted, tolerance)[0][:, 0]
    yield curves(violated_k=k, violated=ratio[:, 0], violated_predicted=exact)
    long = 1.1 * least_squares.largest_step(problem)
    k, seen, tolerance = _trained_residuals(study, "too long", problem, w, w, long, 60)
    ratio, slack = _ratio(problem, w, k, seen, tolerance)
    yield refuted("step 10 % too long", at_most("bound", ratio, 1, slack=slack, because=BECAUSE))


def _rotations(study: Study, steps: int) -> Iterator[Check | Curves]:
    """For every k a rotation of the plane that attains the bound: no smaller constant holds at any step."""
    k = np.unique(np.geomspace(1, steps, 24).round().astype(int))
    R = torch.tensor(fixed_points.attaining_rotation(k), device=study.device)
    start = np.zeros((len(k), 2))
    start[:, 0] = study.rng("radius").uniform(0.5, 2, len(k))
    turn = lambda x: (R @ x.unsqueeze(-1)).squeeze(-1)  # noqa: E731
    bound = fixed_points.residual_bound(_norm(start[..., None]), np.arange(steps + 1))
    ratio = lambda schedule: _residuals(study, turn, start, steps, schedule) / bound  # noqa: E731
    # A step rounds 2-term products; the ratio multiplies by k + 1.
    slack = 20 * EPS * np.arange(1, steps + 2)[:, None] ** 2
    seen = ratio(harmonic)
    yield at_most("rotations: residual over bound", seen, 1, slack=slack, because=BECAUSE)
    predicted = fixed_points.rotation_ratio(k, np.arange(steps + 1))
    yield equal("rotations: residual", seen, predicted, tolerance=slack, because="2-term products, times k + 1")
    own = (k, np.arange(len(k)))
    yield equal("rotations: the bound is attained", seen[own], 1, tolerance=slack[k, 0], because=BECAUSE)
    smaller = equal("attained", seen[own], 0.9, tolerance=slack[k, 0], because=BECAUSE)
    yield refuted("bound 10 % smaller", smaller)
    for control, schedule in (("no pull", lambda k: 0.0), ("constant weights", lambda k: 0.1)):
        check = at_most("bound", ratio(schedule), 1, slack=slack, because=BECAUSE)
        yield refuted(control, check)
    yield curves(rotation_steps=k, rotations=seen, rotations_predicted=predicted)


def _other_maps(study: Study, steps: int) -> Iterator[Check | Curves]:
    """Maps that are not affine, each with a fixed point known beforehand."""
    rng = study.rng("maps")
    runs = study.pick(smoke=3, quick=8, paper=32)
    for word, (step, start, fixed) in {
        "folding": _folding(study, rng, runs),
        "soft thresholding": _soft_thresholding(study, rng, runs),
        "projections": _projections(study, rng, runs),
    }.items():
        distance = _norm((start - fixed)[..., None])
        bound = fixed_points.residual_bound(distance, np.arange(steps + 1))
        ratio = _residuals(study, step, start, steps, harmonic) / bound
        # A step of at most 40-term products; the ratio multiplies by k + 1.
        slack = 80 * EPS * np.arange(1, steps + 2)[:, None] ** 2 * (1 + np.abs(start).max() / distance)
        yield at_most(f"{word}: residual over bound", ratio, 1, slack=slack, because=BECAUSE)
        yield curves(**{f"ratio_{word.replace(' ', '_')}": ratio[:, 0]})


def _folding(study: Study, rng: np.random.Generator, runs: int) -> tuple[Map, Array, Array]:
    """x -> Q^T |Q x|: the points with Q x >= 0 are fixed."""
    Q = np.linalg.qr(rng.standard_normal((runs, 5, 5)))[0]
    start = rng.standard_normal((runs, 5))
    fixed = _times(Q.mT, np.maximum(_times(Q, start), 0))
    frame = torch.tensor(Q, device=study.device)
    return lambda x: _times(frame.mT, _times(frame, x).abs()), start, fixed


def _soft_thresholding(study: Study, rng: np.random.Generator, runs: int) -> tuple[Map, Array, Array]:
    """Proximal gradient descent on 1/2 |X x - y|^2 + |x|_1; its minimiser planted: X^T (y - X x*) a subgradient."""
    X = rng.standard_normal((runs, 10, 6))
    fixed = np.where(np.arange(6) < 3, rng.standard_normal((runs, 6)), 0.0)
    subgradient = np.where(fixed != 0, np.sign(fixed), rng.uniform(-0.9, 0.9, (runs, 6)))
    y = _times(X, fixed) + _times(np.linalg.pinv(X).mT, subgradient)
    eta = 2 / np.linalg.norm(X, ord=2, axis=(-2, -1))[:, None] ** 2
    data, targets, rate = (torch.tensor(array, device=study.device) for array in (X, y, eta))

    def step(x: Tensor) -> Tensor:
        x = x - rate * _times(data.mT, _times(data, x) - targets)
        return x.sign() * (x.abs() - rate).clamp(min=0)

    return step, 3 * rng.standard_normal((runs, 6)), fixed


def _projections(study: Study, rng: np.random.Generator, runs: int) -> tuple[Map, Array, Array]:
    """Projections onto the half-spaces z_i . x >= 1, one after the other; the max-margin classifier lies in all."""
    problem = random_problems(rng, runs)
    Z = torch.tensor(problem.Z, device=study.device)

    def step(x: Tensor) -> Tensor:
        for i in range(Z.shape[1]):
            z = Z[:, i]
            missing = (1 - (z * x).sum(-1, keepdim=True)).clamp(min=0)
            x = x + missing * z / z.square().sum(-1, keepdim=True)
        return x

    return step, rng.standard_normal(problem.w.shape), problem.w


def _residuals(study: Study, step: Map, start: Array, steps: int, schedule: Schedule) -> Array:
    """|x_k - T x_k| (steps + 1, runs) along Halpern's iteration with start = anchor (runs, d)."""
    anchor = torch.tensor(start, device=study.device)
    x, seen = anchor.clone(), []
    for k in range(steps + 1):
        moved = step(x)
        seen.append((x - moved).norm(dim=-1))
        halpern_([moved], k, anchor=[anchor], schedule=schedule)
        x = moved
    return torch.stack(seen).cpu().numpy()


def _trained_residuals(
    study: Study, name: str, problem: Regression, w: Array, v: Array, eta: float, steps: int
) -> tuple[Array, Array, Array]:
    """k, w_k - T w_k = eta grad (T, runs, D, m) of a training, and what rounding may do to it."""
    plan = {"learning_rate": eta, "steps": steps, "record": _both_parities(steps)}
    run = train_regression(study, name, problem, w, anchor=v, **plan)
    k = run.facts["recorded"]
    residual = eta * problem.X.T @ (problem.X @ run["w"] - problem.Y)
    return k, residual, 2 * rounding(problem, k, run["w"], v, w)


def _both_parities(steps: int) -> list[int]:
    """Even steps, evenly spaced in their logarithm, each with the odd one after it."""
    even = 2 * np.unique(np.geomspace(1, steps // 2, 30).round().astype(int)) - 2
    return sorted({*even.tolist(), *(even + 1).tolist()})


def _ratio(problem: Regression, w: Array, k: Array, residual: Array, tolerance: Array) -> tuple[Array, Array]:
    """Residual over Lieder's bound (T, runs), with the solution nearest to the start, and its rounding."""
    bound = fixed_points.residual_bound(_norm(w - least_squares.nearest_solution(problem, w)), k)
    return _norm(residual) / bound, np.sqrt(w[0].size) * tolerance[..., 0, 0] / bound


def _norm(array: Array) -> Array:
    return np.linalg.norm(array, axis=(-2, -1))


def _times(matrix: Any, vector: Any) -> Any:
    """Matrix times vector, run by run, in numpy or in torch."""
    return (matrix @ vector[..., None])[..., 0]
