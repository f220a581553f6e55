"""Orthogonal maps against torch's and geoopt's: milliseconds forward and backward, with the orthogonality error beside.

Normal P, one thread. torch parametrises by Householder, Cayley and the exponential. geoopt has no parametrisation: its
polar projection stands beside Loewdin and Gram-Schmidt, and a step of its Riemannian descent (Euclidean metric, QR
retraction) beside a step of the preserving descent.
"""

from collections.abc import Callable

import geoopt
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from benchmarks.timing import interleaved
from experiments.methods.orthogonal.descent import PreservingDescent
from experiments.methods.orthogonal.parametrisations import MAPS, Rotation
from experiments.orthogonal.published_maps import classical_gram_schmidt

SIZES = (64, 144, 288, 576)  # 576 = 3 x 3 x 64: the neurons of a convolution
EXACT = [name for name in MAPS if name != "free"]
OF_TORCH = ("householder", "cayley", "matrix_exp")


def normal(name: str, d: int, dtype: torch.dtype = torch.float64) -> Tensor:
    P = torch.randn(d, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (P.tril(-1) - torch.eye(d) if name == "householder" else P).to(dtype)


def error(R: Tensor) -> float:
    return float((R @ R.mT - torch.eye(len(R), dtype=R.dtype)).abs().max())


def forward_and_backward(map: Callable[[Tensor], Tensor], P: Tensor) -> Callable[[], Tensor]:
    direction = torch.ones_like(P)

    def task() -> Tensor:
        leaf = P.detach().requires_grad_()
        return torch.autograd.grad((map(leaf) * direction).sum(), leaf)[0]

    return task


def of_torch(name: str, d: int) -> Callable[[Tensor], Tensor]:
    layer = orthogonal(nn.Linear(d, d, bias=False, dtype=torch.float64), orthogonal_map=name)
    return layer.parametrizations.weight[0]


@pytest.mark.parametrize("d", SIZES)
@pytest.mark.parametrize("name", EXACT)
def test_maps(name: str, d: int, report: Callable[[str], None]) -> None:
    P = normal(name, d)
    peer = f"torch's {name}" if name in OF_TORCH else "geoopt's polar"
    maps = {name: Rotation(d, name, dtype=torch.float64).map}
    maps[peer] = of_torch(name, d) if name in OF_TORCH else geoopt.EuclideanStiefel().projx
    tasks = {f"{each}, forward": lambda map=map: map(P) for each, map in maps.items()}
    tasks |= {f"{each}, both": forward_and_backward(map, P) for each, map in maps.items()}
    seconds = interleaved(tasks, rounds=3)
    for each, map in maps.items():
        forward, both = (1e3 * seconds[f"{each}, {way}"] for way in ("forward", "both"))
        left = error(map(P).detach()) / (d * torch.finfo(P.dtype).eps)
        report(f"d = {d}: {each:19s} {forward:8.2f} ms, with backward {both:8.2f} ms, {left:.2f} d eps")
        assert left <= 10
    forward, both = (seconds[f"{peer}, {way}"] / seconds[f"{name}, {way}"] for way in ("forward", "both"))
    back = seconds[f"{name}, both"] / seconds[f"{name}, forward"] - 1
    report(f"d = {d}: {both:.2f} times {peer}, {forward:.2f} times forward; backward {back:.1f} times forward")


@pytest.mark.parametrize("d", SIZES)
def test_steps(d: int, report: Callable[[str], None]) -> None:
    gradient = normal("gradient", d) / d
    ours = nn.Parameter(torch.eye(d, dtype=torch.float64))
    theirs = geoopt.ManifoldParameter(torch.eye(d, dtype=torch.float64), manifold=geoopt.EuclideanStiefel())
    ours.grad, theirs.grad = gradient.clone(), gradient.clone()
    optimizers = {
        "preserving descent": PreservingDescent([ours], lr=0.01, momentum=0),
        "geoopt": geoopt.optim.RiemannianSGD([theirs], lr=0.01),
    }
    seconds = interleaved({name: optimizer.step for name, optimizer in optimizers.items()}, rounds=3)
    errors = {"preserving descent": error(ours.detach()), "geoopt": error(theirs.detach())}
    for name, value in seconds.items():
        report(f"d = {d}: a step of {name:18s} {1e3 * value:8.2f} ms, {errors[name]:.0e}")
        assert errors[name] <= 1e-10


def test_single_precision(report: Callable[[str], None]) -> None:
    P = normal("published", 576, torch.float32)
    left = {"published Gram-Schmidt": error(classical_gram_schmidt(P))}
    left |= {name: error(Rotation(576, name).map(normal(name, 576, torch.float32)).detach()) for name in EXACT}
    report("d = 576, float32: " + ", ".join(f"{name} {value:.0e}" for name, value in left.items()))
    assert max(left[name] for name in EXACT) < 1e-4
    assert left["published Gram-Schmidt"] > 10 * left["gram_schmidt"]
