"""The longest step with which lazy networks keep Theorem 4.1's bound: nearly 2 / lambda_max, not lambda_0 / n^2."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.kernel.networks import Start, gaussian_start, residuals, with_residual
from experiments.kernel.problems import Sizes, draw_inputs
from theory.claims import OURS, Check, Curves, Measured, Study, claim, exactly, measured, rate, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.kernel import lazy, width
from theory.kernel.inputs import Inputs


@dataclass(frozen=True)
class Runs(Sizes):
    """Of the problem, and of what is trained."""

    width: int = varies("m", 2048, smoke=1024, low=256, high=20_000)
    runs: int = varies("networks", 120, smoke=100, paper=200, low=10, high=1000)


@claim(
    "kernel.longest_step",
    source="ours; sharpens the step of Du, Zhai, Póczos & Singh 2019, Theorem 4.1, eta = O(lambda_0 / n^2)",
    source_kind=OURS,
    statement=r"\|y - u(k)\|^2 \le (1 - \tfrac{\eta \lambda_0}{2})^k \|y - u(0)\|^2 \text{ for all } y \iff \eta \le"
    r" \frac{2 - \lambda_0 / (2 \lambda_{\max})}{\lambda_{\max}},\quad \lambda_0 \text{ and } \lambda_{\max}"
    r"\text{ the least and the largest eigenvalue of } H^\infty",
    hypotheses=("|x_i| = 1, lambda_0 > 0, m to infinity, W trained by gradient descent",),
    theory_side="closed form",
    controls=("2 / lambda_max", "a longer step"),
    parameters=Runs,
)
def steps_may_be_nearly_as_long_as_stability_allows(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    inputs = draw_inputs(study, sizes)
    start = gaussian_start(inputs, sizes.width, sizes.runs, study.rng("networks"))
    longest, v = lazy.longest_step(inputs), inputs.eigenvectors[:, -1]
    # From a step of 1 the eigenvalue that each network has in place of lambda_max, and with it its own longest step.
    r = residuals(study, start, with_residual(start, 1e-6 * v), learning_rate=1.0, record=[0, 1])
    eigenvalue = 1 - (r[1] @ v) / (r[0] @ v)
    own = (2 - inputs.least / eigenvalue / 2) / eigenvalue
    yield rate("longest step over its law", mean(own / longest)).equals(1)
    yield rate("longest step over its law", mean(own / (2 / inputs.largest))).control("2 / lambda_max").equals(1)
    # Six deviations of what a network of this width has in place of lambda_max, to either side.
    off = 6 * np.sqrt(width.squared_step(inputs, v) / sizes.width) / inputs.largest
    yield _over_bound(study, inputs, start, (1 - off) * longest, "a shorter step").supporting().at_most(1.0)
    yield _over_bound(study, inputs, start, (1 + off) * longest).control("a longer step").at_most(1.0)
    share = measured(
        "lambda_0 / n^2 over the longest step", lazy.printed_step(inputs) / longest, within=exactly("both")
    )
    yield share.supporting().at_most(1.0)


def _over_bound(study: Study, inputs: Inputs, start: Start, eta: float, case: str = "") -> Measured:
    """|y - u|^2 over its bound in ten steps, from the residual along lambda_max that is nearest to breaking it."""
    steps = range(1, 11)
    labels = with_residual(start, 1e-6 * inputs.eigenvectors[:, -1])
    squares: Array = np.square(residuals(study, start, labels, learning_rate=eta, record=[0, *steps])).sum(-1)
    bound = lazy.loss_factor(inputs.least, eta, np.array(steps))[:, None] * squares[0]
    within = exactly("the bound leaves far more than rounding")
    return measured("|y - u|^2 over its bound", squares[1:] / bound, within=within, case=case, axes=("step", "run"))
