"""The second half of Theorem 1: the parameters converge, and by how much they can still move."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from experiments.imbalance import own_pace, sharp_starts
from experiments.imbalance.networks import by_autograd, linear_network
from experiments.imbalance.own_pace import Path
from experiments.imbalance.sharp_starts import Starts
from experiments.training import extrapolated_ratio, tends_to
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    rounding,
)
from theory.claims.estimates import richardson
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.imbalance import convergence, dynamics, largest_weights
from theory.imbalance.problem import Network, coordinates, orthogonal_rows

SHAPES = ((3, 2, 24), (1, 3, 12), (2, 2, 3))  # r, m, h of the random problems; in the last, h < m + r
OVER_BOUND = "distance from the limit over its bound"


@claim(
    "min2021.parameters_converge",
    source="Min et al. 2021, Theorem 1, its second half, and Appendix C; the distance that is left is ours",
    source_kind=AS_PRINTED,
    statement=r"c > 0 \Rightarrow (V, U_1)(t) \to (V, U_1)(\infty) \text{ with } E(\infty) = 0, \quad"
    r" \|Z(t) - Z(\infty)\|_F \le \tfrac{\sigma_1}{k} \sup_{s \ge t} (\|U_1\|_2^2 + \|V\|_2^2)^{1/2} \|E(0)\|_F"
    r" e^{-k t},\quad k = \lambda_r(\Sigma_x) c,\quad \|Z(t)\|_F^2 \le e^{2 \sigma_1 \|E(0)\|_F / k} \|Z(0)\|_F^2",
    hypotheses=(
        "gradient flow of L = 1/2 |Y - X U V^T|^2, Z = [V; U1], E = W^T Y - S U1 V^T, X = W S Phi1^T of rank r",
        "Sigma_x = S^2, sigma_1 = S_1; c = [lambda_r(Lambda)]_+ + [lambda_m(-Lambda)]_+, Lambda = U1^T U1 - V^T V",
        "c > 0",
    ),
    theory_side="bound",
    controls=(
        "k 5 % larger",
        "|V| left out of the bound",
        "largest eigenvalues of the imbalance in place of lambda_r and lambda_m",
        "closed form with c 5 % larger",
        "u = v, y = 0: as fast as if c were |u|^2 + |v|^2",
        "u = v, y = -1: the limit fits",
    ),
    parameters=Starts,
)
def parameters_converge(study: Study, starts: Starts) -> Iterator[Check | Curves]:
    problem, network = sharp_starts.sharp(study, starts)
    paths = own_pace.paths(study, problem, network, starts)
    beside = [_random(study, starts, shape) for shape in SHAPES]
    yield from _distance(starts, problem, network, paths, [found for _, _, found in beside])
    yield from _closed_form(starts, paths)
    for case, (data, start, found) in zip(("sharp starts", *map(str, SHAPES)), ((problem, network, paths), *beside)):
        yield _fits(data, start, found[-1], case)
        yield _growth(data, start, found[-1], case)
    yield _by_autograd(study, problem, network)
    yield from _unequal_rows(study, starts)
    yield from _without_imbalance(study)
    yield _figure(starts, problem, network, paths)


def _random(study: Study, starts: Starts, shape: tuple[int, int, int]) -> tuple[Regression, Network, list[Path]]:
    problem, network = sharp_starts.random(study, *shape, starts.runs)
    return problem, network, own_pace.paths(study, problem, network, starts)


def _over_bound(path: Path, network: Network) -> Array:
    """Distance from the limit over its bound (T, runs), with the largest weights of the path."""
    runs = zip(own_pace.singly(network), path.t.T, path.largest.T)
    bound = [
        largest_weights.distance_from_limit(path.problem, run, t, largest=largest[:, None])[:, 0]
        for run, t, largest in runs
    ]
    return path.distance / np.stack(bound, axis=1)


def _distance(
    starts: Starts, problem: Regression, network: Network, paths: list[Path], beside: list[list[Path]]
) -> Iterator[Check]:
    """Sharp starts, and random ones beside them, in one check: it is as fine as the sharpest."""
    sharp = [_over_bound(path, network) for path in paths]
    drawn = [
        np.concatenate([_over_bound(found[level], _start(found[level])) for found in beside], axis=1)
        for level in range(len(paths))
    ]
    ratios = [np.concatenate(both, axis=1) for both in zip(sharp, drawn)]
    times = own_pace.pace(problem, network) * paths[-1].t
    kt = times[:, :1]  # the same times in units of 1 / k, in every run
    over = _and_what_is_left(extrapolated_ratio(OVER_BOUND, ratios), starts)
    yield over.at_most(lambda q: np.exp(-(q - 1) * kt) / q)
    at_sharp = _and_what_is_left(extrapolated_ratio(OVER_BOUND, sharp, case="sharp starts"), starts)
    yield at_sharp.control("k 5 % larger").at_most(np.exp(-0.05 * kt) / 1.05)
    share = np.sqrt(sharp_starts.HIDDEN)
    yield at_sharp.control("|V| left out of the bound").at_most(share)


def _start(path: Path) -> Network:
    """A network with the Z of the first record."""
    V, U1 = dynamics.split(path.problem, path.Z[0])
    return Network(path.problem.Phi1 @ U1, V)


def _and_what_is_left(ratio: Measured, starts: Starts) -> Measured:
    left = Tolerance(np.exp(own_pace.LOOK - starts.end), "what is left of the way at the end of training")
    return replace(ratio, within=ratio.within + left)


def _closed_form(starts: Starts, paths: list[Path]) -> Iterator[Check]:
    """One pair of rows moves, by hyperbolic turns: the distance itself, in units of the one at the start."""
    sigma, levels = starts.singular_value, sharp_starts.levels(starts)
    t = paths[-1].t

    def solved(q: float) -> Array:
        each = [largest_weights.sharp_distance(sigma, q * c, sigma, t[:, i]) for i, c in enumerate(levels)]
        return np.stack(each, axis=1)

    unit = solved(1.0)[0]
    distances = [path.distance / unit for path in paths]
    left = np.exp(-starts.end)
    name = "distance from the limit"
    yield from tends_to(name, distances, lambda q: solved(q) / unit, left, case="sharp starts")
    limit = _extrapolated(distances, left)
    yield limit.control("closed form with c 5 % larger").equals(solved(1.05) / unit)


def _extrapolated(distances: list[Array], left: float) -> Measured:
    limit, error = richardson(distances)
    within = Tolerance(error.max(0, keepdims=True) + left, "last Richardson correction")
    return measured("distance from the limit, learning rate 0", limit, within=within, axes=("t", "run"))


def _fits(problem: Regression, network: Network, path: Path, case: str) -> Check:
    """|E| where training ends, over |E(0)|: at most what Theorem 1 leaves of it by then."""
    start = np.linalg.norm(dynamics.residual(problem, coordinates(problem, network)), axis=(-2, -1))
    left = np.exp(-own_pace.pace(problem, network) * path.t_end)
    within = Tolerance(left, "exp(-k t) at the end, which is Theorem 1's for the flow; descent is faster")
    within += rounding(1e3, (path.Z_end**2).sum((-2, -1)) * problem.S[0] / start, of="E, a product of weights")
    return measured("residual at the limit", path.residual / start, within=within, case=case).equals(0.0, against=1.0)


def _by_autograd(study: Study, problem: Regression, network: Network) -> Check:
    """One step of the fused rule that trains, against torch's own gradient."""
    fused, autograd = (
        trainee(study, problem, network).train(learning_rate=1e-3, steps=1, record=[1])
        for trainee in (linear_network, by_autograd)
    )
    U, V = (fused[name][-1] for name in ("U", "V"))
    within = rounding(16 * problem.D, np.abs(U).max() + np.abs(V).max(), of="a weight")
    step = measured("one step, fused and by autograd", np.concatenate([U, V], axis=1), within=within).supporting()
    return step.equals(np.concatenate([autograd["U"][-1], autograd["V"][-1]], axis=1))


