"""Files that are read again."""

import pytest

from meshsim.kit.errors import InvalidManifestError
from meshsim.mesh.compile import MeshObjects
from meshsim.mesh.steps import finished
from meshsim.proxy.configuration.files import MeshReader

_SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: {0}, namespace: default}}
spec: {{ports: [{{name: http, port: {1}}}]}}
"""
_FOREIGN = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny}\n"
_DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\n"


def _read(reader: MeshReader, texts: list[tuple[str, str]]) -> MeshObjects:
    return finished(reader.read(texts))


def _silent(sentence: str) -> None:
    pytest.fail(sentence)


def test_what_a_file_says_again_is_the_same_object() -> None:
    reader = MeshReader(_silent)
    kept, changed, gone = (_SERVICE.format(name, 80) for name in ("kept", "changed", "gone"))
    before = _read(reader, [(f"{kept}---{changed}---{gone}", "mesh.yaml")]).services
    now = _read(reader, [(f"{kept}---{_SERVICE.format('changed', 81)}", "mesh.yaml")]).services

    assert now[0] is before[0]
    assert (now[1].metadata.name, now[1].spec.ports[0].port) == ("changed", 81)
    assert len(now) == 2


def test_what_moves_down_in_a_file_becomes_younger() -> None:
    reader = MeshReader(_silent)
    (before,) = _read(reader, [(_SERVICE.format("one", 80), "mesh.yaml")]).services
    _, now = _read(reader, [(_SERVICE.format("other", 80) + "---" + _SERVICE.format("one", 80), "mesh.yaml")]).services

    assert now.metadata.name == before.metadata.name
    assert now.metadata.creation_timestamp > before.metadata.creation_timestamp


def test_a_fault_is_told_by_its_line_in_the_file() -> None:
    reader = MeshReader(_silent)
    broken = _SERVICE.format("two", "[80]")
    with pytest.raises(InvalidManifestError, match=r"mesh\.yaml:10:\d+: spec\.ports\[0\]\.port"):
        _read(reader, [(_SERVICE.format("one", 80) + "---" + broken, "mesh.yaml")])
    with pytest.raises(InvalidManifestError, match=r"mesh\.yaml:7:\d+: "):
        _read(reader, [(_SERVICE.format("one", 80) + "---\n}", "mesh.yaml")])


def test_kinds_that_nobody_knows_are_said_once_and_those_of_others_are_not() -> None:
    said: list[str] = []
    reader = MeshReader(said.append)
    texts = [(f"{_DEPLOYMENT}---\n{_FOREIGN}---{_SERVICE.format('one', 80)}", "mesh.yaml")]

    assert len(_read(reader, texts).services) == 1
    assert len(_read(reader, texts).services) == 1
    assert said == ["mesh.yaml:6:1: AuthorizationPolicy (security.istio.io/v1) is no kind that is known here: left out"]
