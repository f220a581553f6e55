"""Proofs of the identities behind the imbalance, in matrix symbols that do not commute (Min et al. 2021, section 2.2).

Each function returns a residual that has to expand to 0, for every shape and every value of the matrices: the
residual matrix E is a symbol of its own, so nothing of the loss but its gradient enters. The two learning rates are
those of V and of U1; a sign is a learning rate of -1. The identities need both to be 1, which is their hypothesis.
"""

from functools import partial

import sympy
from sympy import Expr, ImmutableMatrix, Rational

from theory.core import symbolic
from theory.core.symbolic import matrix, transposed
from theory.core.validation import reject

V, U1, E = matrix("V"), matrix("U_1"), matrix("E")
Vt, U1t, Et = transposed(V), transposed(U1), transposed(E)
S = matrix("S")  # diagonal, so it is its own transpose
eta = sympy.Symbol("eta", real=True)

Rate = Expr | int

_J = ImmutableMatrix([[-1, 0], [0, 1]])
_transpose = partial(symbolic.transpose, symmetric=(S,))
_transpose_blocks = partial(symbolic.transpose_blocks, symmetric=(S,))


def imbalance_velocity(output_rate: Rate = 1, hidden_rate: Rate = 1) -> Expr:
    """d/dt (U1^T U1 - V^T V) along V' = E^T S U1, U1' = S E V: 0, the imbalance is conserved."""
    dV, dU1 = _velocity(output_rate, hidden_rate)
    return sympy.expand(_transpose(dU1) * U1 + U1t * dU1 - _transpose(dV) * V - Vt * dV)


def descent_drift_error(output_rate: Rate = 1, hidden_rate: Rate = 1) -> Expr:
    """One step of gradient descent changes the imbalance by eta^2 (V^T E^T S^2 E V - U1^T S E E^T S U1), exactly.

    Returns the change less this expression: 0.
    """
    dV, dU1 = _velocity(output_rate, hidden_rate)
    change = _imbalance(V + eta * dV, U1 + eta * dU1) - _imbalance(V, U1)
    return sympy.expand(change - eta**2 * (Vt * Et * S * S * E * V - U1t * S * E * Et * S * U1))


def generator_anticommutator(output_rate: Rate = 1, hidden_rate: Rate = 1) -> ImmutableMatrix:
    """A^T J + J A for the generator A = [[0, E^T S], [S E, 0]] and J = diag(-I, I): 0, so A is in so(m, r)."""
    A = _generator(output_rate, hidden_rate)
    return (_transpose_blocks(A) * _J + _J * A).applyfunc(sympy.expand)


def lie_euler_drift(order: int, output_rate: Rate = 1, hidden_rate: Rate = 1) -> ImmutableMatrix:
    """exp(eta A)^T J exp(eta A) - J up to eta^order: 0, so the step Z -> exp(eta A) Z conserves Z^T J Z.

    Raises:
        InvalidArgument: a negative order.
    """
    if order < 0:
        reject("order", order, "a whole number of at least 0")
    A = _generator(output_rate, hidden_rate)
    terms = [A**k * Rational(1, sympy.factorial(k)) for k in range(order + 1)]
    products = [
        eta ** (j + k) * _transpose_blocks(terms[j]) * _J * terms[k]
        for j in range(order + 1)
        for k in range(order + 1 - j)
    ]
    return (sum(products[1:], products[0]) - _J).applyfunc(sympy.expand)


def _imbalance(output: Expr, hidden: Expr) -> Expr:
    return _transpose(hidden) * hidden - _transpose(output) * output


def _velocity(output_rate: Rate, hidden_rate: Rate) -> tuple[Expr, Expr]:
    return output_rate * Et * S * U1, hidden_rate * S * E * V


def _generator(output_rate: Rate, hidden_rate: Rate) -> ImmutableMatrix:
    return ImmutableMatrix([[0, output_rate * Et * S], [hidden_rate * S * E, 0]])
