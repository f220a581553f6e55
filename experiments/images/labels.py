"""Five methods on images, with the labels as they are and with a tenth of them flipped: accuracy and difficulty."""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import stats

from experiments.images import settings
from experiments.images.difficulty import held_out_margins
from experiments.images.methods import HINGE, L2, METHODS, MINNORM, Workshop, convergence, five_methods
from experiments.images.settings import workshop
from experiments.images.tasks import Images
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import SIGNIFICANCE, mean
from theory.claims.legacy import at_least, at_most, misprint, refuted
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.images.ranking import pooled_score, ranking, ranking_error, roc
from theory.images.solutions import normalised_margin

FALSE = np.linspace(0, 1, 101)  # shares of false alarms at which a ROC curve is drawn
SHOWN = 24  # images
CHANCE = float(stats.norm.isf(SIGNIFICANCE))  # standard errors that knowing nothing exceeds as rarely as any check may
MULTIPLIERS, INTEGRATED, HELD_OUT, SHUFFLED = "multipliers", "integrated error", "held-out margin", "shuffled"

Outcomes = Mapping[str, Mapping[str, Array]]


@claim(
    "minnorm.images_clean",
    source="Bansal et al. 2018, abstract, on MNIST (experiment ours: no other text was at hand)",
    statement=r"\lambda_i \text{ find the examples that networks which never saw them get wrong}",
    hypotheses=("labels as they are", "each method with the learning rate and penalty its validation split prefers"),
    controls=("shuffled multipliers",),
    accepts_data="images",
)
def multipliers_find_difficult_examples(study: Study) -> Iterator[Check | Curves]:
    pictures, shop = workshop(study, settings.five_methods(study), flipped=0.0)
    outcomes = five_methods(shop)
    difficult = held_out_margins(shop, "difficult") < 0
    scores = _scores(study, shop, outcomes)
    yield from _found(scores, difficult, "difficult")
    yield _curves(pictures, shop, outcomes, scores, difficult)


@claim(
    "minnorm.images_flipped",
    source="Bansal et al. 2018, abstract, on MNIST (experiment ours: no other text was at hand)",
    statement=r"\lambda_i \text{ find the flipped labels; fitting them exactly costs accuracy}",
    hypotheses=("one label in ten flipped", "each method with what its validation split, without flips, prefers"),
    controls=("shuffled multipliers", "as printed: test accuracy is boosted"),
    accepts_data="images",
)
def multipliers_find_flipped_labels(study: Study) -> Iterator[Check | Curves]:
    pictures, shop = workshop(study, settings.five_methods(study), flipped=0.1)
    outcomes = five_methods(shop)
    scores = _scores(study, shop, outcomes)
    yield from _found(scores, shop.task.flipped, "flipped")
    yield from _accuracy(outcomes)
    yield _curves(pictures, shop, outcomes, scores, shop.task.flipped)


def _scores(study: Study, shop: Workshop, outcomes: Outcomes) -> dict[str, Array]:
    """Scores (seeds, n) that are larger where an example is harder to learn."""
    multipliers = outcomes[MINNORM]["multipliers"]
    return {
        MULTIPLIERS: multipliers,
        INTEGRATED: outcomes[METHODS[0]]["errors"],
        HELD_OUT: -held_out_margins(shop, "held out"),
        SHUFFLED: study.rng("shuffle").permuted(multipliers, axis=1),
    }


def _found(scores: Mapping[str, Array], wanted: Array, kind: str) -> Iterator[Check]:
    errors = ranking_error(wanted)
    because = f"what scores that know nothing exceed with probability {SIGNIFICANCE:g} (Mann & Whitney, all seeds)"
    for name in (MULTIPLIERS, INTEGRATED, HELD_OUT):
        standard = pooled_score(ranking(scores[name], wanted), errors)
        yield at_least(f"{name}: {kind} examples rank above the others", standard, CHANCE, because=because)
    standard = pooled_score(ranking(scores[SHUFFLED], wanted), errors)
    wrong = at_least("standard errors above 1/2", max(standard, 0.0), CHANCE, because=because)
    yield refuted("shuffled multipliers", wrong)


def _accuracy(outcomes: Outcomes) -> Iterator[Check]:
    error = {name: 1 - outcome["test"].mean() for name, outcome in outcomes.items()}
    fits = outcomes[MINNORM]["train"]
    yield at_least("training accuracy of Minnorm", fits, 1.0, because="it fits every label, the flipped ones too")
    because = "the hinge loss gives up the examples whose multiplier would exceed C"
    yield at_least("test error of Minnorm over that of hinge + L2", error[MINNORM] / error[HINGE], 1.0, because=because)
    because = "the abstract: Minnorm can boost test accuracy; here over an L2 penalty chosen on a validation split"
    printed = at_most("test error of Minnorm over that of L2", error[MINNORM] / error[L2], 1.0, because=because)
    correction = "fitting flipped labels exactly costs accuracy, however small the weights"
    yield misprint("test accuracy is boosted", printed, correction=correction)


def _interval(values: Array) -> tuple[float, float, float]:
    """Mean over seeds, and the ends of its 95 % interval."""
    estimate = mean(values, significance=0.05)
    return estimate.value, estimate.low, estimate.high


def _curves(pictures: Images, shop: Workshop, outcomes: Outcomes, scores: Mapping[str, Array], wanted: Array) -> Curves:
    """For the figure and the tables; the first axis of what is said of methods is `METHODS`."""
    task = shop.task
    told = {
        name: np.array([outcomes[method][name] for method in METHODS])
        for name in ("test", "train", "squared_norm", "margin", "rate", "strength")
    }
    areas = {name: ranking(score, wanted) for name, score in scores.items()}
    others = [name for name in scores if name != MULTIPLIERS]
    solution = convergence(outcomes[MINNORM])
    top = np.argsort(-scores[MULTIPLIERS][0])[:SHOWN]
    return curves(
        **told,
        images=pictures.name,
        train_size=task.train.size,
        methods=METHODS,
        normalised_margin=normalised_margin(told["margin"], told["squared_norm"], shop.budget.degree),
        accuracy=[_interval(accuracy) for accuracy in told["test"]],
        gain=[_interval(told["test"][-1] - accuracy) for accuracy in told["test"][:-1]],
        area=[_interval(area) for area in areas.values()],
        area_gain=[_interval(areas[MULTIPLIERS] - areas[name]) for name in others],
        certified=solution.certified,
        stationarity=solution.stationarity,
        violation=solution.violation,
        gap=solution.gap / solution.squared_norm,
        scores=list(scores),
        areas=list(areas.values()),
        false=FALSE,
        roc=[roc(score, wanted, FALSE).mean(0) for score in scores.values()],
        multipliers=scores[MULTIPLIERS],
        wanted=wanted,
        top_images=task.train.x[0, top].reshape(-1, *pictures.shape),
        top_labels=task.train.y[0, top],
        top_true=task.true[0, top],
        top_multipliers=scores[MULTIPLIERS][0, top],
    )
