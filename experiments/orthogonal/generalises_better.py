"""When OPT generalises better than free weights: both risks, and the number of examples at which they cross."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.classifiers.paired import paired
from experiments.orthogonal.learned_weights import Risks, compressed, draw_examples, train_both
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Study,
    Tolerance,
    by_chance,
    claim,
    curves,
    measured,
    rate,
    rounding,
    varies,
)
from theory.claims.estimates import SIGNIFICANCE, Estimate, mean
from theory.core.arrays import Array
from theory.core.validation import inside, reject
from theory.orthogonal import generalisation as law
from theory.orthogonal.generalisation import Teacher
from theory.orthogonal.rotations import random_rotation

MANY = 100_000  # examples at which the order 1/n^2 is a thousandth of the order 1/n
ASIDE = 1.25  # of the crossing: where the sign of the difference is told, on both sides
SHOWN = (0.25, 0.5, 2.0, 4.0)  # of it, for the figure
SMALLEST = 0.4  # singular value of the neurons where the other component of O(d) is judged: no two modes are alike


@dataclass(frozen=True)
class Sizes:
    """Of the layers, and of their training."""

    inputs: int = varies("d of the layer", 8, smoke=5, low=3, high=16)
    neurons: tuple[int, ...] = varies(
        "N of the layers, one below d among them", (3, 8), smoke=(3,), paper=(3, 8, 20), low=2, high=40
    )
    noise: float = varies("s, deviation of the labels' noise", 0.7, low=0.2, high=3)
    misfit: float = varies("of the teachers that rotations do not reach: entries over N^(1/2)", 0.3, low=0.2, high=0.4)
    near: float = varies("of the teacher at whose crossing risks are compared", 0.05, low=0.03, high=0.1)
    few: int = varies("n at which least squares is judged", 120, smoke=60, low=50, high=1000)
    draws: int = varies("of the examples, in each comparison", 16_000, smoke=2000, paper=50_000, low=2000, high=10**5)

    def __post_init__(self) -> None:
        if not min(self.neurons) < self.inputs:
            reject("neurons", self.neurons, f"one below the {self.inputs} inputs")
        if len(set(self.neurons)) < len(self.neurons):
            reject("neurons", self.neurons, "different numbers")
        inside("few", self.few, 12 * self.inputs, np.inf, "[)")


@claim(
    "liu2021.generalises_better",
    source="Liu et al. 2021, abstract: why OPT generalises better; the law is ours, for linear layers",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\mathbb{E}\,|R_n W_0 - W^*|_F^2 = g + \frac{\operatorname{tr}(H^+ J)}{2n} + O(n^{-2}),\quad"
    r" \tfrac12 \operatorname{tr}(H^+ J) = s^2 \tfrac{d(d-1) - (d-N)_+(d-N-1)_+}{2} \text{ if } g = 0;\quad"
    r" \mathbb{E}\,|W_n - W^*|_F^2 = \frac{s^2 d N}{n - d - 1};\quad"
    r" \text{OPT is better } \iff n < n^*, \text{ where both are the same}",
    hypotheses=(
        "labels y = W*^T x + s e, x and e normal and white, n examples; a linear layer of N neurons of d inputs",
        "R_n and W_n minimise the squared loss over rotations and over all weights; W0 the fixed neurons of OPT",
        "g = min |R W0 - W*|^2 over the component of O(d), which one R W0 attains; H the Hessian of the risk there,"
        " along A W, A skew, and J the covariance of an example's gradient",
    ),
    theory_side="closed form",
    controls=(
        "n in place of n - d - 1",
        "all d N weights are learned",
        "rotations that move no neuron are learned",
        "s^2 a dimension, whatever the gap",
        "the gap of the other component",
        "the crossing 10 % later",
        "training cut short",
        "OPT generalises better, however many the examples",
    ),
    parameters=Sizes,
)
def rotations_are_learned_sooner_and_stop_at_their_gap(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _compression(study, sizes)
    yield from _free_weights(study, sizes)
    for N in sizes.neurons:
        yield from _reached(study, sizes, N)
        yield from _missed(study, sizes, N)
    yield from _other_component(study, sizes)
    yield from _crossing(study, sizes)


def _teacher(rng: np.random.Generator, sizes: Sizes, N: int, misfit: float, smallest: float = 0.8) -> Teacher:
    """A rotation of the fixed neurons, with so much beside it; singular values of the neurons from 1.2 down to 0.8."""
    d, r = sizes.inputs, min(sizes.inputs, N)
    frame = lambda size: random_rotation(rng, size)[0][:, :r]  # noqa: E731
    W0 = frame(d) * np.append(np.linspace(1.2, 0.8, r)[:-1], smallest) @ frame(N).T
    return Teacher(W0, random_rotation(rng, d)[0] @ W0 + misfit * rng.standard_normal((d, N)) / np.sqrt(N), sizes.noise)


def _risks(study: Study, teacher: Teacher, n: int, draws: int, case: str, share: float = 1.0) -> Risks:
    rng = study.rng("examples", case, n)
    return train_both(study, teacher, *draw_examples(rng, teacher, n, draws), rng, share)


def _compression(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Trained on all their inputs and labels, or on the triangular factor: the same weights."""
    rng, d, n = study.rng("compression"), sizes.inputs, sizes.few
    teacher = _teacher(rng, sizes, min(sizes.neurons), sizes.misfit)
    X = rng.standard_normal((4, n, d))
    Y = X @ teacher.target + teacher.noise * rng.standard_normal((4, n, teacher.N))
    whole = train_both(study, teacher, X / np.sqrt(n), Y / np.sqrt(n), study.rng("start"))
    factor = train_both(study, teacher, *compressed(X, Y), study.rng("start"))
    within = rounding(1e4, whole.opt, of="the risk, over the steps")
    same = measured("risk by the triangular factor", factor.opt, within=within, axes=("run",))
    yield same.supporting().equals(whole.opt)


