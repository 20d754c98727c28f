"""A Rollout's canary strategy, as Argo judges it."""

from collections.abc import Sequence
from typing import Final

from meshsim.api.analysis import AnalysisRunArgument
from meshsim.api.decode import Object, encode
from meshsim.api.rollouts import CanaryStrategy, IntOrPercent, PingPong, TrafficRouting
from meshsim.api.steps import CanaryStep, SetHeaderRoute, SetMirrorRoute, StringMatch
from meshsim.api.validate.fields import invalid, qualified_name_errors, required
from meshsim.api.validate.findings import Findings
from meshsim.api.validate.gotext import GoDurationError, nanoseconds, parse_int
from meshsim.api.validate.strategy import MISSING_FIELD, check_anti_affinity


def check_canary(path: str, canary: CanaryStrategy) -> Findings:
    """The canary strategy of a Rollout, in Argo's order; `path` is where Argo says that it stands."""
    routing = canary.traffic_routing
    yield from check_surge(f"{path}.maxSurge", canary)
    if canary.canary_service and canary.canary_service == canary.stable_service:
        text = "This rollout uses the same service for the stable and canary services, but two different services are"
        yield invalid(f"{path}.stableService", canary.stable_service, f"{text} required.")
    if canary.ping_pong is not None:
        yield from _check_ping_pong(path, canary.ping_pong, routing)
    if routing is not None and _needs_services(routing, canary.ping_pong):
        text = "Canary service and Stable service must to be set to use Traffic Routing"
        for field, service in (("stableService", canary.stable_service), ("canaryService", canary.canary_service)):
            if not service:
                yield invalid(f"{path}.{field}", service, text)
    yield from _check_scaling(path, canary)
    for index, step in enumerate(canary.steps):
        yield from _check_step(path, f"{path}.steps[{index}]", step, routing)
    yield from check_anti_affinity(f"{path}.antiAffinity", canary.anti_affinity)


def check_surge(path: str, canary: CanaryStrategy) -> Findings:
    """Something must be allowed to move."""
    if _amount(canary.max_surge) == 0 and _amount(canary.max_unavailable) == 0:
        yield invalid(path, canary.max_surge, "MaxSurge and MaxUnavailable both can not be zero")


_DEFAULT_PERCENT: Final = 25


def _amount(given: IntOrPercent | None) -> int:
    """The number in front of a percent sign, or the number; 0 for text that is neither."""
    if given is None:
        return _DEFAULT_PERCENT
    if isinstance(given, int):
        return given
    digits = given.removesuffix("%")
    return parse_int(digits if digits.isdecimal() else given) or 0


def _check_ping_pong(path: str, ping_pong: PingPong, routing: TrafficRouting | None) -> Findings:
    if routing is not None and routing.alb is None and routing.istio is None and not routing.plugins:
        text = "Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only"
        yield invalid(f"{path}.trafficRouting.alb", None, text)
    at, ping, pong = f"{path}.pingPong", ping_pong.ping_service, ping_pong.pong_service
    for field, service in (("pingService", ping), ("pongService", pong)):
        if not service:
            yield invalid(
                f"{at}.{field}", service, "Ping service and Pong service must to be set to use Ping-Pong feature"
            )
    if ping == pong:
        text = "This rollout uses the same service for the ping and pong services, but two different services are"
        yield invalid(f"{at}.pingService", ping, f"{text} required.")
    if routing is not None and routing.alb is not None and not routing.alb.get("rootService"):
        text = "Root service field is required for the configuration with ALB and ping-pong feature enabled"
        yield invalid(f"{path}.trafficRouting.alb.rootService", "", text)


def _needs_services(routing: TrafficRouting, ping_pong: PingPong | None) -> bool:
    """Whether the router must be told both services: with Istio unless subsets or ping-pong tell versions apart."""
    by_host = routing.istio is not None and routing.istio.destination_rule is None
    if ping_pong is None and (routing.alb is not None or by_host):
        return True
    others = (routing.smi, routing.apisix, routing.ambassador, routing.nginx, routing.app_mesh, routing.traefik)
    return any(other is not None for other in others)


