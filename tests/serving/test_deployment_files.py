from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

FOLDER = Path(__file__).parents[2] / "serving"


def test_models_config_is_one_that_the_real_server_accepts():
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((FOLDER / "models.config").read_text(), config)
    models = config.model_config_list.config
    assert [model.name for model in models] == ["encoder", "decoder"]
    for model in models:
        assert model.base_path == f"/models/{model.name}"
        assert model.model_platform == "tensorflow"
