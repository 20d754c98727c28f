"""Where consistent hashing puts a key, as Envoy does it: few keys move when hosts come and go.

Layouts of many points take long; they are made in steps.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import cycle
from math import ceil
from typing import Final

from meshsim.mesh.hash_policy import hash_of
from meshsim.mesh.steps import STRIDE, Steps

Place = Callable[[int], int]
"""A key → the index of its host."""

Layout = Callable[[Sequence[bytes]], Steps[Place]]
"""The names of the hosts, at least one → their places."""

DEFAULT_RING_SIZE: Final = 1024
DEFAULT_TABLE_SIZE: Final = 65537
_MAX_RING_SIZE: Final = 8 * 1024 * 1024
_IN_A_BUCKET: Final = 512
_INDEX_BITS: Final = 32
_INDEX_MASK: Final = (1 << _INDEX_BITS) - 1
_PROBES: Final = 4096
"""How many slots are looked at in a step: a quarter of a millisecond."""


def ring(names: Sequence[bytes], minimum_size: int) -> Steps[Place]:
    """A ketama ring: each host has as many points as make the ring at least that large."""
    share = 1.0 / len(names)
    scale = min(ceil(share * minimum_size) / share, _MAX_RING_SIZE)
    width = int(scale / _IN_A_BUCKET).bit_length()
    # Sorted by their first bits as they come: sorting all of them at once could not be interrupted. A point and its
    # owner are one number, because the garbage collector looks at pairs by the million and not at numbers.
    buckets: list[list[int]] = [[] for _ in range(1 << width)]
    count, wanted = 0, 0.0
    for index, name in enumerate(names):
        # Floating point as Envoy's, whose rounding decides about a host's last point.
        first, wanted = count, wanted + scale * share
        count = ceil(wanted)
        for number in range(count - first):
            if not number % STRIDE:
                yield
            point = hash_of(b"%b_%d" % (name, number))
            buckets[point >> (64 - width)].append(point << _INDEX_BITS | index)
    bounds, owners = array("Q"), array("L")
    for bucket in buckets:
        yield
        bucket.sort()
        bounds.extend(entry >> _INDEX_BITS for entry in bucket)
        owners.extend(entry & _INDEX_MASK for entry in bucket)
        bucket.clear()
    return lambda key: owners[bisect_left(bounds, key) % len(owners)]


def maglev(names: Sequence[bytes], table_size: int) -> Steps[Place]:
    """A Maglev table: hosts take slots in turn, each by its own permutation."""
    slots = [hash_of(name) % table_size for name in names]
    skips = [hash_of(name, seed=1) % (table_size - 1) + 1 for name in names]
    table = array("l", [-1]) * table_size
    turns = cycle(range(len(names)))
    index = next(turns)
    slot, skip = slots[index], skips[index]
    free = table_size
    while free:
        yield
        for _ in range(_PROBES):
            if table[slot] >= 0:
                slot = (slot + skip) % table_size
                continue
            table[slot] = index
            free -= 1
            if not free:
                break
            slots[index] = slot
            index = next(turns)
            slot, skip = slots[index], skips[index]
    return lambda key: table[key % table_size]
