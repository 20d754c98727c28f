"""What happens to a request's target: normalised, rewritten, or where a redirect points."""

import pytest

from meshsim.api.decode import decode
from meshsim.api.networking import HttpMatch, Redirect, Rewrite
from meshsim.mesh.normalise import NORMALISATIONS
from meshsim.mesh.reply import compile_redirect
from meshsim.mesh.rewrite import compile_rewrite
from tests.kits.mesh import request


@pytest.mark.parametrize(
    ("how", "target", "expected"),
    [
        ("BASE", "/a/../b", "/b"),
        ("BASE", "/../../x", "/x"),
        ("BASE", "/./a/./b", "/a/b"),
        ("BASE", "/a/..", "/"),
        ("BASE", "/a/.", "/a/"),
        ("BASE", "/a/.b", "/a/.b"),
        ("BASE", "/%61?%61#f", "/a?%61"),
        ("BASE", "/x/%2e%2e/a", "/a"),
        ("BASE", "/x%2f..%2fa", "/x%2f..%2fa"),
        ("BASE", "/x\\..\\a", "/a"),
        ("BASE", "//a", "//a"),
        ("BASE", "/a%zz%", "/a%zz%"),
        ("NONE", "/a/../b#f", "/a/../b"),
        ("MERGE_SLASHES", "//a///b?c=//", "/a/b?c=//"),
        ("DECODE_AND_MERGE_SLASHES", "/a%2F%5C%2fb", "/a/b"),
    ],
)
def test_normalisation(how: str, target: str, expected: str) -> None:
    assert NORMALISATIONS[how](target.encode()) == expected.encode()


@pytest.mark.parametrize(
    ("uri", "rewrite", "target", "expected"),
    [
        ({"prefix": "/api"}, {"uri": "/"}, "/api/v1?x=1", "//v1?x=1"),
        ({"prefix": "/api/"}, {"uri": "/"}, "/api/v1", "/v1"),
        ({"prefix": "/to"}, {"uri": "/base/"}, "/to/x", "/base//x"),
        ({"exact": "/e"}, {"uri": "/done"}, "/e?q", "/done?q"),
        ({"regex": "/r.*"}, {"uri": "/w"}, "/rx/a", "/w"),
        (None, {"uri": "/new"}, "/foo", "/newfoo"),
        (None, {"uriRegexRewrite": {"match": "^/a/([^/]+)/(.*)$", "rewrite": "/\\2/\\1"}}, "/a/b/c?a/b", "/c/b?a/b"),
        (None, {"uriRegexRewrite": {"match": "o", "rewrite": "0"}}, "/foo/boo?o", "/f00/b00?o"),
    ],
)
def test_rewriting(uri: dict[str, str] | None, rewrite: dict[str, object], target: str, expected: str) -> None:
    match = decode(HttpMatch, {"uri": uri}) if uri else None
    rewritten = compile_rewrite(decode(Rewrite, rewrite), match)
    assert rewritten is not None
    assert rewritten(target.encode()) == expected.encode()


def test_an_authority_alone_leaves_the_target_alone() -> None:
    assert compile_rewrite(Rewrite(authority="x"), None) is None
    assert compile_rewrite(None, None) is None


@pytest.mark.parametrize(
    ("redirect", "host", "target", "location"),
    [
        ({"uri": "/new"}, "h:8080", "/a?q=1", "http://h:8080/new?q=1"),
        ({"uri": "/x?y=1"}, "h", "/a?z=2", "http://h/x?y=1"),
        ({"authority": "other"}, "h:8080", "/a", "http://other/a"),
        ({"scheme": "https"}, "h", "/a?q", "https://h/a?q"),
        ({"scheme": "https"}, "h:80", "/a", "https://h/a"),
        ({"scheme": "https"}, "h:8080", "/a", "https://h:8080/a"),
        ({"port": 8443, "scheme": "https"}, "h:1", "/", "https://h:8443/"),
        ({"port": 443, "scheme": "https"}, "h", "/", "https://h/"),
        ({"port": 80}, "h:8080", "/", "http://h:8080/"),
        ({"derivePort": "FROM_REQUEST_PORT"}, "h", "/", "http://h:9080/"),
        ({"derivePort": "FROM_PROTOCOL_DEFAULT"}, "h", "/", "http://h/"),
        ({"prefixRewrite": "/post/"}, "h", "/pre/a?x", "http://h/post/a?x"),
        ({"uri": "new"}, "a.com", "/old", "http://a.com/new"),
    ],
)
def test_redirects(redirect: dict[str, object], host: str, target: str, location: str) -> None:
    match = decode(HttpMatch, {"uri": {"prefix": "/pre/"}})
    reply = compile_redirect(decode(Redirect, redirect), match)
    assert reply.status == 301
    assert reply.locate(request(target, host), 9080) == location.encode()
