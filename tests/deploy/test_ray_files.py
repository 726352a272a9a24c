"""The manifest and the image for a Ray cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.cli.command import run

FOLDER = Path(__file__).parents[2] / "deploy" / "ray"
VERSION = "1.30"

# Fields of ray.io/v1 (KubeRay's CRD) that are used, and what they hold.
JOB = {
    "entrypoint": str,
    "shutdownAfterJobFinishes": bool,
    "ttlSecondsAfterFinished": int,
    "backoffLimit": int,
    "rayClusterSpec": dict,
}
CLUSTER = {
    "rayVersion": str,
    "enableInTreeAutoscaling": bool,
    "autoscalerOptions": dict,
    "headGroupSpec": dict,
    "workerGroupSpecs": list,
}
HEAD = {"rayStartParams": dict, "template": dict}
WORKERS = {**HEAD, "groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int}


@pytest.fixture(scope="module")
def documents() -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / "rayjob.yaml").read_text()))


def holds(what: dict[str, Any], fields: Mapping[str, type]) -> dict[str, Any]:
    assert {name: type(value) for name, value in what.items()} == fields
    return what


def groups(documents: list[Any]) -> list[dict[str, Any]]:
    cluster = holds(holds(documents[1]["spec"], JOB)["rayClusterSpec"], CLUSTER)
    head = holds(cluster["headGroupSpec"], HEAD)
    return [head, *(holds(group, WORKERS) for group in cluster["workerGroupSpecs"])]


def test_the_manifest_is_one(documents: list[Any]) -> None:
    claim, job = documents
    kubernetes_validate.validate(claim, VERSION, strict=True)
    assert (job["apiVersion"], job["kind"], set(job)) == (
        "ray.io/v1",
        "RayJob",
        {"apiVersion", "kind", "metadata", "spec"},
    )
    for group in groups(documents):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "x"},
            "spec": group["template"]["spec"],
        }
        kubernetes_validate.validate(pod, VERSION, strict=True)
        claims = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["spec"]["volumes"]]
        assert claims == [claim["metadata"]["name"]]


def test_its_command_is_one_of_ours(documents: list[Any]) -> None:
    words = documents[1]["spec"]["entrypoint"].split()
    assert words[:2] == ["emotrace", "batch"]
    known = set(re.findall(r"--[a-z-]+", run("batch", "--help").stdout))
    assert {word for word in words if word.startswith("--")} <= known
    most = sum(
        group["maxReplicas"] * int(group["rayStartParams"]["num-cpus"]) for group in groups(documents)[1:]
    )
    assert int(words[words.index("--workers") + 1]) == most


def test_one_version_of_ray(documents: list[Any]) -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text()
    versions = set(re.findall(r"ray(?:\[data\]==|:)(\d+\.\d+\.\d+)", dockerfile))
    assert versions == {documents[1]["spec"]["rayClusterSpec"]["rayVersion"]}
    [found] = versions
    assert found.split(".")[0] == metadata.version("ray").split(".")[0]
