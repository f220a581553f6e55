"""What a watch is given, checked and read."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from experiments.watch.landscape import Model
from experiments.watch.look import Subject
from experiments.watch.losses import Kind, Loss, recognised
from experiments.watch.rule import Rule
from theory.core.validation import reject

BATCHED = ": steps are not along the gradient on all (mini-batches, or dropout)"
TRACED = 16  # examples of the pass that structure is read from


def require_kinds(network: Any, loss: Any, inputs: Any, targets: Any, optimizer: Any) -> None:
    """Raise `InvalidArgument` unless each is of its kind, and they belong together."""
    if not isinstance(network, nn.Module):
        reject("network", type(network).__name__, "a torch.nn.Module")
    if not callable(loss) or isinstance(loss, type):
        reject("loss", _named(loss), "a function of outputs and targets, such as torch.nn.functional.mse_loss")
    for name, value in (("inputs", inputs), ("targets", targets)):
        if not isinstance(value, Tensor):
            reject(
                name, f"an object of type {type(value).__name__}", "a tensor, the examples along its first dimension"
            )
        if value.ndim == 0 or len(value) == 0:
            reject(name, f"a tensor of shape {tuple(value.shape)}", "one example at least, along the first dimension")
        if value.is_floating_point() and not bool(value.isfinite().all()):
            reject(name, "a tensor with an infinite or NaN entry", "finite numbers")
    if len(inputs) != len(targets):
        reject("targets", f"{len(targets)} of them", f"{len(inputs)}, one for each of the inputs")
    if not isinstance(optimizer, Optimizer):
        reject("optimizer", _named(optimizer), "a torch.optim.Optimizer")
    if not any(p.requires_grad for p in network.parameters()):
        reject("network", f"a {type(network).__name__} without trainable parameters", "one with some")
    if not Rule(optimizer, network).trained:
        reject("optimizer", "one of other parameters", "one that trains some of this network's")


def subject_of(
    network: nn.Module, loss: Loss, inputs: Tensor, targets: Tensor, optimizer: Optimizer, count: int
) -> Subject:
    """What the watch was given, checked, with `count` examples spread over all of them for the looks."""
    model = Model(network, loss)
    seen = _spread(inputs, count)
    with torch.no_grad():
        outputs = _refused("inputs", "what the network accepts", lambda: model.outputs(model.state(), inputs[seen]))
        if not isinstance(outputs, Tensor):
            reject("network", f"one that returns a {type(outputs).__name__}", "one that returns a tensor")
        if outputs.ndim == 0 or len(outputs) != count:
            shape = tuple(outputs.shape)
            reject("network", f"one that returns {shape}", f"outputs of the {count} examples along the first dimension")
        value = _refused("targets", "what the loss accepts with the outputs", lambda: loss(outputs, targets[seen]))
    if not isinstance(value, Tensor) or value.numel() != 1:
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        reject("loss", f"one that returns {shape}", "one that returns one number, the mean or the sum over examples")
    structure, _ = model.structure(inputs[:TRACED])
    kind = recognised(loss, outputs, targets[seen])
    return Subject(model, structure, kind, Rule(optimizer, network), inputs, targets, seen)


def fewer(subject: Subject, count: int) -> Subject:
    """The same, of which looks take so many examples."""
    seen = _spread(subject.inputs, count)
    return replace(subject, seen=seen, kind=_kind_on(subject, seen), because=BATCHED)


def _kind_on(subject: Subject, seen: Tensor) -> Kind:
    with torch.no_grad():
        outputs = subject.model.outputs(subject.model.state(), subject.inputs[seen])
    return recognised(subject.model.loss, outputs, subject.targets[seen])


def _spread(inputs: Tensor, count: int) -> Tensor:
    """Numbers of so many examples, evenly spread: data may be sorted by class."""
    return torch.linspace(0, len(inputs) - 1, count, dtype=torch.float64).round().long().to(inputs.device)


def _refused(name: str, expected: str, attempt: Any) -> Any:
    """What `attempt` returns; its own error in one line if it raises one."""
    try:
        return attempt()
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        reject(name, f"tensors for which torch says: {first_line[:200]}", expected)


def broadcast(subject: Subject) -> Iterator[str]:
    """Targets that the loss broadcasts against outputs of another shape."""
    with torch.no_grad():
        inputs, targets = subject.examples
        outputs = subject.model.outputs(subject.model.state(), inputs[:TRACED])
    shape = targets[:TRACED].shape
    if targets.is_floating_point() and outputs.shape != shape and outputs.numel() == shape.numel():
        yield (
            f"outputs of shape {tuple(outputs.shape)} against targets of shape {tuple(shape)}:"
            " the loss broadcasts each output against every target"
        )


def in_words(subject: Subject) -> str:
    """What is trained, by which rule."""
    shapes = ", ".join(f"{layer.name or layer} {layer.operation.shape}" for layer in subject.structure.layers[:6])
    return f"{shapes} by {subject.rule.name}"


def _named(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else f"an object of type {type(value).__name__}"
