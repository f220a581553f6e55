"""One mode with a finite step: identities against steps taken here, laws against simulation, limits, refusals."""

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from theory.core.validation import InvalidArgument
from theory.imbalance import finite_step

few = settings(max_examples=25, deadline=None)
modes = st.tuples(st.integers(0, 10**6), st.integers(1, 5), st.floats(0.2, 5), st.floats(0.05, 1.95))


def drawn(mode: tuple[int, int, float, float]) -> tuple[np.ndarray, np.ndarray, float, float]:
    """u, v of 4 runs, y and eta."""
    seed, h, y, a = mode
    u, v = np.random.default_rng(seed).standard_normal((2, 4, h)) * np.sqrt(y)
    return u, v, y, a / y


def stepped(u: np.ndarray, v: np.ndarray, y: float, eta: float) -> tuple[np.ndarray, np.ndarray, float, float]:
    E = finite_step.scaled_error(u, v, y, eta)[:, None]
    return u - E * v, v - E * u, y, eta


@few
@given(modes)
def test_a_step_moves_as_it_says(mode: tuple[int, int, float, float]) -> None:
    before = drawn(mode)
    after = stepped(*before)
    F = finite_step.ellipse(*after)
    assert finite_step.ellipse_after_step(*before) == pytest.approx(F, rel=1e-9, abs=1e-9)
    left = (after[0] ** 2 - after[1] ** 2).sum(-1)
    size = (after[0] ** 2 + after[1] ** 2).sum()
    assert finite_step.imbalance_after_step(*before) == pytest.approx(left, rel=1e-9, abs=1e-12 * size)
    assert ((F > 1) == (finite_step.ellipse(*before) > 1)).all()


def test_the_law_of_the_ellipse_in_symbols() -> None:
    """W = q - 4 - a E = (4 - a^2) (F - 1) is multiplied by 1 + E P, at any a; so is nothing else of its form."""
    P, q, a = sympy.symbols("P q a")
    E = P - a
    after_P, after_q = (1 + E**2) * P - E * q, (1 + E**2) * q - 4 * E * P
    for constant, left in ((4, 0), (5, 1)):
        W = q - constant - a * E
        rest = sympy.expand(after_q - constant - a * (after_P - a) - (1 + E * P) * W)
        assert (rest != 0) == left


@few
@given(modes)
def test_on_the_edge_a_step_triples_the_angle(mode: tuple[int, int, float, float]) -> None:
    u, v, y, eta = drawn(mode)
    onto = 1 / np.sqrt(finite_step.ellipse(u, v, y, eta))[:, None]
    edge = onto * u, onto * v, y, eta
    angle = finite_step.edge_angle(*edge)
    assert finite_step.edge_angle(u, v, y, eta) == pytest.approx(angle, rel=1e-9)
    errors = finite_step.edge_errors(angle, np.arange(3))
    close = {"rel": 1e-6, "abs": 1e-8 / (2 - eta * y) ** 2}
    assert finite_step.scaled_error(*edge) == pytest.approx(errors[0], **close)
    assert errors[1] == pytest.approx(errors[0] ** 3 - 3 * errors[0], **close)
    assert finite_step.scaled_error(*stepped(*edge)) == pytest.approx(errors[1], **close)


@few
@given(st.floats(0, 2))
def test_the_edge_repels_at_the_mean_of_its_factor(a: float) -> None:
    theta = (np.arange(20_000) + 0.5) * np.pi / 20_000
    E = 2 * np.cos(theta)
    mean = np.log(np.maximum(1 + a * E + E**2, 1e-300)).mean()
    assert finite_step.edge_repulsion(a) == pytest.approx(mean, abs=2e-4)


def test_what_the_edge_repels_at_in_closed_form() -> None:
    assert finite_step.edge_repulsion(0) == pytest.approx(2 * np.log((1 + np.sqrt(5)) / 2), rel=1e-14)
    assert finite_step.edge_repulsion(1.5) == pytest.approx(np.log(2), rel=1e-14)
    assert finite_step.edge_repulsion(2) == 0
    near = 1e-12  # (2 x)^(1/2) of x = (2 - a) (2 + a) / 6
    assert finite_step.edge_repulsion(2 - near) == pytest.approx(np.sqrt(2 * (2 - (2 - near)) * 4 / 6), rel=1e-6)


