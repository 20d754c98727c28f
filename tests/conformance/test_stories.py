"""What is known of twenty timelines of the real controller that were described, not recorded: each told again.

A story takes a recorded timeline's manifests, changes them, acts, and holds the facts that are known of it.
"""

import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from meshsim.api.decode import Object, read_documents
from tests.conformance.replay import Entry, Replay

pytestmark = pytest.mark.asyncio

_HASH_OF_V2: Final = "6758dbd44c"
_V2: Final = {"T": 10, "Kind": "image", "Image": "demo:v2"}

with lzma.open(Path(__file__).with_name("timelines.jsonl.xz"), "rt", encoding="utf-8") as lines:
    _RECORDED: Final = {recording["name"].partition("-")[0]: recording for recording in map(json.loads, lines)}


def image(second: int, name: str) -> Object:
    return {"T": second, "Kind": "image", "Image": name}


def status(second: int, **patch: Any) -> Object:
    return {"T": second, "Kind": "status", "Patch": {"status": patch}}


def edited(second: int, **patch: Any) -> Object:
    return {"T": second, "Kind": "spec", "Patch": {"spec": patch}}


def cap(second: int, name: str, available: int) -> Object:
    return {"T": second, "Kind": "cap", "Image": name, "Available": available}


def resume(second: int) -> Object:
    return status(second, pauseConditions=None)


def rollout_of(documents: list[Object]) -> Object:
    spec: Object = next(document for document in documents if document["kind"] == "Rollout")["spec"]
    return spec


def canary_of(documents: list[Object]) -> Object:
    canary: Object = rollout_of(documents)["strategy"]["canary"]
    return canary


class Story:
    """A timeline that was played, and questions about it."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries

    def since(self, second: int) -> "Story":
        return Story([entry for entry in self.entries if entry["t"] >= second])

    def at(self, second: int) -> Entry:
        """The state at the end of that second."""
        return [entry for entry in self.entries if entry["t"] <= second][-1]

    def first(self, is_so: Callable[[Entry], bool]) -> Entry:
        return next(entry for entry in self.entries if is_so(entry))

    def weights(self) -> list[int]:
        """The canary's shares, one after the other."""
        return _changes([entry["status"]["weights"]["canary"]["weight"] for entry in self.entries])

    def sizes(self, version: str) -> list[int]:
        """How many pods the version was to have, one after the other."""
        return _changes([pods(entry, version)["spec"] for entry in self.entries])

    def events(self) -> list[str]:
        return [event for entry in self.entries for event in entry["events"]]

    def told(self, text: str) -> int:
        """How many events say so."""
        return sum(text in event for event in self.events())

    def errors(self) -> set[str]:
        return {entry["error"] for entry in self.entries if "error" in entry}


def _changes(values: list[int]) -> list[int]:
    return [value for index, value in enumerate(values) if index == 0 or values[index - 1] != value]


def pods(entry: Entry, version: str) -> Entry:
    found = [item for item in entry["replicaSets"] if item["rs"] == version or item["image"] == version]
    return found[0] if found else {"spec": 0, "status": 0, "available": 0}


def destinations(entry: Entry, name: str = "demo-vs") -> dict[str, float]:
    route = entry["virtualServices"][name]["http"][0]["route"]
    return {item["destination"]["host"]: item.get("weight", 0) for item in route}


def phase(entry: Entry) -> tuple[str, str]:
    return entry["status"]["phase"], entry["status"]["message"]


async def play(
    like: str,
    *actions: Object,
    edit: Callable[[list[Object]], object] = list,
    ready: dict[str, float] | None = None,
    analysis: Object | None = None,
    until: int = 80,
) -> Story:
    recorded = _RECORDED[like]
    documents = [document.value for text in recorded["docs"] for document in read_documents(text, "docs")]
    edit(documents)
    recording = recorded | {
        "docs": [json.dumps(document) for document in documents],
        "actions": list(actions),
        "duration": until,
        "readyAfterSecondsByImage": ready or recorded["readyAfterSecondsByImage"],
        "analysis": analysis or recorded["analysis"],
    }
    return Story(await Replay(recording).run())


