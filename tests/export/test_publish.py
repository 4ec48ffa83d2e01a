"""Folders that appear whole, locks, and what killed writers leave."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from aae_tf import export
from aae_tf.export.publish import publish, publish_in_order, staging_directory, stale_stagings
from aae_tf.export.versions import complete_killed_exports
from aae_tf.files import lock_directory

NAMES = ("encoder", "decoder")


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_lock_is_held_by_one(tmp_path):
    with lock_directory(tmp_path) as first, lock_directory(tmp_path, wait=False) as second:
        assert first and not second
    with lock_directory(tmp_path, wait=False) as again:
        assert again


class TestPublish:
    def test_a_second_rename_that_fails_takes_back_the_first(self, tmp_path):
        targets = [tmp_path / name / "1" for name in NAMES]
        rename = Path.rename

        def fail(self, target):
            if Path(target) == targets[1]:
                raise OSError("no space")
            return rename(self, target)

        with (
            pytest.MonkeyPatch.context() as patch,
            pytest.raises(OSError, match="no space"),
            publish_in_order(targets),
        ):
            patch.setattr(Path, "rename", fail)
        assert [_names(tmp_path / name) for name in NAMES] == [[], []]

    def test_files_and_folders_are_on_the_disk_before_the_name_is(self, tmp_path, monkeypatch):
        events, fsync, rename = [], os.fsync, Path.rename

        def record_fsync(descriptor):
            events.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
            return fsync(descriptor)

        def record_rename(self, target):
            events.append("rename")
            return rename(self, target)

        monkeypatch.setattr(os, "fsync", record_fsync)
        monkeypatch.setattr(Path, "rename", record_rename)
        with publish_in_order([tmp_path / "new" / "1"]) as (staging,):
            (staging / "variables").mkdir()
            (staging / "variables" / "index").write_text("a")
        made = [str(tmp_path)]
        content = [str(staging / "variables" / "index"), str(staging / "variables"), str(staging)]
        assert events == [*made, *content, "rename", str(tmp_path / "new")]

    @pytest.mark.parametrize(("code", "refused"), [(errno.EINVAL, False), (errno.EIO, True)])
    def test_only_a_disk_that_fails_is_a_failure(self, tmp_path, monkeypatch, code, refused):
        def fail(descriptor):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fail)
        try:
            with publish(tmp_path / "1"):
                pass
        except OSError as error:
            assert refused and error.errno == code
        assert _names(tmp_path) == ([] if refused else ["1"])


class TestLeftovers:
    def test_staging_of_the_living_stays(self, tmp_path):
        with staging_directory(tmp_path / "encoder" / "3") as staging:
            complete_killed_exports([tmp_path / "encoder"])
            assert staging.is_dir()
        assert _names(tmp_path / "encoder") == []

    def test_staging_of_the_dead_goes_if_that_is_certain(self, tmp_path):
        with staging_directory(tmp_path / "encoder" / "3") as staging:
            name = staging.name
        dead = tmp_path / "encoder" / name
        _, _, kernel, _ = name.split("-")
        names = [name.replace(kernel, other) for other in ("00000000", "unlocked")]
        for path in (dead, *(tmp_path / "encoder" / name for name in names)):
            path.mkdir()
        (tmp_path / "encoder" / "tmp-notes").mkdir()
        with lock_directory(dead):
            complete_killed_exports([tmp_path / "encoder"])
        assert _names(tmp_path / "encoder") == sorted([name, *names, "tmp-notes"])
        complete_killed_exports([tmp_path / "encoder"])
        assert _names(tmp_path / "encoder") == sorted([*names, "tmp-notes"])

    def test_one_model_too_removes_them(self, model, tmp_path):
        with staging_directory(tmp_path / "1") as staging:
            pass
        (staging / "variables").mkdir(parents=True)
        export.export_model(model, tmp_path / "2", verify=False)
        assert _names(tmp_path) == ["2"]

    @pytest.mark.parametrize("damaged", [False, True])
    def test_the_second_half_of_an_export_is_added(self, exported, tmp_path, damaged):
        root = shutil.copytree(exported, tmp_path / "root")
        # Of another kernel, as after a power failure: the renaming is safe, removing is not.
        half = (root / "encoder" / "1").rename(root / "encoder" / "tmp-1-00000000-abcdefgh")
        if damaged:
            (half / "saved_model.pb").unlink()
        complete_killed_exports([root / "decoder", root / "encoder"])
        assert _names(root / "encoder") == ([half.name] if damaged else ["1"])

    def test_an_export_without_its_first_half_is_not_added(self, exported, tmp_path):
        root = shutil.copytree(exported, tmp_path / "root")
        half = (root / "encoder" / "1").rename(root / "encoder" / "tmp-1-00000000-abcdefgh")
        card = json.loads((root / "decoder" / "1" / "MODEL_CARD.json").read_text())
        card["export"] = "another"
        (root / "decoder" / "1" / "MODEL_CARD.json").write_text(json.dumps(card))
        complete_killed_exports([root / "decoder", root / "encoder"])
        assert _names(root / "encoder") == [half.name]

    def test_staging_that_vanishes_meanwhile_is_none(self, tmp_path, monkeypatch):
        (tmp_path / "tmp-3-00000000-abcdefgh").mkdir()
        listed = list(tmp_path.iterdir())
        shutil.rmtree(listed[0])
        monkeypatch.setattr(Path, "iterdir", lambda self: iter(listed))
        with stale_stagings(tmp_path) as found:
            assert found == []

    def test_without_locks_nothing_is_certain(self, tmp_path, monkeypatch):
        monkeypatch.setattr("aae_tf.files.fcntl", None)
        with staging_directory(tmp_path / "encoder" / "3") as staging:
            assert staging.name.startswith("tmp-3-unlocked-")
            complete_killed_exports([tmp_path / "encoder"])
            assert staging.is_dir()
