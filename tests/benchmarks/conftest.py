"""Benchmarks time the code as users run it, without the checks of shapes and types of the tests, and in one thread."""

from collections.abc import Callable, Iterator

import jaxtyping
import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def as_users_run_it(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with threadpool_limits(1):
        yield


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], None]]:
    """Prints a line past pytest's capture."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\n    {text}", end="", flush=True)

    yield line
    line("")
