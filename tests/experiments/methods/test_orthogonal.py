"""OPT on layers of one's own network, and the optimiser on orthogonal matrices."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments.methods.orthogonal.descent import (
    PreservingDescent,
    PreservingUpdate,
    Step,
    cayley_step,
    two_iterations,
)
from experiments.methods.orthogonal.parametrisations import (
    MAPS,
    GramSchmidt,
    Loewdin,
    Rotation,
    energies,
    hyperspherical_energy,
    orthogonalise,
)
from experiments.methods.orthogonal.penalties import squared_penalty, unsquared_penalty
from experiments.methods.orthogonal.stochastic import embed, orthogonalise_stochastically
from experiments.training.loop import train
from theory.core.validation import InvalidArgument
from theory.orthogonal import energy

EXACT = [name for name in MAPS if name != "free"]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 3)
    return nn.Sequential(*layers).double()


def train_a_little(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(20, 2, 4, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (20,), generator=generator)
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()


@pytest.mark.parametrize("map", EXACT)
def test_layers_start_where_they_were_and_keep_their_energy(map: str) -> None:
    model = network()
    layers = [model[0], model[3]]
    before = [layer.weight.detach().clone() for layer in layers]
    for layer in layers:
        orthogonalise(layer, map)
    for layer, weight in zip(layers, before):
        assert torch.allclose(layer.weight, weight, atol=1e-14)
    train_a_little(model, torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1))
    for layer, weight in zip(layers, before):
        assert (layer.weight - weight).norm() > 1e-3
        after = hyperspherical_energy(layer.weight.detach())
        assert float(after) == pytest.approx(float(hyperspherical_energy(weight)), rel=1e-12)


def test_the_optimiser_keeps_a_free_rotation_orthogonal() -> None:
    model = network()
    rotation = orthogonalise(model[3], "free")
    train_a_little(model, PreservingDescent([rotation.parameter], lr=0.1))
    R = rotation.weight.detach()
    assert float((R @ R.mT - torch.eye(24)).abs().max()) < 1e-13
    assert float((R - torch.eye(24)).norm()) > 1e-3


def test_torch_and_numpy_have_the_same_energy() -> None:
    W = torch.randn(3, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for s in (0, 1, 2.5):
        assert energies(W, s).numpy() == pytest.approx(energy.energy(W.mT.numpy(), s), rel=1e-10)
    kernels = W.reshape(3, 7, 2, 2)
    assert float(hyperspherical_energy(kernels)) == pytest.approx(float(hyperspherical_energy(W.flatten(1))))


@pytest.mark.parametrize("map", list(MAPS))
def test_a_batch_of_rotations_is_its_members(map: str) -> None:
    batch, single = Rotation(4, map, runs=(3,), dtype=torch.float64), Rotation(4, map, dtype=torch.float64)
    assert torch.allclose(batch.weight, torch.eye(4).double().expand(3, 4, 4))
    P = torch.randn(3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    if map == "householder":
        P = P.tril(-1) - torch.eye(4)
    assert torch.allclose(batch.map(P)[1], single.map(P[1]))


@pytest.mark.parametrize("map", [GramSchmidt(), Loewdin()], ids=["Gram-Schmidt", "Loewdin"])
def test_gradients_are_those_of_finite_differences(map: nn.Module) -> None:
    P = torch.randn(2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(map, P)
    assert torch.equal(map.right_inverse(P), P)


def test_loewdin_under_vmap_and_grad() -> None:
    P = torch.randn(3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def entry(one: Tensor) -> Tensor:
        return Loewdin()(one)[0, 1]

    batched = torch.func.vmap(torch.func.grad(entry))(P)
    assert torch.allclose(batched[2], torch.func.grad(entry)(P[2]))


def test_a_network_with_rotations_survives_its_state_dict() -> None:
    model, other = network(), network()
    for each in (model, other):
        orthogonalise(each[3], "cayley")
    train_a_little(model, torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1))
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    assert torch.equal(other[3].weight, model[3].weight)


@pytest.mark.parametrize("step", [cayley_step, two_iterations])
def test_the_optimiser_and_the_update_rule_take_the_same_steps(step: Step) -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.linalg.qr(torch.randn(2, 4, 4, generator=generator, dtype=torch.float64))[0]
    start = torch.eye(4, dtype=torch.float64).expand(2, 4, 4).clone()

    def loss(state: dict[str, Tensor]) -> Tensor:
        return 0.5 * (state["R"] - target).square().sum((-2, -1))

    run = train(loss, {"R": start}, learning_rate=0.2, steps=7, record=[7], update=PreservingUpdate(loss, 0.9, step))
    for i in range(2):
        R = nn.Parameter(start[i].clone())
        optimizer = PreservingDescent([R], lr=0.2, step=step)
        for _ in range(7):
            optimizer.zero_grad()
            (0.5 * (R - target[i]).square().sum()).backward()
            optimizer.step()
        assert R.detach().numpy() == pytest.approx(run.facts["parameters"]["R"][i], abs=1e-13)


def test_a_rotation_at_its_target_stays() -> None:
    R = nn.Parameter(torch.eye(3))
    R.grad = torch.zeros(3, 3)
    PreservingDescent([R]).step()
    assert torch.equal(R.detach(), torch.eye(3))


def test_rounds_of_blocks_are_merged() -> None:
    model = network()
    before = hyperspherical_energy(model[3].weight.detach())
    block = orthogonalise_stochastically(model[3], 6, "gram_schmidt", torch.Generator().manual_seed(0))
    first = block.rows.clone()
    train_a_little(model, torch.optim.SGD([block.rotation.parameter], lr=0.1))
    trained = model[3].weight.detach().clone()
    block.next_round(model[3])
    assert torch.allclose(model[3].weight, trained)
    assert not torch.equal(block.rows, first)
    assert torch.equal(block.rotation.weight, torch.eye(6).double())
    assert float(hyperspherical_energy(trained)) == pytest.approx(float(before), rel=1e-12)


def test_embedding_turns_only_the_block() -> None:
    R = embed(torch.tensor([[0.0, -1.0], [1.0, 0.0]]), torch.tensor([3, 1]), 4)
    assert R.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, -1, 0, 0]]


def test_penalties_vanish_on_orthogonal_matrices_only() -> None:
    R = torch.eye(3).expand(2, 3, 3)
    assert squared_penalty(R).tolist() == [0, 0]
    assert unsquared_penalty(2 * R).numpy() == pytest.approx(np.sqrt(3) * 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: orthogonalise(nn.Linear(3, 2), "qr"), "map = 'qr': expected one of gram_schmidt, loewdin"),
        (lambda: orthogonalise(nn.ReLU()), "layer = ReLU: expected a Linear, Conv1d, Conv2d or Conv3d layer"),
        (lambda: orthogonalise(nn.ConvTranspose2d(2, 2, 3)), "layer = ConvTranspose2d"),
        (lambda: Rotation(0), "d = 0: expected a whole number of at least 1"),
        (lambda: hyperspherical_energy(torch.eye(3), -1), "s = -1"),
        (lambda: orthogonalise_stochastically(nn.Linear(3, 2), 1), r"p = 1: expected a number in \[2, 3\]"),
        (lambda: PreservingDescent([torch.eye(2)], lr=0), "lr = 0: expected a finite number above 0"),
        (lambda: PreservingDescent([torch.eye(2)], momentum=1), r"momentum = 1: expected a number in \[0, 1\)"),
    ],
)
def test_errors_name_the_argument(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()
