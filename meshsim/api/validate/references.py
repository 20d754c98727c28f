"""What a Rollout refers to, as Argo judges it: Services, analysis templates, Ingresses, VirtualServices."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import msgspec

from meshsim.api.analysis import AnalysisRunArgument, AnalysisTemplate, Argument, Metric, TemplateRef
from meshsim.api.decode import FieldError, Object, Wire, decode, write_json
from meshsim.api.meta import Key
from meshsim.api.rollouts import HASH_LABEL, MANAGED_BY_ANNOTATION, Rollout
from meshsim.api.routes import (
    RouteError,
    canary_of,
    check_http_routes,
    check_tcp_routes,
    check_tls_routes,
    istio_of,
    routes_of,
    split_reference,
    virtual_service_key,
    virtual_services_of,
)
from meshsim.api.steps import RolloutAnalysis
from meshsim.api.templates import UnresolvedError, check_rules, flattened, merged_args
from meshsim.api.validate.canary import is_downward_path
from meshsim.api.validate.fields import internal_error, invalid
from meshsim.api.validate.findings import Finding, Findings
from meshsim.api.validate.gotext import parse_int, quote

_STRATEGY: Final = "spec.strategy"
_ISTIO: Final = f"{_STRATEGY}.canary.trafficRouting.istio"


@dataclass(frozen=True, slots=True)
class References:
    """What there is of what a Rollout may refer to, all in its own namespace unless keyed otherwise."""

    services: Mapping[str, Object] = field(default_factory=dict)
    templates: Mapping[str, AnalysisTemplate] = field(default_factory=dict)
    cluster_templates: Mapping[str, AnalysisTemplate] = field(default_factory=dict)
    virtual_services: Mapping[Key, Object] = field(default_factory=dict)


class AnalysisRole(Enum):
    """When an analysis runs; the value is the path of its templates, with a place for a step's number."""

    PRE_PROMOTION = f"{_STRATEGY}.blueGreen.prePromotionAnalysis.templates"
    POST_PROMOTION = f"{_STRATEGY}.blueGreen.postPromotionAnalysis.templates"
    STEP = f"{_STRATEGY}.canary.steps[{{}}].analysis.templates"
    BACKGROUND = f"{_STRATEGY}.canary.analysis.templates"


def check_references(rollout: Rollout, references: References) -> Findings:
    """Everything that is wrong with what a valid Rollout refers to, in Argo's order, paths and words.

    What is missing comes first, as the controller looks everything up before it judges any of it. It reports the
    first finding; a Rollout with a workloadRef has its template filled in.
    """
    missing = tuple(check_present(rollout, references))
    yield from missing
    if missing:
        return
    for path, name in services_of(rollout):
        yield from check_service(path, rollout, references.services[name])
    for role, step, analysis in analyses_of(rollout):
        found = find_templates(analysis.templates, references)
        yield from check_templates(rollout, role, found, analysis.args, step=step)
    for reference in virtual_services_of(rollout):
        key = virtual_service_key(rollout, reference.name)
        yield from check_virtual_service(rollout, references.virtual_services[key])


def services_of(rollout: Rollout) -> Iterator[tuple[str, str]]:
    """Path and name of every Service that a Rollout names."""
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    named: list[tuple[str, str]] = []
    if canary is not None:
        at = f"{_STRATEGY}.canary"
        named = [(f"{at}.stableService", canary.stable_service), (f"{at}.canaryService", canary.canary_service)]
        if canary.ping_pong is not None:
            ping, pong = canary.ping_pong.ping_service, canary.ping_pong.pong_service
            named += [(f"{at}.pingPong.pingService", ping), (f"{at}.pingPong.pongService", pong)]
    elif blue_green is not None:
        at = f"{_STRATEGY}.blueGreen"
        active, preview = blue_green.active_service, blue_green.preview_service
        named = [(f"{at}.activeService", active), (f"{at}.previewService", preview)]
    return ((path, name) for path, name in named if name)


def analyses_of(rollout: Rollout) -> Iterator[tuple[AnalysisRole, int, RolloutAnalysis]]:
    """Every analysis of a Rollout, with its role and the number of its step."""
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    if blue_green is not None:
        for role, analysis in (
            (AnalysisRole.PRE_PROMOTION, blue_green.pre_promotion_analysis),
            (AnalysisRole.POST_PROMOTION, blue_green.post_promotion_analysis),
        ):
            if analysis is not None:
                yield role, 0, analysis
    elif canary is not None:
        for index, step in enumerate(canary.steps):
            if step.analysis is not None:
                yield AnalysisRole.STEP, index, step.analysis
        if canary.analysis is not None:
            yield AnalysisRole.BACKGROUND, 0, canary.analysis