async def test_skipping_all_steps_gives_the_last_weight_to_one_ready_pod_of_five() -> None:
    story = await play("06", _V2, status(22, currentStepIndex=4), until=35)

    jump = story.since(22).first(lambda entry: entry["after"] == "reconcile")
    assert destinations(jump) == {"demo-stable": 40, "demo-canary": 60}
    assert (pods(jump, "rs2")["spec"], pods(jump, "rs2")["available"]) == (5, 1)
    assert story.since(18).weights() == [20, 60, 100, 0]


async def test_a_third_version_takes_the_weight_from_the_second_and_the_service_when_it_has_a_pod() -> None:
    story = await play("04", _V2, image(20, "demo:v3"), until=40)

    assert story.since(12).weights() == [20, 0, 20]
    assert story.at(21)["services"]["demo-canary"] == "rs2"
    switched = story.first(lambda entry: any("SwitchService" in event for event in entry["events"]) and entry["t"] > 20)
    assert (pods(switched, "demo:v3")["available"], pods(switched, "rs2")["spec"]) == (1, 0)
    assert story.told("Scaled down ReplicaSet demo-rs2 (revision 2) from 1 to 0") == 1


def _dynamic(documents: list[Object], **canary: Any) -> None:
    rollout_of(documents)["replicas"] = 10
    steps: list[Object] = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}, {"setWeight": 80}]
    steps.append({"pause": {}})
    canary_of(documents).update(dynamicStableScale=True, steps=steps, **canary)


async def test_a_dynamic_abort_goes_back_down_the_steps_each_when_stable_has_grown() -> None:
    story = await play("09", _V2, resume(20), resume(30), status(45, abort=True), edit=_dynamic)

    back = story.since(45)
    assert back.weights() == [80, 60, 20, 0]
    assert (back.sizes("rs1"), back.sizes("rs2")) == ([2, 4, 8, 10], [8, 6, 2, 0])
    before_last = [entry for entry in back.entries if entry["status"]["weights"]["canary"]["weight"] > 0]
    assert {entry["services"]["demo-canary"] for entry in before_last} == {"rs2"}
    assert back.at(80)["services"]["demo-canary"] == "rs1"


async def test_a_dynamic_abort_with_a_delay_keeps_the_canary_whole_until_stable_is() -> None:
    story = await play(
        "09", _V2, resume(20), resume(30), status(45, abort=True),
        edit=lambda documents: _dynamic(documents, abortScaleDownDelaySeconds=15),
    )  # fmt: skip

    back = story.since(45)
    assert (back.weights(), back.sizes("rs1"), back.sizes("rs2")) == ([80, 20, 0], [2, 4, 8, 10], [8, 0])
    freed = back.first(lambda entry: entry["status"]["weights"]["canary"]["weight"] == 0)
    assert pods(freed, "rs1")["available"] == 10
    assert pods(freed, "rs2")["scaleDownDeadline"] == freed["t"] + 15
    assert pods(back.at(freed["t"] + 14), "rs2")["spec"] == 8
    assert pods(back.at(freed["t"] + 15), "rs2")["spec"] == 0


async def test_an_aborted_subset_canary_loses_its_weight_at_once_and_its_pods_later() -> None:
    story = await play("12", _V2, status(20, abort=True), until=60)

    assert "delaying destination rule switch: ReplicaSet demo-rs2 not fully available" in story.errors()
    assert not story.since(20).errors()
    assert story.since(12).weights() == [20, 0]
    aborted = story.at(20)
    assert pods(aborted, "rs2")["scaleDownDeadline"] == 50
    assert aborted["destinationRules"]["demo-dr"] == [{"name": "stable", "rs": "rs1"}, {"name": "canary", "rs": "rs2"}]
    assert story.since(20).sizes("rs2") == [1, 0]


