"""Fixed neurons in a coordinate system that is learned, in the one they were drawn in, and in another random one."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from experiments.classifiers.medians import median_drawn, paired_median
from experiments.classifiers.paired import drawn, paired
from experiments.classifiers.tasks import Task, draw, images_of
from experiments.orthogonal.digits import Errors, errors, first, he_start
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, claim, curves, varies
from theory.core.validation import inside, reject
from theory.orthogonal.rotations import random_rotation

LOOKS = 4  # differences that the claim looks at
POINTS = -0.05  # bound: what is called crucial


@dataclass(frozen=True)
class Sizes:
    """Of the networks and their training."""

    examples: int = varies("n to train on", 150, smoke=60, low=20, high=600)
    width: int = varies("h, few neurons", 16, low=4, high=48)
    wide: int = varies("h, so many that a readout of fixed ones fits the examples", 128, smoke=96, low=64, high=512)
    learning_rate: float = varies("of Adam, falls to 0", 1e-2, smoke=3e-2, low=1e-4, high=0.1)
    steps: int = varies("of Adam, on all examples", 300, smoke=40, low=20, high=2000)
    seeds: int = varies("splits and starts", 64, smoke=80, paper=200, low=64, high=1000)
    few: int = varies("of them, with few neurons", 64, smoke=40, paper=200, low=40, high=1000)

    def __post_init__(self) -> None:
        inside("few", self.few, 40, self.seeds)
        if self.learning_rate * self.steps < 1:
            expected = f"at least 1 / learning_rate, {1 / self.learning_rate:.4g}: fewer learn nothing"
            reject("steps", self.steps, expected)


@claim(
    "liu2021.coordinate_system",
    source="Liu et al. 2021, abstract: learning a proper coordinate system for neurons is crucial to generalization",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\mathbb{E}\,[\mathrm{err}_R - \mathrm{err}_I] < -0.05,\quad"
    r" \mathrm{err} = P(\mathrm{argmax}_k f_k(x) \ne y),\ f(x) = V\,\mathrm{relu}(W_0 R^\top x);\quad"
    r" W_0 \text{ fixed},\ V \text{ trained};\ R R^\top = I,\ R \text{ learned for err}_R,\ I \text{ for err}_I",
    hypotheses=(
        "digits of 8 x 8 pixels, He's start W_0 of h neurons, Adam, one rate for all; differences are paired",
        "of many neurons the median difference is judged",
        "few neurons: h well below n, so that a readout of fixed ones does not fit the examples",
    ),
    theory_side="law",
    controls=(
        "a random coordinate system does as well",
        "learning the coordinate system gains five points, however many the neurons",
    ),
    parameters=Sizes,
)
def few_fixed_neurons_have_to_be_turned(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    counts = {"train": sizes.examples, "validation": 50, "seeds": sizes.seeds}
    task = draw(images_of(study), study.rng("task"), **counts, flipped=0.0)
    few = first(task, sizes.few)
    learned, fixed, elsewhere = _trained(study, few, sizes, sizes.width, 3)
    gain = learned.test - fixed.test
    yield paired(f"learned - fixed, h = {sizes.width}", gain, looks=LOOKS).below(POINTS)
    random = paired("random - fixed", elsewhere.test - fixed.test, looks=LOOKS)
    yield random.control("a random coordinate system does as well").below(POINTS)
    many_learned, many_fixed = _trained(study, task, sizes, sizes.wide, 2)
    # Readouts of this many are near the point where they fit: a few fixed ones err far more, which moves a mean.
    left = paired_median(f"learned - fixed, h = {sizes.wide}", many_learned.test - many_fixed.test, looks=LOOKS)
    yield left.below(0.0)
    condition = f"few neurons; of {sizes.wide} a readout alone fits, and turning them is worth points, not five"
    name = "learning the coordinate system gains five points, however many the neurons"
    yield left.unconditioned(name, condition=condition).below(POINTS)
    yield drawn("few", gain, POINTS, looks=LOOKS)
    yield drawn("random", elsewhere.test - fixed.test, 0.0, looks=LOOKS)
    yield median_drawn("many", many_learned.test - many_fixed.test, 0.0, looks=LOOKS)
    shown = (learned, fixed, elsewhere, many_learned, many_fixed)
    yield curves(test=[each.test.mean() for each in shown], train=[each.train.mean() for each in shown])


def _trained(study: Study, task: Task, sizes: Sizes, width: int, count: int) -> list[Errors]:
    """The first so many of: a coordinate system that is learned, the one drawn, another random one."""
    rng = study.rng("start", width)
    start = he_start(rng, task, width, study.device)
    R = torch.tensor(random_rotation(rng, task.pixels, task.seeds), dtype=torch.float32, device=study.device)
    how = {"steps": sizes.steps, "learning_rate": sizes.learning_rate}
    ways = (start.turned(), start.fixed(), start.fixed_elsewhere(R))
    return [errors(study, task, start, hidden, **how) for hidden in ways[:count]]
