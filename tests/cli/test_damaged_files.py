"""Files that are damaged, and disks that are full, get one line on stderr and an exit code."""

import errno
import io
import shutil
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

from aae_tf import export
from aae_tf.cli import app
from aae_tf.runs.errors import UserError
from aae_tf.runs.run_directory import Run, open_run
from tests.cli.conftest import TINY, eager, small_files


def error(invoke, *args, code):
    result = invoke(*args, code=code)
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def archive(content, **changes):
    """A `.keras` file with other members, or without those that are None."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for name, member in {**members, **changes}.items():
            if member is not None:
                new.writestr(name, member)
    return buffer.getvalue()


class TestModel:
    @pytest.mark.parametrize(
        ("damage", "received"),
        [
            (lambda content: b"", "BadZipFile: "),
            (lambda content: content[: len(content) // 2], "BadZipFile: "),
            (lambda content: content.replace(b"ring", b"rong").replace(b"dense", b"dunse"), "BadZ"),
            (lambda content: archive(content, **{"config.json": b"{"}), "JSONDecodeError: "),
            (lambda content: archive(content, **{"config.json": None}), "KeyError: "),
            (lambda content: archive(content, **{"model.weights.h5": b"no"}), "OSError: "),
            (lambda content: archive(content, **{"model.weights.h5": None}), "ValueError: "),
        ],
    )
    def test_damaged(self, run, damage, received):
        path = run / "model.keras"
        path.write_bytes(damage(path.read_bytes()))
        message = f"Expected {path} to be as `aae-tf train` writes it. Received: {received}"
        with pytest.raises(UserError, match="Expected") as raised:
            open_run(run).load_model()
        assert str(raised.value).startswith(message)
        assert raised.value.exit_code == 2
        assert "\n" not in str(raised.value)

    def test_of_another_kind(self, run):
        import keras

        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(run / "model.keras")
        with pytest.raises(UserError, match=r"Received: TypeError: a model of type Sequential\.$"):
            open_run(run).load_model()

    @pytest.mark.parametrize(
        "arguments",
        [["evaluate"], ["sample", "--out", "a.png"], ["export", "--to", "a"],
         ["encode", "--input", "x.npy", "--output", "a"]],
    )  # fmt: skip
    def test_of_every_command(self, invoke, run, monkeypatch, arguments):
        monkeypatch.chdir(run.parent)
        np.save("x.npy", np.zeros((3, 8, 8, 1), np.float32))
        (run / "model.keras").write_bytes(b"PK")
        command, *options = arguments
        line = error(invoke, command, run, *options, code=2)
        assert line.startswith(f"Expected {run}/model.keras to be as `aae-tf train` writes it.")


class TestReports:
    """What an export puts on the card."""

    @pytest.fixture(autouse=True)
    def _no_export(self, monkeypatch):
        monkeypatch.setattr(export, "export_servables", lambda *args, **kwargs: {})
        monkeypatch.setattr(Run, "load_model", lambda run: None)

    @pytest.mark.parametrize(
        ("file", "content", "received"),
        [
            ("evaluation.json", "{", "JSONDecodeError: "),
            ("evaluation.json", "[]", "TypeError: list in place of numbers by name."),
            ("evaluation.json", "[" * 10**5, "RecursionError: "),
            ("history.csv", "", "ValueError: no whole row of an epoch."),
            ("history.csv", "epoch,loss\n", "ValueError: no whole row of an epoch."),
            ("history.csv", "epoch,loss\n1,2\n2", "ValueError: no whole row of an epoch."),
            ("history.csv", "epoch,loss\n1,2\n2\n", "ValueError: no whole row of an epoch."),
            ("history.csv", "epoch,loss\n1,2,3\n", "ValueError: no whole row of an epoch."),
            ("history.csv", "epoch,loss\n1,a\n", "ValueError: could not convert string to float"),
            ("history.csv", b"\xff\n\xff\n", "UnicodeDecodeError: "),
        ],
    )
    def test_damaged(self, invoke, run, tmp_path, file, content, received):
        (run / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        line = error(invoke, "export", run, "--to", tmp_path / "a", code=2)
        assert line.startswith(f"Expected {run / file} to be as `aae-tf` writes it. Received: ")
        assert line.partition("Received: ")[2].startswith(received)


REFUSED = "Expected the disk to take what is written. Received: File too large: "


class TestFullDisk:
    @pytest.mark.parametrize("name", ["a.npy", "a.png"])
    def test_sample(self, invoke, trained, tmp_path, name):
        with small_files(1000):
            line = error(invoke, "sample", trained, "--out", tmp_path / name, code=1)
        assert line.startswith(f"{REFUSED}'{tmp_path}/.{name}.")
        assert list(tmp_path.iterdir()) == []

    def test_export(self, invoke, trained, tmp_path):
        with small_files(10_000):
            line = error(invoke, "export", trained, "--to", tmp_path, "--no-verify", code=1)
        assert line.startswith(f"{REFUSED}'{tmp_path}/decoder/tmp-1-")
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_train(self, invoke, tmp_path):
        out = tmp_path / "run"
        with eager(), small_files(10_000):
            line = error(invoke, "train", "--out", out, *TINY, "--backup-every", 2, code=1)
        weights = f"{out}.partial/backups/unfinished/model.weights.h5"
        assert line == f"{REFUSED}'{weights}': nothing is written."
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.thorough
    def test_train_with_a_backup(self, invoke, tmp_path, monkeypatch):
        def refuse(*args):
            raise OSError(errno.ENOSPC, "No space left on device", "a.png")

        out = tmp_path / "run"
        monkeypatch.setattr("aae_tf.runs.training.write_report", refuse)
        monkeypatch.setattr("aae_tf.runs.training.figure_callbacks", lambda *args: [])
        arguments = ("train", "--out", out, *TINY, "--backup-every", 2)
        with eager():
            line = error(invoke, *arguments, "--restart", code=1)
        assert line == (
            "Expected the disk to take what is written. Received: No space left on device: "
            "'a.png'. The same command without --restart continues in epoch 1 after 4 steps, from "
            f"{out}.partial."
        )
        backup = next(iter((tmp_path / "run.partial" / "backups").iterdir()))
        (backup / "model.weights.h5").write_bytes(b"damaged")
        with eager():
            line = error(invoke, *arguments, code=2)
        assert line.startswith(f"Expected {backup} to be a backup by this version of aae_tf. Rec")
        (backup / "progress.json").write_text('{"epoch": 1}')
        line = error(invoke, *arguments, code=2)
        assert line.startswith(f"Expected {backup}/progress.json to be as `aae-tf train` writes it")
        (tmp_path / "run.partial" / "identity.json").write_text("[]")
        line = error(invoke, *arguments, code=2)
        assert line.startswith(f"Expected {tmp_path}/run.partial/identity.json to be as `aae-tf")

    def test_output(self, monkeypatch):
        class Full(io.StringIO):
            def flush(self):
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("sys.stdout", Full())
        stderr = io.StringIO()
        monkeypatch.setattr("sys.stderr", stderr)
        with pytest.raises(SystemExit) as raised:
            app(["--version"], prog_name="aae-tf")
        assert raised.value.code == 1
        assert stderr.getvalue() == (
            "Error: Expected the disk to take what is written. Received: No space left on device.\n"
        )


def test_other_errors_pass(monkeypatch):
    def fail(path):
        raise OSError(errno.ENOENT, "gone")

    monkeypatch.setattr("aae_tf.cli.evaluate.open_run", fail)
    result = CliRunner().invoke(app, ["evaluate", "run"], prog_name="aae-tf")
    assert isinstance(result.exception, FileNotFoundError)


def test_batches_of_one_row_are_no_pairs(invoke, tmp_path):
    options = ("--batch-size", 1, "--divergence", "mmd", "--code-dim", 2, "--units", 4)
    line = error(invoke, "train", "--out", tmp_path / "a", *options, code=2)
    assert line.startswith("Expected `batch_size` to be at least 2, ")
    assert list(tmp_path.iterdir()) == []
