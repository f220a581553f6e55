"""What the optimisers on manifolds share with every other of torch, although their groups hold functions, too."""

from typing import Any, ClassVar

import torch

from theory.core.validation import InvalidArgument


class Grouped(torch.optim.Optimizer):
    """A torch optimiser whose groups hold functions beside numbers.

    A group is checked when it is added. What is saved holds no functions, so that `torch.load` reads it anywhere;
    what is loaded keeps those that the optimiser was made with, as torch's schedulers do with theirs.
    """

    functions: ClassVar[tuple[str, ...]] = ()

    def check(self, group: dict[str, Any]) -> None:
        """Raise `InvalidArgument` unless every parameter and setting of the group will do."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        try:
            self.check(self.param_groups[-1])
        except InvalidArgument:
            self.param_groups.pop()
            raise

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # what was saved before a setting was there has its default
            for key, default in self.defaults.items():
                group.setdefault(key, default)

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        groups = [{key: group[key] for key in group.keys() - set(self.functions)} for group in state["param_groups"]]
        return state | {"param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = [{key: group[key] for key in self.functions} for group in self.param_groups]
        super().load_state_dict(state_dict)
        for group, functions in zip(self.param_groups, own, strict=True):
            group.update(functions)
