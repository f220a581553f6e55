"""What becomes of a rotated layer in a user's hands: optimisers of every kind, precision, sharing, saving, copying."""

import copy
import io

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.parametrize import remove_parametrizations

from experiments.methods.factors import polar
from experiments.methods.orthogonal import (
    PreservingDescent,
    hyperspherical_energy,
    orthogonalise,
    orthogonalise_stochastically,
    squared_penalty,
)
from experiments.methods.orthogonal.descent import PreservingUpdate, two_iterations
from experiments.methods.orthogonal.parametrisations import MAPS, Rotation, energies
from theory.core.validation import InvalidArgument

EXACT = [name for name in MAPS if name != "free"]
PRECISIONS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def normal(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


def linear(dtype: torch.dtype = torch.float64) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 6, dtype=dtype)


def descend(layer: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        layer.weight.square().mul(torch.arange(4).to(layer.weight.real.dtype)).abs().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("map", EXACT)
@pytest.mark.parametrize("decay", [0.01, 5.0])
def test_no_shrinkage_of_what_is_trained_shrinks_the_weight(map: str, decay: float) -> None:
    layer = linear()
    before = layer.weight.detach().clone()
    orthogonalise(layer, map)
    descend(layer, torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=decay), steps=10)
    after = layer.weight.detach()
    assert torch.allclose(after @ after.mT, before @ before.mT, rtol=1e-12)
    assert not torch.allclose(after, before)


@pytest.mark.parametrize("map", EXACT)
@pytest.mark.parametrize("size", [0, 1e-300, 1e-7, 0.07, 1, 1e3, 1e6])
def test_rotations_of_parameters_of_every_size(map: str, size: float) -> None:
    R = Rotation(5, map, dtype=torch.float64).map(size * normal(5, 5))
    assert float((R @ R.mT - torch.eye(5)).abs().max()) < 1e-14


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("graded", ["columns", "rows", "neither"])
def test_products_of_reflections_of_every_size(size: float, graded: str) -> None:
    """Against the reflections one by one. V has columns of length 1 and T V^T rows of length 2, 2 v_k^T H_k+1 ... H_d:
    sums of d products are d eps off in V^T V, in the solution and in V T V^T, some three times that together."""
    grades = torch.logspace(-6, 6, 40, dtype=torch.float64)
    P = size * normal(40, 40) * {"columns": grades, "rows": grades[:, None], "neither": torch.ones(40)}[graded]
    expected = -torch.eye(40, dtype=torch.float64)
    for k in range(40):
        v = torch.where(torch.arange(40) > k, P[:, k], torch.eye(40)[k])
        v = v / v.norm()
        expected = expected - 2 * (expected @ v)[:, None] * v
    R = Rotation(40, "householder", dtype=torch.float64).map(P)
    within = 10 * 40 * torch.finfo(torch.float64).eps
    assert float((R - expected).abs().max()) < within
    assert float((R @ R.mT - torch.eye(40)).abs().max()) < within


@pytest.mark.parametrize("map", ["householder", "cayley", "matrix_exp"])
def test_autocast_does_not_round_the_maps(map: str) -> None:
    turn, P = Rotation(4, map).map, normal(4, 4, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = turn(P)
    assert torch.equal(inside, turn(P))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("t", [1e-8, 3e-3, 0.03, 0.06, 0.07, 0.3, 0.5, 1.0, 1.4, 100.0])
def test_the_exponential_turns_by_the_angle(dtype: torch.dtype, t: float) -> None:
    P = torch.tensor([[0, 0], [t, 0]], dtype=dtype)
    P.requires_grad_()
    R = Rotation(2, "matrix_exp", dtype=dtype).map(P)
    angle, eps = P.detach()[1, 0].double(), torch.finfo(dtype).eps * max(t, 1)
    assert torch.allclose(R[1].double(), torch.stack([angle.sin(), angle.cos()]), rtol=0, atol=5 * eps)
    (gradient,) = torch.autograd.grad(R[1, 0], P)
    assert float(gradient[1, 0]) == pytest.approx(float(angle.cos()), abs=10 * eps)


@pytest.mark.parametrize("map", EXACT)
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_layers_of_every_precision(map: str, dtype: torch.dtype) -> None:
    layer = linear(dtype)
    before = layer.weight.detach().clone()
    orthogonalise(layer, map)
    assert layer.weight.dtype == dtype
    assert torch.equal(layer.weight, before) or dtype in (torch.float32, torch.float64)
    descend(layer, torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], lr=0.1))
    lengths, were = layer.weight.detach().double().norm(dim=-1), before.double().norm(dim=-1)
    assert torch.allclose(lengths, were, rtol=2 * torch.finfo(dtype).eps)
    assert not torch.allclose(layer.weight, before, rtol=0.01)


