"""Min et al. 2022, trained: the rate of torch's own gradients against the bound with the margin term."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from experiments.imbalance.networks import squared_loss, train_network, weights
from experiments.training.legacy import extrapolated_at_most, refined
from experiments.training.updates import GradientDescent
from theory.claims import Check, Curves, claim, curves
from theory.claims import estimates as rates
from theory.claims.legacy import at_least, at_most, equal, misprint, order, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.imbalance import tighter_rate
from theory.imbalance.convergence import convergence_rate, level
from theory.imbalance.dynamics import split
from theory.imbalance.problem import Network, coordinates, gaussian, orthogonal_rows

SHAPES = ((1, 1), (2, 2), (3, 2), (2, 4), (4, 1), (1, 3))  # (r, m)


@claim(
    "min2022.rate",
    source="Min et al. 2022, Lemma 8, Proposition 1', Theorem 3, Corollaries 4 to 6, Proposition 14, equation 22",
    statement=r"L(t) - L^* \le e^{-\lambda_r(\Sigma_x) c(0) t} (L(0) - L^*),\quad "
    r"c = -\Delta_+ + \sqrt{(\Delta_+ + \Delta)^2 + 4 \mu_m^2} - \Delta_- + \sqrt{(\Delta_- + \Delta)^2 + 4 \mu_r^2} "
    r"\ge 2\Delta,\quad \mu_k = [\sigma_k(\tilde y) - |E|_F]_+ / \lambda_1^{1/2}(\Sigma_x)",
    hypotheses=("gradient flow", "any start", "any width"),
    controls=(
        "Lemma 8 with a constant 5% larger",
        "Lemma 8 without what lies below",
        "bound 5% larger where it is attained",
        "roles of r and m exchanged",
        "singular values of the product doubled",
        "largest eigenvalue of Sigma_x in place of the smallest",
        "margin divided by the smallest singular value of X",
        "margin doubled",
        "no margin: U1 V^T = 0 gains nothing",
        "loss with the exponent 5% larger, start lazy",
        "loss with the restarted exponent 5% larger, r = m = 1",
        "as printed: the loss is non-decreasing",
    ),
)
def a_margin_adds_to_the_rate_of_the_imbalance(study: Study) -> Iterator[Check | Curves]:
    yield from _lemma_8(study)
    yield from _random_states(study)
    yield from _attained(study)
    yield from _gain(study)
    yield from _training(study)
    yield from _training_where_attained(study)
    yield from _matrix_factorisation(study)


def _lemma_8(study: Study) -> Iterator[Check]:
    runs = study.pick(smoke=50, quick=500, paper=5000)
    for r, m, h in ((1, 1, 1), (3, 2, 4), (2, 4, 3), (4, 4, 9), (5, 1, 2)):
        rng = study.rng("lemma 8", r, m, h)
        A, B = rng.standard_normal((runs, r, h)), rng.standard_normal((runs, h, m))
        yield _gram_check(f"l_m(B^T B), r, m, h = {r}, {m}, {h}", A, B)
    problem, network = _tight(study, "lemma 8 attained", S=(1.0, 1.0, 1.0), m=2, products=(1.1, 0.7), extra=(0.6,))
    A, B = split(problem, coordinates(problem, network))[1], network.V.mT
    D, AB = A.mT @ A - B @ B.mT, A @ B
    smallest = np.linalg.eigvalsh(B.mT @ B)[..., 0]

    def attained(bound: Array) -> Check:
        because = "the case of equality; Lipschitz in D and AB, so rounding of their eigenvalues alone"
        name = "l_m(B^T B) where Lemma 8 is attained"
        return equal(name, smallest, bound, tolerance=_lemma_rounding(A, B), because=because)

    bound = tighter_rate.smallest_gram_eigenvalue(D, AB)
    yield attained(bound)
    yield refuted("Lemma 8 with a constant 5% larger", attained(1.05 * bound))
    below_ignored = tighter_rate.smallest_gram_eigenvalue(_positive_part(D), AB)
    yield refuted("Lemma 8 without what lies below", attained(below_ignored))


def _gram_check(name: str, A: Array, B: Array) -> Check:
    D, AB = A.mT @ A - B @ B.mT, A @ B
    smallest = np.linalg.eigvalsh(B.mT @ B)[..., 0]
    because = "an inequality of matrices: slack is the rounding of their eigenvalues"
    return at_least(
        name, smallest, tighter_rate.smallest_gram_eigenvalue(D, AB), slack=_lemma_rounding(A, B), because=because
    )


def _random_states(study: Study) -> Iterator[Check]:
    """Every bound at random states of every shape, against the gradients of torch."""
    runs = study.pick(smoke=20, quick=200, paper=2000)
    cells = []
    for r, m in SHAPES:
        S = np.linspace(1.6, 0.6, r) if r > 1 else np.array([1.3])
        problem = random_regression(study.rng("data", r, m), D=r + 2, n=r + 3, m=m, singular_values=S)
        for width in (1, r + m, 3 * (r + m)):
            noise = gaussian(problem, width, study.rng("start", r, m, width), scales=(0.3, 0.6), runs=runs)
            for share in (0.0, 0.9):
                network = _towards(problem, noise, share)
                Z = coordinates(problem, network)
                bounds = (f(problem, Z) for f in (tighter_rate.product_rate, tighter_rate.margin_rate))
                cells.append((*_measured_rate(study, problem, network), *bounds, convergence_rate(problem, network)))
    rate, slack, product, margin, earlier = (np.concatenate(column) for column in zip(*cells, strict=True))
    yield at_least("rate of the loss over Proposition 1', random states", rate, product, slack=slack, because=_ALGEBRA)
    yield at_least("Proposition 1' over Theorem 3, random states", product, margin, slack=slack, because=_ALGEBRA)
    name = "Theorem 3 over Theorem 1 of 2021, random states"
    yield at_least(name, margin, earlier, slack=slack, because=_ALGEBRA)


_ALGEBRA = "an inequality at every state: slack is the rounding of the loss, its gradient and the eigenvalues"


def _attained(study: Study) -> Iterator[Check]:
    """Proposition 14: the bound is the exact rate of a start, on either side of r = m, whatever Sigma_x."""
    for S, m in (((2.0, 1.6, 1.3, 1.1), 1), ((1.9, 1.5, 1.1), 2), ((1.6,), 3), ((1.8, 1.3), 4), ((1.7, 1.2), 2)):
        r = len(S)
        products, extra = np.linspace(1.5, 1.2, min(r, m)), np.linspace(0.7, 0.4, abs(r - m))
        # Far above and little below, as the two sides have to differ for their exchange to show.
        sides = {"above": 4.0, "below": 0.2} if r > m else {"above": 0.8, "below": 0.7}
        problem, network = _tight(study, f"attained {r} {m}", S=S, m=m, products=products, extra=extra, **sides)
        Z = coordinates(problem, network)
        rate, slack = _measured_rate(study, problem, network)
        name = f"rate where the bound is attained, r = {r}, m = {m}"

        def attained(bound: Array, name: str = name, rate: Array = rate, slack: Array = slack) -> Check:
            return equal(name, rate, bound, tolerance=slack, because=f"equality by construction. {_ALGEBRA}")

        def holds(bound: Array, name: str = name, rate: Array = rate, slack: Array = slack) -> Check:
            return at_least(name, rate, bound, slack=slack, because=_ALGEBRA)

        bound = tighter_rate.product_rate(problem, Z)
        yield attained(bound)
        if (r, m) == (4, 1):
            sigma = _product_singular_values(problem, Z)
            yield refuted("bound 5% larger where it is attained", attained(1.05 * bound))
            exchanged = tighter_rate.level(problem, Z, sigma[1], sigma[0])
            yield refuted("roles of r and m exchanged", holds(problem.S[-1] ** 2 * exchanged))
            doubled = tighter_rate.level(problem, Z, 2 * sigma[0], 2 * sigma[1])
            yield refuted("singular values of the product doubled", holds(problem.S[-1] ** 2 * doubled))
            largest = problem.S[0] ** 2 / problem.S[-1] ** 2 * bound
            yield refuted("largest eigenvalue of Sigma_x in place of the smallest", holds(largest))
    yield from _margin_attained(study)


def _margin_attained(study: Study) -> Iterator[Check]:
    """Theorem 3 itself: attained at r = m, whitened; and with Sigma_x far from white, where its l_1 matters."""
    for size in (1, 3):
        products = np.linspace(2.2, 1.2, size)
        problem, network = _tight(study, f"margin {size}", S=(1.4,) * size, m=size, products=products, extra=())
        Z = coordinates(problem, network)
        rate, slack = _measured_rate(study, problem, network)
        name = f"rate where the margin is attained, r = m = {size}"
        yield equal(name, rate, tighter_rate.margin_rate(problem, Z), tolerance=slack, because=_ALGEBRA)
    margins = [2 * tighter_rate.margin(problem, Z, k) for k in (problem.m, problem.r)]
    doubled = problem.S[-1] ** 2 * tighter_rate.level(problem, Z, *margins)
    yield refuted("margin doubled", at_least(name, rate, doubled, slack=slack, because=_ALGEBRA))
    # sigma_2(y~) = 5 x 0.4 comes from the direction where X is largest: dividing it by the smallest gains a factor 5.
    sides = {"above": 0.05, "below": 0.05}
    problem, network = _tight(study, "far", S=(5.0, 1.0), m=2, products=(0.4, 2.1), extra=(), residual=1e-3, **sides)
    Z = coordinates(problem, network)
    rate, slack = _measured_rate(study, problem, network)
    name = "rate over the margin's, Sigma_x far from white"
    yield at_least(name, rate, tighter_rate.margin_rate(problem, Z), slack=slack, because=_ALGEBRA)
    wrong = [tighter_rate.margin(problem, Z, k) * problem.S[0] / problem.S[-1] for k in (problem.m, problem.r)]
    wrong_rate = problem.S[-1] ** 2 * tighter_rate.level(problem, Z, *wrong)
    control = at_least(name, rate, wrong_rate, slack=slack, because=_ALGEBRA)
    yield refuted("margin divided by the smallest singular value of X", control)


def _gain(study: Study) -> Iterator[Check]:
    """How much better: at r = m with homogeneous imbalance Delta, c / (2 Delta) = sqrt(1 + 4 p^2 / Delta^2)."""
    above, below, product = 0.3, 0.2, 1.2
    problem, network = _tight(
        study, "gain", S=(1.5, 1.5), m=2, products=(2.0, product), extra=(), above=above, below=below
    )
    rate, slack = _measured_rate(study, problem, network)
    predicted = np.sqrt(1 + 4 * product**2 / (above + below) ** 2)
    earlier = convergence_rate(problem, network)
    because = "closed form of the gain; rounding of the rate and of the level of the imbalance"
    name = "tightness: torch's rate over Theorem 1's of 2021"
    yield equal(name, rate / earlier, predicted, tolerance=2 * slack / earlier, because=because)
    ratio = tighter_rate.margin_rate(problem, coordinates(problem, network)) / earlier
    yield at_least("Theorem 3 over Theorem 1 of 2021, warm start", ratio, 2.0, because="a tight case of known gain 4.9")
    start = orthogonal_rows(problem, np.array([0.7, 0.6]), np.array([0.5, 0.4]), study.rng("no margin"), 6)
    cold = tighter_rate.margin_rate(problem, coordinates(problem, start)) / convergence_rate(problem, start)
    control = at_least("Theorem 3 over Theorem 1 of 2021", cold, 2.0, because="the margin of U1 V^T = 0 is 0")
    yield refuted("no margin: U1 V^T = 0 gains nothing", control)


def _training(study: Study) -> Iterator[Check | Curves]:
    """Loss curves against Theorem 3, from a start near the target; Sigma_x not white, r = 6, m = 2, L* > 0."""
    S = np.array([1.5, 1.4, 1.3, 1.2, 1.1, 1.0])
    problem = random_regression(study.rng("training"), D=9, n=12, m=2, singular_values=S)
    runs = study.pick(smoke=4, quick=16, paper=64)
    network = _towards(problem, gaussian(problem, 12, study.rng("training start"), scales=(0.3, 0.5), runs=runs), 0.9)
    curves_of = _refined(study, "training", problem, network, learning_rate=8e-3, t_end=1.5)
    finest = curves_of[-1]
    Z = coordinates(problem, Network(finest["U"], finest["V"]))
    rate, slack = _measured_rate(study, problem, Network(finest["U"], finest["V"]))
    product, margin = tighter_rate.product_rate(problem, Z), tighter_rate.margin_rate(problem, Z)
    yield at_least("rate of the loss along training", rate, product, slack=slack, because=_ALGEBRA)
    yield at_least("margin's rate along training", product, margin, slack=slack, because=_ALGEBRA)
    excess = np.stack([_excess(problem, run) for run in curves_of])
    halved = rates.halving_order(excess[0] - excess[1], excess[1] - excess[2])
    yield order("descent approaches the flow", halved, 1.0, excludes=(0.5, 2.0))
    ratios = [_over_bound(problem, run, start=0) for run in curves_of]
    yield extrapolated_at_most("loss over Theorem 3's bound", ratios)
    middle = len(finest.t) // 2
    restarted = [_over_bound(problem, run, start=middle) for run in curves_of]
    yield extrapolated_at_most("loss over the bound restarted half way", restarted)
    rounding = 2 * sum(problem.X.shape) * EPS * excess[-1, :1]
    because = "-dL/dt = |grad L|^2; descent at eta below 2 / curvature inherits it; slack is rounding of L"
    yield at_most("the loss is non-increasing", excess[-1, 1:], excess[-1, :-1], slack=rounding, because=because)
    printed = at_least("the loss is non-decreasing", excess[-1, 1:], excess[-1, :-1], slack=rounding, because=because)
    yield misprint("the loss is non-decreasing", printed, correction="the proof needs, and has, non-increasing")
    final = Z[-1]
    size = np.sqrt(2 * excess[-1, -1])
    yield equal(
        "margin's rate at the end over its limit",
        tighter_rate.margin_rate(problem, final),
        tighter_rate.limiting_rate(problem, final),
        tolerance=4 * problem.S[-1] ** 2 * size / problem.S[0] + slack[-1],
        because="c is 2-Lipschitz in each of two margins, and they are off by |E| / s_1",
    )
    earlier = 2 * problem.S[-1] ** 2 * level(problem, Z)
    yield curves(t=finest.t, excess=excess[-1], rate=rate)
    yield curves(product_rate=product, margin_rate=margin, imbalance_rate=earlier)


def _training_where_attained(study: Study) -> Iterator[Check]:
    """Starts whose loss follows the bound all the way, so that 5% more must break it."""
    problem, network = _tight(
        study, "lazy", S=(1.3, 1.3), m=2, products=(0.02, 0.01), extra=(), above=3.0, below=2.0, residual=5e-3
    )
    rate = float(tighter_rate.margin_rate(problem, coordinates(problem, network))[0])
    runs = _refined(study, "lazy", problem, network, learning_rate=0.1 / rate, t_end=20 / rate)
    ratios = [_over_bound(problem, run, start=0) for run in runs]
    yield extrapolated_at_most("loss over Theorem 3's bound, start lazy", ratios)
    faster = [ratio * np.exp(0.05 * rate * run.t[1:, None]) for ratio, run in zip(ratios, runs)]
    control = extrapolated_at_most("loss over the bound, start lazy", faster)
    yield refuted("loss with the exponent 5% larger, start lazy", control)
    sides = {"above": 0.2, "below": 0.1}
    problem, network = _tight(study, "scalar", S=(1.2,), m=1, products=(0.3,), extra=(), residual=1.5, **sides)
    slowest = float(tighter_rate.margin_rate(problem, coordinates(problem, network))[0])
    runs = _refined(study, "scalar", problem, network, learning_rate=0.02 / slowest, t_end=8 / slowest)
    states = [Network(run["U"], run["V"]) for run in runs]
    Z = [coordinates(problem, state) for state in states]
    measured, slack = _measured_rate(study, problem, states[-1])
    yield equal(
        "rate along training where the margin is attained, r = m = 1",
        measured,
        tighter_rate.margin_rate(problem, Z[-1]),
        tolerance=slack,
        because=f"equality at every state with 0 < p < y. {_ALGEBRA}",
    )
    exponents = [tighter_rate.restarted_exponent(problem, z, run.t) for z, run in zip(Z, runs)]
    falls = [_excess(problem, run) for run in runs]

    def check(factor: float) -> Check:
        ratios = [(L / L[0] * np.exp(factor * q))[1:] for L, q in zip(falls, exponents)]
        return extrapolated_at_most("loss over the bound restarted at every record, r = m = 1", ratios)

    yield check(1.0)
    yield refuted("loss with the restarted exponent 5% larger, r = m = 1", check(1.05))


def _matrix_factorisation(study: Study) -> Iterator[Check | Curves]:
    """The paper's experiment: 1/2 |Y - U V^T / sqrt(m h)|^2, n = 20, m = 10, Gaussian start, eta = 0.05."""
    widths = study.pick(smoke=(30,), quick=(30, 100, 300), paper=(30, 100, 300, 1000))
    runs, t_end = study.pick(smoke=(2, 10.0), quick=(5, 40.0), paper=(20, 100.0))
    for h in widths:
        rng = study.rng("factorisation", h)
        problem = Regression(np.eye(20) / np.sqrt(10 * h), np.sqrt(0.1) * rng.standard_normal((20, 10)))
        network = gaussian(problem, h, rng, runs=runs)
        trained = _refined(study, f"factorisation-{h}", problem, network, learning_rate=0.05, t_end=t_end)
        state = Network(trained[-1]["U"], trained[-1]["V"])
        Z = coordinates(problem, state)
        rate, slack = _measured_rate(study, problem, state)
        product = tighter_rate.product_rate(problem, Z)
        yield at_least(f"rate of the loss, factorisation, h = {h}", rate, product, slack=slack, because=_ALGEBRA)
        ratios = [_over_bound(problem, run, start=0) for run in trained]
        yield extrapolated_at_most(f"loss over Theorem 3's bound, factorisation, h = {h}", ratios)
        named = {"t": trained[-1].t, "excess": _excess(problem, trained[-1]), "rate": rate, "product_rate": product}
        named["imbalance_rate"] = 2 * problem.S[-1] ** 2 * level(problem, Z)
        yield curves(**{f"factorisation_{h}_{name}": array for name, array in named.items()})


