"""The training loop: a batch of independent runs, on any device, recorded, resumable, honest on divergence."""

import hashlib
import io
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.updates import GradientDescent, Loss, State, Update, along
from theory.core.arrays import Array
from theory.core.files import write_atomically
from theory.core.trajectory import Trajectory
from theory.core.validation import positive, positive_integer, reject

Observe = Callable[[State], Mapping[str, Tensor]]

CHUNK = 500  # steps between looks at the state: one synchronisation with the device each
SAVE_EVERY = 5.0  # seconds between checkpoints


class TrainingDiverged(RuntimeError):
    """A run left the finite numbers; the message says at which step and which step size would be stable."""


def recording_steps(steps: int, count: int) -> list[int]:
    """`count` steps from 0 to `steps`, evenly spaced."""
    return sorted({round(step) for step in np.linspace(0, steps, count)})


def train(
    loss: Loss,
    start: Mapping[str, Array | Tensor],
    *,
    learning_rate: float | Array,
    steps: int,
    record: Sequence[int],
    observe: Observe | None = None,
    update: Update | None = None,
    stop_below: float | None = None,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Trajectory:
    """Train a batch of independent runs.

    Args:
        loss: state -> losses (runs,); run i's loss depends on run i's tensors alone.
        start: parameters by name, first dimension the runs, float64 unless they are torch tensors of another type.
        learning_rate: one number, or one a run (runs,).
        steps: at most this many.
        record: steps at which `observe` is called, in 0 ... `steps`; the last state is recorded in any case.
        observe: state -> what to record, each (runs, ...); default: the loss.
        update: the rule; default: `GradientDescent(loss)`.
        stop_below: hold a run from the first step at which its loss is below this, and end when all are held.
        device: name of a torch device.
        checkpoint: file the state is saved to every few seconds; if it holds a state of this same call, training goes
            on from there and ends with the same bits as a run that was never interrupted.
        progress: called with the fraction of the steps done.

    Returns:
        Trajectory, t = step x learning_rate (T,), or (T, runs) if each run has its own learning rate. `facts`:
        `recorded` steps (T,), `steps` taken by each run (runs,), `parameters` at the end (numpy).

    Raises:
        InvalidArgument: see the messages; nothing has been trained then.
        TrainingDiverged: a loss or parameter is no longer finite.
    """
    rule = update or GradientDescent(loss)
    look = observe or (lambda state: {"loss": loss(state)})
    state, rates = _begin(start, learning_rate, device)
    parameters = tuple(state)
    positive_integer("steps", steps)
    wanted = sorted(set(record))
    if not wanted or wanted[0] < 0 or wanted[-1] > steps:
        reject("record", f"{len(wanted)} steps", f"steps between 0 and {steps}")
    if stop_below is not None:
        positive("stop_below", stop_below)
    rule.begin(state)
    with torch.no_grad():
        seen = {**state, "training loss": loss(state), **look(state)}
    key = _fingerprint(seen, rates, steps, wanted, stop_below, type(rule).__name__, device)
    run = _Run(state, torch.ones_like(rates, dtype=torch.bool), torch.zeros_like(rates, dtype=torch.long))
    run = _resume(checkpoint, key, device) or run
    origin = {name: tensor.clone() for name, tensor in state.items()}
    saved = time.monotonic()
    with torch.no_grad():
        if run.step == 0 and not run.recorded and wanted[0] == 0:
            run.note(look)
        while run.step < steps and bool(run.active.any()):
            coming = bisect_right(wanted, run.step)
            target = min([*wanted[coming : coming + 1], run.step + CHUNK, steps])
            before = {name: tensor.clone() for name, tensor in run.state.items()}
            losses = _advance(rule, run, rates, target - run.step, stop_below)
            if not bool(_finite_runs({**run.state, "loss": losses}).all()):
                raise TrainingDiverged(_diagnosis(loss, rule, origin, before, rates * run.active, run.step, parameters))
            run.step = target
            if wanted[coming : coming + 1] == [target]:
                run.note(look)
            if checkpoint and time.monotonic() - saved > SAVE_EVERY:
                _save(checkpoint, key, run)
                saved = time.monotonic()
            progress(run.step / steps)
        if not run.recorded or run.recorded[-1] != run.step:
            run.note(look)
    if checkpoint:
        _save(checkpoint, key, run)
    return _trajectory(run, learning_rate, parameters)


@dataclass
class _Run:
    """Everything a checkpoint holds."""

    state: State
    active: Tensor
    taken: Tensor
    step: int = 0
    recorded: list[int] = None  # type: ignore[assignment]
    records: list[dict[str, Tensor]] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.recorded = self.recorded or []
        self.records = self.records or []

    def note(self, look: Observe) -> None:
        self.recorded.append(self.step)
        self.records.append({name: value.detach().clone() for name, value in look(self.state).items()})


def _begin(start: Mapping[str, Array | Tensor], learning_rate: float | Array, device: str) -> tuple[State, Tensor]:
    if not start:
        reject("start", "{}", "at least one parameter")
    state = {}
    for name, value in start.items():
        tensor = value.detach().clone() if isinstance(value, Tensor) else torch.tensor(np.asarray(value, np.float64))
        if not bool(torch.isfinite(tensor).all()):
            reject(f"start[{name!r}]", "a tensor with NaN or infinity", "finite numbers")
        state[name] = tensor.to(device)
    counts = {name: tensor.shape[0] if tensor.dim() else 0 for name, tensor in state.items()}
    runs = max(counts.values())
    if set(counts.values()) != {runs} or runs == 0:
        reject("start", counts, "the same number of runs as first dimension of every parameter")
    rates = np.asarray(learning_rate, dtype=np.float64)
    if rates.shape not in ((), (runs,)) or not (np.isfinite(rates).all() and (rates > 0).all()):
        reject("learning_rate", learning_rate, f"a finite number above 0, or {runs} of them, one a run")
    kind = next(iter(state.values())).dtype
    return state, torch.tensor(np.broadcast_to(rates, (runs,)).copy(), dtype=kind, device=device)


def _advance(rule: Update, run: _Run, rates: Tensor, count: int, stop_below: float | None) -> Tensor:
    """Take `count` steps; returns the losses before the last one."""
    if stop_below is None:
        for _ in range(count):
            losses, work = rule.evaluate(run.state)
            rule.apply(run.state, work, rates)
        run.taken += count
        return losses
    for _ in range(count):
        losses, work = rule.evaluate(run.state)
        run.active &= ~(losses < stop_below)
        rule.apply(run.state, work, rates * run.active)
        run.taken += run.active
    return losses


def _finite_runs(state: State) -> Tensor:
    """Which runs (runs,) have nothing but finite numbers."""
    return torch.stack([torch.isfinite(tensor).reshape(len(tensor), -1).all(1) for tensor in state.values()]).all(0)


def _diagnosis(
    loss: Loss, rule: Update, origin: State, state: State, rates: Tensor, step: int, parameters: tuple[str, ...]
) -> str:
    """Replay the last chunk to find the step, and derive the stable step size from the curvature at the start."""
    losses, work = rule.evaluate(state)
    while bool(_finite_runs({**state, "loss": losses}).all()):
        rule.apply(state, work, rates)
        losses, work = rule.evaluate(state)
        step += 1
    bad = int(torch.argmin(_finite_runs({**state, "loss": losses}).to(torch.int)))
    curvature = sharpness(loss, {name: origin[name] for name in parameters})[bad]
    return (
        f"run {bad} is no longer finite at step {step}, learning_rate = {float(rates[bad]):.6g}. At the start the "
        f"loss has curvature {float(curvature):.6g}, so gradient descent is stable there up to learning_rate = "
        f"{float(2 / curvature):.6g}."
    )


def sharpness(loss: Loss, state: State, iterations: int = 50) -> Tensor:
    """Largest absolute eigenvalue (runs,) of each run's Hessian, by power iteration: 2 / sharpness is the largest
    step size at which gradient descent is stable at a minimum of that curvature."""
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in state.items()}
    inputs = tuple(leaves.values())
    with torch.enable_grad():
        gradients = torch.autograd.grad(loss(leaves).sum(), inputs, create_graph=True)
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype).to(p.device) for p in inputs]
    size = torch.ones((), device=inputs[0].device)
    for _ in range(iterations):
        scale = _norm(direction)
        direction = [d / along(scale, d) for d in direction]
        product = torch.autograd.grad(gradients, inputs, direction, retain_graph=True)
        size = _norm(product)
        direction = list(product)
    return size


