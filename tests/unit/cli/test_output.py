import io
import json

import pytest
import yaml

from meshsim.cli.output import write_objects

OBJECT = {"kind": "Rollout", "metadata": {"name": "web", "managedFields": [{"manager": "me"}]}, "spec": {"replicas": 2}}
SHOWN = {**OBJECT, "metadata": {"name": "web"}}


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_one_object_is_written_without_its_managers(output: str) -> None:
    out = io.StringIO()
    write_objects(out, [OBJECT], output, one=True)
    assert yaml.safe_load(out.getvalue()) == SHOWN


def test_several_are_a_list() -> None:
    out = io.StringIO()
    write_objects(out, [OBJECT, OBJECT], "json", one=False)
    assert json.loads(out.getvalue()) == {"apiVersion": "v1", "kind": "List", "items": [SHOWN, SHOWN]}