def _tight(
    study: Study,
    cell: str,
    *,
    S: Sequence[float],
    m: int,
    products: Sequence[float] | Array,
    extra: Sequence[float] | Array,
    above: float = 0.8,
    below: float = 0.7,
    residual: float = 0.5,
) -> tuple[Regression, Network]:
    sides = {"above": above, "below": below, "residual_size": residual}
    return tighter_rate.equality_case(
        study.rng(cell), S=np.array(S), m=m, products=np.array(products), extra=np.array(extra, dtype=float), **sides
    )


def _towards(problem: Regression, noise: Network, share: float) -> Network:
    """`noise`, with U moved so that U V^T contains `share` of the minimum-norm solution (as far as V's rows allow)."""
    pinv = np.linalg.pinv(noise.V)
    return Network(noise.U + share * problem.minimum_norm_solution @ pinv.mT, noise.V)


def _refined(
    study: Study, name: str, problem: Regression, network: Network, *, learning_rate: float, t_end: float
) -> list[Trajectory]:
    """Training, refined; long ones recorded more often."""

    def descend(level: str, **schedule: Any) -> Trajectory:
        return train_network(study, level, problem, network, observe=weights, **schedule)

    records = 21 if t_end / learning_rate < 400 else 201
    return refined(descend, name, learning_rate=learning_rate, horizon=t_end, records=records)


