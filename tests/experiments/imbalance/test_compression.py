"""Training a compressed network: refused for the rules that would tell it from the large one."""

from collections.abc import Callable

import numpy as np
import pytest

from experiments.imbalance.compression import compressed_network
from experiments.imbalance.networks import linear_network, squared_loss
from experiments.training import GradientDescent, State
from experiments.updates import Adam, Momentum
from theory.claims.study import Study
from theory.core.regression import random_regression
from theory.core.trajectory import Trajectory
from theory.core.validation import InvalidArgument
from theory.imbalance.compression import compress, gradient_descent, gradient_descent_in_numpy
from theory.imbalance.problem import gaussian

STUDY = Study("imbalance.compression")
OPTIONS = {"learning_rate": 0.01, "steps": 20, "record": [0, 20]}


def setting():
    rng = np.random.default_rng(0)
    problem = random_regression(rng, D=7, n=5, m=2, singular_values=np.array([1.5, 1.0, 0.6]))
    return compress(problem, gaussian(problem, 12, rng))


def test_adam_is_refused_with_the_reason() -> None:
    small = setting()
    with pytest.raises(InvalidArgument, match="rule = Adam: expected a rule that commutes with rotations"):
        compressed_network(STUDY, small, rule=Adam(squared_loss(small.problem, "cpu")))


@pytest.mark.parametrize("rule", [GradientDescent, Momentum])
def test_equivariant_rules_are_trained(rule: type) -> None:
    small = setting()
    loss = squared_loss(small.problem, "cpu")

    def observe(state: State) -> State:
        return {"loss": loss(state)}

    run = compressed_network(STUDY, small, rule=rule(loss), observe=observe).train(**OPTIONS)
    assert run["loss"][-1] < run["loss"][0]


def test_a_compressed_network_is_recorded_like_any_other() -> None:
    run = compressed_network(STUDY, setting()).train(**OPTIONS)
    assert run["U"].shape == (2, 1, 3, 5)
    assert run["V"].shape == (2, 1, 2, 5)


@pytest.mark.parametrize("descent", [gradient_descent, gradient_descent_in_numpy])
@pytest.mark.parametrize("m", [1, 3])
def test_the_recursion_trains_as_torch_does(m: int, descent: Callable[..., Trajectory]) -> None:
    """Every weight of wide networks in torch; each of the runs is held at its own step."""
    rng = np.random.default_rng(1)
    problem = random_regression(rng, D=9, n=8, m=m, singular_values=np.linspace(1.4, 0.7, 6))
    network = gaussian(problem, 50, rng, scales=(0.2, 0.2), runs=3)
    options = {"learning_rate": 0.005, "steps": 800, "record": [0, 100, 800]}
    torch = linear_network(STUDY, problem, network).train(stop_below=problem.optimal_loss + 1e-3, **options)
    small = compress(problem, network)
    run = descent(small, stop_below=1e-3, **options)
    np.testing.assert_array_equal(run.facts["steps"], torch.facts["steps"])
    assert 100 < run.facts["steps"].min() < run.facts["steps"].max() < 800
    last = torch["U"] @ torch["V"].mT
    np.testing.assert_allclose(small.end_to_end(run["U"], run["V"]), last, atol=1e-12)
