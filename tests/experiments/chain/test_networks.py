"""Chains in torch: the rules take the steps they say, and times are read off distances."""

import numpy as np
import pytest
import torch

from experiments.chain.networks import MinnormDescent, random_weights, refine, squared_loss, train_chain
from experiments.chain.times import hitting_time
from experiments.training.updates import DecayedDescent, constant
from theory.chain import minnorm, weight_decay
from theory.chain.problem import Chain, product
from theory.claims.study import Study
from theory.minnorm.tuning import Tuning

STUDY = Study("tests.chain", "smoke")
W = np.array([[1.3, 0.8, 1.1], [0.5, 0.9, 1.4]])
CHAIN = Chain(1.7, 3, x=1.2)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_a_minnorm_step_is_a_step_along_the_velocity(power: float) -> None:
    chain = Chain(1.7, 3, 1.2, power)
    tuning = Tuning(np.array([1.0, 0.5]), 0.7, np.array([0.0, 0.4]))
    rule = MinnormDescent(chain, tuning, np.array([0.3, -0.2]))
    run = train_chain(STUDY, "step", chain, W, rule, learning_rate=0.1, steps=1, record=[0, 1])
    dw, dmultiplier = minnorm.velocity(chain, tuning, W, np.array([0.3, -0.2]))
    assert np.allclose(run["w"][1], W + 0.1 * dw, atol=1e-14)
    assert np.allclose(run["multiplier"][1], [0.3, -0.2] + 0.1 * dmultiplier, atol=1e-14)


def test_decay_follows_its_schedule() -> None:
    gamma = np.array([0.2, 0.6])
    rule = DecayedDescent(squared_loss(CHAIN), lambda time: torch.tensor(gamma) / (1 + time))
    run = train_chain(STUDY, "decay", CHAIN, W, rule, learning_rate=0.1, steps=2, record=[0, 1, 2])
    for step, size in ((0, gamma), (1, gamma / 1.1)):
        w = run["w"][step]
        assert np.allclose(run["w"][step + 1], w + 0.1 * weight_decay.velocity(CHAIN, w, size), atol=1e-14)


def test_runs_do_not_see_each_other() -> None:
    together = train_chain(
        STUDY, "two", CHAIN, W, MinnormDescent(CHAIN, Tuning()), learning_rate=0.05, steps=20, record=[20]
    )
    alone = train_chain(
        STUDY, "one", CHAIN, W[1:], MinnormDescent(CHAIN, Tuning()), learning_rate=0.05, steps=20, record=[20]
    )
    assert np.array_equal(together["w"][:, 1], alone["w"][:, 0])


def test_an_interrupted_training_ends_with_the_same_bits(tmp_path) -> None:
    def run(study: Study, steps: int) -> np.ndarray:
        rule = MinnormDescent(CHAIN, Tuning(c=0.5), 0.2)
        return train_chain(study, "resumed", CHAIN, W, rule, learning_rate=0.05, steps=steps, record=[steps])["w"][-1]

    study = Study("tests.chain", "smoke", scratch=tmp_path)
    assert np.array_equal(run(study, 30), run(STUDY, 30))
    assert np.array_equal(run(study, 30), run(STUDY, 30))  # from its checkpoint


def test_refined_trainings_are_recorded_at_the_same_times() -> None:
    rule = lambda: DecayedDescent(squared_loss(CHAIN), constant(0.1))  # noqa: E731
    runs = refine(STUDY, "refined", CHAIN, W, rule, learning_rate=0.03, horizon=1.0, records=5, levels=3)
    for run in runs:
        assert np.allclose(run.t, np.linspace(0, 1, 5))


def test_random_weights_have_a_positive_product() -> None:
    w = random_weights(np.random.default_rng(0), 50, 4, 0.5, 1.5)
    assert (product(w) > 0).all()
    assert (np.abs(w) >= 0.5).all()
    assert (np.abs(w) <= 1.5).all()
    assert (w < 0).any()


def test_hitting_times() -> None:
    t = np.linspace(0, 5, 101)
    falling = np.exp(-2 * t)
    assert hitting_time(t, falling, 1e-2) == pytest.approx(np.log(100) / 2, abs=1e-10)
    assert hitting_time(t, falling, 1e-9) == np.inf
    assert hitting_time(t, falling, 2.0) == 0
    # A distance that comes back has not arrived.
    returning = np.exp(-t) * (1.5 + np.cos(2 * t))
    crossing = hitting_time(t, returning, 0.1)
    assert (returning[t > crossing] < 0.1).all()
    assert np.exp(-crossing) * (1.5 + np.cos(2 * crossing)) == pytest.approx(0.1, rel=1e-5)
