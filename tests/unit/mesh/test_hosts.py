"""Choosing, ejecting and limiting hosts."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from meshsim.api.decode import decode
from meshsim.api.networking import ConnectionPool, ConsistentHash, LoadBalancer, OutlierDetection
from meshsim.kit.chance import draws
from meshsim.mesh.balance import Consistent, balancer_of
from meshsim.mesh.circuit import UNLIMITED, compile_limits
from meshsim.mesh.hash_policy import compile_hash
from meshsim.mesh.hashring import Place, maglev, ring
from meshsim.mesh.outlier import HostRecord, OutlierPolicy, compile_outlier
from meshsim.mesh.steps import Steps, finished
from tests.kits.mesh import request


class Host:
    """A host without connections."""

    def __init__(self, name: str, active: int = 0, added_at: float = 0.0) -> None:
        self.name = name.encode()
        self.active = active
        self.added_at = added_at


_HOSTS = [Host("a"), Host("b"), Host("c")]


def _picked(policy: dict[str, object] | None, hosts: list[Host], picks: int, key: int | None = None) -> Counter[bytes]:
    draw = draws(1)
    balancer = balancer_of(None if policy is None else decode(LoadBalancer, policy), hosts, draw)
    if isinstance(balancer, Consistent):
        finished(balancer.lay_out())
    return Counter(balancer.pick(draw, key, 0.0).name for _ in range(picks))


def test_round_robin_is_even() -> None:
    assert set(_picked({"simple": "ROUND_ROBIN"}, _HOSTS, 30).values()) == {10}


@pytest.mark.parametrize("policy", [None, {"simple": "LEAST_REQUEST"}, {"simple": "RANDOM"}])
def test_the_others_spread_by_chance(policy: dict[str, object] | None) -> None:
    counts = _picked(policy, _HOSTS, 600)
    assert all(120 <= counts[host.name] <= 280 for host in _HOSTS)
    assert set(counts.values()) != {200}


def test_least_request_prefers_the_less_busy_of_two() -> None:
    counts = _picked(None, [Host("busy", active=5), Host("idle")], 400)
    assert counts[b"busy"] < 150 < counts[b"idle"]


def test_a_key_always_finds_the_same_host_and_none_spreads() -> None:
    for policy in ({"httpHeaderName": "x"}, {"httpHeaderName": "x", "maglev": {"tableSize": 101}}):
        assert len(_picked({"consistentHash": policy}, _HOSTS, 20, key=12345)) == 1
        assert len(_picked({"consistentHash": policy}, _HOSTS, 100)) == 3


def test_few_keys_move_when_a_host_goes() -> None:
    names = [b"a", b"b", b"c", b"d"]
    for layout, size in ((ring, 1024), (maglev, 1009)):
        before, after = finished(layout(names, size)), finished(layout(names[:3], size))
        keys = range(0, 2**64, 2**54)
        stayed = [names[before(key)] == names[after(key)] for key in keys if names[before(key)] != b"d"]
        assert sum(stayed) > 0.75 * len(stayed)


def test_maglev_gives_every_host_about_the_same_share() -> None:
    place = finished(maglev([b"a", b"b", b"c"], 1009))
    assert all(320 <= count <= 350 for count in Counter(place(slot) for slot in range(1009)).values())


_MANY_KEYS = range(0, 2**64, 2**56)


def _in_two_steps(names: Sequence[bytes]) -> Steps[Place]:
    """A layout by the last name first."""
    yield
    return lambda key: len(names) - 1 - key % len(names)


def test_keys_that_were_laid_out_stay_until_the_next_layout_is_done() -> None:
    draw = draws(1)
    balancer = Consistent(_HOSTS, _in_two_steps)
    finished(balancer.lay_out())
    before = {key: balancer.pick(draw, key, 0.0) for key in _MANY_KEYS}
    balancer.follow(_HOSTS[:2])
    steps = balancer.lay_out()
    next(steps)
    meanwhile = {key: balancer.pick(draw, key, 0.0) for key in _MANY_KEYS}
    assert all(meanwhile[key] is host for key, host in before.items() if host is not _HOSTS[2])
    assert set(meanwhile.values()) == set(_HOSTS[:2])
    finished(steps)
    assert {key: balancer.pick(draw, key, 0.0) for key in _MANY_KEYS} == {
        key: _HOSTS[1 - key % 2] for key in _MANY_KEYS
    }


def test_keys_are_dealt_out_until_the_first_layout_is_done() -> None:
    draw = draws(1)
    balancer = Consistent(_HOSTS, _in_two_steps)
    first, second = ([balancer.pick(draw, key, 0.0) for key in _MANY_KEYS] for _ in range(2))
    assert first == second
    assert set(first) == set(_HOSTS)


def test_hosts_that_come_during_a_layout_are_laid_out_after_it() -> None:
    draw = draws(1)
    balancer = Consistent(_HOSTS[:2], _in_two_steps)
    steps = balancer.lay_out()
    next(steps)
    balancer.follow(_HOSTS)
    finished(steps)
    assert [balancer.pick(draw, key, 0.0) for key in range(3)] == _HOSTS[::-1]


def test_a_new_host_warms_up() -> None:
    hosts = [Host("old", added_at=-1000), Host("new", added_at=-1)]
    counts = _picked({"simple": "ROUND_ROBIN", "warmup": {"duration": "100s"}}, hosts, 1000)
    assert 50 <= counts[b"new"] <= 140
    warm = [Host("old", added_at=-1000), Host("new", added_at=-200)]
    assert set(_picked({"simple": "ROUND_ROBIN", "warmup": {"duration": "100s"}}, warm, 10).values()) == {5}


def _key(policy: Mapping[str, object], **about: object) -> int | None:
    compiled = compile_hash(decode(ConsistentHash, policy))
    assert compiled is not None
    return compiled.key(request(**about))  # type: ignore[arg-type]


def test_what_keys_are_made_of() -> None:
    assert _key({"httpHeaderName": "X-User"}, headers=[("x-user", "alice")]) is not None
    assert _key({"httpHeaderName": "X-User"}) is None
    assert _key({"useSourceIp": True}) == _key({"useSourceIp": True}, target="/other")
    assert _key({"httpQueryParameterName": "u"}, target="/?u=1") is not None
    assert _key({"httpQueryParameterName": "u"}, target="/?v=1") is None
    cookie = {"httpCookie": {"name": "sess", "ttl": "60s", "path": "/p"}}
    assert _key(cookie, headers=[("cookie", 'a=b; sess="x"')]) == _key(cookie, headers=[("cookie", "sess=x")])
    assert compile_hash(ConsistentHash()) is None


@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        ({"ttl": "60s", "path": "/p"}, b'sess="ef46db3751d8e999"; Max-Age=60; Path=/p; HttpOnly'),
        ({"ttl": "0s"}, b'sess="ef46db3751d8e999"; HttpOnly'),
        ({}, None),
    ],
)
def test_a_cookie_is_made_when_it_has_a_ttl(cookie: dict[str, str], header: bytes | None) -> None:
    policy = compile_hash(decode(ConsistentHash, {"httpCookie": {"name": "sess", **cookie}}))
    assert policy is not None
    assert (policy.cookie.made_for("")[1] if policy.cookie else None) == header


def _outlier(**fields: object) -> OutlierPolicy:
    policy = compile_outlier(decode(OutlierDetection, fields))
    assert policy is not None
    return policy


def test_an_empty_block_has_envoys_defaults_and_none_ejects_nothing() -> None:
    assert _outlier() == OutlierPolicy()
    assert compile_outlier(None) is None


@pytest.mark.parametrize(
    ("percent", "ejected", "hosts", "may"), [(10, 0, 3, False), (10, 0, 10, True), (33, 0, 3, False), (34, 0, 3, True),
                                             (34, 1, 3, False), (100, 2, 3, True)],
)  # fmt: skip
def test_how_many_hosts_may_be_out(percent: int, ejected: int, hosts: int, may: bool) -> None:
    assert _outlier(maxEjectionPercent=percent).may_eject(ejected, hosts) is may


def test_errors_count_only_in_a_row() -> None:
    policy, record = _outlier(consecutive5xxErrors=3), HostRecord()
    assert [record.on_response(status, policy) for status in (500, 500, 200, 500, 500)] == [False] * 5
    assert record.on_response(503, policy)
    assert not record.on_response(503, policy)


def test_gateway_errors_are_counted_apart() -> None:
    policy = _outlier(consecutiveGatewayErrors=2, consecutive5xxErrors=0)
    record = HostRecord()
    assert not any(record.on_response(500, policy) for _ in range(5))
    assert [record.on_response(502, policy) for _ in range(2)] == [False, True]


def test_a_failure_of_our_own_counts_as_a_503_unless_split() -> None:
    joined, split = _outlier(consecutive5xxErrors=2), _outlier(
        consecutive5xxErrors=2, splitExternalLocalOriginErrors=True, consecutiveLocalOriginFailures=3
    )  # fmt: skip
    record = HostRecord()
    assert [record.on_failure(joined) for _ in range(2)] == [False, True]
    record = HostRecord()
    assert [record.on_failure(split) for _ in range(3)] == [False, False, True]


def test_an_ejected_host_returns_after_its_time_and_the_next_time_later() -> None:
    policy, record = _outlier(baseEjectionTime="10s"), HostRecord()
    record.eject(100.0)
    assert record.is_ejected
    assert not record.look(109.0, policy)
    assert record.look(110.0, policy)
    assert not record.is_ejected
    record.eject(120.0)
    assert not record.look(139.0, policy)
    assert record.look(140.0, policy)


def test_quiet_intervals_forgive() -> None:
    policy, record = _outlier(baseEjectionTime="10s"), HostRecord()
    record.eject(0.0)
    record.look(10.0, policy)
    record.look(20.0, policy)
    record.eject(30.0)
    assert record.look(40.0, policy)


def test_limits_that_are_not_given_are_none() -> None:
    limits = compile_limits(None, 10.0, 3600.0)
    assert (limits.max_connections, limits.max_pending_requests) == (UNLIMITED, UNLIMITED)
    assert (limits.max_requests, limits.connect_timeout_s, limits.idle_timeout_s) == (UNLIMITED, 10.0, 3600.0)


def test_limits_of_a_policy() -> None:
    pool = decode(
        ConnectionPool,
        {
            "tcp": {"maxConnections": 2, "connectTimeout": "1s"},
            "http": {"http1MaxPendingRequests": 3, "http2MaxRequests": 4, "maxRetries": 5, "idleTimeout": "9s"},
        },
    )
    limits = compile_limits(pool, 10.0, 3600.0)
    assert (limits.max_connections, limits.max_pending_requests, limits.max_requests) == (2, 3, 4)
    assert (limits.max_retries, limits.connect_timeout_s, limits.idle_timeout_s) == (5, 1.0, 9.0)


def test_statuses_that_are_named_count_instead_of_every_5xx() -> None:
    policy = _outlier(consecutive5xxErrors=1, outlierDetectionHttpErrorCodes=[429])
    assert not HostRecord().on_response(500, policy)
    assert HostRecord().on_response(429, policy)
    assert HostRecord().on_failure(policy)


@pytest.mark.parametrize(
    ("percent", "healthy", "panic"), [(0, 0, False), (50, 1, True), (50, 2, False), (100, 3, True)]
)
def test_too_few_healthy_hosts_are_a_panic(percent: int, healthy: int, panic: bool) -> None:
    assert _outlier(minHealthPercent=percent).is_panic(healthy, 4) is panic
