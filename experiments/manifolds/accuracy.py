"""A collection of manifolds, another one for each layer, against plain SGD and SGD with weight decay, on digits."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.classifiers.medians import median_drawn, paired_median
from experiments.classifiers.tasks import Split, Task, draw, images_of
from experiments.manifolds.classifiers import PLAIN, Move, Moves, Networks, fine_grained
from experiments.methods.manifolds import Oblique, RiemannianStep, Sphere, Stiefel
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, claim, curves, varies
from theory.core.validation import reject

MANIFOLDS = (Sphere(), Stiefel(), Oblique())
CONTROLS = 32  # draws, of which 29 have to be better for a gain to be told
PLAIN_STEPS, SHUFFLED = "the same steps without the normaliser", "labels without meaning"
EXCHANGED = "methods exchanged in half of the draws"


@dataclass(frozen=True)
class Sizes(Networks):
    """Of networks by SGD, with and without weight decay, and by FG-SGD on a collection of manifolds."""

    draws: int = varies("independent ones of the images", 80, smoke=64, low=64, high=300)
    rates: tuple[float, ...] = varies(
        "first steps of three layers, on sphere, Stiefel and oblique manifold",
        (1.5, 32.0, 24.0),
        smoke=(0.7, 20.0, 10.0),
        low=0.1,
        high=100,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.layers == len(self.rates) == len(MANIFOLDS):
            reject("rates", self.rates, f"{len(MANIFOLDS)} numbers and as many layers, not {self.layers}")

    @property
    def collection(self) -> Moves:
        """By FG-SGD."""
        return tuple(fine_grained(each, rate) for each, rate in zip(MANIFOLDS, self.rates))

    @property
    def without_normaliser(self) -> Moves:
        """By Riemannian SGD."""
        return tuple(Move(rate, RiemannianStep(each, "retraction")) for each, rate in zip(MANIFOLDS, self.rates))


@claim(
    "ozay2019.accuracy",
    source="Ozay 2019, abstract (experimental analyses: accuracy is boosted by FG-SGD on collections of manifolds);"
    " the experiment ours",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\operatorname{median}\big(\epsilon(W) - \epsilon(W_{\mathrm{SGD}})\big) < 0,\quad"
    r" \operatorname{median}\big(\epsilon(W) - \epsilon(W_{\mathrm{SGD + decay}})\big) < 0",
    hypotheses=(
        "W trained by FG-SGD, its three layers on a sphere, a Stiefel and an oblique manifold; W_SGD by SGD: the same"
        " digits, starts, batches and schedule; first steps and decay chosen for accuracy on other draws",
        "epsilon: error on a thousand other digits",
        "over independent draws of the digits, by order statistics, each of two differences at its part of the"
        " significance",
    ),
    theory_side="law",
    controls=(PLAIN_STEPS, SHUFFLED, EXCHANGED),
    parameters=Sizes,
)
def collections_of_manifolds_boost_accuracy(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    task = draw(images_of(study), study.rng("task"), train=sizes.images, validation=1, seeds=sizes.draws, flipped=0.0)
    found = sizes.train(study, task, sizes.collection)
    free = {name: sizes.train(study, task, moves) for name, moves in sizes.free.items()}
    for name, each in free.items():
        less = found.error - each.error
        yield paired_median(f"error less that of {name}", less, looks=len(free)).below(0.0)
        yield median_drawn(f"collection less {name}", less, 0.0, looks=len(free))
        yield curves(name, error=each.error, mean_error=each.error.mean())
    yield curves("collection", error=found.error, mean_error=found.error.mean(), unfitted=found.unfitted)
    signs = study.rng("exchanged").choice((-1, 1), sizes.draws)
    exchanged = paired_median("error less that of SGD", signs * (found.error - free[PLAIN].error), case="exchanged")
    yield exchanged.control(EXCHANGED).below(0.0)
    few = _first(task, CONTROLS)
    plain = sizes.train(study, few, sizes.without_normaliser).error - free[PLAIN].error[:CONTROLS]
    worse = paired_median("error less that of SGD", plain, case="no normaliser")
    yield worse.control(PLAIN_STEPS).below(0.0)
    without = _shuffled(few, study.rng("shuffled"))
    errors = [sizes.train(study, without, moves).error for moves in (sizes.collection, sizes.free[PLAIN])]
    shuffled = paired_median("error less that of SGD", errors[0] - errors[1], case="shuffled")
    yield shuffled.control(SHUFFLED).below(0.0)
    yield curves("controls", plain=plain, shuffled=errors[0] - errors[1])


def _first(task: Task, seeds: int) -> Task:
    """The first draws of a task."""
    splits = [Split(each.x[:seeds], each.y[:seeds]) for each in (task.train, task.validation, task.test)]
    return Task(*splits, task.true[:seeds], task.classes)


def _shuffled(task: Task, rng: np.random.Generator) -> Task:
    """With labels to learn that are exchanged at random."""
    return replace(task, train=Split(task.train.x, rng.permuted(task.train.y, axis=1)))
