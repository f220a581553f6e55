"""Images with a tenth of the labels flipped: Minnorm's multipliers find them, class means do better; fitting costs."""

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.images import settings
from experiments.images.comparison import (
    CLASS_MEANS,
    Outcomes,
    above,
    difficulty_scores,
    drawn,
    over_draws,
    scores_find,
)
from experiments.images.methods import HINGE, L2, METHODS, MINNORM, five_methods
from experiments.images.settings import pilot, prepared, require_long_enough
from theory.claims import OURS, Check, Curves, Study, claim, curves, exactly, measured, on_data, varies
from theory.claims.estimates import Estimate

LOOKS = len(METHODS) - 1  # differences between Minnorm and another method, judged or shown


@dataclass(frozen=True)
class Sizes(settings.Sizes):
    """Of draws whose labels are flipped in part."""

    draws: int = settings.DRAWS(48, smoke=32, paper=192)
    steps: int = settings.STEPS(1000, smoke=300)
    learning_rate: float = settings.LEARNING_RATE(0.02, smoke=0.04)
    dual_learning_rate: float = settings.DUAL_LEARNING_RATE(0.005, smoke=0.008)
    looks: int = settings.LOOKS(9, smoke=4)
    flipped: float = varies("share of the labels for training", 0.1, low=0.02, high=0.3)


@claim(
    "minnorm.images_flipped",
    source="ours; Bansal et al. 2018 say nothing of flipped labels",
    source_kind=OURS,
    statement=r"\tfrac12 < A(\lambda) \le A(|x - \mu_y| - \min_{k \ne y} |x - \mu_k|), \quad"
    r" E_{\text{Minnorm}} > E_{\text{hinge}} \text{ where every label is fitted}",
    hypotheses=(
        "A(s): area under the ROC curve of the score s for the flipped labels, one in ten of each training set",
        "lambda: the multipliers of the examples; mu_k: the mean of class k, without the example x of class y itself",
        "E: test error; the hinge loss with the penalty that validation images without flips prefer",
        "over independent random splits of these images: mean A against 1/2, medians of paired differences",
    ),
    theory_side="law",
    controls=("shuffled multipliers", "test accuracy is boosted over that of L2, chosen on validation"),
    accepts_data="images",
    parameters=Sizes,
)
@on_data
def multipliers_find_flipped_labels(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    images, trainer = prepared(study, sizes, flipped=sizes.flipped)
    outcomes = five_methods(trainer, pilot(study, images, sizes, flipped=sizes.flipped))
    require_long_enough(study, sizes, outcomes[MINNORM]["train"] == 1, "fit every label")
    scores = difficulty_scores(study, trainer, outcomes)
    yield from scores_find(scores, trainer.task.flipped, no_more_than=[CLASS_MEANS])
    yield from _accuracy(outcomes)
    yield curves(images=images.name)
    yield from drawn(trainer, outcomes, scores, trainer.task.flipped, images)


def _accuracy(outcomes: Outcomes) -> Iterator[Check]:
    """Paired differences of test accuracy, one for each other method."""
    fitted = exactly("it fits every label, the flipped ones too")
    fits = measured("training accuracy of Minnorm", outcomes[MINNORM]["train"], within=fitted, axes=("seed",))
    yield fits.supporting().at_least(1.0)
    lost = _gain(outcomes, MINNORM, HINGE)
    costs = measured("test accuracy, hinge + L2 less Minnorm", lost.value, within=above(lost, LOOKS))
    because = "the effect is four standard deviations of a draw, so its interval reaches half of it or less"
    yield costs.resolving(0.8, because=because).at_least(0, against=abs(lost.value))
    gain = _gain(outcomes, L2, MINNORM)
    boosted = measured("test accuracy, cross-entropy + L2 less Minnorm", -gain.value, within=above(gain, LOOKS))
    yield boosted.control("test accuracy is boosted over that of L2, chosen on validation").at_most(0)


def _gain(outcomes: Outcomes, before: str, after: str) -> Estimate:
    return over_draws(outcomes[after]["test"] - outcomes[before]["test"], LOOKS)
