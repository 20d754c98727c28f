"""The rules of a VirtualService's `http`, as Istio judges each by itself."""

import base64
from collections.abc import Iterator, Sequence
from typing import Final

from meshsim.api.networking import (
    NO_DESTINATION,
    Abort,
    CorsPolicy,
    Delay,
    Destination,
    DirectResponse,
    Fault,
    Headers,
    HttpMatch,
    HttpRoute,
    HttpRouteDestination,
    Mirror,
    Percent,
    Redirect,
    RegexRewrite,
    Retries,
    Rewrite,
    RouteDestination,
    StringMatch,
)
from meshsim.api.validate.durations import SECOND_NS, check_duration
from meshsim.api.validate.findings import Finding, Findings, error_if, errors_only, listed, warning
from meshsim.api.validate.gotext import float_fixed, float_text, nanoseconds, parse_int, quote
from meshsim.api.validate.headers import check_operations, cors_header_error, is_authority, match_header_error
from meshsim.api.validate.names import (
    check_gateway_names,
    check_labels,
    is_dns_label,
    port_error,
    subset_name_error,
    wildcard_domain_error,
)
from meshsim.api.validate.regex import regex_error


def check_http_route(path: str, route: HttpRoute, *, is_delegate: bool) -> Findings:
    """One rule. `is_delegate`: its VirtualService has no hosts and is used by another one."""
    yield from _check_conflicts(path, route, is_delegate)
    for index, match in enumerate(route.match):
        yield from _check_match(f"{path}.match[{index}]", match)
    for index, match in enumerate(route.match):
        yield from _check_match_source(f"{path}.match[{index}]", match)
    yield from check_operations(f"{path}.headers", route.headers)
    yield from _check_cors(f"{path}.corsPolicy", route.cors_policy)
    yield from _check_fault(f"{path}.fault", route.fault)
    yield from _check_mirror_share(path, route)
    yield from check_destination(f"{path}.mirror", route.mirror)
    for index, mirror in enumerate(route.mirrors):
        yield from _check_mirror(f"{path}.mirrors[{index}]", mirror)
    yield from _check_redirect(f"{path}.redirect", route.redirect, route.match)
    yield from _check_direct_response(f"{path}.directResponse", route.direct_response)
    yield from _check_retries(f"{path}.retries", route.retries)
    yield from _check_rewrite(f"{path}.rewrite", route.rewrite)
    yield from _check_authority(path, route.rewrite, route.headers)
    yield from check_destinations(f"{path}.route", route.route)
    yield from check_duration(f"{path}.timeout", route.timeout)


def _check_conflicts(path: str, route: HttpRoute, is_delegate: bool) -> Findings:
    if route.delegate is not None and not is_delegate:
        if route.redirect is not None:
            yield Finding(f"{path}.redirect", f"root HTTP route {route.name} must not specify redirect")
        if route.route:
            yield Finding(f"{path}.route", f"root HTTP route {route.name} must not specify route")
        return
    if route.delegate is not None:
        yield Finding(f"{path}.delegate", "delegate HTTP route cannot contain delegate")
    yield from _check_answer(path, route)
    if route.mirror is not None and route.mirrors:
        yield Finding(path, "HTTP route cannot contain both mirror and mirrors")


def _check_answer(path: str, route: HttpRoute) -> Findings:
    if route.redirect is not None:
        answer = "redirect"
    elif route.direct_response is not None:
        answer = "direct_response"
    else:
        if not route.route:
            yield Finding(path, "HTTP route, redirect or direct_response is required")
        return
    if route.route:
        yield Finding(path, f"HTTP route cannot contain both route and {answer}")
    if route.fault is not None:
        yield Finding(path, f"HTTP route cannot contain both fault and {answer}")
    if route.rewrite is not None:
        yield Finding(path, f"HTTP route rule cannot contain both rewrite and {answer}")
    if route.redirect is not None and route.direct_response is not None:
        yield Finding(path, "HTTP route rule cannot contain both direct_response and redirect")


