"""Networks on images with every layer kept at one norm, against free ones from good starts and from a large one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.classifiers.paired import drawn, paired
from experiments.classifiers.tasks import Task, images_of
from experiments.generalisation.digit_networks import Networks, Trained, first, shuffled, task_of
from experiments.homogeneous.rules import SphereDescent
from experiments.training import GradientDescent
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
from theory.core.validation import reject

STARTS = {"W_0": 1.0, "W_0 / 2": 0.5, "3 W_0": 3.0}  # of free networks, in He's weights
GOOD = ("W_0", "W_0 / 2")
NO_WORSE = 0.01  # an error that is larger by less counts as no larger
WORSE = 0.05  # what the large start is to cost at least
MARGIN = np.log(2.0)  # and what it is to cost of the logarithm of the margin
CHANCE = 0.8  # an error above it shows that nothing was learnt
KNOWN = 0.5  # a cross-entropy below it shows that labels were
MEMORY = 5.0  # how many times as large networks are that fit labels at random
CONTROLS, FEW = 16, 60  # draws and images whose labels are at random
LOOKS = 6  # means over draws that are looked at


@dataclass(frozen=True)
class Training:
    """Of networks of one hidden layer, by gradient descent on all images at once."""

    images: int = varies("to train on", 150, smoke=60, low=60, high=600, from_data=True)
    new: int = varies("images to test on, at most", 1000, smoke=250, low=200, high=1000)
    draws: int = varies("of the images", 128, low=64, high=400)
    width: int = varies("of the hidden layer", 32, low=24, high=256)
    fitted: float = varies("cross-entropy at which training stops", 0.1, smoke=0.3, low=0.05, high=0.3)
    size: float = varies("rho, the product of the layers' norms that are kept", 25.0, smoke=20.0, low=15, high=40)
    learning_rate: float = varies("of descent; of larger weights by as much smaller", 0.15, low=0.01, high=0.2)
    steps: int = varies("at most", 3000, low=500, high=50000)


@claim(
    "banburski2019.norm_constraint",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract, first result",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"f(x) = \rho\, f(V; x),\ |V_1| = |V_2| = 1,\ \rho\text{ fixed}:\quad"
    r" \mathrm{err}(\text{constraint}) \le \mathrm{err}(\text{free, from } c\, W_0) + 0.01,\ c \in"
    r" \{\tfrac12, 1\},\quad \mathrm{err}(\text{free, from } 3 W_0) \ge \mathrm{err}(\text{constraint}) + 0.05",
    hypotheses=(
        "ReLU networks of one hidden layer without biases, W_0 as by He et al. 2015, under the constraint its direction"
        " alone, so that its size c plays no part; images of ten classes",
        "gradient descent, under the constraint its part along the spheres, all to one training cross-entropy",
        "err: the error on new images, a mean over draws; by how much errors are to differ is named, not derived",
        "labels that can be learnt: where they are drawn at random, the constraint holds and images are fitted, too",
    ),
    theory_side="law",
    controls=(
        "a start three times as large does no harm",
        "a start three times as large ends at half the margin, or more",
        "the constraint gains over a good start what it gains over a large one",
        "shuffled labels: new images are told apart",
    ),
    accepts_data="images",
    parameters=Training,
)
@on_data
def the_constraint_does_what_a_good_start_does(study: Study, sizes: Training) -> Iterator[Check | Curves]:
    task = task_of(study, images_of(study), train=sizes.images, draws=sizes.draws, new=sizes.new)
    free, kept = Networks(study, task, sizes.width), Networks(study, task, sizes.width, sizes.size)
    runs = {name: _free(sizes, free, scale) for name, scale in STARTS.items()}
    runs["constraint"] = _kept(sizes, kept, sizes.fitted)
    _require_reached(sizes, runs)
    for name in GOOD:
        change = runs["constraint"].error - runs[name].error
        told = paired("error, constraint - free", change, case=f"from {name}", looks=LOOKS)
        yield told.below(NO_WORSE)
        yield drawn(f"constraint - {name}", change, NO_WORSE, looks=LOOKS)
    gained = told.control("the constraint gains over a good start what it gains over a large one")
    yield gained.below(-WORSE)
    yield from _large(runs)
    yield from _shuffled(study, sizes, task)
    for name, run in runs.items():
        yield curves(name, error=run.error, new_loss=run.new_loss, margin=run.margin, steps=run.steps)


def _free(sizes: Training, networks: Networks, scale: float) -> Trained:
    """From He's weights times a scale."""
    rate = sizes.learning_rate / max(scale, 1)
    return networks.train(GradientDescent, learning_rate=rate, steps=sizes.steps, scale=scale, stop_below=sizes.fitted)


def _kept(sizes: Training, networks: Networks, until: float) -> Trained:
    """On the spheres, likewise."""
    rate = sizes.learning_rate / max(networks.size / sizes.size, 1)
    return networks.train(SphereDescent, learning_rate=rate, steps=sizes.steps, stop_below=until)


def _require_reached(sizes: Training, runs: dict[str, Trained]) -> None:
    """All networks are compared at one training cross-entropy, to a quarter of it."""
    level = f"a cross-entropy of {sizes.fitted:g}"
    for name, run in runs.items():
        if run.loss.max() > 1.25 * sizes.fitted:
            reject("steps", sizes.steps, f"enough to come to {level}, which {name} did not")
        if run.loss.min() < 0.75 * sizes.fitted:
            expected = f"one whose steps do not pass {level} by more than a quarter of it, as {name} did"
            reject("learning_rate", sizes.learning_rate, expected)


def _large(runs: dict[str, Trained]) -> Iterator[Check | Curves]:
    """A start three times as large errs more, at a smaller normalised margin."""
    large = runs["3 W_0"]
    for name in ("constraint", "W_0"):
        change = large.error - runs[name].error
        harmful = paired(f"error, 3 W_0 - {name}", change, looks=LOOKS)
        yield harmful.above(WORSE)
        yield drawn(f"3 W_0 - {name}", change, WORSE, looks=LOOKS)
    yield harmful.control("a start three times as large does no harm").below(NO_WORSE)
    lost = np.log(runs["constraint"].margin / large.margin)
    margin = paired("log of the median normalised margin, constraint over 3 W_0", lost, looks=LOOKS)
    yield margin.above(MARGIN)
    yield margin.control("a start three times as large ends at half the margin, or more").below(MARGIN)


def _shuffled(study: Study, sizes: Training, task: Task) -> Iterator[Check]:
    """Labels without meaning are fitted under the constraint as well, at a larger size, and tell nothing."""
    few = shuffled(study, first(task, CONTROLS), FEW)
    run = _kept(sizes, Networks(study, few, sizes.width, MEMORY * sizes.size), KNOWN)
    if run.loss.max() > KNOWN + 1e-6:  # single precision
        reject("steps", sizes.steps, f"enough to come to a cross-entropy of {KNOWN:g} on shuffled labels")
    told = paired("error", run.error, looks=LOOKS)
    yield told.control("shuffled labels: new images are told apart").below(CHANCE)
