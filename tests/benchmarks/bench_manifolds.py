"""Steps on Stiefel, on spheres and on products of them against geoopt's: milliseconds, and that both end at the same
point. One thread.

geoopt's reference is `EuclideanStiefel(Exact)`; its default `Stiefel` has the canonical metric, and another step.
"""

from collections.abc import Callable

import geoopt
import pytest
import torch
from torch import Tensor

from benchmarks.timing import interleaved
from experiments.methods.manifolds.descent import FineGrainedSGD, RiemannianStep
from experiments.methods.manifolds.spaces import Sphere, Stiefel
from theory.manifolds.schedules import Schedule

SHAPES = ((64, 16), (256, 64), (576, 64))
PRODUCTS = ((3, 3), (16, 16), (64, 16), (64, 64), (256, 16), (256, 64), (256, 256))
FACTORS = 16  # matrices in a product
SPACES = {
    "Stiefel, exponential": (RiemannianStep(Stiefel()), geoopt.EuclideanStiefelExact()),
    "Stiefel, retraction": (RiemannianStep(Stiefel(), "retraction"), geoopt.EuclideanStiefel()),
    "spheres": (RiemannianStep(Sphere()), geoopt.SphereExact()),
}
ETA = 0.01


def normal(A: int, B: int, seed: int) -> Tensor:
    return torch.randn(A, B, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("A", "B"), SHAPES)
def test_steps_on_stiefel(A: int, B: int, report: Callable[[str], None]) -> None:
    start, G = Stiefel().project(normal(A, B, 0)), normal(A, B, 1) / A**0.5
    ours = {move: start.clone().requires_grad_() for move in ("exponential", "retraction")}
    steps = {
        f"ours, {move}": FineGrainedSGD([w], RiemannianStep(Stiefel(), move), Schedule(ETA, q=0))  # type: ignore[arg-type]
        for move, w in ours.items()
    }
    peers = {"exponential": geoopt.EuclideanStiefelExact(), "retraction": geoopt.EuclideanStiefel()}
    theirs = {move: geoopt.ManifoldParameter(start.clone(), manifold=peer) for move, peer in peers.items()}
    steps |= {f"geoopt, {move}": geoopt.optim.RiemannianSGD([w], lr=ETA) for move, w in theirs.items()}
    for w in (*ours.values(), *theirs.values()):
        w.grad = G.clone()
    for step in steps.values():
        step.step()
    for move in ours:
        assert torch.allclose(ours[move], theirs[move], atol=1e-12)
    for name, seconds in interleaved({name: step.step for name, step in steps.items()}, rounds=3).items():
        report(f"{A} x {B}: {name:20s} {1e3 * seconds:8.2f} ms")


@pytest.mark.parametrize(("A", "B"), SHAPES)
def test_steps_on_spheres(A: int, B: int, report: Callable[[str], None]) -> None:
    start, G = Sphere().project(normal(A, B, 0).reshape(A * B, 1)), normal(A * B, 1, 1) / A**0.5
    ours = start.clone().requires_grad_()
    theirs = geoopt.ManifoldParameter(start.clone()[:, 0], manifold=geoopt.SphereExact())
    ours.grad, theirs.grad = G.clone(), G[:, 0].clone()
    steps = {
        "ours": FineGrainedSGD([ours], RiemannianStep(Sphere()), Schedule(ETA, q=0)),
        "geoopt": geoopt.optim.RiemannianSGD([theirs], lr=ETA),
    }
    for step in steps.values():
        step.step()
    assert torch.allclose(ours[:, 0], theirs, atol=1e-12)
    for name, seconds in interleaved({name: step.step for name, step in steps.items()}, rounds=3).items():
        report(f"{A * B}: {name:20s} {1e3 * seconds:8.2f} ms")


@pytest.mark.parametrize(("A", "B"), PRODUCTS)
@pytest.mark.parametrize("name", SPACES)
def test_steps_on_products(name: str, A: int, B: int, report: Callable[[str], None]) -> None:
    step, peer = SPACES[name]
    shape = (-1,) if name == "spheres" else (A, B)
    points = [step.manifold.project(normal(A, B, seed)) for seed in range(FACTORS)]
    ours = [point.clone().requires_grad_() for point in points]
    theirs = [geoopt.ManifoldParameter(point.reshape(shape).clone(), manifold=peer) for point in points]
    for seed, (w, their) in enumerate(zip(ours, theirs)):
        w.grad = normal(A, B, FACTORS + seed) / A**0.5
        their.grad = w.grad.reshape(shape).clone()
    steps = {
        "ours": FineGrainedSGD(ours, step, Schedule(ETA, q=0)),
        "geoopt": geoopt.optim.RiemannianSGD(theirs, lr=ETA),
    }
    for each in steps.values():
        each.step()
    for w, their in zip(ours, theirs):
        assert torch.allclose(w, their.reshape(A, B), atol=1e-12)
    seconds = interleaved({name: each.step for name, each in steps.items()}, rounds=3)
    ratio = seconds["geoopt"] / seconds["ours"]
    both = ", ".join(f"{each} {1e3 * value:8.2f} ms" for each, value in seconds.items())
    report(f"{name}, {FACTORS} of {A} x {B}: {both} ({ratio:.2f} x)")
