import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import ROLLOUT, SERVICE, VIRTUAL_SERVICE
from meshsim.api.validate.admission import admit, cause_of
from tests.kits import manifests

_DENIED = 'admission webhook "validation.istio.io" denied the request: '


def _virtual_service(**route: object) -> Object:
    http = [{"route": [{"destination": {"host": "web"}}], **route}]
    return {"kind": "VirtualService", "metadata": {"name": "web"}, "spec": {"hosts": ["web"], "http": http}}


def test_a_right_object_is_admitted() -> None:
    assert admit(VIRTUAL_SERVICE, _virtual_service(timeout="1s")).is_allowed
    assert admit(ROLLOUT, manifests.rollout()).is_allowed


def test_kinds_of_kubernetes_itself_are_admitted_unseen() -> None:
    assert admit(SERVICE, {"spec": 1}).is_allowed


def test_the_schema_is_asked_first() -> None:
    admission = admit(VIRTUAL_SERVICE, _virtual_service(timeout=5, retries={"attempts": -1}))

    assert admission.denial == ""
    assert [misfit.path for misfit in admission.misfits] == ["spec.http[0].timeout"]


def test_the_webhook_denies_with_one_sentence() -> None:
    admission = admit(VIRTUAL_SERVICE, _virtual_service(retries={"attempts": 1, "retryOn": "always"}))

    assert admission.denial == f'{_DENIED}configuration is invalid: "always" is not a valid retryOn policy'


def test_several_errors_are_a_list() -> None:
    admission = admit(VIRTUAL_SERVICE, _virtual_service(fault={}, rewrite={}))

    assert admission.denial == (
        f"{_DENIED}configuration is invalid: 2 errors occurred:\n"
        "\t* HTTP fault injection must have an abort and/or a delay\n"
        "\t* rewrite must specify at least one of URI, UriRegexRewrite, or authority. "
        "Only one of URI or UriRegexRewrite may be specified\n\n"
    )


def test_some_errors_are_a_list_even_alone() -> None:
    admission = admit(VIRTUAL_SERVICE, _virtual_service(fault={}))

    assert admission.denial.startswith(f"{_DENIED}configuration is invalid: 1 error occurred:\n\t* HTTP fault")


def test_warnings_go_with_an_object_that_is_admitted() -> None:
    admission = admit(VIRTUAL_SERVICE, _virtual_service(mirrorPercent=5))

    assert admission.is_allowed
    assert admission.warnings == ('using deprecated setting "mirrorPercent", use "mirrorPercentage" instead',)


def test_a_rollout_that_argo_would_refuse_is_stored_all_the_same() -> None:
    rollout = manifests.rollout()
    rollout["spec"]["strategy"]["canary"]["steps"] = [{"setWeight": 101}]

    assert admit(ROLLOUT, rollout).is_allowed


@pytest.mark.parametrize(
    ("route", "cause"),
    [
        ({"timeout": 5}, "FieldValueTypeInvalid"),
        ({"route": [{}]}, "FieldValueRequired"),
        ({"redirect": {"derivePort": "X"}}, "FieldValueNotSupported"),
        ({"timeout": "0s"}, "FieldValueInvalid"),
    ],
)
def test_a_misfit_has_a_reason_for_clients(route: Object, cause: str) -> None:
    admission = admit(VIRTUAL_SERVICE, _virtual_service(**route))

    assert [cause_of(misfit) for misfit in admission.misfits] == [cause]
