"""Momentum and the quadratic forms that descent conserves, against steps taken one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.homogeneous import balance, momentum

seeds = st.integers(0, 2**32 - 1)
RULES = [{}, {"momentum": 0.9}, {"momentum": 0.8, "dampening": 0.3}, {"momentum": 0.9, "nesterov": True}]


def gradient(U, V, X, Y):
    E = X @ U.T @ V.T - Y
    return V.T @ E.T @ X, E.T @ (X @ U.T)


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from(RULES), st.sampled_from([0.0, 0.02]))
def test_after_step_is_the_imbalance_after_a_step_of_torch(seed, rule, decay):
    rng, eta, mu = np.random.default_rng(seed), 0.01, rule.get("momentum", 0.0)
    X, Y = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    W, v = [rng.standard_normal((4, 3)), rng.standard_normal((2, 4))], None
    for _ in range(4):
        g = [G + decay * w for G, w in zip(gradient(*W, X, Y), W)]
        first = v is None
        old = [np.zeros_like(w) for w in W] if first else v
        tau = 0.0 if first else rule.get("dampening", 0.0)
        v = [mu * a + (1 - tau) * b for a, b in zip(old, g)]
        d = [b + mu * a for a, b in zip(v, g)] if rule.get("nesterov") else v
        plus, minus = (balance.matrices([w + s * a for w, a in zip(W, old)])[0] for s in (1, -1))
        forms = balance.matrices(W)[0], (plus - minus) / 4, balance.matrices(d)[0]
        predicted = momentum.after_step(*forms, eta, decay=decay, **(rule | {"dampening": tau}))
        W = [w - eta * a for w, a in zip(W, d)]
        scale = sum(np.square(w).sum() for w in (*W, *old))
        assert balance.matrices(W)[0] == pytest.approx(predicted, abs=200 * np.finfo(float).eps * scale)


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 0.95), st.floats(-2, 2))
def test_the_steady_drift_is_where_the_recursion_rests(mu, form):
    """A velocity that does not change: C+ = mu (C - eta Q(v)), and each step adds -2 eta C+ + eta^2 Q(v)."""
    eta, C, Q = 0.1, 0.0, np.array(form)
    for _ in range(2000):
        C = mu * (C - eta * form)
    assert momentum.steady_drift(Q, eta, mu) == pytest.approx(-2 * eta * C + eta**2 * form, rel=1e-9, abs=1e-12)


def test_what_is_no_rule_is_refused():
    one = np.array(1.0)
    with pytest.raises(InvalidArgument, match="momentum = 1.5"):
        momentum.after_step(one, one, one, 0.1, momentum=1.5)
    with pytest.raises(InvalidArgument, match="momentum = 1.0"):
        momentum.steady_drift(one, 0.1, 1.0)
