import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from aae_tf import AAE, GAN, bulk, export, networks, offline, priors
from aae_tf.files import lock_directory
from aae_tf.offline import encode_files
from tests.forks import in_child
from tests.models.small import NUM_CLASSES, build, forward
from tests.offline.records import content, example


def load(paths):
    return np.concatenate([np.load(path) for path in paths])


def latents(folder):
    return sorted(folder.glob("latents-*"))


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_name_of_before_gives_the_same_objects():
    # What is new is not in it.
    assert bulk.__all__ == ["RecordDecoder", "encode_files"]
    assert all(getattr(bulk, name) is getattr(offline, name) for name in bulk.__all__)


class TestAnswers:
    @pytest.mark.thorough
    def test_are_those_of_the_model(self, model, root, npy, x, tmp_path):
        paths = encode_files(root, npy(x), tmp_path / "out", shards=3, batch_size=7)
        names = {name: [path.name for path in files] for name, files in paths.items()}
        assert names == {
            name: [f"{name}-0000{i}-of-00003.npy" for i in range(3)]
            for name in ("latents", "class_probabilities")
        }
        found = {path.name for path in (tmp_path / "out").iterdir()}
        assert found == {"manifest.json", *names["latents"], *names["class_probabilities"]}
        assert [len(np.load(path)) for path in paths["latents"]] == [16, 17, 17]
        latents = load(paths["latents"])
        assert latents.dtype == np.float32 and latents.shape == (50, 2)
        np.testing.assert_allclose(latents, model.encode(x), atol=1e-6)
        np.testing.assert_allclose(load(paths["class_probabilities"]), model.classify(x), atol=1e-6)

    def test_of_a_network_in_numpy(self, npy, tmp_path):
        encoder = networks.mlp_encoder((4,), units=(8,), seed=1)
        decoder = networks.mlp_decoder((4,), 2, units=(8,), seed=2)
        aae = AAE(encoder, decoder, prior=priors.gaussian(2), seed=0)
        pixels = np.random.default_rng(1).integers(0, 256, (30, 2, 2), np.uint8)
        paths = encode_files(
            aae, npy(pixels), tmp_path / "out", divide_by=255, shards=2, batch_size=4
        )
        kernel, bias = aae.posterior.get_weights()
        features = forward(encoder, pixels.reshape(30, 4).astype(np.float32) / 255.0)
        np.testing.assert_allclose(load(paths["latents"]), features @ kernel + bias, atol=1e-6)

    def test_of_records_are_those_of_their_numbers(self, root, npy, tfrecord, x, tmp_path):
        pixels = (x * 255).astype(np.uint8)
        records = [example(image=content(row.tobytes()), id=content(b"a")) for row in pixels]
        files = [tfrecord(records[:30], "x-0"), tfrecord(records[30:], "x-1")]
        pattern = str(files[0].parent / "x-[01]")
        given = {"divide_by": 255.0, "shards": 3, "batch_size": 7}
        expected = encode_files(root, npy(pixels), tmp_path / "npy", **given)
        found = encode_files(root, pattern, tmp_path / "out", feature="image", **given)
        for name, paths in expected.items():
            assert [path.read_bytes() for path in found[name]] == [
                path.read_bytes() for path in paths
            ]

    def test_of_other_signatures(self, root, npy, x, tmp_path):
        # One version, not the root.
        path = root / "encoder" / "3"
        paths = encode_files(path, npy(x), tmp_path / "out", signature="classify")
        assert set(paths) == {"class_id", "class_probabilities"}
        classes = load(paths["class_id"])
        assert classes.dtype == np.int64 and classes.shape == (50,)
        np.testing.assert_array_equal(classes, load(paths["class_probabilities"]).argmax(axis=1))

    @pytest.mark.thorough
    def test_of_a_combined_export(self, model, root, npy, x, tmp_path):
        copy = shutil.copytree(root, tmp_path / "root")
        export.export_model(model, copy / "autoencoder" / "1", verify=False)
        given = (copy, npy(x), tmp_path / "out")
        paths = encode_files(*given, signature="reconstruct", shards=1)
        np.testing.assert_allclose(load(paths["outputs"]), model.reconstruct(x), atol=1e-6)

    def test_do_not_depend_on_the_batch_size(self, root, npy, x, tmp_path):
        found = [
            load(encode_files(root, npy(x), tmp_path / str(n), batch_size=n)["latents"])
            for n in (1, 50, 1024)
        ]
        np.testing.assert_allclose(found[1], found[0], atol=1e-6)
        np.testing.assert_array_equal(found[2], found[1])


