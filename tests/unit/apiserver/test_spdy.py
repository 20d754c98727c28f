import struct
import zlib

import pytest

from meshsim.apiserver.pods.spdy import DICTIONARY, Closed, Data, Event, Opened, Ping, SpdyConnection, SpdyError
from tests.kits.spdy import SpdyClient, control, data


def events(connection: SpdyConnection, sent: bytes) -> list[Event]:
    return list(connection.receive(sent))


def test_the_dictionary_is_the_standards() -> None:
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


def test_streams_open_with_their_headers_whose_compression_goes_on() -> None:
    connection, client = SpdyConnection(), SpdyClient()
    assert events(connection, client.open(1, streamtype="error", port="80", requestid="0")) == [
        Opened(1, {"streamtype": "error", "port": "80", "requestid": "0"})
    ]
    assert events(connection, client.open(3, streamtype="data", port="80", requestid="0")) == [
        Opened(3, {"streamtype": "data", "port": "80", "requestid": "0"})
    ]


def test_frames_may_come_in_any_pieces() -> None:
    connection, client = SpdyConnection(), SpdyClient()
    sent = client.open(1, port="80") + data(1, b"hello") + data(1, b"", flags=1)
    told = [event for byte in sent for event in events(connection, bytes([byte]))]
    assert told == [Opened(1, {"port": "80"}), Data(1, b"hello"), Closed(1, reset=False)]


def test_a_stream_ends_or_is_reset() -> None:
    connection = SpdyConnection()
    assert events(connection, data(3, b"bye", flags=1)) == [Data(3, b"bye"), Closed(3, reset=False)]
    assert events(connection, control(3, struct.pack(">II", 5, 1))) == [Closed(5, reset=True)]


def test_a_ping_is_answered_with_itself_and_the_rest_is_read_over() -> None:
    connection = SpdyConnection()
    ping = control(6, struct.pack(">I", 7))
    assert events(connection, control(4, b"\0" * 12) + ping + control(9, b"\0" * 8)) == [Ping(ping)]


def test_the_answer_to_the_servers_own_ping_is_not_sent_back() -> None:
    connection = SpdyConnection()
    ping = connection.ping()
    assert ping[:8] == control(6, struct.pack(">I", 2))[:8]
    assert events(connection, ping) == []


def test_what_the_server_sends_can_be_read_by_a_client() -> None:
    connection = SpdyConnection()
    inflate = zlib.decompressobj(zdict=DICTIONARY)
    for stream in (1, 3):
        reply = connection.reply(stream)
        assert reply[:4] == b"\x80\x03\x00\x02"
        assert struct.unpack(">I", reply[8:12]) == (stream,)
        assert inflate.decompress(reply[12:]) == struct.pack(">I", 0)
    assert events(SpdyConnection(), connection.data(3, b"hi") + connection.close(3) + connection.reset(1)) == [
        Data(3, b"hi"),
        Closed(3, reset=False),
        Closed(1, reset=True),
    ]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x80\x02\x00\x01\x00\x00\x00\x00",
        b"\x00\x00\x00\x01\x00\xff\xff\xff",
        control(1, b"\0" * 10 + b"not compressed"),
        control(3, b"\0"),
        control(1, b""),
    ],
    ids=["another version", "a frame too large", "no compression", "cut off", "empty"],
)
def test_what_is_no_spdy_is_refused(sent: bytes) -> None:
    with pytest.raises(SpdyError):
        events(SpdyConnection(), sent)


def test_headers_that_blow_up_are_refused() -> None:
    with pytest.raises(SpdyError, match="too large"):
        events(SpdyConnection(), SpdyClient().open(1, a="x" * 1_000_000))
