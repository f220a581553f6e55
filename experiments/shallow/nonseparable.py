"""Contradicting examples, whose multipliers grow for ever, at slopes that are known."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from experiments.methods.minnorm.descent import AlternatingMinnormDescent
from experiments.shallow import own_data
from experiments.shallow.classifiers import minnorm_classifier
from experiments.training import recording_steps
from theory.claims import (
    OURS,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    on_data,
    rounding,
    varies,
)
from theory.core.arrays import Array
from theory.core.separable import apply, labelled_by_a_teacher
from theory.core.validation import reject
from theory.minnorm.tuning import Tuning
from theory.shallow import event_driven, minnorm_flow
from theory.shallow.nonseparable import unavoidable_violations

MOST_EXAMPLES = 2000  # of the user's own: nnls takes a matrix of their number squared
SATISFIED, SETTLED = 1e-9, 0.02  # violations that are rounding; a share of the steepest slope
CLEAR = 0.1  # of every violation, and of every margin of an example that is satisfied
LEAST_SINGULAR = 0.5  # of the examples that keep a violation
OVER = 4.5  # time x rate that is left of the transient at half the time
LONGEST = 40_000


@dataclass(frozen=True)
class Contradicting:
    inputs: int = varies("of each example", 2, low=2, high=4, from_data=True)
    examples: int = varies("that contradict each other", 8, low=4, high=16, from_data=True)
    a: float = varies("speed of the weights", 1.3, low=0.5, high=3)
    b: float = varies("speed of the multipliers", 0.7, low=0.1, high=3)
    learning_rate: float = varies("of the training", 0.05, low=0.005, high=0.1)
    time: float = varies(
        "trained after twice that of the last change of the active set",
        90.0,
        smoke=60.0,
        paper=150.0,
        low=10,
        high=2000,
    )
    runs: int = varies("problems", 12, smoke=3, paper=64, low=1, high=100)
    data_steps: int = varies("on own data", 100_000, smoke=4000, paper=1_000_000, low=1000, high=1_000_000)
    data_runs: int = varies("starts on own data", 3, smoke=1, paper=8, low=1, high=50)

    def __post_init__(self) -> None:
        rate = float(minnorm_flow.rate(LEAST_SINGULAR**2, self.a, self.b))
        if self.time * rate < 2 * OVER:
            reject("time", self.time, f"at least {2 * OVER / rate:.3g}, at these speeds a and b")
        if self.time > LONGEST * self.learning_rate:
            reject("time", self.time, f"at most {LONGEST * self.learning_rate:g}, {LONGEST} steps of the learning rate")


@claim(
    "minnorm.shallow_nonseparable",
    source="ours; the method is Bansal et al. 2018 (reconstruction: gradient descent-ascent on the Lagrangian)",
    source_kind=OURS,
    statement=r"w' = -a (w - Z^\top \lambda),\ \lambda' = b\,[1 - Z w]_{\lambda \ge 0}:\quad \lambda' \to b\,v,"
    r"\quad v = (1 - Z w_q)_+,\ w_q \text{ a minimiser of } |(1 - Z w)_+|^2;"
    r"\quad v \cdot \lambda' \ge b\,|v|^2 \text{ always}",
    hypotheses=("examples z_i = y_i x_i, the rows of Z, not separable by a classifier without bias",),
    theory_side="law",
    controls=(
        "squared loss in place of the squared hinge",
        "slopes 10 % larger",
        "v . lambda' 10 % larger",
        "separable examples",
    ),
    accepts_data="inseparable",
    parameters=Contradicting,
)
def multipliers_grow_at_the_unavoidable_violations(study: Study, sizes: Contradicting) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _on_own_data(study, sizes)
    rng, a, b, eta = study.rng("examples"), sizes.a, sizes.b, sizes.learning_rate
    Z = _contradicting(rng, sizes)
    runs, n, d = Z.shape
    v = np.stack([unavoidable_violations(z) for z in Z])
    w0, multipliers0 = rng.standard_normal((runs, d)), rng.exponential(size=(runs, n))
    flows = Tuning(a, b)
    settled = _last_change(Z, w0, multipliers0, flows)
    steps = int((2 * settled + sizes.time) / eta)
    record = sorted({*range(201), *recording_steps(steps, 41), steps - 1})
    trainee = minnorm_classifier(study, Z, flows, w0, multipliers0, AlternatingMinnormDescent)
    run = trainee.train(learning_rate=eta, steps=steps, record=record)
    multipliers = run["multipliers"]
    size = (1 + multipliers[-1].max(-1, keepdims=True)) / eta
    rounded = rounding(8, size, of="the multipliers over the step size")
    # What a step size changes of the rates is small; the exact flow at half the time bounds what is left.
    unsettled = _left_over(Z, w0, multipliers0, eta * steps / 2, v, flows)
    within = rounded + Tolerance(unsettled, "what the exact flow has left at half this time, its active set the last")
    late = (multipliers[-1] - multipliers[-2]) / eta
    slopes = measured("slopes of the multipliers", late, within=within, axes=("run", "example"))
    yield slopes.equals(b * v)
    least_squares = np.stack([1 - z @ np.linalg.lstsq(z, np.ones(n))[0] for z in Z])
    yield slopes.control("squared loss in place of the squared hinge").equals(b * least_squares)
    yield slopes.control("slopes 10 % larger").equals(1.1 * b * v)
    growth, least = (np.diff(multipliers[:201], axis=0) * v).sum(-1) / eta, b * (v**2).sum(-1)
    products = Tolerance(n * np.max(rounded.value), f"v . (1 - Z w) = |v|^2 for every w; {n} x {rounded.reason}")
    grows = measured("v . lambda', first 200 steps", growth, within=products, axes=("step", "run"))
    yield grows.at_least(least)
    yield grows.control("v . lambda' 10 % larger").at_least(1.1 * least)
    size = np.linalg.norm(Z, axis=(-2, -1)) * np.sqrt(n)
    optimal = rounding(100, size, of="nnls: optimality of the squared hinge")
    residual = np.linalg.norm(apply(Z.mT, v), axis=-1)
    yield measured("Z^T v", residual, within=optimal, axes=("run",)).supporting().equals(0)
    still = exactly("as if the examples contradicted each other")
    separable = measured("growth of the multipliers", _growth_where_separable(study, rng, sizes, steps), within=still)
    yield separable.control("separable examples").at_least(least.min())
    yield curves(t=run.t, multipliers=multipliers[:, 0], slopes=b * v[0])


@on_data
def _on_own_data(study: Study, sizes: Contradicting) -> Iterator[Check]:
    """The bound at every step from the start, and the slopes as far as the exact flow has settled by then."""
    Z, _ = own_data.any_examples(study, MOST_EXAMPLES)
    n, d = Z.shape
    rng, runs, v = study.rng("own data"), sizes.data_runs, unavoidable_violations(Z)
    study.remark(
        f"{(v > SATISFIED).sum()} of {n} examples keep a violation; |v|^2 is {v @ v / n:.3g} of the examples' number"
    )
    a, eta, steps = sizes.a, sizes.learning_rate, sizes.data_steps
    b = float(100 * a / np.linalg.norm(Z, ord=2) ** 2)  # stable up to 4 / eta^2 in place of 100 a^2
    w0, multipliers0 = own_data.starts(rng, Z, runs), b * rng.exponential(size=(runs, n))
    trainee = minnorm_classifier(
        study, np.broadcast_to(Z, (runs, n, d)), Tuning(a, b), w0, multipliers0, AlternatingMinnormDescent
    )
    half = [steps // 2, steps // 2 + 1]
    run = trainee.train(learning_rate=eta, steps=steps, record=sorted({*range(201), *half, steps - 1, steps}))
    multipliers, least = run["multipliers"], b * (v @ v)
    rounded = rounding(8, (1 + multipliers[-1].max()) / eta, of="the multipliers over the step size")
    growth = (np.diff(multipliers[:201], axis=0) @ v) / eta
    within = Tolerance(n * rounded.value, f"v . (1 - Z w) = |v|^2 for every w; {n} x {rounded.reason}")
    grows = measured("v . lambda', first 200 steps", growth, within=within, case="own data", axes=("step", "run"))
    yield grows.at_least(least)
    early, late = ((multipliers[k + 1] - multipliers[k]) / eta for k in (-4, -2))
    within = rounded + Tolerance(np.abs(late - early).max(), "what has changed since half the time")
    slopes = measured("slopes of the multipliers", late, within=within, case="own data", axes=("run", "example"))
    # As long as they fall, multipliers of examples that are satisfied in the end are no slopes of the limit.
    if (within.value < SETTLED * b * v.max()).all():
        yield slopes.equals(lambda k: k * b * np.broadcast_to(v, late.shape))
    else:
        study.remark(f"slopes not judged: still changing after {steps} steps")


def _contradicting(rng: np.random.Generator, sizes: Contradicting) -> Array:
    """Random examples (runs, n, d), not separable, with violations clear of 0."""
    candidates = rng.standard_normal((50 * sizes.runs, sizes.examples, sizes.inputs))
    found = list(islice(filter(_clear_cut, candidates), sizes.runs))
    if len(found) < sizes.runs:
        what = f"{len(found)} of {len(candidates)} with {sizes.examples} examples of {sizes.inputs} inputs"
        reject(
            "problems",
            what,
            f"at least {sizes.runs} that are not separable, by a margin: choose about 4 examples an input",
        )
    return np.stack(found)


def _clear_cut(Z: Array) -> bool:
    """Not separable, and no example is on the edge of being satisfied, where it would take arbitrarily long to show on
    which side it is."""
    v = unavoidable_violations(Z)
    active = v > 1e-9
    if not Z.shape[1] + 1 <= active.sum() < len(Z) or v[active].min() < CLEAR:
        return False
    w = np.linalg.lstsq(Z[active], np.ones(active.sum()))[0]
    beyond = (Z @ w)[~active] - 1
    return bool(np.linalg.svd(Z[active])[1][-1] > LEAST_SINGULAR and (beyond > CLEAR).all())


def _last_change(Z: Array, w0: Array, multipliers0: Array, flows: Tuning) -> float:
    """The latest change of the active set of the exact flows: from then on no multiplier is falling to 0.

    Followed to twice the time that the multiplier with the least room, `CLEAR`, takes to fall from ten times the
    largest start.
    """
    until = 2 * 10 * multipliers0.max() / (float(flows.b) * CLEAR)
    starts = zip(Z, w0, multipliers0)
    return max(float(event_driven.solve(*start, a=flows.a, b=flows.b, until=until).starts[-1]) for start in starts)


def _left_over(Z: Array, w0: Array, multipliers0: Array, t: float, v: Array, flows: Tuning) -> Array:
    """|lambda' - b v| (runs, 1) of the exact flow at time t, multipliers that still fall among them."""
    starts = zip(Z, w0, multipliers0)
    ends = [event_driven.solution(*start, t, a=flows.a, b=flows.b) for start in starts]
    w, multipliers = (np.stack(part) for part in zip(*ends))
    motion = minnorm_flow.velocity(Z, w, multipliers, flows.a, flows.b)[1]
    return np.abs(motion - flows.b * v).max(-1, keepdims=True)


def _growth_where_separable(study: Study, rng: np.random.Generator, sizes: Contradicting, steps: int) -> Array:
    """|lambda'| (runs,) in the last step."""
    n, d, eta = sizes.examples, sizes.inputs, sizes.learning_rate
    Z = labelled_by_a_teacher(rng, n=n, d=d, runs=3, least=0.5)
    w0, multipliers0 = rng.standard_normal((3, d)), rng.exponential(size=(3, n))
    # Alternating, as where examples contradict each other: simultaneous steps may diverge.
    trainee = minnorm_classifier(study, Z, Tuning(sizes.a, sizes.b), w0, multipliers0, AlternatingMinnormDescent)
    run = trainee.train(learning_rate=eta, steps=steps, record=[steps - 1, steps])
    return np.linalg.norm(np.diff(run["multipliers"], axis=0)[0] / eta, axis=-1)
