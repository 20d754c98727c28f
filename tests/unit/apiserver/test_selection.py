from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, EVENT, POD, SECRET
from meshsim.apiserver.storage.selection import Selection, Told, seen, selection_of
from meshsim.apiserver.storage.store import Event
from meshsim.client.api import InvalidError


def labelled(tier: str, version: str) -> Object:
    return {"metadata": {"name": "a", "namespace": "default", "labels": {"tier": tier}, "resourceVersion": version}}


X, Y = labelled("x", "1"), labelled("y", "2")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (None, X, ("ADDED", X)),
        (Y, X, ("ADDED", X)),
        (X, X, ("MODIFIED", X)),
        (X, None, ("DELETED", labelled("x", "9"))),
        (X, Y, ("DELETED", labelled("x", "9"))),
        (None, Y, None),
        (Y, Y, None),
        (Y, None, None),
    ],
)
def test_a_watcher_sees_what_enters_changes_and_leaves_its_selection(
    old: Object | None, new: Object | None, told: tuple[str, Object] | None
) -> None:
    event = Event(9, old, new)
    expected = Told(*told, event) if told is not None else None
    assert seen(selection_of(CONFIG_MAP, "default", "tier=x"), event) == expected


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        ("metadata.name=web", True),
        ("metadata.name!=web", False),
        ("metadata.namespace=default,status.phase=Running", True),
        ("spec.nodeName=other", False),
        ("spec.hostNetwork=false", True),
        ("status.podIP=", True),
    ],
)
def test_objects_are_selected_by_fields(fields: str, selected: bool) -> None:
    pod = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"nodeName": "meshsim", "hostNetwork": False},
        "status": {"phase": "Running"},
    }
    assert selection_of(POD, None, fields=fields).matches(pod) is selected


def test_events_are_selected_by_what_they_are_about() -> None:
    event: dict[str, Any] = {
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Rollout", "name": "web", "uid": "u"},
        "source": {"component": "rollouts-controller"},
    }
    fields = "involvedObject.kind=Rollout,involvedObject.name=web,involvedObject.uid=u,source=rollouts-controller"
    assert selection_of(EVENT, "default", fields=fields).matches(event)


def test_a_field_that_a_kind_cannot_be_selected_by_is_refused() -> None:
    selection_of(SECRET, None, fields="type=Opaque")
    with pytest.raises(InvalidError, match="is not a known field selector"):
        selection_of(CONFIG_MAP, None, fields="type=Opaque")


def test_an_empty_selection_is_everything() -> None:
    assert selection_of(POD, None) == Selection()
    assert Selection().matches({})
