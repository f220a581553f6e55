"""A two-layer linear network of one hidden unit on a product of two spheres, trained on white inputs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.manifolds.networks import on_manifolds, tensor
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
from theory.core.arrays import Array
from theory.manifolds import rank_one
from theory.manifolds.rank_one import RankOne


@dataclass(frozen=True)
class Sizes:
    """Of the network, its inputs as many as singular values, one output more; and of its training."""

    singular_values: tuple[float, ...] = varies("of M, decreasing", (2.0, 1.3, 0.5), low=0.05, high=4)
    learning_rate: float = varies("near the minimum, and until the end", 0.2, low=0.01, high=0.5)
    runs: int = varies("random starts", 16, smoke=4, paper=64, low=1, high=500)

    def __post_init__(self) -> None:
        require_falling("singular_values", self.singular_values)
        require_stable(self.learning_rate, self.singular_values[0] + self.singular_values[1])


@claim(
    "manifolds.rank_one_product",
    source="ours: a rank-one linear network, by FG-SGD (Ozay 2019) on a product of two spheres",
    source_kind=OURS,
    statement=r"x \mapsto u v^\top x,\ M = Y X^\top:\quad (u, v)(t) \propto \exp\!\left[\begin{smallmatrix} 0 & M"
    r" \\ M^\top & 0 \end{smallmatrix}\right]\! t\ (u_0, v_0);\quad"
    r" \text{rates } h = s_1 \pm s_k \text{ and } s_1;\quad |u^\top M v| \to s_1",
    hypotheses=(
        "X X^T = I, squared loss",
        "|u| = |v| = 1, each rescaled",
        "the largest singular value s_1 of M is simple",
    ),
    theory_side="closed form",
    controls=(TWICE, "a flow 10 % faster", "layers that do not see each other"),
    parameters=Sizes,
)
def two_unit_layers_find_the_first_singular_vectors(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    s, eta = np.array(sizes.singular_values), sizes.learning_rate
    a, b, n = len(s) + 1, len(s), 2 * len(s)
    U, V, inputs = (np.linalg.qr(study.rng(size).standard_normal((size, b)))[0] for size in (a, b, n))
    Y = (U * s) @ V.T @ inputs.T
    problem = RankOne(Y @ inputs)
    loss, rates = _network(study, inputs.T, Y), rank_one.rates(problem)
    split = lambda z: {"u": tensor(study, z[..., :a, None]), "v": tensor(study, z[..., a:, None])}  # noqa: E731
    minimum = Minimum(loss, split(rank_one.optimum(problem)), split(rank_one.modes(problem)), rates)
    both = {"u": FineGrainedStep(Sphere()), "v": FineGrainedStep(Sphere())}
    hessian = hessian_at(study, minimum, both, "product")
    yield hessian.equals(np.diag(rates))
    yield hessian.control("layers that do not see each other").equals(s[0] * np.eye(len(rates)))
    left = contraction(study, minimum, both, eta, "product")
    yield left.equals(lambda k: 1 - k * eta * rates)
    yield contraction_curves(left, eta * rates)
    yield left.control(TWICE).equals(1 - 2 * eta * rates)
    yield from _flow(study, problem, loss, sizes)


def _network(study: Study, X: Array, Y: Array) -> Loss:
    """Squared loss of x -> u v^T x, halved."""
    inputs, labels = tensor(study, X), tensor(study, Y)
    return lambda state: 0.5 * (state["u"] @ (state["v"].mT @ inputs) - labels).square().sum((-2, -1))


def _flow(study: Study, problem: RankOne, loss: Loss, sizes: Sizes) -> Iterator[Check]:
    normal = [study.rng("start", size).standard_normal((sizes.runs, size)) for size in problem.M.shape]
    u, v = (z / np.linalg.norm(z, axis=-1, keepdims=True) for z in normal)
    both = {"u": RiemannianStep(Sphere()), "v": RiemannianStep(Sphere())}
    trainee = on_manifolds(study, loss, both, {"u": u[..., None], "v": v[..., None]})
    levels = refine_together(trainee, learning_rate=0.02, horizon=2.4, records=9)
    found = [np.concatenate([run["u"], run["v"]], axis=-2)[..., 0] for run in levels]
    flow = lambda speed: np.concatenate(rank_one.solution(problem, u, v, speed * levels[0].t), axis=-1)  # noqa: E731
    yield from tends_to("(u, v)(t)", found, flow)
    yield extrapolated("(u, v)(t), learning rate 0", found).control("a flow 10 % faster").equals(flow(1.1))
    eta, (first, second) = sizes.learning_rate, sizes.singular_values[:2]
    steps = max(400, int(np.ceil(50 / (eta * (first - second)))))
    end = trainee.train(learning_rate=eta, steps=steps, record=[steps])
    product = np.abs(end["u"][-1].mT @ problem.M @ end["v"][-1]).ravel()
    within = rounding(1e3, of="a product of singular vectors; e^-50 is left of the start")
    yield measured("|u^T M v| in the end", product, within=within, axes=("run",)).equals(first)
