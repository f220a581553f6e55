"""What a method that hangs on an optimiser's steps has to know of them."""

from torch.optim import Optimizer


def was_skipped(optimizer: Optimizer) -> bool:
    """Whether the step that ends was none: fused optimisers skip it where a gradient scaler has found infinities.

    The scaler tells them through an attribute for as long as the step lasts; of other optimisers it skips the call.
    """
    found = getattr(optimizer, "found_inf", None)
    return found is not None and bool(found)
