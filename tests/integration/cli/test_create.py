"""`create` against a real API server that nothing else writes to."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from meshsim.api.decode import Object
from meshsim.cli.main import main
from meshsim.client.connection import Connection
from meshsim.client.kubeconfig import kubeconfig_of
from tests.kits.processes import serving

pytestmark = pytest.mark.integration

TEMPLATE: Object = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AnalysisTemplate",
    "metadata": {"name": "success-rate"},
    "spec": {
        "args": [{"name": "service"}, {"name": "floor", "value": "0.95"}],
        "metrics": [{"name": "rate", "provider": {"web": {"url": "http://127.0.0.1:1/{{args.service}}"}}}],
    },
}


class Cli:
    """Runs commands against one API."""

    def __init__(self, kubeconfig: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._kubeconfig = str(kubeconfig)
        self._capture = capture
        self.err = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What it printed, on stderr when it failed."""
        ended = main([*arguments, "--kubeconfig", self._kubeconfig])
        out, self.err = self._capture.readouterr()
        assert ended == code, self.err
        return self.err if code else out


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with serving("meshsim.apiserver", "--insecure-http", "--port", "0", "--dashboard-port", "0") as served:
        file = tmp_path_factory.mktemp("api") / "kubeconfig"
        file.write_text(kubeconfig_of(Connection(f"http://{served.addresses['api']}")))
        yield file


@pytest.fixture
def cli(kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(kubeconfig, capsys)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "template.yaml"
    path.write_text(yaml.safe_dump(TEMPLATE))
    return str(path)


def test_an_analysis_is_started_from_a_template_of_the_api_and_from_a_file(cli: Cli, file: str) -> None:
    created = cli("create", "-f", file)
    named = cli("create", "analysisrun", "--from", "success-rate", "--name", "by-hand", "-a", "service=shop")
    generated = cli("create", "ar", "--from-file", file, "-a", "service=shop=x", "-a", "floor=0.5", "-a", "other=1")
    run = json.loads(cli("get", "analysisrun", "by-hand", "-o", "json"))

    assert created == "analysistemplate.argoproj.io/success-rate created\n"
    assert named == "analysisrun.argoproj.io/by-hand created\n"
    assert generated.startswith("analysisrun.argoproj.io/success-rate-")
    assert run["spec"]["args"] == [{"name": "service", "value": "shop"}, {"name": "floor", "value": "0.95"}]
    assert run["spec"]["metrics"] == TEMPLATE["spec"]["metrics"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["analysisrun", "--from", "success-rate"], "args.service was not resolved"),
        (["analysisrun", "--from", "absent"], 'analysistemplates.argoproj.io "absent" not found'),
        (["analysisrun"], "one of --from or --from-file must be specified"),
        (["analysisrun", "--from", "success-rate", "-a", "service"], "arguments must be in the form NAME=VALUE"),
        ([], "say what to create"),
    ],
)
def test_what_can_not_be_created_is_said_in_one_sentence(
    cli: Cli, file: str, arguments: list[str], complaint: str
) -> None:
    cli("apply", "-f", file)

    assert complaint in cli("create", *arguments, code=1)


def test_metrics_that_a_run_by_hand_leaves_out_are_named(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "nesting.yaml"
    nesting = TEMPLATE | {"spec": TEMPLATE["spec"] | {"templates": [{"templateName": "latency"}]}}
    path.write_text(yaml.safe_dump(nesting))
    cli("create", "analysisrun", "--from-file", str(path), "-a", "service=a")

    assert cli.err.startswith("Warning: the run lacks the metrics of latency: ")
