"""The Minnorm flow near and far from its fixed point: Lyapunov function, spectrum, the rate that saturates at a/2."""

from collections.abc import Iterator

import numpy as np

from experiments.shallow.classifiers import SimultaneousMinnorm, train_minnorm
from experiments.training.legacy import extrapolated
from experiments.training.loop import recording_steps
from experiments.training.refinement import tends_to
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, labelled_by_a_teacher, planted
from theory.core.trajectory import Trajectory
from theory.shallow import minnorm_flow

REFINED = (1, 2, 4)  # the step sizes of training are the first one over these
SHARES = np.array([0.5, 0.3, 0.2])
# b g_min / a, on both sides of the kink at 1/4 (at the kink itself two modes coincide, and eigenvalues of a measured
# matrix are accurate to half the digits only).
RATIOS = np.array([0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.7, 1.2, 2.0])
PERTURBATION = 1e-3
SOURCE = "Bansal et al. 2018 (reconstruction: gradient descent-ascent on the Lagrangian)"


@claim(
    "minnorm.shallow_flow",
    source=SOURCE,
    statement=r"V = \tfrac{|w - \hat w|^2}{2a} + \tfrac{|\lambda - \alpha|^2}{2b},\ V' \le -|w - \hat w|^2;\quad"
    r" s^2 + a s + a b g_k = 0,\quad r = \tfrac{a}{2} \text{ iff } b \ge \tfrac{a}{4 g_{\min}}",
    hypotheses=("separable", "support fixed (spectrum, rate, closed form only)"),
    controls=(
        "dissipation 10 % faster",
        "dual term of V halved",
        "largest eigenvalue of the Gram matrix in place of the smallest",
        "the rate goes on growing with b",
        "rate a / 2 just below b*",
        "augmentation left out of the spectrum",
        "closed form with b 10 % larger",
    ),
)
def minnorm_flow_converges_exponentially(study: Study) -> Iterator[Check | Curves]:
    yield from _lyapunov(study)
    rng = study.rng("support")
    problem = _well_conditioned(rng)
    yield from _spectrum(study, problem)
    yield from _rate(study, problem)
    yield from _closed_form(study, problem, rng)


def _lyapunov(study: Study) -> Iterator[Check]:
    """Every step of training, through all changes of the active set. One step of Euler's from (w, lambda) by eta F,
    before it is kept at lambda >= 0, changes the quadratic V by eta V' + eta^2 (|w'|^2 / 2a + |lambda'|^2 / 2b)."""
    rng = study.rng("lyapunov")
    runs, a, b, eta = study.pick(smoke=4, quick=16, paper=64), 1.3, 0.7, 0.02
    problem = Separable(labelled_by_a_teacher(rng, n=12, d=5, runs=runs, least=0.3))
    w, multipliers = 2 * rng.standard_normal((runs, 5)), 2 * rng.exponential(size=(runs, 12))
    rule = SimultaneousMinnorm(problem.Z, a, b, study.device)
    run = _train(study, "lyapunov", rule, w, multipliers, eta, study.pick(smoke=300, quick=1500, paper=6000))
    w, multipliers = run["w"], run["multipliers"]
    V = minnorm_flow.lyapunov(problem, w, multipliers, a, b)
    dissipated = minnorm_flow.dissipation(problem, w, multipliers)[:-1]
    pull, violation = (problem.Z.mT @ multipliers[..., None])[..., 0], 1 - _margins(problem, w)
    second = eta * (a * ((w - pull) ** 2).sum(-1) + b * (violation**2).sum(-1))[:-1] / 2
    # V sums 17 squares of numbers that carry 12 roundings each, twice.
    size = V[:1] + (problem.duals**2).sum(-1) / (2 * b) + 1 / (2 * a * problem.margin**2)
    rounding = 64 * EPS * size / eta
    because = "V sums 17 squares with a dozen roundings each; divided by the step size"
    measured = np.diff(V, axis=0) / eta - second
    # Where no multiplier is at 0 after the step none was held there, and the bound is an equality.
    free = (multipliers[1:] > 0) | (multipliers[:-1] + eta * b * violation[:-1] >= 0)
    exact = np.where(free.all(-1), measured, -dissipated)
    yield equal("V' at every step without projection", exact, -dissipated, tolerance=rounding, because=because)
    held = np.maximum(measured + dissipated, 0)
    yield equal("V' is at most its bound at every step", held, 0, tolerance=rounding, because=because)
    faster = np.maximum(measured + 1.1 * dissipated, 0)
    claimed = equal("bound", faster, 0, tolerance=rounding, because=because)
    yield refuted("dissipation 10 % faster", claimed)
    # V with b doubled: no longer dissipated.
    other = np.diff(minnorm_flow.lyapunov(problem, w, multipliers, a, 2 * b), axis=0) / eta
    claimed = equal("growth", np.maximum(other - second, 0), 0, tolerance=rounding, because=because)
    yield refuted("dual term of V halved", claimed)


