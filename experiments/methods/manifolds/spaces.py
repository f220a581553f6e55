"""Weight manifolds in torch: w (..., A, B), each of the leading dimensions a batch of points, in the metric of the
embedding. Every manifold has the same verbs, so that any step works on any of them."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from theory.core.validation import reject


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
        return w / self._size(w)

    def tangent(self, w: Tensor, G: Tensor) -> Tensor:
        return G - w * (w * G).sum(self.dims, keepdim=True)

    def exponential(self, w: Tensor, v: Tensor) -> Tensor:
        size = self._size(v)
        # Rounding would take the point off the sphere, a little more every step.
        return self.project(w * size.cos() + v * torch.sinc(size / torch.pi))

    def retraction(self, w: Tensor, v: Tensor) -> Tensor:
        return self.project(w + v)

    def logarithm(self, w: Tensor, y: Tensor) -> Tensor:
        """The velocity whose geodesic is at y at time 1, the shortest; not defined at antipodes."""
        across = self.tangent(w, y)
        return across * (self._angle(w, y) / self._size(across).clamp_min(torch.finfo(w.dtype).tiny))

    def distance(self, w: Tensor, y: Tensor) -> Tensor:
        """Length (...) of the shortest geodesic."""
        return self._angle(w, y).square().sum((-2, -1)).sqrt()

    def _size(self, v: Tensor) -> Tensor:
        return v.square().sum(self.dims, keepdim=True).sqrt()

    def _angle(self, w: Tensor, y: Tensor) -> Tensor:
        return 2 * torch.atan2(self._size(w - y), self._size(w + y))


class Sphere(Spheres):
    """|w|_F = 1."""

    dims = (-2, -1)

    def spread(self, A: int, B: int) -> float:
        return float(torch.pi)


class Oblique(Spheres):
    """Columns of length 1."""

    dims = (-2,)

    def spread(self, A: int, B: int) -> float:
        return float(torch.pi * B**0.5)


class Stiefel:
    """w^T w = I, A >= B: orthonormal columns. With A = B, the rotations (or the reflections) of A dimensions.

    Raises:
        InvalidArgument: in `spread`, where A < B.
    """

    def project(self, w: Tensor) -> Tensor:
        U, _, Vh = torch.linalg.svd(w, full_matrices=False)
        return U @ Vh

    def tangent(self, w: Tensor, G: Tensor) -> Tensor:
        inner = w.mT @ G
        return G - w @ (inner + inner.mT) / 2

    def exponential(self, w: Tensor, v: Tensor) -> Tensor:
        """Edelman, Arias & Smith 1998, section 2.2.2: [w, v] exp [[a, -v^T v], [I, a]] [exp(-a); 0], a = w^T v."""
        a, p = w.mT @ v, w.shape[-1]
        identity = torch.eye(p, dtype=w.dtype, device=w.device).expand_as(a)
        top, bottom = torch.cat([a, -v.mT @ v], -1), torch.cat([identity, a], -1)
        turned = torch.matrix_exp(torch.cat([top, bottom], -2))[..., :p] @ torch.matrix_exp(-a)
        return self._closer(torch.cat([w, v], -1) @ turned)

    def retraction(self, w: Tensor, v: Tensor) -> Tensor:
        """Gram-Schmidt on the columns of w + v."""
        Q, r = torch.linalg.qr(w + v)
        return Q * torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0)[..., None, :]

    def spread(self, A: int, B: int) -> float:
        """pi sqrt(B): points are joined by exp(t S) w, S skew with |S|_2 <= pi, at speed |S w|_F <= pi |w|_F."""
        if A < B:
            reject("A, B", (A, B), "A >= B: no fewer rows than columns")
        return float(torch.pi * B**0.5)

    def _closer(self, w: Tensor) -> Tensor:
        """One Newton step of the polar factor: the exponential's rounding would add up otherwise."""
        identity = torch.eye(w.shape[-1], dtype=w.dtype, device=w.device)
        return w @ (3 * identity - w.mT @ w) / 2
