"""The client's end of a SPDY connection: it writes the frames that kubectl writes."""

import struct
import zlib

from meshsim.apiserver.pods.spdy import DICTIONARY


class SpdyClient:
    """Opens streams; its headers are compressed over the whole connection."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def open(self, stream: int, flags: int = 0, **headers: str) -> bytes:
        """SYN_STREAM."""
        texts = [text.encode() for pair in headers.items() for text in pair]
        plain = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(text)) + text for text in texts)
        block = self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return control(1, struct.pack(">IIBB", stream, 0, 0, 0) + block, flags)


def control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    """A control frame."""
    return struct.pack(">HHI", 0x8003, kind, flags << 24 | len(payload)) + payload


def data(stream: int, payload: bytes, flags: int = 0) -> bytes:
    """A data frame; flag 1 ends the stream."""
    return struct.pack(">II", stream, flags << 24 | len(payload)) + payload
