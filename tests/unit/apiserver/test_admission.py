from typing import Any

import pytest

from meshsim.api.kinds import ROLLOUT, VIRTUAL_SERVICE
from meshsim.api.meta import Key
from meshsim.apiserver.registry import Registry, WriteOptions
from meshsim.apiserver.writing.admission import FieldValidation
from meshsim.client.api import ApiError, InvalidError, PatchType
from tests.kits.manifests import rollout, virtual_service


def unknown() -> Any:
    body = rollout()
    body["spec"]["foo"] = 1
    return body


def test_strict_validation_refuses_fields_that_a_kind_has_not(registry: Registry) -> None:
    with pytest.raises(InvalidError, match=r'strict decoding error: unknown field "spec\.foo"') as caught:
        registry.create(ROLLOUT, "default", unknown(), WriteOptions(validation=FieldValidation.STRICT))
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")


def test_otherwise_they_are_a_warning_or_nothing_and_left_out(registry: Registry) -> None:
    warnings: list[str] = []
    warned = WriteOptions(validation=FieldValidation.WARN, warn=warnings.append)
    created = registry.create(ROLLOUT, "default", unknown(), warned)
    assert "foo" not in created["spec"]
    assert warnings == ['unknown field "spec.foo"']
    ignored = WriteOptions(validation=FieldValidation.IGNORE, warn=warnings.append)
    registry.patch(ROLLOUT, Key("default", "web"), {"spec": {"bar": 1}}, PatchType.MERGE, ignored)
    assert len(warnings) == 1


def test_a_value_of_the_wrong_type_is_invalid_with_its_cause(registry: Registry) -> None:
    body = rollout()
    body["spec"]["replicas"] = "three"
    with pytest.raises(InvalidError) as caught:
        registry.create(ROLLOUT, "default", body)
    assert caught.value.code == 422
    [cause] = caught.value.status["details"]["causes"]
    assert (cause["field"], cause["reason"]) == ("spec.replicas", "FieldValueTypeInvalid")


def test_istios_webhook_denies_in_its_own_words(registry: Registry) -> None:
    body = virtual_service()
    body["spec"]["http"][0]["route"][0]["weight"] = -1
    with pytest.raises(ApiError) as caught:
        registry.create(VIRTUAL_SERVICE, "default", body)
    denied = 'admission webhook "validation.istio.io" denied the request: configuration is invalid: weight -1 < 0'
    assert (caught.value.code, caught.value.reason, str(caught.value)) == (400, "", denied)


def test_a_status_is_judged_by_its_own_schema_alone(registry: Registry) -> None:
    registry.create(ROLLOUT, "default", rollout())
    key, status = Key("default", "web"), WriteOptions(subresource="status")
    registry.patch(ROLLOUT, key, {"spec": {"replicas": "ignored"}, "status": {"replicas": 3}}, PatchType.MERGE, status)
    with pytest.raises(InvalidError) as caught:
        registry.patch(ROLLOUT, key, {"status": {"replicas": "three"}}, PatchType.MERGE, status)
    [cause] = caught.value.status["details"]["causes"]
    assert cause["field"] == "status.replicas"


def test_an_update_is_judged_like_a_creation(registry: Registry) -> None:
    registry.create(VIRTUAL_SERVICE, "default", virtual_service())
    with pytest.raises(ApiError, match="denied the request"):
        registry.patch(VIRTUAL_SERVICE, Key("default", "web"), {"spec": {"http": None}}, PatchType.MERGE)