async def test_a_missed_deadline_aborts_with_two_warnings() -> None:
    story = await play("15", _V2, edit=lambda documents: rollout_of(documents).update(progressDeadlineAbort=True))

    late = story.at(31)
    message = 'Rollout aborted update to revision 2: ReplicaSet "demo-rs2" has timed out progressing.'
    assert phase(late) == ("Degraded", f"RolloutAborted: {message}".replace("rs2", _HASH_OF_V2))
    assert [event for event in story.events() if event.startswith("Warning")] == [
        'Warning RolloutAborted ReplicaSet "demo-rs2" has timed out progressing.',
        f"Warning RolloutAborted {message}",
    ]
    assert late["status"]["abortedAt"] == 31


async def test_an_inconclusive_analysis_pauses_until_somebody_promotes_past_it() -> None:
    past = status(40, pauseConditions=None, controllerPause=False, currentStepIndex=2)
    story = await play("18", _V2, past, analysis={"afterSeconds": 5, "phase": "Inconclusive", "message": "unclear"})

    waiting = story.at(39)
    assert phase(waiting) == ("Paused", "InconclusiveAnalysisRun")
    assert waiting["status"]["stepAnalysis"] == {"name": "demo-rs2-2-1", "status": "Inconclusive", "message": "unclear"}
    assert (waiting["status"]["currentStepIndex"], waiting["status"]["controllerPause"]) == (1, True)
    assert story.told("RolloutPaused Rollout is paused (InconclusiveAnalysisRun)") == 1
    assert story.told("RolloutResumed") == 0
    assert len(story.at(80)["analysisRuns"]) == 1
    assert phase(story.at(80)) == ("Healthy", "")


async def test_edited_steps_drop_the_weight_to_zero_and_keep_the_pods() -> None:
    other_steps = edited(20, strategy={"canary": {"steps": [{"setWeight": 30}, {"pause": {}}]}})
    story = await play("04", _V2, other_steps, until=40)

    assert story.since(12).weights() == [20, 0, 30]
    assert story.since(12).sizes("rs2") == [1, 2]


async def test_a_stable_without_pods_blocks_the_way_down_but_the_service_goes_back() -> None:
    story = await play("04", _V2, cap(19, "demo:v1", 1), status(20, abort=True), cap(40, "demo:v1", 5), until=75)

    blocked = story.at(39)
    assert (destinations(blocked), blocked["services"]["demo-canary"]) == (
        {"demo-stable": 80, "demo-canary": 20},
        "rs1",
    )
    assert "scaleDownDeadline" not in pods(blocked, "rs2")
    assert story.since(20).weights() == [20, 0]
    assert pods(story.at(40), "rs2")["scaleDownDeadline"] == 70
    assert pods(story.at(71), "rs2")["spec"] == 0


async def test_back_within_the_window_grows_first_for_the_first_step_then_whole_and_takes_all_at_once() -> None:
    window = lambda documents: rollout_of(documents).update(rollbackWindow={"revisions": 1})  # noqa: E731
    story = await play("04", _V2, resume(20), image(80, "demo:v1"), edit=window, until=120)

    back = story.since(80)
    indexes = [entry["status"]["currentStepIndex"] for entry in back.entries]
    assert (indexes[0], set(indexes[1:])) == (0, {4})
    assert (back.sizes("rs1"), back.weights()) == ([0, 1, 5], [0, 100, 0])
    assert back.told("SkipSteps") == 0
    assert back.told("Rollout completed update to revision 3 (rs1): Rollback within window") == 1
    assert back.first(lambda entry: entry["status"]["weights"]["canary"]["weight"] == 100)["t"] == 82


