"""A collapsed mode of three layers comes back through hidden directions of the others once its multiplier is large."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from experiments.deep_linear.aligned import Whitened
from experiments.deep_linear.networks import by_minnorm
from theory.chain import minnorm
from theory.claims import OURS, Check, Study, Tolerance, claim, measured, varies
from theory.core.arrays import EPS, Array
from theory.deep_linear.modes import Modes, aligned, critical_multiplier, transverse_jacobian
from theory.minnorm.tuning import Tuning

SIZE = 1e-5


@dataclass(frozen=True)
class Collapsed(Whitened):
    strengths: tuple[float, ...] = varies(
        "of the modes, decreasing; the last has collapsed", (3.0, 1.5, 0.3), low=0.1, high=4
    )
    speed: float = varies("a of the weights", 1.0, low=0.2, high=3)
    integration: float = varies("b of the multipliers", 0.6, low=0.1, high=3)
    augmentation: float = varies("c", 3.0, low=0.5, high=6)

    @property
    def tuning(self) -> Tuning:
        return Tuning(self.speed, self.integration, self.augmentation)


@claim(
    "minnorm.deep_mode_return",
    source="ours",
    source_kind=OURS,
    statement=r"L = 3,\ w_k = 0,\ q = r_j^\top W_1 v_k = u_k^\top W_3 r_j':\ \begin{pmatrix} q \\ \nu \end{pmatrix}' ="
    r" \begin{pmatrix} a (-1 + x (\lambda_k + c x s_k) \omega_j - c x^2 \omega_j^4) & a x \omega_j^2 \\ -b x \omega_j^2"
    r" & 0 \end{pmatrix} \begin{pmatrix} q \\ \nu \end{pmatrix};\quad q\ \text{grows} \iff \text{its trace} > 0",
    hypotheses=(
        "whitened examples, X X^T = x^2 P; Y X^+ = U diag(s) V^T; Minnorm at rates a, b and augmentation c",
        "mode k of multiplier lambda_k collapsed, mode j at rest, of weights omega_j = s_j^(1/3)",
        "next to the aligned layers, r_j and r_j' the hidden directions of mode j",
        "nu: the multipliers of the entries (j, k) and (k, j)",
    ),
    theory_side="ODE",
    controls=("opens 10 % later",),
    parameters=Collapsed,
)
def collapsed_modes_return(study: Study, size: Collapsed) -> Iterator[Check]:
    """One step from beside a collapsed mode, along the hidden directions of the strong ones, at several multipliers."""
    modes, tuning = size.draw(study.rng("returns")), size.tuning
    *others, weak = modes.chains(3)
    for j, other in enumerate(others):
        multipliers = critical_multiplier(weak, other, tuning) * np.array([0.9, 1.0, 1.1])
        J = np.stack([_jacobian(study, modes, j, multiplier, size) for multiplier in multipliers.tolist()])
        predicted = [transverse_jacobian(weak, other, tuning, multiplier) for multiplier in multipliers.tolist()]
        # The step is a polynomial of degree 5 in the weights, and central differences are of order 2 in the size.
        scale = (1 + tuning.c) * modes.x**2 * max(size.strengths) ** 2
        because = "central differences: the square of the displacement, and rounding over it"
        within = Tolerance(10 * scale * SIZE**2 + 100 * EPS * scale / SIZE, because)
        case, axes = f"through mode {j + 1}", ("multiplier", "row", "column")
        yield measured("Jacobian beside a collapsed mode", J, within=within, case=case, axes=axes).equals(predicted)
        neutral, later = J[1:, 0, 0]
        opens = measured("opens at the critical multiplier", neutral, within=within, case=case)
        # The trace is proportional to the excess of the multiplier's force.
        yield opens.equals(0, against=float(later / 0.1))
        if other is others[-1]:
            yield measured("opens", later, within=within, case=case).control("opens 10 % later").equals(0)


def _jacobian(study: Study, modes: Modes, j: int, multiplier: float, size: Collapsed) -> Float[Array, "2 2"]:
    """Derivative of the velocity of (q, nu) of mode j's path, from one step at learning rate 1 of displaced starts."""
    chains, many = modes.chains(3), len(size.strengths)
    frames = modes.frames(size.widths(3), study.rng("frames"))
    u, v, first, second = modes.U, modes.V, frames[1][..., j : j + 1], frames[2][..., j : j + 1]
    w = np.array([[[chain.omega] * 3 for chain in chains]])
    w[..., -1, :] = 0
    at_rest = np.array([*(minnorm.solution_multiplier(chain) for chain in chains[:-1]), multiplier])
    W = aligned(frames, w)
    entries = np.zeros((many, many))
    entries[[j, -1], [-1, j]] = 1 / modes.x
    q, nu = (SIZE * np.array(signs)[:, None, None] for signs in ((1, -1, 0, 0), (0, 0, 1, -1)))
    start = [W[0] + q * first @ v[..., -1:].mT, np.repeat(W[1], 4, axis=0), W[2] + q * u[..., -1:] @ second.mT]
    inside = (at_rest * np.eye(many) / modes.x + nu * entries) @ v.mT @ modes.problem.X
    trainee = by_minnorm(study, modes.problem.each(4), start, size.tuning, (u @ inside).mT)
    run = trainee.train(learning_rate=1.0, steps=1, record=[0, 1])
    q = (first.mT @ run["W1"] @ v[..., -1:])[..., 0, 0]
    nu = u[..., j : j + 1].mT @ run["multipliers"].mT
    nu = (nu @ modes.problem.X.mT @ v[..., -1:])[..., 0, 0] / modes.x
    velocity = np.diff(np.stack([q, nu], axis=-1), axis=0)[0]
    return (velocity[[0, 2]] - velocity[[1, 3]]).T / (2 * SIZE)
