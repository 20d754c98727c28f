"""A cluster that knows its clients by certificates, as kubeadm's and kind's kubeconfigs have them."""

import base64
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from meshsim.api.kinds import CONFIG_MAP
from meshsim.apiserver.access.certificates import certificate_of, new_authority, new_certificate
from meshsim.client.api import UnreachableError
from meshsim.client.http import HttpApi
from meshsim.client.kubeconfig import Kubeconfig
from meshsim.kit.clock import LoopClock

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

NOW = LoopClock().now()


def a_user() -> tuple[bytes, bytes]:
    """A certificate that vouches for itself, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.fromtimestamp(NOW, UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(1))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest_asyncio.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    """That of a cluster by the name `kubernetes`, on an address that its certificate isn't for."""
    authority = new_authority(NOW)
    server, (certificate, key) = tmp_path / "server.pem", a_user()
    server.write_bytes(new_certificate(authority, ["kubernetes"], NOW))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(cadata=certificate.decode())

    async def listed(request: web.Request) -> web.Response:
        assert request.transport is not None
        ((_, name),) = (pair for part in request.transport.get_extra_info("peercert")["subject"] for pair in part)
        items = [{"metadata": {"name": name, "resourceVersion": "1"}}]
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    app = web.Application()
    app.router.add_get("/api/v1/configmaps", listed)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    cluster = {
        "server": f"https://127.0.0.1:{runner.addresses[0][1]}",
        "certificate-authority-data": base64.b64encode(certificate_of(authority)).decode(),
        "tls-server-name": "kubernetes",
    }
    user = {
        "client-certificate-data": base64.b64encode(certificate).decode(),
        "client-key-data": base64.b64encode(key).decode(),
    }
    content = {
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "me", "user": user}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(content))
    yield path
    await runner.cleanup()


async def test_it_knows_us_by_the_certificate_of_the_kubeconfig(kubeconfig: Path) -> None:
    async with HttpApi(Kubeconfig(kubeconfig)) as api:
        assert [obj["metadata"]["name"] for obj in (await api.list(CONFIG_MAP)).items] == ["me"]


def leave_out(path: Path, key: str) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if key not in line))


@pytest.mark.parametrize("key", ["client-certificate-data", "tls-server-name"])
async def test_without_it_or_the_name_of_its_own_certificate_nothing_is_read(kubeconfig: Path, key: str) -> None:
    leave_out(kubeconfig, key)
    async with HttpApi(Kubeconfig(kubeconfig)) as api:
        with pytest.raises(UnreachableError):
            await api.list(CONFIG_MAP)
