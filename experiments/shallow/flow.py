"""The Minnorm flow near and far from its fixed point: Lyapunov function, spectrum, the rate that saturates at a/2."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from experiments.shallow import own_data
from experiments.shallow.classifiers import minnorm_classifier, states
from experiments.shallow.examples import RandomProblems, require_stable
from experiments.shallow.propagators import PERTURBATION, propagators
from experiments.training import extrapolated, tends_to
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    on_data,
    rounding,
    varies,
)
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, labelled_by_a_teacher, planted
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.minnorm.tuning import Tuning
from theory.shallow import minnorm_flow

RECORDED = 10**7  # numbers of the user's own training that are kept
SHARES = np.array([0.5, 0.3, 0.2])
RATIOS = (0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.7, 1.2, 2.0)
KINK, BESIDE = 0.25, 0.04


@dataclass(frozen=True)
class Flow(RandomProblems):
    a: float = varies("speed of the weights", 1.3, low=0.2, high=5)
    b: float = varies("speed of the multipliers, for the Lyapunov function", 0.7, low=0.1, high=3)
    ratios: tuple[float, ...] = varies("b g_min / a, for the rate", RATIOS, low=0.02, high=3)
    learning_rate: float = varies("for the Lyapunov function: every step is looked at", 0.02, low=1e-3, high=0.2)
    steps: int = varies("of these", 1500, smoke=300, paper=6000, low=10, high=10_000)
    runs: int = varies("random problems, for the Lyapunov function", 16, smoke=4, paper=64, low=1, high=100)
    rate_steps: int = varies("of the training whose rate is refined", 600, smoke=300, paper=4000, low=200, high=4000)
    path_steps: int = varies("of the one that is compared", 300, smoke=150, paper=3000, low=100, high=4000)
    data_runs: int = varies("starts on own data", 2, smoke=1, paper=4, low=1, high=16)

    def __post_init__(self) -> None:
        # At the kink itself two modes coincide, and eigenvalues of a measured matrix are accurate to half the digits.
        if min(abs(ratio - KINK) for ratio in self.ratios) < BESIDE:
            reject("ratios", self.ratios, f"numbers off the kink at {KINK}, by {BESIDE} at least")


@claim(
    "minnorm.shallow_flow",
    source="Bansal et al. 2018 (reconstruction: gradient descent-ascent on the Lagrangian)",
    source_kind=RECONSTRUCTED,
    statement=r"w' = -a(w - Z^\top \lambda),\ \lambda' = b\,[1 - Z w]_{\lambda \ge 0}:"
    r"\quad V = \tfrac{|w - \hat w|^2}{2a} + \tfrac{|\lambda - \alpha|^2}{2b},"
    r"\ V' \le -|w - \hat w|^2 - \lambda \cdot (Z \hat w - 1);"
    r"\quad \text{eigenvalues } \{-a\}^{d - |S|} \cup \{s : s^2 + a s + a b g_k = 0\},"
    r"\ \text{slowest } r = \tfrac{a}{2} \text{ iff } b \ge \tfrac{a}{4 \min_k g_k}",
    hypotheses=(
        "rows z_i = y_i x_i (in d dimensions) of Z separable; w_hat their max-margin classifier, alpha its duals",
        "spectrum, rate, closed form: near the solution, where no multiplier of the support S reaches 0",
        "g_k the eigenvalues of the Gram matrix of S, whose examples are linearly independent",
    ),
    theory_side="closed form",
    controls=(
        "dissipation 10 % faster",
        "dual term of V halved",
        "largest eigenvalue of the Gram matrix in place of the smallest",
        "the rate goes on growing with b",
        "rate a / 2 just below b*",
        "augmentation left out of the spectrum",
        "closed form with b 10 % larger",
    ),
    accepts_data="separable",
    parameters=Flow,
)
def minnorm_flow_converges_exponentially(study: Study, sizes: Flow) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _lyapunov_on_own_data(study, sizes)
    yield from _lyapunov(study, sizes)
    rng = study.rng("support")
    problem = _well_conditioned(rng)
    yield from _spectrum(study, problem, sizes.a)
    yield from _rate(study, problem, sizes)
    yield from _closed_form(study, problem, rng, sizes)


def _lyapunov(study: Study, sizes: Flow) -> Iterator[Check]:
    rng, runs, n, d = study.rng("lyapunov"), sizes.runs, sizes.examples, sizes.inputs
    problem = Separable(labelled_by_a_teacher(rng, n=n, d=d, runs=runs, least=0.3))
    require_stable(problem.gram_range[1], sizes.b, sizes.learning_rate)
    start = 2 * rng.standard_normal((runs, d)), 2 * rng.exponential(size=(runs, n))
    path = _every_step(study, problem, Tuning(sizes.a, sizes.b), start, sizes.learning_rate, sizes.steps)
    equality, falls = path.without_projection(), path.falls()
    yield equality
    yield falls.at_least(path.dissipated)
    yield falls.control("dissipation 10 % faster").at_least(1.1 * path.dissipated)
    yield path.growth_with_half_the_dual_term().control("dual term of V halved").equals(0)


@on_data
def _lyapunov_on_own_data(study: Study, sizes: Flow) -> Iterator[Check]:
    """The same from random starts, at a dual speed that suits the longest singular value."""
    problem, rng, runs = own_data.examples(study), study.rng("own data"), sizes.data_runs
    n, d = problem.Z.shape
    tuning = Tuning(sizes.a, float(2 / np.linalg.norm(problem.Z, ord=2) ** 2))
    steps = min(sizes.steps, max(RECORDED // (runs * (n + d)), 10))
    start = own_data.starts(rng, problem.Z, runs), rng.exponential(size=(runs, n)) * problem.duals.max()
    path = _every_step(study, problem, tuning, start, sizes.learning_rate, steps)
    yield path.without_projection("own data")
    yield path.falls("own data").at_least(path.dissipated)


@dataclass(frozen=True)
class _EveryStep:
    """Training through all changes of the active set. One step of Euler's from (w, lambda) by eta F, before it is kept
    at lambda >= 0, changes the quadratic V by eta V' + eta^2 (|w'|^2 / 2a + |lambda'|^2 / 2b)."""

    problem: Separable
    run: Trajectory
    tuning: Tuning
    eta: float

    @cached_property
    def dissipated(self) -> Array:
        """The bound of -V' before each step."""
        return minnorm_flow.dissipation(self.problem, self.run["w"], self.run["multipliers"])[:-1]

    @cached_property
    def violation(self) -> Array:
        return 1 - apply(self.problem.Z, self.run["w"])

    @cached_property
    def second(self) -> Array:
        """What a step adds in second order, over eta."""
        motion = self.run["w"] - apply(self.problem.Z.mT, self.run["multipliers"])
        a, b = self.tuning.a, self.tuning.b
        return self.eta * (a * (motion**2).sum(-1) + b * (self.violation**2).sum(-1))[:-1] / 2

    @cached_property
    def derivative(self) -> Array:
        """V' at each step."""
        return np.diff(self.V, axis=0) / self.eta - self.second

    @cached_property
    def V(self) -> Array:
        w, multipliers = self.run["w"], self.run["multipliers"]
        return minnorm_flow.lyapunov(self.problem, w, multipliers, self.tuning.a, self.tuning.b)

    def measured(self, name: str, value: Array, case: str = "") -> Measured:
        a, b = self.tuning.a, self.tuning.b
        size = self.V[:1] + (self.problem.duals**2).sum(-1) / (2 * b) + 1 / (2 * a * self.problem.margin**2)
        of = f"V over the step size: it sums {sum(self.problem.Z.shape[-2:])} squares with a dozen roundings each"
        within = rounding(64, size / self.eta, of=of)
        return measured(name, value, within=within, case=case, axes=("step", "run"))

    def without_projection(self, case: str = "") -> Check:
        """Where no multiplier is at 0 after the step none was held there, and the bound is an equality."""
        multipliers = self.run["multipliers"]
        free = (multipliers[1:] > 0) | (multipliers[:-1] + self.eta * self.tuning.b * self.violation[:-1] >= 0)
        exact = np.where(free.all(-1), self.derivative, -self.dissipated)
        return self.measured("V' at every step without projection", exact, case).equals(-self.dissipated)

    def falls(self, case: str = "") -> Measured:
        return self.measured("-V' is at least its bound at every step", -self.derivative, case)

    def growth_with_half_the_dual_term(self) -> Measured:
        """V with b doubled: no longer dissipated."""
        w, multipliers = self.run["w"], self.run["multipliers"]
        V = minnorm_flow.lyapunov(self.problem, w, multipliers, self.tuning.a, 2 * self.tuning.b)
        return self.measured("growth of V", np.maximum(np.diff(V, axis=0) / self.eta - self.second, 0))


