"""Cut CRDs down to the structural schemas that meshsim ships: no prose, one file a group.

    python tools/crd_schemas.py DIR-WITH-CRDS    writes meshsim/api/validate/schemas/*.json

All served versions of a kind have the same schema in the CRDs that are read; one that hasn't is an error.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).parent.parent / "meshsim" / "api" / "validate" / "schemas"
WANTED = {
    "networking": ("VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "WorkloadEntry", "Sidecar"),
    "argo": ("Rollout", "AnalysisTemplate", "ClusterAnalysisTemplate", "AnalysisRun", "Experiment"),
}


def without_prose(schema: Any) -> Any:
    """The schema without descriptions; a property may be called `description` and stays."""
    if isinstance(schema, list):
        return [without_prose(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: without_prose(item) for name, item in value.items()}
        elif key not in ("description", "title", "example", "externalDocs"):
            kept[key] = without_prose(value)
    return kept


def schemas_in(path: Path) -> dict[str, Any]:
    """Kind → structural schema, for every CRD of a YAML file."""
    found = {}
    for document in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader):
        if not document or document.get("kind") != "CustomResourceDefinition":
            continue
        kind = document["spec"]["names"]["kind"]
        versions = [without_prose(v["schema"]["openAPIV3Schema"]) for v in document["spec"]["versions"]]
        if any(version != versions[0] for version in versions):
            raise SystemExit(f"{path}: the versions of {kind} differ")
        found[kind] = versions[0]
    return found


def main(source: Path) -> None:
    """Write the schema files."""
    every: dict[str, Any] = {}
    for path in sorted(source.glob("*.yaml")):
        every |= schemas_in(path)
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, kinds in WANTED.items():
        text = json.dumps({kind: every[kind] for kind in kinds}, separators=(",", ":"), sort_keys=True)
        (TARGET / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
