"""Lemma 3.1: from some width on the kernel at the start is near H, and which width that is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

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
    frequency,
    measured,
    varies,
)
from theory.claims.estimates import SIGNIFICANCE
from theory.claims.random_numbers import Frequency
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.kernel import width
from theory.kernel.inputs import Inputs

LOOSE = "Hoeffding's inequality for each entry of H, and the norm by all of them: far from equality"


@dataclass(frozen=True)
class Draws(Sizes):
    """Of the problem, and of the networks that are drawn."""

    delta: float = varies("probability of failure", 0.2, low=0.01, high=0.9)
    draws: int = varies("networks", 300, smoke=100, paper=3000, low=20, high=10**4)

    def __post_init__(self) -> None:
        super().__post_init__()
        fewest = np.log(SIGNIFICANCE) / np.log(1 - self.delta)
        if self.draws < fewest:
            reject("draws", self.draws, f"at least {np.ceil(fewest):.0f}: fewer bound no quantile 1 - {self.delta:g}")


@claim(
    "du2019.lemma_3_1",
    source="Du, Zhai, Póczos & Singh 2019, Lemma 3.1; the constant of its width, and the widths by Markov's and"
    " Chernoff's inequality, ours",
    source_kind=AS_PRINTED,
    statement=r"m = \Omega(\tfrac{n^2}{\lambda_0^2} \log\tfrac{n}{\delta}):\quad \|H(W) - H^\infty\|_2 \le"
    r" \tfrac{\lambda_0}{4},\quad \lambda_{\min}(H(W)) \ge \tfrac34 \lambda_0\quad"
    r"\text{with probability at least } 1 - \delta",
    hypotheses=("W at the start: w_r ~ N(0, I); |x_i| = 1, n inputs, lambda_0 = lambda_min(H^inf) > 0",),
    theory_side="bound",
    controls=("a hundredth of the width: the norm", "a thousandth of the width: the eigenvalue"),
    parameters=Draws,
)
def wide_kernels_are_near_their_limit(study: Study, sizes: Draws) -> Iterator[Check | Curves]:
    inputs, delta = draw_inputs(study, sizes), sizes.delta
    markov, hoeffding = width.markov_width(inputs, delta), width.hoeffding_width(inputs, delta)
    needed = _width_needed(study, sizes, inputs, markov)
    yield replace(needed, case="Markov").within_factor(20, because="the same by Markov's inequality").at_most(markov)
    yield replace(needed, case="Hoeffding").within_factor(100, because=LOOSE).at_most(hoeffding)
    few = _kernels(study, sizes, inputs, markov / 100)
    near = np.linalg.norm(few - inputs.H, 2, axis=(1, 2)) <= inputs.least / 4
    yield _share(near).control("a hundredth of the width: the norm").at_least(1 - delta)
    chernoff = width.chernoff_width(inputs, delta)
    yield _large_enough(inputs, _kernels(study, sizes, inputs, chernoff)).supporting().at_least(1 - delta)
    few = _kernels(study, sizes, inputs, chernoff / 1000)
    yield _large_enough(inputs, few).control("a thousandth of the width: the eigenvalue").at_least(1 - delta)
    printed = width.lemma_width(inputs.n, inputs.least, delta)
    yield curves(hoeffding=hoeffding, markov=markov, chernoff=chernoff, printed=printed)


def _width_needed(study: Study, sizes: Draws, inputs: Inputs, m: float) -> Measured:
    """|H(W) - H| falls like m^(-1/2): what m has to be for it to be lambda_0 / 4, in all but delta of the networks."""
    norms = np.linalg.norm(_kernels(study, sizes, inputs, m) - inputs.H, 2, axis=(1, 2))
    widths = m * np.square(norms / (inputs.least / 4))
    # The order statistic that a quantile exceeds no more often than the significance says.
    rank = int(stats.binom.isf(SIGNIFICANCE, sizes.draws, 1 - sizes.delta))
    chance = Tolerance(0.0, f"order statistic {rank + 1} of {sizes.draws}, which bounds the quantile", SIGNIFICANCE)
    return measured(f"width needed by all but {sizes.delta:g} of networks", np.sort(widths)[rank], within=chance)


def _kernels(study: Study, sizes: Draws, inputs: Inputs, m: float) -> Array:
    m = max(int(np.ceil(m)), 1)
    return kernels_at_start(study, inputs, m, sizes.draws, study.rng("networks", m))


def _large_enough(inputs: Inputs, kernels: Array) -> Frequency:
    return _share(np.linalg.eigvalsh(kernels)[:, 0] >= 0.75 * inputs.least, "lambda_min(H(W)) >= 3/4 lambda_0")


def _share(fine: Array, name: str = "|H(W) - H| <= lambda_0 / 4") -> Frequency:
    return frequency(name, int(fine.sum()), fine.size, because="independent networks")