def _free_weights(study: Study, sizes: Sizes) -> Iterator[Check]:
    N, n = min(sizes.neurons), sizes.few
    teacher = _teacher(study.rng("teacher", "free"), sizes, N, sizes.misfit)
    found = mean(_risks(study, teacher, n, sizes.draws, "free").free)
    exact = law.least_squares_risk(teacher, n)
    risk = rate(f"risk of free weights, n = {n}", found, case=f"N = {N}")
    yield risk.equals(exact)
    yield risk.control("n in place of n - d - 1").equals(exact * (n - sizes.inputs - 1) / n)


def _cost(risks: Risks, teacher: Teacher, n: int) -> tuple[Estimate, Tolerance]:
    """n times what OPT's risk has above its gap, and what it may be off by.

    Free weights learned the same noise and have a mean risk that is known exactly: they are the control variate.
    """
    above, free = n * (risks.opt - law.gap(teacher)), n * (risks.free - law.least_squares_risk(teacher, n))
    found, cost = mean(above - np.cov(above, free)[0, 1] / free.var() * free), law.learning_cost(teacher)
    order = Tolerance(10 * (teacher.d + 1) / n * cost, "order 1/n^2: ten times least squares' own, (d + 1) / n of it")
    return found, by_chance(found) + order + Tolerance(n * risks.left, "what descent has left")


