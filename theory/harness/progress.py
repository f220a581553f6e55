"""A bar with the time left, on stderr: for a terminal only, and only for what takes longer than two seconds."""

import sys
from threading import Timer
from types import TracebackType

DELAY = 2.0  # seconds


class Progress:
    """Counts finished claims, and shows how far the training in this process is."""

    def __init__(self, total: int) -> None:
        self.total, self.bar, self.timer = total, None, None

    def __enter__(self) -> "Progress":
        if self.total and sys.stderr.isatty():
            from rich import progress as rich
            from rich.console import Console

            columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.TextColumn("{task.fields[done]}"))
            self.bar = rich.Progress(*columns, rich.TimeRemainingColumn(), console=Console(stderr=True), transient=True)
            self.claims = self.bar.add_task("claims", total=self.total, done=f"0/{self.total}")
            self.run = self.bar.add_task("training", total=1, done="", visible=False)
            self.timer = Timer(DELAY, self.bar.start)
            self.timer.daemon = True
            self.timer.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar and self.timer:
            self.timer.cancel()
            self.bar.stop()

    def advance(self) -> None:
        """One more claim is done."""
        if self.bar:
            self.bar.advance(self.claims)
            done = self.bar.tasks[self.claims].completed
            self.bar.update(self.claims, done=f"{done:g}/{self.total}")
            self.bar.update(self.run, visible=False)

    def training(self, fraction: float) -> None:
        """The training run in progress has done `fraction` of its steps."""
        if self.bar:
            if fraction < self.bar.tasks[self.run].completed:
                self.bar.reset(self.run, total=1)  # another run has begun
            self.bar.update(self.run, completed=fraction, visible=True, done=f"{fraction:.0%}")