def _check_scaling(path: str, canary: CanaryStrategy) -> Findings:
    delay_s, routing = canary.scale_down_delay_seconds, canary.traffic_routing
    if routing is None:
        if delay_s is not None:
            text = "Canary scaleDownDelaySeconds can only be used with traffic routing"
            yield invalid(f"{path}.scaleDownDelaySeconds", delay_s, text)
        if canary.dynamic_stable_scale:
            text = "Canary dynamicStableScale can only be used with traffic routing"
            yield invalid(f"{path}.dynamicStableScale", True, text)
        return
    if delay_s is not None and canary.dynamic_stable_scale:
        text = "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds"
        yield invalid(f"{path}.dynamicStableScale", True, text)
    if routing.max_traffic_weight is not None and routing.nginx is None and not routing.plugins:
        text = "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins"
        yield invalid(f"{path}.trafficRouting.maxTrafficWeight", routing.max_traffic_weight, text)


def _check_step(path: str, at: str, step: CanaryStep, routing: TrafficRouting | None) -> Findings:
    """One step; `path` is the strategy's, `at` the step's own."""
    yield from check_step_kinds(at, step)
    if step == CanaryStep():
        fields = "Experiment Pause SetWeight Analysis SetCanaryScale SetHeaderRoute SetMirrorRoute Plugin"
        # The words say what is nil, so all of them are true.
        yield invalid(at, " ".join(f"step.{field}: true" for field in fields.split()), _ONE_KIND)
    full = 100 if routing is None or routing.max_traffic_weight is None else routing.max_traffic_weight
    if step.set_weight is not None and not 0 <= step.set_weight <= full:
        yield invalid(f"{at}.setWeight", step.set_weight, f"SetWeight needs to be between 0 and {full}")
    if step.pause is not None and pause_seconds(step.pause.duration) < 0:
        seconds = pause_seconds(step.pause.duration)
        yield invalid(f"{at}.pause.duration", seconds, "Duration needs to be greater than 0")
    if step.set_canary_scale is not None and routing is None:
        yield required(f"{path}.trafficRouting", "SetCanaryScale requires TrafficRouting to be set")
    if step.set_header_route is not None:
        yield from _check_header_route(f"{at}.setHeaderRoute", step.set_header_route, routing)
    if step.set_mirror_route is not None:
        yield from _check_mirror_route(f"{at}.setMirrorRoute", step.set_mirror_route, routing)
    if routing is not None:
        yield from _check_managed(path, at, step, routing)
    yield from _check_experiment_weights(f"{at}.experiment", step, routing)
    yield from _check_arguments(f"{at}.analyses", _arguments_of(step))


_ONE_KIND: Final = "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause"


def check_step_kinds(path: str, step: CanaryStep) -> Findings:
    """At most one of setWeight, pause, experiment and analysis; other kinds together are not looked at."""
    kinds = {
        "Experiment": step.experiment is not None,
        "Pause": step.pause is not None,
        "SetWeight": step.set_weight is not None,
        "Analysis": step.analysis is not None,
    }
    if sum(kinds.values()) > 1:
        yield invalid(path, " ".join(f"step.{kind}: {str(on).lower()}" for kind, on in kinds.items()), _ONE_KIND)


def pause_seconds(duration: int | str | None) -> int:
    """Whole seconds of a pause, -1 for text that is no duration."""
    if duration is None or isinstance(duration, int):
        return duration or 0
    number = parse_int(duration)
    if number is not None:
        return number
    try:
        length_ns = nanoseconds(duration)
    except GoDurationError:
        return -1
    return int(length_ns / 1e9)


def _check_header_route(path: str, route: SetHeaderRoute, routing: TrafficRouting | None) -> Findings:
    if routing is None or not (
        routing.istio is not None or routing.apisix is not None or routing.alb is not None or routing.plugins
    ):
        text = "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix"
        yield invalid(path, _header_route_as_json(route), text)
        return
    for index, match in enumerate(route.match):
        at = f"{path}.match[{index}]"
        if routing.alb is not None:
            yield from _check_alb_match(at, match.header_value)
        else:
            yield from _check_match(at, match.header_value)


def _header_route_as_json(route: SetHeaderRoute) -> Object:
    matches = [{"headerName": match.header_name, "headerValue": encode(match.header_value)} for match in route.match]
    return ({"name": route.name} if route.name else {}) | ({"match": matches} if matches else {})