def _growth(problem: Regression, network: Network, path: Path, case: str) -> Check:
    """Appendix C, a step of the proof: it is far from an equality."""
    grown = np.log(path.squared_norm / path.squared_norm[0])
    growth = measured("growth of log |Z|^2", grown, within=exactly("at least twice the growth"), case=case)
    return growth.supporting().at_most(largest_weights.growth_exponent(problem, network))


def _unequal_rows(study: Study, starts: Starts) -> Iterator[Check]:
    """Rows and singular values that differ, the residual along the slowest: lambda_r and lambda_m set the rate."""
    rng = study.rng("unequal rows")
    data = random_regression(rng, D=5, n=4, m=2, singular_values=np.array([1.2, 1.1, 1.0]))
    problem = Regression(data.X, 0.02 * data.W @ np.outer([0.0, 0.0, 1.0], [0.0, 1.0]))
    network = orthogonal_rows(problem, np.array([1.3, 1.2, 1.0]), np.array([0.7, 0.5]), rng, h=8)
    path = own_pace.paths(study, problem, network, starts)[-1]
    spectrum = convergence.imbalance_spectrum(problem, coordinates(problem, network))[0]
    larger = (spectrum[0] - spectrum[-1]) / convergence.imbalance_level(problem, network)
    ratio = measured(OVER_BOUND, _over_bound(path, network), within=exactly("the flow's bound"), case="unequal rows")
    kt = own_pace.pace(problem, network) * path.t
    wrong = ratio.control("largest eigenvalues of the imbalance in place of lambda_r and lambda_m")
    yield wrong.at_most(np.exp(-(larger - 1) * kt) / larger)


