"""A linear layer with unit columns, trained on white inputs: every column by itself, every step known."""

from collections.abc import Iterator

import numpy as np

from experiments.manifolds.solved import TWICE, contraction, descend, refine, tensor, twice
from experiments.methods.manifolds.descent import FineGrainedStep, RiemannianStep
from experiments.methods.manifolds.spaces import Oblique
from experiments.training.legacy import extrapolated
from experiments.training.refinement import tends_to
from experiments.training.updates import Loss
from theory.claims import Check, Curves, claim
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.manifolds import oblique

SIZES, ETA = np.array([1.8, 1.1, 0.6]), 0.3


@claim(
    "ozay2019.oblique",
    source="Ozay 2019 (FG-SGD on the oblique manifold), derived: a linear layer with unit columns",
    statement=r"\varphi_j \leftarrow \varphi_j - \eta |t_j| \sin \varphi_j,\quad"
    r" \tan \tfrac{\varphi_j(t)}{2} = e^{-|t_j| t} \tan \tfrac{\varphi_j(0)}{2},\quad h = |t_j|",
    hypotheses=("X X^T = I", "no target t_j is 0", "exponential map"),
    controls=(TWICE, "one rate for all columns", "the flow over one step", "a flow 10 % faster"),
)
def columns_turn_to_their_targets(study: Study) -> Iterator[Check | Curves]:
    A, B, n = 4, len(SIZES), 6
    rng = study.rng("problem")
    inputs = np.linalg.qr(rng.standard_normal((n, A)))[0].T
    directions = rng.standard_normal((A, B))
    T = SIZES * directions / np.linalg.norm(directions, axis=0)
    loss = _layer(study, inputs, T.T @ inputs)
    W = rng.standard_normal((study.pick(smoke=8, quick=32, paper=256), A, B))
    W = W / np.linalg.norm(W, axis=-2, keepdims=True)
    yield from _rates(study, loss, T)
    yield from _every_step(study, loss, T, W)
    runs = refine(study, "flow", loss, {"W": RiemannianStep(Oblique())}, {"W": W}, learning_rate=0.02, horizon=2.4)
    found, start = [run["W"] for run in runs], oblique.angles(T, W)
    at = lambda t: oblique.turned(T, W, oblique.angle_flow(T, start, t))  # noqa: E731
    yield from tends_to("W(t)", found, at(runs[0].t))
    yield refuted("a flow 10 % faster", extrapolated("W(t)", found, at(1.1 * runs[0].t)))


def _layer(study: Study, X: Array, Y: Array) -> Loss:
    """|W^T X - Y|^2 / 2."""
    inputs, labels = tensor(study, X), tensor(study, Y)
    return lambda state: 0.5 * (state["W"].mT @ inputs - labels).square().sum((-2, -1))


def _rates(study: Study, loss: Loss, T: Array) -> Iterator[Check | Curves]:
    """One mode a column, across its target: by symmetry all of them are alike."""
    across = study.rng("modes").standard_normal(T.shape)
    across -= oblique.optimum(T) * (across * oblique.optimum(T)).sum(0)
    modes = (across / np.linalg.norm(across, axis=0))[None] * np.eye(len(SIZES))[:, None, :]
    optimum, step = {"W": tensor(study, oblique.optimum(T))}, {"W": FineGrainedStep(Oblique())}
    rates = oblique.rates(T)
    across = {"W": tensor(study, modes)}
    found = yield from contraction(study, "columns", loss, step, optimum, across, rates, learning_rate=ETA)
    yield twice(*found, rates, ETA)
    measured, tolerance = found
    one = equal("contraction", measured, 1 - ETA * rates.mean(), tolerance=tolerance, because="the same tolerance")
    yield refuted("one rate for all columns", one)


def _every_step(study: Study, loss: Loss, T: Array, W: Array) -> Iterator[Check]:
    steps, step = 30, {"W": RiemannianStep(Oblique())}
    record = list(range(steps + 1))
    run = descend(study, "steps", loss, step, {"W": W}, learning_rate=ETA, steps=steps, record=record)
    start = oblique.angles(T, W)
    # Beyond pi / 2 an error grows, by tan(phi / 2) in all before phi falls below it; a random start is within 3.1.
    tolerance = 100 * EPS * steps * np.maximum(1, np.tan(start / 2)).max()
    because = "a hundred roundings a step, growing while the angle is beyond pi / 2"
    exact = oblique.turned(T, W, oblique.angle_steps(T, start, ETA, steps))
    yield equal("every step", run["W"], exact, tolerance=tolerance, because=because)
    flown = oblique.turned(T, W, oblique.angle_flow(T, start, run.t))
    yield refuted("the flow over one step", equal("W", run["W"], flown, tolerance=tolerance, because=because))
