"""FG-SGD on modules and on batches, and the manifolds it moves on."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments.methods.manifolds import (
    GROUPS,
    FineGrainedSGD,
    FineGrainedStep,
    FineGrainedUpdate,
    Manifold,
    Oblique,
    RiemannianStep,
    Sphere,
    Stiefel,
)
from experiments.training import train
from theory.core.validation import InvalidArgument
from theory.manifolds.schedules import Schedule

SPACES: list[Manifold] = [Sphere(), Oblique(), Stiefel()]
NAMES = ["sphere", "oblique", "Stiefel"]


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize("manifold", SPACES, ids=NAMES)
@pytest.mark.parametrize("move", ["exponential", "retraction"])
def test_steps_stay_and_start_as_asked(manifold: Manifold, move: str) -> None:
    w = manifold.project(normal(2, 6, 5, 3))
    v = manifold.tangent(w, normal(2, 6, 5, 3))
    assert torch.allclose(manifold.tangent(w, v), v)
    after = getattr(manifold, move)(w, v)
    assert torch.allclose(manifold.project(after), after)
    assert torch.allclose(getattr(manifold, move)(w, 0 * v), w)
    h = 1e-6
    ahead, behind = (getattr(manifold, move)(w, way * v) for way in (h, -h))
    assert torch.allclose((ahead - behind) / (2 * h), v, atol=1e-8)


@pytest.mark.parametrize("manifold", SPACES, ids=NAMES)
def test_geodesics_compose(manifold: Manifold) -> None:
    """Half way, and as far again with the velocity there, is the whole way."""
    w = manifold.project(normal(4, 5, 3))
    v = manifold.tangent(w, normal(4, 5, 3))
    at = lambda s: manifold.exponential(w, s * v)  # noqa: E731
    h = 1e-5
    velocity = manifold.tangent(at(0.5), (at(0.5 + h) - at(0.5 - h)) / (2 * h))
    assert torch.allclose(manifold.exponential(at(0.5), 0.5 * velocity), at(1.0), atol=1e-7)


@pytest.mark.parametrize("manifold", SPACES, ids=NAMES)
def test_no_two_points_are_farther_than_the_spread(manifold: Manifold) -> None:
    w, y = manifold.project(normal(2, 50, 5, 3))
    assert float((w - y).square().sum((-2, -1)).sqrt().max()) <= manifold.spread(5, 3)


def test_ten_thousand_steps_stay_on_stiefel() -> None:
    w = Stiefel().project(normal(6, 3))
    for _ in range(2000):
        w = Stiefel().exponential(w, 0.5 * Stiefel().tangent(w, normal(6, 3)))
    assert torch.allclose(w.mT @ w, torch.eye(3, dtype=w.dtype), atol=1e-13)


def layer() -> nn.Conv2d:
    convolution = nn.Conv2d(4, 2, 3, bias=False, dtype=torch.float64)
    with torch.no_grad():
        convolution.weight.copy_(Sphere().project(normal(2, 4, 3, 3)))
    return convolution


@pytest.mark.parametrize("grouping", sorted(GROUPS))
def test_the_optimiser_and_the_batch_take_the_same_steps(grouping: str) -> None:
    convolution, images = layer(), normal(5, 4, 6, 6)
    step = FineGrainedStep(Sphere(), grouping=grouping)
    start = convolution.weight.detach().clone()[None]

    def loss(state: dict[str, Tensor]) -> Tensor:
        return torch.stack([nn.functional.conv2d(images, w).square().mean() for w in state["w"]])

    optimiser = FineGrainedSGD(convolution.parameters(), step, Schedule(2.0, 1.0, 0.75))
    for _ in range(4):
        optimiser.zero_grad()
        optimiser.step(lambda: convolution(images).square().mean().backward())
    update = FineGrainedUpdate(loss, {"w": step}, a=1.0, q=0.75)
    run = train(loss, {"w": start}, learning_rate=2.0, steps=4, record=[4], update=update)
    assert np.allclose(run.facts["parameters"]["w"][0], convolution.weight.detach().numpy(), rtol=0, atol=1e-14)
    assert not torch.allclose(start[0], convolution.weight)


def test_groups_of_parameters_have_steps_of_their_own() -> None:
    kernels, matrix = layer(), nn.Linear(3, 5, bias=False, dtype=torch.float64)
    nn.init.orthogonal_(matrix.weight)
    groups = [
        {"params": kernels.parameters(), "move": FineGrainedStep(Sphere(), grouping="PIO")},
        {"params": matrix.parameters(), "move": RiemannianStep(Stiefel())},
    ]
    optimiser = FineGrainedSGD(groups, RiemannianStep(Sphere()), Schedule(0.1))
    (kernels(normal(1, 4, 3, 3)).sum() + matrix(normal(2, 3)).sum()).backward()
    optimiser.step()
    assert torch.allclose(kernels.weight.square().sum((-2, -1)), torch.ones(2, 4, dtype=torch.float64))
    assert torch.allclose(matrix.weight.mT @ matrix.weight, torch.eye(3, dtype=torch.float64))


def test_unknown_groupings_and_weights_off_their_manifold_are_named() -> None:
    with pytest.raises(InvalidArgument, match="one of alone, PI, PO, PIO"):
        FineGrainedStep(Sphere(), grouping="IO")
    with pytest.raises(InvalidArgument, match="curvature = -1"):
        FineGrainedStep(Sphere(), curvature=-1.0)
    with pytest.raises(InvalidArgument, match="no channels"):
        FineGrainedStep(Sphere(), grouping="PI")(Sphere().project(normal(3, 2)), normal(3, 2), 0.1)
    with pytest.raises(InvalidArgument, match="away from it"):
        FineGrainedSGD([normal(3, 2).requires_grad_()], RiemannianStep(Sphere()), Schedule(0.1))
    with pytest.raises(InvalidArgument, match="A >= B"):
        FineGrainedSGD([Stiefel().project(normal(2, 3)).requires_grad_()], RiemannianStep(Stiefel()), Schedule(0.1))


@pytest.mark.parametrize(
    ("size", "distance", "curvature", "expected"),
    [
        (0.5, 1.0, 1.0, 1.25),  # 0.5 (2 + 0.5)
        (1.0, 0.0, 3.0, 2.0),  # (1 + 3)^(1/2)
        (0.3, 1.0, 1.0, 1.0),
        (10.0, 0.7, 0.5, 114.0),  # 10 (1.4 + 10)
    ],
)
def test_the_normaliser_by_hand(size: float, distance: float, curvature: float, expected: float) -> None:
    G = torch.tensor([[0.6 * size, 0.0], [0.0, 0.8 * size]], dtype=torch.float64)
    step = FineGrainedStep(Sphere(), curvature=curvature, distance=distance)
    assert step.normaliser(G).item() == pytest.approx(expected)


@pytest.mark.parametrize(("grouping", "pooled"), [("alone", ()), ("PI", (0,)), ("PO", (1,)), ("PIO", (0, 1))])
def test_groups_pool_gradients_and_distances(grouping: str, pooled: tuple[int, ...]) -> None:
    G = 5 * normal(2, 4, 3, 3)  # D, C, A, B
    squares = G.square().sum((-2, -1)).numpy()
    R = np.sqrt(squares.sum(axis=pooled, keepdims=True)) if pooled else np.sqrt(squares)
    rho = np.pi * np.sqrt(np.prod([(2, 4)[axis] for axis in pooled]))
    seen = FineGrainedStep(Sphere(), grouping=grouping).normaliser(G)[..., 0, 0].numpy()
    assert np.allclose(seen, R * (2 * rho + R))


def test_spreads() -> None:
    assert Sphere().spread(4, 3) == pytest.approx(np.pi)
    assert Oblique().spread(4, 3) == pytest.approx(3**0.5 * np.pi)
    assert Stiefel().spread(3, 3) == pytest.approx(3**0.5 * np.pi)


@pytest.mark.parametrize("manifold", [Sphere(), Oblique()], ids=NAMES[:2])
def test_the_logarithm_undoes_the_exponential(manifold: Sphere | Oblique) -> None:
    w, v = normal(2, 7, 4, 3)
    w = manifold.project(w)
    v = manifold.tangent(w, v)
    v = 2 * v / v.square().sum((-2, -1), keepdim=True).sqrt()
    y = manifold.exponential(w, v)
    assert torch.allclose(manifold.logarithm(w, y), v)
    assert torch.allclose(manifold.distance(w, y), torch.full((7,), 2.0, dtype=w.dtype))


@pytest.mark.parametrize("manifold", SPACES, ids=NAMES)
def test_a_step_stays_on_its_device(manifold: Manifold) -> None:
    w = torch.empty(3, 5, 2, dtype=torch.float64, device="meta")
    for step in (FineGrainedStep(manifold), FineGrainedStep(manifold, "retraction")):
        assert step(w, w, torch.ones(3, 1, 1, dtype=torch.float64, device="meta")).device.type == "meta"
