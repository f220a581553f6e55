"""Images with right labels: Minnorm's multipliers find the difficult ones; so does what needs no training."""

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.images import settings
from experiments.images.comparison import CLASS_MEANS, OWN_MEAN, difficulty_scores, drawn, require_some, scores_find
from experiments.images.difficulty import held_out_margins
from experiments.images.methods import five_methods
from experiments.images.settings import first_look, pilot, prepared
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, claim, curves, on_data


@dataclass(frozen=True)
class Sizes(settings.Sizes):
    """Of draws that leave some examples difficult."""

    images: int = settings.IMAGES(150, smoke=100)
    draws: int = settings.DRAWS(48, smoke=36, paper=192)
    steps: int = settings.STEPS(1000, smoke=330)
    learning_rate: float = settings.LEARNING_RATE(0.02, smoke=0.045)
    dual_learning_rate: float = settings.DUAL_LEARNING_RATE(0.005, smoke=0.012)
    looks: int = settings.LOOKS(9, smoke=4)


@claim(
    "minnorm.images_clean",
    source="Bansal et al. 2018, abstract, on MNIST (experiment ours: no other text was at hand)",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\tfrac12 < A(\lambda), \quad A(|x - \mu_y|) \le A(\lambda) \le"
    r" A(|x - \mu_y| - \min_{k \ne y} |x - \mu_k|)",
    hypotheses=(
        "A(s): area under the ROC curve of the score s for the examples that networks which never saw them get wrong",
        "lambda: the multipliers of the examples; mu_k: the mean of class k, without the example x of class y itself",
        "labels as they are",
        "over independent random splits of these images: mean A against 1/2, medians of paired differences",
    ),
    theory_side="law",
    controls=("shuffled multipliers",),
    accepts_data="images",
    parameters=Sizes,
)
@on_data
def multipliers_find_difficult_examples(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    images, trainer = prepared(study, sizes, flipped=0.0)
    if study.data is not None:
        first = held_out_margins(first_look(study, images, sizes), "look")
        require_some(first < 0, "difficult", trainer.task.seeds)
    difficult = held_out_margins(trainer, "difficult") < 0
    require_some(difficult, "difficult", trainer.task.seeds)
    outcomes = five_methods(trainer, pilot(study, images, sizes, flipped=0.0))
    scores = difficulty_scores(study, trainer, outcomes)
    yield from scores_find(scores, difficult, no_less_than=[OWN_MEAN], no_more_than=[CLASS_MEANS])
    yield curves(images=images.name)
    yield from drawn(trainer, outcomes, scores, difficult, images)
