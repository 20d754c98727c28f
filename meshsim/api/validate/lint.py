"""What can be said about a set of manifests without an API: each by itself, and Rollouts with what they name.

References are looked for in the same file first, then, if there is exactly one of that name, in all the others; what
isn't there is not an error, for it may be in the cluster.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from meshsim.api.analysis import AnalysisTemplate
from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.kinds import ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE, ROLLOUT, SERVICE, VIRTUAL_SERVICE, Kind
from meshsim.api.meta import Key
from meshsim.api.rollouts import Rollout
from meshsim.api.routes import virtual_service_key, virtual_services_of
from meshsim.api.validate.emulated import not_emulated
from meshsim.api.validate.fields import check_annotations, check_labels, check_name, required
from meshsim.api.validate.findings import Finding, Findings, warning
from meshsim.api.validate.istio import GROUP as ISTIO
from meshsim.api.validate.istio import is_judged, judge_istio
from meshsim.api.validate.references import (
    References,
    check_present,
    check_service,
    check_virtual_service,
    services_of,
)
from meshsim.api.validate.rollout import check_rollout
from meshsim.api.validate.schema import check_rules, check_structure, unknown_fields
from meshsim.api.validate.schemas import schema_of
from meshsim.api.validate.services import reference_schema


@dataclass(frozen=True, slots=True)
class Subject:
    """One object of a file; `group` and `kind` are what it says it is."""

    file: str
    group: str
    kind: str
    namespace: str
    name: str
    object: Object = field(repr=False)

    @property
    def is_in_scope(self) -> bool:
        """Its kind is one that is judged here."""
        is_mesh = (self.group == ISTIO and is_judged(self.kind)) or self.group == ROLLOUT.group
        return is_mesh or reference_schema(self.object) is not None


def subject_of(file: str, obj: Object) -> Subject:
    """The object as what is linted; whatever it leaves out is empty, its namespace `default`."""
    found = obj.get("metadata")
    metadata: Mapping[str, object] = found if isinstance(found, Mapping) else {}
    group = _text(obj.get("apiVersion")).rpartition("/")[0]
    namespace = _text(metadata.get("namespace")) or "default"
    return Subject(file, group, _text(obj.get("kind")), namespace, _text(metadata.get("name")), obj)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def lint(subjects: Sequence[Subject]) -> Iterator[tuple[int, Finding]]:
    """Every finding, with the number of the object it is about, in the order of the objects."""
    index = _Index(subjects)
    for number, subject in enumerate(subjects):
        for finding in _unique(_lint_one(subject, index)):
            yield number, finding
        if subject.is_in_scope:
            # Last, for Argo's linter doesn't look there.
            yield from ((number, finding) for finding in _check_metadata(subject))


def lint_missing(subjects: Sequence[Subject]) -> Iterator[tuple[int, Finding]]:
    """What Rollouts refer to and no object is, in the controller's words, if these are all the objects there are."""
    for number, subject in enumerate(subjects):
        if _is(subject, ROLLOUT):
            with suppress(FieldError):
                rollout = decode(Rollout, {**subject.object, "metadata": _with_namespace(subject)})
                yield from ((number, finding) for finding in check_present(rollout, _references(subject, subjects)))


def _references(rollout: Subject, subjects: Iterable[Subject]) -> References:
    near = [one for one in subjects if one.namespace == rollout.namespace]
    return References(
        {one.name: one.object for one in near if _is(one, SERVICE)},
        {one.name: _template(one) for one in near if _is(one, ANALYSIS_TEMPLATE)},
        {one.name: _template(one) for one in subjects if _is(one, CLUSTER_ANALYSIS_TEMPLATE)},
        {Key(one.namespace, one.name): one.object for one in subjects if _is(one, VIRTUAL_SERVICE)},
    )


def _is(subject: Subject, kind: Kind) -> bool:
    return (subject.group, subject.kind) == (kind.group, kind.kind)


def _template(subject: Subject) -> AnalysisTemplate:
    """A template, or an empty one of its name where it is told elsewhere what is wrong with it."""
    try:
        return decode(AnalysisTemplate, {**subject.object, "metadata": _with_namespace(subject)})
    except FieldError:
        return decode(AnalysisTemplate, {"metadata": {"name": subject.name}})


def _unique(findings: Findings) -> Findings:
    return iter(dict.fromkeys(findings))


