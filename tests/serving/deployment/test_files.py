"""The text files that TensorFlow Serving and Prometheus read, and what the guides say of them."""

import itertools
import re

import pytest
from tensorflow.core.protobuf import config_pb2

from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.export.serving_protos import make_message, parse_text
from tests.serving.deployment.deployment import (
    FOLDER,
    MODELS,
    REPOSITORY,
    SERVER_OPTIONS,
    load_yaml,
    read,
)

GUIDES = (FOLDER / "README.md", REPOSITORY / "docs" / "serving_on_gpu.md")
ADAPTER = "type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig"


def session_bundle_config():
    (platform,) = parse_text("PlatformConfigMap", read("platform.config")).platform_configs.items()
    name, config = platform
    assert name == "tensorflow"
    adapter = config.source_adapter_config
    assert adapter.type_url == ADAPTER
    message = make_message("SavedModelBundleSourceAdapterConfig")
    message.ParseFromString(adapter.value)
    return message.legacy_config


@pytest.mark.parametrize("file", MODELS)
def test_models_are_named_like_their_folders(file):
    models = parse_text("ModelServerConfig", read(file)).model_config_list.config
    assert [model.name for model in models] == MODELS[file]
    for model in models:
        assert model.base_path == f"/models/{model.name}"
        assert model.model_platform == "tensorflow"


@pytest.mark.parametrize("file", ["models.config", "models.combined.config"])
def test_models_serve_the_highest_version_and_have_no_label_that_would_go_stale(file):
    for model in parse_text("ModelServerConfig", read(file)).model_config_list.config:
        assert model.model_version_policy.WhichOneof("policy_choice") == "latest"
        assert model.model_version_policy.latest.num_versions == 1
        assert not model.version_labels


def test_canary_labels_only_versions_that_are_pinned():
    for model in parse_text(
        "ModelServerConfig", read("models.canary.config")
    ).model_config_list.config:
        pinned = list(model.model_version_policy.specific.versions)
        assert pinned == [1, 2]
        assert dict(model.version_labels) == {"stable": 1, "canary": 2}


def test_batching_is_one_that_the_server_accepts_and_splits_large_requests():
    parameters = BatchingParameters.from_text(read("batching.config"))
    assert parameters == BatchingParameters(
        max_batch_size=16384,
        enable_large_batch_splitting=True,
        max_execution_batch_size=64,
        allowed_batch_sizes=(8, 16, 32, 64, 16384),
        batch_timeout_micros=500,
        num_batch_threads=2,
        max_enqueued_batches=1024,
    )
    queue = parameters.max_enqueued_batches * parameters.largest_batch
    assert queue == 4 * parameters.max_batch_size  # as its comment says
    smallest, *_ = parameters.allowed_batch_sizes
    for rows in range(smallest, parameters.largest_batch + 1):
        assert parameters.padded_size(rows) < 2 * rows  # likewise


def test_platform_repeats_batching_and_turns_warmup_on():
    config = session_bundle_config()
    assert config.batching_parameters == parse_text("BatchingParameters", read("batching.config"))
    assert config.enable_model_warmup is True
    gpu = config.session_config.gpu_options
    assert gpu.allow_growth is True
    assert gpu.per_process_gpu_memory_fraction == 0.8


def test_prometheus_scrapes_the_path_that_monitoring_opens():
    monitoring = parse_text("MonitoringConfig", read("monitoring.config")).prometheus_config
    assert monitoring.enable is True
    (job,) = load_yaml("prometheus.yml")["scrape_configs"]
    assert job["metrics_path"] == monitoring.path == "/monitoring/prometheus/metrics"
    assert job["static_configs"] == [{"targets": ["serving:8501"]}]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_guide_names_files_that_exist(guide):
    text = guide.read_text()
    linked = {link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link}
    assert linked
    for link in linked:
        assert (guide.parent / link).exists(), link
        # The folder is copied to elsewhere, with its guide.
        assert guide.parent != FOLDER or ".." not in link
    for name in re.findall(r"`((?:serving/)?[a-z_./]+\.(?:config|ya?ml|sh))`", text):
        assert (FOLDER / name.removeprefix("serving/")).exists(), name


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_guide_names_options_that_the_server_has(guide):
    # The server spells its options with underscores, `aae-tf`, docker and kubectl with hyphens.
    named = set(re.findall(r"--([a-z]+(?:_[a-z]+)+)\b(?!\*)", guide.read_text()))
    named = {name for name in named if not name.startswith("tf_")}  # those of TF_XLA_FLAGS
    assert named
    assert named <= set(SERVER_OPTIONS)


def test_gpu_guide_shows_text_that_parses():
    blocks = re.findall(r"```textproto\n(.*?)```", GUIDES[1].read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        config = parse_text("SessionBundleConfig", block)
        assert config.session_config != config_pb2.ConfigProto()


def test_gpu_guide_counts_the_weights_of_the_network_it_names():
    text = GUIDES[1].read_text()
    widths = (784, 1000, 1000, 8)
    layers = list(itertools.pairwise(widths))
    weights = sum(rows * columns for rows, columns in layers)
    encoder = weights + sum(columns for _, columns in layers)
    decoder = weights + sum(rows for rows, _ in layers)
    assert f"{encoder:,}" in text
    assert f"{decoder:,}" in text
    assert f"{4 * (encoder + decoder) / 1e6:.1f} MB" in text
    assert f"{2 * 4 * (encoder + decoder) / 1e6:.1f} MB" in text


def test_every_file_of_the_folder_is_used_by_another():
    texts = {path: path.read_text() for path in FOLDER.rglob("*") if path.is_file()}
    assert len(texts) > 10
    for path in texts.keys() - {FOLDER / "README.md"}:
        others = (text for other, text in texts.items() if other != path)
        assert any(path.name in text for text in others), path
