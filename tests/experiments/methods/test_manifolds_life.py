"""Manifolds at the edge of their domains, and the life of their optimiser: groups, schedulers, saving, precision."""

import copy
import io
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from experiments.methods.manifolds import (
    FineGrainedSGD,
    FineGrainedStep,
    FineGrainedUpdate,
    Manifold,
    Oblique,
    RiemannianStep,
    Sphere,
    Stiefel,
    descent,
)
from experiments.methods.orthogonal import PreservingDescent, orthogonalise
from theory.core.validation import InvalidArgument
from theory.manifolds.schedules import Schedule

SPACES: list[Manifold] = [Sphere(), Oblique(), Stiefel()]
NAMES = ["sphere", "oblique", "Stiefel"]
on_all = pytest.mark.parametrize("manifold", SPACES, ids=NAMES)
on_spheres = pytest.mark.parametrize("manifold", SPACES[:2], ids=NAMES[:2])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def defect(manifold: Manifold, w: Tensor) -> float:
    return float((manifold.project(w.double()) - w.double()).abs().max())


@on_all
@pytest.mark.parametrize("scale", [1e-160, 1e-30, 1e30, 1e160])
def test_projections_at_every_scale(manifold: Manifold, scale: float) -> None:
    w = normal(2, 4, 3)
    assert torch.allclose(manifold.project(scale * w), manifold.project(w), rtol=1e-13)


@on_all
@settings(max_examples=20, deadline=None)
@example((3, 2), 1e3, torch.float32, False, 8)
@given(
    st.sampled_from([(3, 1), (3, 2), (3, 3), (6, 3), (7, 3), (1, 1)]),
    st.sampled_from([0.0, 1e-12, 1e-4, 0.06, 1.0, 1e3, 1e5]),
    st.sampled_from([torch.float32, torch.float64]),
    st.booleans(),
    st.integers(0, 99),
)
def test_geodesics_of_every_length_end_on_the_manifold(manifold, shape, length, dtype, deficient, seed) -> None:
    generator = torch.Generator().manual_seed(seed)
    w, G = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    w, G = manifold.project(w), G * torch.tensor([1.0] + [0.0 if deficient else 1.0] * (shape[1] - 1))
    v = manifold.tangent(w, G)
    v = length * v / v.norm().clamp_min(1e-12)
    w32, v32 = w.to(dtype), v.to(dtype)
    after = manifold.exponential(w32, v32)
    eps = torch.finfo(dtype).eps
    assert defect(manifold, after) < 10 * eps
    assert defect(manifold, manifold.retraction(w32, v32)) < 10 * eps
    if length <= 1e3:
        assert torch.allclose(after.double(), manifold.exponential(w, v), rtol=0, atol=100 * eps * max(length, 1))


@pytest.mark.parametrize("length", [0.05, 1.0, 1e3])
def test_the_geodesic_of_stiefel_by_mpmath(length: float) -> None:
    """exp(2 w a w' + n w' - w n') w exp(-a), v = w a + n: the rotation that carries the point along."""
    w = Stiefel().project(normal(4, 2))
    v = Stiefel().tangent(w, normal(4, 2, seed=1))
    v = length * v / v.norm()
    mpmath.mp.dps = 40
    W, V = (mpmath.matrix(each.tolist()) for each in (w, v))
    a = W.T * V
    n = V - W * a
    exact = mpmath.expm(2 * W * a * W.T + n * W.T - W * n.T) * W * mpmath.expm(-a)
    expected = np.array(exact.tolist(), dtype=float)
    assert np.allclose(Stiefel().exponential(w, v).numpy(), expected, rtol=0, atol=2e-15 * max(length, 10))