def _reached(study: Study, sizes: Sizes, N: int) -> Iterator[Check]:
    d, s, case = sizes.inputs, sizes.noise, f"N = {N}, W* = R W0"
    teacher = _teacher(study.rng("teacher", "reached", N), sizes, N, 0.0)
    found, within = _cost(_risks(study, teacher, MANY, sizes.draws, case), teacher, MANY)
    cost = measured("n risk / s^2", found.value / s**2, within=within * s**-2, case=case)
    yield cost.equals(law.dimension(d, N))
    if N == min(sizes.neurons):
        yield cost.control("all d N weights are learned").equals(d * N)
        yield cost.control("rotations that move no neuron are learned").equals(d * (d - 1) // 2)
        cut = _risks(study, teacher, MANY, sizes.draws // 8, case, share=0.1)
        short = mean(MANY * cut.opt / s**2)
        stopped = measured("n risk / s^2 after a tenth of the steps", short.value, within=by_chance(short))
        yield stopped.control("training cut short").equals(law.dimension(d, N))


def _missed(study: Study, sizes: Sizes, N: int) -> Iterator[Check]:
    case = f"N = {N}, W* off by {sizes.misfit:g}"
    teacher = _teacher(study.rng("teacher", "missed", N), sizes, N, sizes.misfit)
    risks, gap, cost = _risks(study, teacher, MANY, sizes.draws, case), law.gap(teacher), law.learning_cost(teacher)
    found, within = _cost(risks, teacher, MANY)
    risk = measured("risk", gap + found.value / MANY, within=within * (1 / MANY), case=case)
    yield risk.equals(lambda k: k * gap + cost / MANY)
    learned = measured("n (risk - gap)", found.value, within=within, case=case)
    yield learned.equals(cost)


def _other_component(study: Study, sizes: Sizes) -> Iterator[Check]:
    """A teacher in reach of a rotation, and reflections alone to learn it."""
    reached = _teacher(study.rng("teacher", "component"), sizes, sizes.inputs, 0.0, SMALLEST)
    teacher, case = replace(reached, determinant=-1.0), "det R against the teacher's"
    risks, cost = _risks(study, teacher, MANY, sizes.draws, case), law.learning_cost(teacher)
    found, within = _cost(risks, teacher, MANY)
    risk = measured("risk", law.gap(teacher) + found.value / MANY, within=within * (1 / MANY), case=case)
    yield risk.equals(lambda k: 4 * k * reached.s[-1] + cost / MANY)
    yield risk.control("the gap of the other component").equals(law.opt_risk(reached, MANY))
    learned = measured("n (risk - gap)", found.value, within=within, case=case)
    yield learned.equals(cost)
    plain = sizes.noise**2 * law.dimension(sizes.inputs, sizes.inputs)
    yield learned.control("s^2 a dimension, whatever the gap").equals(plain)


def _crossing(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    N = sizes.inputs
    teacher = _teacher(study.rng("teacher", "near"), sizes, N, sizes.near)
    crossing = law.crossing(teacher)
    sides = [round(crossing / ASIDE), round(crossing * ASIDE)]
    below, above = (_risks(study, teacher, n, sizes.draws, "near") for n in sides)
    fewer, more = (
        paired(f"OPT - free weights, n = {n}", risks.opt - risks.free, looks=3)
        for n, risks in zip(sides, (below, above))
    )
    yield fewer.supporting().below(0)
    condition = f"fewer examples than n*, {crossing:.4g} for this teacher, or labels that a rotation of W0 gives"
    yield more.unconditioned("OPT generalises better, however many the examples", condition=condition).below(0)
    found = rate("n at which both risks are the same", _root(sides, (below, above)))
    yield found.equals(crossing, excludes=(0.9 * crossing, 1.1 * crossing))
    yield found.control("the crossing 10 % later").equals(1.1 * crossing)
    shown = [max(round(part * crossing), 20 * sizes.inputs) for part in SHOWN]
    more_risks = [_risks(study, teacher, n, sizes.draws // 8, "near") for n in shown]
    yield _curves(teacher, [*sides, *shown], [below, above, *more_risks])


def _root(sides: list[int], risks: tuple[Risks, Risks]) -> Estimate:
    """Where n times the difference is 0: it is a straight line in n, up to what both have in order 1/n^2."""
    each = [mean(n * (risk.opt - risk.free), SIGNIFICANCE / 3) for n, risk in zip(sides, risks)]

    def root(low: float, high: float) -> float:
        return sides[0] + (sides[1] - sides[0]) * low / (low - high)

    ends = root(each[0].high, each[1].high), root(each[0].low, each[1].low)
    value = root(each[0].value, each[1].value)
    reason = f"straight line between two means; {each[0].reason}"
    return Estimate(value, min(ends), max(ends), reason, 2 * SIGNIFICANCE / 3)


def _curves(teacher: Teacher, n: list[int], risks: list[Risks]) -> Curves:
    order = np.argsort(n)
    each = {name: [mean(getattr(risk, name), 0.05) for risk in risks] for name in ("opt", "free")}
    grid = np.geomspace(min(n) / 1.3, max(n) * 1.3, 80)
    shown: dict[str, Array] = {"n": np.array(n)[order], "grid": grid}
    for name, risk in (("opt", law.opt_risk), ("free", law.least_squares_risk)):
        shown[name] = np.array([estimate.value for estimate in each[name]])[order]
        shown[f"{name}_half"] = np.array([estimate.half_width for estimate in each[name]])[order]
        shown[f"{name}_law"] = np.array([risk(teacher, x) for x in grid])
    return curves("crossing", **shown, gap=law.gap(teacher), at=law.crossing(teacher))
