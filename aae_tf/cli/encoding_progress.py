"""How far an encoding has come, for eyes and for logs."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# Seconds between two lines, where no terminal can show a bar.
_PAUSE = 10.0


class EncodingProgress:
    """A bar on a terminal; elsewhere a line now and then, and one at the end.

    Written to stderr, so that what a command prints is its result alone.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rows, {task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._first: int | None = None

    def update(self, done: int, total: int) -> None:
        """Shows that so many rows are done, of so many."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._began, self._last = done, now, now
            self._task = self._bar.add_task("Encoding", total=total, completed=done, speed="")
        seconds = now - self._began
        speed = f"{(done - self._first) / seconds:,.0f} rows/s" if seconds > 0.0 else ""
        if not self._bar.disable:
            self._bar.update(self._task, completed=done, speed=speed)
        elif done == total or now - self._last >= _PAUSE:
            self._last = now
            self._console.print(f"{done:,} of {total:,} rows, {speed}", highlight=False)

    def __enter__(self) -> EncodingProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()
