"""Gradient flow on orthogonal examples, whose margins grow logarithmically and can be written down."""

from collections.abc import Iterator

import numpy as np

from experiments.shallow.classifiers import exponential_loss, logistic_loss, train_classifier
from experiments.training.legacy import extrapolated
from experiments.training.loop import recording_steps
from experiments.training.refinement import tends_to
from experiments.training.updates import Loss
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import refuted
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.shallow import gradient_flow

LENGTHS = np.array([0.7, 1.0, 1.4])
HORIZON = 6.0


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
    trained = {}
    for name, loss, margins in (
        ("exponential", exponential_loss(Z, study.device), gradient_flow.exponential_margins),
        ("logistic", logistic_loss(Z, study.device), gradient_flow.logistic_margins),
    ):
        runs, t = _refined(study, name, loss, w0)
        exact = gradient_flow.orthogonal_weights(Z, w0, margins(Z, w0, t))
        yield from tends_to(f"{name}: weights", runs, exact)
        trained[name] = runs
        yield curves(**{f"{name}_margins": runs[-1] @ Z.T})
    wrong = {
        "exponential formula for the logistic loss": ("logistic", t),
        "mean loss in place of the sum": ("exponential", t / 3),
        "squared length 10 % larger": ("exponential", 1.1 * t),
    }
    for name, (loss, time) in wrong.items():
        claimed = gradient_flow.orthogonal_weights(Z, w0, gradient_flow.exponential_margins(Z, w0, time))
        yield refuted(name, extrapolated("weights", trained[loss], claimed))
    tilted = Z + 0.2 * Z[[1, 2, 0]]
    tilted *= (LENGTHS / np.linalg.norm(tilted, axis=1))[:, None]
    runs, _ = _refined(study, "tilted", exponential_loss(tilted, study.device), w0)
    # What the formula would say of the margins if it did not ask for orthogonal examples.
    claimed = np.log(np.exp(w0 @ tilted.T) + LENGTHS**2 * t[:, None, None])
    margins = [run @ tilted.T for run in runs]
    yield refuted("examples that are not orthogonal", extrapolated("margins", margins, claimed))


def _refined(study: Study, name: str, loss: Loss, w0: Array) -> tuple[list[Array], Array]:
    """Weights (T, runs, d) at learning rates eta, eta/2, eta/4, and their times."""
    steps = study.pick(smoke=200, quick=400, paper=4000)
    runs = [
        train_classifier(
            study,
            f"{name} over {k}",
            loss,
            w0,
            learning_rate=HORIZON / steps / k,
            steps=steps * k,
            record=[k * step for step in recording_steps(steps, 7)],
        )
        for k in (1, 2, 4)
    ]
    return [run["w"] for run in runs], runs[0].t
