"""What scores find among the training examples, judged draw by draw against each other; and all that is drawn."""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import stats

from experiments.classifiers.paired import drawn as compared
from experiments.classifiers.paired import paired
from experiments.classifiers.tasks import Images, Task
from experiments.images.methods import CROSS_ENTROPY, METHODS, MINNORM, Trainer, convergence
from experiments.images.rounds import Results, with_draws
from theory.claims import Check, Curves, curves
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.images.class_means import beyond_the_nearest, to_own_class
from theory.images.ranking import ranking, roc
from theory.images.solutions import normalised_margin

FALSE = np.linspace(0, 1, 101)  # shares of false alarms at which a ROC curve is drawn
SHOWN = 24  # images
MULTIPLIERS, INTEGRATED, OWN_MEAN, CLASS_MEANS, SHUFFLED = SCORES = (
    "multipliers",
    "integrated error",
    "distance to the class mean",
    "distances to all class means",
    "shuffled",
)
LOOKS = 6  # differences that a claim judges, at most
FEWEST = 24  # draws: of fewer, no interval at the significance that is asked for tells an effect of two deviations

Outcomes = Mapping[str, Mapping[str, Array]]
Scores = Mapping[str, Array]


def difficulty_scores(trainer: Trainer, outcomes: Outcomes, rng: np.random.Generator) -> Scores:
    """Scores (seeds, n) that are larger where an example is harder to learn. The last three need no training."""
    multipliers, learned = outcomes[MINNORM]["multipliers"], trainer.task.train
    return {
        MULTIPLIERS: multipliers,
        INTEGRATED: outcomes[CROSS_ENTROPY]["errors"],
        OWN_MEAN: to_own_class(learned.x, learned.y, trainer.task.classes),
        CLASS_MEANS: beyond_the_nearest(learned.x, learned.y, trainer.task.classes),
        SHUFFLED: rng.permuted(multipliers, axis=1),
    }


def require_some(wanted: Array, of: str, draws: int) -> None:
    """Refuse wanted examples (seeds, n) that will be there, beside others, in too few of so many draws.

    These may be the first of them: then such a number of them has a probability below a hundredth if enough will be.
    """
    known = int((wanted.any(1) & ~wanted.all(1)).sum())
    if known < FEWEST and (len(wanted) == draws or stats.binom.cdf(known, len(wanted), FEWEST / draws) < 0.01):
        reject(
            "data",
            f"{known} of {len(wanted)} draws of {wanted.shape[1]} images with some that are {of}, and others",
            f"{FEWEST} of {draws} or more, for an interval; choose classes that are harder to tell apart, or more",
        )


def scores_find(scores: Scores, wanted: Array, *, looks: int = LOOKS) -> Iterator[Check | Curves]:
    """The multipliers find the `wanted` examples (seeds, n), but no more of them than the means of all classes do."""
    areas = {name: ranking(score, wanted) for name, score in scores.items()}
    known, shuffled = (_known(areas[name] - 0.5) for name in (MULTIPLIERS, SHUFFLED))
    yield with_draws(paired("area of the multipliers above 1/2", known, looks=looks).above(0.0), known)
    luck = paired("area of shuffled multipliers above 1/2", shuffled, looks=looks)
    yield luck.control("shuffled multipliers").above(0.0)
    more = _known(areas[CLASS_MEANS] - areas[MULTIPLIERS])
    further = paired("area, distances to all class means less multipliers", more, looks=looks).above(0.0)
    yield with_draws(further, more)
    yield compared("class means less multipliers", more, 0.0, looks=looks)


def errors_less(outcomes: Outcomes, method: str, other: str) -> Array:
    """Difference of the test errors of two methods (seeds,)."""
    return outcomes[other]["test"] - outcomes[method]["test"]


def _known(values: Array) -> Array:
    """Without draws in which there was nothing to find, or nothing else: NaN there."""
    known = values[np.isfinite(values)]
    if known.size < 3:
        reject("wanted examples", f"some, and others, in {known.size} of {values.size} draws", "both in three or more")
    return known


def drawn(trainer: Trainer, results: Results, images: Images) -> Iterator[Curves]:
    """What the figure shows and the page quotes: a group a method, a group a score. Intervals have 95 %."""
    outcomes, scores, wanted = results.outcomes, results.scores, results.wanted
    yield curves(train_size=trainer.task.train.size, methods=METHODS, scores=list(scores), false=FALSE, wanted=wanted)
    for method, outcome in outcomes.items():
        yield _of_a_method(method, outcome, trainer.budget.degree)
    for name, score in scores.items():
        area = ranking(score, wanted)
        found, interval = np.nanmean(roc(score, wanted, FALSE), axis=0), _interval(area)
        yield curves(name, score=score, roc=found, area=area, mean_area=interval[0], interval=interval)
    solution = convergence(outcomes[MINNORM])
    yield curves(
        certified=solution.certified,
        certified_runs=solution.certified.sum(),
        stationarity=solution.stationarity,
        violation=solution.violation,
        gap=solution.gap / solution.squared_norm,
    )
    yield from _histograms(scores[MULTIPLIERS], wanted)
    yield _montage(trainer.task, scores[MULTIPLIERS], images)


def _of_a_method(method: str, outcome: Mapping[str, Array], degree: int) -> Curves:
    value, low, high = 100 * _interval(outcome["test"])
    return curves(
        method,
        **{name: outcome[name] for name in ("test", "train", "squared_norm", "margin", "rate", "strength")},
        normalised_margin=normalised_margin(outcome["margin"], outcome["squared_norm"], degree),
        percent=100 * outcome["test"],
        mean_percent=value,
        below=value - low,
        above=high - value,
    )


def _histograms(multipliers: Array, wanted: Array) -> Iterator[Curves]:
    """Shares of the wanted examples, and of the others, in bins of their multipliers."""
    bins = np.linspace(0, np.quantile(multipliers, 0.9995), 40)
    for group, chosen in (("others", ~wanted), ("wanted", wanted)):
        counts = np.histogram(multipliers[chosen], bins)[0]
        yield curves(group, bins=bins, shares=counts / max(chosen.sum(), 1))


def _montage(task: Task, multipliers: Array, images: Images) -> Curves:
    """The images of the first seed with the largest multipliers."""
    top, classes = np.argsort(-multipliers[0])[:SHOWN], np.array(images.classes)
    return curves(
        "montage",
        images=task.train.x[0, top].reshape(-1, *images.shape),
        labels=classes[task.train.y[0, top]],
        true=classes[task.true[0, top]],
        multipliers=multipliers[0, top],
    )


def _interval(values: Array) -> Array:
    """Mean over seeds, and the ends of its 95 % interval."""
    estimate = mean(_known(values), 0.05)
    return np.array([estimate.value, estimate.low, estimate.high])
