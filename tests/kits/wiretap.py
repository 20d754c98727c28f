"""An upstream that another implementation of HTTP reads for: what reached it, and whether all of it was clean."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Final, Self

import h11

_HEAD_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+: [\x21-\x7e\x80-\xff]?(?:[\t -~\x80-\xff]*[!-~\x80-\xff])?")
_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]*")


@dataclass
class Wiretap:
    """Answers every request with 200. `requests` are targets in their order, `complaints` what was wrong with them."""

    requests: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    fields: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    received: bytes = b""
    heads: list[bytes] = field(default_factory=list)
    """The first of each connection, as it came."""
    port: int = 0
    open: int = 0
    _server: asyncio.Server | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.open += 1
        reading = h11.Connection(h11.SERVER)
        begun = body = b""
        try:
            while data := await reader.read(65536):
                self.received += data
                if _END not in begun:
                    begun += data
                    self.heads += [begun.partition(_END)[0]] if _END in begun else []
                reading.receive_data(data)
                while True:
                    event = reading.next_event()
                    if event is h11.NEED_DATA or event is h11.PAUSED:
                        break
                    if isinstance(event, h11.Request):
                        self.requests.append(event.target)
                        self.fields.append(list(event.headers))
                        body = b""
                    elif isinstance(event, h11.Data):
                        body += event.data
                    elif isinstance(event, h11.EndOfMessage):
                        self.bodies.append(body)
                        writer.write(_answer(reading))
                        reading.start_next_cycle()
        except h11.RemoteProtocolError as error:
            self.complaints.append(str(error))
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            writer.transport.abort()

    def unclean(self) -> list[str]:
        """What no careful sender would have sent, head by head."""
        found = list(self.complaints)
        for head in self.heads:
            found += [f"line {line!r}" for line in head.split(b"\r\n")[1:] if _HEAD_LINE.fullmatch(line) is None]
        for fields in self.fields:
            values = {name: [value for one, value in fields if one == name] for name in _SINGLE}
            found += [f"{len(many)} lines of {name.decode()}" for name, many in values.items() if len(many) > 1]
            if values[b"content-length"] and values[b"transfer-encoding"]:
                found.append("two lengths")
            found += [f"length {value!r}" for value in values[b"content-length"] if _LENGTH.fullmatch(value) is None]
            found += [f"coding {value!r}" for value in values[b"transfer-encoding"] if value != b"chunked"]
        return found


_SINGLE: Final = (b"host", b"content-length", b"transfer-encoding")


def _answer(connection: h11.Connection) -> bytes:
    head = connection.send(h11.Response(status_code=200, headers=[("content-length", "2")])) or b""
    body = connection.send(h11.Data(data=b"ok")) or b""
    return head + body + (connection.send(h11.EndOfMessage()) or b"")
