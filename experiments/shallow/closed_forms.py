"""Gradient flow on orthogonal examples, whose margins grow logarithmically and can be written down."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from experiments.shallow.classifiers import classifier, exponential_loss, logistic_loss, refined
from experiments.training import Loss, extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, claim, curves
from theory.core.arrays import Array
from theory.shallow.gradient_flow import exponential_solution, logistic_solution

LENGTHS = np.array([0.7, 1.0, 1.4])


@claim(
    "shallow.closed_forms",
    source="ours; the setting of Soudry et al. 2018 (JMLR 19)",
    source_kind=OURS,
    statement=r"z_i \perp z_j,\ m_i = z_i \cdot w:\quad m_i(t) = \log\left(e^{m_i(0)} + |z_i|^2 t\right)"
    r" \text{ (exponential loss)},\quad m_i + e^{m_i} = m_i(0) + e^{m_i(0)} + |z_i|^2 t \text{ (logistic)}",
    hypotheses=("gradient flow of the sum of the losses over examples z_i = y_i x_i", "pairwise orthogonal examples"),
    theory_side="closed form",
    controls=(
        "mean loss in place of the sum",
        "exponential formula for the logistic loss",
        "squared length 10 % larger",
        "examples that are not orthogonal",
    ),
)
def margins_grow_logarithmically(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    d = 5
    Z = LENGTHS[:, None] * np.linalg.qr(rng.standard_normal((d, d)))[0][:3]
    w0 = 0.5 * rng.standard_normal((study.pick(smoke=4, quick=32, paper=128), d))
    exponential, t = _refined(study, exponential_loss(Z, study.device), w0)
    logistic, _ = _refined(study, logistic_loss(Z, study.device), w0)
    for case, runs, solution in (
        ("exponential", exponential, exponential_solution),
        ("logistic", logistic, logistic_solution),
    ):
        yield from tends_to("weights", runs, partial(_at_speed, solution, Z, w0, t), case=case)
        yield curves(case, margins=runs[-1] @ Z.T)
    other_loss = extrapolated("weights", logistic).control("exponential formula for the logistic loss")
    yield other_loss.equals(exponential_solution(Z, w0, t))
    weights = extrapolated("weights", exponential)
    yield weights.control("mean loss in place of the sum").equals(exponential_solution(Z, w0, t / 3))
    yield weights.control("squared length 10 % larger").equals(exponential_solution(Z, w0, 1.1 * t))
    tilted = Z + 0.2 * Z[[1, 2, 0]]
    tilted *= (LENGTHS / np.linalg.norm(tilted, axis=1))[:, None]
    runs, _ = _refined(study, exponential_loss(tilted, study.device), w0)
    margins = extrapolated("margins", [run @ tilted.T for run in runs])
    # What the formula would say of the margins if it did not ask for orthogonal examples.
    claimed = np.log(np.exp(w0 @ tilted.T) + LENGTHS**2 * t[:, None, None])
    yield margins.control("examples that are not orthogonal").equals(claimed)


def _at_speed(solution: Callable[..., Array], Z: Array, w0: Array, t: Array, k: float) -> Array:
    """The squared lengths of the examples, and so the time, k times as large."""
    return solution(Z, w0, k * t)


def _refined(study: Study, loss: Loss, w0: Array) -> tuple[list[Array], Array]:
    """Weights (T, runs, d) at learning rates eta, eta/2, eta/4, and their times."""
    steps = study.pick(smoke=200, quick=400, paper=4000)
    runs = refined(classifier(study, loss, w0), horizon=6.0, steps=steps, records=7)
    return [run["w"] for run in runs], runs[0].t
