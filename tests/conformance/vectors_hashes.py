"""Translates recorded hashes of pod templates and steps; production code decides."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from controller.rollout.hashing import go_json, pod_template_hash, step_hash
from tests.conformance.cases import Case

In = Mapping[str, Any]


def cases_of(document: Mapping[str, Any]) -> Iterator[Case]:
    """Every recorded call and every hashed manifest."""
    for number, case in enumerate(document["test_cases"]):
        yield Case(f"{case['test']}#{number}", partial(_recorded_call, case), partial(_called, case))
    for number, manifest in enumerate(document["manifests"]):
        name = f"{manifest['path']}#{number}"
        yield Case(name, partial(_recorded_manifest, manifest), partial(_hashed, manifest))


def _recorded_call(case: In) -> object:
    return case["out"]["hash"]


def _called(case: In) -> object:
    given = case["in"]
    if case["function"] == "ComputePodTemplateHash":
        return pod_template_hash(json.loads(given["template_go_json"]), given["collisionCount"])
    return "" if given["blueGreenAlsoSet"] else step_hash(json.loads(given["steps_go_json"]))


def _recorded_manifest(manifest: In) -> object:
    names = ("template_go_json", "podTemplateHash", "podTemplateHash_collisionCount1", "stepHash")
    return {name: manifest[name] for name in names if name in manifest}


def _hashed(manifest: In) -> object:
    template = json.loads(manifest["template_go_json"])
    hashed = {
        "template_go_json": go_json(template, "PodTemplateSpec"),
        "podTemplateHash": pod_template_hash(template),
        "podTemplateHash_collisionCount1": pod_template_hash(template, 1),
    }
    if "stepHash" in manifest:
        hashed["stepHash"] = step_hash(json.loads(manifest["steps_go_json"]))
    return hashed
