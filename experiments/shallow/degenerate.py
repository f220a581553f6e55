"""Duplicated examples, whose multipliers are not unique: their sum is, and their difference never changes."""

from collections.abc import Iterator

import numpy as np

from experiments.shallow.classifiers import minnorm_classifier
from theory.claims import OURS, Check, Study, claim, measured, rounding
from theory.core.separable import Separable, planted
from theory.minnorm.tuning import Tuning


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
)
def duplicated_support_vectors_share_a_dual(study: Study) -> Iterator[Check]:
    rng = study.rng("examples")
    once = Separable(planted(rng, np.array([0.5, 0.3, 0.2]), d=4, margin=0.8, runs=200))
    once = once.run(int(np.argmin(once.condition)))
    Z = np.vstack([once.Z, once.Z[:1]])
    runs, steps = 4, study.pick(smoke=1000, quick=2000, paper=20000)
    split = rng.uniform(0.3, 0.7, runs)
    multipliers0 = np.column_stack([split, np.full((runs, 2), once.duals[1:]), 1 - split])
    multipliers0[:, [0, 3]] *= once.duals[0]
    w0 = once.w + 0.02 * rng.standard_normal((runs, 4))
    trainee = minnorm_classifier(study, Z, Tuning(1.3, 0.7), w0, multipliers0)
    run = trainee.train(learning_rate=0.2, steps=steps, record=[0, steps])
    w, multipliers = run["w"][-1], run["multipliers"][-1]
    # A fixed point is reproduced up to the rounding of its inputs, amplified by the condition number.
    of = "the duals times the condition number: the transient is over"
    within = rounding(64, float(once.condition) * np.abs(once.duals).max(), of=of)
    yield measured("w", w, within=within, axes=("run", "entry")).equals(once.w)
    first, second = multipliers[:, 0], multipliers[:, 3]
    yield measured("sum of the duplicates' multipliers", first + second, within=within).equals(once.duals[0])
    kept = rounding(2 * steps, once.duals[0], of="the dual, two a step")
    difference = measured("difference of the duplicates' multipliers", first - second, within=kept)
    yield difference.equals(multipliers0[:, 0] - multipliers0[:, 3])
    forgotten = measured("dual", first, within=within).control("the multipliers forget their start")
    yield forgotten.equals(first[0])
