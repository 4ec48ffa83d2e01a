"""`aae-tf encode`: runs and exports over files, and one line for what goes wrong."""

import json
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

from aae_tf import data
from aae_tf.cli import encode
from aae_tf.cli.encode import EncodingProgress
from tests.cli.conftest import small_files


@pytest.fixture(scope="module")
def images():
    return data.load("digits").x_test[:60]


@pytest.fixture
def inputs(images, tmp_path):
    np.save(tmp_path / "x.npy", images)
    return tmp_path / "x.npy"


@pytest.fixture(scope="module")
def latents(trained, images):
    import keras

    return keras.models.load_model(trained / "model.keras").encode(images)


@pytest.fixture(scope="module")
def exported(invoke, trained, tmp_path_factory):
    root = tmp_path_factory.mktemp("exported")
    invoke("export", trained, "--to", root, "--no-verify")
    return root


def read(folder, name="latents"):
    return np.concatenate([np.load(path) for path in sorted(folder.glob(f"{name}-*.npy"))])


def line(result):
    assert result.stdout == ""
    *_, line = result.stderr.splitlines()
    return line.removeprefix("Error: ")


def test_a_run(invoke, trained, inputs, latents, tmp_path):
    out = tmp_path / "new" / "codes"
    given = ("encode", trained, "--input", inputs, "--output", out, "--shards", 4)
    result = invoke(*given, "--batch-size", 7)
    assert (
        result.stdout
        == f"latents: {out}/latents-00000-of-00004.npy ... latents-00003-of-00004.npy\n"
    )
    assert result.stderr.splitlines()[-1].startswith("60 of 60 rows, ")
    np.testing.assert_allclose(read(out), latents, atol=1e-6)
    # The run is exported anew, and is still the same model.
    (out / "latents-00001-of-00004.npy").unlink()
    invoke(*given)
    np.testing.assert_allclose(read(out), latents, atol=1e-6)


def test_an_export_and_several_files(invoke, exported, images, latents, tmp_path):
    pixels = (images * 16).astype(np.uint8)[..., 0]
    for i, part in enumerate(np.split(pixels, [10, 11])):
        np.save(tmp_path / f"part-{i}.npy", part)
    invoke(
        *("encode", exported, "--output", tmp_path / "out", "--divide-by", 16),
        *("--input", tmp_path / "part-0.npy", "--input", tmp_path / "part-[12].npy"),
    )
    np.testing.assert_allclose(read(tmp_path / "out"), latents, atol=1e-6)


def test_other_signatures_of_a_run(invoke, trained, inputs, images, tmp_path):
    options = ("--signature", "score", "--shards", 1)
    result = invoke("encode", trained, "--input", inputs, "--output", tmp_path / "out", *options)
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == [
        "prior_log_prob",
        "reconstruction_error",
    ]
    errors = read(tmp_path / "out", "reconstruction_error")
    assert errors.shape == (len(images),) and np.all(errors > 0.0)