def _lint_one(subject: Subject, index: "_Index") -> Findings:
    reference = reference_schema(subject.object)
    if reference is not None:
        # Argo's linter reads strictly what a Rollout names.
        yield from unknown_fields(reference, subject.object)
        yield from check_structure(reference, subject.object)
    schema = schema_of(subject.group, subject.kind)
    if schema is None:
        return
    is_istio = subject.group == ISTIO
    for finding in unknown_fields(schema, subject.object):
        # Istio's own validator lets them pass, Argo's doesn't.
        text = f"{finding.message}: dropped, or refused under strict validation"
        yield Finding(finding.path, text, is_warning=is_istio)
    misfits = tuple(check_structure(schema, subject.object)) or tuple(check_rules(schema, subject.object))
    if is_istio and is_judged(subject.kind):
        verdict = judge_istio(subject.kind, {**subject.object, "metadata": _with_namespace(subject)})
        yield from verdict.errors
        yield from verdict.warnings
        said = {finding.path for finding in verdict.errors}
        misfits = tuple(misfit for misfit in misfits if misfit.path not in said)
    if subject.kind == ROLLOUT.kind and not any(map(_is_about_types, misfits)):
        yield from _lint_rollout(subject, index)
    yield from misfits


def _check_metadata(subject: Subject) -> Findings:
    """The name as the API takes it; labels and annotations are texts under well-formed keys."""
    found = subject.object.get("metadata")
    metadata: Mapping[str, object] = found if isinstance(found, Mapping) else {}
    if not metadata.get("name") and not metadata.get("generateName"):
        yield required("metadata.name", "name or generateName is required")
    elif subject.name:
        yield from check_name(subject.group, subject.kind, subject.name)
    for field_name, check in (("labels", check_labels), ("annotations", check_annotations)):
        values = metadata.get(field_name)
        if isinstance(values, Mapping) and all(isinstance(value, str) for value in values.values()):
            yield from check(f"metadata.{field_name}", values)


def _with_namespace(subject: Subject) -> Object:
    metadata = subject.object.get("metadata")
    return {**(metadata if isinstance(metadata, Mapping) else {}), "namespace": subject.namespace}


def _is_about_types(finding: Finding) -> bool:
    return "must be of type" in finding.message


def _lint_rollout(subject: Subject, index: "_Index") -> Findings:
    try:
        rollout = decode(Rollout, {**subject.object, "metadata": _with_namespace(subject)})
    except FieldError as error:
        yield Finding(error.path, error.message)
        return
    yield from check_rollout(rollout)
    yield from _check_found(subject, rollout, index)
    for path, why in not_emulated(rollout):
        yield warning(path, why)


def _check_found(subject: Subject, rollout: Rollout, index: "_Index") -> Findings:
    for path, service in _services_found(subject, rollout, index):
        yield from check_service(path, rollout, service.object)
    for reference in virtual_services_of(rollout):
        key = virtual_service_key(rollout, reference.name)
        found = index.find(subject, ISTIO, VIRTUAL_SERVICE.kind, key.namespace, key.name)
        if found is not None:
            yield from check_virtual_service(rollout, found.object)


def _services_found(subject: Subject, rollout: Rollout, index: "_Index") -> list[tuple[str, Subject]]:
    """The Services that are there, in the order in which they are, as Argo's linter goes through them.

    A Rollout with a workloadRef has no pods of its own that they could be held to.
    """
    if rollout.spec.workload_ref is not None:
        return []
    named = (
        (path, index.find(subject, SERVICE.group, SERVICE.kind, subject.namespace, name))
        for path, name in services_of(rollout)
    )
    found = [(path, service) for path, service in named if service is not None]
    return sorted(found, key=lambda item: index.position(item[1]))


class _Name(NamedTuple):
    group: str
    kind: str
    namespace: str
    name: str


class _Index:
    """Objects by what they are called."""

    def __init__(self, subjects: Iterable[Subject]) -> None:
        self._by_name: dict[_Name, list[Subject]] = {}
        self._positions: dict[int, int] = {}
        for number, subject in enumerate(subjects):
            self._positions[id(subject)] = number
            name = _Name(subject.group, subject.kind, subject.namespace, subject.name)
            self._by_name.setdefault(name, []).append(subject)

    def find(self, near: Subject, group: str, kind: str, namespace: str, name: str) -> Subject | None:
        """The one in the same file, else the only one there is."""
        every = self._by_name.get(_Name(group, kind, namespace, name), [])
        same_file = [subject for subject in every if subject.file == near.file]
        found = same_file[-1:] or (every if len(every) == 1 else [])
        return found[0] if found else None

    def position(self, subject: Subject) -> int:
        """Where it stands among all."""
        return self._positions[id(subject)]
