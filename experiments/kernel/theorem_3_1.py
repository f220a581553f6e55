"""Theorem 3.1: the kernel at infinite width in closed form, and its least eigenvalue above 0."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.kernel.networks import kernels_at_start
from experiments.kernel.problems import Sizes, draw_inputs
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rounding,
    varies,
)
from theory.claims.estimates import SIGNIFICANCE
from theory.core.arrays import EPS, Array
from theory.kernel.inputs import Inputs, random_inputs, unit_rows


@dataclass(frozen=True)
class Draws(Sizes):
    """Of the problem, and of the networks that are drawn."""

    neurons: int = varies("that are drawn in all", 1_000_000, smoke=100_000, paper=10_000_000, low=1000, high=10**8)
    sets: int = varies("of inputs without parallel ones", 200, smoke=50, paper=1000, low=1, high=10_000)


@claim(
    "du2019.theorem_3_1",
    source="Du, Zhai, Póczos & Singh 2019, Definition of H^inf and Theorem 3.1",
    source_kind=AS_PRINTED,
    statement=r"H^\infty_{ij} = \mathbb{E}_{w \sim \mathcal N(0, I)}\, x_i^\top x_j"
    r" \mathbf{1}\{w^\top x_i \ge 0,\ w^\top x_j \ge 0\}"
    r" = x_i^\top x_j\, \frac{\pi - \arccos(x_i^\top x_j)}{2 \pi},\quad"
    r" \lambda_0 = \lambda_{\min}(H^\infty) > 0",
    hypotheses=("|x_i| = 1", "no two inputs are parallel"),
    theory_side="closed form",
    controls=("arccos by its tangent at 0", "two inputs on one ray"),
    parameters=Draws,
)
def kernel_at_infinite_width(study: Study, sizes: Draws) -> Iterator[Check | Curves]:
    inputs = draw_inputs(study, sizes)
    mean = kernels_at_start(study, inputs, sizes.neurons, 1, study.rng("neurons"))[0]
    found = measured("H(W) of all neurons", mean, within=_by_counts(inputs, sizes.neurons), axes=("i", "j"))
    yield found.equals(inputs.H)
    straight = inputs.gram * (0.25 + inputs.gram / (2 * np.pi))
    yield found.control("arccos by its tangent at 0").equals(straight)
    rng = study.rng("sets")
    apart = [random_inputs(sizes.examples, sizes.inputs, rng) for _ in range(sizes.sets)]
    yield _least("lambda_0 of inputs of which no two are parallel", apart).supporting().at_least(0.0)
    equal = [unit_rows(np.vstack([one.X[:-1], one.X[0]])) for one in apart]
    yield _least("lambda_0 with two equal inputs", equal).control("two inputs on one ray").at_least(0.0)
    yield curves(least=[one.least for one in apart])


def _least(name: str, sets: list[Inputs]) -> Measured:
    """lambda_0 of each, less all that rounding may have made of 0: an eigenvalue is off by at most n roundings of H."""
    values = np.array([one.least - 4 * one.n * EPS * one.largest for one in sets])
    return measured(name, values, within=rounding(0, of="H, taken off beforehand"), axes=("set",))


def _by_counts(inputs: Inputs, neurons: int) -> Tolerance:
    """What chance moves H_ij by: it counts the neurons that see both inputs, a binomial number."""
    p = inputs.both_active
    # The normal tail is light here: half of the probability goes to the binomial's excess over it.
    quantile = stats.norm.isf(SIGNIFICANCE / (4 * inputs.n * (inputs.n + 1) / 2))
    deviation: Array = np.abs(inputs.gram) * np.sqrt(p * (1 - p) / neurons)
    reason = f"{neurons} neurons counted, {inputs.n} inputs, significance {SIGNIFICANCE:g} for all pairs"
    return Tolerance(quantile * deviation + 1e-15, reason, SIGNIFICANCE)
