"""Theorem 4.1: the loss falls at least like (1 - eta lambda_0 / 2)^k; the width that suffices, and what breaks it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from experiments.kernel.networks import Start, gaussian_start, residuals, with_equal_inputs, with_residual
from experiments.kernel.problems import Sizes, draw_inputs, signed_numbers
from experiments.training import recording_steps
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Measured,
    Study,
    claim,
    curves,
    exactly,
    frequency,
    measured,
    rounding,
    varies,
)
from theory.claims.random_numbers import Frequency
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.kernel import lazy, width
from theory.kernel.inputs import Inputs

FOUR = "the squared norm of a lazy network falls like (1 - eta lambda_0)^(2k): four times as fast"
DELTA = 0.1


@dataclass(frozen=True)
class Runs(Sizes):
    """Of the problem, and of what is trained."""

    widths: tuple[int, ...] = varies(
        "m of the curves", (4, 16, 64, 256, 1024, 4096), smoke=(4, 64, 256), low=1, high=20_000
    )
    wide: int = varies("m of the widest that the bound is judged on", 1024, smoke=256, paper=4096, low=256, high=20_000)
    runs: int = varies("of each kind", 10, smoke=6, paper=50, low=3, high=200)
    sufficient: int = varies("m of many runs, of which few may fail", 64, smoke=64, low=32, high=1000)
    many: int = varies("runs of that width", 1000, smoke=250, paper=5000, low=250, high=20_000)
    step: float = varies("learning rate, in units of 1 / lambda_max", 1.0, low=0.01, high=1.8)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.widths)) < len(self.widths):
            reject("widths", self.widths, "different ones")


@claim(
    "du2019.theorem_4_1",
    source="Du, Zhai, Póczos & Singh 2019, Theorem 4.1; which width suffices is measured",
    source_kind=AS_PRINTED,
    statement=r"\|u(k) - y\|^2 \le \left(1 - \tfrac{\eta \lambda_0}{2}\right)^k \|u(0) - y\|^2,\quad"
    r" u_i = m^{-1/2} \sum_{r=1}^m a_r \max(w_r^\top x_i, 0),\quad W(k+1) = W(k) - \eta \nabla_W \tfrac12 \|u - y\|^2",
    hypotheses=(
        "|x_i| = 1, lambda_0 = lambda_min(H^inf) > 0, w_r ~ N(0, I), a_r = +-1, only W is trained",
        "m = Omega(n^6 / (lambda_0^4 delta^3)), eta = O(lambda_0 / n^2): with probability at least 1 - delta",
    ),
    theory_side="bound",
    controls=("rate 5 times as large", "width 2", "equal inputs with different labels", "eta = 8 / lambda_max"),
    parameters=Runs,
)
def loss_falls_at_least_as_fast_as_the_bound(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    inputs, y = draw_inputs(study, sizes), signed_numbers(study, sizes.examples)
    eta = sizes.step / inputs.largest
    steps = int(np.ceil(8 / (eta * inputs.least)))
    yield from _slowest_mode(study, inputs, sizes)
    wide = gaussian_start(inputs, sizes.wide, sizes.runs, study.rng("wide"))
    yield _loss(study, wide, y, eta, steps, case="labels").supporting().at_most(_bound(inputs, eta, steps))
    paper = lazy.printed_step(inputs)
    small = _loss(study, wide, y, paper, 100, case="eta = lambda_0 / n^2")
    yield small.supporting().at_most(_bound(inputs, paper, 100))
    yield from _sufficient_width(study, inputs, y, eta, steps, sizes)
    few = gaussian_start(inputs, 2, sizes.many, study.rng("two neurons"))
    yield _fine(study, few, y, eta, steps).control("width 2").at_least(1 - DELTA)
    yield _equal_inputs(study, inputs, sizes, eta, steps)
    far = _fine(study, gaussian_start(inputs, sizes.sufficient, 100, study.rng("far")), y, 8 / inputs.largest, 20)
    yield far.control("eta = 8 / lambda_max").at_least(1 - DELTA)
    yield from _curves(study, inputs, y, eta, steps, sizes)


def _slowest_mode(study: Study, inputs: Inputs, sizes: Runs) -> Iterator[Check]:
    """The instance nearest to equality: a residual along the eigenvector of lambda_0, and small steps."""
    start, eta = gaussian_start(inputs, sizes.wide, sizes.runs, study.rng("slowest")), 0.05 / inputs.largest
    steps = int(np.ceil(1 / (eta * inputs.least)))
    slowest = _loss(study, start, with_residual(start, inputs.eigenvectors[:, 0]), eta, steps, case="slowest mode")
    yield slowest.within_factor(4.5, because=FOUR).at_most(_bound(inputs, eta, steps))
    yield slowest.control("rate 5 times as large").at_most(_bound(inputs, eta, steps)(5.0))


def _bound(inputs: Inputs, eta: float, steps: int) -> Callable[[float], Array]:
    """The theorem's bound at the steps recorded, as a function of the factor of its rate."""
    k = np.array(recording_steps(steps, 40))[:, None]
    fastest = 1.999999 / eta  # beyond it the factor of a step would be negative
    return lambda factor: lazy.loss_factor(min(factor * inputs.least, fastest), eta, k)


