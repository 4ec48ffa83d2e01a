"""A worker as the harness sees it."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

FOLDER = Path(__file__).parent / "peers"


class WorkerProcess:
    """A process that makes rounds of steps when asked, and waits meanwhile.

    Args:
        command: interpreter, script of `benchmarks/peers`, arguments.
        log: file that its standard error goes to.

    Attributes:
        facts: what it told of itself once it was built and warm.

    Raises:
        RuntimeError: if it ends early, with the last lines that it wrote.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        python, script, *arguments = command
        self._log = log
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [python, str(FOLDER / script), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.facts = self._answer()

    def round(self, way: str) -> dict[str, Any]:
        """Asks for one round and waits for what it measured."""
        self._process.stdin.write(f"{way}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            tail = "\n".join(self._log.read_text().splitlines()[-20:])
            raise RuntimeError(f"A worker has ended: {self._process.args}\n{tail}")
        return json.loads(line)

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # It ends with its input.
        self._process.communicate()
