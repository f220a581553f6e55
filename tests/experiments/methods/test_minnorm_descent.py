"""Minnorm's step for batches of runs, against the same step written in numpy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from experiments.methods.minnorm import Constraint, Equality, Margin, SimultaneousMinnorm
from experiments.methods.minnorm.constraints import any_sign, positive_part
from experiments.methods.minnorm.descent import AlternatingMinnormDescent, SimultaneousMinnormDescent
from experiments.updates import State
from one_device import OneDevice
from theory.core.validation import InvalidArgument
from theory.minnorm.tuning import Tuning

RUNS, EXAMPLES = 3, 4
RATES = np.array([0.1, 0.05, 0.2])
PER_RUN = Tuning(np.array([1.0, 0.7, 1.3]), np.array([0.5, 2.0, 0.9]), np.array([0.0, 0.4, 1.1]))
ORDERS = pytest.mark.parametrize("order", [SimultaneousMinnormDescent, AlternatingMinnormDescent])
PROJECTIONS = pytest.mark.parametrize(
    ("project", "least"), [(any_sign, -np.inf), (positive_part, 0.0)], ids=["equalities", "inequalities"]
)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(EXAMPLES, 2)), RNG.normal(size=EXAMPLES)
U, V = RNG.normal(size=(RUNS, 2)), RNG.normal(size=(RUNS, 1))
MULTIPLIERS = 0.05 * np.abs(RNG.normal(size=(RUNS, EXAMPLES)))  # so small that the projection is felt


def constraints_on(device: str) -> Callable[[State], Tensor]:
    """h_i = y_i - v (u . x_i), shape (runs, examples): two layers, each with weights of its own."""
    inputs, targets = (torch.tensor(array, device=device) for array in (X, Y))
    return lambda state: targets - state["v"] * (state["u"] @ inputs.T)


def violations(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return Y - v * (u @ X.T)


def stepped(order: type[SimultaneousMinnormDescent], tuning: Tuning, least: float) -> list[np.ndarray]:
    """u, v and the multipliers after one step, by the equations at the head of the module."""
    a, b, c = (np.broadcast_to(number, RUNS)[:, None] for number in (tuning.a, tuning.b, tuning.c))
    eta, h = RATES[:, None], violations(U, V)
    effective = np.maximum(MULTIPLIERS + c * h, least)
    u = U - eta * a * (U - V * (effective @ X))
    v = V - eta * a * (V - (effective * (U @ X.T)).sum(1, keepdims=True))
    seen = violations(u, v) if order is AlternatingMinnormDescent else h
    return [u, v, np.maximum(MULTIPLIERS + eta * b * seen, least)]


def step(rule: SimultaneousMinnormDescent, device: str = "cpu") -> tuple[State, Tensor]:
    state = {"u": torch.tensor(U, device=device), "v": torch.tensor(V, device=device)}
    rule.begin(state)
    losses, work = rule.evaluate(state)
    rule.apply(state, work, torch.tensor(RATES, device=device))
    return state, losses


@ORDERS
@PROJECTIONS
@pytest.mark.parametrize("tuning", [Tuning(0.8, 1.2, 0.3), PER_RUN], ids=["one tuning", "one a run"])
def test_a_step_is_that_of_the_equations(
    order: type[SimultaneousMinnormDescent], tuning: Tuning, project: Callable[[Tensor], Tensor], least: float
) -> None:
    rule = order(constraints_on("cpu"), tuning, MULTIPLIERS, project=project)
    state, losses = step(rule)
    for name, expected in zip(("u", "v", "multipliers"), stepped(order, tuning, least)):
        assert np.allclose(state[name], expected, rtol=0, atol=1e-14)
    violated = np.maximum(violations(U, V), least)
    assert np.allclose(losses, (violated**2).sum(1) / 2, rtol=1e-14)
    start = {"u": torch.tensor(U), "v": torch.tensor(V)}
    assert torch.equal(rule.loss(start), losses)


def test_the_projection_and_the_order_matter() -> None:
    """The data of the test above tell all four rules apart, so that it can fail."""
    ends = [
        stepped(order, PER_RUN, least)[2]
        for order in (SimultaneousMinnormDescent, AlternatingMinnormDescent)
        for least in (-np.inf, 0.0)
    ]
    assert all(np.abs(one - other).max() > 1e-3 for i, one in enumerate(ends) for other in ends[:i])


@ORDERS
def test_runs_do_not_see_each_other(order: type[SimultaneousMinnormDescent]) -> None:
    together, _ = step(order(constraints_on("cpu"), PER_RUN, MULTIPLIERS))
    for i in range(RUNS):
        tuning = Tuning(*(float(number[i]) for number in (PER_RUN.a, PER_RUN.b, PER_RUN.c)))
        alone, _ = step(order(constraints_on("cpu"), tuning, MULTIPLIERS[i]))
        assert all(torch.allclose(together[name][i], alone[name][i], rtol=0, atol=1e-15) for name in together)


@ORDERS
def test_a_run_that_is_held_stays_where_it_is(order: type[SimultaneousMinnormDescent]) -> None:
    rule = order(constraints_on("cpu"), PER_RUN, MULTIPLIERS, project=positive_part)
    state = {"u": torch.tensor(U), "v": torch.tensor(V)}
    rule.begin(state)
    before = {name: tensor.clone() for name, tensor in state.items()}
    rule.apply(state, rule.evaluate(state)[1], torch.tensor([0.1, 0.0, 0.1], dtype=torch.float64))
    assert all(torch.equal(state[name][1], before[name][1]) for name in state)
    assert not any(torch.equal(state[name][0], before[name][0]) for name in state)


def test_the_norm_may_be_another() -> None:
    """N = |theta|_1 pulls every weight with the same force, whatever its size."""
    rule = SimultaneousMinnormDescent(
        constraints_on("cpu"), Tuning(), norm=lambda weights: sum(weight.abs().sum() for weight in weights.values())
    )
    state, _ = step(rule)
    assert np.allclose(state["u"], U - RATES[:, None] * np.sign(U), rtol=0, atol=1e-15)


def test_multipliers_start_where_they_are_told_and_are_not_shared() -> None:
    start = MULTIPLIERS.copy()
    rule = SimultaneousMinnormDescent(constraints_on("cpu"), Tuning(), start)
    step(rule)
    assert np.array_equal(start, MULTIPLIERS)
    for number in (0.3, np.float64(0.3), np.full(EXAMPLES, 0.3), np.full((RUNS, 1), 0.3)):
        state = {"u": torch.tensor(U), "v": torch.tensor(V)}
        SimultaneousMinnormDescent(constraints_on("cpu"), Tuning(), number).begin(state)
        assert torch.equal(state["multipliers"], torch.full((RUNS, EXAMPLES), 0.3, dtype=torch.float64))


def test_multipliers_that_cannot_be_a_start() -> None:
    for start, message in (
        (np.nan, "multipliers = nan: expected finite real numbers"),
        (np.full(EXAMPLES, 1j), "multipliers = "),
        (np.zeros(EXAMPLES + 1), r"multipliers.shape = \(5,\): expected one that broadcasts to \(3, 4\)"),
        (np.zeros((1, RUNS, EXAMPLES)), "multipliers.shape = "),
    ):
        state = {"u": torch.tensor(U), "v": torch.tensor(V)}
        with pytest.raises(InvalidArgument, match=message):
            SimultaneousMinnormDescent(constraints_on("cpu"), Tuning(), start).begin(state)


@pytest.mark.parametrize("constraint", [Equality(EXAMPLES), Margin(EXAMPLES)], ids=["equalities", "inequalities"])
def test_all_examples_at_once_the_method_takes_the_same_steps(constraint: Constraint) -> None:
    """theta moves by A = eta a and the multipliers by B = eta b."""
    eta, tuning, labels = 0.1, Tuning(0.8, 1.5, 0.4), torch.tensor(np.sign(Y))
    model = nn.Sequential(nn.Linear(2, 1, bias=False, dtype=torch.float64), nn.Flatten(0))
    model[0].weight.data = torch.tensor(U[:1])
    optimizer = SGD(model.parameters(), lr=eta * tuning.a)
    method = SimultaneousMinnorm(optimizer, constraint, dual_learning_rate=eta * tuning.b, augmentation=tuning.c)
    inputs, state = torch.tensor(X), {"u": torch.tensor(U[:1])}
    rule = SimultaneousMinnormDescent(
        lambda weights: constraint.values((weights["u"] @ inputs.T)[0], labels)[None],
        tuning,
        project=constraint.project,
    )
    rule.begin(state)
    for _ in range(10):
        method(model(inputs), labels).backward()
        method.step()
        rule.apply(state, rule.evaluate(state)[1], torch.tensor([eta], dtype=torch.float64))
    assert torch.allclose(state["u"], model[0].weight, rtol=0, atol=1e-14)
    assert torch.allclose(state["multipliers"][0], method.multipliers, rtol=0, atol=1e-14)


@ORDERS
@PROJECTIONS
def test_a_step_stays_on_its_device(
    order: type[SimultaneousMinnormDescent], project: Callable[[Tensor], Tensor], least: float
) -> None:
    with OneDevice():
        state, losses = step(order(constraints_on("meta"), PER_RUN, MULTIPLIERS, project=project), "meta")
    assert {tensor.device.type for tensor in (losses, *state.values())} == {"meta"}
    with pytest.raises(RuntimeError), OneDevice():
        step(order(constraints_on("cpu"), PER_RUN, MULTIPLIERS, project=project), "meta")
