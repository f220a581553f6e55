"""Rotations on both sides of a layer, the smallest deep linear OPT: closed form by planes, rates, limit."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from experiments.orthogonal.linear import curvatures, refine, turn
from experiments.training.legacy import extrapolated
from experiments.training.refinement import tends_to
from experiments.training.updates import Loss, State
from theory.claims import Check, Curves, claim
from theory.claims.legacy import at_least, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.orthogonal import two_sided
from theory.orthogonal.procrustes import plane_rotation, random_rotation
from theory.orthogonal.two_sided import Alignment, TwoSided, alignment

S = np.array([2.0, 1.4, 0.8, 0.2])  # singular values of W0
TAU = np.array([1.9, 1.3, 0.7, 0.1])  # of T


@claim(
    "liu2021.two_sided",
    source="Liu et al. 2021 (OPT), derived: W = R2 W0 R1^T, linear",
    statement=r"L^* = \tfrac12 \sum_i (s_i - \tau_i)^2;\quad \text{rates } \tfrac12 (s_i - s_j)(\tau_i - \tau_j),\ "
    r"\tfrac12 (s_i + s_j)(\tau_i + \tau_j)",
    hypotheses=("gradient flow of both rotations in the embedded metric", "whitened inputs", "square W0 and T"),
    controls=(
        "the angle of the sum at the rate of the difference",
        "a sum of s with a difference of tau",
        "rotations change the sign of det W",
        "equal singular values leave a strict minimum",
    ),
)
def two_rotations_align_the_singular_vectors(study: Study) -> Iterator[Check | Curves]:
    d = study.pick(smoke=3, quick=4, paper=4)
    for side, sign in (("against", -1.0), ("with", 1.0)):
        problem = _random(study.rng("problem"), S[:d], np.append(TAU[: d - 1], sign * TAU[d - 1]))
        aligned = alignment(problem)
        yield from _planes(study, side, problem, aligned)
        yield from _rates(study, side, problem, aligned)
        yield from _limit(study, side, problem, aligned)
    yield from _flat_directions(study, TAU[:d])


def _random(rng: np.random.Generator, s: Array, tau: Array) -> TwoSided:
    """W0 and T of given singular values, tau_d with a sign, between uniform rotations."""
    U, V, C, D = random_rotation(rng, len(s), 4)
    return TwoSided(U * s @ V.T, C * tau @ D.T)


def loss_of(problem: TwoSided, device: str) -> Loss:
    """1/2 |R2 W0 R1^T - T|^2 of each run; the state's R (runs, 2, d, d) holds R2 and R1."""
    W0, T = (torch.tensor(array, dtype=torch.float64, device=device) for array in (problem.W0, problem.T))

    def loss(state: State) -> Tensor:
        R2, R1 = state["R"].unbind(-3)
        return 0.5 * (R2 @ W0 @ R1.mT - T).square().sum((-2, -1))

    return loss


def _planes(study: Study, side: str, problem: TwoSided, aligned: Alignment) -> Iterator[Check]:
    """Both sides turned in one plane, every plane from four pairs of angles, against the closed form."""
    alpha, beta = np.array([0.3, 1.2, -0.8, 2.0]), np.array([0.9, -0.4, -1.1, 0.7])
    d = len(aligned.s)
    pairs = list(combinations(range(d), 2))
    start = np.concatenate([_in_plane(aligned, pair, alpha, beta) for pair in pairs])
    loss = loss_of(problem, study.device)
    runs = refine(study, f"planes {side}", loss, start, learning_rate=0.02, horizon=1.6)
    values, t = [run["R"] for run in runs], runs[0].t

    def flow(rates: Array) -> Array:
        angles = [two_sided.plane_angles(rates[:, [n]], alpha, beta, t) for n in range(len(pairs))]
        return np.concatenate([_in_plane(aligned, pair, *angle) for pair, angle in zip(pairs, angles)], axis=1)

    yield from tends_to(f"{side} det: planes", values, flow(aligned.rates))
    if side == "with":
        exchanged = extrapolated("planes", values, flow(aligned.rates[::-1]))
        yield refuted("the angle of the sum at the rate of the difference", exchanged)


