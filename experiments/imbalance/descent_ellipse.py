"""Gradient descent of one mode with a finite step: the ellipse it converges from, and what it does on its edge."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, ortho_group

from experiments.imbalance.networks import linear_network, squared_loss, trained
from experiments.imbalance.one_mode_descent import UntilDecided, escaped_loss, held_one_mode, one_mode
from experiments.training import Trainee
from theory.claims import (
    OURS,
    Check,
    Curves,
    Estimated,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rate,
    rounding,
    varies,
)
from theory.claims.estimates import mean
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.core.validation import reject
from theory.imbalance import finite_step
from theory.imbalance.problem import Network

STEPS_OF_THE_LAW, TRIPLINGS, LEAVING = 5, 9, 8
LEAVERS = 4  # of them for each start that is trained to its end
OFF_THE_EDGE = 1e-9  # of F, where it is watched leaving
SHARES, SINGULAR_VALUES = (0.45, 0.6), (1.4, 0.9)  # a of two modes of one network, and S of their data
YES_OR_NO = Tolerance(0.5, "yes or no, of each start")


@dataclass(frozen=True)
class OneMode:
    """Starts of one mode, and learning rates."""

    target: float = varies("y", 1.3, low=0.01, high=100)
    width: int = varies("h, numbers in each of u and v", 3, low=1, high=50)
    rates: tuple[float, ...] = varies(
        "a = eta y, learning rates in units of the target", (0.3, 0.7, 0.95, 1.1, 1.5, 1.9), low=0.1, high=1.9
    )
    starts: int = varies("Gaussian starts at each of them", 12_000, smoke=2000, paper=200_000, low=2000, high=10**6)
    steps: int = varies("until which a run has diverged, or does not", 250, smoke=200, paper=400, low=200, high=10**4)
    pixels: int = varies("of the picture, to a side", 320, smoke=64, paper=800, low=8, high=2000)
    shown: float = varies("a = eta y of the picture", 0.6, low=0.1, high=0.98)

    def __post_init__(self) -> None:
        if len(set(self.rates)) < len(self.rates):
            reject("rates", self.rates, "different ones")
        if max(self.rates) < 1.1 or min(self.rates) > 0.8:
            reject("rates", self.rates, "one of at most 0.8 and one of at least 1.1 among them")


@claim(
    "imbalance.descent_ellipse",
    source="ours; an exact critical step: Liang & Montufar 2025, convergence below it: Moon 2026 (both: abstract)",
    source_kind=OURS,
    statement=r"u^+ = u - E v,\ v^+ = v - E u,\ E = \eta (u \cdot v - y),\ P = \eta\, u \cdot v,\ a = \eta y:\quad"
    r" F = \frac{\eta |u + v|^2}{4 (2 + a)} + \frac{\eta |u - v|^2}{4 (2 - a)},\quad F^+ - 1 = (1 + E P)(F - 1),\quad"
    r" 1 + E P \ge 1 - \tfrac{a^2}{4};\quad F < 1 \text{ converges } (a < 1) \text{ or stays bounded } (a < 2),"
    r"\ F > 1 \text{ diverges};\quad F = 1: E_t = 2 \cos(3^t \theta);\quad"
    r" \langle \log(1 + E P) \rangle = \operatorname{arcosh} \frac{1 + \sqrt{25 - 4 a^2}}{4}",
    hypotheses=(
        "u, v in R^h, loss (y - u . v)^2 / 2, y > 0, constant learning rate eta, 0 < a < 2",
        "almost every start; P(F < 1) of u, v ~ N(0, tau^2 I) by two independent chi-squared",
        "data of one singular value S: eta S^2 in place of eta, y / S in place of y; of several, modes that start "
        "decoupled need not stay so, as rounding couples them",
        "the mean is over theta uniform on the edge F = 1",
    ),
    theory_side="identity",
    controls=(
        "the circle of sharpness 4",
        "the circle's share of starts",
        "the edge of a learning rate 5 % larger",
        "E^2 in place of E P",
        "the imbalance keeps its size to first order",
        "1 % off the edge triples the angle",
        "leaving as at a = 0",
        "two modes stay apart",
    ),
    parameters=OneMode,
)
def descent_converges_from_an_ellipse(study: Study, size: OneMode) -> Iterator[Check | Curves]:
    yield from _every_step(study, size)
    yield from _on_the_edge(study, size)
    yield from _leaving_the_edge(study, size)
    yield from _who_diverges(study, size)
    yield from _on_data(study, size)
    yield from _picture(study, size)


def _gaussian(study: Study, size: OneMode, runs: int, cell: str) -> tuple[Array, Array, Array]:
    """u, v and eta of runs at every rate, so large that F is 1 on average; rates one after another."""
    rng, eta = study.rng(cell), np.repeat(np.array(size.rates) / size.target, runs)
    u, v = _tau(size, eta)[:, None] * rng.standard_normal((2, len(eta), size.width))
    return u, v, eta


def _tau(size: OneMode, eta: Array) -> Array:
    a = eta * size.target
    return np.sqrt((2 - a) * (2 + a) / (2 * size.width * eta))


def _every_step(study: Study, size: OneMode) -> Iterator[Check]:
    """F and the imbalance after each step, of starts inside the ellipse and outside."""
    y, (u, v, eta) = size.target, _gaussian(study, size, 40, "steps")
    F = finite_step.ellipse(u, v, y, eta)
    scale = np.sqrt(study.rng("sizes").uniform(0.2, 1.05, len(F)) / F)[:, None]
    run = one_mode(study, y, scale * u, scale * v).train(
        learning_rate=eta, steps=STEPS_OF_THE_LAW, record=range(STEPS_OF_THE_LAW + 1)
    )
    u, v, eta = run["u"], run["v"], np.broadcast_to(eta, run["u"].shape[:-1])
    before, after = (u[:-1], v[:-1], y, eta[:-1]), (u[1:], v[1:], y, eta[1:])
    F, E, a = finite_step.ellipse(*before), finite_step.scaled_error(*before), eta[:-1] * y
    # E rounds h products and a few sums of numbers below q + a, q <= 8 F: so does 1 +- E, whose square F is multiplied
    # by. What u and v lose moves the shorter of u + v and u - v, which F divides by (2 - a)^(1/2).
    terms, scale = 16 * (size.width + 4), (1 + np.abs(E)) ** 2 * (1 + F) ** 2 / np.sqrt(2 - a)
    within = rounding(terms, scale, of="(1 + |E|)^2 (1 + F)^2 / (2 - a)^(1/2): products of h terms, then squares")
    found = measured("F after a step", finite_step.ellipse(*after), within=within, axes=("step", "run"))
    yield found.equals(lambda k: 1 + k * (finite_step.ellipse_after_step(*before) - 1))
    yield found.control("E^2 in place of E P").equals(1 + (1 + E**2) * (F - 1))
    lost = rounding(terms, scale * 8 * (1 + F) / eta[:-1], of="(1 + |E|)^2 (1 + F)^3 8 / (eta (2 - a)^(1/2))")
    imbalance = ((u + v) * (u - v)).sum(-1)
    kept = measured("imbalance after a step", imbalance[1:], within=lost, axes=("step", "run"))
    yield kept.equals(lambda k: k * finite_step.imbalance_after_step(*before))
    yield kept.control("the imbalance keeps its size to first order").equals(imbalance[:-1])
    smallest = measured("1 + E P, least", 1 + E * (E + a), within=within, axes=("step", "run"))
    yield smallest.supporting().at_least(1 - a**2 / 4)


def _on_the_edge(study: Study, size: OneMode) -> Iterator[Check | Curves]:
    """The errors of starts that are scaled onto the edge, or almost."""
    y, (u, v, eta), steps = size.target, _gaussian(study, size, 20, "edge"), np.arange(TRIPLINGS + 1)
    onto = 1 / np.sqrt(finite_step.ellipse(u, v, y, eta))[:, None]
    angle = finite_step.edge_angle(u, v, y, eta)
    predicted = finite_step.edge_errors(angle, steps)
    within = Tolerance(_lost_on_the_edge(size, predicted, eta * y), "the roundings of each step, three times as large "
                       "in the angle after another, and across the edge 1 + E P times")  # fmt: skip

    def errors(u: Array, v: Array) -> Measured:
        trainee = held_one_mode(study, y, u, v, eta)
        run = trainee.train(learning_rate=eta, steps=TRIPLINGS, record=range(TRIPLINGS + 1))
        found = finite_step.scaled_error(run["u"], run["v"], y, np.broadcast_to(eta, run["u"].shape[:-1]))
        return measured("E on the edge", found, within=within, axes=("t", "run"))

    found = errors(onto * u, onto * v)
    yield found.equals(lambda k: finite_step.edge_errors(k * angle, steps))
    off = errors(np.sqrt(0.99) * onto * u, np.sqrt(0.99) * onto * v)
    yield off.control("1 % off the edge triples the angle").equals(predicted)
    yield curves("edge", before=found.value[:-1], after=found.value[1:], rates=np.array(size.rates))


def _lost_on_the_edge(size: OneMode, E: Array, a: Array) -> Array:
    """What E (T, runs) may be off by at each step."""
    each = 16 * (size.width + 4) * EPS * 9 / (2 - a)
    along = across = each
    lost = [along]
    for one in E[:-1]:
        along, across = 3 * along + 4 * across + each, np.abs(1 + one * (one + a)) * across + each
        lost.append(along + across)
    return np.array(lost)


def _leaving_the_edge(study: Study, size: OneMode) -> Iterator[Check | Curves]:
    """The rate at which F - 1 grows, from starts at uniform angles beside the edge."""
    rng, y, runs, h = study.rng("leaving"), size.target, LEAVERS * size.starts, size.width
    found = []
    for a in size.rates:
        eta, phi = a / y, rng.uniform(0, np.pi / 2, (runs, 1))
        along, across = (each / np.linalg.norm(each, axis=1)[:, None] for each in rng.standard_normal((2, runs, h)))
        U, V = np.sqrt(2 + a) * np.cos(phi) * along, np.sqrt(2 - a) * np.sin(phi) * across
        inside = np.sqrt((1 - OFF_THE_EDGE) / eta)
        trainee = held_one_mode(study, y, inside * (U + V), inside * (U - V), eta)
        run = trainee.train(learning_rate=eta, steps=LEAVING, record=[0, LEAVING])
        start, end = np.log(np.abs(finite_step.ellipse(run["u"], run["v"], y, eta) - 1))
        estimate = mean((end - start) / LEAVING)
        predicted = finite_step.edge_repulsion(a)
        yield rate("rate at which the edge repels", estimate, case=f"a = {a:g}").equals(predicted)
        found.append(estimate.value)
        if a == max(size.rates):
            yield rate("leaving", estimate).control("leaving as at a = 0").equals(finite_step.edge_repulsion(0))
    fine = np.linspace(0, 2, 200)
    law = [finite_step.edge_repulsion(a) for a in fine]
    yield curves("leaving", a=fine, law=law, rates=size.rates, trained=found)


def _who_diverges(study: Study, size: OneMode) -> Iterator[Check]:
    """Of Gaussian starts: exactly those outside diverge, and up to a = 1 the others converge."""
    y, (u, v, eta) = size.target, _gaussian(study, size, size.starts, "who diverges")
    F, a = finite_step.ellipse(u, v, y, eta), eta * y
    escaped, loss = _ended(held_one_mode(study, y, u, v, eta), size, y, eta)
    found = measured("diverges", escaped.astype(float), within=YES_OR_NO)
    yield found.equals(lambda k: (F > k).astype(float))
    yield found.control("the circle of sharpness 4").equals((eta * ((u**2).sum(-1) + (v**2).sum(-1)) > 4).astype(float))
    wider = finite_step.ellipse(u, v, y, 1.05 * eta)
    yield found.control("the edge of a learning rate 5 % larger").equals((wider > 1).astype(float))
    converges = np.mean(loss[(a < 1) & (F < 1)] < 1e-4 * y**2)
    few = Tolerance(0.02, "empirical: of minima few are so sharp that descent is slow beside them")
    yield measured("share inside that converges, a < 1", converges, within=few).supporting().equals(1.0)
    each = [(eta, float(_tau(size, eta))) for eta in np.array(size.rates) / y]
    shares = np.array([finite_step.chance_inside(size.width, tau, y, eta) for eta, tau in each])
    circle = np.array([chi2(2 * size.width).cdf(4 / (eta * tau**2)) for eta, tau in each])

    def share(predicted: Array) -> Estimated:
        law = np.repeat(predicted, size.starts)
        return rate("share of Gaussian starts that stay, over its law", mean(1 + (~escaped - law) / law.mean()))

    yield share(shares).equals(1.0)
    yield share(circle).control("the circle's share of starts").equals(1.0)


def _ended(trainee: Trainee, size: OneMode, y: float, eta: Array) -> tuple[Array, Array]:
    """Whether runs (runs,) have escaped at the end of training, and their loss there."""
    end = trainee.train(learning_rate=eta, steps=size.steps, record=[size.steps])
    loss = 0.5 * (y - (end["u"][0] * end["v"][0]).sum(-1)) ** 2
    return loss >= escaped_loss(eta), loss


def _on_data(study: Study, size: OneMode) -> Iterator[Check]:
    """A network trained on data of one singular value; and on data of two, each mode with hidden units of its own."""
    found, F = _network(study, size, "one singular value", np.array([SINGULAR_VALUES[0]]), size.width)
    yield found.equals(lambda k: (F[:, 0] > k).astype(float))
    # Rounding couples two modes, and grows where eta S^2 (|u|^2 + |v'|^2) > 2 across them, though each is inside. One
    # unit each: wide starts are balanced, of which fewer are as sharp across.
    found, F = _network(study, size, "two modes", np.array(SINGULAR_VALUES), 1)
    yield found.control("two modes stay apart").equals((F > 1).any(-1).astype(float))


def _network(study: Study, size: OneMode, case: str, S: Array, h: int) -> tuple[Measured, Array]:
    """Which runs diverge on data of singular values S (r,), each mode with h units of its own; and the ellipse of each
    mode (runs, r)."""
    rng, r, runs = study.rng("data", case), len(S), size.starts // 4
    a = np.array(SHARES[:r])
    eta = a[0] / (S[0] * size.target)
    y = a / (eta * S)
    right, outputs = ortho_group(dim=5).rvs(random_state=rng)[:, :r], np.linalg.qr(rng.standard_normal((r, r)))[0]
    left = ortho_group(dim=6).rvs(random_state=rng)[:, :r]
    problem = Regression(left * S @ right.T, left * y @ outputs.T)
    tau = np.sqrt((2 - a) * (2 + a) / (2 * h * eta)) / S
    u, v = tau[:, None] * rng.standard_normal((2, runs, r, h))
    blocks = np.eye(r)[:, :, None]
    U, V = (base @ (blocks * each[:, :, None]).reshape(runs, r, r * h) for base, each in ((right, u), (outputs, v)))
    high = escaped_loss(eta * S.min())
    rule = UntilDecided(squared_loss(problem, study.device), low=0.0, high=high)
    trainee = linear_network(study, problem, Network(U, V), rule=rule)
    end = trained(trainee.train(learning_rate=eta, steps=size.steps, record=[size.steps])).end_to_end[0]
    escaped = 0.5 * ((problem.Y - problem.X @ end) ** 2).sum((-2, -1)) >= high
    F = finite_step.ellipse(u, v, y / S, eta * S**2)
    return measured("diverges", escaped.astype(float), within=YES_OR_NO, case=case), F


def _picture(study: Study, size: OneMode) -> Iterator[Curves]:
    """Steps until each start of the plane, h = 1, has converged or escaped."""
    y, a, n = 1.0, size.shown, size.pixels
    axis = np.linspace(-1, 1, n) * 1.18 * np.sqrt(2 + a)
    U, V = (each.ravel()[:, None] for each in np.meshgrid(axis, axis))
    trainee = held_one_mode(study, y, (U + V) / np.sqrt(a), (U - V) / np.sqrt(a), a, low=1e-6)
    end = trainee.train(learning_rate=a, steps=size.steps, record=[size.steps])
    loss = 0.5 * (y - (end["u"][0] * end["v"][0]).sum(-1)) ** 2
    escaped = (loss >= escaped_loss(a)).reshape(n, n)
    yield curves("plane", axis=axis, a=a, taken=end["taken"][0].reshape(n, n), escaped=escaped)
