"""Corollary 4.1: no neuron moves farther than a bound that falls like m^(-1/2)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.kernel.networks import gaussian_start, movement_from, trainee
from experiments.kernel.problems import Sizes, draw_inputs, signed_numbers
from theory.claims import (
    RECONSTRUCTED,
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
from theory.core.arrays import Array
from theory.kernel import lazy
from theory.kernel.inputs import Inputs, random_inputs

FOUR = "even for one input the squared norm falls four times as fast as the theorem says, which the bound sums up"


@dataclass(frozen=True)
class Runs(Sizes):
    """Of the problem, and of what is trained."""

    widths: tuple[int, ...] = varies("m", (64, 256, 1024, 4096), smoke=(64, 256, 1024), low=8, high=20_000)
    runs: int = varies("of each width", 8, smoke=4, paper=50, low=3, high=200)
    step: float = varies("learning rate, in units of 1 / lambda_max", 1.0, low=0.05, high=1.5)


@claim(
    "du2019.corollary_4_1",
    source="Du, Zhai, Póczos & Singh 2019, Corollary 4.1; its constant derived again",
    source_kind=RECONSTRUCTED,
    statement=r"\max_r \|w_r(k) - w_r(0)\| \le \frac{4 \sqrt n\, \|y - u(0)\|}{\sqrt m\, \lambda_0},\quad"
    r" u_i = m^{-1/2} \sum_{r=1}^m a_r \max(w_r^\top x_i, 0)",
    hypotheses=("those of Theorem 4.1: |x_i| = 1, lambda_0 = lambda_min(H^inf) > 0, W trained by gradient descent",),
    theory_side="bound",
    controls=("a fifth of the bound", "a bound that falls like m^(-3/4)"),
    parameters=Runs,
)
def no_neuron_moves_far(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    inputs, y = draw_inputs(study, sizes), signed_numbers(study, sizes.examples)
    moved = [_moved(study, inputs, y, m, sizes) for m in sizes.widths]
    every = measured("farthest move over its bound", [each["farthest"] / each["bound"] for each in moved],
                     within=_rounding(inputs), axes=("width", "run"))  # fmt: skip
    yield every.supporting().at_most(1.0)
    one = random_inputs(1, sizes.inputs, study.rng("one input"))
    alone = _of_one_input(study, one, y[:1], sizes, 0.5)
    yield alone.within_factor(4.5, because=FOUR).at_most(1.0)
    yield alone.control("a fifth of the bound").at_most(0.2)
    too_steep = _of_one_input(study, one, y[:1], sizes, 0.75)
    yield too_steep.control("a bound that falls like m^(-3/4)").at_most(1.0)
    shown = {name: [each[name].mean() for each in moved] for name in moved[0]}
    yield curves(widths=sizes.widths, **shown)


def _moved(study: Study, inputs: Inputs, y: Array, m: int, sizes: Runs) -> dict[str, Array]:
    """How far the farthest and the mean neuron move, trained and at infinite width; and the bound: each (runs,)."""
    start = gaussian_start(inputs, m, sizes.runs, study.rng("networks", inputs.n, m))
    eta, r = sizes.step / inputs.largest, y - start.outputs
    steps = int(np.ceil(10 / (eta * inputs.least)))
    run = trainee(study, start, y, movement_from(start)).train(learning_rate=eta, steps=steps, record=[steps])
    law = [lazy.moves(inputs, W, lazy.coefficients(inputs, eta, each, steps)) for W, each in zip(start.W, r)]
    bound = [lazy.movement_bound(inputs.n, inputs.least, m, float(np.linalg.norm(each))) for each in r]
    return {
        "farthest": run["farthest"][-1],
        "typical": run["typical"][-1],
        "farthest_law": np.max(law, -1),
        "typical_law": np.mean(law, -1),
        "bound": np.array(bound),
    }


def _of_one_input(study: Study, one: Inputs, y: Array, sizes: Runs, exponent: float) -> Measured:
    """Where the bound is as near to equality as can be: over a bound that falls like m^-exponent from m = 1 on."""
    ratios = []
    for m in sizes.widths:
        moved = _moved(study, one, y, m, sizes)
        ratios.append(moved["farthest"] / moved["bound"] * m ** (exponent - 0.5))
    return measured("one input: farthest move over its bound", ratios, within=_rounding(one), axes=("width", "run"))


def _rounding(inputs: Inputs) -> Tolerance:
    return rounding(1000 * inputs.n * inputs.d, of="the steps that add up to a move, of at most 1000 terms each")
