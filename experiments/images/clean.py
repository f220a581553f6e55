"""Five methods on images with the labels as they are: Minnorm's multipliers find the difficult ones."""

from collections.abc import Iterator

from experiments.images.comparison import difficulty_scores, drawn, scores_find
from experiments.images.difficulty import held_out_margins
from experiments.images.methods import five_methods
from experiments.images.settings import COMPARED, prepared
from theory.claims import Check, Curves, Study, claim, curves


@claim(
    "minnorm.images_clean",
    source="Bansal et al. 2018, abstract, on MNIST (experiment ours: no other text was at hand)",
    statement=r"\lambda_i \text{ find the examples that networks which never saw them get wrong}",
    hypotheses=("labels as they are", "each method with the learning rate and penalty its validation split prefers"),
    theory_side="law",
    controls=("shuffled multipliers",),
    accepts_data="images",
)
def multipliers_find_difficult_examples(study: Study) -> Iterator[Check | Curves]:
    images, trainer = prepared(study, COMPARED, flipped=0.0)
    outcomes = five_methods(trainer)
    difficult = held_out_margins(trainer, "difficult") < 0
    scores = difficulty_scores(study, trainer, outcomes)
    yield from scores_find(scores, difficult, "difficult")
    yield curves(images=images.name)
    yield from drawn(trainer, outcomes, scores, difficult, images.shape)
