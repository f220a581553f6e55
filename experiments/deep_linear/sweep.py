"""Students of every draw, from every scale of start, trained by every rule in one batch; and what theory expects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.deep_linear.convergence import change_of_error, left_of_minnorm
from experiments.deep_linear.networks import Constraint, ControlledDescent, product_and_gain, students
from experiments.training import Trainee
from theory.claims import Study
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, gaussian_stack
from theory.core.trajectory import Trajectory
from theory.deep_linear import frozen, weight_decay
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw, generalisation_error

METHODS = ("gradient descent", "stopped early", "weight decay", "Minnorm")
RULES = ("gradient descent", "weight decay", "Minnorm")
WIDTH = 6
# From smaller starts at depth 3, weight decay can collapse to W = 0; larger ones need smaller steps.
SCALES = {1: (0.05, 0.1, 0.2, 0.35, 0.6), 2: (0.05, 0.08, 0.13, 0.2, 0.3, 0.4, 0.5), 3: (0.15, 0.2, 0.27, 0.35, 0.45)}
LEARNING_RATES = {1: 0.04, 2: 0.01, 3: 0.005}
HORIZONS = {1: 60.0, 2: 24.0, 3: 16.0}
SOLVER = 1e-7  # relative tolerance of the flow


@dataclass(frozen=True)
class Sweep:
    """Students of one depth: every draw from every scale by every rule, and what theory says of gradient descent.

    Attributes:
        scales: of the starts (scales,).
        errors: E_g, (T, draws, rules, scales).
        flow: E_g of gradient descent extrapolated to learning rate 0, and `correction` the last one of it, both
            (T, draws, scales).
        expected: E_g along gradient flow, and `excess` the part of it that W_1 Q costs, both (T, draws, scales).
        gain: |A|^2 where gradient descent ends (draws, scales).
        fitted: E_g of the minimum-norm solution of each draw (draws,).
        decayed: E_g of the solution under weight decay of each draw (draws,), `overdecayed` under 10 % more, and
            `collapsed` that of W = 0, which is stable too from depth 3 on.
        uncertainty: bound on how far E_g of each method is from its limit (draws, scales).
    """

    scales: Array
    errors: Array
    flow: Array
    correction: Array
    expected: Array
    excess: Array
    gain: Array
    fitted: Array
    decayed: Array
    overdecayed: Array
    collapsed: Array
    uncertainty: Mapping[str, Array]

    def of(self, method: str) -> Array:
        """E_g of a method (draws, scales)."""
        if method == "stopped early":
            return self.when(method, self.errors[:, :, 0])
        return self.errors[-1, :, RULES.index(method)]

    def when(self, method: str, array: Array) -> Array:
        """Of (T, draws, scales) what gradient descent ends with, or has when each scale is stopped at its best time."""
        if method != "stopped early":
            return array[-1]
        best = self.expected.mean(1).argmin(0)
        return array[best, :, np.arange(len(self.scales))].T

    def expected_of(self, method: str) -> Array:
        """What theory expects of it (draws, scales)."""
        if method in METHODS[:2]:
            return self.when(method, self.expected)
        limit = self.fitted if method == "Minnorm" else self.decayed
        return np.repeat(limit[:, None], len(self.scales), axis=1)

    def nearer_limit(self) -> Array:
        """Of the two stable ends of weight decay, the one each student is nearer to (draws, scales)."""
        ends = np.stack([self.decayed, self.collapsed])[..., None]
        nearer = np.abs(self.of("weight decay") - ends).argmin(0)
        return np.where(nearer == 0, ends[0], ends[1])


def sweep(study: Study, ensemble: Ensemble, L: int, *, draws: int, longer: float, finer: float) -> Sweep:
    """Run it: every scale of SCALES[L] by every rule, from starts whose unseen part has the mean of all (`frozen`).

    So no average over draws is judged, and how many there are only smooths the picture. HORIZONS and LEARNING_RATES
    are multiplied by `longer` and divided by `finer`.
    """
    scales, eta, horizon = np.array(SCALES[L]), LEARNING_RATES[L] / finer, HORIZONS[L] * longer
    alone, rng = draw(ensemble, study.rng("race", L), draws), study.rng("starts", L)
    gaussian = gaussian_stack(rng, [ensemble.d, *[WIDTH] * (L - 1), 1], 1.0, runs=draws)
    W = frozen.typical_start(alone, gaussian, rng)
    gamma = weight_decay.best_decay(ensemble, draw(ensemble, study.rng("tuning", L), 64), L)
    # Gradient descent on steps of twice and half the length, too.
    record = np.unique(2 * np.round(np.geomspace(0.1, horizon, 25) / eta / 2).astype(int))
    coarse, run, fine = (
        _batch(study, alone, W, scales, rules, gamma).train(
            learning_rate=eta * times, steps=int(record[-1] / times), record=(record / times).astype(int).tolist()
        )
        for rules, times in ((RULES[:1], 2), (RULES, 1), (RULES[:1], 0.5))
    )
    errors, *refined = (_errors(ensemble, alone, trained["W"], len(scales)) for trained in (run, coarse, fine))
    flow, correction = richardson([refined[0][:, :, 0], errors[:, :, 0], refined[1][:, :, 0]])
    expected, excess = _expected(ensemble, alone, W, scales, run.t)
    error = lambda solution: generalisation_error(ensemble, alone, solution)  # noqa: E731
    fitted = alone.minimum_norm_solution
    return Sweep(
        scales=scales,
        errors=errors,
        flow=flow,
        correction=correction,
        expected=expected,
        excess=excess,
        gain=_of_rule(run, "gain", draws, "gradient descent")[-1] ** 2,
        fitted=error(fitted),
        decayed=error(weight_decay.decayed_solution(alone, gamma, L)),
        overdecayed=error(weight_decay.decayed_solution(alone, 1.1 * gamma, L)),
        collapsed=error(0 * fitted),
        uncertainty={
            "gradient descent": _left_of_descent(ensemble, alone, run),
            "weight decay": _left_of_decay(ensemble, alone, run, gamma),
            "Minnorm": _left_of_minnorm(ensemble, alone, W, scales, run, eta),
        },
    )


def _scaled(W: Layers, scales: Array) -> list[Array]:
    """Every draw's layers times each of the scales, (draws x scales, ...)."""
    return [np.einsum("s,d...->ds...", scales, layer).reshape(-1, *layer.shape[1:]) for layer in W]


