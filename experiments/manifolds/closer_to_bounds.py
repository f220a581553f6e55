"""The conjecture, on digits: weights on manifolds bring errors closer to the bounds, and are more accurate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from experiments.classifiers.medians import median_drawn, paired_median
from experiments.classifiers.tasks import Task, draw, images_of
from experiments.manifolds.classifiers import DECAYED, PLAIN, Moves, Networks, Trained, everywhere, fine_grained
from experiments.methods.manifolds import Oblique, Sphere, Stiefel
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, claim, curves, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.manifolds import bounds

COMPLEXITIES = {"Bartlett": bounds.bartlett, "Neyshabur": bounds.neyshabur, "Golowich": bounds.golowich}
MANIFOLDS = {"Stiefel": Stiefel(), "sphere": Sphere(), "oblique": Oblique()}
QUANTILE = 0.1  # of the margins
EXCHANGED = "methods exchanged in half of the draws"
EVERYWHERE = "closer to every bound on every manifold"


@dataclass(frozen=True)
class Sizes(Networks):
    """Of networks by plain SGD, by SGD with weight decay, and by FG-SGD on one manifold after the other."""

    draws: int = varies("independent ones of the images", 112, low=64, high=300)
    steps: int = varies("of training", 400, smoke=120, low=100, high=5000)
    rates: tuple[float, ...] = varies(
        "first steps on Stiefel, sphere and oblique manifold, as many as are compared",
        (36.0, 1.5, 30.0),
        smoke=(10.0,),
        low=0.1,
        high=100,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.rates) > len(MANIFOLDS):
            reject("rates", self.rates, f"at most {len(MANIFOLDS)}, one a manifold")

    @property
    def methods(self) -> dict[str, Moves]:
        """By name, plain SGD first."""
        grained = {name: fine_grained(each, rate) for (name, each), rate in zip(MANIFOLDS.items(), self.rates)}
        return self.free | {name: everywhere(move, self.layers) for name, move in grained.items()}


@claim(
    "ozay2019.closer_to_bounds",
    source="Ozay 2019, abstract (the conjecture); bounds of Bartlett et al. 2017, Neyshabur et al. 2018 and Golowich et"
    " al. 2018 as recalled, their leading terms; the experiment ours",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\operatorname{median}\Big(\log \frac{B(W)}{\Delta(W)} - \log"
    r" \frac{B(W_{\mathrm{SGD}})}{\Delta(W_{\mathrm{SGD}})}\Big) < 0,\quad"
    r" \operatorname{median}\big(\epsilon(W) - \epsilon(W_{\mathrm{SGD}})\big) < 0;\quad"
    r" B = \frac{\mathcal{C}(W)\, (\operatorname{mean} |x|^2)^{1/2}}{m_{0.1} \sqrt{n}},\ \Delta = \epsilon -"
    r" \hat\epsilon",
    hypotheses=(
        "W trained by FG-SGD on Stiefel, sphere or oblique manifold, W_SGD by SGD without constraint: the same digits,"
        " starts, batches and schedule; first steps chosen for accuracy on other draws",
        "epsilon, epsilon^: errors on a thousand other digits, on the n learned; m_0.1: the margin that a tenth miss",
        "C: complexities of Bartlett, Neyshabur and Golowich, leading terms as recalled",
        "over independent draws of the digits in which all networks fit nine tenths of their examples (m_0.1 > 0);"
        " by order statistics, each of several differences at its part of the significance",
    ),
    theory_side="bound",
    controls=(EVERYWHERE, EXCHANGED),
    parameters=Sizes,
)
def errors_come_closer_to_bounds(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    task = draw(images_of(study), study.rng("task"), train=sizes.images, validation=1, seeds=sizes.draws, flipped=0.0)
    trained = _bounded({name: sizes.train(study, task, moves) for name, moves in sizes.methods.items()})
    over_gap = {name: _over_gap(task, each) for name, each in trained.items()}
    manifolds = [name for name in trained if name in MANIFOLDS]
    looks = len(manifolds) * (len(COMPLEXITIES) + 1)
    for name in manifolds:
        yield from _closer(over_gap[name], over_gap[PLAIN], name, looks)
        error = trained[name].error - trained[PLAIN].error
        less = paired_median("error less that of SGD", error, looks=looks, part="accuracy", case=name)
        yield less.below(0.0)
        yield median_drawn(f"error, {name}", error, 0.0, looks=looks)
    signs = study.rng("exchanged").choice((-1, 1), len(trained[PLAIN].error))
    exchanged = signs * (over_gap["Stiefel"]["Bartlett"] - over_gap[PLAIN]["Bartlett"])
    yield paired_median("exchanged", exchanged, looks=looks).control(EXCHANGED).below(0.0)
    yield from _shown(trained, over_gap)


def _bounded(trained: Mapping[str, Trained]) -> dict[str, Trained]:
    """The draws in which all margins m_0.1 are above 0. One start of SGD in some thousands breaks down to chance, and
    then no bound says anything."""
    kept = np.all([np.quantile(each.margins, QUANTILE, axis=-1) > 0 for each in trained.values()], axis=0)
    return {name: each.of(kept) for name, each in trained.items()}


def _over_gap(task: Task, trained: Trained) -> dict[str, Array]:
    """log(bound / gap) (seeds,) by whose bound."""
    size = float(np.sqrt(np.square(task.train.x, dtype=float).sum(-1).mean()))
    margin = np.quantile(trained.margins, QUANTILE, axis=-1)
    n = task.train.size
    return {
        name: np.log(bounds.bound(complexity(trained.layers), size, margin, n) / trained.gap)
        for name, complexity in COMPLEXITIES.items()
    }


def _closer(
    found: Mapping[str, Array], plain: Mapping[str, Array], manifold: str, looks: int
) -> Iterator[Check | Curves]:
    for name in COMPLEXITIES:
        less = found[name] - plain[name]
        judged = paired_median(
            f"log of {name}'s bound over the gap, less that of SGD", less, looks=looks, part="bounds", case=manifold
        )
        if (manifold, name) == ("Stiefel", "Golowich"):
            condition = "on Stiefel for bounds of spectral norms alone, on sphere and oblique manifold for all three"
            yield judged.unconditioned(EVERYWHERE, condition=condition).below(0.0)
        else:
            yield judged.below(0.0)
        yield median_drawn(f"{name}, {manifold}", less, 0.0, looks=looks)


def _shown(trained: Mapping[str, Trained], over_gap: Mapping[str, Mapping[str, Array]]) -> Iterator[Curves]:
    """Every method's errors, and bounds over gaps, draw by draw; weight decay against SGD."""
    yield curves(methods=list(trained), bounds=list(COMPLEXITIES))
    for name, each in trained.items():
        ratios = {bound: np.exp(logs) for bound, logs in over_gap[name].items()}
        medians = np.array([np.median(ratio) for ratio in ratios.values()])
        yield curves(name, error=each.error, mean_error=each.error.mean(), fitted=(each.unfitted == 0).mean(),
                     medians=medians, **ratios)  # fmt: skip
    if DECAYED in trained:
        yield median_drawn(f"error, {DECAYED}", trained[DECAYED].error - trained[PLAIN].error, 0.0)
        for name in COMPLEXITIES:
            yield median_drawn(f"{name}, {DECAYED}", over_gap[DECAYED][name] - over_gap[PLAIN][name], 0.0)
