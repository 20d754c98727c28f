"""Over TLS and with a token: who is let in, what is made for it, and what of that outlives a restart."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP
from meshsim.apiserver.access.certificates import certificate_of, new_authority, new_certificate
from meshsim.apiserver.access.credentials import Credentials, credentials
from meshsim.apiserver.access.wishes import Wishes
from meshsim.apiserver.server import api_server
from meshsim.client.api import ApiError, UnreachableError
from meshsim.client.connection import Connection, tls_of
from meshsim.client.http import HttpApi
from meshsim.client.informer import Informer
from meshsim.client.kubeconfig import Kubeconfig, kubeconfig_of
from meshsim.kit.clock import LoopClock
from meshsim.kit.errors import StartError
from meshsim.kit.tasks import TaskOwner
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

NAMES = ("localhost", "127.0.0.1", "::1")
NOW = LoopClock().now()
DAY = 86400.0


async def made(directory: Path, now: float = NOW) -> Credentials:
    """What a server makes at a start."""
    return await asyncio.to_thread(credentials, Wishes(directory, NAMES), now)


@contextlib.asynccontextmanager
async def serving(own: Credentials, kubeconfig: Path, port: int = 0) -> AsyncIterator[int]:
    """A server with these credentials, its kubeconfig written; its port."""
    async with api_server(LoopClock(), token=own.token) as server:
        address = await server.listen("127.0.0.1", port, own.tls)
        port = int(address.rpartition(":")[2])
        await asyncio.to_thread(own.write_kubeconfig, kubeconfig, "127.0.0.1", port)
        yield port


@contextlib.asynccontextmanager
async def secured(directory: Path) -> AsyncIterator[Connection]:
    """A server, and how to reach it."""
    file = directory / "kubeconfig"
    async with serving(await made(directory), file):
        yield await asyncio.to_thread(Kubeconfig(file).read)


async def answered(connection: Connection, path: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], str]:
    """The status, headers and body of an answer to somebody else's client."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(connection.url + path, headers=headers, ssl=tls_of(connection)) as reply,
    ):
        return reply.status, reply.headers, await reply.text()


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer ", "Basic wrong", "nonsense"])
async def test_who_has_no_token_or_another_gets_401(authorization: str | None, tmp_path: Path) -> None:
    said = {} if authorization is None else {"Authorization": authorization}
    async with secured(tmp_path) as connection:
        for path in ("/api/v1/pods", "/apis", "/openapi/v2", "/metrics", "/healthz/more", "//healthz"):
            code, headers, body = await answered(connection, path, said)
            assert (code, headers["WWW-Authenticate"]) == (401, 'Bearer realm="meshsim"')
            status = json.loads(body)
            assert (status["kind"], status["reason"], status["code"]) == ("Status", "Unauthorized", 401)


async def test_anybody_may_ask_for_health_and_version_unless_with_a_wrong_token(tmp_path: Path) -> None:
    async with secured(tmp_path) as connection:
        for path in ("/healthz", "/livez", "/readyz", "/version"):
            assert (await answered(connection, path, {}))[0] == 200
            assert (await answered(connection, path, {"Authorization": "Bearer wrong"}))[0] == 401


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
async def test_a_page_elsewhere_gets_nothing_even_with_the_token(headers: Mapping[str, str], tmp_path: Path) -> None:
    async with secured(tmp_path) as connection:
        known = {"Authorization": f"Bearer {connection.token}"}
        code, answer, _ = await answered(connection, "/api/v1/secrets", {**known, **headers})
        assert code == 403
        assert "Access-Control-Allow-Origin" not in answer
        assert (await answered(connection, "/api/v1/secrets", known))[0] == 200


async def test_the_kubeconfig_lets_in_and_plain_http_is_told_what_is_wrong(tmp_path: Path) -> None:
    async with secured(tmp_path) as connection:
        async with HttpApi(connection) as api:
            assert (await api.list(CONFIG_MAP)).items == []
        plain = connection.url.replace("https", "http")
        async with aiohttp.ClientSession() as session, session.get(f"{plain}/api", ssl=False) as reply:
            told = (reply.status, await reply.text())
        assert told == (400, "Client sent an HTTP request to an HTTPS server.\n")


