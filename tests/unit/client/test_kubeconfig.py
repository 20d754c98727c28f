"""Kubeconfigs: what is read of those that other tools write, and what is not."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshsim.client.connection import Connection, tls_of
from meshsim.client.kubeconfig import Kubeconfig, kubeconfig_of
from meshsim.kit.errors import UsageError


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def written(directory: Path, cluster: dict[str, Any], user: dict[str, Any] | None = None) -> Kubeconfig:
    """A kubeconfig whose current context is one of two."""
    file = directory / "config"
    other = {"server": "https://production:6443"}
    content = {
        "current-context": "lab",
        "contexts": [
            {"name": "production", "context": {"cluster": "production", "user": "production"}},
            {"name": "lab", "context": {"cluster": "lab", "user": "me"}},
        ],
        "clusters": [{"name": "production", "cluster": other}, {"name": "lab", "cluster": cluster}],
        "users": [{"name": "production", "user": {"token": "x"}}, {"name": "me", "user": user}],
    }
    file.write_text(yaml.safe_dump(content))
    return Kubeconfig(file)


@pytest.mark.parametrize(
    "connection",
    [
        Connection("http://127.0.0.1:6443"),
        Connection("https://[::1]:6443", ca="-----BEGIN", token="a: {}'\"#", server_name="apiserver"),
    ],
)
def test_what_is_written_is_read_again(connection: Connection, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(kubeconfig_of(connection))
    assert Kubeconfig(file).read() == connection


def test_the_current_contexts_cluster_and_user_are_read(tmp_path: Path) -> None:
    cluster = {"server": "https://lab:6443/", "certificate-authority-data": encoded("CA"), "tls-server-name": "api"}
    read = written(tmp_path, cluster, {"token": "secret"}).read()
    assert read == Connection("https://lab:6443", ca="CA", token="secret", server_name="api")


def test_files_are_looked_for_beside_the_kubeconfig(tmp_path: Path) -> None:
    for name in ("ca.crt", "token", "me.crt", "me.key"):
        (tmp_path / name).write_text(f"{name} text\n")
    user = {"tokenFile": "token", "client-certificate": "me.crt", "client-key": "me.key"}
    read = written(tmp_path, {"server": "https://lab", "certificate-authority": "ca.crt"}, user).read()
    assert read.ca == "ca.crt text\n"
    assert read.token == "token text"
    assert "me.crt text" in read.client_pem
    assert "me.key text" in read.client_pem


@pytest.mark.parametrize("inline", [True, False])
def test_authorities_may_be_named_in_any_language(inline: bool, tmp_path: Path) -> None:
    bundle = "# Főtanúsítvány\nCA"
    (tmp_path / "ca.crt").write_text(bundle, encoding="utf-8")
    authority = {"certificate-authority-data": encoded(bundle)} if inline else {"certificate-authority": "ca.crt"}
    read = written(tmp_path, {"server": "https://lab", **authority}).read()
    assert read.ca.isascii()
    assert read.ca.endswith("\nCA")


def test_verification_is_left_out_only_where_the_cluster_says_so(tmp_path: Path) -> None:
    assert written(tmp_path, {"server": "https://lab"}).read().verifies
    assert not written(tmp_path, {"server": "https://lab", "insecure-skip-tls-verify": True}).read().verifies


@pytest.mark.parametrize(
    ("user", "how"),
    [
        ({"exec": {"command": "aws"}}, "a program"),
        ({"auth-provider": {"name": "gcp"}}, "an auth-provider plugin"),
        ({"username": "me", "password": "canary"}, "a user name and password"),
        ({"token": "canary", "as": "somebody"}, "impersonation"),
    ],
)
def test_a_way_to_sign_in_that_is_not_ours_is_named(user: dict[str, Any], how: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"config: its user signs in with {how}, which meshsim does not") as failure:
        written(tmp_path, {"server": "https://lab"}, user).read()
    assert "canary" not in str(failure.value)


@pytest.mark.parametrize(
    ("cluster", "user", "sentence"),
    [
        ({"server": "https://lab", "proxy-url": "socks5://x"}, {}, "reached through a proxy"),
        ({"server": "https://lab", "certificate-authority-data": "*"}, {}, "certificate-authority-data is not base64"),
        ({"server": "https://lab"}, {"tokenFile": "none"}, "names .*none: No such file"),
        ({}, {}, "not a kubeconfig with a current context"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    cluster: dict[str, Any], user: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=sentence):
        written(tmp_path, cluster, user).read()


def test_a_connection_does_not_show_its_secrets() -> None:
    shown = repr(Connection("https://lab", token="canary", client_pem="canary"))
    assert "canary" not in shown


@pytest.mark.parametrize(
    "connection", [Connection("https://lab", ca="no PEM"), Connection("https://lab", client_pem="no")]
)
def test_certificates_that_are_none_are_one_sentence(connection: Connection) -> None:
    with pytest.raises(UsageError, match="the certificates for https://lab cannot be used"):
        tls_of(connection)
