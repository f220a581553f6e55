"""Brockett's function: its optimum, its modes, errors."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.manifolds import brockett
from theory.manifolds.brockett import Brockett


def test_it_is_at_rest_at_its_optimum() -> None:
    problem = Brockett(np.array([3.0, 2.0, 1.0]), np.array([2.0, 1.0]))
    assert brockett.velocity(problem, np.stack([problem.optimum] * 2)) == pytest.approx(0)
    modes = brockett.modes(problem).reshape(len(brockett.rates(problem)), -1)
    assert modes @ modes.T == pytest.approx(np.eye(len(modes)))


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="l = "):
        Brockett(np.array([1.0, 2.0]), np.array([1.0]))
    with pytest.raises(InvalidArgument, match="m = "):
        Brockett(np.array([2.0, 1.0]), np.array([1.0, -1.0]))