@few
@given(modes, st.sampled_from([1e-120, 1.0, 1e70]))
def test_the_critical_learning_rate_is_where_the_ellipse_is(mode: tuple[int, int, float, float], unit: float) -> None:
    """Up to the cap 1 / y; in other units, u c, v c, y c^2, as much smaller."""
    u, v, y, _ = drawn(mode)
    eta = finite_step.critical_learning_rate(u, v, y)
    F = finite_step.ellipse(u, v, y, eta)
    capped = eta * y > 1 - 1e-12
    assert F[~capped] == pytest.approx(np.ones((~capped).sum()), rel=1e-9)
    assert (F[capped] <= 1 + 1e-9).all()
    scaled = finite_step.critical_learning_rate(unit * u, unit * v, y * unit**2)
    assert scaled * unit**2 == pytest.approx(eta, rel=1e-9)


def test_critical_learning_rates_at_limits() -> None:
    zero, far = np.zeros((1, 2)), np.array([[300.0, 0.0]])
    assert finite_step.critical_learning_rate(zero, zero, 2.0) == pytest.approx([0.5])
    across = finite_step.critical_learning_rate(far, far[:, ::-1], 1e-6)
    assert across * 2 * 300.0**2 == pytest.approx([4.0], rel=1e-10)
    assert finite_step.critical_learning_rate(far, far, 1e-6) * 300.0**2 == pytest.approx([2.0], rel=1e-6)


@few
@given(st.sampled_from([1, 2, 3, 7, 40, 10**6]), st.floats(0.3, 1.6), st.floats(0.3, 3), st.floats(0.05, 1.95))
def test_chances_are_areas_of_the_ellipse(h: int, spread: float, y: float, a: float) -> None:
    """At h = 2 both squares are exponential: 1 - (A e^(-1/A) - B e^(-1/B)) / (A - B), A and B their means."""
    eta = a / y
    tau = spread * float(np.sqrt((4 - a * a) / (2 * h * eta)))
    found = finite_step.chance_inside(h, tau, y, eta)
    assert 0 <= found <= 1
    if h == 2:
        A, B = (eta * tau**2 / (2 + sign * a) for sign in (1, -1))
        exact = 1 - (A * np.exp(-1 / A) - B * np.exp(-1 / B)) / (A - B)
        assert found == pytest.approx(exact, rel=1e-9, abs=1e-13)
    if h == 1:
        radius = lambda phi: 2 / (eta * tau**2) / (np.cos(phi) ** 2 / (2 + a) + np.sin(phi) ** 2 / (2 - a))  # noqa: E731
        exact = quad(lambda phi: -np.expm1(-radius(phi) / 2), 0, np.pi / 2, epsabs=1e-12)[0] / (np.pi / 2)
        assert found == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_what_has_no_ellipse_is_refused() -> None:
    u = np.ones((1, 2))
    for call, line in (
        (lambda: finite_step.ellipse(u, u, 1.0, 2.0), r"eta y = 2.0: expected a number in \[0, 2\)"),
        (lambda: finite_step.ellipse(u, u, 1.0, 0.0), r"eta = 0.0: expected a number in \(0, inf\)"),
        (lambda: finite_step.scaled_error(u, u, -1.0, 1.0), r"y = -1.0: expected a number in \(0, inf\)"),
        (lambda: finite_step.edge_angle(0 * u, 0 * u, 1.0, 1.0), r"\(u, v\) = all 0 .*: expected weights of which"),
        (
            lambda: finite_step.edge_errors(np.ones(1), np.array([34])),
            r"steps\[0\] = 34.0: expected a number in \[0, 33",
        ),
        (lambda: finite_step.chance_inside(0, 1.0, 1.0, 1.0), "h = 0: expected a whole number of at least 1"),
        (lambda: finite_step.edge_repulsion(2.1), r"a = 2.1: expected a number in \[0, 2\]"),
    ):
        with pytest.raises(InvalidArgument, match=line):
            call()
