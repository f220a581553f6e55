"""Where Minnorm cannot converge: contradicting examples, whose multipliers grow at slopes that are known, and
duplicated examples, whose multipliers are not unique."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from experiments.shallow.classifiers import AlternatingMinnorm, SimultaneousMinnorm, train_minnorm
from experiments.training.loop import recording_steps
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, labelled_by_a_teacher, planted
from theory.core.trajectory import Trajectory
from theory.shallow import event_driven
from theory.shallow.nonseparable import unavoidable_violations

A, B = 1.0, 0.7
SOURCE = "ours; the method is Bansal et al. 2018 (reconstruction: gradient descent-ascent on the Lagrangian)"


@claim(
    "minnorm.shallow_nonseparable",
    source=SOURCE,
    statement=r"\lambda' \to b\,v,\quad v = (1 - Z w_q)_+,\ w_q \in \arg\min |(1 - Z w)_+|^2;\quad"
    r" v \cdot \lambda' \ge b\,|v|^2 \text{ always}",
    hypotheses=("not separable by a classifier without bias",),
    controls=(
        "squared loss in place of the squared hinge",
        "slopes 10 % larger",
        "v . lambda' 10 % larger",
        "separable examples",
    ),
)
def multipliers_grow_at_the_unavoidable_violations(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    Z = _contradicting(rng, study.pick(smoke=3, quick=12, paper=64))
    runs, n, d = Z.shape
    v = np.stack([unavoidable_violations(z) for z in Z])
    w0, multipliers0 = rng.standard_normal((runs, d)), rng.exponential(size=(runs, n))
    eta, steps = 0.05, study.pick(smoke=2000, quick=5000, paper=40000)
    rule = AlternatingMinnorm(Z, A, B, study.device)
    record = sorted({*range(201), *recording_steps(steps, 41), steps - 1})
    run = train_minnorm(study, "run", rule, w0, multipliers0, learning_rate=eta, steps=steps, record=record)
    late = (run["multipliers"][-1] - run["multipliers"][-2]) / eta
    # What a step size changes of the rates is small; the exact flow at half the time bounds what is left.
    rounding = 8 * EPS * (1 + run["multipliers"][-1].max(-1, keepdims=True)) / eta
    left = _left_over(Z, w0, multipliers0, eta * steps / 2, v)
    tolerance = rounding + left
    because = "rounding of the multipliers over the step size, and what the exact flow has left at half this time"
    yield equal("slopes of the multipliers", late, B * v, tolerance=tolerance, because=because)
    growth = (np.diff(run["multipliers"][:201], axis=0) * v).sum(-1) / eta
    least = B * (v**2).sum(-1)

    def grows_at_least(bound: Array) -> Check:
        missing = np.maximum(bound - growth, 0)
        because = "v . (1 - Z w) = |v|^2 for every w; rounding of the multipliers over the step size"
        name = "v . lambda' falls short, first 200 steps"
        return equal(name, missing, 0, tolerance=n * rounding.max(), because=because)

    yield grows_at_least(least)
    yield refuted("v . lambda' 10 % larger", grows_at_least(1.1 * least))
    residual = np.linalg.norm((Z.mT @ v[..., None])[..., 0], axis=-1)
    because = "optimality of the squared hinge; rounding of nnls"
    size = np.linalg.norm(Z, axis=(-2, -1)) * np.sqrt(n)
    yield equal("Z^T v", residual, 0, tolerance=100 * EPS * size, because=because)
    least_squares = np.stack([1 - z @ np.linalg.lstsq(z, np.ones(n))[0] for z in Z])
    claimed = equal("slopes", late, B * least_squares, tolerance=tolerance, because=because)
    yield refuted("squared loss in place of the squared hinge", claimed)
    yield refuted("slopes 10 % larger", equal("slopes", late, 1.1 * B * v, tolerance=tolerance, because=because))
    yield refuted("separable examples", _separable_do_not_grow(study, rng, eta, steps, least.min()))
    yield curves(t=run.t, multipliers=run["multipliers"][:, 0], slopes=B * v[0])


@claim(
    "minnorm.shallow_degenerate",
    source=SOURCE,
    statement=r"z_1 = z_2 \;\Rightarrow\; w \to \hat w,\ \lambda_1 + \lambda_2 \to \alpha,\ "
    r"\lambda_1 - \lambda_2 = \text{const}",
    hypotheses=("separable", "a support vector occurs twice", "both its multipliers stay above 0"),
    controls=("the multipliers forget their start",),
)
def duplicated_support_vectors_share_a_dual(study: Study) -> Iterator[Check]:
    rng = study.rng("examples")
    once = Separable(planted(rng, np.array([0.5, 0.3, 0.2]), d=4, margin=0.8, runs=200))
    once = once.run(int(np.argmin(once.condition)))
    Z = np.vstack([once.Z, once.Z[:1]])
    runs, eta, steps = 4, 0.2, study.pick(smoke=1000, quick=2000, paper=20000)
    split = rng.uniform(0.3, 0.7, runs)
    multipliers0 = np.column_stack([split, np.full((runs, 2), once.duals[1:]), 1 - split])
    multipliers0[:, [0, 3]] *= once.duals[0]
    w0 = once.w + 0.02 * rng.standard_normal((runs, 4))
    rule = SimultaneousMinnorm(Z, A, B, study.device)
    run = train_minnorm(study, "run", rule, w0, multipliers0, learning_rate=eta, steps=steps, record=[0, steps])
    w, multipliers = run["w"][-1], run["multipliers"][-1]
    # A fixed point is reproduced up to the rounding of its inputs, amplified by the condition number.
    rounding = 64 * EPS * float(once.condition) * np.abs(once.duals).max()
    because = "condition number x rounding: the transient is over"
    yield equal("w", w, once.w, tolerance=rounding, because=because)
    yield equal("sum of the duplicates' multipliers", multipliers[:, 0] + multipliers[:, 3], once.duals[0],
                tolerance=rounding, because=because)  # fmt: skip
    difference = multipliers[:, 0] - multipliers[:, 3]
    start = multipliers0[:, 0] - multipliers0[:, 3]
    because = "two roundings a step"
    yield equal("difference of the duplicates' multipliers", difference, start,
                tolerance=2 * steps * EPS * once.duals[0], because=because)  # fmt: skip
    claimed = equal("dual", multipliers[:, 0], multipliers[:1, 0], tolerance=rounding, because=because)
    yield refuted("the multipliers forget their start", claimed)


def _contradicting(rng: np.random.Generator, runs: int) -> Array:
    """Random examples (runs, 8, 2), not separable, with violations clear of 0."""
    candidates = rng.standard_normal((50 * runs, 8, 2))
    return np.stack(list(islice(filter(_clear_cut, candidates), runs)))


def _clear_cut(Z: Array) -> bool:
    """Not separable, and no example is on the edge of being satisfied, where it would take arbitrarily long to show on
    which side it is."""
    v = unavoidable_violations(Z)
    active = v > 1e-9
    if not 3 <= active.sum() < len(Z) or v[active].min() < 0.05:
        return False
    w = np.linalg.lstsq(Z[active], np.ones(active.sum()))[0]
    beyond = (Z @ w)[~active] - 1
    return bool(np.linalg.svd(Z[active])[1][-1] > 0.5 and (beyond > 0.05).all())


def _left_over(Z: Array, w0: Array, multipliers0: Array, t: float, v: Array) -> Array:
    """|lambda' - b v| of the exact flow at time t, a run."""
    left = []
    for z, w, multipliers, violation in zip(Z, w0, multipliers0, v):
        state = event_driven.solve(z, w, multipliers, a=A, b=B, until=t)(np.array(t))[0]
        left.append([np.abs(np.maximum(1 - z @ state, 0) - violation).max()])
    return B * np.array(left)


def _separable_do_not_grow(study: Study, rng: np.random.Generator, eta: float, steps: int, least: float) -> Check:
    Z = labelled_by_a_teacher(rng, n=8, d=2, runs=3, least=0.5)
    rule = SimultaneousMinnorm(Z, A, B, study.device)
    start = {"w": rng.standard_normal((3, 2)), "multipliers": rng.exponential(size=(3, 8))}
    run: Trajectory = train_minnorm(
        study, "separable", rule, *start.values(), learning_rate=eta, steps=steps, record=[steps - 1, steps]
    )
    growth = np.linalg.norm(np.diff(run["multipliers"], axis=0)[0] / eta, axis=-1)
    return at_least("growth of the multipliers", growth, least, because="as if the examples contradicted each other")
