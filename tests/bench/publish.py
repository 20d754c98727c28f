"""What publishing one change costs among many: `make bench-publish`.

Each of the VirtualServices has a Service, a DestinationRule and two pods of its own. The changes come by a watch,
as in `meshsim up`; what is measured reaches from the decoded event to the configuration in force.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import uvloop

from meshsim.api.decode import Object
from meshsim.api.kinds import DESTINATION_RULE, ENDPOINT_SLICE, GATEWAY, POD, SERVICE, VIRTUAL_SERVICE, Kind
from meshsim.client.api import Listing, WatchEvent
from meshsim.kit.clock import LoopClock
from meshsim.kit.heap import building_to_stay
from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.compile import ProxySpec, Snapshot
from meshsim.proxy.configuration.configuration import Publisher, warn
from meshsim.proxy.configuration.sources import ApiSource
from meshsim.proxy.engine import Engine
from meshsim.proxy.settings import Settings

_CHANGES: Final = 30
_SHAPES: Final = {"mesh": "", 'gateway "*"': "*", "gateway wildcard": "*.example.com"}


class _Api:
    """An API whose objects are changed here, and whose watches bring the changes."""

    def __init__(self) -> None:
        self._version = 1
        self._objects: dict[Kind, dict[str, Object]] = {}
        self._events: dict[Kind, asyncio.Queue[WatchEvent]] = {}

    def put(self, kind: Kind, obj: Object) -> None:
        """Create or replace it."""
        self._version += 1
        metadata = {**obj["metadata"], "namespace": "default", "resourceVersion": str(self._version)}
        metadata.setdefault("creationTimestamp", f"2026-01-01T00:00:{self._version:06}Z")
        obj = {**obj, "metadata": metadata}
        self._objects.setdefault(kind, {})[metadata["name"]] = obj
        self._queue(kind).put_nowait(WatchEvent("MODIFIED", obj))

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        """Everything, at once."""
        self._events.pop(kind, None)
        return Listing(list(self._objects.get(kind, {}).values()), str(self._version))

    async def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        """Every change, for ever."""
        queue = self._queue(kind)
        while True:
            yield await queue.get()

    def _queue(self, kind: Kind) -> asyncio.Queue[WatchEvent]:
        return self._events.setdefault(kind, asyncio.Queue())


def _metadata(name: str) -> Object:
    return {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}


def _fill(api: _Api, count: int, gateway_hosts: str) -> None:
    if gateway_hosts:
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [gateway_hosts]}
        api.put(GATEWAY, {"metadata": _metadata("edge"), "spec": {"servers": [server]}})
    for number in range(count):
        name = f"app-{number}"
        ports = [{"name": "http", "port": 80}]
        api.put(SERVICE, {"metadata": _metadata(name), "spec": {"ports": ports, "selector": {"app": name}}})
        subsets = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2")]
        api.put(DESTINATION_RULE, {"metadata": _metadata(name), "spec": {"host": name, "subsets": subsets}})
        for version in ("v1", "v2"):
            labels = {"app": name, "version": version}
            api.put(POD, {"metadata": {**_metadata(f"{name}-{version}"), "labels": labels}, "spec": {}})
        _put_slice(api, number, ready=True)
        _put_route(api, number, 80, at_gateway=bool(gateway_hosts))


def _put_slice(api: _Api, number: int, *, ready: bool) -> None:
    name = f"app-{number}"
    endpoints = [
        {
            "addresses": [f"127.{1 + number // 250}.{number % 250}.{last}"],
            "conditions": {"ready": ready or last == 1},
            "targetRef": {"kind": "Pod", "name": f"{name}-v{last}", "namespace": "default"},
        }
        for last in (1, 2)
    ]
    metadata = {**_metadata(name), "labels": {"kubernetes.io/service-name": name}}
    api.put(ENDPOINT_SLICE, {"metadata": metadata, "ports": [{"name": "http", "port": 80}], "endpoints": endpoints})


def _put_route(api: _Api, number: int, weight: int, *, at_gateway: bool) -> None:
    name = f"app-{number}"
    versions = (("v1", weight), ("v2", 100 - weight))
    route = [{"destination": {"host": name, "subset": version}, "weight": share} for version, share in versions]
    hosts, gateways = [name, f"{name}.example.com"], ["edge", "mesh"] if at_gateway else ["mesh"]
    spec = {"hosts": hosts, "gateways": gateways, "http": [{"route": route}]}
    api.put(VIRTUAL_SERVICE, {"metadata": _metadata(name), "spec": spec})


class _Stretches:
    """The longest time for which nothing else could run, in seconds of the processor."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.thread_time()
        self._handle: asyncio.Handle | None = None

    def start(self) -> None:
        self._last = time.thread_time()
        self._handle = asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        now = time.thread_time()
        self.longest, self._last = max(self.longest, now - self._last), now
        self._handle = asyncio.get_running_loop().call_soon(self._look)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


async def _measure(shape: str, gateway_hosts: str, count: int) -> None:
    api, published = _Api(), asyncio.Event()
    _fill(api, count, gateway_hosts)
    async with TaskOwner() as tasks:
        engine = Engine(Settings(), tasks)

        def publish(snapshot: Snapshot) -> None:
            engine.publish(snapshot)
            published.set()

        async def change(make: Callable[[int], None], number: int) -> None:
            published.clear()
            make(number)
            await published.wait()
            await LoopClock().sleep(0)

        publisher = Publisher(ProxySpec(), publish, tasks, building_to_stay)
        source = ApiSource(api, publisher.changed, warn)
        source.start(tasks)
        publisher.follow(source.objects)
        await source.synced()
        # Until what was listed is in force.
        await change(lambda number: _put_slice(api, number, ready=True), 0)
        for what, make in (
            ("a VirtualService", lambda n: _put_route(api, n * 7 % count, n % 99 + 1, at_gateway=bool(gateway_hosts))),
            ("an EndpointSlice", lambda n: _put_slice(api, n * 7 % count, ready=n % 2 == 0)),
        ):
            spent = []
            for number in range(_CHANGES):
                before = time.process_time()
                await change(make, number)
                spent.append(time.process_time() - before)
            stretches = []
            for number in range(_CHANGES, 2 * _CHANGES):
                stretch = _Stretches()
                stretch.start()
                await change(make, number)
                stretch.stop()
                stretches.append(stretch.longest)
            ms, longest_ms = statistics.median(spent) * 1000, max(stretches) * 1000
            print(f"{shape:20} {what:20} {ms:10.1f} {max(spent) * 1000:10.1f} {longest_ms:18.1f}", flush=True)


def main() -> int:
    """Measure each shape and print a line for each kind of change."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.publish", description=__doc__)
    parser.add_argument("--virtual-services", type=int, default=1000, metavar="N")
    count = parser.parse_args().virtual_services
    print(f"one change among {count} VirtualServices, milliseconds of the processor\n")
    print(f"{'':20} {'one change to':20} {'median':>10} {'worst':>10} {'longest stretch':>18}")
    for shape, gateway_hosts in _SHAPES.items():
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_measure(shape, gateway_hosts, count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
