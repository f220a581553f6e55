"""OPT against standard training on digits, beside what else keeps a network's weights in bounds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.classifiers.medians import median_drawn, paired_median
from experiments.classifiers.paired import drawn, paired
from experiments.classifiers.tasks import Task, draw, images_of
from experiments.orthogonal.digits import chosen, errors, first, he_start
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, claim, curves, varies
from theory.core.validation import inside

LOOKS = 4  # differences that the claim looks at
GAIN, POINT = 0.0, -0.01  # bounds: any gain over plain training, and a point over the others


@dataclass(frozen=True)
class Sizes:
    """Of the networks and their training."""

    examples: int = varies("n to train on", 150, smoke=60, low=20, high=600)
    validation: int = varies("images to choose the penalty on", 200, low=50, high=600)
    width: int = varies("h, neurons", 16, smoke=32, low=4, high=256)
    learning_rate: float = varies("of Adam, falls to 0", 1e-2, smoke=3e-2, low=1e-4, high=0.1)
    steps: int = varies("of Adam, on all examples", 300, smoke=60, low=20, high=2000)
    penalties: tuple[float, ...] = varies(
        "of the squared weights, one chosen a seed", (3e-4, 1e-3, 3e-3, 1e-2), smoke=(3e-3,), low=1e-6, high=1
    )
    common: float = varies("mean of all neurons of a bad start, in their deviations", 1.0, low=0.5, high=3)
    seeds: int = varies("splits and starts", 120, smoke=192, paper=400, low=64, high=1000)
    beside: int = varies("of them, with the other methods too", 120, smoke=64, paper=400, low=64, high=1000)

    def __post_init__(self) -> None:
        inside("beside", self.beside, 64, self.seeds)


@claim(
    "liu2021.superiority",
    source="Liu et al. 2021, abstract: extensive experiments validate the superiority of OPT over standard training",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\mathrm{median}\,(\mathrm{err}_{\mathrm{OPT}} - \mathrm{err}_{\mathrm{plain}}) < 0,\quad"
    r" \mathrm{err} = P(\mathrm{argmax}_k f_k(x) \ne y),\ f(x) = V\,\mathrm{relu}(W x);\quad"
    r" W = W_0 R^\top \text{ with } R R^\top = I \text{ (OPT), or } W \text{ free (plain)}",
    hypotheses=(
        "digits of 8 x 8 pixels, h neurons W, a readout V that is trained too, He's start W_0, Adam, one rate for all",
        "test error at the end of the training; differences are paired: the same images and the same start",
        "the median over draws is judged: one plain network in some hundreds is not through, which decides a mean",
        "the neurons start spread out: independent normal entries",
    ),
    theory_side="law",
    controls=(
        "OPT gains a point over L2 as well",
        "OPT gains a point over neurons of fixed length as well",
        "OPT gains whatever neurons it starts from",
    ),
    parameters=Sizes,
)
def rotations_generalise_better_than_free_weights(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    task = _task(study, sizes, "task", sizes.seeds)
    start = he_start(study.rng("start"), task, sizes.width, study.device)
    how = {"steps": sizes.steps, "learning_rate": sizes.learning_rate}
    opt, plain = (errors(study, task, start, hidden, **how) for hidden in (start.turned(), start.free()))
    yield paired_median("OPT - plain training", opt.test - plain.test, looks=LOOKS).below(GAIN)
    yield median_drawn("plain", opt.test - plain.test, GAIN, looks=LOOKS)
    few, some = first(task, sizes.beside), start.first(sizes.beside)
    decayed, which = chosen([errors(study, few, some, some.free(), penalty=each, **how) for each in sizes.penalties])
    others = {"L2": decayed, "neurons of fixed length": errors(study, few, some, some.on_spheres(), **how).test}
    for name, test in others.items():
        gain = opt.test[: sizes.beside] - test
        compared = paired_median(f"OPT - {name}", gain, looks=LOOKS)
        yield compared.control(f"OPT gains a point over {name} as well").below(POINT)
        yield median_drawn(name, gain, GAIN, looks=LOOKS)
    yield from _from_a_bad_start(study, sizes)
    means = [test.mean() for test in (opt.test, plain.test, *others.values())]
    yield curves(
        errors=np.array(means),
        fitted=np.array([opt.train.mean(), plain.train.mean()]),
        chosen=np.bincount(which, minlength=len(sizes.penalties)),
    )


def _task(study: Study, sizes: Sizes, cell: str, seeds: int) -> Task:
    counts = {"train": sizes.examples, "validation": sizes.validation, "seeds": seeds}
    return draw(images_of(study), study.rng(cell), **counts, flipped=0.0)


def _from_a_bad_start(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """Neurons with a common mean keep it, whatever R is: their Gram matrix is what OPT cannot change."""
    task = _task(study, sizes, "bad task", sizes.seeds // 6)
    start = he_start(study.rng("bad start"), task, sizes.width, study.device, sizes.common)
    how = {"steps": sizes.steps, "learning_rate": sizes.learning_rate}
    opt, plain = (errors(study, task, start, hidden, **how) for hidden in (start.turned(), start.free()))
    difference = opt.test - plain.test
    compared = paired("OPT - plain training, neurons with a common mean", difference, looks=LOOKS)
    name, condition = "OPT gains whatever neurons it starts from", "neurons that start spread out, as independent ones"
    yield compared.unconditioned(name, condition=condition).below(GAIN)
    yield drawn("common mean", difference, GAIN, looks=LOOKS)
