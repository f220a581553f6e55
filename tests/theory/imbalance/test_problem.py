"""The data and starts of the imbalance setting: decompositions, promised properties, refusals."""

import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import EPS
from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import problem as setting
from theory.imbalance.problem import Network, coordinates, frozen_weights


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes in signatures are checked in tests only: what a user meets is the validation behind them."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def regression(seed: int = 0, *, D: int = 7, n: int = 5, m: int = 2, rank: int = 3) -> Regression:
    rng = np.random.default_rng(seed)
    return random_regression(rng, D=D, n=n, m=m, singular_values=np.linspace(2, 0.5, rank))


shapes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.integers(1, 6)).filter(
    lambda shape: shape[3] <= min(shape[:2])
)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), shapes)
def test_the_decomposition_is_that_of_the_data(seed: int, shape: tuple[int, int, int, int]) -> None:
    D, n, m, rank = shape
    problem = regression(seed, D=D, n=n, m=m, rank=rank)
    assert (problem.D, problem.m, problem.r) == (D, m, rank)
    assert np.allclose(problem.S, np.linspace(2, 0.5, rank), rtol=1e-12)
    basis = np.hstack([problem.Phi1, problem.Phi2])
    assert np.allclose(basis.T @ basis, np.eye(D), atol=1e-13)
    assert np.allclose(problem.X @ problem.Phi2, 0, atol=1e-13)
    assert np.allclose(problem.X.T @ problem.X, problem.Phi1 * problem.S**2 @ problem.Phi1.T, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), shapes)
def test_the_minimum_is_that_of_least_squares(seed: int, shape: tuple[int, int, int, int]) -> None:
    D, n, m, rank = shape
    problem = regression(seed, D=D, n=n, m=m, rank=rank)
    solution = np.linalg.lstsq(problem.X, problem.Y, rcond=1e-10)[0]
    assert np.allclose(problem.minimum_norm_solution, solution, atol=1e-11)
    loss = 0.5 * ((problem.Y - problem.X @ solution) ** 2).sum()
    assert problem.optimal_loss == pytest.approx(loss, abs=1e-12)


def test_rank_ignores_rounding() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 9))
    assert Regression(X, rng.standard_normal((6, 1))).r == 2


