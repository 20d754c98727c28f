from collections.abc import Callable
from typing import Any

import pytest

from meshsim.api.decode import Object, decode
from meshsim.api.rollouts import Rollout
from meshsim.api.validate.canary import is_downward_path, pause_seconds
from meshsim.api.validate.rollout import check_rollout
from tests.kits import manifests


def _faults(change: Callable[[Object], object] = lambda _: None, **options: Any) -> list[str]:
    rollout = manifests.rollout()
    change(rollout["spec"])
    return [str(finding) for finding in check_rollout(decode(Rollout, rollout), **options)]


def _steps(*steps: Object, **canary: object) -> list[str]:
    return _faults(lambda spec: spec["strategy"].update(canary={"steps": list(steps), **canary}))


def test_a_right_rollout_has_no_faults() -> None:
    assert _faults() == []


def test_counts_and_seconds_are_not_negative() -> None:
    changes = {"replicas": -1, "minReadySeconds": -2, "revisionHistoryLimit": -3, "progressDeadlineSeconds": -4}

    assert _faults(lambda spec: spec.update(changes)) == [
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        "spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0",
        "spec.revisionHistoryLimit: Invalid value: -3: must be greater than or equal to 0",
        "spec.progressDeadlineSeconds: Invalid value: -4: must be greater than or equal to 0",
        "spec.progressDeadlineSeconds: Invalid value: -4: must be greater than minReadySeconds",
    ]


def test_a_selector_must_be_readable() -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": "Is", "values": ["web"]}]}

    assert _faults(lambda spec: spec.update(selector=selector)) == [
        'spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
        "spec.selector: Invalid value: "
        '{"matchExpressions":[{"key":"app","operator":"Is","values":["web"]}]}: invalid label selector',
    ]


