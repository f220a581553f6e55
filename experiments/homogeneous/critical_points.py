"""Critical directions: the same for all five dynamics at a given size, and how they approach the max margin."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.homogeneous.losses import loss_of
from experiments.homogeneous.networks import (
    host,
    margins_of,
    tensors,
    weight_normalised_margins,
    with_exponential_gains,
)
from experiments.homogeneous.problems import as_examples, classifying_directions, partly_seen
from experiments.homogeneous.rest import across, at_rest, descent
from experiments.homogeneous.rules import SphereDescent, gradients_at, tangent
from experiments.homogeneous.trainees import trainee
from experiments.training import Trainee
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    varies,
)
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, labelled_by_a_teacher
from theory.homogeneous.critical_points import equilibrium
from theory.homogeneous.max_margin import approach_constant

SIZES = 40.0 * 2.0 ** np.arange(5)  # at which the approach to the max margin is read


@dataclass(frozen=True)
class Sizes:
    """Of one layer: where its directions rest, how long they are trained, on how many problems."""

    sizes: tuple[float, ...] = varies(
        "at which directions are trained until they rest", (2.0, 6.0, 20.0), low=0.5, high=50
    )
    foldings: float = varies(
        "of what is off the rest, at the largest size", 19.0, smoke=8.0, paper=30.0, low=5, high=40
    )
    inputs: int = varies("entries of an example; one direction is not seen", 5, low=4, high=30)
    points: int = varies("sizes from 2 to 50 at which nothing is to move", 16, smoke=4, paper=64, low=2, high=500)
    vector: float = varies("|v| of weight normalisation", 1.3, low=0.1, high=10)
    problems: int = varies(
        "random ones on which the approach to the max margin is read", 8, smoke=3, paper=32, low=1, high=64
    )


@claim(
    "banburski2019.critical_points",
    source="Banburski et al. 2019 (content: the dynamics have the same critical points, which tend to the max margin)",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\dot V_k = 0 \iff B_k(\rho, V) = 0 \text{ in all five},\quad B(\rho, V^*(\rho)) = 0:"
    r" \rho\, \angle(V^*(\rho), \hat w) \to |P \tilde w|,\quad A > 0:\ \dot\rho_k > 0 \text{ at every separating } V",
    hypotheses=(
        "separable examples z_n of a network homogeneous in each layer rho_k V_k, here of one layer",
        "A and B_k, the forces on sizes and directions, and the five dynamics as in banburski2019.five_dynamics",
        "w_hat = sum_n alpha_n z_n the max-margin classifier, alpha_n > 0 on all support vectors, which span the "
        "space; w~ with z_n . w~ = -log alpha_n on them, P the projection orthogonal to w_hat",
    ),
    theory_side="law",
    controls=(
        "critical also for the sizes",
        "the max-margin direction is critical at a finite size",
        "critical at one size, critical at another",
        "constant 10 % larger",
        "constant without the projection",
    ),
    parameters=Sizes,
)
def all_five_rest_at_the_same_directions(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield _training_comes_to_rest_there(study, sizes)
    yield from _nothing_moves_there(study, sizes)
    yield from _approach(study, sizes.problems)


def _training_comes_to_rest_there(study: Study, sizes: Sizes) -> Check:
    rng, rho = study.rng("rest"), np.array(sizes.sizes)
    problem = partly_seen(rng, sizes.inputs)
    V = np.repeat(classifying_directions(rng, problem, 1), rho.size, axis=0)
    rate = 0.5 / float(np.square(problem.Z).sum(-1).max())
    # V_perp falls as e^{-int A dt / rho}, and the rest sooner.
    slowest = float(rho.max() / problem.margin)
    steps = int(sizes.foldings * slowest / rate)
    tangents = trainee(study, "tangent gradient", as_examples(problem), [rho[:, None, None] * V])
    w = tangents.train(learning_rate=rate, steps=steps, record=[steps])["W1"][-1, :, 0]
    size, trained, within = at_rest(study, problem, w)
    rest = measured("trained directions rest at V*", trained, within=within, axes=("size", "entry"))
    return rest.equals(lambda k: equilibrium(problem, k * size))


def _nothing_moves_there(study: Study, sizes: Sizes) -> Iterator[Check]:
    """The directions' velocity of each dynamics at V*, by torch's gradients, and the sizes' that never vanishes."""
    problem = partly_seen(study.rng("critical"), sizes.inputs)
    rho = np.geomspace(2, 50, sizes.points)
    V = equilibrium(problem, rho)
    largest = float(np.linalg.norm(problem.Z, axis=1).max())
    # p = softmax(-rho Z V) is off by the roundings of rho |z|, and V* by as much over the curvature.
    tolerance = 64 * EPS * largest * (1 + rho * largest)
    because = "64 roundings of |z| (1 + rho |z|), times the speed of the dynamics"
    best = np.broadcast_to(problem.w * problem.margin, V.shape)
    elsewhere = {
        "the max-margin direction is critical at a finite size": best,
        "critical at one size, critical at another": V[::-1],
    }
    forces = {name: across(_descent(study, problem, rho, there), there) for name, there in elsewhere.items()}
    least = min(np.linalg.norm(force, axis=-1).min() for force in forces.values())
    for name, speed, velocity in _velocities(study, problem, rho, V, sizes.vector):
        within = Tolerance(tolerance[:, None], because)
        found = measured("V' at V*", velocity / speed[:, None], within=within, case=name, axes=("size", "entry"))
        yield found.equals(0.0, against=float(least))
    for control, force in forces.items():
        moved = measured("force", force, within=Tolerance(tolerance[:, None], because), axes=("size", "entry"))
        yield moved.control(control).equals(0.0)
    radial = (_descent(study, problem, rho, V) * V).sum(-1)
    name, within = "sizes grow at V* by the margin at least", Tolerance(tolerance, "A = sum p_n f~_n")
    sizes = measured(name, radial, within=within, axes=("size",))
    yield sizes.at_least(apply(problem.Z, V).min(-1))
    yield sizes.control("critical also for the sizes").equals(0.0)


