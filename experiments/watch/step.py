"""The step itself: is it along the gradient of the loss that was named, by the optimiser's own rule, in all weights?"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from experiments.watch.look import Look, Subject
from experiments.watch.observer import Facts, Finding, Observer, Record, Row, number
from theory.core.arrays import Array

ALONG, SUMMED, OFF = 0.0, 1.0, 2.0  # what a step's gradient is: a multiple of the loss's, all so far, another


class StepTaken(Observer):
    """No theorem, but what theorems about training take for granted.

    The gradient that the optimiser finds is compared with that of the loss named, on the examples that looks take, to
    half of the digits of the weights.
    """

    id = "watch.step"
    title = "the step taken"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._sum: Array | None = None  # of all gradients so far, while no look was left out
        self._scale = 0.0
        self._next = 0

    @property
    def unmet(self) -> str:
        return ""

    def see(self, look: Look) -> Row:
        if look.step is None:
            return {}
        named = [name for name in sorted(self.rule.trained) if name in look.landscape.gradient]
        G = np.concatenate([look.gradient(name).ravel() for name in named])
        used = [look.used(name) for name in named]
        g = np.concatenate([np.zeros(look.weight(n).size) if u is None else u.ravel() for n, u in zip(named, used)])
        self._scale = max(self._scale, float(np.linalg.norm(G)))
        self._sum = (
            G if look.number == 0 else self._sum + G if self._sum is not None and look.number == self._next else None
        )
        self._next = look.number + 1
        still = [name for name, u in zip(named, used) if u is None or not u.any()]
        dead = [float(name in still and look.gradient(name).any()) for name in sorted(self.rule.trained)]
        return {"ratio": _ratio(g, G), "kind": self._kind(look, g, G), "off": _off(g, G), "loss": look.landscape.loss,
                "without gradient": dead, "beyond the rule": self._beyond(look)}  # fmt: skip

    def _kind(self, look: Look, g: Array, G: Array) -> float:
        close = self.subject.eps**0.5 * max(float(np.linalg.norm(g)), self.subject.eps**0.5 * self._scale)
        if look.number and self._sum is not None and np.linalg.norm(g - self._sum) <= close < np.linalg.norm(g - G):
            return SUMMED
        return ALONG if np.linalg.norm(g - np.nan_to_num(_ratio(g, G)) * G) <= close else OFF

    def _beyond(self, look: Look) -> float:
        """The largest share of a step that the rule does not explain, of gradient descent."""
        assert look.step is not None
        shares = [0.0]
        for name in self.rule.trained if self.rule.is_descent else ():
            settings, used = look.step.settings.get(name), look.used(name)
            if settings is None or used is None:
                continue
            first = name not in look.step.velocity
            g = used + settings.decay * look.weight(name)
            v = g if first else settings.momentum * look.velocity(name) + (1 - settings.dampening) * g
            d = g if not settings.momentum else g + settings.momentum * v if settings.nesterov else v
            off = np.linalg.norm(look.moved(name) + settings.learning_rate * d)
            rounded = 4 * self.subject.eps * np.linalg.norm(np.abs(look.weight(name)) + np.abs(look.weight_after(name)))
            shares.append(float(off > rounded) * float(off / max(np.linalg.norm(look.moved(name)), rounded)))
        return max(shares)

    def judge(self, record: Record, facts: Facts) -> Finding:
        if "ratio" not in record:
            return Finding(predicted="along the gradient", measured="no step was seen", points_at=tuple(self._static()))
        steps, ratio, kind, off = record.where("step", "ratio", "kind", "off")
        measured = f"{number(np.nanmedian(ratio))} x the gradient named" + (
            "" if (kind == ALONG).all() else f", up to {100 * off.max():.2g} % off it"
        )
        return Finding(
            f"-learning rate x the gradient, {self.rule.name}",
            measured,
            points_at=(*self._static(), *self._wrong(record, steps, ratio, kind)),
        )

    def off_gradient(self, record: Record) -> str:
        """Why steps are not along the loss named on all examples, where nothing is wrong with that."""
        if not self.subject.is_seen_whole:
            return self.subject.seen_in_part
        kind = record.where("kind")[0]
        if (kind == SUMMED).any():
            return "gradients add up from step to step"
        if (kind == OFF).any():
            return "steps are not along the gradient on all examples (mini-batches, or dropout)"
        return ""

    def ratio(self, record: Record) -> float:
        """The step's gradient over that of the loss named, if it is along it; else 1."""
        kind, ratio = record.where("kind", "ratio")
        return float(np.nanmedian(ratio)) if kind.size and (kind == ALONG).all() else 1.0

    def _static(self) -> Iterator[str]:
        named = dict(self.subject.model.network.named_parameters())
        left_out = [n for n, p in named.items() if p.requires_grad and n not in self.rule.trained]
        unused = [name for name in named if name not in self.structure.used]
        if left_out := [name for name in left_out if name not in unused]:
            yield f"{_listed(left_out)} {_are(left_out)} not in the optimiser, and stays as it started"
        if unused:
            yield f"{_listed(unused)} {_are(unused)} used by nothing that the output depends on"
        if self.structure.tied:
            yield self.structure.tied

    def _wrong(self, record: Record, steps: Array, ratio: Array, kind: Array) -> Iterator[str]:
        if (kind == SUMMED).any():
            yield "gradients add up from step to step: zero_grad is not called"
        elif (kind == ALONG).all() and ratio.any() and abs(np.nanmedian(ratio) - 1) > self.subject.eps**0.5:
            yield self._multiple(float(np.nanmedian(ratio)))
        dead = record.where("without gradient")[0]
        if dead.size and (dead == 1).all(0).any():
            names = [n for n, is_so in zip(sorted(self.rule.trained), (dead == 1).all(0)) if is_so]
            yield f"{_listed(names)} {_are(names)} stepped without a gradient: is backward called before?"
        beyond = record.where("beyond the rule")[0]
        if (beyond > 1e-3).any():
            at = int(steps[np.argmax(beyond)])
            yield f"weights change by more than the optimiser's step, {100 * beyond.max():.2g} % of it at step {at}"

    def _multiple(self, ratio: float) -> str:
        n = len(self.subject.inputs)
        numbers = n * max(1, self.subject.targets[0].numel())
        sizes = {n: f"the {n} examples", numbers: f"the {numbers} targets"}
        for size, words in sizes.items():
            if abs(ratio * size - 1) < 1e-3:
                return (
                    f"the loss trained is a mean where the loss named is a sum: its gradient is 1 / {size}, of {words}"
                )
            if abs(ratio / size - 1) < 1e-3:
                return (
                    f"the loss trained is a sum where the loss named is a mean: its gradient is {size} times, {words}"
                )
        return f"the loss trained is {number(ratio)} times the loss named"


def _ratio(g: Array, G: Array) -> float:
    size = float(G @ G)
    return float(g @ G) / size if size > 0 else float("nan")


def _off(g: Array, G: Array) -> float:
    """|g - c G| / |g|, c the best."""
    ratio, size = _ratio(g, G), float(np.linalg.norm(g))
    return float(np.linalg.norm(g - ratio * G)) / size if size > 0 and np.isfinite(ratio) else 0.0


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _are(names: Sequence[Any]) -> str:
    return "is" if len(names) == 1 else "are"