_NO_VALUE: Final = "StringMatch value missed, match value must have one of the following: exact, regex, prefix"


def _check_match(path: str, match: StringMatch | None) -> Findings:
    given = 0 if match is None else sum(map(bool, (match.exact, match.regex, match.prefix)))
    if given > 1:
        text = "StringMatch match value must have exactly one of the following: exact, regex, prefix"
        yield invalid(path, match, text)
    elif given == 0:
        yield invalid(path, match, _NO_VALUE)


def _check_alb_match(path: str, match: StringMatch | None) -> Findings:
    if match is None:
        yield invalid(path, match, _NO_VALUE)
    elif not match.exact or match.regex or match.prefix:
        yield invalid(path, match, "SetHeaderRoute match value invalid. ALB supports 'exact' value only")


def _check_mirror_route(path: str, route: SetMirrorRoute, routing: TrafficRouting | None) -> Findings:
    if routing is None or (routing.istio is None and not routing.plugins):
        value = {"name": route.name} | encode(route)
        yield invalid(path, value, "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins")
    for index, match in enumerate(route.match):
        # The method is looked at twice and the headers not at all, as in Argo.
        for part in (match.method, match.path, match.method):
            if part is not None:
                yield from _check_match(f"{path}.match[{index}]", part)


def _check_managed(path: str, at: str, step: CanaryStep, routing: TrafficRouting) -> Findings:
    """Routes that steps make are listed beforehand."""
    made = [
        (field, route.name)
        for field, route in (("setHeaderRoute", step.set_header_route), ("setMirrorRoute", step.set_mirror_route))
        if route is not None
    ]
    if routing.managed_routes is None:
        if made:
            field = "trafficRouting.managedRoutes"
            yield required(f"{path}.{field}", MISSING_FIELD.format(f"spec.strategy.canary.{field}"))
        return
    names = {route.name for route in routing.managed_routes}
    for field, name in made:
        if name not in names:
            text = "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes"
            yield invalid(f"{at}.{field}", name, text)


def _check_experiment_weights(path: str, step: CanaryStep, routing: TrafficRouting | None) -> Findings:
    if step.experiment is None:
        return
    if routing is None:
        text = "Experiment template weight cannot be set unless TrafficRouting is enabled"
    elif routing.alb is None and routing.smi is None and routing.istio is None and not routing.plugins:
        text = (
            "Experiment template weight is only available for TrafficRouting with SMI, ALB, Istio and Plugins at this"
        )
        text += " time"
    else:
        return
    for index, template in enumerate(step.experiment.templates):
        if template.weight is not None:
            yield invalid(f"{path}.templates[{index}].weight", template.weight, text)


def _arguments_of(step: CanaryStep) -> list[AnalysisRunArgument]:
    of_experiment = step.experiment.analyses if step.experiment is not None else ()
    of_analysis = step.analysis.args if step.analysis is not None else ()
    return [*(arg for analysis in of_experiment for arg in analysis.args), *of_analysis]


def _check_arguments(path: str, args: Sequence[AnalysisRunArgument]) -> Findings:
    for arg in args:
        field_path = ((arg.value_from or {}).get("fieldRef") or {}).get("fieldPath") or ""
        if field_path.startswith("metadata") and not is_downward_path(field_path):
            text = "Analyses arguments must refer to valid object metadata supported by downwardAPI"
            yield invalid(path, [_argument_as_json(one) for one in args], text)


def _argument_as_json(arg: AnalysisRunArgument) -> Object:
    value = {"value": arg.value} if arg.value else {}
    return {"name": arg.name} | value | ({"valueFrom": arg.value_from} if arg.value_from is not None else {})


_METADATA_FIELDS: Final = frozenset(
    f"metadata.{field}" for field in ("annotations", "labels", "name", "namespace", "uid")
)


def is_downward_path(path: str) -> bool:
    """Whether the downward API knows a path: a field of the metadata, or one label or annotation in `['…']`."""
    field, bracket, rest = path.partition("['")
    if not bracket or not path.endswith("']"):
        return path in _METADATA_FIELDS
    key = rest.removesuffix("']")
    if field == "metadata.annotations":
        return not qualified_name_errors(key.lower())
    return field == "metadata.labels" and not qualified_name_errors(key)