async def test_bytes_that_are_neither_tls_nor_http_are_hung_up_on(tmp_path: Path) -> None:
    async with secured(tmp_path) as connection:
        parts = urlsplit(connection.url)
        for sent in (b"\0" * 100, b"EHLO there\r\n", b"GE", b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(sent)
            writer.write_eof()
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    answer = await reader.read()
                    assert answer.startswith(b"HTTP/1.1 400 ") or not answer
            writer.close()
        async with HttpApi(connection) as api:
            assert (await api.list(CONFIG_MAP)).items == []


async def test_a_client_tells_what_is_wrong_without_the_token(tmp_path: Path) -> None:
    async with secured(tmp_path) as connection:
        async with HttpApi(Connection(connection.url, ca=connection.ca, token="canary-canary-canary")) as api:
            with pytest.raises(ApiError, match=r"wants another sign-in: .*\(Unauthorized\)") as failure:
                await api.list(CONFIG_MAP)
            assert failure.value.code == 401
            assert "canary" not in str(failure.value)
        async with HttpApi(Connection(connection.url, ca=connection.ca)) as api:
            with pytest.raises(ApiError, match="use its kubeconfig"):
                await api.list(CONFIG_MAP)


async def test_a_client_takes_nobody_else_for_the_server(tmp_path: Path) -> None:
    async with secured(tmp_path) as connection:
        stranger = certificate_of(new_authority(NOW)).decode()
        async with HttpApi(Connection(connection.url, ca=stranger, token=connection.token)) as api:
            with pytest.raises(UnreachableError, match="certificate verify failed"):
                await api.list(CONFIG_MAP)


async def test_an_informer_waits_for_the_kubeconfig_and_goes_on_after_a_restart_with_other_credentials(
    tmp_path: Path,
) -> None:
    file = tmp_path / "kubeconfig"
    async with HttpApi(Kubeconfig(file)) as api, TaskOwner() as tasks:
        informer = Informer(api, CONFIG_MAP)
        tasks.start(informer.run(), "informer")
        with pytest.raises(UnreachableError, match="kubeconfig: No such file"):
            await api.list(CONFIG_MAP)
        async with serving(await made(tmp_path / "first"), file) as port:
            await asyncio.wait_for(informer.synced.wait(), 10)
        async with serving(await made(tmp_path / "second"), file, port):
            new = {"metadata": {"name": "new", "namespace": "default"}}
            await eventually(lambda: _created(api, new), within_s=10)
            await eventually(lambda: _has(informer, "new"), within_s=10)


async def _created(api: HttpApi, obj: Object) -> bool:
    try:
        await api.create(CONFIG_MAP, obj)
    except ApiError:
        return False
    return True


async def _has(informer: Informer, name: str) -> bool:
    return any(obj["metadata"]["name"] == name for obj in informer.all())


async def test_authority_token_and_certificate_are_those_of_the_first_start(tmp_path: Path) -> None:
    first, second = await made(tmp_path), await made(tmp_path, NOW + 300 * DAY)
    assert (second.token, second.ca, second.chain) == (first.token, first.ca, first.chain)
    assert len(first.token) >= 32
    assert first.token not in repr(first)


async def test_a_certificate_that_has_expired_is_made_anew_and_clients_go_on(tmp_path: Path) -> None:
    long_ago = await made(tmp_path, NOW - 400 * DAY)
    own = await made(tmp_path)
    assert own.chain != long_ago.chain
    assert (own.ca, own.token) == (long_ago.ca, long_ago.token)
    async with serving(own, tmp_path / "kubeconfig") as port:
        before = Connection(f"https://localhost:{port}", ca=long_ago.ca.decode(), token=long_ago.token)
        async with HttpApi(before) as api:
            await api.list(CONFIG_MAP)


async def test_all_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    own = await made(directory)
    await asyncio.to_thread(own.write_kubeconfig, directory / "elsewhere" / "kubeconfig", "127.0.0.1", 6443)
    modes = {path.relative_to(directory).as_posix(): path.stat().st_mode & 0o777 for path in directory.rglob("*")}
    assert modes == {
        "pki": 0o700,
        "pki/ca.pem": 0o600,
        "pki/ca.crt": 0o600,
        "pki/apiserver.pem": 0o600,
        "token": 0o600,
        "elsewhere": 0o700,
        "elsewhere/kubeconfig": 0o600,
    }


async def test_a_token_and_a_certificate_may_be_given(tmp_path: Path) -> None:
    pem = new_certificate(new_authority(NOW), ["api.lab.example"], NOW)
    files = {"cert": certificate_of(pem), "key": pem[len(certificate_of(pem)) :], "token": b"0123456789abcdef\n"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    given = Wishes(tmp_path / "none", NAMES, tmp_path / "token", tmp_path / "cert", tmp_path / "key")
    own = await asyncio.to_thread(credentials, given, NOW)
    async with serving(own, tmp_path / "kubeconfig"), HttpApi(Kubeconfig(tmp_path / "kubeconfig")) as api:
        await api.list(CONFIG_MAP)
    assert own.token == "0123456789abcdef"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("content", ["", "canary", "canary canary canary canary", "canary-canary-canary\nanother"])
async def test_a_file_without_a_token_is_refused_and_not_shown(content: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(content)
    (tmp_path / "token").chmod(0o600)
    with pytest.raises(StartError, match="token does not hold a token") as failure:
        await made(tmp_path)
    assert "canary" not in str(failure.value)


async def test_a_token_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef")
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(StartError, match=r"everybody may read the token in .*token: chmod 600 "):
        await made(tmp_path)


async def test_what_is_broken_or_not_to_be_written_is_named(tmp_path: Path) -> None:
    own = await made(tmp_path / "broken")
    (tmp_path / "broken" / "pki" / "ca.pem").write_text("nonsense")
    with pytest.raises(StartError, match=r"ca\.pem: not a certificate with its key; without the file"):
        await made(tmp_path / "broken")
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"file.*: (Not a directory|File exists)"):
        await made(tmp_path / "file")
    with pytest.raises(StartError, match=r"file.*: (Not a directory|File exists)"):
        await asyncio.to_thread(own.write_kubeconfig, tmp_path / "file" / "kubeconfig", "127.0.0.1", 1)
    wrong = Wishes(tmp_path, NAMES, None, tmp_path / "file", tmp_path / "file")
    with pytest.raises(StartError, match="are not a certificate and its key in PEM"):
        await asyncio.to_thread(credentials, wrong, NOW)


async def test_a_kubeconfig_without_anything_signs_in_nowhere(tmp_path: Path) -> None:
    async with secured(tmp_path) as connection:
        file = tmp_path / "bare"
        file.write_text(kubeconfig_of(Connection(connection.url, ca=connection.ca)))
        async with HttpApi(Kubeconfig(file)) as api:
            with pytest.raises(ApiError, match="Unauthorized"):
                await api.list(CONFIG_MAP)
