"""Batches of networks and of random features: whose norms are kept, what is fitted, what labels at random leave."""

import numpy as np
import pytest

from experiments.classifiers.tasks import Task
from experiments.data.idx import load_digits
from experiments.generalisation.digit_networks import Networks, first, shuffled, task_of
from experiments.generalisation.random_features import LEAST_SQUARES, RIDGE, learned, minimum_norm, penalised
from experiments.training import GradientDescent
from theory.claims import Study

STUDY = Study("toy.networks", "smoke", 3)


@pytest.fixture(scope="module")
def task() -> Task:
    return task_of(STUDY, load_digits(), train=20, draws=3, new=50, flipped=0.2)


def test_layers_share_their_size_and_free_ones_scale_with_the_start(task: Task) -> None:
    kept, free = Networks(STUDY, task, 6, 25.0), Networks(STUDY, task, 6)
    for one, other in zip(kept.start(1.0), kept.start(3.0)):
        assert np.linalg.norm(one, axis=(1, 2)) == pytest.approx(5.0)
        assert one == pytest.approx(other)
    for one, other in zip(free.start(1.0), free.start(3.0)):
        assert 3 * one == pytest.approx(other)


def test_margins_are_those_of_unit_layers(task: Task) -> None:
    """Networks that only differ in size have other losses and the same normalised margins."""
    found = [
        Networks(STUDY, task, 6, size).train(GradientDescent, learning_rate=1e-9, steps=1) for size in (1.0, 100.0)
    ]
    assert found[0].margin == pytest.approx(found[1].margin, rel=1e-4)
    assert (found[0].error == found[1].error).all()
    assert (np.abs(found[0].loss - np.log(10)) < 1).all()
    assert (found[1].loss > found[0].loss).all()


def test_labels_at_random_leave_the_images(task: Task) -> None:
    wrong = first(shuffled(STUDY, task, 12), 2)
    assert (wrong.train.x == task.train.x[:2, :12]).all()
    assert (wrong.train.y != task.train.y[:2, :12]).mean() > 0.5
    assert wrong.test.y.shape == (2, 50)


def test_least_squares_fits_all_with_as_many_features_as_examples_and_ridge_does_not() -> None:
    rng = np.random.default_rng(3)
    X, z = rng.standard_normal((2, 10, 15)), rng.standard_normal((2, 10, 4))
    assert X @ minimum_norm(X, z) == pytest.approx(z)
    assert np.abs(X @ penalised(X, z) - z).max() > 0.1
    assert (np.linalg.norm(penalised(X, z), axis=1) < np.linalg.norm(minimum_norm(X, z), axis=1)).all()


def test_features_are_learnt_from_at_every_number(task: Task) -> None:
    found = learned(np.random.default_rng(3), task, (5, 20))
    for name in (LEAST_SQUARES, RIDGE):
        assert found[name].error.shape == found[name].risk.shape == (2, 3)
        assert ((0 <= found[name].error) & (found[name].error <= 1)).all()
    assert (found[LEAST_SQUARES].risk[1] > found[RIDGE].risk[1]).all()