def _in_plane(aligned: Alignment, pair: tuple[int, int], alpha: Array, beta: Array) -> Array:
    """(R2, R1) = (C G(alpha) U^T, D G(beta) V^T), shape (..., 2, d, d)."""
    left, right = (plane_rotation(len(aligned.s), pair, angle) for angle in (alpha, beta))
    return np.stack([aligned.C @ left @ aligned.U.T, aligned.D @ right @ aligned.V.T], axis=-3)


def _rates(study: Study, side: str, problem: TwoSided, aligned: Alignment) -> Iterator[Check]:
    """Curvatures of torch's loss at the optimum, both of every pair."""
    measured = _curvatures(study, problem, aligned)
    tolerance = 1e2 * EPS * float((problem.W0**2).sum() + (problem.T**2).sum())
    rates = lambda predicted: equal(  # noqa: E731
        f"{side} det: curvatures", measured, np.sort(predicted.ravel()), tolerance=tolerance, because="rounding"
    )
    yield rates(aligned.rates)
    if side == "with":
        i, j = np.triu_indices(len(aligned.s), 1)
        s, tau = aligned.s, aligned.tau
        mixed = np.stack([(s[i] - s[j]) * (tau[i] + tau[j]), (s[i] + s[j]) * (tau[i] - tau[j])]) / 2
        yield refuted("a sum of s with a difference of tau", rates(mixed))


def _curvatures(study: Study, problem: TwoSided, aligned: Alignment) -> Array:
    loss = loss_of(problem, study.device)
    return curvatures(lambda R: loss({"R": R[None]})[0], np.stack(aligned.optimum)[None], study.device)[0]


def _limit(study: Study, side: str, problem: TwoSided, aligned: Alignment) -> Iterator[Check]:
    """From uniform rotations: all rates are 0.18 or more, and only a start 1e-10 from the way into a saddle is late."""
    runs, d = study.pick(smoke=4, quick=16, paper=128), len(aligned.s)
    start = random_rotation(study.rng("start", side), d, 2 * runs).reshape(runs, 2, d, d)
    loss = loss_of(problem, study.device)
    observe = lambda state: {"loss": loss(state)}  # noqa: E731
    run = turn(study, f"limit {side}", loss, start, learning_rate=0.3, steps=700, record=[700], observe=observe)
    tolerance = 1e3 * EPS * float((problem.W0**2).sum() + (problem.T**2).sum())
    because = "rounding; what is left decays faster than e^-70"
    end, optimal = run["loss"][-1], aligned.optimal_loss
    yield equal(f"{side} det: loss at the end", end, optimal, tolerance=tolerance, because=because)
    if side == "against":
        positive = 0.5 * float(((aligned.s - np.abs(aligned.tau)) ** 2).sum())
        unsigned = equal("loss at the end", end, positive, tolerance=tolerance, because=because)
        yield refuted("rotations change the sign of det W", unsigned)


def _flat_directions(study: Study, tau: Array) -> Iterator[Check]:
    """One direction is flat for each pair of equal singular values of W0."""
    problem = _random(study.rng("flat"), np.append(S[: len(tau) - 1], S[len(tau) - 2]), tau)
    aligned = alignment(problem)
    measured = _curvatures(study, problem, aligned)
    tolerance = 1e2 * EPS * float((problem.W0**2).sum() + (problem.T**2).sum())
    yield equal("two equal s: the flat direction", measured[0], 0, tolerance=tolerance, because="rounding")
    strict = at_least("least curvature", measured[0], 1e-3, because="a strict minimum", slack=tolerance)
    yield refuted("equal singular values leave a strict minimum", strict)
