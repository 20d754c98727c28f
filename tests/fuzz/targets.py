"""What reads strangers' bytes, each as a function that returns for any of them or breaks a promise by raising.

A target raises nothing for input that is refused properly. `seeds` are where a search begins, `words` what it is
worth putting in.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.analysis.conditions import ConditionError, evaluate
from controller.analysis.providers.jsonpath import JsonPathError, find_first
from meshsim.api.decode import read_documents, read_json, write_json
from meshsim.api.selectors import parse_field_selector, parse_label_selector
from meshsim.apiserver.requests.protobuf import read_protobuf
from meshsim.http1.errors import MessageError
from meshsim.http1.grammar import MAX_HEAD_BYTES
from meshsim.http1.memo import request_heads, response_heads
from meshsim.http1.requests import RequestReader
from meshsim.kit.errors import InvalidManifestError
from meshsim.telemetry.promql.history import History
from meshsim.telemetry.promql.http_api import answer_query
from tests.kits.chunked import read_chunked

_MAX_BODY_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Target:
    """One reader of bytes."""

    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()


def request(data: bytes) -> None:
    """Whole requests: cut anywhere, the same bytes are the same requests or the same refusal."""
    cut = data[0] % len(data) if data else 0
    whole, halves = _requests([data]), _requests([data[:cut], data[cut:]])
    assert whole == halves, (cut, whole, halves)


def _requests(parts: list[bytes]) -> list[object]:
    reader = RequestReader(request_heads(MAX_HEAD_BYTES), _MAX_BODY_BYTES)
    found: list[object] = []
    try:
        for part in parts:
            # One by one: those before a refused one are served.
            for one in reader.feed(part):
                found.append((one.method, one.target, one.fields.lines, one.body, one.keeps_alive))  # noqa: PERF401
    except MessageError as error:
        found.append(error.status)
    return found


def response_head(data: bytes) -> None:
    """The head of a response: read, or not one, and nothing that a line feed could end is in a field."""
    try:
        head = response_heads().read(data)
    except MessageError:
        return
    if head is not None:
        assert 100 <= head.status <= 999
        assert not any(b"\n" in part or b"\r" in part for line in head.fields.lines for part in line)


def chunks(data: bytes) -> None:
    """A chunked body: cut anywhere, it is the same body or refused."""
    cut = data[0] % len(data) if data else 0
    assert read_chunked([data]) == read_chunked([data[:cut], data[cut:]]), cut


def manifest(data: bytes) -> None:
    """A file of manifests: documents that JSON can write, or one sentence."""
    sentence = "f"
    try:
        for document in read_documents(data.decode(errors="replace"), "f"):
            assert read_json(write_json(document.value)) == document.value
            document.where("metadata.name")
    except InvalidManifestError as error:
        sentence = str(error)
    assert sentence.startswith("f")
    assert "\n" not in sentence


def protobuf(data: bytes) -> None:
    """A body in Kubernetes' protobuf: an object that JSON can write, or refused."""
    try:
        write_json(read_protobuf(data))
    except InvalidManifestError:
        return


def json_path(data: bytes) -> None:
    """A path and the document it goes into, a line feed between."""
    path, _, document = data.decode(errors="replace").partition("\n")
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        value = _DOCUMENT
    try:
        find_first(value, path)
    except JsonPathError:
        return


def condition(data: bytes) -> None:
    """A condition of a metric: an answer, or a reason why there is none."""
    try:
        answer: object = evaluate(data.decode(errors="replace"), _DOCUMENT, 1_800_000_000.0)
    except ConditionError:
        return
    assert isinstance(answer, bool)


def query(data: bytes) -> None:
    """A query in PromQL: an answer that JSON can write, or refused."""
    answer = answer_query(_history(), {"query": data.decode(errors="replace")}, 39.0)
    assert answer.status in (200, 400, 422), answer.status
    json.dumps(answer.body)


def selectors(data: bytes) -> None:
    """A label and a field selector: what is read has a meaning, the rest is refused."""
    text = data.decode(errors="replace")
    for parse in (parse_label_selector, parse_field_selector):
        try:
            parsed: Any = parse(text)
        except InvalidManifestError:
            continue
        if parse is parse_label_selector:
            parsed.matches({"a": "b"})


_DOCUMENT: Final[Any] = {"items": [{"name": "a", "ok": True, "n": 1.5}, {"name": "b", "n": None}], "a": {"b": [1, [2]]}}
_HISTORY: list[History] = []


