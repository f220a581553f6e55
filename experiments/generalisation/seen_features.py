"""Learners that see p of D Gaussian features: which of them get worse with more, in closed form and trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments.classifiers.paired import paired
from experiments.generalisation import trained_learners
from experiments.generalisation.learners import (
    AT_ONCE,
    Found,
    Learner,
    class_mean,
    class_mean_of_signs,
    gaussian_draws,
    over_draws,
    ridge,
)
from theory.claims import OURS, Check, Curves, Estimated, Study, claim, curves, rate, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.generalisation import seen_features as theory

CLASS_MEAN, SIGNS, MINIMUM_NORM, RIDGE = "class mean", "class mean of signs", "minimum norm", "ridge"
LAWS = {CLASS_MEAN: theory.class_mean, SIGNS: theory.class_mean_of_signs, MINIMUM_NORM: theory.minimum_norm}
APART = 8  # |n - p| from which on |w|^4 of the minimum norm has a mean
EXPONENTS = (0.25, 0.5, 0.75)  # of signals in order: below, at and above the half that does no harm
LOOKS = 13  # errors that are compared

Results = dict[tuple[str, int], Found]


@dataclass(frozen=True)
class Draws(trained_learners.Training):
    """Of features, of which the first p are seen, and of examples."""

    examples: int = varies("n", 20, low=10, high=60)
    features: int = varies("D", 60, low=30, high=200)
    noise: float = varies("s, of the targets", 0.5, low=0.1, high=3)
    draws: int = varies("of teachers and examples", 100000, smoke=3000, paper=300000, low=2000, high=400000)

    def __post_init__(self) -> None:
        if self.examples % 2 or self.features < 3 * self.examples:
            reject("examples", self.examples, f"an even number, at most a third of the {self.features} features")

    @property
    def seen(self) -> tuple[int, ...]:
        """p: half the examples, as many, twice, and all features."""
        n = self.examples
        return n // 2, n, 2 * n, self.features

    def teachers(self, rng: np.random.Generator, count: int) -> Array:
        """b ~ N(0, I / D), (count, D)."""
        return rng.standard_normal((count, self.features)) / np.sqrt(self.features)


@claim(
    "generalisation.seen_features",
    source="ours; ridge after Nakkiran et al. 2021 (arXiv 2003.01897)",
    source_kind=OURS,
    statement=r"z = x \cdot b + s e,\ A = \sum_{j \le p} b_j^2,\ B = |b|^2:\quad"
    r" w = X^\top z / n:\ E\, w \cdot b = A,\ E |w|^2 = A (1 + \tfrac1n) + \tfrac pn (B + s^2);\quad"
    r" w = X^+ z:\ E\, w \cdot b = A \min(1, \tfrac np),\ E |w|^2 = E\, w \cdot b + (B - A + s^2)"
    r" \frac{\min(n, p)}{|n - p| - 1}",
    hypotheses=(
        "x and e normal with mean 0 and variance 1; X the first p of D features of n examples",
        "X^T z / n, of sign(z) too: the direction of weights on a small sphere, of square and logistic loss; X^+ z: "
        "where descent of the square loss ends from 0; |n - p| above 1 for its E |w|^2",
        "errors against the teacher without noise, b ~ N(0, I / D): those of the class mean and of ridge with the "
        "penalty of the posterior mean fall with p; in order, A = (p / D)^a, those of the class mean from a = 1/2 on",
    ),
    theory_side="law",
    controls=(
        "class mean: the signal seen makes no noise",
        "minimum norm: |n - p| in place of |n - p| - 1",
        "minimum norm: the features not seen make no noise",
        "labels sign(z): c = 1",
        "weights of the largest size are the class mean",
        "descent from 1 ends at the minimum norm",
        "ridge: the penalty of the noise alone",
        "the minimum norm errs no more often, up to p = n",
        "in order, a = 1/4: the class mean errs no more often",
    ),
    parameters=Draws,
)
def which_learners_get_worse_with_more_features(study: Study, sizes: Draws) -> Iterator[Check | Curves]:
    yield from _trained(study, sizes)
    b = sizes.teachers(study.rng("teachers"), sizes.draws)
    found = _found(study, sizes, b)
    yield from _moments(sizes, b, found)
    yield from _posterior_means(sizes, found)
    yield from _errors(sizes, found)
    yield from _in_order(study, sizes)
    yield from _all_numbers_of_features(study, sizes)


def _trained(study: Study, sizes: Draws) -> Iterator[Check]:
    """At every p that is not n, where descent is too slow."""
    b = sizes.teachers(study.rng("trained"), sizes.trained)
    drawn = gaussian_draws(study.rng("trained", "examples"), b, sizes.examples, sizes.noise)
    seen = trained_learners.Seen(drawn, tuple(p for p in sizes.seen if p != sizes.examples))
    yield from trained_learners.ends_in_closed_form(study, sizes, seen, sizes.noise)


def learners_of(sizes: Draws, p: int) -> dict[str, Learner]:
    """All that are compared, which see p features."""
    penalty = theory.bayes_penalty(1.0, sizes.features, p, sizes.noise)
    best = partial(ridge, penalty=penalty)
    return {CLASS_MEAN: class_mean, SIGNS: class_mean_of_signs, MINIMUM_NORM: ridge, RIDGE: best}


def _found(study: Study, sizes: Draws, b: Array) -> Results:
    learners = {(name, p): (p, each) for p in sizes.seen for name, each in learners_of(sizes, p).items()}
    too_small = partial(ridge, penalty=sizes.features * sizes.noise**2)
    learners["noise alone", sizes.seen[0]] = sizes.seen[0], too_small
    return over_draws(study.rng("examples"), b, sizes.examples, sizes.noise, learners)


def _moments(sizes: Draws, b: Array, found: Results) -> Iterator[Check]:
    n, s, D, half = sizes.examples, sizes.noise, sizes.features, sizes.seen[0]
    seen, B = np.cumsum(b**2, axis=1), (b**2).sum(1)
    for name, law in LAWS.items():
        for p in sizes.seen:
            if name != MINIMUM_NORM or abs(n - p) >= APART:
                predicted, case = law(seen[:, p - 1], B, p, n, s), f"{name}, p = {p}"
                yield _mean_of("overlap w . b", found[name, p].overlap, predicted.overlap, case).equals(1)
                yield _mean_of("|w|^2", found[name, p].squared_norm, predicted.squared_norm, case).equals(1)
    A, length = seen[:, half - 1], found[MINIMUM_NORM, half].squared_norm
    for control, wrong in (
        ("minimum norm: |n - p| in place of |n - p| - 1", A + (B - A + s**2) * half / (n - half)),
        ("minimum norm: the features not seen make no noise", A + s**2 * half / (n - half - 1)),
    ):
        yield _mean_of("|w|^2", length, wrong).control(control).equals(1)
    length = found[CLASS_MEAN, D].squared_norm
    wrong = _mean_of("|w|^2", length, B * (1 + 1 / n) + D * s**2 / n)
    yield wrong.control("class mean: the signal seen makes no noise").equals(1)
    yield _mean_of("overlap", found[SIGNS, D].overlap, B).control("labels sign(z): c = 1").equals(1)


def _mean_of(name: str, values: Array, predicted: Array, case: str = "") -> Estimated:
    """The mean over draws in units of its law's."""
    return rate(name, mean(1 + (values - predicted) / predicted.mean()), case=case)


