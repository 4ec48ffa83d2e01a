import json
import subprocess
import sys

import pytest

import aae_tf
from aae_tf.cli import main

SLOW = ("tensorflow", "keras", "tensorflow_probability", "matplotlib", "sklearn", "scipy")
COMMANDS = (
    *("quickstart", "recipes", "train", "evaluate", "sample", "encode"),
    *("export", "deploy", "explore", "serve", "query", "drift", "loadtest", "reproduce"),
)


# One process for all of them: it has imported nothing before.
SCRIPT = """
import json, sys
from aae_tf.cli import main
lines, slow = map(json.loads, sys.argv[1:])
for arguments in lines:
    sys.argv = ["aae-tf", *arguments]
    try:
        main()
    except SystemExit as end:
        print("code", end.code or 0)
print([name for name in slow if name in sys.modules])
"""


def test_help_and_wrong_options_import_nothing_slow():
    lines = {
        (): 0,
        ("--help",): 0,
        ("train", "--help"): 0,
        ("query", "--help"): 0,
        ("recipes", "gan"): 0,
        ("recipes", "a"): 2,
        ("train", "--out", "a", "--prior", "a"): 2,
        ("query", "sample", "--seeds", "a"): 2,
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(list(lines)), json.dumps(SLOW)],
        capture_output=True,
        text=True,
        check=True,
    )
    printed = done.stdout.splitlines()
    codes = [int(line.split()[1]) for line in printed if line.startswith("code ")]
    assert codes == list(lines.values())
    assert printed[-1] == "[]"


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra_there_is_one_line(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == (
        f"Error: Expected {package} to be installed for the command aae-tf: "
        'pip install "aae_tf[cli]".'
    )


def test_a_command_without_its_extra_is_one_line(invoke, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    result = invoke("train", "--out", tmp_path / "run", code=1)
    assert result.stderr == (
        'Error: Expected scikit-learn to be installed for data.load: pip install "aae_tf[data]".\n'
    )
    assert list(tmp_path.iterdir()) == []


def test_figures_are_missed_before_a_training(invoke, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = invoke("train", "--out", tmp_path / "run", "--units", 8, "--divergence", "mmd", code=1)
    assert result.stderr.endswith(
        "Error: Expected matplotlib to be installed for the figures of a run: "
        'pip install "aae_tf[figures]".\n'
    )
    assert "Epoch" not in result.stdout


def test_the_library_of_runs_needs_no_extra():
    code = """
import sys
sys.modules.update(dict.fromkeys(["typer", "rich", "sklearn", "matplotlib"]))
import aae_tf.runs, aae_tf.runs.cluster
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
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
