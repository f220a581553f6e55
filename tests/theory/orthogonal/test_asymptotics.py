"""Many neurons: which d and s are asked for; errors."""

import pytest

from theory.core.validation import InvalidArgument
from theory.orthogonal import asymptotics


def test_asymptotic_minimality_is_asked_of_d_and_s() -> None:
    assert asymptotics.asymptotically_minimal(4, 2.9)
    assert not asymptotics.asymptotically_minimal(4, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: asymptotics.spectral_edges(1.0), r"ratio = 1.0: expected a number in \(0, 1\)"),
        (lambda: asymptotics.smeared_potential(3.0), r"r = 3.0: expected a number in \[0, 2\]"),
        (lambda: asymptotics.least_energy_bound(3, 0.0), "r = 0.0: expected a finite number above 0"),
    ],
)
def test_errors_name_the_argument(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()