def _descent(study: Study, problem: Separable, rho: Array, V: Array) -> Array:
    return descent(study, problem.Z, rho[:, None] * V)


def _velocities(study: Study, problem: Separable, rho: Array, V: Array, c: float) -> Iterator[tuple[str, Array, Array]]:
    """Name, |V'| per unit of force, and V' (runs, d) of the five, from gradients by what each of them steps."""
    gradient = -_descent(study, problem, rho, V)
    yield "gradient flow", 1 / rho, -across(gradient, V) / rho[:, None]
    W, G = tensors(study.device, (rho[:, None] * V)[:, None], gradient[:, None])
    yield "tangent gradient", 1 / rho, -host(tangent(W, G))[:, 0] / rho[:, None]
    multiplier = -(gradient * V).sum(-1)  # 2 lambda / rho, Lagrange's, at which |V| stays
    yield "Lagrange multiplier", rho, -rho[:, None] * (gradient + multiplier[:, None] * V)
    margins = weight_normalised_margins(as_examples(problem), len(V), (V.shape[-1], 1), study.device)
    for name, forward, gain in (
        ("weight normalisation", margins, {"g1": rho}),
        ("exponential", with_exponential_gains(margins), {"a1": np.log(rho)}),
    ):
        moved = gradients_at(study, loss_of(forward), {**gain, "v1": c * V[:, None]})["v1"]
        yield name, rho / c**2, -moved[:, 0] / c


