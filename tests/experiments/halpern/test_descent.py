"""The rule around other rules: held runs, one schedule a run, and one device."""

import numpy as np
import torch

from experiments.halpern.descent import HalpernDescent, polynomial, squared_loss
from experiments.methods.halpern import halpern_
from experiments.training.loop import train
from experiments.training.updates import GradientDescent
from theory.core.regression import random_regression

PROBLEM = random_regression(np.random.default_rng(0), D=6, n=4, m=2, singular_values=np.array([1.4, 0.9, 0.5]))
W = np.random.default_rng(1).standard_normal((3, 6, 2))


def trained(update, **options):
    loss = squared_loss(PROBLEM, "cpu")
    plan = {"learning_rate": 0.1, "steps": 5, "record": [5], "observe": dict} | options
    return train(loss, {"w": W}, update=update(GradientDescent(loss)), **plan)


def test_it_is_the_bare_step_after_the_other_s() -> None:
    loss = squared_loss(PROBLEM, "cpu")
    rule = GradientDescent(loss)
    state = {"w": torch.tensor(W)}
    rule.begin(state)
    for k in range(5):
        rule.apply(state, rule.evaluate(state)[1], torch.full((3,), 0.1))
        halpern_([state["w"]], k)
    seen = trained(HalpernDescent)["w"][-1]
    assert np.allclose(seen, state["w"].numpy(), atol=1e-15)


def test_schedules_may_differ_between_runs() -> None:
    c, power = np.array([0.0, 1.0, 0.2]), np.array([0.0, 1.0, 0.0])
    together = trained(lambda inner: HalpernDescent(inner, polynomial(c, power, "cpu")))["w"][-1]
    for i in range(3):
        alone = trained(lambda inner: HalpernDescent(inner, polynomial(c[i], power[i], "cpu")))["w"][-1]  # noqa: B023
        assert np.allclose(together[i], alone[i], atol=1e-15)


def test_runs_that_are_held_are_not_pulled() -> None:
    losses = squared_loss(PROBLEM, "cpu")({"w": torch.tensor(W)}).numpy()
    low = float(np.sort(losses)[:2].mean())  # one run is below from the start
    run = trained(HalpernDescent, stop_below=low)
    held = losses < low
    assert np.array_equal(run["w"][-1][held], W[held])
    assert (run["iteration"][-1][held] == 0).all()


def test_everything_stays_on_one_device() -> None:
    state = {"w": torch.zeros(3, 6, 2, dtype=torch.float64, device="meta")}
    rule = HalpernDescent(GradientDescent(squared_loss(PROBLEM, "meta")), polynomial(1.0, 1.0, "meta"))
    rule.begin(state)
    rule.apply(state, rule.evaluate(state)[1], torch.ones(3, device="meta"))
    assert {tensor.device.type for tensor in state.values()} == {"meta"}
