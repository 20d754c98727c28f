"""Faults, retries, CORS, mirrors: decisions about one request."""

import pytest

from meshsim.api.decode import decode
from meshsim.api.networking import CorsPolicy, Fault, HttpRoute, Retries
from meshsim.http1.fields import read_response_fields
from meshsim.mesh.cors import compile_cors
from meshsim.mesh.fault import compile_fault
from meshsim.mesh.mirror import compile_mirrors
from meshsim.mesh.retry import Reset, RetryPolicy, compile_retries
from tests.kits.mesh import request


def _retries(**fields: object) -> RetryPolicy:
    return compile_retries(decode(Retries, fields))


def _wants(policy: RetryPolicy, status: int, section: bytes = b"") -> bool:
    return policy.wants_response(status, read_response_fields(section))


def test_without_retries_the_meshs_default_tries_twice_more_and_only_connections() -> None:
    policy = compile_retries(None)
    assert policy.attempts == 2
    assert policy.wants_reset(Reset.CONNECTION_FAILURE, was_sent=False)
    assert policy.wants_reset(Reset.CONNECTION_TIMEOUT, was_sent=False)
    assert not policy.wants_reset(Reset.TERMINATION, was_sent=True)
    assert not policy.wants_reset(Reset.PER_TRY_TIMEOUT, was_sent=True)
    assert not any(_wants(policy, status) for status in (500, 503, 409))


def test_the_default_keeps_no_body_to_send_again_and_others_do() -> None:
    assert not compile_retries(Retries(attempts=3, retry_on="connect-failure,refused-stream")).replays
    assert _retries(attempts=3, retryOn="5xx").replays
    assert not _retries(attempts=0, retryOn="5xx").replays


@pytest.mark.parametrize(
    ("retry_on", "status", "wanted"),
    [
        ("5xx", 500, True),
        ("5xx", 404, False),
        ("gateway-error", 502, True),
        ("gateway-error", 500, False),
        ("retriable-4xx", 409, True),
        ("retriable-4xx", 404, False),
        ("500,503", 500, True),
        ("500,503", 502, False),
        ("reset", 503, False),
    ],
)
def test_which_responses_are_retried(retry_on: str, status: int, wanted: bool) -> None:
    assert _wants(_retries(attempts=1, retryOn=retry_on), status) is wanted


@pytest.mark.parametrize(
    ("retry_on", "reset", "was_sent", "wanted"),
    [
        ("5xx", Reset.TERMINATION, True, True),
        ("gateway-error", Reset.PER_TRY_TIMEOUT, True, True),
        ("reset", Reset.PROTOCOL_ERROR, True, True),
        ("reset-before-request", Reset.TERMINATION, False, True),
        ("reset-before-request", Reset.TERMINATION, True, False),
        ("retriable-4xx", Reset.CONNECTION_FAILURE, False, False),
        ("5xx", Reset.OVERFLOW, False, False),
    ],
)
def test_which_resets_are_retried(retry_on: str, reset: Reset, was_sent: bool, wanted: bool) -> None:
    assert _retries(attempts=1, retryOn=retry_on).wants_reset(reset, was_sent=was_sent) is wanted


def test_zero_attempts_retry_nothing() -> None:
    policy = _retries(attempts=0, retryOn="5xx")
    assert not _wants(policy, 500)
    assert not policy.wants_reset(Reset.CONNECTION_FAILURE, was_sent=False)


def test_a_rate_limited_response_is_not_retried_unless_asked_for() -> None:
    limited = b"x-envoy-ratelimited: true\r\n"
    assert not _wants(_retries(attempts=1, retryOn="5xx"), 503, limited)
    assert _wants(_retries(attempts=1, retryOn="5xx,envoy-ratelimited"), 503, limited)
    assert _wants(_retries(attempts=1, retryOn="5xx"), 503, b"x-envoy-overloaded: true\r\n")


def test_a_grpc_status_can_be_retried() -> None:
    policy = _retries(attempts=1, retryOn="unavailable")
    assert _wants(policy, 200, b"grpc-status: 14\r\n")
    assert not _wants(policy, 200, b"grpc-status: 5\r\n")
    assert not _wants(policy, 200)


def test_the_wait_grows_with_each_retry_up_to_ten_times_the_base() -> None:
    policy = _retries(attempts=9, backoff="100ms")
    longest = [round(policy.wait_s(n, lambda: 1.0), 3) for n in (1, 2, 3, 4, 5)]
    assert longest == [0.1, 0.3, 0.7, 1.0, 1.0]
    assert policy.wait_s(3, lambda: 0.0) == 0.0


def test_faults_without_a_percentage_never_happen() -> None:
    assert compile_fault(decode(Fault, {"abort": {"httpStatus": 500}})) is None
    assert compile_fault(decode(Fault, {"delay": {"fixedDelay": "1s"}})) is None
    assert compile_fault(None) is None


def test_a_fault_hits_its_share() -> None:
    fault = compile_fault(decode(Fault, {"abort": {"httpStatus": 500, "percentage": {"value": 0.1}}}))
    assert fault is not None
    assert fault.abort_status == 500
    assert fault.aborts(lambda: 0.0009)
    assert not fault.aborts(lambda: 0.001)


