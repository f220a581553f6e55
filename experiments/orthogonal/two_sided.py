"""Rotations on both sides of a layer, the smallest deep linear OPT: closed form by planes, rates, limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from experiments.orthogonal.linear import curvatures, descent, require_decreasing
from experiments.training import Loss, State, extrapolated, tends_to
from experiments.training.together import refine_together
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.orthogonal import two_sided
from theory.orthogonal.rotations import plane_rotation, random_rotation
from theory.orthogonal.two_sided import Alignment, TwoSided, alignment


@dataclass(frozen=True)
class Sizes:
    """Of the layer and its target, which are random but for their singular values."""

    neurons: tuple[float, ...] = varies(
        "singular values s of W0, decreasing", (2.0, 1.4, 0.8, 0.2), smoke=(2.0, 1.4, 0.8), low=0.05, high=2.2
    )
    targets: tuple[float, ...] = varies(
        "singular values tau of T, decreasing, as many", (1.9, 1.3, 0.7, 0.1), smoke=(1.9, 1.3, 0.7), low=0.05, high=2.2
    )
    runs: int = varies("uniform starts in each component", 16, smoke=4, paper=128, low=1, high=500)

    def __post_init__(self) -> None:
        require_decreasing("neurons", self.neurons, 0.2)
        require_decreasing("targets", self.targets, 0.2)
        if len(self.neurons) != len(self.targets):
            reject("targets", self.targets, f"as many numbers as the {len(self.neurons)} of the neurons")


@claim(
    "orthogonal.two_sided",
    source="ours: OPT (Liu et al. 2021) on both sides of a linear layer, W = R2 W0 R1^T",
    source_kind=OURS,
    statement=r"L^* = \tfrac12 \sum_i (s_i - \tau_i)^2;\quad \text{rates } \tfrac12 (s_i - s_j)(\tau_i - \tau_j),\ "
    r"\tfrac12 (s_i + s_j)(\tau_i + \tau_j)",
    hypotheses=(
        "gradient flow of both rotations in the embedded metric",
        "L = |R2 W0 R1^T - T|^2 / 2, square W0 and T of singular values s and tau, tau_d with the sign of det W0 det T",
    ),
    theory_side="closed form",
    controls=(
        "the angle of the sum at the rate of the difference",
        "a sum of s with a difference of tau",
        "rotations change the sign of det W",
        "equal singular values leave a strict minimum",
    ),
    parameters=Sizes,
)
def two_rotations_align_the_singular_vectors(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    s, tau = np.array(sizes.neurons), np.array(sizes.targets)
    for side, sign in (("against", -1.0), ("with", 1.0)):
        problem = _random(study.rng("problem"), s, np.append(tau[:-1], sign * tau[-1]))
        aligned = alignment(problem)
        yield from _planes(study, side, problem, aligned)
        yield from _rates(study, side, problem, aligned)
        yield from _limit(study, side, problem, aligned, sizes.runs)
    yield from _flat_directions(study, s, tau)


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


def _within(problem: TwoSided, terms: float) -> Tolerance:
    return rounding(terms, float((problem.W0**2).sum() + (problem.T**2).sum()), of="|W0|^2 + |T|^2")


def _planes(study: Study, side: str, problem: TwoSided, aligned: Alignment) -> Iterator[Check]:
    """Both sides turned in one plane, every plane from four pairs of angles, against the closed form."""
    alpha, beta = np.array([0.3, 1.2, -0.8, 2.0]), np.array([0.9, -0.4, -1.1, 0.7])
    pairs = list(combinations(range(len(aligned.s)), 2))
    start = np.concatenate([_in_plane(aligned, pair, alpha, beta) for pair in pairs])
    trainee = descent(study, loss_of(problem, study.device), start)
    runs = refine_together(trainee, learning_rate=0.02, horizon=1.6, records=17)
    values, t = [run["R"] for run in runs], runs[0].t

    def flow(rates: Array) -> Array:
        angles = [two_sided.plane_solution(rates[:, [n]], alpha, beta, t) for n in range(len(pairs))]
        return np.concatenate([_in_plane(aligned, pair, *angle) for pair, angle in zip(pairs, angles)], axis=1)

    yield from tends_to("planes", values, lambda k: flow(k * aligned.rates), case=f"{side} det")
    if side == "with":
        trained = extrapolated("planes", values).control("the angle of the sum at the rate of the difference")
        yield trained.equals(flow(aligned.rates[::-1]))


def _in_plane(aligned: Alignment, pair: tuple[int, int], alpha: Array, beta: Array) -> Array:
    """(R2, R1) = (C G(alpha) U^T, D G(beta) V^T), shape (..., 2, d, d)."""
    left, right = (plane_rotation(len(aligned.s), pair, angle) for angle in (alpha, beta))
    return np.stack([aligned.C @ left @ aligned.U.T, aligned.D @ right @ aligned.V.T], axis=-3)


def _rates(study: Study, side: str, problem: TwoSided, aligned: Alignment) -> Iterator[Check]:
    """Curvatures of torch's loss at the optimum, both of every pair."""
    value = _curvatures(study, problem, aligned)
    found = measured("curvatures", value, within=_within(problem, 100), case=f"{side} det")
    yield found.equals(np.sort(aligned.rates.ravel()))
    if side == "with":
        i, j = np.triu_indices(len(aligned.s), 1)
        s, tau = aligned.s, aligned.tau
        mixed = np.stack([(s[i] - s[j]) * (tau[i] + tau[j]), (s[i] + s[j]) * (tau[i] - tau[j])]) / 2
        yield found.control("a sum of s with a difference of tau").equals(np.sort(mixed.ravel()))


def _curvatures(study: Study, problem: TwoSided, aligned: Alignment) -> Array:
    loss = loss_of(problem, study.device)
    return curvatures(lambda R: loss({"R": R[None]})[0], np.stack(aligned.optimum)[None], study.device)[0]


def _limit(study: Study, side: str, problem: TwoSided, aligned: Alignment, runs: int) -> Iterator[Check]:
    """From uniform rotations: only a start 1e-10 from the way into a saddle is late."""
    d, rates = len(aligned.s), aligned.rates
    start = random_rotation(study.rng("start", side), d, 2 * runs).reshape(runs, 2, d, d)
    eta = min(0.3, 1.7 / float(rates.max()))
    steps = max(700, int(np.ceil(35 / (eta * float(rates.min())))))  # of the loss e^-70 is left
    run = descent(study, loss_of(problem, study.device), start).train(learning_rate=eta, steps=steps, record=[steps])
    end = measured("loss at the end", run["loss"][-1], within=_within(problem, 1000), case=f"{side} det", axes=("run",))
    yield end.equals(aligned.optimal_loss)
    if side == "against":
        positive = 0.5 * float(((aligned.s - np.abs(aligned.tau)) ** 2).sum())
        yield end.control("rotations change the sign of det W").equals(positive)


def _flat_directions(study: Study, s: Array, tau: Array) -> Iterator[Check]:
    """One direction is flat for each pair of equal singular values of W0."""
    problem = _random(study.rng("flat"), np.append(s[:-1], s[-2]), tau)
    least, next_to_it = _curvatures(study, problem, alignment(problem))[:2]
    flat = measured("the flat direction", least, within=_within(problem, 100), case="two equal s")
    yield flat.equals(0, against=next_to_it)
    yield flat.control("equal singular values leave a strict minimum").equals(next_to_it)