def _loss(study: Study, start: Start, y: Array, eta: float, steps: int, case: str = "") -> Measured:
    """|y - u(k)|^2 over its start (T, runs)."""
    r = residuals(study, start, y, learning_rate=eta, record=recording_steps(steps, 40))
    squares = np.square(r).sum(-1)
    within = rounding(steps * (start.m + start.inputs.d), of="the m-term sums of u, once a step")
    return measured("|y - u|^2 over its start", squares / squares[0], within=within, case=case, axes=("t", "run"))


def _fine(study: Study, start: Start, y: Array, eta: float, steps: int, case: str = "") -> Frequency:
    """How many runs never exceed the bound."""
    seen = _loss(study, start, y, eta, steps)
    fine = (seen.value <= _bound(start.inputs, eta, steps)(1.0) + seen.within.value).all(0)
    return frequency("runs within the bound", int(fine.sum()), fine.size, because="independent runs", case=case)


def _sufficient_width(study: Study, inputs: Inputs, y: Array, eta: float, steps: int, sizes: Runs) -> Iterator[Check]:
    """A width at which the theorem's conclusion holds, and how far from it the theorem's own width is."""
    start = gaussian_start(inputs, sizes.sufficient, sizes.many, study.rng("sufficient"))
    case = f"m = {sizes.sufficient}"
    yield _fine(study, start, y, eta, steps, case).supporting().at_least(1 - DELTA)
    asked = width.theorem_width(inputs.n, inputs.least, DELTA)
    beyond = measured("n^6 / (lambda_0^4 delta^3) over the width that suffices", asked / sizes.sufficient,
                      within=exactly("a formula"))  # fmt: skip
    yield beyond.supporting().at_least(1.0)


def _equal_inputs(study: Study, inputs: Inputs, sizes: Runs, eta: float, steps: int) -> Check:
    """Two equal inputs whose labels differ: what they differ by stays, whatever the width.

    lambda_0 is 0 there; the bound is that of the inputs without the copy.
    """
    start, y = with_equal_inputs(inputs, sizes.wide, sizes.runs, study.rng("doubled"))
    seen = _loss(study, start, y, eta, steps)
    return seen.control("equal inputs with different labels").at_most(_bound(inputs, eta, steps)(1.0))


def _curves(study: Study, inputs: Inputs, y: Array, eta: float, steps: int, sizes: Runs) -> Iterator[Curves]:
    """One network a width, all from a residual y, which makes one lazy limit of them."""
    k = np.arange(steps + 1)
    lazily = np.square(lazy.residual(inputs, eta, y, k)).sum(-1)
    yield curves(k=k, bound=lazy.loss_factor(inputs.least, eta, k), lazy=lazily / lazily[0], widths=sizes.widths)
    for m in sizes.widths:
        start = gaussian_start(inputs, m, 1, study.rng("curve", m))
        squares = np.square(
            residuals(study, start, with_residual(start, y), learning_rate=eta, record=range(steps + 1))
        ).sum(-1)[:, 0]
        yield curves(f"m = {m}", loss=squares / squares[0])
