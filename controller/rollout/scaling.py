"""Who is scaled when: one layer of versions a reconcile, and what waits for a deadline."""

from dataclasses import replace

from controller.rollout import hazards
from controller.rollout.analyses import holds_old_versions
from controller.rollout.destination_rules import selects_hash
from controller.rollout.draft import RESYNC_S, Draft
from controller.rollout.replicas import (
    basic_counts,
    max_unavailable,
    new_version_replicas,
    routed_counts,
)
from controller.rollout.steps import canary_scale_in_use
from controller.rollout.versions import Version, newest_revision_first, oldest_first, total_available
from controller.rollout.workload import follow_progress
from meshsim.api.rollouts import (
    DESIRED_REPLICAS_ANNOTATION,
    HASH_LABEL,
    SCALE_DOWN_DEADLINE_ANNOTATION,
    Rollout,
)
from meshsim.api.routes import canary_of, destination_rule_of
from meshsim.kit.timestamps import to_rfc3339

_DEFAULT_DELAY_S = 30


def scale_down_delay_s(rollout: Rollout) -> int:
    """How long the former version is kept: 30 s where traffic is switched, none for a plain canary."""
    blue_green, canary = rollout.spec.strategy.blue_green, rollout.spec.strategy.canary
    if blue_green is not None:
        given = blue_green.scale_down_delay_seconds
        return _DEFAULT_DELAY_S if given is None else given
    if canary is None or canary.traffic_routing is None:
        return 0
    return _DEFAULT_DELAY_S if canary.scale_down_delay_seconds is None else canary.scale_down_delay_seconds


def abort_delay_s(rollout: Rollout) -> int | None:
    """How long an aborted version is kept; None when it is never scaled down for that reason (0 was given)."""
    given = _explicit_abort_delay(rollout)
    if given is None:
        return _DEFAULT_DELAY_S
    return given or None


def _explicit_abort_delay(rollout: Rollout) -> int | None:
    strategy = rollout.spec.strategy.canary or rollout.spec.strategy.blue_green
    return strategy.abort_scale_down_delay_seconds if strategy else None


def keeps_aborted_version(draft: Draft) -> bool:
    """An aborted version waits for its own deadline before it goes."""
    canary, rollout = draft.rollout.spec.strategy.canary, draft.rollout
    if not draft.is_aborted or draft.stable is None or abort_delay_s(rollout) is None:
        return False
    if canary is None:
        return True
    if canary.traffic_routing is None:
        return False
    return not canary.dynamic_stable_scale or (_explicit_abort_delay(rollout) or 0) > 0


