"""Many neurons: a random start is asymptotically as good as the best one for s < d - 1, and ever worse beyond."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import integrate, stats
from torch import Tensor

from experiments.methods.orthogonal.parametrisations import energies
from experiments.orthogonal.minima import least_energies
from experiments.orthogonal.random_start import gaussian
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import mean, richardson
from theory.claims.legacy import at_least, at_most, distributed, equal, rate, refuted
from theory.claims.study import Study
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
    ratio = {s: _typical(study, widths, s) / least[s] for s in POWERS}
    # E[E_1] < N^2, and no E_1 is below the bound.
    bound = widths**2 / np.array([asymptotics.least_energy_best_bound(int(N)) for N in widths])
    expected = {s: _mean(widths, s) / least[s] for s in POWERS if asymptotics.asymptotically_minimal(SPACE, s)}
    because = "mean N (N - 1), least at least N^2 - sqrt(2) N^(3/2)"
    yield at_most("s = 1: mean over least", expected[1], bound, because=because)
    falling = np.abs(expected[0] - 1)
    yield at_most("s = 0: mean over least, distance from 1 per doubling", falling[1:], falling[:-1], because="it falls")
    for s, name in ((2, "s = d - 1 = 2"), (HEAVY, "s = 4 > d - 1")):
        near = at_most(name, ratio[s][-1], bound[-1], because="the bound that s = 1 obeys")
        yield refuted(f"{name}: typical start over least", near)
        inverse = 1 / energy.mean_energy(10, SPACE, s)
        yield equal(f"{name}: 1 / mean", inverse, 0, tolerance=EPS, because="a pair's energy has no mean")
    levy = np.array([asymptotics.heavy_energy(int(N), SPACE).median() for N in widths]) / least[HEAVY]
    yield _rises("s = 4: typical start over least", levy)
    yield refuted("s = 1: typical start over least rises", _rises("s = 1", ratio[1]))
    yield from _law_of_heavy_energies(study)
    named = {f"ratio_{s}": values for s, values in (ratio | expected).items()}
    yield curves(widths=widths, bound=bound, ratio_levy=levy, **named)


def _least(study: Study, widths: Array, s: float) -> Array:
    """Least energy found (T,) at each width, from several starts."""
    starts = study.pick(smoke=1, quick=1, paper=8)
    begin = [gaussian(study.rng("least", N, s), (starts, int(N), SPACE)).to(study.device) for N in widths]
    return np.array([float(least_energies(W, s, iterations=200)[0].min()) for W in begin])


def _typical(study: Study, widths: Array, s: float) -> Array:
    """Median energy (T,) of random starts."""
    starts = [gaussian(study.rng("typical", N, s), (400, int(N), SPACE)).to(study.device) for N in widths]
    return np.array([float(energies(W, s).median()) for W in starts])


def _mean(widths: Array, s: float) -> Array:
    return np.array([energy.mean_energy(int(N), SPACE, s) for N in widths])


def _rises(name: str, ratio: Array) -> Check:
    because = "typical start ~ N^4, least ~ N^3: it doubles; half of that is asked for, as N is finite"
    return at_least(f"{name}, per doubling", ratio[1:] / ratio[:-1], 1.5, because=because)


def _lower_bound(widths: Array, least: Array) -> Iterator[Check]:
    best = np.array([asymptotics.least_energy_best_bound(int(N)) for N in widths])
    radii = np.linspace(0.01, 1.5, 3000)
    scan = [max(asymptotics.least_energy_bound(int(N), float(r)) for r in radii) for N in widths]
    # Near its top -N^2 r / 2 - N / r is a parabola of curvature 2 N / r^3, and the grid misses by half a step at most.
    missed = widths * (widths / 2) ** 1.5 * (radii[1] - radii[0]) ** 2
    because = "half a step of the grid of r, at the curvature there"
    yield equal("s = 1: best of the bounds", scan, best, tolerance=missed, because=because)
    r = 0.7
    potential = integrate.quad(lambda z: min(1 / r, 1 / z) * z / 2, 0, 2, points=[r])
    exact = asymptotics.smeared_potential(r)
    because = "the quadrature's error: |x - y| = z has density z / 2 on the sphere"
    yield equal("potential of the smeared charge", potential[0], exact, tolerance=potential[1] + EPS, because=because)
    yield at_least("s = 1: least energy found", least, best, because="proved for every N")


def _law_of_heavy_energies(study: Study) -> Iterator[Check]:
    for d in (3, 4, 6):
        yield _tail(d)
    N, draws = study.pick(smoke=(40, 4000), quick=(40, 8000), paper=(64, 20_000))
    rng = study.rng("heavy")
    E = [energies(gaussian(rng, (1000, N, SPACE)).to(study.device), HEAVY).cpu().numpy() for _ in range(draws // 1000)]
    law = asymptotics.heavy_energy(N, SPACE)
    because = "close pairs are a Poisson process, but for triples, which is off by 1/4N"
    yield distributed("s = 4: energies at random start", np.concatenate(E), law, because=because)
    larger = stats.levy(scale=1.5 * law.kwds["scale"])
    yield refuted("Levy's scale 50 % larger", distributed("1.5 scale", np.concatenate(E), larger, because=because))


def _tail(d: int) -> Check:
    """P(E_s > y) of the law is n times that of one pair, known from the Beta law of |x - y|^2 / 4, at large y."""
    N, z = 10, 1e-3
    n, y = N * (N - 1) / 2, 2 * z ** (-2 * (d - 1))
    pair = float(stats.beta((d - 1) / 2, (d - 1) / 2).cdf(z**2 / 4))
    law = float(asymptotics.heavy_energy(N, d).sf(y))
    tolerance = (d * z**2 + (n * z ** (d - 1)) ** 2) * n * pair
    because = "the next terms of both tails, of relative sizes d z^2 and (n z^(d-1))^2"
    return equal(f"d = {d}, s = {2 * (d - 1)}: tail of the law", law, n * pair, tolerance=tolerance, because=because)


@claim(
    "liu2021.spectrum",
    source="Liu et al. 2021 (AISTATS), Theorem on the singular values of normalised Gaussian neurons; OPT keeps them",
    statement=r"N / d \to \lambda < 1 \Rightarrow \sigma(W) \subset [1 - \sqrt\lambda, 1 + \sqrt\lambda],\quad"
    r" \mathbb{E}\,\mathrm{tr}\,G^2 = N + \tfrac{N(N-1)}{d}",
    hypotheses=("neurons independent, zero-mean, isotropic, normalised",),
    controls=("Gaussian with mean 1: largest singular value", "edges of 2 lambda", "second moment without N / d"),
)
def random_starts_have_a_known_spectrum(study: Study) -> Iterator[Check | Curves]:
    yield from _moments(study)
    ratio, sizes = 0.25, study.pick(smoke=(64, 128, 256), quick=(64, 128, 256), paper=(128, 256, 512))
    runs = study.pick(smoke=1000, quick=2000, paper=2000)
    samples = [_extremes(study, d, round(ratio * d), runs) for d in sizes]
    yield from _edges("edges", samples, asymptotics.spectral_edges(ratio))
    *_, wrong = _edges("wrong edges", samples, asymptotics.spectral_edges(2 * ratio))
    yield refuted("edges of 2 lambda", wrong)
    yield _below("largest singular value", samples[-1][:, 1], ratio)
    shape = 100, round(ratio * sizes[-1]), sizes[-1]
    shifted = 1 + gaussian(study.rng("shifted"), shape).to(study.device)
    beyond = _below("largest singular value", _singular_values(shifted)[:, -1], ratio)
    yield refuted("Gaussian with mean 1: largest singular value", beyond)


def _below(name: str, largest: Array, ratio: float) -> Check:
    edge = float(asymptotics.spectral_edges(ratio)[1])
    because = "the mean lies below the edge at finite d; slack is its Student interval"
    return at_most(name, largest.mean(), edge, slack=mean(largest).half_width, because=because)


def _moments(study: Study) -> Iterator[Check]:
    N, d = 5, 4
    draws = study.pick(smoke=40_000, quick=100_000, paper=400_000)
    sigma = _singular_values(gaussian(study.rng("moments"), (draws, N, d)).to(study.device))
    exact = asymptotics.spectral_moments(N, d)
    for k in (2, 3):
        measured = mean((sigma ** (2 * k)).sum(-1))
        yield rate(f"E tr G^{k}", measured, exact[k - 1], excludes=(0.95 * exact[k - 1], 1.05 * exact[k - 1]))
        if k == 2:
            yield refuted("second moment without N / d", rate("E tr G^2", measured, N, excludes=(0,)))


def _singular_values(W: Tensor) -> Array:
    """Of normalised neurons (runs, N, d), N <= d or not, increasing: roots of the eigenvalues of their cosines."""
    neurons = W / W.norm(dim=-1, keepdim=True)
    return torch.linalg.eigvalsh(neurons @ neurons.mT).clamp(min=0).sqrt().cpu().numpy()


def _extremes(study: Study, d: int, N: int, runs: int) -> Array:
    """Smallest and largest singular value (runs, 2) of random starts."""
    rng = study.rng("edges", d)
    sigma = [_singular_values(gaussian(rng, (100, N, d)).to(study.device)) for _ in range(runs // 100)]
    return np.concatenate(sigma)[:, [0, -1]]


def _edges(name: str, samples: list[Array], edges: Array) -> Iterator[Check]:
    """Means at three doublings of d, extrapolated in d^(-2/3) (the scale of the Tracy-Widom law), are at the edges."""
    for i, end in enumerate(("smallest", "largest")):
        each = mean(richardson([sample[:, i] for sample in samples], ratio=2 ** (2 / 3))[0])
        _, correction = richardson([sample[:, i].mean() for sample in samples], ratio=2 ** (2 / 3))
        because = f"{each.reason} of their extrapolations in d^(-2/3), and the last correction of the means'"
        tolerance = each.half_width + correction
        yield equal(f"{name}: {end} singular value", each.value, edges[i], tolerance=tolerance, because=because)
