"""The list of models: a folder, or the real server's text file (case 75 and 83)."""

from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from aae_tf.serving import ServerError, ServingError
from aae_tf.serving.models.model_config import ModelConfig, VersionPolicy, read_model_configs
from aae_tf.serving.models.model_sources import FileSource, FolderSource

EVERYTHING = """
model_config_list {
  config {
    name: "a"
    base_path: "/models/a"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 3 versions: 4 } }
    version_labels { key: "stable" value: 3 }
    version_labels { key: "canary" value: 4 }
  }
  config { name: "b" base_path: "/models/b" model_type: TENSORFLOW }
}
"""


def test_file(tmp_path):
    (tmp_path / "models.config").write_text(EVERYTHING)
    assert FileSource(tmp_path / "models.config").read() == [
        ModelConfig(
            "a",
            Path("/models/a"),
            VersionPolicy("specific", 1, (3, 4)),
            {"stable": 3, "canary": 4},
        ),
        ModelConfig("b", Path("/models/b")),
    ]


def _list(*configs: str) -> str:
    return "model_config_list {" + "".join(f"config {{ {text} }}" for text in configs) + "}"


A = 'name: "a" base_path: "/a" model_platform: "tensorflow"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a ModelServerConfig with a model_config_list"),
        ("custom_model_config {}", "a ModelServerConfig with a model_config_list"),
        (_list(A, A), "Illegal to list model a multiple times"),
        (_list('base_path: "/a" model_platform: "tensorflow"'), "model config to have a name"),
        (
            _list('name: "a" base_path: "a" model_platform: "tensorflow"'),
            r"model a to have an absolute base_path\. Received: base_path='a'",
        ),
        (
            _list('name: "a" base_path: "/a"'),
            r"model a to have model_platform 'tensorflow'\. Received: model_platform=''",
        ),
        (
            _list('name: "a" base_path: "/a" model_platform: "tensorflow" model_type: TENSORFLOW'),
            "Illegal setting both the older model_type and model_platform",
        ),
        (
            _list(r'name: "a" base_path: "/a\000" model_platform: "tensorflow"'),
            r"without NUL characters\. Received: name='a', base_path='/a\\x00'",
        ),
        (
            _list('name: "a" base_path: "gs://a" model_platform: "tensorflow"'),
            "reads no remote file systems",
        ),
    ],
)
def test_75_what_the_real_server_refuses(tmp_path, text, message):
    config = text_format.Parse(text, ModelServerConfig())
    with pytest.raises(ServingError, match=message) as caught:
        read_model_configs(config)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    (tmp_path / "models.config").write_text(text)
    with pytest.raises(ServerError, match=rf"^model_config_file=.*models\.config: .*{message}"):
        FileSource(tmp_path / "models.config").read()


def test_83_malformed_text_names_the_message_and_the_field(tmp_path):
    (tmp_path / "models.config").write_text("model_config_lst {}")
    with pytest.raises(ServerError, match=r"ModelServerConfig .* named \"model_config_lst\""):
        FileSource(tmp_path / "models.config").read()


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), (b"\xff\xfe", "not UTF-8")]
)
def test_unreadable_file(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "f").write_bytes(content)
    message = rf"Expected `model_config_file` to be a readable text file\. .*\({reason}"
    with pytest.raises(ServerError, match=message):
        FileSource(tmp_path / "f").read()


def test_folder_is_absolute(tmp_path, monkeypatch):
    (tmp_path / "models" / "a" / "1").mkdir(parents=True)
    (tmp_path / "models" / "no-version").mkdir()
    monkeypatch.chdir(tmp_path)
    assert FolderSource("models").read() == [ModelConfig("a", tmp_path / "models" / "a")]


def test_75_an_unknown_platform():
    text = _list('name: "a" base_path: "/a" model_platform: "torch"')
    message = r"^FAILED_PRECONDITION: .*model_platform 'tensorflow'\. Received: .*='torch'"
    with pytest.raises(ServingError, match=message):
        read_model_configs(text_format.Parse(text, ModelServerConfig()))


def test_what_is_ignored_is_named(caplog):
    text = _list(f"{A} logging_config {{}}")
    assert len(read_model_configs(text_format.Parse(text, ModelServerConfig()))) == 1
    assert "logging_config of model a is ignored" in caplog.text


def test_lost_and_found_is_skipped(tmp_path, caplog):
    (tmp_path / "a" / "1").mkdir(parents=True)
    (tmp_path / "lost+found" / "1").mkdir(parents=True)
    source = FolderSource(tmp_path)
    for _ in range(2):
        assert [config.name for config in source.read()] == ["a"]
    assert caplog.text.count("lost+found is skipped") == 1
