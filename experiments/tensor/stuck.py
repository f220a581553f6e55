"""As many components as terms: descent gets stuck, at whole numbers of missed terms, as often as coupons are missed."""

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.tensor.from_tiny import FOUND, require_in_time, tiny
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Estimated,
    Study,
    Tolerance,
    claim,
    curves,
    frequency,
    measured,
    rate,
    varies,
)
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.tensor import coupons

ALONE, ENDS = "independent runs", "what counts as found"
TIMELY = "runs whose components are in time"
STUCK, LEFT = "share of runs that get stuck, over its law", "mean share left over its law"


@dataclass(frozen=True)
class Sizes:
    """Of the target, and of what is trained on it."""

    orders: tuple[int, ...] = varies("l of each kind", (3, 4), smoke=(3,), low=3, high=8)
    inputs: tuple[int, ...] = varies("d of each kind", (5, 5), smoke=(4,), low=2, high=50)
    terms: int = varies("r, powers in the target, and components", 3, low=2, high=6)
    runs: int = varies("that are trained, of each kind", 1500, smoke=200, paper=10_000, low=100, high=50_000)
    starts: int = varies("that are looked at alone", 200_000, smoke=30_000, low=1000, high=1_000_000)

    def __post_init__(self) -> None:
        if len(self.orders) != len(self.inputs):
            reject("inputs", self.inputs, f"as many as orders {self.orders}")
        for l, d in zip(self.orders, self.inputs):
            require_in_time(l, d, self.terms, self.terms)


@claim(
    "wang2020.stuck",
    source="Wang, Wu, Lee, Ma & Ge 2020, introduction; how often and where is ours",
    source_kind=AS_PRINTED,
    statement=r"m = r:\quad \frac{\|T - \sum_{i=1}^r \|u_i\|^{2-l} u_i^{\otimes l}\|^2}{\|T\|^2} \to \frac kr,\quad"
    r" P(k > 0) = 1 - r!\, p^r,\quad \mathbb E\, \frac kr = (1 - p)^r,\quad p = \tfrac1r \text{ or, for odd } l,\ "
    r"\tfrac{1 - 2^{-r}}{r}",
    hypotheses=(
        "T = sum_(j <= r) q_j^l, q orthonormal, l >= 3; a tiny start in random directions, gradient descent",
        "k terms that no component finds",
    ),
    theory_side="law",
    controls=("four times as many components as terms", "none die", "p 3 % larger"),
    parameters=Sizes,
)
def as_many_components_as_terms_get_stuck(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    r = sizes.terms
    for l, d in zip(sizes.orders, sizes.inputs):
        case = f"l = {l}, d = {d}, m = r = {r}"
        batch = tiny(study.rng("trained", l), l, d, r, r, sizes.runs)
        left, later = batch.trained_twice_as_long(study)
        timely = batch.in_time()
        for when, each in (("at the end", left), ("after twice the time", later)):
            ends = f"share left {when}, of {TIMELY}"
            share = measured(ends, each[timely], within=Tolerance(FOUND, ENDS), case=case, axes=("run",))
            yield share.equals(lambda k, said=batch.said[timely]: k * said / r)
        in_time = frequency(TIMELY, int(timely.sum()), timely.size, because=ALONE, case=case)
        yield in_time.supporting().at_least(0.05)
        law, share = coupons.missed_law(l, r, r), coupons.mean_missed(l, r, r)
        yield _over(f"{STUCK}, trained", left > FOUND, 1 - law[0], case).supporting().equals(1)
        missed = tiny(study.rng("starts", l), l, d, r, r, sizes.starts).said
        yield _over(STUCK, missed > 0, 1 - law[0], case).equals(1)
        yield _over(LEFT, missed / r, share, case).equals(1)
        yield curves(f"l = {l}", left=left, law=law)
    larger = (1 - 1.03 * (1 - share ** (1 / r))) ** r
    yield _over(LEFT, missed / r, share).control("p 3 % larger").equals(larger / share)
    odd = tiny(study.rng("odd"), 3, r, r, r, sizes.starts).said
    yield _over(LEFT, odd / r, coupons.mean_missed(4, r, r)).control("none die").equals(1)
    many, _ = tiny(study.rng("many"), l, d, r, 4 * r, max(sizes.runs // 5, 64)).trained(study)
    more = frequency(STUCK, int((many > FOUND).sum()), many.size, because=ALONE)
    yield more.control("four times as many components as terms").at_least(1 - law[0])


def _over(name: str, found: Array, law: float, case: str = "") -> Estimated:
    return rate(name, mean(found / law), case=case)
