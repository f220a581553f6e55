"""Steps as polynomials of x_i . x: which degree an error takes, by linear programs beside closed forms."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev

from experiments.adversarial.problems import on_circle
from theory.adversarial import kernel, polynomials
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, exactly, measured, slope, varies
from theory.claims.estimates import Estimate, line_slope
from theory.core.arrays import Array
from theory.core.validation import reject

LOOSE = "4 log(1/e) / gamma is the order of a radius near 1; the degree is about 4 rho log(1/e) / gamma"
HIGHEST = 60  # degree
LEAST, MOST = 1e-6, 0.3  # errors that a linear program knows, and that are steps


@dataclass(frozen=True)
class Steps:
    """Of the distances, and of the polynomials."""

    delta: float = varies("between inputs", 0.8, low=0.3, high=1.6)
    rho: float = varies("how far the adversary moves them", 0.28, low=0.05, high=0.5)
    points: int = varies("degrees at which the best step is computed", 13, smoke=9, low=8, high=30)

    def __post_init__(self) -> None:
        # With less the cap is nearly a point, and the rate shows at errors that no linear program knows.
        least, most = 0.1 * self.delta, 0.45 * self.delta
        if not least <= self.rho <= most:
            reject("rho", self.rho, f"between delta / 10 = {least:.3g} and 0.45 delta = {most:.3g}")

    @property
    def degrees(self) -> Array:
        """From where steps begin to where linear programs know no smaller error, or end."""
        g = polynomials.rate(*polynomials.interval(self.delta, self.rho))
        ends = np.minimum([1.3 / g, 12 / g], [HIGHEST // 3, HIGHEST])
        return np.unique(np.rint(np.linspace(*ends, self.points)).astype(int).clip(1))


@claim(
    "adversarial.step_degree",
    source="ours; Zhang et al. 2020 (arXiv 2002.06668) use steps of degree O(log(1/e) / gamma)",
    source_kind=OURS,
    statement=r"e_D = \min_{q \text{ of degree } D} \max\Big(\max_{[-1, l]} |q|, \max_{[u, 1]} |q - 1|\Big),\quad"
    r" l = 1 - \tfrac{(\delta - \rho)^2}{2},\ u = 1 - \tfrac{\rho^2}{2},\ u - l = \tfrac\gamma2:\quad"
    r" \rho = 0:\ e_D = \frac{1}{1 + T_D(\frac{3 - l}{1 + l})},\ D \sim \frac{\log(2/e)}{\sqrt\gamma};\quad"
    r" \rho > 0:\ -\tfrac{d}{dD} \log(e_D \sqrt D) \to g = \int_l^{c} \frac{(c - t)\, dt}{\sqrt{r(t)}},"
    r"\ \int_l^u \frac{(c - t)\, dt}{\sqrt{r(t)}} = 0,\ r(t) = (1 + t)(t - l)(u - t)(1 - t);\quad"
    r" g \ge \tfrac{\gamma}{4},\ g \sim \tfrac{\gamma}{4 \rho}\ (\gamma \ll \rho^2 \ll 1),"
    r"\quad D \le \tfrac{4 \log(1/e)}{\gamma}",
    hypotheses=(
        "inputs of length 1, t = <x_i, x>",
        "gamma = delta (delta - 2 rho) > 0",
        "T_D: Chebyshev's polynomial; ~ as gamma and e tend to 0",
    ),
    theory_side="closed form",
    controls=("degree log(2/e) / gamma at rho = 0", "rate 15 % larger", "rate gamma / 4", "10 % more"),
    parameters=Steps,
)
def how_many_degrees_a_step_takes(study: Study, sizes: Steps) -> Iterator[Check | Curves]:
    yield from _without_adversary(sizes)
    low, high = polynomials.interval(sizes.delta, sizes.rho)
    gamma, g = 2 * (high - low), polynomials.rate(low, high)
    degrees = sizes.degrees
    errors = np.array([polynomials.best(int(D), low, high)[0] for D in degrees])
    known = (errors > LEAST) & (errors < MOST)
    found = slope("rate at which errors fall", _rate(degrees[known], errors[known]))
    yield found.resolving(0.12, because="the errors oscillate with the degree around their rate").equals(g)
    yield found.control("rate 15 % larger").equals(1.15 * g)
    yield found.control("rate gamma / 4").equals(gamma / 4)
    least = np.array([polynomials.error_at_least(int(D), low, high) for D in degrees])
    grid = Tolerance(1e-6, "of a linear program")
    yield measured("error", errors, within=grid, axes=("degree",)).supporting().at_least(least)
    asked = np.array([polynomials.degree_at_most(float(e), gamma) for e in errors[known]])
    bound = measured("degree over 4 log(1/e) / gamma", degrees[known] / asked, within=exactly("whole numbers"),
                     axes=("degree",))  # fmt: skip
    yield bound.within_factor(8, because=LOOSE).at_most(1.0)
    yield from _norms(low, high, int(degrees[known][0]))
    yield curves("errors", degrees=degrees, errors=errors, rate=g, gamma=gamma)
    yield from _pictured(sizes, low, high)


def _without_adversary(sizes: Steps) -> Iterator[Check]:
    """rho = 0: the second interval is the point 1."""
    low, _ = polynomials.interval(sizes.delta, 0.0)
    degrees = [2, 5, 8, 11]
    found = np.array([polynomials.best(D, low, 1.0)[0] for D in degrees])
    law = np.array([polynomials.error_at_one(D, low) for D in degrees])
    between = 1 / np.cos(np.pi / (2 * polynomials.DENSE)) - 1
    within = Tolerance(between * law + 1e-6, "Ehlich & Zeller's factor between nodes, and of a linear program")
    errors = measured("error at rho = 0", found, within=within, axes=("degree",))
    yield errors.equals(law)
    yield errors.control("10 % more").equals(1.1 * law)
    needed = np.array([polynomials.degree_at_least(float(e), low, 1.0) for e in law])
    nearly = measured("degree at rho = 0", needed, within=Tolerance(1e-6, "the error, inverted"), axes=("degree",))
    yield nearly.equals(np.array(degrees, float))
    yield nearly.control("degree log(2/e) / gamma at rho = 0").equals(np.log(2 / law) / sizes.delta**2)


def _rate(degrees: Array, errors: Array) -> Estimate:
    """Slope of log(e sqrt(D)); what is off the line by r at most moves it by 3 r over the range of degrees."""
    y = -np.log(errors * np.sqrt(degrees))
    found = float(line_slope(degrees.astype(float), y))
    rest = y - found * degrees
    half = 3 * float(np.abs(rest - rest.mean()).max()) / float(np.ptp(degrees))
    return Estimate(
        found, found - half, found + half, f"line through {len(degrees)} degrees, and how far off it they lie"
    )


def _norms(low: float, high: float, degree: int) -> Iterator[Check]:
    """What a polynomial costs in the kernel's space beside the smallest function that is as good a step on a circle."""
    error, q = polynomials.best(degree, low, high)
    # t = 3 s / 4 + 1 / 4 of the free coordinates, where the constant is in the space too.
    lifted = np.polynomial.Polynomial(chebyshev.cheb2poly(q))(np.polynomial.Polynomial([0.25, 0.75])).coef
    norm = kernel.squared_norm(lifted, kernel.coefficients(degree + 1, 1.0, 0.75, 0.25))
    near, far = (float(np.arccos((t - 0.25) / 0.75)) for t in (high, low))
    around = np.linspace(far, 2 * np.pi - far, 24)
    points = on_circle(np.concatenate([np.linspace(-near, near, 9), around]))
    _, least = kernel.least_norm(kernel.gram(points, points), np.repeat([1.0, 0.0], [9, 24]), error)
    found = measured("squared norm of the polynomial over the least", norm / least, within=exactly("its coefficients"))
    yield found.supporting().at_least(1.0)


def _pictured(sizes: Steps, low: float, high: float) -> Iterator[Curves]:
    t = np.linspace(-1, 1, 400)
    for D in (int(sizes.degrees[0]), int(sizes.degrees[2])):
        error, q = polynomials.best(D, low, high)
        yield curves(f"degree {D}", t=t, q=chebyshev.chebval(t, q), error=error, low=low, high=high)
    gammas, rates = [], []
    for share in np.linspace(0.1, 0.96, 12):
        rho = share * sizes.delta / 2
        rates.append(polynomials.rate(*polynomials.interval(sizes.delta, rho)))
        gammas.append(sizes.delta * (sizes.delta - 2 * rho))
    yield curves("rates", gammas=gammas, rates=rates)