def _spectrum(study: Study, problem: Separable) -> Iterator[Check]:
    """The Jacobian of one trained step, I + eta A: its eigenvalues are 1 + eta s at any step size."""
    a, eta = 1.3, 0.05
    g_min, g_max = problem.gram_range
    # Complex, mixed and real roots.
    for b, c in ((3 * a / g_min, 0.0), (a / 4 / np.sqrt(g_min * g_max), 0.0), (a / 8 / g_max, 0.0), (0.9 * a, 0.7)):
        b = float(b)
        rule = SimultaneousMinnorm(problem.Z, a, b, study.device, c)
        jacobian = _propagator(study, f"jacobian {b} {c}", problem, rule, eta, 1)
        measured = np.sort_complex((np.linalg.eigvals(jacobian) - 1) / eta)
        predicted = np.sort_complex(minnorm_flow.spectrum(problem, a, b, c))
        # Compared through the characteristic polynomial's power sums: they do not care for the order of the roots.
        powers = np.arange(1, predicted.size + 1)[:, None]
        size = np.abs(predicted).max()
        sums = [((s / size) ** powers).sum(1).real for s in (measured, predicted)]
        entry = 10 * EPS / (eta * size * PERTURBATION)
        tolerance = powers[:, 0] * predicted.size**2 * entry
        because = "power sums; each of the Jacobian's entries is a state's ten roundings over eta x perturbation"
        yield equal(f"spectrum, b = {b:.3g}, c = {c:g}", *sums, tolerance=tolerance, because=because)
    plain = np.sort_complex(minnorm_flow.spectrum(problem, a, b))
    claimed = equal("spectrum", sums[0], ((plain / size) ** powers).sum(1).real, tolerance=tolerance, because=because)
    yield refuted("augmentation left out of the spectrum", claimed)


def _rate(study: Study, problem: Separable) -> Iterator[Check | Curves]:
    """Spectral radius of training over a fixed time, at three step sizes."""
    a, horizon = 1.0, 6.0
    steps = study.pick(smoke=300, quick=600, paper=4000)
    g_min, g_max = problem.gram_range
    # Five percent below and above the kink, besides.
    kink = minnorm_flow.critical_dual_rate(g_min, a)
    b = np.concatenate([RATIOS * a / g_min, [0.95 * kink, 1.05 * kink]])
    rates = []
    for k in REFINED:
        # All perturbed states at all ratios are one batch.
        rule = SimultaneousMinnorm(problem.Z, a, np.repeat(b, _size(problem) + 1), study.device)
        propagators = _propagators(study, f"rate over {k}", problem, rule, horizon / steps / k, steps * k, b.size)
        radius = np.abs(np.linalg.eigvals(propagators)).max(-1)
        rates.append(-np.log(radius) / horizon)
    predicted = minnorm_flow.rate(g_min, a, b)
    # Next to the kink eigenvalues of the propagator are two that nearly meet: rounding enters by its square root.
    rounding = np.sqrt(EPS / PERTURBATION) / horizon
    rates = [rate[None, :, None] for rate in rates]
    yield from tends_to("rate of training", rates, predicted[None, :, None], rounding)
    below, above = ([rate[:, [i]] for rate in rates] for i in (-2, -1))
    yield extrapolated("rate a / 2 just above b*", above, np.full((1, 1, 1), a / 2), rounding)
    slower = extrapolated("rate a / 2", below, np.full((1, 1, 1), a / 2), rounding)
    yield refuted("rate a / 2 just below b*", slower)
    # sqrt(a b g_min), the frequency of the undamped mode, continues the rate's branch a/2 without a step.
    wrong = {
        "largest eigenvalue of the Gram matrix in place of the smallest": minnorm_flow.rate(g_max, a, b),
        "the rate goes on growing with b": np.where(b < kink, predicted, np.sqrt(a * b * g_min)),
    }
    for name, claimed in wrong.items():
        yield refuted(name, extrapolated("rate", rates, claimed[None, :, None], rounding))
    fine = np.geomspace(RATIOS[0] / 1.5, RATIOS[-1] * 1.5, 400)
    yield curves(
        ratios=RATIOS,
        rates=richardson(rates)[0][0, : RATIOS.size, 0],
        fine_ratios=fine,
        predicted_rates=minnorm_flow.rate(g_min, a, fine * a / g_min),
        rates_at_ratios=predicted[: RATIOS.size],
    )


