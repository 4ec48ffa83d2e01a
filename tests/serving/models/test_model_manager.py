"""What is loaded, switched and unloaded, with a loader that only notes what it is asked."""

import logging
import shutil
import threading

import grpc
import pytest

from aae_tf.serving.errors import ServingError
from aae_tf.serving.models.model_config import ModelConfig, VersionPolicy
from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.models.servable import Servable

START, LOADING, AVAILABLE, UNLOADING, END = 10, 20, 30, 40, 50


class Disk:
    """Versions on disk, a manager over them, and what happened in which order."""

    def __init__(self, path):
        self.path = path
        self.events = []
        self.broken = set()
        self.manager = ModelManager(self.load)

    def load(self, name, version, path):
        assert path.is_dir()
        self.events.append(f"load {name} {version}")
        if version in self.broken:
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"no graph in {version}")
        return Servable(name, version, Session(f"close {name} {version}", self.events))

    def put(self, name, *versions):
        for version in versions:
            (self.path / name / str(version)).mkdir(parents=True)

    def remove(self, name, version):
        shutil.rmtree(self.path / name / str(version))

    def config(self, name, kind="latest", versions=(), labels=None, num_versions=1):
        policy = VersionPolicy(kind, num_versions, tuple(versions))
        return ModelConfig(name, self.path / name, policy, labels or {})

    def serves(self, name, version=None, label=None):
        with self.manager.use(name, version, label) as servable:
            return servable.version

    def states(self, name):
        return {version: s.state for version, s in self.manager.status(name).items()}


class Session:
    def __init__(self, event, events):
        self.event, self.events = event, events

    def close(self):
        self.events.append(self.event)


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


def test_a_new_version_is_loaded_before_the_old_one_goes(disk):
    disk.put("a", 1, 2)
    disk.manager.configure([disk.config("a")])
    assert disk.events == ["load a 2"]
    disk.put("a", 10)
    disk.manager.poll()
    disk.manager.poll()
    assert disk.events == ["load a 2", "load a 10", "close a 2"]
    assert disk.serves("a") == 10
    assert disk.states("a") == {10: AVAILABLE, 2: END}
    assert disk.manager.models == {"a": 10}


def test_a_request_in_flight_keeps_its_version(disk):
    disk.put("a", 1)
    disk.manager.configure([disk.config("a")])
    with disk.manager.use("a") as servable:
        with disk.manager.use("a"):
            disk.put("a", 2)
            disk.manager.poll()
        assert servable.version == 1
        assert disk.states("a") == {1: UNLOADING, 2: AVAILABLE}
        assert "close a 1" not in disk.events
        assert disk.serves("a") == 2
        with pytest.raises(ServingError, match=r"NOT_FOUND: .*Specific\(a, 1\)"):
            disk.serves("a", 1)
    assert disk.events[-1] == "close a 1"
    assert disk.states("a") == {1: END, 2: AVAILABLE}


def test_a_broken_version_leaves_the_old_one_and_is_tried_again_once_put_back(disk):
    disk.put("a", 1)
    disk.manager.configure([disk.config("a")])
    disk.broken = {2}
    disk.put("a", 2)
    disk.manager.poll()
    disk.manager.poll()
    assert disk.events == ["load a 1", "load a 2"]
    assert disk.serves("a") == 1
    disk.remove("a", 2)
    disk.manager.poll()
    assert disk.manager.status("a")[2].error is None
    disk.put("a", 2)
    disk.manager.poll()
    assert disk.events == ["load a 1", "load a 2", "load a 2"]
    failed = disk.manager.status("a")[2]
    assert (failed.state, failed.error.code) == (END, grpc.StatusCode.NOT_FOUND)
    disk.put("a", 3)
    disk.manager.poll()
    assert disk.events[3:] == ["load a 3", "close a 1"]


def test_78_and_roll_back_by_a_specific_version(disk):
    disk.put("a", 1, 2)
    disk.manager.configure([disk.config("a")])
    disk.manager.configure([disk.config("a", "specific", [1])])
    assert disk.events == ["load a 2", "load a 1", "close a 2"]
    disk.manager.configure([disk.config("a")])  # and forward again
    assert disk.events[3:] == ["load a 2", "close a 1"]
    assert disk.serves("a") == 2


def test_all_and_several_latest_versions(disk):
    disk.put("a", 1, 2, 3)
    disk.manager.configure([disk.config("a", "all")])
    assert disk.events == ["load a 3", "load a 2", "load a 1"]
    assert [disk.serves("a", version) for version in (1, 2, 3)] == [1, 2, 3]
    assert disk.serves("a") == 3
    disk.manager.configure([disk.config("a", num_versions=2)])
    assert disk.states("a") == {1: END, 2: AVAILABLE, 3: AVAILABLE}


