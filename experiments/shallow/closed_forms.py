"""Gradient flow on orthogonal examples, whose margins grow logarithmically and can be written down."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments.shallow.classifiers import classifier, exponential_loss, logistic_loss, refined
from experiments.training import Trainee, extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, claim, curves, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.shallow.gradient_flow import exponential_solution, logistic_solution

COARSEST, MOST = 0.15, 15_000  # learning rate x curvature; steps


@dataclass(frozen=True)
class Orthogonal:
    inputs: int = varies("of each example", 5, low=2, high=100)
    lengths: tuple[float, ...] = varies("of the examples", (0.7, 1.0, 1.4), low=0.3, high=3)
    scale: float = varies("of the starts", 0.5, low=0.1, high=1)
    horizon: float = varies("of the training", 6.0, low=1, high=20, unit="time")
    steps: int = varies("of the training, at the largest learning rate", 400, smoke=200, paper=4000, low=50, high=4000)
    runs: int = varies("starts", 32, smoke=4, paper=128, low=1, high=500)

    def __post_init__(self) -> None:
        if not 2 <= len(self.lengths) <= self.inputs:
            reject(
                "lengths",
                f"{len(self.lengths)} of them",
                f"2 at least, and as many as the {self.inputs} inputs at most",
            )


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
    parameters=Orthogonal,
)
def margins_grow_logarithmically(study: Study, sizes: Orthogonal) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    lengths, d = np.array(sizes.lengths), sizes.inputs
    Z = lengths[:, None] * np.linalg.qr(rng.standard_normal((d, d)))[0][: lengths.size]
    w0 = sizes.scale * rng.standard_normal((sizes.runs, d))
    tilted = Z + 0.2 * np.roll(Z, -1, axis=0)
    tilted *= (lengths / np.linalg.norm(tilted, axis=1))[:, None]
    horizon, steps = sizes.horizon, _enough(sizes, w0, Z, tilted)
    exponential, t = _refined(classifier(study, exponential_loss(Z, study.device), w0), horizon, steps)
    logistic, _ = _refined(classifier(study, logistic_loss(Z, study.device), w0), horizon, steps)
    for case, runs, solution in (
        ("exponential", exponential, exponential_solution),
        ("logistic", logistic, logistic_solution),
    ):
        yield from tends_to("weights", runs, partial(_at_speed, solution, Z, w0, t), case=case)
        yield curves(case, margins=runs[-1] @ Z.T)
    other_loss = extrapolated("weights", logistic).control("exponential formula for the logistic loss")
    yield other_loss.equals(exponential_solution(Z, w0, t))
    weights = extrapolated("weights", exponential)
    yield weights.control("mean loss in place of the sum").equals(exponential_solution(Z, w0, t / lengths.size))
    yield weights.control("squared length 10 % larger").equals(exponential_solution(Z, w0, 1.1 * t))
    runs, _ = _refined(classifier(study, exponential_loss(tilted, study.device), w0), horizon, steps)
    margins = extrapolated("margins", [run @ tilted.T for run in runs])
    # What the formula would say of the margins if it did not ask for orthogonal examples.
    claimed = np.log(np.exp(w0 @ tilted.T) + lengths**2 * t[:, None, None])
    yield margins.control("examples that are not orthogonal").equals(claimed)


def _at_speed(solution: Callable[..., Array], Z: Array, w0: Array, t: Array, k: float) -> Array:
    """The squared lengths of the examples, and so the time, k times as large."""
    return solution(Z, w0, k * t)


def _enough(sizes: Orthogonal, w0: Array, *examples: Array) -> int:
    """Steps at the largest learning rate: more than asked for where the loss is steep.

    Raises:
        InvalidArgument: far more.
    """
    # The curvature sum e^(-z.w) |z|^2 is largest at the start.
    curvature = max((np.exp(-w0 @ Z.T) * np.square(Z).sum(-1)).max() for Z in examples)
    steps = max(sizes.steps, int(sizes.horizon * curvature / COARSEST))
    if steps > MOST:
        reject("steps", steps, f"at most {MOST}: choose shorter examples, or a smaller scale or horizon")
    return steps


def _refined(trainee: Trainee, horizon: float, steps: int) -> tuple[list[Array], Array]:
    """Weights (T, runs, d) at learning rates eta, eta/2, eta/4, and their times."""
    runs = refined(trainee, horizon=horizon, steps=steps, records=7)
    return [run["w"] for run in runs], runs[0].t
