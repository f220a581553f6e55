"""The minimum of the norm under Minnorm: spectrum, critical augmentation, best tuning, and the norm without squares.

Both measurements come from training steps alone. One step at learning rate 1 from a state moved along each coordinate
gives the Jacobian; many steps from states moved along (sum of w) and (multiplier) give the matrix of the pair.
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import comb

from experiments.chain.networks import MinnormDescent, random_weights, train_chain
from experiments.training.legacy import extrapolated
from experiments.training.refinement import tends_to
from theory.chain import minnorm
from theory.chain.problem import Chain, imbalance
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.minnorm.tuning import Tuning

DEPTHS = (1, 2, 3, 4, 5, 6)
SOURCE = "Bansal et al. 2018 (reconstruction: Minnorm on the scalar chain); ours"


@claim(
    "minnorm.chain_spectrum",
    source=SOURCE,
    statement=r"\lambda^* = s^{2/L - 1}/x,\quad \{-2a\}^{L-1} \cup \{z : z^2 + a (2 - L + c g) z + a b g = 0\},"
    r"\ g = \sigma L s^{2 - 2/L};\quad c = \tfrac{L + 2}{g},\ b = \tfrac{4a}{g}: \text{all } -2a",
    hypotheses=("squared norm", "at a minimum of the norm"),
    controls=(
        "multiplier 10 % larger",
        "g 10 % larger",
        "the normal direction as of one layer more",
        "b 10 % larger: still all -2 a",
        "c 10 % larger: still all -2 a",
    ),
)
def minima_have_this_spectrum(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(1, 3), quick=DEPTHS, paper=DEPTHS):
        chain = Chain(1.7, L, x=1.2)
        rng = study.rng("tunings", L)
        runs = study.pick(smoke=5, quick=20, paper=100)
        tuning = Tuning(rng.uniform(0.5, 1.5, runs), rng.uniform(0.1, 3, runs), rng.uniform(0, 3, runs))
        yield from _rest(study, chain)
        J, error = _jacobian(study, f"depth {L}", chain, tuning)
        yield _characteristic(f"depth {L}: characteristic polynomial", J, error, minnorm.spectrum(chain, tuning))
        yield from _best(study, chain)
        # The L - 1 eigenvalues -2 a stand still, so no tuning is faster; at depth 1 there is none of them.
        if L > 1:
            values, vectors = np.linalg.eig(J)
            slowest, slack = -values.real.max(-1), np.linalg.cond(vectors) * error
            because = "Bauer and Fike: error of the Jacobian x condition of its eigenvectors"
            yield at_most(f"depth {L}: slowest rate of any tuning", slowest, 2 * tuning.a, slack=slack, because=because)
        if L == 3:
            wrong = minnorm.spectrum(chain, Tuning(tuning.a, 1.1 * tuning.b, 1.1 * tuning.c))
            yield refuted("g 10 % larger", _characteristic("g", J, error, wrong))
            deeper = Tuning(tuning.a, tuning.b, tuning.c - 1 / chain.g)
            wrong = minnorm.spectrum(chain, deeper)
            yield refuted("the normal direction as of one layer more", _characteristic("L", J, error, wrong))


def _rest(study: Study, chain: Chain) -> Iterator[Check]:
    """At the minimum, with the multiplier of the theory, a step moves nothing."""
    w = np.full((1, chain.L), chain.omega)
    predicted = minnorm.solution_multiplier(chain)
    name = f"depth {chain.L}: step at the minimum"
    # omega^L, omega^(L-1) and the multiplier are powers with L + 4 roundings each.
    tolerance = 4 * (chain.L + 4) * EPS * (1 + chain.sigma * chain.s) * chain.omega
    because = "4 (L + 4) roundings of the forces that balance"
    step = _step(study, name, chain, Tuning(), w, np.array([predicted]))
    yield equal(name, step, 0, tolerance=tolerance, because=because)
    if chain.L == 3:
        step = _step(study, f"{name}, off", chain, Tuning(), w, np.array([1.1 * predicted]))
        wrong = equal("multiplier", step, 0, tolerance=tolerance, because=because)
        yield refuted("multiplier 10 % larger", wrong)


def _best(study: Study, chain: Chain) -> Iterator[Check]:
    best = minnorm.best_tuning(chain, 0.7)
    a, b, c = (np.array([number]) for number in (best.a, best.b, best.c))
    target = np.full((1, chain.L + 1), -1.4, dtype=complex)
    J, error = _jacobian(study, f"best {chain.L}", chain, Tuning(a, b, c))
    yield _characteristic(f"depth {chain.L}: best tuning, all -2 a", J, error, target)
    if chain.L == 3:
        for word, tuning in (("b", Tuning(a, 1.1 * b, c)), ("c", Tuning(a, b, 1.1 * c))):
            J, error = _jacobian(study, f"off in {word}", chain, tuning)
            yield refuted(f"{word} 10 % larger: still all -2 a", _characteristic(word, J, error, target))


@claim(
    "minnorm.chain_critical_augmentation",
    source=SOURCE,
    statement=r"\text{minima attract the flow} \iff c > \frac{L - 2}{\sigma L s^{2 - 2/L}},"
    r"\quad\text{descent} \iff c > \frac{L - 2}{\sigma L s^{2 - 2/L}} + \eta b",
    hypotheses=("squared norm", "the pair of eigenvalues is complex"),
    controls=(
        "without eta b: neutral",
        "L - 1 in place of L - 2: neutral",
        "3 % above: neutral",
        "no augmentation at depth 3: the minimum attracts",
    ),
)
def augmentation_must_exceed_a_critical_value(study: Study) -> Iterator[Check | Curves]:
    eta, b = 0.01, 0.5
    for L in study.pick(smoke=(2, 3), quick=DEPTHS, paper=DEPTHS):
        chain = Chain(1.7, L, x=1.2)
        critical = minnorm.critical_augmentation(chain, Tuning(b=b), eta)
        offsets = np.array([-0.5, -0.03, 0.0, 0.03, 0.5]) / chain.g
        tuning = Tuning(1.0, b, critical + offsets)
        yield from _growth(study, f"depth {L}", chain, tuning, eta)
    yield from _neutral_elsewhere(study, eta, b)
    yield from _largest_real_part(study)


def _growth(study: Study, name: str, chain: Chain, tuning: Tuning, eta: float) -> Iterator[Check]:
    """log |1 + eta z| a step, and the angle: 0 growth at the critical c, of the sign of the offset beside it."""
    growth, angle, error = _pair(study, name, chain, tuning, eta)
    factor = 1 + eta * minnorm.spectrum(chain, tuning)[:, -1]
    because = "last Richardson correction in the displacement, through the condition of the matrix of the pair"
    yield equal(f"{name}: growth a step", growth, np.log(np.abs(factor)), tolerance=error, because=because)
    yield equal(f"{name}: angle a step", angle, np.angle(factor), tolerance=error, because=because)
    middle = len(growth) // 2
    yield equal(f"{name}: neutral at the critical c", growth[middle], 0, tolerance=error[middle], because=because)


def _neutral_elsewhere(study: Study, eta: float, b: float) -> Iterator[Check]:
    chain = Chain(1.7, 3, x=1.2)
    critical = minnorm.critical_augmentation(chain, Tuning(b=b), eta)
    wrong = {
        "without eta b: neutral": minnorm.critical_augmentation(chain),
        "L - 1 in place of L - 2: neutral": critical + 1 / chain.g,
        "3 % above: neutral": 1.03 * critical,
    }
    growth, _, error = _pair(study, "elsewhere", chain, Tuning(1.0, b, np.array(list(wrong.values()))), eta)
    for i, control in enumerate(wrong):
        yield refuted(control, equal("neutral", growth[i], 0, tolerance=error[i], because="Richardson"))
    growth, _, _ = _pair(study, "none", chain, Tuning(1.0, b, np.zeros(1)), eta)
    because = "a minimum that attracts shrinks displacements"
    attracts = at_most("factor a unit of time", np.exp(growth / eta), 1.0, because=because)
    yield refuted("no augmentation at depth 3: the minimum attracts", attracts)


def _largest_real_part(study: Study) -> Iterator[Curves]:
    """For the figure: the largest real part against c, from the formula and from training steps."""
    c = np.linspace(0, 0.6, 121)
    sparse = c[::8]
    chains = [Chain(1.7, L) for L in study.pick(smoke=(2, 3), quick=DEPTHS, paper=DEPTHS)]
    lines = [minnorm.spectrum(chain, Tuning(1.0, 0.5, c)).real.max(-1) for chain in chains]
    measured = []
    for chain in chains:
        tuning = Tuning(np.ones_like(sparse), np.full_like(sparse, 0.5), sparse)
        J, _ = _jacobian(study, f"figure {chain.L}", chain, tuning)
        measured.append(np.linalg.eigvals(J).real.max(-1))
    yield curves(c=c, largest=np.array(lines), c_trained=sparse, largest_trained=np.array(measured))
    yield curves(
        depths=np.array([chain.L for chain in chains]),
        critical=np.array([minnorm.critical_augmentation(chain) for chain in chains]),
    )


@claim(
    "minnorm.chain_unsquared",
    source=SOURCE,
    statement=r"N = \tfrac1k \sum |w_l|^k:\ (w_i^2 - w_j^2)' = -2a (|w_i|^k - |w_j|^k),\ \lambda^* = \omega^{k - L}/x,"
    r"\ \{-a k \omega^{k-2}\}^{L-1} \cup \{z^2 + a ((k - L) \omega^{k-2} + c g) z + a b g = 0\},"
    r"\ c_{crit} = \tfrac{(L - k) \omega^{k-2}}{g}",
    hypotheses=("k = 1 (norms not squared) or between 1 and 2", "no weight is 0"),
    controls=(
        "imbalance decays as if squared",
        "spectrum of the squared norm",
        "critical augmentation of the squared norm: neutral",
        "k 10 % larger",
    ),
)
def unsquared_norms_need_more_augmentation(study: Study) -> Iterator[Check | Curves]:
    eta, b = 0.01, 0.5
    for L, k in study.pick(
        smoke=((2, 1.0),), quick=((2, 1.0), (3, 1.0), (4, 1.5)), paper=((2, 1.0), (3, 1.0), (6, 1.5))
    ):
        chain = Chain(1.7, L, x=1.2, power=k)
        name = f"depth {L}, k = {k:g}"
        yield from _rest_of_power(study, name, chain)
        rng = study.rng("tunings", L)
        tuning = Tuning(rng.uniform(0.5, 1.5, 5), rng.uniform(0.1, 3, 5), rng.uniform(0, 3, 5))
        J, error = _jacobian(study, name, chain, tuning)
        yield _characteristic(f"{name}: characteristic polynomial", J, error, minnorm.spectrum(chain, tuning))
        best = minnorm.best_tuning(chain)
        one = Tuning(np.array([best.a]), np.array([best.b]), np.array([best.c]))
        best_J, best_error = _jacobian(study, f"{name}, best", chain, one)
        target = np.full((1, L + 1), -k * chain.omega ** (k - 2), dtype=complex)
        yield _characteristic(f"{name}: best tuning", best_J, best_error, target)
        critical = minnorm.critical_augmentation(chain, Tuning(b=b), eta)
        offsets = np.array([-0.03, 0.0, 0.03]) / chain.g
        yield from _growth(study, name, chain, Tuning(1.0, b, critical + offsets), eta)
        if L == 2:
            yield from _wrong_powers(study, chain, tuning, J, error, eta)
        yield from _imbalance_of_power(study, name, chain)


def _rest_of_power(study: Study, name: str, chain: Chain) -> Iterator[Check]:
    w = np.full((1, chain.L), chain.omega)
    step = _step(study, f"{name}, rest", chain, Tuning(), w, np.array([minnorm.solution_multiplier(chain)]))
    tolerance = 4 * (chain.L + 4) * EPS * (1 + chain.sigma * chain.s) * chain.omega
    because = "4 (L + 4) roundings of the forces that balance"
    yield equal(f"{name}: step at the minimum", step, 0, tolerance=tolerance, because=because)


def _wrong_powers(study: Study, chain: Chain, tuning: Tuning, J: Array, error: Array, eta: float) -> Iterator[Check]:
    squared = Chain(chain.s, chain.L, chain.x)
    wrong = _characteristic("squared", J, error, minnorm.spectrum(squared, tuning))
    yield refuted("spectrum of the squared norm", wrong)
    larger = Chain(chain.s, chain.L, chain.x, 1.1 * chain.power)
    yield refuted("k 10 % larger", _characteristic("k", J, error, minnorm.spectrum(larger, tuning)))
    critical = np.atleast_1d(minnorm.critical_augmentation(squared, Tuning(b=0.5), eta))
    growth, _, accuracy = _pair(study, "as if squared", chain, Tuning(1.0, 0.5, critical), eta)
    neutral = equal("neutral", growth, 0, tolerance=accuracy, because="Richardson in the displacement")
    yield refuted("critical augmentation of the squared norm: neutral", neutral)


def _imbalance_of_power(study: Study, name: str, chain: Chain) -> Iterator[Check]:
    """The change of the imbalance in one step, per unit of time, as the step shrinks."""
    runs, etas = 4, 0.04 / 2.0 ** np.arange(3)
    w = random_weights(study.rng("starts", chain.L), runs, chain.L, 0.7 * chain.omega, 1.2 * chain.omega)
    tuning = Tuning(0.8, 0.6, 0.5)
    rule = MinnormDescent(chain, tuning, 0.5)
    many = np.tile(w, (len(etas), 1))
    rates = np.repeat(etas, runs)
    run = train_chain(study, f"{name}, one step", chain, many, rule, learning_rate=rates, steps=1, record=[0, 1])
    change = np.diff(imbalance(run["w"]), axis=0)[0] / rates[:, None]
    velocities = [part[None] for part in np.split(change, len(etas))]
    rounding = (2 * chain.L + 16) * EPS * float((w**2).max()) / etas[-1] * 2 ** len(etas)
    predicted = minnorm.imbalance_velocity(chain, tuning, w)[None]
    yield from tends_to(f"{name}: velocity of the imbalance", velocities, predicted, rounding)
    if chain.L == 2:
        wrong = minnorm.imbalance_velocity(Chain(chain.s, chain.L, chain.x), tuning, w)[None]
        yield refuted("imbalance decays as if squared", extrapolated("squared", velocities, wrong, rounding))


def _step(study: Study, name: str, chain: Chain, tuning: Tuning, w: Array, multiplier: Array) -> Array:
    """Change of (w, multiplier) in one step at learning rate 1: the velocity of the flow, by training."""
    states = _train(study, name, chain, tuning, w, multiplier, 1.0, 1)
    return states[1] - states[0]


def _train(
    study: Study, name: str, chain: Chain, tuning: Tuning, w: Array, multiplier: Array, eta: float, steps: int
) -> Array:
    """States (w, multiplier) before and after `steps`, shape (2, runs, L + 1)."""
    rule = MinnormDescent(chain, tuning, multiplier)
    run = train_chain(study, name, chain, w, rule, learning_rate=eta, steps=steps, record=[0, steps])
    return np.concatenate([run["w"], run["multiplier"][..., None]], axis=-1)


def _jacobian(study: Study, name: str, chain: Chain, tuning: Tuning) -> tuple[Array, Array]:
    """Jacobian of the velocity at the minimum (runs, L + 1, L + 1) and the norm of its error (runs,)."""
    step, error = _derivative(study, name, chain, tuning, np.eye(chain.L + 1), 1.0, 1)
    return step - np.eye(chain.L + 1), error


def _pair(study: Study, name: str, chain: Chain, tuning: Tuning, eta: float) -> tuple[Array, Array, Array]:
    """Growth and angle a step of the pair (normal direction, multiplier), and their error; each (runs,)."""
    steps = 40
    normal = np.append(np.full(chain.L, chain.L**-0.5), 0.0)
    power, error = _derivative(study, name, chain, tuning, np.stack([normal, np.eye(chain.L + 1)[-1]]), eta, steps)
    values, vectors = np.linalg.eig(power)
    relative = np.linalg.cond(vectors) * error / np.abs(values).min(-1)
    return np.log(np.abs(values)).mean(-1) / steps, np.abs(np.angle(values)).max(-1) / steps, relative / steps


def _derivative(
    study: Study, name: str, chain: Chain, tuning: Tuning, directions: Array, eta: float, steps: int
) -> tuple[Array, Array]:
    """Derivative of the state after `steps` by the start at the minimum, in orthonormal `directions` (n, L + 1).

    Central differences over three displacements, extrapolated; every displaced start is a run of one training.

    Returns:
        The derivative (runs, n, n), one run a tuning, and the Frobenius norm (runs,) of its error.
    """
    a, b, c = np.broadcast_arrays(*(np.atleast_1d(number) for number in (tuning.a, tuning.b, tuning.c)))
    minimum = np.append(np.full(chain.L, chain.omega), minnorm.solution_multiplier(chain))
    sizes = 2e-3 / 2.0 ** np.arange(3)
    moves = np.multiply.outer(np.outer(sizes, [1, -1]), directions)
    starts = np.broadcast_to(minimum + moves, (len(a), *moves.shape)).reshape(-1, chain.L + 1)
    each = starts.shape[0] // len(a)
    many = Tuning(*(np.repeat(number, each) for number in (a, b, c)))
    ends = _train(study, name, chain, many, starts[:, :-1], starts[:, -1], eta, steps)[1]
    ends = ends.reshape(len(a), *moves.shape)
    central = (ends[:, :, 0] - ends[:, :, 1]) @ directions.T / (2 * sizes[:, None, None])
    derivative, error = richardson(list(np.moveaxis(central, 1, 0)), order=2)
    # Each step rounds numbers of the size of the state, and the difference divides that by the displacement.
    rounding = 16 * chain.L * steps * EPS * np.abs(minimum).max() * (1 + chain.g) / sizes[-1]
    return derivative.mT, np.linalg.norm(error, axis=(-2, -1)) + rounding


def _characteristic(name: str, J: Array, error: Array, eigenvalues: Array) -> Check:
    """Coefficients of the characteristic polynomial, which stay well conditioned where eigenvalues meet.

    The j-th is a sum of binom(n, j) minors of size j, and an error E of J changes each by at most j |J|^(j-1) |E|.
    """
    n = J.shape[-1]
    measured = np.array([np.poly(matrix)[1:] for matrix in J])
    predicted = np.array([np.poly(values)[1:].real for values in eigenvalues])
    j = np.arange(1, n + 1)
    size = np.linalg.norm(J, ord=2, axis=(-2, -1))[:, None]
    tolerance = j * comb(n, j) * size ** (j - 1) * (error[:, None] + n**2 * EPS * size)
    because = "j binom(n, j) |J|^(j-1) |error of J|: central differences, extrapolated, of single training steps"
    return equal(name, measured, predicted, tolerance=tolerance, because=because)
