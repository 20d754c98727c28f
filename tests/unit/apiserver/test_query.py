import pytest

from meshsim.apiserver.requests import query
from meshsim.apiserver.writing.admission import FieldValidation
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.client.api import ApiError, InvalidError


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "True", "TRUE"])
def test_a_flag_is_set_in_all_the_ways_that_go_knows(text: str) -> None:
    assert query.is_set({"watch": text}, "watch")


@pytest.mark.parametrize("asked", [{}, {"watch": ""}, {"watch": "0"}, {"watch": "yes"}])
def test_everything_else_sets_no_flag(asked: dict[str, str]) -> None:
    assert not query.is_set(asked, "watch")


def test_a_watch_begins_with_everything_unless_a_version_is_given() -> None:
    assert query.watch_options({}) == query.WatchOptions(None, None, bookmarks=False, initial_events=False)
    assert query.watch_options({"resourceVersion": "0"}).version is None
    asked = {"resourceVersion": "17", "timeoutSeconds": "300", "allowWatchBookmarks": "true"}
    assert query.watch_options(asked) == query.WatchOptions(17, 300.0, bookmarks=True, initial_events=False)


def test_initial_events_begin_with_everything_whatever_the_version() -> None:
    asked = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "resourceVersion": "17"}
    options = query.watch_options(asked)
    assert (options.version, options.initial_events) == (None, True)


def test_initial_events_without_their_match_are_refused_so_that_the_client_lists() -> None:
    with pytest.raises(InvalidError) as caught:
        query.watch_options({"sendInitialEvents": "true"})
    assert caught.value.code == 422


def test_a_list_of_the_future_is_a_timeout_that_says_so() -> None:
    query.listed_version({"resourceVersion": "17"}, 17)
    with pytest.raises(ApiError) as caught:
        query.listed_version({"resourceVersion": "18"}, 17)
    assert (caught.value.code, caught.value.reason) == (504, "Timeout")
    assert caught.value.status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "¹", "9" * 20])
def test_a_version_is_a_number(text: str) -> None:
    with pytest.raises(InvalidError):
        query.watch_options({"resourceVersion": text})


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "¹", "9" * 10])
def test_a_limit_is_a_number(text: str) -> None:
    assert query.limit({}) == 0
    assert query.limit({"limit": "500"}) == 500
    with pytest.raises(InvalidError):
        query.limit({"limit": text})


def test_unknown_fields_are_a_warning_unless_the_client_says_otherwise() -> None:
    assert query.field_validation({}) is FieldValidation.WARN
    assert query.field_validation({"fieldValidation": "Strict"}) is FieldValidation.STRICT
    with pytest.raises(InvalidError):
        query.field_validation({"fieldValidation": "Maybe"})


@pytest.mark.parametrize(
    ("asked", "body", "options"),
    [
        ({}, None, DeleteOptions()),
        ({"propagationPolicy": "Foreground", "gracePeriodSeconds": "0"}, None, DeleteOptions("Foreground", 0)),
        ({"propagationPolicy": "Orphan"}, {"propagationPolicy": "Foreground"}, DeleteOptions("Foreground")),
        ({}, {"orphanDependents": True}, DeleteOptions("Orphan")),
        ({"orphanDependents": "true"}, {}, DeleteOptions("Orphan")),
        ({}, {"preconditions": {"uid": "u", "resourceVersion": "7"}}, DeleteOptions(uid="u", version="7")),
        ({}, {"gracePeriodSeconds": 5}, DeleteOptions(grace_s=5)),
    ],
)
def test_a_deletion_is_described_in_the_query_or_the_body(
    asked: dict[str, str], body: object, options: DeleteOptions
) -> None:
    assert query.delete_options(asked, body) == options


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        ({"propagationPolicy": "Sideways"}, None),
        ({"gracePeriodSeconds": "-1"}, None),
        ({}, {"gracePeriodSeconds": True}),
        ({}, {"gracePeriodSeconds": 1.5}),
        ({}, {"preconditions": []}),
        ({}, []),
    ],
)
def test_a_deletion_that_makes_no_sense_is_refused(asked: dict[str, str], body: object) -> None:
    with pytest.raises(InvalidError):
        query.delete_options(asked, body)
