"""Curves of the modes at any time, between points whose times are known."""

import numpy as np
import pytest

from experiments.deep_linear.modes import Learned, _alike, _at_any_time, _curves
from theory.chain.problem import Chain
from theory.claims.parameters import at


@pytest.mark.parametrize("L", [1, 2, 3, 6])
@pytest.mark.parametrize("start", [1e-3, 0.1])
def test_they_are_the_solved_curves(L: int, start: float) -> None:
    size = at(Learned, "smoke", {"start": start})
    chains = [Chain(s, L, 0.8) for s in size.strengths]
    t = np.linspace(0, 12, 41)
    curves = _at_any_time(chains, size)(t)
    assert np.abs(curves - _curves(chains, t, _alike(size))).max() < 1e-9
    assert curves[0] == pytest.approx(_alike(size)) and (np.diff(curves, axis=0) >= 0).all()