def _check_match(path: str, match: HttpMatch) -> Findings:
    for name, header in match.headers.items():
        yield from error_if(f"{path}.headers.{name}", match_header_error(name))
        yield from _check_string_match(f"{path}.headers.{name}", header, "headers")
    for name, header in match.without_headers.items():
        yield from error_if(f"{path}.withoutHeaders.{name}", match_header_error(name))
        if header.regex != "*":
            yield from _check_string_match(f"{path}.withoutHeaders.{name}", header, "withoutHeaders")
    yield from _check_regex(f"{path}.uri", match.uri, "uri")
    yield from _check_string_match(f"{path}.scheme", match.scheme, "scheme")
    yield from _check_string_match(f"{path}.method", match.method, "method")
    yield from _check_string_match(f"{path}.authority", match.authority, "authority")
    for name, parameter in match.query_params.items():
        yield from _check_string_match(f"{path}.queryParams.{name}", parameter, "queryParams")


def _check_match_source(path: str, match: HttpMatch) -> Findings:
    if match.port:
        yield from error_if(f"{path}.port", port_error(match.port))
    yield from check_labels(f"{path}.sourceLabels", match.source_labels)
    yield from errors_only(check_gateway_names(f"{path}.gateways", match.gateways))
    if match.source_namespace and not is_dns_label(match.source_namespace):
        yield Finding(f"{path}.sourceNamespace", f"sourceNamespace match {match.source_namespace} is invalid")


def _check_string_match(path: str, match: StringMatch | None, where: str) -> Findings:
    if match is not None and match.prefix == "":
        yield Finding(f"{path}.prefix", f'"{where}": prefix string match should not be empty')
    yield from _check_regex(path, match, where)


def _check_regex(path: str, match: StringMatch | None, where: str) -> Findings:
    if match is None or match.regex is None:
        return
    if match.regex:
        yield from error_if(f"{path}.regex", regex_error(match.regex, where))
    else:
        yield Finding(f"{path}.regex", f'"{where}": regex string match should not be empty')


_CORS_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"})


def _check_cors(path: str, policy: CorsPolicy | None) -> Findings:
    if policy is None:
        return
    for index, origin in enumerate(policy.allow_origins):
        at = f"{path}.allowOrigins[{index}]"
        if not (origin.exact or origin.prefix or origin.regex):
            yield Finding(at, "'' is not a valid match type for CORS allow origins")
        else:
            yield from _check_regex(at, origin, "corsPolicy.allowOrigins")
    for index, method in enumerate(policy.allow_methods):
        if method not in _CORS_METHODS:
            yield Finding(f"{path}.allowMethods[{index}]", f"{quote(method)} is not a supported HTTP method")
    for field, names in (("allowHeaders", policy.allow_headers), ("exposeHeaders", policy.expose_headers)):
        for index, name in enumerate(names):
            yield from error_if(f"{path}.{field}[{index}]", cors_header_error(name))
    if policy.max_age is not None:
        yield from check_duration(f"{path}.maxAge", policy.max_age)
        if nanoseconds(policy.max_age) > 0 and nanoseconds(policy.max_age) % SECOND_NS:
            yield listed(f"{path}.maxAge", "max_age duration is accurate only to seconds precision")


def _check_fault(path: str, fault: Fault | None) -> Findings:
    if fault is None:
        return
    if fault.abort is None and fault.delay is None:
        yield listed(path, "HTTP fault injection must have an abort and/or a delay")
    yield from _check_abort(f"{path}.abort", fault.abort)
    yield from _check_delay(f"{path}.delay", fault.delay)


_GRPC_CODES: Final = frozenset({
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
})  # fmt: skip


def _check_abort(path: str, abort: Abort | None) -> Findings:
    if abort is None:
        return
    yield from _check_percentage(f"{path}.percentage", abort.percentage)
    if abort.grpc_status is not None and abort.grpc_status not in _GRPC_CODES:
        text = (
            f"gRPC status {quote(abort.grpc_status)} is not supported. "
            "See https://github.com/grpc/grpc/blob/master/doc/statuscodes.md "
            "for a list of supported codes, for example 'NOT_FOUND'"
        )
        yield Finding(f"{path}.grpcStatus", text)
    if abort.http2_error is not None:
        yield Finding(f"{path}.http2Error", "HTTP/2 abort fault injection not supported yet")
    if abort.http_status is not None:
        yield from _check_status(f"{path}.httpStatus", abort.http_status)


def _check_status(path: str, status: int) -> Findings:
    # 600 passes although the message says otherwise.
    if not 200 <= status <= 600:
        yield Finding(path, f"HTTP status {status} is not in range 200-599")


