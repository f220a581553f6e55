"""Five methods side by side: what their scores find among the training examples, and all that is drawn of them."""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import stats

from experiments.images.difficulty import held_out_margins
from experiments.images.methods import CROSS_ENTROPY, METHODS, MINNORM, Trainer, convergence
from experiments.images.tasks import Task
from theory.claims import Check, Curves, Study, curves, exactly, measured
from theory.claims.estimates import SIGNIFICANCE, mean
from theory.core.arrays import Array
from theory.images.ranking import pooled_score, ranking, ranking_error, roc
from theory.images.solutions import normalised_margin

FALSE = np.linspace(0, 1, 101)  # shares of false alarms at which a ROC curve is drawn
SHOWN = 24  # images
CHANCE = float(stats.norm.isf(SIGNIFICANCE))  # standard errors that knowing nothing exceeds as rarely as any check may
MULTIPLIERS, INTEGRATED, HELD_OUT, SHUFFLED = "multipliers", "integrated error", "held-out margin", "shuffled"

Outcomes = Mapping[str, Mapping[str, Array]]
Scores = Mapping[str, Array]


def difficulty_scores(study: Study, trainer: Trainer, outcomes: Outcomes) -> Scores:
    """Scores (seeds, n) that are larger where an example is harder to learn."""
    multipliers = outcomes[MINNORM]["multipliers"]
    return {
        MULTIPLIERS: multipliers,
        INTEGRATED: outcomes[CROSS_ENTROPY]["errors"],
        HELD_OUT: -held_out_margins(trainer, "held out"),
        SHUFFLED: study.rng("shuffle").permuted(multipliers, axis=1),
    }


def scores_find(scores: Scores, wanted: Array, kind: str) -> Iterator[Check]:
    """The `wanted` examples (seeds, n), of this kind, rank above the others in every score but the shuffled one."""
    errors = ranking_error(wanted)
    by_chance = f"what scores that know nothing exceed with probability {SIGNIFICANCE:g} (Mann & Whitney, all seeds)"
    for name, score in scores.items():
        standard = max(pooled_score(ranking(score, wanted), errors), 0.0)
        ranked = f"{kind} examples rank above the others"
        above = measured(ranked, standard, within=exactly(by_chance), case=name)
        yield (above.control("shuffled multipliers") if name == SHUFFLED else above).at_least(CHANCE)


def drawn(
    trainer: Trainer, outcomes: Outcomes, scores: Scores, wanted: Array, shape: tuple[int, int]
) -> Iterator[Curves]:
    """What the figure shows and the page quotes: a group a method, a group a score; images of this shape."""
    yield curves(train_size=trainer.task.train.size, methods=METHODS, scores=list(scores), false=FALSE, wanted=wanted)
    for method, outcome in outcomes.items():
        yield _of_a_method(method, outcome, outcomes[MINNORM], trainer.budget.degree)
    areas = {name: ranking(score, wanted) for name, score in scores.items()}
    for name, score in scores.items():
        interval, gain = _interval(areas[name]), _interval(areas[MULTIPLIERS] - areas[name])
        found = roc(score, wanted, FALSE).mean(0)
        yield curves(
            name, score=score, roc=found, area=areas[name], mean_area=interval[0], interval=interval, gain=gain
        )
    solution = convergence(outcomes[MINNORM])
    yield curves(
        certified=solution.certified,
        certified_runs=solution.certified.sum(),
        stationarity=solution.stationarity,
        violation=solution.violation,
        gap=solution.gap / solution.squared_norm,
    )
    yield from _histograms(scores[MULTIPLIERS], wanted)
    yield _montage(trainer.task, scores[MULTIPLIERS], shape)


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
        gain=_interval(minnorm["test"] - outcome["test"]),
    )


def _histograms(multipliers: Array, wanted: Array) -> Iterator[Curves]:
    """Shares of the wanted examples, and of the others, in bins of their multipliers."""
    bins = np.linspace(0, np.quantile(multipliers, 0.9995), 40)
    for group, chosen in (("others", ~wanted), ("wanted", wanted)):
        counts = np.histogram(multipliers[chosen], bins)[0]
        yield curves(group, bins=bins, shares=counts / max(chosen.sum(), 1))


def _montage(task: Task, multipliers: Array, shape: tuple[int, int]) -> Curves:
    """The images of the first seed with the largest multipliers."""
    top = np.argsort(-multipliers[0])[:SHOWN]
    return curves(
        "montage",
        images=task.train.x[0, top].reshape(-1, *shape),
        labels=task.train.y[0, top],
        true=task.true[0, top],
        multipliers=multipliers[0, top],
    )


def _interval(values: Array) -> Array:
    """Mean over seeds, and the ends of its 95 % interval."""
    estimate = mean(values, significance=0.05)
    return np.array([estimate.value, estimate.low, estimate.high])
