"""Images with a tenth of the labels flipped: Minnorm's multipliers find them, class means do better; fitting costs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.classifiers.paired import drawn as compared
from experiments.classifiers.paired import paired
from experiments.images import settings
from experiments.images.comparison import LOOKS, Outcomes, difficulty_scores, drawn, errors_less, scores_find
from experiments.images.methods import L2, MINNORM, three_methods
from experiments.images.settings import pilot, prepared, require_long_enough
from theory.claims import OURS, Check, Curves, Study, claim, curves, exactly, measured, on_data, varies

FITTED = 0.99  # of the training labels


@dataclass(frozen=True)
class Sizes(settings.Sizes):
    """Of draws whose labels are flipped in part."""

    images: int = settings.IMAGES(150, smoke=50)
    width: int = settings.WIDTH(32, smoke=20)
    steps: int = settings.STEPS(800, smoke=260, paper=1500)
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
    outcomes = three_methods(trainer, pilot(study, images, sizes, flipped=sizes.flipped))
    fits = np.mean(outcomes[MINNORM]["train"], keepdims=True) >= FITTED
    require_long_enough(study, sizes, fits, "fit the labels, in the mean,")
    scores = difficulty_scores(study, trainer, outcomes)
    yield from scores_find(scores, trainer.task.flipped)
    yield from _accuracy(outcomes, sizes.close)
    yield curves(images=images.name)
    yield from drawn(trainer, outcomes, scores, trainer.task.flipped, images)


def _accuracy(outcomes: Outcomes, close: float) -> Iterator[Check | Curves]:
    """Paired differences of test errors."""
    fitted = exactly("empirical: it fits the labels, the flipped ones too, but for a network that got stuck")
    fits = measured("training accuracy of Minnorm, mean", outcomes[MINNORM]["train"].mean(), within=fitted)
    yield fits.supporting().at_least(FITTED)
    lost = errors_less(outcomes, MINNORM, L2)
    over = paired("test error, Minnorm less cross-entropy + L2", lost, looks=LOOKS)
    yield over.above(close)
    yield over.control("within a point of L2, flipped labels or not").below(close)
    yield compared("Minnorm less L2", lost, close, looks=LOOKS)
