"""Certificates: what they are good for, and until when."""

import pytest

from meshsim.apiserver.access.certificates import (
    BrokenPemError,
    certificate_of,
    is_spent,
    name_to_verify,
    new_authority,
    new_certificate,
    serves_on,
)

NOW = 1_767_225_600.0
DAY = 86400.0
NAMES = ("localhost", "127.0.0.1", "::1", "apiserver")
AUTHORITY = new_authority(NOW)
CERTIFICATE = new_certificate(AUTHORITY, NAMES, NOW)


@pytest.mark.parametrize("days", [0, 1, 334])
def test_a_certificate_serves_on_until_a_month_before_its_end(days: int) -> None:
    assert serves_on(CERTIFICATE, AUTHORITY, NAMES, NOW + days * DAY)


@pytest.mark.parametrize("days", [-1, 336, 366, 5000])
def test_one_that_is_not_yet_valid_or_near_its_end_does_not(days: int) -> None:
    assert not serves_on(CERTIFICATE, AUTHORITY, NAMES, NOW + days * DAY)


def test_one_for_fewer_names_or_of_another_authority_does_not() -> None:
    assert not serves_on(CERTIFICATE, AUTHORITY, (*NAMES, "lab.example"), NOW)
    assert not serves_on(CERTIFICATE, new_authority(NOW), NAMES, NOW)
    assert serves_on(CERTIFICATE, AUTHORITY, NAMES[:1], NOW)


@pytest.mark.parametrize("text", [b"", b"nonsense", certificate_of(CERTIFICATE)])
def test_what_is_no_certificate_with_its_key_does_not(text: bytes) -> None:
    assert not serves_on(text, AUTHORITY, NAMES, NOW)


def test_an_authority_is_spent_a_year_before_its_end() -> None:
    assert not is_spent(AUTHORITY, NOW + 3284 * DAY)
    assert is_spent(AUTHORITY, NOW + 3286 * DAY)


def test_a_certificate_beside_the_key_of_another_is_broken() -> None:
    mixed = certificate_of(AUTHORITY) + CERTIFICATE[len(certificate_of(CERTIFICATE)) :]
    with pytest.raises(BrokenPemError, match="the key is not the certificate's"):
        is_spent(mixed, NOW)


def test_clients_verify_a_host_that_the_certificate_lacks_by_one_of_its_names() -> None:
    chain = certificate_of(new_certificate(AUTHORITY, ("*.lab.example", "api.lab.example"), NOW))
    assert name_to_verify(chain, "127.0.0.1") == "api.lab.example"
    assert name_to_verify(chain, "api.lab.example") == ""
    assert name_to_verify(certificate_of(CERTIFICATE), "127.0.0.1") == ""


def test_the_certificate_for_clients_comes_without_the_key() -> None:
    assert b"PRIVATE KEY" in AUTHORITY
    assert b"PRIVATE KEY" not in certificate_of(AUTHORITY)