def test_progress_begins_with_what_is_there(root, npy, x, tmp_path):
    seen = []

    def run():
        seen.clear()
        return encode_files(
            root, npy(x), tmp_path / "out", shards=5, batch_size=6,
            on_progress=lambda done, total: seen.append((done, total)),
        )  # fmt: skip

    paths = run()
    assert seen == [(n, 50) for n in (0, 6, 10, 16, 20, 26, 30, 36, 40, 46, 50)]
    paths["latents"][2].unlink()
    paths["class_probabilities"][4].unlink()
    run()
    assert seen == [(n, 50) for n in (30, 36, 40, 46, 50)]
    run()
    assert seen == [(50, 50)]


def test_manifest_says_what_was_done(root, npy, x, tmp_path):
    encode_files(root, npy(x), tmp_path / "out", divide_by=2, batch_size=9)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert len(manifest["model"].pop("sha256")) == len(manifest["inputs"][0].pop("sha256")) == 64
    assert manifest == {
        "model": {"path": str(root / "encoder" / "3")},
        "signature": "encode",
        "inputs": [{"path": str(tmp_path / "x.npy"), "rows": 50}],
        "rows": 50,
        "feature": None,
        "divide_by": 2.0,
        "shards": 1,
        "outputs": {
            "class_probabilities": {"dtype": "float32", "shape": [NUM_CLASSES]},
            "latents": {"dtype": "float32", "shape": [2]},
        },
        "batch_size": 9,
        "finished": True,
        "rows_sha256": {},
    }


class TestInterrupted:
    """What was stopped half-way by an error."""

    @pytest.fixture
    def bad(self, x):
        bad = x.copy()
        bad[33, 1, 0] = np.nan
        return bad

    def test_goes_on_where_it_was(self, root, npy, x, bad, tmp_path):
        given = {"shards": 4, "batch_size": 5}
        message = r"to be finite\. Received: row 33 of .*x\.npy, counted from 0, which holds NaN"
        with pytest.raises(ValueError, match=message):
            encode_files(root, npy(bad), tmp_path / "out", **given)
        before = snapshot(tmp_path / "out")
        assert set(before) == {"manifest.json"} | {
            f"{name}-0000{i}-of-00004.npy"
            for name in ("latents", "class_probabilities")
            for i in (0, 1)
        }
        assert json.loads(before["manifest.json"])["finished"] is False
        times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.npy")}
        # A file of another name is another job.
        with pytest.raises(ValueError, match=r"begun by another: inputs\[0\]=.*y\.npy \("):
            encode_files(root, npy(x, "y.npy"), tmp_path / "out", **given)
        assert snapshot(tmp_path / "out") == before
        # The corrected one is not.
        encode_files(root, npy(x), tmp_path / "whole", **given)
        (tmp_path / "out" / ".latents-00002-of-00004.npy.partial").write_bytes(b"half")
        encode_files(root, npy(x), tmp_path / "out", **given)
        assert {path: path.stat().st_mtime_ns for path in times} == times
        assert snapshot(tmp_path / "out") == snapshot(tmp_path / "whole")
        with pytest.raises(ValueError, match=r"begun by another: inputs\[0\]=.*x\.npy \("):
            encode_files(root, npy(bad), tmp_path / "out", **given)

    @pytest.mark.parametrize("digests", [True, False])
    def test_what_else_was_corrected_is_encoded_anew(self, root, npy, x, bad, tmp_path, digests):
        given = {"shards": 4, "batch_size": 5}
        other = bad.copy()
        other[3] = 0.5
        with pytest.raises(ValueError, match="to be finite"):
            encode_files(root, npy(other), tmp_path / "out", **given)
        manifest = tmp_path / "out" / "manifest.json"
        told = json.loads(manifest.read_text())
        assert {"0", "1"} <= set(told["rows_sha256"])
        if not digests:
            # A kill before the bad row leaves none.
            manifest.write_text(json.dumps({**told, "rows_sha256": {}}))
        times = {i: path.stat().st_mtime_ns for i, path in enumerate(latents(tmp_path / "out"))}
        encode_files(root, npy(x), tmp_path / "out", **given)
        encode_files(root, npy(x), tmp_path / "whole", **given)
        assert snapshot(tmp_path / "out") == snapshot(tmp_path / "whole")
        assert times[0] != latents(tmp_path / "out")[0].stat().st_mtime_ns
        assert (times[1] == latents(tmp_path / "out")[1].stat().st_mtime_ns) is digests

    def test_batch_size_may_change(self, root, npy, x, tmp_path):
        given = (root, npy(x), tmp_path / "out")
        paths = encode_files(*given, shards=2)
        expected = load(paths["latents"])
        paths["latents"][1].unlink()
        np.testing.assert_allclose(
            load(encode_files(*given, shards=2, batch_size=3)["latents"]), expected, atol=1e-6
        )

    @pytest.mark.parametrize("bad", [np.inf, 1e300])
    def test_what_float32_cannot_hold(self, root, npy, x, tmp_path, bad):
        doubles = x.astype(np.float64)
        doubles[40] = bad
        files = [npy(doubles[:35], "a.npy"), npy(doubles[35:], "b.npy")]
        with pytest.raises(ValueError, match=r"row 5 of .*b\.npy"):
            encode_files(root, files, tmp_path / "out")


