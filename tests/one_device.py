"""A mode under which an operation on tensors of different devices is refused.

Plain `meta` tensors let some mixes through (a matrix product does).
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class MixedDevices(RuntimeError):
    pass


class OneDevice(TorchDispatchMode):
    """Refuses an operation whose tensors lie on different devices; numbers (0-dim tensors) may come from anywhere."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs or {})) if isinstance(leaf, Tensor) and leaf.dim()]
        devices = {str(tensor.device) for tensor in tensors}
        copies = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        if len(devices) > 1 and not copies:
            raise MixedDevices(f"{func} on {sorted(devices)}")
        return func(*args, **(kwargs or {}))
