"""Rows turned by a Cayley map: what torch's solver gives, rotations, and their derivatives."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments.orthogonal.rotated_rows import inverse_by_blocks, rotated_rows, skew

SIZES = st.integers(1, 40)


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


@given(SIZES, st.integers(1, 5), st.floats(0, 30), st.integers(0, 99))
def test_rows_are_turned_as_by_the_cayley_map(d: int, h: int, size: float, seed: int) -> None:
    A, W = size * skew(drawn(seed, 2, d * (d - 1) // 2), d), drawn(seed + 1, 2, h, d)
    identity = torch.eye(d, dtype=A.dtype)
    R = torch.linalg.solve(identity - A, identity + A)
    found = rotated_rows(W, A)
    assert torch.allclose(found, W @ R.mT, atol=1e-9 * max(1, size))
    assert torch.allclose(found @ found.mT, W @ W.mT, atol=1e-9 * max(1, size))


@given(SIZES, st.floats(0, 30), st.integers(0, 99))
def test_blocks_invert(d: int, size: float, seed: int) -> None:
    M = torch.eye(d, dtype=torch.float64) + size * skew(drawn(seed, 3, d * (d - 1) // 2), d)
    assert torch.allclose(inverse_by_blocks(M), torch.linalg.inv(M), atol=1e-14 * (1 + size) ** 2 * d)


@given(st.integers(1, 12))
def test_skew_has_the_entries_below_its_diagonal(d: int) -> None:
    entries = drawn(d, 4, d * (d - 1) // 2)
    A = skew(entries, d)
    rows, columns = torch.tril_indices(d, d, -1)
    assert torch.equal(A[:, rows, columns], entries) and torch.equal(A, -A.mT)


@pytest.mark.parametrize("d", [3, 10])
def test_derivatives_of_two_orders(d: int) -> None:
    W, entries = drawn(0, 2, 2, d).requires_grad_(), drawn(1, 2, d * (d - 1) // 2).requires_grad_()
    turn = lambda W, entries: rotated_rows(W, skew(entries, d))  # noqa: E731
    assert torch.autograd.gradcheck(turn, (W, entries))
    if d == 3:
        assert torch.autograd.gradgradcheck(turn, (W, entries))
