"""Tokens for providers that want one: OAuth2's client credentials grant."""

from typing import Any
from urllib.parse import urlencode

from controller.analysis.providers.outbound import Ask, Outbound, json_of
from controller.analysis.providers.provider import ProviderError
from meshsim.api.decode import Wire


class OAuth2(Wire, frozen=True):
    """Where a token comes from, and for whom."""

    token_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    scopes: tuple[str, ...] = ()


async def bearer_header(outbound: Outbound, oauth2: OAuth2, timeout_s: float) -> dict[str, str]:
    """The header that proves who asks, empty when nobody is to. Raises ProviderError."""
    if not oauth2.token_url:
        return {}
    if not oauth2.client_id or not oauth2.client_secret:
        raise ProviderError("missing mandatory parameter in metric for OAuth2 setup")
    form = {
        "grant_type": "client_credentials",
        "client_id": oauth2.client_id,
        "client_secret": oauth2.client_secret,
        **({"scope": " ".join(oauth2.scopes)} if oauth2.scopes else {}),
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(form).encode()
    reply = await outbound.send(Ask(oauth2.token_url, "POST", headers, body, timeout_s))
    if reply.status != 200:
        raise ProviderError(f"oauth2: cannot fetch token: {reply.status}")
    answer: Any = json_of(reply.body)
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise ProviderError("oauth2: server response missing access_token")
    return {"Authorization": f"Bearer {token}"}
