"""Problems with room: their support and its Gram matrix are as planned."""

import numpy as np

from theory.core.separable import Separable, apply
from theory.minnorm.problems import well_conditioned


def test_the_support_is_the_first_four_and_all_duals_have_room() -> None:
    problem = Separable(well_conditioned(np.random.default_rng(0), 6))
    assert problem.Z.shape == (6, 12, 8)
    assert (problem.support == (np.arange(12) < 4)).all()
    assert (problem.duals[:, :4] >= 0.5).all()
    g_min, g_max = problem.gram_range
    assert (g_min >= 0.8 - 1e-12).all() and (g_max <= 1.25 + 1e-12).all()


def test_the_others_have_margins_above_one_and_a_half() -> None:
    problem = Separable(well_conditioned(np.random.default_rng(1), 5))
    w = apply(problem.Z.mT, problem.duals)
    margins = apply(problem.Z, w)
    np.testing.assert_allclose(margins[:, :4], 1.0, rtol=1e-10)
    assert (margins[:, 4:] >= 1.5 - 1e-12).all()
    assert margins[:, 4:].std() > 0.1
    assert not np.allclose(problem.Z[0], problem.Z[1])
