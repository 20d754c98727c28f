"""The heads of one exchange, formed for its peers: the request's on its way up, the response's on its way down."""

from collections.abc import Sequence
from typing import Final

from meshsim.http1.fields import ResponseFields
from meshsim.mesh.headers import Line, Stages, apply_stages
from meshsim.mesh.route import RouteDestination
from meshsim.proxy.heads import (
    SERVED_BY,
    RequestSection,
    request_section,
    response_lines,
    response_section,
    status_line,
    written,
)
from meshsim.proxy.report import ExchangeContext
from meshsim.proxy.state import ExchangeState

_ATTEMPT_COUNT: Final = b"x-envoy-attempt-count"
_FRAMING: Final = b"transfer-encoding: chunked\r\n"
_BEFORE_CORS: Final = frozenset(("fault_filter_abort", "upgrade_failed"))
"""How answers are told that are given before a route's CORS policy is looked at."""
_SAYS_NO_BODY: Final = frozenset((b"POST", b"PUT", b"PATCH", b"OPTIONS"))
"""The methods whose requests say a length of 0 when they have no body, as Envoy's codec writes them (RFC 9110 8.6)."""
_CLOSE: Final = b"connection: close\r\n"
_END: Final = {is_gateway: line + b"\r\n" for is_gateway, line in SERVED_BY.items()}


def plain_request_head(exchange: ExchangeState, tail: bytes) -> bytes:
    """The head of a first attempt to which nothing is done: slices of what the client sent."""
    section = exchange.fields.forward.get(exchange.is_gateway)
    if not isinstance(section, RequestSection):
        section = request_section(exchange.fields, is_gateway=exchange.is_gateway)
    request_id = exchange.request_id or section.request_id or exchange.engine.request_ids.next()
    exchange.request_id = request_id
    request = exchange.request
    is_silent = request.method in _SAYS_NO_BODY and not exchange.fields.measured
    return b"".join(
        (
            request.method,
            b" ",
            request.target,
            b" HTTP/1.1\r\n",
            section.head,
            exchange.downstream.peer if exchange.is_gateway else b"",
            request_id,
            b"\r\ncontent-length: 0" if is_silent else b"",
            tail,
        )
    )


def request_lines(exchange: ExchangeState, destination: RouteDestination) -> tuple[bytes, list[Line]]:
    """Target and headers of an attempt after everything its route asks for."""
    request, route, fields = exchange.request, exchange.route, exchange.fields
    section = request_section(fields, is_gateway=exchange.is_gateway)
    if not exchange.request_id:
        exchange.request_id = section.request_id or exchange.engine.request_ids.next()
    lines = list(section.lines)
    if exchange.is_gateway:
        lines += _client_lines(exchange, section.forwarded_for)
    lines.append((b"x-request-id", exchange.request_id))
    target = request.target
    if route is not None and route.rewrite is not None:
        target = route.rewrite(target)
        lines.append((b"x-envoy-original-path", request.target))
    for line in destination.tail.strip().split(b"\r\n"):
        name, _, value = line.partition(b": ")
        lines.append((name, b"%d" % exchange.attempt if name == _ATTEMPT_COUNT else value))
    if destination.request_stages:
        lines = apply_stages(destination.request_stages, lines, ExchangeContext(exchange))
    if destination.authority is not None:
        lines = [(name, destination.authority if name == b"host" else value) for name, value in lines]
        former = request.authority if destination.former_authority is None else destination.former_authority
        lines += [(b"x-envoy-original-host", former)] if former else []
    if fields.upgrade:
        lines += [(b"connection", b"Upgrade"), (b"upgrade", fields.upgrade)]
    if request.method in _SAYS_NO_BODY and not fields.measured:
        lines.append((b"content-length", b"0"))
    return target, lines


def _client_lines(exchange: ExchangeState, forwarded_for: bytes) -> list[Line]:
    """What a gateway says of its client. Behind proxies that it trusts it believes what they said."""
    ip = exchange.downstream.ip
    scheme, external = exchange.request.scheme, ip
    hops = exchange.engine.trusted_proxies
    if hops:
        scheme = exchange.fields.first(b"x-forwarded-proto") or scheme
        chain = [address.strip() for address in forwarded_for.split(b",") if address.strip()]
        external = chain[-hops] if len(chain) >= hops else ip
    return [
        (b"x-forwarded-for", forwarded_for + b"," + ip if forwarded_for else ip),
        (b"x-forwarded-proto", scheme),
        (b"x-envoy-external-address", external),
    ]


def request_head(method: bytes, target: bytes, lines: Sequence[Line]) -> bytes:
    """A request's head as it stands on the wire."""
    return b"".join((method, b" ", target, b" HTTP/1.1\r\n", written(lines), b"\r\n"))


def mirrored_head(exchange: ExchangeState, destination: RouteDestination) -> bytes:
    """The head of a copy: the primary's, with one more hop and marked as internal."""
    target, lines = request_lines(exchange, destination)
    ip = exchange.downstream.ip
    copied = [(name, value + b"," + ip if name == b"x-forwarded-for" else value) for name, value in lines]
    return request_head(exchange.request.method, target, [*copied, (b"x-envoy-internal", b"true")])


