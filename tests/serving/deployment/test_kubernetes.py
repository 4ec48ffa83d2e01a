"""The Kubernetes manifests: each by itself, and what has to fit between them."""

import copy
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.serving.deployment.deployment import (
    FOLDER,
    MODELS,
    check_server_options,
    load_yaml,
    read,
    render,
    server_options,
    substitute,
)

NAME = "aae-serving"
LABELS = {"app.kubernetes.io/name": NAME}
KINDS = {
    "deployment": ("apps/v1", "Deployment"),
    "service": ("v1", "Service"),
    "horizontal_pod_autoscaler": ("autoscaling/v2", "HorizontalPodAutoscaler"),
    "pod_disruption_budget": ("policy/v1", "PodDisruptionBudget"),
    "network_policy": ("networking.k8s.io/v1", "NetworkPolicy"),
    "persistent_volume_claim": ("v1", "PersistentVolumeClaim"),
}
GPU = "nvidia.com/gpu"


def manifest(name):
    return load_yaml(f"kubernetes/{name}.yaml")


@pytest.fixture(scope="module")
def deployment():
    return manifest("deployment")["spec"]


@pytest.fixture(scope="module")
def pod(deployment):
    return deployment["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (container,) = pod["containers"]
    return container


@pytest.mark.parametrize("name", KINDS)
def test_manifest_is_one_object_of_its_kind(name):
    document = manifest(name)
    assert (document["apiVersion"], document["kind"]) == KINDS[name]
    assert document["metadata"]["name"] == (
        "aae-models" if name == "persistent_volume_claim" else NAME
    )
    assert document["metadata"]["labels"] == LABELS
    assert document["spec"]


def test_kustomization_takes_every_manifest_and_the_very_files():
    kustomization = load_yaml("kustomization.yaml")
    assert set(kustomization["resources"]) == {f"kubernetes/{name}.yaml" for name in KINDS}
    assert {path.name for path in (FOLDER / "kubernetes").glob("*.yaml")} == {
        f"{name}.yaml" for name in KINDS
    }
    (generator,) = kustomization["configMapGenerator"]
    for file in generator["files"]:
        assert "=" not in file  # a key of its own would be another name in the container
        assert (FOLDER / file).is_file()
    (image,) = kustomization["images"]
    assert image["name"] == "tensorflow/serving"
    assert image["newTag"].endswith("-gpu")


@pytest.mark.parametrize("path", ["kustomization.yaml", "kubernetes/cpu/kustomization.yaml"])
def test_tags_are_those_of_compose(path):
    (image,) = load_yaml(path)["images"]
    services = load_yaml("compose.yaml")["services"]
    service = services["serving-cpu" if "cpu" in path else "serving"]
    assert service["image"].endswith(f":-{image['newTag']}}}")


def test_everything_selects_the_pods(deployment):
    assert deployment["selector"]["matchLabels"] == LABELS
    assert deployment["template"]["metadata"]["labels"] == LABELS
    assert manifest("service")["spec"]["selector"] == LABELS
    assert manifest("pod_disruption_budget")["spec"]["selector"]["matchLabels"] == LABELS
    assert manifest("network_policy")["spec"]["podSelector"]["matchLabels"] == LABELS
    target = manifest("horizontal_pod_autoscaler")["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}


def test_server_runs_the_binary_with_options_that_it_has(container):
    options = server_options([*container["command"], *container["args"]])
    check_server_options(options)
    assert options["platform_config_file"] == Path("/config/platform.config")
    (generator,) = load_yaml("kustomization.yaml")["configMapGenerator"]
    needed = {value.name for value in options.values() if isinstance(value, Path)}
    needed |= {Path(container["readinessProbe"]["exec"]["command"][1]).name}
    # The others are for the components, out of the same ConfigMap.
    components = {"batching.config", "models.combined.config", "fill.sh"}
    assert set(generator["files"]) == needed | components


def test_both_kinds_of_deployment_start_the_server_alike(container):
    service = load_yaml("compose.yaml")["services"]["serving"]
    here = server_options([*container["command"], *container["args"]])
    there = server_options([*map(substitute, service["entrypoint"]), *service["command"]])
    # A ConfigMap with a hash in its name never changes; only Kubernetes has other pods to go to.
    assert there.pop("model_config_file_poll_wait_seconds") > 0
    assert here.pop("grpc_channel_arguments").startswith("grpc.max_connection_age_ms=")
    assert here == there


def test_container_has_no_more_rights_than_it_needs(pod, container):
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["runAsGroup"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_models_and_configuration_are_read_only(pod, container):
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert {mount["name"] for mount in mounts.values()} == set(volumes)
    for path in ("/models", "/config"):
        assert mounts[path]["readOnly"] is True
    claim = volumes[mounts["/models"]["name"]]["persistentVolumeClaim"]
    assert claim["readOnly"] is True
    assert claim["claimName"] == manifest("persistent_volume_claim")["metadata"]["name"]
    (generator,) = load_yaml("kustomization.yaml")["configMapGenerator"]
    assert volumes[mounts["/config"]["name"]]["configMap"] == {"name": generator["name"]}
    writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
    assert writable == {"/tmp"}
    for variable in container["env"]:
        assert variable["value"].startswith("/tmp/")


def test_ports_match(container):
    options = server_options([*container["command"], *container["args"]])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": options["port"], "rest": options["rest_api_port"]}
    service = manifest("service")["spec"]
    assert service["type"] == "ClusterIP"
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == ports


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe"])
def test_probes_read_the_state_of_every_model(container, probe):
    command = container[probe]["exec"]["command"]
    options = server_options([*container["command"], *container["args"]])
    config = str(options["model_config_file"])
    assert command == ["bash", "/config/available.sh", "8501", config]
    # The script gives each model 3 s.
    assert container[probe]["timeoutSeconds"] > 3 * max(map(len, MODELS.values()))
    service = load_yaml("compose.yaml")["services"]["serving"]
    assert command[1:] == list(map(substitute, service["healthcheck"]["test"][2:]))


def test_the_server_starts_when_every_model_is_there(pod, container):
    (wait,) = pod["initContainers"]
    options = server_options([*container["command"], *container["args"]])
    config = str(options["model_config_file"])
    assert wait["command"] == ["bash", "/config/available.sh", "--wait", config]
    assert wait["image"] == container["image"]
    assert wait["securityContext"] == container["securityContext"]
    mounts = {mount["mountPath"]: mount["readOnly"] for mount in wait["volumeMounts"]}
    assert mounts == {"/models": True, "/config": True}


def test_a_pod_may_start_slowly_but_leaves_service_at_once(container):
    startup, readiness = container["startupProbe"], container["readinessProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 300
    assert readiness["periodSeconds"] * readiness["failureThreshold"] <= 10
    assert "livenessProbe" not in container


def test_connections_have_left_before_the_pod_does(pod, container):
    options = server_options([*container["command"], *container["args"]])
    _, _, age = options["grpc_channel_arguments"].partition("=")
    program, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    # gRPC varies the age by a tenth.
    assert int(seconds) > 1.1 * int(age) / 1000
    assert int(seconds) < pod["terminationGracePeriodSeconds"] <= 30


def test_resources(container):
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert set(requests) == set(limits) == {"cpu", "memory", GPU}
    assert requests[GPU] == limits[GPU] == 1  # Kubernetes refuses anything else
    assert int(requests["cpu"]) <= int(limits["cpu"])
    gibibytes = [int(each["memory"].removesuffix("Gi")) for each in (requests, limits)]
    assert gibibytes == sorted(gibibytes)


def test_rollout_never_takes_away_what_serves(deployment):
    assert deployment["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    assert "replicas" not in deployment  # the autoscaler's
    startup = deployment["template"]["spec"]["containers"][0]["startupProbe"]
    patience = startup["periodSeconds"] * startup["failureThreshold"]
    assert deployment["progressDeadlineSeconds"] > patience


def test_autoscaler_and_disruptions_leave_a_pod(container):
    scaler = manifest("horizontal_pod_autoscaler")["spec"]
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    budget = manifest("pod_disruption_budget")["spec"]
    assert budget["maxUnavailable"] < scaler["minReplicas"]
    (metric,) = scaler["metrics"]
    assert metric["type"] == "Resource"
    # A share of the request: without one the autoscaler has nothing to divide by.
    assert metric["resource"]["name"] in container["resources"]["requests"]
    assert metric["resource"]["target"]["type"] == "Utilization"
    assert 0 < metric["resource"]["target"]["averageUtilization"] < 100


def test_network_is_closed_but_to_clients_and_prometheus(container):
    policy = manifest("network_policy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    clients, prometheus = policy["ingress"]
    named = {port["name"] for port in container["ports"]}
    assert {port["port"] for port in clients["ports"]} == named
    assert clients["from"] == [{"podSelector": {"matchLabels": {"aae-serving-client": "true"}}}]
    # In one entry: two would let in the whole namespace, and that label in ours.
    (source,) = prometheus["from"]
    assert source["namespaceSelector"]["matchLabels"]
    assert source["podSelector"]["matchLabels"]
    assert [port["port"] for port in prometheus["ports"]] == ["rest"]


def test_cpu_component_takes_the_gpu_away(container):
    component = load_yaml("kubernetes/cpu/kustomization.yaml")
    assert component["kind"] == "Component"
    (entry,) = component["patches"]
    document = copy.deepcopy(manifest("deployment"))
    assert entry["target"] == {"kind": document["kind"], "name": document["metadata"]["name"]}
    for operation in yaml.safe_load(entry["patch"]):
        apply_json_patch(document, operation)
    (patched,) = document["spec"]["template"]["spec"]["containers"]
    assert GPU not in str(document)
    options = server_options([*patched["command"], *patched["args"]])
    check_server_options(options)
    assert "platform_config_file" not in options
    assert patched["command"] == container["command"]


def apply_json_patch(document, operation):
    """RFC 6902, as far as the component goes: replace and remove what is there."""
    assert operation["op"] in ("replace", "remove")
    first, *parts = operation["path"].split("/")
    assert first == ""
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in parts)
    for part in parents:
        document = document[int(part) if isinstance(document, list) else part]
    assert last in document
    if operation["op"] == "replace":
        document[last] = operation["value"]
    else:
        del document[last]


needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not installed"
)


@needs_kubectl
@pytest.mark.parametrize("variant", ["gpu", "cpu"])
def test_kustomize_renders_the_files(tmp_path, variant):
    # The variant without a GPU is the example of the operator's guide.
    (example,) = re.findall(r"```yaml\n(.*?)```", read("README.md"), re.DOTALL)
    overlay = example if variant == "cpu" else "resources: [../aae_tf/serving]"
    base = os.path.relpath(FOLDER, tmp_path.resolve())
    overlay = overlay.replace("../aae_tf/serving", base)
    (tmp_path / "kustomization.yaml").write_text(overlay)
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(tmp_path)], check=True, capture_output=True, text=True
    ).stdout
    documents = {document["kind"]: document for document in yaml.safe_load_all(rendered)}
    assert set(documents) == {kind for _, kind in KINDS.values()} | {"ConfigMap"}
    for name, text in documents["ConfigMap"]["data"].items():
        assert text == (FOLDER / name).read_text()
    pod = documents["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].endswith("-gpu") == (variant == "gpu")
    names = [v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v]
    assert names == [documents["ConfigMap"]["metadata"]["name"]]
    check_server_options(server_options([*container["command"], *container["args"]]))


@needs_kubectl
@pytest.mark.parametrize("components", [[], ["cpu"]])
def test_combined_serves_and_asks_for_the_third_model(components):
    pod = render("combined", *components)["Deployment"]["spec"]["template"]["spec"]
    (container,), (wait,) = pod["containers"], pod["initContainers"]
    options = server_options([*container["command"], *container["args"]])
    check_server_options(options)
    assert options["model_config_file"] == Path("/config/models.combined.config")
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["exec"]["command"][2:] == ["8501", "/config/models.combined.config"]
    assert wait["command"][2:] == ["--wait", "/config/models.combined.config"]


@needs_kubectl
@pytest.mark.parametrize("component", ["fill", "fill_from_bucket"])
def test_fill_publishes_into_the_volume_of_the_server(component):
    documents = render(component)
    pod = documents["Job"]["spec"]["template"]["spec"]
    server = documents["Deployment"]["spec"]["template"]["spec"]
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in (*pod["volumes"], *server["volumes"])
        if "persistentVolumeClaim" in volume
    ]
    assert claims == ["aae-models", "aae-models"]
    (fetch,), (publish,) = pod["initContainers"], pod["containers"]
    assert publish["command"] == ["sh", "/config/fill.sh", "/fetched", "/models"]
    mounts = {mount["mountPath"]: mount for mount in publish["volumeMounts"]}
    assert set(mounts) == {"/fetched", "/models", "/config"}
    assert not mounts["/models"].get("readOnly")
    assert [mount["mountPath"] for mount in fetch["volumeMounts"]] == ["/fetched"]
    assert fetch["command"][-1].endswith("/fetched" if "bucket" in component else " /fetched/")
    for container in (fetch, publish):
        assert container["securityContext"] == server["containers"][0]["securityContext"]
        assert container["resources"]["limits"]["memory"]
    # The server's group reads what the Job writes, and only the server is shut in.
    assert pod["securityContext"]["fsGroup"] == server["securityContext"]["runAsGroup"]
    labels = documents["Job"]["spec"]["template"]["metadata"]["labels"]
    assert labels != LABELS
    if "bucket" in component:
        assert fetch["envFrom"] == [{"secretRef": {"name": "aae-bucket"}}]
        assert "$(BUCKET)" in fetch["command"]


class TestFill:
    @pytest.fixture
    def source(self, tmp_path):
        for name in ("encoder/7", "decoder/7", "decoder/notes", "other/1"):
            (tmp_path / "source" / name).mkdir(parents=True)
        for name in ("encoder/7", "decoder/7", "other/1"):
            (tmp_path / "source" / name / "saved_model.pb").write_text(name)
        return tmp_path / "source"

    def run(self, source, target):
        command = ["sh", str(FOLDER / "fill.sh"), str(source), str(target)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def test_publishes_what_the_volume_lacks(self, source, tmp_path):
        target = tmp_path / "volume"
        (target / "encoder" / "tmp-fill-7").mkdir(parents=True)
        (target / "encoder" / "tmp-fill-7" / "half").touch()
        printed = self.run(source, target)
        assert printed.splitlines() == ["decoder/7 is published.", "encoder/7 is published."]
        found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
        assert found == {"encoder/7/saved_model.pb", "decoder/7/saved_model.pb"}

    def test_leaves_what_is_there(self, source, tmp_path):
        target = tmp_path / "volume"
        self.run(source, target)
        (source / "encoder" / "7" / "saved_model.pb").write_text("other")
        assert self.run(source, target).splitlines() == [
            "decoder/7 is there.",
            "encoder/7 is there.",
        ]
        assert (target / "encoder" / "7" / "saved_model.pb").read_text() == "encoder/7"
