"""Training against a flow with kinks: errors of first order are removed, and a wrong flow is not forgiven."""

import numpy as np

from experiments.shallow.classifiers import minnorm_classifier, refined, states
from experiments.shallow.kinks import missed, refined_minnorm, tends_to_kinked
from theory.claims import Study
from theory.minnorm.tuning import Tuning

T, RUNS = 9, 40


def trained(flow: np.ndarray) -> list[np.ndarray]:
    """The flow with an error of first order, and one of second order whose size no two learning rates share."""
    rng = np.random.default_rng(0)
    slope = rng.standard_normal(flow.shape)
    return [flow + eta * slope + eta**2 * rng.uniform(0, 1, flow.shape) for eta in (0.1, 0.05, 0.025)]


def test_what_tends_to_the_flow_passes() -> None:
    flow = np.random.default_rng(1).standard_normal((T, RUNS, 3))
    checks = list(tends_to_kinked("weights", trained(flow), flow, case="both"))
    assert [check.label for check in checks] == [
        "both: weights, order in the learning rate",
        "both: weights, learning rate 0",
    ]
    assert all(check.passed for check in checks)


def test_what_tends_to_another_does_not() -> None:
    flow = np.random.default_rng(1).standard_normal((T, RUNS, 3))
    values = trained(flow)
    assert not any(check.passed for check in tends_to_kinked("weights", values, flow + 0.02))
    assert missed("weights", values, flow + 0.02).control("off by 0.02").equals(0).passed


def test_minnorm_at_three_learning_rates_is_each_on_its_own() -> None:
    rng = np.random.default_rng(2)
    Z, w, multipliers = rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 3)), rng.exponential(size=(2, 4))
    tuning, study = Tuning(1.2, np.array([0.3, 0.6])), Study("a.b")
    together = refined_minnorm(study, Z, tuning, w, multipliers, horizon=2.0, steps=20, records=5)
    apart = refined(minnorm_classifier(study, Z, tuning, w, multipliers), horizon=2.0, steps=20, records=5)
    for one, other in zip(apart, together):
        assert np.allclose(one.t, other.t)
        assert np.allclose(states(one), states(other), rtol=1e-12)
