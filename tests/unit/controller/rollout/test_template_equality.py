"""Which ReplicaSets run a rollout's present template."""

from copy import deepcopy
from typing import Any

import pytest

from controller.rollout.template_equality import runs_template
from meshsim.api.decode import Object, decode
from meshsim.api.rollouts import HASH_LABEL, Rollout

_ANTI_AFFINITY: Object = {"requiredDuringSchedulingIgnoredDuringExecution": {}}
_DEFAULTS: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_CONTAINER: Object = {"name": "web", "image": "web:v1", "resources": {"requests": {"cpu": "0.5"}}}
_CONTAINER_DEFAULTS: Object = {
    "imagePullPolicy": "IfNotPresent",
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}


def _rollout(**pod_spec: Any) -> Rollout:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [_CONTAINER], **pod_spec}}
    strategy = {"canary": {"antiAffinity": _ANTI_AFFINITY}}
    obj = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"template": template, "strategy": strategy}}
    return decode(Rollout, obj)


def _replica_set(**pod_spec: Any) -> Object:
    """As an API server returns it: its template has the defaults and the hash."""
    containers = [{**deepcopy(_CONTAINER), **_CONTAINER_DEFAULTS, "resources": {"requests": {"cpu": "500m"}}}]
    labels = {"app": "web", HASH_LABEL: "abc"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers, **_DEFAULTS, **pod_spec}}
    return {"metadata": {"name": "web-abc", "labels": labels}, "spec": {"template": template}}


def test_what_the_api_server_filled_in_makes_no_other_template() -> None:
    assert runs_template(_replica_set(), _rollout())
    assert runs_template(_replica_set(), _rollout(**_DEFAULTS))


@pytest.mark.parametrize("changed", [{"terminationGracePeriodSeconds": 5}, {"serviceAccountName": "web"}])
def test_any_other_setting_does(changed: Object) -> None:
    assert not runs_template(_replica_set(), _rollout(**changed))
    assert not runs_template(_replica_set(**changed), _rollout())
    assert runs_template(_replica_set(**changed), _rollout(**changed))


def test_the_deprecated_service_account_is_not_compared() -> None:
    assert runs_template(_replica_set(serviceAccount="web"), _rollout())


def test_what_the_controller_put_in_is_not_compared() -> None:
    term = {
        "labelSelector": {"matchExpressions": [{"key": HASH_LABEL, "operator": "In", "values": ["stable"]}]},
        "topologyKey": "kubernetes.io/hostname",
    }
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    replica_set = _replica_set(affinity={"podAntiAffinity": {required: [term]}})
    replica_set["metadata"]["annotations"] = {"rollout.argoproj.io/ephemeral-metadata": '{"labels":{"role":"canary"}}'}
    replica_set["spec"]["template"]["metadata"]["labels"]["role"] = "canary"
    assert runs_template(replica_set, _rollout())

    own = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "zone"}
    affinity = {"podAntiAffinity": {required: [own]}}
    replica_set["spec"]["template"]["spec"]["affinity"] = {"podAntiAffinity": {required: [own, term]}}
    assert runs_template(replica_set, _rollout(affinity=affinity))
    assert not runs_template(replica_set, _rollout())
