"""Many neurons: a random start is asymptotically as good as the best one for s < d - 1, and ever worse beyond."""

from collections.abc import Iterator

import numpy as np
from scipy import integrate, stats

from experiments.methods.orthogonal.parametrisations import energies
from experiments.orthogonal.layers import gaussian, least_energies
from theory.claims import Check, Curves, Measured, Study, Tolerance, claim, curves, exactly, measured, samples
from theory.core.arrays import EPS, Array
from theory.orthogonal import asymptotics, energy

SPACE = 3  # d of the asymptotic claims, where the least energies are known best
HEAVY = 2 * (SPACE - 1)  # s at which the law of a random energy is Levy's
POWERS = (0, 1, 2, HEAVY)


@claim(
    "liu2021.asymptotic_minimality",
    source="Liu et al. 2021, minimal energy of random neurons, with the hypothesis it needs",
    statement=r"s < d - 1 \Rightarrow \mathbb{E} E_s / \min E_s \to 1;\quad"
    r" s \ge d - 1 \Rightarrow \mathbb{E} E_s = \infty",
    hypotheses=("d fixed, N to infinity", "s < d - 1", "neurons independent, zero-mean, isotropic"),
    theory_side="bound",
    controls=(
        "s = d - 1 = 2: typical start over least",
        "s = 4 > d - 1: typical start over least",
        "s = 1: typical start over least rises",
        "Levy's scale 50 % larger",
    ),
)
def random_starts_are_asymptotically_minimal(study: Study) -> Iterator[Check | Curves]:
    widths = np.array(study.pick(smoke=(10, 20, 40), quick=(10, 20, 40, 80, 160), paper=(10, 20, 40, 80, 160, 320)))
    least = {s: _least(study, widths, s) for s in POWERS}
    yield from _lower_bound(widths, least[1])
    typical = {s: _typical(study, widths, s) / least[s] for s in POWERS}
    expected = {s: _mean(widths, s) / least[s] for s in POWERS if asymptotics.asymptotically_minimal(SPACE, s)}
    # E[E_1] < N^2, and no E_1 is below the bound.
    bound = widths**2 / _best_bound(widths)
    within = exactly("mean N (N - 1), least at least N^2 - sqrt(2) N^(3/2)")
    yield measured("mean over least", expected[1], within=within, case="s = 1", axes=("width",)).at_most(bound)
    away, name = np.abs(expected[0] - 1), "mean over least, distance from 1 per doubling"
    yield measured(name, away[1:], within=exactly("it falls"), case="s = 0", axes=("doubling",)).at_most(away[:-1])
    for s, case in ((2, "s = d - 1 = 2"), (HEAVY, "s = 4 > d - 1")):
        near = measured("near the least", typical[s][-1], within=exactly("the bound that s = 1 obeys"), case=case)
        yield near.control(f"{case}: typical start over least").at_most(bound[-1])
        within = Tolerance(EPS, "a pair's energy has no mean")
        yield measured("1 / mean", 1 / energy.mean_energy(10, SPACE, s), within=within, case=case).equals(0)
    levy = np.array([asymptotics.heavy_tailed_energy(int(N), SPACE).median() for N in widths]) / least[HEAVY]
    yield _per_doubling(levy, case="s = 4").at_least(1.5)
    yield _per_doubling(typical[1], case="s = 1").control("s = 1: typical start over least rises").at_least(1.5)
    yield from _law_of_heavy_energies(study)
    yield curves(widths=widths, proved=bound - 1, levy=levy - 1)
    for s, ratio in (typical | expected).items():
        yield curves(f"s = {s}", excess=np.abs(ratio - 1))


def _least(study: Study, widths: Array, s: float) -> Array:
    """Least energy found (T,) at each width, from several starts."""
    starts = study.pick(smoke=1, quick=1, paper=8)
    begin = [gaussian(study.rng("least", N, s), (starts, int(N), SPACE)).to(study.device) for N in widths]
    return np.array([float(least_energies(study, W, s, iterations=200)[0].min()) for W in begin])


def _typical(study: Study, widths: Array, s: float) -> Array:
    """Median energy (T,) of random starts."""
    starts = [gaussian(study.rng("typical", N, s), (400, int(N), SPACE)).to(study.device) for N in widths]
    return np.array([float(energies(W, s).median()) for W in starts])


def _mean(widths: Array, s: float) -> Array:
    return np.array([energy.mean_energy(int(N), SPACE, s) for N in widths])


def _best_bound(widths: Array) -> Array:
    return np.array([asymptotics.least_energy_best_bound(int(N)) for N in widths])


def _per_doubling(ratio: Array, case: str) -> Measured:
    because = "typical start ~ N^4, least ~ N^3: it doubles; half of that is asked for, as N is finite"
    name = "typical start over least, per doubling"
    return measured(name, ratio[1:] / ratio[:-1], within=exactly(because), case=case, axes=("doubling",))


def _lower_bound(widths: Array, least: Array) -> Iterator[Check]:
    best = _best_bound(widths)
    radii = np.linspace(0.01, 1.5, 3000)
    scan = [max(asymptotics.least_energy_bound(int(N), float(r)) for r in radii) for N in widths]
    # Near its top -N^2 r / 2 - N / r is a parabola of curvature 2 N / r^3, and the grid misses by half a step at most.
    missed = widths * (widths / 2) ** 1.5 * (radii[1] - radii[0]) ** 2
    within = Tolerance(missed, "half a step of the grid of r, at the curvature there")
    yield measured("best of the bounds", scan, within=within, case="s = 1", axes=("width",)).equals(best)
    r = 0.7
    potential, error = integrate.quad(lambda z: min(1 / r, 1 / z) * z / 2, 0, 2, points=[r])
    within = Tolerance(error + EPS, "the quadrature's error: |x - y| = z has density z / 2 on the sphere")
    yield measured("potential of the smeared charge", potential, within=within).equals(asymptotics.smeared_potential(r))
    within = exactly("proved for every N")
    yield measured("least energy found", least, within=within, case="s = 1", axes=("width",)).at_least(best)


def _law_of_heavy_energies(study: Study) -> Iterator[Check]:
    for d in (3, 4, 6):
        yield _tail(d)
    N, draws = study.pick(smoke=(40, 4000), quick=(40, 8000), paper=(64, 20_000))
    rng = study.rng("heavy")
    E = [energies(gaussian(rng, (1000, N, SPACE)).to(study.device), HEAVY).cpu().numpy() for _ in range(draws // 1000)]
    law = asymptotics.heavy_tailed_energy(N, SPACE)
    because = "close pairs are a Poisson process, but for triples, which is off by 1/4N"
    found = samples("energies at random start", np.concatenate(E), because=because, case="s = 4")
    yield found.follow(law)
    yield found.control("Levy's scale 50 % larger").follow(stats.levy(scale=1.5 * law.kwds["scale"]))


def _tail(d: int) -> Check:
    """P(E_s > y) of the law is n times that of one pair, known from the Beta law of |x - y|^2 / 4, at large y."""
    N, z = 10, 1e-3
    n, y = N * (N - 1) / 2, 2 * z ** (-2 * (d - 1))
    pair = float(stats.beta((d - 1) / 2, (d - 1) / 2).cdf(z**2 / 4))
    law = float(asymptotics.heavy_tailed_energy(N, d).sf(y))
    error = (d * z**2 + (n * z ** (d - 1)) ** 2) * n * pair
    within = Tolerance(error, "the next terms of both tails, of relative sizes d z^2 and (n z^(d-1))^2")
    return measured("tail of the law", law, within=within, case=f"d = {d}, s = {2 * (d - 1)}").equals(n * pair)
