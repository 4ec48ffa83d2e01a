import pytest
from google.protobuf import text_format
from tensorflow_serving.config.file_system_storage_path_source_pb2 import (
    FileSystemStoragePathSourceConfig,
)

from aae_tf.serving.models.model_config import VersionPolicy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {10}),
        ("latest {}", {10}),
        ("latest { num_versions: 2 }", {9, 10}),
        ("latest { num_versions: 9 }", {2, 9, 10}),
        ("all {}", {2, 9, 10}),
        ("specific { versions: 2 versions: 9 versions: 77 }", {2, 9}),
        ("specific {}", set()),
    ],
)
def test_choose(text, expected):
    message = FileSystemStoragePathSourceConfig.ServableVersionPolicy()
    text_format.Parse(text, message)
    policy = VersionPolicy.from_proto(message)
    assert policy.choose([9, 10, 2]) == expected
    assert policy.choose([]) == set()
