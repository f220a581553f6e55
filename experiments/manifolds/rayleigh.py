"""The Rayleigh quotient on the sphere: its flow, its rates, and on the circle every step."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from experiments.manifolds.solved import TWICE, contraction, curvatures, descend, refine, tensor, twice
from experiments.methods.manifolds.descent import FineGrainedStep, RiemannianStep
from experiments.methods.manifolds.spaces import Sphere
from experiments.training.legacy import extrapolated
from experiments.training.refinement import tends_to
from experiments.training.updates import Loss
from theory.claims import Check, Curves, claim
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.manifolds import rayleigh
from theory.manifolds.rayleigh import Rayleigh

L = np.array([2.0, 1.4, 0.9, 0.1, -0.5])


@claim(
    "ozay2019.rayleigh",
    source="Ozay 2019 (FG-SGD on the sphere), derived: the largest eigenvector",
    statement=r"x(t) = \frac{e^{At} x_0}{|e^{At} x_0|},\quad h_i = l_1 - l_i,\quad"
    r" \text{contraction } 1 - \eta h_i;"
    r"\quad \theta \leftarrow \theta - \tfrac{g D}{2} \sin 2\theta \text{ on the circle}",
    hypotheses=("exponential map or retraction", "the largest eigenvalue of A is simple"),
    controls=(TWICE, "a flow 10 % faster", "curvatures of the quotient without the sphere", "the flow over one step"),
)
def the_largest_eigenvector_is_found(study: Study) -> Iterator[Check | Curves]:
    d = len(L)
    V = np.linalg.qr(study.rng("axes").standard_normal((d, d)))[0]
    problem = Rayleigh((V * L) @ V.T)
    loss, at = quotient(study, problem), problem.optimum
    yield from _flow(study, problem, loss)
    optimum, modes = {"x": tensor(study, at[:, None])}, {"x": tensor(study, problem.modes.T[..., None])}
    plain, grained = RiemannianStep(Sphere()), FineGrainedStep(Sphere())
    hessian = yield from curvatures(study, "sphere", loss, {"x": plain}, optimum, modes, problem.rates)
    free = equal("Hessian", np.diag(hessian), L[0] - problem.rates, tolerance=1e-2, because="far beyond any error")
    yield refuted("curvatures of the quotient without the sphere", free)
    eta = 0.2
    for name, step in (("plain", plain), ("fine-grained", grained)):
        found = yield from contraction(study, name, loss, {"x": step}, optimum, modes, problem.rates, learning_rate=eta)
    yield twice(*found, problem.rates, eta)
    yield from _circle(study)


def quotient(study: Study, problem: Rayleigh) -> Loss:
    """-x^T A x / 2 of x (runs, d, 1)."""
    A = tensor(study, problem.A)
    return lambda state: -0.5 * (state["x"] * (A @ state["x"])).sum((-2, -1))


def _flow(study: Study, problem: Rayleigh, loss: Loss) -> Iterator[Check | Curves]:
    x = study.rng("starts").standard_normal((study.pick(smoke=4, quick=16, paper=64), len(L)))
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    for move in ("exponential", "retraction"):
        step = {"x": RiemannianStep(Sphere(), move)}
        runs = refine(study, f"flow {move}", loss, step, {"x": x[..., None]}, learning_rate=0.02, horizon=3.2)
        found, t = [run["x"][..., 0] for run in runs], runs[0].t
        yield from tends_to(f"{move}: x(t)", found, rayleigh.solution(problem, x, t))
    faster = extrapolated("x(t)", found, rayleigh.solution(problem, x, 1.1 * t))
    yield refuted("a flow 10 % faster", faster)


def _circle(study: Study) -> Iterator[Check]:
    """Every step from every angle; near the axis across the rounding grows by 1 + g D <= 1.3 a step, for ten steps."""
    D, g, steps = 1.5, 0.2, 40
    theta = np.linspace(-1.5, 1.5, 31)
    run = descend(
        study,
        "circle",
        quotient(study, Rayleigh(np.diag([D, 0.0]))),
        {"x": RiemannianStep(Sphere())},
        {"x": on_circle(theta)},
        learning_rate=g,
        steps=steps,
        record=list(range(steps + 1)),
    )
    measured = angle(torch.tensor(run["x"])).numpy()
    tolerance, because = 20 * EPS * steps * 1.3**10, "twenty roundings a step, growing until the angle is below pi / 4"
    exact = rayleigh.circle_angles(theta, D, np.full(steps, g))
    yield equal("circle: every step", measured, exact, tolerance=tolerance, because=because)
    t = g * np.arange(steps + 1)[:, None]
    flown = np.arctan(np.tan(theta) * np.exp(-D * t))
    yield refuted("the flow over one step", equal("angle", measured, flown, tolerance=tolerance, because=because))


def on_circle(theta: Array) -> Array:
    """(cos theta, sin theta), shape (runs, 2, 1)."""
    return np.stack([np.cos(theta), np.sin(theta)], axis=-1)[..., None]


def angle(x: Tensor) -> Tensor:
    """theta of x (..., 2, 1), from the first axis."""
    return torch.atan2(x[..., 1, 0], x[..., 0, 0])
