"""Unit tests of which images can be pulled, and of what comes of a container whose image cannot."""

from contextlib import aclosing

import pytest

from meshsim.api.core import Container, Pod
from meshsim.api.decode import decode
from meshsim.kit.clock import VirtualClock
from meshsim.runtime.containers.containers import Sandbox, StartRefusedError
from meshsim.runtime.containers.images import is_pullable
from meshsim.runtime.pods.runtimes import Runtimes


@pytest.mark.parametrize(
    "image",
    [
        "demo:does-not-exist",
        "registry.local:5000/doesnotexist/web:1",
        "nonexistent-image-that-does-not-exist:latest",
        "non-existent",
        "no-such-image@sha256:0",
        "web:error",
        "web:1.19-alpine-error",
    ],
)
def test_an_image_whose_name_says_that_it_is_not_there_cannot_be_pulled(image: str) -> None:
    assert not is_pullable(image)


@pytest.mark.parametrize(
    "image",
    ["", "web:1", "error", "error-pages:2", "web:terror", "web:error-pages", "localhost:5000/error", "no-suches"],
)
def test_any_other_image_can(image: str) -> None:
    assert is_pullable(image)


@pytest.mark.asyncio
@pytest.mark.parametrize("command", [[], ["true"]], ids=["simulated", "program"])
async def test_a_container_without_its_image_is_not_started_whatever_it_would_run(command: list[str]) -> None:
    container = decode(Container, {"name": "web", "image": "web:does-not-exist", "command": command})
    pod = decode(Pod, {"metadata": {"name": "a"}, "spec": {}})
    async with aclosing(Runtimes(VirtualClock())) as runtimes:
        with pytest.raises(StartRefusedError, match='Back-off pulling image "web:does-not-exist"') as refusal:
            await runtimes.start(pod, container, Sandbox("127.0.0.1", {}))
    assert refusal.value.reason == "ImagePullBackOff"
