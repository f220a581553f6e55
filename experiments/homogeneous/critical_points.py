"""Critical directions: the same for all five dynamics at a given size, and how they approach the max margin."""

from collections.abc import Iterator

import numpy as np

from experiments.homogeneous.losses import loss_of
from experiments.homogeneous.networks import (
    host,
    stack_margins,
    tensors,
    weight_normalised_margins,
    with_exponential_gains,
)
from experiments.homogeneous.problems import as_examples, classifying_directions, partly_seen
from experiments.homogeneous.rules import gradients_at, tangent
from experiments.homogeneous.trainees import trainee
from theory.claims import Check, Curves, Study, Tolerance, claim, curves, measured
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, labelled_by_a_teacher
from theory.homogeneous.critical_points import curvature, equilibrium
from theory.homogeneous.max_margin import approach_constant

SIZES = 40.0 * 2.0 ** np.arange(6)  # at which the approach to the max margin is read
TRAINED = np.array([2.0, 6.0, 20.0])  # sizes at which directions are trained until they rest
C = 1.3  # |v| of weight normalisation


@claim(
    "banburski2019.critical_points",
    source="Banburski et al. 2019 (content: the dynamics have the same critical points, which tend to the max margin)",
    statement=r"\dot V_k = 0 \iff B_k(\rho, V) = 0 \text{ in all five},\quad"
    r" \rho\, \angle(V^*(\rho), \hat w) \to |P \tilde w|,\quad A > 0:\ \dot\rho_k > 0 \text{ at every separating } V",
    hypotheses=("separable", "one layer for the closed form", "alpha > 0 on all support vectors"),
    theory_side="law",
    controls=(
        "critical also for the sizes",
        "the max-margin direction is critical at a finite size",
        "critical at one size, critical at another",
        "constant 10 % larger",
        "constant without the projection",
    ),
)
def all_five_rest_at_the_same_directions(study: Study) -> Iterator[Check | Curves]:
    yield _training_comes_to_rest_there(study)
    yield from _nothing_moves_there(study)
    yield from _approach(study)


def _training_comes_to_rest_there(study: Study) -> Check:
    rng = study.rng("rest")
    problem = partly_seen(rng, 5)
    V = np.repeat(classifying_directions(rng, problem, 1), TRAINED.size, axis=0)
    rate = 0.5 / float(np.square(problem.Z).sum(-1).max())
    # V_perp falls as e^{-int A dt / rho}, and the rest sooner.
    slowest = float(TRAINED.max() / problem.margin)
    steps = int(study.pick(smoke=8, quick=19, paper=30) * slowest / rate)
    descent = trainee(study, "tangent gradient", as_examples(problem), [TRAINED[:, None, None] * V])
    w = descent.train(learning_rate=rate, steps=steps, record=[steps])["W1"][-1, :, 0]
    size = np.linalg.norm(w, axis=-1)
    trained = w / size[:, None]
    # What is left of torch's force turns the direction by itself over the curvature, to first order; twice is safe.
    force = np.linalg.norm(_tangential(_gradient(study, problem, size, trained), trained), axis=-1)
    stiffness = np.linalg.eigvalsh(curvature(problem, size, trained))[:, 0]
    because = "twice the force that is left over the least curvature, and 100 roundings"
    within = Tolerance((2 * force / stiffness + 100 * EPS * size)[:, None], because)
    rest = measured("trained directions rest at V*", trained, within=within, axes=("size", "entry"))
    return rest.equals(equilibrium(problem, size))


