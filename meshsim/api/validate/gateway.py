"""Gateways as Istio's webhook judges them."""

from typing import Final

from meshsim.api.networking import Gateway, GatewayPort, Server, ServerTls, TlsCertificate
from meshsim.api.validate import protocols
from meshsim.api.validate.findings import Finding, Findings, error_if, warning
from meshsim.api.validate.gotext import quote
from meshsim.api.validate.names import (
    ip_address_error,
    is_dns_label,
    is_ip_address,
    partial_wildcard_error,
    port_error,
    unix_address_error,
    wildcard_domain_error,
)

UNIX_ADDRESS: Final = "unix://"


def check_gateway(gateway: Gateway) -> Findings:
    """All of a Gateway, errors and warnings in Istio's order."""
    name, servers = gateway.metadata.name, gateway.spec.servers
    if not is_dns_label(name):
        yield Finding("metadata.name", f"invalid gateway name: {quote(name)}")
    if not servers:
        yield Finding("spec.servers", "gateway must have at least one server")
    for index, server in enumerate(servers):
        yield from _check_server(f"spec.servers[{index}]", server)
    seen: set[str] = set()
    for index, server in enumerate(servers):
        if server.port is None:
            continue
        if server.port.name in seen:
            text = f"port names in servers must be unique: duplicate name {server.port.name}"
            yield Finding(f"spec.servers[{index}].port.name", text)
        seen.add(server.port.name)
        if server.tls is not None and server.tls.https_redirect and not protocols.is_http(server.port.protocol):
            at = f"spec.servers[{index}].tls.httpsRedirect"
            yield warning(at, "tls.httpsRedirect should only be used with http servers")


def _check_server(path: str, server: Server) -> Findings:
    if not server.hosts:
        yield Finding(path, "server config must contain at least one host")
    for index, host in enumerate(server.hosts):
        yield from _check_host(f"{path}.hosts[{index}]", host)
    port_findings = tuple(_check_port(f"{path}.port", server.port, server.bind))
    yield from port_findings
    yield from _check_bind(f"{path}.bind", server.port, server.bind)
    yield from check_server_tls(f"{path}.tls", server.tls)
    if server.port is not None and not port_findings:
        yield from _check_tls_fits_protocol(f"{path}.tls", server.port.protocol, server.tls)


def _check_host(path: str, host: str) -> Findings:
    """A host, or `namespace/host` where the namespace may be `*` or `.`."""
    namespace, slash, name = host.partition("/")
    if not slash:
        yield from check_host_name(path, host)
        return
    if not namespace or not name:
        yield Finding(path, "config namespace and dnsName in host entry cannot be empty")
    if namespace not in ("*", ".") and not is_dns_label(namespace):
        yield Finding(path, f"invalid namespace value {quote(namespace)} in gateway")
    yield from check_host_name(path, name)


def check_host_name(path: str, name: str) -> Findings:
    """A full name, or an address, or a wildcard of whole labels."""
    if name != "*" and "." not in name:
        yield Finding(path, "short names (non FQDN) are not allowed")
    error = wildcard_domain_error(name)
    if error and not is_ip_address(name):
        yield Finding(path, error)
    yield from error_if(path, partial_wildcard_error(name))


def _check_port(path: str, port: GatewayPort | None, bind: str) -> Findings:
    if port is None:
        yield Finding(path, "port is required")
        return
    if not protocols.is_known(port.protocol):
        supported = "HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP"
        yield Finding(
            f"{path}.protocol", f"invalid protocol {quote(port.protocol)}, supported protocols are {supported}"
        )
    error = port_error(port.number)
    if error and (port.number > 0 or not bind.startswith(UNIX_ADDRESS)):
        yield Finding(f"{path}.number", error)
    if port.target_port > 0:
        yield Finding(f"{path}.targetPort", "targetPort has no impact on Gateways")
    if not port.name:
        yield Finding(path, f"port name must be set: {_as_text(port)}")


def _as_text(port: GatewayPort) -> str:
    """The port as protobuf prints a message: what is set, two spaces between."""
    fields = (
        ("number", str(port.number) if port.number else ""),
        ("protocol", quote(port.protocol) if port.protocol else ""),
        ("name", quote(port.name) if port.name else ""),
        ("target_port", str(port.target_port) if port.target_port else ""),
    )
    return "  ".join(f"{name}:{value}" for name, value in fields if value)


def _check_bind(path: str, port: GatewayPort | None, bind: str) -> Findings:
    if not bind.startswith(UNIX_ADDRESS):
        error = ip_address_error(bind) if bind else None
    else:
        error = unix_address_error(bind.removeprefix(UNIX_ADDRESS))
    yield from error_if(path, error)
    if bind.startswith(UNIX_ADDRESS) and port is not None and port.number:
        yield Finding(path, f"port number must be 0 for unix domain socket: {_as_text(port)}")


