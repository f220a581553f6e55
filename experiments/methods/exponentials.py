"""The exponential of matrices by products alone, as are then its derivatives of every order; a batch runs as one.

How often it squares depends on numbers, which a compiled graph does not know: there it is torch's own.
"""

from collections.abc import Callable
from math import factorial, log2
from typing import Any

import torch
from torch import Tensor

from experiments.methods.factors import reorthonormal, unitary

# Bader, Blanes & Casas 2019, degree 18 by five products: rows B_1 ... B_5, columns I, A, A^2, A^3, A^6 with
# exp A = B_2 + (B_3 + C) C + O(A^19), C = B_1 B_5 + B_4.
DEGREE = 18
EXPONENTS = (0, 1, 2, 3, 6)
COMBINATIONS = (
    (0, -0.100365581030144618291, -0.00802924648241156932449, -0.000892138498045729985177, 0),
    (0, 0.397849749499645077844, 1.36783778460411720168, 0.498289622525382669416, -0.00063789819459472328015),
    (
        -10.9676396052962061844,
        1.68015813878906206114,
        0.0571779846478865511061,
        -0.00698210122488052056106,
        3.34975017086070470649e-05,
    ),
    (
        -0.0904316832390810593223,
        -0.0676404519071381882256,
        0.0675961301770459654925,
        0.0295552570429315521194,
        -1.39180257516060693404e-05,
    ),
    (0, 0, -0.0923364619367118555360, -0.0169364939002081722752, -1.40086798182036094347e-05),
)


def exponential(A: Tensor) -> Tensor:
    """exp A of A (..., d, d), real or complex, to |A| eps."""
    if torch.compiler.is_compiling():
        return _of_torch(A)
    return _by_squaring(A, _size, lambda E, _: E)


def skew_exponential(A: Tensor) -> Tensor:
    """exp A of a skew (or skew-Hermitian) A (..., d, d): orthogonal (unitary) to a few eps, whatever the size of A.

    A product leaves it d eps off unitary, and squaring doubles that. It is mended after k squarings, while the square
    of 2^k d eps is still below d eps, and at the end.
    """
    if torch.compiler.is_compiling():
        return reorthonormal(_of_torch(A))
    k = max(1, int(-log2(max(1, A.shape[-1]) * torch.finfo(A.dtype).eps) / 2))
    return unitary(_by_squaring(A, _skew_size, lambda R, done: R if done % k else unitary(R)))


def _of_torch(A: Tensor) -> Tensor:
    """torch's own takes too few terms of the series in places: it is 10^6 eps off near |A| = 0.06 in double precision,
    400 eps near 0.5 in single. A corner of 1 beside A makes it take all of them."""
    d = A.shape[-1]
    corner = torch.zeros(d + 1, dtype=A.dtype, device=A.device)
    corner[d] = 1
    return torch.matrix_exp(torch.nn.functional.pad(A, (0, 1, 0, 1)) + corner.diag())[..., :d, :d]


def _by_squaring(A: Tensor, size: Callable[[Tensor], Tensor], mended: Callable[[Tensor, int], Tensor]) -> Tensor:
    """exp(A / 2^s)^(2^s), s of each matrix as its size asks for."""
    e = _whole(torch.linalg.matrix_norm(A.detach()).log2())  # the powers of A / 2^e do not overflow
    powers = _powers(A * torch.exp2(-e)[..., None, None])
    s = _whole(e + (size(powers.detach()) / _radius(A.dtype)).log2())
    E = _series(powers, torch.exp2(e - s))
    least, most = _extremes(s)
    for done in range(most):
        squared = E @ E
        E = mended(squared if done < least else torch.where(done < s[..., None, None], squared, E), done + 1)
    return E


def _powers(A: Tensor) -> Tensor:
    """I, A, A^2, A^3, A^6 (..., 5, d, d)."""
    identity = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device).expand_as(A)
    A2 = A @ A
    A3 = A2 @ A
    return torch.stack([identity, A, A2, A3, A3 @ A3], -3)


def _series(powers: Tensor, scale: Tensor) -> Tensor:
    """Taylor's polynomial of exp(scale A)."""
    combine = torch.tensor(COMBINATIONS, dtype=powers.dtype, device=powers.device)
    scales = scale[..., None, None] ** torch.tensor(EXPONENTS, dtype=scale.dtype, device=scale.device)
    combined = (combine * scales) @ powers.flatten(-2)
    B1, B2, B3, B4, B5 = combined.unflatten(-1, powers.shape[-2:]).unbind(-3)
    C = B1 @ B5 + B4
    return B2 + (B3 + C) @ C


def _radius(dtype: torch.dtype) -> float:
    """How large A may be for its first term left out, |A|^19 / 19!, to be within the rounding of A: |A| u."""
    return (factorial(DEGREE + 1) * torch.finfo(dtype).eps / 2) ** (1 / DEGREE)


def _size(powers: Tensor) -> Tensor:
    """Bounds |A^k|^(1/k) (...), k >= 2: every k is a sum of twos and threes (Al-Mohy & Higham 2009)."""
    two, three = (torch.linalg.matrix_norm(powers[..., k, :, :], 1) ** (1 / k) for k in (2, 3))
    return torch.maximum(two, three)


def _skew_size(powers: Tensor) -> Tensor:
    """Bounds the spectral norm (...) of a normal A, whose sixth power is that of A^6."""
    return torch.linalg.matrix_norm(powers[..., EXPONENTS.index(6), :, :]) ** (1 / 6)


def _whole(x: Tensor) -> Tensor:
    """x rounded up to a whole number of at least 0; 0 where it is not finite."""
    return x.ceil().clamp_min(0).nan_to_num(0, 0, 0)


def _extremes(s: Tensor) -> tuple[int, int]:
    """The least and the most of whole numbers; 0 where there are none to look at."""
    if s.is_meta or s.numel() == 0:
        return 0, 0
    least, most = _Extremes.apply(s).tolist()
    return int(least), int(most)


class _Extremes(torch.autograd.Function):
    """Under `torch.func.vmap` those of the whole batch, which makes them numbers that a loop may depend on."""

    @staticmethod
    def forward(s: Tensor) -> Tensor:
        return torch.stack(s.aminmax())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Nothing is differentiated."""

    @staticmethod
    def vmap(info: Any, dims: tuple[int], s: Tensor) -> tuple[Tensor, None]:
        return _Extremes.apply(s), None
