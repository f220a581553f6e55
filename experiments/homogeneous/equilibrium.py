"""Critical directions: the same for all five dynamics at a given size, and how they approach the max margin."""

from collections.abc import Iterator

import numpy as np
import torch

from experiments.homogeneous.networks import (
    LOSSES,
    TangentDescent,
    stack_margins,
    tangent,
    tensors,
    trainer,
    weight_normalised_margins,
    with_exponential_gains,
)
from experiments.homogeneous.problems import as_examples, classifying_directions, partly_seen
from experiments.training.batches import state_of
from experiments.training.updates import GradientDescent, Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import at_least, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, labelled_by_a_teacher
from theory.homogeneous.equilibrium import curvature, equilibrium
from theory.homogeneous.max_margin import approach_constant

SIZES = 40.0 * 2.0 ** np.arange(6)  # at which the approach to the max margin is read
TRAINED = np.array([2.0, 6.0, 20.0])  # sizes at which directions are trained until they rest


@claim(
    "banburski2019.critical_points",
    source="Banburski et al. 2019 (content: the dynamics have the same critical points, which tend to the max margin)",
    statement=r"\dot V_k = 0 \iff B_k(\rho, V) = 0 \text{ in all five},\quad"
    r" \rho\, \angle(V^*(\rho), \hat w) \to |P \tilde w|,\quad A > 0:\ \dot\rho_k > 0 \text{ at every separating } V",
    hypotheses=("separable", "one layer for the closed form", "alpha > 0 on all support vectors"),
    controls=(
        "critical also for the sizes",
        "the max-margin direction is critical at a finite size",
        "critical at one size, critical at another",
        "constant 10 % larger",
        "constant without the projection",
    ),
)
def all_five_rest_at_the_same_directions(study: Study) -> Iterator[Check | Curves]:
    yield from _training_comes_to_rest_there(study)
    yield from _nothing_moves_there(study)
    yield from _approach(study)


def _training_comes_to_rest_there(study: Study) -> Iterator[Check]:
    rng = study.rng("rest")
    problem = partly_seen(rng, 5)
    V = np.repeat(classifying_directions(rng, problem, 1), TRAINED.size, axis=0)
    loss = _log_loss(problem, study.device)
    rate = 0.5 / float(np.square(problem.Z).sum(-1).max())
    # V_perp falls as e^{-int A dt / rho}, and the rest sooner.
    slowest = float(TRAINED.max() / problem.margin)
    steps = int(study.pick(smoke=8, quick=19, paper=30) * slowest / rate)
    run = trainer(study, loss, state_of([TRAINED[:, None, None] * V]), TangentDescent(loss))(
        "rest", learning_rate=rate, steps=steps, record=[steps]
    )
    w = run["W1"][-1, :, 0]
    size = np.linalg.norm(w, axis=-1)
    trained = w / size[:, None]
    # What is left of torch's force turns the direction by itself over the curvature, to first order; twice is safe.
    force = np.linalg.norm(_tangential(_gradient(study, problem, size, trained), trained), axis=-1)
    stiffness = np.linalg.eigvalsh(curvature(problem, size, trained))[:, 0]
    rest = equilibrium(problem, size)
    tolerance = 2 * force / stiffness + 100 * EPS * size
    because = "twice the force that is left over the least curvature, and 100 roundings"
    yield equal("trained directions rest at V*", trained, rest, tolerance=tolerance[:, None], because=because)


def _nothing_moves_there(study: Study) -> Iterator[Check]:
    """The directions' velocity of each dynamics at V*, by torch's gradients, and the sizes' that never vanishes."""
    rng = study.rng("critical")
    problem = partly_seen(rng, 5)
    rho = np.geomspace(2, 50, study.pick(smoke=4, quick=16, paper=64))
    V = equilibrium(problem, rho)
    largest = float(np.linalg.norm(problem.Z, axis=1).max())
    # p = softmax(-rho Z V) is off by the roundings of rho |z|, and V* by as much over the curvature.
    tolerance = 64 * EPS * largest * (1 + rho * largest)
    because = "64 roundings of |z| (1 + rho |z|), times the speed of the dynamics"
    for name, speed, velocity in _velocities(study, problem, rho, V):
        check = equal(f"{name}: V' at V*", velocity, 0.0, tolerance=(speed * tolerance)[:, None], because=because)
        yield check
    sizes = _gradient(study, problem, rho, V)
    radial = -(sizes * V).sum(-1)
    yield at_least(
        "sizes grow at V* by the margin at least",
        radial,
        apply(problem.Z, V).min(-1),
        slack=tolerance,
        because="A = sum p_n f~_n",
    )
    yield refuted("critical also for the sizes", equal("radial", radial, 0.0, tolerance=tolerance, because=because))
    best = np.broadcast_to(problem.w * problem.margin, V.shape)
    for control, directions in (
        ("the max-margin direction is critical at a finite size", best),
        ("critical at one size, critical at another", V[::-1]),
    ):
        force = _tangential(_gradient(study, problem, rho, directions), directions)
        worst = equal(control, force, 0.0, tolerance=tolerance[:, None], because=because)
        yield refuted(control, worst)


