"""Where descent gets stuck nothing of second order leads down, and something of third order does."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.tensor.from_tiny import FOUND, tiny
from experiments.tensor.models import Homogeneous, tensor
from experiments.training import Trainee
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, order, rounding, varies
from theory.claims.estimates import observed_order, richardson
from theory.core.arrays import Array
from theory.tensor.small_start import cubic_gain

ANGLES = 0.2 / 2.0 ** np.arange(4)
STEPS, STEP = 700, 0.3
HELD, APART = 0.05, 0.3  # least c, and least difference of the two: what is gained is at least 0.04 delta^3


@dataclass(frozen=True)
class Sizes:
    """Of the target of two terms, and of what is trained on it: two components."""

    inputs: int = varies("d", 4, low=2, high=30)
    runs: int = varies("starts, of which those are looked at whose two components find the same term", 200, smoke=100,
                       low=100, high=2000)  # fmt: skip


@claim(
    "tensor.stuck_points",
    source="ours",
    source_kind=OURS,
    statement=r"l = 3,\ u_i = \sqrt{c_i} q_1,\ c_1 + c_2 = 1:\quad \nabla L = 0,\ \nabla^2 L \succeq 0,\quad"
    r" u_i \mapsto \sqrt{c_i} (q_1 \cos\theta_i + q_2 \sin\theta_i),\quad"
    r" \theta_1 = c_2 \delta,\ \theta_2 = -c_1 \delta:\quad"
    r" L(\delta) = L(0) - c_1 c_2 (c_2^2 - c_1^2)\, \delta^3 + O(\delta^4)",
    hypotheses=(
        "L = 1/2 |q_1^3 + q_2^3 - sum_i |u_i|^(-1) u_i^3|^2, q orthonormal; both components found q_1, none q_2",
        "c_1 is not c_2",
    ),
    theory_side="closed form",
    controls=("a gain 5 % larger", "turned to one side together", "a local minimum"),
    parameters=Sizes,
)
def stuck_points_are_no_minima(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    batch = tiny(study.rng("starts"), 3, sizes.inputs, 2, 2, sizes.runs)
    left, U = batch.trained(study)
    share = np.square(np.linalg.norm(U, axis=-1))
    same = (np.abs(left - 0.5) < FOUND) & (share.min(1) > HELD) & (np.abs(share[:, 0] - share[:, 1]) > APART)
    U, share = U[same], share[same]
    model = Homogeneous(tensor(study, batch.Q), tensor(study, np.ones(2)), 3)
    least = measured("least eigenvalue of the Hessian", _least(model, tensor(study, U)), axes=("run",),
                     within=Tolerance(1e-6, "what is left of the directions where a run ends"))  # fmt: skip
    yield least.supporting().at_least(0.0)
    gains = [_gain(model, U, batch.Q, share, angle) / angle**3 for angle in ANGLES]
    law = np.abs(cubic_gain(share[:, 0], share[:, 1]))
    yield order("gain over delta^3, order in delta", observed_order([each - law for each in gains], 1e-9)).equals(
        1, excludes=(0.75, 1.25)
    )
    limit, error = richardson(gains)
    within = Tolerance(error.max(), "last Richardson correction over 4 angles, largest of a run")
    within += rounding(1e3 / ANGLES[-1] ** 3, of="losses near 1/2, over delta^3")
    found = measured("gain over delta^3, delta -> 0", limit, within=within, axes=("run",))
    yield found.equals(lambda k: k * law)
    yield found.control("a gain 5 % larger").equals(1.05 * law)
    together = _turned_together(model, U, batch.Q, ANGLES[-1]) / ANGLES[-1] ** 3
    yield measured("gain over delta^3", together, within=within).control("turned to one side together").at_least(0.0)
    start = _turned(U, batch.Q, share, 0.3)
    training = Trainee(study, model.loss, {"U": start}, observe=lambda state: {"left": model.share_left(state)})
    ended = training.train(learning_rate=STEP, steps=STEPS, record=[0, STEPS])["left"]
    away = measured("share left, from delta = 0.3", ended[-1], within=Tolerance(FOUND, "what counts as found"))
    yield away.at_most(0.0, against=0.5)
    yield away.control("a local minimum").equals(0.5)
    yield curves(share=share, gain=limit, law=law)


def _least(model: Homogeneous, U: torch.Tensor) -> Array:
    size = U.shape[1:].numel()
    hessian = torch.func.vmap(torch.func.hessian(lambda u: model.loss({"U": u})))(U)
    return np.linalg.eigvalsh(hessian.reshape(len(U), size, size).cpu().numpy())[:, 0]


def _gain(model: Homogeneous, U: Array, Q: Array, share: Array, angle: float) -> Array:
    """L(0) - L(delta) of each run, the sign of delta that goes down."""
    return _loss(model, U) - _loss(model, _turned(U, Q, share, angle))


def _turned(U: Array, Q: Array, share: Array, angle: float) -> Array:
    sign = np.where(share[:, 1] > share[:, 0], 1.0, -1.0)
    return _by(U, Q, sign[:, None] * angle * share[:, ::-1] * np.array([1.0, -1.0]))


def _turned_together(model: Homogeneous, U: Array, Q: Array, angle: float) -> Array:
    return _loss(model, U) - _loss(model, _by(U, Q, np.full(U.shape[:2], angle)))


def _by(U: Array, Q: Array, angles: Array) -> Array:
    """Components (runs, 2, d) turned towards the term that is missed."""
    size = np.linalg.norm(U, axis=-1, keepdims=True)
    along = U / size
    missed = Q[np.argmin(np.abs(along[:, 0] @ Q.T), axis=1)][:, None]
    return size * (along * np.cos(angles)[..., None] + missed * np.sin(angles)[..., None])


def _loss(model: Homogeneous, U: Array) -> Array:
    return model.loss({"U": torch.as_tensor(U).to(model.Q)}).cpu().numpy()
