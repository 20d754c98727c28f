"""Reading chunked bodies as they arrive."""

from collections.abc import Iterable

from meshsim.http1.chunked import ChunkDecoder
from meshsim.http1.errors import MessageError


def read_chunked(parts: Iterable[bytes]) -> object:
    """What comes of a body that arrives in these parts: its data and whether it ended, or that it was refused."""
    decoder, found = ChunkDecoder(), b""
    try:
        for part in parts:
            if not decoder.done:
                found += b"".join(decoder.feed(part))
    except MessageError:
        return "refused"
    return found, decoder.done
