"""The step of orthogonality-preserving descent: its direction, and its defect."""

import numpy as np
import pytest

from theory.orthogonal import preserving


def test_the_turn_is_skew_and_capped() -> None:
    rng = np.random.default_rng(0)
    R = np.linalg.qr(rng.standard_normal((4, 5, 5)))[0]
    w = preserving.direction(R, 100 * rng.standard_normal((4, 5, 5)), 0.1)
    assert np.linalg.norm(w, axis=(-2, -1)) == pytest.approx(1)
    assert w + w.mT == pytest.approx(0, abs=1e-12)


def test_no_turn_no_defect() -> None:
    assert preserving.defect_of_step(np.zeros((2, 3, 3))) == pytest.approx(0)
    before = np.diag([0.1, 0.2, 0.0])
    assert preserving.defect_after_step(np.zeros((3, 3)), before) == pytest.approx(before)
