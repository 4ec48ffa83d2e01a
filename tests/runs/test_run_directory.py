import pytest

from aae_tf.runs.run_directory import publish_run


class TestPublishRun:
    @pytest.fixture
    def finished(self, tmp_path):
        (tmp_path / "run.partial" / "run" / "new").mkdir(parents=True)
        return tmp_path / "run.partial" / "run"

    def test_replaces_what_was_there(self, tmp_path, finished):
        (tmp_path / "run" / "old").mkdir(parents=True)
        publish_run(finished, tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["new"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.partial"]

    def test_restores_what_was_there(self, tmp_path):
        (tmp_path / "run" / "old").mkdir(parents=True)
        with pytest.raises(FileNotFoundError):
            publish_run(tmp_path / "missing", tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["old"]
        assert [path.name for path in tmp_path.iterdir()] == ["run"]

    def test_gives_back_what_cannot_be_replaced(self, tmp_path, finished, monkeypatch):
        (tmp_path / "run" / "old").mkdir(parents=True)

        def refuse(path, target):
            raise OSError("refused")

        monkeypatch.setattr(type(finished), "rename", refuse)
        with pytest.raises(OSError, match="refused"):
            publish_run(finished, tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["old"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.partial"]
