"""How descent moves beside a minimum of the norm under Minnorm, measured by training from displaced starts.

Everything here comes from training steps alone. One step at learning rate 1 from a state moved along each coordinate
gives the Jacobian of the flow; many steps from states moved along (sum of w) and (multiplier) give the matrix of the
pair of eigenvalues that the multiplier takes part in.
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import comb

from experiments.chain.networks import minnorm_descent
from experiments.chain.parameters import Units
from theory.chain import minnorm
from theory.chain.problem import Chain
from theory.claims import Check, Measured, Study, Tolerance, measured
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.minnorm.tuning import Tuning

STEPS = 40  # of the pair, at most
DISPLACEMENTS = 2e-3 / 2.0 ** np.arange(3)


def rests(study: Study, chain: Chain, case: str) -> Check:
    """A step from the minimum, with the multiplier of theory, moves nothing; without it, the weights."""
    still, moved = (step_at_the_minimum(study, chain, share, case) for share in (1.0, 0.0))
    return still.equals(0, against=float(np.abs(moved.value).max()))


def step_at_the_minimum(study: Study, chain: Chain, share: float, case: str) -> Measured:
    """Change of (w, multiplier) in one step at learning rate 1 from the minimum, with this share of its multiplier."""
    units, w = Units(chain), np.full((1, chain.L), chain.omega)
    multipliers = np.array([share * minnorm.solution_multiplier(chain)])
    before, after = _states(study, chain, units.tuning(Tuning(0.7, 1.3, 0.4)), w, multipliers, 1.0, 1)
    # omega^L, omega^(L-1) and the multiplier are powers with L + 4 roundings each.
    alike = units.stated_for
    tolerance = 4 * (chain.L + 4) * EPS * (1 + alike.sigma * alike.s) * alike.omega
    within = Tolerance(tolerance, "4 (L + 4) roundings of the forces that balance")
    return measured("step at the minimum", (after - before) / units.state, within=within, case=case)


def jacobian(study: Study, chain: Chain, tuning: Tuning) -> tuple[Array, Array]:
    """Jacobian of the velocity at the minimum (runs, L + 1, L + 1), in `Units`, and the norm of its error (runs,)."""
    step, error = _derivative(study, chain, tuning, np.eye(chain.L + 1), 1.0, 1)
    return step - np.eye(chain.L + 1), error


def characteristic(name: str, J: Array, error: Array, case: str) -> Measured:
    """Coefficients of the characteristic polynomials, which stay well conditioned where eigenvalues meet.

    The j-th is a sum of binom(n, j) minors of size j, and an error E of J changes each by at most j |J|^(j-1) |E|.
    """
    n = J.shape[-1]
    j = np.arange(1, n + 1)
    size = np.linalg.norm(J, ord=2, axis=(-2, -1))[:, None]
    tolerance = j * comb(n, j) * size ** (j - 1) * (error[:, None] + n**2 * EPS * size)
    because = "j binom(n, j) |J|^(j-1) |error of J|: central differences, extrapolated, of single training steps"
    coefficients = np.array([np.poly(matrix)[1:] for matrix in J])
    return measured(name, coefficients, within=Tolerance(tolerance, because), case=case)


def coefficients(eigenvalues: Array) -> Array:
    """Coefficients (runs, n) of the polynomials with these roots (runs, n), complex ones in pairs."""
    return np.array([np.poly(values)[1:].real for values in eigenvalues])


def with_g(tuning: Tuning, k: float) -> Tuning:
    """The tuning whose spectrum is that of a g which is k times as large: g stands beside b and beside c."""
    return Tuning(tuning.a, k * tuning.b, k * tuning.c)


def pair(study: Study, chain: Chain, tuning: Tuning, eta: float) -> tuple[Array, Array, Tolerance]:
    """Growth and angle a step of the pair (normal direction, multiplier), each (runs,), and what they may be off by."""
    normal = np.append(np.full(chain.L, chain.L**-0.5), 0.0)
    directions = np.stack([normal, np.eye(chain.L + 1)[-1]])
    # Of less than half a turn in all: |z|^2 = a b g of the complex pair.
    frequency = np.sqrt(np.max(tuning.a) * np.max(tuning.b) * chain.g)
    steps = max(min(STEPS, int(3 / (eta * frequency))), 1)
    power, error = _derivative(study, chain, tuning, directions, eta, steps)
    values, vectors = np.linalg.eig(power)
    relative = np.linalg.cond(vectors) * error / np.abs(values).min(-1)
    because = "last Richardson correction in the displacement, through the condition of the matrix of the pair"
    growth, angle = np.log(np.abs(values)).mean(-1), np.abs(np.angle(values)).max(-1)
    return growth / steps, angle / steps, Tolerance(relative / steps, because)


def growth_beside_the_critical(
    study: Study, chain: Chain, tuning: Tuning, eta: float, offsets: Array, case: str
) -> Iterator[Check]:
    """Growth and angle a step at the critical c + offsets / g, whose middle offset is 0: no growth there."""
    a, b = tuning.a, tuning.b
    critical = minnorm.critical_augmentation(chain, tuning, eta)
    growth, angle, within = pair(study, chain, Tuning(a, b, critical + offsets / chain.g), eta)

    def factor(k: float) -> Array:
        """Of the pair a step, if the critical c were k times as large."""
        return 1 + eta * minnorm.spectrum(chain, Tuning(a, b, (2 - k) * critical + offsets / chain.g))[:, -1]

    yield measured("growth a step", growth, within=within, case=case).equals(lambda k: np.log(np.abs(factor(k))))
    yield measured("angle a step", angle, within=within, case=case).equals(np.angle(factor(1)))
    middle = len(growth) // 2
    neutral = measured(
        "neutral at the critical c", growth[middle], within=Tolerance(within.value[middle], within.reason), case=case
    )
    yield neutral.equals(lambda k: 0.0 if k == 1 else np.log(np.abs(factor(k)))[middle])


def _derivative(
    study: Study, chain: Chain, tuning: Tuning, directions: Array, eta: float, steps: int
) -> tuple[Array, Array]:
    """Derivative of the state, in `Units`, after `steps` by the start at the minimum, in orthonormal `directions`.

    Central differences over three displacements, extrapolated; every displaced start is a run of one training.

    Args:
        directions: (n, L + 1).

    Returns:
        The derivative (runs, n, n), one run a tuning, and the Frobenius norm (runs,) of its error.
    """
    a, b, c = np.broadcast_arrays(*(np.atleast_1d(number) for number in (tuning.a, tuning.b, tuning.c)))
    units = Units(chain)
    minimum = np.append(np.full(chain.L, chain.omega), minnorm.solution_multiplier(chain))
    moves = np.multiply.outer(np.outer(DISPLACEMENTS, [1, -1]), directions * units.state)
    starts = np.broadcast_to(minimum + moves, (len(a), *moves.shape)).reshape(-1, chain.L + 1)
    each = starts.shape[0] // len(a)
    many = Tuning(*(np.repeat(number, each) for number in (a, b, c)))
    ends = _states(study, chain, many, starts[:, :-1], starts[:, -1], eta, steps)[1]
    ends = ends.reshape(len(a), *moves.shape)
    central = ((ends[:, :, 0] - ends[:, :, 1]) / units.state) @ directions.T / (2 * DISPLACEMENTS[:, None, None])
    derivative, error = richardson(list(np.moveaxis(central, 1, 0)), order=2)
    # Each step rounds numbers of the size of the state, and the difference divides that by the displacement.
    size = np.abs(minimum / units.state).max() * (1 + units.stated_for.g)
    rounded = 16 * chain.L * steps * EPS * size / DISPLACEMENTS[-1]
    return derivative.mT, np.linalg.norm(error, axis=(-2, -1)) + rounded


def _states(study: Study, chain: Chain, tuning: Tuning, w: Array, multipliers: Array, eta: float, steps: int) -> Array:
    """States (w, multiplier) before and after `steps`, shape (2, runs, L + 1)."""
    trainee = minnorm_descent(study, chain, w, tuning, multipliers)
    run = trainee.train(learning_rate=eta, steps=steps, record=[0, steps])
    return np.concatenate([run["w"], run["multipliers"][..., None]], axis=-1)
