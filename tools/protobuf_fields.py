"""Read the protobuf fields of Kubernetes' own kinds out of their Go types, as far as the API server serves them.

    python tools/protobuf_fields.py API-MODULE APIMACHINERY-MODULE

It writes meshsim/apiserver/kinds/protobuf_fields.json. The arguments are directories of the Go modules k8s.io/api and
k8s.io/apimachinery. A field is its number, JSON name, type and flags: `r` repeated, `m` a map, `p` a pointer (a zero
value counts as given), `i` inlined. A list that is no single value has a fourth element: the keys of its items, or `=`
when it is a set of plain values.
"""

import json
import re
import sys
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).parent.parent / "meshsim" / "apiserver" / "kinds" / "protobuf_fields.json"
PACKAGES: Final = {
    "k8s.io/api/core/v1": "core",
    "k8s.io/api/apps/v1": "apps",
    "k8s.io/api/batch/v1": "batch",
    "k8s.io/api/discovery/v1": "discovery",
    "k8s.io/api/coordination/v1": "coordination",
    "k8s.io/api/autoscaling/v1": "autoscaling",
    "k8s.io/api/autoscaling/v2": "autoscalingv2",
    "k8s.io/api/policy/v1": "policy",
    "k8s.io/api/networking/v1": "networking",
    "k8s.io/api/authorization/v1": "authorization",
    "k8s.io/api/authentication/v1": "authentication",
    "k8s.io/apimachinery/pkg/apis/meta/v1": "meta",
}
ROOTS: Final = (
    "core.Namespace", "core.Node", "core.Pod", "core.Service", "core.Endpoints", "core.Event", "core.ConfigMap",
    "core.Secret", "core.ServiceAccount", "core.PodTemplate", "apps.Deployment", "apps.ReplicaSet", "batch.Job",
    "discovery.EndpointSlice", "coordination.Lease", "autoscaling.Scale", "autoscaling.HorizontalPodAutoscaler",
    "autoscalingv2.HorizontalPodAutoscaler", "policy.PodDisruptionBudget", "policy.Eviction",
    "authorization.SelfSubjectAccessReview", "authorization.SelfSubjectRulesReview",
    "authorization.SubjectAccessReview", "authentication.SelfSubjectReview", "networking.Ingress",
    "meta.DeleteOptions",
)  # fmt: skip
SCALARS: Final = {"string": "string", "bool": "bool", "int32": "int32", "int64": "int64", "int": "int64",
                  "uint8": "int32", "float64": "double", "[]byte": "bytes"}  # fmt: skip
SPECIAL: Final = {
    "meta.Time": "time",
    "meta.MicroTime": "micro_time",
    "meta.Duration": "duration",
    "meta.FieldsV1": "raw_json",
    "runtime.RawExtension": "raw_json",
    "intstr.IntOrString": "int_or_string",
    "resource.Quantity": "quantity",
}
STRUCT: Final = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
NAMED: Final = re.compile(r"^type (\w+) (\[?\]?[\w.\[\]*]+)$", re.MULTILINE)
FIELD: Final = re.compile(
    r'^\t(?:(\w+)\s+)?(\S+)\s+`json:"([^"]*)"[^`\n]*?protobuf:"(?:bytes|varint|fixed64),(\d+),', re.MULTILINE
)
LIST_KEY: Final = re.compile(r"\+listMapKey=(\w+)")
IMPORT: Final = re.compile(r'^\s+(?:(\w+) )?"(k8s\.io/[^"]+)"', re.MULTILINE)

Fields = dict[str, list[str]]


class Types:
    """The Go types of the packages, by `package.Name`."""

    def __init__(self, directories: dict[str, Path]) -> None:
        self.structs: dict[str, tuple[str, dict[str, str]]] = {}
        self.named: dict[str, tuple[str, dict[str, str]]] = {}
        for path, package in PACKAGES.items():
            for file in sorted(directories[path].glob("*.go")):
                if not file.name.endswith(("_test.go", ".pb.go")):
                    self._read(file.read_text(), package)

    def _read(self, text: str, package: str) -> None:
        aliases = {"": package}
        for alias, path in IMPORT.findall(text):
            aliases[alias or path.rsplit("/", 1)[1]] = PACKAGES.get(path, path.rsplit("/", 1)[1])
        for name, body in STRUCT.findall(text):
            self.structs[f"{package}.{name}"] = (body, aliases)
        for name, target in NAMED.findall(text):
            self.named.setdefault(f"{package}.{name}", (target, aliases))

    def fields(self, message: str) -> tuple[Fields, set[str]]:
        """The fields of a message by number, and the messages they need."""
        body, aliases = self.structs[message]
        fields: Fields = {}
        needed: set[str] = set()
        end = 0
        for found in FIELD.finditer(body):
            go_name, go_type, tag, number = found.groups()
            comment, end = body[end : found.start()], found.end()
            name, *options = tag.split(",")
            kind, flags = self._resolve(go_type, aliases)
            if not kind:
                print(f"left out: {message}.{go_name or go_type}", file=sys.stderr)
                continue
            flags += "i" if "inline" in options else ""
            keys = ",".join(LIST_KEY.findall(comment)) or ("=" if "+listType=set" in comment else "")
            fields[number] = [name, kind, flags, *([keys] if keys else [])]
            if "." in kind:
                needed.add(kind)
        return fields, needed

    def _resolve(self, go_type: str, aliases: dict[str, str]) -> tuple[str, str]:
        """The type and flags of a Go type; an empty type for one that cannot be read."""
        kind, flags = SCALARS.get(go_type, ""), ""
        if not kind and go_type.startswith("*"):
            kind, flags = self._resolve(go_type[1:], aliases)
            flags += "p"
        elif not kind and go_type.startswith("[]"):
            kind, flags = self._resolve(go_type[2:], aliases)[0], "r"
        elif not kind and go_type.startswith("map["):
            kind, inner = self._resolve(go_type.partition("]")[2], aliases)
            kind, flags = ("" if inner else kind), "m"
        elif not kind:
            kind, flags = self._resolve_name(go_type, aliases)
        return kind, flags

    def _resolve_name(self, go_type: str, aliases: dict[str, str]) -> tuple[str, str]:
        prefix, _, name = go_type.rpartition(".")
        full = f"{aliases.get(prefix, prefix)}.{name}"
        if full in SPECIAL:
            return SPECIAL[full], ""
        if full in self.structs:
            return full, ""
        if full in self.named:
            return self._resolve(*self.named[full])
        return ("string", "") if full == "types.UID" else ("", "")


def main(api: str, apimachinery: str) -> None:
    directories = {
        path: Path(apimachinery if path.startswith("k8s.io/apimachinery") else api) / path.split("/", 2)[2]
        for path in PACKAGES
    }
    types = Types(directories)
    messages: dict[str, Fields] = {}
    waiting = set(ROOTS)
    while waiting:
        message = waiting.pop()
        messages[message], needed = types.fields(message)
        waiting |= needed - messages.keys()
    TARGET.write_text(json.dumps(dict(sorted(messages.items())), separators=(",", ":")) + "\n")
    print(f"{len(messages)} messages, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