@on_spheres
@pytest.mark.parametrize("length", [1e-9, 1e-4, 0.2, 0.26, 1.0, 3.0, 3.14159])
def test_logarithms_of_every_length(manifold, length: float) -> None:
    w = manifold.project(normal(4, 1))
    v = manifold.tangent(w, normal(4, 1, seed=1))
    v = length * v / v.norm()
    y = manifold.exponential(w, v)
    # Rounding of y moves the direction by eps / sin(length).
    assert torch.allclose(manifold.logarithm(w, y), v, rtol=0, atol=5e-15 * max(1, 1 / (np.pi - length)))
    assert float(manifold.distance(w, y)) == pytest.approx(length, rel=1e-12, abs=1e-15)


@on_spheres
def test_logarithms_at_coincident_points_and_at_antipodes(manifold) -> None:
    w = manifold.project(torch.eye(3, 1, dtype=torch.float64))
    assert torch.equal(manifold.logarithm(w, w), torch.zeros_like(w))
    assert float(manifold.distance(w, w)) == 0
    assert float(manifold.distance(w, -w)) == pytest.approx(np.pi)
    assert manifold.logarithm(w, -w).isnan().all()


@on_all
@pytest.mark.parametrize("size", [0.0, 1e-9, 0.7, 2.5])
@pytest.mark.parametrize("move", ["exponential", "retraction"])
def test_derivatives_of_every_move(manifold: Manifold, move: str, size: float) -> None:
    """Velocities of every size, 0 and those whose normal part has no full rank among them."""
    for shape in ((4, 2), (2, 2)):
        w = manifold.project(normal(*shape))
        v = (size * manifold.tangent(w, normal(*shape, seed=1) * torch.tensor([1.0, 0.0]))).requires_grad_()
        step = lambda v: getattr(manifold, move)(w, manifold.tangent(w, v))  # noqa: B023, E731
        assert torch.autograd.gradcheck(step, v)
        assert torch.autograd.gradgradcheck(step, v)


@on_all
def test_derivatives_of_projections_on_the_manifold_itself(manifold: Manifold) -> None:
    for shape in ((4, 2), (3, 3)):
        w = manifold.project(normal(2, *shape)).requires_grad_()
        assert torch.autograd.gradcheck(manifold.project, w)
        assert torch.autograd.gradgradcheck(manifold.project, w)
    eye = torch.eye(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Stiefel().project, eye)


@on_spheres
@pytest.mark.parametrize("length", [0.0, 1e-9, 0.2, 2.0])
def test_derivatives_of_logarithms(manifold, length: float) -> None:
    w = manifold.project(normal(4, 2))
    y = manifold.exponential(w, length * manifold.tangent(w, normal(4, 2, seed=1)) / 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: manifold.logarithm(w, manifold.project(y)), y)
    assert torch.autograd.gradgradcheck(lambda y: manifold.logarithm(w, manifold.project(y)), y)


def test_distances_have_the_gradient_0_where_points_coincide() -> None:
    w = Sphere().project(normal(4, 2)).requires_grad_()
    Sphere().distance(w, w.detach()).backward()
    assert torch.equal(w.grad, torch.zeros_like(w))


def normal_complex(*shape: int, seed: int = 0) -> Tensor:
    return torch.complex(normal(*shape, seed=seed), normal(*shape, seed=seed + 100))


@on_all
@pytest.mark.parametrize("move", ["exponential", "retraction"])
def test_complex_points_stay_and_start_as_asked(manifold: Manifold, move: str) -> None:
    w = manifold.project(normal_complex(2, 4, 3))
    v = manifold.tangent(w, normal_complex(2, 4, 3, seed=1))
    assert torch.allclose(manifold.tangent(w, v), v)
    to = getattr(manifold, move)
    assert torch.allclose(manifold.project(to(w, 3 * v)), to(w, 3 * v))
    assert torch.allclose((to(w, 1e-6 * v) - to(w, -1e-6 * v)) / 2e-6, v, atol=1e-8)
    weight = nn.Parameter(w.clone())
    weight.grad = v
    FineGrainedSGD([weight], RiemannianStep(manifold, move), Schedule(0.1)).step()
    assert torch.allclose(weight, to(w, -0.1 * v))


