"""Closed forms as predictors: t = 0, t = inf, the semigroup; and limits against a flow followed to late times."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.flows import flow
from theory.core.separable import Separable, apply, direction_error, margin_gap, planted
from theory.core.validation import InvalidArgument
from theory.shallow import gradient_flow

seeds = st.integers(0, 10_000)
MARGINS = (gradient_flow.exponential_margins, gradient_flow.logistic_margins)
SOLUTIONS = (gradient_flow.exponential_solution, gradient_flow.logistic_solution)
SHARES = np.array([0.5, 0.3, 0.2])


def orthogonal(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    Z = rng.uniform(0.5, 2, (3, 1)) * np.linalg.qr(rng.standard_normal((4, 4)))[0][:3]
    return Z, rng.standard_normal((2, 4))


@pytest.mark.parametrize("solution", SOLUTIONS)
@settings(max_examples=30, deadline=None)
@given(seed=seeds, first=st.floats(0, 100), second=st.floats(0, 1e8))
def test_the_closed_forms_are_semigroups(solution, seed: int, first: float, second: float) -> None:
    Z, w0 = orthogonal(seed)
    middle, once = solution(Z, w0, first), solution(Z, w0, first + second)
    assert np.allclose(solution(Z, middle, second), once, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("margins", "solution"), list(zip(MARGINS, SOLUTIONS)))
def test_the_start_the_end_and_shapes(margins, solution) -> None:
    Z, w0 = orthogonal(0)
    assert np.allclose(solution(Z, w0, 0.0), w0, atol=1e-13)
    assert np.allclose(margins(Z, w0, np.array(0.0)), w0 @ Z.T, atol=1e-13)
    assert np.isposinf(margins(Z, w0, np.inf)).all()
    t = np.linspace(0, 3, 10).reshape(5, 2)
    assert margins(Z, w0, t).shape == (5, 2, 2, 3)
    assert margins(Z, w0[0], t[:, 0]).shape == (5, 3)
    assert solution(Z, w0, t).shape == (5, 2, 2, 4)
    assert np.allclose(solution(Z, w0, t)[3, 1], solution(Z, w0, t[3, 1]))
    assert np.allclose(solution(Z, w0, t) @ Z.T, margins(Z, w0, t))


@pytest.mark.parametrize(
    ("closed_form", "slope"),
    [(SOLUTIONS[0], lambda m: np.exp(-m)), (SOLUTIONS[1], lambda m: 1 / (1 + np.exp(m)))],
)
def test_the_closed_forms_solve_the_flow(closed_form, slope) -> None:
    Z, w0 = orthogonal(1)
    t = np.linspace(0, 20, 5)
    solution = flow(lambda _, state: {"w": slope(state["w"] @ Z.T) @ Z}, {"w": w0}, t, relative_tolerance=1e-12)
    assert np.allclose(solution["w"], closed_form(Z, w0, t), atol=1e-9)


def test_one_example_turns_by_its_angle() -> None:
    """tan angle(w, z) = |P w0| |z| / m(t)."""
    Z, w0 = np.array([[3.0, 0.0, 0.0]]), np.array([-0.2, 1.0, 2.0])
    w = gradient_flow.exponential_solution(Z, w0, 50.0)
    assert np.hypot(w[1], w[2]) / w[0] == pytest.approx(np.sqrt(5) * 3 / np.log(np.exp(-0.6) + 450), rel=1e-13)


def test_examples_that_are_not_orthogonal_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="expected pairwise orthogonal examples"):
        gradient_flow.exponential_solution(np.array([[1.0, 0], [1.0, 1.0]]), np.zeros(2), 1.0)


@pytest.mark.parametrize("t", [-1.0, np.nan])
def test_bad_times_are_refused(t: float) -> None:
    with pytest.raises(InvalidArgument, match="t = .*: expected times of at least 0"):
        gradient_flow.logistic_solution(*orthogonal(0), t)


def test_log_time_and_normalised_time_are_one_orbit() -> None:
    problem = Separable(planted(np.random.default_rng(0), SHARES, d=4, slack=np.array([0.5])))
    w0 = np.random.default_rng(1).standard_normal((1, 4))
    normalised = gradient_flow.normalised_flow(problem.Z, w0, np.array([1.0, 5.0, 20.0]), relative_tolerance=1e-12)
    tau = normalised["tau"][:, 0]
    late = gradient_flow.flow_in_log_time(problem, w0, tau, relative_tolerance=1e-12)["rho"]
    assert np.allclose(late + problem.w * tau[:, None, None], normalised["w"], atol=1e-9)


def test_orthogonal_examples_settle_where_the_closed_form_says() -> None:
    """m_i = log(e^{m_i(0)} + |z_i|^2 t), so w - w_hat log t tends to sum_i log |z_i|^2 z_i / |z_i|^2 off the start."""
    Z, w0 = orthogonal(2)
    problem = Separable(Z)
    w = gradient_flow.exponential_solution(Z, w0, 1e14)
    assert np.allclose(w - problem.w * np.log(1e14), gradient_flow.offset(problem, w0), atol=1e-11)
    rate = gradient_flow.relaxation_rate(problem)
    # Z^T diag(1/|z|^2) Z is a projector: everything settles as 1/t.
    assert rate == pytest.approx(1, rel=1e-10)


def test_hitting_times_invert_the_direction_error() -> None:
    problem = Separable(planted(np.random.default_rng(3), SHARES, d=5)[0])
    offset = gradient_flow.offset(problem, np.ones((2, 5)))
    for error in (0.3, 0.01):
        tau = gradient_flow.log_hitting_time(problem, offset, error)
        w = problem.w * tau[:, None] + offset
        assert np.allclose(direction_error(problem, w), error, rtol=1e-9)


def far_along(problem: Separable, offset: np.ndarray, tau: float) -> np.ndarray:
    return problem.w * tau + offset


def test_the_constants_are_limits_along_w_hat_log_t() -> None:
    """log t x direction error, s x direction error with s = |w_hat|^2 log t, log t x margin gap."""
    problem, tau = Separable(planted(np.random.default_rng(3), SHARES, d=5, margin=0.7)[0]), 1e6
    offset = gradient_flow.offset(problem, np.random.default_rng(4).standard_normal((2, 5)))
    w = far_along(problem, offset, tau)
    error = direction_error(problem, w)
    assert np.allclose(gradient_flow.direction_constant(problem, offset), tau * error, rtol=1e-4)
    assert np.allclose(gradient_flow.normalised_constant(problem, offset), tau / 0.49 * error, rtol=1e-4)
    assert np.allclose(gradient_flow.margin_constant(problem), tau * margin_gap(problem, w), rtol=1e-3)


def test_offsets_settle_where_the_duals_say() -> None:
    """e^(-z_i . w~) = alpha_i, and off the span of the support vectors the start stays."""
    problem = Separable(planted(np.random.default_rng(6), SHARES, d=5, margin=0.7)[0])
    w0 = np.random.default_rng(7).standard_normal(5)
    offset = gradient_flow.offset(problem, w0)
    assert np.allclose(np.exp(-problem.Z @ offset), problem.duals, rtol=1e-10)
    off_span = np.linalg.svd(problem.Z)[2][3:]
    assert np.allclose(off_span @ offset, off_span @ w0, atol=1e-12)


def test_deviations_relax_at_the_smallest_rate_of_the_flow_in_log_time() -> None:
    """From beside its limit the flow in log time comes back as e^(-rate tau), on the slowest direction."""
    problem = Separable(planted(np.random.default_rng(8), SHARES, d=5, margin=0.7, slack=np.array([0.5])))
    support = problem.Z[0][:3]
    limit = np.linalg.pinv(support) @ -np.log(problem.duals[0, :3])
    values, vectors = np.linalg.eigh(support.T @ np.diag(problem.duals[0, :3]) @ support)
    # The example beyond the margin adds e^(-tau / 2), which is slower; hence without it.
    assert gradient_flow.relaxation_rate(problem)[0] == pytest.approx(0.5, rel=1e-9)
    alone, start = Separable(support[None]), limit + 1e-6 * vectors[:, 2]
    rate = gradient_flow.relaxation_rate(alone)[0]
    assert rate == pytest.approx(values[2], rel=1e-9)
    rho = gradient_flow.flow_in_log_time(alone, start[None], np.array([0.0, 1.5]), relative_tolerance=1e-12)["rho"]
    assert np.linalg.norm(rho[1, 0] - limit) == pytest.approx(1e-6 * np.exp(-1.5 * rate), rel=1e-4)


def test_both_times_are_those_of_gradient_flow() -> None:
    """Against plain gradient flow by the equations: w(t) at log(1 + t) = tau, and ds = L dt."""
    problem = Separable(planted(np.random.default_rng(9), SHARES, d=4, slack=np.array([0.5])))
    Z, w0 = problem.Z[0], np.random.default_rng(1).standard_normal((1, 4))

    def velocity(_: float, state: dict) -> dict:
        losses = np.exp(-apply(problem.Z, state["w"]))
        return {"w": losses @ Z, "s": losses.sum(-1)}

    t = np.array([0.0, 0.7, 6.0])
    plain = flow(velocity, {"w": w0, "s": np.zeros(1)}, t, relative_tolerance=1e-12)
    late = gradient_flow.flow_in_log_time(problem, w0, np.log1p(t), relative_tolerance=1e-12)["rho"]
    assert np.allclose(late + problem.w * np.log1p(t)[:, None, None], plain["w"], atol=1e-9)
    normalised = gradient_flow.normalised_flow(problem.Z, w0, plain["s"][:, 0], relative_tolerance=1e-12)
    assert np.allclose(normalised["w"], plain["w"], atol=1e-9)
    assert np.allclose(normalised["tau"][:, 0], np.log1p(t), atol=1e-9)


def test_hardly_orthogonal_examples_are_refused_and_so_is_none() -> None:
    almost = np.array([[1.0, 1e-9], [0.0, 1.0]])
    for Z in (almost, np.array([[1.0, 0.0], [0.0, 0.0]])):
        with pytest.raises(InvalidArgument, match="none of them 0"):
            gradient_flow.exponential_solution(Z, np.zeros(2), 1.0)


def test_equal_duals_leave_no_margin_constant() -> None:
    problem = Separable(planted(np.random.default_rng(4), np.full(3, 1 / 3), d=5))
    assert np.allclose(gradient_flow.margin_constant(problem), 0, atol=1e-12)


def test_offsets_need_one_problem_in_the_span() -> None:
    rng = np.random.default_rng(5)
    batch = Separable(planted(rng, SHARES, d=5, runs=2))
    with pytest.raises(InvalidArgument, match="problem.Z.shape = .*: expected one problem"):
        gradient_flow.offset(batch, np.ones((2, 5)))
    outside = Separable(planted(rng, SHARES, d=5, slack=np.array([1.0]))[0])
    with pytest.raises(InvalidArgument, match="expected examples in their span"):
        gradient_flow.offset(outside, np.ones(5))
