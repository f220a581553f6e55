"""The training loop: batches, records, holding, resuming and what it says when a run diverges."""

import multiprocessing
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.training import loop as training
from experiments.training.loop import TrainingDiverged, recording_steps, sharpness, train
from experiments.updates import Adam, Momentum, State
from theory.core.trajectory import Trajectory
from theory.core.validation import InvalidArgument
from theory.harness.devices import select_device

CURVATURE = torch.tensor([1.0, 3.0, 10.0], dtype=torch.float64)
START = np.random.default_rng(0).standard_normal((4, 3))


def quadratic(state: State) -> Tensor:
    return 0.5 * (CURVATURE * state["x"] ** 2).sum(1)


def position(state: State) -> State:
    return {"x": state["x"]}


def trained(start: np.ndarray = START, loss: Callable[[State], Tensor] = quadratic, **options: Any) -> Trajectory:
    settings: dict[str, Any] = {"learning_rate": 0.05, "steps": 20, "record": range(21), "observe": position}
    return train(loss, {"x": start}, **(settings | options))


def closed_form(steps: np.ndarray, learning_rate: float | np.ndarray = 0.05) -> np.ndarray:
    """(1 - rate curvature)^step x(0), (T, runs, 3)."""
    rates = np.broadcast_to(learning_rate, (len(START),))[:, None]
    return (1 - rates * CURVATURE.numpy()) ** np.asarray(steps)[:, None, None] * START


def test_gradient_descent_on_a_quadratic() -> None:
    run = trained()
    assert np.allclose(run["x"], closed_form(np.arange(21)), rtol=1e-13, atol=0)
    assert np.allclose(run.t, 0.05 * np.arange(21))
    assert np.array_equal(run.facts["steps"], [20] * 4)
    assert np.array_equal(run.facts["parameters"]["x"], run["x"][-1])