@pytest.mark.parametrize("map", EXACT)
def test_a_network_cast_to_half_precision_afterwards(map: str) -> None:
    layer = linear(torch.float32)
    orthogonalise(layer, map)
    descend(layer, torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], lr=0.1))
    lengths = layer.weight.norm(dim=-1)
    assert torch.allclose(layer.to(torch.bfloat16).weight.norm(dim=-1).float(), lengths, rtol=0.02)


def test_autocast_does_not_round_the_rotation() -> None:
    layer = linear(torch.float32)
    orthogonalise(layer, "cayley")
    descend(layer, torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], lr=0.1))
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(normal(2, 4, dtype=torch.float32)).dtype == torch.bfloat16
        inside = layer.weight
    assert torch.equal(inside, layer.weight)


@pytest.mark.parametrize("map", [name for name in EXACT if name != "householder"])
def test_complex_layers_turn_unitarily(map: str) -> None:
    layer = linear(torch.complex128)
    before = layer.weight.detach().clone()
    orthogonalise(layer, map)
    descend(layer, torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], lr=0.1))
    after = layer.weight.detach()
    assert torch.allclose(after.conj() @ after.mT, before.conj() @ before.mT)
    assert not torch.allclose(after, before, rtol=0.01)
    assert float(hyperspherical_energy(after)) == pytest.approx(float(hyperspherical_energy(before)), rel=1e-10)


def test_a_shared_embedding_goes_on_training() -> None:
    embedding, readout = nn.Embedding(6, 4), linear(torch.float32)
    readout.weight = embedding.weight
    orthogonalise(readout)
    start, fixed = embedding.weight.detach().clone(), readout.parametrizations.weight.original
    optimizer = torch.optim.SGD([*embedding.parameters(), *readout.parameters()], lr=0.1)
    readout(embedding(torch.arange(6))).square().sum().backward()
    optimizer.step()
    assert not torch.equal(embedding.weight, start)
    assert torch.equal(fixed, start)


def test_unfreezing_a_network_does_not_train_the_fixed_weight() -> None:
    layer = linear()
    before = layer.weight.detach().clone()
    orthogonalise(layer)
    layer.requires_grad_(True)
    descend(layer, torch.optim.AdamW(layer.parameters(), lr=0.1))
    assert torch.equal(layer.parametrizations.weight.original, before)


@pytest.mark.parametrize(
    "prepare",
    [
        orthogonalise,
        lambda layer: orthogonalise_stochastically(layer, 2),
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        lambda layer: nn.utils.prune.l1_unstructured(layer, "weight", 0.5),
    ],
    ids=["orthogonalise", "stochastic", "weight_norm", "spectral_norm", "pruned"],
)
def test_a_weight_that_is_computed_already_is_refused(prepare) -> None:
    import torch.nn.utils.prune  # noqa: F401

    layer = linear()
    prepare(layer)
    for again in (orthogonalise, lambda layer: orthogonalise_stochastically(layer, 2)):
        with pytest.raises(InvalidArgument, match="computed already .* expected one with a weight of its own"):
            again(layer)


def test_a_compiled_layer_is_the_layer() -> None:
    layer = linear()
    rotation = orthogonalise(layer, "matrix_exp")
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    assert torch.equal(compiled(normal(2, 4)), layer(normal(2, 4)))
    compiled(normal(2, 4)).square().sum().backward()
    assert float(rotation.parameter.grad.abs().max()) > 0


def test_other_parametrisations_beside_it_compose() -> None:
    layer = linear()
    parametrizations.weight_norm(layer, "bias", dim=None)
    bias = layer.bias.detach().clone()
    orthogonalise(layer)
    descend(layer, torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], lr=0.1))
    assert torch.allclose(layer.bias, bias)


def test_the_projection_of_an_attention_layer() -> None:
    attention = nn.MultiheadAttention(4, 2)
    x = normal(3, 1, 4, dtype=torch.float32)
    before = attention(x, x, x)[0]
    rotation = orthogonalise(attention.out_proj)
    after = attention(x, x, x)[0]
    assert torch.allclose(after, before, atol=1e-6)
    after.square().sum().backward()
    assert float(rotation.parameter.grad.abs().max()) > 0


def test_one_parameter_in_two_places_has_one_gradient() -> None:
    layer = linear()
    rotation = orthogonalise(layer, "cayley")
    x = normal(2, 4)
    layer(layer(x)[:, :4]).sum().backward()
    P = rotation.parameter
    expected = P.grad.clone()
    P.grad = None
    inner = layer(x)
    with torch.no_grad():
        outer = layer.weight.detach()
    (nn.functional.linear(inner[:, :4], outer, layer.bias).sum() + layer(inner.detach()[:, :4]).sum()).backward()
    assert torch.allclose(P.grad, expected)


