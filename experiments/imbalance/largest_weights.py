"""How large weights become: the imbalance and the product decide it, at every moment and from any start."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.imbalance import own_pace, sharp_starts
from experiments.imbalance.own_pace import Path
from experiments.imbalance.sharp_starts import Starts
from experiments.training import extrapolated_ratio
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, varies
from theory.claims.estimates import richardson
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.validation import reject
from theory.imbalance import convergence, dynamics, largest_weights, tighter_rate, wide_limit
from theory.imbalance.problem import Network, coordinates

SHAPES = ((3, 2, 24), (2, 2, 3))  # r, m, h of the random problems; in the last, h < m + r
LONGER = 1.25  # rows of U1 than those of V
GROWN = 2.0  # the product at the end of the orthogonal rows, in units of their squared length
SHORT = 0.05  # of the product: the way on which the growth of the weights is compared with its exponent


@dataclass(frozen=True)
class Sizes(Starts):
    """Of the sharp starts and the random ones; and where weights grow by half of their exponent."""

    targets: tuple[float, ...] = varies(
        "sizes of Theta_hat at the sharp starts, in units of c / 2", (0.01, 0.1), low=1e-3, high=0.3
    )
    products: tuple[float, ...] = varies(
        "2 p / c at which weights grow, r = m = 1; at 1 by half of the exponent", (0.4, 1.0, 2.5), low=0.1, high=10
    )
    length: float = varies("squared, of the orthogonal rows", 0.7, low=0.1, high=5)

    def __post_init__(self) -> None:
        super().__post_init__()
        if 1.0 not in self.products or len(set(self.products)) < len(self.products):
            reject("products", self.products, "different ones, and 1 among them")


@claim(
    "imbalance.largest_weights",
    source="ours; the upper companion of Min et al. 2022, Lemma 8; for Min et al. 2021, Theorem 1 and Appendix C",
    source_kind=OURS,
    statement=r"\|U_1\|_2^2 \le \tfrac12 \big(\lambda - \mu + \sqrt{(\lambda + \mu)^2 + 4 \|U_1 V^\top\|_2^2}\big),"
    r"\quad \lambda = [\lambda_1(\Lambda)]_+,\ \mu = [\lambda_m(-\Lambda)]_+, \text{ and so of } V \text{ with }"
    r" -\Lambda, m, r \text{ for } \Lambda, r, m;\quad \|U_1 V^\top(t)\|_2 \le \|S^{-1} W^\top Y\|_2"
    r" + \|E(0)\|_F e^{-k t} / \sigma_r;\quad r = m = 1,\ S = 1:\ "
    r"\tfrac{2}{c} |E(0)| \ge 2 \ln (\|Z(\infty)\|^2 / \|Z(0)\|^2)",
    hypotheses=(
        "gradient flow from any start; Lambda = U1^T U1 - V^T V, eigenvalues decreasing and 0 beyond the width",
        "X = W S Phi1^T of rank r, E = W^T Y - S U1 V^T, k = sigma_r^2 c with the c of Theorem 1",
        "equality in the first: r = m = 1, or orthogonal rows at the start, those of U1 of one length and those of V",
        "near equality in the second: p = U1 V^T shrinks towards its end, small beside c; in the last: p near c / 2",
    ),
    theory_side="bound",
    controls=(
        "imbalance 5 % smaller",
        "product 5 % smaller",
        "lambda_r and lambda_1 exchanged",
        "product no larger than at its end",
        "product, k 5 % larger",
        "k 5 % larger",
        "exponent 2.1 times the growth",
    ),
    parameters=Sizes,
)
def product_and_imbalance_bound_the_weights(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    one, frame = _one_mode(study, sizes), _frame(study, sizes)
    yield from _attained(*one, case="r = m = 1")
    yield from _attained(*frame, case="orthogonal rows")
    yield from _wrong(*frame)
    yield from _at_random_starts(study, sizes, one)
    yield from _distance(study, sizes)
    yield from _product(study, sizes)
    yield from _growth(study, sizes)
    yield _figure(*frame)


def _one_mode(study: Study, sizes: Sizes) -> tuple[Network, list[Path]]:
    """Gaussian starts of one mode; of 32 those whose rate is largest beside the size of their weights."""
    problem, network = sharp_starts.random(study, 1, 1, 3, sizes.runs)
    return network, own_pace.paths(study, problem, network, sizes)


def _frame(study: Study, sizes: Sizes) -> tuple[Network, list[Path]]:
    """Orthogonal rows of two lengths, whose product outgrows both; singular values that differ."""
    rng = study.rng("frame")
    data = random_regression(rng, D=5, n=4, m=2, singular_values=np.array([1.2, 1.0, 0.9]))
    end = np.linalg.norm(wide_limit.limit(data), ord=2)
    problem = Regression(data.X, GROWN * sizes.length / end * data.Y)
    network = wide_limit.orthogonal_frame(problem, sizes.length, 8, rng, hidden_scale=LONGER)
    return network, own_pace.paths(study, problem, network, sizes)


def _squares(path: Path) -> tuple[Array, Array, Array]:
    """|U1|_2^2, |V|_2^2 and |U1 V^T|_2 at the recorded times (T, runs)."""
    V, U1 = dynamics.split(path.problem, path.Z)
    hidden, output, product = (np.linalg.norm(part, ord=2, axis=(-2, -1)) for part in (U1, V, U1 @ V.mT))
    return hidden**2, output**2, product


def _ratios(network: Network, path: Path) -> Array:
    """Squares over their bounds (T, 2 runs), first U1 then V."""
    hidden, output, product = _squares(path)
    bounds = largest_weights.squared_weights(path.problem, network, product)
    return np.concatenate([hidden / bounds[0], output / bounds[1]], axis=1)


def _scaled(network: Network, path: Path, q: float) -> Array:
    """The bounds with q times the imbalance over those with it (T, 2 runs)."""
    product = _squares(path)[2]
    larger = Network(np.sqrt(q) * network.U, np.sqrt(q) * network.V)
    with_q, without = (largest_weights.squared_weights(path.problem, each, product) for each in (larger, network))
    return np.concatenate([np.divide(*pair) for pair in zip(with_q, without)], axis=1)


def _attained(network: Network, paths: list[Path], *, case: str) -> Iterator[Check]:
    ratios = extrapolated_ratio("squares over their bounds", [_ratios(network, path) for path in paths], case=case)
    yield _rounded(ratios).equals(lambda q: _scaled(network, paths[-1], q))


def _rounded(ratios: Measured) -> Measured:
    rounded = Tolerance(1e4 * np.finfo(float).eps, "ten thousand roundings of eigenvalues of the imbalance, relative")
    return replace(ratios, within=ratios.within + rounded)


def _wrong(network: Network, paths: list[Path]) -> Iterator[Check]:
    """The same, with one constant changed."""
    ratios = _rounded(extrapolated_ratio("squares over their bounds", [_ratios(network, path) for path in paths]))
    yield ratios.control("imbalance 5 % smaller").at_most(_scaled(network, paths[-1], 0.95))
    product = _squares(paths[-1])[2]
    less, bounds = (
        np.concatenate(largest_weights.squared_weights(paths[-1].problem, network, share * product), axis=1)
        for share in (0.95, 1.0)
    )
    yield ratios.control("product 5 % smaller").at_most(less / bounds)


def _at_random_starts(study: Study, sizes: Sizes, one: tuple[Network, list[Path]]) -> Iterator[Check]:
    """Random problems, those of one mode among them: as fine as the sharpest."""
    drawn = []
    for shape in SHAPES:
        problem, network = sharp_starts.random(study, *shape, sizes.runs)
        drawn.append((network, own_pace.paths(study, problem, network, sizes)))
    together = [one, *drawn]
    ratios = [
        np.concatenate([_ratios(network, paths[level]) for network, paths in together], axis=1)
        for level in range(sizes.levels)
    ]
    all_of_them = _rounded(extrapolated_ratio("squares over their bounds", ratios, case="random starts"))
    yield all_of_them.at_most(
        lambda q: np.concatenate([_scaled(network, paths[-1], q) for network, paths in together], axis=1)
    )
    network, paths = drawn[0]
    hidden, _, product = _squares(paths[-1])
    spectrum = convergence.imbalance_spectrum(paths[-1].problem, coordinates(paths[-1].problem, network))
    above, below = spectrum[:, paths[-1].problem.r - 1], -spectrum[:, -1]
    exchanged = above + tighter_rate.side(np.maximum(above + below, 0), np.zeros_like(above), product) / 2
    squares = measured("|U1|_2^2", hidden, within=Tolerance(0.0, "the bound"), case="random starts", axes=("t", "run"))
    yield squares.control("lambda_r and lambda_1 exchanged").at_most(exchanged)


def _distance(study: Study, sizes: Sizes) -> Iterator[Check]:
    """What is left of the way, with nothing of the path: nearly attained from the sharp starts."""
    problem, network = sharp_starts.sharp(study, sizes)
    paths = own_pace.paths(study, problem, network, sizes)
    bound = own_pace.at_own_times(largest_weights.distance_from_limit, problem, network, paths[-1].t)
    kt = own_pace.pace(problem, network) * paths[-1].t
    name = "distance from the limit over its bound"
    over = extrapolated_ratio(name, [path.distance / bound for path in paths], case="sharp starts")
    left = Tolerance(np.exp(own_pace.LOOK - sizes.end), "what is left of the way at the end of training")
    over = replace(over, within=over.within + left)
    yield over.at_most(lambda q: np.exp(-(q - 1) * kt) / q)
    yield over.control("k 5 % larger").at_most(np.exp(-0.05 * kt) / 1.05)


def _equal_lengths(c: Array, p: float) -> Network:
    """u and v of one length with u . v = p and the level c, a run each."""
    length = np.hypot(c, 2 * p) / 2
    cosine = p / length
    u = np.stack([np.ones_like(c), np.zeros_like(c)], axis=1)
    v = np.stack([cosine, np.sqrt(1 - cosine**2)], axis=1)
    return Network(np.sqrt(length)[:, None, None] * u[:, None], np.sqrt(length)[:, None, None] * v[:, None])


def _product(study: Study, sizes: Sizes) -> Iterator[Check]:
    """One mode whose product shrinks from 2 to 1 beside c = 200: its bound is nearly attained all the way."""
    sigma = sizes.singular_value
    problem, network = (
        Regression(np.full((1, 1), sigma), np.full((1, 1), sigma)),
        _equal_lengths(np.array([200.0]), 2.0),
    )
    paths = own_pace.paths(study, problem, network, sizes)
    t = paths[-1].t

    def bound(q: float) -> Array:
        return own_pace.at_own_times(largest_weights.largest_product, problem, network, q * t)

    ratios = [_squares(path)[2] / bound(1.0) for path in paths]
    over = _rounded(extrapolated_ratio("product over its bound", ratios, case="r = m = 1"))
    yield over.at_most(lambda q: bound(q) / bound(1.0))
    yield over.control("product, k 5 % larger").at_most(bound(1.05) / bound(1.0))
    yield over.control("product no larger than at its end").at_most(1.0 / bound(1.0))


def _growth(study: Study, sizes: Sizes) -> Iterator[Check]:
    """One mode, |u| = |v|, from p = (1 - SHORT) y to y = 1: the exponent of Appendix C over the growth."""
    y, start = 1.0, 1 - SHORT
    c = 2 * y / np.array(sizes.products)
    problem, network = Regression(np.eye(1), np.full((1, 1), y)), _equal_lengths(c, start)
    paths = own_pace.paths(study, problem, network, sizes)
    growth = [np.log(path.squared_norm[-1] / path.squared_norm[0]) for path in paths]
    exponent = largest_weights.growth_exponent(problem, network)
    limit, error = richardson([exponent / grown for grown in growth])
    within = Tolerance(error + limit * np.exp(-sizes.end), "last Richardson correction; what is left of the way")
    ratio = measured("exponent over growth of log |Z|^2", limit, within=within, axes=("run",))
    yield ratio.equals(largest_weights.exponent_over_growth(c, start, y))
    yield replace(ratio, name="exponent at least twice the growth").at_least(2.0)
    yield ratio.control("exponent 2.1 times the growth").at_least(2.1)


def _figure(network: Network, paths: list[Path]) -> Curves:
    """Weights of the orthogonal rows beside three bounds, at times in units of 1 / k."""
    problem, path = paths[-1].problem, paths[-1]
    k = own_pace.pace(problem, network)[0]
    kt = np.linspace(0, own_pace.LOOK, 81)
    V, U1 = dynamics.split(problem, dynamics.gradient_flow(problem, network, kt / k)["Z"])
    product = np.linalg.norm(U1 @ V.mT, ord=2, axis=(-2, -1))
    exact = largest_weights.squared_weights(problem, network, product)
    less = Network(np.sqrt(0.95) * network.U, np.sqrt(0.95) * network.V)
    known = largest_weights.squared_weights(problem, network, largest_weights.largest_product(problem, network, kt / k))
    squares = [richardson([_squares(each)[i] for each in paths])[0][:, 0] for i in (0, 1)]
    start = (coordinates(problem, network) ** 2).sum()
    return curves(
        "weights",
        kt=k * path.t[:, 0],
        hidden=squares[0],
        output=squares[1],
        times=kt,
        bound=exact[0][:, 0],
        bound_output=exact[1][:, 0],
        smaller=largest_weights.squared_weights(problem, less, product)[0][:, 0],
        without_path=known[0][:, 0],
        appendix=float(start * np.exp(largest_weights.growth_exponent(problem, network)[0])),
        whole=(path.Z**2).sum((-2, -1))[:, 0],
    )
