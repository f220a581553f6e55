"""The rule around other rules: held runs, one schedule a run, weights of a flow, and one device."""

import numpy as np
import pytest
import torch

from experiments.halpern.networks import GrowingSteps, anchored, polynomial, squared_hinge_loss, squared_loss
from experiments.methods.halpern import HalpernDescent, RegularisedDescent, halpern_, vanishing
from experiments.training import GradientDescent, Trainee
from theory.claims import Study
from theory.core.regression import random_regression
from theory.core.trajectory import Trajectory

PROBLEM = random_regression(np.random.default_rng(0), D=6, n=4, m=2, singular_values=np.array([1.4, 0.9, 0.5]))
W = np.random.default_rng(1).standard_normal((3, 6, 2))
LOSS = squared_loss(PROBLEM, "cpu")
STUDY = Study("toy.claim")


def trained(trainee: Trainee, stop_below: float | None = None) -> Trajectory:
    return trainee.train(learning_rate=0.1, steps=5, record=[5], stop_below=stop_below)


def test_it_is_the_bare_step_after_the_other_s() -> None:
    rule = GradientDescent(LOSS)
    state = {"w": torch.tensor(W)}
    rule.begin(state)
    for k in range(5):
        rule.apply(state, rule.evaluate(state)[1], torch.full((3,), 0.1))
        halpern_([state["w"]], k)
    assert np.allclose(trained(anchored(STUDY, LOSS, W))["w"][-1], state["w"].numpy(), atol=1e-15)


def test_it_moves_towards_the_anchor() -> None:
    at = trained(anchored(STUDY, LOSS, W, lambda k: 0 * k + 1, anchor=W[::-1]))["w"][-1]
    assert np.array_equal(at, W[::-1])


def test_schedules_may_differ_between_runs() -> None:
    c, power = np.array([0.0, 1.0, 0.2]), np.array([0.0, 1.0, 0.0])
    together = trained(anchored(STUDY, LOSS, W, polynomial(c, power, "cpu")))["w"][-1]
    for i in range(3):
        alone = trained(anchored(STUDY, LOSS, W, polynomial(c[i], power[i], "cpu")))["w"][-1]
        assert np.allclose(together[i], alone[i], atol=1e-15)


def test_weights_of_a_flow_know_the_learning_rate() -> None:
    regularised = trained(Trainee(STUDY, LOSS, {"w": W}, RegularisedDescent(GradientDescent(LOSS))))
    told = trained(Trainee(STUDY, LOSS, {"w": W}, HalpernDescent(GradientDescent(LOSS), vanishing(0.1))))
    assert np.allclose(regularised["w"], told["w"], atol=1e-14)


def test_growing_steps_keep_what_a_flow_would_and_grow_as_said() -> None:
    slow, still = np.array([0.0, 0.5, 2.0]), lambda state: 0 * state["w"].sum((1, 2))
    run = Trainee(STUDY, still, {"w": W}, GrowingSteps(still, slow)).train(learning_rate=0.1, steps=3, record=range(4))
    t = [np.zeros(3)]
    for _ in range(3):
        t.append(t[-1] + 0.1 * (1 + t[-1]) / (1 + slow * np.log1p(t[-1])))
    assert np.allclose(run["time"], t)
    assert np.allclose(run["w"], W / (1 + np.array(t))[..., None, None])
    step = Trainee(STUDY, LOSS, {"w": W}, GrowingSteps(LOSS, slow)).train(learning_rate=0.1, steps=1, record=[1])
    descended = W - 0.1 * PROBLEM.X.T @ (PROBLEM.X @ W - PROBLEM.Y)
    assert np.allclose(step["w"][-1], descended / 1.1)


def test_runs_that_are_held_are_not_anchored() -> None:
    losses = LOSS({"w": torch.tensor(W)}).numpy()
    low = float(np.sort(losses)[:2].mean())  # one run is below from the start
    run = trained(anchored(STUDY, LOSS, W), stop_below=low)
    held = losses < low
    assert np.array_equal(run["w"][-1][held], W[held])
    assert (run["iteration"][-1][held] == 0).all()


def test_squared_hinge_counts_what_is_missing_to_the_margins() -> None:
    Z = np.array([[2.0, 0.0], [0.0, 1.0]])
    w = torch.tensor([[1.0, 0.5], [0.25, 3.0]], dtype=torch.float64)
    assert squared_hinge_loss(Z, "cpu")({"w": w}).tolist() == pytest.approx([0.5 * 0.25, 0.5 * 0.25])


def test_everything_stays_on_one_device() -> None:
    for rule in (
        HalpernDescent(GradientDescent(squared_loss(PROBLEM, "meta")), polynomial(1.0, 1.0, "meta")),
        RegularisedDescent(GradientDescent(squared_loss(PROBLEM, "meta"))),
        GrowingSteps(squared_loss(PROBLEM, "meta"), np.ones(3)),
    ):
        state = {"w": torch.zeros(3, 6, 2, dtype=torch.float64, device="meta")}
        rule.begin(state)
        rule.apply(state, rule.evaluate(state)[1], torch.ones(3, device="meta"))
        assert {tensor.device.type for tensor in state.values()} == {"meta"}
