"""Versions on the disk: kills, rotation, what the cards and warm-up files hold, options."""

import importlib
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
import tensorflow_probability as tfp
from tensorflow_serving.apis import prediction_log_pb2

from aae_tf import export
from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.export.c_api_session import CApiSession
from aae_tf.export.versions import list_versions
from tests.models.rows import MODELS

tfd = tfp.distributions

NAMES = ("encoder", "decoder")


def _requests(version):
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        yield prediction_log_pb2.PredictionLog.FromString(record).predict_log.request


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestContent:
    @pytest.mark.thorough
    def test_a_warm_up_request_for_each_signature_and_batch_size(self, exported):
        version = exported / "decoder" / "1"
        seen = []
        with export.SavedModelSession(version) as session, CApiSession(version) as other:
            for request in _requests(version):
                name = request.model_spec.signature_name
                inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
                (rows,) = {len(value) for value in inputs.values()}
                for loaded in (session, other):
                    outputs = loaded.run(name or "serving_default", inputs)
                    assert {len(value) for value in outputs.values()} == {rows}
                seen.append((name, rows))
        expected = [(name, rows) for name in ("", "decode", "sample") for rows in (1, 8)]
        assert sorted(seen) == expected

    def test_batching_parameters_lie_in_each_version(self, exported, batching, tmp_path, model):
        for name in NAMES:
            text = (exported / name / "1" / "batching_params.pbtxt").read_text()
            assert BatchingParameters.from_text(text) == batching
        # Without sizes there is nothing to warm but one row.
        paths = export.export_servables(
            model, tmp_path, batching=BatchingParameters(max_batch_size=9), verify=False
        )
        assert "value: 9" in Path(paths["encoder"], "batching_params.pbtxt").read_text()
        requests = _requests(Path(paths["encoder"]))
        assert [r.inputs["inputs"].tensor_shape.dim[0].size for r in requests] == [1, 1]

    def test_combined_has_every_signature_and_the_same_version(self, model, tmp_path):
        (tmp_path / "autoencoder" / "6").mkdir(parents=True)
        paths = export.export_servables(model, tmp_path, combined=True, verify=False)
        assert paths == {n: str(tmp_path / n / "7") for n in ("decoder", "encoder", "autoencoder")}
        with export.SavedModelSession(paths["autoencoder"]) as session:
            assert {"reconstruct", "score", "encode", "sample"} <= set(session.signatures)


class TestOptions:
    @pytest.mark.parametrize(
        ("error", "options", "message"),
        [
            (ValueError, {"keep": 0}, "Expected `keep` to be at least 1. Received: keep=0."),
            (TypeError, {"keep": 1.5}, "Expected `keep` to be an integer"),
            (
                TypeError,
                {"batching": (1, 2)},
                "Expected `batching` to be a BatchingParameters or None. Received: batching=(1, 2)",
            ),
            (TypeError, {"data": {"a": {1}}}, "Expected `data` to be made of JSON types. Receiv"),
            (
                ValueError,
                {"metrics": {"a": float("nan")}},
                "Expected `metrics` to hold finite numbers. Received: metrics={'a': nan}.",
            ),
            (ValueError, {"version": 2**63}, "Expected `version` to be a positive integer"),
            (
                ValueError,
                {
                    "batching": BatchingParameters(
                        max_batch_size=400, allowed_batch_sizes=tuple(range(1, 401))
                    )
                },
                "Expected `allowed_batch_sizes` to make at most 1000 warm-up requests, one for "
                "each size and each of 3 signatures. Received: len(allowed_batch_sizes)=400, "
                "which makes 1200.",
            ),
        ],
    )
    def test_wrong_ones_are_refused_before_anything_is_written(
        self, model, tmp_path, error, options, message
    ):
        with pytest.raises(error, match=re.escape(message)):
            export.export_servables(model, tmp_path, **options)
        assert list(tmp_path.iterdir()) == []

    def test_one_model_takes_them_too(self, model, batching, tmp_path):
        export.export_model(
            model, tmp_path / "1", batching=batching, data={"a": 1}, metrics={"b": 2}, verify=False
        )
        card = json.loads((tmp_path / "1" / "MODEL_CARD.json").read_text())
        assert (card["data"], card["metrics"]) == ({"a": 1}, {"b": 2})
        # The default one and five signatures, in two sizes.
        assert len(list(_requests(tmp_path / "1"))) == 12
        sizes = tuple(range(1, 168))
        with pytest.raises(ValueError, match="which makes 1002"):
            many = BatchingParameters(max_batch_size=167, allowed_batch_sizes=sizes)
            export.export_model(model, tmp_path / "2", batching=many)
        assert _names(tmp_path) == ["1"]

    def test_combined_needs_an_encoder(self, tmp_path):
        with pytest.raises(ValueError, match="`combined` to be False for a model without an enc"):
            export.export_servables(MODELS["GMMN mmd"][0](), tmp_path, combined=True)


