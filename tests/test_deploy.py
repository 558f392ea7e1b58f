"""The cluster files, as far as they can be checked without a cloud, Kubernetes, Slurm or Docker."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from textcls.serve import __main__ as serve_command
from textcls.serve.access import is_loopback
from tune import search
from tune.config import search_file

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SHARED = "/mnt/shared/runs"


def aws() -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load((DEPLOY / "aws.yaml").read_text(encoding="utf-8"))
    return made


def documents() -> dict[str, dict[str, Any]]:
    text = (DEPLOY / "rayjob.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def cluster_spec() -> dict[str, Any]:
    spec: dict[str, Any] = documents()["RayJob"]["spec"]["rayClusterSpec"]
    return spec


def pods() -> list[dict[str, Any]]:
    spec = cluster_spec()
    return [each["template"] for each in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]


def commands(name: str) -> Iterator[list[str]]:
    """The arguments of the searches that a file starts, or tells to start in its comments."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    text = re.sub(r"\\?\n(#|\s)*", " ", text)
    for match in re.finditer(r"-m tune\.search ([^';]*?--address \S+)", text):
        yield [part.strip("'\"") for part in match[1].split()]


def test_ray_accepts_the_cloud_cluster() -> None:
    made = prepare_config(aws())
    validate_config(made)
    head = made["head_node_type"]
    workers = {name: node for name, node in made["available_node_types"].items() if name != head}
    assert made["available_node_types"][head]["resources"]["CPU"] == 0
    for node in workers.values():
        assert node["resources"]["GPU"] > 0
        assert node["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"
        assert node["min_workers"] > 0  # a search that starts without a slot is refused


def test_the_cloud_cluster_asks_for_a_token_and_hides_its_dashboard() -> None:
    made = aws()
    assert "~/.ray/auth_token" in made["file_mounts"]
    assert any("RAY_AUTH_MODE=token" in command for command in made["setup_commands"])
    starts = [*made["head_start_ray_commands"], *made["worker_start_ray_commands"]]
    assert all(". ~/.profile" in command for command in starts)  # where the mode is set
    hosts = re.findall(r"--dashboard-host=(\S+)", " ".join(starts))
    assert hosts == ["127.0.0.1"]
    assert any("/mnt/shared" in command and "nfs4" in command for command in made["setup_commands"])


@pytest.mark.parametrize("key", ["setup_commands", "head_start_ray_commands"])
def test_the_commands_of_the_cloud_cluster_are_shell(key: str) -> None:
    for command in aws()[key]:
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_the_job_has_what_kuberay_asks_for() -> None:
    found = documents()
    assert set(found) == {"PersistentVolumeClaim", "NetworkPolicy", "RayJob"}
    job = found["RayJob"]
    assert job["apiVersion"] == "ray.io/v1"
    assert job["spec"]["backoffLimit"] > 0  # a lost head is replaced
    assert job["spec"]["submissionMode"] in {"K8sJobMode", "HTTPMode", "SidecarMode"}
    for pod in pods():
        (container,) = pod["spec"]["containers"]
        assert {"name", "image", "resources", "volumeMounts"} <= set(container)
        limits, requests = (container["resources"][kind] for kind in ("limits", "requests"))
        assert all(requests[what] == limit for what, limit in limits.items())


def test_the_job_asks_for_a_token_and_hides_its_dashboard() -> None:
    import ray

    spec = cluster_spec()
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["rayVersion"] == ray.__version__
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    policy = documents()["NetworkPolicy"]["spec"]
    labels = policy["podSelector"]["matchLabels"]
    assert all(pod["metadata"]["labels"] == labels for pod in pods())
    allowed = [peer["podSelector"]["matchLabels"] for peer in policy["ingress"][0]["from"]]
    assert labels in allowed
    assert len(allowed) == 2  # the cluster itself and KubeRay's operator


def test_every_pod_of_the_job_sees_the_shared_volume() -> None:
    claim = documents()["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in pods():
        (volume,) = pod["spec"]["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        (mount,) = pod["spec"]["containers"][0]["volumeMounts"]
        assert mount["name"] == volume["name"]
        assert SHARED.startswith(mount["mountPath"])


def test_the_slurm_script_is_shell() -> None:
    script = DEPLOY / "slurm.sh"
    subprocess.run(["bash", "-n", script], check=True)
    beside = Path(sys.executable).with_name("shellcheck")
    shellcheck = str(beside) if beside.exists() else shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([shellcheck, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_slurm_script_asks_for_a_token_and_is_queued_again() -> None:
    text = (DEPLOY / "slurm.sh").read_text(encoding="utf-8")
    assert "export RAY_AUTH_MODE=token" in text
    assert "#SBATCH --requeue" in text
    assert "dashboard-host" not in text  # Ray's default is 127.0.0.1


@pytest.mark.parametrize("name", ["aws.yaml", "rayjob.yaml", "slurm.sh"])
def test_the_search_resumes_by_itself_in_a_shared_folder(name: str) -> None:
    (arguments,) = commands(name)
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert search._misfit(search.make_parser().parse(arguments)) is None
    assert options["--resume"] == "auto"
    assert options["--runs-dir"].startswith(("/mnt/shared", "$TEXTCLS_SHARED"))
    if name != "slurm.sh":
        search_file.load_search(ROOT / options["--space"])


INSTRUCTIONS = {
    "FROM",
    "ARG",
    "RUN",
    "WORKDIR",
    "COPY",
    "ENV",
    "USER",
    "CMD",
    "EXPOSE",
    "HEALTHCHECK",
}


def instructions_of(name: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile with what they are given; what they copy has to exist."""
    text = (DEPLOY / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]
    assert {each for each, _ in found} <= INSTRUCTIONS
    assert found[0][0] == "FROM"
    copied = [rest.split()[:-1] for each, rest in found if each == "COPY"]
    assert all((ROOT / source).exists() for sources in copied for source in sources)
    assert {"textcls", "tune", "pyproject.toml"} <= {each for part in copied for each in part}
    return found


def test_the_image_has_what_a_node_needs() -> None:
    found = instructions_of("Dockerfile")
    environment = dict(found)["ENV"]
    assert "RAY_AUTH_MODE=token" in environment
    assert "TOKEN=" not in environment  # a secret has no place in an image
    assert dict(found)["USER"] == "ray"


def test_the_image_of_the_service_starts_it_with_what_it_needs() -> None:
    found = instructions_of("service.Dockerfile")
    assert "TOKEN" not in dict(found)["ENV"]  # a secret has no place in an image
    assert dict(found)["USER"] == "textcls"
    python, module, name, *arguments = json.loads(dict(found)["CMD"])
    assert (python, module, name) == ("python", "-m", "textcls.serve")
    options = serve_command.make_parser().parse_args(arguments)
    assert not is_loopback(options.host)  # else nothing from outside comes in
    assert f"127.0.0.1:{options.port}/health" in dict(found)["HEALTHCHECK"]
    installed = " ".join(rest for each, rest in found if each == "RUN" and "pip" in rest)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in project["optional-dependencies"]["serve"]:
        assert f'"{requirement}"' in installed