async def test_a_plain_canary_is_scaled_down_after_an_abort_as_stable_grows_and_without_a_delay() -> None:
    story = await play("30", _V2, status(20, abort=True), image(40, "demo:v1"), until=50)

    back = story.since(20)
    assert (back.sizes("rs1"), back.sizes("rs2")) == ([4, 5], [1, 0])
    assert pods(story.at(20), "rs2")["spec"] == 0
    assert all("scaleDownDeadline" not in pods(entry, "rs2") for entry in back.entries)
    assert back.told("SkipSteps Rollback to stable ReplicaSets") == 1
    assert phase(story.at(40)) == ("Healthy", "")


def _preview_of_one(documents: list[Object]) -> None:
    rollout_of(documents)["strategy"]["blueGreen"]["previewReplicaCount"] = 1


async def test_a_preview_of_one_pod_passes_its_check_point_grows_and_then_switches() -> None:
    story = await play("41", _V2, resume(25), edit=_preview_of_one, until=60)

    assert story.since(10).sizes("rs2") == [0, 1, 3]
    waiting, passed = story.at(24), story.first(lambda entry: entry["status"]["blueGreen"]["scaleUpPreviewCheckPoint"])
    assert phase(waiting) == ("Paused", "BlueGreenPause")
    assert (passed["t"], pods(passed, "rs2")["available"], passed["services"]["demo-active"]) == (25, 1, "rs1")
    switched = story.first(lambda entry: entry["services"]["demo-active"] == "rs2")
    assert (pods(switched, "rs2")["available"], phase(switched)) == (3, ("Healthy", ""))
    assert not switched["status"]["blueGreen"]["scaleUpPreviewCheckPoint"]


def _analysed_before(documents: list[Object]) -> None:
    blue_green = rollout_of(documents)["strategy"]["blueGreen"]
    blue_green["prePromotionAnalysis"] = blue_green.pop("postPromotionAnalysis")


async def test_a_failed_analysis_before_the_switch_aborts_and_leaves_active_alone() -> None:
    story = await play("46", _V2, edit=_analysed_before)

    end = story.at(80)
    assert {entry["services"]["demo-active"] for entry in story.since(10).entries} == {"rs1"}
    assert phase(end)[0] == "Degraded"
    assert "Blue/green pre-promotion analysis phase error/failed: " in phase(end)[1]
    assert [(run["type"], run["name"]) for run in end["analysisRuns"]] == [("PrePromotion", "demo-rs2-2-pre")]
    aborted = story.first(lambda entry: entry["status"]["abort"])
    assert pods(story.at(aborted["t"] + 29), "rs2")["spec"] == 3
    assert pods(story.at(aborted["t"] + 31), "rs2")["spec"] == 0


async def test_back_while_the_former_pods_are_kept_switches_at_once_without_a_pause() -> None:
    story = await play("41", _V2, resume(20), image(30, "demo:v1"), until=70)

    back = story.since(30)
    assert back.told("Rollout completed update to revision 3 (rs1): Fast rollback") == 1
    assert story.at(30)["services"] == {"demo-active": "rs1", "demo-preview": "rs1"}
    assert not any(entry["status"]["pauseConditions"] for entry in back.entries)
    assert pods(story.at(30), "rs2")["scaleDownDeadline"] == 60


async def test_an_abort_delay_beyond_the_resync_is_no_delay() -> None:
    story = await play(
        "04", _V2, status(20, abort=True), until=25,
        edit=lambda documents: canary_of(documents).update(abortScaleDownDelaySeconds=1200),
    )  # fmt: skip

    end = story.at(20)
    assert (pods(end, "rs2")["spec"], pods(end, "rs2")["scaleDownDeadline"]) == (0, 1220)


def _two_virtual_services(documents: list[Object]) -> None:
    names = ("demo-vs", "demo-other")
    istio = {"virtualServices": [{"name": name, "routes": ["primary"]} for name in names]}
    canary_of(documents)["trafficRouting"] = {"istio": istio}
    first = next(document for document in documents if document["kind"] == "VirtualService")
    documents.append(first | {"metadata": first["metadata"] | {"name": "demo-other"}})


