"""Gradient flow on orthogonal examples, whose margins grow logarithmically and can be written down."""

from collections.abc import Iterator

import numpy as np

from experiments.shallow.classifiers import exponential_loss, logistic_loss, train_classifier
from experiments.training import recording_steps
from experiments.updates import Loss
from theory.claims import Check, Curves, claim, curves, equal, order, refuted
from theory.rates import observed_order, richardson
from theory.shallow import gradient_flow
from theory.study import Study
from theory.trajectory import Trajectory
from theory.validation import Array

EPS = float(np.finfo(float).eps)
LENGTHS = np.array([0.7, 1.0, 1.4])
HORIZON = 6.0
REFINED = (1, 2, 4, 8)  # the step sizes are the first one over these


@claim(
    "soudry2018.closed_forms",
    source="ours; the setting of Soudry et al. 2018 (JMLR 19)",
    statement=r"z_i \perp z_j:\quad z_i \cdot w(t) = \log\left(e^{z_i \cdot w(0)} + |z_i|^2 t\right)"
    r" \text{ (exponential)},\quad m + e^m = C + |z_i|^2 t \text{ (logistic)}",
    hypotheses=("gradient flow of the sum of the losses", "pairwise orthogonal examples"),
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
    for name, loss, margins in (
        ("exponential", exponential_loss(Z, study.device), gradient_flow.exponential_margins),
        ("logistic", logistic_loss(Z, study.device), gradient_flow.logistic_margins),
    ):
        runs = _refined(study, name, loss, w0)
        t = runs[0].t
        exact = gradient_flow.orthogonal_weights(Z, w0, margins(Z, w0, t))
        errors = [np.linalg.norm(run["w"] - exact) for run in runs]
        yield order(f"{name}: training against the flow", observed_order(1 / np.array(REFINED), errors), 1, excludes=(0, 2))
        limit, tolerance = _limit(runs)
        yield _agrees(f"{name}: weights extrapolated to step size 0", limit, exact, tolerance)
        if name == "exponential":
            seen = limit, tolerance
        yield curves(**{"t": t} if name == "exponential" else {}, **{f"{name}_margins": limit @ Z.T})
    yield refuted(
        "exponential formula for the logistic loss",
        _agrees("weights", limit, _exponential(Z, w0, t), tolerance),
    )
    yield refuted("mean loss in place of the sum", _agrees("weights", seen[0], _exponential(Z, w0, t / 3), seen[1]))
    yield refuted("squared length 10 % larger", _agrees("weights", seen[0], _exponential(Z, w0, 1.1 * t), seen[1]))
    tilted = Z + 0.2 * Z[[1, 2, 0]]
    tilted *= (LENGTHS / np.linalg.norm(tilted, axis=1))[:, None]
    limit, tolerance = _limit(_refined(study, "tilted", exponential_loss(tilted, study.device), w0))
    # What the formula would say of the margins if it did not ask for orthogonal examples.
    claimed = np.log(np.exp(w0 @ tilted.T) + LENGTHS**2 * t[:, None, None])
    yield refuted("examples that are not orthogonal", _agrees("margins", limit @ tilted.T, claimed, 2 * tolerance))


def _exponential(Z: Array, w0: Array, t: Array) -> Array:
    return gradient_flow.orthogonal_weights(Z, w0, gradient_flow.exponential_margins(Z, w0, t))


def _refined(study: Study, name: str, loss: Loss, w0: Array) -> list[Trajectory]:
    """Training at step sizes eta / k, recorded at the same times."""
    steps = study.pick(smoke=100, quick=200, paper=2000)
    return [
        train_classifier(
            study,
            f"{name} over {k}",
            loss,
            w0,
            learning_rate=HORIZON / steps / k,
            steps=steps * k,
            record=[k * step for step in recording_steps(steps, 7)],
        )
        for k in REFINED
    ]


def _limit(runs: list[Trajectory]) -> tuple[Array, Array]:
    """Weights extrapolated to step size 0, and each run's largest last correction, with the rounding of the sums."""
    limit, error = richardson([run["w"] for run in runs])
    rounding = 16 * EPS * np.abs(limit).max() * runs[-1].facts["recorded"][-1]
    return limit, error.max((0, 2))[:, None] + rounding


def _agrees(name: str, measured: Array, predicted: Array, tolerance: Array) -> Check:
    because = "largest last correction of the extrapolation along the run, and one rounding of the weights a step"
    return equal(name, measured, predicted, tolerance=tolerance, because=because)
