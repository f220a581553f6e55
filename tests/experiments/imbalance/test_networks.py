"""The fused trainer against torch modules, autograd and the theory's own step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from experiments.imbalance.networks import (
    LinearDescent,
    by_autograd,
    linear_network,
    squared_gradient,
    squared_loss,
    trained,
    trained_coordinates,
    trained_product,
)
from experiments.training import State, Trainee, Update
from experiments.training.loop import TrainingDiverged
from experiments.updates import Adam
from theory.claims.study import Study
from theory.core.arrays import EPS
from theory.core.regression import Regression, random_regression
from theory.imbalance.dynamics import excess_loss, velocity
from theory.imbalance.problem import Network, coordinates, gaussian

STUDY = Study("test.networks", profile="smoke")
STEPS, RATE = 60, 0.02


def setup(seed: int = 0, *, runs: int = 3, m: int = 2) -> tuple[Regression, Network]:
    rng = np.random.default_rng(seed)
    problem = random_regression(rng, D=7, n=5, m=m, singular_values=np.array([1.6, 1.0, 0.7, 0.4]))
    return problem, gaussian(problem, 6, rng, scales=(0.5, 0.5), runs=runs)


def every_step(
    problem: Regression, network: Network, *, rule: Update | None = None, **options: object
) -> tuple[np.ndarray, np.ndarray]:
    settings = {"learning_rate": RATE, "steps": STEPS, "record": range(STEPS + 1)} | options
    run = linear_network(STUDY, problem, network, rule=rule).train(**settings)  # type: ignore[arg-type]
    return run["U"], run["V"]


def recording_the_loss(problem: Regression, network: Network, study: Study = STUDY) -> Trainee:
    loss = squared_loss(problem, "cpu")

    def observe(state: State) -> State:
        return {"loss": loss(state)}

    return linear_network(study, problem, network, observe=observe)


def test_training_is_torch_modules_with_sgd_step_by_step() -> None:
    """nn.Linear computes x W^T: first W = U^T (h, D), then W = V (m, h); mse_loss is a mean over n m numbers."""
    problem, network = setup()
    U, V = every_step(problem, network)
    X, Y = torch.tensor(problem.X), torch.tensor(problem.Y)
    for run in range(3):
        model = nn.Sequential(nn.Linear(7, 6, bias=False), nn.Linear(6, 2, bias=False)).double()
        with torch.no_grad():
            model[0].weight.copy_(torch.tensor(network.U[run].T))
            model[1].weight.copy_(torch.tensor(network.V[run]))
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE * Y.numel() / 2)
        for step in range(STEPS + 1):
            error = np.abs(model[0].weight.detach().numpy().T - U[step, run]).max()
            error = max(error, np.abs(model[1].weight.detach().numpy() - V[step, run]).max())
            assert error <= 32 * EPS * (step + 1)
            optimizer.zero_grad()
            nn.functional.mse_loss(model(X), Y).backward()
            optimizer.step()


def test_the_fused_gradient_is_that_of_autograd() -> None:
    problem, network = setup()
    fused = every_step(problem, network)
    run = by_autograd(STUDY, problem, network).train(learning_rate=RATE, steps=STEPS, record=range(STEPS + 1))
    plain = run["U"], run["V"]
    for first, second in zip(fused, plain):
        assert np.abs(first - second).max() <= 32 * EPS * STEPS


def test_one_step_is_the_velocity_of_the_theory() -> None:
    problem, network = setup(m=1)
    U, V = every_step(problem, network, steps=1, record=[0, 1])
    before, after = (coordinates(problem, Network(U[k], V[k])) for k in (0, 1))
    assert np.abs(after - before - RATE * velocity(problem, before)).max() <= 64 * EPS
    assert np.abs(problem.Phi2.T @ (U[1] - U[0])).max() <= 64 * EPS


def test_the_loss_is_that_of_the_theory() -> None:
    problem, network = setup()
    run = recording_the_loss(problem, network).train(learning_rate=RATE, steps=STEPS, record=[0, STEPS])
    assert np.allclose(run["loss"][0], excess_loss(problem, coordinates(problem, network)) + problem.optimal_loss)
    assert (run["loss"][1] < run["loss"][0]).all()


def test_runs_train_alone_as_they_do_together() -> None:
    problem, network = setup()
    rates = np.array([0.01, 0.02, 0.03])
    U, V = every_step(problem, network, learning_rate=rates)
    for run in range(3):
        single = Network(network.U[run : run + 1], network.V[run : run + 1])
        alone = every_step(problem, single, learning_rate=float(rates[run]))
        assert np.abs(alone[0][:, 0] - U[:, run]).max() <= 32 * EPS * STEPS
        assert np.abs(alone[1][:, 0] - V[:, run]).max() <= 32 * EPS * STEPS


def test_the_rule_can_be_another() -> None:
    problem, network = setup()
    U, _ = every_step(problem, network)
    other, _ = every_step(problem, network, rule=Adam(squared_loss(problem, "cpu")))
    assert np.abs(U[-1] - other[-1]).max() > 0.01


def test_runs_are_held_at_their_own_step() -> None:
    problem, network = setup()
    problem = Regression(problem.X, problem.X @ np.ones((7, 2)))
    options = {"learning_rate": 0.05, "record": range(401), "steps": 400}
    trainee = recording_the_loss(problem, network)
    free, held = trainee.train(**options), trainee.train(stop_below=1e-2, **options)
    first = (free["loss"] < 1e-2).argmax(0)
    assert np.array_equal(held.facts["steps"], first) and len(set(first)) == 3
    assert np.allclose(held["loss"][-1], free["loss"][first, np.arange(3)], rtol=1e-12)


def test_an_unfinished_run_is_kept_in_the_scratch_folder(tmp_path: Path) -> None:
    problem, network = setup()
    study = Study("test.networks", profile="smoke", scratch=tmp_path)
    run = recording_the_loss(problem, network, study).train(learning_rate=RATE, steps=STEPS, record=[0])
    assert [file.name for file in tmp_path.iterdir()] == ["test.networks-1.ckpt"]
    same = Study("test.networks", profile="smoke", scratch=tmp_path)
    again = recording_the_loss(problem, network, same).train(learning_rate=RATE, steps=STEPS, record=[0])
    assert np.array_equal(run["loss"], again["loss"])


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_the_stable_step_size_it_names_is_the_largest(factor: float) -> None:
    """From a start at a global minimum, with a perturbation too small to leave its neighbourhood."""
    problem, _ = setup(runs=1)
    with pytest.raises(TrainingDiverged) as diverged:
        linear_network(STUDY, problem, _minimum(problem)).train(learning_rate=5.0, steps=2000, record=[0])
    stable = float(str(diverged.value).split()[-1].rstrip("."))
    options = {"learning_rate": factor * stable, "steps": 150, "record": [0, 150]}
    run = recording_the_loss(problem, _minimum(problem)).train(**options)
    loss = run["loss"][:, 0] - problem.optimal_loss
    assert (loss[1] < loss[0]) == (factor < 1)


def _minimum(problem: Regression) -> Network:
    """U V^T = Theta_hat up to 1e-6, weights of equal size."""
    left, values, right = np.linalg.svd(problem.minimum_norm_solution, full_matrices=False)
    nudge = 1e-6 * np.random.default_rng(0).standard_normal((problem.D, problem.m))
    return Network((left * np.sqrt(values) + nudge)[None], (right.T * np.sqrt(values))[None])


def test_fused_descent_remembers_nothing() -> None:
    problem, network = setup()
    state = {"U": torch.tensor(network.U), "V": torch.tensor(network.V)}
    LinearDescent(problem, "cpu").begin(state)
    assert set(state) == {"U", "V"}


def test_what_was_recorded_is_read_back() -> None:
    problem, network = setup()
    run = linear_network(STUDY, problem, network).train(learning_rate=RATE, steps=1, record=[0])
    assert np.array_equal(trained(run).U[0], network.U) and np.array_equal(trained(run).V[0], network.V)
    assert np.array_equal(trained_coordinates(problem, run)[0], coordinates(problem, network))
    product = trained_product(problem, run)
    assert product.shape == (2, 3, problem.r, problem.m)
    assert np.allclose(product[0], problem.Phi1.T @ network.end_to_end)


def test_the_squared_gradient_is_the_decrease_of_a_small_step() -> None:
    problem, network = setup()
    state = {"U": torch.tensor(network.U), "V": torch.tensor(network.V)}
    losses, squared = squared_gradient(squared_loss(problem, "cpu"), state)
    run = recording_the_loss(problem, network).train(learning_rate=1e-6, steps=1, record=[0, 1])
    assert np.allclose(run["loss"][0], losses.numpy())
    assert np.allclose((run["loss"][0] - run["loss"][1]) / 1e-6, squared.numpy(), rtol=1e-3)