def test_each_run_may_have_its_learning_rate() -> None:
    rates = np.array([0.01, 0.02, 0.05, 0.1])
    run = trained(learning_rate=rates)
    assert run.t.shape == (21, 4)
    assert np.allclose(run.t, np.multiply.outer(np.arange(21), rates))
    assert np.allclose(run["x"], closed_form(np.arange(21), rates), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("update", [None, Momentum, Adam])
def test_a_batch_is_its_runs(update: Callable | None) -> None:
    options = {"update": update(quadratic)} if update else {}
    batch = trained(**options)
    for run, row in enumerate(START):
        alone = trained(row[None], **({"update": update(quadratic)} if update else {}))
        assert np.allclose(batch["x"][:, run], alone["x"][:, 0], rtol=1e-13, atol=1e-15)


def test_only_the_steps_asked_for_and_the_last_are_recorded() -> None:
    run = trained(record=[7, 3])
    assert run.facts["recorded"].tolist() == [3, 7, 20]
    assert np.allclose(run["x"], closed_form(np.array([3, 7, 20])), rtol=1e-13, atol=0)


def test_recording_does_not_change_the_run() -> None:
    assert np.array_equal(trained(record=range(21))["x"][-1], trained(record=[0])["x"][-1])


def test_the_loss_is_recorded_by_default() -> None:
    run = trained(observe=None)
    expected = 0.5 * (CURVATURE.numpy() * closed_form(np.arange(21)) ** 2).sum(-1)
    assert np.allclose(run["loss"], expected, rtol=1e-13)


def test_float32_stays_float32() -> None:
    run = train(
        lambda state: 0.5 * (state["x"] ** 2).sum(1),
        {"x": torch.ones(2, 3)},
        learning_rate=0.1,
        steps=2,
        record=[0],
        observe=position,
    )
    assert run["x"].dtype == np.float32


def test_the_start_is_not_touched() -> None:
    start = torch.tensor(START)
    train(quadratic, {"x": start}, learning_rate=0.05, steps=3, record=[0])
    assert np.array_equal(start.numpy(), START)


def test_recording_steps_are_even_and_end_at_both_ends() -> None:
    assert recording_steps(100, 5) == [0, 25, 50, 75, 100]
    assert recording_steps(2, 100) == [0, 1, 2]


def test_each_run_is_held_at_its_own_step() -> None:
    everything = closed_form(np.arange(201))
    losses = 0.5 * (CURVATURE.numpy() * everything**2).sum(-1)
    first = (losses < 1e-3).argmax(0)
    run = trained(steps=200, record=[0, 200], stop_below=1e-3)
    assert len(set(first)) > 1
    assert np.array_equal(run.facts["steps"], first)
    expected = everything[first, np.arange(4)]
    assert np.allclose(run.facts["parameters"]["x"], expected, rtol=1e-12, atol=0)


def test_training_ends_when_all_runs_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHUNK", 10)
    run = trained(steps=10_000, record=[0], stop_below=1e-3)
    assert run.facts["recorded"][-1] < 100
    assert run.facts["steps"].max() < run.facts["recorded"][-1]


def test_a_run_that_starts_below_takes_no_step() -> None:
    run = trained(0.001 * START, stop_below=1.0)
    assert np.array_equal(run.facts["steps"], [0] * 4)
    assert np.array_equal(run.facts["parameters"]["x"], 0.001 * START)


def test_a_run_that_never_gets_below_takes_every_step() -> None:
    assert np.array_equal(trained(stop_below=1e-100).facts["steps"], [20] * 4)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("update", [None, Momentum, Adam])
@pytest.mark.parametrize("stop_below", [None, 0.3])
def test_an_interrupted_run_resumes_to_the_same_bits(
    update: Callable | None, stop_below: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY", 0)
    monkeypatch.setattr(training, "CHUNK", 3)
    options: dict[str, Any] = {"record": [0, 2, 5, 11, 20], "stop_below": stop_below}

    def run(**more: Any) -> Trajectory:
        return trained(**options, **({"update": update(quadratic)} if update else {}), **more)

    done: list[float] = []

    def interrupt(fraction: float) -> None:
        done.append(fraction)
        if len(done) == 2:
            raise Interrupted

    whole = run()
    with pytest.raises(Interrupted):
        run(checkpoint=tmp_path / "run.ckpt", progress=interrupt)
    rest: list[float] = []
    resumed = run(checkpoint=tmp_path / "run.ckpt", progress=rest.append)
    assert rest and min(rest) > max(done), "the second call started over"
    assert np.array_equal(whole["x"], resumed["x"]) and np.array_equal(whole.t, resumed.t)
    assert np.array_equal(whole.facts["steps"], resumed.facts["steps"])
    assert np.array_equal(whole.facts["parameters"]["x"], resumed.facts["parameters"]["x"])


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    first = trained(checkpoint=tmp_path / "run.ckpt")
    fractions: list[float] = []
    second = trained(checkpoint=tmp_path / "run.ckpt", progress=fractions.append)
    assert not fractions and np.array_equal(first["x"], second["x"])


@pytest.mark.parametrize(
    "other",
    [
        {"start": START + 1e-9},
        {"learning_rate": 0.051},
        {"record": [0, 20]},
        {"stop_below": 1e-9},
        {"update": Momentum(quadratic)},
        {"loss": lambda state: 2 * quadratic(state)},
        {"observe": lambda state: {"x": 2 * state["x"]}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_checkpoint_of_another_call_is_not_used(other: dict[str, Any], tmp_path: Path) -> None:
    trained(checkpoint=tmp_path / "run.ckpt")
    resumed = trained(**other, checkpoint=tmp_path / "run.ckpt")
    assert np.array_equal(resumed["x"], trained(**other)["x"])


DAMAGES = [
    lambda content: b"",
    lambda content: content[:20],
    lambda content: content[:200],
    lambda content: content[:-40],
    lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    lambda content: bytes(len(content)),
    lambda content: content[32:],
    lambda content: b"PK" + content,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_counts_as_none(damage: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    whole = trained(checkpoint=path)
    path.write_bytes(damage(path.read_bytes()))
    assert np.array_equal(trained(checkpoint=path)["x"], whole["x"])


def test_a_folder_in_the_place_of_a_checkpoint_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    path.mkdir()
    with pytest.raises(OSError, match="run.ckpt"):  # it cannot be written to in the end
        trained(checkpoint=path)


def test_a_killed_process_resumes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY", 0)
    monkeypatch.setattr(training, "CHUNK", 3)
    path = tmp_path / "run.ckpt"

    def sleepy() -> None:
        trained(steps=3000, record=[0, 1500], checkpoint=path, progress=lambda _: time.sleep(0.01))

    process = multiprocessing.get_context("fork").Process(target=sleepy)
    process.start()
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL and path.exists()
    rest: list[float] = []
    resumed = trained(steps=3000, record=[0, 1500], checkpoint=path, progress=rest.append)
    assert min(rest) > 3 / 3000, "training started over"
    assert np.array_equal(resumed["x"], trained(steps=3000, record=[0, 1500])["x"])


def test_divergence_names_run_step_and_a_step_size_that_is_stable() -> None:
    rates = np.array([0.05, 0.5, 0.05, 0.05])
    with pytest.raises(TrainingDiverged) as diverged:
        trained(learning_rate=rates, steps=5000, record=[0])
    pattern = r"run (\d+) is no longer finite at step (\d+), learning_rate = (\S+)\. .* has curvature (\S+),"
    found = re.match(pattern, str(diverged.value))
    stable = float(re.search(r"up to learning_rate = (\S+)\.$", str(diverged.value))[1])  # type: ignore[index]
    assert found is not None
    assert (int(found[1]), float(found[3])) == (1, 0.5)
    assert float(found[4]) == pytest.approx(10, rel=1e-5)

    # 10 (|1 - 0.5 x 10|^step x(0))^2, twice the loss, leaves the finite numbers at this step.
    size = np.log10(10 * START[1, 2] ** 2) + 2 * int(found[2]) * np.log10(4)
    assert size - 2 * np.log10(4) < np.log10(np.finfo(float).max) < size

    below = trained(learning_rate=0.95 * stable, steps=2000, record=[0])["x"][-1]
    above = trained(learning_rate=1.05 * stable, steps=2000, record=[0])["x"][-1]
    assert np.abs(below).max() < 1e-10
    assert np.abs(above).max() > 1e10


def test_divergence_of_numbers_is_told_too() -> None:
    """Gains are one number a run, and so of shape (runs,)."""
    loss = lambda state: 3 * state["x"] ** 2  # noqa: E731
    state = {"x": torch.tensor([1.0, -2.0], dtype=torch.float64)}
    assert torch.allclose(sharpness(loss, state), torch.tensor(6.0, dtype=torch.float64), rtol=1e-12)
    with pytest.raises(TrainingDiverged, match="loss has curvature 6, .* up to learning_rate = 0.333333"):
        train(loss, {"x": np.array([1.0, -2.0])}, learning_rate=0.5, steps=5000, record=[0])


def test_divergence_beside_held_runs_names_the_run_that_diverged() -> None:
    start = START.copy()
    start[:2] *= 1e-9
    with pytest.raises(TrainingDiverged, match="^run 2 is no longer finite at step"):
        trained(start, learning_rate=0.5, steps=5000, record=[0], stop_below=1e-6)


def test_a_state_that_breaks_in_one_step_is_diagnosed() -> None:
    rates = np.array([0.05, 0.05, 0.05, 1e308])
    with pytest.raises(TrainingDiverged, match="^run 3 is no longer finite at step 1,"):
        trained(100 * START, learning_rate=rates, steps=1, record=[0])


def test_sharpness_is_the_largest_absolute_curvature_of_each_run() -> None:
    matrices = np.random.default_rng(1).standard_normal((5, 6, 6))
    hessians = torch.tensor(matrices + matrices.swapaxes(1, 2))

    def loss(state: State) -> Tensor:
        x = torch.cat([state["a"], state["b"]], dim=1)
        return 0.5 * torch.einsum("ri,rij,rj->r", x, hessians, x)

    state = {"a": torch.ones(5, 2, dtype=torch.float64), "b": torch.zeros(5, 4, dtype=torch.float64)}
    exact = torch.linalg.eigvalsh(hessians).abs().amax(1)
    # Power iteration comes from below; eigenvalues of nearly equal size are all nearly the largest.
    found = sharpness(loss, state, iterations=2000)
    assert torch.allclose(found, exact, rtol=1e-3)
    assert (found <= exact * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate = 0.0: expected a finite number above 0, or 4 of them"),
        ({"learning_rate": np.nan}, "learning_rate = nan"),
        ({"learning_rate": np.array([0.1, 0.1])}, "learning_rate = .*: expected a finite number above 0, or 4 of them"),
        ({"learning_rate": np.array([0.1, 0.1, 0.1, -0.1])}, "learning_rate = "),
        ({"steps": 0}, "steps = 0: expected a whole number of at least 1"),
        ({"record": []}, "record = 0 steps: expected steps between 0 and 20"),
        ({"record": [21]}, "record = 1 steps: expected steps between 0 and 20"),
        ({"record": [-1, 3]}, "record = 2 steps: expected steps between 0 and 20"),
        ({"stop_below": 0.0}, "stop_below = 0.0: expected a finite number above 0"),
        ({"start": START * np.nan}, r"start\['x'\] = .*: expected finite numbers"),
        ({"start": np.zeros((0, 3))}, "start = .*: expected the same number of runs"),
        ({"start": np.array(1.0)}, "start = .*: expected the same number of runs"),
    ],
)
def test_bad_requests_are_refused_before_any_work(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        trained(**options, progress=lambda _: pytest.fail("training began"))


def test_parameters_agree_on_the_number_of_runs() -> None:
    with pytest.raises(InvalidArgument, match=r"start = \{'a': 2, 'b': 3\}: expected the same number of runs"):
        train(quadratic, {"a": np.ones((2, 1)), "b": np.ones((3, 1))}, learning_rate=0.1, steps=1, record=[0])
    with pytest.raises(InvalidArgument, match=r"start = \{\}: expected at least one parameter"):
        train(quadratic, {}, learning_rate=0.1, steps=1, record=[0])


def test_devices_are_selected_by_name() -> None:
    assert select_device("cpu") == "cpu"
    assert select_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "cpu:x"])
def test_devices_that_are_not_here_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"device = '{name}': expected auto, cpu, or a CUDA device"):
        select_device(name)


def test_recording_every_step_costs_no_more_than_the_steps() -> None:
    """Finding the next step to record must not search them all, whose cost would grow with the square."""
    began = time.perf_counter()
    trained(steps=4000, record=range(4001))
    assert time.perf_counter() - began < 20
