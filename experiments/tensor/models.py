"""Sums of powers in torch: in coordinates, one a monomial, and by inner products, in which no tensor is formed."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from experiments.training import State
from theory.claims import Study
from theory.core.arrays import Array


@dataclass(frozen=True)
class Monomials:
    """x^e for all monomials of degree l in d variables, scaled so that inner products are those of tensors."""

    d: int
    l: int
    device: str

    @cached_property
    def factors(self) -> Tensor:
        """The variables that each is a product of (D, l)."""
        return torch.combinations(torch.arange(self.d, device=self.device), self.l, with_replacement=True).reshape(
            -1, self.l
        )

    @cached_property
    def scales(self) -> Tensor:
        """In how many orders they can be multiplied, square root (D,)."""
        counts = torch.nn.functional.one_hot(self.factors, self.d).sum(1).double()
        log_orders = torch.lgamma(counts.new_tensor(self.l + 1.0)) - torch.lgamma(counts + 1).sum(1)
        return log_orders.exp().round().sqrt()

    def powers(self, U: Tensor) -> Tensor:
        """u^l of the last dimension, (..., d) -> (..., D)."""
        product = U[..., self.factors[:, 0]] * self.scales
        for k in range(1, self.l):
            product = product * U[..., self.factors[:, k]]
        return product

    def jacobian(self, U: Tensor) -> Tensor:
        """Derivative of the sum of the powers of U (m, d), by torch (D, m d)."""
        whole = torch.func.jacrev(lambda U: self.powers(U).sum(-2))(U)
        return whole.flatten(1)


@dataclass(frozen=True)
class Scaled:
    """alpha (f(U) - f(U(0))), f(U) = sum_i u_i^l, trained towards targets T (runs, D) on the loss over alpha^2."""

    monomials: Monomials
    T: Tensor
    alpha: Tensor
    start: Tensor

    def left(self, state: State) -> Tensor:
        """T less the model (runs, D)."""
        moved = self.monomials.powers(state["U"]).sum(-2) - self.monomials.powers(self.start).sum(-2)
        return self.T - self.alpha * moved

    def loss(self, state: State) -> Tensor:
        """|T - model|^2 / (2 alpha^2) of each run."""
        return 0.5 * (self.left(state) / self.alpha).square().sum(-1)


@dataclass(frozen=True)
class Linearised:
    """J delta, the same as alpha tends to infinity: delta = alpha (U - U(0))."""

    jacobian: Tensor
    T: Tensor

    def left(self, state: State) -> Tensor:
        """T less the model (runs, D)."""
        return self.T - state["moves"] @ self.jacobian.T

    def loss(self, state: State) -> Tensor:
        """1/2 |T - J delta|^2 of each run."""
        return 0.5 * self.left(state).square().sum(-1)


@dataclass(frozen=True)
class LinearisedProducts:
    """`Linearised` by inner products alone, where there are too many coordinates: target sums of q_j^l.

    Attributes:
        kernel: J^T J (m d, m d).
        pull: J^T T (runs, m d).
        target: |T|^2 (runs,).
    """

    kernel: Tensor
    pull: Tensor
    target: Tensor

    def share_left(self, state: State) -> Tensor:
        """|T - J delta|^2 / |T|^2 of each run."""
        return 2 * self.loss(state) / self.target

    def loss(self, state: State) -> Tensor:
        """1/2 |T - J delta|^2 of each run."""
        moves = state["moves"]
        return 0.5 * (((moves @ self.kernel - 2 * self.pull) * moves).sum(-1) + self.target)


def linearised(U: Tensor, Q: Tensor, l: int) -> LinearisedProducts:
    """At components U (m, d), for targets of terms Q (runs, r, d): derivatives of (u . v)^l by torch."""

    def pull(terms: Tensor, U: Tensor) -> Tensor:
        return ((U @ terms.mT) ** l).sum((-2, -1))

    kernel = torch.func.jacrev(lambda V: torch.func.grad(lambda U: pull(V, U))(U))(U)
    pulls = torch.func.jacrev(lambda U: pull(Q, U))(U)
    return LinearisedProducts(kernel.reshape(U.numel(), -1), pulls.flatten(1), ((Q @ Q.mT) ** l).sum((-2, -1)))


@dataclass(frozen=True)
class Homogeneous:
    """sum_i |u_i|^(2 - l) u_i^l, which grows like a square, towards sum_j w_j q_j^l: by inner products alone.

    Attributes:
        Q: unit vectors (r, d), or each run's own (runs, r, d).
        w: weights (r,).
        l: order.
    """

    Q: Tensor
    w: Tensor
    l: int

    @cached_property
    def target(self) -> Tensor:
        """|T|^2."""
        return torch.einsum("j,...jk,k->...", self.w, (self.Q @ self.Q.mT) ** self.l, self.w)

    def loss(self, state: State) -> Tensor:
        """1/2 |T - model|^2 of each run, by (u . v)^l = <u^l, v^l>."""
        size = state["U"].norm(dim=-1)
        directions, squares = state["U"] / size.unsqueeze(-1), size.square()
        within = (directions @ directions.mT) ** self.l
        across = (directions @ self.Q.mT) ** self.l
        model = torch.einsum("...i,...ij,...j->...", squares, within, squares)
        return 0.5 * (model + self.target) - torch.einsum("...i,...ij,j->...", squares, across, self.w)

    def share_left(self, state: State) -> Tensor:
        """|T - model|^2 / |T|^2 of each run."""
        return 2 * self.loss(state) / self.target


def tensor(study: Study, array: Array) -> Tensor:
    """The array on the study's device."""
    return torch.tensor(array, device=study.device)