def _without_imbalance(study: Study) -> Iterator[Check]:
    """c = 0, r = m = 1, u = v: with y = 0 the distance is (2 / (1 + 2 t))^(1/2); with y = -1 it ends where E = -1."""
    start = Network(np.ones((1, 1, 1)), np.ones((1, 1, 1)))
    fitting, opposite = (Regression(np.eye(1), np.full((1, 1), y)) for y in (0.0, -1.0))
    run = by_autograd(study, fitting, start).train(learning_rate=0.01, steps=300, record=range(0, 301, 50))
    distance = np.linalg.norm(coordinates(fitting, Network(run["U"], run["V"])), axis=(-2, -1))
    exponential = 2 / 2 * np.sqrt(2) * np.exp(-2 * run.t)[:, None]
    slow = measured("distance from the limit", distance, within=exactly("the bound, if c were 2"), case="u = v, y = 0")
    yield slow.control("u = v, y = 0: as fast as if c were |u|^2 + |v|^2").at_most(exponential)
    run = by_autograd(study, opposite, start).train(learning_rate=0.05, steps=400, record=[0, 400])
    E = np.linalg.norm(dynamics.residual(opposite, coordinates(opposite, Network(run["U"], run["V"]))), axis=(-2, -1))
    within = Tolerance(np.exp(-16.0), "as with c > 0")
    stuck = measured("residual at the limit", E[-1] / E[0], within=within, case="u = v, y = -1")
    yield stuck.control("u = v, y = -1: the limit fits").equals(0.0)


def _figure(starts: Starts, problem: Regression, network: Network, paths: list[Path]) -> Curves:
    """Distances and bounds in units of c^(1/2), the size of the weights, at times in units of 1 / k."""
    sigma, levels = starts.singular_value, sharp_starts.levels(starts)
    k, kt = own_pace.pace(problem, network), np.linspace(0, own_pace.LOOK, 161)
    t = kt[:, None] / k
    bound = own_pace.at_own_times(largest_weights.distance_from_limit, problem, network, t)
    solved = np.stack([largest_weights.sharp_distance(sigma, c, sigma, t[:, i]) for i, c in enumerate(levels)], axis=1)
    trained, _ = richardson([path.distance for path in paths])
    return curves(
        "sharp",
        targets=np.array(starts.targets),
        kt=k[0] * paths[-1].t[:, 0],
        trained=trained / np.sqrt(levels),
        trained_bound=own_pace.at_own_times(largest_weights.distance_from_limit, problem, network, paths[-1].t)
        / np.sqrt(levels),
        times=kt,
        solved=solved / np.sqrt(levels),
        bound=bound / np.sqrt(levels),
    )