def response_head(
    exchange: ExchangeState, status: int, fields: ResponseFields, destination: RouteDestination, *, whole: bool
) -> bytes:
    """The head of an upstream's response for the client; `whole` means that its body is already here."""
    engine, downstream = exchange.engine, exchange.downstream
    exchange.response_fields = fields
    exchange.took_ms = took_ms = int((engine.now() - exchange.attempt_started) * 1000)
    changes = destination.response_stages or exchange.set_cookies or engine.settings.explains
    if changes or (exchange.route is not None and exchange.route.cors is not None):
        lines = _changed_response(exchange, fields, destination, took_ms)
        head = status_line(status) + written(lines)
        is_dated = any(name == b"date" for name, _ in lines)
    else:
        section = response_section(status, fields)
        head, is_dated = b"%b%d\r\n" % (section.head, took_ms), section.is_dated
    # A response to HEAD says how the body would have come.
    streams = fields.length < 0 and (not whole or exchange.is_head_request) and not downstream.is_http10
    if is_dated and downstream.keeps_alive and not streams and not downstream.is_http10:
        return head + _END[exchange.is_gateway]
    head = b"".join(
        (
            head,
            b"" if is_dated else engine.date.get(),
            SERVED_BY[exchange.is_gateway],
            _FRAMING if streams else b"",
            b"" if downstream.keeps_alive else _CLOSE,
            b"\r\n",
        )
    )
    return _as_http10(head, keeps_alive=downstream.keeps_alive) if downstream.is_http10 else head


def _as_http10(head: bytes, *, keeps_alive: bool) -> bytes:
    """A head for a client that speaks HTTP/1.0 and keeps its connection only when it is told so."""
    kept = b"connection: keep-alive\r\n" if keeps_alive else b""
    return b"HTTP/1.0" + head[len(b"HTTP/1.0") : -len(b"\r\n")] + kept + b"\r\n"


def _changed_response(
    exchange: ExchangeState, fields: ResponseFields, destination: RouteDestination, took_ms: int
) -> list[Line]:
    lines = [*response_lines(fields), (b"x-envoy-upstream-service-time", b"%d" % took_ms)]
    lines += [(b"set-cookie", cookie) for cookie in exchange.set_cookies]
    lines = _operated(exchange, destination.response_stages, lines)
    route, host = exchange.route, exchange.host
    lines = _marked(exchange, lines)
    if exchange.engine.settings.explains and host is not None:
        lines += [
            (b"x-meshsim-version", host.endpoint.workload.version.encode()),
            (b"x-meshsim-pod", (host.endpoint.pod or host.address).encode()),
            (b"x-meshsim-route", (route.name if route else "").encode() or b"-"),
        ]
    return lines


def _operated(exchange: ExchangeState, stages: Stages, lines: list[Line]) -> list[Line]:
    """Lines after a route's operations. The server's own headers are not theirs to change."""
    if not stages:
        return lines
    changed = apply_stages(stages, lines, ExchangeContext(exchange))
    return [line for line in changed if line[0] != b"server"]


def _marked(exchange: ExchangeState, lines: list[Line]) -> list[Line]:
    """Lines with what a route's CORS policy adds to every response, except where the request never came to it."""
    cors = exchange.route.cors if exchange.route else None
    if cors is None or exchange.details in _BEFORE_CORS:
        return lines
    marks = cors.marks(exchange.request)
    marked = {name for name, _ in marks}
    return [line for line in lines if line[0] not in marked] + list(marks)


def local_answer(exchange: ExchangeState, status: int, body: bytes, lines: Sequence[Line]) -> bytes:
    """A response of the proxy's own, whole."""
    stages: Stages = ()
    if exchange.destination is not None:
        stages = exchange.destination.response_stages
    elif exchange.route is not None:
        stages = exchange.route.response_stages
    lines = _marked(exchange, _operated(exchange, stages, list(lines)))
    downstream = exchange.downstream
    if body or status in (204, 304) or status < 200:
        framing = b""
    else:
        # To HEAD Envoy says that nothing would come in chunks.
        framing = _FRAMING if exchange.is_head_request and not downstream.is_http10 else b"content-length: 0\r\n"
    head = b"".join(
        (
            status_line(status),
            written(lines),
            exchange.engine.date.get(),
            SERVED_BY[exchange.is_gateway],
            b"" if downstream.keeps_alive else _CLOSE,
            framing,
            b"\r\n",
        )
    )
    if downstream.is_http10:
        head = _as_http10(head, keeps_alive=downstream.keeps_alive)
    return head if exchange.is_head_request else head + body


def tunnel_head(exchange: ExchangeState, fields: ResponseFields) -> bytes:
    """The head that turns the client's connection into a tunnel."""
    lines = [(b"connection", b"Upgrade"), (b"upgrade", fields.upgrade), *response_lines(fields)]
    return b"".join((status_line(101), written(lines), SERVED_BY[exchange.is_gateway], b"\r\n"))


def informational_head(status: int, fields: ResponseFields) -> bytes:
    """The head of a 1xx response."""
    return b"".join((status_line(status), written(fields.lines), b"\r\n"))
