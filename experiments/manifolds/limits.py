"""Where the convergence theorem stops: starts on a saddle, maximisers, constant steps, gradients too large."""

from collections.abc import Iterator

import numpy as np

from experiments.manifolds.networks import (
    L,
    circle_loss,
    observe_angle,
    on_circle,
    on_manifolds,
    quotient,
    tensor,
)
from experiments.methods.manifolds import FineGrainedStep, RiemannianStep, Sphere
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    rounding,
)
from theory.manifolds import rayleigh
from theory.manifolds.rayleigh import Rayleigh
from theory.manifolds.schedules import Schedule

STUCK = "from a saddle the minimiser is reached"
DAMPED = "normalised steps reach the minimiser whatever the size of the loss"
WHOLE = Tolerance(0.4, "whole numbers")
PLAIN, GRAINED = {"x": RiemannianStep(Sphere())}, {"x": FineGrainedStep(Sphere())}


@claim(
    "ozay2019.limits_of_the_theorem",
    source="Ozay 2019, abstract (convergence to minima; its hypothesis is our reading: <Log_w w*, grad L> bounded"
    " below 0"
    " away from w*); limits derived",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"L = -\tfrac{h}{2} \cos^2 \theta:\quad \langle \mathrm{Log}_w w^*, \nabla L \rangle = -\tfrac{h}{2}"
    r" \theta \sin 2\theta = 0 \text{ at } \theta = \tfrac{\pi}{2}: \text{ on a compact manifold the hypothesis holds"
    r" on a basin at most}",
    hypotheses=("the Rayleigh quotient, theta the angle to its minimiser w*", "no noise"),
    theory_side="identity",
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
    yield from _alignment(study)
    yield from _maximiser(study)
    yield from _cycle(study)
    yield from _damping(study)


def _on_the_saddle(study: Study) -> Iterator[Check]:
    """Noise-free descent from the second eigenvector never moves."""
    start = np.eye(len(L))[None, :, 1, None]
    trainee = on_manifolds(study, quotient(study, Rayleigh(np.diag(L))), GRAINED, {"x": start})
    end = trainee.train(learning_rate=0.5, steps=100, record=[100])["x"][-1]
    yield measured("entries that moved", int((end != start).sum()), within=WHOLE, case="from a saddle").equals(0)
    sine = measured("sine to the minimiser", np.sqrt(1 - end[0, 0, 0] ** 2), within=rounding(1e3, of="a sine"))
    condition = "from a start in a basin of the minimiser, where -<Log, grad L> is above 0, or with noise"
    yield sine.unconditioned(STUCK, condition=condition).equals(0)


def _near_the_saddle(study: Study) -> Iterator[Check]:
    h, g = 1.0, 0.25
    beta = 10.0 ** -np.arange(2, 13)
    start = np.stack([np.sin(beta), np.cos(beta)], axis=-1)[..., None]
    predicted = rayleigh.steps_to_leave(beta, g * h)
    steps = int(predicted.max()) + 2
    trainee = on_manifolds(study, circle_loss(study, h), PLAIN, {"x": start})
    x = trainee.train(learning_rate=g, steps=steps, record=range(steps + 1))["x"]
    taken = (np.arctan2(x[..., 0, 0], x[..., 1, 0]) < np.pi / 4).sum(0)
    yield measured("steps to leave a saddle", taken, within=WHOLE, axes=("start",)).equals(predicted)
    factors = np.log(beta[0] / beta[-1])
    within = Tolerance(1 / factors, "one step of the difference")
    each = measured("steps for each factor e", (taken[-1] - taken[0]) / factors, within=within)
    yield each.equals(1 / np.log(1 + g * h))
    alike = measured("steps to leave", taken, within=Tolerance(1, "one step"), axes=("start",))
    yield alike.control("leaving a saddle takes the same time from everywhere").equals(taken[0])


def _alignment(study: Study) -> Iterator[Check | Curves]:
    """What the theorem asks for, on the circle, torch's against the formula."""
    h, theta = 1.5, np.linspace(-np.pi / 2, np.pi / 2, 1001)
    x, sphere = tensor(study, on_circle(theta)), Sphere()
    G = sphere.tangent(x, -tensor(study, np.diag([h, 0.0])) @ x)
    inner = (sphere.logarithm(x, tensor(study, on_circle(np.zeros(1)))) * G).sum((-2, -1)).cpu().numpy()
    predicted = rayleigh.alignment(theta, h)
    within = rounding(100, of="a product below pi")
    yield measured("<log, grad>", inner, within=within, axes=("angle",)).equals(
        lambda k: rayleigh.alignment(theta, k * h)
    )
    away, basin = np.abs(theta) > 0.3, np.abs(theta) < 1.4
    # theta sin 2 theta rises and then falls, so that the least of it on the basin is at an end.
    least = np.abs(rayleigh.alignment(np.array([0.3, 1.4]), h)).min()
    within = exactly("theta sin 2 theta has one maximum, and is least at an end")
    yield measured("-<log, grad>", -inner[away & basin], within=within, case="in the basin").at_least(least)
    everywhere = measured("-<log, grad>", -inner[away], within=within)
    yield everywhere.control("the hypothesis holds away from the minimiser").at_least(least)
    yield curves("alignment", angle=theta, measured=inner, predicted=predicted)


def _maximiser(study: Study) -> Iterator[Check]:
    """A compact manifold has a maximiser: ascent finds it, a right angle away, and no gradient there."""
    problem, x = Rayleigh(np.diag(L)), study.rng("ascent").standard_normal((8, len(L), 1))
    loss, unit_x = quotient(study, problem), {"x": x / np.linalg.norm(x, axis=-2, keepdims=True)}
    trainee = on_manifolds(study, lambda state: -loss(state), PLAIN, unit_x)
    ends = trainee.train(learning_rate=0.4, steps=600, record=[0, 600])["x"][..., 0]
    gradient = ends @ problem.A - ends * np.einsum("tri,ij,trj->tr", ends, problem.A, ends)[..., None]
    within = rounding(1e3, of="a unit vector; 0.76^600 is left of the slowest mode")
    at_start = float(np.abs(gradient[0]).max())
    yield measured("gradient at a maximiser", gradient[1], within=within, axes=("run",)).equals(0, against=at_start)
    start, end = (np.abs(x @ problem.optimum) for x in ends)
    cosine = measured("cosine of it to the minimiser", end, within=within, axes=("run",))
    yield cosine.equals(0, against=float(start.max()))


def _cycle(study: Study) -> Iterator[Check]:
    """A constant step beyond 2 / h alternates for ever."""
    h, g, steps = 3.0, np.array([0.7, 0.75, 0.8, 0.85]), 400
    start = {"x": on_circle(np.full(len(g), 0.3))}
    trainee = on_manifolds(study, circle_loss(study, h), PLAIN, start, observe=observe_angle)
    theta = trainee.train(learning_rate=g, steps=steps, record=[steps - 1, steps])["theta"]
    cycle = np.array([rayleigh.cycle_angle(float(each * h)) for each in g])
    within = rounding(1e4, of="an angle; the cycle attracts by 0.8 a step or more")
    yield measured("a large constant step: its cycle", np.abs(theta), within=within, axes=("step", "run")).equals(cycle)
    signs = measured("it alternates", np.sign(theta[0] * theta[1]).astype(int), within=WHOLE, axes=("run",))
    yield signs.equals(-1)
    settled = measured("angle", theta, within=within, axes=("step", "run"))
    yield settled.control("a constant step settles whatever its size").equals(0)


def _damping(study: Study) -> Iterator[Check | Curves]:
    """Where gradients are large the normalised step is about g / (2 rho + R), the shorter the larger they are."""
    steps, schedule = 500, Schedule(1.0, 1.0, 0.75)
    theta, ends = np.array([0.4, 0.8, 1.2]), []
    record = sorted({round(step) for step in np.geomspace(1, steps, 30)} | {0})
    for h in (1.0, 20.0, 2000.0):
        loss, start = circle_loss(study, h), {"x": on_circle(theta)}
        trainee = on_manifolds(study, loss, GRAINED, start, schedule=schedule, observe=observe_angle)
        run = trainee.train(learning_rate=schedule.c, steps=steps, record=record)
        g = schedule(np.arange(steps, dtype=float))
        exact = lambda k: rayleigh.fine_grained_angles(theta, h, k * g, np.pi, 1.0)[record]  # noqa: B023, E731
        within = rounding(1e3 * steps, of="an angle, a thousand a step")
        every = measured("every step", run["theta"], within=within, case=f"h = {h:g}", axes=("record", "run"))
        yield every.equals(exact)
        ends.append(np.abs(run["theta"][-1]).max())
        yield curves(f"damping, h = {h:g}", steps=record, theta=run["theta"])
    within = exactly("what smaller losses leave, of the same starts after as many steps")
    yield measured("angle in the end", ends[-1], within=within).control(DAMPED).at_most(max(ends[:-1]))
