"""The fields of Services and Ingresses, for who reads them strictly: Argo's linter does."""

from typing import Final

from meshsim.api.decode import Object

_TEXT: Final[Object] = {"type": "string"}
_NUMBER: Final[Object] = {"type": "integer"}
_SWITCH: Final[Object] = {"type": "boolean"}
_PORT: Final[Object] = {"x-kubernetes-int-or-string": True}
_TEXTS: Final[Object] = {"type": "array", "items": _TEXT}
_LABELS: Final[Object] = {"type": "object", "additionalProperties": _TEXT}


def _object(**properties: Object) -> Object:
    return {"type": "object", "properties": properties}


def _list(**properties: Object) -> Object:
    return {"type": "array", "items": _object(**properties)}


_REACHED_AT: Final = _object(
    ingress=_list(ip=_TEXT, hostname=_TEXT, ipMode=_TEXT, ports=_list(port=_NUMBER, protocol=_TEXT, error=_TEXT))
)
_CONDITIONS: Final = _list(
    type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT, lastTransitionTime=_TEXT, observedGeneration=_NUMBER
)
_SERVICE: Final = _object(
    spec=_object(
        ports=_list(name=_TEXT, protocol=_TEXT, appProtocol=_TEXT, port=_NUMBER, targetPort=_PORT, nodePort=_NUMBER),
        selector=_LABELS,
        clusterIP=_TEXT,
        clusterIPs=_TEXTS,
        type=_TEXT,
        externalIPs=_TEXTS,
        sessionAffinity=_TEXT,
        sessionAffinityConfig=_object(clientIP=_object(timeoutSeconds=_NUMBER)),
        loadBalancerIP=_TEXT,
        loadBalancerSourceRanges=_TEXTS,
        loadBalancerClass=_TEXT,
        allocateLoadBalancerNodePorts=_SWITCH,
        externalName=_TEXT,
        externalTrafficPolicy=_TEXT,
        internalTrafficPolicy=_TEXT,
        healthCheckNodePort=_NUMBER,
        publishNotReadyAddresses=_SWITCH,
        ipFamilies=_TEXTS,
        ipFamilyPolicy=_TEXT,
        trafficDistribution=_TEXT,
    ),
    status=_object(loadBalancer=_REACHED_AT, conditions=_CONDITIONS),
)
_RESOURCE: Final = _object(apiGroup=_TEXT, kind=_TEXT, name=_TEXT)
_BACKEND: Final = _object(service=_object(name=_TEXT, port=_object(name=_TEXT, number=_NUMBER)), resource=_RESOURCE)
_OLD_BACKEND: Final = _object(serviceName=_TEXT, servicePort=_PORT, resource=_RESOURCE)


def _ingress(field: str, backend: Object) -> Object:
    paths = _list(path=_TEXT, pathType=_TEXT, backend=backend)
    return _object(
        spec=_object(
            ingressClassName=_TEXT,
            tls=_list(hosts=_TEXTS, secretName=_TEXT),
            rules=_list(host=_TEXT, http=_object(paths=paths)),
            **{field: backend},
        ),
        status=_object(loadBalancer=_REACHED_AT),
    )


_SCHEMAS: Final[dict[tuple[str, str], Object]] = {
    ("v1", "Service"): _SERVICE,
    ("networking.k8s.io/v1", "Ingress"): _ingress("defaultBackend", _BACKEND),
    ("networking.k8s.io/v1beta1", "Ingress"): _ingress("backend", _OLD_BACKEND),
    ("extensions/v1beta1", "Ingress"): _ingress("backend", _OLD_BACKEND),
}


def reference_schema(obj: Object) -> Object | None:
    """What may stand in an object that a Rollout names; None for what is no Service and no Ingress."""
    api_version, kind = obj.get("apiVersion"), obj.get("kind")
    return _SCHEMAS.get((api_version, kind)) if isinstance(api_version, str) and isinstance(kind, str) else None
