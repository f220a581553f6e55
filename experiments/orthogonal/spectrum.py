"""Singular values of normalised random neurons: exact moments at every width, edges for many neurons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.orthogonal.layers import gaussian
from theory.claims import RECONSTRUCTED, Check, Curves, Measured, Study, Tolerance, by_chance, claim, measured, varies
from theory.claims.estimates import mean, richardson
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.orthogonal import asymptotics


@dataclass(frozen=True)
class Sizes:
    """Of layers, and how many are drawn.

    The half-width of an extrapolated edge is 0.005 in quick: 5 % of lambda move it by 0.012.
    """

    inputs: int = varies(
        "d of the smallest of three layers, each twice the one before", 64, paper=128, low=32, high=128
    )
    neurons: int = varies("N of the smallest: lambda = N / d", 16, paper=32, low=8, high=64)
    runs: int = varies("layers of each size", 8000, smoke=1500, low=1500, high=20_000)
    draws: int = varies("layers of 5 neurons of 4 inputs", 100_000, smoke=40_000, paper=400_000, low=40_000, high=10**6)

    def __post_init__(self) -> None:
        if not 0.1 <= self.ratio <= 0.5:
            reject("neurons", self.neurons, f"a tenth to a half of the {self.inputs} inputs")

    @property
    def ratio(self) -> float:
        """lambda."""
        return self.neurons / self.inputs


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
    parameters=Sizes,
)
def random_starts_have_a_known_spectrum(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _moments(study, sizes.draws)
    ratio, layers = sizes.ratio, [(sizes.neurons << k, sizes.inputs << k) for k in range(3)]
    found = [_extremes(study, d, N, sizes.runs) for N, d in layers]
    for i, name in enumerate(("smallest", "largest")):
        edge = _extrapolated(name, layers, [each[:, i] for each in found])
        yield edge.equals(lambda k: asymptotics.spectral_edges(k * ratio)[i])  # noqa: B023
    yield edge.control("edges of 1.2 lambda").equals(asymptotics.spectral_edges(1.2 * ratio)[1])
    most = asymptotics.spectral_edges(ratio)[1]
    yield _mean_of_largest(found[-1][:, 1]).at_most(most)
    shape = 100, *layers[-1]
    shifted = 1 + gaussian(study.rng("shifted"), shape).to(study.device)
    beyond = _mean_of_largest(_singular_values(shifted)[:, -1])
    yield beyond.control("Gaussian with mean 1: largest singular value").at_most(most)


def _mean_of_largest(values: Array) -> Measured:
    within = by_chance(mean(values), "the mean lies below the edge at finite d")
    return measured("largest singular value", values.mean(), within=within)


def _moments(study: Study, draws: int) -> Iterator[Check]:
    """As functions of 1 / d, which is lambda over N."""
    N, d = 5, 4
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


def _extrapolated(end: str, layers: Sequence[tuple[int, int]], values: list[Array]) -> Measured:
    """Mean at three doublings of d, Tracy and Widom's mean taken out, what is left extrapolated in 1 / d."""
    i = ("smallest", "largest").index(end)
    N, d = layers[0]
    edge = asymptotics.spectral_edges(N / d)[i]
    inside = [edge - asymptotics.soft_edges(N, d)[i] for N, d in layers]
    centred = [each + shift for each, shift in zip(values, inside)]
    each = mean(richardson(centred)[0])
    _, correction = richardson([value.mean() for value in centred])
    within = by_chance(each, "extrapolated in 1 / d") + Tolerance(correction, "last correction of the means")
    return measured(f"{end} singular value", each.value, within=within, case="edges")
