"""Duplicated examples, whose multipliers are not unique: their sum is, and their difference never changes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.shallow.classifiers import minnorm_classifier
from experiments.shallow.examples import adding_to_one, require_stable
from theory.claims import OURS, Check, Study, claim, measured, rounding, varies
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, planted
from theory.core.validation import reject
from theory.minnorm.tuning import Tuning
from theory.shallow import minnorm_flow

OVER = -np.log(EPS)  # time x rate by which the transient is over


@dataclass(frozen=True)
class Duplicates:
    inputs: int = varies("of each example", 4, low=2, high=20)
    shares: tuple[float, ...] = varies("of the duals in their sum, up to a factor", (0.5, 0.3, 0.2), low=0.1, high=10)
    a: float = varies("speed of the weights", 1.3, low=0.2, high=3)
    b: float = varies("speed of the multipliers", 0.7, low=0.05, high=3)
    shift: float = varies("of the start from the classifier, in each entry", 0.02, low=1e-3, high=0.1)
    learning_rate: float = varies("of the training", 0.2, low=0.01, high=0.4)
    steps: int = varies("of the training", 2000, smoke=1000, paper=20000, low=100, high=50_000)
    runs: int = varies("starts", 4, low=2, high=100)

    def __post_init__(self) -> None:
        if len(self.shares) > self.inputs:
            reject("shares", f"{len(self.shares)} of them", f"as many as the {self.inputs} inputs at most")


@claim(
    "minnorm.shallow_degenerate",
    source="ours; the method is Bansal et al. 2018 (reconstruction: gradient descent-ascent on the Lagrangian)",
    source_kind=OURS,
    statement=r"w' = -a (w - Z^\top \lambda),\ \lambda' = b\,[1 - Z w]_{\lambda \ge 0}:"
    r"\quad z_1 = z_2 \;\Rightarrow\; w \to \hat w,\ \lambda_1 + \lambda_2 \to \alpha,\ "
    r"\lambda_1 - \lambda_2 = \text{const}",
    hypotheses=(
        "rows z_i = y_i x_i of Z separable, w_hat their max-margin classifier",
        "a support vector, of dual alpha, occurs twice",
        "both its multipliers stay above 0",
    ),
    theory_side="closed form",
    controls=("the multipliers forget their start",),
    parameters=Duplicates,
)
def duplicated_support_vectors_share_a_dual(study: Study, sizes: Duplicates) -> Iterator[Check]:
    rng, shares = study.rng("examples"), adding_to_one(sizes.shares)
    once = Separable(planted(rng, shares, d=sizes.inputs, margin=0.8, runs=200))
    once = once.run(int(np.argmin(once.condition)))
    Z = np.vstack([once.Z, once.Z[:1]])
    runs, steps = sizes.runs, sizes.steps
    split = rng.uniform(0.3, 0.7, runs)
    multipliers0 = np.column_stack([split, np.full((runs, shares.size - 1), once.duals[1:]), 1 - split])
    multipliers0[:, [0, -1]] *= once.duals[0]
    w0 = once.w + sizes.shift * rng.standard_normal((runs, sizes.inputs))
    _require_a_transient_that_ends(once, Z, sizes)
    _require_positive(sizes, w0 - once.w, multipliers0)
    trainee = minnorm_classifier(study, Z, Tuning(sizes.a, sizes.b), w0, multipliers0)
    run = trainee.train(learning_rate=sizes.learning_rate, steps=steps, record=[0, steps])
    w, multipliers = run["w"][-1], run["multipliers"][-1]
    # A fixed point is reproduced up to the rounding of its inputs, amplified by the condition number.
    of = "the duals times the condition number: the transient is over"
    within = rounding(64, float(once.condition) * np.abs(once.duals).max(), of=of)
    yield measured("w", w, within=within, axes=("run", "entry")).equals(once.w)
    first, second = multipliers[:, 0], multipliers[:, -1]
    yield measured("sum of the duplicates' multipliers", first + second, within=within).equals(once.duals[0])
    kept = rounding(2 * steps, once.duals[0], of="the dual, two a step")
    difference = measured("difference of the duplicates' multipliers", first - second, within=kept)
    yield difference.equals(multipliers0[:, 0] - multipliers0[:, -1])
    forgotten = measured("dual", first, within=within).control("the multipliers forget their start")
    yield forgotten.equals(first[0])


def _require_a_transient_that_ends(once: Separable, Z: Array, sizes: Duplicates) -> None:
    """Both copies together have a Gram matrix no smaller than that of one."""
    require_stable(np.linalg.norm(Z, ord=2) ** 2, sizes.b, sizes.learning_rate)
    rate = float(minnorm_flow.rate(once.gram_range[0], sizes.a, sizes.b))
    least = int(np.ceil(OVER / rate / sizes.learning_rate))
    if sizes.steps < least:
        reject("steps", sizes.steps, f"at least {least}: the transient decays at rate {rate:.3g}")


def _require_positive(sizes: Duplicates, shift: Array, multipliers0: Array) -> None:
    """|lambda - alpha|^2 / b + |w - w_hat|^2 / a never grows in the flow, so that no multiplier moves by more."""
    farthest = np.sqrt(sizes.b / sizes.a) * np.linalg.norm(shift, axis=1).max()
    if farthest > multipliers0.min():
        expected = f"one after which multipliers of {multipliers0.min():.3g} stay above 0: they move by {farthest:.3g}"
        reject("shift", sizes.shift, expected)