def check_present(rollout: Rollout, references: References) -> Findings:
    """Everything that a Rollout refers to and that isn't there."""
    for path, name in services_of(rollout):
        if name not in references.services:
            yield invalid(path, name, f"service {quote(name)} not found")
    for role, step, analysis in analyses_of(rollout):
        yield from _check_templates_present(role.value.format(step), analysis.templates, references, set())
    yield from _some(istio_config_error(rollout))
    plural = _has_several(rollout)
    for reference in virtual_services_of(rollout):
        if virtual_service_key(rollout, reference.name) not in references.virtual_services:
            at = f"{_ISTIO}.{'virtualServices' if plural else 'virtualService'}.name"
            name = split_reference(reference.name)[1]
            text = f"virtualservices.networking.istio.io {quote(name)} not found"
            yield invalid(at, name, text)


def _check_templates_present(
    path: str, names: Iterable[TemplateRef], references: References, seen: set[TemplateRef]
) -> Findings:
    for reference in names:
        if reference in seen:
            continue
        seen.add(reference)
        template = _find(reference, references)
        if template is None:
            kind = "ClusterAnalysisTemplate" if reference.cluster_scope else "AnalysisTemplate"
            yield invalid(path, reference.template_name, f"{kind} '{reference.template_name}' not found")
        else:
            yield from _check_templates_present("spec.templates", template.spec.templates, references, seen)


def _find(reference: TemplateRef, references: References) -> AnalysisTemplate | None:
    where = references.cluster_templates if reference.cluster_scope else references.templates
    return where.get(reference.template_name)


def find_templates(names: Iterable[TemplateRef], references: References) -> list[AnalysisTemplate]:
    """The named templates and those they name, each once, namespaced ones first."""
    found: dict[TemplateRef, AnalysisTemplate] = {}
    waiting = list(names)
    while waiting:
        reference = waiting.pop(0)
        template = _find(reference, references)
        if template is not None and reference not in found:
            found[reference] = template
            waiting[:0] = template.spec.templates
    return [template for reference, template in sorted(found.items(), key=lambda item: item[0].cluster_scope)]


def check_service(path: str, rollout: Rollout, service: Object) -> Findings:
    """A Service selects the Rollout's pods and belongs to no other Rollout."""
    metadata, labels = service.get("metadata") or {}, _template_labels(rollout)
    name = metadata.get("name") or ""
    for key, value in ((service.get("spec") or {}).get("selector") or {}).items():
        if key != HASH_LABEL and labels.get(key) != value:
            yield invalid(path, name, f"Service {quote(name)} has unmatch label {quote(key)} in rollout")
    owner = (metadata.get("annotations") or {}).get(MANAGED_BY_ANNOTATION)
    if owner is not None and owner != rollout.metadata.name:
        yield invalid(path, name, f"Service {quote(name)} is managed by another Rollout")


def _template_labels(rollout: Rollout) -> Mapping[str, object]:
    return (rollout.spec.template.get("metadata") or {}).get("labels") or {}


def check_templates(
    rollout: Rollout,
    role: AnalysisRole,
    templates: Sequence[AnalysisTemplate],
    args: Sequence[AnalysisRunArgument],
    *,
    step: int = 0,
) -> Findings:
    """A run can be made of the templates of one analysis, and each of them is in order."""
    path = role.value.format(step)
    try:
        spec = flattened(templates)
        merged_args(_passed(args), spec.args)
        for canary_step in canary_of(rollout).steps:
            if canary_step.analysis is not None:
                dry_run = (*canary_step.analysis.dry_run, *spec.dry_run)
                check_rules(dry_run, (*canary_step.analysis.measurement_retention, *spec.measurement_retention))
    except UnresolvedError as error:
        names = " ".join(template.metadata.name for template in templates)
        yield invalid(path, f"templateNames: [{names}]", str(error))
        return
    for template in templates:
        yield from check_template(path, rollout, template, is_background=role is AnalysisRole.BACKGROUND)


def _passed(args: Iterable[AnalysisRunArgument]) -> list[Argument]:
    """The Rollout's arguments as far as it matters here: each has a value, unless one of them can't be read."""
    passed = []
    for arg in args:
        path = ((arg.value_from or {}).get("fieldRef") or {}).get("fieldPath") or ""
        if path.startswith("metadata") and not is_downward_path(path):
            return []
        passed.append(Argument(name=arg.name, value=arg.value or ""))
    return passed


def check_template(path: str, rollout: Rollout, template: AnalysisTemplate, *, is_background: bool) -> Findings:
    """One template: its metrics end by themselves; the arguments of a background one are all given."""
    name = template.metadata.name
    if is_background:
        yield from _check_background_args(path, rollout, template)
        return
    try:
        metrics = _resolved(template)
    except UnresolvedError as error:
        yield invalid(path, name, f"AnalysisTemplate {name}: {error}")
        return
    for metric in metrics:
        if metric.interval and not _is_counted(metric.count):
            count = "<nil>" if metric.count is None else metric.count
            text = f"AnalysisTemplate {name} has metric {metric.name} which runs indefinitely. Invalid value for count:"
            yield invalid(path, name, f"{text} {count}")


