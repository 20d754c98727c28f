"""The proxy's lag, changed while it runs: by its admin page, with one worker or several."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.kits.dataplane import vs
from tests.kits.eventually import eventually_blocking
from tests.kits.processes import serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def _ask(address: str, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    asked = urllib.request.Request(f"http://{address}{path}", headers=headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_lag_is_shown_and_changed_at_the_admin_port(tmp_path: Path, workers: str) -> None:
    (tmp_path / "mesh.yaml").write_text(vs("  - directResponse: {status: 201}\n"))
    ports = ("--port", "0", "--admin-port", "0", "--stats-port", "0")
    with serving(
        "meshsim.proxy", "-f", str(tmp_path), *ports, "--workers", workers, "--lag", "vs=2s,endpoints=1s"
    ) as up:
        admin = up.addresses["admin"]
        assert _ask(admin, "/lag") == (200, '{"vs": 2.0, "dr": 0.0}')
        assert _ask(admin, "/lag?dr=500ms", "PUT") == (200, '{"vs": 2.0, "dr": 0.5}')
        eventually_blocking(lambda: _ask(admin, "/lag") == (200, '{"vs": 2.0, "dr": 0.5}'))
        status, told = _ask(admin, "/lag?endpoints=1s", "PUT")
        assert (status, told) == (400, '"endpoints" is no hop that can lag here: choose from vs, dr')
        assert _ask(admin, "/lag?vs=0", "PUT", Origin="http://evil.test")[0] == 403
