"""Sums over the rates of an ensemble, as they appear in the error of a student: by formula, and sampled."""

from collections.abc import Iterator

import numpy as np

from theory.claims import Check, Study, Tolerance, measured, order, rounding
from theory.claims.estimates import SIGNIFICANCE, mean, observed_order
from theory.deep_linear import spectrum
from theory.deep_linear.problem import Ensemble, draw


def means_over_spectra() -> Iterator[Check]:
    """Marchenko & Pastur's law corrected: polynomials exactly, 1/lam at order 1/d."""
    for d, n in ((12, 7), (7, 12)):
        ensemble, case = Ensemble(d, n), f"d = {d}"
        # The trapezoidal rule converges geometrically.
        within = rounding(1e3, n, of="the sum over rates")
        first, second = (spectrum.expected_sum(ensemble, f) for f in (lambda x: x, lambda x: x**2))
        yield measured("E tr X X^T", first, within=within, case=case).supporting().equals(n)
        square = measured("E tr (X X^T)^2", second, within=within * 10, case=case)
        yield square.supporting().equals(n * (1 + (n + 1) / d))
        sizes = [Ensemble(size * d, size * n) for size in (32, 64, 128)]
        left = [spectrum.expected_inverse_sum(e) - spectrum.expected_sum(e, lambda x: 1 / x) for e in sizes]
        name = "E tr (X X^T)^-1 less its expansion, order in 1/d"
        yield order(name, observed_order(left), case=case).equals(1, excludes=(0.75, 1.25))


def sampled_spectra(study: Study, draws: int) -> Iterator[Check]:
    """Sums over the rates of draws, as they appear in the error of a student."""
    sums = {"forgotten": lambda x: np.exp(-2 * x), "learned": lambda x: (1 - np.exp(-2 * x)) ** 2 / x}
    ensembles = [Ensemble(d, d // 2) for d in (6, 12)]
    rates = [draw(ensemble, study.rng("spectra", ensemble.d), draws).rates for ensemble in ensembles]
    # The O(1/d) left by the correction at two sizes: 2 (at 2d) - (at d) leaves O(1/d^2).
    without = lambda small, large: 2 * large - small  # noqa: E731
    for case, f in sums.items():
        sampled = [mean(f(r).sum(-1)) for r in rates]
        expected, bulk = (
            [float(over(ensemble, f)) for ensemble in ensembles] for over in (spectrum.expected_sum, spectrum.bulk_sum)
        )
        left = [estimate.value - number for estimate, number in zip(sampled, expected)]
        noise = np.hypot(2 * sampled[1].half_width, sampled[0].half_width)
        because = "confidence interval, and what is left at d = 12 once the O(1/d) is extrapolated away: its square"
        within = Tolerance(noise + abs(left[0] - left[1]) ** 2, because, SIGNIFICANCE)
        value = without(*(estimate.value for estimate in sampled))
        mean_sum = measured("sum over rates", value, within=within, case=case)
        yield mean_sum.equals(without(*expected))
        if case == "forgotten":
            yield mean_sum.control("Marchenko-Pastur without its correction").equals(without(*bulk))
