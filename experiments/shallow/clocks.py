"""Descent, normalised descent, accelerated descent and momentum err by one constant, each over its own clock."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import eval_legendre, j0

from experiments.shallow import descents
from experiments.shallow.classifiers import classifier, exponential_loss, logistic_loss, normalised_classifier
from experiments.shallow.descents import across, along
from experiments.shallow.examples import adding_to_one
from experiments.training import Trainee
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, direction_error, margin_gap, planted
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.shallow import clocks, gradient_flow, transients

EXPONENTIAL, LOGISTIC, NORMALISED, ACCELERATED, MOMENTUM = (
    "gradient descent",
    "gradient descent, logistic",
    "normalised",
    "accelerated",
    "momentum",
)
CONDITIONS = (2.0, 8.0)  # mu_max / mu_min: modes differ, and all of them settle
ROUNDED = 1e-9  # what descent is not looked at more finely than
KICK = 1e-4  # off the end, along a mode of it
PHASE = 6.0  # q^(1/2) t at which momentum is held against Bessel's function
BEYOND = np.array([0.6, 1.0])  # slack of further examples
SMALL = 0.04  # q there, at its largest
TOO_FAR, RINGING = 3.5, 16  # eta mu_max of momentum that is stable near the end, and rings; problems


@dataclass(frozen=True)
class Clocks:
    inputs: int = varies("of each example", 4, low=3, high=20)
    margin: float = varies("gamma* of the examples", 0.35, low=0.25, high=0.5)
    shares: tuple[float, ...] = varies("of the duals in their sum, up to a factor", (0.5, 0.3, 0.2), low=0.1, high=10)
    runs: int = varies("problems", 8, smoke=4, paper=32, low=2, high=100)
    steps: int = varies(
        "of the methods that settle exponentially; momentum takes twice as many", 800, smoke=400, low=400, high=5000
    )
    descent_steps: int = varies("of gradient descent", 8000, smoke=1600, paper=64000, low=1600, high=10**6)
    forgotten: int = varies("steps in which deviations are forgotten", 100, smoke=40, low=20, high=400)

    def __post_init__(self) -> None:
        if not 3 <= len(self.shares) < self.inputs:
            reject("shares", f"{len(self.shares)} of them", f"3 at least, and fewer than the {self.inputs} inputs")
        descents.require_unequal(self.shares)


@claim(
    "shallow.three_clocks",
    source="ours; the accelerated steps: Ji, Srebro & Telgarsky 2021 (recalled), O(1/t^2) up to logarithms",
    source_kind=OURS,
    statement=r"w_T = \hat w\, \tau(T) + P \tilde w + o(1),\ e^{-z_i \cdot \tilde w} \propto \alpha_i:\quad"
    r" \tau\, \big|\tfrac{w}{|w|} - \tfrac{\hat w}{|\hat w|}\big| \to |P \tilde w|\, \gamma,\quad"
    r" \tau\, \big(\gamma - \min_i \tfrac{z_i \cdot w}{|w|}\big) \to \gamma\, (\log \alpha_{\max} - \textstyle"
    r"\sum_i p_i \log \alpha_i);\quad \tau = \log(\eta T) - \textstyle\sum_i p_i \log \alpha_i \text{ (descent)},"
    r" \eta \gamma^2 T \text{ (normalised)}, \tfrac14 \eta \gamma^2\, T (T + 3) \text{ (accelerated, momentum)};\quad"
    r" \text{left of a mode, } q = \eta \mu:\ (1 - q)^T,\ (1 - q)^{T/2} P_T(\sqrt{1 - q}),\ \sim J_0(\sqrt q\, T)",
    hypotheses=(
        "z_i = y_i x_i separable; w_hat = sum alpha_i z_i their max-margin classifier, p = alpha / sum alpha, "
        "gamma = 1 / |w_hat|, P = I - gamma^2 w_hat w_hat^T; alpha > 0 on the support vectors, linearly independent",
        "from w = 0; other examples, where there are any, in the span of the support; off it they leave what adds in "
        "quadrature",
        "normalised: w <- w - eta u, u = grad log sum e^(-z.w); accelerated: g <- t / (t + 1) (g + u), w <- w - eta "
        "(g + u); momentum: w <- w + t / (t + 1) (w - w before) - eta u",
        "mu: nonzero eigenvalues of G (diag p - p p^T) on the support, G its Gram matrix; eta mu below 2, 4/3, 4",
    ),
    theory_side="closed form",
    controls=(
        "constant 5 % larger",
        "accelerated clock without its quarter",
        "accelerated clock with T^2 in place of T (T + 3)",
        "normalised clock without gamma^2",
        "clock of descent without its constant",
        "nothing, as of duals of one size",
        "smallest dual in the gap",
        "rate of the accelerated transient without its damping",
        "momentum forgets as accelerated descent does",
        "J_0 of a phase 5 % larger",
        "examples off the span leave nothing",
        "momentum of a step of 3.5 / mu_max settles",
    ),
    parameters=Clocks,
)
def one_constant_and_three_clocks(study: Study, sizes: Clocks) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    problem = _problems(rng, sizes, sizes.runs)
    yield from _descent(study, sizes, problem)
    yield from _exponentially_settled(study, sizes, problem)
    yield from _momentum(study, sizes, problem)
    yield from _ringing(study, sizes, _problems(rng, sizes, RINGING))
    yield from _forgetting(study, sizes, problem)
    yield from _small_steps(study, problem.run(0))
    yield from _further_examples(study, sizes, rng)


def _problems(rng: np.random.Generator, sizes: Clocks, runs: int) -> Separable:
    shares = adding_to_one(sizes.shares)
    return descents.conditioned(rng, shares, runs, inputs=sizes.inputs, margin=sizes.margin, condition=CONDITIONS)


def _constant(problem: Separable) -> Array:
    return gradient_flow.direction_constant(problem, descents.offsets(problem))


def _trainees(study: Study, problem: Separable) -> dict[str, Trainee]:
    start = np.zeros_like(problem.w)
    return {
        EXPONENTIAL: classifier(study, exponential_loss(problem.Z, study.device), start),
        LOGISTIC: classifier(study, logistic_loss(problem.Z, study.device), start),
        NORMALISED: normalised_classifier(study, problem.Z, start),
        ACCELERATED: descents.accelerated_classifier(study, problem.Z, start),
        MOMENTUM: descents.momentum_classifier(study, problem.Z, start),
    }


def _held_against(
    case: str,
    problem: Separable,
    w: Array,
    clock: Array,
    within: tuple[Tolerance, ...],
) -> Iterator[Check]:
    """Weights (runs, d) at the end: where they are along and across w_hat, and their two errors."""
    constant, gap = _constant(problem), gradient_flow.margin_constant(problem)
    axes = ("run",)
    position = measured("w . w_hat / |w_hat|^2", along(problem, w), within=within[0], case=case, axes=axes)
    yield position.equals(lambda k: k * clock)
    part = np.linalg.norm(across(problem, w), axis=-1)
    part = measured("|P w|", part, within=within[1], case=case, axes=axes)
    yield part.equals(lambda k: k * constant / problem.margin)
    error = measured("direction error", direction_error(problem, w), within=within[2], case=case, axes=axes)
    yield error.equals(lambda k: clocks.error_at(k * constant, clock))
    lag = measured("margin gap", margin_gap(problem, w), within=within[3], case=case, axes=axes)
    yield lag.equals(lambda k: clocks.gap_at(problem, constant, clock / k))
    if case == ACCELERATED:
        yield error.control("constant 5 % larger").equals(clocks.error_at(1.05 * constant, clock))
        yield part.control("nothing, as of duals of one size").equals(0.0)
        alpha = problem.duals
        p = alpha * problem.margin[:, None] ** 2
        smallest = np.log(alpha.min(-1)) - (p * np.log(alpha)).sum(-1)
        wrong = clocks.gap_at(problem, constant, clock) + (problem.margin * smallest - gap) / clock
        yield lag.control("smallest dual in the gap").equals(wrong)


def _descent(study: Study, sizes: Clocks, problem: Separable) -> Iterator[Check | Curves]:
    """Learning rates of one over the curvature at the start, which logistic loss has a quarter of."""
    steepest = np.linalg.norm(problem.Z, ord=2, axis=(-2, -1)) ** 2
    for case, rate in ((EXPONENTIAL, 1 / steepest), (LOGISTIC, 4 / steepest)):
        last = sizes.descent_steps
        record = sorted({round(step) for step in np.geomspace(2, last, 24)} | {last // 2, last})
        run = _trainees(study, problem)[case].train(learning_rate=rate, steps=last, record=record)
        steps = run.facts["recorded"]
        half, w = run["w"][record.index(last // 2)], run["w"][-1]
        clock = clocks.descent_clock(problem, rate, last)
        left = _left(problem, (half, clocks.descent_clock(problem, rate, last // 2)), (w, clock))
        yield from _held_against(case, problem, w, clock, left)
        if case == EXPONENTIAL:
            place = measured("w . w_hat / |w_hat|^2", along(problem, w), within=left[0], axes=("run",))
            yield place.control("clock of descent without its constant").equals(np.log(rate * last))
        yield _drawn(case, problem, run, clocks.descent_clock(problem, rate, steps[:, None]))


def _left(problem: Separable, half: tuple[Array, Array], last: tuple[Array, Array]) -> tuple[Tolerance, ...]:
    """What is left falls as 1 / T or faster, and as log T / T for logistic loss: to three quarters in a doubling or
    less, so that three times the last change, of (weights, clock), is more than what is left."""
    because = "three times what changed in the second half of the steps: what is left nearly halves in a doubling"
    changed = np.array(_off(problem, *last)) - np.array(_off(problem, *half))
    return tuple(Tolerance(3 * np.abs(each) + ROUNDED, because) for each in changed)


def _off(problem: Separable, w: Array, clock: Array) -> tuple[Array, ...]:
    constant = _constant(problem)
    return (
        along(problem, w) - clock,
        np.linalg.norm(across(problem, w), axis=-1) - constant / problem.margin,
        direction_error(problem, w) - clocks.error_at(constant, clock),
        margin_gap(problem, w) - clocks.gap_at(problem, constant, clock),
    )


def _drawn(case: str, problem: Separable, run: Trajectory, clock: Array) -> Curves:
    """The first problem: direction error against steps, trained, and its law."""
    law = clocks.error_at(_constant(problem), np.maximum(clock, 0.0))
    steps = run.facts["recorded"]
    return curves(case, steps=steps, error=direction_error(problem, run["w"])[:, 0], law=law[:, 0])


def _exponentially_settled(study: Study, sizes: Clocks, problem: Separable) -> Iterator[Check | Curves]:
    """Exact along w_hat from the first step on, and across it once the modes are forgotten."""
    low, high = transients.support_curvature(problem)
    steps, rate = sizes.steps, 1 / high
    record = sorted({round(step) for step in np.geomspace(1, steps, 24)})
    clock_of = {NORMALISED: clocks.normalised_clock, ACCELERATED: clocks.accelerated_clock}
    left = {
        NORMALISED: (1 - low / high) ** steps,
        ACCELERATED: np.abs(transients.accelerated_transient(low / high, steps)) + (1 - low / high) ** (steps / 2),
    }
    for case, clock_at in clock_of.items():
        run = _trainees(study, problem)[case].train(learning_rate=rate, steps=steps, record=record)
        w, clock = run["w"][-1], clock_at(problem, rate, steps)
        size = np.linalg.norm(w, axis=-1)
        # Sums of so many steps, each rounded to the size of the weights; softmax sees the error of the margins.
        off = 4 * EPS * steps * size * (1 + np.linalg.norm(problem.Z, axis=-1).max(-1) * size / steps)
        off = np.maximum(off, 64 * EPS * size) + 3 * left[case] * _constant(problem) / problem.margin
        because = "three times the slowest mode, and rounding of so many steps"
        relative = Tolerance(off / size, because)
        within = (
            Tolerance(off * problem.margin, because),
            Tolerance(off, because),
            relative,
            relative * np.linalg.norm(problem.Z, axis=-1).max(-1),
        )
        yield from _held_against(case, problem, w, clock, within)
        place = measured("w . w_hat / |w_hat|^2", along(problem, w), within=within[0], axes=("run",))
        if case == ACCELERATED:
            yield place.control("accelerated clock without its quarter").equals(4 * clock)
            squared = clock * steps / (steps + 3)
            yield place.control("accelerated clock with T^2 in place of T (T + 3)").equals(squared)
        else:
            yield place.control("normalised clock without gamma^2").equals(clock / problem.margin**2)
        yield _drawn(case, problem, run, clock_at(problem, rate, run.facts["recorded"][:, None]))


def _momentum(study: Study, sizes: Clocks, problem: Separable) -> Iterator[Check | Curves]:
    """The clock is exact; across w_hat momentum rings about the constant, and its mean over a smooth window is it."""
    _, high = transients.support_curvature(problem)
    last = 2 * sizes.steps
    record = range(last + 1)
    run = _trainees(study, problem)[MOMENTUM].train(learning_rate=1 / high, steps=last, record=record)
    clock = clocks.accelerated_clock(problem, 1 / high, last)
    size = np.linalg.norm(run["w"][-1], axis=-1)
    place = measured(
        "w . w_hat / |w_hat|^2",
        along(problem, run["w"][-1]),
        within=Tolerance(8 * EPS * last * size * problem.margin, "a rounding of the weights a step"),
        case=MOMENTUM,
        axes=("run",),
    )
    yield place.equals(lambda k: k * clock)
    sideways = across(problem, run["w"])
    quarter, half, mean = (_smoothed(sideways, last // k) for k in (4, 2, 1))
    # Of second order the oscillations' squares move it, as 1 / T.
    changes = 3 * np.linalg.norm(mean - half, axis=-1) + np.linalg.norm(half - quarter, axis=-1) / 2
    within = Tolerance(changes, "three times what changed in the second half of the steps, and half of what did before")
    constant = _constant(problem) / problem.margin
    mean = measured(
        "mean of P w over oscillations", np.linalg.norm(mean, axis=-1), within=within, case=MOMENTUM, axes=("run",)
    )
    yield mean.equals(lambda k: k * constant)
    steps = sorted({round(step) for step in np.geomspace(1, last, 40)})
    law = clocks.error_at(_constant(problem), clocks.accelerated_clock(problem, 1 / high, np.array(steps)[:, None]))
    yield curves(MOMENTUM, steps=steps, error=direction_error(problem, run["w"][steps])[:, 0], law=law[:, 0])


def _ringing(study: Study, sizes: Clocks, problem: Separable) -> Iterator[Check]:
    """Four of five problems ring: that none of so many does is rarer than one seed in ten million."""
    _, high = transients.support_curvature(problem)
    trainee = descents.momentum_classifier(study, problem.Z, np.zeros_like(problem.w))
    w = trainee.train(learning_rate=TOO_FAR / high, steps=sizes.steps, record=[sizes.steps])["w"][-1]
    rung = np.linalg.norm(across(problem, w), axis=-1) * problem.margin / _constant(problem)
    settled = measured("|P w|, of its limit", rung, within=Tolerance(1.0, "as much again"), axes=("run",))
    yield settled.control("momentum of a step of 3.5 / mu_max settles").at_most(1.0)


def _smoothed(values: Array, end: int) -> Array:
    """Mean (runs, d) of values (T, ...) from end / 2 to `end`, in a window that is smooth at its ends."""
    chosen = values[end // 2 : end + 1]
    weights = np.sin(np.pi * (np.arange(len(chosen)) + 0.5) / len(chosen)) ** 4
    return np.tensordot(weights / weights.sum(), chosen, axes=(0, 0))


def _forgetting(study: Study, sizes: Clocks, problem: Separable) -> Iterator[Check | Curves]:
    """From the end, off it along a mode to either side: what is left of that, over steps."""
    one = problem.run(0)
    q, modes = _modes(one)
    offset = gradient_flow.offset(one, np.zeros(one.w.shape))
    starts = np.concatenate([offset + KICK * modes, offset - KICK * modes])
    Z = np.repeat(one.Z[None], len(starts), axis=0)
    several = Separable(Z)
    rate, steps = 0.7 / q.max(), sizes.forgotten
    q = rate * q
    t = np.arange(steps + 1)
    laws = {
        NORMALISED: lambda q: (1 - q) ** t[:, None],
        ACCELERATED: lambda q: transients.accelerated_transient(np.minimum(q, 1.0), t[:, None]),
        MOMENTUM: lambda q: np.stack([transients.momentum_transient(float(each), steps) for each in q], axis=-1),
    }
    trainees = {
        NORMALISED: normalised_classifier(study, Z, starts),
        ACCELERATED: descents.accelerated_classifier(study, Z, starts),
        MOMENTUM: descents.momentum_classifier(study, Z, starts),
    }
    spread = np.ptp(one.Z @ modes.T, axis=0).max()
    found = {}
    for case, trainee in trainees.items():
        run = trainee.train(learning_rate=rate, steps=steps, record=range(steps + 1))
        ahead, behind = np.split(across(several, run["w"]), 2, axis=1)
        left = np.einsum("tmd,md->tm", ahead - behind, modes) / (2 * KICK)
        size = np.linalg.norm(run["w"][-1], axis=-1).max()
        # The softmax of a margin off by x has a third derivative of at most 1: even terms cancel between the sides.
        off = steps * (spread * KICK) ** 2 + 4 * EPS * steps * size / KICK
        within = Tolerance(float(off), "a kick's cube a step, and rounding over the kick")
        found[case] = measured("what is left of a mode", left, within=within, case=case, axes=("t", "mode"))
        yield found[case].equals(lambda k, law=laws[case]: law(k * q))
        yield curves(f"forgetting, {case}", t=t, left=left[:, 0], law=laws[case](q)[:, 0])
    undamped = eval_legendre(t[:, None], np.sqrt(1 - q))
    yield found[ACCELERATED].control("rate of the accelerated transient without its damping").equals(undamped)
    yield found[MOMENTUM].control("momentum forgets as accelerated descent does").equals(laws[ACCELERATED](q))


def _modes(one: Separable) -> tuple[Array, Array]:
    """Curvatures mu and directions (modes, d) at the end."""
    p = one.duals * one.margin**2
    centred = np.sqrt(p)[:, None] * (one.Z - p @ one.Z)
    _, values, rows = np.linalg.svd(centred, full_matrices=False)
    kept = values > 1e-6 * values[0]
    return values[kept] ** 2, rows[kept]


def _small_steps(study: Study, one: Separable) -> Iterator[Check | Curves]:
    """Momentum at q, q / 4, q / 16 of one mode, after as long in q^(1/2) t: Bessel's function, and its envelope."""
    mu, modes = _modes(one)
    offset = gradient_flow.offset(one, np.zeros(one.w.shape))
    pair = np.stack([offset + KICK * modes[0], offset - KICK * modes[0]])
    values, Z = [], np.repeat(one.Z[None], 2, axis=0)
    both = Separable(Z)
    for q in SMALL / 4.0 ** np.arange(4):
        steps = round(PHASE / np.sqrt(q))
        trainee = descents.momentum_classifier(study, Z, pair)
        run = trainee.train(learning_rate=q / mu[0], steps=steps, record=[steps // 2, steps])
        ahead, behind = np.moveaxis(across(both, run["w"]) @ modes[0], 1, 0)
        values.append((ahead - behind) / (2 * KICK))
    limit, error = richardson(values)
    within = Tolerance(error + 1e-5, "last correction of an extrapolation in q^(1/2); the kick")
    bessel = measured("what momentum leaves as steps vanish", limit, within=within, case=MOMENTUM, axes=("time",))
    phases = np.array([PHASE / 2, PHASE])
    yield bessel.equals(lambda k: j0(k * phases))
    yield bessel.control("J_0 of a phase 5 % larger").equals(j0(1.05 * phases))


def _further_examples(study: Study, sizes: Clocks, rng: np.random.Generator) -> Iterator[Check]:
    """Beyond the margin: in the span of the support they change nothing; off it they leave what adds in quadrature."""
    shares = adding_to_one(sizes.shares)
    inside, beside, within, constant = _accelerated_beside(study, sizes, rng, inputs=len(shares))
    whole = measured("|P w|", inside, within=within, case="further examples in the span", axes=("run",))
    yield whole.equals(lambda k: k * constant)
    total, beside, within, spanned = _accelerated_beside(study, sizes, rng, inputs=sizes.inputs)
    whole = measured("|P w|", total, within=within, case="further examples off the span", axes=("run",))
    yield whole.equals(lambda k: np.hypot(k * spanned, beside))
    yield whole.control("examples off the span leave nothing").equals(spanned)


def _accelerated_beside(
    study: Study, sizes: Clocks, rng: np.random.Generator, inputs: int
) -> tuple[Array, Array, Tolerance, Array]:
    """|P w| and the part of it off the span of the support, what they may be off by, and the constant of the support
    alone."""
    shares = adding_to_one(sizes.shares)
    drawn = planted(rng, shares, d=inputs, margin=sizes.margin, slack=BEYOND, runs=40 * sizes.runs)
    low, high = transients.support_curvature(Separable(drawn))
    problem = Separable(drawn[np.argsort(high / low)[: sizes.runs]])
    low, high = transients.support_curvature(problem)
    trainee = descents.accelerated_classifier(study, problem.Z, np.zeros_like(problem.w))
    w = trainee.train(learning_rate=0.5 / high, steps=sizes.steps, record=[sizes.steps])["w"][-1]
    alone = Separable(problem.Z[:, : len(shares)])
    off_span = w - apply(np.linalg.pinv(alone.Z) @ alone.Z, w)
    constant = _constant(alone) / problem.margin
    left = (1 - 0.5 * low / high) ** (sizes.steps / 2) * constant
    off = 64 * EPS * sizes.steps * np.linalg.norm(w, axis=-1) + 3 * left
    within = Tolerance(off, "three times the slowest mode, and rounding")
    return np.linalg.norm(across(problem, w), axis=-1), np.linalg.norm(off_span, axis=-1), within, constant
