"""The symbolic proofs: they hold, they stop holding when a hypothesis goes, and they mean what the numbers mean."""

from collections.abc import Callable

import numpy as np
import pytest
import sympy

from theory.imbalance import identities as symbolic
from theory.imbalance.identities import U1, E, Et, S, U1t, V, Vt, eta

PROOFS: list[Callable] = [
    symbolic.imbalance_velocity,
    symbolic.descent_drift_error,
    symbolic.generator_anticommutator,
    lambda *rates: symbolic.lie_euler_drift(4, *rates),
]


def vanishes(residual: sympy.Expr | sympy.MatrixBase) -> bool:
    entries = list(residual) if isinstance(residual, sympy.MatrixBase) else [residual]
    return all(entry == 0 for entry in entries)


@pytest.mark.parametrize("proof", PROOFS)
def test_the_residual_vanishes(proof: Callable) -> None:
    assert vanishes(proof())


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("rates", [(1, -1), (2, 1), sympy.symbols("a b", positive=True)])
def test_no_residual_vanishes_when_the_layers_learn_at_different_rates(proof: Callable, rates: tuple) -> None:
    assert not vanishes(proof(*rates))


def test_equal_rates_conserve_the_imbalance_whatever_they_are() -> None:
    rate = sympy.Symbol("a", positive=True)
    assert vanishes(symbolic.imbalance_velocity(rate, rate))
    assert vanishes(symbolic.lie_euler_drift(3, rate, rate))


def test_the_residual_at_unequal_rates_is_the_numerical_drift() -> None:
    rng = np.random.default_rng(0)
    r, m, h, step, (a, b) = 4, 2, 5, 0.1, (1.3, -0.7)
    diagonal = np.diag(rng.uniform(1, 2, r))
    residual, hidden, output = rng.standard_normal((r, m)), rng.standard_normal((r, h)), rng.standard_normal((m, h))
    values = {V: output, Vt: output.T, U1: hidden, U1t: hidden.T, E: residual, Et: residual.T, S: diagonal}

    def value(expression: sympy.Expr) -> np.ndarray:
        total = np.zeros((h, h))
        for term in sympy.Add.make_args(expression):
            scalars, matrices = term.args_cnc()
            powers = [matrix.as_base_exp() for matrix in matrices]
            factors = [values[base] for base, exponent in powers for _ in range(int(exponent))]
            total += float(sympy.Mul(*scalars).subs(eta, step)) * np.linalg.multi_dot(factors)
        return total

    new_output = output + step * a * residual.T @ diagonal @ hidden
    new_hidden = hidden + step * b * diagonal @ residual @ output
    change = new_hidden.T @ new_hidden - new_output.T @ new_output - (hidden.T @ hidden - output.T @ output)
    second = output.T @ residual.T @ diagonal @ diagonal @ residual @ output
    second -= hidden.T @ diagonal @ residual @ residual.T @ diagonal @ hidden
    expected = change - step**2 * second
    error = symbolic.descent_drift_error(sympy.Float(a), sympy.Float(b))
    assert np.abs(value(error) - expected).max() <= 1e-12 * np.abs(change).max()
