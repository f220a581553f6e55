"""The torch device that trains."""

from theory.core.validation import reject


def select_device(name: str) -> str:
    """`auto` is CUDA where there is one, else the CPU.

    Raises:
        InvalidArgument: the device is unknown, or not on this machine.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        known = name == "cpu" or device.type == "cuda"
    except (RuntimeError, AssertionError):
        known = False
    if not known:
        reject("device", repr(name), "auto, cpu, or a CUDA device that torch sees on this machine")
    return name
