"""What an optimiser does with gradients, as far as theorems know: torch's SGD by its settings, others by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.optim import SGD, Optimizer


@dataclass(frozen=True)
class Settings:
    """Of one parameter, at one step."""

    learning_rate: float
    momentum: float
    dampening: float
    nesterov: bool
    decay: float

    def in_step(self, first: bool) -> dict[str, float | bool]:
        """What the law of a step asks for; torch's first step with momentum knows no dampening."""
        settled = {"decay": self.decay, "momentum": self.momentum, "nesterov": self.nesterov}
        return settled | {"dampening": 0.0 if first or not self.momentum else self.dampening}


class Rule:
    """What an optimiser does to a network's parameters.

    Attributes:
        name: "gradient descent", "gradient descent with momentum", or its class's.
    """

    def __init__(self, optimizer: Optimizer, network: nn.Module) -> None:
        self.optimizer = optimizer
        self._names = {id(p): name for name, p in network.named_parameters()}

    @property
    def is_descent(self) -> bool:
        """Whether it is torch's SGD itself: a subclass may do anything."""
        return type(self.optimizer) is SGD

    @property
    def is_plain(self) -> bool:
        """Whether a step is minus the learning rate times the gradient."""
        settings = self.settings.values()
        return self.is_descent and not any(each.momentum or each.decay or each.learning_rate < 0 for each in settings)

    @property
    def has_decay(self) -> bool:
        return self.is_descent and any(each.decay for each in self.settings.values())

    @property
    def name(self) -> str:
        if not self.is_descent:
            return type(self.optimizer).__name__
        ascends = any(each.learning_rate < 0 for each in self.settings.values())
        words = ["gradient ascent" if ascends else "gradient descent"]
        if any(each.momentum for each in self.settings.values()):
            words.append("momentum")
        if self.has_decay:
            words.append("weight decay")
        return " and ".join(words).replace(" and ", " with ", 1)

    @property
    def trained(self) -> frozenset[str]:
        """Names of the network's parameters that it moves."""
        return frozenset(self._names[id(p)] for p in self._parameters() if id(p) in self._names and p.requires_grad)

    @property
    def settings(self) -> Mapping[str, Settings]:
        """Of each of the network's parameters that it has, as they are now."""
        found = {}
        for group in self.optimizer.param_groups:
            sign = -1.0 if group.get("maximize") else 1.0
            each = Settings(
                sign * float(group.get("lr", float("nan"))),
                float(group.get("momentum", 0.0)),
                float(group.get("dampening", 0.0)),
                bool(group.get("nesterov", False)),
                sign * float(group.get("weight_decay", 0.0)),
            )
            found |= {self._names[id(p)]: each for p in group["params"] if id(p) in self._names}
        return found

    def velocities(self) -> Mapping[str, Tensor]:
        """Copies of the momentum buffers, of those that have one."""
        buffers = {}
        for p in self._parameters():
            buffer = self.optimizer.state.get(p, {}).get("momentum_buffer") if self.is_descent else None
            if buffer is not None and id(p) in self._names:
                buffers[self._names[id(p)]] = buffer.detach().clone()
        return buffers

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]
