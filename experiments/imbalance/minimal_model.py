"""The minimal model of lazy and rich learning: a normalised linear flow, its separating surface, and its delay."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import exprel

from experiments.imbalance.networks import by_autograd, largest_curvature, trained_coordinates
from experiments.training import extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.validation import reject
from theory.imbalance import minimal_model
from theory.imbalance.problem import Network

SIZE = 1.3  # |y|: not 1, so that powers of it show
SMALL = 0.3  # |a| of upstream starts, and |w| of downstream ones
RECORDS = 13


@dataclass(frozen=True)
class Starts:
    """Imbalances of starts, and how each is trained."""

    imbalances: tuple[float, ...] = varies(
        "lam, a start each", (-9.0, -1.5, 0.4, 2.5, 8.0), smoke=(-4.0, 0.4, 3.0), low=-10, high=10
    )
    shown: tuple[float, ...] = varies(
        "lam of the starts of the figure", (-20.0, -5.0, 0.0, 5.0, 20.0), smoke=(-6.0, 0.0, 6.0), low=-40, high=40
    )
    inputs: int = varies("r, directions that the data have", 3, low=2, high=8)
    crossings: int = varies("starts on either side of the separating surface", 12, smoke=6, low=2, high=100)
    learning_rate: float = varies(
        "the largest of those that are extrapolated to 0, times the curvature", 0.2, low=0.05, high=0.4
    )
    levels: int = varies("how many learning rates, each half the one before", 3, paper=4, low=3, high=5)

    def __post_init__(self) -> None:
        if len(set(self.imbalances)) < len(self.imbalances) or not max(self.imbalances) >= 2:
            reject("imbalances", self.imbalances, "different ones, of which one is 2 or more: those are delayed")


@claim(
    "imbalance.minimal_model",
    source="the model and its surface: Kunin et al. 2024 (reconstructed); the solution without cases and the tangent:"
    " ours",
    source_kind=OURS,
    statement=r"Z = (a, w),\ \lambda = |w|^2 - a^2,\ F = \begin{pmatrix} -\lambda/2 & y^\top \\ y & \lambda/2"
    r" \end{pmatrix}:\quad Z(t) = \frac{e^{F t} Z_0}{\sqrt{1 + Z_0^\top \int_0^t e^{2 F \tau} d\tau Z_0}},\quad"
    r" \tan \angle(w, y) = \frac{|w_\perp| e^{\lambda t/2}}{\cosh(K t) w_\parallel + \sinh(K t) (s a +"
    r" \lambda w_\parallel / 2) / K},\quad s a + (K + \tfrac\lambda2) \frac{y \cdot w}{s} = 0"
    r"\ \text{separates},\ s = |y|,\ K = \sqrt{s^2 + \lambda^2/4}",
    hypotheses=(
        "gradient flow of L = 1/2 |y - a w|^2: whitened data, m = h = 1",
        "any start",
        "on the separating surface the loss ends at s^2/2",
    ),
    theory_side="closed form",
    controls=(
        "the integral of e^(F t) for that of e^(2 F t)",
        "across the targets the integral of e^(lam t / 2) for that of e^(lam t)",
        "imbalance 5 % larger",
        "data that are not whitened",
        "a start 1e-3 off the separating surface",
        "the surface with K for K + lam/2",
        "the kernel turns in a time lam / s^2 at lam 5 % larger",
    ),
    parameters=Starts,
)
def the_minimal_model_is_a_normalised_linear_flow(study: Study, sizes: Starts) -> Iterator[Check | Curves]:
    problem = _problem(study, np.ones(sizes.inputs))
    y = problem.targets[:, 0]
    Z = _starts(study, y, np.array(sizes.imbalances))
    yield from _early(study, sizes, problem, Z)
    yield from _delayed(study, sizes, problem, Z[np.array(sizes.imbalances) >= 2])
    yield from _on_the_surface(study, sizes, problem)
    yield from _either_side(study, sizes, problem)
    yield from _shown(study, sizes, problem)
    other = _problem(study, np.linspace(1.2, 0.8, sizes.inputs))
    t, trained = _train(study, sizes, other, Z, horizon=1.0)
    # The linear part of the equation is right with S y~ for y~.
    predicted = minimal_model.solution(other.S * other.targets[:, 0], Z, t)
    yield extrapolated("(a, w)", trained).control("data that are not whitened").equals(predicted)


def _problem(study: Study, singular_values: Array) -> Regression:
    """One output, as many inputs as singular values, targets of length `SIZE`."""
    r = len(singular_values)
    drawn = random_regression(
        study.rng("problem", *singular_values), D=r + 1, n=r, m=1, singular_values=singular_values
    )
    return Regression(drawn.X, drawn.Y * (SIZE / np.linalg.norm(drawn.targets)))


def _starts(study: Study, y: Array, lam: Array) -> Array:
    """(a, w) with these imbalances (runs, 1 + r), w at an angle of 1 to 2 from y: upstream a is small, downstream w."""
    rng = study.rng("starts", *lam)
    angle, sign = rng.uniform(1, 2, lam.size), rng.choice([-1.0, 1.0], lam.size)
    across = rng.standard_normal((lam.size, y.size))
    across -= np.outer(across @ y, y) / (y @ y)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    direction = np.cos(angle)[:, None] * y / np.linalg.norm(y) + np.sin(angle)[:, None] * across
    length = np.sqrt(SMALL**2 + np.maximum(lam, 0))
    a = sign * np.sqrt(SMALL**2 + np.maximum(-lam, 0))
    return np.concatenate([a[:, None], length[:, None] * direction], axis=1)


def _network(problem: Regression, Z: Array) -> Network:
    return Network((problem.Phi1 @ Z[:, 1:].T).T[..., None], Z[:, :1, None])


def _train(
    study: Study, sizes: Starts, problem: Regression, Z: Array, horizon: float, share: float = 1.0
) -> tuple[Array, list[Array]]:
    """Times, and (a, w) (T, runs, 1 + r) at a share of each learning rate, coarse to fine."""
    network = _network(problem, Z)
    eta = min(share * sizes.learning_rate / largest_curvature(problem, network), horizon / (2 * RECORDS))
    runs = by_autograd(study, problem, network).refine(
        learning_rate=eta, horizon=horizon, records=RECORDS, levels=sizes.levels
    )
    return runs[0].t, [trained_coordinates(problem, run)[..., 0] for run in runs]


def _early(study: Study, sizes: Starts, problem: Regression, Z: Array) -> Iterator[Check]:
    y = problem.targets[:, 0]
    t, trained = _train(study, sizes, problem, Z, horizon=1.0)
    yield from tends_to("(a, w)", trained, lambda k: minimal_model.solution(y, Z, k * t))
    found = extrapolated("(a, w)", trained)

    def twice(rates: Array) -> Array:
        return 2 * rates

    def halved_across(rates: Array) -> Array:
        return np.concatenate([2 * rates[..., :1], rates[..., 1:-1], 2 * rates[..., -1:]], axis=-1)

    wrong = (
        ("the integral of e^(F t) for that of e^(2 F t)", lambda rates: rates, 1.0),
        ("across the targets the integral of e^(lam t / 2) for that of e^(lam t)", halved_across, 1.0),
        ("imbalance 5 % larger", twice, 1.05),
    )
    for control, exponents, factor in wrong:
        yield found.control(control).equals(_normalised(y, Z, t, exponents, factor))


def _normalised(y: Array, Z: Array, t: Array, exponents: Callable[[Array], Array], factor: float) -> Array:
    """e^(F t) Z / (1 + Z^T int_0^t e^(exponents(F) tau) dtau Z)^(1/2), with the imbalance in F times a factor.

    The eigenvalues of F come in the order -K, lam/2, ..., K.
    """
    lam = factor * minimal_model.imbalance(y, Z)[:, None, None]
    F = np.zeros((len(Z), y.size + 1, y.size + 1))
    F[:, 0, 1:] = F[:, 1:, 0] = y
    F += lam / 2 * np.diag(np.append(-1.0, np.ones(y.size)))
    rates, axes = np.linalg.eigh(F)
    parts = np.squeeze(axes.mT @ Z[..., None], -1)
    e = exponents(rates)
    t = t[:, None, None]
    total = 1 + (parts**2 * t * exprel(e * t)).sum(-1)
    moved = np.exp(rates * t) * parts
    return np.squeeze(axes @ moved[..., None], -1) / np.sqrt(total)[..., None]


def _delayed(study: Study, sizes: Starts, problem: Regression, Z: Array) -> Iterator[Check]:
    """Upstream: while w turns, in a time lam / s^2."""
    y = problem.targets[:, 0]
    slowest = float(minimal_model.imbalance(y, Z).max())
    # What turns slowly is off by less than what falls at once: its first order shows at a smaller step.
    t, trained = _train(study, sizes, problem, Z, horizon=2.5 * slowest / SIZE**2, share=0.5)

    def cosine(tangent: Array) -> Array:
        """Of an angle up to pi/2 or beyond it: the tangent's sign is the cosine's."""
        return np.sign(tangent) / np.hypot(1, tangent)

    cosines = [np.cos(minimal_model.angle(y, state)) for state in trained]
    yield from tends_to("cos of the angle", cosines, lambda k: cosine(minimal_model.tangent(y, Z, k * t)))
    turned = extrapolated("cos of the angle", cosines)
    slower = turned.control("the kernel turns in a time lam / s^2 at lam 5 % larger")
    yield slower.equals(cosine(minimal_model.tangent(y, Z, t / 1.05)))
    above = [
        minimal_model.loss(y, state) - SIZE**2 / 2 * np.sin(minimal_model.angle(y, state)) ** 2 for state in trained
    ]
    exact = minimal_model.solution(y, Z, t)
    curve = minimal_model.loss(y, exact) - SIZE**2 / 2 * np.sin(minimal_model.angle(y, exact)) ** 2
    yield from tends_to("loss above s^2/2 sin^2", above, lambda k: k * curve)


def _on_the_surface(study: Study, sizes: Starts, problem: Regression) -> Iterator[Check]:
    """The loss of starts on the surface comes to rest at s^2/2; that of starts next to it goes on."""
    y = problem.targets[:, 0]
    Z = _near_the_surface(study, y, np.ones(2))
    a, along = Z[:, 0], Z[:, 1:] @ y / SIZE
    K = np.hypot(SIZE, minimal_model.imbalance(y, Z) / 2).min()
    t, trained = _train(study, sizes, problem, Z, horizon=5 / K)
    losses = [minimal_model.loss(y, state) for state in trained]
    name = "loss on the separating surface"
    yield from tends_to(name, losses, lambda k: minimal_model.loss(y, minimal_model.solution(y, Z, k * t)))
    # a and y.w / s both fall by e^(-K t) at least: what is left of the start's |a y.w| + a^2 |w|^2 / 2 is its square.
    left = np.abs(a * SIZE * along) + a**2 * (Z[:, 1:] ** 2).sum(1) / 2
    end = extrapolated(f"{name}, at the end", [loss[-1:] for loss in losses], np.exp(-2 * K * t[-1]) * left)
    yield end.equals(SIZE**2 / 2)
    beside = _network(problem, _near_the_surface(study, y, np.full(2, 1.001)))
    eta = sizes.learning_rate / largest_curvature(problem, beside)
    steps = int(14 / K / eta)
    run = by_autograd(study, problem, beside).train(learning_rate=eta, steps=steps, record=[steps])
    loss = minimal_model.loss(y, trained_coordinates(problem, run)[0, :, :, 0])
    within = Tolerance(np.exp(-2 * K * run.t[-1]) * left.max(), "what is left of the start on the surface")
    off = measured(f"{name}, long after", loss, within=within)
    yield off.control("a start 1e-3 off the separating surface").equals(SIZE**2 / 2)


def _near_the_surface(study: Study, y: Array, off: Array) -> Array:
    """Starts whose part across y is `off` times (runs,) what would put them on the surface."""
    rng = study.rng("surface", off.size)
    a = rng.uniform(1.0, 1.6, off.size) * rng.choice([-1.0, 1.0], off.size)
    along = -a * rng.uniform(0.4, 0.8, off.size)
    across = rng.standard_normal((off.size, y.size))
    across -= np.outer(across @ y, y) / (y @ y)
    across *= (off * minimal_model.separating_length(y, a, along) / np.linalg.norm(across, axis=1))[:, None]
    return np.concatenate([a[:, None], np.outer(along, y) / np.linalg.norm(y) + across], axis=1)


def _either_side(study: Study, sizes: Starts, problem: Regression) -> Iterator[Check]:
    """Which of the two minima training reaches, a > 0 or a < 0, from 0.5 % off the surface on."""
    y = problem.targets[:, 0]
    off = np.repeat(np.geomspace(0.005, 0.2, sizes.crossings), 2)
    off = 1 + off * np.tile([1, -1], sizes.crossings)
    Z = _near_the_surface(study, y, off)
    network = _network(problem, Z)
    K = np.hypot(SIZE, minimal_model.imbalance(y, Z) / 2).min()
    eta = min(0.004, sizes.learning_rate / largest_curvature(problem, network))
    steps = int(12 / K / eta)
    run = by_autograd(study, problem, network).train(learning_rate=eta, steps=steps, record=[0, steps])
    a, ends = Z[:, 0], run["V"][-1, :, 0, 0]
    along = Z[:, 1:] @ y / np.linalg.norm(y)
    across = np.linalg.norm(Z[:, 1:] - np.outer(along, y) / np.linalg.norm(y), axis=1)
    within = Tolerance(0.5, "signs")
    side = measured("the minimum that is reached", np.sign(ends * a), within=within)
    yield side.equals(lambda k: np.sign(k * minimal_model.separating_length(y, a, along) - across))
    sign = measured("the sign of a at the end", np.sign(ends).astype(int), within=Tolerance(0.25, "signs"))
    yield sign.equals(np.sign(minimal_model.separation(y, Z)).astype(int))
    lam = minimal_model.imbalance(y, Z)
    other = np.sign(SIZE * a + np.hypot(SIZE, lam / 2) * along)
    yield side.control("the surface with K for K + lam/2").equals(other * np.sign(a))


def _shown(study: Study, sizes: Starts, problem: Regression) -> Iterator[Curves]:
    """Loss and angle of one training for all imbalances, and of the solution, from the same direction of w."""
    y, lam = problem.targets[:, 0], np.array(sizes.shown)
    Z = _starts(study, y, lam)
    towards = np.sign(Z[0, 1:] @ y) * Z[0, 1:] / np.linalg.norm(Z[0, 1:])
    Z = np.concatenate([np.abs(Z[:, :1]), np.linalg.norm(Z[:, 1:], axis=1, keepdims=True) * towards], axis=1)
    network = _network(problem, Z)
    eta = sizes.learning_rate / 2 / largest_curvature(problem, network)
    steps = int(max(4 * lam.max() / SIZE**2, 6.0) / eta)
    record = sorted({0, *np.geomspace(1, steps, 60).astype(int).tolist()})
    run = by_autograd(study, problem, network).train(learning_rate=eta, steps=steps, record=record)
    trained = trained_coordinates(problem, run)[..., 0]
    t = np.geomspace(eta, steps * eta, 300)
    solved = minimal_model.solution(y, Z, t)
    for name, times, state in (("trained", run.t, trained), ("solved", t, solved)):
        yield curves(name, t=times, loss=minimal_model.loss(y, state), angle=minimal_model.angle(y, state))
    yield curves(shown=lam, size=SIZE)
