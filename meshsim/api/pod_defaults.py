"""What Kubernetes fills in for pods and pod templates (`SetDefaults_*`).

Whoever compares templates needs it as much as whoever stores them. The functions change the object they are given:
a copy that its caller owns. A field of the wrong shape is left alone; validation tells it.
"""

from collections.abc import Iterator

from meshsim.api.decode import Object
from meshsim.api.loose import mappings


def fill_pod_spec(spec: Object) -> None:
    """Fill in what the spec of a pod or of a pod template leaves out."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for container in containers_of(spec):
        _container(container)
    for volume in mappings(spec.get("volumes")):
        _volume(volume)


def containers_of(spec: Object) -> Iterator[Object]:
    """The containers of a pod spec, those that run first included."""
    for field in ("initContainers", "containers"):
        yield from mappings(spec.get(field))


def _container(container: Object) -> None:
    image = container.get("image")
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2] if isinstance(image, str) else ""
    always = tag == "latest" or (not tag and "@" not in str(image))
    container.setdefault("imagePullPolicy", "Always" if always else "IfNotPresent")
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in mappings(container.get("ports")):
        port.setdefault("protocol", "TCP")
    for variable in mappings(container.get("env")):
        source = variable.get("valueFrom")
        for reference in mappings([source.get("fieldRef")] if isinstance(source, dict) else None):
            reference.setdefault("apiVersion", "v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        for probe in mappings([container.get(name)]):
            _probe(probe)
    for hook in mappings([container.get("lifecycle")]):
        for action in mappings([hook.get("postStart"), hook.get("preStop")]):
            _http_get(action)


def _probe(probe: Object) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    _http_get(probe)
    for grpc in mappings([probe.get("grpc")]):
        grpc.setdefault("service", "")


def _http_get(action: Object) -> None:
    for get in mappings([action.get("httpGet")]):
        get.setdefault("path", "/")
        get.setdefault("scheme", "HTTP")


def _volume(volume: Object) -> None:
    sources = [name for name in volume if name != "name"]
    if not sources:
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "projected", "downwardAPI"):
        for source in mappings([volume.get(name)]):
            source.setdefault("defaultMode", 420)
    for host_path in mappings([volume.get("hostPath")]):
        host_path.setdefault("type", "")
