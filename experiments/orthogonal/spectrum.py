"""Singular values of normalised random neurons: exact moments at every width, edges for many neurons."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from experiments.orthogonal.layers import gaussian
from theory.claims import Check, Curves, Measured, Study, Tolerance, claim, measured, rate
from theory.claims.estimates import mean, richardson
from theory.core.arrays import Array
from theory.orthogonal import asymptotics

RATIO = 0.25  # N / d


@claim(
    "liu2021.spectrum",
    source="Liu et al. 2021 (AISTATS), Theorem on the singular values of normalised Gaussian neurons; OPT keeps them",
    statement=r"N / d \to \lambda < 1 \Rightarrow s(W) \subset [1 - \sqrt\lambda, 1 + \sqrt\lambda],\quad"
    r" \mathbb{E}\,\mathrm{tr}\,G^2 = N + \tfrac{N(N-1)}{d}",
    hypotheses=("neurons independent, zero-mean, isotropic, normalised",),
    theory_side="law",
    controls=("Gaussian with mean 1: largest singular value", "edges of 2 lambda", "second moment without N / d"),
)
def random_starts_have_a_known_spectrum(study: Study) -> Iterator[Check | Curves]:
    yield from _moments(study)
    sizes = study.pick(smoke=(64, 128, 256), quick=(64, 128, 256), paper=(128, 256, 512))
    runs = study.pick(smoke=1000, quick=2000, paper=2000)
    found = [_extremes(study, d, round(RATIO * d), runs) for d in sizes]
    edges, wrong = asymptotics.spectral_edges(RATIO), asymptotics.spectral_edges(2 * RATIO)
    smallest, largest = (
        _extrapolated(name, [each[:, i] for each in found]) for i, name in enumerate(("smallest", "largest"))
    )
    yield smallest.equals(edges[0])
    yield largest.equals(edges[1])
    yield largest.control("edges of 2 lambda").equals(wrong[1])
    yield _mean_of_largest(found[-1][:, 1]).at_most(edges[1])
    shape = 100, round(RATIO * sizes[-1]), sizes[-1]
    shifted = 1 + gaussian(study.rng("shifted"), shape).to(study.device)
    beyond = _mean_of_largest(_singular_values(shifted)[:, -1])
    yield beyond.control("Gaussian with mean 1: largest singular value").at_most(edges[1])


def _mean_of_largest(values: Array) -> Measured:
    because = "the mean lies below the edge at finite d; slack is its Student interval"
    return measured("largest singular value", values.mean(), within=Tolerance(mean(values).half_width, because))


def _moments(study: Study) -> Iterator[Check]:
    N, d = 5, 4
    draws = study.pick(smoke=40_000, quick=100_000, paper=400_000)
    s = _singular_values(gaussian(study.rng("moments"), (draws, N, d)).to(study.device))
    _, second, third = asymptotics.spectral_moments(N, d)
    for k, exact in ((2, second), (3, third)):
        yield rate(f"E tr G^{k}", mean((s ** (2 * k)).sum(-1))).equals(exact, excludes=(0.95 * exact, 1.05 * exact))
    short = rate("E tr G^2", mean((s**4).sum(-1))).control("second moment without N / d")
    yield short.equals(N, excludes=(0,))


def _singular_values(W: Tensor) -> Array:
    """Of normalised neurons (runs, N, d), N <= d or not, increasing: roots of the eigenvalues of their cosines."""
    neurons = W / W.norm(dim=-1, keepdim=True)
    return torch.linalg.eigvalsh(neurons @ neurons.mT).clamp(min=0).sqrt().cpu().numpy()


def _extremes(study: Study, d: int, N: int, runs: int) -> Array:
    """Smallest and largest singular value (runs, 2) of random starts."""
    rng = study.rng("edges", d)
    s = [_singular_values(gaussian(rng, (100, N, d)).to(study.device)) for _ in range(runs // 100)]
    return np.concatenate(s)[:, [0, -1]]


def _extrapolated(end: str, values: list[Array]) -> Measured:
    """Mean at three doublings of d, extrapolated in d^(-2/3), the scale of the Tracy-Widom law."""
    ratio = 2 ** (2 / 3)
    each = mean(richardson(values, ratio=ratio)[0])
    _, correction = richardson([value.mean() for value in values], ratio=ratio)
    because = f"{each.reason} of their extrapolations in d^(-2/3), and the last correction of the means'"
    within = Tolerance(each.half_width + correction, because)
    return measured(f"{end} singular value", each.value, within=within, case="edges")