def test_a_lazy_layer_is_refused_until_it_has_a_weight() -> None:
    layer = nn.LazyLinear(3)
    with pytest.raises(InvalidArgument, match="one that has seen its first inputs"):
        orthogonalise(layer)
    layer(torch.ones(2, 4))
    orthogonalise(layer)


def test_a_rotation_taken_off_leaves_its_weight_and_may_be_put_on_anew() -> None:
    layer = linear()
    orthogonalise(layer, "cayley")
    descend(layer, torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], lr=0.1))
    turned = layer.weight.detach().clone()
    remove_parametrizations(layer, "weight")
    assert torch.equal(layer.weight, turned)
    orthogonalise(layer)
    assert torch.allclose(layer.weight, turned, atol=1e-14)


def test_an_assigned_weight_is_the_weight_and_spectral_norm_goes_on_top() -> None:
    layer = linear()
    rotation = orthogonalise(layer, "cayley")
    with torch.no_grad():
        rotation.parameter.copy_(normal(4, 4))
    layer.weight = normal(6, 4)
    assert torch.allclose(layer.weight, normal(6, 4))
    parametrizations.spectral_norm(layer, n_power_iterations=50)
    assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1)


@pytest.mark.parametrize("map", EXACT)
def test_an_assigned_rotation_is_the_rotation(map: str) -> None:
    R = torch.linalg.qr(normal(4, 4))[0]
    rotation = Rotation(4, map, dtype=torch.float64)
    rotation.weight = R
    assert torch.allclose(rotation.weight, R, atol=1e-14)
    if map not in ("gram_schmidt", "loewdin"):
        rotation.weight = normal(4, 4)
        assert torch.allclose(rotation.weight, polar(normal(4, 4)))


@pytest.mark.parametrize("map", EXACT)
def test_copies_and_loaded_networks_are_equal_and_independent(map: str) -> None:
    layer = linear()
    orthogonalise(layer, map)
    optimizer = torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], lr=0.1)
    descend(layer, optimizer)
    stored = io.BytesIO()
    torch.save(layer.state_dict(), stored)
    stored.seek(0)
    loaded, copied = nn.Linear(4, 6, dtype=torch.float64), copy.deepcopy(layer)
    orthogonalise(loaded, map)
    loaded.load_state_dict(torch.load(stored))
    at = layer.weight.detach().clone()
    descend(layer, optimizer)
    assert torch.equal(copied.weight, at) and torch.equal(loaded.weight, at)
    with parametrize.cached():
        assert layer.weight is layer.weight


@pytest.mark.parametrize(
    ("map", "dtype"),
    [(map, torch.float64) for map in EXACT] + [(map, torch.complex128) for map in EXACT if map != "householder"],
)
def test_first_and_second_derivatives(map: str, dtype: torch.dtype) -> None:
    P = normal(3, 3, dtype=dtype).requires_grad_()
    turn = Rotation(3, map, dtype=dtype).map
    assert torch.autograd.gradcheck(turn, P)
    assert torch.autograd.gradgradcheck(turn, P)


def test_the_second_derivative_of_the_polar_factor_at_the_identity() -> None:
    """Along a skew S: polar(I + t S) = exp(arctan(t) S') with S' the unit generator: cos arctan t, so -1 at t = 0."""
    S = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    t = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(polar(torch.eye(2) + t * S)[0, 0], t, create_graph=True)
    (second,) = torch.autograd.grad(first, t)
    assert (float(first.detach()), float(second)) == pytest.approx((0, -1))
    func = torch.func.grad(torch.func.grad(lambda t: polar(torch.eye(2) + t * S)[0, 0]))
    assert float(func(t.detach())) == pytest.approx(-1)


def test_the_polar_factor_of_tall_matrices() -> None:
    for P in (normal(2, 5, 3), polar(normal(2, 5, 3)), torch.eye(5, 3, dtype=torch.float64)):
        P.requires_grad_()
        assert torch.autograd.gradcheck(polar, P)
        assert torch.autograd.gradgradcheck(polar, P)


