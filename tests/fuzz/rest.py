"""`python -m tests.fuzz.rest rest SECONDS CORPUS`: requests of every kind to a server that runs, as a stranger."""

import asyncio
import sys
import time
from typing import Final

import aiohttp
import uvloop
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.kits.apiserver import running_apiserver
from tests.kits.rest_requests import Request, good_ones, requests
from tests.kits.rest_search import ask

_EXAMPLES: Final = 200


async def _search(seconds: float, corpus: str) -> int:
    """Search round after round until the time is over; returns how many requests were sent."""
    loop = asyncio.get_running_loop()
    sent = 0
    async with running_apiserver() as server, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:

        def send(some: list[Request]) -> None:
            nonlocal sent
            for request in [*good_ones(), *some]:
                asyncio.run_coroutine_threadsafe(ask(session, server.url, request), loop).result()
                sent += 1

        def search(rounds: int) -> None:
            searched = given(st.lists(requests(), min_size=1, max_size=30))(send)
            settings(
                max_examples=_EXAMPLES,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=DirectoryBasedExampleDatabase(corpus),
            )(seed(rounds)(searched))()

        until, rounds = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            await asyncio.to_thread(search, rounds)
            rounds += 1
        assert server.process.returncode is None, "the server has ended"
    return sent


def main() -> None:
    """Search for as long as asked."""
    _, seconds, corpus = sys.argv[1:]
    print(f"Done {uvloop.run(_search(float(seconds), corpus))} requests")


if __name__ == "__main__":
    main()
