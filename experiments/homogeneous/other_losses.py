"""The max-margin direction needs the tail of the loss and the geometry of the step: where others end instead."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.shallow.classifiers import logistic_loss, train_classifier
from experiments.training.legacy import extrapolated, refined
from experiments.training.refinement import tends_to
from experiments.training.updates import GradientDescent, Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS
from theory.core.separable import Separable, direction_error, planted
from theory.core.trajectory import Trajectory
from theory.homogeneous import max_margin

ONE_POINT = np.array([[1.0, 0.2]])
LENGTHS, POWER = np.array([1.0, 4.0]), 2.0  # orthogonal examples, and the power of a loss sum m^-p


@claim(
    "soudry2018.other_losses",
    source="Soudry et al. 2018 (JMLR 19), why the tail has to be exponential; limits worked out, ours",
    statement=r"\tfrac12 |Z w - 1|^2:\ w(\infty) = Z^+ 1 + N w(0);\quad"
    r" \sum_i m_i^{-p},\ z_i \perp z_j:\ m_i^{p+2}(t) = m_i^{p+2}(0) + p (p + 2) |z_i|^2 t",
    hypotheses=(
        "gradient descent",
        "square loss: fewer examples than dimensions",
        "polynomial tail: orthogonal examples",
    ),
    controls=(
        "square loss: max-margin direction",
        "square loss: interpolant of least norm from any start",
        "polynomial tail: max-margin direction",
        "polynomial tail: lengths 10 % larger",
        "descent by signs: max-margin direction",
    ),
)
def other_losses_end_elsewhere(study: Study) -> Iterator[Check | Curves]:
    yield from _square_loss(study)
    yield from _polynomial_tail(study)
    yield from _signs(study)


def _square_loss(study: Study) -> Iterator[Check]:
    """GD on 1/2 |Z w - 1|^2 ends at the interpolant nearest to the start, not at the max-margin direction."""
    rng = study.rng("square loss")
    # Examples beyond the margin: where all are on it, as a few in many dimensions often are, the two solutions agree.
    problem = Separable(planted(rng, np.array([0.5, 0.3, 0.2]), d=12, margin=0.8, slack=np.array([0.5, 1.0, 1.5]))[0])
    Z = problem.Z
    scales = np.array([0.0, 1.0, 5.0])
    w0 = scales[:, None] * rng.standard_normal((3, Z.shape[1]))
    tensor = torch.tensor(Z, dtype=torch.float64, device=study.device)
    loss: Loss = lambda state: 0.5 * (1 - state["w"] @ tensor.mT).square().sum(-1)  # noqa: E731
    curvature = np.linalg.svd(Z, compute_uv=False) ** 2
    steps = int(40 * curvature[0] / curvature[-1])
    run = train_classifier(study, "square loss", loss, w0, learning_rate=1 / curvature[0], steps=steps, record=[steps])
    tolerance = 64 * EPS * steps**0.5 * (1 + np.abs(w0).max()) * curvature[0] / curvature[-1]
    because = "(1 - 1/condition)^steps < e^-40 of the start is left; roundings of a step, amplified by the condition"
    end = run["w"][-1]
    yield equal(
        "square loss: nearest interpolant", end, max_margin.interpolant(Z, w0), tolerance=tolerance, because=because
    )
    error = direction_error(problem, end)
    check = equal("direction error", error[:1], 0.0, tolerance=tolerance, because=because)
    yield refuted("square loss: max-margin direction", check)
    check = equal("interpolant", end[1:], max_margin.interpolant(Z, 0 * w0[1:]), tolerance=tolerance, because=because)
    yield refuted("square loss: interpolant of least norm from any start", check)
    yield curves(square_scales=scales, square_error=error)


def _polynomial_tail(study: Study) -> Iterator[Check]:
    """Loss sum m^-p on orthogonal examples: margins keep the ratio of their lengths to the power 2 / (p + 2)."""
    Z = np.diag(LENGTHS)
    w0 = np.array([[0.8, 0.3], [0.5, 0.2]])
    tensor = torch.tensor(Z, dtype=torch.float64, device=study.device)
    loss: Loss = lambda state: (state["w"] @ tensor.mT).pow(-POWER).sum(-1)  # noqa: E731

    def run(level: str, **schedule: Any) -> Trajectory:
        return train_classifier(study, level, loss, w0, **schedule)

    eta, horizon = study.pick(smoke=(0.01, 4.0), quick=(0.01, 32.0), paper=(0.002, 64.0))
    runs = refined(run, "polynomial", learning_rate=eta, horizon=horizon, records=17)
    margins = [np.log(run["w"] @ Z.T) for run in runs]
    exact = max_margin.polynomial_margins(Z, w0, runs[0].t, POWER)
    yield from tends_to("polynomial tail: log margins", margins, np.log(exact))
    longer = max_margin.polynomial_margins(1.1 * Z, w0 / 1.1, runs[0].t, POWER)
    check = extrapolated("log margins", margins, np.log(longer))
    yield refuted("polynomial tail: lengths 10 % larger", check)
    ends = [np.exp(m[-1:, :, 1] - m[-1:, :, 0]) for m in margins]
    limit, error = richardson(ends)
    ratio = (LENGTHS[1] / LENGTHS[0]) ** (2 / (POWER + 2))
    tolerance = error.max() + np.abs(exact[-1, :, 1] / exact[-1, :, 0] - ratio).max()
    because = "what the closed form leaves of the start at this time, and the last Richardson correction"
    yield equal("polynomial tail: ratio of margins", limit, ratio, tolerance=tolerance, because=because)
    yield refuted(
        "polynomial tail: max-margin direction", equal("ratio", limit, 1.0, tolerance=tolerance, because=because)
    )


class SignDescent(GradientDescent):
    """Steps along the signs of the gradient: steepest descent in another norm."""

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        super().apply(state, tuple(gradient.sign() for gradient in work), learning_rate)


def _signs(study: Study) -> Iterator[Check]:
    """One example, from 0: gradient descent moves along it from the first step on, its signs along the diagonal."""
    problem, loss = Separable(ONE_POINT), logistic_loss(ONE_POINT, study.device)
    errors = {}
    for name, rule in (("gradient", GradientDescent(loss)), ("signs", SignDescent(loss))):
        run = train_classifier(
            study, name, loss, np.zeros((1, 2)), learning_rate=0.1, steps=100, record=[100], update=rule
        )
        because = "the direction is the example's at every step: roundings of unit vectors"
        error = direction_error(problem, run["w"][-1])
        errors[name] = equal(f"one example, {name}: direction", error, 0.0, tolerance=400 * EPS, because=because)
    yield errors["gradient"]
    yield refuted("descent by signs: max-margin direction", errors["signs"])
