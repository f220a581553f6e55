"""Shapes and types written in signatures are checked while the tests run, and torch computes in one thread."""

import pytest
from jaxtyping import install_import_hook

from typechecking import calls, check_first_calls

check_first_calls()
install_import_hook(("theory", "experiments"), "typechecking.checked")

import torch  # noqa: E402 - after the hook

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def signatures_are_checked_anew() -> None:
    calls.clear()
