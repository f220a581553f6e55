"""Components from a tiny start find terms like coupons: how often all are found."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np

from experiments.tensor.from_tiny import FOUND, require_in_time, tiny
from theory.claims import (
    OURS,
    Check,
    Curves,
    Estimated,
    Measured,
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

LARGE = 0.3
ODD = 3, 3, 6  # d, r, m of those that die with chance 1/8
LEAST, LARGEST = 0.02, 0.98  # share of runs that find all, between which a law can be told from another
ALONE = "independent runs"
MOST = 3e6  # numbers of a batch


@dataclass(frozen=True)
class Sizes:
    """Of the target, and of what is trained on it."""

    orders: tuple[int, ...] = varies("l of each kind", (3, 4), low=3, high=8)
    inputs: tuple[int, ...] = varies("d of each kind", (5, 8), smoke=(4, 4), low=2, high=100)
    terms: int = varies("r, powers in the target", 3, low=2, high=20)
    components: int = varies("m", 6, low=2, high=30)
    runs: int = varies("that are trained, of each kind", 2000, smoke=300, paper=10_000, low=100, high=100_000)
    starts: int = varies("that are looked at alone", 200_000, smoke=30_000, low=1000, high=1_000_000)
    widths: tuple[int, ...] = varies("m of the curves", (3, 4, 6, 8, 12, 20), smoke=(3,), low=1, high=30)

    def __post_init__(self) -> None:
        if len(set(self.orders)) < len(self.orders):
            reject("orders", self.orders, "different ones")
        if len(self.orders) != len(self.inputs):
            reject("inputs", self.inputs, f"as many as orders {self.orders}")
        for l, d in zip(self.orders, self.inputs):
            require_in_time(l, d, self.terms, self.components)
            law = coupons.success(l, self.terms, self.components)
            if not LEAST <= law <= LARGEST:
                reject(
                    "components",
                    self.components,
                    f"m at which {LEAST:g} to {LARGEST:g} of runs find all, not {law:.3g}",
                )
        if self.runs * self.components * (self.components + max(self.inputs)) > MOST:
            reject("runs", self.runs, f"at most {MOST:g} / (m (m + d))")


@claim(
    "tensor.coupons",
    source="ours; the random correlations of the account of Wang, Wu, Lee, Ma & Ge 2020",
    source_kind=OURS,
    statement=r"\lim_{\|u(0)\| \to 0} P(T \text{ found}) = \sum_{k=0}^{r} (-1)^k \binom rk (1 - k p)^m,\quad"
    r" p = \tfrac1r \ (l \text{ even}),\quad p = \tfrac{1 - 2^{-r}}{r} \ (l \text{ odd});\quad"
    r" u_i \to q_j,\ j = \operatorname{argmax}_k (u_i(0)^\top q_k)^{l-2}",
    hypotheses=(
        "model sum_i |u_i|^(2 - l) u_i^l, T = sum_(j <= r) q_j^l, q orthonormal, l >= 3",
        "u_i(0) in random directions, all of one size that tends to 0; gradient descent, l eta < 1 if l is odd",
        "in time: of odd l a component with correlations near 0 takes as long as 1 / x_j",
    ),
    theory_side="law",
    controls=("none die", "p 5 % larger", "a start of size 0.3", "time cut to 0.4 of it"),
    parameters=Sizes,
)
def components_find_terms_like_coupons(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    r, m = sizes.terms, sizes.components
    for l, d in zip(sizes.orders, sizes.inputs):
        batch, case = tiny(study.rng("trained", l), l, d, r, m, sizes.runs), f"l = {l}, d = {d}, m = {m}"
        left, law = batch.trained(study)[0], coupons.success(l, r, m)
        timely = batch.in_time()
        yield _left(left[timely], case).equals(lambda k, said=batch.said[timely]: k * said / r)
        in_time = frequency(
            "runs whose components are in time", int(timely.sum()), sizes.runs, because=ALONE, case=case
        )
        yield in_time.supporting().at_least(0.05)
        agree = int((np.abs(left - batch.said / r) < FOUND).sum())
        said = frequency("runs that end as their start says", agree, sizes.runs, because=ALONE, case=case)
        yield said.supporting().at_least(0.6)
        yield _found(left < FOUND, law, f"{case}, trained").supporting().equals(1)
        many = tiny(study.rng("starts", l), l, d, r, m, sizes.starts)
        yield _found(many.said == 0, law, f"{case}, starts alone").equals(1)
    odd = tiny(study.rng("odd"), 3, *ODD, sizes.starts).said
    yield _found(odd == 0, coupons.success(4, *ODD[1:])).control("none die").equals(1)
    yield _found(many.said == 0, law).control("p 5 % larger").equals(_as_if(1.05, l, r, m) / law)
    large, _ = batch.trained(study, LARGE)
    yield _left(large).control("a start of size 0.3").equals(batch.said / r)
    cut, _ = batch.trained(study, longer=0.4)
    yield _found(cut < FOUND, law).control("time cut to 0.4 of it").equals(1)
    yield from _curves(study, sizes)


def _left(left: Array, case: str = "") -> Measured:
    within = Tolerance(FOUND, "what counts as found")
    return measured("share left, of runs whose components are in time", left, within=within, case=case, axes=("run",))


def _found(found: Array, law: float, case: str = "") -> Estimated:
    return rate("share of runs that find all, over its law", mean(found / law), case=case)


def _as_if(factor: float, l: int, r: int, m: int) -> float:
    """The chance that all are found, with p that many times as large."""
    p = factor * float(coupons.chance_of_a_term(l, r))
    return sum((-1) ** k * comb(r, k) * max(1 - k * p, 0) ** m for k in range(r + 1))


def _curves(study: Study, sizes: Sizes) -> Iterator[Curves]:
    r, runs = sizes.terms, max(sizes.runs // 20, 30)
    for l, d in zip(sizes.orders, sizes.inputs):
        found = []
        for m in sizes.widths:
            left, _ = tiny(study.rng("curve", l, m), l, d, r, m, runs).trained(study)
            found.append((left < FOUND).mean())
        fine = np.arange(1, max(sizes.widths) + 1)
        law = [coupons.success(l, r, int(m)) for m in fine]
        yield curves(f"l = {l}", widths=sizes.widths, found=found, runs=runs, fine=fine, law=law)
