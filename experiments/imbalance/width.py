"""Lemma 1, Theorem 2 and the exact law of the distance: Gaussian starts of every width."""

from collections.abc import Iterator

import numpy as np
from scipy import stats

from experiments.imbalance.compression import train_compressed
from experiments.imbalance.networks import train_network, weights
from experiments.training.loop import recording_steps
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import loglog_slope, mean
from theory.claims.legacy import (
    at_least,
    at_most,
    distributed,
    equal,
    frequency_at_least,
    misprint,
    rate,
    refuted,
    slope,
)
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression, random_regression
from theory.imbalance import convergence, dynamics, invariant_set, wide_limit, width
from theory.imbalance.compression import Compressed, compress, compressed_problem, gaussian_compressed
from theory.imbalance.problem import Network, coordinates, fan_in_scale, gaussian, paper_regression

DELTA = 0.05
EXPONENTS = (0.5, 0.4, 0.3)
ROUNDING = "the numbers of one small matrix: (m + r) roundings of its squared norm, a thousand times over"


@claim(
    "min2021.lemma1",
    source="Min et al. 2021, Lemma 1 and Lemma E.1",
    statement=r"c > h^{1-2a},\quad \|[V U_2^\top; U_1 U_2^\top]\|_F \le 2\sqrt{m+r}\, s\, h^{1/2-2a},\quad"
    r" \|U_1 V^\top\|_F \le 2\sqrt{m}\, s\, h^{1/2-2a}\quad\text{with probability} \ge 1-\delta",
    hypotheses=("U, V iid N(0, h^{-2a})", "1/4 < a <= 1/2", "h > 16 s^2"),
    controls=(
        "width 24 in place of 16 s^2",
        "overlap bound 10 % smaller",
        "as printed: tail of Lemma E.1",
        "as printed: deviation of Lemma 1",
    ),
)
def wide_gaussian_starts_are_imbalanced(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("problem")
    problem = random_regression(rng, D=12, n=6, m=2, singular_values=np.array([1.5, 1.2, 1.0, 0.8]))
    s = width.deviation(problem, DELTA)
    h = int(width.lemma_width(s)) + 1
    draws = study.pick(smoke=300, quick=1000, paper=4000)
    for exponent in EXPONENTS:
        network = gaussian(
            problem, h, study.rng("draws", exponent), scales=(fan_in_scale(h, exponent),) * 2, runs=draws
        )
        holds = _events(problem, network, exponent, s)
        because = "Lemma 1, its three inequalities at once"
        yield frequency_at_least(f"a = {exponent}", int(holds.sum()), draws, 1 - DELTA, because=because)
    narrow = gaussian(problem, 24, study.rng("narrow"), scales=(fan_in_scale(24, 0.5),) * 2, runs=draws)
    kept = int(_events(problem, narrow, 0.5, s).sum())
    check = frequency_at_least("h = 24", kept, draws, 1 - DELTA, because="Lemma 1 without its hypothesis on h")
    yield refuted("width 24 in place of 16 s^2", check)
    yield from _where_the_lemma_is_sharp(problem, h, s, rng)
    yield from _tail_of_gaussian_singular_values(problem, s)


def _events(problem: Regression, network: Network, exponent: float, s: float) -> Array:
    """Whether inequalities (17), (18) and (19) hold, for each draw."""
    level = convergence.imbalance_level(problem, network)
    V, U1 = dynamics.split(problem, coordinates(problem, network))
    product = np.linalg.norm(U1 @ V.mT, axis=(-2, -1))
    overlap = np.hypot(*invariant_set.leakage(problem, network))
    return (
        (level > width.imbalance_level_bound(network.h, exponent))
        & (overlap <= width.overlap_bound(problem, network.h, exponent, s))
        & (product <= width.product_bound(problem, network.h, exponent, s))
    )


def _where_the_lemma_is_sharp(problem: Regression, h: int, s: float, rng: np.random.Generator) -> Iterator[Check]:
    """The worst matrices the event allows attain each inequality, so that its constants are tested, not its slack."""
    a = 0.5
    size = problem.m + problem.r
    tolerance = 1e3 * size * EPS
    seen, unseen = (h**-a * rows for rows in width.extreme_rows(h, s, size, rng))
    worst = Network(problem.Phi1 @ seen[problem.m :] + problem.Phi2[:, :size] @ unseen, seen[: problem.m])
    overlap = np.hypot(*invariant_set.leakage(problem, worst))
    bound = width.overlap_bound(problem, h, a, s)
    yield equal("inequality 18 is attained", overlap / bound, 1, tolerance=tolerance, because=ROUNDING)
    yield refuted("overlap bound 10 % smaller", at_most("overlap", overlap, 0.9 * bound, because="Lemma 1"))
    hidden, output = (h**-a * rows for rows in width.extreme_rows(h, s, problem.m, rng))
    bound = width.product_bound(problem, h, a, s)
    yield equal(
        "inequality 19 is attained", np.linalg.norm(hidden @ output.T) / bound, 1, tolerance=tolerance, because=ROUNDING
    )
    for exponent in EXPONENTS:
        frame = np.linalg.qr(rng.standard_normal((h, size)))[0].T * (np.sqrt(h) - s) * h**-exponent
        measured = convergence.level(problem, frame) / width.worst_imbalance_level(h, exponent, s)
        yield equal(f"worst c, a = {exponent}", measured, 1, tolerance=tolerance, because=ROUNDING)
        threshold = width.lemma_width(s)
        ratio = width.worst_imbalance_level(threshold, exponent, s) / width.imbalance_level_bound(threshold, exponent)
        yield equal(f"worst c at h = 16 s^2, a = {exponent}", ratio, 9 / 8, tolerance=tolerance, because=ROUNDING)


def _tail_of_gaussian_singular_values(problem: Regression, s: float) -> Iterator[Check]:
    t = np.linspace(0, 6, 61)
    exact = width.scalar_tail(t)
    yield at_most("tail of one Gaussian", exact, width.tail(t), because="2 exp(-t^2/2), n = m = 1, where it is known")
    printed = at_most(
        "printed tail", exact, width.printed_tail(t), because="n = m = 1, where the tail is known exactly"
    )
    correction = "Lemma E.1 needs 2 exp(-t^2/2), hence s = sqrt(m + D) + sqrt(2 log(2/delta)) in Lemma 1"
    yield misprint("tail of Lemma E.1", printed, correction=correction)
    yield equal("probability outside sqrt(h) -+ s", _outside(problem, s), DELTA, tolerance=1e3 * EPS, because=ROUNDING)
    small = 2 * np.exp(-8)
    leaves = _outside(problem, width.printed_deviation(problem, small))
    because = "1/2 log(2/delta) and sqrt(2 log(2/delta)) are equal there; above it the printed s is the smaller"
    yield equal("with the printed s, delta = 2 exp(-8)", leaves, small, tolerance=1e3 * EPS, because=because)
    leaves = _outside(problem, width.printed_deviation(problem, DELTA))
    printed = at_most("probability outside sqrt(h) -+ printed s", leaves, DELTA, because="what Lemma 1 needs of s")
    yield misprint("deviation of Lemma 1", printed, correction="s = sqrt(m + D) + sqrt(2 log(2/delta))")


def _outside(problem: Regression, s: float) -> float:
    """What the tail allows for a singular value of [V; U] outside sqrt(h) -+ s."""
    return float(width.tail(s - np.sqrt(problem.m + problem.D)))


@claim(
    "min2021.theorem2",
    source="Min et al. 2021, Theorem 2, Figures 1 and 4",
    statement=r"\|U V^\top(\infty) - \hat\Theta\| \le 2\, C^{1/h^{1-2a}} \sqrt{m+r}\; s\, h^{1/2-2a},\quad"
    r" C = e^{1 + \lambda_1^{1/2} \|Y\|_F / \lambda_r}\quad\text{with probability} \ge 1-\delta",
    hypotheses=("U, V iid N(0, h^{-2a})", "1/4 < a <= 1/2", "h > h0^{1/(4a-1)}"),
    controls=(
        "U2 a copy of the weights that are seen",
        "distance falling as 1/h",
        "as printed: residual at the start",
        "as printed: width of Theorem 2",
    ),
)
def wide_networks_find_the_minimum_norm(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("problem")
    problem = random_regression(rng, D=12, n=6, m=2, singular_values=np.array([1.2, 1.1, 1.0, 0.9]))
    problem = Regression(problem.X, 0.2 * problem.Y)  # C is exponential in |Y|
    yield from _distance_at_the_width_of_the_theorem(study, problem)
    yield from _slopes_in_the_width(study, problem)
    yield from _residual_at_the_start(problem)
    yield from _width_needed(problem)
    yield from _at_the_data_of_figure_4(study)


def _distance_at_the_width_of_the_theorem(study: Study, problem: Regression) -> Iterator[Check]:
    s = width.deviation(problem, DELTA)
    runs = study.pick(smoke=300, quick=1000, paper=4000)
    for exponent in EXPONENTS:
        h = int(width.theorem_width(problem, exponent, s)) + 1
        start = _start(study, problem, h, exponent, runs)
        distance = _distance(study, f"theorem {exponent}", start, h, exponent)
        bound = width.distance_bound(problem, h, exponent, s)
        because = f"Theorem 2; the bound is {bound / np.median(distance):.3g} times the median distance"
        inside = int((distance <= bound).sum())
        yield frequency_at_least(f"a = {exponent}, h = {h}", inside, runs, 1 - DELTA, because=because)
    # Independence broken: every row of U2 repeats the first row of V, so U2 V^T does not shrink with the width.
    h = 10**6
    start = _start(study, problem, h, 0.5, runs)
    frozen = np.repeat(start.network.V[:, :1], problem.D - problem.r, axis=1)
    distance = _distance(study, "copied", Compressed(start.original, start.problem, start.network, frozen), h, 0.5)
    inside = int((distance <= width.distance_bound(problem, h, 0.5, s)).sum())
    check = frequency_at_least("copied", inside, runs, 1 - DELTA, because="Theorem 2")
    yield refuted("U2 a copy of the weights that are seen", check)


def _slopes_in_the_width(study: Study, problem: Regression) -> Iterator[Check]:
    """Slope -(2a - 1/2) of the distance; widths far enough for h^(1 - 2a) to outgrow Theta_hat where a < 1/2."""
    # Over nine decades the slope of one run spreads by 0.013; this many leave 10 % of the smallest slope, 0.01, nine
    # standard errors away.
    runs = study.pick(smoke=256, quick=512, paper=2048)
    widths = np.array([1e6, 1e9, 1e12, 1e15])
    for exponent in EXPONENTS:
        distances = np.array(
            [
                _distance(
                    study, f"slope {exponent} {h:g}", _start(study, problem, int(h), exponent, runs), int(h), exponent
                )
                for h in widths
            ]
        )
        predicted = -(2 * exponent - 0.5)
        estimate = loglog_slope(widths, distances)
        yield slope(
            f"a = {exponent}: slope in the width", estimate, predicted, excludes=(0.9 * predicted, 1.1 * predicted)
        )
        if exponent == 0.5:
            yield refuted("distance falling as 1/h", slope("1/h", estimate, -1, excludes=(-0.5,)))


def _residual_at_the_start(problem: Regression) -> Iterator[Check]:
    """S = (3, 2), Y = 0: a start whose residual exceeds the printed bound."""
    example = Regression(np.diag([3.0, 2.0]), np.zeros((2, 1)))
    U1, V = np.array([[5.0], [1.0]]), np.array([[1.0]])
    residual = float(np.linalg.norm(dynamics.residual(example, np.concatenate([V, U1]))))
    product = float(np.linalg.norm(U1 @ V.T))
    corrected = width.residual_bound(example, product)
    yield at_most("residual at the start", residual, corrected, because="triangle inequality, |S| = sigma_1")
    # Along the leading direction of the data the triangle inequality is an equality.
    aligned = Regression(np.diag([3.0, 2.0]), np.array([[-1.0], [0.0]]))
    along = float(np.linalg.norm(dynamics.residual(aligned, np.array([[1.0], [5.0], [0.0]]))))
    predicted = width.residual_bound(aligned, 5.0)
    yield equal("residual along the leading direction", along, predicted, tolerance=1e3 * EPS, because=ROUNDING)
    printed = at_most("printed", residual, width.printed_residual_bound(example, product), because="proof of Theorem 2")
    correction = "|E(0)| <= |Y| + lambda_1^(1/2) |U1 V^T|: E = y~ - Sigma_x^(1/2) U1 V^T"
    yield misprint("residual at the start", printed, correction=correction)


def _width_needed(problem: Regression) -> Iterator[Check]:
    """h0 is where the part of the residual that the start adds contributes one unit to the exponent of C."""
    steep = Regression(np.diag([3.0, 0.5]), np.ones((2, 1)))
    s = width.deviation(steep, DELTA)
    for exponent in EXPONENTS:
        h = width.theorem_width(steep, exponent, s)
        unit = steep.S[0] ** 2 / steep.S[-1] ** 2 * width.product_bound(steep, h, exponent, s)
        yield equal(f"exponent at h0, a = {exponent}", unit, 1, tolerance=1e4 * EPS, because=ROUNDING)
        growth = width.distance_bound(steep, h, exponent, s) / width.overlap_bound(steep, h, exponent, s)
        start = width.residual_bound(steep, width.product_bound(steep, h, exponent, s))
        proof = steep.S[0] * start / (width.imbalance_level_bound(h, exponent) * steep.S[-1] ** 2)
        because = "inequality 42, lambda_1^(1/2) |E(0)| / (c lambda_r), with (17), (19) and the residual bound at h0"
        name = f"growth allowed at h0, a = {exponent}"
        # Where the exponent is small its logarithm keeps the rounding of a number near 1.
        tolerance = 1e4 * EPS * (1 + 1 / proof)
        yield equal(name, np.log(growth) / proof, 1, tolerance=tolerance, because=because)
        h = width.printed_theorem_width(steep, exponent, s)
        printed = width.printed_residual_bound(steep, width.product_bound(steep, h, exponent, s))
        unit = steep.S[0] / steep.S[-1] ** 2 * (printed - np.linalg.norm(steep.Y))
        because = "how the print comes by its h0: from its own residual bound"
        yield equal(f"exponent at the printed h0, a = {exponent}", unit, 1, tolerance=1e4 * EPS, because=because)
    spread = Regression(np.diag([30.0, 10.0]), np.ones((2, 1)))
    s = width.deviation(spread, DELTA)
    h = width.printed_theorem_width(spread, 0.5, s)
    unit = spread.S[0] ** 2 / spread.S[-1] ** 2 * width.product_bound(spread, h, 0.5, s)
    check = at_most("exponent at the printed h0", unit, 1, because="what the proof needs of h0")
    correction = "h0 = max(16 s^2, 4 (lambda_1 / lambda_r)^2 m s^2)"
    yield misprint("width of Theorem 2", check, correction=correction)


def _at_the_data_of_figure_4(study: Study) -> Iterator[Check | Curves]:
    """The paper's own data, at widths where its theorem applies: its experiments stop at 10^4, below h0."""
    problem, data = _figure_4(study)
    s = width.deviation(problem, DELTA)
    widths = np.array(study.pick(smoke=[10**7], quick=[10**6, 10**7, 10**9], paper=[10**6, 10**7, 10**8, 10**9]))
    # At the paper's 1e-8 the residual left would exceed the distance these widths reach; at 1e-14 it does not.
    sweep = _sweep(study, problem, widths, runs=study.pick(smoke=2, quick=3, paper=5), stop_below=1e-14)
    bound = width.distance_bound(problem, widths, 0.5, s)
    because = "Theorem 2 at the data of Figure 4, beyond its h0; every run"
    yield at_most("data of Figure 4, h beyond h0", sweep["distance"], bound[:, None], because=because)
    yield _follows_the_law("the exact law, h beyond h0", problem, sweep)
    yield at_least("smallest of these widths over h0", widths.min(), width.theorem_width(problem, 0.5, s), because="h0")
    yield curves(**{f"wide_{name}": array for name, array in sweep.items()}, wide_bound=bound, **data)
    needed = [width.lemma_width(s), width.theorem_width(problem, 0.5, s), width.printed_theorem_width(problem, 0.5, s)]
    yield curves(wide_law_at_widths=_law(problem, widths))
    yield curves(widths_needed=needed, bound_widths=np.logspace(2.5, 9.2, 68))
    yield curves(printed_bound=width.distance_bound(problem, np.logspace(2.5, 9.2, 68), 0.5, s))


@claim(
    "imbalance.width_law",
    source="ours; sharpens Min et al. 2021, Theorem 2",
    statement=r"U_2 V(t)^\top \mid V(t) \sim \mathcal N(0, h^{-2a} I_{D-r} \otimes V V^\top),\quad"
    r" \|U V^\top(\infty) - \hat\Theta\|^2 \approx \tfrac{D-r}{h}\,\mathrm{tr}(I + \hat\Theta^\top \hat\Theta)^{1/2}",
    hypotheses=("U, V iid N(0, h^{-2a})", "gradient descent or flow, any width and time"),
    controls=("scale of U2 10 % larger", "one dimension in ten more", "U2 that depends on V", "constant 10 % off"),
)
def distance_follows_a_law_without_parameters(study: Study) -> Iterator[Check | Curves]:
    yield from _chi_squared_in_explicit_training(study)
    yield from _constant_of_the_law(study)
    yield from _figure_4_of_the_paper(study)


def _chi_squared_in_explicit_training(study: Study) -> Iterator[Check | Curves]:
    """Every weight of a narrow network trained for real; the statistic at the start, on the way and at the end."""
    # The statistic's 10 % alternatives stand (degrees x runs / 2)^(1/2) / 10 = 15 standard deviations away or more.
    runs = study.pick(smoke=1000, quick=2000, paper=8000)
    rng = study.rng("chi squared")
    problem = random_regression(rng, D=25, n=5, m=2, singular_values=np.linspace(1.3, 0.8, 5))
    h, exponent = 16, 0.4
    scale = fan_in_scale(h, exponent)
    network = gaussian(problem, h, rng, scales=(scale, scale), runs=runs)
    run = train_network(
        study, "narrow", problem, network, learning_rate=0.02, steps=400, record=[0, 40, 400], observe=weights
    )
    degrees = problem.m * (problem.D - problem.r)
    law = stats.chi2(degrees)
    unseen = problem.Phi2.T @ (run["U"] @ run["V"].mT)
    statistic = width.whitened_distance(run["V"], unseen, scale)
    because = "U2 is Gaussian, never moves and never enters V(t)"
    for step, samples in zip((0, 40, 400), statistic):
        yield distributed(f"chi^2 at step {step}", samples, law, because=because)
    end = statistic[-1]
    squared = (unseen[-1] ** 2).sum((-2, -1)) / width.distance_given_output(problem, run["V"][-1], scale)
    yield rate("|U2 V^T|^2 over its mean given V", mean(squared), 1, excludes=(0.9, 1.1))
    yield refuted("scale of U2 10 % larger", distributed("scale", end / 1.1**2, law, because=because))
    more = stats.chi2(problem.m * (problem.D - problem.r) * 1.1)
    yield refuted("one dimension in ten more", distributed("degrees of freedom", end, more, because=because))
    # The law needs U2 independent of V: give U2 the size of V.
    dependent = unseen[-1] * np.linalg.norm(network.V, axis=(-2, -1), keepdims=True) / (scale * np.sqrt(problem.m * h))
    broken = width.whitened_distance(run["V"][-1], dependent, scale)
    yield refuted("U2 that depends on V", distributed("dependent", broken, law, because=because))
    yield curves(chi_squared=end, degrees_of_freedom=degrees)


def _constant_of_the_law(study: Study) -> Iterator[Check]:
    rng = study.rng("constant")
    problem = random_regression(rng, D=40, n=6, m=2, singular_values=np.linspace(1.3, 0.8, 6))
    # At h = 10^6 the start differs from its limit by h^(-1/2) = 0.1 %; 10 % are resolved many times over.
    h, runs = 10**6, study.pick(smoke=500, quick=500, paper=2000)
    distance = _distance(study, "constant", _start(study, problem, h, 0.5, runs), h, 0.5)
    ratio = mean(distance**2 / wide_limit.squared_distance(problem, h, 0.5))
    yield rate("squared distance over the law, h = 10^6", ratio, 1, excludes=(0.9, 1.1))
    yield refuted("constant 10 % off", rate("constant", ratio, 1.1, excludes=(0.9,)))


def _figure_4_of_the_paper(study: Study) -> Iterator[Check | Curves]:
    problem, data = _figure_4(study)
    widths = np.array(
        study.pick(
            smoke=[500, 2000],
            quick=[500, 1000, 2000, 5000, 10000],
            paper=[500, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000],
        )
    )
    sweep = _sweep(study, problem, widths, runs=study.pick(smoke=3, quick=5, paper=5), stop_below=1e-8)
    yield _follows_the_law("data of Figure 4: chi^2 at the end", problem, sweep)
    yield from _explicit_against_compressed(study, problem, data)
    law_widths = np.logspace(2.5, 9.2, 68)
    law_given_V = np.sqrt((problem.D - problem.r) * sweep["output_squared"] / widths[:, None])
    yield curves(law_widths=law_widths, law=_law(problem, law_widths), law_given_V=law_given_V)
    # One run's distance over the law is (chi^2 / (D - r))^(1/2) once the width is large.
    degrees = problem.D - problem.r
    yield curves(law_band=np.sqrt(stats.chi2(degrees).ppf([0.025, 0.975]) / degrees))
    yield curves(**sweep, law_at_widths=_law(problem, widths), **data)


def _follows_the_law(name: str, problem: Regression, sweep: dict[str, Array]) -> Check:
    samples = sweep["widths"][:, None] * sweep["unseen"] ** 2 / sweep["output_squared"]
    because = "exact at every width: m = 1, so |U2 V^T|^2 h / |V|^2 is chi^2 with D - r degrees of freedom"
    return distributed(name, samples, stats.chi2(problem.D - problem.r), because=because)


def _law(problem: Regression, widths: Array) -> Array:
    return np.sqrt([wide_limit.squared_distance(problem, int(h), 0.5) for h in widths])


def _explicit_against_compressed(study: Study, problem: Regression, data: dict[str, Array]) -> Iterator[Check]:
    """The sweep trains compressed networks: an explicit one of width 500 beside its compression says why it may."""
    h = 500
    network = gaussian(problem, h, study.rng("explicit"), scales=(fan_in_scale(h, 0.5),) * 2)
    small = compress(problem, network)
    steps = study.pick(smoke=300, quick=5000, paper=50_000)
    options = {"learning_rate": float(data["learning_rate"]), "steps": steps, "record": recording_steps(steps, 6)}
    explicit = train_network(study, "explicit", problem, network, observe=weights, **options)
    compressed = train_compressed(study, "compressed", small, observe=weights, **options)
    distance = invariant_set.distance_to_minimum_norm(problem, explicit["U"] @ explicit["V"].mT)
    predicted = small.distance_to_minimum_norm(compressed["U"], compressed["V"])
    # Each step rounds the D-term and h-term products; descent contracts what is left in the seen directions, and the
    # boosts of at most |Theta_hat| move the rest by a factor of order one.
    tolerance = steps * EPS * np.sqrt(problem.D + h)
    because = "one rounding a step of the (D + h)-term products, added up as a worst case"
    yield equal("explicit training of width 500", distance, predicted, tolerance=tolerance, because=because)


def _figure_4(study: Study) -> tuple[Regression, dict[str, Array]]:
    """The data of the paper's Figures 1 and 4, and its step size 5e-3 on (1/n) |Y - X U V^T|^2 = (2/n) L."""
    D, n = study.pick(smoke=(40, 10), quick=(400, 100), paper=(400, 100))
    # One data set for the two claims that draw the figure: the stream carries the figure's name, not the claim's.
    rng = Study("figure 4", seed=study.seed).rng("data")
    return paper_regression(rng, whitened=False, D=D, n=n), {"learning_rate": np.array(2 * 5e-3 / n)}


def _sweep(study: Study, problem: Regression, widths: Array, runs: int, stop_below: float) -> dict[str, Array]:
    """Train `runs` networks of every width, all in one batch, until the paper's loss (2/n) L is below `stop_below`."""
    starts = [
        gaussian_compressed(problem, int(h), study.rng("sweep", h), scales=(fan_in_scale(int(h), 0.5),) * 2, runs=runs)
        for h in widths
    ]
    start = Compressed(
        problem,
        compressed_problem(problem),
        Network(np.concatenate([s.network.U for s in starts]), np.concatenate([s.network.V for s in starts])),
        np.concatenate([s.frozen for s in starts]),
    )
    n = problem.X.shape[0]
    run = train_compressed(
        study,
        "sweep",
        start,
        learning_rate=2 * 5e-3 / n,
        steps=1_000_000,
        record=[0],
        stop_below=n / 2 * stop_below,
        observe=weights,
    )
    V = run["V"]
    by_width = {
        "distance": start.distance_to_minimum_norm(run["U"][-1], V[-1]),
        "initial_unseen": start.unseen(V[0]),
        "unseen": start.unseen(V[-1]),
        "output_squared": (V[-1] ** 2).sum((-2, -1)),
        "iterations": run.facts["steps"],
    }
    return {"widths": widths, **{name: array.reshape(len(widths), runs) for name, array in by_width.items()}}


def _start(study: Study, problem: Regression, h: int, exponent: float, runs: int) -> Compressed:
    scale = fan_in_scale(h, exponent)
    return gaussian_compressed(problem, h, study.rng("start", h, exponent), scales=(scale, scale), runs=runs)


def _distance(study: Study, name: str, start: Compressed, h: int, exponent: float) -> Array:
    """Distance to the minimum-norm solution (runs,) once the residual adds less than rounding to it."""
    level = float(width.imbalance_level_bound(h, exponent))  # the weights and so the rates grow like h^(1 - 2a)
    S = start.problem.S
    run = train_compressed(
        study,
        name,
        start,
        learning_rate=0.2 / ((level + np.linalg.norm(start.problem.Y)) * S[0] ** 2),
        steps=4000,
        record=[4000],
        observe=weights,
        stop_below=1e-26 * float((start.problem.Y**2).sum()),
    )
    return start.distance_to_minimum_norm(run["U"][-1], run["V"][-1])