async def test_two_virtual_services_move_together_and_each_has_its_event() -> None:
    story = await play("04", _V2, resume(20), edit=_two_virtual_services, until=40)

    for entry in story.entries:
        assert destinations(entry, "demo-vs") == destinations(entry, "demo-other")
    for weight in (20, 60, 100, 0):
        for name in ("demo-vs", "demo-other"):
            assert story.told(f"VirtualService `{name}` set to desiredWeight '{weight}'") == 1


async def test_back_to_stable_after_an_abort_skips_the_steps_and_keeps_the_abort_s_deadline() -> None:
    story = await play("04", _V2, status(20, abort=True), image(30, "demo:v1"), until=60)

    back = story.at(30)
    assert (phase(back), back["status"]["abort"], back["status"]["currentStepIndex"]) == (("Healthy", ""), False, 4)
    assert story.told("SkipSteps Rollback to stable ReplicaSets") == 1
    assert pods(back, "rs2")["scaleDownDeadline"] == 50
    assert (pods(story.at(49), "rs2")["spec"], pods(story.at(50), "rs2")["spec"]) == (1, 0)


async def test_a_weight_rises_while_the_rollout_is_paused_by_hand_but_no_step_is_done() -> None:
    story = await play("04", _V2, edited(11, paused=True), edited(30, paused=False), until=40)

    held = story.at(29)
    assert (destinations(held)["demo-canary"], held["status"]["currentStepIndex"]) == (20, 0)
    assert phase(held) == ("Paused", "manually paused")
    assert story.since(11).first(lambda entry: entry["status"]["currentStepIndex"] == 1)["t"] == 30


def _ping_pong(documents: list[Object]) -> None:
    renamed = {"demo-stable": "demo-ping", "demo-canary": "demo-pong"}
    canary = canary_of(documents)
    del canary["canaryService"], canary["stableService"]
    canary["pingPong"] = {"pingService": "demo-ping", "pongService": "demo-pong"}
    for document in documents:
        if document["kind"] == "Service":
            document["metadata"]["name"] = renamed[document["metadata"]["name"]]
        if document["kind"] == "VirtualService":
            for item in document["spec"]["http"][0]["route"]:
                item["destination"]["host"] = renamed[item["destination"]["host"]]


async def test_ping_and_pong_take_turns_so_that_a_promotion_moves_neither_selector_nor_weight() -> None:
    story = await play("04", _V2, resume(20), image(80, "demo:v3"), edit=_ping_pong, until=90)

    promoted = story.first(lambda entry: entry["status"]["stableRS"] == "rs2")
    after = story.at(79)
    assert destinations(promoted) == destinations(after) == {"demo-ping": 0, "demo-pong": 100}
    assert promoted["services"] == after["services"] == {"demo-ping": "rs1", "demo-pong": "rs2"}
    assert after["status"]["weights"]["canary"]["weight"] == 0
    assert "delaying destination rule switch: ReplicaSet demo-rs2 not fully available" in story.errors()
    third = story.first(lambda entry: entry["t"] == 80 and pods(entry, "demo:v3")["spec"] == 1)
    assert third["services"]["demo-ping"] not in ("rs1", "rs2")
    assert pods(third, "demo:v3")["available"] == 0
    assert destinations(story.at(90)) == {"demo-ping": 20, "demo-pong": 80}


def _third_destination(documents: list[Object]) -> None:
    service = next(document for document in documents if document["kind"] == "VirtualService")
    route = service["spec"]["http"][0]["route"]
    route[0]["weight"] = 90
    route.append({"destination": {"host": "demo-third"}, "weight": 10})


async def test_a_destination_that_the_rollout_does_not_know_is_deleted_with_its_weight() -> None:
    story = await play("04", edit=_third_destination, until=5)

    assert "demo-third" in destinations(story.entries[0])
    assert destinations(story.at(5)) == {"demo-stable": 100, "demo-canary": 0}