def test_another_job_is_one_error(invoke, exported, inputs, images, tmp_path):
    given = ("encode", exported, "--output", tmp_path / "out", "--input", inputs)
    invoke(*given)
    message = line(invoke(*given, "--divide-by", 2, code=2))
    assert message == (
        f"Expected `output` to be new, or begun by the same job. Received: {tmp_path}/out, begun "
        "by another: divide_by=2.0 instead of None."
    )


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--input", "no.npy"), "Expected `inputs` to be files or patterns that match some."),
            (("--signature", "sing"), "Expected `signature` to be one of ['encode', 'serving"),
            (("--feature", "a"), "Expected `feature` to be left out for .npy files."),
            (("--shards", 61), "Expected `shards` to be at most the number of rows, 60."),
            (("--divide-by", 0), "Expected `divide_by` to be positive in float32."),
            (("--batch-size", 0), "Invalid value for '--batch-size'"),
        ],
    )
    def test_options(self, invoke, exported, inputs, tmp_path, options, message):
        given = ("encode", exported, "--output", tmp_path / "out", "--input", inputs)
        if "--input" in options:
            given = given[:4]
        assert line(invoke(*given, *options, code=2)).startswith(message)
        assert not (tmp_path / "out").exists()

    def test_no_directory(self, invoke, inputs, tmp_path):
        given = ("--input", inputs, "--output", tmp_path / "out")
        message = "Expected RUN_OR_EXPORT to be a directory that `aae-tf train` or `aae-tf export`"
        assert line(invoke("encode", tmp_path / "no", *given, code=2)).startswith(message)

    def test_neither_run_nor_export(self, invoke, inputs, tmp_path):
        given = ("--input", inputs, "--output", tmp_path / "out")
        message = "Expected `model` to be a SavedModel, a folder of its versions, or a root"
        assert line(invoke("encode", tmp_path, *given, code=2)).startswith(message)

    def test_no_right_to_write(self, invoke, exported, inputs):
        given = ("encode", exported, "--input", inputs, "--output", "/proc/out")
        assert "No such file or directory: '/proc/out'" in line(invoke(*given, code=1))


class TestProgress:
    def test_a_line_now_and_then_where_there_is_no_terminal(self, monkeypatch, capsys):
        seconds = iter([0.0, 4.0, 11.0, 12.0, 22.0, 24.0])
        monkeypatch.setattr(encode, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
        with EncodingProgress() as progress:
            for done in (2000, 3000, 7000, 8000, 9000, 14000):
                progress.update(done, 14000)
        assert capsys.readouterr().err.splitlines() == [
            "7,000 of 14,000 rows, 455 rows/s",
            "9,000 of 14,000 rows, 318 rows/s",
            "14,000 of 14,000 rows, 500 rows/s",
        ]

    def test_a_bar_on_a_terminal(self, monkeypatch, capsys):
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        monkeypatch.setenv("COLUMNS", "90")
        monkeypatch.setenv("NO_COLOR", "1")
        with EncodingProgress() as progress:
            progress.update(0, 1000)
            progress.update(1000, 1000)
        bar = capsys.readouterr().err
        assert "1000/1000 rows" in bar and "rows/s" in bar


def test_a_full_disk(invoke, exported, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3000, 8, 8, 1), np.float32))
    out = tmp_path / "codes"
    with small_files(5000):
        given = ("--input", tmp_path / "x.npy", "--output", out)
        found = line(invoke("encode", exported, *given, code=1))
    assert found.startswith("Expected the disk to take what is written. Received: File too large: ")
    assert f"'{out}/.latents-00000-of-00001.npy.partial'." in found
    assert [path.name for path in out.iterdir()] == ["manifest.json"]


@pytest.mark.slow
def test_kill_9(start, exported, tmp_path):
    """The command itself, killed twice while it reads TFRecords, ends with the same bytes."""
    import tensorflow as tf

    rows = np.random.default_rng(0).random((20_000, 64), np.float32)
    with tf.io.TFRecordWriter(str(tmp_path / "x.tfrecord")) as writer:
        for row in rows:
            writer.write(tf.io.serialize_tensor(row).numpy())
    given = ("encode", exported, "--input", tmp_path / "x.tfrecord", "--shards", 40)
    given += ("--batch-size", 16)
    whole = start(*given, "--output", tmp_path / "whole")
    assert whole.wait() == 0
    out = tmp_path / "out"
    for least in (3, 15):
        process = start(*given, "--output", out)
        while len(list(out.glob("*.npy"))) < least:
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(out.glob("*.npy"))) < 40
    kept = {path: path.stat().st_ino for path in out.glob("*.npy")}
    assert start(*given, "--output", out).wait() == 0
    assert {path: path.stat().st_ino for path in kept} == kept
    for path in (tmp_path / "whole").iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert json.loads((out / "manifest.json").read_text())["finished"] is True
