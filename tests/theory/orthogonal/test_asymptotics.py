"""Many neurons: bounds, close pairs and triples, moments and edges by other means; errors."""

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from theory.core.validation import InvalidArgument
from theory.orthogonal import asymptotics


def test_asymptotic_minimality_is_asked_of_d_and_s() -> None:
    assert asymptotics.asymptotically_minimal(4, 2.9)
    assert not asymptotics.asymptotically_minimal(4, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: asymptotics.spectral_edges(1.0), r"ratio = 1.0: expected a number in \(0, 1\)"),
        (lambda: asymptotics.smeared_potential(3.0), r"r = 3.0: expected a number in \[0, 2\]"),
        (lambda: asymptotics.least_energy_bound(3, 0.0), r"r = 0\.0"),
        (lambda: asymptotics.close_pairs(1), r"d = 1: expected a number in \[2, inf\)"),
        (lambda: asymptotics.close_triples(2), r"d = 2: expected a number in \[3, 100\]"),
    ],
)
def test_errors_name_the_argument(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()


@pytest.mark.parametrize("r", [0.7, 1.3])
def test_the_potential_of_a_smeared_charge_is_a_mean_over_the_sphere(r: float) -> None:
    # At distance z points of the unit sphere have the density z / 2; within r the potential of the charge is 1 / r.
    mean = integrate.quad(lambda z: min(1 / r, 1 / z) * z / 2, 0, 2, points=[r])[0]
    assert asymptotics.smeared_potential(r) == pytest.approx(mean)


def test_the_bound_at_a_radius_and_at_the_best_one() -> None:
    assert asymptotics.least_energy_bound(7, 0.4) == pytest.approx(49 * (1 - 0.4 / 2) - 7 / 0.4)
    for N in (7, 31):
        best = optimize.minimize_scalar(lambda r: -asymptotics.least_energy_bound(N, r), bounds=(0.01, 1.5))  # noqa: B023
        assert asymptotics.least_energy_best_bound(N) == pytest.approx(-best.fun)


@pytest.mark.parametrize("d", [2, 3, 4, 7])
def test_close_pairs_are_those_of_the_beta_law(d: int) -> None:
    z = 1e-3
    share = stats.beta((d - 1) / 2, (d - 1) / 2).cdf(z**2 / 4)
    assert asymptotics.close_pairs(d) == pytest.approx(share / z ** (d - 1), rel=1e-5)


def test_close_triples_by_fourier_transforms() -> None:
    """The integral of f(x) f(y) f(x - y) is that of the cube of the transform of f."""
    r = np.concatenate([np.linspace(1e-3, 10, 4000), np.geomspace(10.01, 300, 3000)])
    k = np.linspace(1e-3, 14, 500)
    plane = np.expm1(-2 * r**-4.0) * r
    transform = np.array([2 * np.pi * integrate.simpson(plane * special.j0(each * r), x=r) for each in k])
    triangles = integrate.simpson(transform**3 * k, x=k) / (2 * np.pi)
    assert asymptotics.close_triples(3) == pytest.approx(-triangles / (6 * (4 * np.pi) ** 2), rel=1e-4)
    space = np.expm1(-2 * r**-6.0) * r
    transform = np.array([4 * np.pi / each * integrate.simpson(space * np.sin(each * r), x=r) for each in k])
    triangles = integrate.simpson(transform**3 * k**2, x=k) / (2 * np.pi**2)
    assert asymptotics.close_triples(4) == pytest.approx(-triangles / (6 * (2 * np.pi**2) ** 2), rel=1e-4)


def test_the_law_of_heavy_energies_is_levys() -> None:
    N, d = 5, 3
    law = asymptotics.heavy_tailed_energy(N, d)
    shift = 5 * 4 * 3 * asymptotics.close_triples(d)
    # Levy's median is its scale over the square of the normal law's third quartile; ten pairs, a quarter z^2 each.
    median = np.pi * (10 / 4) ** 2 / stats.norm.ppf(0.75) ** 2
    assert law.median() == pytest.approx(shift + median)
    assert law.support()[0] == pytest.approx(shift)


@pytest.mark.parametrize(("N", "d"), [(3, 2), (4, 3), (3, 4)])
def test_moments_of_the_spectrum_over_a_design(N: int, d: int) -> None:
    """The axes and their negatives have the second moments of the sphere, and the traces are of second degree."""
    axes = np.concatenate([np.eye(d), -np.eye(d)])
    W = axes[np.stack(np.meshgrid(*[np.arange(2 * d)] * N), -1).reshape(-1, N)]
    s = np.linalg.eigvalsh(W @ W.mT)
    moments = [(s**k).sum(-1).mean() for k in (1, 2, 3)]
    assert asymptotics.spectral_moments(N, d) == pytest.approx(moments)


def test_edges_of_the_spectrum() -> None:
    assert asymptotics.spectral_edges(0.25) == pytest.approx([0.5, 1.5])
    assert asymptotics.spectral_edges(0.09) == pytest.approx([0.7, 1.3])


def test_soft_edges_lie_inside_by_johnstones_scale() -> None:
    N, d = 36, 100
    for sign, soft in zip((-1, 1), asymptotics.soft_edges(N, d)):
        centre = (10 + sign * 6) ** 2
        scale = np.sqrt(centre) * np.cbrt(1 / 6 + sign / 10)
        assert d * soft**2 == pytest.approx(centre - sign * 1.2065335745820 * scale)


def test_soft_edges_are_those_of_drawn_neurons() -> None:
    W = np.random.default_rng(0).standard_normal((100, 64, 256))
    W /= np.linalg.norm(W, axis=-1, keepdims=True)
    s = np.linalg.svd(W, compute_uv=False)[:, [-1, 0]].mean(0)
    left = np.abs(s - asymptotics.soft_edges(64, 256))
    assert (left < 0.5 * np.abs(s - asymptotics.spectral_edges(0.25))).all()