def _velocities(study: Study, problem: Separable, rho: Array, V: Array) -> Iterator[tuple[str, Array, Array]]:
    """Name, |V'| per unit of force, and V' (runs, d) of the five, from gradients by what each of them steps."""
    gradient = _gradient(study, problem, rho, V)
    force = -_tangential(gradient, V)
    yield "gradient flow", 1 / rho, force / rho[:, None]
    (W, G) = tensors(study.device, (rho[:, None] * V)[:, None], gradient[:, None])
    yield "tangent gradient", 1 / rho, -tangent(W, G).cpu().numpy()[:, 0] / rho[:, None]
    multiplier = -(gradient * V).sum(-1)  # 2 lambda / rho, Lagrange's, at which |V| stays
    yield "Lagrange multiplier", rho, -rho[:, None] * (gradient + multiplier[:, None] * V)
    examples, c = as_examples(problem), 1.3
    margins = weight_normalised_margins(examples, len(V), (V.shape[-1], 1), study.device)
    for name, forward, gain in (
        ("weight normalisation", margins, {"g1": rho}),
        ("exponential", with_exponential_gains(margins), {"a1": np.log(rho)}),
    ):
        rule = GradientDescent(lambda state, forward=forward: LOSSES["log"][0](forward(state)))
        moved = _gradients_of(study, rule, {**gain, "v1": c * V[:, None]})["v1"]
        yield name, rho / c**2, -moved[:, 0] / c


def _gradient(study: Study, problem: Separable, rho: Array, V: Array) -> Array:
    """d log loss / dw at w = rho V (runs, d), by torch."""
    rule = GradientDescent(_log_loss(problem, study.device))
    return _gradients_of(study, rule, {"W1": rho[:, None, None] * V[:, None]})["W1"][:, 0]


def _gradients_of(study: Study, rule: GradientDescent, start: dict[str, Array]) -> dict[str, Array]:
    state: State = {
        name: torch.tensor(np.ascontiguousarray(value), device=study.device) for name, value in start.items()
    }
    rule.begin(state)
    return {name: g.cpu().numpy() for name, g in zip(rule.names, rule.evaluate(state)[1])}


def _tangential(gradient: Array, V: Array) -> Array:
    return gradient - (gradient * V).sum(-1, keepdims=True) * V


def _log_loss(problem: Separable, device: str) -> Loss:
    margins = stack_margins(as_examples(problem), (problem.Z.shape[-1], 1), device)
    return lambda state: LOSSES["log"][0](margins(state))


def _approach(study: Study) -> Iterator[Check | Curves]:
    """rho x angle, extrapolated in 1 / rho: problems with a condition that keeps the series' terms small."""
    count = study.pick(smoke=3, quick=8, paper=32)
    rng = study.rng("approach")
    problems = _problems(rng, count)
    for i, problem in enumerate(problems):
        rest = equilibrium(problem, SIZES)
        best = problem.w * problem.margin
        scaled = SIZES * 2 * np.arcsin(np.linalg.norm(rest - best, axis=-1) / 2)
        limit, error = richardson(list(scaled))
        before = richardson(list(scaled[1:]))[1] / 8
        constant = approach_constant(problem, np.zeros(problem.Z.shape[-1]))
        tolerance = float(error) + float(before) + 100 * EPS * SIZES[-1] ** 2
        because = "last correction of the extrapolation in 1 / rho, a share of the one before, and rounding of V*"
        yield equal(f"problem {i}: rho angle(V*, max margin)", limit, constant, tolerance=tolerance, because=because)
        if i == 0:
            larger = equal("constant", limit, 1.1 * constant, tolerance=tolerance, because=because)
            yield refuted("constant 10 % larger", larger)
            whole = np.linalg.norm(np.linalg.pinv(problem.Z[problem.support]) @ np.log(problem.duals[problem.support]))
            wrong = equal("constant", limit, whole, tolerance=tolerance, because=because)
            yield refuted("constant without the projection", wrong)
            yield curves(sizes=SIZES, scaled_angle=scaled, constant=constant)


def _problems(rng: np.random.Generator, count: int) -> list[Separable]:
    """Problems whose examples are all support vectors or far from being any, with unequal duals."""
    candidates = Separable(labelled_by_a_teacher(rng, n=6, d=4, runs=200 * count, least=0.4))
    slack = np.where(candidates.support, np.inf, apply(candidates.Z, candidates.w) - 1).min(-1)
    shares = candidates.duals / candidates.duals.sum(-1, keepdims=True)
    least = np.where(candidates.support, shares, 1.0).min(-1)
    spanning = candidates.support.sum(-1) == 4
    found = np.flatnonzero((slack > 0.5) & (candidates.condition < 20) & (least > 0.1) & spanning)
    return [candidates.run(int(i)) for i in found[:count]]
