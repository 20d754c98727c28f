"""The kinds that a proxy's configuration is made of."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from meshsim.api.core import EndpointSlice, Pod, Service
from meshsim.api.kinds import (
    DESTINATION_RULE,
    ENDPOINT_SLICE,
    GATEWAY,
    POD,
    SERVICE,
    SERVICE_ENTRY,
    VIRTUAL_SERVICE,
    Kind,
)
from meshsim.api.networking import DestinationRule, Gateway, ServiceEntry, VirtualService
from meshsim.mesh.compile import MeshObjects

MESH_TYPES: Final[Mapping[Kind, type[Any]]] = {
    SERVICE: Service,
    ENDPOINT_SLICE: EndpointSlice,
    POD: Pod,
    VIRTUAL_SERVICE: VirtualService,
    DESTINATION_RULE: DestinationRule,
    GATEWAY: Gateway,
    SERVICE_ENTRY: ServiceEntry,
}


def mesh_objects(by_kind: Mapping[Kind, Iterable[Any]]) -> MeshObjects:
    """Typed objects, sorted into what a compilation takes."""

    def of(kind: Kind) -> tuple[Any, ...]:
        return tuple(by_kind.get(kind, ()))

    return MeshObjects(
        services=of(SERVICE),
        endpoint_slices=of(ENDPOINT_SLICE),
        pods=of(POD),
        virtual_services=of(VIRTUAL_SERVICE),
        destination_rules=of(DESTINATION_RULE),
        gateways=of(GATEWAY),
        service_entries=of(SERVICE_ENTRY),
    )
