"""Requests that nobody means well with, and what each is owed."""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.kits.manifests import config_map, pod, rollout

CANARY: Final = "c4n4ry-5ecret"
"""What must never be told: it is in what is sent as a secret."""
_JSON: Final = {"Content-Type": "application/json"}
_YAML: Final = {"Content-Type": "application/yaml"}
_CONFIG_MAPS: Final = "/api/v1/namespaces/default/configmaps"
_PODS: Final = "/api/v1/namespaces/default/pods"
_ROLLOUTS: Final = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request and the statuses that are right for it."""

    what: str
    right: tuple[int, ...]
    method: str = "GET"
    path: str = _CONFIG_MAPS
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    signs_in: bool = True


def to_the_api() -> list[Hostile]:
    """Those for the API, in groups."""
    return [*_bodies(), *_values(), *_queries(), *_strangers(), *_paths()]


def _post(what: str, body: bytes, *right: int, headers: Mapping[str, str] = _JSON, path: str = _CONFIG_MAPS) -> Hostile:
    return Hostile(what, right or (400,), "POST", path, headers, body)


def _bodies() -> Iterator[Hostile]:
    laughs = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10))
    yield _post("billion laughs", f"a0: &a0 [lol, lol]\n{laughs}".encode(), headers=_YAML)
    yield _post("an alias of itself", b"a: &a [*a]\n", headers=_YAML)
    yield _post("an alias of nothing", b"a: *a\n", headers=_YAML)
    yield _post("deep flow YAML", b"[" * 100_000, headers=_YAML)
    yield _post("deep block YAML", b"".join(b" " * depth + b"a:\n" for depth in range(300)), headers=_YAML)
    yield _post("a long flow map in YAML", b"{" + b"a: b, " * 60_000 + b"}", 400, 413, headers=_YAML)
    yield _post("YAML that is too long", b"a: " + b"b" * 300_000, 413, headers=_YAML)
    yield _post("a Python object in YAML", b"a: !!python/object/apply:os.system [id]\n", headers=_YAML)
    yield _post("a binary in YAML", b"a: !!binary aGk=\n", headers=_YAML)
    yield _post("a key that stands twice in YAML", b"metadata: {name: a, name: b}\n", headers=_YAML)
    yield _post("a list as a key", b"? [a]\n: b\n", headers=_YAML)
    yield _post("merge keys without end", b"a: &a {<<: *a}\n", headers=_YAML)
    yield _post(
        "a date where text belongs",
        b"metadata: {name: x, labels: {d: 2001-01-01}}\ndata: {k: 12:30:45}\n",
        201,
        422,
        headers=_YAML,
    )
    yield _post("two documents", b"metadata: {name: two-a}\n---\nmetadata: {name: two-b}\n", 201, 400, headers=_YAML)
    yield _post("a tab", b"\ta: b\n", headers=_YAML)
    yield _post("a control character", b"a: \x01\n", headers=_YAML)
    yield _post("nothing", b"")
    yield _post("half of something", b'{"metadata":')
    yield _post("null", b"null")
    yield _post("a list", b"[]")
    yield _post("a number", b"1")
    yield _post("text", b'"a"')
    yield _post("deep JSON", b'{"a":' * 100_000)
    yield _post("deep JSON that ends", b'{"metadata":{"name":"x"},"data":' + b'{"a":' * 500 + b"1" + b"}" * 501)
    yield _post("JSON that is too long", b'{"data":"' + b"x" * (4 << 20) + b'"}', 413)
    yield _post("NaN", b'{"metadata":{"name":"x"},"data":NaN}')
    yield _post("a number without end", b'{"metadata":{"name":"x","generation":1e999}}', 400, 422)
    yield _post("a number of 5,000 digits", b'{"metadata":{"name":"x","generation":' + b"9" * 5000 + b"}}", 400, 422)
    yield _post("a lone surrogate", b'{"metadata":{"name":"\\ud800"}}', 400, 422)
    yield _post("not UTF-8", b'{"metadata":{"name":"\xff"}}')
    yield _post("UTF-16", '{"metadata":{"name":"x"}}'.encode("utf-16"))
    yield _post(
        "a key that stands twice",
        b'{"metadata":{"name":"a","name":"b"}}',
        path=f"{_CONFIG_MAPS}?fieldValidation=Strict",
    )
    yield _post("comments", b'{"metadata":{"name":"x"}} // really')
    yield _post("Python", b"{'metadata': None}")
    yield _post("a packed bomb", gzip.compress(b" " * (1 << 26)), 415, headers={**_JSON, "Content-Encoding": "gzip"})
    yield _post("packed wrongly", b"abc", 415, headers={**_JSON, "Content-Encoding": "br"})
    protobuf = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    yield _post("no protobuf", b"k8s\x00" + b"\xff" * 50, headers=protobuf)
    yield _post("protobuf without its magic", b"\n\t\n\x02v1", headers=protobuf)
    yield _post("protobuf with a length beyond its end", b"k8s\x00\n\xff\xff\xff\xff\x07", headers=protobuf)
    yield _post("XML", b"<a/>", 415, headers={"Content-Type": "text/xml"})
    yield Hostile(
        "a JSON patch that copies itself",
        (400, 404, 413, 422),
        "PATCH",
        f"{_CONFIG_MAPS}/kube",
        {"Content-Type": "application/json-patch+json"},
        json.dumps([{"op": "copy", "from": "", "path": "/a"}] * 60).encode(),
    )


def _values() -> Iterator[Hostile]:
    def made(what: str, obj: Any, *right: int, path: str = _CONFIG_MAPS) -> Hostile:
        return _post(what, json.dumps(obj).encode(), *(right or (400, 422)), path=path)

    for name in (
        "",
        "..",
        "a/b",
        "A",
        "-a",
        "a" * 254,
        "a\n",
        "a b",
        "<b>",
        "%2e%2e",
        "a\x00",
        "$(id)",
        "; id",
        "--all",
    ):
        yield made(f"the name {name[:20]!r}", config_map(name))
    yield made("a name that is a number", config_map(7))  # type: ignore[arg-type]
    yield made("a name that is a list", config_map(["a"]))  # type: ignore[arg-type]
    yield made("metadata that is text", {"metadata": "x"})
    yield made("labels that are a list", config_map("x", labels=["a"]))
    yield made("a label that is a number", config_map("x", labels={"a": 1}))
    yield made("a label that is far too long", config_map("x", labels={"a": "b" * 64}))
    yield made("annotations beyond their limit", config_map("x", annotations={"a": "b" * 300_000}))
    yield made("data that is text", {**config_map("x"), "data": "text"})
    yield made("the namespace of somebody else", config_map("x", namespace="kube-system"))
    yield made("a version at its birth", config_map("x", resourceVersion="1"))
    yield made("another kind", rollout("x"))
    yield made(
        "replicas that are text", {**rollout("x"), "spec": {**rollout()["spec"], "replicas": "3"}}, path=_ROLLOUTS
    )
    yield made(
        "more replicas than numbers", {**rollout("x"), "spec": {**rollout()["spec"], "replicas": 2**64}}, path=_ROLLOUTS
    )
    yield made(
        "a weight beyond all",
        {**rollout("y"), "spec": {**rollout()["spec"], "strategy": {"canary": {"steps": [{"setWeight": 10**30}]}}}},
        path=_ROLLOUTS,
    )
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "default"}}
    secrets = "/api/v1/namespaces/default/secrets"
    yield made("a secret that is no base64", {**secret, "data": {"k": f"{CANARY}!"}}, path=secrets)
    yield made("a secret in a list", {**secret, "data": [CANARY]}, path=secrets)
    yield made("a secret in a list of its own", {**secret, "stringData": {"k": [CANARY]}}, path=secrets)
    yield made("a secret that is text", {**secret, "data": CANARY}, path=secrets)
    for where in ("containers", "env", "image"):
        hostile = pod("x")
        container = hostile["spec"]["containers"][0]
        if where == "containers":
            hostile["spec"]["containers"] = "all of them"
        elif where == "env":
            container["env"] = [{"name": "A=B\n", "value": 1}]
        else:
            container["image"] = ["web:v1"]
        yield made(f"a pod whose {where} make no sense", hostile, path=_PODS)


def _queries() -> Iterator[Hostile]:
    for query in (
        "labelSelector=" + "(" * 1000,
        "labelSelector=a%20in%20(",
        "labelSelector=%00",
        "labelSelector=a%20in%20(" + "%20,%20" * 400,
        "labelSelector=" + "a-" * 3000 + "!",
        "labelSelector=,,,",
        "fieldSelector=x%3Dy",
        "fieldSelector=%3D%3D",
        "limit=-1",
        "limit=99999999999999999999",
        "limit=1e9",
        "limit=%D9%A3",
        "continue=x",
        "continue=" + "A" * 6000,
        "continue=WzEsMiwzXQ",
        "resourceVersion=-1",
        "resourceVersion=1e3",
        "resourceVersion=" + "9" * 5000,
        "watch=1&timeoutSeconds=-1",
        "watch=1&timeoutSeconds=NaN",
        "watch=1&resourceVersion=x",
        "watch=1&resourceVersion=..",
    ):
        yield Hostile(f"?{query[:40]}", (400,), path=f"{_CONFIG_MAPS}?{query}")
    yield Hostile("a version from the future", (504,), path=f"{_CONFIG_MAPS}?resourceVersion=9999999999999999")
    yield Hostile("initial events without a match", (422,), path=f"{_CONFIG_MAPS}?watch=1&sendInitialEvents=true")
    yield Hostile("a dry run of something else", (400,), "DELETE", f"{_CONFIG_MAPS}?dryRun=Some")
    yield Hostile("an unknown propagation", (400,), "DELETE", f"{_CONFIG_MAPS}?propagationPolicy=Sideways")


def _strangers() -> Iterator[Hostile]:
    for host in (
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "evil.example:6443",
        "[::1",
        "169.254.169.254.xip.io",
        "a@b.c",
    ):
        yield Hostile(f"the host {host}", (403, 421), headers={"Host": host})
    for origin in ("http://evil.example", "null", "https://localhost.evil.example", "file://", "http://127.0.0.1:1"):
        yield Hostile(f"the origin {origin}", (403,), headers={"Origin": origin})
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        body = json.dumps(config_map("form")).encode()
        yield _post(f"a form: {content_type}", body, 415, headers={"Content-Type": content_type})
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Origin": "http://evil.example",
    }
    yield Hostile("a page's WebSocket", (403,), path=f"{_PODS}/x/exec?command=id", headers=upgrade)
    for what, authorization in (
        ("no sign-in", ""),
        ("another token", f"Bearer {CANARY}"),
        ("an empty token", "Bearer "),
        ("a password", "Basic YTpi"),
        ("another scheme", "Digest a"),
        ("a token of bytes", "Bearer \xff\xfe"),
        ("a very long token", "Bearer " + "a" * 7000),
    ):
        headers = {"Authorization": authorization} if authorization else {}
        yield Hostile(what, (401,), headers=headers, signs_in=False)
    yield Hostile("a token in the query", (401,), path=f"{_CONFIG_MAPS}?access_token={CANARY}", signs_in=False)
    yield Hostile("a cookie", (401,), headers={"Cookie": f"token={CANARY}"}, signs_in=False)
    yield Hostile("somebody else", (200, 403), headers={"Impersonate-User": "system:admin"})


def _paths() -> Iterator[Hostile]:
    for path in TRAVERSALS:
        yield Hostile(f"the path {path}", (400, 403, 404), path=path)
    for method in ("POST", "PUT", "PATCH", "TRACE", "OPTIONS", "CONNECT"):
        yield Hostile(f"{method} of a page", (400, 404, 405, 415), method, "/version/x")
    yield Hostile("a subresource that is none", (404,), path=f"{_CONFIG_MAPS}/x/status")
    yield Hostile("a proxy into the machine", (404, 405), path="/api/v1/nodes/meshsim/proxy/etc/passwd")


TRAVERSALS: Final = (
    "/../etc/passwd",
    "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fetc%2fpasswd",
    "/..%5c..%5cwin.ini",
    "//etc/passwd",
    "/./../app.py",
    "/....//....//etc/passwd",
    "/%252e%252e/etc/passwd",
    "/..;/etc/passwd",
    "/etc/passwd%00.js",
    "/static/../../server.py",
    "/app.js/../../server.py",
    "/%c0%ae%c0%ae/etc/passwd",
    "/file:///etc/passwd",
)
"""Ways to say a file that is not to be had."""
RAW: Final = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\x00c\r\n\r\n",
    b"\x00" * 1000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)
"""Bytes that are no request."""
