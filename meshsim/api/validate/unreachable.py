"""Warnings about rules and matches that no traffic can reach, because earlier ones take it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from meshsim.api.networking import HttpMatch, HttpRoute, L4Match, StringMatch, TcpRoute, TlsMatch, TlsRoute
from meshsim.api.validate.findings import Finding, Findings, warning
from meshsim.api.validate.gotext import quote

Route = HttpRoute | TcpRoute | TlsRoute
Match = HttpMatch | L4Match | TlsMatch


def check_reachable(path: str, routes: Sequence[Route]) -> Findings:
    """Rules after one that matches everything, matches that repeat an earlier one, prefixes inside earlier ones."""
    seen: dict[bytes, tuple[int, int]] = {}
    prefixes: list[_Prefix] = []
    has_catch_all = False
    for number, route in enumerate(routes):
        at = f"{path}[{number}]"
        if not route.match:
            if has_catch_all:
                yield _unused(at, route, number, "only the last rule can have no matches")
            has_catch_all = True
            continue
        if has_catch_all:
            for _ in route.match:
                yield _unused(at, route, number, "route without matches defined before")
            continue
        matches: Sequence[Match] = route.match
        firsts = [seen.setdefault(_identity(match), (number, index)) for index, match in enumerate(matches)]
        repeats = {index: rule for index, (rule, at_index) in enumerate(firsts) if (rule, at_index) != (number, index)}
        for index, rule in repeats.items():
            match_name = _name(matches[index], index)
            yield _ineffective(f"{at}.match[{index}]", _name(route, number), match_name, _name(routes[rule], rule))
        if len(repeats) == len(matches):
            yield _unused(at, route, number, "all matches used by prior rules")
        prefixes += [
            _Prefix(f"{at}.match[{index}]", _name(route, number), _name(match, index), match.uri.prefix, match)
            for index, match in enumerate(matches)
            if index not in repeats and isinstance(match, HttpMatch) and match.uri and match.uri.prefix
        ]
    yield from _check_prefixes(prefixes)


def _unused(path: str, route: Route, number: int, reason: str) -> Finding:
    return warning(path, f"virtualService rule {_name(route, number)} not used ({reason})")


def _ineffective(path: str, rule: str, match: str, earlier: str) -> Finding:
    text = f"virtualService rule {rule} match {match} is not used (duplicate/overlapping match in rule {earlier})"
    return warning(path, text)


def _name(part: Route | Match, number: int) -> str:
    name = getattr(part, "name", "")
    return quote(name) if name else f"#{number}"


_AS_JSON: Final = msgspec.json.Encoder(order="deterministic")


def _identity(match: Match) -> bytes:
    """What two matches have in common that take the same traffic; their names don't matter."""
    return _AS_JSON.encode(msgspec.structs.replace(match, name="") if isinstance(match, HttpMatch) else match)


@dataclass(frozen=True, slots=True)
class _Prefix:
    """A match by a prefix of the path, and what else it asks."""

    path: str
    rule: str
    name: str
    prefix: str
    match: HttpMatch

    def covers(self, other: "_Prefix") -> bool:
        """Whether Istio takes every request of the other for one of this (it compares texts, not meanings)."""
        mine, theirs = self.match, other.match
        return (
            other.prefix.startswith(self.prefix)
            and mine.port == theirs.port
            and (_compared(mine.method) or "exact:GET").startswith(_compared(theirs.method) or "exact:GET")
            and _compared(mine.authority).startswith(_compared(theirs.authority))
            and _all_covered(mine.headers, theirs.headers)
            and _all_covered(mine.query_params, theirs.query_params)
            and _all_covered(mine.without_headers, theirs.without_headers)
        )


def _check_prefixes(prefixes: Sequence[_Prefix]) -> Findings:
    for number, earlier in enumerate(prefixes):
        for later in prefixes[number + 1 :]:
            if later.prefix != earlier.prefix and earlier.covers(later):
                yield _ineffective(
                    later.path,
                    later.rule,
                    f"{later.name} of prefix {later.prefix}",
                    f"{earlier.name} of prefix {earlier.prefix} on {earlier.rule}",
                )


def _compared(match: StringMatch | None) -> str:
    if match is None:
        return ""
    return f"exact:{match.exact}" if match.exact else f"prefix:{match.prefix}" if match.prefix else ""


def _all_covered(mine: Mapping[str, StringMatch], theirs: Mapping[str, StringMatch]) -> bool:
    return mine.keys() == theirs.keys() and all(
        _compared(match).startswith(_compared(theirs[name])) for name, match in mine.items()
    )