def _every_step(
    study: Study, problem: Separable, tuning: Tuning, start: tuple[Array, Array], eta: float, steps: int
) -> _EveryStep:
    trainee = minnorm_classifier(study, problem.Z, tuning, *start)
    run = trainee.train(learning_rate=eta, steps=steps, record=range(steps + 1))
    return _EveryStep(problem, run, tuning, eta)


def _spectrum(study: Study, problem: Separable, a: float) -> Iterator[Check]:
    """The Jacobian of one trained step, I + eta A: its eigenvalues are 1 + eta s at any step size."""
    eta = 0.065 / a
    g_min, g_max = problem.gram_range
    # Complex, mixed and real roots.
    for b, c in ((3 * a / g_min, 0.0), (a / 4 / np.sqrt(g_min * g_max), 0.0), (a / 8 / g_max, 0.0), (0.9 * a, 0.7)):
        b = float(b)
        jacobian = propagators(study, problem, a, b, c, learning_rate=eta)
        roots, predicted = (np.linalg.eigvals(jacobian) - 1) / eta, minnorm_flow.spectrum(problem, a, b, c)
        powers, size = np.arange(1, predicted.size + 1), np.abs(predicted).max()
        # Compared through the characteristic polynomial's power sums: they do not care for the order of the roots.
        sums = partial(_power_sums, size)
        of = "a state over eta x perturbation: ten in each entry of the Jacobian, in power sums"
        within = rounding(10 * powers * predicted.size**2, 1 / (eta * size * PERTURBATION), of=of)
        spectrum = measured("spectrum", sums(roots), within=within, case=f"b = {b:.3g}, c = {c:g}", axes=("power",))
        # A g_k that is k times as large: it stands beside b and beside c.
        yield spectrum.equals(lambda k: sums(minnorm_flow.spectrum(problem, a, k * b, k * c)))  # noqa: B023
    yield spectrum.control("augmentation left out of the spectrum").equals(sums(minnorm_flow.spectrum(problem, a, b)))


