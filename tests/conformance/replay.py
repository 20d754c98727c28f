"""Replays one recorded timeline: the same manifests and actions, our controller, an API in memory, a virtual clock.

What was recorded around the real controller is stood in for here the same way: ReplicaSets and analysis runs get
their status second by second, and whatever becomes visible is written down in the recording's own form.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from controller.rollout.actions import Emit
from controller.rollout.cache import WATCHED, Cache
from controller.rollout.reconciler import RolloutReconciler
from controller.rollout.rules import Rules
from meshsim.api.decode import Object, read_documents
from meshsim.api.kinds import (
    ANALYSIS_RUN,
    DESTINATION_RULE,
    REPLICA_SET,
    ROLLOUT,
    SERVICE,
    VIRTUAL_SERVICE,
    Kind,
    kind_named,
)
from meshsim.api.meta import Key, key_of
from meshsim.api.rollouts import (
    DESIRED_REPLICAS_ANNOTATION,
    HASH_LABEL,
    REVISION_ANNOTATION,
    SCALE_DOWN_DEADLINE_ANNOTATION,
)
from meshsim.client.api import ApiError
from meshsim.client.informer import Informer
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import from_rfc3339
from tests.kits.api import InProcessApi

NAMESPACE: Final = "default"
_MOST_RECONCILES: Final = 25
_COMPLETED: Final = ("Successful", "Failed", "Error", "Inconclusive")

_AS_RECORDED: Final = Rules(warns_of_hazards=False)

Entry = dict[str, Any]
"""One line of a timeline, in the recording's form."""


