"""Every parametrisation is one network; torch's normalisations have the pitfalls that the claims go around."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from experiments.homogeneous.networks import (
    RunwiseLinear,
    polar_margins,
    side_by_side,
    sizes_and_directions,
    stack_margins,
    weight_normalised_margins,
    widths_of,
    with_exponential_gains,
)
from experiments.homogeneous.problems import (
    classifying_directions,
    partly_seen,
    sized_layers,
    unit_examples,
)
from experiments.training import Trainee
from experiments.training.batches import state_of
from theory.claims import Study
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import margins, polar

STUDY = Study("tests.homogeneous", "smoke")
RNG = np.random.default_rng(0)
WIDTHS = (3, 4, 1)
EXAMPLES = unit_examples(RNG, 6, 3, leak=0.0)
W = sized_layers(RNG, WIDTHS, (1.2, 0.8), 2)
MARGINS = stack_margins(EXAMPLES, WIDTHS, "cpu")


def as_tensors(state):
    return {name: torch.tensor(value) for name, value in state.items()}


def test_all_parametrisations_give_the_margins_of_the_theory():
    start = polar(W)
    gains = {f"g{k}": start.rho[:, k - 1] for k in (1, 2)}
    linear = unit_examples(np.random.default_rng(1), 6, 3)
    seen = margins(linear, W)
    vectors = {f"v{k}": 2.5 * V for k, V in enumerate(start.V, start=1)}
    normalised = weight_normalised_margins(linear, 2, WIDTHS, "cpu")
    logs = {f"a{name[1:]}": np.log(g) for name, g in gains.items()}
    found = [
        stack_margins(linear, WIDTHS, "cpu")(as_tensors(state_of(W))),
        polar_margins(stack_margins(linear, WIDTHS, "cpu"))(as_tensors(gains | dynamics.named(start.V))),
        normalised(as_tensors(gains | vectors)),
        with_exponential_gains(normalised)(as_tensors(logs | vectors)),
    ]
    for q in found:
        assert q.numpy() == pytest.approx(seen, abs=1e-14)
    assert MARGINS(as_tensors(state_of(W))).numpy() == pytest.approx(margins(EXAMPLES, W), abs=1e-14)


def test_sizes_and_directions_are_read_off_every_parametrisation():
    start = polar(W)
    vectors = {f"v{k}": 2.5 * V for k, V in enumerate(start.V, start=1)}
    logs = {f"a{k}": np.log(start.rho[:, k - 1]) for k in (1, 2)}
    loss = lambda state: sum(v.square().reshape(len(v), -1).sum(1) for v in state.values())  # noqa: E731
    for state in (state_of(W), logs | vectors):
        run = Trainee(STUDY, loss, state).train(learning_rate=1e-9, steps=1, record=[0])
        seen = sizes_and_directions(run)
        assert seen.rho[0] == pytest.approx(start.rho)
        assert all(np.allclose(a[0], b) for a, b in zip(seen.V, start.V))


def test_weight_norm_has_one_norm_a_row_unless_told_otherwise():
    rows = weight_norm(nn.Linear(4, 3, bias=False))
    whole = weight_norm(nn.Linear(4, 3, bias=False), dim=None)
    runs = weight_norm(RunwiseLinear(5, 4, 3), dim=0)
    assert rows.parametrizations.weight.original0.shape == (3, 1)
    assert whole.parametrizations.weight.original0.shape == ()
    assert runs.parametrizations.weight.original0.shape == (5, 1, 1)


def test_batch_norm_refuses_eps_of_0_and_takes_what_is_0_to_all_digits():
    X = torch.tensor(RNG.standard_normal((8, 2)))
    with pytest.raises(ValueError, match="eps"):
        nn.BatchNorm1d(2, eps=0.0, affine=False, dtype=torch.float64)(X)
    outputs = nn.BatchNorm1d(2, eps=1e-100, affine=False, dtype=torch.float64)(X)
    exact = (X - X.mean(0)) / X.var(0, correction=0).sqrt()
    assert outputs.numpy() == pytest.approx(exact.numpy(), abs=1e-14)


@pytest.mark.parametrize("seed", range(20))
def test_starts_classify_every_example_and_one_direction_is_unseen(seed):
    rng = np.random.default_rng(seed)
    problem = partly_seen(rng, 5)
    assert np.linalg.matrix_rank(problem.Z) == 4
    V = classifying_directions(rng, problem, 6)
    assert V.shape == (6, 1, 5)
    assert np.linalg.norm(V, axis=-1) == pytest.approx(1)
    assert (V[:, 0] @ problem.Z.T > 0).all()
    assert (np.arccos(V[:, 0] @ problem.w * problem.margin) > 0.1).all()


def test_layers_side_by_side_and_their_widths():
    assert widths_of(W) == list(WIDTHS)
    assert side_by_side(W, leading=1).shape == (2, 3 * 4 + 4)
    assert np.array_equal(side_by_side([layer[None] for layer in W])[0], side_by_side(W, leading=1))
