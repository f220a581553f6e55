"""Separable examples: weights and additive shifts wash out of the limit direction, factors of margins do not."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.cost_sensitive.separable import LOSSES, across, descend_all, directions, terms
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.separable import Separable, planted
from theory.core.validation import reject
from theory.cost_sensitive.margins import limit_margins, limit_move, scaled

CANDIDATES = 40
FADED = 6.0  # -log of what half of the steps have to leave on the way to the limit


@dataclass(frozen=True)
class Examples:
    """Separable examples of which some count more, and descent on them."""

    support: int = varies("support vectors", 5, low=2, high=20)
    inputs: int = varies("d", 9, low=3, high=60)
    runs: int = varies("sets of examples", 4, smoke=2, low=1, high=50)
    gain: float = varies("the largest; others are its powers, chosen at random", 8.0, low=1.5, high=50)
    spread: float = varies("of the support across the margin, which is 1", 1.0, low=0.2, high=3)
    step: float = varies("of descent on the log of the loss, over its largest curvature", 1.0, low=0.1, high=1.9)
    steps: int = varies("of descent", 8000, smoke=3000, low=500, high=10**6)

    def __post_init__(self) -> None:
        if self.support > self.inputs:
            reject("support", self.support, f"at most the inputs, {self.inputs}, of which they are independent")


@claim(
    "cost_sensitive.implicit_bias",
    source="ours; Soudry et al. 2018 for equal weights, Kini et al. 2021 (arXiv 2103.01550) for factors",
    source_kind=OURS,
    statement=r"L = \sum_i g_i \log(1 + e^{\tau_i - f_i z_i \cdot w}),\ \hat w = \sum_i \alpha_i f_i z_i ="
    r" \mathrm{argmin} |w|^2\ \text{s.t.}\ f_i z_i \cdot w \ge 1:\quad"
    r" f_i z_i \cdot w - f_k z_k \cdot w \to \log\frac{g_i e^{\tau_i}}{\alpha_i} - \log\frac{g_k e^{\tau_k}}{\alpha_k}"
    r"\ (\alpha_i, \alpha_k > 0),\quad \frac{w}{|w|} \to \frac{\hat w}{|\hat w|}",
    hypotheses=(
        "z_i = y_i x_i are linearly separable, their support vectors linearly independent",
        "gradient descent from 0, here on log L: the same limit by far fewer steps",
    ),
    theory_side="closed form",
    controls=(
        "a shift of the other sign",
        "shifts 5 % larger",
        "weights change the limit as factors do",
        "factors leave the limit as it is",
        "factors move w by a bounded amount, as weights do",
    ),
    parameters=Examples,
)
def only_factors_of_margins_change_the_limit(study: Study, sizes: Examples) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    Z, gains = _examples(rng, sizes)
    problem = Separable(Z)
    svm = directions(problem.w)
    cost_sensitive = scaled(Z, terms("factors", gains).factors)
    losses = {loss: terms(loss, gains) for loss in (*LOSSES, "both")}
    record = _record(sizes.steps)
    runs = descend_all(study, Z, losses, step=sizes.step, record=record)
    for loss, run in runs.items():
        known = cost_sensitive if loss == "factors" else problem
        yield from _margins(loss, known, losses[loss].log_g, run)
        grown = _growth(run, loss)
        yield grown.equals(directions(known.w))
        if loss == "weights":
            yield grown.control("weights change the limit as factors do").equals(directions(cost_sensitive.w))
        if loss == "factors":
            yield grown.control("factors leave the limit as it is").equals(svm)
        yield curves(loss, steps=record, svm=(directions(run) * svm).sum(-1)[:, 0],
                     cost_sensitive=(directions(run) * directions(cost_sensitive.w)).sum(-1)[:, 0])  # fmt: skip
    yield from _moves(problem, runs, gains, svm)


def _margins(loss: str, problem: Separable, log_g: Array, run: Array) -> Iterator[Check]:
    """Margins at the end, without what they have in common on the support."""
    found = _on_support(problem, run[-1])
    before = _on_support(problem, run[-2])
    within = Tolerance(2 * np.abs(found - before).max(), "twice what the second half of the steps changes")
    within += rounding(1e4, np.abs(run[-1]).max(), of="sums of margins, over the steps")
    margins = measured("margins on the support", found, within=within, case=loss, axes=("run", "example"))

    def predicted(k: float) -> Array:
        return _finite(problem, limit_margins(problem, k * log_g))

    if np.ptp(log_g) == 0:
        yield margins.equals(predicted(1.0))
        return
    yield margins.equals(predicted)
    if loss == "shift":
        yield margins.control("a shift of the other sign").equals(predicted(-1.0))
        yield margins.control("shifts 5 % larger").equals(predicted(1.05))


def _on_support(problem: Separable, w: Array) -> Array:
    margins = (problem.Z @ w[..., None])[..., 0]
    mean = (margins * problem.support).sum(-1, keepdims=True) / problem.support.sum(-1, keepdims=True)
    return _finite(problem, margins - mean)


def _finite(problem: Separable, margins: Array) -> Array:
    return np.where(problem.support, margins, 0.0)


def _growth(run: Array, loss: str) -> Measured:
    """The direction in which w grows in the second half of the steps: without what is bounded."""
    late, earlier = directions(run[-1] - run[-2]), directions(run[-2] - run[-3])
    within = Tolerance(2 * np.abs(late - earlier).max(), "twice what it was off half as late")
    within += rounding(1e4, of="weights, over the steps")
    return measured("direction of growth", late, within=within, case=loss, axes=("run", "input"))


def _examples(rng: np.random.Generator, sizes: Examples) -> tuple[Array, Array]:
    """Examples and their gains: of several sets those in which descent comes soonest to its limit.

    It comes late where a dual is small, or an example lies hardly beyond the margin, of the examples themselves or
    scaled by factors; where one is so long that steps are short; and where the Gram matrix has a bad condition.
    """
    shares = 0.5 + rng.random(sizes.support)
    drawn = planted(rng, shares / shares.sum(), d=sizes.inputs, spread=sizes.spread, runs=CANDIDATES * sizes.runs)
    gains = sizes.gain ** rng.choice([0.0, 0.5, 1.0], drawn.shape[:2])
    gains[:, :2] = 1.0, sizes.gain  # some differ
    other = scaled(drawn, terms("factors", gains).factors)
    clear = np.where(other.support, other.duals / other.duals.sum(-1, keepdims=True), other.slack).min(-1)
    clearest = np.argsort(-clear)[: len(drawn) // 4]
    late = _fading(other, sizes)[clearest] < FADED
    best = clearest[np.lexsort((np.linalg.cond(drawn[clearest]), late))[: sizes.runs]]
    return drawn[best], gains[best]


def _fading(problem: Separable, sizes: Examples) -> Array:
    """-log of what half of the steps, each of 1 / |z|^2, |z| the longest, leave on the way to the limit (sets,).

    w grows by margin^2 w_hat a step, so that shares of examples beyond the margin fall at margin^2 (z . w_hat - 1); the
    others settle at the curvatures of log L across w_hat, where their shares p of L are those of the duals.
    """
    p = problem.duals / problem.duals.sum(-1, keepdims=True)
    curvatures = np.linalg.svd(np.sqrt(p)[..., None] * (problem.Z - p[..., None, :] @ problem.Z), compute_uv=False) ** 2
    across = np.arange(curvatures.shape[-1]) < problem.support.sum(-1, keepdims=True) - 1
    beyond = problem.margin**2 * np.where(problem.support, np.inf, problem.slack).min(-1)
    slowest = np.minimum(beyond, np.where(across, curvatures, np.inf).min(-1))
    return np.asarray(sizes.step * sizes.steps / 2 * slowest / np.square(problem.Z).sum(-1).max(-1))


def _moves(problem: Separable, runs: dict[str, Array], gains: Array, svm: Array) -> Iterator[Check]:
    """By how much weights and shifts move w across the limit: alike, and not with the time."""
    move = across(limit_move(problem, np.log(gains)), svm)

    def moved(loss: str) -> Measured:
        found, before = (across(runs[loss][at] - runs["plain"][at], svm) for at in (-1, -2))
        half = 0.0 if loss == "factors" else np.abs(found - before).max()  # they move w ever farther
        within = Tolerance(2 * half, "twice what the second half of the steps changes")
        within += rounding(1e5, np.abs(runs["plain"][-1]).max(), of="weights, over the steps")
        return measured("move across the limit", found, within=within, case=loss, axes=("run", "input"))

    for loss, times in (("weights", 1), ("shift", 1), ("both", 2)):
        yield moved(loss).equals(times * move)
    yield moved("factors").control("factors move w by a bounded amount, as weights do").equals(move)


def _record(steps: int) -> list[int]:
    """Steps that double: the figure's, and the last three, which are compared."""
    return sorted({steps // 2**k for k in range(14) if steps // 2**k > 0})
