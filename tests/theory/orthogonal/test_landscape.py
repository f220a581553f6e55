"""Critical points: how many, which index, for any singular values; the Hessian there by differences; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from theory.core.validation import InvalidArgument
from theory.orthogonal import landscape
from theory.orthogonal.procrustes import Component, LinearOPT, component, loss, random_problem, velocity

gaps = st.lists(st.floats(0.1, 2), min_size=2, max_size=6)


def chart(steps: list[float], sign: float) -> Component:
    s = np.cumsum(steps)[::-1].copy()
    s[-1] *= sign
    return Component(np.eye(len(s)), s, np.eye(len(s)))


@settings(deadline=None)
@given(gaps, st.sampled_from([1.0, -1.0]))
def test_the_index_counts_negative_rates_and_is_perfect(steps: list[float], sign: float) -> None:
    seen = chart(steps, sign)
    d = len(steps)
    index = landscape.index(seen)
    assert (index == (landscape.spectrum(seen) < 0).sum(-1)).all()
    assert (np.bincount(index, minlength=d * (d - 1) // 2 + 1) == landscape.poincare_polynomial(d)).all()
    assert len(index) == 2 ** (d - 1)
    assert (index == 0).sum() == 1


@settings(deadline=None)
@given(gaps, st.sampled_from([1.0, -1.0]))
def test_heights_and_rotations(steps: list[float], sign: float) -> None:
    seen = chart(steps, sign)
    points = landscape.critical_points(seen)
    assert np.allclose(np.linalg.det(points), 1)
    heights = seen.s.sum() - np.einsum("pii,i->p", points, seen.s)
    assert np.allclose(landscape.excess_loss(seen), heights)
    assert landscape.excess_loss(seen).argmin() == 0


@pytest.mark.parametrize("s", [[2.0, 1.0, 1.0], [2.0, 1.0, 0.0], [2.0, 1.0, -1.0]])
def test_degenerate_singular_values_are_refused(s: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="distinct singular values"):
        landscape.critical_points(Component(np.eye(3), np.array(s), np.eye(3)))


def test_a_batch_is_refused() -> None:
    many = Component(np.eye(2)[None], np.array([[2.0, 1.0]]), np.eye(2)[None])
    with pytest.raises(InvalidArgument, match="one problem"):
        landscape.critical_points(many)


def test_dimensions_are_whole() -> None:
    with pytest.raises(InvalidArgument, match="d = 0"):
        landscape.signs(0)


def test_the_signs_are_all_those_of_product_one() -> None:
    assert landscape.signs(3).tolist() == [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    assert landscape.signs(1).tolist() == [[1]]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_points_are_critical_and_their_spectrum_is_half_the_hessian(sign: float) -> None:
    """The Hessian of the loss by differences along R exp(A), in the metric |dR|^2 = 2 sum dA_ij^2."""
    problem = random_problem(np.random.default_rng(1), np.array([1.9, 1.2, 0.5]), N=4, n=5)
    one = LinearOPT(problem.X[0], problem.Y[0], problem.W0[0])
    seen = component(one, np.diag([1.0, 1.0, sign]))
    basis = np.zeros((3, 3, 3))
    for k, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        basis[k, i, j], basis[k, j, i] = 1, -1
    h = 1e-3
    for R, spectrum, index, height in zip(
        landscape.critical_points(seen), landscape.spectrum(seen), landscape.index(seen), landscape.excess_loss(seen)
    ):
        assert np.linalg.det(R) == pytest.approx(sign)
        assert np.allclose(velocity(one, R), 0, atol=1e-12)
        near = lambda x: float(loss(one, R @ linalg.expm(np.tensordot(x, basis, 1))))  # noqa: B023, E731
        e = h * np.eye(3)
        hessian = [[(near(a + b) - near(a - b) - near(b - a) + near(-a - b)) / (4 * h**2) for a in e] for b in e]
        assert np.linalg.eigvalsh(hessian) / 2 == pytest.approx(spectrum, abs=1e-5)
        assert index == (np.linalg.eigvalsh(hessian) < 0).sum()
        assert near(np.zeros(3)) - float(loss(one, seen.optimum)) == pytest.approx(height)


def test_coefficients_of_the_polynomial() -> None:
    assert landscape.poincare_polynomial(1).tolist() == [1]
    assert landscape.poincare_polynomial(4).tolist() == [1, 1, 1, 2, 1, 1, 1]  # (1 + z) (1 + z^2) (1 + z^3)


def test_how_distinct_singular_values_have_to_be() -> None:
    for gap, fails in ((3e-12, False), (1e-12, True)):
        near = Component(np.eye(2), np.array([2.0, 2.0 - gap]), np.eye(2))
        if fails:
            with pytest.raises(InvalidArgument, match="distinct"):
                landscape.critical_points(near)
        else:
            assert landscape.critical_points(near).shape == (2, 2, 2)
