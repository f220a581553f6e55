"""The rules take the steps they say, and keep the time they say."""

import numpy as np
import pytest
import torch

from experiments.homogeneous.losses import loss_of
from experiments.homogeneous.networks import network_margins, polar_margins, stack_margins
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.homogeneous.rules import (
    LagrangeDescent,
    LayerwiseDescent,
    LogTimeDescent,
    SphereDescent,
    TangentDescent,
    gradients_at,
    with_gradients,
)
from experiments.training import GradientDescent, Trainee
from experiments.training.batches import stack, state_of
from theory.claims import Study
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import log_slope, polar, radial_and_tangential

STUDY = Study("tests.homogeneous", "smoke")
RNG = np.random.default_rng(0)
WIDTHS = (3, 4, 1)
EXAMPLES = unit_examples(RNG, 6, 3, leak=0.0)
W = sized_layers(RNG, WIDTHS, (1.2, 0.8), 2)
MARGINS = stack_margins(EXAMPLES, WIDTHS, "cpu")


def test_tangent_descent_steps_along_the_gradient_on_the_directions():
    loss = loss_of(MARGINS)
    run = Trainee(STUDY, loss, state_of(W), TangentDescent(loss)).train(learning_rate=0.1, steps=1, record=[0, 1])
    start = polar(W)
    _, B = radial_and_tangential(EXAMPLES, start, log_slope)
    for k, force in enumerate(B):
        speed = (start.product / start.rho[:, k])[:, None, None]
        assert run[f"W{k + 1}"][1] == pytest.approx(W[k] + 0.1 * speed * force, abs=1e-14)


def test_lagrange_descent_leaves_frozen_what_it_is_told():
    start = polar(W)
    state = {f"g{k}": start.rho[:, k - 1] for k in (1, 2)} | dynamics.named(start.V)
    forward = polar_margins(MARGINS)
    loss = loss_of(forward)
    rule = LagrangeDescent(forward, ("V1", "V2"))
    run = Trainee(STUDY, loss, state, rule).train(learning_rate=0.1, steps=1, record=[0, 1])
    _, B = radial_and_tangential(EXAMPLES, start, log_slope)
    for k, force in enumerate(B, start=1):
        step = 0.1 * start.product[:, None, None] * force
        assert run[f"V{k}"][1] == pytest.approx(start.V[k - 1] + step, abs=1e-14)
        assert np.array_equal(run[f"g{k}"][1], run[f"g{k}"][0])


def test_layers_step_at_their_own_speeds_and_shrink():
    loss = loss_of(MARGINS)
    steps = {}
    for name, speeds, decay in (("plain", (1.0, 1.0), 0.0), ("own", (0.5, 3.0), 1.0)):
        rule = LayerwiseDescent(loss, speeds, decay)
        run = Trainee(STUDY, loss, state_of(W), rule).train(learning_rate=0.1, steps=1, record=[0, 1])
        steps[name] = [run[f"W{k}"][1] - (1 - 0.1 * decay) * run[f"W{k}"][0] for k in (1, 2)]
        assert (run["taken"][1] == 1).all()
    for own, plain, speed in zip(steps["own"], steps["plain"], (0.5, 3.0)):
        assert own == pytest.approx(speed * plain, abs=1e-14)


def test_sphere_descent_keeps_the_sizes():
    loss = loss_of(MARGINS)
    run = Trainee(STUDY, loss, state_of(W), SphereDescent(loss)).train(learning_rate=0.5, steps=20, record=[20])
    assert polar([run["W1"][-1], run["W2"][-1]]).rho == pytest.approx(polar(W).rho)


def test_records_hold_the_gradients_of_the_steps_that_follow():
    rule = GradientDescent(loss_of(MARGINS))
    run = with_gradients(STUDY, rule, state_of(W)).train(learning_rate=0.1, steps=2, record=range(3))
    for name, gradient in gradients_at(STUDY, rule.loss, state_of(W)).items():
        assert run[f"d{name}"][0] == pytest.approx(gradient, abs=1e-15)
        assert run[name][1:] == pytest.approx(run[name][:-1] - 0.1 * run[f"d{name}"][:-1], abs=1e-14)


def test_time_is_the_sum_of_the_steps() -> None:
    """One weight, one example x = 1: dt = rate / (e^-w (1 + 1)), and w grows by rate / 2."""
    margins = network_margins(stack((1, 1)), np.ones((1, 1)), np.ones((1, 1)), "cpu")
    loss = loss_of(margins)
    trainee = Trainee(STUDY, loss, state_of([np.zeros((1, 1, 1))]), LogTimeDescent(loss))
    run = trainee.train(learning_rate=0.2, steps=50, record=[0, 1, 50])
    assert np.allclose(run["W1"].ravel(), [0, 0.1, 5.0])
    t = 0.1 * np.exp(0.1 * np.arange(50))
    assert np.allclose(run["tau"].ravel(), [0, np.log1p(t[0]), np.log1p(t.sum())])


def test_the_rule_remembers_its_parameters_only() -> None:
    rule = LogTimeDescent(lambda s: s["W1"].sum((1, 2)))
    memory = {"W1": torch.ones(2, 1, 1)}
    rule.begin(memory)
    assert rule.names == ("W1",)
    assert memory["tau"].shape == (2,)
