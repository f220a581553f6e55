"""The Rayleigh quotient on the sphere: its flow, its rates, and on the circle every step."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.manifolds.networks import circle_loss, observe_angle, on_circle, on_manifolds, quotient, tensor
from experiments.manifolds.rates import (
    TWICE,
    Minimum,
    contraction,
    contraction_curves,
    hessian_at,
    require_falling,
    require_stable,
)
from experiments.methods.manifolds import FineGrainedStep, RiemannianStep, Sphere
from experiments.training import Loss, extrapolated, tends_to
from experiments.training.together import refine_together
from theory.claims import OURS, Check, Curves, Study, claim, measured, rounding, varies
from theory.manifolds import rayleigh
from theory.manifolds.rayleigh import Rayleigh


@dataclass(frozen=True)
class Sizes:
    """Of the problem, and of its training."""

    eigenvalues: tuple[float, ...] = varies("of A, decreasing", (2.0, 1.4, 0.9, 0.1, -0.5), low=-3, high=3)
    learning_rate: float = varies("near the minimum, and on the circle", 0.2, low=0.01, high=0.5)
    runs: int = varies("random starts", 16, smoke=4, paper=64, low=1, high=500)

    def __post_init__(self) -> None:
        require_falling("eigenvalues", self.eigenvalues)
        require_stable(self.learning_rate, self.eigenvalues[0] - self.eigenvalues[-1])


@claim(
    "manifolds.rayleigh",
    source="ours: the largest eigenvector, by FG-SGD (Ozay 2019) on the sphere",
    source_kind=OURS,
    statement=r"L(x) = -\tfrac{1}{2} x^\top A x,\ |x| = 1:\quad x(t) = \frac{e^{At} x_0}{|e^{At} x_0|},\quad"
    r" h_i = l_1 - l_i,\quad \text{contraction } 1 - \eta h_i;\quad"
    r" \theta \leftarrow \theta - \tfrac{\eta h}{2} \sin 2\theta \text{ on the circle, } \theta \text{ the angle to"
    r" the eigenvector}",
    hypotheses=("exponential map or retraction, steps eta", "the largest eigenvalue l_1 of A is simple"),
    theory_side="closed form",
    controls=(TWICE, "a flow 10 % faster", "curvatures of the quotient without the sphere", "the flow over one step"),
    parameters=Sizes,
)
def the_largest_eigenvector_is_found(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    l, eta = np.array(sizes.eigenvalues), sizes.learning_rate
    V = np.linalg.qr(study.rng("axes").standard_normal((len(l), len(l))))[0]
    problem = Rayleigh((V * l) @ V.T)
    loss, rates = quotient(study, problem), problem.rates
    yield from _flow(study, problem, loss, sizes.runs)
    optimum, modes = tensor(study, problem.optimum[:, None]), tensor(study, problem.modes.T[..., None])
    minimum = Minimum(loss, {"x": optimum}, {"x": modes}, rates)
    plain, grained = RiemannianStep(Sphere()), FineGrainedStep(Sphere())
    hessian = hessian_at(study, minimum, {"x": plain}, "sphere")
    yield hessian.equals(np.diag(rates))
    yield hessian.control("curvatures of the quotient without the sphere").equals(np.diag(rates - l[0]))
    for case, step in (("plain", plain), ("fine-grained", grained)):
        left = contraction(study, minimum, {"x": step}, eta, case)
        yield left.equals(lambda k: 1 - k * eta * rates)
        yield contraction_curves(left, eta * rates)
    yield left.control(TWICE).equals(1 - 2 * eta * rates)
    yield from _circle(study, eta)


def _flow(study: Study, problem: Rayleigh, loss: Loss, runs: int) -> Iterator[Check]:
    x = study.rng("starts").standard_normal((runs, len(problem.A)))
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    for move in ("exponential", "retraction"):
        trainee = on_manifolds(study, loss, {"x": RiemannianStep(Sphere(), move)}, {"x": x[..., None]})
        levels = refine_together(trainee, learning_rate=0.02, horizon=3.2, records=9)
        found, t = [run["x"][..., 0] for run in levels], levels[0].t
        solution = lambda speed: rayleigh.solution(problem, x, speed * t)  # noqa: B023, E731
        yield from tends_to("x(t)", found, solution, case=move)
    limit = extrapolated("x(t), learning rate 0", found, case=move)
    yield limit.control("a flow 10 % faster").equals(solution(1.1))


def _circle(study: Study, eta: float) -> Iterator[Check]:
    """Every step from every angle; near the axis across the rounding grows as the distance to it, to 14 times that."""
    h, steps, theta = 1.5, 40, np.linspace(-1.5, 1.5, 31)
    moves, start = {"x": RiemannianStep(Sphere())}, {"x": on_circle(theta)}
    trainee = on_manifolds(study, circle_loss(study, h), moves, start, observe=observe_angle)
    run = trainee.train(learning_rate=eta, steps=steps, record=range(steps + 1))
    within = rounding(20 * steps, 1.3**10, of="an angle, 20 a step, growing until the angle is below pi / 4")
    every = measured("every step", run["theta"], within=within, case="circle", axes=("step", "run"))
    yield every.equals(lambda k: rayleigh.circle_angles(theta, h, np.full(steps, k * eta)))
    flown = np.arctan(np.tan(theta) * np.exp(-h * run.t[:, None]))
    yield every.control("the flow over one step").equals(flown)