def _nothing_moves_there(study: Study) -> Iterator[Check]:
    """The directions' velocity of each dynamics at V*, by torch's gradients, and the sizes' that never vanishes."""
    problem = partly_seen(study.rng("critical"), 5)
    rho = np.geomspace(2, 50, study.pick(smoke=4, quick=16, paper=64))
    V = equilibrium(problem, rho)
    largest = float(np.linalg.norm(problem.Z, axis=1).max())
    # p = softmax(-rho Z V) is off by the roundings of rho |z|, and V* by as much over the curvature.
    tolerance = 64 * EPS * largest * (1 + rho * largest)
    because = "64 roundings of |z| (1 + rho |z|), times the speed of the dynamics"
    for name, speed, velocity in _velocities(study, problem, rho, V):
        within = Tolerance((speed * tolerance)[:, None], because)
        yield measured("V' at V*", velocity, within=within, case=name, axes=("size", "entry")).equals(0.0)
    radial = -(_gradient(study, problem, rho, V) * V).sum(-1)
    name, within = "sizes grow at V* by the margin at least", Tolerance(tolerance, "A = sum p_n f~_n")
    sizes = measured(name, radial, within=within, axes=("size",))
    yield sizes.at_least(apply(problem.Z, V).min(-1))
    yield sizes.control("critical also for the sizes").equals(0.0)
    best = np.broadcast_to(problem.w * problem.margin, V.shape)
    for control, directions in (
        ("the max-margin direction is critical at a finite size", best),
        ("critical at one size, critical at another", V[::-1]),
    ):
        force = _tangential(_gradient(study, problem, rho, directions), directions)
        elsewhere = measured("force", force, within=Tolerance(tolerance[:, None], because), axes=("size", "entry"))
        yield elsewhere.control(control).equals(0.0)


def _velocities(study: Study, problem: Separable, rho: Array, V: Array) -> Iterator[tuple[str, Array, Array]]:
    """Name, |V'| per unit of force, and V' (runs, d) of the five, from gradients by what each of them steps."""
    gradient = _gradient(study, problem, rho, V)
    yield "gradient flow", 1 / rho, -_tangential(gradient, V) / rho[:, None]
    W, G = tensors(study.device, (rho[:, None] * V)[:, None], gradient[:, None])
    yield "tangent gradient", 1 / rho, -host(tangent(W, G))[:, 0] / rho[:, None]
    multiplier = -(gradient * V).sum(-1)  # 2 lambda / rho, Lagrange's, at which |V| stays
    yield "Lagrange multiplier", rho, -rho[:, None] * (gradient + multiplier[:, None] * V)
    margins = weight_normalised_margins(as_examples(problem), len(V), (V.shape[-1], 1), study.device)
    for name, forward, gain in (
        ("weight normalisation", margins, {"g1": rho}),
        ("exponential", with_exponential_gains(margins), {"a1": np.log(rho)}),
    ):
        moved = gradients_at(study, loss_of(forward), {**gain, "v1": C * V[:, None]})["v1"]
        yield name, rho / C**2, -moved[:, 0] / C


def _gradient(study: Study, problem: Separable, rho: Array, V: Array) -> Array:
    """d log loss / dw at w = rho V (runs, d), by torch."""
    loss = loss_of(stack_margins(as_examples(problem), (problem.Z.shape[-1], 1), study.device))
    return gradients_at(study, loss, {"W1": rho[:, None, None] * V[:, None]})["W1"][:, 0]


def _tangential(gradient: Array, V: Array) -> Array:
    return gradient - (gradient * V).sum(-1, keepdims=True) * V


def _approach(study: Study) -> Iterator[Check | Curves]:
    """rho x angle, extrapolated in 1 / rho: problems with a condition that keeps the series' terms small."""
    problems = _problems(study.rng("approach"), study.pick(smoke=3, quick=8, paper=32))
    for i, problem in enumerate(problems):
        rest, best = equilibrium(problem, SIZES), problem.w * problem.margin
        scaled = SIZES * 2 * np.arcsin(np.linalg.norm(rest - best, axis=-1) / 2)
        limit, error = richardson(list(scaled))
        before = richardson(list(scaled[1:]))[1] / 8
        because = "last correction of the extrapolation in 1 / rho, a share of the one before, and rounding of V*"
        within = Tolerance(float(error) + float(before) + 100 * EPS * SIZES[-1] ** 2, because)
        angle = measured("rho angle(V*, max margin)", limit, within=within, case=f"problem {i}")
        constant = approach_constant(problem, np.zeros(problem.Z.shape[-1]))
        yield angle.equals(constant)
        if i == 0:
            yield angle.control("constant 10 % larger").equals(1.1 * constant)
            whole = np.linalg.norm(np.linalg.pinv(problem.Z[problem.support]) @ np.log(problem.duals[problem.support]))
            yield angle.control("constant without the projection").equals(whole)
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
