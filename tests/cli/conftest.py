import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import pytest
from typer.testing import CliRunner

from aae_tf.cli import app

# Small enough that an epoch takes less than the compilation of its step.
TINY = (
    "--code-dim", "2", "--units", "16", "--discriminator-units", "16",
    "--epochs", "1", "--batch-size", "250",
)  # fmt: skip


@pytest.fixture(scope="session")
def invoke() -> Callable[..., object]:
    """Runs a command line in this process; a failure that is no exit code is raised."""

    def run(*args: object, code: int = 0):
        result = CliRunner().invoke(app, [str(arg) for arg in args], prog_name="aae-tf")
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Does for a fixture of wider scope what `eager_steps` does for a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "run_eagerly", property(lambda model: True, lambda *args: None))
        yield


@contextlib.contextmanager
def small_files(size: int) -> Iterator[None]:
    """Refuses files of more bytes, as a full disk refuses them."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture(scope="session")
def trained(invoke, tmp_path_factory) -> Path:
    """A run of one epoch on digits."""
    run = tmp_path_factory.mktemp("trained") / "run"
    with eager():
        invoke("train", "--out", run, *TINY)
    return run


# What the script `aae-tf` does, for a checkout that is not installed.
SCRIPT = "import sys; sys.argv[0] = 'aae-tf'; from aae_tf.cli import main; main()"


@pytest.fixture
def environment() -> dict[str, str]:
    """What a user's shell gives a new process: no log level."""
    return {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}


@pytest.fixture
def start(environment) -> Callable[..., subprocess.Popen]:
    """Starts a command line in a process of its own, killed when the test ends."""
    processes = []

    def popen(*args: object) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        processes.append(process)
        return process

    yield popen
    for process in processes:
        process.kill()
        process.communicate()
