"""Whatever stands in a definition, it is refused with its field or served; nothing ends in an internal error."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshsim.api.decode import Object, write_json
from meshsim.apiserver.answers.columns import columns_of
from meshsim.apiserver.discovery.openapi import OpenApi
from meshsim.apiserver.kinds.custom import CustomKind
from meshsim.apiserver.kinds.definitions import DEFINITION
from meshsim.apiserver.kinds.served import SERVED
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.storage.store import Store
from meshsim.client.api import ApiError
from meshsim.kit.chance import draws
from tests.unit.apiserver.test_definitions import definition, monitor

pytestmark = pytest.mark.property

Path = tuple[str | int, ...]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "x", "(", "a.b"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "type", "items"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def paths_of(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths_of(value[key], (*path, key))


def changed(body: Object, path: Path, value: Any) -> Object:
    holder: Any = body
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return body


@given(path=st.sampled_from(sorted(paths_of(definition()), key=str)), value=VALUES)
@settings(max_examples=150, deadline=None)
def test_an_odd_definition_is_refused_or_served(path: Path, value: Any) -> None:
    registry = Registry(Store(SERVED, 1), lambda: 1_767_225_600.0, draws(1))
    # Anything but an ApiError would be an internal error.
    with suppress(ApiError):
        registry.create(DEFINITION, "", changed(definition(), path, value))
    for kind in [kind for kind in registry.store.kinds if isinstance(kind, CustomKind)]:
        described = OpenApi([kind]).document(f"apis/{kind.group}/{kind.version}")
        assert described is not None
        with suppress(ApiError):
            created = registry.create(kind, "default" if kind.namespaced else "", monitor())
            assert write_json([column.fill(created, 0.0) for column in columns_of(kind)])
