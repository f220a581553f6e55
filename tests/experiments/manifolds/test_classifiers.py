"""Networks on digits by FG-SGD: where they start, that they stay on their manifolds, and what is measured of them."""

import numpy as np
import pytest
import torch

from experiments.classifiers.tasks import Task, draw
from experiments.data.idx import load_digits
from experiments.manifolds.accuracy import _first, _shuffled
from experiments.manifolds.classifiers import Move, Moves, Trained, everywhere, fine_grained, train
from experiments.methods.manifolds import Oblique, Sphere, Stiefel
from one_device import OneDevice
from theory.claims import Study

HIDDEN = (16, 12)


def task(seeds: int = 3) -> Task:
    return draw(load_digits(), np.random.default_rng(0), train=40, validation=1, seeds=seeds, flipped=0.0)


def trained(moves: Moves, steps: int) -> Trained:
    return train(Study("toy.claim", "smoke"), task(), HIDDEN, 20, steps, moves)


@pytest.mark.parametrize("manifold", [Sphere(), Oblique(), Stiefel()])
def test_weights_stay_on_their_manifolds(manifold: Sphere | Oblique | Stiefel) -> None:
    for W in trained(everywhere(fine_grained(manifold, 2.0), 3), 5).layers:
        w = torch.tensor(W).mT
        assert manifold.project(w).numpy() == pytest.approx(w.numpy(), abs=1e-5)


def test_all_start_at_the_same_function_on_spheres() -> None:
    still = 1e-12
    free, sphere = (trained(everywhere(move, 3), 1) for move in (Move(still), fine_grained(Sphere(), still)))
    turn = np.exp(0.03) ** np.array([[-1, 1]])  # s has made one step, of a sign that the gradient chose
    ratio = np.exp(sphere.scale)[:, None, None] * sphere.outputs / free.outputs
    assert np.median(np.abs(ratio[..., None] / turn[0] - 1).min(-1)) < 1e-5
    assert (sphere.error == free.error).all()


def test_weights_decay() -> None:
    plain, decayed = (trained(everywhere(Move(0.3, decay=decay), 3), 30) for decay in (0.0, 0.1))
    for W, shrunk in zip(plain.layers, decayed.layers):
        assert np.linalg.norm(shrunk) < np.linalg.norm(W)


def test_errors_and_margins() -> None:
    found = trained(everywhere(Move(0.3), 3), 60)
    labels = task().train.y
    assert (found.outputs.argmax(-1) != labels).mean(1) == pytest.approx(found.unfitted)
    assert (found.margins <= 0).mean(1) == pytest.approx(found.unfitted)
    assert found.gap == pytest.approx(found.error - found.unfitted)
    assert found.error.mean() < 0.8


def test_labels_are_exchanged_within_each_draw() -> None:
    whole = task()
    few = _first(whole, 2)
    assert few.seeds == 2
    shuffled = _shuffled(few, np.random.default_rng(1))
    assert np.sort(shuffled.train.y, axis=1).tolist() == np.sort(few.train.y, axis=1).tolist()
    assert (shuffled.train.y != few.train.y).any(1).all()
    assert shuffled.test is few.test


def test_one_device() -> None:
    move = fine_grained(Stiefel(), 2.0)
    with OneDevice():
        W = torch.eye(4, 8, device="meta")
        assert move(W, W, torch.ones((), device="meta")).device.type == "meta"
