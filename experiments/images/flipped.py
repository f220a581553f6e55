"""Images with a tenth of the labels flipped: Minnorm's multipliers find them, class means do better; fitting costs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments.classifiers.paired import drawn as compared
from experiments.classifiers.paired import paired
from experiments.images import settings
from experiments.images.comparison import LOOKS, Outcomes, difficulty_scores, drawn, errors_less, scores_find
from experiments.images.methods import L2, MINNORM, best_strength, three_methods
from experiments.images.rounds import Results, in_rounds, most, with_draws
from experiments.images.settings import another, pilot, prepared, require_long_enough
from theory.claims import OURS, Check, Curves, Study, claim, curves, exactly, measured, on_data, varies

FITTED = 0.99  # of the training labels


@dataclass(frozen=True)
class Sizes(settings.Sizes):
    """Of draws whose labels are flipped in part."""

    images: int = settings.IMAGES(150, smoke=50)
    draws: int = settings.DRAWS(96, smoke=88, paper=192)
    width: int = settings.WIDTH(32, smoke=20)
    steps: int = settings.STEPS(600, smoke=200, paper=1500)
    learning_rate: float = settings.LEARNING_RATE(0.03, smoke=0.05, paper=0.01)
    flipped: float = varies("share of the labels for training", 0.1, smoke=0.2, low=0.02, high=0.3)
    close: float = varies("error that Minnorm has more than L2, at least", 0.01, smoke=0.0, low=0, high=0.1)


@claim(
    "minnorm.images_flipped",
    source="ours; Bansal et al. 2018 say nothing of flipped labels",
    source_kind=OURS,
    statement=r"\tfrac12 < A(\lambda) < A(|x - \mu_y| - \min_{k \ne y} |x - \mu_k|), \quad"
    r" E_{\text{Minnorm}} > E_{\text{L2}} + \delta \text{ where the labels are fitted}",
    hypotheses=(
        "A(s): area under the ROC curve of the score s for the flipped labels, a share of each training set",
        "lambda: the multipliers of the examples; mu_k: the mean of class k, without the example x of class y itself",
        "E: test error; L2: cross-entropy with the penalty that validation images without flips prefer; delta: a point",
        "means over independent random splits of these images, differences paired",
    ),
    theory_side="law",
    controls=("shuffled multipliers", "within a point of L2, flipped labels or not"),
    accepts_data="images",
    parameters=Sizes,
)
@on_data
def multipliers_find_flipped_labels(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    images, trainer = prepared(study, sizes, flipped=sizes.flipped)
    strength = best_strength(pilot(study, images, sizes, flipped=sizes.flipped))

    def draw(count: int) -> Results:
        more = another(study, images, sizes, count, flipped=sizes.flipped) if count else trainer
        outcomes = three_methods(more, strength)
        fits = np.mean(outcomes[MINNORM]["train"], keepdims=True) >= FITTED
        require_long_enough(study, sizes, fits, "fit the labels, in the mean,")
        return Results(outcomes, difficulty_scores(more, outcomes, study.rng("shuffle", count)), more.task.flipped)

    results, judged = in_rounds(most(study), draw, partial(_judged, study, sizes))
    yield from judged
    yield curves(images=images.name)
    yield from drawn(trainer, results, images)


def _judged(study: Study, sizes: Sizes, results: Results) -> Iterator[Check | Curves]:
    looks = LOOKS * most(study)
    yield from scores_find(results.scores, results.wanted, looks=looks)
    yield from _accuracy(results.outcomes, sizes.close, looks)


def _accuracy(outcomes: Outcomes, close: float, looks: int) -> Iterator[Check | Curves]:
    """Paired differences of test errors."""
    fitted = exactly("empirical: it fits the labels, the flipped ones too, but for a network that got stuck")
    fits = measured("training accuracy of Minnorm, mean", outcomes[MINNORM]["train"].mean(), within=fitted)
    yield fits.supporting().at_least(FITTED)
    lost = errors_less(outcomes, MINNORM, L2)
    over = paired("test error, Minnorm less cross-entropy + L2", lost, looks=looks)
    yield with_draws(over.above(close), lost)
    yield over.control("within a point of L2, flipped labels or not").below(close)
    yield compared("Minnorm less L2", lost, close, looks=looks)
