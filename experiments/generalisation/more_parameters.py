"""Wider and wider networks on images with some wrong labels: their error does not grow; that of least squares does."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments.classifiers.descent import FallingAdam
from experiments.classifiers.paired import drawn, paired
from experiments.classifiers.tasks import Task, images_of
from experiments.generalisation import random_features
from experiments.generalisation.digit_networks import Networks, Trained, task_of
from experiments.generalisation.random_features import LEAST_SQUARES, RIDGE
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Study,
    claim,
    curves,
    on_data,
    varies,
)
from theory.core.arrays import Array
from theory.core.validation import reject

TIMES = 4  # a network is held against one so many times as wide
NO_WORSE = 0.01  # an error that is larger by less counts as no larger
FALL = 0.1  # a fall by more counts as this much: rare narrow networks that learn nothing would widen the interval
DEARER = 0.2  # share by which the cross-entropy on new images is larger without the constraint, at least
FITTED = 0.98  # of the labels, wrong ones among them, by the widest free networks
SHARES = (1 / 6, 1 / 3, 2 / 3, 1, 3 / 2, 3)  # random features, in images to train on
THIRD, ALL, THREE_TIMES = 1, 3, 5  # places of them
FREE, CONSTRAINT = "free", "constraint"


@dataclass(frozen=True)
class Training:
    """Of networks of one hidden layer by Adam, on all images at once."""

    images: int = varies("to train on", 100, smoke=60, low=60, high=600, from_data=True)
    new: int = varies("images to test on, at most", 1000, smoke=250, low=200, high=1000)
    draws: int = varies("of the images", 128, low=64, high=400)
    flipped: float = varies("share of the labels replaced by another", 0.2, low=0, high=0.4)
    widths: tuple[int, ...] = varies("of the hidden layer", (8, 16, 32, 64, 128), smoke=(16, 64), low=2, high=1000)
    size: float = varies("rho, the product of the layers' norms under the constraint", 20.0, low=10, high=40)
    learning_rate: float = varies("of Adam, falls to 0", 0.03, smoke=0.05, low=0.001, high=0.05)
    steps: int = varies("of Adam", 100, smoke=50, low=50, high=5000)

    def __post_init__(self) -> None:
        if list(self.widths) != sorted(set(self.widths)) or not self.pairs:
            reject("widths", self.widths, f"rising, one of them {TIMES} times another")

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Places of widths of which the second is four times the first."""
        return [(self.widths.index(h // TIMES), k) for k, h in enumerate(self.widths) if h / TIMES in self.widths]

    @property
    def looks(self) -> int:
        """How many means over draws are looked at: of both kinds of networks one a pair of widths, two of the widest,
        two of ridge, one of least squares."""
        return 2 * len(self.pairs) + 5

    @property
    def features(self) -> list[int]:
        return [round(share * self.images) for share in SHARES]


@claim(
    "banburski2019.more_parameters",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract: the expected error does not get worse with more"
    " parameters; the explanation is the implicit normalisation",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\mathrm{err}(4h) \le \mathrm{err}(h) + 0.01 \text{ of networks of } h \text{ hidden units, free or with"
    r" } |W_1||W_2| = \rho;\quad \mathrm{err}(\text{constraint}) < \mathrm{err}(\text{free}),\quad"
    r" E \log \ell(\text{free}) \ge E \log \ell(\text{constraint}) + \log 1.2",
    hypotheses=(
        "ReLU networks of one hidden layer without biases by Adam on the cross-entropy l, all layers trained; rho the"
        " same at every width; images of ten classes, some labels wrong, which the widest free networks fit, too",
        "err and l on new images with their right labels, E over draws; the two comparisons with the constraint at"
        " the largest width; by how much errors are to differ is named, not derived",
        "linear classifiers of random ReLU features: least squares with a penalty gets no worse; without one its error"
        " grows up to as many features as images",
    ),
    theory_side="law",
    controls=(
        "four times the width halves the error",
        "the cross-entropy on new images is no larger without the constraint",
        "more parameters do no harm, whatever the learner",
    ),
    accepts_data="images",
    parameters=Training,
)
@on_data
def errors_do_not_grow_with_the_width(study: Study, sizes: Training) -> Iterator[Check | Curves]:
    task = task_of(study, images_of(study), train=sizes.images, draws=sizes.draws, new=sizes.new, flipped=sizes.flipped)
    free, kept = _trained(study, sizes, task, None), _trained(study, sizes, task, sizes.size)
    for name, found in ((FREE, free), (CONSTRAINT, kept)):
        yield from _no_worse_with_width(sizes, name, found)
    _require_fitted(sizes, free[-1])
    yield from _what_the_constraint_does(sizes, free[-1], kept[-1])
    yield from _linear(study, sizes, task)


def _trained(study: Study, sizes: Training, task: Task, size: float | None) -> list[Trained]:
    """At every width, weights free or v -> r v / |v|."""
    rule = partial(FallingAdam, steps=sizes.steps)
    return [
        Networks(study, task, h, size).train(rule, learning_rate=sizes.learning_rate, steps=sizes.steps)
        for h in sizes.widths
    ]


def _no_worse_with_width(sizes: Training, name: str, found: list[Trained]) -> Iterator[Check | Curves]:
    error = np.stack([each.error for each in found])
    for narrow, wide in sizes.pairs:
        case = f"{name}, h = {sizes.widths[narrow]} to {sizes.widths[wide]}"
        change = error[wide] - error[narrow]
        # It is no smaller than the change, so the mean of the change is below the bound as well.
        at_most = paired("change of the error", np.maximum(change, -FALL), case=case, looks=sizes.looks)
        yield at_most.below(NO_WORSE)
        yield drawn(case, change, NO_WORSE, looks=sizes.looks)
    if name == FREE:
        halved = paired("error less half of that", error[wide] - error[narrow] / 2, case=case, looks=sizes.looks)
        yield halved.control("four times the width halves the error").below(0)
    new_loss, fitted = (np.array([each[k].mean() for each in found]) for k in (3, 1))
    yield curves(name, width=sizes.widths, error=error.mean(1), errors=error, new_loss=new_loss, fitted=fitted)


def _require_fitted(sizes: Training, widest: Trained) -> None:
    share = float(widest.fitted.mean())
    if share < FITTED:
        reject("steps", sizes.steps, f"enough to fit {FITTED:g} of the labels without the constraint, not {share:.3g}")


def _what_the_constraint_does(sizes: Training, free: Trained, kept: Trained) -> Iterator[Check | Curves]:
    """At the largest width, where free networks fit wrong labels as well."""
    gain, dearer = kept.error - free.error, np.log(free.new_loss / kept.new_loss)
    yield paired("error, constraint - free", gain, looks=sizes.looks).below(0)
    yield drawn("constraint - free", gain, 0.0, looks=sizes.looks)
    ratio = paired("log cross-entropy on new images, free - constraint", dearer, looks=sizes.looks)
    yield ratio.above(np.log1p(DEARER))
    yield ratio.control("the cross-entropy on new images is no larger without the constraint").below(0)
    yield drawn("cross-entropy", dearer, float(np.log1p(DEARER)), looks=sizes.looks)


def _linear(study: Study, sizes: Training, task: Task) -> Iterator[Check | Curves]:
    """Random features in place of trained ones: least squares has a peak, which a small norm removes."""
    found = random_features.learned(study.rng("features"), task, sizes.features)

    def change(name: str, few: int, many: int) -> tuple[str, Array]:
        error = found[name].error
        return f"{name}, p = {sizes.features[few]} to {sizes.features[many]}", error[many] - error[few]

    for few, many in ((THIRD, ALL), (ALL, THREE_TIMES)):
        case, differences = change(RIDGE, few, many)
        yield paired("change of the error", differences, case=case, looks=sizes.looks).below(NO_WORSE)
        yield drawn(case, differences, NO_WORSE, looks=sizes.looks)
    case, differences = change(LEAST_SQUARES, THIRD, ALL)
    grown = paired("change of the error", differences, case=case, looks=sizes.looks)
    condition = "all layers trained on the cross-entropy, or a penalty on the norm"
    yield grown.unconditioned("more parameters do no harm, whatever the learner", condition=condition).below(NO_WORSE)
    yield drawn(case, differences, NO_WORSE, looks=sizes.looks)
    for name, each in found.items():
        yield curves(name, features=sizes.features, error=each.error.mean(1), risk=each.risk.mean(1))
