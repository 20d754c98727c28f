"""TLS that answers who speaks plain HTTP to it, as a Kubernetes API server does, before it hangs up."""

import ssl
from typing import Final

_TOLD: Final = b"Client sent an HTTP request to an HTTPS server.\n"
_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_TOLD), _TOLD)
)


class _Connection(ssl.SSLObject):
    outgoing: ssl.MemoryBIO

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            if error.reason != "HTTP_REQUEST":
                raise
            self.outgoing.write(_ANSWER)
            # So that it is sent, which nothing is after a failure. A client that doesn't hang up by itself is hung up
            # on when it says more, or takes too long over its handshake.
            raise ssl.SSLWantReadError from None


class HttpsContext(ssl.SSLContext):
    """A server's context."""

    sslobject_class = _Connection

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        wrapped = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(wrapped, _Connection)
        wrapped.outgoing = outgoing
        return wrapped