@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (np.zeros((2, 3)), np.ones((2, 1)), "X = the zero matrix: expected data of rank at least 1"),
        (np.ones((2, 3)), np.ones((3, 1)), r"Y.shape = \(3, 1\): expected \(2, any\)"),
        (np.ones((2, 3)), np.ones(2), r"Y.shape = \(2,\): expected \(2, any\)"),
        (np.full((2, 3), np.nan), np.ones((2, 1)), r"X\[0, 0\] = nan: expected a finite number"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_data_are_refused(X: np.ndarray, Y: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Regression(X, Y)


@pytest.mark.parametrize(
    ("U", "V", "message"),
    [
        (np.ones((2, 3, 4)), np.ones((2, 1, 5)), r"V.shape = \(2, 1, 5\): expected \(\*runs, m, h\) with h = 4"),
        (np.ones((2, 3, 4)), np.ones((3, 1, 4)), r"V.shape = .3, 1, 4.: expected .* with \*runs = \(2,\)"),
        (np.ones(3), np.ones(3), r"U.shape = \(3,\): expected \(\*runs, D, h\)"),
        (np.ones((3, 4)), np.full((1, 4), np.inf), r"V\[0, 0\] = inf: expected a finite number"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_weights_are_refused(U: np.ndarray, V: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Network(U, V)


def test_a_network_fits_its_problem() -> None:
    with pytest.raises(InvalidArgument, match=r"network = .*: expected D = 7 inputs, m = 2 outputs"):
        coordinates(regression(), Network(np.ones((6, 3)), np.ones((2, 3))))


def test_coordinates_and_frozen_weights_hold_all_of_the_network() -> None:
    problem = regression()
    network = setting.gaussian(problem, 4, np.random.default_rng(1), runs=3)
    Z, U2 = coordinates(problem, network), frozen_weights(problem, network)
    assert Z.shape == (3, problem.m + problem.r, 4) and U2.shape == (3, problem.D - problem.r, 4)
    U = problem.Phi1 @ Z[:, problem.m :] + problem.Phi2 @ U2
    assert np.allclose(U, network.U, atol=1e-13)
    assert np.array_equal(Z[:, : problem.m], network.V)
    assert np.allclose(network.end_to_end[1], network.U[1] @ network.V[1].T)


def test_gaussian_starts_have_the_scales_asked_for() -> None:
    problem = regression()
    network = setting.gaussian(problem, 50, np.random.default_rng(2), scales=(0.1, 3.0), runs=40)
    assert network.h == 50
    # 14000 and 4000 draws: standard deviations within 5 of their standard errors.
    assert network.U.std() == pytest.approx(0.1, rel=5 / np.sqrt(2 * network.U.size))
    assert network.V.std() == pytest.approx(3.0, rel=5 / np.sqrt(2 * network.V.size))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"h": 0}, "h = 0"),
        ({"h": 3, "runs": 0}, "runs = 0"),
        ({"h": 3, "scales": (0.0, 1.0)}, r"scales\[0\] = 0.0"),
        ({"h": 3, "scales": (1.0, -1.0)}, r"scales\[1\] = -1.0"),
    ],
)
def test_gaussian_refuses(options: dict, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        setting.gaussian(regression(), rng=np.random.default_rng(0), **options)


def test_fan_in_scale() -> None:
    assert setting.fan_in_scale(100, 0.5) == pytest.approx(0.1)
    assert setting.fan_in_scale(16, 0.25) == pytest.approx(0.5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5), st.integers(0, 4))
def test_balanced_starts_have_no_imbalance(seed: int, m: int, extra: int) -> None:
    problem = regression(seed, m=m)
    network = setting.balanced(problem, m + extra, np.random.default_rng(seed))
    Z = coordinates(problem, network)[0]
    V, U1 = Z[:m], Z[m:]
    size = (Z**2).sum()
    assert size > 1e-3
    assert np.abs(U1.T @ U1 - V.T @ V).max() <= 1e4 * EPS * size


def test_balanced_starts_are_those_of_the_paper() -> None:
    """V V^T = (Theta0^T P1 Theta0)^(1/2) and P1 U V^T = P1 Theta0, Theta0 with N(0, 1/D) entries."""
    problem = regression(3, D=40, n=6, m=2, rank=5)
    network = setting.balanced(problem, 4, np.random.default_rng(7))
    theta0 = np.random.default_rng(7).standard_normal((40, 2)) / np.sqrt(40)
    seen = problem.Phi1.T @ theta0
    assert problem.Phi1.T @ network.end_to_end[0] == pytest.approx(seen, abs=1e-12)
    gram = network.V[0] @ network.V[0].T
    assert gram @ gram == pytest.approx(seen.T @ seen, abs=1e-12)


def test_balanced_needs_room() -> None:
    with pytest.raises(InvalidArgument, match="h = 1: expected at least m = 2"):
        setting.balanced(regression(), 1, np.random.default_rng(0))


def test_orthogonal_rows_are_what_was_asked_for() -> None:
    problem = regression()
    hidden, output = np.array([3.0, 2.0, 1.0]), np.array([0.5, 0.25])
    network = setting.orthogonal_rows(problem, hidden, output, np.random.default_rng(0), 8)
    Z = coordinates(problem, network)[0]
    assert np.allclose(Z @ Z.T, np.diag([*output, *hidden]), atol=1e-13)
    assert np.allclose(frozen_weights(problem, network), 0, atol=1e-13)


def test_orthogonal_rows_may_fill_the_width() -> None:
    network = setting.orthogonal_rows(regression(), np.ones(3), np.ones(2), np.random.default_rng(0), 5)
    assert network.h == 5


def test_orthogonal_rows_need_room() -> None:
    with pytest.raises(InvalidArgument, match="h = 4: expected at least m . r = 5"):
        setting.orthogonal_rows(regression(), np.ones(3), np.ones(2), np.random.default_rng(0), 4)


def _theta(problem: Regression) -> np.ndarray:
    """The Theta of `paper_regression` with seed 0, which draws X first."""
    rng = np.random.default_rng(0)
    rng.standard_normal(problem.X.shape)
    return rng.standard_normal((problem.D, 1)) / np.sqrt(problem.D)


@pytest.mark.parametrize("whitened", [True, False])
def test_the_regression_of_the_paper(whitened: bool) -> None:
    problem = setting.paper_regression(np.random.default_rng(0), whitened=whitened, D=60, n=20)
    assert problem.X.shape == (20, 60) and (problem.r, problem.m) == (20, 1)
    assert problem.optimal_loss < 1e-20
    assert np.allclose(problem.S, 1, atol=1e-12) == whitened


def test_the_data_of_the_paper_have_rows_of_unit_length() -> None:
    problem = setting.paper_regression(np.random.default_rng(0), whitened=False)
    X = problem.X
    assert X.shape == (100, 400)
    # Y has variance |X theta|^2 / n + 0.01^2 = 1/400 + 0.01^2: 100 draws know it to 14 %.
    assert problem.Y.var() == pytest.approx(1 / 400 + 1e-4, rel=0.5)
    noise = problem.Y - X @ _theta(problem)
    assert noise.std() == pytest.approx(0.01, rel=0.3)
    # 40000 entries N(0, 1/400): the mean of D X^2 is 1 with standard deviation (2 / 40000)^(1/2) = 0.007.
    assert 400 * (X**2).mean() == pytest.approx(1, abs=0.04)


def test_a_rank_beyond_the_data_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"singular_values = 6 values: expected at most min\(n, D\) = 5"):
        regression(rank=6)
