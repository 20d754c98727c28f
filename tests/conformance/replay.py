"""Replays one recorded timeline: the same manifests and actions, our controller, an API in memory, a virtual clock.

What was recorded around the real controller is stood in for here the same way: ReplicaSets and analysis runs get
their status second by second, and whatever becomes visible is written down in the recording's own form.
"""

from typing import Any, Final

from controller.rollout.rules import Rules
from meshsim.api.decode import Object, read_documents
from meshsim.api.kinds import (
    ANALYSIS_RUN,
    DESTINATION_RULE,
    REPLICA_SET,
    SERVICE,
    VIRTUAL_SERVICE,
    Kind,
)
from meshsim.api.rollouts import (
    DESIRED_REPLICAS_ANNOTATION,
    HASH_LABEL,
    REVISION_ANNOTATION,
    SCALE_DOWN_DEADLINE_ANNOTATION,
)
from meshsim.kit.timestamps import from_rfc3339
from tests.kits.rollout_world import RolloutWorld, image_of

_MOST_RECONCILES: Final = 25
_AS_RECORDED: Final = Rules(warns_of_hazards=False)

Entry = dict[str, Any]
"""One line of a timeline, in the recording's form."""


class Replay:
    """One timeline being replayed."""

    def __init__(self, recording: Object, rules: Rules = _AS_RECORDED) -> None:
        self._recording = recording
        self._world = RolloutWorld(rules)
        self._world.ready_after_s = recording["readyAfterSecondsByImage"]
        self._last: Entry = {}
        self._timeline: list[Entry] = []

    async def run(self) -> list[Entry]:
        """The timeline that our controller makes of it."""
        for text in self._recording["docs"]:
            await self._world.apply(document.value for document in read_documents(text, "docs"))
        for second in range(self._recording["duration"] + 1):
            await self._second(second)
            await self._world.clock.advance(1)
        return self._timeline

    async def _second(self, second: int) -> None:
        for action in self._recording["actions"]:
            if action["T"] == second:
                await self._act(action)
                self._write_down(second, f"action:{action['Kind']}", [])
        await self._step()
        for _ in range(_MOST_RECONCILES):
            self._world.told.events = []
            error = await self._world.reconcile()
            changed = self._write_down(second, "reconcile", self._world.told.events, error)
            await self._step()
            changed |= self._write_down(second, "pods", [])
            if not changed:
                break

    async def _step(self) -> None:
        script = self._recording["analysis"]
        await self._world.step_runs(script["afterSeconds"], script["phase"], script["message"])
        await self._world.step_pods()

    async def _act(self, action: Object) -> None:
        match action["Kind"]:
            case "image":
                await self._world.set_image(action["Image"])
            case "status":
                await self._world.patch_status(action["Patch"]["status"])
            case "spec":
                await self._world.patch_spec(action["Patch"]["spec"])
            case "cap":
                self._world.caps[action["Image"]] = action["Available"]
            case kind:
                raise ValueError(f"an action of kind {kind} is not understood")

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
        return self._world.api.store.objects(kind)

    def _visible(self) -> Entry:
        rollout = self._world.raw
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
            "image": image_of(obj),
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
        return None if not stamp else int(from_rfc3339(stamp) - self._world.start)

    def _alias(self, pod_hash: str) -> str:
        alias: str = self._recording["hashes"].get(pod_hash, pod_hash)
        return alias

    def _aliased(self, text: str) -> str:
        for pod_hash, alias in self._recording["hashes"].items():
            text = text.replace(pod_hash, alias)
        return text