def _norm(parts: Sequence[Tensor]) -> Tensor:
    """The norm (runs,) of parts (runs, ...) together."""
    return torch.stack([part.square().reshape(len(part), -1).sum(1) for part in parts]).sum(0).sqrt()


def _trajectory(run: _Run, learning_rate: float | Array, parameters: tuple[str, ...]) -> Trajectory:
    recorded = np.array(run.recorded)
    t = np.multiply.outer(recorded, np.asarray(learning_rate, dtype=np.float64))
    names = run.records[0]
    arrays = {name: torch.stack([record[name] for record in run.records]).cpu().numpy() for name in names}
    final = {name: run.state[name].cpu().numpy() for name in parameters}
    return Trajectory(t, arrays, {"recorded": recorded, "steps": run.taken.cpu().numpy(), "parameters": final})


def _fingerprint(state: State, *settings: Any) -> str:
    """Identifies a call by its settings, its start and what is seen there: other data give another loss. A checkpoint
    of another call is not resumed from."""
    digest = hashlib.sha256(repr([s.tolist() if isinstance(s, Tensor) else s for s in settings]).encode())
    digest.update(f"{torch.__version__} {torch.get_num_threads()}".encode())
    for name, tensor in state.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
    return digest.hexdigest()


def _save(path: Path, key: str, run: _Run) -> None:
    buffer = io.BytesIO()
    torch.save({"key": key, **vars(run)}, buffer)
    content = buffer.getvalue()
    write_atomically(path, hashlib.sha256(content).digest() + content)


def _resume(path: Path | None, key: str, device: str) -> _Run | None:
    """The state saved by an earlier run of this same call; a file that is damaged, or another's, counts as none."""
    try:
        content = path.read_bytes() if path else b""
    except OSError:
        return None
    checksum, content = content[:32], content[32:]
    if checksum != hashlib.sha256(content).digest():
        return None
    saved = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    return _Run(**saved) if saved.pop("key") == key else None
