"""The Kubernetes manifests: what the operator and Flink would refuse, or silently drop, fails here."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import zipfile
from typing import Any

import pytest
import yaml

from kappafleet import launch
from kappafleet.connections import CassandraConnection, RabbitMQConnection
from kappafleet.flink_home import pyflink_folder
from tests.deploy.image import ROOT, project_dockerfile, project_image
from tests.deploy.kustomize import Manifest, named_files, read_env, render
from tests.deploy.schemas import mistakes, strict_schema

K8S = ROOT / "k8s"
OVERLAYS = sorted(path.name for path in (K8S / "overlays").iterdir())
_CRD = ROOT.parent / "shared" / "k8s-crds" / "flinkdeployments.flink.apache.org-v1.yml"
_FLINK_OPTIONS = {"-py", "-pym", "-pyfs", "-pyexec", "-pyclientexec", "-pyarch", "-pyreq", "-pypath"}


def deployment(overlay: str) -> Manifest:
    """The FlinkDeployment of an overlay."""
    found = [each for each in render(K8S / "overlays" / overlay) if each["kind"] == "FlinkDeployment"]
    assert len(found) == 1
    return found[0]


def settings(overlay: str) -> dict[str, Any]:
    """Its settings of Flink."""
    found: dict[str, Any] = deployment(overlay)["spec"]["flinkConfiguration"]
    return found


def image_version() -> str:
    """Flink's version in the image."""
    text = next(step.text for step in project_dockerfile() if step.name == "ARG")
    return text.removeprefix("FLINK_VERSION=")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """What the operator takes as a FlinkDeployment."""
    if not _CRD.is_file():
        pytest.skip("the operator's CRDs are not at hand (../shared/k8s-crds)")
    return strict_schema(_CRD, "v1beta1")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_passes_the_operators_schema(overlay: str, schema: dict[str, Any]) -> None:
    found = deployment(overlay)

    assert found["apiVersion"] == "flink.apache.org/v1beta1"
    assert mistakes(found, schema) == []


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("spec/parallelism", 2, "spec: Additional properties"),
        ("spec/job/upgradeMod", "savepoint", "spec.job: Additional properties"),
        ("spec/job/upgradeMode", "restart", "spec.job.upgradeMode"),
        ("spec/job/parallelism", "2", "spec.job.parallelism"),
        ("spec/job/args", "-py job.py", "spec.job.args"),
        ("spec/flinkVersion", "v9_9", "spec.flinkVersion"),
        ("spec/taskManager/memory", "1g", "spec.taskManager: Additional properties"),
        (
            "spec/podTemplate/spec/containers/0/envs",
            [],
            "spec.podTemplate.spec.containers.0: Additional properties",
        ),
        (
            "spec/podTemplate/spec/containers/0/env/0/valueFrom/secret",
            {},
            "spec.podTemplate.spec.containers.0.env.0",
        ),
    ],
)
def test_a_manifest_with_a_mistake_is_refused(
    path: str, value: object, place: str, schema: dict[str, Any]
) -> None:
    broken = copy.deepcopy(deployment("local"))
    *parents, last = path.split("/")
    target: Any = broken
    for name in parents:
        target = target[int(name)] if isinstance(target, list) else target[name]
    target[last] = value

    found = mistakes(broken, schema)

    assert len(found) == 1
    assert found[0].startswith(place)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubectl_renders_the_same(overlay: str) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl on PATH to compare with")
    command = [kubectl, "kustomize", str(K8S / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        len(set(re.findall(r"kappafleet-connections-\w+", done.stdout))) == 1
    )  # the reference follows the name
    plain = re.sub(r"(kappafleet-connections)-\w{10}", r"\1", done.stdout)

    def by_kind(manifests: list[Manifest]) -> list[Manifest]:
        return sorted(manifests, key=lambda each: str(each["kind"]))

    assert by_kind(list(yaml.safe_load_all(plain))) == by_kind(render(K8S / "overlays" / overlay))


def test_every_file_belongs_to_an_overlay_and_exists() -> None:
    named = {path for overlay in OVERLAYS for path in named_files(K8S / "overlays" / overlay)}
    there = {path.resolve() for path in K8S.rglob("*") if path.is_file() and path.suffix != ".md"}

    assert named == there


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_manifest_holds_a_password(overlay: str) -> None:
    manifests = render(K8S / "overlays" / overlay)
    secret = re.compile(r"(?i)password|secret|token|access_?key")

    assert not [each for each in manifests if each["kind"] == "Secret"]
    maps = [each for each in manifests if each["kind"] == "ConfigMap"]
    assert not [name for each in maps for name in each["data"] if secret.search(name)]
    variables = _container(deployment(overlay))["env"]
    taken_from_secrets = [each["name"] for each in variables if "secretKeyRef" in each.get("valueFrom", {})]
    assert [each["name"] for each in variables if secret.search(each["name"])] == taken_from_secrets
    assert {"KF_RABBITMQ_PASSWORD", "KF_CASSANDRA_PASSWORD"} <= set(taken_from_secrets)
    assert not [name for name in settings(overlay) if secret.search(name)]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_connections_name_variables_that_are_read(overlay: str) -> None:
    given = read_env(K8S / "overlays" / overlay / "connections.env")
    read = RabbitMQConnection.from_environment(given).variables()
    read |= CassandraConnection.from_environment(given).variables()

    assert read == given


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_pods_use_what_the_overlay_makes(overlay: str) -> None:
    manifests = render(K8S / "overlays" / overlay)
    names = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    pod = deployment(overlay)["spec"]["podTemplate"]["spec"]
    container = _container(deployment(overlay))

    assert [each["configMapRef"]["name"] for each in container["envFrom"]] == ["kappafleet-connections"]
    assert ("ConfigMap", "kappafleet-connections") in names
    volumes = {each["name"]: each["persistentVolumeClaim"]["claimName"] for each in pod.get("volumes", [])}
    assert {("PersistentVolumeClaim", claim) for claim in volumes.values()} <= names
    mounts = {each["name"]: each["mountPath"] for each in container.get("volumeMounts", [])}
    assert set(mounts) == set(volumes)
    for name in (
        "execution.checkpointing.dir",
        "execution.checkpointing.savepoint-dir",
        "high-availability.storageDir",
    ):
        scheme, _, path = settings(overlay)[name].partition("://")
        assert scheme == "s3" or (
            scheme == "file" and path.startswith(tuple(f"{mount}/" for mount in mounts.values()))
        )


def test_flinks_options_stand_before_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """PythonDriver stops at the first argument that it doesn't know; the job must understand all after it."""
    arguments: list[str] = deployment("local")["spec"]["job"]["args"]
    own: dict[str, str] = {}
    while arguments[0] in _FLINK_OPTIONS:
        own[arguments[0]], arguments = arguments[1], arguments[2:]
    started: list[launch.Launch] = []
    monkeypatch.setattr(launch, "launch", lambda what: started.append(what))

    launch.main("driver_stats", arguments)

    assert set(own) == {"-pyclientexec", "-py"}
    assert not _FLINK_OPTIONS & set(arguments)
    assert started == [launch.Launch("driver_stats", "rabbitmq:", "cassandra:", [])]
    launch.check(started[0])


def test_paths_in_the_image_are_made_by_the_dockerfile() -> None:
    spec = deployment("local")["spec"]
    steps = project_dockerfile()
    text = "\n".join(step.text for step in steps)
    inside = set(re.findall(r"/opt/[\w./-]+", yaml.safe_dump(spec)))

    python = {path for path in inside if path.startswith("/opt/venv/")}
    assert python == {"/opt/venv/bin/python"}
    assert "-m venv /opt/venv" in text
    assert "PATH=/opt/venv/bin:$PATH" in text
    ours = {path for path in inside if path.startswith("/opt/kappafleet/")}
    assert ours == {"/opt/kappafleet/jobs/driver_stats/job.py"}
    assert ours <= set(project_image())
    assert inside - python - ours == {f"/opt/flink/lib/flink-python-{image_version()}.jar"}
    assert 'cp "/opt/flink/opt/flink-python-${FLINK_VERSION}.jar" /opt/flink/lib/' in text


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_versions_agree(overlay: str) -> None:
    spec = deployment(overlay)["spec"]
    version = image_version()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert spec["flinkVersion"] == "v" + "_".join(version.split(".")[:2])
    assert f'version = "{spec["image"].removeprefix("kappafleet:")}"' in project
    plugins = [
        each["value"] for each in _container(deployment(overlay))["env"] if each["name"].startswith("ENABLE")
    ]
    assert all(plugin.endswith(f"-{version}.jar") for plugin in plugins)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_flink_knows_every_setting(overlay: str) -> None:
    """A name that Flink doesn't know is ignored there without a word."""
    names = {name for name in settings(overlay) if not name.startswith("kubernetes.operator.")}

    assert _unknown_to_flink(names) == set()


def test_a_setting_that_flink_does_not_know_is_noticed() -> None:
    names = {"execution.checkpointing.interval", "execution.checkpoint.interval"}

    assert _unknown_to_flink(names) == {"execution.checkpoint.interval"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_state_survives_and_python_has_room(overlay: str) -> None:
    spec, found = deployment(overlay)["spec"], settings(overlay)

    assert spec["mode"] == "native"
    assert spec["job"]["upgradeMode"] == "savepoint"
    assert found["high-availability.type"] == "kubernetes"
    assert found["python.execution-mode"] == "thread"
    assert found["taskmanager.numberOfTaskSlots"] == "1"
    assert found["classloader.parent-first-patterns.additional"] == "pemja"
    assert (
        found["taskmanager.memory.jvm-overhead.min"] == found["taskmanager.memory.jvm-overhead.max"] == "1g"
    )
    assert all(isinstance(value, str) for value in found.values())


def test_pods_may_do_no_more_than_they_need() -> None:
    found = deployment("local")
    pod = found["spec"]["podTemplate"]["spec"]["securityContext"]
    container = _container(found)["securityContext"]

    assert pod["runAsNonRoot"] is True
    assert container == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    for part in ("jobManager", "taskManager"):
        assert found["spec"][part]["podTemplate"]["spec"]["containers"][0]["livenessProbe"]


def _unknown_to_flink(names: set[str]) -> set[str]:
    """Those of the names that no class of options in Flink's jars declares."""
    unknown = {name.encode() for name in names}
    folder = pyflink_folder()
    for jar in [*(folder / "lib").glob("flink-dist-*.jar"), *(folder / "opt").glob("flink-python-*.jar")]:
        with zipfile.ZipFile(jar) as classes:
            for entry in classes.namelist():
                if unknown and entry.startswith("org/apache/flink/") and entry.endswith("Options.class"):
                    content = classes.read(entry)
                    # A string constant of a class: its length in two bytes, then its bytes.
                    unknown -= {name for name in unknown if len(name).to_bytes(2, "big") + name in content}
    return {name.decode() for name in unknown}


def _container(found: Manifest) -> dict[str, Any]:
    containers: list[dict[str, Any]] = found["spec"]["podTemplate"]["spec"]["containers"]
    assert [each["name"] for each in containers] == ["flink-main-container"]
    return containers[0]