def _approach(study: Study, count: int) -> Iterator[Check | Curves]:
    """rho x angle of directions trained to rest, extrapolated in 1 / rho: problems with a condition that keeps the
    series' terms small."""
    rng = study.rng("approach")
    problems = _problems(rng, count)
    best = np.array([problem.w * problem.margin for problem in problems])
    astray = best + 5 / SIZES[:, None, None] * _units(rng.standard_normal(best.shape))
    Z, w = np.repeat([problem.Z for problem in problems], SIZES.size, axis=0), SIZES[:, None, None] * _units(astray)
    w = w.swapaxes(0, 1).reshape(len(Z), 1, -1)
    loss = loss_of(margins_of([w], Z, study.device))
    # The slowest direction across settles by its curvature, whatever the size; 40 e-foldings leave nothing.
    steps = int(40 / min(_settling(problem) for problem in problems))
    trained = Trainee(study, loss, {"W1": w}, SphereDescent(loss)).train(
        learning_rate=1 / np.square(Z).sum(-1).max(-1), steps=steps, record=[steps]
    )
    _, rest, unrest = at_rest(study, Separable(Z), trained["W1"][-1, :, 0])
    off_by = np.reshape(unrest.value, (len(problems), -1))
    for i, (problem, V) in enumerate(zip(problems, rest.reshape(len(problems), SIZES.size, -1))):
        angles = 2 * np.arcsin(np.linalg.norm(V - problem.w * problem.margin, axis=-1) / 2)
        angle = _at_infinity(SIZES * angles, SIZES * off_by[i], f"problem {i}")
        constant = approach_constant(problem, np.zeros(problem.Z.shape[-1]))
        yield angle.equals(constant)
        if i == 0:
            yield angle.control("constant 10 % larger").equals(1.1 * constant)
            whole = np.linalg.norm(np.linalg.pinv(problem.Z[problem.support]) @ np.log(problem.duals[problem.support]))
            yield angle.control("constant without the projection").equals(whole)
            yield curves(sizes=SIZES, scaled_angle=SIZES * angles, constant=constant)


def _units(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _at_infinity(scaled: Array, off_by: Array, case: str) -> Measured:
    """The limit of rho x angle, from sizes each twice the one before."""
    limit, error = richardson(list(scaled))
    before = richardson(list(scaled[1:]))[1]
    weights = richardson(list(np.eye(SIZES.size)))[0]  # of the sizes in the limit, which is linear in them
    because = "last two corrections of the extrapolation in 1 / rho, and of each size what it is off rest"
    within = Tolerance(float(error + before + np.abs(weights) @ off_by), because)
    return measured("rho angle(V*, max margin)", limit, within=within, case=case)


def _problems(rng: np.random.Generator, count: int) -> list[Separable]:
    """Clear ones, searched for: of 200 random problems for each that is wanted, and of as many again while too few of
    them are clear, those that settle the soonest."""
    found: list[Separable] = []
    while len(found) < count:
        found += _clear(Separable(labelled_by_a_teacher(rng, n=6, d=4, runs=200 * count, least=0.4)))
    return sorted(found, key=_settling, reverse=True)[:count]


def _clear(candidates: Separable) -> list[Separable]:
    """Those whose examples are all support vectors or far from being any, with unequal duals."""
    slack = np.where(candidates.support, np.inf, apply(candidates.Z, candidates.w) - 1).min(-1)
    shares = candidates.duals / candidates.duals.sum(-1, keepdims=True)
    least = np.where(candidates.support, shares, 1.0).min(-1)
    spanning = candidates.support.sum(-1) == 4
    found = np.flatnonzero((slack > 0.5) & (candidates.condition < 20) & (least > 0.1) & spanning)
    return [candidates.run(int(i)) for i in found]


def _settling(problem: Separable) -> float:
    """The least curvature of log sum_n e^{-z_n . w} across w_hat, far out, over the largest |z|^2."""
    p = problem.duals / problem.duals.sum()
    spread = np.sqrt(p)[:, None] * (problem.Z - p @ problem.Z)
    return float(np.linalg.svd(spread)[1][-2] ** 2 / np.square(problem.Z).sum(-1).max())
