"""Sums of powers in torch against the mathematics by hand, on one device; and what the sizes of claims refuse."""

import numpy as np
import pytest
import torch

from experiments.tensor import beyond_lazy, coupons, lazy_limit, lazy_training, low_rank_targets, stuck, tangent_space
from experiments.tensor.from_tiny import tiny
from experiments.tensor.models import Homogeneous, Monomials, Scaled, linearised
from experiments.tensor.problems import components, orthonormal, powers_of, unit_vectors, what_training_leaves
from experiments.training import GradientDescent
from one_device import OneDevice
from theory.claims import Study
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument
from theory.tensor import coordinates
from theory.tensor.lazy import Tangents

STUDY = Study("toy.claim")


def full(U: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum_i weight_i u_i^3 as an array of d^3 numbers."""
    return np.einsum("m,ma,mb,mc->abc", weights, U, U, U)


def test_coordinates_are_those_of_the_theory() -> None:
    U = unit_vectors(np.random.default_rng(0), 3, 4)
    for l in (1, 2, 3, 4):
        monomials = Monomials(4, l, "cpu")
        assert np.allclose(monomials.powers(torch.tensor(U)).numpy(), coordinates.powers(U, l))
        assert np.allclose(monomials.jacobian(torch.tensor(U)).numpy(), Tangents(U, l).jacobian)


def test_losses_are_distances_of_full_tensors() -> None:
    rng = np.random.default_rng(1)
    U, Q, w = rng.standard_normal((2, 3, 4)), orthonormal(rng, 1, 2, 4)[0], np.array([1.2, 0.7])
    model = Homogeneous(torch.tensor(Q), torch.tensor(w), 3)
    losses = model.loss({"U": torch.tensor(U)}).numpy()
    T = full(Q, w)
    distances = [T - full(u, 1 / np.linalg.norm(u, axis=1)) for u in U]
    assert np.allclose(losses, [0.5 * np.sum(each**2) for each in distances])
    assert np.allclose(model.share_left({"U": torch.tensor(U)}), 2 * losses / np.sum(T**2))


def test_a_scaled_model_starts_at_nothing_and_moves_along_its_tangents() -> None:
    rng = np.random.default_rng(2)
    U, T = unit_vectors(rng, 2, 3), rng.standard_normal((1, 10))
    model = Scaled(Monomials(3, 3, "cpu"), torch.tensor(T), torch.tensor(1e6), torch.tensor(U))
    assert np.allclose(model.left({"U": torch.tensor(U[None])}), T)
    moved = U + 1e-6 * Tangents(U, 3).moves(T[0])
    assert np.allclose(model.left({"U": torch.tensor(moved[None])}), Tangents(U, 3).left(T), atol=1e-4)


def test_products_are_those_of_coordinates() -> None:
    rng = np.random.default_rng(3)
    U, Q, l = unit_vectors(rng, 3, 4), orthonormal(rng, 2, 2, 4), 4
    model, start, T = linearised(torch.tensor(U), torch.tensor(Q), l), Tangents(U, l), powers_of(STUDY, Q, l)
    assert np.allclose(model.kernel, start.jacobian.T @ start.jacobian)
    assert np.allclose(model.pull, T @ start.jacobian)
    moves = start.moves(T).reshape(2, -1)
    left = np.square(start.left(T)).sum(1) / 2
    assert np.allclose(model.share_left({"moves": torch.tensor(moves)}), left)


def test_training_leaves_what_a_projection_leaves() -> None:
    start = components(np.random.default_rng(4), 4, 3, 2)
    assert np.allclose(what_training_leaves(STUDY, start), start.left(np.eye(20)), atol=1e-6)
    cut = what_training_leaves(STUDY, start, 3)
    assert np.allclose(cut, start.left_after(np.eye(20), 1 / start.eigenvalues[0], 3))


def test_starts_that_are_in_time_end_as_they_say() -> None:
    batch = tiny(np.random.default_rng(5), 3, 4, 2, 3, 40)
    left, U = batch.trained(STUDY)
    timely = batch.in_time()
    assert timely.mean() > 0.5
    assert np.allclose(left[timely], batch.said[timely] / 2, atol=1e-3)
    assert U.shape == batch.x.shape


def test_everything_stays_on_one_device() -> None:
    with OneDevice():
        Q, w, U = (torch.ones(size, dtype=torch.float64, device="meta") for size in ((2, 4), (2,), (3, 5, 4)))
        rule = GradientDescent(Homogeneous(Q, w, 4).loss)
        state = {"U": U}
        rule.begin(state)
        rule.apply(state, rule.evaluate(state)[1], torch.ones(3, dtype=torch.float64, device="meta"))
        assert state["U"].device.type == "meta"


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (tangent_space.Sizes, {"inputs": (20,)}, r"binom\(d \+ l - 1, l\) = 42504: expected at most 500"),
        (lazy_training.Sizes, {"inputs": (5,)}, r"inputs = \(5,\): expected as many as orders \(3, 4\)"),
        (low_rank_targets.Sizes, {"terms": 6}, "terms = 6: expected at most the inputs 5"),
        (coupons.Sizes, {"components": 3, "terms": 4}, "components = 3: expected m at which 0.02 to 0.98"),
        (lazy_limit.Sizes, {"components": 8}, r"components = 8: expected m d = dim S\(U\) and at most 0.7 D = 39.2"),
        (coupons.Sizes, {"inputs": (5, 2)}, "terms = 3: expected at most the inputs 2: they are orthonormal"),
        (coupons.Sizes, {"inputs": (5, 60)}, r"inputs = 60: expected m d\^\(l/2 - 1\) / \(l \(l - 2\)\) = 45 to be"),
        (coupons.Sizes, {"runs": 90_000}, "runs = 90000: expected at most"),
        (stuck.Sizes, {"terms": 6}, "terms = 6: expected at most the inputs 5"),
        (beyond_lazy.Sizes, {"order": 5}, "order = 5: expected an even number"),
        (beyond_lazy.Sizes, {"inputs": (5,)}, r"inputs = \(5,\): expected one at which m\* is at least twice"),
    ],
)
def test_what_sizes_refuse(kind: type, given: dict, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        at(kind, "quick", given)