def scale(draft: Draft, version: Version, replicas: int) -> bool:
    """Ask for that many pods and note the rollout's size; whether the number changed.

    The rest of the reconcile goes on with the version as it was seen: it is judged by what it has, not by what it was
    just asked for.
    """
    needs_note = version.annotations.get(DESIRED_REPLICAS_ANNOTATION) != str(draft.replicas) or (
        draft.replicas == 0 and version.has_scale_down_deadline
    )
    if version.replicas == replicas and not needs_note:
        return False
    annotations: dict[str, str | None] = {DESIRED_REPLICAS_ANNOTATION: str(draft.replicas)}
    if replicas == 0 and version.has_scale_down_deadline and not keeps_aborted_version(draft):
        annotations[SCALE_DOWN_DEADLINE_ANNOTATION] = None
    patch = {"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}}
    draft.patch_version(version, patch)
    if version.replicas == replicas:
        return False
    direction = "up" if version.replicas < replicas else "down"
    draft.emit(
        "ScalingReplicaSet",
        f"Scaled {direction} ReplicaSet {version.name} (revision {version.revision}) "
        f"from {version.replicas} to {replicas}",
    )
    return True


def _set_deadline(draft: Draft, version: Version, delay_s: int) -> None:
    deadline = to_rfc3339(draft.now + delay_s)
    draft.patch_version(version, {"metadata": {"annotations": {SCALE_DOWN_DEADLINE_ANNOTATION: deadline}}})
    draft.wake(int(draft.now) + delay_s)


def _remove_deadline(draft: Draft, version: Version) -> None:
    if version.has_scale_down_deadline:
        draft.change_version(version, {"metadata": {"annotations": {SCALE_DOWN_DEADLINE_ANNOTATION: None}}})


def remove_deadlines(draft: Draft) -> None:
    """Versions in use are not going to be scaled down."""
    if draft.new is not None and not keeps_aborted_version(draft):
        _remove_deadline(draft, draft.new)
    if draft.stable is not None:
        _remove_deadline(draft, draft.stable)


def scale_canary(draft: Draft) -> bool:
    """Stable first, then new, then the others, no further than the first that was scaled; whether one was."""
    if draft.is_halted:
        return False
    remove_deadlines(draft)
    return _scale_stable(draft) or scale_new(draft) or scale_others(draft)


def _scale_stable(draft: Draft) -> bool:
    stable = draft.stable
    if stable is None or stable.name == draft.new_name:
        return False
    if canary_of(draft.rollout).traffic_routing is None:
        counts = basic_counts(draft.rollout, draft.new, stable, draft.others)
    else:
        # The weights as they were before this reconcile: stable shrinks one reconcile after its traffic moved.
        counts = routed_counts(draft.rollout, draft.new, stable, draft.rollout.status.canary.weights)
    return scale(draft, stable, counts.stable)


def scale_new(draft: Draft) -> bool:
    """Give the new version its pods, or keep an aborted one until its deadline; whether its size changed."""
    version = draft.new
    if version is None:
        return False
    replicas = new_version_replicas(draft.rollout, version, draft.versions, draft.status.canary.weights)
    if keeps_aborted_version(draft):
        kept = _keep_aborted(draft, version, replicas)
        if kept is None:
            return False
        replicas = kept
    hazards.gone_at_once(draft, version, canary_scale_in_use(draft.rollout), replicas)
    scaled = scale(draft, version, replicas)
    follow_progress(draft, version, replicas)
    return scaled


def _keep_aborted(draft: Draft, version: Version, otherwise: int) -> int | None:
    """The pods of an aborted version now, `otherwise` those it has without a deadline; None to leave it alone."""
    delay_s, stable = abort_delay_s(draft.rollout), draft.stable
    if not version.has_scale_down_deadline:
        scale(draft, version, version.replicas)
        if delay_s and stable is not None and stable.available >= draft.replicas:
            _set_deadline(draft, version, delay_s)
        return None
    deadline = version.scale_down_at
    if deadline is None:
        return otherwise
    if deadline <= draft.now:
        return 0
    if deadline - draft.now < RESYNC_S:
        draft.wake(deadline)
        scale(draft, version, version.replicas)
        return None
    # Argo doesn't wait for what lies beyond its resync period.
    if version.replicas > 0:
        hazards.gone_without_delay(draft, version, deadline)
    return otherwise


def scale_others(draft: Draft) -> bool:
    """Scale down what is neither new nor stable; whether anything was scaled."""
    active = [version for version in draft.others if version.replicas > 0]
    if not active:
        return False
    if draft.rollout.spec.strategy.blue_green is not None:
        return _scale_down_for_blue_green(draft, active)
    return _scale_down_for_canary(draft, active)


def _scale_down_for_canary(draft: Draft, active: list[Version]) -> bool:
    canary, left = canary_of(draft.rollout), _drop_unavailable(draft, active)
    if left is None:
        return False
    scaled = sum(version.replicas for version in active) - sum(version.replicas for version in left)
    may_go = total_available(draft.versions) - (draft.replicas - max_unavailable(draft.rollout))
    if may_go <= 0:
        return False
    delayed = _Delayed(draft)
    for version in newest_revision_first(left):
        if canary.traffic_routing is not None and is_referenced(draft, version):
            continue
        if may_go <= 0:
            break
        if version.replicas == 0:
            continue
        replicas = 0
        if canary.traffic_routing is None:
            replicas = max(0, version.replicas - may_go)
        elif (draft.is_fully_promoted or version.has_scale_down_deadline) and not canary.dynamic_stable_scale:
            replicas = delayed.replicas(version, version.replicas)
        if replicas != version.replicas:
            scale(draft, version, replicas)
            may_go -= version.replicas - replicas
            scaled += version.replicas - replicas
    return scaled > 0


def _drop_unavailable(draft: Draft, active: list[Version]) -> list[Version] | None:
    """Take away the pods that aren't available, which serve nobody; the versions with those that are left.

    None when some that are on their way out still count as available: then nothing more goes until they are gone.
    """
    left = []
    for version in oldest_first(active):
        if version.available > version.replicas:
            return None
        if version.available < version.replicas:
            scale(draft, version, version.available)
        left.append(replace(version, replicas=version.available))
    return left


def _scale_down_for_blue_green(draft: Draft, active: list[Version]) -> bool:
    if holds_old_versions(draft):
        return False
    scaled, delayed = False, _Delayed(draft)
    for version in newest_revision_first(active):
        if is_referenced(draft, version):
            continue
        replicas = delayed.replicas(version, draft.replicas)
        if replicas != version.replicas:
            scale(draft, version, replicas)
            scaled = True
    return scaled


class _Delayed:
    """Counts the versions that are kept until a deadline."""

    def __init__(self, draft: Draft) -> None:
        strategy = draft.rollout.spec.strategy.canary or draft.rollout.spec.strategy.blue_green
        self._limit = strategy.scale_down_delay_revision_limit if strategy else None
        self._draft = draft
        self._kept = 0

    def replicas(self, version: Version, kept: int) -> int:
        """The pods of a former version now: `kept` until its deadline passes, zero beyond the limit."""
        if not version.has_scale_down_deadline:
            if self._limit is not None and self._kept >= self._limit:
                return 0
            self._kept += 1
            # With a delay of zero nothing is annotated and nothing scaled, ever: Argo has this trap.
            delay_s = scale_down_delay_s(self._draft.rollout)
            if delay_s:
                _set_deadline(self._draft, version, delay_s)
            else:
                hazards.kept_for_ever(self._draft, version)
            return version.replicas
        self._kept += 1
        if self._limit is not None and self._kept > self._limit:
            return 0
        deadline = version.scale_down_at
        if deadline is None or deadline <= self._draft.now:
            return 0
        self._draft.wake(deadline)
        return kept


def is_referenced(draft: Draft, version: Version) -> bool:
    """Something may still send traffic to it: the status, a Service or a DestinationRule."""
    rollout, status = draft.rollout, draft.rollout.status
    if not version.hash:
        return False
    named = {
        status.stable_rs,
        status.current_pod_hash,
        status.blue_green.active_selector,
        status.blue_green.preview_selector,
    }
    if status.canary.weights is not None:
        weights = status.canary.weights
        named |= {weights.canary.pod_template_hash, weights.stable.pod_template_hash}
    if version.hash in named:
        return True
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    services = [canary.canary_service, canary.stable_service] if canary else []
    services += [blue_green.active_service, blue_green.preview_service] if blue_green else []
    selectors = [(draft.services.get(name) or {}).get("spec", {}).get("selector") or {} for name in services]
    if any(selector.get(HASH_LABEL) == version.hash for selector in selectors):
        return True
    return destination_rule_of(rollout) is not None and selects_hash(draft.destination_rule, version.hash)
