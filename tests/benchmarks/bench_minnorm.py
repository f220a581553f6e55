"""Minnorm against cooper-optim on one problem, with the same updates: the same iterates, and seconds a step.

Two layers of width 64, 500 examples with margins, float64, one thread; all examples at once, and batches of 50.
In cooper the problem is min 1/2 |theta|^2 under 1 - y f <= 0, its formulation the augmented Lagrangian, both optimisers
SGD. The steps are small enough not to amplify rounding: a batch of 50 counts ten times. What the network's own passes
and SGD take, which both have in common, stands beside.
"""

from collections.abc import Callable, Sequence

import cooper
import pytest
import torch
from cooper.optim import AlternatingDualPrimalOptimizer, SimultaneousOptimizer
from cooper.penalty_coefficients import DensePenaltyCoefficient
from torch import Tensor, nn

from benchmarks.timing import interleaved
from experiments.methods.minnorm import Margin, Minnorm, SimultaneousMinnorm

N, D, WIDTH, STEPS = 500, 20, 64, 200
A, B, C = 1e-4, 0.05, 0.5
ORDERS = {
    "alternating": (Minnorm, AlternatingDualPrimalOptimizer),
    "simultaneous": (SimultaneousMinnorm, SimultaneousOptimizer),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(D, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 1), nn.Flatten(0)).double()


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(N, D, generator=generator, dtype=torch.float64)
    return inputs, torch.sign(inputs[:, 0] + inputs[:, 1] ** 2 - 0.5)


def state(model: nn.Module, multipliers: Tensor) -> Tensor:
    return torch.cat([part.detach().flatten() for part in (*model.parameters(), multipliers)])


def by_minnorm(order: type[Minnorm], batches: Sequence[Tensor]) -> Tensor:
    (inputs, targets), model = data(), network()
    optimizer = torch.optim.SGD(model.parameters(), lr=A)
    method = order(optimizer, Margin(N), dual_learning_rate=B, augmentation=C)
    for rows in batches:
        method(model(inputs[rows]), targets[rows], rows).backward()
        method.step()
    return state(model, method.multipliers)


def network_alone(batches: Sequence[Tensor]) -> None:
    """Its passes on a linear loss of the outputs, and SGD."""
    (inputs, targets), model = data(), network()
    optimizer = torch.optim.SGD(model.parameters(), lr=A)
    for rows in batches:
        (targets[rows] * model(inputs[rows])).sum().backward()
        optimizer.step()
        optimizer.zero_grad()


class SmallestWeights(cooper.ConstrainedMinimizationProblem):
    """min 1/2 |theta|^2 / share under margins; a batch's constraints weigh share times as much as the norm."""

    def __init__(self, model: nn.Module, share: float) -> None:
        super().__init__()
        self.model, self.share = model, share
        self.inputs, self.targets = data()
        self.multiplier = cooper.multipliers.IndexedMultiplier(num_constraints=N, dtype=torch.float64)
        self.margin = cooper.Constraint(
            constraint_type=cooper.ConstraintType.INEQUALITY,
            formulation_type=cooper.formulations.AugmentedLagrangian,
            multiplier=self.multiplier,
            penalty_coefficient=DensePenaltyCoefficient(torch.tensor(C, dtype=torch.float64)),
        )

    def compute_cmp_state(self, rows: Tensor) -> cooper.CMPState:
        norm = sum(weight.square().sum() for weight in self.model.parameters()) / 2
        h = 1 - self.targets[rows] * self.model(self.inputs[rows])
        seen = cooper.ConstraintState(violation=h, constraint_features=rows)
        return cooper.CMPState(loss=norm / self.share, observed_constraints={self.margin: seen})


def by_cooper(order: type, batches: Sequence[Tensor]) -> Tensor:
    share = N / len(batches[0])
    problem = SmallestWeights(model := network(), share)
    primal = torch.optim.SGD(model.parameters(), lr=A * share)
    dual = torch.optim.SGD(problem.dual_parameters(), lr=B * share, maximize=True)
    optimizer = order(cmp=problem, primal_optimizers=primal, dual_optimizers=dual)
    for rows in batches:
        optimizer.roll(compute_cmp_state_kwargs={"rows": rows})
    return state(model, problem.multiplier.weight)


@pytest.mark.parametrize("size", [N, 50])
@pytest.mark.parametrize("order", ORDERS)
def test_against_cooper(order: str, size: int, report: Callable[[str], None]) -> None:
    generator = torch.Generator().manual_seed(2)
    batches = [torch.randperm(N, generator=generator)[:size] for _ in range(STEPS)]
    ours, theirs = ORDERS[order]
    apart = float((by_minnorm(ours, batches) - by_cooper(theirs, batches)).abs().max())
    assert apart <= 1e-10
    tasks = {
        "minnorm": lambda: by_minnorm(ours, batches),
        "cooper": lambda: by_cooper(theirs, batches),
        "network": lambda: network_alone(batches),
    }
    step = {name: value / STEPS * 1e6 for name, value in interleaved(tasks).items()}
    beyond = (step["cooper"] - step["network"]) / (step["minnorm"] - step["network"])
    report(
        f"{order}, batches of {size}: {step['minnorm']:.0f} us a step, cooper {step['cooper']:.0f} us "
        f"({step['cooper'] / step['minnorm']:.2f} x), the network alone {step['network']:.0f} us "
        f"({beyond:.2f} x beyond it); iterates differ by {apart:.1e} after {STEPS} steps"
    )
