"""A linear layer with unit columns, trained on white inputs: every column by itself, every step known."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.manifolds.networks import on_manifolds, tensor
from experiments.manifolds.rates import TWICE, Minimum, contraction, contraction_curves, require_stable
from experiments.methods.manifolds import FineGrainedStep, Oblique, RiemannianStep
from experiments.training import Loss, extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, claim, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.manifolds import oblique


@dataclass(frozen=True)
class Sizes:
    """Of the layer, and of its training."""

    inputs: int = varies("of the layer", 4, low=2, high=50)
    lengths: tuple[float, ...] = varies("|t_j| of the targets, one a column", (1.8, 1.1, 0.6), low=0.1, high=3)
    learning_rate: float = varies("of every step", 0.3, low=0.01, high=0.5)
    runs: int = varies("random starts", 32, smoke=8, paper=256, low=1, high=1000)

    def __post_init__(self) -> None:
        if not 2 <= len(set(self.lengths)) == len(self.lengths) <= 20:
            reject("lengths", self.lengths, "two to twenty different numbers")
        require_stable(self.learning_rate, max(self.lengths))


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
    parameters=Sizes,
)
def columns_turn_to_their_targets(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    A, B, n, eta = sizes.inputs, len(sizes.lengths), sizes.inputs + 2, sizes.learning_rate
    rng = study.rng("problem")
    inputs = np.linalg.qr(rng.standard_normal((n, A)))[0].T
    directions = rng.standard_normal((A, B))
    T = np.array(sizes.lengths) * directions / np.linalg.norm(directions, axis=0)
    loss = _layer(study, inputs, T.T @ inputs)
    W = rng.standard_normal((sizes.runs, A, B))
    W = W / np.linalg.norm(W, axis=-2, keepdims=True)
    yield from _rates(study, loss, T, eta)
    yield from _every_step(study, loss, T, W, eta)
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


def _rates(study: Study, loss: Loss, T: Array, eta: float) -> Iterator[Check | Curves]:
    """One mode a column, across its target: by symmetry all of them are alike."""
    optimum, rates = oblique.optimum(T), oblique.rates(T)
    across = study.rng("modes").standard_normal(T.shape)
    across -= optimum * (across * optimum).sum(0)
    modes = (across / np.linalg.norm(across, axis=0))[None] * np.eye(T.shape[1])[:, None, :]
    minimum = Minimum(loss, {"W": tensor(study, optimum)}, {"W": tensor(study, modes)}, rates)
    left = contraction(study, minimum, {"W": FineGrainedStep(Oblique())}, eta, "columns")
    yield left.equals(lambda k: 1 - k * eta * rates)
    yield contraction_curves(left, eta * rates)
    yield left.control(TWICE).equals(1 - 2 * eta * rates)
    yield left.control("one rate for all columns").equals(1 - eta * rates.mean())


def _every_step(study: Study, loss: Loss, T: Array, W: Array, eta: float) -> Iterator[Check]:
    steps, trainee = 30, on_manifolds(study, loss, {"W": RiemannianStep(Oblique())}, {"W": W})
    run = trainee.train(learning_rate=eta, steps=steps, record=range(steps + 1))
    start = oblique.angles(T, W)
    # Beyond pi / 2 an error grows, by tan(phi / 2) in all before phi falls below it; a random start is within 3.1.
    growth = np.maximum(1, np.tan(start / 2)).max()
    within = rounding(100 * steps, growth, of="a column, 100 a step, growing while the angle is beyond pi / 2")
    every = measured("every step", run["W"], within=within, axes=("step", "run"))
    yield every.equals(lambda k: oblique.turned(T, W, oblique.angle_steps(T, start, k * eta, steps)))
    yield every.control("the flow over one step").equals(oblique.solution(T, W, run.t))
