"""The energy of a random start: its exact mean and variance for every number of neurons."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from scipy import integrate, stats
from torch import Tensor, nn

from experiments.methods.orthogonal.parametrisations import energies
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import mean
from theory.claims.legacy import equal, rate, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.orthogonal import energy

BATCH = 10_000  # draws whose distances are held at once
CASES = ((12, 2, 0), (6, 3, 0), (3, 6, 0.5), (8, 9, 1), (10, 16, 1), (6, 20, 2))  # N, d, s: all with 6 s < d - 1
PAIRS = ((2, 0), (2, 0.5), (3, 0), (3, 1), (4, 2), (5, 3), (16, 1), (16, 2), (100, 2))  # d, s
LAYER = 8  # inputs of the layers that figure 10 shows


@claim(
    "liu2021.energy_at_random_start",
    source="Liu et al. 2021, energy of a Gaussian start, made exact at every width",
    statement=r"\mathbb{E}\,E_s = N(N-1)\,\mu_s(d),\quad \mathrm{Var}\,E_s = 2N(N-1)\,(\mu_{2s} - \mu_s^2)",
    hypotheses=("neurons independent, zero-mean, isotropic", "s < d - 1 for the mean, 2 s < d - 1 for the variance"),
    controls=(
        "nn.Linear's own start, d = 3",
        "Gaussian with mean 1",
        "Gaussian four times as wide in half the coordinates",
        "variance of unordered pairs",
    ),
)
def random_starts_have_a_known_energy(study: Study) -> Iterator[Check | Curves]:
    yield _quadrature()
    draws = study.pick(smoke=60_000, quick=120_000, paper=600_000)
    for N, d, s in CASES:
        E = _draw(study, f"isotropic {N} {d} {s}", draws, (N, d), s)
        yield _mean_is(f"mean, N = {N}, d = {d}, s = {s:g}", E, N, d, s)
        squares, exact = mean((E - energy.mean_energy(N, d, s)) ** 2), energy.variance_energy(N, d, s)
        yield rate(f"variance, N = {N}, d = {d}, s = {s:g}", squares, exact, excludes=(0.9 * exact, 1.1 * exact))
    unordered = rate("half the variance", squares, exact / 2, excludes=(0,))
    yield refuted("variance of unordered pairs", unordered)
    yield from _starts_that_are_not_isotropic(study, draws)
    yield _layers_of_figure_10(study)


def _quadrature() -> Check:
    values, errors = np.transpose([integrate.quad(partial(_density, d, s), 0, np.pi / 2) for d, s in PAIRS])
    because = "the quadrature's own error estimate and a thousand roundings; cases with s up to d - 1.5"
    exact = [energy.mean_of_pair(d, s) for d, s in PAIRS]
    return equal("mu_s(d) against quadrature", values, exact, tolerance=errors + 1e3 * EPS, because=because)


def _density(d: int, s: float, angle: float) -> float:
    """f_s(z) times the density of the half angle: z = 2 sin, sin^2 is Beta((d - 1)/2, (d - 1)/2)."""
    u = np.sin(angle) ** 2
    return float(energy.kernel(4 * u, s) * stats.beta((d - 1) / 2, (d - 1) / 2).pdf(u) * np.sin(2 * angle))


def gaussian(rng: np.random.Generator, shape: tuple[int, int, int]) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape))


def _linear(rng: np.random.Generator, shape: tuple[int, int, int]) -> Tensor:
    """Weights as nn.Linear makes them: uniform in a cube, which is not isotropic."""
    draws, N, d = shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**32)))
        return nn.Linear(d, draws * N, bias=False, dtype=torch.float64).weight.detach().view(shape)


def _shifted(rng: np.random.Generator, shape: tuple[int, int, int]) -> Tensor:
    return gaussian(rng, shape) + 1


def _stretched(rng: np.random.Generator, shape: tuple[int, int, int]) -> Tensor:
    W = gaussian(rng, shape)
    W[..., : shape[-1] // 2] *= 4
    return W


def _draw(study: Study, name: str, draws: int, size: tuple[int, int], s: float, start=gaussian) -> Array:
    """E_s of `draws` independent layers of size (N, d)."""
    rng = study.rng(name)
    counts = [min(BATCH, draws - done) for done in range(0, draws, BATCH)]
    return np.concatenate([energies(start(rng, (n, *size)).to(study.device), s).cpu().numpy() for n in counts])


def _mean_is(name: str, E: Array, N: int, d: int, s: float) -> Check:
    exact = energy.mean_energy(N, d, s)
    wrong = 0.1 * max(abs(exact), np.sqrt(energy.variance_energy(N, d, s)))
    return rate(name, mean(E), exact, excludes=(exact - wrong, exact + wrong))


def _starts_that_are_not_isotropic(study: Study, draws: int) -> Iterator[Check]:
    for name, start, N, d, s in (
        ("nn.Linear's own start, d = 3", _linear, 12, 3, 0),
        ("Gaussian with mean 1", _shifted, 10, 16, 1),
        ("Gaussian four times as wide in half the coordinates", _stretched, 10, 16, 1),
    ):
        yield refuted(name, _mean_is(name, _draw(study, name, draws, (N, d), s, start), N, d, s))


def _layers_of_figure_10(study: Study) -> Curves:
    widths = np.array([2, 3, 5, 9, 16, 32, 64, 128, 256])
    dense = np.union1d(widths, np.geomspace(2, 256, 60).round())
    return curves(
        start_inputs=LAYER,
        start_widths=widths,
        start_energy=[_draw(study, f"layer {N}", 24, (int(N), LAYER), 1) for N in widths],
        mean_widths=dense,
        start_mean=[energy.mean_energy(int(N), LAYER, 1) for N in dense],
        start_variance=[energy.variance_energy(int(N), LAYER, 1) for N in dense],
    )
