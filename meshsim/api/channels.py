"""The channels of `exec` and `attach` over a WebSocket: a message is a byte that names its channel, then data. Pure.

Kubernetes' remote command protocols, v4 and v5; v5 adds the message that a channel is closed.
"""

from enum import IntEnum
from typing import Final

V5: Final = "v5.channel.k8s.io"
V4: Final = "v4.channel.k8s.io"


class Channel(IntEnum):
    """Who a message is from or for."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    """How it ended: a Status, once."""
    RESIZE = 4
    """`{"Width": 80, "Height": 24}`: the size of the client's terminal."""
    CLOSE = 255
    """The channel that the next byte names gets nothing more."""


REFUSED: Final = "X-Refused"
"""Says why, percent-encoded, to a client that sees of a refused WebSocket the head only."""

STDIN_CLOSED: Final = bytes((Channel.CLOSE, Channel.STDIN))
"""The client has nothing more to say."""


WINDOW_BYTES: Final = 256 * 1024
"""What an API server sends a node of a program's input before it hears that some of it was read. A node says so in text
messages, a number of bytes each: so a program that doesn't read keeps neither from hearing what else there is."""


def message(channel: Channel, data: bytes) -> bytes:
    """A message of the channel."""
    return bytes((channel,)) + data
