"""Gateway: ports and hosts at the edge of the mesh."""

from meshsim.api.decode import Wire
from meshsim.api.meta import ObjectMeta


class GatewayPort(Wire, frozen=True):
    """A port that a gateway listens on."""

    number: int = 0
    protocol: str = ""
    name: str = ""
    target_port: int = 0


class TlsCertificate(Wire, frozen=True):
    """A server certificate and its key, as files."""

    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""


class ServerTls(Wire, frozen=True):
    """TLS of a gateway's server; `mode` is PASSTHROUGH, SIMPLE, MUTUAL, … (ServerTLSSettings)."""

    https_redirect: bool = False
    mode: str = "PASSTHROUGH"
    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    credential_name: str = ""
    credential_names: tuple[str, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    min_protocol_version: str = "TLS_AUTO"
    max_protocol_version: str = "TLS_AUTO"
    cipher_suites: tuple[str, ...] = ()
    tls_certificates: tuple[TlsCertificate, ...] = ()
    ca_crl: str = ""


class Server(Wire, frozen=True):
    """One listener of a gateway and the hosts it serves."""

    port: GatewayPort | None = None
    bind: str = ""
    hosts: tuple[str, ...] = ()
    tls: ServerTls | None = None
    default_endpoint: str = ""
    name: str = ""


class GatewaySpec(Wire, frozen=True):
    """What the selected gateways listen on."""

    servers: tuple[Server, ...] = ()
    selector: dict[str, str] = {}


class Gateway(Wire, frozen=True):
    """Ports and hosts at the edge of the mesh."""

    metadata: ObjectMeta = ObjectMeta()
    spec: GatewaySpec = GatewaySpec()
