"""Large constant steps: the loss falls at once, and the direction freezes where the first step has put it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.shallow import descents
from experiments.shallow.classifiers import classifier, logistic_loss
from experiments.shallow.examples import adding_to_one
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, exactly, measured, varies
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, direction_error, planted
from theory.core.validation import reject
from theory.shallow import clocks, freezing, gradient_flow

EVERY = exactly("every one of the problems")
THAWED = 5.0  # eta x the least margin of the first step, at which directions move again
MODERATE = 8.0  # the same less log T, where their motion is slow but seen
LEAST, OFF, TINY = 0.5, 0.05, 0.01  # z_i . sum of z; direction errors of the sum, and of what is called good


@dataclass(frozen=True)
class Frozen:
    inputs: int = varies("of each example", 4, low=3, high=20)
    margin: float = varies("gamma* of the examples", 0.6, low=0.4, high=0.9)
    shares: tuple[float, ...] = varies("of the duals in their sum, up to a factor", (0.5, 0.3, 0.2), low=0.1, high=10)
    learning_rate: float = varies("of descent", 100.0, low=80, high=500)
    runs: int = varies("problems", 8, smoke=4, paper=32, low=2, high=100)
    steps: int = varies("of descent", 3000, smoke=800, paper=10000, low=500, high=10**5)

    def __post_init__(self) -> None:
        if not 2 <= len(self.shares) < self.inputs:
            reject("shares", f"{len(self.shares)} of them", f"2 at least, and fewer than the {self.inputs} inputs")


@claim(
    "shallow.large_steps_freeze",
    source="ours; of the loss at large steps: Wu, Bartlett, Telgarsky & Yu 2024 (abstract): O(1/T^2) at eta of order T",
    source_kind=OURS,
    statement=r"L = \textstyle\sum_i \log(1 + e^{-z_i \cdot w}),\ w_0 = 0,\ s = \sum_i z_i,\ m = \tfrac\eta2 \min_i z_i"
    r" \cdot s > 0:\quad |w_T - w_1| \le \eta\, (T - 1) \textstyle\sum_i |z_i|\, e^{-m},\quad"
    r" \tfrac{w_T}{|w_T|} \to \tfrac{s}{|s|},\ \log L \to \log \textstyle\sum_i e^{-\eta z_i \cdot s / 2} \text{ as }"
    r" \eta\, T\, e^{-m} \to 0",
    hypotheses=(
        "examples that their sum s separates, as an average does; |s| s is not the max-margin direction",
        "eta = 100; T so small that eta T e^(-m) is",
    ),
    theory_side="closed form",
    controls=(
        "a tiny loss means a good direction",
        "frozen 5 % nearer",
        "the clock of descent at this learning rate",
        "frozen at learning rates of a few",
    ),
    parameters=Frozen,
)
def large_steps_freeze_the_direction(study: Study, sizes: Frozen) -> Iterator[Check | Curves]:
    problem = _separated_by_their_sum(study.rng("examples"), sizes)
    start = freezing.first_step(problem.Z, 1.0)
    least = apply(problem.Z, start).min(-1)
    yield from _frozen(study, sizes, problem)
    yield from _drifting(study, sizes, problem, (np.log(sizes.steps) + MODERATE) / least)
    run = _trained(study, problem, THAWED / least, [sizes.steps])
    moved = measured("direction error", direction_error(problem, run[-1]), within=Tolerance(0.01, "a hundredth"))
    yield moved.control("frozen at learning rates of a few").equals(direction_error(problem, start))


def _separated_by_their_sum(rng: np.random.Generator, sizes: Frozen) -> Separable:
    """Examples each of which their sum leaves a margin of LEAST, and whose sum is off the max-margin direction."""
    drawn = planted(
        rng,
        adding_to_one(sizes.shares),
        d=sizes.inputs,
        margin=sizes.margin,
        runs=60 * sizes.runs,
    )
    total = drawn.sum(1)
    fits = drawn[apply(drawn, total).min(-1) > LEAST]
    off = direction_error(Separable(fits), fits.sum(1)) if len(fits) else np.zeros(0)
    if (off > OFF).sum() < sizes.runs:
        found = f"{sizes.shares} ({(off > OFF).sum()} of {len(drawn)} problems fit)"
        reject("shares", found, f"{sizes.runs} whose sum separates: fewer, unequal shares, or a larger margin")
    return Separable(fits[off > OFF][: sizes.runs])


def _trained(study: Study, problem: Separable, rate: Array, record: list[int]) -> Array:
    trainee = classifier(study, logistic_loss(problem.Z, study.device), np.zeros_like(problem.w))
    return trainee.train(learning_rate=rate, steps=record[-1], record=record)["w"]


def _frozen(study: Study, sizes: Frozen, problem: Separable) -> Iterator[Check | Curves]:
    """At the learning rate of the claim: direction and loss of the first step, to within what the bound leaves."""
    eta, T = sizes.learning_rate, sizes.steps
    record = sorted({round(step) for step in np.geomspace(1, T, 12)})
    w = _trained(study, problem, np.full(len(problem.Z), eta), record)
    first = freezing.first_step(problem.Z, eta)
    margins = apply(problem.Z, first)
    lengths = np.linalg.norm(problem.Z, axis=-1)
    moved = np.array([freezing.farthest(each, float(m), eta, T) for each, m in zip(lengths, margins.min(-1))])
    because = "what the weights may have moved by, and rounding"
    within = Tolerance(2 * moved / np.linalg.norm(first, axis=-1) + 64 * EPS, because)
    error = measured("direction error", direction_error(problem, w[-1]), within=within, axes=("run",))
    frozen = direction_error(problem, first)
    yield error.equals(lambda k: k * frozen)
    yield error.control("frozen 5 % nearer").equals(0.95 * frozen)
    constant = gradient_flow.direction_constant(problem, descents.offsets(problem))
    clock = clocks.descent_clock(problem, eta, T)
    yield error.control("the clock of descent at this learning rate").equals(clocks.error_at(constant, clock))
    within = Tolerance(moved * lengths.max(-1) + 64 * EPS * np.abs(margins).max(-1) + np.exp(-margins.min(-1)), because)
    loss = np.logaddexp.reduce(-apply(problem.Z, w[-1]), axis=-1)
    loss = measured("log of the loss", loss, within=within, axes=("run",))
    yield loss.equals(lambda k: np.logaddexp.reduce(-k * margins, axis=-1))
    good = measured("direction error", direction_error(problem, w[-1]).min(), within=EVERY)
    yield good.control("a tiny loss means a good direction").at_most(TINY)
    errors = direction_error(problem, w)
    losses = np.logaddexp.reduce(-apply(problem.Z, w), axis=-1)
    yield curves(steps=np.array(record), error=errors[:, 0], log_loss=losses[:, 0], frozen=frozen[0])


def _drifting(study: Study, sizes: Frozen, problem: Separable, rate: Array) -> Iterator[Check]:
    """At a learning rate a little lower the weights are seen to move: along one direction, and less than the bound."""
    T = sizes.steps
    w = _trained(study, problem, rate, [1, T])
    moved = w[-1] - w[0]
    laws = np.stack([freezing.drift(Z, float(eta)) * eta * (T - 1) for Z, eta in zip(problem.Z, rate)])
    margins = apply(problem.Z, w[0])
    share = rate * T * np.linalg.norm(problem.Z, ord=2, axis=(-2, -1)) ** 2 * np.exp(-margins.min(-1))
    size = np.linalg.norm(laws, axis=-1)
    off = share + EPS * T * np.linalg.norm(w[-1], axis=-1) / size
    within = Tolerance(off, "the share by which losses have fallen, and rounding")
    along = (moved * laws).sum(-1) / size**2
    ratio = measured("movement along its law, over it", along, within=within, axes=("run",))
    yield ratio.equals(lambda k: k * np.ones(len(rate)))
    lengths = np.linalg.norm(problem.Z, axis=-1)
    bounds = zip(lengths, margins.min(-1), rate)
    bound = np.array([freezing.farthest(each, float(m), float(eta), T - 1) for each, m, eta in bounds])
    farthest = measured("movement", np.linalg.norm(moved, axis=-1), within=EVERY, axes=("run",))
    yield (
        farthest.supporting()
        .within_factor(10, because="examples beyond the least margin hardly move it")
        .at_most(bound)
    )
