"""The two sides of an exchange as they see each other: a client's connection, an upstream's, and who uses it."""

from typing import Protocol

from meshsim.http1.fields import ResponseFields
from meshsim.mesh.retry import Reset


class UpstreamUser(Protocol):
    """Who sends a request over a connection and gets the response."""

    is_head_request: bool

    def on_connected(self, upstream: "Connection") -> None:
        """A connection is yours."""

    def on_reset(self, reset: Reset, cause: str = "") -> None:
        """There will be no (further) response; `cause` may tell more of why."""

    def on_informational(self, status: int, fields: ResponseFields) -> None:
        """A 1xx response came; another follows."""

    def on_response(self, status: int, fields: ResponseFields) -> None:
        """The head of the response came."""

    def on_data(self, data: bytes) -> None:
        """A piece of the body."""

    def on_whole(self, status: int, fields: ResponseFields, body: bytes) -> None:
        """Head and body came together; nothing follows, the connection is free."""

    def on_end(self) -> None:
        """The response is complete; the connection is free."""

    def on_tunnel(self, fields: ResponseFields) -> None:
        """101: the connection now carries another protocol."""

    def on_writable(self, *, writable: bool) -> None:
        """Whether more of the request should be written now."""


class Connection(Protocol):
    """A connection to a host. It serves one user at a time."""

    is_closing: bool
    idle_since: float

    def begin(self, user: UpstreamUser, head: bytes) -> None:
        """Send a request's head; the body follows by `write`."""

    def write(self, data: bytes) -> None:
        """Send more of the request."""

    def unsent_bytes(self) -> int:
        """How much of what was written has not left yet."""

    def release(self, now: float) -> None:
        """Give the connection back, when request and response are both over."""

    def abandon(self) -> None:
        """The user doesn't want the response any more."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read again."""

    def close(self) -> None:
        """Close once everything is written."""


class Copy(Protocol):
    """A copy of a request on its way to a mirror."""

    def write(self, data: bytes) -> None:
        """More of the request's body."""

    def complete(self) -> None:
        """The request is complete."""

    def drop(self) -> None:
        """Give it up."""


class Client(Protocol):
    """A client's connection, as an exchange uses it."""

    ip: bytes
    peer: bytes
    """What a gateway says of the client in each head it sends up."""
    listener: int
    is_http10: bool
    keeps_alive: bool
    """Another request may follow; an exchange that must close the connection sets it to False."""
    sent_bytes: int
    """Written since the exchange began."""

    def send(self, data: bytes) -> None:
        """Write a part of the response."""

    def pause(self) -> None:
        """Take no more from the client for now."""

    def resume(self) -> None:
        """Take more again."""

    def abort(self) -> None:
        """Cut the connection: the client sees that the response is not whole."""

    def become_tunnel(self) -> None:
        """Bytes pass as they are from now on."""

    def exchange_over(self) -> None:
        """The response is written: go on with the next request, or close."""

    def address(self, name: str) -> str | None:
        """An address of the connection, by its command operator's name."""


class Leaving(Protocol):
    """A client's connection, as whoever notices its end uses it."""

    def left(self) -> None:
        """The client will send nothing more."""


class Closable(Protocol):
    """A client's connection, as whoever ends them uses it."""

    def drain(self) -> None:
        """Close if no exchange is in flight; else after it."""

    def expire(self) -> None:
        """It waited too long for what should have come."""

    def abort(self) -> None:
        """Close at once."""


class Timed(Protocol):
    """An exchange, as timeouts end it."""

    def on_response_timeout(self) -> None:
        """The response took too long."""

    def on_per_try_timeout(self) -> None:
        """An attempt took too long."""

    def on_body_timeout(self) -> None:
        """A body stood still for too long."""
