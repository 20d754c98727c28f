"""A request as the mesh's decisions see it."""

from typing import Protocol


class HeaderFields(Protocol):
    """The headers of a message; names are lower-case."""

    def values(self, name: bytes) -> tuple[bytes, ...]:
        """The values of a header, one for each line that has it."""

    def first(self, name: bytes) -> bytes:
        """The value of the first line of a header, empty without one."""


class Request:
    """One request, its path normalised.

    `target` is path and query, `path` ends before the `?`; `authority` is Host as it came, port included.
    """

    __slots__ = ("authority", "fields", "method", "path", "scheme", "source_ip", "target")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        authority: bytes,
        fields: HeaderFields,
        scheme: bytes = b"http",
        source_ip: bytes = b"",
    ) -> None:
        self.method = method
        self.target = target
        self.path = target.partition(b"?")[0] if b"?" in target else target
        self.authority = authority
        self.fields = fields
        self.scheme = scheme
        self.source_ip = source_ip

    @property
    def query(self) -> bytes:
        """What follows the first `?`, without it."""
        return self.target[len(self.path) + 1 :]
