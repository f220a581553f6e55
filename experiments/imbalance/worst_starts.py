"""Where Theorem 2 is nearly an equality: the worst starts of its event; and Gaussian starts beside their law."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.imbalance.wide_ends import Cell, distances, limits
from experiments.imbalance.wide_networks import wide_start
from theory.claims import Check, Curves, Study, Tolerance, curves, exactly, measured, rate, rounding
from theory.claims.estimates import Estimate, mean
from theory.core.regression import Regression, random_regression
from theory.imbalance import wide_starts, width
from theory.imbalance.compression import compress

SINGULAR = 1.1  # of X, of rank one at all of these starts
EXPONENTS = (0.5, 0.4, 0.35)  # a of the worst starts
LAW_EXPONENTS = (0.5, 0.4)
BEYOND = 1.01  # times the width that the theorem asks for
MANY, FAR = 100, (10**15, 0.35)  # outputs of the start that is nearest to equality; its h and a
LAW_OUTPUTS, LAW_RUNS = 20, 40


def nearly_an_equality(study: Study, delta: float) -> float:
    """Distance over its bound at the most that the event behind the theorem allows.

    At m >> r and a < 1/2, at a width where C^(1/h^(1-2a)) is 1. Then it is the overlap of V and U2 at the start, a
    share (m / (m + r))^(1/2) of the whole overlap, at which (18) is an equality.
    """
    rng, (h, a) = study.rng("worst start"), FAR
    problem = _problem(rng, MANY + 2, MANY, 1.0)
    s = width.printed_deviation(problem, delta)
    start = compress(problem, width.extreme_network(problem, h, a, s, rng))
    return float(distances(study, [Cell(start, h, a)])[0].item() / width.distance_bound(problem, h, a, s))


def at_the_worst_starts(study: Study, outputs: Sequence[int], targets: float, delta: float) -> Iterator[Check | Curves]:
    """Distances from the worst starts, at widths just beyond those that the theorem asks for, against their law."""
    over_law, off_by, over_bound = (np.empty((len(EXPONENTS), len(outputs))) for _ in range(3))
    for i, m in enumerate(outputs):
        rng = study.rng("worst starts", m)
        problem = _problem(rng, m + 2, m, targets)
        s, cells = width.printed_deviation(problem, delta), []
        for a in EXPONENTS:
            h = int(np.ceil(BEYOND * width.theorem_width(problem, a, s)))
            cells.append(Cell(compress(problem, width.extreme_network(problem, h, a, s, rng)), h, a))
        reached, error = (array[:, 0] for array in limits(study, cells))
        law = np.array([wide_starts.distance_from_extreme_start(problem, h, a, s) for _, h, a in cells])
        bound = np.array([width.distance_bound(problem, h, a, s) for _, h, a in cells])
        # The two singular values differ by 2 s: what they round adds up to a share h^(1/2) / s of the overlap.
        rounded = rounding(100, np.sqrt([h for _, h, _ in cells]) / s, of="singular values of the start")
        over_law[:, i], off_by[:, i] = reached / law, error / law + rounded.value
        over_bound[:, i] = reached / bound
    within = Tolerance(off_by, "last Richardson correction; rounding of the singular values of the start")
    ratio = measured("distance from the worst starts over its law", over_law, within=within, axes=("a", "m"))
    yield ratio.equals(1.0)
    share = np.sqrt([m / (m + 1) for m in outputs])
    over = measured("distance from the worst starts over its bound", over_bound, within=within, axes=("a", "m"))
    yield over.control("distance at the worst start without C").equals(np.broadcast_to(share, over_bound.shape))
    grid = np.unique(np.geomspace(1, max(outputs), 40).astype(int)).tolist()
    predicted = [
        [_over_bound(_problem(study.rng("grid"), m + 2, m, targets), a, delta) for m in grid] for a in EXPONENTS
    ]
    yield curves(
        "worst starts",
        outputs=np.array(outputs),
        exponents=np.array(EXPONENTS),
        trained=over_bound,
        grid=np.array(grid),
        predicted=np.array(predicted),
    )


def _over_bound(problem: Regression, a: float, delta: float) -> float:
    s = width.printed_deviation(problem, delta)
    h = BEYOND * width.theorem_width(problem, a, s)
    return float(wide_starts.distance_from_extreme_start(problem, h, a, s) / width.distance_bound(problem, h, a, s))


def gaussian_beside_the_law(study: Study, inputs: int, delta: float) -> Iterator[Check | Curves]:
    """Gaussian starts with D >> m: distance over its bound is a known number, about half of what the event allows."""
    problem = _problem(study.rng("gaussian"), inputs, LAW_OUTPUTS, 0.2)
    s, cells = width.printed_deviation(problem, delta), []
    for a in LAW_EXPONENTS:
        h = int(BEYOND * width.theorem_width(problem, a, s))
        cells.append(Cell(wide_start(problem, h, a, LAW_RUNS, study.rng("gaussian", a)), h, a))
    reached, error = limits(study, cells)
    bounds = np.array([width.distance_bound(problem, h, a, s) for _, h, a in cells])[:, None]
    shares = np.array([wide_starts.distance_share(problem, int(h), a, s) for _, h, a in cells])
    for (_, _, a), ratios, bias, share in zip(cells, reached / bounds, (error / bounds).max(1), shares):
        over_runs = mean(ratios)
        reason = f"{over_runs.reason}; and the last Richardson correction, {bias:.1g}"
        interval = Estimate(
            over_runs.value, over_runs.low - bias, over_runs.high + bias, reason, over_runs.significance
        )
        found = rate("Gaussian starts: distance over its bound", interval, case=f"a = {a}")
        yield found.equals(share, excludes=(0.95 * share, 1.05 * share))
    least = measured("least distance of all runs", reached[-1].min(), within=exactly("Theorem 2, another constant"))
    smaller = 0.95 * shares[-1] * bounds[-1].item()
    yield least.control("constant 5 % below the law's in place of 2, in every run").at_most(smaller)
    yield curves(
        "gaussian", exponents=np.array(LAW_EXPONENTS), outputs=LAW_OUTPUTS, trained=reached / bounds, predicted=shares
    )


def _problem(rng: np.random.Generator, inputs: int, outputs: int, targets: float) -> Regression:
    """Of rank one, |Y| = `targets`."""
    data = random_regression(rng, D=inputs, n=1, m=outputs, singular_values=np.array([SINGULAR]))
    return Regression(data.X, targets * data.Y / np.linalg.norm(data.Y))
