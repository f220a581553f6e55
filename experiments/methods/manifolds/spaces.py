"""Weight manifolds in torch: w (..., A, B), real or complex, each of the leading dimensions a batch of points, in the
metric of the embedding, the real part of the inner product. Every manifold has the same verbs, so that any step works
on any of them."""

from dataclasses import dataclass
from math import factorial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from experiments.methods.exponentials import exponential, skew_exponential
from experiments.methods.factors import orthonormal, polar, reorthonormal, widened
from theory.core.validation import reject

TERMS = 11  # those of cos 1 beyond are below 1 / 22!
COS_AND_SINC = [[(-1) ** k / factorial(2 * k), (-1) ** k / factorial(2 * k + 1)] for k in range(TERMS)]


@runtime_checkable
class Manifold(Protocol):
    """What a step needs of a manifold; `spread` bounds the distance of any two points of size (A, B)."""

    def project(self, w: Tensor) -> Tensor:
        """The nearest point; where there are several or none, not finite or one of them."""

    def tangent(self, w: Tensor, G: Tensor) -> Tensor:
        """The tangent vector nearest to G: the Riemannian gradient, if G is the gradient."""

    def exponential(self, w: Tensor, v: Tensor) -> Tensor:
        """Where the geodesic from w with velocity v is at time 1."""

    def retraction(self, w: Tensor, v: Tensor) -> Tensor:
        """A cheaper curve's point, equal to the exponential map to first order."""

    def spread(self, A: int, B: int) -> float: ...


class Spheres:
    """A product of unit spheres: of whole matrices, or of their columns. Antipodes are pi apart."""

    dims: tuple[int, ...]

    def project(self, w: Tensor) -> Tensor:
        moderate = w / w.detach().abs().amax(self.dims, keepdim=True)  # so that squares neither overflow nor vanish
        return moderate / self._size(moderate)

    def tangent(self, w: Tensor, G: Tensor) -> Tensor:
        return torch.addcmul(G, w, (w.conj() * G).real.sum(self.dims, keepdim=True), value=-1)

    def exponential(self, w: Tensor, v: Tensor) -> Tensor:
        cos, sinc = _cos_and_sinc(self._square(v))
        moved = torch.addcmul(w * cos, v, sinc)
        # Rounding would take the point off the sphere, a little more every step.
        return moved / self._size(moved)

    def retraction(self, w: Tensor, v: Tensor) -> Tensor:
        return self.project(w + v)

    def logarithm(self, w: Tensor, y: Tensor) -> Tensor:
        """The velocity whose geodesic is at y at time 1, the shortest; NaN at antipodes, which have many."""
        across = self.tangent(w, y)
        apart, beside, sine = map(self._square, (w - y, w + y, across))
        return across * _angle_by_sine(apart / 4, beside / 4, sine)

    def distance(self, w: Tensor, y: Tensor) -> Tensor:
        """Length (...) of the shortest geodesic; its gradient at coincident points is 0, torch's for norms."""
        return torch.linalg.vector_norm(self._angle(w, y), dim=(-2, -1))

    def _size(self, v: Tensor) -> Tensor:
        return torch.linalg.vector_norm(v, dim=self.dims, keepdim=True)

    def _square(self, v: Tensor) -> Tensor:
        return (v * v.conj()).real.sum(self.dims, keepdim=True)

    def _angle(self, w: Tensor, y: Tensor) -> Tensor:
        return 2 * torch.atan2(self._size(w - y), self._size(w + y))


@dataclass(frozen=True)
class Sphere(Spheres):
    """|w|_F = 1."""

    dims = (-2, -1)

    def spread(self, A: int, B: int) -> float:
        return float(torch.pi)


@dataclass(frozen=True)
class Oblique(Spheres):
    """Columns of length 1."""

    dims = (-2,)

    def spread(self, A: int, B: int) -> float:
        return float(torch.pi * B**0.5)