@pytest.fixture
def quick(monkeypatch):
    """Replaces the writing by a copy of one file: for what concerns folders alone."""
    # The function of the same name hides the module as an attribute.
    module = importlib.import_module("aae_tf.export.export_servables")
    monkeypatch.setattr(module, "write_servable", lambda path, *args: (path / "file").touch())


class TestRotation:
    def test_the_newest_stay_and_what_is_no_version(self, model, tmp_path, quick):
        for name in NAMES:
            for version in ("1", "0002", "7", "10", "bad.9", "tmp-3", "retired-4", "latest"):
                (tmp_path / name / version).mkdir(parents=True)
            (tmp_path / name / "3").write_text("a file")
            (tmp_path / name / "4").symlink_to(tmp_path / name / "latest")
            (tmp_path / name / f"retired-5-{'0a' * 8}" / "variables").mkdir(parents=True)
        export.export_servables(model, tmp_path, keep=2)
        for name in NAMES:
            others = ["bad.9", "latest", "retired-4", "tmp-3"]
            assert _names(tmp_path / name) == ["10", "11", "3", "4", *others]

    def test_the_new_version_stays_even_if_it_is_not_the_newest(self, model, tmp_path, quick):
        for version in ("5", "6"):
            for name in NAMES:
                (tmp_path / name / version).mkdir(parents=True)
        export.export_servables(model, tmp_path, 3, keep=1)
        assert [_names(tmp_path / name) for name in NAMES] == [["3", "6"], ["3", "6"]]

    def test_without_keep_all_stay(self, model, tmp_path, quick):
        for _ in range(3):
            export.export_servables(model, tmp_path)
        assert [_names(tmp_path / name) for name in NAMES] == [["1", "2", "3"]] * 2

    def test_a_failed_export_removes_no_version(self, model, tmp_path, quick, monkeypatch):
        export.export_servables(model, tmp_path)
        monkeypatch.setattr(os, "fsync", lambda descriptor: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export.export_servables(model, tmp_path, keep=1)
        assert [_names(tmp_path / name) for name in NAMES] == [["1"], ["1"]]

    def test_a_version_is_no_number_while_its_files_go(self, model, tmp_path, quick, monkeypatch):
        export.export_servables(model, tmp_path)
        seen = []
        monkeypatch.setattr(shutil, "rmtree", lambda path, **kwargs: seen.append(Path(path).name))
        export.export_servables(model, tmp_path, keep=1)
        retired = [name for name in seen if name.startswith("retired-1-")]
        assert len(retired) == 2
        assert list_versions(tmp_path / "encoder") == [(2, tmp_path / "encoder" / "2")]

    def test_a_version_beyond_64_bits_is_never_written(self, model, tmp_path):
        (tmp_path / "encoder" / str(2**63 - 1)).mkdir(parents=True)
        with pytest.raises(FileExistsError, match=r"versions below 2\^63 - 1, the largest"):
            export.export_servables(model, tmp_path)
        assert list(tmp_path.iterdir()) == [tmp_path / "encoder"]

    def test_numbers_beyond_64_bits_are_no_versions(self, tmp_path):
        for name in ("7", str(2**63), str(2**63 - 1), "٣"):
            (tmp_path / name).mkdir()
        assert [number for number, _ in list_versions(tmp_path)] == [7, 2**63 - 1]


@pytest.mark.integration
def test_an_export_killed_at_any_moment_leaves_whole_versions_only(exported, model, tmp_path):
    base, snapshots = tmp_path / "base", tmp_path / "snapshots"
    (tmp_path / "work").mkdir()
    for name in NAMES:
        for version in ("1", "2", "3"):
            shutil.copytree(exported / name / "1", base / name / version)
        shutil.copytree(exported / name / "1", tmp_path / "ready" / name)
    folders = (tmp_path / name for name in ("ready", "base", "work", "snapshots"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.export.killed_exports", *folders],
        capture_output=True, text=True, timeout=900, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["kills"] >= 10 and counts["finished_by_the_next"] >= 1, counts
    images, loaded = {"inputs": np.ones([2, 4], np.float32)}, 0
    for snapshot in snapshots.iterdir():
        for _, path in list_versions(snapshot / "encoder"):
            with CApiSession(path) as session:
                codes = session.run("encode", images)
            with CApiSession(snapshot / "decoder" / path.name) as session:
                assert session.run("decode", codes)["outputs"].shape == (2, 4)
            loaded += 1
    assert loaded >= 10
