"""The exponential by products: its polynomial, its error at every size, its derivatives, and batches."""

from collections.abc import Callable
from fractions import Fraction
from math import factorial

import mpmath
import numpy as np
import pytest
import scipy
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import polynomial
from torch import Tensor

from experiments.methods import exponentials
from experiments.methods.exponentials import exponential, skew_exponential
from experiments.methods.factors import unitary

BOTH = pytest.mark.parametrize("function", [exponential, skew_exponential])
EPS = torch.finfo(torch.float64).eps


def skew(*shape: int, size: float = 1.0, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Skew(-Hermitian) matrices of this spectral norm."""
    A = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    A = A - A.mH
    return size * A / torch.linalg.matrix_norm(A, 2, keepdim=True)


def exact(A: Tensor) -> Tensor:
    """exp A of (d, d) in fifty digits and as many as A is large, rounded."""
    with mpmath.workdps(80):
        E = mpmath.expm(mpmath.matrix(A.to(torch.complex128).tolist()))
        return torch.from_numpy(np.array(E.tolist(), dtype=complex))


def off_unitary(R: Tensor) -> float:
    return float((R @ R.mH - torch.eye(R.shape[-1], dtype=R.dtype)).abs().max())


def test_the_polynomial_is_taylors() -> None:
    """In exact arithmetic, each of its coefficients to a few roundings of the published decimals."""
    B = [np.array([Fraction(0)] * 7, dtype=object) for _ in range(5)]
    for row, combination in zip(B, exponentials.COMBINATIONS, strict=True):
        row[list(exponentials.EXPONENTS)] = [Fraction(number) for number in combination]
    C = polynomial.polyadd(polynomial.polymul(B[0], B[4]), B[3])
    T = polynomial.polyadd(polynomial.polymul(polynomial.polyadd(B[2], C), C), B[1])
    assert not any(T[exponentials.DEGREE + 1 :])
    for k, coefficient in enumerate(T[: exponentials.DEGREE + 1]):
        assert abs(coefficient * factorial(k) - 1) < 10 * EPS


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex128])
@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-8, 1e-3, 0.06, 0.5, 1.15, 3.5, 30.0, 1e3, 1e6])
def test_errors_at_every_size(function: Callable[[Tensor], Tensor], dtype: torch.dtype, size: float) -> None:
    """To a few |A| eps, which is what the rounding of A itself amounts to."""
    A = skew(5, 5, size=size, dtype=torch.promote_types(dtype, torch.float64)).to(dtype)
    eps = torch.finfo(dtype).eps
    assert float((function(A).to(torch.complex128) - exact(A)).abs().max()) < 5 * eps * max(1, size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 40.0, 1e4, 1e6, 1e8, 1e12])
def test_rotations_of_every_size_are_orthogonal(dtype: torch.dtype, size: float) -> None:
    """Also where squaring alone would have lost all digits: in single precision from 10^7 on."""
    R = skew_exponential(skew(60, 60, size=size, dtype=dtype))
    assert off_unitary(R) < 10 * torch.finfo(dtype).eps


def test_the_correction_squares_what_is_off() -> None:
    R = skew_exponential(skew(4, 4))
    off = R + 1e-4 * torch.ones(4, 4, dtype=torch.float64)
    before, after = (float(torch.linalg.matrix_norm(each.mH @ each - torch.eye(4), 2)) for each in (off, unitary(off)))
    assert after == pytest.approx(0.75 * before**2, rel=1e-3)


def test_matrices_that_are_not_skew() -> None:
    N = torch.triu(torch.ones(4, 4, dtype=torch.float64), 1)
    series = torch.eye(4) + N + N @ N / 2 + N @ N @ N / 6
    assert torch.allclose(exponential(N), series, rtol=0, atol=10 * EPS)
    A = torch.randn(3, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for scale in (0.1, 1.0, 5.0):
        expected = torch.from_numpy(scipy.linalg.expm(scale * A.numpy()))
        assert torch.allclose(exponential(scale * A), expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max()))


@BOTH
def test_a_batch_of_different_sizes_is_its_members(function: Callable[[Tensor], Tensor]) -> None:
    """Each to its own error: to square the small ones as often as the largest would cost them |A| eps of that."""
    sizes = torch.tensor([0.0, 1e-3, 2.0, 1e6], dtype=torch.float64)
    A = skew(4, 5, 5) * sizes[:, None, None]
    for members in (function(A), torch.func.vmap(function)(A), function(A.reshape(2, 2, 5, 5)).flatten(0, 1)):
        for size, alone, member in zip(sizes, A, members, strict=True):
            assert float((member - exact(alone).real).abs().max()) < 5 * EPS * max(1, float(size))
    assert torch.equal(function(A)[0], torch.eye(5, dtype=torch.float64))


@BOTH
@given(seed=st.integers(0, 2**16), size=st.floats(0, 20), s=st.floats(0.1, 3))
def test_exponentials_of_one_generator_compose(function: Callable[[Tensor], Tensor], seed: int, size: float, s: float):
    A = skew(4, 4, size=size, seed=seed)
    left, right = function(A) @ function(s * A), function((1 + s) * A)
    assert torch.allclose(left, right, rtol=0, atol=50 * EPS * max(1, size * (1 + s)))


@BOTH
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("size", [0.0, 0.5, 20.0])
def test_derivatives(function: Callable[[Tensor], Tensor], dtype: torch.dtype, size: float) -> None:
    A = skew(3, 3, size=size, dtype=dtype).requires_grad_()
    of_skew = lambda A: function((A - A.mH) / 2)  # noqa: E731
    assert torch.autograd.gradcheck(of_skew, A)
    assert torch.autograd.gradgradcheck(of_skew, A)


@BOTH
def test_the_derivative_is_frechets(function: Callable[[Tensor], Tensor]) -> None:
    """Backward, forward, and under vmap and grad."""
    A, E, G = skew(6, 6, size=100.0), skew(6, 6, seed=1), skew(6, 6, seed=2)
    expected = scipy.linalg.expm_frechet(A.numpy(), E.numpy(), compute_expm=False)
    _, tangent = torch.func.jvp(function, (A,), (E,))
    assert torch.allclose(tangent, torch.from_numpy(expected), rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad((function(leaf := A.clone().requires_grad_()) * G).sum(), leaf)
    assert float((gradient * E).sum()) == pytest.approx(float((tangent * G).sum()), abs=1e-12)
    batched = torch.func.vmap(torch.func.grad(lambda A: (function(A) * G).sum()))(torch.stack([A, E]))
    assert torch.allclose(batched[0], gradient, rtol=0, atol=1e-12)


@BOTH
def test_what_has_no_numbers(function: Callable[[Tensor], Tensor]) -> None:
    A = skew(3, 4, 4)
    assert function(A[:0]).shape == (0, 4, 4) and function(A[:, :0, :0]).shape == (3, 0, 0)
    assert function(A.to("meta")).shape == (3, 4, 4)
    assert function(A * torch.tensor([1.0, torch.nan, 1.0])[:, None, None]).isnan().any((-2, -1)).tolist() == [0, 1, 0]


@BOTH
def test_compiled(function: Callable[[Tensor], Tensor]) -> None:
    A = skew(3, 4, 4, size=5.0)
    assert torch.allclose(torch.compile(function, backend="eager", fullgraph=True)(A), function(A), rtol=0, atol=1e-13)
