import subprocess
import sys

import pytest

import aae_tf

SLOW = ("tensorflow", "keras", "tensorflow_probability", "matplotlib", "sklearn", "scipy")
COMMANDS = (
    *("quickstart", "recipes", "train", "evaluate", "sample", "encode"),
    *("export", "serve", "query", "loadtest"),
)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["train", "--help"],
        ["train", "--out", "a", "--prior", "a"],
        ["recipes", "gan"],
        ["recipes", "a"],
    ],
)
def test_help_and_wrong_options_import_nothing_slow(arguments):
    code = f"""
import sys
sys.argv = ["aae-tf", *{arguments!r}]
from aae_tf.cli import main
try:
    main()
except SystemExit:
    pass
print([name for name in {SLOW!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_arguments_print_the_commands(invoke):
    output = invoke().output
    for command in COMMANDS:
        assert command in output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(invoke, command):
    output = invoke(command, "--help").output
    assert f"aae-tf {command}" in output


def test_version(invoke):
    assert invoke("--version").output.strip() == aae_tf.__version__
