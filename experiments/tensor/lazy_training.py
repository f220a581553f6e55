"""Lazy training leaves 1 - m d / D of a target without structure: it needs m of the order d^(l-1)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.tensor.problems import components, rest_of, share_left, steps_to_fit, what_training_leaves
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Measured,
    Study,
    claim,
    curves,
    measured,
    samples,
    varies,
)
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.tensor.coordinates import dimension
from theory.tensor.generic import lazy_width
from theory.tensor.lazy import Tangents, isotropic_law, isotropic_left

COORDINATES = 250
MATRICES = 8, 2, 4  # d, l, m: 26 of 36 directions, and not m d = 32
FARTHEST = 0.6  # of m*: beyond it tangents are so badly conditioned that training takes for ever


@dataclass(frozen=True)
class Sizes:
    """Of the tensors, and of what is trained on them."""

    orders: tuple[int, ...] = varies("l of each kind of tensor", (3, 4), low=3, high=6)
    inputs: tuple[int, ...] = varies("d of each kind", (8, 5), smoke=(6, 4), paper=(10, 6), low=3, high=12)
    shares: tuple[float, ...] = varies("m over m*", (0.15, 0.3, 0.45, 0.6), smoke=(0.3, 0.5), low=0.05, high=FARTHEST)
    draws: int = varies("targets of each kind of tensor", 5000, smoke=1000, low=100, high=100_000)

    def __post_init__(self) -> None:
        if len(self.orders) != len(self.inputs):
            reject("inputs", self.inputs, f"as many as orders {self.orders}")
        for l, d in zip(self.orders, self.inputs):
            if dimension(d, l) > COORDINATES:
                reject("binom(d + l - 1, l)", dimension(d, l), f"at most {COORDINATES} coordinates")


@claim(
    "wang2020.lazy_training",
    source="Wang, Wu, Lee, Ma & Ge 2020, abstract; the law of what is left is ours",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\min_\delta"
    r" \left\|T - \sum_{i=1}^m l\, \operatorname{sym}(u_i^{\otimes (l-1)} \otimes \delta_i)\right\|^2"
    r" / \|T\|^2 \sim \mathrm{Beta}\left(\tfrac{D - s}{2}, \tfrac s2\right),\quad s = m d \text{ for } m d \le D"
    r" = \binom{d + l - 1}{l},\quad \text{mean } 1 - \tfrac{m d}{D};\quad m^* \ge \tfrac Dd"
    r" \ge \tfrac{d^{l-1}}{l!}",
    hypotheses=(
        "T Gaussian in the symmetric tensors of order l >= 3, generic u_i, not a defective (l, d, m)",
        "lazy: the model is linear in how far components moved; gradient descent to the end",
    ),
    theory_side="law",
    controls=("m (d - 1) directions", "m d directions at l = 2", "training cut at a tenth", "equal components"),
    parameters=Sizes,
)
def lazy_training_fits_a_share(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    for l, d in zip(sizes.orders, sizes.inputs):
        widths = np.unique([max(1, round(share * lazy_width(d, l))) for share in sizes.shares]).tolist()
        means, laws = [], []
        for m in widths:
            start, case = components(study.rng("components", d, l, m), d, l, m), f"l = {l}, d = {d}, m = {m}"
            rest = what_training_leaves(study, start)
            found = measured("what is left of the unit tensors", rest, within=rest_of(start), case=case)
            yield found.supporting().equals(start.left(np.eye(len(rest))))
            yield _mean(rest, start, case).equals(isotropic_left(d, l, m))
            means.append(np.square(rest).mean(0).sum())
            laws.append(isotropic_law(d, l, m))
        targets = study.rng("targets", d, l).standard_normal((sizes.draws, len(rest)))
        drawn = samples("share left of Gaussian targets", share_left(targets, rest), because="independent", case=case)
        yield drawn.follow(laws[-1])
        low, high = np.transpose([law.interval(0.9) for law in laws])
        yield curves(
            f"l = {l}, d = {d}",
            widths=widths,
            means=means,
            low=low,
            high=high,
            directions=np.array(widths) * d / len(rest),
        )
    yield _mean(rest, start).control("m (d - 1) directions").equals(1 - m * (d - 1) / dimension(d, l))
    cut = what_training_leaves(study, start, max(steps_to_fit(start) // 10, 1))
    yield _mean(cut, start).control("training cut at a tenth").equals(isotropic_left(d, l, m))
    matrices = components(study.rng("matrices"), *MATRICES)
    of_matrices = _mean(what_training_leaves(study, matrices), matrices)
    yield of_matrices.control("m d directions at l = 2").equals(1 - 32 / 36)
    equal = Tangents(np.vstack([start.U, start.U[:1]]), l)
    doubled = _mean(what_training_leaves(study, equal), equal)
    yield doubled.control("equal components").equals(isotropic_left(d, l, m + 1))


def _mean(rest: Array, start: Tangents, case: str = "") -> Measured:
    """E |T - model|^2 / E |T|^2 of Gaussian targets: the mean over the unit tensors, of numbers between 0 and 1."""
    return measured("mean share left", np.square(rest).sum() / len(rest), within=rest_of(start) * 2, case=case)
