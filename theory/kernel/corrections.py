"""The first correction to the lazy limit, of order m^(-1/2): chance in H(W(0)), and patterns that change (ours).

A neuron changes its pattern at x_j if it starts within O(m^(-1/2)) of the plane of x_j. On that scale, zeta = m^(1/2)
w . x_j, its density is that of a Gaussian at 0, it sees the other inputs as it did at the start, and it moves by

    zeta(k+1) = zeta(k) + eta a (sum_(i != j) r_i(k) x_i . x_j 1{w . x_i >= 0} + r_j(k) 1{zeta(k) >= 0})

with the lazy residual r(k) = (I - eta H)^k r(0). What is expected over w in the plane of x_j, a = +-1 and all zeta(0)
has no closed form, and is a mean over draws. To first order m^(1/2) (y - u(k) - r(k)) = b(k) + xi(k):

    b(k+1) = (I - eta H) b(k) - q(k)                      q(k): what changed patterns add to a step of u
    xi(k+1) = (I - eta H) xi(k) - eta (H(W(0)) - H) r(k)  xi is a sum over neurons, of mean 0; `width.squared_step`
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import positive_integer
from theory.kernel import lazy
from theory.kernel.inputs import Inputs

DENSITY = 1 / np.sqrt(2 * np.pi)  # of w . x_j at 0


@dataclass(frozen=True)
class Crossings:
    """What neurons near the planes of the inputs do in k = 0, ..., steps steps.

    Attributes:
        share: m^(1/2) times the expected share of patterns (neurons times inputs) that are not those of the start.
        bias: b(k), m^(1/2) times the expected deviation of the residual from its lazy limit.
    """

    share: Float[Array, " K"]
    bias: Float[Array, "K n"]


def crossings(
    inputs: Inputs,
    learning_rate: float,
    start: Float[Array, " n"],
    steps: int,
    rng: np.random.Generator,
    draws: int,
) -> Crossings:
    """Means over this many draws an input.

    Args:
        start: y - u(0), the same for every network.

    Raises:
        InvalidArgument: see `lazy.residual`; steps or draws that are no whole numbers of at least 1.
    """
    r = lazy.residual(inputs, learning_rate, start, np.arange(positive_integer("steps", steps)))
    share, added = np.zeros(steps + 1), np.zeros((steps, inputs.n))
    for j in range(inputs.n):
        seen = _others_in_the_plane(inputs, j, rng, draws)
        push, pull = learning_rate * (r * inputs.gram[j]) @ seen.T, learning_rate * r[:, j, None]
        reach = np.abs(push).sum(0) + np.abs(pull).sum()
        begin = reach * _spread(rng, draws)
        density = DENSITY * 2 * reach  # of these draws, in place of all zeta
        for sign in (1, -1):
            zeta, at_start = begin, begin >= 0
            for k in range(steps):
                before, active = zeta, zeta >= 0
                zeta = zeta + sign * (push[k] + pull[k] * active)
                gained = sign * (np.maximum(zeta, 0) - np.maximum(before, 0)) - at_start * (
                    push[k] + pull[k] * at_start
                )
                turned = density * (active.astype(float) - at_start)
                added[k] += pull[k] * inputs.gram[j] * (turned @ seen) / draws / 2
                added[k, j] += np.mean(density * gained) / 2
                share[k + 1] += np.mean(density * ((zeta >= 0) != at_start)) / 2 / inputs.n
    bias = np.zeros((steps + 1, inputs.n))
    for k in range(steps):
        bias[k + 1] = bias[k] - learning_rate * inputs.H @ bias[k] - added[k]
    return Crossings(share, bias)


def worst_drop(inputs: Inputs, v: Float[Array, " n"], rng: np.random.Generator, draws: int) -> float:
    """By how much weights that move by rho can lower v^T H(W) v, over rho, to first order in it (ours).

    Patterns change at x_j where |w . x_j| <= rho. With s the sum of the other v_i x_i that w sees, there v_j x_j is
    best dropped if |s + v_j x_j| > |s|, and else taken in: |w . x_j| <= rho has the density 1 / sqrt(2 pi) to either
    side, and the two sides together gain ||s + v_j x_j|^2 - |s|^2| = |2 v_j x_j . s + v_j^2|.

    Raises:
        InvalidArgument: v is not (n,) finite numbers, draws are no whole number of at least 1.
    """
    v = inputs.vector("v", v)
    changes = [
        np.abs(2 * v[j] * (_others_in_the_plane(inputs, j, rng, draws) @ (v * inputs.gram[j])) + v[j] ** 2).mean()
        for j in range(inputs.n)
    ]
    return float(DENSITY * np.sum(changes))


def _others_in_the_plane(inputs: Inputs, j: int, rng: np.random.Generator, draws: int) -> Array:
    """Which other inputs Gaussian w with w . x_j = 0 see (draws, n)."""
    x = inputs.X[j]
    w = rng.standard_normal((positive_integer("draws", draws), inputs.d))
    seen = ((w - np.outer(w @ x, x)) @ inputs.X.T >= 0).astype(float)
    seen[:, j] = 0
    return seen


def _spread(rng: np.random.Generator, draws: int) -> Array:
    """Numbers in (-1, 1), one in each of as many equal parts, in random order."""
    return 2 * (rng.permutation(draws) + rng.random(draws)) / draws - 1