def _power_sums(size: float, roots: Array) -> Array:
    return ((roots / size) ** np.arange(1, roots.size + 1)[:, None]).sum(1).real


def _rate(study: Study, problem: Separable, sizes: Flow) -> Iterator[Check | Curves]:
    """Spectral radius of training over a fixed time, at three step sizes."""
    a, steps, ratios = sizes.a, sizes.rate_steps, np.array(sizes.ratios)
    horizon = 6.5 / a
    g_min, g_max = problem.gram_range
    # Five percent below and above the kink, besides.
    kink = minnorm_flow.critical_dual_rate(g_min, a)
    b = np.concatenate([ratios * a / g_min, [0.95 * kink, 1.05 * kink]])
    rates = []
    for k in (1, 2, 4):
        trained = propagators(study, problem, a, b, learning_rate=horizon / steps / k, steps=steps * k)
        radius = np.abs(np.linalg.eigvals(trained)).max(-1)
        rates.append(-np.log(radius)[None, :, None] / horizon)
    predicted = minnorm_flow.rate(g_min, a, b)
    # Next to the kink eigenvalues of the propagator are two that nearly meet: rounding enters by its square root.
    solver_error = np.sqrt(EPS / PERTURBATION) / horizon
    yield from tends_to("rate of training", rates, predicted[None, :, None], solver_error)
    below, above = ([rate[:, [i]] for rate in rates] for i in (-2, -1))
    yield extrapolated("rate a / 2 just above b*", above, solver_error).equals(a / 2)
    yield extrapolated("rate a / 2", below, solver_error).control("rate a / 2 just below b*").equals(a / 2)
    all_rates = extrapolated("rate", rates, solver_error)
    largest = minnorm_flow.rate(g_max, a, b)[None, :, None]
    yield all_rates.control("largest eigenvalue of the Gram matrix in place of the smallest").equals(largest)
    # sqrt(a b g_min), the frequency of the undamped mode, continues the rate's branch a/2 without a step.
    growing = np.where(b < kink, predicted, np.sqrt(a * b * g_min))[None, :, None]
    yield all_rates.control("the rate goes on growing with b").equals(growing)
    fine = np.geomspace(ratios.min() / 1.5, ratios.max() * 1.5, 400)
    limit, exact = richardson(rates)[0][0, : ratios.size, 0], predicted[: ratios.size]
    yield curves(
        ratios=ratios,
        rates=limit / a,
        millionths_off=1e6 * (limit / exact - 1),
        fine_ratios=fine,
        predicted_rates=minnorm_flow.rate(g_min, a, fine * a / g_min) / a,
    )


