"""Batched training: what is minimised, in which batches, and that Minnorm is the wrapper's method."""

import numpy as np
import pytest
import torch
from torch import nn

from experiments.classifiers.examples import Examples, group_outputs
from experiments.classifiers.losses import cross_entropy, hinge, margins
from experiments.classifiers.tasks import draw
from experiments.data.idx import load_digits
from experiments.images.descent import Penalised, by_columns, norm, shortfalls, squared_norm
from experiments.images.methods import Budget, Cells, Trainer, convergence
from experiments.images.minnorm import MinibatchMinnorm
from experiments.methods.minnorm import Margin, Minnorm, MulticlassMargin
from experiments.training.batches import stack, state_of
from experiments.training.loop import train
from theory.claims import Study
from theory.core.linear_networks import gaussian_stack

TASK = draw(load_digits(), np.random.default_rng(0), train=40, validation=20, seeds=2, flipped=0.0)
WIDTHS = (64, 16, 10)
NETWORK = stack(WIDTHS, nn.ReLU)


def examples(cells: int = 1, batch: int = 10) -> Examples:
    return Examples(TASK.train, cells, batch, np.random.default_rng(1), "cpu")


def start(runs: int) -> dict[str, torch.Tensor]:
    layers = gaussian_stack(np.random.default_rng(2), WIDTHS, 0.2, runs=runs)
    return {name: torch.tensor(layer, dtype=torch.float32) for name, layer in state_of(layers).items()}


def test_the_largest_shortfall_is_the_multiclass_margins() -> None:
    f, y = torch.randn(2, 7, 10), torch.randint(0, 10, (2, 7))
    h = shortfalls(f, y)
    expected = torch.stack([MulticlassMargin(7).values(*pair) for pair in zip(f, y)])
    assert torch.allclose(1 - margins(f, y), expected)
    assert torch.allclose(h.amax(-1), expected.clamp(min=-1))
    assert (h.gather(-1, y[..., None]) == -1).all()
    assert torch.allclose(hinge(f, y), expected.clamp(min=0))
    loss = nn.functional.cross_entropy(f.flatten(0, 1), y.flatten(), reduction="none")
    assert torch.allclose(cross_entropy(f, y).flatten(), loss)


@pytest.mark.parametrize("cells", [1, 3])
def test_outputs_by_columns_are_the_networks(cells: int) -> None:
    state, batch = start(2 * cells), examples(cells).batch(torch.tensor([1.0]))
    found, expected = by_columns(state, batch.x), group_outputs(NETWORK, state, batch.x)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=0, atol=64 * torch.finfo(torch.float32).eps)


@pytest.mark.parametrize("batch", [10, 40])
def test_minnorm_is_the_wrappers(batch: int) -> None:
    """Two runs at once against the wrapper around one network and torch's own Adam."""
    steps, rate, B, c = 12, 0.01, 0.02, 0.3
    some = examples(batch=batch)
    rule = MinibatchMinnorm(NETWORK, some, steps, 0.25, dual_learning_rate=B, augmentation=c)
    run = train(
        rule.first_loss, start(2), learning_rate=rate, steps=steps, record=[steps], observe=lambda s: s, update=rule
    )
    for k in range(2):
        layers = {name: nn.Parameter(weights[k].clone()) for name, weights in start(2).items()}
        optimizer = torch.optim.Adam(layers.values(), lr=rate)
        method = Minnorm(optimizer, Margin(40, 10), dual_learning_rate=B, augmentation=c)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = rate * (1 + np.cos(np.pi * step / steps)) / 2
            rows, x, y = some.batch(torch.tensor([float(step)]))
            beaten = 1 - shortfalls((x[k] @ layers["W1"].mT).relu() @ layers["W2"].mT, y[k])
            (method(beaten, torch.ones_like(beaten), rows) / 40).backward()
            method.step()
        for name, weights in layers.items():
            assert run[name][-1, k] == pytest.approx(weights.detach().numpy(), abs=1e-5)
        assert run["multipliers"][-1, k] == pytest.approx(method.multipliers.numpy(), abs=1e-5)


def test_the_penalty_is_one_over_2cn() -> None:
    """Without data the decay is all: the gradient of the loss is theta / (C n)."""
    strengths = torch.tensor([0.5, 2.0])
    rule = Penalised(NETWORK, examples(), 4, lambda outputs, y: 0 * outputs[..., 0], strengths.numpy())
    state = start(2)
    rule.begin(state)
    losses, (gradients, *_) = rule.evaluate(state)
    assert torch.allclose(losses, squared_norm(state) / (2 * strengths * 40))
    for name, gradient in zip(("W1", "W2"), gradients):
        assert torch.allclose(gradient, state[name] / (strengths[:, None, None] * 40))


def test_integrated_errors_are_of_the_probabilities() -> None:
    some = examples(batch=40)
    rule, state = Penalised(NETWORK, some, 2, cross_entropy, np.full(2, np.inf)), start(2)
    p = group_outputs(NETWORK, state, some.x).softmax(-1).gather(-1, some.y[..., None])[..., 0]
    run = train(rule.first_loss, state, learning_rate=0.1, steps=1, record=[1], observe=rule.look, update=rule)
    assert run["errors"][-1] == pytest.approx(1 - p.numpy(), abs=1e-6)


def test_cells_are_spread_over_seeds() -> None:
    rates, strengths, scales = Cells((0.1, 0.2), np.array([[1.0], [2.0]])).each(2)
    assert rates.tolist() == [[0.1, 0.2]] * 2 and strengths.tolist() == [[1, 1], [2, 2]] and (scales == 1).all()


def test_a_solution_is_certified_and_runs_do_not_see_each_other() -> None:
    study = Study("minnorm.images_test", "smoke")
    task = draw(load_digits(), np.random.default_rng(3), train=20, validation=20, seeds=2, flipped=0.0)
    trainer = Trainer(study, task, Budget((24,), 700, 20, 0.02))
    both = trainer.minnorm(Cells((0.02, 0.01)), record=[0, 700])
    alone = trainer.minnorm(Cells((0.01,)))
    assert both.records["squared_norm"][-1, :, 1] == pytest.approx(alone.records["squared_norm"][-1, :, 0], rel=1e-3)
    assert both.convergence().certified[:, 0].all()
    picked = both.at(np.array([-1, 0]), np.array([0, 1]))
    assert picked["rate"].tolist() == [0.02, 0.01] and picked["step"].tolist() == [700, 0]
    assert convergence(both.at(np.array([-1, -1]), np.array([0, 0]))).certified.all()


def test_norm_is_of_all_layers() -> None:
    layers = [torch.full((3, 2, 2), 1.0), torch.full((3, 1, 5), 2.0)]
    assert torch.allclose(norm(layers), torch.tensor(24.0).sqrt())
