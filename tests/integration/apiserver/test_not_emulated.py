"""Integration tests of kinds that clients only look for: there are none of them, and who wants one is told."""

import aiohttp
import pytest

from meshsim.api.kinds import Kind
from meshsim.apiserver.kinds.served import NOT_EMULATED
from meshsim.client.http import HttpApi

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


def collection(kind: Kind) -> str:
    root = f"/apis/{kind.api_version}" if kind.group else "/api/v1"
    return f"{root}/namespaces/default/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"


@pytest.mark.parametrize("kind", NOT_EMULATED, ids=lambda kind: kind.plural)
async def test_there_are_none_and_there_cannot_be_one(url: str, api: HttpApi, kind: Kind) -> None:
    assert (await api.list(kind)).items == []
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "a"}}
    apply = {"Content-Type": "application/apply-patch+yaml"}
    protobuf = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    async with aiohttp.ClientSession(url) as http:
        for asked in (
            http.post(collection(kind), json=body),
            http.post(collection(kind), data=b"k8s\0", headers=protobuf),
            http.patch(f"{collection(kind)}/a?fieldManager=me", json=body, headers=apply),
        ):
            async with asked as reply:
                status = await reply.json()
            assert (reply.status, status["reason"]) == (405, "MethodNotAllowed")
            assert status["message"] == f"{kind.resource} are not emulated: nothing here would act on one"
