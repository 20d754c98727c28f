"""Requests to places that a template names, which need not mean well.

None takes longer than its timeout, none is followed to another place, none fills the memory, and none reaches the
addresses at which clouds hand out credentials.
"""

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from controller.analysis.providers.provider import ProviderError
from meshsim.api.decode import FieldError, read_json
from meshsim.api.validate.gotext import quote

_MOST_BYTES: Final = 1024 * 1024
_SHOWN_CHARACTERS: Final = 200
_METADATA: Final = tuple(
    map(ipaddress.ip_network, ("fd00:ec2::/32", "100.100.100.200/32", "fd20:ce::254/128", "192.0.0.192/32"))
)
"""Metadata services outside the link-local range: AWS, Alibaba, Google and Oracle."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class UnknownHostError(ProviderError):
    """The host has no address on this machine."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float = 10.0
    insecure: bool = False
    """Any certificate will do."""


class Outbound:
    """Sends requests to hosts that `names` knows (as a rule: the machine). Open it with `async with`."""

    def __init__(self, *, reaches_metadata: bool = False, names: AbstractResolver | None = None) -> None:
        self._reaches_metadata = reaches_metadata
        self._names = names
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        names = self._names or ThreadedResolver()
        resolver = names if self._reaches_metadata else GuardedResolver(names)
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": "meshsim-controller", "Accept-Encoding": "identity"},
            connector=aiohttp.TCPConnector(resolver=resolver, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, ask: Ask) -> Reply:
        """The reply, whatever its status. Raises ProviderError when there is none, UnknownHostError for such a host."""
        if self._session is None:
            raise RuntimeError("Outbound is used inside `async with`")
        url = _url(ask.url)
        if not self._reaches_metadata:
            _refuse_metadata(url.host or "")
        try:
            async with self._session.request(
                ask.method,
                url,
                data=ask.body,
                headers=dict(ask.headers),
                timeout=aiohttp.ClientTimeout(total=ask.timeout_s),
                allow_redirects=False,
                ssl=not ask.insecure,
            ) as response:
                return Reply(response.status, await _body(response))
        except TimeoutError:
            raise ProviderError(f"no answer from {url.origin()} within {ask.timeout_s:g} s") from None
        except aiohttp.ClientConnectorDNSError:
            raise UnknownHostError(f"no answer from {url.origin()}: no such host") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ProviderError(f"no answer from {url.origin()}: {_reason(error)}") from None


def json_of(text: bytes) -> object:
    """A JSON document. Raises ProviderError."""
    try:
        value: object = read_json(text)
    except FieldError as error:
        raise ProviderError(f"Could not parse JSON body: {error}") from None
    return value


def shown(text: str) -> str:
    """The beginning of a text that somebody else wrote, for a message."""
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def is_metadata_address(address: str) -> bool:
    """Link-local, or where a cloud's metadata service listens. Also within other forms of an address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = inner or ip
    return ip.is_link_local or any(ip in network for network in _METADATA if network.version == ip.version)


class GuardedResolver(AbstractResolver):
    """Looks names up; one that leads to a metadata service leads nowhere."""

    def __init__(self, names: AbstractResolver) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        for result in found:
            _refuse_metadata(result["host"])
        return found

    async def close(self) -> None:
        await self._names.close()


def _refuse_metadata(host: str) -> None:
    if is_metadata_address(host):
        raise ProviderError(f"{host} is a link-local or metadata address, which templates may not reach")


def _url(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ProviderError(f"{quote(shown(text))} is not an http or https URL")
    return url


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > _MOST_BYTES:
            response.close()
            raise ProviderError(f"the answer is longer than {_MOST_BYTES >> 20} MiB")
    return bytes(body)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return os.strerror(error.errno).lower() if error.errno else str(error.os_error)
    return str(error) or type(error).__name__
