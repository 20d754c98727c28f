"""Match conditions, one request at a time."""

import pytest

from meshsim.api.decode import decode
from meshsim.api.networking import HttpMatch
from meshsim.mesh.match import compile_match, is_catch_all
from tests.kits.mesh import request


def _matches(match: dict[str, object], target: str = "/", **about: object) -> bool:
    matcher = compile_match(decode(HttpMatch, match))
    assert matcher is not None
    return matcher(request(target, **about))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("match", "target", "expected"),
    [
        ({"uri": {"exact": "/a"}}, "/a?q=1", True),
        ({"uri": {"exact": "/a"}}, "/a/", False),
        ({"uri": {"exact": "/a"}}, "/A", False),
        ({"uri": {"exact": "/A"}, "ignoreUriCase": True}, "/a", True),
        ({"uri": {"prefix": "/api"}}, "/apiary", True),
        ({"uri": {"prefix": "/api/"}}, "/api", False),
        ({"uri": {"prefix": "/API"}, "ignoreUriCase": True}, "/api/x", True),
        ({"uri": {"regex": "/v[0-9]+"}}, "/v12?x", True),
        ({"uri": {"regex": "/v[0-9]+"}}, "/v12/x", False),
        ({"uri": {"regex": "/V1"}, "ignoreUriCase": True}, "/v1", False),
        ({"uri": {"regex": "/v[0-9]+", "prefix": "/"}}, "/x", False),
        ({"uri": {"regex": "/v[0-9]+", "exact": "/x"}}, "/v1", True),
        ({"uri": {"prefix": "/x", "exact": "/v"}}, "/xy", True),
        ({"queryParams": {"k": {"exact": "v"}}}, "/?a=b&k=v", True),
        ({"queryParams": {"k": {"exact": "v"}}}, "/?k=w&k=v", False),
        ({"queryParams": {"k": {"exact": ""}}}, "/?k", True),
        ({"queryParams": {"k": {}}}, "/?kk=1", False),
        ({"queryParams": {"k": {"prefix": "ab"}}}, "/?k=abc", True),
        ({"queryParams": {"k": {"exact": "a b"}}}, "/?k=a%20b", False),
    ],
)
def test_paths_and_queries(match: dict[str, object], target: str, expected: bool) -> None:
    assert _matches(match, target) is expected


@pytest.mark.parametrize(
    ("condition", "lines", "expected"),
    [
        ({"exact": "a"}, ["a"], True),
        ({"exact": "a"}, ["A"], False),
        ({"exact": "a,b"}, ["a", "b"], False),
        ({"exact": "b"}, ["a", "b"], True),
        ({"prefix": "ca"}, ["canary"], True),
        ({"regex": "[a-z]+1"}, ["abc1"], True),
        ({"regex": "[a-z]+1"}, ["abc12"], False),
        ({"regex": ".*"}, [""], True),
        ({"regex": ".*"}, [], False),
        ({}, [""], True),
        ({}, [], False),
    ],
)
def test_headers(condition: dict[str, str], lines: list[str], expected: bool) -> None:
    headers = [("X-A", line) for line in lines]
    assert _matches({"headers": {"x-a": condition}}, headers=headers) is expected


@pytest.mark.parametrize(
    ("condition", "lines", "expected"),
    [
        ({"exact": "a"}, [], True),
        ({"exact": "a"}, ["b"], True),
        ({"exact": "a"}, ["b", "a"], False),
        ({}, [], True),
        ({}, [""], False),
        ({"regex": "*"}, [], True),
        ({"regex": "*"}, ["x"], False),
        ({"regex": ".*"}, [], False),
    ],
)
def test_headers_that_must_not_be(condition: dict[str, str], lines: list[str], expected: bool) -> None:
    headers = [("x-a", line) for line in lines]
    assert _matches({"withoutHeaders": {"X-A": condition}}, headers=headers) is expected


def test_authority_is_case_sensitive_and_has_its_port() -> None:
    assert _matches({"authority": {"exact": "a:80"}}, host="a:80")
    assert not _matches({"authority": {"exact": "a"}}, host="a:80")
    assert not _matches({"authority": {"exact": "a"}}, host="A")


def test_pseudo_headers_are_the_request_line() -> None:
    assert _matches({"headers": {":path": {"exact": "/p?q=1"}}}, "/p?q=1")
    assert _matches({"headers": {":method": {"exact": "PUT"}}}, method="PUT")
    assert not _matches({"withoutHeaders": {":method": {"exact": "PUT"}}}, method="PUT")


def test_all_conditions_of_an_entry_must_hold() -> None:
    match = {"uri": {"prefix": "/a"}, "method": {"exact": "GET"}, "headers": {"x": {"exact": "1"}}}
    assert _matches(match, "/a", headers=[("x", "1")])
    assert not _matches(match, "/a", headers=[("x", "2")])
    assert not _matches(match, "/b", headers=[("x", "1")])


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, True),
        ({"uri": {"prefix": "/"}}, True),
        ({"uri": {"regex": ".*"}}, True),
        ({"uri": {"prefix": "/a"}}, False),
        ({"uri": {"prefix": "/"}, "headers": {"x": {}}}, False),
        ({"method": {"exact": "GET"}}, False),
        ({"port": 80}, True),
    ],
)
def test_what_istio_takes_for_a_catch_all(match: dict[str, object], expected: bool) -> None:
    assert is_catch_all(decode(HttpMatch, match)) is expected
