"""What an owner makes: objects that point back at it, so that they are found again and end with it."""

from meshsim.api.decode import Object
from meshsim.api.kinds import POD, Kind
from meshsim.api.meta import ObjectMeta


def controller_reference(kind: Kind, owner: ObjectMeta) -> Object:
    """The ownerReference of an object that this owner acts for."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_of_template(kind: Kind, owner: ObjectMeta, template: Object) -> Object:
    """A new pod of the owner's template; the API completes its name."""
    taken_over = ("labels", "annotations", "finalizers")
    metadata = {name: value for name, value in (template.get("metadata") or {}).items() if name in taken_over}
    return {
        "apiVersion": POD.api_version,
        "kind": POD.kind,
        "metadata": {
            **metadata,
            "generateName": f"{owner.name}-",
            "namespace": owner.namespace,
            "ownerReferences": [controller_reference(kind, owner)],
        },
        "spec": template.get("spec") or {},
    }
