"""Where keys land. The hosts, keys and owners were recorded of Envoy 1.40 with a ring of 1024 points."""

from collections.abc import Callable

import pytest

from meshsim.api.networking import ConsistentHash
from meshsim.api.networking.destination_rule import HttpCookie, HttpCookieAttribute
from meshsim.http1.fields import read_request_fields
from meshsim.mesh.hash_policy import compile_hash, hash_of, key_of
from meshsim.mesh.hashring import DEFAULT_RING_SIZE, DEFAULT_TABLE_SIZE, Place, maglev, ring
from meshsim.mesh.request import Request
from meshsim.mesh.steps import Steps, finished

HOSTS = [b"127.1.2.1:9080", b"127.1.2.2:9080", b"127.1.2.3:9080"]
COOKIE = HttpCookie(
    name="sess",
    ttl="60s",
    path="/p",
    attributes=(HttpCookieAttribute(name="SameSite", value="Lax"), HttpCookieAttribute(name="Secure")),
)
RECORDED = {b"alice": 1, b"bob": 1, b"dave": 2, b"127.0.0.1": 2, b"cbebac2e154ad566": 2, b"e580c9801048e739": 1}
KEYS = [hash_of(b"user-%d" % number) for number in range(3000)]


def _request(*lines: bytes, target: bytes = b"/") -> Request:
    fields = read_request_fields(b"".join(line + b"\r\n" for line in (b"host: shop", *lines)))
    return Request(b"GET", target, b"shop", fields, source_ip=b"127.0.0.1")


@pytest.mark.parametrize(("key", "owner"), RECORDED.items())
def test_a_key_lands_on_the_ring_where_envoy_put_it(key: bytes, owner: int) -> None:
    assert finished(ring(HOSTS, DEFAULT_RING_SIZE))(hash_of(key)) == owner


@pytest.mark.parametrize(("layout", "size"), [(ring, DEFAULT_RING_SIZE), (maglev, DEFAULT_TABLE_SIZE)])
def test_most_keys_stay_when_another_host_leaves(layout: Callable[[list[bytes], int], Steps[Place]], size: int) -> None:
    before, after = finished(layout(HOSTS, size)), finished(layout(HOSTS[:2], size))
    stayed = [key for key in KEYS if before(key) != 2]
    moved = sum(before(key) != after(key) for key in stayed)
    assert len(KEYS) * 0.5 < len(stayed) < len(KEYS) * 0.8
    assert moved < len(stayed) * 0.2


@pytest.mark.parametrize(("layout", "size"), [(ring, 16384), (maglev, DEFAULT_TABLE_SIZE)])
def test_a_large_layout_takes_many_steps(layout: Callable[[list[bytes], int], Steps[Place]], size: int) -> None:
    assert sum(1 for _ in layout(HOSTS, size)) >= 60


def test_a_ring_is_as_if_it_had_been_sorted_at_once() -> None:
    place = finished(ring(HOSTS, 4096))
    points = sorted((hash_of(b"%b_%d" % (name, number)), i) for i, name in enumerate(HOSTS) for number in range(1366))
    for key in (*KEYS[:300], 0, points[-1][0], points[-1][0] + 1, points[7][0], 2**64 - 1):
        assert place(key) == next((index for point, index in points if point >= key), points[0][1])


def test_a_maglev_table_gives_each_host_as_many_slots() -> None:
    place = finished(maglev(HOSTS, 65537))
    slots = [place(slot) for slot in range(65537)]
    assert sorted(slots.count(host) for host in range(3)) == [21845, 21846, 21846]


def test_a_maglev_table_begins_at_each_hosts_offset() -> None:
    place = finished(maglev(HOSTS, 65537))
    assert place(hash_of(HOSTS[0]) % 65537) == 0
    second = (hash_of(HOSTS[0]) + hash_of(HOSTS[0], seed=1) % 65536 + 1) % 65537
    assert place(second) == 0


def test_the_lines_of_a_header_count_in_any_order_and_an_empty_one_is_a_key_too() -> None:
    policy = compile_hash(ConsistentHash(http_header_name="X-User"))
    assert policy is not None
    assert policy.key(_request(b"x-user: b", b"x-user: a")) == hash_of(b"ab")
    assert policy.key(_request(b"x-user:")) == hash_of(b"")
    assert policy.key(_request()) is None


def test_a_cookie_is_a_key_without_its_quotes() -> None:
    policy = compile_hash(ConsistentHash(http_cookie=COOKIE))
    assert policy is not None
    assert policy.key(_request(b'cookie: a=1; sess="cbebac2e154ad566"')) == hash_of(b"cbebac2e154ad566")


def test_a_cookie_that_is_made_leads_back_to_where_its_first_request_went() -> None:
    policy = compile_hash(ConsistentHash(http_cookie=COOKIE))
    assert policy is not None
    assert policy.cookie is not None
    key, line = policy.cookie.made_for("127.0.0.1:40000127.0.0.1:8080")
    value, _, attributes = line.partition(b"; ")
    assert policy.key(_request(b"cookie: " + value)) == key
    assert attributes == b"Max-Age=60; Path=/p; SameSite=Lax; Secure; HttpOnly"


def test_several_policies_make_one_key() -> None:
    by_user = compile_hash(ConsistentHash(http_header_name="x-user"))
    by_query = compile_hash(ConsistentHash(http_query_parameter_name="q"))
    assert by_user is not None
    assert by_query is not None
    user, query = hash_of(b"alice"), hash_of(b"1")
    turned = (user << 1 | user >> 63) % 2**64
    request = _request(b"x-user: alice", target=b"/?q=1")
    assert key_of([by_user, by_query], request, "") == (turned ^ query, ())
    assert key_of([by_user, by_query], _request(target=b"/?q=1"), "") == (query, ())
    assert key_of([by_user], _request(), "") == (None, ())


def test_a_cookie_is_made_once_for_each_policy_that_misses_it() -> None:
    policy = compile_hash(ConsistentHash(http_cookie=COOKIE))
    assert policy is not None
    key, cookies = key_of([policy, policy], _request(), "somebody")
    assert len(cookies) == 2
    value = cookies[0].partition(b"; ")[0]
    assert key_of([policy, policy], _request(b"cookie: " + value), "somebody else") == (key, ())
