"""Squared hinge loss: norm-minimising descent finds the max-margin classifier at 1/k, and its duals on the way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from experiments.halpern import own_data
from experiments.halpern.networks import FORGOTTEN, anchored, squared_hinge_loss
from experiments.methods.halpern import Schedule, harmonic
from experiments.shallow.own_data import examples, has_unique_duals
from theory.claims import (
    OURS,
    Check,
    Curves,
    Measured,
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
from theory.core.separable import Separable, apply, planted
from theory.core.validation import reject
from theory.halpern import fixed_points, squared_hinge

SHARES, SLACK = np.array([0.45, 0.35, 0.2]), np.array([0.4, 0.8, 1.5])
DATA = "on the data"


@dataclass(frozen=True)
class Sizes:
    """Of six random examples a problem, and of the training."""

    inputs: int = varies("dimensions of the examples", 6, low=6, high=50)
    spread: float = varies("of the examples across the classifier, over the margin", 2.0, low=0.5, high=10)
    steps: int = varies("k at most", 4000, smoke=2000, paper=30_000, low=300, high=60_000)
    runs: int = varies("problems, the best conditioned of four times as many", 12, smoke=4, paper=48, low=1, high=200)


@dataclass(frozen=True)
class Run:
    """Iterates w (T, runs, d) at the steps k (T,), of learning rates eta (runs,)."""

    problem: Separable
    eta: Array
    k: Array
    w: Array

    @property
    def missing(self) -> Array:
        """1 - z_i . w, (T, runs, n)."""
        return 1 - apply(self.problem.Z, self.w)

    @property
    def signed(self) -> Array:
        """The same, above 0 where support vectors miss their margin and the other examples clear it."""
        return np.where(self.problem.support, self.missing, -self.missing)

    @property
    def scaled(self) -> Array:
        """(k + 1) (w_k - w_hat) in the span of the support vectors, (T, runs, d)."""
        supported = self.problem.Z * self.problem.support[..., None]
        projector = np.linalg.pinv(supported) @ supported
        return apply(projector, np.reshape(self.k + 1, (-1, 1, 1)) * (self.w - self.problem.w))

    @property
    def residual(self) -> Array:
        """w - T w = eta grad, (T, runs, d)."""
        return -self.eta[:, None] * apply(self.problem.Z.mT, np.maximum(self.missing, 0))

    @property
    def distance(self) -> Array:
        """|w - w_hat|, (T, runs)."""
        return np.linalg.norm(self.w - self.problem.w, axis=-1)

    @property
    def rounding(self) -> Tolerance:
        """Of (k + 1) w_k."""
        terms = 4 * (sum(self.problem.Z.shape[-2:]) + 4) * (self.k[-1] + 1.0) ** 2
        return rounding(terms, np.abs(self.w).max(), of="the largest weight: a sum a step, carried on, times k + 1")


@claim(
    "halpern.squared_hinge",
    source="ours; bound of Lieder 2021, Theorem 2.1",
    source_kind=OURS,
    statement=r"L(w) = \textstyle\frac12 \sum_i (1 - z_i \cdot w)_+^2:\quad w_k \to \hat w,\quad"
    r" (k+1)(w_k - \hat w) \to -\tfrac1\eta Z_S^+ \alpha\ \text{in span } Z_S,\quad"
    r" \eta (k+1) (1 - z_i \cdot w_k)_+ \to \alpha_i,\quad (k+1)(w_k - T w_k) \to -\hat w",
    hypotheses=(
        "examples z_i, the rows of Z, separable: w^ of maximum margin with duals alpha, Z_S its support vectors",
        "T a step of descent, of eta at most 1/|Z|^2; lambda_k = 1/(k + 2), anchor 0, any start",
    ),
    theory_side="law",
    controls=(
        "no anchoring",
        "anchor away from 0",
        "rate of the fastest direction",
        "duals 10 % larger",
        "error 10 % larger",
        "residual 10 % larger",
    ),
    accepts_data="separable",
    parameters=Sizes,
)
def squared_hinge_finds_the_maximum_margin(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    rng, d, runs, steps = study.rng("examples"), sizes.inputs, sizes.runs, sizes.steps
    # Of four times as many those with the best conditioned Gram matrices; but of one in a few hundred other examples
    # are so long that steps are short, and the last direction needs more of them than there are.
    candidates = Separable(planted(rng, SHARES, d=d, spread=sizes.spread, slack=SLACK, runs=4 * runs))
    late = steps_to_fade(candidates) > steps
    problem = Separable(candidates.Z[np.argsort(np.where(late, np.inf, candidates.condition))[:runs]])
    w = rng.standard_normal((runs, d))
    needed = needed_to_fade(problem)
    if steps < needed:
        reject("steps", steps, f"the {needed} that the condition {problem.condition.max():.3g} of the examples needs")
    run = _train(study, problem, w, steps)
    half = int(np.searchsorted(run.k, steps // 2))
    # From then on the step is affine: only support vectors miss their margin.
    name = "only support vectors miss their margin"
    near = measured(name, run.signed[half:].min(), within=exactly("w_hat is near"), case="second half")
    yield near.supporting().at_least(0)
    rate, left = _rate(run)
    slowest, fastest = (eigenvalue * run.eta for eigenvalue in run.problem.gram_range)
    yield rate.at_most(lambda k: left(k * slowest))
    yield rate.control("rate of the fastest direction").at_most(left(fastest))
    for word, (found, limit) in _limits(run, half).items():
        yield found.equals(limit)
        yield found.control(f"{word} 10 % larger").equals(1.1 * limit)
    yield from _elsewhere(study, run, w, steps)
    yield _bound(study, _after_orthogonal(study, problem))
    read = squared_hinge.duals_read_off(problem, run.eta, run.w, run.k)
    yield curves(steps=run.k + 1, distance=run.distance, duals=problem.duals, duals_read=read)
    if study.data is not None:
        yield from _on_the_data(study)


@on_data
def _on_the_data(study: Study) -> Iterator[Check]:
    """The bound; and the limits, where duals are unique and the slowest direction fades in the time there is."""
    problem = examples(study)
    one = Separable(problem.Z[None])
    yield _bound(study, one, DATA)
    if not has_unique_duals(study, problem):
        return
    steps = own_data.affordable_steps(study, problem.Z, needed_to_fade(one))
    if steps == 0:
        return
    run = _train(study, one, study.rng("start on the data").standard_normal(one.w.shape) * np.abs(one.w).max(), steps)
    half = int(np.searchsorted(run.k, steps // 2))
    if run.signed[half:].min() < 0:
        study.remark(f"limits are not judged: after {steps} steps examples beside the support miss their margin still")
        return
    rate, left = _rate(run, DATA)
    yield rate.at_most(lambda k: left(k * run.eta * one.gram_range[0]))
    for found, limit in _limits(run, half, DATA).values():
        yield found.equals(limit)


def needed_to_fade(problem: Separable) -> int:
    """The largest of `steps_to_fade`."""
    return int(steps_to_fade(problem).max())


def steps_to_fade(problem: Separable) -> Array:
    """Steps (runs,) for the last direction to fade to rounding twice over: what was left at half of them bounds the
    rest."""
    slowest = squared_hinge.hinge_factor(problem, _longest(problem) / 2)
    return np.asarray(np.ceil(2 * FORGOTTEN / -np.log(slowest)))


def _longest(problem: Separable) -> Array:
    """2 / |Z|^2: T is nonexpansive up to this learning rate."""
    return 2 / np.linalg.norm(problem.Z, ord=2, axis=(-2, -1)) ** 2


def _rate(run: Run, case: str = "") -> tuple[Measured, Callable[[Array], Array]]:
    """Once the step is affine, (k + 1) (w_k - w_hat) approaches its limit by 1 - eta h_min a step, or faster.

    Returns its distance, and what is left of that where a step takes a share (runs,).
    """
    affine = (run.signed > 0).all((1, 2))
    first = 0 if affine.all() else len(run.k) - int(np.argmin(affine[::-1]))
    left = np.linalg.norm(run.scaled - squared_hinge.hinge_error_limit(run.problem, run.eta), axis=-1)[first:]
    passed = (run.k[first:] - run.k[first])[:, None]
    within = run.rounding + exactly("affine steps shrink what is left by 1 - eta h with each eigenvalue h")
    rate = measured("rate of the affine step", left, within=within, case=case, axes=("record", "run"))
    return rate, lambda share: np.abs(1 - share) ** passed * left[0]


def _limits(run: Run, half: int, case: str = "") -> dict[str, tuple[Measured, Array]]:
    """What has a limit, and the limit."""
    problem, eta, k = run.problem, run.eta, run.k
    limit = squared_hinge.hinge_error_limit(problem, eta)
    fading = squared_hinge.hinge_factor(problem, eta) ** (k[-1] - k[half])
    left = (fading * np.linalg.norm(run.scaled[half] - limit, axis=-1))[:, None]
    within = Tolerance(left, "what (1 - eta h_min)^(steps/2) leaves of the error at half time") + run.rounding
    error = measured("(k + 1) x error", run.scaled[-1], within=within, case=case, axes=("run",))
    read = squared_hinge.duals_read_off(problem, eta, run.w[-1], k[-1])
    within *= (eta * np.linalg.norm(problem.Z, axis=-1).max(-1))[:, None]
    duals = measured("duals read off the margins", read, within=within, case=case, axes=("run", "example"))
    within *= np.abs(problem.Z).sum((-2, -1))[:, None]
    moved = (k[-1] + 1) * run.residual[-1]
    step = measured("(k + 1) x residual: w_hat", moved, within=within, case=case, axes=("run",))
    return {"error": (error, limit), "duals": (duals, problem.duals), "residual": (step, -problem.w)}


def _elsewhere(study: Study, run: Run, w: Array, steps: int) -> Iterator[Check]:
    """Without anchoring, or anchored elsewhere, the end is another separating classifier, not that of least norm."""
    plain = _train(study, run.problem, w, steps, lambda k: 0 / (k + 2))
    away = _train(study, run.problem, w, steps, anchor=w)
    within = exactly("twice what norm-minimising descent attains in as many steps, from the same start")
    for control, other in (("no anchoring", plain), ("anchor away from 0", away)):
        distance = measured("distance", other.distance[-1], within=within, axes=("run",))
        yield distance.control(control).at_most(2 * run.distance[-1])


def _after_orthogonal(study: Study, problem: Separable) -> Separable:
    """Orthogonal examples of one length, for which the first step from 0 attains the bound, and the problems."""
    orthogonal = 1.7 * np.linalg.qr(study.rng("orthogonal").standard_normal(problem.Z.shape[-2:][::-1]))[0].T
    return Separable(np.concatenate([orthogonal[None], problem.Z]))


def _bound(study: Study, problem: Separable, case: str = "") -> Check:
    """From the anchor itself, at the longest step, 2 / |Z|^2: |eta grad| <= 2 |w_hat| / (k + 1)."""
    run = _train(study, problem, np.zeros_like(problem.w), 300, longer=2)
    bound = fixed_points.residual_bound(np.linalg.norm(run.problem.w, axis=-1), run.k)
    within = run.rounding + exactly("Lieder's Theorem 2.1: w_hat is the fixed point nearest to 0")
    residual = np.linalg.norm(run.residual, axis=-1)
    subject = measured("residual", residual, within=within, part="Theorem 2.1", case=case, axes=("record", "run"))
    return subject.at_most(bound)


def _train(
    study: Study,
    problem: Separable,
    w: Array,
    steps: int,
    schedule: Schedule = harmonic,
    anchor: Array | float = 0.0,
    *,
    longer: float = 1,
) -> Run:
    """At `longer` times the learning rate 1 / |Z|^2; recorded at steps spaced in their logarithm, and at later ones."""
    eta = longer * _longest(problem) / 2
    marks = np.unique(np.r_[0, np.geomspace(1, steps, 40).round(), np.linspace(steps // 2, steps, 9).round()])
    trainee = anchored(study, squared_hinge_loss(problem.Z, study.device), w, schedule, anchor)
    run = trainee.train(learning_rate=eta, steps=steps, record=marks.astype(int).tolist())
    return Run(problem, eta, run.facts["recorded"], run["w"])
