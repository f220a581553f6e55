"""Five dynamics trained: each on its own flow; which of their curves coincide, with which clock, and which do not."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from experiments.homogeneous.networks import (
    LOSSES,
    LagrangeDescent,
    Margins,
    TangentDescent,
    polar_margins,
    sizes_and_directions,
    stack_margins,
    trainer,
    weight_normalised_margins,
    with_exponential_gains,
)
from experiments.homogeneous.problems import (
    as_examples,
    classifying_directions,
    partly_seen,
    sized_layers,
    unit_examples,
)
from experiments.training.batches import state_of
from experiments.training.legacy import extrapolated, refined
from experiments.training.refinement import tends_to
from experiments.training.updates import GradientDescent, Loss, Update
from theory.claims import Check, Curves, claim
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers
from theory.core.separable import Separable
from theory.core.trajectory import Trajectory
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import Examples, Polar, exponential_pull, log_pull, polar
from theory.homogeneous.dynamics import Dynamics

HORIZON = 1.0
SOLVER = 1e-8  # of a flow integrated to 1e-11 over a time of order 1, along which nearby curves do not part by e^5
C = 1.3  # |v_k| of weight normalisation, away from 1 so that its place in the formulas shows
NAMES = ("gradient flow", "Lagrange multiplier", "tangent gradient", "weight normalisation", "exponential")
FLOWS: dict[str, Dynamics] = {
    "gradient flow": dynamics.gradient_flow,
    "Lagrange multiplier": dynamics.lagrange_multiplier,
    "tangent gradient": dynamics.tangent_gradient,
    "weight normalisation": partial(dynamics.weight_normalisation, c=C),
    "exponential": partial(dynamics.exponential_weight_normalisation, c=C),
}


@claim(
    "banburski2019.five_dynamics",
    source="Banburski et al. 2019 (content: unconstrained descent, Lagrange multiplier, tangent gradient, weight "
    "normalisation have similar dynamics); coincidences and their failure ours",
    statement=r"V_k^{TG}(r^2 t) = V_k^{LM}(t) \text{ if } \rho_k = r,\quad"
    r" (\rho, V)^{EWN}\Big(\int \frac{dt}{\rho_1^2}\Big) = (\rho, V)^{GF}(t) \text{ if balanced},\quad"
    r" |V_\perp|^{GF} \propto \rho^{-1},\ |V_\perp|^{WN} \propto e^{-\rho^2 / 2 c^2}",
    hypotheses=("homogeneous of degree 1 in each layer", "any loss of the margins; here the logarithm of the loss"),
    controls=(
        "Lagrange multiplier and tangent gradient, unequal sizes: one curve",
        "gradient flow and exponential, unbalanced: one curve",
        "gradient flow and weight normalisation: one curve",
        "gradient flow and weight normalisation: one trajectory",
        "tangent gradient in the time of the Lagrange multiplier",
        "exponential normalisation in the time of gradient flow",
        "weight normalisation keeps rho V_perp",
        "gradient flow forgets V_perp as weight normalisation does",
        "law of V_perp without c",
        "V_perp of the tangent gradient at the rate of the Lagrange multiplier",
    ),
)
def five_dynamics_are_similar_not_the_same(study: Study) -> Iterator[Check | Curves]:
    yield from _each_on_its_flow(study)
    yield from _coinciding_flows(study)
    yield from _coinciding_trainings(study)
    yield from _curves_that_differ(study)
    yield from _what_no_example_sees(study)


def _each_on_its_flow(study: Study) -> Iterator[Check]:
    runs = study.pick(smoke=2, quick=4, paper=16)
    deep = ((3, 3, 1), (1.2, 0.8))
    for widths, sizes in study.pick(smoke=(deep,), quick=(deep, ((4, 1), (1.1,))), paper=(deep, ((4, 1), (1.1,)))):
        rng = study.rng("flows", len(sizes))
        examples = unit_examples(rng, 6, widths[0])
        W = sized_layers(rng, widths, sizes, runs)
        for name in NAMES:
            seen, t = _refined(study, f"depth {len(sizes)}, {name}", name, examples, widths, W)
            exact = dynamics.flow(FLOWS[name], examples, polar(W), t, log_pull)
            label = f"depth {len(sizes)}, {name}"
            yield from tends_to(f"{label}: directions", [_flat(s.V) for s in seen], _flat_of(exact), SOLVER)
            if name == "Lagrange multiplier":
                continue  # its sizes are not stepped at all
            yield from tends_to(f"{label}: sizes", [s.rho for s in seen], exact["rho"], SOLVER)


def _training(
    study: Study, name: str, examples: Examples, widths: tuple[int, ...], W: Layers
) -> tuple[Loss, dict[str, Array], Update]:
    """Loss, start and rule of one of the five."""
    start = polar(W)
    if name in ("weight normalisation", "exponential"):
        margins = weight_normalised_margins(examples, len(W[0]), widths, study.device)
        vectors = {f"v{k}": C * V for k, V in enumerate(start.V, start=1)}
        if name == "exponential":
            loss = _log_loss(with_exponential_gains(margins))
            return loss, _gains("a", np.log(start.rho)) | vectors, GradientDescent(loss)
        loss = _log_loss(margins)
        return loss, _gains("g", start.rho) | vectors, GradientDescent(loss)
    margins = stack_margins(examples, widths, study.device)
    if name == "Lagrange multiplier":
        constrained, directions = polar_margins(margins), dynamics.named(start.V)
        rule = LagrangeDescent(constrained, tuple(directions))
        return _log_loss(constrained), _gains("g", start.rho) | directions, rule
    loss = _log_loss(margins)
    return loss, state_of(W), TangentDescent(loss) if name == "tangent gradient" else GradientDescent(loss)


def _refined(
    study: Study,
    label: str,
    name: str,
    examples: Examples,
    widths: tuple[int, ...],
    W: Layers,
    horizon: float = HORIZON,
) -> tuple[list[Polar], Array]:
    """Sizes and directions of one dynamics at three learning rates, and the times they were seen."""
    loss, start, rule = _training(study, name, examples, widths, W)
    rate = horizon / study.pick(smoke=32, quick=96, paper=512)
    runs = refined(trainer(study, loss, start, rule), label, learning_rate=rate, horizon=horizon, records=9)
    return [sizes_and_directions(run) for run in runs], runs[0].t


def _coinciding_flows(study: Study) -> Iterator[Check]:
    t = np.linspace(0, 1.5, 16)
    because = "both flows integrated to 1e-11"
    for widths in study.pick(smoke=((5, 1), (3, 3, 1)), quick=((5, 1), (3, 3, 1), (3, 3, 2, 1)), paper=_ALL_DEPTHS):
        rng, r = study.rng("coincidences", *widths), 1.3
        examples = unit_examples(rng, 6, widths[0])
        start = polar(sized_layers(rng, widths, [r] * (len(widths) - 1), 1))
        follow = lambda name, times: dynamics.flow(_UNIT[name], examples, start, times, exponential_pull)  # noqa: B023, E731
        constrained = _flat_of(follow("Lagrange multiplier", t))
        tangent = _flat_of(follow("tangent gradient", r**2 * t))
        label = f"depth {len(widths) - 1}"
        name = f"{label}: tangent gradient at r^2 t is Lagrange multiplier at t"
        yield equal(name, tangent, constrained, tolerance=2 * SOLVER, because=because)
        free = follow("gradient flow", t)
        later = follow("exponential", free["clock"][:, 0])
        for quantity in ("rho", *dynamics.named(start.V)):
            name = f"{label}: exponential normalisation at int dt / rho_1^2 is gradient flow at t, {quantity}"
            yield equal(name, later[quantity], free[quantity], tolerance=2 * SOLVER, because=because)
        if label == "depth 1":
            same = _flat_of(follow("tangent gradient", t))
            wrong = equal("time", same, constrained, tolerance=2 * SOLVER, because=because)
            yield refuted("tangent gradient in the time of the Lagrange multiplier", wrong)
            early = follow("exponential", t)
            wrong = equal("time", early["rho"], free["rho"], tolerance=2 * SOLVER, because=because)
            yield refuted("exponential normalisation in the time of gradient flow", wrong)


_ALL_DEPTHS = ((5, 1), (3, 3, 1), (3, 3, 2, 1), (4, 3, 3, 2, 1))
# With |v| = 1 the five can coincide.
_UNIT: dict[str, Dynamics] = {
    **FLOWS,
    "weight normalisation": dynamics.weight_normalisation,
    "exponential": dynamics.exponential_weight_normalisation,
}


def _coinciding_trainings(study: Study) -> Iterator[Check]:
    """The same of trained networks: differences of two trainings vanish with the learning rate."""
    widths, r = (3, 3, 1), 1.2
    rng = study.rng("coinciding trainings")
    examples, runs = unit_examples(rng, 6, 3), study.pick(smoke=2, quick=4, paper=16)
    W = sized_layers(rng, widths, (r, r), runs)
    tangent, _ = _refined(study, "tangent, slower", "tangent gradient", examples, widths, W, r**2 * HORIZON)
    constrained, _ = _refined(study, "constrained", "Lagrange multiplier", examples, widths, W)
    difference = [_flat(a.V) - _flat(b.V) for a, b in zip(tangent, constrained)]
    yield extrapolated("trained: tangent gradient is Lagrange multiplier", difference, np.zeros_like(difference[0]))
    # Lagrange multiplier with its sizes set free, unequal: weight normalisation with |v| = 1, here as a training.
    start = polar(sized_layers(rng, widths, (1.2, 0.8), runs))
    margins = polar_margins(stack_margins(examples, widths, study.device))
    rate = HORIZON / study.pick(smoke=32, quick=96, paper=512)
    directions, sizes = dynamics.named(start.V), _gains("g", start.rho)
    rule = LagrangeDescent(margins, (*sizes, *directions))
    free = refined(
        trainer(study, _log_loss(margins), sizes | directions, rule),
        "free sizes",
        learning_rate=rate,
        horizon=HORIZON,
        records=9,
    )
    exact = dynamics.flow(dynamics.weight_normalisation, examples, start, free[0].t, log_pull)
    seen = [sizes_and_directions(run) for run in free]
    yield from tends_to("trained: Lagrange multiplier, free sizes: sizes", [s.rho for s in seen], exact["rho"], SOLVER)
    yield from tends_to(
        "trained: Lagrange multiplier, free sizes: directions", [_flat(s.V) for s in seen], _flat_of(exact), SOLVER
    )
    norms = [np.stack([np.linalg.norm(run[name], axis=(-2, -1)) for name in directions], axis=-1) for run in free]
    yield from tends_to("trained: 2 lambda_k = rho A holds |V_k| = 1 in every layer", norms, np.ones_like(norms[0]))


def _curves_that_differ(study: Study) -> Iterator[Check]:
    """Curves as sets of points, whatever their clocks: the checks that hold where they coincide fail where not."""
    widths = (3, 3, 1)
    rng = study.rng("curves")
    examples = unit_examples(rng, 6, 3)
    directions = polar(sized_layers(rng, widths, (1.0, 1.0), 1)).V
    for (first, second), sizes, control in (
        (("Lagrange multiplier", "tangent gradient"), (1.3, 1.3), None),
        (
            ("Lagrange multiplier", "tangent gradient"),
            (0.8, 2.1),
            "Lagrange multiplier and tangent gradient, unequal sizes: one curve",
        ),
        (("gradient flow", "exponential"), (1.3, 1.3), None),
        (("gradient flow", "exponential"), (0.8, 2.1), "gradient flow and exponential, unbalanced: one curve"),
    ):
        start = Polar(np.array([sizes]), directions)
        paths = [
            dynamics.flow(_UNIT[name], examples, start, _CURVE_TIMES, exponential_pull) for name in (first, second)
        ]
        check = _one_curve(f"{first} and {second}", *[_flat_of(path)[:, 0] for path in paths])
        yield check if control is None else refuted(control, check)
    problem = partly_seen(rng, 5)
    start = Polar(np.full((1, 1), 0.7), [classifying_directions(rng, problem, 1)])
    growth = np.linspace(0, 1.5, 401)
    free, exponential, normalised = (
        dynamics.orbit(_UNIT[name], as_examples(problem), start, growth, log_pull)
        for name in ("gradient flow", "exponential", "weight normalisation")
    )
    because = "at equal sizes, both integrated to 1e-11"
    yield equal(
        "gradient flow and exponential at equal sizes",
        exponential["V1"],
        free["V1"],
        tolerance=2 * SOLVER,
        because=because,
    )
    wrong = equal("sizes", normalised["V1"], free["V1"], tolerance=2 * SOLVER, because=because)
    yield refuted("gradient flow and weight normalisation: one trajectory", wrong)
    wrong = _one_curve("curves", *[path["V1"].reshape(len(growth), -1) for path in (normalised, free)])
    yield refuted("gradient flow and weight normalisation: one curve", wrong)


_CURVE_TIMES = np.linspace(0, 1.5, 401)


def _one_curve(name: str, first: Array, second: Array) -> Check:
    """The curve that is shorter (in the space of directions) lies on the other one."""
    short, long = sorted((first, second), key=lambda curve: np.linalg.norm(np.diff(curve, axis=0), axis=1).sum())
    # Every second point's distance from the polyline of the others is four times a chord's own distance from the arc.
    chord = dynamics.distance_to_curve(long[1:-1:2], long[::2]).max()
    distance = dynamics.distance_to_curve(short[:: len(short) // 40], long)
    because = "distance of the curve from its polyline, by leaving out every second point; and the solver"
    return equal(f"{name}: one curve", distance, 0.0, tolerance=chord + 2 * SOLVER, because=because)


def _what_no_example_sees(study: Study) -> Iterator[Check | Curves]:
    """The part of a single layer's direction off the span of the examples: a law in rho of each dynamics' own."""
    runs = study.pick(smoke=2, quick=4, paper=16)
    rng = study.rng("unseen")
    problem = partly_seen(rng, 5)
    examples, W = as_examples(problem), [0.7 * _tilted(rng, problem, runs)]
    unseen = np.linalg.svd(problem.Z)[2][-1]
    part = lambda V: np.abs(V[..., 0, :] @ unseen)  # noqa: E731
    seen, _ = _refined(study, "unseen, descent", "gradient flow", examples, (5, 1), W, 3.0)
    rho0, first = seen[-1].rho[0, :, 0], part(seen[-1].V[0][0])
    rho, share = seen[-1].rho[..., 0], part(seen[-1].V[0]) / first
    steps = 4 * study.pick(smoke=32, quick=96, paper=512)
    # The frozen part collects a rounding of |w| a step.
    tolerance = (steps + 16) * 5 * EPS * np.abs(rho).max() / (first * rho0) * share
    because = "one rounding of |w| times 5 a step, relative to the part"
    yield equal(
        "gradient descent: V_perp rho stays, at every step size",
        share,
        dynamics.unseen_of_gradient_flow(rho0, rho),
        tolerance=tolerance,
        because=because,
    )
    wrong = dynamics.unseen_of_weight_normalisation(rho0, rho)
    claimed = equal("unseen", share, wrong, tolerance=tolerance, because=because)
    yield refuted("gradient flow forgets V_perp as weight normalisation does", claimed)
    laws = {
        "weight normalisation": dynamics.unseen_of_weight_normalisation,
        "exponential": dynamics.unseen_of_exponential_weight_normalisation,
    }
    for name, law in laws.items():
        seen, _ = _refined(study, f"unseen, {name}", name, examples, (5, 1), W, 3.0 if name[0] == "w" else 1.0)
        shares = [np.log(part(s.V[0]) / part(s.V[0][:1])) for s in seen]
        residual = [share - np.log(law(rho0, s.rho[..., 0], C)) for share, s in zip(shares, seen)]
        zero = np.zeros_like(residual[0])
        yield from tends_to(f"{name}: log V_perp against its law in rho", residual, zero)
        if name == "weight normalisation":
            power = [share - np.log(rho0 / s.rho[..., 0]) for share, s in zip(shares, seen)]
            yield refuted("weight normalisation keeps rho V_perp", extrapolated("unseen", power, zero))
            plain = [share - np.log(law(rho0, s.rho[..., 0])) for share, s in zip(shares, seen)]
            yield refuted("law of V_perp without c", extrapolated("unseen", plain, zero))
    t = np.linspace(0, 3, 7)
    for name, power in (("tangent gradient", -1), ("Lagrange multiplier", 1)):
        path = dynamics.flow(FLOWS[name], examples, polar(W), t, log_pull)
        decayed = np.log(part(path["V1"]) / part(path["V1"][:1]))
        because = "solver, relative to the part that is left"
        tolerance = SOLVER / part(path["V1"]).min()
        predicted = -path["work"] * rho0**power
        yield equal(
            f"{name}: log V_perp = -int A dt rho^{power}", decayed, predicted, tolerance=tolerance, because=because
        )
        if power < 0:
            wrong = equal("unseen", decayed, -path["work"] * rho0, tolerance=tolerance, because=because)
            yield refuted("V_perp of the tangent gradient at the rate of the Lagrange multiplier", wrong)


def _tilted(rng: np.random.Generator, problem: Separable, runs: int) -> Array:
    """Classifying directions, tilted 45 degrees to the side that no example sees."""
    unseen = np.linalg.svd(problem.Z)[2][-1]
    V = classifying_directions(rng, problem, runs)
    V = V - (V @ unseen)[..., None] * unseen
    V /= np.linalg.norm(V, axis=-1, keepdims=True)
    return (V + unseen) / np.sqrt(2)


def _gains(letter: str, rho: Array) -> dict[str, Array]:
    """Sizes (runs, L) as one gain (runs,) a layer."""
    return {f"{letter}{k + 1}": rho[:, k] for k in range(rho.shape[1])}


def _log_loss(margins: Margins) -> Loss:
    return lambda state: LOSSES["log"][0](margins(state))


def _flat(V: list[Array]) -> Array:
    """Directions (T, runs, h, h') side by side, (T, runs, all)."""
    return np.concatenate([direction.reshape(*direction.shape[:2], -1) for direction in V], axis=-1)


def _flat_of(path: Trajectory) -> Array:
    return _flat(dynamics.directions(path.arrays))