def test_82_a_folder_that_vanishes_changes_nothing_for_any_model(disk, caplog):
    disk.put("a", 1)
    disk.put("b", 1)
    disk.manager.configure([disk.config("a"), disk.config("b")])
    shutil.rmtree(disk.path / "a")
    disk.put("b", 2)
    disk.manager.poll()
    assert (disk.serves("a"), disk.serves("b")) == (1, 1)
    assert "Nothing is changed while a folder cannot be read" in caplog.text
    (disk.path / "a").mkdir()  # there again, without versions
    disk.manager.poll()
    with pytest.raises(ServingError, match=r"NOT_FOUND: .*Latest\(a\)"):
        disk.serves("a")
    assert disk.serves("b") == 2
    assert disk.states("a") == {1: END}


def test_a_model_can_be_taken_out_while_the_folder_of_another_is_away(disk):
    disk.put("a", 1)
    disk.put("b", 1)
    disk.manager.configure([disk.config("a"), disk.config("b")])
    shutil.rmtree(disk.path / "a")
    disk.manager.configure([disk.config("a")])
    assert disk.manager.models == {"a": 1}


def test_a_folder_that_stays_away_is_reported_once(disk, caplog):
    disk.put("a", 1)
    disk.manager.configure([disk.config("a")])
    shutil.rmtree(disk.path / "a")
    for _ in range(3):
        disk.manager.poll()
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1


def test_74_a_model_that_is_not_listed_any_more_is_unloaded(disk):
    disk.put("a", 1)
    disk.put("b", 7)
    disk.manager.configure([disk.config("a", labels={})])
    disk.manager.configure([disk.config("b")])
    assert disk.serves("b") == 7
    with pytest.raises(ServingError, match=r"NOT_FOUND: .*Latest\(a\)"):
        disk.serves("a")
    assert disk.manager.has_model("a")
    assert not disk.manager.has_model("c")


def test_76_and_77_labels(disk):
    disk.put("a", 1, 2)
    with pytest.raises(ServingError, match="FAILED_PRECONDITION: Label stable is for version 1"):
        disk.manager.configure([disk.config("a", "all", labels={"stable": 1})])
    assert disk.events == []
    disk.manager.configure([disk.config("a", "all")])
    disk.manager.configure([disk.config("a", "all", labels={"stable": 1})])
    assert disk.serves("a", label="stable") == 1
    with pytest.raises(ServingError, match="not currently available for inference"):
        disk.manager.configure([disk.config("a", "all", labels={"stable": 3})])
    assert disk.serves("a", label="stable") == 1
    disk.manager.configure([disk.config("a", "all", labels={"stable": 2})])
    assert disk.serves("a", label="stable") == 2
    for name, label in (("a", "canary"), ("no", "stable")):
        with pytest.raises(ServingError, match="INVALID_ARGUMENT: Unrecognized servable version"):
            disk.serves(name, label=label)


def test_labels_ahead_of_their_versions(disk):
    disk.put("a", 1)
    disk.manager = ModelManager(disk.load, labels_ahead=True)
    disk.manager.configure([disk.config("a", labels={"stable": 1, "next": 2})])
    assert disk.serves("a", label="stable") == 1
    with pytest.raises(ServingError, match=r"NOT_FOUND: .*Specific\(a, 2\)"):
        disk.serves("a", label="next")
    with pytest.raises(ServingError, match="Label stable is for version 5"):  # it moves
        disk.manager.configure([disk.config("a", labels={"stable": 5})])


def test_without_a_version_that_serves(disk):
    (disk.path / "a").mkdir()
    disk.manager.configure([disk.config("a")])
    with pytest.raises(ServingError, match=r"NOT_FOUND: Expected model 'a' to have a version"):
        disk.manager.check_all_serve()
    disk.broken = {3}
    disk.put("a", 3)
    disk.manager.poll()
    message = r"NOT_FOUND: Expected version 3 of model 'a' to load\. Received: no graph in 3"
    with pytest.raises(ServingError, match=message):
        disk.manager.check_all_serve()


def test_no_name(disk):
    with pytest.raises(ServingError, match="INVALID_ARGUMENT: ModelSpec has no name specified"):
        disk.serves("")
    assert disk.manager.status("a") == {}


def test_requests_are_answered_while_a_version_loads(disk):
    disk.put("a", 1)
    disk.manager.configure([disk.config("a")])
    loading, go_on = threading.Event(), threading.Event()
    load = disk.manager._load

    def slow(*arguments):
        loading.set()
        assert go_on.wait(30)
        return load(*arguments)

    disk.manager._load = slow
    disk.put("a", 2)
    thread = threading.Thread(target=disk.manager.poll)
    thread.start()
    assert loading.wait(30)
    assert disk.serves("a") == 1
    assert disk.states("a") == {1: AVAILABLE, 2: LOADING}
    go_on.set()
    thread.join(30)
    assert disk.serves("a") == 2


def test_close_unloads_everything(disk):
    disk.put("a", 1)
    disk.put("b", 2)
    disk.manager.configure([disk.config("a"), disk.config("b")])
    disk.manager.close()
    assert sorted(disk.events[2:]) == ["close a 1", "close b 2"]
    assert disk.manager.models == {}
