"""Transposes of polynomials in matrices, against the matrices themselves."""

import numpy as np
import sympy

from theory.core.symbolic import matrix, transpose, transpose_blocks, transposed

A, B, S = matrix("A"), matrix("B"), matrix("S")
x = sympy.Symbol("x")


def test_products_are_reversed() -> None:
    expression = 3 * x * A * S * B + transposed(B) * S**2 * A
    expected = 3 * x * transposed(B) * S * transposed(A) + transposed(A) * S**2 * B
    assert sympy.expand(transpose(expression, symmetric=[S]) - expected) == 0


def test_a_transpose_of_a_transpose_is_the_matrix() -> None:
    expression = (A + x * B) ** 2 * S - transposed(A) * B
    assert transposed(transposed(A)) == A
    assert sympy.expand(transpose(transpose(expression)) - expression) == 0


def test_numbers_and_scalars_are_their_own_transposes() -> None:
    assert transpose(sympy.Integer(3)) == 3
    assert transpose(x**2 * S, symmetric=[S]) == x**2 * S


def test_blocks_change_places() -> None:
    blocks = sympy.ImmutableMatrix([[A, S], [0, 2 * B * A]])
    result = transpose_blocks(blocks, symmetric=[S])
    assert result == sympy.ImmutableMatrix([[transposed(A), 0], [S, 2 * transposed(A) * transposed(B)]])


def test_it_means_what_the_numbers_mean() -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 3, 3))
    values = {A: a, B: b, transposed(A): a.T, transposed(B): b.T}

    def value(expression: sympy.Expr) -> np.ndarray:
        total = np.zeros((3, 3))
        for term in sympy.Add.make_args(expression):
            scalars, matrices = term.args_cnc()
            powers = [factor.as_base_exp() for factor in matrices]
            factors = [np.linalg.matrix_power(values[base], int(exponent)) for base, exponent in powers]
            product = np.eye(3)
            for factor in factors:
                product = product @ factor
            total += float(sympy.Mul(*scalars)) * product
        return total

    expression = sympy.expand(2 * A * B**2 - transposed(A) * B + B * transposed(A) * A)
    assert np.allclose(value(transpose(expression)), value(expression).T)