def _check_delay(path: str, delay: Delay | None) -> Findings:
    if delay is None:
        return
    yield from _check_percentage(f"{path}.percentage", delay.percentage)
    yield from check_duration(f"{path}.fixedDelay", delay.fixed_delay)
    if delay.exponential_delay is not None:
        yield from check_duration(f"{path}.exponentialDelay", delay.exponential_delay)
        yield listed(f"{path}.exponentialDelay", "exponentialDelay not supported yet")


def _check_percentage(path: str, percentage: Percent | None) -> Findings:
    if percentage is not None and (not 0 <= percentage.value <= 100 or 0 < percentage.value < 0.0001):
        value = float_text(percentage.value)
        yield Finding(f"{path}.value", f"percentage {value} is neither 0.0, nor in range [0.0001, 100.0]")


def _check_mirror_share(path: str, route: HttpRoute) -> Findings:
    if route.mirror_percent is not None:
        at = f"{path}.mirrorPercent"
        if route.mirror_percent > 100:
            yield Finding(at, f"mirror_percent must have a max value of 100 (it has {route.mirror_percent})")
        yield warning(at, 'using deprecated setting "mirrorPercent", use "mirrorPercentage" instead')
    yield from _check_mirror_percentage(f"{path}.mirrorPercentage", route.mirror_percentage, "mirror_percentage")


def _check_mirror_percentage(path: str, percentage: Percent | None, name: str) -> Findings:
    if percentage is None:
        return
    it_has = f"(it has {float_fixed(percentage.value)})"
    if percentage.value > 100:
        yield Finding(f"{path}.value", f"{name} must have a max value of 100 {it_has}")
    if percentage.value < 0:
        yield Finding(f"{path}.value", f"{name} must have a min value of 0 {it_has}")


def _check_mirror(path: str, mirror: Mirror) -> Findings:
    if mirror.destination is NO_DESTINATION:
        yield Finding(path, "destination is required for mirrors")
        return
    yield from check_destination(f"{path}.destination", mirror.destination)
    yield from _check_mirror_percentage(f"{path}.percentage", mirror.percentage, "mirror percentage")


def _check_redirect(path: str, redirect: Redirect | None, matches: tuple[HttpMatch, ...]) -> Findings:
    """The first thing that is wrong with a redirect."""
    problem = None if redirect is None else _redirect_error(redirect, matches)
    yield from error_if(path, problem)


def _redirect_error(redirect: Redirect, matches: tuple[HttpMatch, ...]) -> str | None:
    if redirect.uri and redirect.prefix_rewrite:
        return "redirect may only specify one of uri or prefix_rewrite"
    if redirect.prefix_rewrite and any(match.uri is not None and match.uri.prefix is None for match in matches):
        return "redirect prefix_rewrite requires all URI matches to use prefix match type"
    has_port = redirect.port is not None or redirect.derive_port is not None
    if not (redirect.uri or redirect.prefix_rewrite or redirect.authority or redirect.scheme or has_port):
        return "redirect must specify URI, authority, scheme, or port"
    if redirect.redirect_code and not 300 <= redirect.redirect_code <= 399:
        return f"{redirect.redirect_code} is not a valid redirect code, must be 3xx"
    if redirect.scheme not in ("", "http", "https"):
        return 'invalid redirect scheme, must be "http" or "https"'
    return port_error(redirect.port) if redirect.port else None


_LARGE_BYTES: Final = 100 * 1024
_TOO_LARGE_BYTES: Final = 1024 * 1024


def _check_direct_response(path: str, response: DirectResponse | None) -> Findings:
    if response is None:
        return
    size = 0
    if response.body is not None:
        size = len(base64.b64decode(response.body.bytes or "")) or len((response.body.string or "").encode())
    if size > _TOO_LARGE_BYTES:
        text = "large direct_responses may impact control plane performance, must be less than 1MB"
        yield Finding(f"{path}.body", text)
    elif size > _LARGE_BYTES:
        yield warning(f"{path}.body", "large direct_responses may impact control plane performance")
    # The real one reads the unsigned status as a signed number.
    yield from _check_status(f"{path}.status", (response.status + 2**31) % 2**32 - 2**31)


