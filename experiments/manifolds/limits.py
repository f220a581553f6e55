"""Where the convergence theorem stops: starts on a saddle, maximisers, constant steps, gradients too large."""

from collections.abc import Iterator

import numpy as np

from experiments.manifolds.rayleigh import L, angle, on_circle, quotient
from experiments.manifolds.solved import descend, tensor
from experiments.methods.manifolds.descent import FineGrainedStep, FineGrainedUpdate, RiemannianStep
from experiments.methods.manifolds.spaces import Sphere
from experiments.training.loop import train
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS
from theory.manifolds import rayleigh
from theory.manifolds.rayleigh import Rayleigh
from theory.manifolds.schedules import Schedule

STUCK = "from a saddle the minimiser is reached"
DAMPED = "normalised steps reach the minimiser whatever the size of the loss"


@claim(
    "ozay2019.limits_of_the_theorem",
    source="Ozay 2019 (its hypothesis is our reading: <log_w w*, grad L> bounded below 0 away from w*); limits derived",
    statement=r"\langle \mathrm{Log}_w w^*, \nabla L \rangle = -\tfrac{D}{2} \theta \sin 2\theta = 0"
    r" \text{ at } \theta = \tfrac{\pi}{2}: \text{ on a compact manifold the hypothesis"
    r" holds on a basin at most}",
    hypotheses=("the Rayleigh quotient", "no noise"),
    controls=(
        STUCK,
        "the hypothesis holds away from the minimiser",
        "a constant step settles whatever its size",
        "leaving a saddle takes the same time from everywhere",
        DAMPED,
    ),
)
def convergence_is_local(study: Study) -> Iterator[Check | Curves]:
    yield from _on_the_saddle(study)
    yield from _near_the_saddle(study)
    yield from _pull(study)
    yield from _maximiser(study)
    yield from _cycle(study)
    yield from _damping(study)


def _on_the_saddle(study: Study) -> Iterator[Check]:
    """Noise-free descent from the second eigenvector never moves."""
    steps, start = 100, np.eye(len(L))[:, 1, None]
    step = {"x": FineGrainedStep(Sphere())}
    at = np.broadcast_to(start, (1, *start.shape))
    schedule = {"learning_rate": 0.5, "steps": steps, "record": [steps]}
    end = descend(study, "saddle", quotient(study, Rayleigh(np.diag(L))), step, {"x": at}, **schedule)["x"][-1]
    differing = int((end != at).sum())
    yield equal("from a saddle: entries that moved", differing, 0, tolerance=0.5, because="whole numbers")
    reached = equal("sine to the minimiser", np.sqrt(1 - end[0, 0, 0] ** 2), 0, tolerance=0.1, because="a tenth")
    yield refuted(STUCK, reached)


def _near_the_saddle(study: Study) -> Iterator[Check]:
    D, g = 1.0, 0.25
    beta = 10.0 ** -np.arange(2, 13)
    start = np.stack([np.sin(beta), np.cos(beta)], axis=-1)[..., None]
    predicted = rayleigh.steps_to_leave(beta, g * D)
    record = list(range(int(predicted.max()) + 3))
    loss = quotient(study, Rayleigh(np.diag([D, 0.0])))
    schedule = {"learning_rate": g, "steps": record[-1], "record": record}
    x = descend(study, "near", loss, {"x": RiemannianStep(Sphere())}, {"x": start}, **schedule)["x"]
    measured = (np.arctan2(x[..., 0, 0], x[..., 1, 0]) < np.pi / 4).sum(0)
    yield equal("steps to leave a saddle", measured, predicted, tolerance=0.5, because="whole numbers")
    decades = (measured[-1] - measured[0]) / np.log(beta[0] / beta[-1])
    tolerance, because = 1 / np.log(beta[0] / beta[-1]), "one step of the difference"
    yield equal("steps for each factor e", decades, 1 / np.log(1 + g * D), tolerance=tolerance, because=because)
    same = equal("steps to leave", measured, measured[0], tolerance=1, because="one step")
    yield refuted("leaving a saddle takes the same time from everywhere", same)


