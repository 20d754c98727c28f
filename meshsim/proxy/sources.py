"""Where the configuration comes from: a Kubernetes API, or files. Both say when something changed."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec

from meshsim.api.core import SERVICE_NAME_LABEL, EndpointSlice, Pod, Service
from meshsim.api.decode import FieldError, Object, Wire, decode, read_documents
from meshsim.api.kinds import (
    DESTINATION_RULE,
    ENDPOINT_SLICE,
    GATEWAY,
    POD,
    SERVICE,
    SERVICE_ENTRY,
    VIRTUAL_SERVICE,
    Kind,
    kind_named,
)
from meshsim.api.meta import HasMeta, Key, selects
from meshsim.api.networking import DestinationRule, Gateway, ServiceEntry, VirtualService
from meshsim.api.validate.findings import Finding, verdict_of
from meshsim.api.validate.istio import check_istio, is_judged, read_istio
from meshsim.api.validate.protojson import MessageError
from meshsim.client.api import Api
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.errors import InvalidManifestError, MeshsimError, StartError
from meshsim.kit.lag import Lags
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import to_rfc3339
from meshsim.mesh.compile import MeshObjects
from meshsim.proxy.push import Push
from meshsim.proxy.settling import HOLD_AT_MOST_S, Settling

T = TypeVar("T", bound=Wire)
OnChange = Callable[[], None]
Warn = Callable[[str], None]

_TYPES: Final[dict[Kind, type[Any]]] = {
    SERVICE: Service,
    ENDPOINT_SLICE: EndpointSlice,
    POD: Pod,
    VIRTUAL_SERVICE: VirtualService,
    DESTINATION_RULE: DestinationRule,
    GATEWAY: Gateway,
    SERVICE_ENTRY: ServiceEntry,
}
_HOP_OF: Final[dict[Kind, str]] = {VIRTUAL_SERVICE: "vs", DESTINATION_RULE: "dr"}
_POLL_S: Final = 0.015
_SWITCH_S: Final = 0.0005
"""How long reading files in a thread may keep the loop from its traffic."""
_SUFFIXES: Final = (".yaml", ".yml", ".json")


class Source(Protocol):
    """Objects that follow their origin."""

    def objects(self) -> MeshObjects:
        """The latest, without resolved names."""


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


class ApiSource:
    """Watches a Kubernetes API. An object that cannot be read is said once and left out."""

    def __init__(
        self, api: Api, on_change: OnChange, warn: Warn, lags: Lags | None = None, clock: Clock | None = None
    ) -> None:
        """The lags are those of PROXY_HOPS, on that clock; without them nothing is late."""
        lags, clock = lags or Lags(), clock or LoopClock()
        self._informers = {kind: Informer(api, kind) for kind in _TYPES}
        self._pushed = {
            kind: Push(self._informers[kind], hop, lags, clock, partial(self._changed, kind))
            for kind, hop in _HOP_OF.items()
        }
        self._on_change = on_change
        self._warn = warn
        self._typed: dict[tuple[Kind, str, str], tuple[str, HasMeta | None]] = {}
        self._switched: set[Key] = set()
        """Services whose selector changed and whose endpoints may still be those of the old one."""
        self._settling = Settling()
        for kind, informer in self._informers.items():
            if kind not in self._pushed:
                informer.on_change(partial(self._changed, kind))

    def _changed(self, kind: Kind, change: Change) -> None:
        if kind is SERVICE and change.old and change.new and _selector(change.old) != _selector(change.new):
            self._switched.add(change.key)
        if _matters(kind, change):
            self._on_change()

    def _is_behind(self, key: Key) -> bool:
        """An endpoint of the Service is a pod that its selector doesn't select."""
        service = self._informers[SERVICE].get(key)
        if service is None:
            return False
        selector, pods = _selector(service), self._informers[POD]
        targets = (
            endpoint.get("targetRef") or {}
            for one in self._informers[ENDPOINT_SLICE].all()
            if one["metadata"].get("namespace") == key.namespace
            and (one["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL) == key.name
            for endpoint in one.get("endpoints") or ()
        )
        found = (pods.get(Key(key.namespace, target.get("name") or "")) for target in targets)
        return any(pod is not None and not selects(selector, pod["metadata"].get("labels") or {}) for pod in found)

    def start(self, tasks: TaskOwner) -> None:
        """Follow the API for ever."""
        for kind, informer in self._informers.items():
            tasks.start(informer.run(), f"watch {kind.plural}")
        for kind, push in self._pushed.items():
            tasks.start(push.run(), f"push {kind.plural}")

    async def synced(self) -> None:
        """Wait until everything was listed once."""
        for informer in self._informers.values():
            await informer.synced.wait()

    def objects(self) -> MeshObjects:
        """What has reached the proxy, weights not before the endpoints they were chosen for."""
        found = mesh_objects({kind: self._typed_of(kind) for kind in _TYPES})
        self._switched = {key for key in self._switched if self._is_behind(key)}
        loop = asyncio.get_running_loop()
        in_force = self._settling.settle(found.virtual_services, self._switched, loop.time())
        if self._settling.holds:
            loop.call_later(HOLD_AT_MOST_S, self._on_change)
        return replace(found, virtual_services=in_force)

    def _typed_of(self, kind: Kind) -> list[HasMeta]:
        typed: list[HasMeta] = []
        known_here = self._pushed.get(kind) or self._informers[kind]
        for obj in known_here.all():
            metadata = obj["metadata"]
            key = (kind, metadata.get("namespace") or "", metadata["name"])
            version = metadata.get("resourceVersion") or ""
            known = self._typed.get(key)
            if known is None or known[0] != version:
                known = self._typed[key] = (version, self._read(kind, obj))
            if known[1] is not None:
                typed.append(known[1])
        return typed

    def _read(self, kind: Kind, obj: Object) -> HasMeta | None:
        try:
            read: HasMeta = decode(_TYPES[kind], obj)
        except FieldError as error:
            self._warn(f"{kind} {obj['metadata'].get('namespace')}/{obj['metadata']['name']} is left out: {error}")
            return None
        return read


def _matters(kind: Kind, change: Change) -> bool:
    """Whether routing can depend on it. Of a pod only what names it and its version does, not how it is."""
    if kind is not POD or change.old is None or change.new is None:
        return True
    old, new = change.old["metadata"], change.new["metadata"]
    return any(old.get(part) != new.get(part) for part in ("labels", "ownerReferences"))


def _selector(service: Object) -> dict[str, str]:
    selector: dict[str, str] = (service.get("spec") or {}).get("selector") or {}
    return selector


class FileSource:
    """Reads YAML files and follows their changes. A broken edit is said and the old objects stay."""

    def __init__(self, path: Path, on_change: OnChange, warn: Warn) -> None:
        """Raises InvalidManifestError or StartError when the files cannot be read at first."""
        self._path = path
        self._on_change = on_change
        self._warn = warn
        self._stamp = self._look()
        self._objects = read_mesh_files(self._files(), warn)

    def objects(self) -> MeshObjects:
        """What the files said when they were last right."""
        return self._objects

    async def synced(self) -> None:
        """They were read when this was made."""

    async def follow(self) -> None:
        """Look for changes, for ever."""
        sys.setswitchinterval(_SWITCH_S)
        clock = LoopClock()
        complaint = ""
        while True:
            await clock.sleep(_POLL_S)
            stamp = await asyncio.to_thread(self._look)
            if stamp == self._stamp:
                if complaint:
                    # Said only now: a file that was still being written looks different by this time.
                    self._warn(complaint)
                    complaint = ""
                continue
            self._stamp, complaint = stamp, ""
            try:
                self._objects = await asyncio.to_thread(self._read_again)
            except MeshsimError as error:
                complaint = f"{error} (the configuration before this change stays in force)"
            else:
                self._on_change()

    def _read_again(self) -> MeshObjects:
        return recognised(read_mesh_files(self._files(), self._warn), self._objects)

    def _files(self) -> list[Path]:
        if self._path.is_dir():
            return sorted(p for p in self._path.rglob("*") if p.suffix in _SUFFIXES and p.is_file())
        return [self._path]

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        stamps = []
        for path in self._files():
            try:
                status = path.stat()
            except OSError:
                continue
            stamps.append((str(path), status.st_mtime_ns, status.st_size))
        return tuple(stamps)


def recognised(now: MeshObjects, before: MeshObjects) -> MeshObjects:
    """The objects of now, those that are as before by the objects of before: they are known not to have changed."""

    def of(name: str) -> Any:
        known = {obj.metadata.key: obj for obj in getattr(before, name)}
        pairs = ((obj, known.get(obj.metadata.key)) for obj in getattr(now, name))
        return tuple(old if old == new else new for new, old in pairs)

    return MeshObjects(
        services=of("services"),
        endpoint_slices=of("endpoint_slices"),
        pods=of("pods"),
        virtual_services=of("virtual_services"),
        destination_rules=of("destination_rules"),
        gateways=of("gateways"),
        service_entries=of("service_entries"),
    )


def read_mesh_files(paths: Iterable[Path], warn: Warn) -> MeshObjects:
    """The mesh's objects in YAML files, in their order: the first is the oldest; other kinds are left out.

    What Istio would refuse is said by `warn` and taken for what it says.
    Raises InvalidManifestError naming file:line:column, or StartError for a file that cannot be read.
    """
    return read_mesh_texts(((_text_of(path), str(path)) for path in paths), warn)


def read_mesh_texts(texts: Iterable[tuple[str, str]], warn: Warn) -> MeshObjects:
    """The same for texts, each with the name of its file. Raises InvalidManifestError."""
    by_kind: dict[Kind, list[HasMeta]] = {}
    order = 0
    for text, file in texts:
        for document in read_documents(text, file):
            kind = kind_named(str(document.value.get("apiVersion")), str(document.value.get("kind")), _TYPES)
            if kind is None:
                continue
            try:
                typed = decode(_TYPES[kind], document.value)
            except FieldError as error:
                raise InvalidManifestError(f"{document.where(error.path)}: {error}") from None
            for finding in _istios_objections(kind, document.value):
                warn(f"{document.where(finding.path)}: {finding} (Istio would refuse this)")
            by_kind.setdefault(kind, []).append(_aged(typed, order))
            order += 1
    return mesh_objects(by_kind)


def _istios_objections(kind: Kind, obj: Object) -> tuple[Finding, ...]:
    if not is_judged(kind.kind):
        return ()
    try:
        return verdict_of(check_istio(kind.kind, read_istio(kind.kind, obj))).errors
    except MessageError as error:
        return (Finding("spec", str(error)),)


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _aged(obj: Any, order: int) -> HasMeta:
    """Objects without a creation stamp are as old as their order in the files, in the namespace `default`."""
    metadata = obj.metadata
    aged = msgspec.structs.replace(
        metadata,
        namespace=metadata.namespace or "default",
        creation_timestamp=metadata.creation_timestamp or to_rfc3339(float(order)),
    )
    result: HasMeta = msgspec.structs.replace(obj, metadata=aged)
    return result