_RETRY_ON: Final = frozenset({
    "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream",
    "retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure", "cancelled",
    "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
})  # fmt: skip
_STATUS_CODES: Final = frozenset(
    {*range(100, 104), *range(200, 209), 226, *range(300, 306), 307, 308, *range(400, 419), *range(421, 427)}
    | {428, 429, 431, 451, *range(500, 509), 510, 511}
)
"""The status codes that have a name in Go's net/http."""


def _check_retries(path: str, retries: Retries | None) -> Findings:
    if retries is None:
        return
    if retries.attempts < 0:
        yield listed(f"{path}.attempts", "attempts cannot be negative")
    says_how = retries.per_try_timeout is not None or retries.retry_on or retries.retry_remote_localities is not None
    if retries.attempts == 0 and says_how:
        yield Finding(path, "http retry policy configured when attempts are set to 0 (disabled)")
    yield from check_duration(f"{path}.perTryTimeout", retries.per_try_timeout)
    for policy in retries.retry_on.split(",") if retries.retry_on else ():
        if policy not in _RETRY_ON and parse_int(policy) not in _STATUS_CODES:
            yield Finding(f"{path}.retryOn", f"{quote(policy)} is not a valid retryOn policy")
    yield from check_duration(f"{path}.backoff", retries.backoff)


def _check_rewrite(path: str, rewrite: Rewrite | None) -> Findings:
    if rewrite is None:
        return
    pattern = rewrite.uri_regex_rewrite
    if rewrite.uri and pattern is not None:
        yield Finding(path, "rewrite may only contain one of URI or UriRegexRewrite")
    elif not rewrite.uri and pattern is None and not rewrite.authority:
        text = (
            "rewrite must specify at least one of URI, UriRegexRewrite, or authority. "
            "Only one of URI or UriRegexRewrite may be specified"
        )
        yield Finding(path, text)
    elif pattern is not None:
        problem = _regex_rewrite_error(pattern)
        if problem:
            yield Finding(f"{path}.uriRegexRewrite", f"UriRegexRewrite has errors\n{problem}")


def _regex_rewrite_error(pattern: RegexRewrite) -> str | None:
    if not pattern.match or not pattern.rewrite:
        return "UriRegexRewrite requires both Rewrite and Match fields to be specified"
    return regex_error(pattern.match, "HTTPRewrite.UriRegexRewrite.Match")


def _check_authority(path: str, rewrite: Rewrite | None, headers: Headers | None) -> Findings:
    """The host is rewritten in one place only."""
    current = rewrite.authority if rewrite is not None else ""
    for field, value in _authority_writes(headers):
        if current:
            text = f"authority header cannot be set multiple times: have {quote(current)}, "
            yield Finding(f"{path}.headers.request.{field}", f"{text}attempting to set {quote(value)}")
            return
        current = value


def _authority_writes(headers: Headers | None) -> Iterator[tuple[str, str]]:
    if headers is None or headers.request is None:
        return
    for verb, writes in (("set", headers.request.set), ("add", headers.request.add)):
        for name, value in writes.items():
            if is_authority(name):
                yield f"{verb}.{name}", value


def check_destinations(path: str, routes: Sequence[HttpRouteDestination | RouteDestination]) -> Findings:
    """The weighted destinations of a rule; weights need not sum to 100, but not to 0 either."""
    total = 0
    for index, route in enumerate(routes):
        at = f"{path}[{index}]"
        if route.destination is NO_DESTINATION:
            yield listed(at, "destination is required")
        if isinstance(route, HttpRouteDestination):
            yield from check_operations(f"{at}.headers", route.headers)
        yield from check_destination(f"{at}.destination", route.destination)
        weight = route.weight or 0
        if weight < 0:
            yield Finding(f"{at}.weight", f"weight {weight} < 0")
        total += weight
    if len(routes) > 1 and total == 0:
        yield Finding(path, "total destination weight = 0")


def check_destination(path: str, destination: Destination | None) -> Findings:
    """A destination; an absent one is somebody else's business."""
    if destination is None or destination is NO_DESTINATION:
        return
    if destination.host == "*":
        yield Finding(f"{path}.host", "invalid destination host *")
    else:
        yield from error_if(f"{path}.host", wildcard_domain_error(destination.host))
    if destination.subset:
        yield from error_if(f"{path}.subset", subset_name_error(destination.subset))
    if destination.port is not None:
        yield from error_if(f"{path}.port.number", port_error(destination.port.number))
