"""What is trained on manifolds: the circle, schedules, and the device."""

import numpy as np
import pytest
import torch

from experiments.manifolds.networks import angle, circle_loss, observe_angle, on_circle, on_manifolds, unit
from experiments.methods.manifolds import RiemannianStep, Sphere
from theory.claims import Study
from theory.manifolds import rayleigh
from theory.manifolds.schedules import Schedule

STUDY = Study("toy.claim")
THETA = np.array([-1.2, 0.3, 0.8])


def test_angles_go_round_the_circle() -> None:
    assert angle(torch.tensor(on_circle(THETA))).numpy() == pytest.approx(THETA)
    assert unit(3 * torch.tensor(on_circle(THETA))).numpy() == pytest.approx(on_circle(THETA))


def test_the_only_rate_of_the_circle_is_the_one_asked_for() -> None:
    theta = torch.tensor(1e-3, dtype=torch.float64)
    x = torch.stack([theta.cos(), theta.sin()]).reshape(1, 2, 1)
    excess = circle_loss(STUDY, 1.7)({"x": x}).item() + 1.7 / 2
    assert excess == pytest.approx(1.7 * 1e-6 / 2, rel=1e-5)


def test_the_schedule_s_constant_is_the_learning_rate() -> None:
    schedule, moves = Schedule(0.4, 2.0, 0.75), {"x": RiemannianStep(Sphere())}
    start, loss = {"x": on_circle(THETA)}, circle_loss(STUDY, 1.7)
    trainee = on_manifolds(STUDY, loss, moves, start, schedule=schedule, observe=observe_angle)
    run = trainee.train(learning_rate=schedule.c, steps=5, record=range(6))
    exact = rayleigh.circle_angles(THETA, 1.7, schedule(np.arange(5.0)))
    assert run["theta"] == pytest.approx(exact, abs=1e-13)


def test_losses_stay_on_their_device() -> None:
    loss = circle_loss(Study("toy.claim", device="meta"), 1.0)
    assert loss({"x": torch.empty(3, 2, 1, dtype=torch.float64, device="meta")}).device.type == "meta"
