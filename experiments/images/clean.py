"""Images with right labels: accuracy over cross-entropy, and which examples are difficult."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.classifiers.paired import drawn as compared
from experiments.classifiers.paired import paired
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
from experiments.images.methods import CROSS_ENTROPY, L2, MINNORM, convergence, three_methods
from experiments.images.settings import first_look, pilot, prepared, require_long_enough
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, claim, curves, exactly, measured, on_data, varies
from theory.core.arrays import Array
from theory.images.held_out import left_out_margins
from theory.images.solutions import STATIONARITY


@dataclass(frozen=True)
class Sizes(settings.Sizes):
    """And how close to weight decay Minnorm is to come."""

    draws: int = settings.DRAWS(144, smoke=88, paper=192)
    close: float = varies("error that Minnorm may have more than L2", 0.01, smoke=0.02, low=0.002, high=0.1)
    boost: float = varies("less error than L2 that would count as a boost", 0.0, smoke=0.01, low=0, high=0.1)


@claim(
    "minnorm.images_clean",
    source="Bansal et al. 2018, abstract, on MNIST (experiment ours: no other text was at hand)",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"E_{\text{Minnorm}} < E_{\text{cross-entropy}}, \quad E_{\text{Minnorm}} < E_{\text{L2}} + \delta; \quad"
    r" \tfrac12 < A(\lambda) < A(|x - \mu_y| - \min_{k \ne y} |x - \mu_k|)",
    hypotheses=(
        "E: test error of a network of rectifiers; L2: the penalty that validation images of other draws prefer",
        "delta: a point; more draws than these would have to show less",
        "A(s): area under the ROC curve of the score s for examples that kernel ridge regression on the others misses",
        "lambda: the multipliers of the examples; mu_k: the mean of class k, without the example x of class y itself",
        "labels as they are; means over independent random splits of these images, differences paired",
    ),
    theory_side="law",
    controls=("shuffled multipliers", "test accuracy is boosted over that of L2"),
    accepts_data="images",
    parameters=Sizes,
)
@on_data
def accuracy_is_boosted_over_cross_entropy(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    images, trainer = prepared(study, sizes, flipped=0.0)
    task = trainer.task
    if study.data is not None:
        first = first_look(study, images, sizes).task
        require_some(left_out_margins(first.train.x, first.train.y, task.classes) <= 0, "difficult", task.seeds)
    difficult = left_out_margins(task.train.x, task.train.y, task.classes) <= 0
    require_some(difficult, "difficult", task.seeds)
    outcomes = three_methods(trainer, pilot(study, images, sizes, flipped=0.0))
    left = convergence(outcomes[MINNORM]).stationarity
    require_long_enough(study, sizes, np.mean(left, keepdims=True) <= STATIONARITY, "become stationary, in the mean,")
    yield from _converged(left)
    yield from _accuracy(outcomes, sizes)
    scores = difficulty_scores(study, trainer, outcomes)
    yield from scores_find(scores, difficult)
    yield curves(images=images.name)
    yield from drawn(trainer, outcomes, scores, difficult, images)


def _converged(left: Array) -> Iterator[Check]:
    """Before anything is said of the smallest weights: that these are, but for what is allowed."""
    decay = exactly("empirical: a solution for weights that decay to a point this far from 0, in units of |theta|")
    mean = measured("stationarity of Minnorm, mean: mean gradient / |theta|", left.mean(), within=decay)
    yield mean.supporting().at_most(STATIONARITY)


def _accuracy(outcomes: Outcomes, sizes: Sizes) -> Iterator[Check | Curves]:
    """Paired differences of test errors."""
    gained = errors_less(outcomes, MINNORM, CROSS_ENTROPY)
    yield paired("test error, Minnorm less cross-entropy", gained, looks=LOOKS, part="accuracy").below(0.0)
    yield compared("Minnorm less cross-entropy", gained, 0.0, looks=LOOKS)
    lost = errors_less(outcomes, MINNORM, L2)
    over = paired("test error, Minnorm less cross-entropy + L2", lost, looks=LOOKS, part="accuracy")
    yield over.below(sizes.close)
    yield compared("Minnorm less L2", lost, sizes.close, looks=LOOKS)
    condition = "over cross-entropy without a penalty: weight decay chosen on validation gives as much or more"
    yield over.unconditioned("test accuracy is boosted over that of L2", condition=condition).below(-sizes.boost)
