"""What networks make of the inputs before training: E u u^T, and how far that is from the labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.kernel.networks import gaussian_start
from experiments.kernel.problems import Sizes, draw_inputs, in_chunks, signed_numbers
from theory.claims import OURS, Check, Curves, Estimated, Study, claim, rate, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.kernel import width


@dataclass(frozen=True)
class Draws(Sizes):
    """Of the problem, and of the networks that are drawn."""

    draws: int = varies("networks", 200_000, smoke=40_000, paper=500_000, low=100, high=10**6)
    width: int = varies("m", 8, low=1, high=1000)


@claim(
    "kernel.residual_at_start",
    source="ours; Du, Zhai, Póczos & Singh 2019 bound |y - u(0)|^2 by Markov's inequality in the proof of Theorem 4.1",
    source_kind=OURS,
    statement=r"\mathbb{E}\, u_i u_j = \frac{\sin\theta_{ij} + (\pi - \theta_{ij}) \cos\theta_{ij}}{2\pi},\quad"
    r" \mathbb{E}\|y - u\|^2 = \|y\|^2 + \tfrac n2,\quad \theta_{ij} = \arccos(x_i^\top x_j),\quad"
    r" u_i = m^{-1/2} \sum_{r=1}^m a_r \max(w_r^\top x_i, 0)",
    hypotheses=("w_r ~ N(0, I), a_r = +-1 with equal chances, |x_i| = 1", "every width m"),
    theory_side="law",
    controls=("the kernel H of the gradients", "|y|^2 + n", "outputs that do not depend on each other"),
    parameters=Draws,
)
def outputs_before_training(study: Study, sizes: Draws) -> Iterator[Check | Curves]:
    inputs, y = draw_inputs(study, sizes), signed_numbers(study, sizes.examples)
    rng = study.rng("networks")
    chunks = in_chunks(sizes.draws, sizes.width, inputs.n)
    u = np.concatenate([gaussian_start(inputs, sizes.width, runs, rng).outputs for runs in chunks])
    covariance = width.covariance_at_start(inputs)
    yield _along(u, covariance, covariance).equals(1)
    apart = covariance - 0.5 * np.eye(inputs.n)
    off_diagonal = _along(u, apart, covariance, "u_i u_j, i and j apart, over its law")
    yield off_diagonal.equals(1)
    yield off_diagonal.control("outputs that do not depend on each other").equals(0)
    yield _along(u, apart, inputs.H).control("the kernel H of the gradients").equals(1)
    squares = np.square(y - u).sum(1)
    found = rate("|y - u|^2 over its law", mean(squares / width.squared_residual_at_start(y)))
    yield found.equals(1)
    more = mean(squares / (y @ y + inputs.n))
    yield rate("|y - u|^2 over its law", more).control("|y|^2 + n").equals(1)


def _along(u: Array, A: Array, law: Array, name: str = "u u^T over its law") -> Estimated:
    """Mean of u^T A u / tr(A C), which is 1 if C = E u u^T is the law."""
    return rate(name, mean(((u @ A) * u).sum(1) / np.sum(A * law)))
