"""Anti-affinity that keeps a new version's pods away from the nodes of the stable one."""

from typing import Final

from meshsim.api.decode import Object
from meshsim.api.rollouts import HASH_LABEL, AntiAffinity, Rollout

_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_NODE: Final = "kubernetes.io/hostname"


def affinity_of(rollout: Rollout, template: Object, pod_hash: str) -> Object | None:
    """The affinity of the pods of that template: its own, and the rule against the stable version."""
    own: Object | None = (template.get("spec") or {}).get("affinity")
    rule, stable_hash = _rule_of(rollout), rollout.status.stable_rs
    if rule is None or not stable_hash or stable_hash == pod_hash:
        return own
    anti = (own or {}).get("podAntiAffinity") or {}
    if rule.preferred is not None:
        injected = {"weight": rule.preferred.weight, "podAffinityTerm": _term(rollout, stable_hash)}
        anti = anti | {_PREFERRED: [*(anti.get(_PREFERRED) or []), injected]}
    else:
        anti = anti | {_REQUIRED: [*(anti.get(_REQUIRED) or []), _term(rollout, stable_hash)]}
    return (own or {}) | {"podAntiAffinity": anti}


def is_outdated(rollout: Rollout, affinity: Object | None, pod_hash: str) -> bool:
    """The injected rule speaks of a version that is no longer the stable one."""
    stable_hash = rollout.status.stable_rs
    if _rule_of(rollout) is None or stable_hash == pod_hash:
        return False
    return any(value != stable_hash for value in _injected_hashes(affinity))


def without_injected(rollout: Rollout, affinity: Object | None) -> Object | None:
    """The affinity as it was before the rule against the stable version was put in."""
    anti = (affinity or {}).get("podAntiAffinity")
    if affinity is None or not anti or _rule_of(rollout) is None:
        return affinity
    anti = anti | {
        _PREFERRED: [item for item in anti.get(_PREFERRED) or [] if not _hashes_in(item.get("podAffinityTerm") or {})],
        _REQUIRED: [term for term in anti.get(_REQUIRED) or [] if not _hashes_in(term)],
    }
    anti = {name: terms for name, terms in anti.items() if terms}
    others = {name: part for name, part in affinity.items() if name != "podAntiAffinity"}
    return (others | ({"podAntiAffinity": anti} if anti else {})) or None


def _rule_of(rollout: Rollout) -> AntiAffinity | None:
    strategy = rollout.spec.strategy.canary or rollout.spec.strategy.blue_green
    rule = strategy.anti_affinity if strategy else None
    return rule if rule is not None and (rule.preferred is not None or rule.required is not None) else None


def _term(rollout: Rollout, stable_hash: str) -> Object:
    return {
        "labelSelector": {"matchExpressions": [{"key": HASH_LABEL, "operator": "In", "values": [stable_hash]}]},
        "namespaces": [rollout.metadata.namespace],
        "topologyKey": _NODE,
    }


def _injected_hashes(affinity: Object | None) -> list[str]:
    anti = (affinity or {}).get("podAntiAffinity") or {}
    terms = [item.get("podAffinityTerm") or {} for item in anti.get(_PREFERRED) or []] + (anti.get(_REQUIRED) or [])
    return [found for term in terms for found in _hashes_in(term)]


def _hashes_in(term: Object) -> list[str]:
    return [
        line["values"][0]
        for line in (term.get("labelSelector") or {}).get("matchExpressions") or []
        if line.get("key") == HASH_LABEL and line.get("values")
    ]
