"""The rules of writing an object: what a client may set, what the server sets, when a generation rises. Pure.

The functions own the object they are given and return it ready to be stored.
"""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.kinds import CONFIG_MAP, DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, JOB, REPLICA_SET, SECRET, Kind
from meshsim.api.meta import LabelSelector, ObjectMeta
from meshsim.api.validate.admission import cause_of
from meshsim.api.validate.data_keys import check_data_keys
from meshsim.api.validate.fields import (
    check_annotations,
    check_labels,
    check_name,
    check_not_negative,
    check_selector,
    not_supported,
    required,
)
from meshsim.api.validate.findings import Finding, Findings
from meshsim.api.validate.pod_template import check_pod_template
from meshsim.apiserver import refusals
from meshsim.apiserver.kinds.autoscalers import autoscaler_faults
from meshsim.apiserver.kinds.conversion import from_version
from meshsim.apiserver.kinds.definitions import DEFINITION, definition_faults
from meshsim.apiserver.refusals import Cause
from meshsim.apiserver.writing.defaults import apply_defaults
from meshsim.kit.timestamps import to_rfc3339

_KEPT: Final = ("name", "namespace", "uid", "creationTimestamp", "generateName", "generation", "deletionTimestamp",
                "deletionGracePeriodSeconds", "managedFields")  # fmt: skip
_SELECTOR_IMMUTABLE: Final = (REPLICA_SET, DEPLOYMENT, JOB)


@dataclass(frozen=True, slots=True)
class Birth:
    """What the server gives a new object. `name` is the one it asks for or has been given, empty for neither."""

    namespace: str
    now: float
    uid: str
    name: str


def check_shape(kind: Kind, obj: object, version: str = "") -> Object:
    """The body of a write as an object of the kind, in the version it is stored in.

    `version` is the one the request's path names. Raises InvalidError for a body that is no such object.
    """
    if not isinstance(obj, dict):
        raise refusals.bad_request("the body of the request is not an object")
    group_version = f"{kind.group}/{version or kind.version}".removeprefix("/")
    said_version, said_kind = obj.get("apiVersion") or group_version, obj.get("kind") or kind.kind
    if said_version != group_version:
        raise refusals.bad_request(
            f"the API version in the data ({said_version}) does not match the expected API version ({group_version})"
        )
    if said_kind != kind.kind:
        raise refusals.bad_request(f"the kind in the data ({said_kind}) does not match the expected kind ({kind.kind})")
    for field in ("metadata", "spec", "status"):
        value = obj.get(field)
        if value is None:
            obj.pop(field, None)
        elif not isinstance(value, dict):
            raise _cannot_be_read(kind, FieldError(field, "an object was expected"))
    metadata = obj.setdefault("metadata", {})
    try:
        decode(ObjectMeta, {**metadata, "managedFields": None})  # It has no field for who manages what.
    except FieldError as error:
        raise _cannot_be_read(kind, FieldError(f"metadata.{error.path}", error.message)) from None
    for field in [field for field, value in metadata.items() if value is None or value in ({}, [])]:
        del metadata[field]
    try:
        return from_version(kind, version, obj)
    except FieldError as error:
        raise _cannot_be_read(kind, error) from None


def _cannot_be_read(kind: Kind, error: FieldError) -> Exception:
    return refusals.bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {error}')


def prepare_create(kind: Kind, obj: Object, birth: Birth) -> Object:
    """A new object, named, stamped, defaulted and checked. Raises InvalidError."""
    metadata = obj["metadata"]
    if metadata.get("resourceVersion"):
        raise refusals.bad_request("resourceVersion should not be set on objects to be created")
    _settle_namespace(kind, metadata, birth.namespace)
    if not birth.name:
        required = "Required value: name or generateName is required"
        raise refusals.invalid(kind, "", [Cause("metadata.name", required, "FieldValueRequired")])
    metadata["name"] = birth.name
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "managedFields"):
        metadata.pop(field, None)
    metadata["uid"] = birth.uid
    metadata["creationTimestamp"] = to_rfc3339(birth.now)
    metadata.pop("generation", None)
    if kind.counts_generations:
        metadata["generation"] = 1
    if kind.has_status:
        obj.pop("status", None)
    _translate(kind, obj)
    apply_defaults(kind, obj)
    check(kind, obj)
    return obj


