"""From a small start Minnorm loses a weak mode at depth 3, and recovers it at depth 2."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.deep_linear.aligned import INPUT, Whitened, by_minnorm_from
from experiments.deep_linear.convergence import settled
from experiments.training.batches import layers_of
from theory.chain import collapse
from theory.claims import (
    OURS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    rounding,
    varies,
)
from theory.core.linear_networks import end_to_end
from theory.core.validation import reject
from theory.minnorm.tuning import Tuning

TUNING = Tuning(1.0, 0.6, 3.0)
SLOWEST = TUNING.b / TUNING.c  # every rate at the solution is above it
HORIZONS = {2: 40.0, 3: 20.0}  # the collapsed mode has not returned by then


@dataclass(frozen=True)
class Losing(Whitened):
    strengths: tuple[float, ...] = varies(
        "of the modes, decreasing; the last collapses", (3.0, 1.5, 0.3), low=0.1, high=4
    )
    start: float = varies("of every weight", 0.3, low=0.1, high=0.5)
    learning_rate: float = varies("of descent", 0.02, low=2e-3, high=0.02)

    def __post_init__(self) -> None:
        super().__post_init__()
        *strong, weak = (self.start * (TUNING.c + TUNING.b) * INPUT**2 * s for s in self.strengths)
        if not weak < 0.95:
            reject("start", self.start, f"one at which the criterion of the last mode, {weak:.3g}, is below 0.95")
        if not min(strong) > 1.5:
            reject("start", self.start, f"one at which the criterion of the others, {min(strong):.3g}, is above 1.5")


@claim(
    "minnorm.deep_mode_collapse",
    source="ours; `minnorm.chain_collapse` for the modes of a deep linear network",
    source_kind=OURS,
    statement=r"L = 3,\ w_k(0) \big(c x^2 s_k + b x^2 s_k / a\big) < 1,\ \lambda_k(0) = 0:\quad w_k \to 0,\ \lambda_k'"
    r" \to b x s_k,\quad\text{while the stronger modes are learned}",
    hypotheses=(
        "whitened examples, X X^T = x^2 P with the projector P; Y X^+ = U diag(s) V^T, a mode k for each of the s_k",
        "Minnorm at rates a, b and augmentation c; multiplier lambda_k and all three weights w_k of mode k",
        "aligned start, the same for all modes",
        "until the collapsed mode returns",
    ),
    theory_side="bound",
    controls=("depth 2 loses the weak mode", "depth 3 learns the weak mode"),
    parameters=Losing,
)
def depth_three_loses_a_weak_mode(study: Study, size: Losing) -> Iterator[Check | Curves]:
    """For a while: from t = 23 at this tuning the mode can return (`mode_return`); from rounding it does at t = 38."""
    for L in (2, 3):
        yield from _weak_mode(study, L, size)


def _weak_mode(study: Study, L: int, size: Losing) -> Iterator[Check | Curves]:
    strengths_of_labels = np.array(size.strengths)
    rng, case, many = study.rng("weak", L), f"depth {L}", len(size.strengths)
    modes = size.draw(rng)
    frames = modes.frames(size.widths(L), rng)
    trainee = by_minnorm_from(study, modes, frames, np.full((1, many, L), size.start), np.zeros((1, many)), TUNING)
    steps = round(HORIZONS[L] / size.learning_rate)
    run = trainee.train(learning_rate=size.learning_rate, steps=steps, record=[*range(0, steps, steps // 40), steps])
    strengths = modes.strengths(end_to_end(layers_of(run.arrays)))[:, 0]
    shown = run.t <= 16.0
    yield curves(case, strengths=strengths[shown], t=run.t[shown])
    within = rounding(steps, max(size.strengths), of="the strength, one a step")
    latest = run.t >= run.t[-1] / 2

    def learned(many: int) -> Measured:
        at_rest = run.t[latest], strengths[latest, :many]
        return settled("modes learned", *at_rest, within, SLOWEST, case=case)

    if L == 2:
        yield learned(many).equals(strengths_of_labels)
        lost = measured("weak mode", strengths[-1, -1], within=exactly("lost: less than 1 % of it"), case=case)
        yield lost.control("depth 2 loses the weak mode").at_most(0.01 * size.strengths[-1])
        return
    yield learned(many).control("depth 3 learns the weak mode").equals(strengths_of_labels)
    yield learned(many - 1).equals(strengths_of_labels[:-1])
    weak = modes.chains(L)[-1]
    criterion = float(collapse.collapse_criterion(weak, TUNING, size.start, 0.0))
    within = exactly("below 1 it collapses")
    yield measured("criterion of the weak mode", criterion, within=within, case=case).supporting().at_most(1)
    # v = w^(2-L) outruns the largest force there can be.
    within = rounding(64, of="a weight of size 1")
    bound = collapse.size_bound(weak, TUNING, size.start, 0.0, run.t[1:]) ** L
    yield measured("weak mode collapses", strengths[1:, -1], within=within, case=case, axes=("record",)).at_most(bound)
    multipliers = modes.multipliers(run["multipliers"].mT)[:, 0, -1]
    slope = np.diff(multipliers)[-1] / np.diff(run.t)[-1]
    within = Tolerance(TUNING.b * weak.x * strengths[-2, -1], "lambda' = b x (s - u): what is left of u")
    within += rounding(steps, multipliers[-1], of="the multiplier, one a step")
    yield measured("its multiplier grows", slope, within=within, case=case).equals(TUNING.b * weak.x * weak.s)
