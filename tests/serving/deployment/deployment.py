"""What the tests of the deployment files share."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[3]
FOLDER = REPOSITORY / "serving"
# The models of each file for --model_config_file, in order.
MODELS = {
    "models.config": ["encoder", "decoder"],
    "models.canary.config": ["encoder", "decoder"],
    "models.combined.config": ["encoder", "decoder", "autoencoder"],
}

# Options of tensorflow_model_server 2.20 that somebody may want here, and the type of each.
SERVER_OPTIONS: dict[str, type] = {
    "port": int,
    "rest_api_port": int,
    "rest_api_num_threads": int,
    "rest_api_timeout_in_ms": int,
    "grpc_max_threads": int,
    "grpc_channel_arguments": str,
    "ssl_config_file": Path,
    "model_config_file": Path,
    "model_config_file_poll_wait_seconds": int,
    "allow_version_labels_for_unavailable_models": bool,
    "file_system_poll_wait_seconds": int,
    "num_load_threads": int,
    "num_unload_threads": int,
    "max_num_load_retries": int,
    "load_retry_interval_micros": int,
    "enable_batching": bool,
    "batching_parameters_file": Path,
    "enable_per_model_batching_parameters": bool,
    "monitoring_config_file": Path,
    "platform_config_file": Path,
    "per_process_gpu_memory_fraction": float,
    "tensorflow_session_config_file": Path,
    "tensorflow_intra_op_parallelism": int,
    "tensorflow_inter_op_parallelism": int,
    "enable_model_warmup": bool,
    "num_request_iterations_for_warmup": int,
    "enable_profiler": bool,
    "enable_grpc_healthcheck_service": bool,
    "xla_cpu_compilation_enabled": bool,
    "xla_gpu_compilation_enabled": bool,
    "mixed_precision": str,
}
# Options that --platform_config_file replaces, so that beside it they would do nothing.
REPLACED_BY_PLATFORM_CONFIG = {
    "enable_batching",
    "batching_parameters_file",
    "enable_per_model_batching_parameters",
    "per_process_gpu_memory_fraction",
    "tensorflow_session_config_file",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
    "enable_model_warmup",
    "num_request_iterations_for_warmup",
}


def read(name: str) -> str:
    return (FOLDER / name).read_text()


def load_yaml(name: str) -> Any:
    """The one document of a file; a key that occurs twice is an error, as `kubectl` has it."""
    return yaml.load(read(name), _UniqueKeyLoader)


def substitute(text: str, **variables: str) -> str:
    """Replaces each ${NAME:-DEFAULT} as compose does."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(*found.groups()), text)


def render(*components: str) -> dict[str, Any]:
    """What `kubectl kustomize` makes of a copy of the folder with components, by kind."""
    with tempfile.TemporaryDirectory() as folder:
        # As `aae-tf deploy` writes it, beside the operator's own kustomization.
        shutil.copytree(FOLDER, Path(folder, "ops", "copy"))
        overlay = Path(folder, "ops", "mine")
        overlay.mkdir()
        paths = [f"../copy/kubernetes/{name}" for name in components]
        text = yaml.dump({"resources": ["../copy"], "components": paths})
        (overlay / "kustomization.yaml").write_text(text)
        command = ["kubectl", "kustomize", str(overlay)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}


def server_options(command: list[str]) -> dict[str, Any]:
    """Reads the command line of a server; fails where the server would."""
    binary, *arguments = command
    assert binary == "tensorflow_model_server"
    options: dict[str, Any] = {}
    for argument in arguments:
        assert argument.startswith("--"), argument
        name, equals, text = argument[2:].partition("=")
        assert equals, f"{argument} lacks a value"
        assert name in SERVER_OPTIONS, f"--{name} is no known option"
        assert name not in options, f"--{name} occurs twice"
        options[name] = _value(SERVER_OPTIONS[name], text)
    return options


def check_server_options(options: dict[str, Any]) -> None:
    """What holds for every deployment of this folder."""
    assert options["port"] == 8500
    assert options["rest_api_port"] == 8501
    assert options["enable_profiler"] is False
    assert options["num_load_threads"] >= 1
    assert options["allow_version_labels_for_unavailable_models"] is True
    for name, value in options.items():
        if SERVER_OPTIONS[name] is Path:
            assert value.parent == Path("/config")
            assert (FOLDER / value.name).is_file()
    if "platform_config_file" in options:
        assert not REPLACED_BY_PLATFORM_CONFIG & set(options)
    else:  # the file without the switch is an error at start-up
        assert options["enable_batching"] is True
        assert options["batching_parameters_file"] == Path("/config/batching.config")


def _value(kind: type, text: str) -> Any:
    if kind is not bool:
        return kind(text)
    assert text in ("true", "false"), text
    return text == "true"


class _UniqueKeyLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        assert len(keys) == len(set(keys)), f"{keys}: a key occurs twice"
        return super().construct_mapping(node, deep)