def test_energies_at_every_scale_and_where_neurons_agree() -> None:
    W = normal(5, 3)
    for scale in (1e-200, 1e200):
        assert float(energies(scale * W)) == pytest.approx(float(energies(W)), rel=1e-12)
    assert float(energies(torch.ones(2, 3, dtype=torch.float64))) == torch.inf
    assert float(energies(normal(1, 3))) == 0
    assert float(energies(W.half())) == pytest.approx(float(energies(W)), rel=1e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: squared_penalty(normal(1, 3)), r"R.shape = \(1, 3\): expected \(\*runs, d, d\)"),
        (lambda: hyperspherical_energy(normal(3)), r"weight.shape = \(3,\)"),
        (lambda: Rotation(3, "householder", dtype=torch.complex64), "map = 'householder': expected another"),
        (lambda: orthogonalise(nn.Linear(3, 0)), "expected one with neurons"),
        (lambda: PreservingUpdate(lambda state: state["R"], momentum=1.5), "momentum = 1.5"),
    ],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_what_has_no_answer_is_named(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()


def block_of(layer: nn.Linear, seed: int = 3):
    return orthogonalise_stochastically(layer, 2, "cayley", torch.Generator().manual_seed(seed))


def test_rounds_forget_the_gradient_and_the_momentum_of_the_merged_block() -> None:
    layer = linear()
    block = block_of(layer)
    optimizer = torch.optim.Adam([block.rotation.parameter], lr=0.1)
    descend(layer, optimizer)
    block.next_round(layer, optimizer)
    assert block.rotation.parameter.grad is None
    assert not optimizer.state
    with pytest.raises(InvalidArgument, match="the layer that this block was put on"):
        block.next_round(linear())


def test_a_loaded_network_draws_the_blocks_that_the_saved_one_would() -> None:
    layer, other = linear(), linear()
    block, twin = block_of(layer), block_of(other, seed=4)
    block.next_round(layer)
    other.load_state_dict(layer.state_dict())
    copied = copy.deepcopy(layer)
    for _ in range(5):
        block.next_round(layer)
        twin.next_round(other)
        copied.parametrizations.weight[0].next_round(copied)
        assert torch.equal(block.rows, twin.rows)
        assert torch.equal(block.rows, copied.parametrizations.weight[0].rows)


def test_half_precision_blocks() -> None:
    layer = linear(torch.bfloat16)
    block = block_of(layer)
    descend(layer, torch.optim.SGD([block.rotation.parameter], lr=0.1))
    block.next_round(layer)
    assert layer.weight.dtype == torch.bfloat16


def rotations() -> list[nn.Parameter]:
    return [nn.Parameter(torch.linalg.qr(normal(3, 3) + i)[0]) for i in range(2)]


def turn(Rs: list[nn.Parameter], optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        sum((R * normal(3, 3)).sum() for R in Rs).backward()
        optimizer.step()


def test_groups_have_settings_of_their_own() -> None:
    Rs = rotations()
    optimizer = PreservingDescent([{"params": Rs[:1], "lr": 0.3, "step": two_iterations}, {"params": Rs[1:]}])
    turn(Rs, optimizer, 1)
    off = [float(squared_penalty(R.detach())) for R in Rs]
    assert off[0] > 1e-8 and off[1] < 1e-25
    for group in (
        {"params": [nn.Parameter(2 * torch.eye(3))]},
        {"params": [nn.Parameter(torch.eye(3)[:2])]},
        {"params": [nn.Parameter(torch.ones(3))]},
        {"params": [nn.Parameter(torch.eye(3).half())]},
        {"params": [nn.Parameter(torch.eye(3) * torch.nan)]},
        {"params": [nn.Parameter(torch.eye(3))], "lr": -1.0},
        {"params": [nn.Parameter(torch.eye(3))], "step": "cayley"},
    ):
        with pytest.raises(InvalidArgument):
            optimizer.add_param_group(group)
    assert len(optimizer.param_groups) == 2


def test_the_optimiser_goes_on_where_it_was_saved() -> None:
    Rs, others = rotations(), rotations()
    optimizer, other = PreservingDescent(Rs, lr=0.1), PreservingDescent(others, lr=0.5, momentum=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    turn(Rs, optimizer, 2)
    schedule.step()
    for R, twin in zip(Rs, others):
        twin.data.copy_(R.data)
    stored = io.BytesIO()
    torch.save(optimizer.state_dict(), stored)
    stored.seek(0)
    other.load_state_dict(torch.load(stored, weights_only=True))
    assert other.param_groups[0]["lr"] == 0.05
    copied, theirs = copy.deepcopy((optimizer, Rs))
    turn(Rs, optimizer, 3)
    turn(others, other, 3)
    turn(theirs, copied, 3)
    for R, twin, copied_R in zip(Rs, others, theirs):
        assert torch.equal(R, twin) and torch.equal(R, copied_R)
    with pytest.raises(ValueError, match="different number of parameter groups"):
        PreservingDescent([{"params": rotations()[:1]}, {"params": rotations()[1:]}]).load_state_dict(
            optimizer.state_dict()
        )


def test_unitary_matrices_stay_unitary() -> None:
    U = nn.Parameter(torch.linalg.qr(normal(3, 3, dtype=torch.complex128))[0])
    start, optimizer = U.detach().clone(), PreservingDescent([U])
    for _ in range(10):
        optimizer.zero_grad()
        (U * normal(3, 3)).sum().real.backward()
        optimizer.step()
    assert not torch.allclose(U, start)
    assert float(squared_penalty(U.detach())) < 1e-25
