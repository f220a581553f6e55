"""Gains, the hybrid loss and mixed labels: against brute force, many digits, and at their limits."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax

from theory.core.validation import InvalidArgument
from theory.cost_sensitive import distillation, gains, hybrid

seeds = st.integers(0, 10**6)
labels = st.integers(2, 5)


def drawn(seed: int, K: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.05, 2, (K, K)), rng.dirichlet(np.ones(K)), rng


def expected_loss(M: np.ndarray, log_D: np.ndarray, eta: np.ndarray, s: np.ndarray) -> float:
    shifted = s - log_D
    return float(
        -sum(eta[y] * M[y, j] * (shifted[j] - logsumexp(shifted)) for y in range(len(M)) for j in range(len(M)))
    )


@given(seeds, labels)
def test_no_prediction_earns_more(seed: int, K: int) -> None:
    G, eta, rng = drawn(seed, K)
    earned = [sum(eta[i] * G[i, j] for i in range(K)) for j in range(K)]
    assert gains.scores(G, eta) == pytest.approx(earned)
    best = gains.bayes_rule(G, eta)
    assert earned[best] == max(earned) and gains.regret(G, eta, best) == 0
    some = rng.integers(0, K)
    assert gains.regret(G, eta, some) == pytest.approx(max(earned) - earned[some])


@given(seeds, labels)
def test_costs_become_gains(seed: int, K: int) -> None:
    costs, eta, rng = drawn(seed, K)
    G = gains.gains_of_costs(costs)
    assert (G >= 0).all()
    assert gains.bayes_rule(G + rng.standard_normal((K, 1)), eta) == (eta @ costs).argmin()


@given(seeds, labels)
def test_the_minimiser_has_no_gradient_and_least_loss(seed: int, K: int) -> None:
    G, eta, rng = drawn(seed, K)
    D = rng.uniform(0.1, 10, K)
    M = hybrid.split(G, D)
    assert np.allclose(M * D, G) and np.allclose(np.diag(hybrid.split(G)), 1)
    s = hybrid.minimiser(M, np.log(D), eta)
    assert s - np.log(eta @ G) == pytest.approx((s - np.log(eta @ G)).mean())
    assert np.abs(hybrid.gradient(M, np.log(D), eta, s)).max() < 1e-12 * M.sum()
    other = s + 0.1 * rng.standard_normal(K)
    assert expected_loss(M, np.log(D), eta, other) >= expected_loss(M, np.log(D), eta, s)


@given(seeds, labels)
def test_gradients_are_differences(seed: int, K: int) -> None:
    G, eta, rng = drawn(seed, K)
    log_D, s, h = rng.standard_normal(K), rng.standard_normal(K), 1e-5
    found = hybrid.gradient(G, log_D, eta, s)
    steps = h * np.eye(K)
    slopes = [(expected_loss(G, log_D, eta, s + e) - expected_loss(G, log_D, eta, s - e)) / (2 * h) for e in steps]
    assert found == pytest.approx(slopes, abs=1e-8)
    assert hybrid.earned(G, eta) == pytest.approx(gains.scores(G, eta))


@given(st.floats(-300, 300), st.floats(-300, 300))
def test_logits_far_apart_keep_their_digits(a: float, b: float) -> None:
    found = hybrid.gradient(np.eye(2), np.zeros(2), np.array([0.3, 0.7]), np.array([a, b]))
    with mpmath.workdps(400):
        exact = 1 / (1 + mpmath.exp(mpmath.mpf(b) - mpmath.mpf(a))) - mpmath.mpf(0.3)
        assert abs(found[0] - exact) < 1e-15


@given(st.integers(1, 9), st.integers(1, 4), seeds)
def test_every_sample_once(n: int, K: int, seed: int) -> None:
    counts = distillation.outcomes(n, K)
    assert (counts.sum(1) == n).all() and len(np.unique(counts, axis=0)) == len(counts)
    eta = np.random.default_rng(seed).dirichlet(np.ones(K))
    chances = distillation.chances(counts, eta)
    assert chances.sum() == pytest.approx(1)
    assert chances @ counts / n == pytest.approx(eta, abs=1e-12)


@given(seeds, st.integers(1, 5), st.floats(0, 1))
@settings(max_examples=10, deadline=None)
def test_mean_regret_by_every_sequence_of_labels(seed: int, n: int, share: float) -> None:
    G, eta, rng = drawn(seed, 2)
    teacher, total = rng.dirichlet(np.ones(2)), 0.0
    for code in range(2**n):
        y = [(code >> bit) & 1 for bit in range(n)]
        p = share * teacher + (1 - share) * np.bincount(y, minlength=2) / n
        total += float(np.prod(eta[y]) * gains.regret(G, eta, gains.bayes_rule(G, p)))
    assert distillation.mean_regret(G, eta, n, share, teacher) == pytest.approx(total, abs=1e-9)


@given(seeds, labels, st.integers(1, 5), st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_noise_of_gradients_over_all_samples(seed: int, K: int, n: int, share: float) -> None:
    G, eta, rng = drawn(seed, K)
    s = rng.standard_normal(K)
    q = softmax(s)
    counts = distillation.outcomes(n, K)
    p = distillation.mixed_labels(counts, eta, share)
    gradients = hybrid.gradient(G, np.zeros(K), p, s)
    weights = distillation.chances(counts, eta)
    away = gradients - weights @ gradients
    covariance = (away * weights[:, None]).T @ away
    assert distillation.gradient_covariance(G, q, eta, n, share) == pytest.approx(covariance, abs=1e-9)


@given(seeds, labels)
def test_helpers_keep_what_they_are_given(seed: int, K: int) -> None:
    G, eta, _ = drawn(seed, K)
    assert np.array_equal(gains.square("G", G), G)
    assert gains.probabilities("eta", eta, K) == pytest.approx(eta)


def test_a_teacher_that_is_right_leaves_no_regret_and_a_wrong_one_all_of_it() -> None:
    G, eta = np.eye(2), np.array([0.6, 0.4])
    assert distillation.mean_regret(G, eta, 5, 1.0, eta) == 0
    assert distillation.mean_regret(G, eta, 5, 1.0, eta[::-1].copy()) == pytest.approx(0.2)


def test_what_is_outside_the_domain_is_named() -> None:
    G, eta = np.eye(2), np.array([0.5, 0.5])
    with pytest.raises(InvalidArgument, match=r"eta.sum\(-1\) = 1.4: expected probabilities that add up to 1"):
        gains.scores(G, np.array([0.7, 0.7]))
    with pytest.raises(InvalidArgument, match="chosen = 2"):
        gains.regret(G, eta, np.array(2))
    with pytest.raises(InvalidArgument, match=r"G\[0, 1\] = -1"):
        hybrid.split(np.array([[1.0, -1.0], [0.0, 1.0]]))
    with pytest.raises(InvalidArgument, match=r"D\[0\] = 0"):
        hybrid.split(np.array([[0.0, 1.0], [0.0, 1.0]]))
    with pytest.raises(InvalidArgument, match="M\\^T eta = 0.0: expected every label to earn something"):
        hybrid.minimiser(G, np.zeros(2), np.array([1.0, 0.0]))
    with pytest.raises(InvalidArgument, match="at most 200000 ways"):
        distillation.outcomes(1000, 4)
    with pytest.raises(InvalidArgument, match="share = 1.5"):
        distillation.mixed_labels(np.array([[1, 0]]), eta, 1.5)
    with pytest.raises(InvalidArgument, match="counts = 0.0: expected counts of at least 0, one label or more"):
        distillation.mixed_labels(np.array([[0, 0]]), eta, 0.5)