class TestAnotherJob:
    @pytest.fixture
    def done(self, root, npy, x, tmp_path):
        files = [npy(x[:20], "a.npy"), npy(x[20:], "b.npy")]
        encode_files(root, files, tmp_path / "out", shards=2)
        return files

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"signature": "classify"}, "signature='classify' instead of 'encode'."),
            ({"shards": 3}, "shards=3 instead of 2."),
            ({"divide_by": 2.0}, "divide_by=2.0 instead of None."),
            (
                {"divide_by": 2.0, "shards": 1},
                "divide_by=2.0 instead of None; shards=1 instead of 2.",
            ),
        ],
    )
    def test_of_other_settings(self, root, done, tmp_path, changes, message):
        before = snapshot(tmp_path / "out")
        message = (
            "^Expected `output` to be new, or begun by the same job. "
            f"Received: {tmp_path}/out, begun by another: {message}$"
        )
        with pytest.raises(ValueError, match=re.escape(message[1:-1])):
            encode_files(root, done, tmp_path / "out", **{"shards": 2, **changes})
        assert snapshot(tmp_path / "out") == before

    def test_of_other_inputs(self, root, done, npy, x, tmp_path):
        for files, message in (
            (done[::-1], r"inputs\[0\]=.*b\.npy \(\w{12}\) instead of .*a\.npy \(\w{12}\)\."),
            ([*done, done[0]], r"3 inputs instead of 2\."),
            ([done[0], npy(x[20:] + 1, "b.npy")], r"inputs\[1\]=.*b\.npy \(\w{12}\) instead of"),
        ):
            with pytest.raises(ValueError, match=f"begun by another: {message}"):
                encode_files(root, files, tmp_path / "out", shards=2)

    def test_of_another_model(self, model, root, done, tmp_path):
        with pytest.raises(ValueError, match=r"model=SemiSupervisedAAE \(.*\) instead of .*/3 \("):
            encode_files(model, done, tmp_path / "out", shards=2)

    def test_a_copy_of_everything_is_the_same_job(self, root, done, tmp_path):
        for name in ("a.npy", "b.npy"):
            (tmp_path / "copy").mkdir(exist_ok=True)
            (tmp_path / "copy" / name).write_bytes((tmp_path / name).read_bytes())
        before = snapshot(tmp_path / "out")
        encode_files(root / "encoder" / "3", f"{tmp_path}/copy/?.npy", tmp_path / "out", shards=2)
        after = snapshot(tmp_path / "out")
        assert before.pop("manifest.json") != after.pop("manifest.json") and before == after

    @pytest.mark.thorough
    def test_a_model_is_the_same_in_another_copy(self, model, npy, x, tmp_path):
        encode_files(model, npy(x), tmp_path / "out")
        twin = type(model).from_config(model.get_config())
        twin.set_weights(model.get_weights())
        encode_files(twin, npy(x), tmp_path / "out")
        twin.encoder.layers[-1].bias.assign_add([1e-6] * 8)
        with pytest.raises(ValueError, match=r"begun by another: model=SemiSupervisedAAE"):
            encode_files(twin, npy(x), tmp_path / "out")

    def test_files_of_others(self, root, npy, x, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "a.txt").write_text("mine")
        with pytest.raises(ValueError, match=r"which holds files and no manifest\.json\.$"):
            encode_files(root, npy(x), tmp_path / "out")
        assert (tmp_path / "out" / "a.txt").read_text() == "mine"

    @pytest.mark.sampled
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"model": {}}, "KeyError: 'sha256'."),
            ({"model": None}, "TypeError: "),
            ({"inputs": [{}]}, "KeyError: 'sha256'."),
            ({"inputs": [{"sha256": 3}]}, "TypeError: a hash that is no text."),
            ({"rows_sha256": "a"}, "ValueError: "),
            ({"more": 1}, "TypeError: "),
            ("", "JSONDecodeError: "),
            ("{}", "TypeError: "),
            ("[" * 10**5, "RecursionError: "),
        ],
    )
    def test_of_a_damaged_manifest(self, root, done, tmp_path, changes, message):
        path = tmp_path / "out" / "manifest.json"
        if isinstance(changes, dict):
            changes = json.dumps({**json.loads(path.read_text()), **changes})
        path.write_text(changes)
        message = f"Expected {path} to be as `encode_files` writes it. Received: {message}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            encode_files(root, done, tmp_path / "out", shards=2)