def _pull(study: Study) -> Iterator[Check | Curves]:
    """What the theorem asks for, on the circle, torch's against the formula."""
    D, theta = 1.5, np.linspace(-np.pi / 2, np.pi / 2, 101)
    x, sphere = tensor(study, on_circle(theta)), Sphere()
    G = sphere.tangent(x, -tensor(study, np.diag([D, 0.0])) @ x)
    measured = (sphere.logarithm(x, tensor(study, on_circle(np.zeros(1)))) * G).sum((-2, -1)).cpu().numpy()
    yield equal("<log, grad>", measured, rayleigh.pull(theta, D), tolerance=100 * EPS, because="a hundred roundings")
    away, basin = np.abs(theta) > 0.3, np.abs(theta) < 1.4
    # theta sin 2 theta rises and then falls, so that the least of it on the basin is at an end.
    least = np.abs(rayleigh.pull(np.array([0.3, 1.4]), D)).min()
    because = "theta sin 2 theta has one maximum, and is least at an end"
    yield at_least("in the basin: -<log, grad>", -measured[away & basin], least, because=because)
    everywhere = at_least("-<log, grad>", -measured[away], least, because=because)
    yield refuted("the hypothesis holds away from the minimiser", everywhere)
    yield curves(pull_angle=theta, pull=measured, pull_predicted=rayleigh.pull(theta, D))


def _maximiser(study: Study) -> Iterator[Check]:
    """A compact manifold has a maximiser: ascent finds it, a right angle away, and no gradient there."""
    problem = Rayleigh(np.diag(L))
    x = study.rng("ascent").standard_normal((8, len(L), 1))
    start = {"x": x / np.linalg.norm(x, axis=-2, keepdims=True)}
    loss = quotient(study, problem)
    schedule = {"learning_rate": 0.4, "steps": 600, "record": [600]}
    step = {"x": RiemannianStep(Sphere())}
    end = descend(study, "ascent", lambda state: -loss(state), step, start, **schedule)["x"][-1, ..., 0]
    gradient = end @ problem.A - end * np.einsum("ri,ij,rj->r", end, problem.A, end)[:, None]
    because = "what is left of the slowest mode, 0.76^600, and rounding"
    yield equal("gradient at a maximiser", gradient, 0, tolerance=1e3 * EPS, because=because)
    yield equal("cosine of it to the minimiser", end @ problem.optimum, 0, tolerance=1e3 * EPS, because=because)


def _cycle(study: Study) -> Iterator[Check]:
    """A constant step beyond 2 / D alternates for ever."""
    D, g, steps = 3.0, np.array([0.7, 0.75, 0.8, 0.85]), 400
    loss = quotient(study, Rayleigh(np.diag([D, 0.0])))
    schedule = {"learning_rate": g, "steps": steps, "record": [steps - 1, steps]}
    start = {"x": on_circle(np.full(len(g), 0.3))}
    x = descend(study, "cycle", loss, {"x": RiemannianStep(Sphere())}, start, **schedule)["x"]
    measured = angle(tensor(study, x)).cpu().numpy()
    cycle = np.array([rayleigh.cycle_angle(float(each * D)) for each in g])
    because = "the cycle attracts by 0.8 a step or more, and a thousand roundings"
    yield equal("a large constant step: its cycle", np.abs(measured), cycle[None], tolerance=1e4 * EPS, because=because)
    yield equal("it alternates", np.sign(measured[0] * measured[1]), -1, tolerance=0.5, because="signs")
    settled = equal("angle", measured, 0, tolerance=0.1, because="a tenth")
    yield refuted("a constant step settles whatever its size", settled)


def _damping(study: Study) -> Iterator[Check | Curves]:
    """Where gradients are large the normalised step is about g / (2 rho + R), the shorter the larger they are."""
    steps, schedule = 2000, Schedule(1.0, 1.0, 0.75)
    theta, ends = np.array([0.4, 0.8, 1.2]), []
    record = sorted({round(step) for step in np.geomspace(1, steps, 30)} | {0})
    for D in (1.0, 20.0, 2000.0):
        loss = quotient(study, Rayleigh(np.diag([D, 0.0])))
        run = train(
            loss,
            {"x": on_circle(theta)},
            learning_rate=schedule.c,
            steps=steps,
            record=record,
            observe=lambda state: {"theta": angle(state["x"])},
            update=FineGrainedUpdate(loss, {"x": FineGrainedStep(Sphere())}, a=schedule.a, q=schedule.q),
            **study.training(f"damping {D}"),
        )
        exact = rayleigh.fine_grained_angles(theta, D, schedule(np.arange(steps, dtype=float)), np.pi, 1.0)[record]
        tolerance, because = 1e3 * EPS * steps, "a thousand roundings a step"
        yield equal(f"D = {D:g}: every step", run["theta"], exact, tolerance=tolerance, because=because)
        ends.append(np.abs(run["theta"][-1]).max())
        yield curves(**{f"damping {D:g}": run["theta"]})
    yield at_most("D = 1, 20: angle in the end", ends[:2], 1e-3, because="(1 - g D) a step near the optimum")
    yield refuted(DAMPED, at_most("angle in the end", ends, 1e-3, because="(1 - g D) a step near the optimum"))