@on_spheres
def test_complex_spheres_are_real_ones_of_twice_the_dimension(manifold) -> None:
    w, y = (manifold.project(normal_complex(4, 2, seed=seed)) for seed in (0, 1))
    real = lambda z: torch.cat([z.real, z.imag], -2)  # noqa: E731
    assert torch.allclose(manifold.distance(w, y), manifold.distance(real(w), real(y)))
    assert torch.allclose(real(manifold.logarithm(w, y)), manifold.logarithm(real(w), real(y)))


def test_a_step_for_no_tensor_of_the_state_is_named() -> None:
    update = FineGrainedUpdate(lambda state: state["w"].sum((-2, -1)), {"W": RiemannianStep(Sphere())})
    with pytest.raises(InvalidArgument, match=r"steps = steps for \['W'\]: expected names of the state: w"):
        update.begin({"w": normal(1, 3, 2)})


def test_huge_gradients_take_the_capped_step() -> None:
    """g G / (R (2 rho + R)), which is g / R for R beyond rho: not 0 for squares that overflow."""
    G = torch.tensor([[0.0], [1e15]])
    assert float(FineGrainedStep(Sphere(), distance=1.0).normaliser(G)) == pytest.approx(1e30, rel=1e-6)


def layer(dtype: torch.dtype = torch.float64) -> nn.Conv2d:
    convolution = nn.Conv2d(2, 3, 3, bias=False)
    convolution.weight.data = Sphere().project(normal(3, 2, 3, 3)).to(dtype)
    return convolution.to(dtype)


def step(convolution: nn.Conv2d, optimizer: torch.optim.Optimizer, steps: int = 1) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        (convolution.weight * normal(3, 2, 3, 3, seed=1).to(convolution.weight.dtype)).sum().backward()
        optimizer.step()


def sgd(params, **how) -> FineGrainedSGD:
    return FineGrainedSGD(params, how.pop("step", FineGrainedStep(Sphere())), Schedule(0.5, 3.0, 0.75), **how)


