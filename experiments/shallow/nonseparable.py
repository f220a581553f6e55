"""Contradicting examples, whose multipliers grow for ever, at slopes that are known."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from experiments.methods.minnorm.descent import AlternatingMinnormDescent
from experiments.shallow import own_data
from experiments.shallow.classifiers import minnorm_classifier
from experiments.training import recording_steps
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, exactly, measured, on_data, rounding
from theory.core.arrays import Array
from theory.core.separable import apply, labelled_by_a_teacher
from theory.minnorm.tuning import Tuning
from theory.shallow import event_driven
from theory.shallow.minnorm_flow import velocity
from theory.shallow.nonseparable import unavoidable_violations

A, B, ETA = 1.3, 0.7, 0.05
MOST_EXAMPLES = 2000  # of the user's own: nnls takes a matrix of their number squared
SATISFIED, SETTLED = 1e-9, 0.02  # violations that are rounding; a share of the steepest slope
CLEAR = 0.1  # of every violation, and of every margin of an example that is satisfied


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
)
def multipliers_grow_at_the_unavoidable_violations(study: Study) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _on_own_data(study)
    rng = study.rng("examples")
    Z = _contradicting(rng, study.pick(smoke=3, quick=12, paper=64))
    runs, n, d = Z.shape
    v = np.stack([unavoidable_violations(z) for z in Z])
    w0, multipliers0 = rng.standard_normal((runs, d)), rng.exponential(size=(runs, n))
    settled = _last_change(Z, w0, multipliers0)
    steps = int((2 * settled + study.pick(smoke=60, quick=90, paper=150)) / ETA)
    record = sorted({*range(201), *recording_steps(steps, 41), steps - 1})
    trainee = minnorm_classifier(study, Z, Tuning(A, B), w0, multipliers0, AlternatingMinnormDescent)
    run = trainee.train(learning_rate=ETA, steps=steps, record=record)
    multipliers = run["multipliers"]
    size = (1 + multipliers[-1].max(-1, keepdims=True)) / ETA
    rounded = rounding(8, size, of="the multipliers over the step size")
    # What a step size changes of the rates is small; the exact flow at half the time bounds what is left.
    unsettled = _left_over(Z, w0, multipliers0, ETA * steps / 2, v)
    within = rounded + Tolerance(unsettled, "what the exact flow has left at half this time, its active set the last")
    late = (multipliers[-1] - multipliers[-2]) / ETA
    slopes = measured("slopes of the multipliers", late, within=within, axes=("run", "example"))
    yield slopes.equals(B * v)
    least_squares = np.stack([1 - z @ np.linalg.lstsq(z, np.ones(n))[0] for z in Z])
    yield slopes.control("squared loss in place of the squared hinge").equals(B * least_squares)
    yield slopes.control("slopes 10 % larger").equals(1.1 * B * v)
    growth, least = (np.diff(multipliers[:201], axis=0) * v).sum(-1) / ETA, B * (v**2).sum(-1)
    products = Tolerance(n * np.max(rounded.value), f"v . (1 - Z w) = |v|^2 for every w; {n} x {rounded.reason}")
    grows = measured("v . lambda', first 200 steps", growth, within=products, axes=("step", "run"))
    yield grows.at_least(least)
    yield grows.control("v . lambda' 10 % larger").at_least(1.1 * least)
    size = np.linalg.norm(Z, axis=(-2, -1)) * np.sqrt(n)
    optimal = rounding(100, size, of="nnls: optimality of the squared hinge")
    residual = np.linalg.norm(apply(Z.mT, v), axis=-1)
    yield measured("Z^T v", residual, within=optimal, axes=("run",)).supporting().equals(0)
    still = exactly("as if the examples contradicted each other")
    separable = measured("growth of the multipliers", _growth_where_separable(study, rng, steps), within=still)
    yield separable.control("separable examples").at_least(least.min())
    yield curves(t=run.t, multipliers=multipliers[:, 0], slopes=B * v[0])


@on_data
def _on_own_data(study: Study) -> Iterator[Check]:
    """The bound at every step from the start, and the slopes as far as the exact flow has settled by then."""
    Z, _ = own_data.any_examples(study, MOST_EXAMPLES)
    n, d = Z.shape
    rng, runs, v = study.rng("own data"), study.pick(smoke=1, quick=3, paper=8), unavoidable_violations(Z)
    study.remark(
        f"{(v > SATISFIED).sum()} of {n} examples keep a violation; |v|^2 is {v @ v / n:.3g} of the examples' number"
    )
    b = float(100 * A / np.linalg.norm(Z, ord=2) ** 2)  # stable up to 4 / eta^2 in place of 100 A^2
    w0, multipliers0 = own_data.starts(rng, Z, runs), b * rng.exponential(size=(runs, n))
    steps = study.pick(smoke=4000, quick=100_000, paper=1_000_000)
    trainee = minnorm_classifier(
        study, np.broadcast_to(Z, (runs, n, d)), Tuning(A, b), w0, multipliers0, AlternatingMinnormDescent
    )
    half = [steps // 2, steps // 2 + 1]
    run = trainee.train(learning_rate=ETA, steps=steps, record=sorted({*range(201), *half, steps - 1, steps}))
    multipliers, least = run["multipliers"], b * (v @ v)
    rounded = rounding(8, (1 + multipliers[-1].max()) / ETA, of="the multipliers over the step size")
    growth = (np.diff(multipliers[:201], axis=0) @ v) / ETA
    within = Tolerance(n * rounded.value, f"v . (1 - Z w) = |v|^2 for every w; {n} x {rounded.reason}")
    grows = measured("v . lambda', first 200 steps", growth, within=within, case="own data", axes=("step", "run"))
    yield grows.at_least(least)
    early, late = ((multipliers[k + 1] - multipliers[k]) / ETA for k in (-4, -2))
    within = rounded + Tolerance(np.abs(late - early).max(), "what has changed since half the time")
    slopes = measured("slopes of the multipliers", late, within=within, case="own data", axes=("run", "example"))
    # As long as they fall, multipliers of examples that are satisfied in the end are no slopes of the limit.
    if (within.value < SETTLED * b * v.max()).all():
        yield slopes.equals(lambda k: k * b * np.broadcast_to(v, late.shape))
    else:
        study.remark(f"slopes not judged: still changing after {steps} steps")


def _contradicting(rng: np.random.Generator, runs: int) -> Array:
    """Random examples (runs, 8, 2), not separable, with violations clear of 0."""
    candidates = rng.standard_normal((50 * runs, 8, 2))
    return np.stack(list(islice(filter(_clear_cut, candidates), runs)))


def _clear_cut(Z: Array) -> bool:
    """Not separable, and no example is on the edge of being satisfied, where it would take arbitrarily long to show on
    which side it is."""
    v = unavoidable_violations(Z)
    active = v > 1e-9
    if not 3 <= active.sum() < len(Z) or v[active].min() < CLEAR:
        return False
    w = np.linalg.lstsq(Z[active], np.ones(active.sum()))[0]
    beyond = (Z @ w)[~active] - 1
    return bool(np.linalg.svd(Z[active])[1][-1] > 0.5 and (beyond > CLEAR).all())


def _last_change(Z: Array, w0: Array, multipliers0: Array) -> float:
    """The latest change of the active set of the exact flows: from then on no multiplier is falling to 0.

    Followed to twice the time that the multiplier with the least room, `CLEAR`, takes to fall from ten times the
    largest start.
    """
    until = 2 * 10 * multipliers0.max() / (B * CLEAR)
    starts = zip(Z, w0, multipliers0)
    return max(float(event_driven.solve(*start, a=A, b=B, until=until).starts[-1]) for start in starts)


def _left_over(Z: Array, w0: Array, multipliers0: Array, t: float, v: Array) -> Array:
    """|lambda' - b v| (runs, 1) of the exact flow at time t, multipliers that still fall among them."""
    starts = zip(Z, w0, multipliers0)
    w, multipliers = (np.stack(part) for part in zip(*(event_driven.solution(*start, t, a=A, b=B) for start in starts)))
    motion = velocity(Z, w, multipliers, A, B)[1]
    return np.abs(motion - B * v).max(-1, keepdims=True)


def _growth_where_separable(study: Study, rng: np.random.Generator, steps: int) -> Array:
    """|lambda'| (runs,) in the last step."""
    Z = labelled_by_a_teacher(rng, n=8, d=2, runs=3, least=0.5)
    w0, multipliers0 = rng.standard_normal((3, 2)), rng.exponential(size=(3, 8))
    trainee = minnorm_classifier(study, Z, Tuning(A, B), w0, multipliers0)
    run = trainee.train(learning_rate=ETA, steps=steps, record=[steps - 1, steps])
    return np.linalg.norm(np.diff(run["multipliers"], axis=0)[0] / ETA, axis=-1)