def test_a_workload_ref_takes_the_place_of_the_template_unless_that_was_filled_in_from_it() -> None:
    def refer(spec: Object) -> None:
        spec["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}

    assert _faults(refer) == ["spec.template: Internal error: template must be empty for workload reference rollout"]
    assert _faults(refer, template_is_resolved=True) == []


def test_exactly_one_strategy_is_named() -> None:
    assert _faults(lambda spec: spec.update(strategy={})) == [
        "spec.strategy.strategy: Required value: "
        "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'"
    ]


def test_blue_green_needs_two_services() -> None:
    assert _faults(lambda spec: spec.update(strategy={"blueGreen": {"activeService": ""}})) == [
        'spec.strategy.activeService: Invalid value: "": This rollout uses the same service for the active and '
        "preview services, but two different services are required."
    ]


@pytest.mark.parametrize(("surge", "unavailable"), [(0, "0%"), ("0", 0), ("none", "0")])
def test_something_must_be_allowed_to_move(surge: object, unavailable: object) -> None:
    faults = _steps(maxSurge=surge, maxUnavailable=unavailable)

    assert len(faults) == 1
    assert faults[0].endswith("MaxSurge and MaxUnavailable both can not be zero")


def test_a_quarter_may_move_when_nothing_is_said() -> None:
    assert _steps(maxSurge=0) == []
    assert _steps(maxUnavailable="0%") == []


def test_the_paths_leave_the_strategys_name_out_as_argos_do() -> None:
    assert _steps({"setWeight": 101}) == [
        "spec.strategy.steps[0].setWeight: Invalid value: 101: SetWeight needs to be between 0 and 100"
    ]


def test_a_router_may_have_another_full_weight() -> None:
    plugins: Object = {"a/b": {}}

    assert _steps({"setWeight": 1000}, trafficRouting={"plugins": plugins, "maxTrafficWeight": 1000}) == []


@pytest.mark.parametrize(
    ("duration", "seconds"), [(None, 0), (60, 60), ("60", 60), ("1m30s", 90), ("1500ms", 1), ("-10", -10), ("1d", -1)]
)
def test_a_pause_is_whole_seconds(duration: int | str | None, seconds: int) -> None:
    assert pause_seconds(duration) == seconds


def test_steps_that_shape_traffic_need_a_router() -> None:
    assert _steps({"setCanaryScale": {"weight": 1}}, {"setMirrorRoute": {"name": "m", "percentage": 5}}) == [
        "spec.strategy.trafficRouting: Required value: SetCanaryScale requires TrafficRouting to be set",
        'spec.strategy.steps[1].setMirrorRoute: Invalid value: {"name":"m","percentage":5}: '
        "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins",
    ]


def test_a_header_route_is_shown_as_argo_shows_it() -> None:
    assert _steps({"setHeaderRoute": {"name": "h", "match": [{"headerName": "x"}]}}) == [
        "spec.strategy.steps[0].setHeaderRoute: Invalid value: "
        '{"name":"h","match":[{"headerName":"x","headerValue":null}]}: '
        "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix"
    ]


@pytest.mark.parametrize(
    "path", ["metadata.name", "metadata.labels", "metadata.labels['app']", "metadata.annotations['A/b']"]
)
def test_the_downward_api_knows_metadata(path: str) -> None:
    assert is_downward_path(path)


@pytest.mark.parametrize(
    "path", ["metadata.label['app']", "metadata.labels['a b']", "metadata.foo", "metadata.name['x']"]
)
def test_the_downward_api_knows_nothing_else(path: str) -> None:
    assert not is_downward_path(path)


def _template(change: Callable[[Object], object]) -> list[str]:
    return _faults(lambda spec: change(spec["template"]))


def _container(**fields: object) -> list[str]:
    faults = _template(lambda template: template["spec"]["containers"][0].update(fields))
    return [fault.removeprefix("spec.template.spec.containers[0]") for fault in faults]


def test_a_template_has_the_labels_that_are_selected() -> None:
    assert _template(lambda template: template["metadata"].update(labels={"app": "other"})) == [
        'spec.template.metadata.labels: Invalid value: {"app":"other"}: `selector` does not match template `labels`'
    ]


def test_a_pod_has_containers_that_always_restart() -> None:
    assert _template(lambda template: template.update(spec={"restartPolicy": "Never"})) == [
        "spec.template.spec.containers: Required value",
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ]
    assert _template(lambda template: template["spec"].update(activeDeadlineSeconds=1)) == [
        "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"
    ]


def test_containers_have_names_of_their_own_and_images() -> None:
    def twice(template: Object) -> None:
        template["spec"]["containers"] = [{"name": "a", "image": "i"}, {"name": "a"}]

    assert _template(twice) == [
        "spec.template.spec.containers[1].image: Required value",
        'spec.template.spec.containers[1].name: Duplicate value: "a"',
    ]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"name": "a.b"}, '.name: Invalid value: "a.b": must not contain dots'),
        ({"name": "a" * 64}, f'.name: Invalid value: "{"a" * 64}": must be no more than 63 characters'),
        ({"restartPolicy": "Always"}, ".restartPolicy: Forbidden: may not be set for non-init containers"),
        (
            {"terminationMessagePolicy": "No"},
            '.terminationMessagePolicy: Unsupported value: "No": supported values: "File", "FallbackToLogsOnError"',
        ),
        (
            {"env": [{"name": "A", "valueFrom": {}}]},
            '.env[0].valueFrom: Invalid value: "": '
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        ),
        (
            {"env": [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            '.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.age"}}}]},
            '.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.age": '
            "error converting fieldPath: field label not supported: metadata.age",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]},
            ".env[0].valueFrom.secretKeyRef.key: Required value",
        ),
        ({"envFrom": [{"secretRef": {}}]}, ".envFrom[0].secretRef.name: Required value"),
        (
            {"envFrom": [{}]},
            '.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
        ),
        (
            {"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}},
            ".lifecycle.preStop.sleep: Invalid value: 31: must be greater than 0 and less than "
            "terminationGracePeriodSeconds (30). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero "
            "sleep.",
        ),
        ({"lifecycle": {"postStart": {}}}, ".lifecycle.postStart: Required value: must specify a handler type"),
        (
            {"readinessProbe": {"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 1}},
            ".readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes",
        ),
        ({"ports": [{}]}, ".ports[0].containerPort: Required value"),
        (
            {"ports": [{"containerPort": 70000}]},
            ".ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            {"ports": [{"containerPort": 1, "protocol": "HTTP"}]},
            '.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"',
        ),
        (
            {"ports": [{"containerPort": 1, "name": "h"}, {"containerPort": 2, "name": "h"}]},
            '.ports[1].name: Duplicate value: "h"',
        ),
        ({"env": [{"value": "x"}]}, ".env[0].name: Required value"),
        ({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}, '.volumeMounts[0].name: Not found: "v"'),
        (
            {"imagePullPolicy": "Maybe"},
            '.imagePullPolicy: Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never"',
        ),
        ({"readinessProbe": {}}, ".readinessProbe: Required value: must specify a handler type"),
        (
            {"readinessProbe": {"httpGet": {"port": 1}, "exec": {"command": ["a"]}}},
            ".readinessProbe.httpGet: Forbidden: may not specify more than 1 handler type",
        ),
        (
            {"livenessProbe": {"tcpSocket": {"port": "UP"}, "successThreshold": 2}},
            '.livenessProbe.tcpSocket.port: Invalid value: "UP": '
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (
            {"startupProbe": {"exec": {"command": ["a"]}, "periodSeconds": -1}},
            ".startupProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
    ],
)
def test_a_container_is_as_kubernetes_wants_it(fields: Object, fault: str) -> None:
    assert _container(**fields)[0] == fault


def test_what_only_lasting_containers_may_have_is_forbidden_before_them() -> None:
    probe: Object = {"tcpSocket": {"port": 1}}
    init: Object = {"name": "init", "image": "i", "readinessProbe": probe, "lifecycle": {"preStop": {}}}
    sidecar = init | {"name": "web", "restartPolicy": "Always", "lifecycle": None}

    faults = _template(lambda template: template["spec"].update(initContainers=[init, sidecar]))

    only = "may not be set for init containers without restartPolicy=Always"
    assert faults == [
        f"spec.template.spec.initContainers[0].lifecycle: Forbidden: {only}",
        f"spec.template.spec.initContainers[0].readinessProbe: Forbidden: {only}",
        'spec.template.spec.initContainers[1].name: Duplicate value: "web"',
    ]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"volumes": [{"name": "v", "secret": {}}]}, "volumes[0].secret.secretName: Required value"),
        (
            {"volumes": [{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]},
            "volumes[0].configMap: Forbidden: may not specify more than 1 volume type",
        ),
        (
            {"dnsPolicy": "No"},
            'dnsPolicy: Unsupported value: "No": supported values: "ClusterFirstWithHostNet", '
            '"ClusterFirst", "Default", "None"',
        ),
        ({"hostname": "a.b"}, 'hostname: Invalid value: "a.b": must not contain dots'),
        (
            {"preemptionPolicy": "No"},
            'preemptionPolicy: Unsupported value: "No": supported values: "PreemptLowerPriority", "Never"',
        ),
    ],
)
def test_a_pod_is_as_kubernetes_wants_it(fields: Object, fault: str) -> None:
    assert _template(lambda template: template["spec"].update(fields)) == [f"spec.template.spec.{fault}"]


def test_a_template_of_wrong_types_is_a_fault_and_no_crash() -> None:
    assert _container(ports=[{"containerPort": "http"}]) == [
        ".ports[0].containerPort: Invalid value: Expected int, got str"
    ]