class TestRefused:
    """Before anything is written."""

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"batch_size": 0}, "Expected `batch_size` to be a positive integer. Received:"),
            ({"shards": 0}, "Expected `shards` to be a positive integer. Received: shards=0."),
            ({"shards": 51}, "Expected `shards` to be at most the number of rows, 50."),
            ({"divide_by": 0.0}, "Expected `divide_by` to be positive in float32. Received:"),
            ({"feature": "a"}, "Expected `feature` to be left out for .npy files."),
            ({"signature": "decode"}, "Expected `signature` to be one of ['classify', 'encode',"),
            ({"inputs": "no.npy"}, "Expected `inputs` to be files or patterns that match some."),
            ({"model": "no"}, "Expected `model` to be a SavedModel, a folder of its versions, or"),
        ],
    )
    def test_arguments(self, root, npy, x, tmp_path, changes, message):
        given = {"model": root, "inputs": npy(x), "output": tmp_path / "out", **changes}
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            encode_files(**given)
        assert not (tmp_path / "out").exists()

    def test_integers_without_a_word_on_their_scale(self, root, npy, x, tmp_path):
        message = (
            r"where `inputs` are integers: 255 .*Received: .*x\.npy of uint8, divide_by=None\."
        )
        with pytest.raises(ValueError, match=message):
            encode_files(root, npy(x.astype(np.uint8)), tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_output_is_a_file(self, root, npy, x, tmp_path):
        with pytest.raises(ValueError, match=r"Expected `output` to be a directory\. Received:"):
            encode_files(root, npy(x), npy(x, "out.npy"))

    def test_what_is_no_model(self, npy, x, tmp_path):
        with pytest.raises(TypeError, match=r"or the path of an export\. Received: model of type"):
            encode_files(np.ones(3), npy(x), tmp_path / "out")

    def test_signatures_that_do_not_run(self, npy, x, tmp_path):
        module = tf.Module()
        three = tf.function(lambda x: {"y": tf.reshape(x, [3, 4])})
        signature = three.get_concrete_function(tf.TensorSpec([None, 4], name="x"))
        tf.saved_model.save(module, str(tmp_path / "1"), signatures={"encode": signature})
        message = r"^Expected `model` to run\. Received: .*/1, whose 'encode' fails with: "
        with pytest.raises(ValueError, match=message):
            encode_files(tmp_path / "1", npy(x), tmp_path / "out")

    @pytest.mark.parametrize("content", [b"", b"\x99" * 50])
    def test_damaged_graphs(self, root, npy, x, tmp_path, content):
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "saved_model.pb").write_bytes(content)
        message = f"^Expected {tmp_path}/1/saved_model.pb to be a SavedModel's graph. Received: "
        with pytest.raises(ValueError, match=message):
            encode_files(tmp_path / "1", npy(x), tmp_path / "out")

    def test_processes_without_the_threads(self, root, npy, x, tmp_path):
        tf.constant(1.0) + 1.0

        def refused():
            with pytest.raises(RuntimeError, match="forked after TensorFlow had run, whose thre"):
                encode_files(root, npy(x), tmp_path / "out")

        assert os.waitpid(in_child(refused), 0)[1] == 0

    def test_signatures_of_other_kinds(self, root, npy, x, tmp_path):
        message = r"to take one float32 array of rows\. Received: signature='sample', which takes"
        with pytest.raises(ValueError, match=message):
            encode_files(root / "decoder", npy(x), tmp_path / "out", signature="sample")

    def test_models_without_an_encoder(self, npy, x, tmp_path):
        gan = build(GAN, prior=priors.gaussian(2))
        message = r"one of \['decode', 'sample'\], those of GAN\. Received: signature='encode'\."
        with pytest.raises(ValueError, match=message):
            encode_files(gan, npy(x), tmp_path / "out")

    def test_one_process_at_a_time(self, root, npy, x, tmp_path, monkeypatch):
        (tmp_path / "out").mkdir()
        with lock_directory(tmp_path / "out"):
            with pytest.raises(ValueError, match=r"Expected one process to write `output` at a"):
                encode_files(root, npy(x), tmp_path / "out")
            assert list((tmp_path / "out").iterdir()) == []
            # Where there are no locks, nobody can tell.
            monkeypatch.setattr("aae_tf.files.fcntl", None)
            encode_files(root, npy(x), tmp_path / "out")


@pytest.mark.integration
def test_killed_at_any_moment(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.offline.killed_encodings", tmp_path],
        capture_output=True, text=True, timeout=900, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    # Two arrays in each of 3 shards, and the manifest, twice.
    assert counts["renames"] == 8
    assert counts["kills"] > 30
    assert counts["kept_shards"] > counts["kills"] / 2
