"""The kernel as a function of the product: Gram matrices of starts of one imbalance, large imbalances, the norm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from theory.core.regression import random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import closed_forms
from theory.imbalance import kernel_of_product as kernels
from theory.imbalance.dynamics import split
from theory.imbalance.problem import coordinates

few = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 10**6)


@few
@given(seeds, st.sampled_from([(3, 3), (4, 2), (2, 3)]), st.floats(-3, 3))
def test_gram_matrices_of_one_imbalance(seed: int, shape: tuple[int, int], lam: float) -> None:
    rng, (r, m) = np.random.default_rng(seed), shape
    data = random_regression(rng, D=r + 1, n=r, m=m, singular_values=np.linspace(1.3, 0.7, r))
    V, U1 = split(data, coordinates(data, closed_forms.homogeneous(data, lam, min(r, m), rng)))
    p = U1 @ V.mT
    assert kernels.hidden_gram(p, lam) == pytest.approx(U1 @ U1.mT, rel=1e-7, abs=1e-7)
    assert kernels.output_gram(p, lam) == pytest.approx(V @ V.mT, rel=1e-7, abs=1e-7)


@few
@given(seeds, st.floats(-2, 2))
def test_they_are_the_matrix_functions(seed: int, lam: float) -> None:
    p = np.random.default_rng(seed).standard_normal((3, 3))
    eye = np.eye(3)
    assert kernels.hidden_gram(p, lam) == pytest.approx(
        lam / 2 * eye + sqrtm(lam**2 / 4 * eye + p @ p.T).real, abs=1e-7
    )
    assert kernels.output_gram(p, lam) == pytest.approx(
        -lam / 2 * eye + sqrtm(lam**2 / 4 * eye + p.T @ p).real, abs=1e-7
    )


@few
@given(seeds, st.sampled_from([-1.0, 1.0]))
def test_large_imbalances_move_the_kernel_by_the_law(seed: int, sign: float) -> None:
    """Off by O(lam^-2) of itself, whatever the sign; 0 to 0 of the same product."""
    rng = np.random.default_rng(seed)
    start, p = rng.standard_normal((2, 3, 3))
    law, off = kernels.movement(start, p), []
    for lam in (100 * sign, 200 * sign):
        moved = [kernels.kernel(kernels.hidden_gram(x, lam), kernels.output_gram(x, lam)) for x in (start, p)]
        off.append(np.linalg.norm(abs(lam) * (moved[1] - moved[0]) - law) / np.linalg.norm(law))
    assert off[0] / off[1] == pytest.approx(4, rel=0.05)
    assert not kernels.movement(p, p).any()


@few
@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_the_norm_of_a_kernel(seed: int, r: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    hidden, output = rng.standard_normal((2, r, r)), rng.standard_normal((2, m, m))
    K = kernels.kernel(hidden, output)
    assert K[1] == pytest.approx(np.kron(hidden[1], np.eye(m)) + np.kron(np.eye(r), output[1]))
    assert kernels.squared_norm(hidden, output) == pytest.approx((K**2).sum((-2, -1)))


def test_small_numbers_keep_their_digits() -> None:
    """-lam/2 + (lam^2/4 + s^2)^(1/2) of a large lam is s^2 / lam."""
    p = np.diag([1e-3, 2.0])
    assert np.diag(kernels.output_gram(p, 1e8)) == pytest.approx([1e-14, 4e-8], rel=1e-12)
    assert kernels.hidden_gram(np.zeros((2, 2)), -1.0) == pytest.approx(np.zeros((2, 2)))
    with pytest.raises(InvalidArgument, match=r"p\[0, 0\] = nan: expected a number"):
        kernels.hidden_gram(np.full((2, 2), np.nan), 1.0)
    with pytest.raises(InvalidArgument, match=r"lam = inf: expected a number"):
        kernels.output_gram(p, np.inf)
