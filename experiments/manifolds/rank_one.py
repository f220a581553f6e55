"""A two-layer linear network of one hidden unit on a product of two spheres, trained on white inputs."""

from collections.abc import Iterator

import numpy as np

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
from theory.manifolds import rank_one
from theory.manifolds.rank_one import RankOne

S, ETA = np.array([2.0, 1.3, 0.5]), 0.2


@claim(
    "ozay2019.rank_one_product",
    source="Ozay 2019 (products of manifolds over layers), derived: a rank-one linear network",
    statement=r"(u, v)(t) \propto"
    r" \exp\!\left[\begin{smallmatrix} 0 & M \\ M^\top & 0 \end{smallmatrix}\right]\! t\ (u_0, v_0);"
    r"\quad h = s_1 \pm s_k \text{ and } s_1;\quad |u^\top M v| \to s_1",
    hypotheses=("X X^T = I", "|u| = |v| = 1", "the largest singular value is simple"),
    controls=(TWICE, "a flow 10 % faster", "layers that do not see each other"),
)
def two_unit_layers_find_the_first_singular_vectors(study: Study) -> Iterator[Check | Curves]:
    a, b, n = 4, 3, 6
    U, V, inputs = (np.linalg.qr(study.rng(size).standard_normal((size, b)))[0] for size in (a, b, n))
    Y = (U * S) @ V.T @ inputs.T
    problem = RankOne(Y @ inputs)
    loss, rates = _network(study, inputs.T, Y), rank_one.rates(problem)
    split = lambda z: {"u": tensor(study, z[..., :a, None]), "v": tensor(study, z[..., a:, None])}  # noqa: E731
    optimum, modes = split(rank_one.optimum(problem)), split(rank_one.modes(problem))
    both = {"u": FineGrainedStep(Sphere()), "v": FineGrainedStep(Sphere())}
    hessian = yield from curvatures(study, "product", loss, both, optimum, modes, rates)
    alone = equal("Hessian", np.diag(hessian), S[0], tolerance=1e-2, because="far beyond any error")
    yield refuted("layers that do not see each other", alone)
    found = yield from contraction(study, "product", loss, both, optimum, modes, rates, learning_rate=ETA)
    yield twice(*found, rates, ETA)
    yield from _flow(study, problem, loss)


def _network(study: Study, X: Array, Y: Array) -> Loss:
    """Squared loss of x -> u v^T x, halved."""
    inputs, labels = tensor(study, X), tensor(study, Y)
    return lambda state: 0.5 * (state["u"] @ (state["v"].mT @ inputs) - labels).square().sum((-2, -1))


def _flow(study: Study, problem: RankOne, loss: Loss) -> Iterator[Check | Curves]:
    runs = study.pick(smoke=4, quick=16, paper=64)
    unit = lambda z: z / np.linalg.norm(z, axis=-1, keepdims=True)  # noqa: E731
    u, v = (unit(study.rng("start", size).standard_normal((runs, size))) for size in problem.M.shape)
    start = {"u": u[..., None], "v": v[..., None]}
    step = {"u": RiemannianStep(Sphere()), "v": RiemannianStep(Sphere())}
    levels = refine(study, "flow", loss, step, start, learning_rate=0.02, horizon=2.4)
    found = [np.concatenate([run["u"], run["v"]], axis=-2)[..., 0] for run in levels]
    at = lambda t: np.concatenate(rank_one.solution(problem, u, v, t), axis=-1)  # noqa: E731
    yield from tends_to("(u, v)(t)", found, at(levels[0].t))
    yield refuted("a flow 10 % faster", extrapolated("(u, v)(t)", found, at(1.1 * levels[0].t)))
    long = {"learning_rate": ETA, "steps": 400, "record": [400]}
    end = descend(study, "limit", loss, step, start, **long)
    product = np.abs(end["u"][-1].mT @ problem.M @ end["v"][-1]).ravel()
    because = "0.86^400 of the start, and a thousand roundings"
    yield equal("|u^T M v| in the end", product, S[0], tolerance=1e3 * EPS, because=because)
