"""`aae-tf deploy`: the files of serving/, wherever they are."""

import shutil

import pytest

from aae_tf.cli import deploy
from tests.cli.test_bad_input import error
from tests.serving.deployment.deployment import FOLDER


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_writes_what_a_checkout_has(invoke, tmp_path):
    result = invoke("deploy", "--to", tmp_path / "new" / "ops")
    assert result.stdout == f"Next: read {tmp_path}/new/ops/README.md\n"
    assert files(tmp_path / "new" / "ops") == files(FOLDER)


def test_writes_what_the_wheel_has(invoke, tmp_path, monkeypatch):
    installed = shutil.copytree(FOLDER, tmp_path / "aae_tf" / "deployment")
    (installed / "of_the_wheel").touch()
    monkeypatch.setattr(deploy, "_SOURCES", (installed, FOLDER))
    invoke("deploy", "--to", tmp_path / "ops")
    assert "of_the_wheel" in files(tmp_path / "ops")


@pytest.mark.parametrize("name", ["full", "file"])
def test_changes_nothing_that_is_there(invoke, tmp_path, name):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "models.config").write_text("mine")
    (tmp_path / "file").write_text("mine")
    line = error(invoke, "deploy", "--to", tmp_path / name)
    assert line == (
        f"Expected --to to be a new or an empty directory. Received: {tmp_path / name}, "
        "which exists."
    )
    assert files(tmp_path) == {"full/models.config": b"mine", "file": b"mine"}


def test_a_folder_below_a_file(invoke, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "Not a directory" in error(invoke, "deploy", "--to", tmp_path / "file" / "ops")
