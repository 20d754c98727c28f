"""Certificates of one's own: an authority that is made once, and what it signs for the server.

Keys are on the curve P-256, which every client knows and which costs a handshake least. An authority and its key
are one PEM text, and so are a certificate and its key: neither is ever there without the other.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_AUTHORITY_LIVES: Final = timedelta(days=3650)
_CERTIFICATE_LIVES: Final = timedelta(days=365)
_RENEWED_BEFORE_END: Final = timedelta(days=30)
_CLOCKS_DIFFER: Final = timedelta(hours=1)


class BrokenPemError(ValueError):
    """A text that is not an authority or a certificate with its key."""


def new_authority(now: float) -> bytes:
    """An authority and its key, for ten years from `now`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"meshsim-ca@{now:.0f}")])
    builder = (
        _valid(now, _AUTHORITY_LIVES)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pem(builder.sign(key, hashes.SHA256()), key)


def is_spent(authority: bytes, now: float) -> bool:
    """Whether what it signs now would outlive the authority. Raises BrokenPemError."""
    certificate, _ = _read(authority)
    return certificate.not_valid_after_utc < _time(now) + _CERTIFICATE_LIVES


def new_certificate(authority: bytes, names: Iterable[str], now: float) -> bytes:
    """A server's certificate for these host names and addresses, and its key, for a year from `now`.

    Raises BrokenPemError for the authority.
    """
    issuer, issuer_key = _read(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _valid(now, _CERTIFICATE_LIVES)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "meshsim-apiserver")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName(list(map(_general_name, names))), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    return _pem(builder.sign(issuer_key, hashes.SHA256()), key)


def serves_on(certificate: bytes, authority: bytes, names: Iterable[str], now: float) -> bool:
    """Whether a certificate is still good for these names: signed by the authority, and not near its end."""
    try:
        mine, _ = _read(certificate)
        issuer, _ = _read(authority)
        mine.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    is_for = set(map(_general_name, names)) <= set(_alternative_names(mine))
    begins, ends = mine.not_valid_before_utc, mine.not_valid_after_utc - _RENEWED_BEFORE_END
    return is_for and begins <= _time(now) < ends


def name_to_verify(certificate: bytes, host: str) -> str:
    """The name that clients which reach `host` verify the certificate by; empty where that is `host`.

    Raises ValueError for a text without a certificate.
    """
    names = _alternative_names(x509.load_pem_x509_certificate(certificate))
    if _general_name(host) in names:
        return ""
    return next((name.value for name in names if isinstance(name, x509.DNSName) and "*" not in name.value), "")


def certificate_of(pem: bytes) -> bytes:
    """The certificate without the key."""
    return _read(pem)[0].public_bytes(Encoding.PEM)


def _alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _valid(now: float, lifetime: timedelta) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().serial_number(x509.random_serial_number())
    return builder.not_valid_before(_time(now) - _CLOCKS_DIFFER).not_valid_after(_time(now) + lifetime)


def _time(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM) + private


def _read(pem: bytes) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate, key = x509.load_pem_x509_certificate(pem), load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise BrokenPemError("not a certificate with its key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        raise BrokenPemError("the key is not the certificate's")
    return certificate, key
