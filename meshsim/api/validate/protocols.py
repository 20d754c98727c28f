"""The protocols of ports."""

from typing import Final

_HTTP: Final = frozenset({"http", "http2", "http_proxy", "grpc", "grpc-web"})
_TLS: Final = frozenset({"https", "tls"})
_TCP: Final = frozenset({"tcp", "mongo", "redis", "mysql"}) | _TLS


def is_known(protocol: str) -> bool:
    """A protocol that Istio knows."""
    return protocol.lower() in _HTTP | _TCP | {"udp"}


def is_http(protocol: str) -> bool:
    """Plain-text HTTP of any version."""
    return protocol.lower() in _HTTP


def is_tls(protocol: str) -> bool:
    """TLS, with HTTP inside or not."""
    return protocol.lower() in _TLS


def is_tcp(protocol: str) -> bool:
    """A byte stream; TLS is one too."""
    return protocol.lower() in _TCP
