"""Smallest layers, weight decay and frozen parts where ranks fall, scales differ or nothing is left to fit."""

from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain.problem import Chain
from theory.core.linear_networks import end_to_end
from theory.core.validation import InvalidArgument
from theory.deep_linear import completion, frozen, minnorm, weight_decay
from theory.deep_linear.modes import aligned, balanced_solution, whitened
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw
from theory.minnorm.tuning import Tuning

RNG = np.random.default_rng
units = st.sampled_from([1e-60, 1e-6, 1.0, 1e6, 1e60])
NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 2.0, 3.0, -0.5, 1e-3, 1e3])


def line(X: np.ndarray, Y: np.ndarray) -> TeacherStudent:
    """Examples with these labels, all of them noise."""
    return TeacherStudent(X, np.zeros((len(Y), len(X))), Y)


def repeated(K: int) -> TeacherStudent:
    """Four inputs; of four examples two are alike and one is 0: rank 2, labels of a teacher."""
    x, y = RNG(0).standard_normal((2, 4))
    return TeacherStudent(np.stack([x, x, y, 0 * x], -1), RNG(1).standard_normal((K, 4)), np.zeros((K, 4)))


# ---- minnorm


@pytest.mark.parametrize("L", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("unit", [1e-60, 1.0, 1e60])
def test_the_least_norm_counts_no_rounding(L: int, unit: float) -> None:
    """[[1, 1], [1, 1]] has the one singular value 2."""
    assert minnorm.least_norm(unit * np.ones((2, 2)), L) == pytest.approx(L * (2 * unit) ** (2 / L), rel=1e-13)
    assert minnorm.least_norm(np.diag([unit, 1e-9 * unit]), L) == pytest.approx(
        L * unit ** (2 / L) * (1 + 1e-9 ** (2 / L)), rel=1e-12
    )
    assert minnorm.least_norm(np.zeros((2, 3)), L) == 0


@pytest.mark.parametrize("L", [1, 2, 3])
@pytest.mark.parametrize("K", [1, 2, 3])
def test_multipliers_of_examples_that_repeat(K: int, L: int) -> None:
    """Nothing moves, and equal examples share their multipliers."""
    problem = repeated(K)
    multiplier = minnorm.solution_multiplier(problem, L)
    U, s, Vt = np.linalg.svd(problem.minimum_norm_solution, full_matrices=False)
    rank = min(K, 2)
    frames = [Vt[:rank].T, *[np.eye(4, rank)] * (L - 1), U[:, :rank]]
    W = aligned(frames, s[:rank, None] ** (1 / L) * np.ones(L))
    layers, integral = minnorm.velocity(problem, Tuning(), W, multiplier)
    assert max(np.abs(array).max() for array in [*layers, integral]) < 1e-12
    assert np.allclose(multiplier[:, 0], multiplier[:, 1])
    assert not multiplier[:, 3].any()


def test_multipliers_that_are_none() -> None:
    inconsistent = line(np.ones((1, 2)), np.array([[1.0, 3.0]]))
    for call in (minnorm.solution_multiplier, lambda p, L: minnorm.linearisation(p, Tuning(), L)):
        for L in (1, 2):
            with pytest.raises(InvalidArgument, match="problem = labels of which every W leaves 1.4"):
                call(inconsistent, L)
    # A large output excuses nothing beside it.
    both = line(np.ones((1, 2)), np.array([[1e9, 1e9], [1e-3, 3e-3]]))
    with pytest.raises(InvalidArgument, match="labels that some W fits"):
        minnorm.solution_multiplier(both, 1)
    nothing = line(np.eye(2), np.zeros((1, 2)))
    assert not minnorm.solution_multiplier(nothing, 1).any()
    with pytest.raises(InvalidArgument, match=r"rank of Y X\^\+ = less"):
        minnorm.solution_multiplier(nothing, 2)
    with pytest.raises(InvalidArgument, match=r"Y X\^\+ = 0"):
        minnorm.linearisation(nothing, Tuning(), 2)
    a_layer = minnorm.linearisation(nothing, Tuning(), 1)
    assert np.array_equal(a_layer, np.block([[-np.eye(2), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]]))


def test_ill_conditioned_examples_are_fitted() -> None:
    X = np.linalg.qr(RNG(0).standard_normal((5, 3)))[0] * [1.0, 1e-5, 1e-10]
    problem = line(X, RNG(1).standard_normal((2, 3)))
    assert minnorm.solution_multiplier(problem, 2).shape == (2, 3)


def test_oscillations_that_are_none() -> None:
    along = line(np.diag([1.0, 2.0]), np.array([[0.0, 3.0]]))
    assert minnorm.undamped_frequency(along, Tuning(2.0, 0.5)) == pytest.approx((2 * 4 * 1.5) ** 0.5)
    assert minnorm.undamped_frequency(along, Tuning(b=0.0)) == 0
    between = line(np.diag([1.0, 2.0]), np.array([[1.0, 3.0]]))
    many = line(np.eye(2), np.eye(2))
    for problem, tuning, message in (
        (between, Tuning(), "an eigenvector: else all is damped"),
        (many, Tuning(), "problem.K = 2"),
        (line(np.eye(2), np.zeros((1, 2))), Tuning(), r"Y X\^\+ = 0"),
        (along, Tuning(b=-1.0), "b = -1"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            minnorm.undamped_frequency(problem, tuning)


def test_forgetting_has_no_negative_or_infinite_rate() -> None:
    W = [np.ones((2, 4)), np.ones((1, 2))]
    for rate in (-1.0, np.nan, np.inf, np.array([1.0, -1.0])):
        with pytest.raises(InvalidArgument, match="(smallest|largest) rate = "):
            minnorm.imbalance_solution(W, rate, 1.0)
        with pytest.raises(InvalidArgument, match="(smallest|largest) rate = "):
            minnorm.unseen_solution(repeated(1), W, rate, np.inf)
    left = minnorm.unseen_solution(repeated(1), W, 0.0, np.inf)
    assert np.allclose(left @ repeated(1).X, 0, atol=1e-14)


def test_the_deviation_over_examples_that_repeat() -> None:
    problem, W = repeated(2), [RNG(3).standard_normal((3, 4)), RNG(4).standard_normal((2, 3))]
    deviation = minnorm.deviation(problem, W, W[0] @ problem.unseen)
    assert np.allclose(deviation, end_to_end(W) - problem.minimum_norm_solution, atol=1e-13)


# ---- completion


@settings(max_examples=40, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS, st.integers(1, 8))
def test_fills_are_the_best_of_many(a: float, b: float, c: float, L: int) -> None:
    found = completion.schatten_fill(a, b, c, L)
    kink = b * c / a if a else 1.0
    x = np.concatenate([np.linspace(-1.5, 1.5, 61) * kink, np.geomspace(1e-9, 1, 60) * kink, [kink, a, -a, 0.0]])
    W = np.array([[[a, b], [c, entry]] for entry in [found, *x]])
    norms = minnorm.least_norm(W, L)
    assert norms[0] <= norms.min() * (1 + 1e-12)
    assert completion.schatten_fill(a, c, b, L) == pytest.approx(found, rel=1e-12)
    assert completion.schatten_fill(-a, b, c, L) == pytest.approx(-found, rel=1e-12)
    if L == 2:
        assert found == completion.nuclear_fill(a, b, c)


@settings(max_examples=20, deadline=None)
@given(units, st.sampled_from([1.0, 1e-4, 1e-9]), st.integers(1, 6))
def test_fills_do_not_know_units(unit: float, a: float, L: int) -> None:
    one, other = (completion.schatten_fill(a * c, 2 * c, 3 * c, L) for c in (1.0, unit))
    assert other / unit == pytest.approx(one, rel=1e-12)
    if L > 1 and a < 1e-3:  # the first extremum, |x / a| = (t^(q - 1) - t) / (1 - t^q), at the ratio t = 2 / 3
        q, t = mpmath.mpf(2) / L, mpmath.mpf(2) / 3
        assert one == pytest.approx(a * float(((t ** (q - 1) - t) / (1 - t**q)) if L > 2 else 1), rel=10 * a)


def test_fills_at_the_ends_of_what_numbers_can_be() -> None:
    assert completion.nuclear_fill(0, 1, 2) == completion.schatten_fill(0, 1, 2, 2) == 0
    assert completion.schatten_fill(0.0, 1.0, 2.0, 3) == completion.schatten_fill(1.0, 0.0, 2.0, 3) == 0
    assert completion.nuclear_fill(1e250, 1e200, 1e200) == pytest.approx(1e150)
    assert completion.nuclear_fill(1e-200, 1e-200, -1e-200) == pytest.approx(-1e-200)
    assert completion.nuclear_fill(1e-300, 1e10, 0.0) == 0
    assert completion.rank_one_fill(1e250, 1e200, 1e200) == pytest.approx(1e150)
    assert completion.rank_one_fill(0.0, 1.0, 2.0) == 0
    assert completion.rank_one_fill(1e-300, 1.0, -1e300) == -np.inf
    assert completion.schatten_fill(1e-12, 1.0, 1.0, 30) == pytest.approx(2.9e-11)
    assert completion.schatten_fill(1.0, 2.0, 3.0, 3000) == 6
    with pytest.raises(InvalidArgument, match="a relative to the largest entry = 1e-200"):
        completion.schatten_fill(1e-200, 1.0, 1.0, 3)
    for arguments in ((np.inf, 1.0, 1.0), (1.0, np.nan, 1.0)):
        deep = lambda a, b, c: completion.schatten_fill(a, b, c, 3)  # noqa: E731
        for call in (completion.nuclear_fill, completion.rank_one_fill, deep):
            with pytest.raises(InvalidArgument, match="[abc] = "):
                call(*arguments)


def test_a_gap_of_no_completion() -> None:
    problem = completion.corner(1.0, 2.0, 3.0)
    zero = np.zeros((2, 2))
    for W, multiplier in product((zero, np.full((2, 2), np.nan)), (zero, np.full((2, 2), np.inf))):
        if np.isfinite(W).all() and np.isfinite(multiplier).all():
            continue
        with pytest.raises(InvalidArgument, match="(W|multiplier) = an array of shape"):
            completion.duality_gap(problem, W, multiplier)
    with pytest.raises(InvalidArgument, match=r"W = an array of shape \(1, 2\)"):
        completion.duality_gap(problem, np.zeros((1, 2)), np.zeros((1, 2)))
    one, W = completion.planted(np.ones((1, 1), dtype=bool), 1e9, RNG(0))
    assert np.abs(W) == pytest.approx(1e9)
    assert completion.duality_gap(one, W, np.sign(W)) == pytest.approx(0, abs=1e-6)


# ---- weight decay


def test_one_layer_of_any_strength() -> None:
    """X = 100, Y = 1: W = 100 / (10^4 + gamma)."""
    problem = line(np.full((1, 1), 100.0), np.ones((1, 1)))
    for gamma in (1e-12, 1.0, 2e4, 1e12):
        assert weight_decay.decayed_solution(problem, gamma, 1)[0, 0] == pytest.approx(100 / (1e4 + gamma), rel=1e-14)
    assert 100 * weight_decay.decayed_solution(problem, 2e4, 1)[0, 0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("gamma", [1e-9, 0.3, 0.999999, 1 - 1e-12, 1.0, 1.5])
def test_two_layers_are_a_threshold(gamma: float) -> None:
    """1/2 (1 - w)^2 + gamma |w|: w = 1 - gamma, or 0."""
    found = weight_decay.decayed_solution(line(np.eye(1), np.eye(1)), gamma, 2)
    assert found[0, 0] == pytest.approx(max(1 - gamma, 0.0), rel=1e-4 if 0.99999 < gamma else 1e-9, abs=0)


@pytest.mark.parametrize("L", [3, 4, 10])
def test_deep_layers_up_to_the_largest_decay(L: int) -> None:
    """(1 - w) = gamma w^(2/L - 1): the largest gamma at w = (L - 2) / (2 L - 2)."""
    problem, q = line(np.eye(1), np.eye(1)), 2 / L
    top = (L - 2) / (2 * L - 2)
    largest = (1 - top) * top ** (1 - q)
    for share in (1e-6, 0.5, 0.99, 1 - 1e-9):
        w = weight_decay.decayed_solution(problem, share * largest, L)[0, 0]
        assert w >= top
        assert (1 - w) * w ** (1 - q) == pytest.approx(share * largest, rel=1e-9)
    assert weight_decay.decayed_solution(problem, (1 + 1e-9) * largest, L) == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), units, units)
def test_decay_does_not_know_units(L: int, inputs: float, labels: float) -> None:
    problem = draw(Ensemble(6, 4, noise=0.5), RNG(0), 3)
    size = labels / inputs
    other = TeacherStudent(inputs * problem.X, size * problem.teacher, labels * problem.noise)
    one = weight_decay.decayed_solution(problem, 0.05, L)
    gamma = 0.05 * labels**2 * size ** (-2 / L)
    assert np.allclose(weight_decay.decayed_solution(other, gamma, L) / size, one, rtol=1e-11, atol=0)


def test_rates_that_are_orders_apart_have_several_solutions() -> None:
    """Stationary, and the large weight is kept for as long as it can be."""
    problem = TeacherStudent(np.diag([1.0, 1e-4]), np.array([[1.0, 100.0]]), np.zeros((1, 2)))
    for gamma, second in ((1e-9, True), (1e-5, True), (1e-4, False), (0.25, False), (0.5, None)):
        W = weight_decay.decayed_solution(problem, gamma, 10)
        size = np.linalg.norm(W)
        assert (size > 30) == bool(second) and (size == 0) == (second is None)
        if size:
            pull = (problem.Y - W @ problem.X) @ problem.X.T
            assert np.allclose(pull, gamma * size ** (2 / 10 - 2) * W, rtol=1e-6, atol=1e-15)


def test_decay_of_what_shows_nothing() -> None:
    for L in (1, 2, 3):
        for problem in (line(np.zeros((2, 2)), np.ones((1, 2))), line(np.eye(2), np.zeros((1, 2)))):
            assert not weight_decay.decayed_solution(problem, 1.0, L).any()
    same = repeated(1)
    W = weight_decay.decayed_solution(same, 0.1, 1)
    assert np.allclose(W, same.Y @ same.X.T @ np.linalg.inv(same.X @ same.X.T + 0.1 * np.eye(4)))
    assert np.allclose(weight_decay.ridge_modes(same, 0.0) @ same.basis.T, same.minimum_norm_solution)
    assert not weight_decay.ridge_modes(same, np.inf).any()
    assert weight_decay.decay_that_holds(same, 0.0, 3) == 0
    for strength in (-1.0, np.nan):
        with pytest.raises(InvalidArgument, match="strength = "):
            weight_decay.ridge_modes(same, strength)
    with pytest.raises(InvalidArgument, match="strength = inf"):
        weight_decay.decay_that_holds(same, np.inf, 2)


def test_the_best_decay_is_looked_for_until_it_is_found() -> None:
    """The opposite of the teacher in the noise: no decay is enough. Of another ensemble's problem: refused."""
    ensemble = Ensemble(2, 2, noise=0.1)
    against = TeacherStudent(np.eye(2)[None], np.ones((1, 1, 2)), np.full((1, 1, 2), -2.0))
    with pytest.raises(InvalidArgument, match="problem = draws whose error falls for ever"):
        weight_decay.best_decay(ensemble, against, 1)
    with pytest.raises(InvalidArgument, match="problem.n = 2"):
        weight_decay.best_decay(Ensemble(2, 3, noise=0.1), against, 1)
    # Labels (1 + e) of teacher 1 with e = 1: ridge 1 / (1 + mu) (1 + e) is the teacher at mu = e, 100 times se^2.
    along = TeacherStudent(np.eye(2)[None], np.ones((1, 1, 2)), np.ones((1, 1, 2)))
    assert weight_decay.best_decay(ensemble, along, 1) == pytest.approx(1.0, rel=2e-3)


def test_the_best_decay_is_none_that_leaves_nothing() -> None:
    """Labels against a small teacher: at depth 2 and 3 the error falls until the student is 0, and stays there."""
    ensemble = Ensemble(2, 2, teacher=0.3, noise=0.5)
    against = TeacherStudent(np.eye(2)[None], np.full((1, 1, 2), 0.1), np.full((1, 1, 2), -2.0))
    for depth in (2, 3):
        with pytest.raises(InvalidArgument, match="problem = draws of which the best decay leaves 0"):
            weight_decay.best_decay(ensemble, against, depth)


# ---- frozen


def test_gains_of_more_outputs_than_inputs() -> None:
    """K = 3 of one input: two outputs are never fed, and keep kappa each; one layer gains K."""
    W = np.array([[3.0], [0.0], [4.0]])
    assert frozen.gain_from_orthogonal_start(W, 12.0) == pytest.approx(13 + 2 * 12)
    assert frozen.gain_from_small_start(W, 1) == 3
    assert frozen.gain_from_small_start(W, 2) == pytest.approx(5)
    assert frozen.gain_from_orthogonal_start(1e200 * W, 0.0) == pytest.approx(5e200)


def test_gains_of_more_outputs_than_inputs_are_those_of_the_flow() -> None:
    kappa, problem = 0.7, line(np.array([[1.2]]), np.array([[1.0], [-0.5], [0.8]]))
    frame = np.sqrt(kappa) * np.linalg.qr(RNG(1).standard_normal((5, 4)))[0].T
    layers = [frame[3:].T @ problem.basis.T, frame[:3]]
    late = [layer[-1] for layer in frozen.seen_flow(problem, layers, np.array([60.0]))[1]]
    solution = problem.minimum_norm_solution
    assert frozen.output_gain(late) == pytest.approx(frozen.gain_from_orthogonal_start(solution, kappa), rel=1e-7)


@pytest.mark.parametrize("start", [1e-12, 1e-6, 1e-2])
def test_small_starts_grow_as_they_should(start: float) -> None:
    """One mode of two layers, until it has grown a hundredfold."""
    problem = whitened([2.0], x=1.0, d=1, n=1, K=1, rng=RNG(0))
    W = [
        np.full((1, 1, 1), np.sqrt(start)),
        np.full((1, 1, 1), np.sqrt(start) * np.sign(problem.minimum_norm_solution)),
    ]
    t = np.array([np.log(100) / 4])
    found = np.abs(end_to_end([layer[-1] for layer in frozen.seen_flow(problem, W, t)[1]])).item()
    assert found == pytest.approx(balanced_solution(Chain(2.0, 2), start, t).item(), rel=1e-6)


def test_a_flow_from_zero_stays_there_unless_it_is_one_layer() -> None:
    problem = repeated(1)
    t = np.array([1.0, 2.0])
    still = frozen.seen_flow(problem, [np.zeros((2, 4)), np.zeros((1, 2))], t)[1]
    assert not any(layer.any() for layer in still)
    moving = frozen.seen_flow(problem, [np.zeros((1, 4))], np.array([200.0]))[1][0][-1]
    assert np.allclose(moving @ problem.basis.T, problem.minimum_norm_solution, atol=1e-7)


def test_typical_starts_stay_in_what_is_not_seen() -> None:
    """Examples that repeat, and a teacher of which they show all."""
    problem = TeacherStudent(repeated(1).X, RNG(7).standard_normal((1, 4)), np.zeros((1, 4)))
    fully = TeacherStudent(problem.X, problem.minimum_norm_solution, np.zeros((1, 4)))
    for case, h in ((problem, 1), (fully, 2)):
        start = frozen.typical_start(case, [np.ones((h, 4)), np.ones((1, h))], RNG(2))[0]
        rows = start @ case.unseen
        assert np.allclose(start @ case.seen, np.ones((h, 4)) @ case.seen)
        assert np.allclose(rows @ rows.T, 2 * np.eye(h))
        assert np.allclose(rows @ case.teacher.T, 0, atol=1e-7)
        with pytest.raises(InvalidArgument, match=r"rows of W_1 and teacher = [34]: expected a number in \[1, 2\]"):
            frozen.typical_start(case, [np.ones((h + 1, 4)), np.ones((1, h + 1))], RNG(2))


def test_errors_are_of_the_ensembles_problems() -> None:
    problem = repeated(2)
    layers = frozen.seen_layers(problem, [np.ones((2, 4))])
    with pytest.raises(InvalidArgument, match="problem.n = 4: expected the ensemble's, 3"):
        frozen.error_given_seen(Ensemble(4, 3, K=2), problem, layers, 0.5)
    for start in (-1.0, 1e200, np.array([0.5, np.nan])):
        with pytest.raises(InvalidArgument, match=r"start.* = "):
            frozen.error_given_seen(Ensemble(4, 4, K=2), problem, layers, start)
    assert frozen.two_layer_invariant(problem, [np.ones((3, 4)), np.ones((2, 3))]).shape == (3, 3)
    assert frozen.excess_error(Ensemble(4, 5), 3.0, 2.0) == 0


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda: frozen.gain_from_small_start(np.array([[1.0, np.nan]]), 2), r"solution\[0, 1\] = nan"),
        (lambda: frozen.gain_from_orthogonal_start(np.array([[np.inf]]), 1.0), r"solution\[0, 0\] = inf"),
        (lambda: frozen.excess_error(Ensemble(3, 2), 3.0, np.inf), "start = inf"),
        (lambda: frozen.excess_error(Ensemble(3, 2), np.inf, 1.0), "gain = inf"),
        (lambda: minnorm.least_norm(np.array([[np.nan]]), 2), r"W\[0, 0\] = nan"),
        (lambda: minnorm.imbalances_after_step([np.eye(2)] * 2, np.full((2, 2), np.inf), 0.1), r"force\[0, 0\] = inf"),
        (lambda: minnorm.imbalances_after_step([np.eye(2)] * 2, np.eye(2), np.nan), "shrinkage = nan"),
    ],
)
def test_numbers_that_are_none(request_, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        request_()
