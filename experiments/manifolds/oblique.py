"""A linear layer with unit columns, trained on white inputs: every column by itself, every step known."""

from collections.abc import Iterator

import numpy as np

from experiments.manifolds.networks import on_manifolds, tensor
from experiments.manifolds.rates import TWICE, Minimum, contraction, contraction_curves
from experiments.methods.manifolds import FineGrainedStep, Oblique, RiemannianStep
from experiments.training import Loss, extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, claim, measured, rounding
from theory.core.arrays import Array
from theory.manifolds import oblique

SIZES, ETA = np.array([1.8, 1.1, 0.6]), 0.3


@claim(
    "manifolds.oblique",
    source="ours: a linear layer with unit columns, by FG-SGD (Ozay 2019) on the oblique manifold",
    source_kind=OURS,
    statement=r"\varphi_j = \angle(w_j, t_j),\ T = X Y^\top:\quad \varphi_j \leftarrow \varphi_j - \eta |t_j| \sin"
    r" \varphi_j,\quad \tan \tfrac{\varphi_j(t)}{2} = e^{-|t_j| t} \tan \tfrac{\varphi_j(0)}{2},\quad"
    r" \text{rate } h = |t_j|",
    hypotheses=("X X^T = I, squared loss", "columns w_j of length 1", "no column t_j of T is 0", "exponential map"),
    theory_side="closed form",
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
    trainee = on_manifolds(study, loss, {"W": RiemannianStep(Oblique())}, {"W": W})
    runs = trainee.refine(learning_rate=0.02, horizon=2.4, records=9)
    found, t = [run["W"] for run in runs], runs[0].t
    yield from tends_to("W(t)", found, lambda k: oblique.solution(T, W, k * t))
    faster = extrapolated("W(t), learning rate 0", found).control("a flow 10 % faster")
    yield faster.equals(oblique.solution(T, W, 1.1 * t))


def _layer(study: Study, X: Array, Y: Array) -> Loss:
    """|W^T X - Y|^2 / 2."""
    inputs, labels = tensor(study, X), tensor(study, Y)
    return lambda state: 0.5 * (state["W"].mT @ inputs - labels).square().sum((-2, -1))


def _rates(study: Study, loss: Loss, T: Array) -> Iterator[Check | Curves]:
    """One mode a column, across its target: by symmetry all of them are alike."""
    optimum, rates = oblique.optimum(T), oblique.rates(T)
    across = study.rng("modes").standard_normal(T.shape)
    across -= optimum * (across * optimum).sum(0)
    modes = (across / np.linalg.norm(across, axis=0))[None] * np.eye(len(SIZES))[:, None, :]
    minimum = Minimum(loss, {"W": tensor(study, optimum)}, {"W": tensor(study, modes)}, rates)
    left = contraction(study, minimum, {"W": FineGrainedStep(Oblique())}, ETA, "columns")
    yield left.equals(lambda k: 1 - k * ETA * rates)
    yield contraction_curves(left, ETA * rates)
    yield left.control(TWICE).equals(1 - 2 * ETA * rates)
    yield left.control("one rate for all columns").equals(1 - ETA * rates.mean())


def _every_step(study: Study, loss: Loss, T: Array, W: Array) -> Iterator[Check]:
    steps, trainee = 30, on_manifolds(study, loss, {"W": RiemannianStep(Oblique())}, {"W": W})
    run = trainee.train(learning_rate=ETA, steps=steps, record=range(steps + 1))
    start = oblique.angles(T, W)
    # Beyond pi / 2 an error grows, by tan(phi / 2) in all before phi falls below it; a random start is within 3.1.
    growth = np.maximum(1, np.tan(start / 2)).max()
    within = rounding(100 * steps, growth, of="a column, 100 a step, growing while the angle is beyond pi / 2")
    every = measured("every step", run["W"], within=within, axes=("step", "run"))
    yield every.equals(lambda k: oblique.turned(T, W, oblique.angle_steps(T, start, k * ETA, steps)))
    yield every.control("the flow over one step").equals(oblique.solution(T, W, run.t))
