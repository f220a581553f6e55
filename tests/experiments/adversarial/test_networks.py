"""Networks and adversaries in torch against the formulas by hand, on one device; and what sizes of claims refuse."""

import numpy as np
import pytest
import torch

from experiments.adversarial.networks import Robustly, by_ascent, on_a_grid, random_networks, unmoved
from experiments.adversarial.problems import Sizes, draw_circle
from experiments.adversarial.regret import Runs as Regret
from experiments.adversarial.step_degree import Steps
from experiments.adversarial.step_function import _farthest
from experiments.methods.cap_attack import CapAttack
from experiments.training import GradientDescent, Trainee
from one_device import OneDevice
from theory.adversarial import kernel
from theory.claims import Study
from theory.core.validation import InvalidArgument

STUDY = Study("toy.claim")
CIRCLE = draw_circle(STUDY, Sizes(3, 0.3))
RNG = np.random.default_rng(0)
NETWORKS = random_networks(STUDY, 7, 2, 3, np.random.default_rng(1))
MOVED = NETWORKS.W + 0.3 * torch.tensor(RNG.standard_normal(NETWORKS.W.shape))


def test_outputs_are_those_of_the_formulas() -> None:
    x = CIRCLE.inputs
    W, W0, b, a = (t.numpy() for t in (MOVED, NETWORKS.W, NETWORKS.b, NETWORKS.a))
    before, at_start = (np.einsum("rmd,nd->rmn", each, x) + b[..., None] for each in (W, W0))
    assert np.allclose(NETWORKS.f(MOVED, torch.tensor(x)), np.einsum("rm,rmn->rn", a, np.maximum(before, 0)))
    g = np.einsum("rm,rmn->rn", a, np.einsum("rmd,nd->rmn", W - W0, x) * (at_start >= 0))
    assert np.allclose(NETWORKS.g(MOVED, torch.tensor(x)), g)
    f, f0 = (NETWORKS.f(each, torch.tensor(x)).numpy() for each in (MOVED, NETWORKS.W))
    assert np.allclose(NETWORKS.error(MOVED, torch.tensor(x)), f - f0 - g)
    each = torch.tensor(np.stack([x, 2 * x]))
    assert np.allclose(NETWORKS.f(MOVED, each)[0], f[0])
    assert np.allclose(np.abs(a), 7 ** (-1 / 3))


def test_networks_start_as_they_should() -> None:
    many = random_networks(STUDY, 100, 300, 4, np.random.default_rng(2), bias=0.25)
    assert float(many.W.var()) == pytest.approx(1 / 100, rel=0.05)
    assert float(many.b.var()) == pytest.approx(0.25 / 100, rel=0.05)
    assert abs(float(many.a.sum())) < 6 * 30_000**0.5 * 100 ** (-1 / 3)


def test_the_adversary_takes_the_worst_of_its_grid() -> None:
    caps, y = CIRCLE.caps(3), torch.tensor(CIRCLE.y)
    rule = Robustly(NETWORKS.f, y, on_a_grid(caps, STUDY))
    losses = np.abs(NETWORKS.f(MOVED, torch.tensor(caps.reshape(-1, 3))).numpy().reshape(2, 3, 7) - CIRCLE.y[:, None])
    assert np.allclose(rule({"W": MOVED}), losses.max(-1).mean(1))
    assert np.allclose(Robustly(NETWORKS.f, y, unmoved(CIRCLE.inputs, STUDY))({"W": MOVED}), losses[..., 3].mean(1))
    attack = by_ascent(CapAttack(CIRCLE.rho, steps=40, restarts=4, kept=1), CIRCLE.inputs, STUDY)
    fine = Robustly(NETWORKS.f, y, on_a_grid(CIRCLE.caps(300), STUDY))({"W": MOVED})
    assert np.allclose(Robustly(NETWORKS.f, y, attack)({"W": MOVED}), fine, rtol=0.02)


def test_a_step_goes_down_the_loss_at_the_worst_points() -> None:
    rule = Robustly(NETWORKS.g, torch.tensor(CIRCLE.y), on_a_grid(CIRCLE.caps(2), STUDY))
    run = Trainee(STUDY, rule, {"W": MOVED}).train(learning_rate=0.1, steps=1, record=[1])
    points = rule.adversary(rule, MOVED).numpy()
    signs = np.sign(np.stack([NETWORKS.g(MOVED, torch.tensor(p))[i].numpy() for i, p in enumerate(points)]) - CIRCLE.y)
    seen = np.einsum("rmd,rnd->rmn", NETWORKS.W.numpy(), points) + NETWORKS.b.numpy()[..., None] >= 0
    slope = NETWORKS.a.numpy()[..., None] * np.einsum("rn,rmn,rnd->rmd", signs, seen, points) / 3
    assert np.allclose(run["W"][-1], MOVED.numpy() - 0.1 * slope)


def test_caps_and_interpolants() -> None:
    assert np.allclose(np.linalg.norm(CIRCLE.caps(4), axis=-1), 1)
    assert np.allclose(CIRCLE.caps(4)[:, 4], CIRCLE.inputs)
    assert np.allclose(np.linalg.norm(CIRCLE.caps(4)[:, [0, -1]] - CIRCLE.inputs[:, None], axis=-1), CIRCLE.rho)
    alpha, square = CIRCLE.interpolant(0.1, 4)
    points = CIRCLE.caps(4).reshape(-1, 3)
    u = kernel.gram(points, points) @ alpha
    assert np.abs(u.reshape(3, -1) - CIRCLE.y[:, None]).max() == pytest.approx(0.1)
    assert square == pytest.approx(alpha @ u)


def test_no_neuron_can_move_farther_than_the_farthest_arc() -> None:
    alpha, data = RNG.standard_normal(15), CIRCLE.caps(2).reshape(-1, 3)
    w, b = RNG.standard_normal((20_000, 3)), RNG.standard_normal((20_000, 1))
    moves = np.linalg.norm((w @ data.T + b >= 0) @ (alpha[:, None] * data), axis=1)
    assert moves.max() == pytest.approx(_farthest(data, alpha), rel=1e-9)


def test_everything_stays_on_one_device() -> None:
    with OneDevice():
        W, b, a = (torch.ones(*size, dtype=torch.float64, device="meta") for size in ((2, 5, 3), (2, 5), (2, 5)))
        grid, y = (torch.ones(*size, dtype=torch.float64, device="meta") for size in ((3, 4, 3), (3,)))
        examples = torch.arange(3, device="meta")
        networks = type(NETWORKS)(W, b, a)
        rule = Robustly(networks.f, y, lambda rule, W: grid[examples, rule.on_caps(W, grid).argmax(-1)])
        update = GradientDescent(rule)
        state = {"W": W.clone()}
        update.begin(state)
        update.apply(state, update.evaluate(state)[1], torch.ones(2, dtype=torch.float64, device="meta"))
        assert state["W"].device.type == "meta"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sizes(6, 0.4), "rho = 0.4: expected a radius whose caps stay apart, 0.704 between inputs of 6"),
        (lambda: Regret(6, 0.4), "rho = 0.4: expected a radius whose caps stay apart"),
        (lambda: Steps(0.8, 0.4), "rho = 0.4: expected between delta / 10 = 0.08 and 0.45 delta = 0.36"),
    ],
)
def test_what_sizes_refuse(make, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        make()