def _check_tls_fits_protocol(path: str, protocol: str, tls: ServerTls | None) -> Findings:
    if protocols.is_tls(protocol):
        if tls is None:
            yield Finding(path, "server must have TLS settings for HTTPS/TLS protocols")
        return
    if tls is None:
        return
    if not protocols.is_http(protocol):
        yield Finding(path, "server cannot have TLS settings for non HTTPS/TLS ports")
    elif tls.mode not in _PASSTHROUGH or tls.ca_certificates or tls.private_key or tls.server_certificate:
        # What is left, and allowed, is httpsRedirect.
        yield Finding(path, "server cannot have TLS settings for plain text HTTP ports")


_PASSTHROUGH: Final = ("PASSTHROUGH", "AUTO_PASSTHROUGH")
_TERMINATING: Final = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")


def check_server_tls(path: str, tls: ServerTls | None) -> Findings:
    """TLS of a listener: where its certificates come from, and that they are enough for its mode."""
    if tls is None:
        return
    yield from _check_ciphers(path, tls)
    if tls.mode == "ISTIO_MUTUAL":
        yield from _check_istio_mutual(path, tls)
        return
    sources = _certificate_sources(tls)
    if tls.mode in _PASSTHROUGH and (sources or tls.ca_crl or tls.ca_certificates or _has_half_a_pair(tls)):
        yield warning(path, f"{tls.mode} mode does not use certificates, they will be ignored")
    if sources > 1:
        text = "only one of credential_name, credential_names, server_certificate/private_key, tls_certificates"
        yield Finding(path, f"{text} should be specified")
    if tls.mode in _TERMINATING and (tls.credential_name or tls.credential_names):
        return
    if tls.mode in _TERMINATING:
        yield from _check_certificates(path, tls)
    if tls.ca_crl and tls.credential_name:
        text = "CRL is not supported with credentialName. CRL has to be specified in the credential"
        yield Finding(f"{path}.caCrl", text)
    if tls.ca_crl and tls.mode == "SIMPLE":
        yield Finding(f"{path}.caCrl", "CRL is not supported with SIMPLE TLS")


def _certificate_sources(tls: ServerTls) -> int:
    pair = tls.server_certificate and tls.private_key
    return sum(map(bool, (pair, tls.credential_name, tls.credential_names, tls.tls_certificates)))


def _has_half_a_pair(tls: ServerTls) -> bool:
    return bool(tls.server_certificate or tls.private_key)


def _check_istio_mutual(path: str, tls: ServerTls) -> Findings:
    """The mesh's own certificates are used, so none may be named."""
    for value, what in (
        (tls.server_certificate, "server certificate"),
        (tls.private_key, "private key"),
        (tls.ca_certificates, "CA bundle"),
        (tls.tls_certificates, "tlsCertificates"),
        (tls.credential_name, "credentialName"),
        (tls.credential_names, "credentialNames"),
    ):
        if value:
            yield Finding(path, f"ISTIO_MUTUAL TLS cannot have associated {what}")


def _check_certificates(path: str, tls: ServerTls) -> Findings:
    mode = "SIMPLE TLS" if tls.mode == "SIMPLE" else "MUTUAL TLS"
    if tls.mode != "SIMPLE" and not tls.ca_certificates:
        yield Finding(path, f"{mode} requires a client CA bundle")
    if len(tls.tls_certificates) > 2:
        yield warning(f"{path}.tlsCertificates", f"{mode} can support up to 2 server certificates")
    own = TlsCertificate(server_certificate=tls.server_certificate, private_key=tls.private_key)
    for certificate in tls.tls_certificates or (own,):
        if not certificate.server_certificate:
            yield Finding(path, f"{mode} requires a server certificate")
        if not certificate.private_key:
            yield Finding(path, f"{mode} requires a private key")


_OLD_VERSIONS: Final = ("TLSV1_0", "TLSV1_1")
_CIPHERS: Final = frozenset({
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "DES-CBC3-SHA",
})  # fmt: skip


def _check_ciphers(path: str, tls: ServerTls) -> Findings:
    if tls.min_protocol_version in _OLD_VERSIONS and not tls.cipher_suites:
        text = "TLS version below TLSV1_2 require setting compatible ciphers as by default they no longer include"
        yield warning(f"{path}.minProtocolVersion", f"{text} compatible ciphers.")
    valid = [suite for suite in tls.cipher_suites if _is_cipher(suite)]
    invalid = sorted(set(tls.cipher_suites) - set(valid))
    if invalid:
        yield warning(f"{path}.cipherSuites", f"ignoring invalid cipher suites: [{' '.join(invalid)}]")
    duplicates = sorted({suite for suite in valid if valid.count(suite) > 1})
    if duplicates:
        yield warning(f"{path}.cipherSuites", f"ignoring duplicate cipher suites: [{' '.join(duplicates)}]")


def _is_cipher(suite: str) -> bool:
    # Expressions such as `-ALL` and `+HIGH` are not looked into.
    return suite in ("", "ALL") or not suite[0].isalnum() or suite in _CIPHERS