def test_the_deprecated_whole_percentage_works_for_delays() -> None:
    fault = compile_fault(decode(Fault, {"delay": {"fixedDelay": "0.4s", "percent": 100}}))
    assert fault is not None
    assert fault.delay(lambda: 0.999) == 0.4


def test_a_grpc_abort_is_a_200_for_others() -> None:
    fault = compile_fault(decode(Fault, {"abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 100}}}))
    assert fault is not None
    assert (fault.abort_status, fault.abort_grpc_status) == (200, 14)


_POLICY = {
    "allowOrigins": [{"exact": "https://a.test"}, {"prefix": "https://pre"}],
    "allowMethods": ["GET", "POST"],
    "maxAge": "24h",
    "allowCredentials": True,
    "exposeHeaders": ["X-E"],
}


def _preflight(policy: dict[str, object], origin: str) -> dict[bytes, bytes] | None:
    cors = compile_cors(decode(CorsPolicy, policy))
    assert cors is not None
    asked = request(
        method="OPTIONS",
        headers=[
            ("origin", origin),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-a,x-b"),
        ],
    )
    answer = cors.preflight(asked)
    return None if answer is None else {**dict(answer), **dict(cors.marks(asked))}


def test_a_preflight_of_an_allowed_origin_is_answered() -> None:
    answer = _preflight(_POLICY, "https://prefix.test")
    assert answer == {
        b"access-control-allow-origin": b"https://prefix.test",
        b"access-control-allow-credentials": b"true",
        b"access-control-allow-methods": b"GET,POST",
        b"access-control-max-age": b"86400",
        b"access-control-expose-headers": b"X-E",
    }


def test_a_preflight_of_another_origin_is_forwarded_or_ignored() -> None:
    assert _preflight(_POLICY, "https://evil.test") is None
    assert _preflight({**_POLICY, "unmatchedPreflights": "IGNORE"}, "https://evil.test") == {
        b"access-control-allow-credentials": b"true",
        b"access-control-allow-methods": b"GET,POST",
        b"access-control-max-age": b"86400",
    }


def test_a_star_for_methods_or_headers_is_whatever_is_asked_for() -> None:
    policy: dict[str, object] = {"allowOrigins": [{"exact": "*"}], "allowMethods": ["*"], "allowHeaders": ["*"]}
    assert _preflight(policy, "https://q") == {
        b"access-control-allow-origin": b"https://q",
        b"access-control-allow-methods": b"PUT",
        b"access-control-allow-headers": b"x-a,x-b",
    }


def test_a_star_answers_with_the_origin_itself() -> None:
    assert _preflight({"allowOrigins": [{"exact": "*"}]}, "https://q") == {b"access-control-allow-origin": b"https://q"}


def test_a_request_of_an_allowed_origin_is_marked_and_an_options_without_method_is_one() -> None:
    cors = compile_cors(decode(CorsPolicy, _POLICY))
    assert cors is not None
    asked = request(method="OPTIONS", headers=[("origin", "https://a.test")])
    assert cors.preflight(asked) is None
    assert (b"access-control-allow-origin", b"https://a.test") in cors.marks(asked)
    assert cors.marks(request()) == ()
    assert cors.marks(request(headers=[("origin", "https://evil.test")])) == ()


@pytest.mark.parametrize(
    ("rule", "shares"),
    [
        ({"mirror": {"host": "a"}}, [1_000_000]),
        ({"mirror": {"host": "a"}, "mirrorPercentage": {"value": 0.5}}, [5_000]),
        ({"mirror": {"host": "a"}, "mirrorPercent": 20}, [200_000]),
        ({"mirror": {"host": "a"}, "mirrorPercentage": {"value": 0}}, []),
        ({"mirrors": [{"destination": {"host": "a"}}, {"destination": {"host": "b"}, "percentage": {"value": 1}}]},
         [1_000_000, 10_000]),
        ({}, []),
    ],
)  # fmt: skip
def test_mirrors_and_their_shares(rule: dict[str, object], shares: list[int]) -> None:
    mirrors = compile_mirrors(decode(HttpRoute, rule), lambda destination: destination.host)
    assert [mirror.share for mirror in mirrors] == shares


def test_previous_hosts_are_avoided_unless_a_hash_names_one_or_the_rule_says_otherwise() -> None:
    def avoids(said: bool | None, *, sticky: bool) -> bool:
        return compile_retries(
            Retries(attempts=1, retry_ignore_previous_hosts=said), sticky=sticky
        ).avoids_previous_hosts

    assert avoids(None, sticky=False)
    assert not avoids(None, sticky=True)
    assert avoids(True, sticky=True)
    assert not avoids(False, sticky=False)


def test_an_abort_without_a_status_aborts_nothing() -> None:
    assert compile_fault(decode(Fault, {"abort": {"percentage": {"value": 100}}})) is None


def test_a_pattern_that_a_star_matches_allows_every_origin() -> None:
    policy: dict[str, object] = {"allowOrigins": [{"regex": "[^.]+"}]}
    assert _preflight(policy, "https://a.test") == {b"access-control-allow-origin": b"https://a.test"}