def _batch(
    study: Study, alone: TeacherStudent, W: Layers, scales: Array, rules: Sequence[str], gamma: float
) -> Trainee:
    """One batch of draws x rules x scales."""
    start = _scaled(W, np.tile(scales, len(rules)))
    leak = {"gradient descent": 0.0, "weight decay": gamma, "Minnorm": 1.0}
    integral = {"gradient descent": 0.0, "weight decay": 0.0, "Minnorm": 1.0}
    gammas, bs = (
        np.tile(np.repeat([numbers[rule] for rule in rules], len(scales)), len(alone.X)) for numbers in (leak, integral)
    )
    rule = ControlledDescent(alone, gamma=gammas, b=bs)
    constraint = Constraint(alone.each(len(rules) * len(scales)), start, study.device)
    return students(study, constraint, start, rule, product_and_gain)


def _of_rule(run: Trajectory, name: str, draws: int, rule: str) -> Array:
    """What was recorded of one rule's students, (T, draws, scales, ...)."""
    array = run[name]
    return array.reshape(len(array), draws, len(RULES), -1, *array.shape[2:])[:, :, RULES.index(rule)]


def _errors(ensemble: Ensemble, alone: TeacherStudent, W: Array, scales: int) -> Array:
    """E_g of W (T, runs, 1, d), shape (T, draws, rules, scales)."""
    W = W.reshape(len(W), len(alone.X), -1, scales, *W.shape[-2:])
    squares = ((alone.teacher[:, None, None] - W) ** 2).sum((-2, -1))
    return squares / ensemble.d + ensemble.K * ensemble.noise**2


def _expected(ensemble: Ensemble, alone: TeacherStudent, W: Layers, scales: Array, t: Array) -> tuple[Array, Array]:
    """E_g along the flow, each draw's own teacher in place of the mean over teachers, and what W_1 Q costs of it."""
    draws, each, starts = len(alone.X), alone.each(len(scales)), np.tile(scales, len(alone.X))
    layers = frozen.seen_flow(each, _scaled(W, scales), t, relative_tolerance=SOLVER)[1]
    expected = frozen.error_given_seen(ensemble, each, layers, starts)
    excess = frozen.excess_error(ensemble, frozen.output_gain(layers), starts)
    unseen = ((alone.teacher @ alone.unseen) ** 2).sum((-2, -1))
    luck = (unseen - ensemble.unseen * ensemble.teacher**2) / ensemble.d
    shape = len(t), draws, len(scales)
    return expected.reshape(shape) + luck[:, None], excess.reshape(shape)


def _left_of_descent(ensemble: Ensemble, alone: TeacherStudent, run: Trajectory) -> Array:
    """|R| / S_min bounds what is not fitted yet."""
    W = _of_rule(run, "W", len(alone.X), "gradient descent")[-1]
    residual = np.sqrt(((alone.Y[:, None] - W @ alone.X[:, None]) ** 2).sum((-2, -1)))
    return change_of_error(ensemble, alone.teacher[:, None], W, residual / alone.singular_values[:, -1:])


def _left_of_decay(ensemble: Ensemble, alone: TeacherStudent, run: Trajectory, gamma: float) -> Array:
    """Twice the rest of a geometric series of changes.

    What weight decay has not forgotten falls as e^(-gamma t); a student whose examples barely hold it against the
    decay is slower still, at a rate that its last changes show.
    """
    W = _of_rule(run, "W", len(alone.X), "weight decay")
    between, middle = np.diff(run.t[-5::2]), run.t[-4::2]
    before, last = np.sqrt((np.diff(W[-5::2], axis=0) ** 2).sum((-2, -1)))
    tiny = EPS * len(run.t)
    shown = np.log((before / between[0] + tiny) / (last / between[1] + tiny)) / (middle[1] - middle[0])
    left = 2 * last / np.expm1(np.clip(shown, 1 / run.t[-1], gamma) * between[1])
    return change_of_error(ensemble, alone.teacher[:, None], W[-1], left)


def _left_of_minnorm(
    ensemble: Ensemble, alone: TeacherStudent, start: Layers, scales: Array, run: Trajectory, eta: float
) -> Array:
    W, gain = (_of_rule(run, name, len(alone.X), "Minnorm")[-1] for name in ("W", "gain"))
    unseen = np.outer(np.linalg.norm(start[0] @ alone.unseen, axis=(-2, -1)), scales)
    kept = gain * unseen * (1 - eta) ** run.facts["recorded"][-1]
    left = left_of_minnorm(alone.each(len(scales)), W.reshape(-1, *W.shape[2:]), kept.ravel()).reshape(kept.shape)
    return change_of_error(ensemble, alone.teacher[:, None], W, left)
