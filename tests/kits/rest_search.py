"""One request to an API, and what any answer of it owes."""

import json
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from tests.kits.rest_requests import Request


async def ask(session: aiohttp.ClientSession, base: str, request: Request) -> int:
    """The status of the answer. Raises AssertionError when it failed, or refused without a Status that says so."""
    query = urlencode(request.query, errors="surrogateescape")
    url = URL(f"{base}{request.path}?{query}" if query else f"{base}{request.path}", encoded=True)
    try:
        async with session.request(
            request.method, url, headers=request.headers, data=request.body or None, allow_redirects=False
        ) as reply:
            body = await reply.read()
    except aiohttp.ClientError as error:
        raise AssertionError(f"{request}: no answer: {error!r}") from error
    # A version from the future is "Timeout" on a real API, too.
    assert reply.status < 500 or (reply.status == 504 and b'"reason":"Timeout"' in body), (request, body)
    if reply.status >= 400 and request.method != "HEAD":
        status = json.loads(body)
        assert (status["kind"], status["code"]) == ("Status", reply.status), (request, body)
    return reply.status
