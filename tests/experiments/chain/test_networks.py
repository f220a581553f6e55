"""Chains in torch: the rules take the steps they say."""

import numpy as np
import pytest
import torch

from experiments.chain.networks import decayed_descent, minnorm_descent, plain_descent, random_minnorm, random_weights
from theory.chain import gradient_flow, minnorm, weight_decay
from theory.chain.problem import Chain, product
from theory.claims import Study
from theory.minnorm.tuning import Tuning

STUDY = Study("tests.chain", "smoke")
W = np.array([[1.3, 0.8, 1.1], [0.5, 0.9, 1.4]])
CHAIN = Chain(1.7, 3, x=1.2)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_a_minnorm_step_is_a_step_along_the_velocity(power: float) -> None:
    chain = Chain(1.7, 3, 1.2, power)
    tuning = Tuning(np.array([1.0, 0.5]), 0.7, np.array([0.0, 0.4]))
    multipliers = np.array([0.3, -0.2])
    run = minnorm_descent(STUDY, chain, W, tuning, multipliers).train(learning_rate=0.1, steps=1, record=[0, 1])
    dw, integrated = minnorm.velocity(chain, tuning, W, multipliers)
    assert np.allclose(run["w"][1], W + 0.1 * dw, atol=1e-14)
    assert np.allclose(run["multipliers"][1], multipliers + 0.1 * integrated, atol=1e-14)


def test_a_plain_step_is_a_step_along_the_gradient_flow() -> None:
    run = plain_descent(STUDY, CHAIN, W).train(learning_rate=0.1, steps=1, record=[0, 1])
    assert np.allclose(run["w"][1], W + 0.1 * gradient_flow.velocity(CHAIN, W), atol=1e-14)


def test_decay_follows_its_schedule() -> None:
    gamma = np.array([0.2, 0.6])
    trainee = decayed_descent(STUDY, CHAIN, W, lambda time: torch.tensor(gamma) / (1 + time))
    run = trainee.train(learning_rate=0.1, steps=2, record=[0, 1, 2])
    for step, size in ((0, gamma), (1, gamma / 1.1)):
        w = run["w"][step]
        assert np.allclose(run["w"][step + 1], w + 0.1 * weight_decay.velocity(CHAIN, w, size), atol=1e-14)


def test_decay_may_be_a_number_of_each_run() -> None:
    gamma = np.array([0.2, 0.6])
    run = decayed_descent(STUDY, CHAIN, W, gamma).train(learning_rate=0.1, steps=1, record=[1])
    assert np.allclose(run["w"][-1], W + 0.1 * weight_decay.velocity(CHAIN, W, gamma), atol=1e-14)


def test_runs_do_not_see_each_other() -> None:
    together, alone = (
        minnorm_descent(STUDY, CHAIN, w, Tuning()).train(learning_rate=0.05, steps=20, record=[20]) for w in (W, W[1:])
    )
    assert np.array_equal(together["w"][:, 1], alone["w"][:, 0])


def test_an_interrupted_training_ends_with_the_same_bits(tmp_path) -> None:
    def end(scratch) -> np.ndarray:
        study = Study("tests.chain", "smoke", scratch=scratch)
        trainee = minnorm_descent(study, CHAIN, W, Tuning(c=0.5), 0.2)
        return trainee.train(learning_rate=0.05, steps=30, record=[30])["w"][-1]

    assert np.array_equal(end(tmp_path), end(None))
    assert list(tmp_path.iterdir())
    assert np.array_equal(end(tmp_path), end(None))  # from its checkpoint


def test_random_weights_have_a_positive_product() -> None:
    w = random_weights(np.random.default_rng(0), 50, 4, 0.5, 1.5)
    assert (product(w) > 0).all()
    assert (np.abs(w) >= 0.5).all()
    assert (np.abs(w) <= 1.5).all()
    assert (w < 0).any()


def test_random_tunings_integrate_within_their_range() -> None:
    w, tuning, multipliers = random_minnorm(STUDY, CHAIN, 6, integration=(-0.5, 2))
    assert w.shape == (len(multipliers), 3)
    assert ((tuning.b >= -0.5) & (tuning.b <= 2)).all()
