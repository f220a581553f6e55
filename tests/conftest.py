"""Every shape and type written in a signature is checked while the tests run, and torch computes in one thread."""

from jaxtyping import install_import_hook

install_import_hook(("theory", "experiments"), "typechecking.checked")

import torch  # noqa: E402 - after the hook

torch.set_num_threads(1)
