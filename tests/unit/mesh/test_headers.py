"""Header operations and the format strings in their values."""

import pytest

from meshsim.api.decode import decode
from meshsim.api.networking import HeaderOperations, Headers
from meshsim.mesh.format import compile_format
from meshsim.mesh.headers import apply_stages, authority_of, compile_stages


class Said:
    """An exchange that says these things."""

    def __init__(self, **values: str) -> None:
        self._values = values

    def command(self, name: str, argument: str) -> str | None:
        return self._values.get(f"{name}_{argument}".rstrip("_").replace("-", "_").lower())


def _operations(**fields: object) -> HeaderOperations:
    return decode(HeaderOperations, fields)


def test_remove_comes_before_set_and_set_before_add() -> None:
    stages = compile_stages(
        [_operations(add={"x-o": "added"}, set={"X-O": "set"}, remove=["x-o", "x-gone"])], merged=True
    )
    lines = apply_stages(stages, [(b"x-o", b"client"), (b"x-gone", b"1"), (b"y", b"2")], Said())
    assert lines == [(b"y", b"2"), (b"x-o", b"set"), (b"x-o", b"added")]


def test_set_replaces_every_line_in_the_place_of_the_first() -> None:
    stages = compile_stages([_operations(set={"a": "new"})], merged=True)
    assert apply_stages(stages, [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")], Said()) == [(b"a", b"new"), (b"b", b"2")]


def test_merged_levels_let_the_later_win_and_separate_ones_too() -> None:
    levels = [_operations(set={"x": "1"}, add={"y": "A"}), _operations(set={"x": "2"}, add={"y": "B"})]
    for merged in (True, False):
        lines = apply_stages(compile_stages(levels, merged=merged), [], Said())
        assert dict(lines)[b"x"] == b"2"
        assert [value for name, value in lines if name == b"y"] == [b"A", b"B"]


def test_nothing_compiles_to_nothing() -> None:
    assert compile_stages([None, HeaderOperations()], merged=False) == ()


def test_host_and_pseudo_headers_are_no_headers() -> None:
    headers = Headers(request=_operations(set={":authority": "a", ":path": "/x"}, remove=["host"]))
    assert headers.request is not None
    assert compile_stages([headers.request], merged=True) == ()
    assert authority_of(headers) == "a"
    assert authority_of(Headers(request=_operations(add={"Host": "b"}))) == "b"
    assert authority_of(None) is None


def test_an_empty_value_sends_no_header() -> None:
    stages = compile_stages([_operations(set={"a": "", "b": "%REQ(x)%"})], merged=True)
    assert apply_stages(stages, [(b"a", b"old")], Said()) == [(b"a", b"old")]


def test_values_are_formed_before_any_header_is_changed() -> None:
    stages = compile_stages([_operations(set={"a": "%REQ(b)%", "b": "%REQ(a)%"})], merged=True)
    context = Said(req_a="1", req_b="2")
    assert apply_stages(stages, [], context) == [(b"a", b"2"), (b"b", b"1")]


@pytest.mark.parametrize(
    ("text", "formed"),
    [
        ("plain", "plain"),
        ("100%%", "100%"),
        ("a%REQ(x-in)%b", "aIb"),
        ("a%REQ(nope)%b", "ab"),
        ("%REQ(nope?x-in)%", "I"),
        ("%LONG:3%", "abc"),
        ("50% off", "50% off"),
    ],
)
def test_format_strings(text: str, formed: str) -> None:
    assert compile_format(text)(Said(req_x_in="I", long="abcdef")) == formed


def test_what_is_absent_has_a_stand_in_in_logs() -> None:
    assert compile_format("[%REQ(nope)%]", absent="-")(Said()) == "[-]"
