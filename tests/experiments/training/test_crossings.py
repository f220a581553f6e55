"""When recorded curves pass a share."""

import numpy as np
import pytest

from experiments.training.crossings import passing_times


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_sigmoids_pass_where_they_do(share: float) -> None:
    t, middle, rates = np.linspace(0, 10, 60), np.array([2.3, 5.1, 7.7]), np.array([2.0, 5.0, 3.0])
    curves = 1 / (1 + np.exp(-rates * (t[:, None] - middle)))
    expected = middle + np.log(share / (1 - share)) / rates
    assert passing_times(t, curves, share) == pytest.approx(expected, abs=1e-12)


def test_curves_that_are_no_sigmoids_are_read_to_a_high_order() -> None:
    """(1 - e^-t)^3: halving the distance between records divides the error by 2^8 or so."""
    expected = -np.log(1 - 0.5 ** (1 / 3))
    off = [
        abs(passing_times(t, (-np.expm1(-t))[:, None] ** 3, 0.5)[0] - expected)
        for t in (np.linspace(0.01, 8, 25), np.linspace(0.01, 8, 49))
    ]
    assert off[0] < 1e-4
    assert off[1] < off[0] / 30


def test_what_has_not_passed_may_do_so_after_the_last_record() -> None:
    curves = np.stack([np.linspace(0.1, 0.4, 20), np.linspace(0.1, 0.9, 20)], axis=1)
    assert passing_times(np.arange(20.0), curves, 0.5) == pytest.approx([19, 9.5])
