import pytest
from tensorflow.core.protobuf import config_pb2

from aae_tf.export.serving_protos import make_message, parse_text

PLATFORM = """
platform_configs {
  key: "tensorflow"
  value {
    source_adapter_config {
      [type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig] {
        legacy_config { session_config { gpu_options { allow_growth: true } } }
      }
    }
  }
}
"""


def test_platform_config_with_its_session():
    config = parse_text("PlatformConfigMap", PLATFORM)
    adapter = make_message("SavedModelBundleSourceAdapterConfig")
    config.platform_configs["tensorflow"].source_adapter_config.Unpack(adapter)
    session = adapter.legacy_config.session_config.SerializeToString()
    assert config_pb2.ConfigProto.FromString(session).gpu_options.allow_growth


def test_models_config():
    text = 'model_config_list { config { name: "a" base_path: "/a" model_platform: "tensorflow" } }'
    assert parse_text("ModelServerConfig", text).model_config_list.config[0].base_path == "/a"


def test_refuses_an_unknown_field():
    with pytest.raises(ValueError, match=r'Expected a MonitoringConfig .* no field named "port"'):
        parse_text("MonitoringConfig", "prometheus_config { port: 1 }")