def _is_counted(count: int | str | None) -> bool:
    number = parse_int(count) if isinstance(count, str) else count
    return bool(number)


def _check_background_args(path: str, rollout: Rollout, template: AnalysisTemplate) -> Findings:
    analysis = canary_of(rollout).analysis
    given = {arg.name for arg in analysis.args} if analysis is not None else set()
    for arg in template.spec.args:
        if arg.value is not None or arg.value_from is not None:
            continue
        if not given:
            yield invalid(path, template.metadata.name, "missing analysis arguments in rollout spec")
        elif arg.name not in given:
            yield invalid(path, template.metadata.name, arg.name)


_PLACEHOLDER: Final = "dummy-value"
_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def _resolved(template: AnalysisTemplate) -> list[Metric]:
    """The metrics with some value for every argument. Raises UnresolvedError."""
    values: dict[str, str] = {}
    for arg in template.spec.args:
        if arg.value is not None and arg.value_from is not None:
            raise UnresolvedError(f"arg '{arg.name}' has both Value and ValueFrom fields")
        values[f"args.{arg.name}"] = _PLACEHOLDER if arg.value is None else arg.value
    return [_filled_in(metric, values) for metric in template.spec.metrics]


def _filled_in(metric: Metric, values: Mapping[str, str]) -> Metric:
    def value_of(tag: re.Match[str]) -> str:
        value = values.get(tag[1].strip())
        if value is None:
            raise UnresolvedError(f"failed to resolve {{{{{tag[1]}}}}}")
        return quote(value)[1:-1]

    text = _TAG.sub(value_of, write_json(metric).decode())
    try:
        return msgspec.json.decode(text, type=Metric)
    except msgspec.DecodeError as error:
        raise UnresolvedError(str(error)) from None


def istio_config_error(rollout: Rollout) -> Finding | None:
    """Exactly one of virtualService and virtualServices is set."""
    istio = istio_of(rollout)
    if istio is None or (istio.virtual_service is None) == (istio.virtual_services is not None):
        return None
    return internal_error(_ISTIO, "either VirtualService or VirtualServices must be configured")


def _has_several(rollout: Rollout) -> bool:
    istio = istio_of(rollout)
    return istio is not None and istio.virtual_services is not None


def check_virtual_service(rollout: Rollout, virtual_service: Object) -> Findings:
    """The routes that a Rollout names are there and lead to both versions."""
    if istio_of(rollout) is None:
        yield invalid(_ISTIO, rollout.metadata.name, "Rollout object is not configured with Istio traffic routing")
        return
    path = f"{_ISTIO}.{'virtualServices' if _has_several(rollout) else 'virtualService'}.name"
    name = (virtual_service.get("metadata") or {}).get("name") or ""
    if name not in (split_reference(one.name)[1] for one in virtual_services_of(rollout)):
        return
    spec = virtual_service.get("spec") or {}
    present = [protocol for protocol in ("http", "tls", "tcp") if isinstance(spec.get(protocol), list)]
    if not present:
        text = "Unable to get any of the HTTP, TCP or TLS routes for the Istio VirtualService"
        yield invalid(path, name, text)
    for protocol in present:
        yield from _check_routes(path, name, protocol, rollout, virtual_service)


class _Host(Wire, frozen=True):
    host: str = ""
    subset: str = ""


class _Destination(Wire, frozen=True):
    destination: _Host = _Host()
    weight: int | None = None


class _Match(Wire, frozen=True):
    port: int = 0
    sni_hosts: tuple[str, ...] = ()


class _Route(Wire, frozen=True):
    """As much of a route as Argo decodes."""

    name: str = ""
    match: tuple[_Match, ...] = ()
    route: tuple[_Destination, ...] = ()


def _check_routes(path: str, name: str, protocol: str, rollout: Rollout, virtual_service: Object) -> Findings:
    try:
        routes = routes_of(virtual_service, protocol) or []
        decode(tuple[_Route, ...], routes)
    except (RouteError, FieldError):
        yield invalid(path, name, f"Unable to get {protocol.upper()} routes for Istio VirtualService")
        return
    reference = next(one for one in virtual_services_of(rollout) if split_reference(one.name)[1] == name)
    try:
        match protocol:
            case "http":
                check_http_routes(rollout, reference.routes, routes)
            case "tls":
                check_tls_routes(rollout, reference.tls_routes, routes)
            case _:
                check_tcp_routes(rollout, reference.tcp_routes, routes)
    except RouteError as error:
        yield invalid(path, name, f"Istio VirtualService has invalid {protocol.upper()} routes. Error: {error}")


def _some(finding: Finding | None) -> Findings:
    if finding is not None:
        yield finding
