"""Polynomials in matrices as sympy expressions: a matrix is a symbol that does not commute, and so is its transpose."""

from collections.abc import Collection

import sympy
from sympy import Expr, ImmutableMatrix, Symbol

MARK = "^T"


def matrix(name: str) -> Symbol:
    """The matrix `name`; named "A^T" it is the transpose of the matrix "A"."""
    return Symbol(name, commutative=False)


def transposed(symbol: Symbol) -> Symbol:
    """A -> A^T, and A^T -> A.

    >>> transposed(matrix("A")), transposed(transposed(matrix("A")))
    (A^T, A)
    """
    name = symbol.name
    return matrix(name.removesuffix(MARK) if name.endswith(MARK) else name + MARK)


def transpose(expression: Expr, *, symmetric: Collection[Symbol] = ()) -> Expr:
    """(A B)^T = B^T A^T, in every term of a polynomial in matrices; those in `symmetric` are their own transposes.

    >>> A, B, S = matrix("A"), matrix("B"), matrix("S")
    >>> transpose(2 * A * S * B, symmetric=[S])
    2*B^T*S*A^T
    """
    terms = sympy.Add.make_args(sympy.expand(expression))
    return sympy.Add(*(_transpose_product(term, symmetric) for term in terms))


def transpose_blocks(blocks: ImmutableMatrix, *, symmetric: Collection[Symbol] = ()) -> ImmutableMatrix:
    """The transpose of a block matrix: blocks change places, and each is transposed."""
    return blocks.T.applyfunc(lambda block: transpose(block, symmetric=symmetric))


def _transpose_product(product: Expr, symmetric: Collection[Symbol]) -> Expr:
    scalars, matrices = product.args_cnc()
    powers = (factor.as_base_exp() for factor in reversed(matrices))
    return sympy.Mul(
        *scalars, *((base if base in symmetric else transposed(base)) ** exponent for base, exponent in powers)
    )
