"""JSON merge patches (RFC 7386): applied, and made from what was and what shall be."""

from typing import Any

from meshsim.api.decode import Object


def merge_patch(value: Any, patch: Any) -> Any:
    """The value as patched: mappings are merged, null removes, everything else replaces.

    Neither argument is changed; what the patch leaves alone is shared.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for field, change in patch.items():
        if change is None:
            merged.pop(field, None)
        else:
            merged[field] = merge_patch(merged.get(field), change)
    return merged


def patch_between(old: Object, new: Object) -> Object:
    """The patch that leads from one object to the other, neither of which holds nulls; empty when they are equal."""
    patch: Object = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = patch_between(before, value)
            if inner:
                patch[name] = inner
        elif name not in old or value != before:
            patch[name] = value
    return patch
