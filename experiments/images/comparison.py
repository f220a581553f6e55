"""What scores find among the training examples, judged seed by seed against each other; and all that is drawn."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import stats

from experiments.classifiers.tasks import Images, Task
from experiments.images.difficulty import held_out_margins
from experiments.images.methods import CROSS_ENTROPY, METHODS, MINNORM, Trainer, convergence
from theory.claims import Check, Curves, Study, Tolerance, curves, measured
from theory.claims.estimates import SIGNIFICANCE, Estimate, mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.images.class_means import beyond_the_nearest, to_own_class
from theory.images.medians import fewest_draws, median
from theory.images.ranking import chance_error, ranking, ranking_error, roc
from theory.images.solutions import normalised_margin

FALSE = np.linspace(0, 1, 101)  # shares of false alarms at which a ROC curve is drawn
SHOWN = 24  # images
MULTIPLIERS, INTEGRATED, HELD_OUT, OWN_MEAN, CLASS_MEANS, SHUFFLED = SCORES = (
    "multipliers",
    "integrated error",
    "held-out margin",
    "distance to the class mean",
    "distances to all class means",
    "shuffled",
)
LOOKS = len(SCORES) - 1  # differences between multipliers and another score, judged or shown
CHANCE = float(stats.norm.isf(SIGNIFICANCE))  # standard errors that knowing nothing exceeds as rarely as any check may
COARSE = 0.25
COARSE_BECAUSE = (
    "areas vary by 0.02 to 0.06 from draw to draw, and a draw takes a second; intervals between order statistics reach "
    "1.2 standard deviations at 48 draws, half of this share or less, so that no fresh seed leaves it undecided"
)

Outcomes = Mapping[str, Mapping[str, Array]]
Scores = Mapping[str, Array]


def difficulty_scores(study: Study, trainer: Trainer, outcomes: Outcomes) -> Scores:
    """Scores (seeds, n) that are larger where an example is harder to learn. The last three need no training."""
    multipliers, learned = outcomes[MINNORM]["multipliers"], trainer.task.train
    return {
        MULTIPLIERS: multipliers,
        INTEGRATED: outcomes[CROSS_ENTROPY]["errors"],
        HELD_OUT: -held_out_margins(trainer, "held out"),
        OWN_MEAN: to_own_class(learned.x, learned.y, trainer.task.classes),
        CLASS_MEANS: beyond_the_nearest(learned.x, learned.y, trainer.task.classes),
        SHUFFLED: study.rng("shuffle").permuted(multipliers, axis=1),
    }


def require_some(wanted: Array, of: str, draws: int) -> None:
    """Refuse wanted examples (seeds, n) that will be there, beside others, in too few of so many draws.

    These may be the first of them: then such a number of them has a probability below a hundredth if enough will be.
    """
    known, needed = int((wanted.any(1) & ~wanted.all(1)).sum()), fewest_draws(SIGNIFICANCE / LOOKS)
    if known < needed and (len(wanted) == draws or stats.binom.cdf(known, len(wanted), needed / draws) < 0.01):
        reject(
            "data",
            f"{known} of {len(wanted)} draws of {wanted.shape[1]} images with some that are {of}, and others",
            f"{needed} of {draws} or more, for an interval; choose classes that are harder to tell apart, or more",
        )


def scores_find(
    scores: Scores, wanted: Array, *, no_less_than: Sequence[str] = (), no_more_than: Sequence[str] = ()
) -> Iterator[Check]:
    """The multipliers find the `wanted` examples (seeds, n), no less and no more than those other scores do.

    The unit of every difference is what the multipliers find: their area under the ROC curve above 1/2.
    """
    areas = {name: ranking(score, wanted) for name, score in scores.items()}
    found, shuffled = (np.nanmean(areas[name]) - 0.5 for name in (MULTIPLIERS, SHUFFLED))
    by_luck = Tolerance(
        CHANCE * chance_error(ranking_error(wanted)),
        f"what scores that know nothing reach with probability {SIGNIFICANCE:g} (Mann & Whitney, all seeds)",
        SIGNIFICANCE,
    )
    known = measured("area of the multipliers above 1/2", found, within=by_luck)
    yield known.resolving(COARSE, because=COARSE_BECAUSE).at_least(0, against=abs(found))
    luck = measured("area above 1/2", shuffled, within=by_luck, case=SHUFFLED)
    yield luck.control("shuffled multipliers").at_least(found)
    for sign, others in ((1, no_less_than), (-1, no_more_than)):
        for name in others:
            words = f"multipliers less {name}" if sign > 0 else f"{name} less multipliers"
            gain = over_draws(sign * (areas[MULTIPLIERS] - areas[name]), LOOKS)
            judged = measured(f"area, {words}", gain.value, within=above(gain, LOOKS))
            yield judged.resolving(COARSE, because=COARSE_BECAUSE).at_least(0, against=abs(found))


def above(estimate: Estimate, looks: int) -> Tolerance:
    """What the truth may lie above an estimate by; skewed draws make it another distance than below."""
    reason = f"paired, one of {looks} differences that are looked at; {estimate.reason}"
    return Tolerance(estimate.high - estimate.value, reason, estimate.significance)


def over_draws(differences: Array, looks: int) -> Estimate:
    """Median over independent draws (seeds,), with the interval of one of so many looks.

    Draws in which there was nothing to find, or nothing else, are NaN and do not count.

    Raises:
        InvalidArgument: too few of the others.
    """
    return median(_known(differences), SIGNIFICANCE / looks)


def _known(values: Array) -> Array:
    known = values[np.isfinite(values)]
    if known.size < 3:
        reject("wanted examples", f"some, and others, in {known.size} of {values.size} draws", "both in three or more")
    return known


def drawn(trainer: Trainer, outcomes: Outcomes, scores: Scores, wanted: Array, images: Images) -> Iterator[Curves]:
    """What the figure shows and the page quotes: a group a method, a group a score.

    Intervals have 95 %; those of differences (`gain`) hold for all methods, or all scores, together.
    """
    yield curves(train_size=trainer.task.train.size, methods=METHODS, scores=list(scores), false=FALSE, wanted=wanted)
    for method, outcome in outcomes.items():
        yield _of_a_method(method, outcome, outcomes[MINNORM], trainer.budget.degree)
    areas = {name: ranking(score, wanted) for name, score in scores.items()}
    for name, score in scores.items():
        area, gain = _interval(areas[name]), _interval(areas[MULTIPLIERS] - areas[name], LOOKS)
        found = np.nanmean(roc(score, wanted, FALSE), axis=0)
        yield curves(name, score=score, roc=found, area=areas[name], mean_area=area[0], interval=area, gain=gain)
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


def _of_a_method(method: str, outcome: Mapping[str, Array], minnorm: Mapping[str, Array], degree: int) -> Curves:
    value, low, high = 100 * _interval(outcome["test"])
    return curves(
        method,
        **{name: outcome[name] for name in ("test", "train", "squared_norm", "margin", "rate", "strength")},
        normalised_margin=normalised_margin(outcome["margin"], outcome["squared_norm"], degree),
        percent=100 * outcome["test"],
        mean_percent=value,
        below=value - low,
        above=high - value,
        gain=_interval(minnorm["test"] - outcome["test"], len(METHODS) - 1),
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


def _interval(values: Array, looks: int = 1) -> Array:
    """Mean over seeds, and the ends of its 95 % interval."""
    estimate = mean(_known(values), 0.05 / looks)
    return np.array([estimate.value, estimate.low, estimate.high])