def _posterior_means(sizes: Draws, found: Results) -> Iterator[Check]:
    """Ridge is the posterior mean, so its overlap is its squared length: not so with another penalty."""

    def excess(ridge: Found, case: str = "") -> Estimated:
        ratio = 1 + (ridge.squared_norm - ridge.overlap) / ridge.overlap.mean()
        return rate("ridge: E |w|^2 over E w . b", mean(ratio), case=case)

    for p in sizes.seen:
        yield excess(found[RIDGE, p], f"p = {p}").equals(1)
    too_small = excess(found["noise alone", sizes.seen[0]])
    yield too_small.control("ridge: the penalty of the noise alone").equals(1)


def _errors(sizes: Draws, found: Results) -> Iterator[Check]:
    """Differences between p and the next larger one, on the same draws."""
    for name in (CLASS_MEAN, SIGNS, RIDGE):
        for p, more in zip(sizes.seen, sizes.seen[1:]):
            change = found[name, more].error - found[name, p].error
            yield paired("change of the error", change, case=f"{name}, p = {p} to {more}", looks=LOOKS).below(0)
    half, n = sizes.seen[:2]
    change = paired("change of the error", found[MINIMUM_NORM, n].error - found[MINIMUM_NORM, half].error, looks=LOOKS)
    yield change.control("the minimum norm errs no more often, up to p = n").below(0)


def _in_order(study: Study, sizes: Draws) -> Iterator[Check | Curves]:
    """Signals A = (p / D)^a: from a = 1/2 on the class mean gets no worse, below it does from some p on."""
    D, n, s, count = sizes.features, sizes.examples, sizes.noise, sizes.draws // 3
    numbers = range(1, D + 1)
    for a in EXPONENTS:
        A = [theory.power_law_signal(a, p, D) for p in numbers]
        moments = [theory.class_mean(each, 1.0, p, n, s) for each, p in zip(A, numbers)]
        cosine = np.sqrt([each.squared_cosine for each in moments])
        before = D // 6 if a >= 0.5 else int(cosine.argmax()) + 1
        b = np.broadcast_to(np.sqrt(np.diff(A, prepend=0.0)), (count, D))
        ends = {p: (p, class_mean) for p in (before, D)}
        found = over_draws(study.rng("order", a), b, n, s, ends)
        change = paired(
            "change of the error", found[D].error - found[before].error, case=f"in order, a = {a:g}", looks=LOOKS
        )
        if a >= 0.5:
            yield change.below(0)
        else:
            yield change.control("in order, a = 1/4: the class mean errs no more often").below(0)
        yield curves(
            f"order {a:g}",
            seen=numbers,
            law=np.arccos(cosine) / np.pi,
            p=list(ends),
            error=[each.error.mean() for each in found.values()],
        )


def _all_numbers_of_features(study: Study, sizes: Draws) -> Iterator[Curves]:
    """For the figure: mean errors in closed form at every p, and the mean square errors of the law."""
    D, n, s = sizes.features, sizes.examples, sizes.noise
    numbers = sorted({*range(1, D + 1, max(D // 40, 1)), *sizes.seen, n - 1, n + 1})
    count = min(sizes.draws // 30, AT_ONCE)
    b = sizes.teachers(study.rng("shown"), count)
    learners = {(name, p): (p, each) for p in numbers for name, each in learners_of(sizes, p).items()}
    found = over_draws(study.rng("shown", "examples"), b, n, s, learners)
    for name in learners_of(sizes, n):
        risk = [LAWS[name](p / D, 1.0, p, n, s).risk(1.0, s) if name in LAWS else np.nan for p in numbers]
        error = [found[name, p].error.mean() for p in numbers]
        yield curves(name, seen=numbers, error=error, risk=risk)
