import errno
import os
import tempfile
from pathlib import Path

import pytest

from aae_tf.files import naming_file, write_atomically, write_new


@pytest.fixture
def partial(tmp_path):
    return tmp_path / f".a.{os.getpid()}.partial"


def names(folder):
    return [path.name for path in folder.iterdir()]


class TestWriteAtomically:
    def test_replaces(self, tmp_path):
        (tmp_path / "a").write_text("old")
        write_atomically(tmp_path / "a", b"new")
        assert (tmp_path / "a").read_text() == "new"
        assert names(tmp_path) == ["a"]

    def test_does_not_write_through_a_link(self, tmp_path, partial):
        with tempfile.TemporaryDirectory() as other:
            victim = Path(other) / "victim"
            victim.write_text("mine")
            partial.symlink_to(victim)
            write_atomically(tmp_path / "a", b"new")
            assert victim.read_text() == "mine"
        assert (tmp_path / "a").read_text() == "new"
        assert not (tmp_path / "a").is_symlink()

    def test_an_error_leaves_the_old_content(self, tmp_path, monkeypatch):
        (tmp_path / "a").write_text("old")

        def refuse(path):
            raise OSError(errno.EIO, "refused")

        monkeypatch.setattr("aae_tf.files.sync", refuse)
        with pytest.raises(OSError, match="refused"):
            write_atomically(tmp_path / "a", b"new")
        assert (tmp_path / "a").read_text() == "old"
        assert names(tmp_path) == ["a"]


class TestWriteNew:
    def test_never_follows_a_link(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "victim")
        with pytest.raises(FileExistsError):
            write_new(tmp_path / "link", b"new")
        assert not (tmp_path / "victim").exists()

    def test_a_full_disk_is_named(self):
        if not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full")
        with (
            pytest.raises(OSError, match=r"No space left on device: 'a\.npy'"),
            naming_file(Path("a.npy")),
            Path("/dev/full").open("wb", buffering=0) as file,
        ):
            file.write(b"new")
