"""Requests that two readers could read differently: none is passed on, and what is passed on is beyond doubt.

The sender of each writes a second request right behind it. A refused one must not bring that to anybody's attention;
one that is passed on must reach the upstream alone, with the second after it.
"""

import asyncio
import time
from typing import Final

import pytest

from meshsim.proxy.settings import Settings
from tests.kits.dataplane import Proxy, app, proxying
from tests.kits.wiretap import Wiretap

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["uvloop"])]

_WITHIN_S: Final = 1.8
_HOST: Final = b"Host: app.test\r\n"
_SECOND: Final = b"GET /second HTTP/1.1\r\nHost: app.test\r\n\r\n"
_HIDDEN: Final = b"GET /hidden HTTP/1.1\r\nHost: app.test\r\n\r\n"


def _get(line: bytes = b"GET / HTTP/1.1", *fields: bytes, host: bytes = _HOST) -> bytes:
    return line + b"\r\n" + host + b"".join(one + b"\r\n" for one in fields) + b"\r\n"


def _post(*fields: bytes, body: bytes = b"") -> bytes:
    return _get(b"POST / HTTP/1.1", *fields) + body


def _chunks(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked", body=body)


_LINES: Final = {
    "two blanks": b"GET  / HTTP/1.1",
    "two blanks before the version": b"GET /  HTTP/1.1",
    "a tab": b"GET\t/ HTTP/1.1",
    "a tab before the version": b"GET /\tHTTP/1.1",
    "a vertical tab": b"GET /\x0bHTTP/1.1",
    "a form feed": b"GET\x0c/ HTTP/1.1",
    "a no-break space": b"GET\xa0/ HTTP/1.1",
    "a blank first": b" GET / HTTP/1.1",
    "a blank last": b"GET / HTTP/1.1 ",
    "no target": b"GET HTTP/1.1",
    "an empty target": b"GET  HTTP/1.1",
    "a blank in the target": b"GET /a b HTTP/1.1",
    "a CR in the line": b"GET /\rHTTP/1.1",
    "a CR before the end": b"GET / HTTP/1.1\r",
    "NUL in the target": b"GET /\x00 HTTP/1.1",
    "DEL in the target": b"GET /\x7f HTTP/1.1",
    "ESC in the target": b"GET /\x1b HTTP/1.1",
    "eight bits in the target": b"GET /\xe9 HTTP/1.1",
    "an overlong slash in the target": b"GET /\xc0\xaf HTTP/1.1",
    "a lower-case method": b"get / HTTP/1.1",
    "a method with a tail": b"GET! / HTTP/1.1",
    "a method that is no token": b'G"T / HTTP/1.1',
    "a method with NUL": b"G\x00T / HTTP/1.1",
    "an unknown method": b"SMUGGLE / HTTP/1.1",
    "a lower-case version": b"GET / http/1.1",
    "a version without a minor": b"GET / HTTP/1",
    "a version with a dot and nothing": b"GET / HTTP/1.",
    "a version of two digits": b"GET / HTTP/1.10",
    "a version with zeros": b"GET / HTTP/01.01",
    "a version with a blank": b"GET / HTTP/ 1.1",
    "a version with a comma": b"GET / HTTP/1,1",
    "a version with a sign": b"GET / HTTP/+1.1",
    "a version with a tail": b"GET / HTTP/1.1x",
    "a version that overflows": b"GET / HTTP/257.257",
    "another protocol": b"GET / ICY/1.1",
    "no protocol": b"GET / 1.1",
    "a star for GET": b"GET * HTTP/1.1",
    "an authority for GET": b"GET app.test:80 HTTP/1.1",
    "a path without its slash": b"GET a HTTP/1.1",
    "a path for CONNECT": b"CONNECT /a HTTP/1.1",
    "an absolute target without a host": b"GET http:///a HTTP/1.1",
    "an absolute target of nothing": b"GET http:// HTTP/1.1",
    "an absolute target with a user": b"GET http://u@app.test/ HTTP/1.1",
    "an absolute target with a bad port": b"GET http://app.test:x/ HTTP/1.1",
    "an absolute target of another scheme": b"GET ftp://app.test/ HTTP/1.1",
    "an absolute target with one slash": b"GET http:/app.test/ HTTP/1.1",
}

_FIELDS: Final = {
    "a blank before the colon": b"X : a",
    "a tab before the colon": b"X\t: a",
    "no colon": b"X",
    "a blank for a colon": b"Content-Length 5",
    "an empty name": b": a",
    "only a colon": b":",
    "a name in brackets": b"X[0]: a",
    "a name with a quote": b'X"Y: a',
    "a name with a slash": b"X/Y: a",
    "a name with a blank": b"X Y: a",
    "a name with NUL": b"X\x00: a",
    "a name with a control": b"X\x01: a",
    "a name with DEL": b"X\x7f: a",
    "a name of eight bits": b"X\xeb: a",
    "a name that ends in NEL": b"Content-Length\x85: 5",
    "a name that ends in a no-break space": b"Content-Length\xa0: 5",
    "a folded line": b"X: a\r\n b",
    "a line folded by a tab": b"X: a\r\n\tb",
    "a line folded into nothing": b"X: a\r\n ",
    "a folded Transfer-Encoding": b"Transfer-Encoding:\r\n chunked",
    "a name over two lines": b"Transfer-\r\nEncoding: chunked",
    "NUL in a value": b"X: a\x00b",
    "NUL behind a value": b"X: a\x00",
    "CR in a value": b"X: a\rb",
    "CR and a field in a value": b"X: a\rContent-Length: 5",
    "CR CR at the end": b"X: a\r",
    "LF in a value": b"X: a\nY: b",
    "LF and CR": b"X: a\n\rY: b",
    "VT in a value": b"X: \x0ba",
    "FF in a value": b"X: \x0ca",
    "BEL in a value": b"X: a\x07",
    "DEL in a value": b"X: a\x7f",
}

_LENGTHS: Final = {
    "a sign": (b"Content-Length: +5",),
    "a minus": (b"Content-Length: -5",),
    "minus zero": (b"Content-Length: -0",),
    "nothing": (b"Content-Length:",),
    "blanks": (b"Content-Length:   ",),
    "a hexadecimal number": (b"Content-Length: 0x5",),
    "an octal number": (b"Content-Length: 0o5",),
    "an underscore": (b"Content-Length: 1_0",),
    "a blank within": (b"Content-Length: 1 0",),
    "a point": (b"Content-Length: 5.0",),
    "an exponent": (b"Content-Length: 5e0",),
    "a tail": (b"Content-Length: 5x",),
    "a quoted number": (b'Content-Length: "5"',),
    "digits of another script": (b"Content-Length: \xd9\xa5",),
    "a superscript": (b"Content-Length: \xb2",),
    "a vertical tab": (b"Content-Length: \x0b5",),
    "a list of equals": (b"Content-Length: 5,5",),
    "a list of three": (b"Content-Length: 5, 5, 5",),
    "a list of others": (b"Content-Length: 5, 0",),
    "a list with nothing in it": (b"Content-Length: 5,",),
    "more than fits 64 bits": (b"Content-Length: 18446744073709551621",),
    "more than fits 63 bits": (b"Content-Length: 9223372036854775808",),
    "two equal lines": (b"Content-Length: 5", b"Content-Length: 5"),
    "two lines that differ": (b"Content-Length: 5", b"Content-Length: 0"),
    "an empty line first": (b"Content-Length:", b"Content-Length: 5"),
    "an empty line last": (b"Content-Length: 5", b"Content-Length:"),
    "a length and chunks": (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "chunks and a length": (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "chunks and a length of nothing": (b"Transfer-Encoding: chunked", b"Content-Length:"),
    "another coding and a length": (b"Transfer-Encoding: identity", b"Content-Length: 5"),
    "an unknown coding and a length": (b"Transfer-Encoding: xchunked", b"Content-Length: 5"),
    "an empty coding and a length": (b"Transfer-Encoding:", b"Content-Length: 5"),
}

_CODINGS: Final = {
    "nothing": (b"Transfer-Encoding:",),
    "only a comma": (b"Transfer-Encoding: ,",),
    "a comma first": (b"Transfer-Encoding: ,chunked",),
    "a comma last": (b"Transfer-Encoding: chunked,",),
    "chunked twice": (b"Transfer-Encoding: chunked, chunked",),
    "chunked on two lines": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "chunked and not last": (b"Transfer-Encoding: chunked, gzip",),
    "chunked and then identity": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "a parameter": (b"Transfer-Encoding: chunked;a=b",),
    "a semicolon": (b"Transfer-Encoding: chunked;",),
    "quotes": (b'Transfer-Encoding: "chunked"',),
    "a blank within": (b"Transfer-Encoding: chun ked",),
    "a tail": (b"Transfer-Encoding: chunked x",),
    "eight bits around": (b"Transfer-Encoding: \xffchunked\xff",),
    "no-break spaces around": (b"Transfer-Encoding: \xa0chunked\xa0",),
    "NEL behind": (b"Transfer-Encoding: chunked\x85",),
    "NUL behind": (b"Transfer-Encoding: chunked\x00",),
    "a vertical tab": (b"Transfer-Encoding: \x0bchunked",),
    "a form feed": (b"Transfer-Encoding: \x0cchunked",),
    "a blank before the colon": (b"Transfer-Encoding : chunked",),
}
_UNKNOWN_CODINGS: Final = (b"xchunked", b"identity", b"gzip", b"gzip, chunked", b"cow, chunked")

_HOSTS: Final = {
    "none": b"",
    "two equal lines": _HOST * 2,
    "two lines that differ": _HOST + b"Host: other.test\r\n",
    "an empty one first": b"Host:\r\n" + _HOST,
    "a list": b"Host: app.test, other.test\r\n",
    "a user": b"Host: user@app.test\r\n",
    "a user and a password": b"Host: a:b@app.test\r\n",
    "a path": b"Host: app.test/a\r\n",
    "a query": b"Host: app.test?a\r\n",
    "a fragment": b"Host: app.test#a\r\n",
    "a backslash": b"Host: app.test\\a\r\n",
    "a scheme": b"Host: http://app.test\r\n",
    "a blank within": b"Host: app.test other.test\r\n",
    "a tab within": b"Host: app.test\tother.test\r\n",
    "a port that is no number": b"Host: app.test:http\r\n",
    "a port with a sign": b"Host: app.test:+80\r\n",
    "a port out of range": b"Host: app.test:65536\r\n",
    "a port of many digits": b"Host: app.test:00000000080\r\n",
    "two ports": b"Host: app.test:80:80\r\n",
    "an IPv6 address without brackets": b"Host: ::1\r\n",
    "an IPv6 address without an end": b"Host: [::1\r\n",
    "an IPv6 address with a tail": b"Host: [::1]x\r\n",
    "brackets around a name": b"Host: [app.test]\r\n",
    "brackets around nothing": b"Host: []\r\n",
    "angle brackets": b"Host: <app.test>\r\n",
    "a quote": b'Host: "app.test"\r\n',
    "half an escape": b"Host: app%2.test\r\n",
    "eight bits": b"Host: \xe4pp.test\r\n",
    "NUL": b"Host: app.test\x00.other\r\n",
    "a blank before the colon": b"Host : app.test\r\n",
    "a blank before the name": b" Host: app.test\r\n",
}

_BODIES: Final = {
    "a plus": b"+3\r\nabc\r\n0\r\n\r\n",
    "a minus": b"-3\r\nabc\r\n0\r\n\r\n",
    "minus zero": b"-0\r\n\r\n",
    "plus zero": b"+0\r\n\r\n",
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "0x and nothing": b"0x\r\n\r\n",
    "0X zero": b"0X0\r\n\r\n",
    "an underscore": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "a valid beginning": b"0_2e\r\n\r\n" + _HIDDEN,
    "no digit": b"\r\nabc\r\n0\r\n\r\n",
    "a letter": b"g\r\nabc\r\n0\r\n\r\n",
    "a sharp": b"#3\r\nabc\r\n0\r\n\r\n",
    "a quoted size": b'"3"\r\nabc\r\n0\r\n\r\n',
    "a comma": b"3,3\r\nabc\r\n0\r\n\r\n",
    "a blank first": b" 3\r\nabc\r\n0\r\n\r\n",
    "a tab first": b"\t3\r\nabc\r\n0\r\n\r\n",
    "a blank last": b"3 \r\nabc\r\n0\r\n\r\n",
    "a tab last": b"3\t\r\nabc\r\n0\r\n\r\n",
    "a digit of another script": b"\xd9\xa3\r\nabc\r\n0\r\n\r\n",
    "NUL last": b"3\x00\r\nabc\r\n0\r\n\r\n",
    "sixty-four bits": b"FFFFFFFFFFFFFFFF\r\nabc\r\n",
    "sixty-five bits": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "the top bit": b"8000000000000003\r\nabc\r\n0\r\n\r\n",
    "a hundred zeros": b"0" * 100 + b"3\r\nabc\r\n0\r\n\r\n",
    "five thousand zeros": b"0" * 5000 + b"3\r\nabc\r\n0\r\n\r\n",
    "LF behind the size": b"3\nabc\r\n0\r\n\r\n",
    "CR behind the size": b"3\rabc\r\n0\r\n\r\n",
    "CR CR behind the size": b"3\r\r\nabc\r\n0\r\n\r\n",
    "CR and another byte behind the size": b"3\rXabc\r\n0\r\n\r\n",
    "LF behind the data": b"3\r\nabc\n0\r\n\r\n",
    "CR behind the data": b"3\r\nabc\r0\r\n\r\n",
    "nothing behind the data": b"3\r\nabc0\r\n\r\n",
    "another two bytes behind the data": b"3\r\nabcXX0\r\n\r\n",
    "data that is longer": b"3\r\nabcde\r\n0\r\n\r\n",
    "data that is shorter": b"5\r\nabc\r\n0\r\n\r\n" + _HIDDEN,
    "a blank line between": b"3\r\nabc\r\n\r\n0\r\n\r\n",
    "a semicolon and nothing": b"3;\r\nabc\r\n0\r\n\r\n",
    "an extension without a name": b"3;=a\r\nabc\r\n0\r\n\r\n",
    "an extension without a value": b"3;a=\r\nabc\r\n0\r\n\r\n",
    "an extension that is no token": b"3;a[]=b\r\nabc\r\n0\r\n\r\n",
    "an extension with a blank": b"3;a b\r\nabc\r\n0\r\n\r\n",
    "an extension with an open quote": b'3;a="b\r\nabc\r\n0\r\n\r\n',
    "an extension with NUL": b"3;a\x00\r\nabc\r\n0\r\n\r\n",
    "an extension with CR": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "an extension with CR CR": b"3;a=b\r\r\nabc\r\n0\r\n\r\n",
    "an extension with LF": b"3;a\nabc\r\n0\r\n\r\n",
    "an extension with LF and a chunk": b"3;\nxx\r\n0\r\n\r\n" + _HIDDEN,
    "an extension that doesn't end": b"3;" + b"a" * 5000 + b"\r\nabc\r\n0\r\n\r\n",
    "CR before an extension": b"3\r;a\r\nabc\r\n0\r\n\r\n",
    "LF behind the last size": b"0\n\r\n",
    "LF at the end": b"0\r\n\n",
    "CR at the end": b"0\r\n\rX",
    "two bytes at the end": b"0\r\nXX",
    "a trailer without a colon": b"0\r\nX\r\n\r\n",
    "a trailer with a blank before the colon": b"0\r\nX : a\r\n\r\n",
    "a trailer without a name": b"0\r\n: a\r\n\r\n",
    "a folded trailer": b"0\r\nX: a\r\n b\r\n\r\n",
    "a trailer that begins with a blank": b"0\r\n X: a\r\n\r\n",
    "a trailer with LF": b"0\r\nX: a\n\r\n",
    "a trailer with CR": b"0\r\nX: a\rb\r\n\r\n",
    "a trailer with NUL": b"0\r\nX: \x00\r\n\r\n",
    "a request for a trailer": b"0\r\nGET /hidden HTTP/1.1\r\nHost: app.test\r\n\r\n",
}

_REFUSED: Final[dict[str, tuple[bytes, frozenset[int]]]] = {
    **{f"line: {name}": (_get(line), frozenset((400, 426))) for name, line in _LINES.items()},
    **{f"field: {name}": (_get(b"GET / HTTP/1.1", one), frozenset((400,))) for name, one in _FIELDS.items()},
    **{
        f"field first: {name}": (_get(b"GET / HTTP/1.1", host=one + b"\r\n" + _HOST), frozenset((400,)))
        for name, one in {"a blank": b" X: a", "a tab": b"\tX: a", "only blanks": b"  "}.items()
    },
    **{f"length: {name}": (_post(*lines, body=b"0\r\n\r\n"), frozenset((400,))) for name, lines in _LENGTHS.items()},
    **{f"coding: {name}": (_post(*lines, body=b"0\r\n\r\n"), frozenset((400,))) for name, lines in _CODINGS.items()},
    **{
        f"coding: {coding.decode()}": (_post(b"Transfer-Encoding: " + coding, body=b"0\r\n\r\n"), frozenset((501,)))
        for coding in _UNKNOWN_CODINGS
    },
    **{f"host: {name}": (_get(host=lines), frozenset((400,))) for name, lines in _HOSTS.items()},
    **{
        f"host of an absolute target: {name}": (
            _get(b"GET http://app.test/ HTTP/1.1", host=_HOSTS[name]),
            frozenset((400,)),
        )
        for name in ("none", "two equal lines", "a user")
    },
    **{f"body: {name}": (_chunks(body), frozenset((400,))) for name, body in _BODIES.items()},
    "a line that ends in LF": (b"GET / HTTP/1.1\n" + _HOST + b"\r\n", frozenset((400,))),
    "a head that ends in LF": (b"GET / HTTP/1.1\r\n" + _HOST + b"\n", frozenset((400,))),
    "a head that ends in CR": (b"GET / HTTP/1.1\r\n" + _HOST + b"\rX", frozenset((400,))),
    "a head of CRs": (b"GET / HTTP/1.1\r" + _HOST.replace(b"\n", b"") + b"\r\n\r\n", frozenset((400,))),
    "LF before the line": (b"\n" + _get(), frozenset((400,))),
    "HTTP/0.9": (b"GET /\r\n", frozenset((400, 426, 505))),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frozenset((400, 426, 505))),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", frozenset((400,))),
    "a protocol header of a proxy": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + _get(), frozenset((400,))),
    "chunks in HTTP/1.0": (
        b"POST / HTTP/1.0\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        frozenset((400, 426)),
    ),
    "a line of 100 KiB": (_get(b"GET /" + b"a" * 102400 + b" HTTP/1.1"), frozenset((400, 414, 431))),
    "a method of 100 KiB": (_get(b"G" * 102400 + b" / HTTP/1.1"), frozenset((400, 431))),
    "a name of 100 KiB": (_get(b"GET / HTTP/1.1", b"X" * 102400 + b": a"), frozenset((400, 431))),
    "a value of 100 KiB": (_get(b"GET / HTTP/1.1", b"X: " + b"a" * 102400), frozenset((400, 431))),
    "ten thousand fields": (_get(b"GET / HTTP/1.1", *[b"X: a"] * 10_000), frozenset((400, 431))),
}


async def _told(proxy: Proxy, raw: bytes) -> tuple[bytes, float]:
    """What a client is told before its connection ends, and how many seconds that takes."""
    client = await proxy.client()
    began = time.monotonic()
    client.writer.write(raw)
    async with asyncio.timeout(3):
        try:
            told = await client.reader.read(-1)
        except ConnectionResetError:
            told = b""
    return told, time.monotonic() - began


@pytest.mark.parametrize("name", _REFUSED)
async def test_what_can_be_read_in_two_ways_is_refused_and_its_connection_closed(name: str) -> None:
    raw, statuses = _REFUSED[name]
    async with Wiretap() as upstream, proxying(app(upstream.port)) as proxy:
        told, took_s = await _told(proxy, raw + _SECOND)
        assert told.count(b"HTTP/1.") == 1
        assert int(told[9:12]) in statuses
        assert b"\r\nconnection: close\r\n" in told
        assert took_s < _WITHIN_S
        # The head of a request whose body is wrong has gone up, but never an end of it or anything after it.
        assert upstream.requests in ([], [b"/"])
        assert not upstream.bodies
        assert not upstream.unclean()


_PASSED: Final[dict[str, tuple[bytes, bytes, bytes]]] = {
    "blank lines first": (b"\r\n\r\n" + _get(), b"/", b""),
    "blanks around values": (_get(b"GET / HTTP/1.1", b"X: \t a \t ", b"Y:b", b"Z:"), b"/", b""),
    "eight bits in a value": (_get(b"GET / HTTP/1.1", b"X: \xc3\xa9\xff"), b"/", b""),
    "an escaped line break": (_get(b"GET /a%0d%0aX:b HTTP/1.1"), b"/a%0d%0aX:b", b""),
    "an escaped NUL": (_get(b"GET /a%00 HTTP/1.1"), b"/a%00", b""),
    "a line of 8,000 bytes": (_get(b"GET /" + b"a" * 8000 + b" HTTP/1.1"), b"/" + b"a" * 8000, b""),
    "an absolute target": (_get(b"GET http://app.test/a HTTP/1.1"), b"/a", b""),
    "an absolute target and another host": (
        _get(b"GET http://app.test/a HTTP/1.1", host=b"Host: other.test\r\n"),
        b"/a",
        b"",
    ),
    "a host with its port": (_get(host=b"Host: app.test:80\r\n"), b"/", b""),
    "a host in capitals": (_get(host=b"hOSt: APP.test\r\n"), b"/", b""),
    "a length with zeros": (_post(b"Content-Length: 0003", body=b"abc"), b"/", b"abc"),
    "a length that looks octal": (_post(b"Content-Length: 010", body=b"0123456789"), b"/", b"0123456789"),
    "a length behind a tab": (_post(b"Content-Length:\t3 ", body=b"abc"), b"/", b"abc"),
    "a length that Connection names": (
        _post(b"Connection: content-length", b"Content-Length: 3", body=b"abc"),
        b"/",
        b"abc",
    ),
    "a coding that Connection names": (
        _post(b"Connection: transfer-encoding, te", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
        b"/",
        b"abc",
    ),
    "a host that Connection names": (_get(b"GET / HTTP/1.1", b"Connection: host"), b"/", b""),
    "names with underscores": (_get(b"GET / HTTP/1.1", b"Content_Length: 5", b"Transfer_Encoding: chunked"), b"/", b""),
    "a coding in capitals": (
        _post(b"TRANSFER-ENCODING: \tChunked ", body=b"3\r\nabc\r\n0\r\n\r\n"),
        b"/",
        b"abc",
    ),
    "GET with a body": (_get(b"GET / HTTP/1.1", b"Content-Length: 3") + b"abc", b"/", b"abc"),
    "GET with a request for a body": (
        _get(b"GET / HTTP/1.1", b"Content-Length: %d" % len(_HIDDEN)) + _HIDDEN,
        b"/",
        _HIDDEN,
    ),
    "OPTIONS with a body": (_get(b"OPTIONS / HTTP/1.1", b"Content-Length: 3") + b"abc", b"/", b"abc"),
    "a body of nothing": (_post(b"Content-Length: 0"), b"/", b""),
    "chunks in capitals": (_chunks(b"A\r\n0123456789\r\n0\r\n\r\n"), b"/", b"0123456789"),
    "a size with zeros": (_chunks(b"0003\r\nabc\r\n000\r\n\r\n"), b"/", b"abc"),
    "extensions": (_chunks(b'3;a;b=c ; d = "e\\" ;f"\r\nabc\r\n0;g\r\n\r\n'), b"/", b"abc"),
    "a request for a chunk": (_chunks(b"%x\r\n%b\r\n0\r\n\r\n" % (len(_HIDDEN), _HIDDEN)), b"/", _HIDDEN),
    "trailers": (
        _chunks(b"3\r\nabc\r\n0\r\nX: a\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: other.test\r\n\r\n"),
        b"/",
        b"abc",
    ),
    "an offer of HTTP/2": (
        _get(b"GET / HTTP/1.1", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAA"),
        b"/",
        b"",
    ),
    "Upgrade that Connection doesn't name": (_get(b"GET / HTTP/1.1", b"Upgrade: websocket"), b"/", b""),
}


@pytest.mark.parametrize("name", _PASSED)
async def test_what_can_be_read_in_one_way_only_is_passed_on_clean_and_alone(name: str) -> None:
    raw, target, body = _PASSED[name]
    async with Wiretap() as upstream, proxying(app(upstream.port)) as proxy:
        client = await proxy.client()
        client.writer.write(raw + _SECOND)
        assert [(await client.reply()).status for _ in range(2)] == [200, 200]
        assert upstream.requests == [target, b"/second"]
        assert upstream.bodies == [body, b""]
        assert not upstream.unclean()
        # Headers of the connection end with it, and so does what it names.
        assert not any(
            word in upstream.received.lower() for word in (b"connection:", b"http2-settings", b"\r\nupgrade:")
        )


@pytest.mark.parametrize("cut", ["head", "body", "chunks"])
async def test_a_request_that_doesnt_end_is_cut_in_time_and_never_completed(cut: str) -> None:
    raw = {
        "head": _get()[:-2],
        "body": _post(b"Content-Length: 10", body=b"abc"),
        "chunks": _chunks(b"3\r\nabc\r\n"),
    }[cut]
    settings = Settings(header_timeout_s=0.2, body_timeout_s=0.2)
    async with Wiretap() as upstream, proxying(app(upstream.port), settings=settings) as proxy:
        told, took_s = await _told(proxy, raw)
        assert told.startswith(b"HTTP/1.1 408 ")
        assert took_s < _WITHIN_S
        assert not upstream.bodies
        assert not upstream.unclean()


async def test_a_request_is_read_alike_wherever_it_is_cut() -> None:
    raw = _post(b"Transfer-Encoding: chunked", b"X: a", body=b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n") + _SECOND
    async with Wiretap() as upstream, proxying(app(upstream.port)) as proxy:
        for at in range(1, len(raw), 7):
            client = await proxy.client()
            client.writer.write(raw[:at])
            await asyncio.wait_for(client.writer.drain(), 5)
            client.writer.write(raw[at:])
            assert [(await client.reply()).status for _ in range(2)] == [200, 200]
        assert set(upstream.bodies) == {b"abc", b""}
        assert not upstream.unclean()
