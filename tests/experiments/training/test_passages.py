"""Values where something passes a level: exact for polynomials, nearly so for what is smooth, none out of range."""

import numpy as np
import pytest

from experiments.training.passages import at_passage


def test_polynomials_are_exact() -> None:
    x = np.linspace(-1, 2, 30)
    assert at_passage(x, 0.37, x**5 - x) == pytest.approx(0.37**5 - 0.37, rel=1e-10)


def test_times_of_many_runs() -> None:
    """Logistic curves of several speeds, each recorded at its own times: half at 1 over the speed."""
    speed = np.array([0.5, 1.0, 3.0])
    t = np.linspace(0, 4, 80)[:, None] / speed
    x = 1 / (1 + np.exp(4 - 4 * speed * t))
    assert at_passage(x, 0.5, t) == pytest.approx(1 / speed, rel=1e-6)
    shares = np.array([0.2, 0.5, 0.8])[:, None]
    times = at_passage(x[:, None], shares, t[:, None])
    assert times == pytest.approx((4 + np.log(shares / (1 - shares))) / (4 * speed), rel=1e-5)


def test_out_of_range_is_no_number() -> None:
    x = np.linspace(0, 1, 20)
    assert np.isnan(at_passage(x, 2.0, x)) and np.isnan(at_passage(x, 0.01, x)) and np.isnan(at_passage(x, 0.99, x))