class Told:
    """The events of one reconcile."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def record(self, about: Object, event: Emit) -> None:
        self.events.append(f"{event.type} {event.reason} {event.message}")


@dataclass
class Pods:
    """The pods of one ReplicaSet: when each was made."""

    image: str
    made: list[float] = field(default_factory=list)


class Replay:
    """One timeline being replayed."""

    def __init__(self, recording: Object, rules: Rules = _AS_RECORDED) -> None:
        self._recording = recording
        self._clock = VirtualClock()
        self._start = self._clock.now()
        self._api = InProcessApi(self._clock)
        self._informers: dict[Kind, Informer] = {}
        self._cache = Cache(self._informer)
        self._told = Told()
        self._reconciler = RolloutReconciler(self._api, self._cache, self._clock, self._told, rules)
        self._pods: dict[str, Pods] = {}
        self._caps: dict[str, int] = {}
        self._runs: dict[str, float] = {}
        self._key = Key(NAMESPACE, "")
        self._last: Entry = {}
        self._timeline: list[Entry] = []

    def _informer(self, kind: Kind) -> Informer:
        return self._informers.setdefault(kind, Informer(self._api, kind))

    async def run(self) -> list[Entry]:
        """The timeline that our controller makes of it."""
        async with TaskOwner() as tasks:
            for text in self._recording["docs"]:
                for document in read_documents(text, "docs"):
                    await self._create(document.value)
            for kind, informer in self._informers.items():
                tasks.start(informer.run(), f"informer {kind}")
            for second in range(self._recording["duration"] + 1):
                await self._second(second)
                await self._clock.advance(1)
        return self._timeline

    async def _create(self, obj: Object) -> None:
        kind = kind_named(obj["apiVersion"], obj["kind"])
        if kind is None:
            raise ValueError(f"{obj['kind']} is no kind of ours")
        obj["metadata"].setdefault("namespace", NAMESPACE)
        obj["apiVersion"] = kind.api_version
        created = await self._api.create(kind, obj)
        if kind == ROLLOUT:
            self._key = key_of(created)

    async def _second(self, second: int) -> None:
        for action in self._recording["actions"]:
            if action["T"] == second:
                await self._act(action)
                self._write_down(second, f"action:{action['Kind']}", [])
        await self._step_runs()
        await self._step_pods()
        for _ in range(_MOST_RECONCILES):
            self._told.events = []
            error = await self._reconcile()
            changed = self._write_down(second, "reconcile", self._told.events, error)
            await self._step_runs()
            await self._step_pods()
            changed |= self._write_down(second, "pods", [])
            if not changed:
                break

    async def _reconcile(self) -> str:
        await self._settle()
        try:
            await self._reconciler.reconcile(self._key)
        except ApiError as error:
            return str(error)
        finally:
            await self._settle()
        return ""

    async def _settle(self) -> None:
        """Let every cache catch up with the API."""
        for kind in WATCHED:
            while not self._informers[kind].synced.is_set() or not await self._is_current(kind):
                await self._clock.sleep(0)

    async def _is_current(self, kind: Kind) -> bool:
        listing = await self._api.list(kind)
        return {_version(obj) for obj in listing.items} == {_version(obj) for obj in self._informers[kind].all()}

    async def _act(self, action: Object) -> None:
        if action["Kind"] == "image":
            rollout = await self._api.get(ROLLOUT, self._key)
            containers = [
                container | {"image": action["Image"]}
                for container in rollout["spec"]["template"]["spec"]["containers"]
            ]
            patch = {"spec": {"template": {"spec": {"containers": containers}}}}
            await self._api.patch(ROLLOUT, self._key, patch)
        elif action["Kind"] == "status":
            await self._api.patch(ROLLOUT, self._key, action["Patch"], subresource="status")
        elif action["Kind"] == "spec":
            await self._api.patch(ROLLOUT, self._key, action["Patch"])
        elif action["Kind"] == "cap":
            self._caps[action["Image"]] = action["Available"]
        else:
            raise ValueError(f"an action of kind {action['Kind']} is not understood")
        await self._settle()

    async def _step_pods(self) -> None:
        ready_after: dict[str, float] = self._recording["readyAfterSecondsByImage"]
        now = self._clock.now()
        for obj in (await self._api.list(REPLICA_SET)).items:
            image, wanted = _image(obj), obj["spec"].get("replicas", 1)
            pods = self._pods.setdefault(obj["metadata"]["name"], Pods(image))
            pods.made = (pods.made + [now] * wanted)[:wanted]
            delay = ready_after.get(image, ready_after.get("*", 0))
            available = sum(delay >= 0 and made + delay <= now for made in pods.made)
            available = min(available, self._caps.get(image, available))
            status = {
                "replicas": wanted,
                "readyReplicas": available,
                "availableReplicas": available,
                "observedGeneration": obj["metadata"].get("generation", 0),
            }
            if (obj.get("status") or {}) != status:
                await self._api.patch(REPLICA_SET, key_of(obj), {"status": status}, subresource="status")

    async def _step_runs(self) -> None:
        script, now = self._recording["analysis"], self._clock.now()
        for obj in (await self._api.list(ANALYSIS_RUN)).items:
            begun = self._runs.setdefault(obj["metadata"]["name"], now)
            status = obj.get("status") or {}
            if status.get("phase") in _COMPLETED:
                continue
            if obj["spec"].get("terminate"):
                status = {"phase": "Successful", "message": "Run Terminated"}
            elif 0 <= script["afterSeconds"] <= now - begun:
                status = {"phase": script["phase"], "message": script["message"]}
            else:
                status = {"phase": "Running"}
            if status != obj.get("status"):
                await self._api.patch(ANALYSIS_RUN, key_of(obj), {"status": status})

    def _write_down(self, second: int, after: str, events: list[str], error: str = "") -> bool:
        """Add an entry if there is something to see; whether anything but events and errors changed."""
        visible = self._visible()
        changed = visible != self._last
        if changed or events or error:
            entry = {"t": second, "after": after, **visible, "events": [self._aliased(event) for event in events]}
            if error:
                entry["error"] = self._aliased(error)
            self._timeline.append(entry)
        self._last = visible
        return changed

    def _all(self, kind: Kind) -> list[Object]:
        return self._api.store.objects(kind)

    def _visible(self) -> Entry:
        rollout = next(obj for obj in self._all(ROLLOUT) if key_of(obj) == self._key)
        return {
            "status": self._status(rollout),
            "revision": (rollout["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION, ""),
            "replicaSets": sorted(
                (self._replica_set(obj) for obj in self._all(REPLICA_SET)), key=lambda entry: str(entry["rs"])
            ),
            "services": {
                obj["metadata"]["name"]: self._alias((obj["spec"].get("selector") or {}).get(HASH_LABEL, ""))
                for obj in self._all(SERVICE)
            },
            "virtualServices": {
                obj["metadata"]["name"]: {"http": obj["spec"]["http"]} for obj in self._all(VIRTUAL_SERVICE)
            },
            "destinationRules": {
                obj["metadata"]["name"]: [
                    {"name": subset["name"], "rs": self._alias((subset.get("labels") or {}).get(HASH_LABEL, ""))}
                    for subset in obj["spec"]["subsets"]
                ]
                for obj in self._all(DESTINATION_RULE)
            },
            "analysisRuns": sorted(
                (self._analysis_run(obj) for obj in self._all(ANALYSIS_RUN)), key=lambda entry: str(entry["name"])
            ),
        }

    def _status(self, rollout: Object) -> Entry:
        status = rollout.get("status") or {}
        canary, blue_green = status.get("canary") or {}, status.get("blueGreen") or {}
        entry: Entry = {
            "HPAReplicas": status.get("HPAReplicas", 0),
            "abort": status.get("abort", False),
            "abortedAt": self._instant(status.get("abortedAt")),
            "availableReplicas": status.get("availableReplicas", 0),
            "conditions": sorted(
                (
                    {name: condition[name] for name in ("message", "reason", "status", "type")}
                    for condition in status.get("conditions") or []
                ),
                key=lambda condition: str(condition["type"]),
            ),
            "controllerPause": status.get("controllerPause", False),
            "currentPodHash": self._alias(status.get("currentPodHash", "")),
            "currentStepIndex": status.get("currentStepIndex"),
            "message": status.get("message", ""),
            "observedGeneration": status.get("observedGeneration", ""),
            "pauseConditions": [
                {"reason": pause["reason"], "startTime": self._instant(pause["startTime"])}
                for pause in status.get("pauseConditions") or []
            ],
            "phase": status.get("phase", ""),
            "promoteFull": status.get("promoteFull", False),
            "readyReplicas": status.get("readyReplicas", 0),
            "replicas": status.get("replicas", 0),
            "restartedAt": self._instant(status.get("restartedAt")),
            "selector": status.get("selector", ""),
            "stableRS": self._alias(status.get("stableRS", "")),
            "updatedReplicas": status.get("updatedReplicas", 0),
            "weights": self._weights(canary.get("weights")),
        }
        if status.get("duration"):
            entry["duration"] = self._duration(status["duration"])
        for name, field_name in (
            ("stepAnalysis", "currentStepAnalysisRunStatus"),
            ("backgroundAnalysis", "currentBackgroundAnalysisRunStatus"),
        ):
            if canary.get(field_name):
                entry[name] = self._run_status(canary[field_name])
        if "blueGreen" in (rollout["spec"].get("strategy") or {}):
            entry["blueGreen"] = {
                "activeSelector": self._alias(blue_green.get("activeSelector", "")),
                "previewSelector": self._alias(blue_green.get("previewSelector", "")),
                "scaleUpPreviewCheckPoint": blue_green.get("scaleUpPreviewCheckPoint", False),
                "pre": self._run_status(blue_green.get("prePromotionAnalysisRunStatus")),
                "post": self._run_status(blue_green.get("postPromotionAnalysisRunStatus")),
            }
        return entry

    def _weights(self, weights: Object | None) -> Entry | None:
        if weights is None:
            return None
        return {
            role: {
                name: self._alias(value) if name == "podTemplateHash" else value
                for name, value in weights[role].items()
            }
            for role in ("canary", "stable")
        }

    def _duration(self, duration: Object) -> Entry:
        return {
            "startedAt": self._instant(duration.get("rolloutStartedAt")),
            "finishedAt": self._instant(duration.get("finishedAt")),
            "manualPauseStartedAt": self._instant(duration.get("manualPauseStartedAt")),
            "completionStatus": duration.get("completionStatus"),
            "totalManualPauseDurationSeconds": duration.get("totalManualPauseDurationSeconds"),
        }

    def _run_status(self, status: Object | None) -> Entry | None:
        if status is None:
            return None
        return {
            "name": self._aliased(status["name"]),
            "status": status.get("status", ""),
            "message": status.get("message", ""),
        }

    def _replica_set(self, obj: Object) -> Entry:
        annotations, status = obj["metadata"].get("annotations") or {}, obj.get("status") or {}
        entry: Entry = {
            "rs": self._alias(obj["metadata"]["labels"][HASH_LABEL]),
            "image": _image(obj),
            "revision": annotations.get(REVISION_ANNOTATION, "0"),
            "desiredAnnotation": annotations.get(DESIRED_REPLICAS_ANNOTATION, ""),
            "spec": obj["spec"].get("replicas", 0),
            "status": status.get("replicas", 0),
            "available": status.get("availableReplicas", 0),
        }
        deadline = annotations.get(SCALE_DOWN_DEADLINE_ANNOTATION)
        return entry | ({"scaleDownDeadline": self._instant(deadline)} if deadline else {})

    def _analysis_run(self, obj: Object) -> Entry:
        return {
            "name": self._aliased(obj["metadata"]["name"]),
            "phase": (obj.get("status") or {}).get("phase", ""),
            "terminate": obj["spec"].get("terminate", False),
            "type": obj["metadata"]["labels"].get("rollout-type", ""),
        }

    def _instant(self, stamp: str | None) -> int | None:
        return None if not stamp else int(from_rfc3339(stamp) - self._start)

    def _alias(self, pod_hash: str) -> str:
        alias: str = self._recording["hashes"].get(pod_hash, pod_hash)
        return alias

    def _aliased(self, text: str) -> str:
        for pod_hash, alias in self._recording["hashes"].items():
            text = text.replace(pod_hash, alias)
        return text


def _version(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]


def _image(obj: Object) -> str:
    image: str = obj["spec"]["template"]["spec"]["containers"][0]["image"]
    return image