def prepare_update(kind: Kind, obj: Object, old: Object) -> Object:
    """The object that takes the old one's place; its status stays as it was. Raises InvalidError, ConflictError."""
    _keep_metadata(kind, obj, old)
    if kind.has_status:
        _keep(obj, old, "status")
    _translate(kind, obj)
    apply_defaults(kind, obj, old)
    _check_unchangeable(kind, obj, old)
    check(kind, obj)
    if kind.counts_generations and _asked(kind, obj) != _asked(kind, old):
        obj["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1
    return obj


def prepare_status(kind: Kind, obj: Object, old: Object) -> Object:
    """The old object with the new one's status. Raises ConflictError."""
    _keep_metadata(kind, obj, old)
    merged = {**old, "metadata": {**old["metadata"]}}
    _keep(merged, obj, "status")
    return merged


def is_same(new: Object, old: Object) -> bool:
    """Whether a write would change nothing, so that nobody need be told."""
    if new.keys() != old.keys() or any(new[field] != old[field] for field in new if field != "metadata"):
        return False
    return _lasting(new["metadata"]) == _lasting(old["metadata"])


def check(kind: Kind, obj: Object) -> None:
    """Raises InvalidError when names, labels or selectors are not well formed."""
    metadata = obj["metadata"]
    faults = [
        *check_name(kind.group, kind.kind, metadata["name"]),
        *check_labels("metadata.labels", metadata.get("labels") or {}),
        *check_annotations("metadata.annotations", metadata.get("annotations") or {}),
        *_workload_faults(kind, obj),
        *(_job_faults(obj) if kind == JOB else ()),
        *(check_data_keys(obj) if kind in (CONFIG_MAP, SECRET) else ()),
        *(definition_faults(obj) if kind == DEFINITION else ()),
        *(autoscaler_faults(obj) if kind == HORIZONTAL_POD_AUTOSCALER else ()),
    ]
    causes = [*(Cause(fault.path, fault.message, cause_of(fault)) for fault in faults), *_owner_faults(metadata)]
    if causes:
        raise refusals.invalid(kind, metadata["name"], causes)


def _lasting(metadata: Object) -> Object:
    lasting = {name: value for name, value in metadata.items() if value and name != "resourceVersion"}
    if "managedFields" in lasting:
        lasting["managedFields"] = [entry | {"time": None} for entry in lasting["managedFields"]]
    return lasting


def _asked(kind: Kind, obj: Object) -> Object:
    left_out = ("metadata", "apiVersion", "kind", *(("status",) if kind.has_status else ()))
    return {field: value for field, value in obj.items() if field not in left_out}


def _settle_namespace(kind: Kind, metadata: Object, namespace: str) -> None:
    if metadata.get("namespace") and metadata["namespace"] != namespace and kind.namespaced:
        raise refusals.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata.pop("namespace", None)
    if kind.namespaced:
        metadata["namespace"] = namespace


def _keep_metadata(kind: Kind, obj: Object, old: Object) -> None:
    """What no update may change: who the object is, and that it is being deleted."""
    new, known = obj["metadata"], old["metadata"]
    if new.get("uid") and new["uid"] != known["uid"]:
        raise refusals.conflict(
            kind,
            known["name"],
            f"Precondition failed: UID in precondition: {new['uid']}, UID in object meta: {known['uid']}",
        )
    if new.get("resourceVersion") and new["resourceVersion"] != known["resourceVersion"]:
        raise refusals.modified(kind, known["name"])
    if new.get("name") and new["name"] != known["name"]:
        raise refusals.bad_request(
            f"the name of the object ({new['name']}) does not match the name on the URL ({known['name']})"
        )
    _settle_namespace(kind, new, known.get("namespace", ""))
    for field in _KEPT:
        _keep(new, known, field)
    new["resourceVersion"] = known["resourceVersion"]


def _keep(obj: Object, old: Object, field: str) -> None:
    if field in old:
        obj[field] = old[field]
    else:
        obj.pop(field, None)


def _translate(kind: Kind, obj: Object) -> None:
    """Write-only fields: a Secret's `stringData` becomes `data`."""
    if kind == SECRET and isinstance(obj.get("stringData"), dict):
        plain = obj.pop("stringData")
        obj["data"] = {**(obj.get("data") or {}), **{name: _base64(text) for name, text in plain.items()}}


def _base64(text: object) -> str:
    return binascii.b2a_base64(str(text).encode(), newline=False).decode()


def _check_unchangeable(kind: Kind, obj: Object, old: Object) -> None:
    causes: list[Cause] = []
    if old["metadata"].get("deletionTimestamp"):
        added = set(obj["metadata"].get("finalizers") or ()) - set(old["metadata"].get("finalizers") or ())
        if added:
            text = "Forbidden: no new finalizers can be added if the object is being deleted"
            causes.append(
                Cause("metadata.finalizers", f"{text}, found new finalizers {sorted(added)}", "FieldValueForbidden")
            )
    if kind in _SELECTOR_IMMUTABLE and _selector_of(obj) != _selector_of(old):
        causes.append(Cause("spec.selector", "Invalid value: field is immutable"))
    if causes:
        raise refusals.invalid(kind, old["metadata"]["name"], causes)


def _selector_of(obj: Object) -> object:
    return (obj.get("spec") or {}).get("selector")


def _owner_faults(metadata: Object) -> Iterator[Cause]:
    for index, owner in enumerate(metadata.get("ownerReferences") or ()):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield Cause(f"metadata.ownerReferences[{index}].{field}", "Required value", "FieldValueRequired")


def _workload_faults(kind: Kind, obj: Object) -> Findings:
    """apps/v1: not fewer than no replicas, and a selector, which must match the labels of its own template."""
    if kind.group != "apps":
        return
    spec = obj.get("spec") or {}
    yield from check_not_negative("spec.replicas", spec.get("replicas") or 0)
    selector = spec.get("selector")
    if not selector:
        yield required("spec.selector")
        return
    try:
        wanted = decode(LabelSelector, selector)
    except FieldError as error:
        yield Finding(f"spec.selector.{error.path}", f"Invalid value: {error.message}")
        return
    yield from check_selector("spec.selector", wanted)
    yield from check_pod_template("spec.template", spec.get("template") or {}, wanted)


def _job_faults(obj: Object) -> Findings:
    """A Job's pods end: they must not be started again for ever, as pods that say nothing are."""
    path, policies = "spec.template.spec.restartPolicy", ("OnFailure", "Never")
    template = (obj.get("spec") or {}).get("template") or {}
    policy = (template.get("spec") or {}).get("restartPolicy") or "Always"
    if policy == "Always":
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in policies:
        yield not_supported(path, policy, policies, in_order=True)
