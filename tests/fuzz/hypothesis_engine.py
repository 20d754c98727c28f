"""`python -m tests.fuzz.hypothesis_engine TARGET SECONDS CORPUS`: try bytes and words, many of them."""

import sys
import time
from typing import Final

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.fuzz.targets import TARGETS

_EXAMPLES: Final = 2000


def main() -> None:
    """Search round after round until the time is over."""
    name, seconds, corpus = sys.argv[1:]
    target = TARGETS[name]
    pieces = st.sampled_from([*target.words, *target.seeds]) | st.binary(max_size=8)

    def run(data: bytes) -> None:
        target.run(data)

    until, rounds = time.monotonic() + float(seconds), 0
    while time.monotonic() < until:
        search = given(st.lists(pieces, max_size=40).map(b"".join))(run)
        settings(
            max_examples=_EXAMPLES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=DirectoryBasedExampleDatabase(corpus),
        )(seed(rounds)(search))()
        rounds += 1
    print(f"Done {rounds * _EXAMPLES} runs")


if __name__ == "__main__":
    main()
