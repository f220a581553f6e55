"""Re-weighting an over-parameterised model: what it gains for the rare class goes away as training goes on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.cost_sensitive.separable import LOSSES, descend_all, terms
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    varies,
)
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.cost_sensitive.margins import gaussian_recall

OCTAVES = 10


@dataclass(frozen=True)
class Examples:
    """Of two Gaussian classes, one rare, and of descent on them."""

    common: int = varies("examples of the common class", 15, low=2, high=200)
    rare: int = varies("examples of the rare class", 4, low=1, high=100)
    inputs: int = varies("d, more than there are examples", 40, low=4, high=400)
    separation: float = varies("distance of either class from the middle, in standard deviations", 1.5, low=0.2, high=5)
    runs: int = varies("sets of examples", 12, smoke=8, low=4, high=1000)
    steps: int = varies("of descent on the log of the loss", 8192, smoke=2048, low=1024, high=10**6)
    plenty: int = varies("examples of the common class, more than inputs", 200, smoke=100, low=60, high=5000)
    few: int = varies("inputs there", 3, low=1, high=20)

    def __post_init__(self) -> None:
        if self.common + self.rare > self.inputs:
            reject("inputs", self.inputs, f"at least the {self.common + self.rare} examples: all can be fitted then")
        if self.rare >= self.common:
            reject("rare", self.rare, f"fewer than the {self.common} of the common class")


@claim(
    "narasimhan2021.reweighting",
    source="Narasimhan & Menon 2021 (arXiv 2107.04641), abstract; the law is ours",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"R_g - R_1 \sim \frac{c}{|w|} \to 0,\quad R_g = P(y\, w \cdot x > 0 \mid y\ \text{rare})\ \text{of}\ w\ "
    r"\text{trained on}\ \sum_i g_{y_i} \log(1 + e^{-y_i w \cdot x_i}),\ n < d,\quad"
    r" R_1\ \text{with}\ g = 1\ \text{after as many steps}",
    hypotheses=(
        "linear classifiers with a bias, more inputs than examples: all of them are fitted",
        "classes N(+-mu, I), recall known exactly; weights as the classes are rare",
        "gradient descent goes on, here on the log of the loss",
    ),
    theory_side="law",
    controls=(
        "factors of margins wash out too",
        "weights wash out where not all examples can be fitted",
        "the gain falls like |w|^-1.25",
        "logit adjustment keeps its gain",
    ),
    parameters=Examples,
)
def weights_wash_out_where_all_is_fitted(study: Study, sizes: Examples) -> Iterator[Check | Curves]:
    record = [sizes.steps // 2**k for k in range(OCTAVES, -1, -1)]
    runs = _trained(study, sizes, sizes.inputs, sizes.common, sizes.rare, record)
    length = np.linalg.norm(runs["plain"], axis=-1).mean(-1)
    gain = {loss: (_recall(run, sizes) - _recall(runs["plain"], sizes)).mean(-1) for loss, run in runs.items()}
    for loss in ("weights", "shift"):
        exponent = _exponent(f"exponent of the gain in |w|, {loss}", gain[loss], length)
        yield exponent.equals(-1.0)
    yield exponent.control("the gain falls like |w|^-1.25").equals(-1.25)
    kept = _exponent("exponent of the gain in |w|, factors", gain["factors"], length)
    yield kept.control("factors of margins wash out too").equals(-1.0)
    yield from _kept_of_the_shift(gain["shift"])
    yield from _more_examples(study, sizes, record)
    recalls = {loss: _recall(run, sizes).mean(-1) for loss, run in runs.items()}
    yield curves(steps=record, length=length, **recalls)


def _kept_of_the_shift(gain: Array) -> Iterator[Check]:
    within = Tolerance(0.0, "counted over the same sets of examples")
    last = measured("gain of the shift at the end, over its largest", gain[-1] / gain.max(), within=within)
    condition = (
        "finite weights: training that is stopped, decay, or labels that not all can be fitted; in the limit a shift"
        " washes out as weights do, and factors of margins remain"
    )
    yield last.unconditioned("logit adjustment keeps its gain", condition=condition).at_least(0.5)


def _more_examples(study: Study, sizes: Examples, record: list[int]) -> Iterator[Check]:
    """More examples than inputs, of classes half as far apart: they overlap, so that the minimum is finite and soon
    reached, and weights move it for good."""
    sizes = replace(sizes, separation=sizes.separation / 2)
    rare = max(sizes.plenty * sizes.rare // sizes.common, 2)
    runs = _trained(study, sizes, sizes.few, sizes.plenty, rare, record[:-1], ("plain", "weights"))
    gain = (_recall(runs["weights"], sizes) - _recall(runs["plain"], sizes)).mean(-1)
    change = Tolerance(np.abs(np.diff(gain[-4:-1])).sum() + 1e-9, "what it changed over the two octaves before")
    same = measured("not all fitted: gain of weights", gain[-1], within=change)
    yield same.equals(gain[-2])
    yield same.control("weights wash out where not all examples can be fitted").equals(0.0)


def _trained(
    study: Study,
    sizes: Examples,
    d: int,
    common: int,
    rare: int,
    record: list[int],
    losses: Sequence[str] = LOSSES,
) -> dict[str, Array]:
    """w (T, runs, d + 1) of each loss; the last entry is the bias."""
    rng = study.rng("examples", d)
    y = np.repeat([-1.0, 1.0], [common, rare])
    noise = rng.standard_normal((sizes.runs, common + rare, d))
    noise[..., 0] += sizes.separation
    Z = np.concatenate([noise, np.broadcast_to(y[:, None], (*noise.shape[:2], 1))], axis=-1)
    gains = np.broadcast_to(np.where(y > 0, common / rare, 1.0), noise.shape[:2])
    return descend_all(study, Z, {loss: terms(loss, gains) for loss in losses}, step=1.0, record=record)


def _recall(w: Array, sizes: Examples) -> Array:
    """Of the rare class (T, runs)."""
    mean = np.zeros(w.shape[-1] - 1)
    mean[0] = sizes.separation
    return np.asarray(gaussian_recall(w[..., :-1], w[..., -1], np.broadcast_to(mean, w[..., :-1].shape)))


def _exponent(name: str, gain: Array, length: Array) -> Measured:
    """d log gain / d log |w| over the last octave of steps."""
    slopes = np.diff(np.log(np.abs(gain))) / np.diff(np.log(length))
    # Errors fall like 1 / |w|: what is left is as large as the last change, which is half the one before.
    within = Tolerance(2 * np.abs(np.diff(slopes[-3:])).max(), "twice the larger of its changes over two octaves")
    return measured(name, slopes[-1], within=within)
