r"""The map of OFT as the peft library ships it: Cayley's with its inverse cut off, I + 2 Q + ... + 2 Q^(j-1) + Q^j.

    R = (I + Q) (I + Q + ... + Q^(j-1)) = C(Q) (I - Q^j),   C(Q) = (I + Q) (I - Q)^-1,   Q skew,

where j = 3 for 3 terms of the code and for 4 (the same map), 4 for its default of 5, and terms - 1 beyond. C(Q) is
orthogonal and everything commutes, so that R R^T = (I - Q^j) (I - Q^j)^T: in a plane in which Q has the eigenvalues
+-i theta, R turns by 2 arctan theta and scales by |1 - (i theta)^j|, whose square is 1 + theta^(2j) for odd j,
(1 - theta^j)^2 for j = 4, 8, ... and (1 + theta^j)^2 between. The series converges for theta < 1 alone.
"""

import numpy as np
from jaxtyping import Float
from numpy.polynomial import Polynomial

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive_integer, reject

NOT_SKEW = 1e-8  # times the largest entry
LARGEST = 1e10  # theta and entries of Q: its powers up to 30 are floats
MOST = 30  # terms


def powers(terms: int) -> int:
    """The j of so many terms.

    Raises:
        InvalidArgument: fewer than 3 terms, which make no such product, or more than 30.
    """
    inside("terms", positive_integer("terms", terms), 3, MOST)
    return max(3, int(terms) - 1)


def neumann(Q: Float[Array, "*runs d d"], terms: int) -> Float[Array, "*runs d d"]:
    """R = C(Q) (I - Q^j), through the solution of a linear system, not the series.

    Raises:
        InvalidArgument: a matrix that is not skew, an entry that is not finite or above 1e10; see `powers`.
    """
    _require_skew(Q)
    one = np.eye(Q.shape[-1])
    return cayley(Q) @ (one - np.linalg.matrix_power(Q, powers(terms)))


def cayley(Q: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """C(Q) = (I + Q) (I - Q)^-1, whose transpose is C(-Q): what the library calls its exact option.

    Raises:
        InvalidArgument: a matrix that is not skew, an entry that is not finite or above 1e10.
    """
    _require_skew(Q)
    one = np.eye(Q.shape[-1])
    return np.linalg.solve(one - Q, one + Q)


def scale(theta: Float[Array, "*shape"] | float, terms: int) -> Float[Array, "*shape"] | float:
    """|1 - (i theta)^j|: by how much the map stretches the plane of the eigenvalues +-i theta.

    Raises:
        InvalidArgument: an angle that is negative or above 1e10; see `powers`.
    """
    theta, j = entries_inside("theta", theta, 0, LARGEST, "[]"), powers(terms)
    if j % 2:
        return np.hypot(1, theta**j)
    return np.abs(1 - theta**j if j % 4 == 0 else 1 + theta**j)


def defect(theta: Float[Array, "*shape"] | float, terms: int) -> Float[Array, "*shape"] | float:
    """|R R^T - I| in that plane: theta^6 of 3 and 4 terms, |theta^8 - 2 theta^4| of 5, theta^10 of 6.

    It is |scale^2 - 1|, without the cancellation. Four terms leave less than five exactly if theta is below 1 or above
    2^(1/2).

    Raises:
        InvalidArgument: see `scale`.
    """
    theta, j = entries_inside("theta", theta, 0, LARGEST, "[]"), powers(terms)
    if j % 2:
        return theta ** (2 * j)
    return theta**j * np.abs(theta**j + (2 if j % 4 else -2))


def turn_loss(
    theta: Float[Array, "*#shape"] | float, phi: Float[Array, "*#shape"] | float, terms: int
) -> Float[Array, "*shape"] | float:
    """|R - R*|_F^2 / 2 of a plane that R* turns by phi: |e^(2 i arctan theta) (1 - (i theta)^j) - e^(i phi)|^2.

    Raises:
        InvalidArgument: an angle that is not finite, or a theta beyond +-1e10; see `powers`.
    """
    theta = entries_inside("theta", theta, -LARGEST, LARGEST, "[]")
    phi, j = entries_inside("phi", phi), powers(terms)
    left = 1 - (1j * theta) ** j
    # |C left - e^(i phi)|^2, with the difference of the angles in one number: there is no cancellation at left = 1.
    away = 2 * np.arctan(theta) - phi
    return np.square(np.abs(left - np.exp(-1j * away)))


def trained_turn(phi: float, terms: int) -> float:
    """The theta where descent from 0 on that loss comes to rest first: tan(phi / 2) if the series were whole.

    Raises:
        InvalidArgument: a phi outside [0, pi / 2], beyond which the series diverges at the rotation itself.
    """
    inside("phi", phi, 0, np.pi / 2)
    j = powers(terms)
    u = (1j ** np.arange(j + 1)) * np.array([1, *[2] * (j - 1), 1])  # coefficients of R in theta, lowest first
    square = Polynomial(u.real) ** 2 + Polynomial(u.imag) ** 2
    roots = (square - 2 * Polynomial((u * np.exp(-1j * phi)).real)).deriv().roots()
    real = np.sort(roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > -1e-9)])
    if not real.size:
        reject("phi", phi, "a rotation at which descent comes to rest")
    return float(max(real[0], 0.0))


def butterfly_entries(d: int, block: int, factors: int) -> int:
    """Entries of R (d, d) that are not 0 in BOFT: block 2^(factors - 1) of a row, a factor doubling what it mixes.

    Raises:
        InvalidArgument: an odd block, d no multiple of block 2^(factors - 1), or fewer than one factor.
    """
    d, block, factors = (positive_integer(*each) for each in (("d", d), ("block", block), ("factors", factors)))
    if block % 2:
        reject("block", block, "an even number: halves of blocks are mixed")
    inside("factors", factors, 1, 60)
    row = block * 2 ** (factors - 1)
    if d % row:
        reject("d", d, f"a multiple of block 2^(factors - 1) = {row}")
    return int(d * row)


def _require_skew(Q: Array) -> None:
    entries_inside("Q", Q, -LARGEST, LARGEST, "[]")
    if not (np.abs(Q + Q.mT) <= NOT_SKEW * np.abs(Q).max((-2, -1), keepdims=True, initial=0)).all():
        reject("Q", "a matrix whose transpose is not -Q", "a skew one")