@pytest.mark.parametrize("entries", [0, 2**14])
def test_weights_of_a_product_step_as_they_would_alone(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several shapes and precisions, one without a gradient, one that has taken more steps than the others."""
    monkeypatch.setattr(descent, "TOGETHER", entries)
    points = [Stiefel().project(normal(*shape, seed=i)) for i, shape in enumerate([(4, 2)] * 4 + [(3, 3), (5, 2)])]
    points.append(points[0].float())
    how = dict(step=FineGrainedStep(Stiefel()))
    weights, others = ([nn.Parameter(point.clone()) for point in points] for _ in range(2))
    product, alone = sgd(weights, **how), [sgd([weight], **how) for weight in others]
    for missing in (range(1, 7), [2], []):
        for i, (weight, other, optimizer) in enumerate(zip(weights, others, alone, strict=True)):
            gradient = None if i in missing else normal(*weight.shape, seed=10 + i).to(weight.dtype)
            weight.grad, other.grad = gradient, gradient
            optimizer.step()
        product.step()
    for point, weight, other in zip(points, weights, others, strict=True):
        assert torch.allclose(weight, other, rtol=0, atol=20 * torch.finfo(weight.dtype).eps)
        assert not torch.allclose(weight, point)
    assert [product.state[weight]["count"] for weight in weights] == [3, 2, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("key", ["step", "move"])
def test_a_group_takes_its_own_step_under_its_documented_key(key: str) -> None:
    one, other = layer(), layer()
    group = {"params": one.parameters(), key: RiemannianStep(Sphere(), "retraction")}
    step(one, sgd([group]))
    step(other, sgd(other.parameters(), step=RiemannianStep(Sphere(), "retraction")))
    assert torch.equal(one.weight, other.weight)
    assert not torch.allclose(one.weight, layer().weight)


def test_groups_are_checked_when_they_are_added() -> None:
    optimizer = sgd(layer().parameters())
    fine = Sphere().project(normal(3, 2))
    for group, message in (
        ({"params": [nn.Parameter(normal(3, 2))]}, r"away from it: expected points of Sphere\(\)"),
        ({"params": [nn.Parameter(normal(3, 2).half())]}, "away from it"),
        ({"params": [nn.Parameter(1.05 * fine.bfloat16())]}, "away from it"),
        ({"params": [nn.Parameter(torch.zeros(3, 2))]}, "away from it"),
        ({"params": [nn.Parameter(torch.ones(3))]}, r"shape \(3,\): expected matrices"),
        ({"params": [nn.Parameter(2 * fine.to(torch.complex64))]}, "away from it"),
        ({"params": [nn.Parameter(fine)], "lr": 0.0}, "lr = 0.0"),
        ({"params": [nn.Parameter(fine)], "step": "exponential"}, "step = 'exponential'"),
        ({"params": [nn.Parameter(fine)], "schedule": 0.1}, "schedule = 0.1"),
        ({"params": [nn.Parameter(fine)], "step": FineGrainedStep(Sphere(), grouping="PI")}, "no channels"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            optimizer.add_param_group(group)
    assert len(optimizer.param_groups) == 1
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        optimizer.add_param_group({"params": [nn.Parameter(fine.to(dtype))]})


def test_a_manifold_that_was_not_made_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"manifold = .* such as Sphere\(\)"):
        RiemannianStep(Sphere)


def test_the_learning_rate_multiplies_the_schedule_and_schedulers_change_it() -> None:
    one, other = layer(), layer()
    optimizer = sgd(one.parameters(), lr=2.0)
    schedulers = torch.optim.lr_scheduler
    schedule = schedulers.SequentialLR(
        optimizer, [schedulers.ConstantLR(optimizer, 1, 1), schedulers.CosineAnnealingLR(optimizer, 2)], [1]
    )
    step(one, optimizer)
    twice = FineGrainedSGD(other.parameters(), FineGrainedStep(Sphere()), Schedule(1.0, 3.0, 0.75))
    step(other, twice)
    assert torch.equal(one.weight, other.weight)
    for _ in range(3):
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0)
    at = one.weight.detach().clone()
    step(one, optimizer)
    assert torch.allclose(one.weight, at, atol=1e-15)


def test_the_optimiser_goes_on_where_it_was_saved() -> None:
    one, other = layer(), layer()
    optimizer, twin = sgd(one.parameters(), lr=0.3), sgd(other.parameters())
    step(one, optimizer, 3)
    other.load_state_dict(one.state_dict())
    stored = io.BytesIO()
    torch.save(optimizer.state_dict(), stored)
    stored.seek(0)
    twin.load_state_dict(torch.load(stored, weights_only=True))
    copied, third = copy.deepcopy((optimizer, one))
    for each, its in ((one, optimizer), (other, twin), (third, copied)):
        step(each, its, 2)
    assert torch.equal(one.weight, other.weight) and torch.equal(one.weight, third.weight)
    state = optimizer.state_dict()
    assert state["state"][0]["count"] == 5
    del state["param_groups"][0]["lr"]  # as saved before there was one
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.3


PROGRAM = """
import sys, torch
from experiments.methods.manifolds import FineGrainedSGD, FineGrainedStep, Sphere
from experiments.methods.orthogonal import PreservingDescent, orthogonalise
from theory.manifolds.schedules import Schedule
layer, kernels = torch.nn.Linear(4, 6).double(), torch.nn.Conv2d(2, 3, 3, bias=False).double()
R = orthogonalise(layer, "free").parameter
saved = torch.load(sys.argv[1])
for key, each in (("layer", layer), ("kernels", kernels)):
    each.load_state_dict(saved[key])
optimizers = PreservingDescent([R]), FineGrainedSGD([kernels.weight], FineGrainedStep(Sphere()), Schedule(0.5))
for key, each in zip(("rotation", "spheres"), optimizers):
    each.load_state_dict(saved[key])
    for w in each.param_groups[0]["params"]:
        w.grad = saved["gradients"][key]
    each.step()
torch.save([layer.weight, kernels.weight], sys.argv[2])
"""


def test_a_new_process_goes_on_as_this_one_does(tmp_path: Path) -> None:
    matrix, kernels = nn.Linear(4, 6).double(), layer()
    R = orthogonalise(matrix, "free").parameter
    optimizers = {
        "rotation": PreservingDescent([R], lr=0.1),
        "spheres": FineGrainedSGD([kernels.weight], FineGrainedStep(Sphere()), Schedule(0.5)),
    }
    gradients = {"rotation": normal(4, 4), "spheres": normal(3, 2, 3, 3, seed=1)}
    for steps in (2, 1):
        R.grad, kernels.weight.grad = gradients.values()
        for _ in range(steps):
            for optimizer in optimizers.values():
                optimizer.step()
        if steps == 2:
            parts = {"layer": matrix, "kernels": kernels, **optimizers}
            states = {key: each.state_dict() for key, each in parts.items()}
            torch.save(states | {"gradients": gradients}, tmp_path / "saved.pt")
    command = [sys.executable, "-c", PROGRAM, tmp_path / "saved.pt", tmp_path / "weights.pt"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    for there, here in zip(torch.load(tmp_path / "weights.pt"), (matrix.weight, kernels.weight)):
        assert torch.equal(there, here)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@on_all
def test_half_precision_stays_on_the_manifold(manifold: Manifold, dtype: torch.dtype) -> None:
    w = nn.Parameter(manifold.project(normal(5, 3).to(dtype)))
    optimizer = FineGrainedSGD([w], RiemannianStep(manifold), Schedule(0.1, q=0.0))
    start = w.detach().clone()
    for _ in range(50):
        w.grad = normal(5, 3, seed=1).to(dtype)
        optimizer.step()
    assert defect(manifold, w.detach()) < 2 * torch.finfo(dtype).eps
    assert not torch.allclose(w, start, atol=0.1)


def test_closures_gradients_of_none_and_accumulation() -> None:
    one, other, unused = layer(), layer(), layer()
    G = normal(3, 2, 3, 3, seed=1)
    optimizer = sgd([*one.parameters(), *unused.parameters()])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (one.weight * G).sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure).detach()) == pytest.approx(float((layer().weight.detach() * G).sum()))
    half = sgd(other.parameters())
    for _ in range(2):
        (0.5 * other.weight * G).sum().backward()
    half.step()
    assert torch.allclose(one.weight, other.weight, atol=1e-15)
    assert torch.equal(unused.weight, layer().weight)


def test_sparse_gradients_take_the_step_of_dense_ones() -> None:
    moved = []
    for sparse in (True, False):
        embedding = nn.Embedding(4, 3, sparse=sparse, dtype=torch.float64)
        embedding.weight.data = Sphere().project(normal(4, 3))
        optimizer = sgd(embedding.parameters())
        embedding(torch.tensor([1])).mul(normal(3, seed=1)).sum().backward()
        optimizer.step()
        moved.append(embedding.weight.detach())
    assert torch.equal(*moved)
    assert not torch.allclose(moved[0], Sphere().project(normal(4, 3)))


def test_a_scaler_skips_the_steps_of_infinite_gradients() -> None:
    convolution = layer(torch.float32)
    optimizer, scaler = sgd(convolution.parameters()), torch.amp.GradScaler("cpu", init_scale=4.0)
    before = convolution.weight.detach().clone()
    scaler.scale((convolution.weight * torch.inf).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(convolution.weight, before) and not optimizer.state
    optimizer.zero_grad()
    scaler.scale((convolution.weight * normal(3, 2, 3, 3, seed=1).float()).sum()).backward()
    scaler.step(optimizer)
    assert not torch.equal(convolution.weight, before)


def test_hooks_see_every_step_and_shared_weights_are_moved_once() -> None:
    convolution, twin = layer(), layer()
    twin.weight = convolution.weight
    seen = []
    optimizer = sgd(nn.ModuleList([convolution, twin]).parameters())
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    step(convolution, optimizer, 2)
    assert len(seen) == 2
    assert optimizer.state[convolution.weight]["count"] == 2
