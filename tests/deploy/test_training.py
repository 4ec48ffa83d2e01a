"""The files of `deploy/training/`: each alone, what has to fit between them, and what they run."""

import json
import os
import re
import shutil
import socket
import subprocess

import pytest
import yaml

from aae_tf.runs import make_recipe
from aae_tf.runs.cluster import EX_TEMPFAIL, TFConfig
from tests.serving.deployment.deployment import REPOSITORY, load_yaml

FOLDER = REPOSITORY / "deploy" / "training"
NAME = "aae-training"
LABELS = {"app.kubernetes.io/name": NAME}
KINDS = {
    "job": ("batch/v1", "Job"),
    "service": ("v1", "Service"),
    "network_policy": ("networking.k8s.io/v1", "NetworkPolicy"),
    "persistent_volume_claim": ("v1", "PersistentVolumeClaim"),
}
GPU = "nvidia.com/gpu"
PORT = 2222


def manifest(name):
    return load_yaml(FOLDER / "kubernetes" / f"{name}.yaml")


@pytest.fixture(scope="module")
def job():
    return manifest("job")["spec"]


@pytest.fixture(scope="module")
def pod(job):
    return job["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (container,) = pod["containers"]
    return container


@pytest.fixture(scope="module")
def environment(container):
    return {variable["name"]: variable["value"] for variable in container["env"]}


@pytest.mark.parametrize("name", KINDS)
def test_manifest_is_one_object_of_its_kind(name):
    document = manifest(name)
    assert (document["apiVersion"], document["kind"]) == KINDS[name]
    assert document["metadata"] == {"name": NAME, "labels": LABELS}
    assert document["spec"]


def test_kustomization_takes_every_manifest_and_the_very_script():
    kustomization = load_yaml(FOLDER / "kustomization.yaml")
    assert set(kustomization["resources"]) == {f"kubernetes/{name}.yaml" for name in KINDS}
    assert {path.name for path in (FOLDER / "kubernetes").glob("*.yaml")} == {
        f"{name}.yaml" for name in KINDS
    }
    (generator,) = kustomization["configMapGenerator"]
    assert generator == {"name": "aae-training-config", "files": ["worker.sh"]}


def test_image_is_named_once(container):
    (image,) = load_yaml(FOLDER / "kustomization.yaml")["images"]
    assert container["image"] == image["name"] == "aae-tf"
    version = re.search(r'^version = "(.+)"$', (REPOSITORY / "pyproject.toml").read_text(), re.M)
    assert image["newTag"] == version.group(1)


def test_image_is_made_of_what_is_there():
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    sources = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert "aae_tf" in sources
    for source in sources:
        assert (REPOSITORY / source).exists(), source
    (install,) = (line for line in lines if line.startswith("RUN pip install"))
    assert "--constraint constraints.txt" in install
    (user,) = (line.split()[1] for line in lines if line.startswith("USER"))
    context = manifest("job")["spec"]["template"]["spec"]["securityContext"]
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"


def test_everything_selects_the_pods(job):
    assert job["template"]["metadata"]["labels"] == LABELS
    assert manifest("service")["spec"]["selector"] == LABELS
    assert manifest("network_policy")["spec"]["podSelector"]["matchLabels"] == LABELS


def test_every_worker_is_a_pod_of_its_own(job, container):
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"] == int(container["args"][0]) > 1


def test_failures_of_others_do_not_count(job, pod, container):
    # The Job looks at exit codes only of pods that are not started again in their place.
    assert pod["restartPolicy"] == "Never"
    bad_input, lost, disrupted = job["podFailurePolicy"]["rules"]
    for rule, action, code in ((bad_input, "FailJob", 2), (lost, "Ignore", EX_TEMPFAIL)):
        assert rule["action"] == action
        assert rule["onExitCodes"] == {
            "containerName": container["name"],
            "operator": "In",
            "values": [code],
        }
    assert disrupted == {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    assert job["backoffLimit"] > 0


def test_pods_have_names_before_they_are_ready(pod, container, environment):
    service = manifest("service")["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    assert pod["subdomain"] == NAME
    assert environment["JOB"] == environment["SERVICE"] == NAME
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"worker": PORT}
    assert service["ports"] == [{"name": "worker", "port": PORT, "targetPort": "worker"}]


def start(tmp_path, container, environment, index, resolved_at_once=True):
    """Runs what a pod runs, with an `aae-tf` and a `getent` that say what they were asked."""
    folder = tmp_path / str(index)
    folder.mkdir()
    scripts = {
        "aae-tf": f'printf "%s\\n" "$TF_CONFIG" "$@" > {folder}/asked',
        "getent": f'[[ -e {folder}/known ]] || {{ echo "$2" > {folder}/known; exit 2; }}',
        "sleep": "",
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    if resolved_at_once:
        (folder / "known").touch()
    command = [*container["command"], *container["args"]]
    assert command[1] == "/config/worker.sh"
    command[1] = FOLDER / "worker.sh"
    variables = {
        **environment,
        "JOB_COMPLETION_INDEX": str(index),
        "PATH": f"{folder}:{os.environ['PATH']}",
    }
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    config, *arguments = (folder / "asked").read_text().splitlines()
    return config, arguments, done.stdout


def test_pods_start_the_workers_of_one_cluster(tmp_path, container, environment):
    count = int(container["args"][0])
    expected = tuple(f"{NAME}-{index}.{NAME}:{PORT}" for index in range(count))
    for index in range(count):
        text, arguments, _ = start(tmp_path, container, environment, index)
        assert TFConfig.read({"TF_CONFIG": text}) == (expected, index)
        assert json.loads(text)["task"] == {"type": "worker", "index": index}
        assert arguments == ["train", "--strategy", "multi-worker", *container["args"][1:]]


def test_a_pod_waits_until_others_have_an_address(tmp_path, container, environment):
    _, _, output = start(tmp_path, container, environment, 0, resolved_at_once=False)
    assert output == f"Waiting for {NAME}-0.{NAME} to have an address\n"


def test_the_batch_divides_among_the_pods(job, container):
    options = dict(option.removeprefix("--").split("=", 1) for option in container["args"][1:])
    recipe = make_recipe({}, options["recipe"])
    assert recipe.batch_size % (job["completions"] * container["resources"]["limits"][GPU]) == 0
    assert options["out"].startswith("/training/")
    assert int(options["backup-every"]) > 0


def test_probe_finds_the_port_of_the_worker(container):
    assert not {"readinessProbe", "livenessProbe"} & set(container)
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 1800
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        codes = [_probe(probe, port)]
    codes.append(_probe(probe, port))
    assert codes == [0, 1]


def _probe(probe, port):
    command = probe["exec"]["command"]
    assert command[-1].endswith(f"/{PORT}")
    command = [*command[:-1], command[-1].removesuffix(str(PORT)) + str(port)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_container_has_no_more_rights_than_it_needs(pod, container):
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    # The volume is written by this group.
    assert context["fsGroup"] == context["runAsGroup"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_runs_are_on_a_volume_that_all_share(pod, container, environment):
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert {mount["name"] for mount in mounts.values()} == set(volumes)
    claim = manifest("persistent_volume_claim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert volumes[mounts["/training"]["name"]]["persistentVolumeClaim"] == {
        "claimName": claim["metadata"]["name"]
    }
    (generator,) = load_yaml(FOLDER / "kustomization.yaml")["configMapGenerator"]
    assert volumes[mounts["/config"]["name"]]["configMap"] == {"name": generator["name"]}
    assert mounts["/config"]["readOnly"] is True
    writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
    assert writable == {"/training", "/tmp", "/dev/shm"}
    assert environment["TFDS_DATA_DIR"].startswith("/training/")
    assert environment["HOME"] == "/tmp"


def test_resources(container):
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert set(requests) == set(limits) == {"cpu", "memory", GPU}
    assert requests[GPU] == limits[GPU] >= 1  # Kubernetes refuses anything else
    assert int(requests["cpu"]) <= int(limits["cpu"])
    # Above its request a pod is the first to be killed.
    assert requests["memory"] == limits["memory"]


def test_network_is_closed_but_to_siblings_and_names():
    policy = manifest("network_policy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    siblings = [{"podSelector": {"matchLabels": LABELS}}]
    assert policy["ingress"] == [{"from": siblings}]
    first, names = policy["egress"]
    assert first == {"to": siblings}
    assert {(port["protocol"], port["port"]) for port in names["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
    }
    (server,) = names["to"]
    assert set(server) == {"namespaceSelector", "podSelector"}


def patched(text, document):
    """Applies the operations of a patch: replace and remove what is there."""
    for operation in yaml.safe_load(text):
        first, *parts = operation["path"].split("/")
        assert first == ""
        *parents, last = (part.replace("~1", "/") for part in parts)
        target = document
        for part in parents:
            target = target[int(part) if isinstance(target, list) else part]
        assert last in target
        if operation["op"] == "replace":
            target[last] = operation["value"]
        else:
            assert operation["op"] == "remove"
            del target[last]
    return document


def test_cpu_component_takes_the_gpu_away():
    component = load_yaml(FOLDER / "kubernetes" / "cpu" / "kustomization.yaml")
    assert component["kind"] == "Component"
    (entry,) = component["patches"]
    document = manifest("job")
    assert entry["target"] == {"kind": document["kind"], "name": document["metadata"]["name"]}
    assert GPU in str(document)
    assert GPU not in str(patched(entry["patch"], document))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("variant", ["gpu", "guide"])
def test_kustomize_renders_the_files(tmp_path, variant):
    (example,) = re.findall(r"```yaml\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    overlay = example if variant == "guide" else "resources: [../aae_tf/deploy/training]"
    base = os.path.relpath(FOLDER, tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(overlay.replace("../aae_tf/deploy/training", base))
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(tmp_path)], check=True, capture_output=True, text=True
    ).stdout
    documents = {document["kind"]: document for document in yaml.safe_load_all(rendered)}
    assert set(documents) == {kind for _, kind in KINDS.values()} | {"ConfigMap"}
    assert documents["ConfigMap"]["data"] == {"worker.sh": (FOLDER / "worker.sh").read_text()}
    pod = documents["Job"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].endswith("aae-tf:0.1.0")
    assert (GPU in container["resources"]["limits"]) == (variant == "gpu")
    names = [v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v]
    assert names == [documents["ConfigMap"]["metadata"]["name"]]
    workers, *options = container["args"]
    assert int(workers) == documents["Job"]["spec"]["completions"]
    fields = dict(option.removeprefix("--").split("=", 1) for option in options)
    kept = {key: fields[key] for key in ("model", "data") if key in fields}
    assert make_recipe(kept, fields.get("recipe")).batch_size % int(workers) == 0


def test_every_file_of_the_folder_is_used_by_another():
    texts = {path: path.read_text() for path in FOLDER.rglob("*") if path.is_file()}
    assert len(texts) > 5
    for path in texts.keys() - {FOLDER / "README.md"}:
        others = (text for other, text in texts.items() if other != path)
        assert any(path.name in text for text in others), path


def test_guide_names_files_that_exist():
    text = (FOLDER / "README.md").read_text()
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link}
    assert links
    for link in links:
        assert (FOLDER / link).exists(), link
