"""A pod template as Argo reads it: what holds a quantity that is none counts as absent.

The Rollout's CRD takes any text for a quantity, Kubernetes' own types do not. Argo goes on without it, and whenever
it writes the rollout it writes it so, which is what lets clients with types of their own read it again.
"""

from meshsim.api.decode import Object
from meshsim.api.loose import mapping, mappings
from meshsim.api.quantities import is_quantity

_LISTS = ("initContainers", "containers")


def readable_template(template: Object) -> Object:
    """The template without requests and limits, or ephemeral containers, that hold an unreadable quantity.

    The same object when there is nothing to leave out.
    """
    spec = mapping(template.get("spec"))
    containers = [container for name in (*_LISTS, "ephemeralContainers") for container in mappings(spec.get(name))]
    if all(_is_readable(container) for container in containers):
        return template
    readable = spec | {name: [_readable(container) for container in spec[name]] for name in _LISTS if name in spec}
    if not all(_is_readable(container) for container in mappings(spec.get("ephemeralContainers"))):
        del readable["ephemeralContainers"]
    return template | {"spec": readable}


def _is_readable(container: Object) -> bool:
    resources = mapping(container.get("resources"))
    return all(_are_quantities(resources.get(name)) for name in ("requests", "limits"))


def _are_quantities(amounts: object) -> bool:
    return all(is_quantity(amount) for amount in mapping(amounts).values())


def _readable(container: Object) -> Object:
    if _is_readable(container):
        return container
    resources = {name: part for name, part in container["resources"].items() if _are_quantities(part)}
    return container | {"resources": resources}
