"""Dockerfile, compose file, systemd unit and Kubernetes manifests, each by the tool that knows it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest

from emotrace.server.settings import Settings
from tests.deploy.deployed import FOLDER, documents, text, variables
from tests.server.access.test_proxies import certificate
from tests.server.served import live

KUBERNETES = sorted(path.name for path in (FOLDER / "kubernetes").glob("*.yaml"))
OTHERS = {"home", "port"}
"""Variables that are no setting, or that Kubernetes sets."""


def run(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program}")


@pytest.mark.parametrize(
    "name", ["Dockerfile", "compose.yaml", "emotrace.service", "kubernetes/deployment.yaml"]
)
def test_every_variable_is_a_setting(name: str) -> None:
    assert variables(text(name)) - OTHERS <= set(Settings.model_fields)


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("no hadolint")
    assert run(program, FOLDER / "Dockerfile") == ""


def test_the_image_is_small_and_runs_as_nobody() -> None:
    content = text("Dockerfile")
    extras = re.findall(r"'\.\[(.*)\]'", content)[0].split(",")
    assert not {"train", "convert", "ray", "dev"} & set(extras)  # which bring torch, or what only tests need
    assert re.findall(r"^USER (.*)$", content, re.MULTILINE) == ["10001:10001"]
    copied = set(re.findall(r"^COPY (?!--from)(.*) \S+$", content, re.MULTILINE)[0].split()) | {"src"}
    assert {f"!{name}" for name in copied} <= set(text("Dockerfile.dockerignore").split())
    assert all((FOLDER.parent / name).exists() for name in copied)


def healthy(url: str, **variables: str) -> bool:
    """What the health check of the image says."""
    [code] = re.findall(r'^    CMD \["python", "-c", "(.*)"\]$', text("Dockerfile"), re.MULTILINE)
    found = {"EMOTRACE_PORT": url.rpartition(":")[2], **variables}
    command = [sys.executable, "-c", code]
    return (
        subprocess.run(command, env=found, timeout=60, check=False, stderr=subprocess.DEVNULL).returncode == 0
    )


def test_the_health_check_of_the_image_finds_a_service_alive_and_dead() -> None:
    with live() as url:
        assert healthy(url)
    assert not healthy(url)


def test_the_health_check_of_the_image_knows_tls_and_a_list_of_addresses(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with live(tls_cert=cert, tls_key=key) as url:
        assert healthy(url, EMOTRACE_TLS_CERT=str(cert))
        assert not healthy(url)
    with live(allow_ips=["10.0.0.0/8"]) as url:
        assert healthy(url)


def test_what_the_compose_file_names_is_there() -> None:
    [found] = documents("compose.yaml")
    services = found["services"]
    for service in services.values():
        assert set(service.get("secrets", ())) <= set(found["secrets"])
        assert set(service["networks"]) <= set(found["networks"])
        assert set(service.get("depends_on", ())) <= set(services)
        named = {mount.partition(":")[0] for mount in service.get("volumes", ())}
        assert {name for name in named if name[0] not in "./"} <= set(found["volumes"])
    upstreams = set(re.findall(r"^\s+server (\S+):7860;", text("nginx.conf"), re.MULTILINE))
    assert upstreams == {name for name, each in services.items() if each["image"] == "emotrace"}
    assert services["emotrace-1"] == services["emotrace-2"]
    [network] = found["networks"]["inside"]["ipam"]["config"]
    assert services["emotrace-1"]["environment"]["EMOTRACE_TRUSTED_PROXIES"] == network["subnet"]


@needs("docker-compose")
def test_compose_reads_its_file() -> None:
    assert "emotrace-2:" in run("docker-compose", "--file", FOLDER / "compose.yaml", "config")


@needs("systemd-analyze")
def test_the_unit_is_right_and_tight(tmp_path: Path) -> None:
    unit = tmp_path / "emotrace.service"
    unit.write_text(text("emotrace.service").replace("/opt/emotrace/bin/emotrace", sys.executable))
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""
    run("systemd-analyze", "security", "--offline=yes", "--threshold=20", unit)  # exposure, of 100


@pytest.mark.parametrize("name", KUBERNETES)
def test_a_manifest_is_what_kubernetes_expects(name: str) -> None:
    for document in documents(f"kubernetes/{name}"):
        if document["kind"] != "Kustomization":
            assert kubernetes_validate.validate(document, "1.30", strict=True)
            assert document["metadata"].get("namespace", "emotrace") == "emotrace"


def test_the_manifests_fit_together() -> None:
    [kustomization] = documents("kubernetes/kustomization.yaml")
    assert {*kustomization["resources"], "kustomization.yaml", "secret.example.yaml"} == set(KUBERNETES)
    deployment, budget = documents("kubernetes/deployment.yaml")
    [service] = documents("kubernetes/service.yaml")
    [policy] = documents("kubernetes/networkpolicy.yaml")
    [secret] = documents("kubernetes/secret.example.yaml")
    claims = {each["metadata"]["name"] for each in documents("kubernetes/storage.yaml")}
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        budget["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        policy["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector == labels
    [container] = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in ports
    assert policy["spec"]["ingress"][0]["ports"][0]["port"] in ports
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert {
        each["persistentVolumeClaim"]["claimName"]
        for each in volumes.values()
        if "persistentVolumeClaim" in each
    } == claims
    assert volumes["secrets"]["secret"]["secretName"] == secret["metadata"]["name"]
    files = {each["value"] for each in container["env"] if each["name"].endswith("_FILE")}
    assert {path.rpartition("/")[2] for path in files} == set(secret["stringData"])
    assert pod["spec"]["enableServiceLinks"] is False  # else EMOTRACE_PORT is tcp://...
