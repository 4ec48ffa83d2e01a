"""compose.yaml: both variants and Prometheus, against what compose and the server expect."""

import re
from pathlib import Path

import pytest

from tests.serving.deployment.deployment import (
    FOLDER,
    MODELS,
    check_server_options,
    load_yaml,
    server_options,
    substitute,
)

VARIANTS = ("serving", "serving-cpu")
SERVICES = (*VARIANTS, "prometheus")


@pytest.fixture(scope="module")
def compose():
    return load_yaml("compose.yaml")


def options_of(service, **variables):
    command = [*service["entrypoint"], *service["command"]]
    return server_options([substitute(argument, **variables) for argument in command])


def mounts(service):
    return {volume["target"]: volume for volume in service["volumes"]}


def test_services(compose):
    assert set(compose["services"]) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_service_has_no_more_rights_than_it_needs(compose, name):
    service = compose["services"][name]
    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    for key in ("privileged", "cap_add", "network_mode", "pid", "ipc", "devices"):
        assert key not in service
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"[1-9][0-9]*[mg]", limits["memory"])
    for target, volume in mounts(service).items():
        assert volume["type"] in ("bind", "volume")
        assert volume.get("read_only", False) or target == "/prometheus"


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_published_on_loopback_only(compose, name):
    ports = compose["services"][name]["ports"]
    assert ports
    for port in ports:
        assert re.fullmatch(r"127\.0\.0\.1:([0-9]+):\1", port)


@pytest.mark.parametrize("name", SERVICES)
def test_image_has_a_variable_tag_with_a_default(compose, name):
    repository = "prom/prometheus" if name == "prometheus" else "tensorflow/serving"
    image = compose["services"][name]["image"]
    match = re.fullmatch(re.escape(repository) + r":\$\{([A-Z_]+_TAG):-([\w.-]+)\}", image)
    assert match
    assert match[2] != "latest"
    assert match[2].endswith("-gpu") == (name == "serving")


def test_variables_are_apart(compose):
    images = (compose["services"][name]["image"] for name in SERVICES)
    variables = [re.search(r"\$\{(\w+)", image)[1] for image in images]
    assert len(set(variables)) == len(SERVICES)


@pytest.mark.parametrize("name", VARIANTS)
def test_server_runs_the_binary_with_options_that_it_has(compose, name):
    service = compose["services"][name]
    options = options_of(service)
    check_server_options(options)
    assert options["model_config_file"] == Path("/config/models.config")
    listening = (options["port"], options["rest_api_port"])
    assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in listening]


def test_gpu_variant_takes_one_gpu_and_its_memory_options(compose):
    service = compose["services"]["serving"]
    assert options_of(service)["platform_config_file"] == Path("/config/platform.config")
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert "profiles" not in service


def test_cpu_variant_asks_for_no_gpu_and_waits_to_be_named(compose):
    service = compose["services"]["serving-cpu"]
    assert "reservations" not in service["deploy"]["resources"]
    assert service["profiles"] == ["cpu"]


@pytest.mark.parametrize("name", VARIANTS)
def test_server_is_no_root_and_reads_the_models_of_the_caller(compose, name):
    service = compose["services"][name]
    user, group = service["user"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    models = mounts(service)["/models"]
    assert models["source"].startswith("${MODELS_DIR:?")  # no default: it must be said
    assert models["bind"] == {"create_host_path": False}
    assert mounts(service)["/config"]["source"] == "."
    assert any(entry.startswith("/tmp:") for entry in service["tmpfs"])


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("config", MODELS)
def test_health_is_asked_of_every_model(compose, name, config):
    service = compose["services"][name]
    kind, shell, script, *arguments = service["healthcheck"]["test"]
    assert (kind, shell) == ("CMD", "bash")
    assert script == "/config/available.sh"
    assert (FOLDER / "available.sh").is_file()
    options = options_of(service, MODELS_CONFIG=config)
    assert options["model_config_file"] == Path("/config", config)
    found = [substitute(argument, MODELS_CONFIG=config) for argument in arguments]
    assert found == [str(options["rest_api_port"]), str(options["model_config_file"])]


def test_prometheus_finds_either_variant(compose):
    (job,) = load_yaml("prometheus.yml")["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in compose["services"]
    assert host in compose["services"]["serving-cpu"]["networks"]["default"]["aliases"]
    for name in VARIANTS:
        assert int(port) == options_of(compose["services"][name])["rest_api_port"]


def test_prometheus_reads_its_configuration(compose):
    service = compose["services"]["prometheus"]
    configuration = mounts(service)["/etc/prometheus/prometheus.yml"]
    assert (FOLDER / configuration["source"]).is_file()
    assert f"--config.file={configuration['target']}" in service["command"]
    data = mounts(service)["/prometheus"]
    assert data["source"] in compose["volumes"]
    assert f"--storage.tsdb.path={data['target']}" in service["command"]
