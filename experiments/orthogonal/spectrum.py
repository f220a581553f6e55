"""Singular values of normalised random neurons: exact moments at every width, edges for many neurons."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from experiments.orthogonal.layers import gaussian
from theory.claims import RECONSTRUCTED, Check, Curves, Measured, Study, Tolerance, by_chance, claim, measured
from theory.claims.estimates import mean, richardson
from theory.core.arrays import Array
from theory.orthogonal import asymptotics

RATIO = 0.25  # N / d


@claim(
    "liu2021.spectrum",
    source="Liu et al. 2021 (AISTATS), Theorem on the singular values of normalised Gaussian neurons; OPT keeps them",
    source_kind=RECONSTRUCTED,
    statement=r"N / d \to \lambda < 1 \Rightarrow s(W) \subset [1 - \sqrt\lambda, 1 + \sqrt\lambda],\quad"
    r" \mathbb{E}\,\mathrm{tr}\,G^2 = N + \tfrac{N(N-1)}{d},\quad"
    r" \mathbb{E}\,\mathrm{tr}\,G^3 = N + \tfrac{3 N(N-1)}{d} + \tfrac{N(N-1)(N-2)}{d^2}",
    hypotheses=(
        "W of N neurons of d inputs, independent, zero-mean, isotropic, normalised",
        "s(W) the singular values, G = W^T W; E s_max lies below the edge at every d",
    ),
    theory_side="law",
    controls=(
        "Gaussian with mean 1: largest singular value",
        "edges of 1.2 lambda",
        "second moment of 1.05 lambda",
    ),
)
def random_starts_have_a_known_spectrum(study: Study) -> Iterator[Check | Curves]:
    yield from _moments(study)
    sizes = study.pick(smoke=(64, 128, 256), quick=(64, 128, 256), paper=(128, 256, 512))
    # The half-width of an extrapolated edge is 0.005 in quick: 5 % of lambda move it by 0.012.
    runs = study.pick(smoke=1500, quick=8000, paper=8000)
    found = [_extremes(study, d, round(RATIO * d), runs) for d in sizes]
    for i, name in enumerate(("smallest", "largest")):
        edge = _extrapolated(name, sizes, [each[:, i] for each in found])
        yield edge.equals(lambda k: asymptotics.spectral_edges(k * RATIO)[i])  # noqa: B023
    yield edge.control("edges of 1.2 lambda").equals(asymptotics.spectral_edges(1.2 * RATIO)[1])
    most = asymptotics.spectral_edges(RATIO)[1]
    yield _mean_of_largest(found[-1][:, 1]).at_most(most)
    shape = 100, round(RATIO * sizes[-1]), sizes[-1]
    shifted = 1 + gaussian(study.rng("shifted"), shape).to(study.device)
    beyond = _mean_of_largest(_singular_values(shifted)[:, -1])
    yield beyond.control("Gaussian with mean 1: largest singular value").at_most(most)


def _mean_of_largest(values: Array) -> Measured:
    within = by_chance(mean(values), "the mean lies below the edge at finite d")
    return measured("largest singular value", values.mean(), within=within)


def _moments(study: Study) -> Iterator[Check]:
    """As functions of 1 / d, which is lambda over N."""
    N, d = 5, 4
    draws = study.pick(smoke=40_000, quick=100_000, paper=400_000)
    s = _singular_values(gaussian(study.rng("moments"), (draws, N, d)).to(study.device))
    for k in (2, 3):
        drawn = mean((s ** (2 * k)).sum(-1))
        moment = measured(f"E tr G^{k}", drawn.value, within=by_chance(drawn))
        yield moment.equals(lambda factor: asymptotics.spectral_moments(N, d / factor)[k - 1])  # noqa: B023
        if k == 2:
            yield moment.control("second moment of 1.05 lambda").equals(asymptotics.spectral_moments(N, d / 1.05)[1])


def _singular_values(W: Tensor) -> Array:
    """Of normalised neurons (runs, N, d), N <= d or not, increasing: roots of the eigenvalues of their cosines."""
    neurons = W / W.norm(dim=-1, keepdim=True)
    return torch.linalg.eigvalsh(neurons @ neurons.mT).clamp(min=0).sqrt().cpu().numpy()


def _extremes(study: Study, d: int, N: int, runs: int) -> Array:
    """Smallest and largest singular value (runs, 2) of random starts."""
    rng = study.rng("edges", d)
    s = [_singular_values(gaussian(rng, (100, N, d)).to(study.device)) for _ in range(runs // 100)]
    return np.concatenate(s)[:, [0, -1]]


def _extrapolated(end: str, sizes: Sequence[int], values: list[Array]) -> Measured:
    """Mean at three doublings of d, Tracy and Widom's mean taken out, what is left extrapolated in 1 / d."""
    i = ("smallest", "largest").index(end)
    edge = asymptotics.spectral_edges(RATIO)[i]
    inside = [edge - asymptotics.soft_edges(round(RATIO * d), d)[i] for d in sizes]
    centred = [each + shift for each, shift in zip(values, inside)]
    each = mean(richardson(centred)[0])
    _, correction = richardson([value.mean() for value in centred])
    within = by_chance(each, "extrapolated in 1 / d") + Tolerance(correction, "last correction of the means")
    return measured(f"{end} singular value", each.value, within=within, case="edges")
