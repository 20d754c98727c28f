"""Requests to an API, from those that make sense to those that nobody should send; for searches by hypothesis."""

import gzip
import json
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import POD, Kind
from meshsim.apiserver.kinds.served import SERVED
from meshsim.client.api import PatchType
from tests.kits.manifests import config_map, pod, replica_set, rollout, service, virtual_service


@dataclass(frozen=True, slots=True)
class Request:
    """One request; the path is sent as it is."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def collection_of(obj: Object) -> str:
    """The path of the collection that an object is created in."""
    api_version = obj.get("apiVersion", "networking.istio.io/v1")
    root = "apis" if "/" in api_version else "api"
    plural = f"{obj.get('kind', 'VirtualService').lower()}s"
    return f"/{root}/{api_version}/namespaces/default/{plural}"


GOOD: Final = [rollout(), replica_set(), pod("web"), service(), config_map("web"), virtual_service()]
_FIELDS: Final = [
    "metadata", "spec", "status", "name", "labels", "annotations", "ownerReferences", "finalizers", "containers",
    "ports", "replicas", "selector", "matchLabels", "template", "resources", "limits", "env", "volumes", "strategy",
    "data", "stringData", "type", "conditions", "managedFields", "generateName", "kind", "apiVersion", "uid",
    "creationTimestamp", "deletionTimestamp", "resourceVersion", "generation", "$patch", "$retainKeys",
    "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "http", "hosts", "canary", "steps",
]  # fmt: skip
_SUBRESOURCES: Final = [
    "", "", "", "status", "scale", "eviction", "log", "portforward", "exec", "attach", "proxy", "token", "binding",
    "ephemeralcontainers", "finalize", "approval", "other", "status/status",
]  # fmt: skip
_PAGES: Final = [
    "/", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/apis/argoproj.io", "/version", "/healthz",
    "/livez", "/readyz", "/openapi/v2", "/openapi/v3", "/openapi/v3/apis/apps/v1", "/openapi/v3/api/v1", "/metrics",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews", "/apis/metrics.k8s.io/v1beta1/nodes",
    "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/web", "/openid/v1/jwks", "/api/v1/nodes/x/proxy",
    "/api/v1/namespaces/default/services/web/proxy/", "/.well-known/openid-configuration", "/swagger.json",
]  # fmt: skip
_NAMES: Final = [
    "web", "web", "web", "web-1", "none", "default", "%2e%2e", "..", ".", "%2F", "%00", "a%0Ab", "%ff", "%", "%zz",
    "WEB", "a" * 300, "%3Cscript%3E", "web:http", "web%20", "~", "@", "a;b", "%E2%80%AE",
    "web%3Fwatch=1", "+", "*", "$(id)",
]  # fmt: skip
_PARAMETERS: Final = [
    "labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch", "dryRun",
    "fieldManager", "fieldValidation", "propagationPolicy", "gracePeriodSeconds", "force", "includeObject", "pretty",
    "orphanDependents", "sendInitialEvents", "allowWatchBookmarks", "tailLines", "sinceSeconds", "container", "follow",
    "command", "stdin", "tty", "ports", "limitBytes", "timestamps", "sinceTime", "hash", "timeout",
]  # fmt: skip
_ARGUMENTS: Final = [
    "1", "0", "-1", "true", "True", "All", "Strict", "Ignore", "a=b", "a in (b,c)", "!a", "a notin (",
    "metadata.name=a", "status.phase=Running", "spec.nodeName=,", "Orphan", "Foreground", "Background", "NotOlderThan",
    "Exact", "WzEsIiIsIiJd", "99999999999999999999999", "1e3", "١", "NaN", "../..",
    "\x00", "\udcff", "%", "'", '"', "2026-01-01T00:00:00Z",
]  # fmt: skip
_CONTENT_TYPES: Final = [
    *PatchType, "application/json", "application/json", "application/json; charset=utf-16", "application/yaml",
    "application/vnd.kubernetes.protobuf", "application/cbor", "text/plain", "multipart/form-data; boundary=x", "",
    ";", "a/b/c",
]  # fmt: skip
_ACCEPTS: Final = [
    "application/json", "*/*", "application/json;as=Table;v=v1;g=meta.k8s.io", "text/html", ";;=", "",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "application/vnd.kubernetes.protobuf",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json", "application/yaml",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/json;stream=watch", ",".join(["application/x"] * 500),
]  # fmt: skip
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.sampled_from([2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["web", "x", "v1", "", "TCP", "ClusterIP", "2026-01-01T00:00:00Z", "25%", "100m", "1Gi", "1e999", "{{args.a}}",
         "\ud800", "\x00", "<img src=x onerror=alert(1)>", "$(touch /tmp/x)", "a" * 70, "a/b/c", "-1s"]
    ),
)  # fmt: skip
ANYTHING: SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(_FIELDS), st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=12,
)


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    """A good object with something anywhere in it replaced."""
    value = json.loads(json.dumps(draw(st.sampled_from(GOOD))))
    place: Any = value
    while True:
        key: Any = draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        place[key] = draw(ANYTHING)
        return value


def _written(value: Any) -> bytes:
    """As Python writes it: NaN, infinities and lone surrogates are in it, and integers of any size."""
    return json.dumps(value).encode()


_OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "replace", "remove", "test", "copy", "move", "jump"]),
            "path": st.sampled_from(
                [
                    "",
                    "/spec",
                    "/metadata/labels/a",
                    "/spec/ports/0",
                    "/spec/ports/-",
                    "x",
                    "/a/b",
                    "/metadata/name",
                    "/~2",
                ]
            ),
        },
        optional={"value": ANYTHING, "from": st.sampled_from(["/spec", "/metadata", "", "/none", "/spec/ports/1e9"])},
    ),
    max_size=3,
)
_DEEP = st.builds(
    lambda opening, closing, depth: (
        b'{"metadata":{"name":"web"},"spec":' + opening * depth + b"1" + closing * depth + b"}"
    ),
    *(st.just(b'{"a":'), st.just(b"}")),
    st.sampled_from([50, 99, 101, 900, 5000, 100_000]),
) | st.sampled_from([100, 1000, 100_000]).map(lambda depth: b"[" * depth + b"]" * depth)
_TEXTS: Final = [
    b"", b"{", b"null", b"[]", b'"a"', b"1", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}",
    b'{"metadata":{"name":"\\ud800"}}',
    b'{"metadata":{"name":"a","name":"b"}}', b'{"metadata":{"name":"web","name":"web"},"metadata":{}}', b"{'a': 1}",
    b"a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c,*c]\n", b"a: !!python/name:os.system\n",
    b"metadata: {name: web}\n---\nmetadata: {name: b}\n", b"a: *b\n", b"{a: b, a: c}", b"? [a]\n: b\n", b"\t",
    b"- " * 200,
    b"kind: Pod\napiVersion: v1\nmetadata: {name: 012, labels: {a: yes}}\n", b"<<: {<<: {a: b}}\n",
    b"k8s\x00", b"k8s\x00\n",
]  # fmt: skip
_BODIES = st.one_of(
    _mutated().map(_written),
    ANYTHING.map(_written),
    _OPERATIONS.map(_written),
    _DEEP,
    st.sampled_from(_TEXTS),
    st.binary(max_size=40),
    st.binary(max_size=60).map(lambda tail: b"k8s\x00" + tail),
)


@st.composite
def _paths(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(_PAGES)) + draw(st.sampled_from(["", "", "/", "/x", "//"]))
    kind: Kind = draw(st.sampled_from([*SERVED, POD, POD]))
    version = draw(st.sampled_from([*kind.versions, *kind.versions, "v0", ""]))
    path = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
    namespace = draw(st.sampled_from([None, "default", "default", "none", "%2e%2e", ""]))
    if namespace is not None:
        path += f"/namespaces/{namespace}"
    path += f"/{kind.plural}"
    if draw(st.booleans()):
        path += f"/{draw(st.sampled_from(_NAMES))}"
        subresource = draw(st.sampled_from(_SUBRESOURCES))
        path += f"/{subresource}" if subresource else ""
    return path


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """One request of any kind. A watch among them ends by itself."""
    arguments = st.one_of(st.text(max_size=6), st.sampled_from(_ARGUMENTS))
    query = draw(st.dictionaries(st.sampled_from(_PARAMETERS), arguments, max_size=3))
    if draw(st.integers(0, 9)) == 0:
        query |= {"watch": "1", "timeoutSeconds": draw(st.sampled_from(["0", "-1", "x"]))}
    query.pop("follow", None)
    body = draw(_BODIES)
    headers = {"Accept": draw(st.sampled_from(_ACCEPTS)), "Content-Type": draw(st.sampled_from(_CONTENT_TYPES))}
    if draw(st.integers(0, 19)) == 0:
        headers["Content-Encoding"] = draw(st.sampled_from(["gzip", "deflate", "br", "zstd", "x"]))
        if draw(st.booleans()):
            body = gzip.compress(body)
    method = draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"]))
    return Request(method, draw(_paths()), query, headers, body)


def good_ones() -> list[Request]:
    """Requests that put something there to be asked for."""
    json_type = {"Content-Type": "application/json"}
    return [Request("POST", collection_of(obj), {}, json_type, write_json(obj)) for obj in GOOD]
