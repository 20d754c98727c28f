"""A mesh on a machine that has no loopback address but 127.0.0.1, as macOS."""

from pathlib import Path

from meshsim.api.kinds import POD
from tests.kits.eventually import eventually_blocking
from tests.kits.up import callers, released


def test_a_release_loses_no_request_where_all_pods_share_an_address(tmp_path: Path) -> None:
    with released(tmp_path, "--shared-address", "--speed", "40") as up, callers(up) as calls:
        assert {pod["status"]["podIP"] for pod in up.listed(POD)} == {"127.0.0.1"}
        up.cli("set", "image", "my-app", "my-app=my-app:v2")
        assert up.cli("status", "my-app", "--timeout", "60s").splitlines()[-1] == "Healthy"
        eventually_blocking(lambda: calls.by_version["v2"] > 100, within_s=30)
        assert calls.failures == []
