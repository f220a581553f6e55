"""The networks in torch against the mathematics by hand, on one device; and what the sizes of claims refuse."""

import numpy as np
import pytest
import torch

from experiments.kernel.corollary_4_1 import Runs as Movement
from experiments.kernel.lemma_3_1 import Draws
from experiments.kernel.networks import (
    Networks,
    gaussian_start,
    kernels_at_start,
    kernels_of,
    movement_from,
    residuals,
    trainee,
    with_residual,
)
from experiments.kernel.null_space import Runs
from experiments.kernel.problems import Sizes, in_chunks
from experiments.training import GradientDescent
from one_device import OneDevice
from theory.claims import Study
from theory.core.validation import InvalidArgument
from theory.kernel import lazy, width
from theory.kernel.inputs import random_inputs

STUDY = Study("toy.claim")
INPUTS = random_inputs(4, 3, np.random.default_rng(0))


def test_outputs_are_those_of_the_formula() -> None:
    start = gaussian_start(INPUTS, 5, 2, np.random.default_rng(1))
    hidden = np.maximum(np.einsum("rmd,nd->rmn", start.W, INPUTS.X), 0)
    assert np.allclose(start.outputs, np.einsum("rm,rmn->rn", start.signs, hidden) / np.sqrt(5))
    assert set(np.unique(start.signs)) <= {-1.0, 1.0}


def test_a_step_is_that_of_the_formula() -> None:
    start, eta = gaussian_start(INPUTS, 7, 3, np.random.default_rng(2)), 0.3
    r = np.array([1.0, -0.5, 0.2, 0.7])
    run = trainee(STUDY, start, with_residual(start, r), movement_from(start)).train(
        learning_rate=eta, steps=1, record=[0, 1]
    )
    assert np.allclose(run["residual"][0], r)
    seen = np.einsum("rmd,nd->rmn", start.W, INPUTS.X) >= 0
    W = start.W + eta / np.sqrt(7) * start.signs[..., None] * ((seen * r) @ INPUTS.X)
    assert np.allclose(run.facts["parameters"]["W"], W)
    c = lazy.coefficients(INPUTS, eta, r, 1)
    assert np.allclose(run["farthest"][1], [lazy.moves(INPUTS, w, c).max() for w in start.W])
    assert np.allclose(run["typical"][1], [lazy.moves(INPUTS, w, c).mean() for w in start.W])


def test_small_residuals_follow_the_kernel_of_the_start() -> None:
    start, eta = gaussian_start(INPUTS, 6, 2, np.random.default_rng(3)), 0.4
    r = 1e-9 * np.ones(4)
    after = residuals(STUDY, start, with_residual(start, r), learning_rate=eta, record=[0, 3])[-1]
    step = np.eye(4) - eta * kernels_of(STUDY, INPUTS, start.W)
    assert np.allclose(after, np.linalg.matrix_power(step, 3) @ r, rtol=1e-5, atol=1e-15)


def test_kernels_are_counted_alike_in_chunks_and_by_the_formula() -> None:
    W = np.random.default_rng(4).standard_normal((3, 9, 3))
    assert np.allclose(kernels_of(STUDY, INPUTS, W), width.kernel(INPUTS, W))
    many = kernels_at_start(STUDY, INPUTS, 2_000_000, 1, np.random.default_rng(5))[0]
    assert np.allclose(many, INPUTS.H, atol=2e-3)


def test_chunks_leave_nothing_out() -> None:
    assert sum(in_chunks(1000, 10_000, 8)) == 1000
    assert in_chunks(3, 1, 1) == [3]
    assert in_chunks(2, 10**9, 8) == [1, 1]


def test_everything_stays_on_one_device() -> None:
    with OneDevice():
        X, signs, y = (torch.ones(size, dtype=torch.float64, device="meta") for size in ((4, 3), (2, 5), (2, 4)))
        rule = GradientDescent(Networks(X, signs, y).loss)
        state = {"W": torch.zeros(2, 5, 3, dtype=torch.float64, device="meta")}
        rule.begin(state)
        rule.apply(state, rule.evaluate(state)[1], torch.ones(2, dtype=torch.float64, device="meta"))
        assert state["W"].device.type == "meta"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sizes(30, 6), "examples = 30: expected at most 3 times the inputs 6"),
        (lambda: Movement(30, 6), "examples = 30: expected at most 3 times the inputs 6"),
        (lambda: Draws(delta=0.01, draws=300), "draws = 300: expected at least 1375: fewer bound no quantile 1 - 0.01"),
        (lambda: Runs(pairs=(1, 2)), r"pairs = \(1, 2\): expected also more than the inputs 3"),
    ],
)
def test_what_sizes_refuse(make, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        make()
