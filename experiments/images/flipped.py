"""Five methods on images with a tenth of the labels flipped: Minnorm's multipliers find them; fitting them costs."""

from collections.abc import Iterator

from experiments.images.comparison import Outcomes, difficulty_scores, drawn, scores_find
from experiments.images.methods import HINGE, L2, MINNORM, five_methods
from experiments.images.settings import COMPARED, prepared
from theory.claims import Check, Curves, Study, claim, curves, exactly, measured


@claim(
    "minnorm.images_flipped",
    source="Bansal et al. 2018, abstract, on MNIST (experiment ours: no other text was at hand)",
    statement=r"\lambda_i \text{ find the flipped labels; fitting them exactly costs accuracy}",
    hypotheses=("one label in ten flipped", "each method with what its validation split, without flips, prefers"),
    theory_side="law",
    controls=("shuffled multipliers", "test accuracy is boosted over that of L2, chosen on validation"),
    accepts_data="images",
)
def multipliers_find_flipped_labels(study: Study) -> Iterator[Check | Curves]:
    images, trainer = prepared(study, COMPARED, flipped=0.1)
    outcomes = five_methods(trainer)
    scores = difficulty_scores(study, trainer, outcomes)
    yield from scores_find(scores, trainer.task.flipped, "flipped")
    yield from _accuracy(outcomes)
    yield curves(images=images.name)
    yield from drawn(trainer, outcomes, scores, trainer.task.flipped, images.shape)


def _accuracy(outcomes: Outcomes) -> Iterator[Check]:
    error = {name: 1 - outcome["test"].mean() for name, outcome in outcomes.items()}
    fitted = exactly("it fits every label, the flipped ones too")
    fits = measured("training accuracy of Minnorm", outcomes[MINNORM]["train"], within=fitted, axes=("seed",))
    yield fits.at_least(1.0)
    given_up = exactly("the hinge loss gives up the examples whose multiplier would exceed C")
    name = "test error of Minnorm over that of hinge + L2"
    yield measured(name, error[MINNORM] / error[HINGE], within=given_up).at_least(1.0)
    costs = exactly("fitting flipped labels exactly costs accuracy, however small the weights")
    boosted = measured("test error of Minnorm over that of L2", error[MINNORM] / error[L2], within=costs)
    yield boosted.control("test accuracy is boosted over that of L2, chosen on validation").at_most(1.0)
