"""Kubeconfigs: the file by which kubectl and every other client find an API and sign in there.

Read as client-go reads them (k8s.io/client-go/tools/clientcmd): the current context, file names relative to the
file, `…-data` before file names, a token before its file.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from meshsim.client.connection import Connection
from meshsim.kit.errors import UsageError

_NAME: Final = "meshsim"
_UNSUPPORTED: Final = {
    "exec": "a program",
    "auth-provider": "an auth-provider plugin",
    "username": "a user name and password",
    "as": "impersonation",
}
"""Ways to sign in that are not ours, by their key in the user."""


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """A kubeconfig file, which may appear later and change."""

    path: Path

    def read(self) -> Connection:
        """The connection of its current context. Raises OSError for a file that cannot be read, UsageError else."""
        text = self.path.read_bytes()
        try:
            content = yaml.safe_load(text)
            contexts = {row["name"]: row["context"] for row in content["contexts"]}
            context = contexts[content["current-context"]]
            clusters = {row["name"]: row["cluster"] for row in content["clusters"]}
            users = {row["name"]: row.get("user") or {} for row in content.get("users") or []}
            cluster, user = clusters[context["cluster"]], users.get(context.get("user"), {})
            return self._connection(cluster, user)
        except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
            raise UsageError(f"{self.path}: not a kubeconfig with a current context") from None

    def __str__(self) -> str:
        return str(self.path)

    def _connection(self, cluster: dict[str, Any], user: dict[str, Any]) -> Connection:
        for key, how in _UNSUPPORTED.items():
            if user.get(key):
                raise UsageError(
                    f"{self.path}: its user signs in with {how}, which meshsim does not; "
                    "a token and client certificates work, and so does the address of a `kubectl proxy`"
                )
        if cluster.get("proxy-url"):
            raise UsageError(f"{self.path}: its cluster is reached through a proxy, which meshsim does not use")
        certificate = self._text(user, "client-certificate")
        return Connection(
            url=str(cluster["server"]).rstrip("/"),
            ca=self._text(cluster, "certificate-authority"),
            token=str(user.get("token") or "") or self._file(user.get("tokenFile")).strip(),
            client_pem=f"{certificate}\n{self._text(user, 'client-key')}" if certificate else "",
            server_name=str(cluster.get("tls-server-name") or ""),
            verifies=not cluster.get("insecure-skip-tls-verify"),
        )

    def _text(self, section: dict[str, Any], key: str) -> str:
        data = section.get(f"{key}-data")
        if not data:
            return self._file(section.get(key))
        try:
            return _ascii(base64.b64decode(data, validate=True))
        except binascii.Error:
            raise UsageError(f"{self.path}: {key}-data is not base64 of PEM") from None

    def _file(self, name: object) -> str:
        if not name:
            return ""
        path = self.path.parent / str(name)
        try:
            return _ascii(path.read_bytes())
        except OSError as error:
            raise UsageError(f"{self.path} names {path}: {error.strerror}") from None


def _ascii(pem: bytes) -> str:
    """Without what else there is: bundles name their authorities in many languages, in between."""
    return pem.decode("ascii", "ignore")


def kubeconfig_of(connection: Connection) -> str:
    """A kubeconfig for a connection whose user has a token, or nothing."""
    # JSON strings are YAML strings, whatever is in them.
    cluster = {"server": connection.url}
    if connection.ca:
        cluster["certificate-authority-data"] = base64.b64encode(connection.ca.encode()).decode()
    if connection.server_name:
        cluster["tls-server-name"] = connection.server_name
    user = {"token": connection.token} if connection.token else {}
    return f"""\
apiVersion: v1
kind: Config
current-context: {_NAME}
clusters:
- name: {_NAME}
  cluster: {json.dumps(cluster)}
contexts:
- name: {_NAME}
  context: {{cluster: {_NAME}, user: {_NAME}, namespace: default}}
users:
- name: {_NAME}
  user: {json.dumps(user)}
"""