@dataclass(frozen=True)
class Stiefel:
    """w^H w = I, A >= B: orthonormal columns. With A = B, the rotations (or the reflections) of A dimensions.

    Raises:
        InvalidArgument: in `spread`, where A < B.
    """

    def project(self, w: Tensor) -> Tensor:
        return polar(widened(w)).to(w.dtype)

    def tangent(self, w: Tensor, G: Tensor) -> Tensor:
        inner = w.mH @ G
        return G - w @ ((inner + inner.mH) / 2)

    def exponential(self, w: Tensor, v: Tensor) -> Tensor:
        """exp(v w^H - w v^H) w exp(-a), v = w a + n, w^H n = 0: by rotations alone, the error is |v| eps.

        With A = B that is w exp a. With A > 2 B, by matrices of that size (Edelman, Arias & Smith 1998, section 2.2.2):

            [w, n / s] exp [[2 a, -n^H n / s], [s I, 0]] [I; 0] exp(-a)

        for any s; s = max(|n|, 1) balances the blocks: the error is |v| eps, and not |v|^2 eps, for n of full rank and
        |v| < eps^(-1/2). Beyond, where it ends is not to be trusted, but that is a point of the manifold.
        """
        A, p = w.shape[-2:]
        a = w.mH @ v
        a = (a - a.mH) / 2
        # The exponential's rounding would take the point off the manifold, and add up.
        if A == p:
            return reorthonormal(w @ skew_exponential(a))
        if A <= 2 * p:
            outer = v @ w.mH
            return reorthonormal(skew_exponential(outer - outer.mH) @ (w @ skew_exponential(-a)))
        n = v - w @ a
        s = torch.linalg.matrix_norm(n.detach(), keepdim=True).clamp_min(1)
        identity = torch.eye(p, dtype=w.dtype, device=w.device).expand_as(a)
        top, bottom = torch.cat([2 * a, -n.mH @ n / s], -1), torch.cat([s * identity, 0 * a], -1)
        turned = exponential(torch.cat([top, bottom], -2))[..., :p] @ skew_exponential(-a)
        return orthonormal(torch.cat([w, n / s], -1) @ turned)

    def retraction(self, w: Tensor, v: Tensor) -> Tensor:
        """Gram-Schmidt on the columns of w + v."""
        return orthonormal(w + v)

    def spread(self, A: int, B: int) -> float:
        """pi sqrt(B): points are joined by exp(t S) w, S skew with |S|_2 <= pi, at speed |S w|_F <= pi |w|_F."""
        if A < B:
            reject("A, B", (A, B), "A >= B: no fewer rows than columns")
        return float(torch.pi * B**0.5)


def _cos_and_sinc(square: Tensor) -> tuple[Tensor, Tensor]:
    """cos x and sin x / x of x^2: entire functions of it, whose derivatives at 0 the root would lose."""
    near, x = square.clamp_max(1), square.clamp_min(1).sqrt()
    terms = torch.tensor(COS_AND_SINC, dtype=square.dtype, device=square.device)
    series, each = terms[-1], near.unsqueeze(-1)
    for term in reversed(terms[:-1].unbind()):
        series = torch.addcmul(term, each, series)
    cos, sinc = series.unbind(-1)
    return torch.where(square <= 1, cos, x.cos()), torch.where(square <= 1, sinc, x.sin() / x)


def _angle_by_sine(apart: Tensor, beside: Tensor, sine: Tensor) -> Tensor:
    """a / sin a of the squares of sin(a / 2), cos(a / 2) and sin a: by the first alone, a power series, near a = 0."""
    near = apart <= 1 / 64
    series = torch.ones_like(apart)
    for k in range(10, 0, -1):
        series = 1 + series * apart.clamp_max(1 / 64) * 2 * k / (2 * k + 1)
    apart, beside, sine = (torch.where(near, 1, each).sqrt() for each in (apart, beside, sine))
    return torch.where(near, series, 2 * torch.atan2(apart, beside) / sine)
