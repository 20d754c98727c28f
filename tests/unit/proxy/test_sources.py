"""Files that were read again."""

from meshsim.proxy.sources import recognised
from tests.kits.mesh import objects

_SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: {0}, namespace: default}}
spec: {{ports: [{{name: http, port: {1}}}]}}
"""


def test_what_a_file_says_again_is_the_same_object() -> None:
    before = objects(_SERVICE.format("kept", 80), _SERVICE.format("changed", 80), _SERVICE.format("gone", 80))
    now = objects(_SERVICE.format("kept", 80), _SERVICE.format("changed", 81))

    kept, changed = recognised(now, before).services

    assert kept is before.services[0]
    assert changed is now.services[1]
