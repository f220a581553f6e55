"""Theorem 3.2: under gradient flow the squared residual falls at least like exp(-lambda_0 t)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.kernel.networks import Start, gaussian_start, trainee, with_equal_inputs, with_residual
from experiments.kernel.problems import Sizes, draw_inputs, signed_numbers
from experiments.training import extrapolated_ratio
from theory.claims import AS_PRINTED, Check, Curves, Measured, Study, claim, varies
from theory.core.arrays import Array
from theory.kernel import lazy

TWICE = "the squared residual of a lazy network falls like exp(-2 lambda_0 t): twice as fast"
RECORDS = 13


@dataclass(frozen=True)
class Runs(Sizes):
    """Of the problem, and of what is trained."""

    width: int = varies("m", 1024, smoke=256, paper=4096, low=256, high=20_000)
    runs: int = varies("of each kind", 8, smoke=6, paper=50, low=3, high=200)
    step: float = varies("coarsest learning rate, in units of 1 / lambda_max", 0.4, low=0.01, high=0.5)


@claim(
    "du2019.theorem_3_2",
    source="Du, Zhai, Póczos & Singh 2019, Theorem 3.2",
    source_kind=AS_PRINTED,
    statement=r"\dot W = -\nabla_W \tfrac12 \|u - y\|^2:\quad \|u(t) - y\|^2 \le e^{-\lambda_0 t} \|u(0) - y\|^2,\quad"
    r" u_i = m^{-1/2} \sum_{r=1}^m a_r \max(w_r^\top x_i, 0)",
    hypotheses=(
        "|x_i| = 1, lambda_0 = lambda_min(H^inf) > 0, w_r ~ N(0, I), a_r = +-1, only W is trained",
        "m = Omega(n^6 / (lambda_0^4 delta^3)): with probability at least 1 - delta",
    ),
    theory_side="bound",
    controls=("rate 2.5 times as large", "width 2", "equal inputs with different labels"),
    parameters=Runs,
)
def loss_falls_at_least_exponentially(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    inputs, y = draw_inputs(study, sizes), signed_numbers(study, sizes.examples)
    horizon, least = 2 / inputs.least, inputs.least
    t = np.linspace(0, horizon, RECORDS)[:, None]

    def bound(factor: float) -> Array:
        return lazy.flow_factor(factor * least, t)

    start = gaussian_start(inputs, sizes.width, sizes.runs, study.rng("networks"))
    yield _loss(study, start, y, sizes.step, horizon, "labels").supporting().at_most(bound)
    slowest = _loss(study, start, with_residual(start, inputs.eigenvectors[:, 0]), sizes.step, horizon, "slowest mode")
    yield slowest.within_factor(2.3, because=TWICE).at_most(bound)
    yield slowest.control("rate 2.5 times as large").at_most(bound(2.5))
    narrow = gaussian_start(inputs, 2, sizes.runs, study.rng("narrow"))
    yield _loss(study, narrow, y, sizes.step, horizon).control("width 2").at_most(bound(1.0))
    both, labels = with_equal_inputs(inputs, sizes.width, sizes.runs, study.rng("doubled"))
    kept = _loss(study, both, labels, sizes.step, horizon)
    yield kept.control("equal inputs with different labels").at_most(bound(1.0))


def _loss(study: Study, start: Start, y: Array, step: float, horizon: float, case: str = "") -> Measured:
    """|y - u(t)|^2 over its start (T, runs), from three learning rates extrapolated to the flow."""
    runs = trainee(study, start, y).refine(learning_rate=step / start.inputs.largest, horizon=horizon, records=RECORDS)
    squares = [np.square(run["residual"]).sum(-1) for run in runs]
    return extrapolated_ratio("|y - u|^2 over its start", [loss / loss[0] for loss in squares], case=case)
