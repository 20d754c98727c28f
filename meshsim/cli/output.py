"""`-o json` and `-o yaml`: objects as they stand in the API, but for who manages which field, as kubectl shows them."""

import argparse
import json
from collections.abc import Sequence
from typing import TextIO

from meshsim.api.decode import Object


def add_output_flag(parser: argparse.ArgumentParser) -> None:
    """`-o`."""
    parser.add_argument("-o", "--output", choices=["json", "yaml"], help="print the objects themselves")


def write_objects(stream: TextIO, objects: Sequence[Object], output: str, *, one: bool) -> None:
    """Write one object, or several as a List, in JSON or YAML."""
    shown = [_without_managers(obj) for obj in objects]
    value = shown[0] if one else {"apiVersion": "v1", "kind": "List", "items": shown}
    if output == "json":
        stream.write(json.dumps(value, indent=4, ensure_ascii=False) + "\n")
        return
    import yaml  # noqa: PLC0415 - most verbs never print YAML

    yaml.safe_dump(value, stream, sort_keys=True, allow_unicode=True, width=10_000)


def _without_managers(obj: Object) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}