def _closed_form(study: Study, problem: Separable, rng: np.random.Generator, sizes: Flow) -> Iterator[Check]:
    """From starts so near that no multiplier reaches 0."""
    a, runs, steps = sizes.a, 4, sizes.path_steps
    horizon = 3.9 / a
    b = float(0.6 * a / problem.gram_range[0])
    w0 = problem.w + 0.05 * rng.standard_normal((runs, problem.w.size))
    multipliers0 = problem.duals * (1 + 0.1 * rng.uniform(-1, 1, (runs, problem.duals.size)))
    trainee = minnorm_classifier(study, problem.Z, Tuning(a, b), w0, multipliers0)
    trained = trainee.refine(learning_rate=horizon / steps, horizon=horizon, records=7)
    t, values = trained[0].t, [states(run) for run in trained]

    def exact(k: float) -> Array:
        return _solutions(problem, w0, multipliers0, t, a, k * b)

    yield from tends_to("closed form on the support", values, exact)
    yield extrapolated("closed form", values).control("closed form with b 10 % larger").equals(exact(1.1))
    integrated = minnorm_flow.integrated(problem.Z, w0, multipliers0, t, a=a, b=b)
    because = "two solutions never part in |w|^2/a + |lambda|^2/b: at most steps x local error"
    within = Tolerance(integrated.facts["error"], because)
    both = measured("closed form, integrated", states(integrated), within=within, axes=("t", "run"))
    yield both.supporting().equals(exact(1))


def _solutions(problem: Separable, w: Array, multipliers: Array, t: Array, a: float, b: float) -> Array:
    """From each start, (T, runs, d + n)."""
    each = [minnorm_flow.solution(problem, *start, t, a=a, b=b) for start in zip(w, multipliers)]
    return np.stack([np.concatenate(state, axis=-1) for state in each], axis=1)


def _well_conditioned(rng: np.random.Generator) -> Separable:
    """Three support vectors in four dimensions with a condition number of their Gram matrix between 3 and 6."""
    candidates = Separable(planted(rng, SHARES, d=4, margin=0.8, runs=200))
    fits = (candidates.condition > 3) & (candidates.condition < 6)
    return candidates.run(int(np.flatnonzero(fits)[0]))
