"""Who knows a token."""

import base64

import pytest

from meshsim.kit.bearer import knows

TOKEN = "0123456789abcdef"


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    "authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(f"me:{TOKEN}"), basic(f":{TOKEN}")]
)
def test_a_bearer_knows_it_and_so_does_whoever_has_it_for_a_password(authorization: str) -> None:
    assert knows(TOKEN, authorization)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Token {TOKEN}",
        TOKEN,
        "Basic",
        "Basic *",
        basic(TOKEN),
        basic(f"{TOKEN}:"),
        "Bearer \udcff",
    ],
)
def test_nobody_else_does(authorization: str) -> None:
    assert not knows(TOKEN, authorization)
