"""Update rules against torch's own optimisers, run by run."""

import pytest
import torch
from torch import Tensor

from experiments.updates import Adam, GradientDescent, Momentum, State, along
from theory.core.arrays import EPS

RUNS, STEPS = 3, 40
RATES = torch.tensor([0.01, 0.02, 0.05], dtype=torch.float64)
TARGET = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)


def loss(state: State) -> Tensor:
    """Two layers, so that the gradient of each parameter depends on the other."""
    return 0.5 * (TARGET - torch.bmm(state["A"], state["B"])).square().sum((1, 2))


def start(runs: int = RUNS) -> State:
    generator = torch.Generator().manual_seed(0)
    A = torch.randn((runs, 4, 5), generator=generator, dtype=torch.float64)
    B = torch.randn((runs, 5, 3), generator=generator, dtype=torch.float64)
    return {"A": A, "B": B}


def trained(rule: GradientDescent, rates: Tensor = RATES) -> State:
    state = start()
    rule.begin(state)
    for _ in range(STEPS):
        rule.apply(state, rule.evaluate(state)[1], rates)
    return state


def by_torch(run: int, make: type[torch.optim.Optimizer], **options: float) -> State:
    leaves = {name: tensor[run : run + 1].clone().requires_grad_() for name, tensor in start().items()}
    optimizer = make(list(leaves.values()), lr=float(RATES[run]), **options)  # type: ignore[call-arg]
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(leaves).sum().backward()
        optimizer.step()
    return {name: leaf.detach() for name, leaf in leaves.items()}


@pytest.mark.parametrize(
    ("rule", "optimizer", "options"),
    [
        (GradientDescent(loss), torch.optim.SGD, {}),
        (Momentum(loss), torch.optim.SGD, {"momentum": 0.9}),
        (Momentum(loss, decay=0.5), torch.optim.SGD, {"momentum": 0.5}),
        (Adam(loss), torch.optim.Adam, {}),
    ],
    ids=["gradient descent", "momentum", "momentum 0.5", "Adam"],
)
def test_each_run_is_what_torch_makes_of_it_alone(rule: GradientDescent, optimizer: type, options: dict) -> None:
    together = trained(rule)
    for run in range(RUNS):
        alone = by_torch(run, optimizer, **options)
        for name, tensor in alone.items():
            # Rounding of a few operations an entry and step, in numbers of order 1, amplified by stable dynamics.
            assert torch.allclose(together[name][run], tensor[0], rtol=0, atol=STEPS * 64 * EPS)


def test_momentum_without_decay_is_gradient_descent() -> None:
    plain, heavy = trained(GradientDescent(loss)), trained(Momentum(loss, decay=0.0))
    assert torch.equal(plain["A"], heavy["A"]) and torch.equal(plain["B"], heavy["B"])


@pytest.mark.parametrize("rule", [GradientDescent(loss), Momentum(loss), Adam(loss)])
def test_a_run_with_learning_rate_zero_is_held(rule: GradientDescent) -> None:
    held = trained(rule, RATES * torch.tensor([1, 0, 1]))
    free = trained(rule)
    for name in ("A", "B"):
        assert torch.equal(held[name][1], start()[name][1])
        assert torch.equal(held[name][[0, 2]], free[name][[0, 2]])


def test_evaluate_returns_the_loss_and_leaves_the_state_alone() -> None:
    state, rule = start(), GradientDescent(loss)
    rule.begin(state)
    losses, gradients = rule.evaluate(state)
    assert torch.equal(losses, loss(start())) and not losses.requires_grad
    assert not any(tensor.requires_grad for tensor in state.values())
    residual = torch.bmm(state["A"], state["B"]) - TARGET
    assert torch.allclose(gradients[0], residual @ state["B"].mT, atol=1e-13)
    assert torch.allclose(gradients[1], state["A"].mT @ residual, atol=1e-13)


def test_what_a_rule_remembers_is_part_of_the_state() -> None:
    state = start()
    Adam(loss).begin(state)
    assert set(state) == {"A", "B", "A.first", "A.second", "B.first", "B.second", "count"}
    assert all(len(tensor) == RUNS for tensor in state.values())


def test_along_multiplies_run_by_run() -> None:
    tensor = torch.ones(3, 2, 2)
    assert along(torch.tensor([1.0, 2.0, 3.0]), tensor).shape == (3, 1, 1)
    assert along(torch.tensor([1.0, 2.0, 3.0]), torch.ones(3)).shape == (3,)
