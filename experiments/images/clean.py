"""Images with right labels: accuracy over cross-entropy, and which examples are difficult."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from experiments.classifiers.paired import Paired, paired
from experiments.classifiers.paired import drawn as compared
from experiments.classifiers.tasks import Task
from experiments.images import settings
from experiments.images.comparison import (
    LOOKS,
    Outcomes,
    difficulty_scores,
    drawn,
    errors_less,
    require_some,
    scores_find,
)
from experiments.images.methods import CROSS_ENTROPY, L2, MINNORM, best_strength, convergence, three_methods
from experiments.images.rounds import Results, in_rounds, most, with_draws
from experiments.images.settings import another, first_look, pilot, prepared, require_long_enough
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, claim, curves, exactly, measured, on_data, varies
from theory.core.arrays import Array
from theory.images.held_out import left_out_margins
from theory.images.solutions import STATIONARITY


@dataclass(frozen=True)
class Sizes(settings.Sizes):
    """And how close to weight decay Minnorm is to come."""

    close: float = varies("share of the errors of L2 that Minnorm may have more", 0.15, low=0.02, high=1)
    little: float = varies("share of the errors of cross-entropy that is hardly a boost", 0.1, low=0.02, high=1)
    boost: float = varies("less error than L2 that would count as a boost", 0.0, smoke=0.01, low=0, high=0.1)


@claim(
    "minnorm.images_clean",
    source="Bansal et al. 2018, abstract, on MNIST (experiment ours: no other text was at hand)",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"E_{\text{Minnorm}} < E_{\text{cross-entropy}}, \quad E_{\text{Minnorm}} < (1 + \delta) E_{\text{L2}};"
    r" \quad \tfrac12 < A(\lambda) < A(|x - \mu_y| - \min_{k \ne y} |x - \mu_k|)",
    hypotheses=(
        "E: test error of a network of rectifiers; L2: the penalty that validation images of other draws prefer",
        "delta: 0.15; more draws than these would have to show less",
        "A(s): area under the ROC curve of the score s for examples that kernel ridge regression on the others misses",
        "lambda: the multipliers of the examples; mu_k: the mean of class k, without the example x of class y itself",
        "labels as they are; means over independent random splits of these images, differences paired",
        "of a user's images: as many rounds of splits as tell every difference, each round with its part of the"
        " significance, and not more than six",
    ),
    theory_side="law",
    controls=("shuffled multipliers", "test accuracy is boosted over that of L2"),
    accepts_data="images",
    parameters=Sizes,
)
@on_data
def accuracy_is_boosted_over_cross_entropy(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    images, trainer = prepared(study, sizes, flipped=0.0)
    if study.data is not None:
        first = first_look(study, images, sizes).task
        require_some(_difficult(first), "difficult", trainer.task.seeds)
    require_some(_difficult(trainer.task), "difficult", trainer.task.seeds)
    strength = best_strength(pilot(study, images, sizes, flipped=0.0))

    def draw(count: int) -> Results:
        more = another(study, images, sizes, count, flipped=0.0) if count else trainer
        outcomes = three_methods(more, strength)
        left = convergence(outcomes[MINNORM]).stationarity
        require_long_enough(
            study, sizes, np.mean(left, keepdims=True) <= STATIONARITY, "become stationary, in the mean,"
        )
        return Results(outcomes, difficulty_scores(more, outcomes, study.rng("shuffle", count)), _difficult(more.task))

    results, judged = in_rounds(most(study), draw, partial(_judged, study, sizes))
    yield from judged
    yield curves(images=images.name)
    yield from drawn(trainer, results, images)


def _difficult(task: Task) -> Array:
    """Which training examples (seeds, n) regression on the others misses."""
    return left_out_margins(task.train.x, task.train.y, task.classes) <= 0


def _judged(study: Study, sizes: Sizes, results: Results) -> Iterator[Check | Curves]:
    looks = LOOKS * most(study)
    yield from _converged(convergence(results.outcomes[MINNORM]).stationarity)
    yield from _accuracy(results.outcomes, sizes, looks, study.data is not None)
    yield from scores_find(results.scores, results.wanted, looks=looks)


def _converged(left: Array) -> Iterator[Check]:
    """Before anything is said of the smallest weights: that these are, but for what is allowed."""
    decay = exactly("empirical: a solution for weights that decay to a point this far from 0, in units of |theta|")
    mean = measured("stationarity of Minnorm, mean: mean gradient / |theta|", left.mean(), within=decay)
    yield mean.supporting().at_most(STATIONARITY)


def _accuracy(outcomes: Outcomes, sizes: Sizes, looks: int, users: bool) -> Iterator[Check | Curves]:
    """Paired differences of test errors.

    Of a user's images the other answer counts too: where Minnorm is not told to have fewer errors than cross-entropy,
    it may be told to have hardly fewer. Then the abstract's sentence does not hold of them.
    """
    gained = errors_less(outcomes, MINNORM, CROSS_ENTROPY)
    less = paired("test error, Minnorm less cross-entropy", gained, looks=looks, part="accuracy").below(0.0)
    hardly = _beside(CROSS_ENTROPY, outcomes, -sizes.little, looks).above(
        -_share(CROSS_ENTROPY, outcomes, sizes.little)
    )
    boosted = not users or bool(less) or not hardly
    yield with_draws(less, gained) if boosted else hardly
    yield compared("Minnorm less cross-entropy", gained, 0.0, looks=looks)
    lost, allowed = errors_less(outcomes, MINNORM, L2), _share(L2, outcomes, sizes.close)
    over = _beside(L2, outcomes, sizes.close, looks)
    yield with_draws(over.below(allowed), lost - sizes.close * (1 - outcomes[L2]["test"]))
    yield compared("Minnorm less L2", lost, allowed, looks=looks)
    over, name = paired(over.name, lost, looks=looks, part="accuracy"), "test accuracy is boosted over that of L2"
    condition = "over cross-entropy without a penalty: weight decay chosen on validation gives as much or more"
    nor = "not over weight decay, nor over cross-entropy but by a small share of its errors"
    qualified = over.unconditioned(name, condition=condition) if boosted else over.overstatement(name, correction=nor)
    yield qualified.below(-sizes.boost)


def _share(other: str, outcomes: Outcomes, share: float) -> float:
    """So large a share of the mean test error of a method."""
    return share * float(np.mean(1 - outcomes[other]["test"]))


def _beside(other: str, outcomes: Outcomes, share: float, looks: int) -> Paired:
    """E_Minnorm - E_other, to be held against share x E_other: with the interval of the mean of what lies between."""
    between = errors_less(outcomes, MINNORM, other) - share * (1 - outcomes[other]["test"])
    found = paired(f"test error, Minnorm less {other}", between, looks=looks, part="accuracy")
    moved = {end: getattr(found.estimate, end) + _share(other, outcomes, share) for end in ("low", "value", "high")}
    return replace(found, estimate=replace(found.estimate, **moved))
