"""Releases of the example while callers ask all the time: no request may fail."""

from functools import partial
from pathlib import Path

from meshsim.api.kinds import POD, VIRTUAL_SERVICE
from tests.kits.eventually import eventually_blocking
from tests.kits.up import BLOG, Mesh, callers, released


def _pods_by_version(up: Mesh) -> dict[str, int]:
    versions: dict[str, int] = {}
    for pod in up.listed(POD):
        if not pod["metadata"].get("deletionTimestamp"):
            version = pod["spec"]["containers"][0]["image"].rpartition(":")[2]
            versions[version] = versions.get(version, 0) + 1
    return versions


def test_a_controller_killed_in_a_pause_loses_nothing(tmp_path: Path) -> None:
    with released(tmp_path, "--speed", "20") as up:
        with callers(up) as calls:
            up.cli("set", "image", "my-app", "my-app=my-app:v2")
            eventually_blocking(lambda: up.is_at("Paused", step=4), within_s=30)
            up.children()["controller"].kill()
            eventually_blocking(lambda: up.is_at("Healthy"), within_s=60)
            eventually_blocking(lambda: _pods_by_version(up) == {"v2": 6}, within_s=30)
            before = calls.total
            eventually_blocking(lambda: calls.total > before + 100, within_s=30)
        assert calls.failures == []
        assert calls.by_version["v1"] > 100
        assert calls.by_version["v2"] > 100
        _no_retry_hid_a_failure(up)


def _no_retry_hid_a_failure(up: Mesh) -> None:
    answered = up.counted("istio_requests_total", reporter="source", response_code="200")
    assert answered > 0
    assert up.counted("envoy_cluster_upstream_rq_total") == answered
    assert up.counted("envoy_cluster_upstream_rq_retry") == 0


def test_a_release_is_steered_with_argos_verbs_and_no_request_fails(tmp_path: Path) -> None:
    manifests = _waiting_for_a_person(tmp_path / "manifests")
    with released(tmp_path, "--speed", "40", manifests=manifests) as up, callers(up) as calls:
        assert up.cli("set", "image", "my-app", "my-app=my-app:v2") == 'rollout "my-app" image updated\n'
        eventually_blocking(lambda: up.is_at("Paused", step=1), within_s=30)
        assert up.cli("promote", "my-app") == "rollout 'my-app' promoted\n"
        eventually_blocking(lambda: up.is_at("Paused", step=4), within_s=30)
        _shows_the_pause(up)
        assert up.cli("abort", "my-app") == "rollout 'my-app' aborted\n"
        ended = up.run("status", "my-app", "--timeout", "30s")
        assert ended.code == 1
        assert "The rollout is in a degraded state with message: RolloutAborted" in ended.err
        eventually_blocking(lambda: _weights(up) == [100, 0], within_s=30)
        assert up.cli("retry", "rollout", "my-app") == "rollout 'my-app' retried\n"
        eventually_blocking(lambda: up.is_at("Paused", step=1), within_s=30)
        assert up.cli("promote", "my-app", "--full") == "rollout 'my-app' fully promoted\n"
        assert up.cli("status", "my-app", "--timeout", "60s").splitlines()[-1] == "Healthy"
        eventually_blocking(lambda: _pods_by_version(up) == {"v2": 6}, within_s=30)
        assert up.cli("undo", "my-app") == "rollout 'my-app' undo\n"
        for step in (1, 4, 7):
            eventually_blocking(partial(up.is_at, "Paused", step), within_s=30)
            up.cli("promote", "my-app")
        assert up.cli("status", "my-app", "--timeout", "60s").splitlines()[-1] == "Healthy"
        eventually_blocking(lambda: _pods_by_version(up) == {"v1": 6}, within_s=30)
        assert "RolloutCompleted" in up.cli("events", "--for", "rollout/my-app")
    assert calls.failures == []


def _waiting_for_a_person(folder: Path) -> list[str]:
    """The example, every pause without an end."""
    folder.mkdir()
    for file in Path(BLOG).iterdir():
        (folder / file.name).write_text(file.read_text().replace("pause: {duration: 60}", "pause: {}"))
    return [str(folder)]


def _shows_the_pause(up: Mesh) -> None:
    shown = up.cli("get", "rollout", "my-app")
    assert "Status:          ॥ Paused\nMessage:         CanaryPauseStep\nStrategy:        Canary\n" in shown
    assert "  Step:          4/9\n  SetWeight:     34\n  ActualWeight:  34\n" in shown
    assert up.cli("list", "rollouts").splitlines()[1].split()[:4] == ["my-app", "Canary", "Paused", "4/9"]
    assert "[my-app-stable:66,my-app-canary:34]" in up.cli("get", "vs", "my-app")


def _weights(up: Mesh) -> list[int]:
    return [one["weight"] for one in up.get(VIRTUAL_SERVICE, "my-app")["spec"]["http"][0]["route"]]