def _over_bound(problem: Regression, run: Trajectory, start: int) -> Array:
    """(L(t) - L*) over its bound from the state recorded as `start`, at the records after it."""
    Z = coordinates(problem, Network(run["U"], run["V"]))
    bound = tighter_rate.loss_bound(problem, Z[start], run.t[start + 1 :] - run.t[start])
    return _excess(problem, run)[start + 1 :] / bound


def _excess(problem: Regression, run: Trajectory) -> Array:
    """L - L* of the recorded weights, as 1/2 |X (Theta_hat - U V^T)|^2: no cancellation against L*."""
    theta = run["U"] @ run["V"].mT
    return 0.5 * ((problem.X @ (theta - problem.minimum_norm_solution)) ** 2).sum((-2, -1))


def _measured_rate(study: Study, problem: Regression, network: Network) -> tuple[Array, Array]:
    """|grad L|^2 / (L - L*) by torch's autograd at each state, and the rounding it may carry."""
    lead = network.U.shape[:-2]
    flat = {name: torch.tensor(w.reshape(-1, *w.shape[-2:]), device=study.device) for name, w in vars(network).items()}
    rule = GradientDescent(squared_loss(problem, study.device))
    rule.begin(flat)
    losses, gradients = rule.evaluate(flat)
    squared = sum(g.square().sum((1, 2)) for g in gradients).cpu().numpy().reshape(lead)
    loss = losses.cpu().numpy().reshape(lead)
    excess = loss - problem.optimal_loss
    terms = sum(problem.X.shape) + problem.m + network.h
    X, Y, U, V = (np.sqrt((a**2).sum((-2, -1))) for a in (problem.X, problem.Y, network.U, network.V))
    residual = terms * EPS * (Y + X * U * V)
    gradient = X * (U + V) * (residual + terms * EPS * np.sqrt(2 * loss))
    rate = squared / excess
    relative = 2 * gradient / np.sqrt(squared) + (np.sqrt(2 * loss) * residual + terms * EPS * loss) / excess
    eigenvalues = terms * EPS * X**2 * (U**2 + V**2)
    return rate, 2 * (rate * relative + eigenvalues)


def _product_singular_values(problem: Regression, Z: Array) -> tuple[Array, Array]:
    """(sigma_m, sigma_r) of U1 V^T."""
    V, U1 = split(problem, Z)
    product = U1 @ V.mT
    return tighter_rate.singular_value(product, problem.m), tighter_rate.singular_value(product, problem.r)


def _positive_part(D: Array) -> Array:
    values, vectors = np.linalg.eigh(D)
    return (vectors * np.maximum(values, 0)[..., None, :]) @ vectors.mT


def _lemma_rounding(A: Array, B: Array) -> Array:
    terms = sum(A.shape[-2:]) + sum(B.shape[-2:])
    return 4 * terms * EPS * ((A**2).sum((-2, -1)) + (B**2).sum((-2, -1)))