def _closed_form(study: Study, problem: Separable, rng: np.random.Generator) -> Iterator[Check]:
    """From starts so near that no multiplier reaches 0."""
    a, runs = 1.0, 4
    b = float(0.6 * a / problem.gram_range[0])
    w = problem.w + 0.05 * rng.standard_normal((runs, problem.w.size))
    multipliers = problem.duals * (1 + 0.1 * rng.uniform(-1, 1, (runs, problem.duals.size)))
    steps = study.pick(smoke=150, quick=300, paper=3000)
    horizon = 3.0
    trained = []
    for k in REFINED:
        rule = SimultaneousMinnorm(problem.Z, a, b, study.device)
        record = [k * step for step in recording_steps(steps, 7)]
        run = _train(study, f"closed form over {k}", rule, w, multipliers, horizon / steps / k, steps * k, record)
        trained.append(np.concatenate([run["w"], run["multipliers"]], axis=-1))
    t = run.t

    def solution(b: float) -> Array:
        states = [minnorm_flow.on_the_support(problem, *start, a, b)(t) for start in zip(w, multipliers)]
        return np.stack([np.concatenate(state, axis=-1) for state in states], axis=1)

    exact = solution(b)
    yield from tends_to("closed form on the support", trained, exact)
    yield refuted("closed form with b 10 % larger", extrapolated("closed form", trained, solution(1.1 * b)))


def _propagator(
    study: Study, name: str, problem: Separable, rule: SimultaneousMinnorm, eta: float, steps: int
) -> Array:
    """Jacobian of `steps` trained steps at the solution."""
    return _propagators(study, name, problem, rule, eta, steps, 1)[0]


def _propagators(
    study: Study, name: str, problem: Separable, rule: SimultaneousMinnorm, eta: float, steps: int, batch: int
) -> Array:
    """The same for a batch of rules, (batch, d + n, d + n): the map is affine while no multiplier is held at 0, so its
    differences are exact at any perturbation."""
    d, size = problem.w.size, _size(problem)
    start = np.concatenate([problem.w, problem.duals])
    starts = start + PERTURBATION * np.vstack([np.zeros(size), np.eye(size)])
    starts = np.tile(starts, (batch, 1))
    run = _train(study, name, rule, starts[:, :d], starts[:, d:], eta, steps, [steps])
    ends = np.concatenate([run["w"][-1], run["multipliers"][-1]], axis=-1).reshape(batch, size + 1, size)
    return (ends[:, 1:] - ends[:, :1]).mT / PERTURBATION


def _train(
    study: Study,
    name: str,
    rule: SimultaneousMinnorm,
    w: Array,
    multipliers: Array,
    eta: float,
    steps: int,
    record: list[int] | None = None,
) -> Trajectory:
    record = list(range(steps + 1)) if record is None else record
    return train_minnorm(study, name, rule, w, multipliers, learning_rate=eta, steps=steps, record=record)


def _size(problem: Separable) -> int:
    return problem.w.size + problem.duals.size


def _margins(problem: Separable, w: Array) -> Array:
    return (problem.Z @ w[..., None])[..., 0]


def _well_conditioned(rng: np.random.Generator) -> Separable:
    """Three support vectors in four dimensions with a condition number of their Gram matrix between 3 and 6."""
    candidates = Separable(planted(rng, SHARES, d=4, margin=0.8, runs=200))
    fits = (candidates.condition > 3) & (candidates.condition < 6)
    return candidates.run(int(np.flatnonzero(fits)[0]))
