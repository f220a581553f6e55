"""The minimal model: against Riccati's formula, digits of mpmath, the velocity, and the limits of strong imbalances."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.imbalance import minimal_model as model
from theory.imbalance.closed_forms import riccati_gram

few = settings(max_examples=30, deadline=None)
numbers = st.floats(-2, 2).map(lambda x: x if abs(x) > 1e-3 else 0.3)
states = st.lists(numbers, min_size=4, max_size=4).map(np.array)
targets = st.lists(numbers, min_size=3, max_size=3).map(np.array)
T = np.array([0.0, 0.3, 2.0, np.inf])


@few
@given(targets, states, st.sampled_from([1e-60, 1e-3, 1.0, 1e3, 1e60]))
def test_it_is_riccatis_formula_with_a_sign(y: Array, Z: Array, unit: float) -> None:
    """Units of the weights are the root of those of the targets, and of 1 / time."""
    y, Z, t = unit * y, np.sqrt(unit) * Z, T / unit
    G = riccati_gram(y[:, None], float(model.imbalance(y, Z)), Z[:, None], t)
    found = model.solution(y, Z, t)
    assert found[:, :, None] * found[:, None] == pytest.approx(G, rel=1e-7, abs=1e-7 * unit)
    assert found[0] == pytest.approx(Z, rel=1e-12)
    assert model.imbalance(y, found) == pytest.approx(model.imbalance(y, Z), rel=1e-7, abs=1e-7 * unit)
    again = model.solution(y, model.solution(y, Z, 0.2 / unit), 0.1 / unit)
    assert again == pytest.approx(found[1], rel=1e-8, abs=1e-8 * np.sqrt(unit))


@few
@given(targets, states)
def test_it_moves_as_the_gradient_says(y: Array, Z: Array) -> None:
    step = 1e-5
    ahead, behind = (model.solution(y, Z, t) for t in (2 * step, 0.0))
    middle = model.solution(y, Z, step)
    a, w = middle[0], middle[1:]
    velocity = np.append(y @ w - a * (w @ w), a * (y - a * w))
    assert (ahead - behind) / (2 * step) == pytest.approx(velocity, rel=1e-4, abs=1e-5)


@few
@given(targets, states)
def test_the_tangent_is_that_of_the_angle_and_the_sign_decides(y: Array, Z: Array) -> None:
    path = model.solution(y, Z, T[:3])
    angle, tangent = model.angle(y, path), model.tangent(y, Z, T[:3])
    assert np.abs(np.cos(angle)) == pytest.approx(1 / np.hypot(1, tangent), abs=1e-7)
    assert (tangent * np.cos(angle) >= 0).all()
    if abs(model.separation(y, Z)) > 1e-3:
        end = model.solution(y, Z, np.inf)
        assert np.sign(end[0]) == np.sign(model.separation(y, Z))
        assert model.loss(y, end) == pytest.approx(0, abs=1e-12)
        assert np.sin(model.angle(y, end)) == pytest.approx(0, abs=1e-9)


@few
@given(targets, st.floats(0.2, 3), st.floats(0.1, 0.9), st.sampled_from([-1.0, 1.0]))
def test_starts_on_the_surface_end_at_half_the_squared_targets(y: Array, a: float, share: float, sign: float) -> None:
    s, along = np.linalg.norm(y), -share * a * sign
    across = np.cross(y, [0.3, -0.7, 1.1])
    across *= model.separating_length(y, sign * a, along) / np.linalg.norm(across)
    Z = np.append(sign * a, along * y / s + across)
    assert model.separation(y, Z) == pytest.approx(0, abs=1e-9 * (1 + a) * (1 + s) / share)
    lam = model.imbalance(y, Z)
    assert across @ across == pytest.approx(lam * (1 + a**2 / (np.hypot(s, lam / 2) + lam / 2)), rel=1e-9)
    late = model.solution(y, Z, 8 / np.hypot(s, lam / 2))
    assert model.loss(y, late) == pytest.approx(s**2 / 2, rel=1e-3)


def test_digits_against_mpmath() -> None:
    """e^(F t) and its integral, (e^(2 F t) - I) / (2 F), by 40 digits: upstream, downstream and nearly balanced."""
    y = np.array([1.1, -0.4])
    for Z in (np.array([0.2, 3.0, -1.0]), np.array([-3.0, 0.1, 0.4]), np.array([1.0, 0.6, 0.81])):
        with mpmath.workdps(40):
            state, t = mpmath.matrix(Z.tolist()), mpmath.mpf("1.7")
            lam = state[1] ** 2 + state[2] ** 2 - state[0] ** 2
            F = mpmath.matrix([[-lam / 2, y[0], y[1]], [y[0], lam / 2, 0], [y[1], 0, lam / 2]])
            grown = (mpmath.expm(2 * F * t) - mpmath.eye(3)) * (2 * F) ** -1
            total = 1 + (state.T * grown * state)[0]
            wanted = [float(each / mpmath.sqrt(total)) for each in mpmath.expm(F * t) * state]
        assert model.solution(y, Z, 1.7) == pytest.approx(wanted, rel=1e-12)


def test_upstream_the_loss_is_that_of_the_angle_up_to_a_known_excess() -> None:
    """lam >> s: above s^2/2 sin^2 by s^6 / (2 lam^4) sin^4 cos^2, to the next order in s / lam."""
    y, lam = np.array([0.9, 0.5, -0.7]), np.array([30.0, 60.0, 120.0])
    s, off = np.linalg.norm(y), []
    across = np.cross(y, [0.3, -0.7, 1.1])
    direction = 0.6 * y / s + 0.8 * across / np.linalg.norm(across)
    for each in lam:
        path = model.solution(y, np.append(0.2, np.sqrt(each + 0.04) * direction), np.linspace(0.5, 2, 9) * each / s**2)
        angle = model.angle(y, path)
        excess = model.loss(y, path) - s**2 / 2 * np.sin(angle) ** 2
        law = s**6 / (2 * each**4) * np.sin(angle) ** 4 * np.cos(angle) ** 2
        off.append(np.abs(excess / law - 1).max())
    assert off[1] < 0.01
    assert off[0] / off[1] == pytest.approx(4, rel=0.1)  # lam = 120: rounding of the loss shows


@few
@given(targets, st.floats(-2, 2))
def test_downstream_the_kernel_moves_as_one_over_the_imbalance(y: Array, w: float) -> None:
    """a^2 I + w w^T at the end less that at the start: |lam| times it tends to p p^T + |p|^2 I of the products."""
    moved = []
    for lam in (-400.0, -800.0):
        a = np.sqrt(w**2 / -lam - lam)
        start = np.append(a, w * np.array([0.6, 0.0, -0.8]) / np.sqrt(-lam))
        kernels = [z[0] ** 2 * np.eye(3) + np.outer(z[1:], z[1:]) for z in (start, model.solution(y, start, np.inf))]
        moved.append(-lam * (kernels[1] - kernels[0]))
    p, q = y, w * np.array([0.6, 0.0, -0.8])
    law = np.outer(p, p) - np.outer(q, q) + (p @ p - q @ q) * np.eye(3)
    assert moved[1] == pytest.approx(law, rel=1e-3, abs=1e-3 * (1 + p @ p + q @ q))


def test_what_is_refused() -> None:
    y = np.array([1.0, 2.0])
    with pytest.raises(InvalidArgument, match=r"Z.shape = \(2,\): expected \(..., 1 \+ r = 3\): a, then w"):
        model.solution(y, np.ones(2), 1.0)
    with pytest.raises(InvalidArgument, match=r"y = .*: expected targets that are not all 0"):
        model.loss(np.zeros(2), np.ones(3))
    with pytest.raises(InvalidArgument, match=r"-a / along = 0.5: expected a number in \(1, "):
        model.separating_length(y, 1.0, -2.0)
    with pytest.raises(InvalidArgument, match=r"t = -1.0: expected times"):
        model.tangent(y, np.ones(3), -1.0)


def test_starts_that_never_leave() -> None:
    y = np.array([1.0, 0.0])
    assert model.solution(y, np.zeros(3), T) == pytest.approx(np.zeros((4, 3)))
    saddle = np.array([1.0, -1.0, 0.0])  # balanced, against the targets: to the origin
    assert np.abs(model.solution(y, saddle, np.array([30.0]))).max() < 1e-10
    assert model.angle(y, np.array([0.5, 0.0, 0.0])) == 0