def _history() -> History:
    if not _HISTORY:
        history = History(60)
        for second in range(40):
            history.begin(second * 1000)
            history.add_text(f'n{{a="b",le="1"}} {second % 7}\nn{{a="c",le="+Inf"}} {second}\nn 1e308\n')
        _HISTORY.append(history)
    return _HISTORY[0]


def _words(text: str) -> tuple[bytes, ...]:
    return tuple(word.encode() for word in text.split())


TARGETS: Final[dict[str, Target]] = {
    "request": Target(
        request,
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /a?b HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n",
            b"PUT http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n",
        ),
        (
            b"\r\n",
            b" HTTP/1.1",
            b"CONNECT ",
            b"OPTIONS * ",
            b"Connection: close",
            b"Expect: 100-continue",
            b"\x00",
            b"\t",
            *_words("Host: Content-Length: Transfer-Encoding: chunked Upgrade: +1 0x 18446744073709551616"),
        ),
    ),
    "response-head": Target(
        response_head,
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.0 404\r\nX: y\r\n z\r\n\r\n"),
        (b"\r\n", b"HTTP/1.", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: ", b"101 "),
    ),
    "chunks": Target(
        chunks,
        (b"3\r\nabc\r\n0\r\n\r\n", b'A;x="y"\r\n0123456789\r\n00\r\nTrailer: v\r\n\r\n'),
        (b"\r\n", b"0\r\n", b";", b"ffffffffffffffff", b"0x1", b" ", b"\n"),
    ),
    "manifest": Target(
        manifest,
        (
            b"apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: &l {a: b}}\nspec: *l\n---\na: [0x1, 012, 1e3]\n",
            b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
            b"? a\n: |\n  b\n<<: {c: d}\n",
        ),
        (
            *(
                b"---\n",
                b"|\n ",
                b"%YAML 1.1\n",
                b"? ",
                b"a: ",
                b"- ",
                b"\n",
                b"!!binary ",
                b"!!python/object:os.system ",
            ),
            *_words(
                "&a *a <<: !!set !!timestamp { [ ] } , 12:30:45 .nan 99999999999999999999 ' \" \\u ~ yes 0o7 1_000"
            ),
        ),
    ),
    "protobuf": Target(
        protobuf,
        (b"k8s\x00\n\t\n\x02v1\x12\x03Pod\x12\x07\n\x05\n\x03web", b"k8s\x00\n\x0e\n\x07apps/v1\x12\x03Job\x12\x00"),
        (b"k8s\x00", b"\n", b"\x12", b"\x1a", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"Deployment", b"apps/v1"),
    ),
    "json-path": Target(
        json_path,
        (b"{$.items[0].name}\n", b"{.items[?(@.ok==true)].n}\n", b"{..name}\n", b'{.a["b"][-1:][0]}\n{"a":{"b":[1]}}'),
        (b"\n", *_words(r"[?(@. )] .. [*] [0:1:2] == ' { } $ @ [-1] \ .a .items [0] [0,1]")),
    ),
    "condition": Target(
        condition,
        (
            b"result.items[0].n >= 1 && len(result.items) == 2",
            b"all(result.items, {.n != nil}) or result.a?.b ?? false",
        ),
        _words(
            """result result[0] . ( ) [ ] { } , ; ? : ?? ?. | || && ! not in == < + - * / % ** .. matches let x = if
            else nil true 0 1.5 'a' [] {} len( all( map( filter( reduce( sortBy( asFloat( default( split( # #acc"""
        ),
    ),
    "query": Target(
        query,
        (
            b'sum(rate(n{a="b"}[5m])) by (a) / 2',
            b"histogram_quantile(0.9, sum(increase(n[1m])) by (le))",
            b"n offset 1m > bool 3",
        ),
        _words(
            """n { a="b" a=~"( } [5m] rate( sum( topk( quantile( label_replace( by (a) without on() group_left ( ) + ^
            == bool and unless offset 1m 0 NaN Inf 1e308 'x' vector( scalar( time() :"""
        ),
    ),
    "selectors": Target(
        selectors,
        (b"a=b,c!=d,e in (f,g),!h", b"metadata.name=a,status.phase!=Running"),
        (b" in (", b" notin (", *_words(r"= == != ) , ! exists \,")),
    ),
}
"""By the names that `make fuzz` knows them by."""
