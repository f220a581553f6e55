"""Low rank does not help lazy training: what it leaves of a sum of a few powers, and the least it can leave."""

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.tensor.problems import components, orthonormal, powers_of, share_left, what_training_leaves
from theory.claims import (
    OURS,
    Check,
    Curves,
    Estimated,
    Measured,
    Study,
    by_chance,
    claim,
    curves,
    measured,
    rate,
    varies,
)
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.tensor import harmonics
from theory.tensor.coordinates import dimension
from theory.tensor.generic import lazy_width
from theory.tensor.lazy import Tangents, isotropic_left

COORDINATES = 300
CONTROLS = 3  # times as many targets, where a wrong law lies near
AXES = 6  # d of the instance nearest to equality


@dataclass(frozen=True)
class Sizes:
    """Of the tensors, and of the targets."""

    orders: tuple[int, ...] = varies("l of each kind of tensor", (3, 4), low=3, high=6)
    inputs: tuple[int, ...] = varies("d of each kind", (6, 5), smoke=(6, 4), paper=(10, 7), low=3, high=12)
    terms: int = varies("r, powers in a target", 3, low=2, high=10)
    shares: tuple[float, ...] = varies("m over m*", (0.3, 0.6), smoke=(0.4,), low=0.05, high=0.7)
    # What is left of one power spreads by 80 % of its mean at most: the interval is then 2.4 % to either side.
    draws: int = varies("targets of each kind", 28_000, smoke=3000, paper=50_000, low=1000, high=200_000)

    def __post_init__(self) -> None:
        if len(self.orders) != len(self.inputs):
            reject("inputs", self.inputs, f"as many as orders {self.orders}")
        for l, d in zip(self.orders, self.inputs):
            if dimension(d, l) > COORDINATES:
                reject("binom(d + l - 1, l)", dimension(d, l), f"at most {COORDINATES} coordinates")
        if self.terms > min(self.inputs):
            reject("terms", self.terms, f"at most the inputs {min(self.inputs)}: they are orthonormal")


@claim(
    "tensor.low_rank_targets",
    source="ours; that lazy training does not use low rank is in the abstract of Wang, Wu, Lee, Ma & Ge 2020",
    source_kind=OURS,
    statement=r"\frac{\mathbb E \|T - P T\|^2}{r} = 1 - \sum_j \frac{w_j}{\dim H_j} \operatorname{tr}(P \Pi_j)"
    r" \ge 1 - \max\left\{\sum_j \frac{w_j t_j}{\dim H_j} : 0 \le t_j \le \dim H_j,\ \sum_j t_j \le m d\right\},\quad"
    r" w_j = a_j (1 + (r - 1) P_j(0)),\quad t^l = \sum_j a_j P_j(t)",
    hypotheses=(
        "T = q_1^l + ... + q_r^l, q orthonormal in random position; P projects onto S(U), Pi_j onto the harmonics H_j",
        "P_j are the Gegenbauer polynomials of d dimensions, P_j(1) = 1",
        "lazy: the model is linear in how far components moved; gradient descent to the end",
    ),
    theory_side="closed form",
    controls=("as of a target without structure", "no two terms have anything in common", "a bound 5 % higher"),
    parameters=Sizes,
)
def low_rank_does_not_help(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    for l, d in zip(sizes.orders, sizes.inputs):
        for m in sorted({max(1, round(share * lazy_width(d, l))) for share in sizes.shares}):
            start = components(study.rng("components", d, l, m), d, l, m)
            rest = what_training_leaves(study, start)
            for r in (1, sizes.terms):
                left, case = _left(study, start, rest, r, sizes.draws), f"l = {l}, d = {d}, m = {m}, r = {r}"
                yield _share(left, start.mean_left(r), case).equals(1)
                least = harmonics.least_left(d, l, m, r)
                yield _mean(left, case).supporting().at_least(least)
                yield curves(case, left=left.mean(), law=start.mean_left(r), least=least, m=m, r=r)
    alone = _share(_left(study, start, rest, 1, CONTROLS * sizes.draws), start.mean_left(1))
    yield alone.control("as of a target without structure").equals(isotropic_left(d, l, m) / start.mean_left(1))
    even = components(study.rng("even"), 5, 4, 5)
    several = _share(
        _left(study, even, what_training_leaves(study, even), 3, CONTROLS * sizes.draws), even.mean_left(3)
    )
    yield several.control("no two terms have anything in common").equals(even.mean_left(1) / even.mean_left(3))
    yield from _nearest(study, sizes)


def _left(study: Study, start: Tangents, rest: Array, r: int, draws: int) -> Array:
    rng = study.rng("targets", start.l, *start.U.shape, r)
    return share_left(powers_of(study, orthonormal(rng, draws, r, start.U.shape[1]), start.l), rest)


def _share(left: Array, law: float, case: str = "") -> Estimated:
    return rate("mean share left over its law", mean(left / law), case=case)


def _mean(left: Array, case: str = "") -> Measured:
    return measured("mean share left", left.mean(), within=by_chance(mean(left)), case=case)


def _nearest(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Where the bound is an equality: l = 3, and orthonormal components, m = d: sum_i e_i^2 v spans all of H_1."""
    d = AXES
    axes = Tangents(orthonormal(study.rng("axes"), 1, d, d)[0], 3)
    left = _left(study, axes, what_training_leaves(study, axes), d, sizes.draws)
    nearest = _mean(left, f"l = 3, m = d = r = {d}, orthonormal components")
    yield nearest.at_least(lambda k: k * harmonics.least_left(d, 3, d, d))
    yield nearest.control("a bound 5 % higher").at_least(1.05 * harmonics.least_left(d, 3, d, d))
