"""Squared hinge loss: norm-minimising descent finds the max-margin classifier at 1/k, and its duals on the way."""

from collections.abc import Iterator

import numpy as np
import torch

from experiments.halpern.any_loss import squared_hinge_loss
from experiments.halpern.descent import HalpernDescent
from experiments.shallow.classifiers import train_classifier
from experiments.training.updates import GradientDescent
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, planted
from theory.halpern import fixed_points, margin

RATE = "affine steps shrink what is left by 1 - eta g with each eigenvalue g; rounding"
SHARES, SLACK = np.array([0.45, 0.35, 0.2]), np.array([0.4, 0.8, 1.5])


@claim(
    "halpern.squared_hinge",
    source="ours; bound of Lieder 2021, Theorem 2.1",
    statement=r"\textstyle\frac12 \sum_i (1 - z_i \cdot w)_+^2:\quad w_k \to \hat w,\quad (k+1)(w_k - \hat w) \to"
    r" -\tfrac1\eta Z_S^+ \alpha\ \text{in span } Z_S,\quad \eta (k+1) (1 - z_i \cdot w_k)_+ \to \alpha_i,"
    r"\quad (k+1)(w_k - T w_k) \to -\hat w",
    hypotheses=("separable", "lambda_k = 1/(k + 2), anchor 0", "eta at most 1/|Z|^2", "any start"),
    controls=(
        "no pull",
        "anchor away from 0",
        "rate of the fastest direction",
        "duals 10 % larger",
        "error 10 % larger",
        "residual 10 % larger",
    ),
)
def squared_hinge_finds_the_maximum_margin(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    runs = study.pick(smoke=4, quick=12, paper=48)
    # Of four times as many those with the best conditioned Gram matrices, which set the number of steps.
    candidates = Separable(planted(rng, SHARES, d=6, spread=2.0, slack=SLACK, runs=4 * runs))
    problem = Separable(candidates.Z[np.argsort(candidates.condition)[:runs]])
    w = rng.standard_normal((runs, 6))
    eta = 1 / np.linalg.norm(problem.Z, ord=2, axis=(-2, -1)) ** 2
    # Steps for the last direction to fade to rounding twice over: what was left at half of them bounds the rest.
    steps = study.pick(smoke=2000, quick=4000, paper=30_000)
    k, trained = _train(study, "any start", problem, w, eta, steps)
    half, last = int(np.searchsorted(k, steps // 2)), len(k) - 1
    yield _active(problem, trained[half:])
    yield from _rate(problem, eta, k, trained)
    yield from _limits(problem, eta, k, trained, half, last)
    yield from _elsewhere(study, problem, w, eta, steps, trained[last])
    yield from _bound(study, problem, eta)
    yield curves(k=k, distance=np.linalg.norm(trained - problem.w, axis=-1))
    yield curves(duals=problem.duals, duals_read=margin.duals_read_off(problem, eta, trained, k))


def _active(problem: Separable, w: Array) -> Check:
    """In the second half the margins below 1 are those of the support vectors: from then on the step is affine."""
    missing = 1 - apply(problem.Z, w)
    signed = np.where(problem.support, missing, -missing)
    return at_least("second half: only support vectors miss their margin", signed.min(), 0, because="w_hat is near")


def _rate(problem: Separable, eta: Array, k: Array, w: Array) -> Iterator[Check]:
    """Once the step is affine, (k + 1) (w_k - w_hat) approaches its limit by 1 - eta g_min a step, or faster."""
    missing = 1 - apply(problem.Z, w)
    affine = (np.where(problem.support, missing, -missing) > 0).all((1, 2))
    first = 0 if affine.all() else len(k) - int(np.argmin(affine[::-1]))
    left = np.linalg.norm(_scaled(problem, k, w) - margin.hinge_error_limit(problem, eta), axis=-1)[first:]
    passed, slack = (k[first:] - k[first])[:, None], _rounding(problem, k, w)
    bound = lambda factor: factor**passed * left[0]  # noqa: E731
    slowest, fastest = margin.hinge_factor(problem, eta), 1 - eta * problem.gram_range[1]
    yield at_most("rate of the affine step", left, bound(slowest), slack=slack, because=RATE)
    check = at_most("rate of the affine step", left, bound(fastest), slack=slack, because=RATE)
    yield refuted("rate of the fastest direction", check)


def _scaled(problem: Separable, k: Array, w: Array) -> Array:
    """(k + 1) (w_k - w_hat) in the span of the support vectors."""
    supported = problem.Z * problem.support[..., None]
    projector = np.linalg.pinv(supported) @ supported
    return apply(projector, np.reshape(k + 1, (-1, 1, 1)) * (w - problem.w))


def _rounding(problem: Separable, k: Array, w: Array) -> float:
    """A sum over examples and entries a step, carried on without growth, times k + 1."""
    return float(4 * (sum(problem.Z.shape[-2:]) + 4) * EPS * (k[-1] + 1.0) ** 2 * np.abs(w).max())


def _limits(problem: Separable, eta: Array, k: Array, w: Array, half: int, last: int) -> Iterator[Check]:
    limit = margin.hinge_error_limit(problem, eta)
    scaled = _scaled(problem, k[[half, last]], w[[half, last]])
    fading = margin.hinge_factor(problem, eta) ** (k[last] - k[half]) * np.linalg.norm(scaled[0] - limit, axis=-1)
    tolerance = fading + _rounding(problem, k, w)
    because = "what (1 - eta g_min)^(steps/2) leaves of the error at half time, and rounding"
    name = "(k + 1) x error"
    yield equal(name, scaled[1], limit, tolerance=tolerance[:, None], because=because)
    check = equal(name, scaled[1], 1.1 * limit, tolerance=tolerance[:, None], because=because)
    yield refuted("error 10 % larger", check)
    duals = margin.duals_read_off(problem, eta, w[last], k[last])
    each = eta * np.linalg.norm(problem.Z, axis=-1).max(-1) * tolerance
    yield equal("duals read off the margins", duals, problem.duals, tolerance=each[:, None], because=because)
    check = equal("duals", duals, 1.1 * problem.duals, tolerance=each[:, None], because=because)
    yield refuted("duals 10 % larger", check)
    step = (k[last] + 1) * _residual(problem, eta, w[last])
    each = each * np.abs(problem.Z).sum((-2, -1))
    yield equal("(k + 1) x residual: w_hat", step, -problem.w, tolerance=each[:, None], because=because)
    check = equal("residual", step, -1.1 * problem.w, tolerance=each[:, None], because=because)
    yield refuted("residual 10 % larger", check)


def _residual(problem: Separable, eta: Array, w: Array) -> Array:
    """w - T w = eta grad."""
    missing = np.maximum(1 - apply(problem.Z, w), 0)
    return -eta[:, None] * apply(problem.Z.mT, missing)


def _elsewhere(study: Study, problem: Separable, w: Array, eta: Array, steps: int, found: Array) -> Iterator[Check]:
    """Without the pull, or pulled elsewhere, the end is another separating classifier, not that of least norm."""
    distance = np.linalg.norm(found - problem.w, axis=-1)
    because = "twice what norm-minimising descent attains in as many steps, from the same start"
    _, plain = _train(study, "no pull", problem, w, eta, steps, pull=0.0)
    _, away = _train(study, "away", problem, w, eta, steps, anchor=w)
    for control, end in (("no pull", plain[-1]), ("anchor away from 0", away[-1])):
        check = at_most("distance", np.linalg.norm(end - problem.w, axis=-1), 2 * distance, because=because)
        yield refuted(control, check)


def _bound(study: Study, problem: Separable, eta: Array) -> Iterator[Check]:
    """From the anchor itself: |eta grad| <= 2 |w_hat| / (k + 1)."""
    start = np.zeros(problem.w.shape)
    steps = 300
    k, w = _train(study, "from zero", problem, start, eta, steps)
    bound = fixed_points.residual_bound(np.linalg.norm(problem.w, axis=-1), k)
    because = "Lieder's Theorem 2.1: w_hat is the fixed point nearest to 0"
    yield at_most("residual", np.linalg.norm(_residual(problem, eta, w), axis=-1), bound, because=because)


def _train(
    study: Study,
    name: str,
    problem: Separable,
    w: Array,
    eta: Array,
    steps: int,
    pull: float = 1.0,
    anchor: Array | None = None,
) -> tuple[Array, Array]:
    loss = squared_hinge_loss(problem.Z, study.device)
    goal = None if anchor is None else {"w": torch.tensor(anchor, device=study.device)}
    rule = HalpernDescent(GradientDescent(loss), lambda k: pull / (k + 2), goal)
    marks = np.unique(np.r_[0, np.geomspace(1, steps, 40).round(), np.linspace(steps // 2, steps, 9).round()])
    record = marks.astype(int).tolist()
    run = train_classifier(study, name, loss, w, learning_rate=eta, steps=steps, record=record, update=rule)
    return run.facts["recorded"], run["w"]
