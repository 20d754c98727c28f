"""The verbs against a real API server that nothing else writes to: what they send, print and end with."""

import asyncio
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Final

import pytest
import yaml

from meshsim.api.decode import Object
from meshsim.api.kinds import REPLICA_SET, ROLLOUT, SERVICE
from meshsim.api.meta import key_of
from meshsim.cli.main import main
from meshsim.client.connection import Connection
from meshsim.client.http import HttpApi
from meshsim.client.kubeconfig import Kubeconfig, kubeconfig_of
from tests.kits.processes import serving

_ROLLOUT: Final[Object] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "shop"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {"containers": [{"name": "shop", "image": "shop:v1"}, {"name": "log", "image": "log:v1"}]},
        },
        "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}]}},
    },
}


class Cli:
    """Runs commands against one API and keeps what they print."""

    def __init__(self, kubeconfig: Path, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._kubeconfig = str(kubeconfig)
        self._capture = capture
        self.err = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run it, hold it to its exit code; returns what it printed."""
        ended = main([*arguments, "--kubeconfig", self._kubeconfig])
        out, self.err = self._capture.readouterr()
        assert ended == code, self.err
        return out

    def apply(self, *objects: Object) -> str:
        """Apply objects from a file."""
        file = self.folder / "objects.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        return self("apply", "-f", str(file))

    def rollout(self, name: str = "shop") -> Object:
        """The rollout as it stands in the API."""
        found = json.loads(self("get", "rollout", name, "-o", "json"))
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """That of an API server for this module."""
    with serving("meshsim.apiserver", "--insecure-http", "--port", "0", "--dashboard-port", "0") as served:
        path = tmp_path_factory.mktemp("api") / "kubeconfig"
        path.write_text(kubeconfig_of(Connection(f"http://{served.addresses['api']}")))
        yield path


@pytest.fixture
def cli(kubeconfig: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Given a rollout named shop."""
    cli = Cli(kubeconfig, tmp_path, capsys)
    cli.apply(_ROLLOUT)
    yield cli
    asyncio.run(_delete_all(kubeconfig))


async def _delete_all(kubeconfig: Path) -> None:
    async with HttpApi(Kubeconfig(kubeconfig)) as api:
        for kind in (ROLLOUT, REPLICA_SET, SERVICE):
            for obj in (await api.list(kind, "default")).items:
                await api.delete(kind, key_of(obj))


def test_apply_creates_then_leaves_alone_then_configures(cli: Cli) -> None:
    store = deepcopy(_ROLLOUT) | {"metadata": {"name": "store"}}
    assert cli.apply(store) == "rollout.argoproj.io/store created\n"
    assert cli.apply(store) == "rollout.argoproj.io/store unchanged\n"
    store["spec"]["replicas"] = 3
    assert cli.apply(store) == "rollout.argoproj.io/store configured\n"
    assert cli.rollout("store")["spec"]["replicas"] == 3


def test_set_image_changes_the_named_container_only(cli: Cli) -> None:
    assert cli("set", "image", "shop", "shop=shop:v2") == 'rollout "shop" image updated\n'
    containers = cli.rollout()["spec"]["template"]["spec"]["containers"]
    assert [one["image"] for one in containers] == ["shop:v2", "log:v1"]


def test_set_image_of_a_star_changes_every_container(cli: Cli) -> None:
    cli("set", "image", "shop", "*=all:v3")
    containers = cli.rollout()["spec"]["template"]["spec"]["containers"]
    assert [one["image"] for one in containers] == ["all:v3", "all:v3"]


def test_set_image_of_a_container_that_is_not_there_fails(cli: Cli) -> None:
    cli("set", "image", "shop", "nope=x:v1", code=1)
    assert cli.err == 'Error: unable to find container named "nope"\n'


@pytest.mark.parametrize("image", ["shop", "a=b=c"])
def test_set_image_wants_one_container_and_one_image(cli: Cli, image: str) -> None:
    cli("set", "image", "shop", image, code=1)
    assert f'"{image}" is not CONTAINER=IMAGE' in cli.err


def test_promote_skips_the_step_of_a_rollout_that_does_not_pause(cli: Cli) -> None:
    assert cli("promote", "shop") == "rollout 'shop' promoted\n"
    assert cli.rollout()["status"]["currentStepIndex"] == 1


def test_promote_resumes_what_was_paused_by_hand(cli: Cli) -> None:
    assert cli("pause", "shop") == "rollout 'shop' paused\n"
    assert cli.rollout()["spec"]["paused"] is True
    cli("promote", "shop")
    assert cli.rollout()["spec"]["paused"] is False


def test_promote_full_says_so_even_when_there_is_nothing_to_promote(cli: Cli) -> None:
    assert cli("promote", "shop", "--full") == "rollout 'shop' fully promoted\n"
    assert "promoteFull" not in (cli.rollout().get("status") or {})


def test_the_skip_flags_exclude_each_other(cli: Cli) -> None:
    cli("promote", "shop", "-c", "-a", code=1)
    assert cli.err == (
        "Flag --skip-current-step has been deprecated, use without the flag instead ex: promote ROLLOUT_NAME\n"
        "Flag --skip-all-steps has been deprecated, use --full instead\n"
        "Error: Cannot use skip-current-step and skip-all-steps flags at the same time\n"
    )


def test_abort_and_retry_take_several_rollouts(cli: Cli) -> None:
    cli.apply(deepcopy(_ROLLOUT) | {"metadata": {"name": "store"}})
    assert cli("abort", "shop", "store") == "rollout 'shop' aborted\nrollout 'store' aborted\n"
    assert cli.rollout("store")["status"]["abort"] is True
    assert cli("retry", "rollout", "shop", "store") == "rollout 'shop' retried\nrollout 'store' retried\n"
    assert cli.rollout("store")["status"]["abort"] is False


def test_restart_asks_for_it_in_a_while(cli: Cli) -> None:
    assert cli("restart", "shop") == "rollout 'shop' restarts in 0s\n"
    now = cli.rollout()["spec"]["restartAt"]
    assert cli("restart", "shop", "--in", "1h") == "rollout 'shop' restarts in 1h\n"
    assert cli.rollout()["spec"]["restartAt"] > now


def test_undo_without_a_history_says_so(cli: Cli) -> None:
    cli("undo", "shop", code=1)
    assert cli.err == 'Error: no revision found for rollout "shop"\n'
    cli("undo", "shop", "--to-revision", "7", code=1)
    assert cli.err == "Error: unable to find specified revision 7 in history\n"


def test_undo_puts_the_template_of_the_revision_before_back(cli: Cli) -> None:
    rollout = cli.rollout()
    for revision, image in ((1, "shop:v0"), (2, "shop:v1")):
        cli.apply(_replica_set(rollout, revision, image))
    assert cli("undo", "shop") == "rollout 'shop' undo\n"
    template = cli.rollout()["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "shop:v0"
    assert template["metadata"]["labels"] == {"app": "shop"}
    assert cli("undo", "shop", "--to-revision", "1") == (
        "skipped rollback (current template already matches revision 1)"
    )


def _replica_set(rollout: Object, revision: int, image: str) -> Object:
    labels = {"app": "shop", "rollouts-pod-template-hash": f"hash{revision}"}
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "shop", "controller": True}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"shop-hash{revision}",
            "labels": labels,
            "annotations": {"rollout.argoproj.io/revision": str(revision)},
            "ownerReferences": [{**owner, "uid": rollout["metadata"]["uid"]}],
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "shop", "image": image}, {"name": "log", "image": "log:v1"}]},
            },
        },
    }


def test_get_rollout_shows_its_progress_and_its_tree(cli: Cli) -> None:
    cli("promote", "shop")
    shown = cli("get", "rollout", "shop")
    assert "Name:            shop\n" in shown
    assert "  Step:          1/3\n" in shown
    assert "  SetWeight:     20\n" in shown
    assert "⟳ shop  Rollout  ◌ Progressing" in shown


def test_describe_shows_a_rollout_with_its_steps_analyses_and_events(cli: Cli) -> None:
    plain = cli("get", "rollout", "shop")
    described = cli("describe", "ro", "shop")
    assert described.startswith(plain.partition("\nNAME ")[0])
    assert "\nSteps:\n" in described
    assert described.endswith("\nAnalyses:\n  none\n\nEvents: none\n")
    assert cli("get", "rollout", "shop", "--analyses").endswith("\nAnalyses:\n  none\n")


def test_describe_of_what_is_not_there_fails_in_one_sentence(cli: Cli) -> None:
    cli("describe", "analysisrun", "nope", code=1)
    assert cli.err == 'Error: analysisruns.argoproj.io "nope" not found\n'


def test_get_of_what_is_not_there_fails_as_the_plugin_does(cli: Cli) -> None:
    cli("get", "rollout", "nope", code=1)
    assert cli.err == 'Error: rollout.argoproj.io "nope" not found\n'
    cli("get", "experiment", "nope", code=1)
    assert cli.err == 'Error: experiment.argoproj.io "nope" not found\n'
    for watch in ("--watch=true", "--watch=false", "-w=false"):
        cli("status", "nope", watch, code=1)
        assert cli.err == 'Error: rollout.argoproj.io "nope" not found\n'


def test_a_change_of_what_is_not_there_is_refused_in_the_words_of_the_api_after_what_was_done(cli: Cli) -> None:
    for verb, done in (("abort", "aborted"), ("pause", "paused")):
        assert cli(verb, "shop", "nope", "shop", code=1) == f"rollout 'shop' {done}\n"
        assert cli.err == 'Error: rollouts.argoproj.io "nope" not found\n'


def test_get_of_an_unknown_kind_names_the_nearest(cli: Cli) -> None:
    cli("get", "rolout", code=1)
    assert '"rolout" is no kind that meshsim serves, did you mean "rollout"?' in cli.err


def test_get_lists_any_kind_as_a_table_or_as_objects(cli: Cli) -> None:
    cli.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": {"ports": [{"port": 80}]}})
    assert "shop  <none>    80/TCP" in cli("get", "svc")
    assert yaml.safe_load(cli("get", "svc", "shop", "-o", "yaml"))["kind"] == "Service"
    assert {one["kind"] for one in json.loads(cli("get", "services", "-o", "json"))["items"]} == {"Service"}


def test_list_rollouts_pads_its_columns_as_the_plugin_does(cli: Cli) -> None:
    header, line = cli("list", "rollouts").splitlines()
    assert header == "NAME        STRATEGY   STATUS        STEP  SET-WEIGHT  READY  DESIRED  UP-TO-DATE  AVAILABLE"
    assert line == "shop        Canary     Progressing   -     20          0/0    2        0           0        "


def test_list_of_a_namespace_without_rollouts_finds_nothing(cli: Cli) -> None:
    assert cli("list", "rollouts", "-n", "elsewhere") == ""
    assert cli.err == "No resources found.\n"


def test_status_without_watching_says_phase_and_message(cli: Cli) -> None:
    assert cli("status", "shop", "--watch=false") == "Progressing - more replicas need to be updated\n"


def test_status_gives_up_after_its_timeout(cli: Cli) -> None:
    assert cli("status", "shop", "--timeout", "300ms", code=1) == "Progressing - more replicas need to be updated\n"
    assert cli.err == "Error: Rollout status watch exceeded timeout\n"


def test_events_of_nothing_say_so(cli: Cli) -> None:
    assert cli("events") == ""
    assert cli.err == "No events found.\n"


def test_kubeconfig_prints_its_path_or_its_contents(cli: Cli, kubeconfig: Path) -> None:
    assert cli("kubeconfig") == f"{kubeconfig}\n"
    assert cli("kubeconfig", "--raw") == kubeconfig.read_text()
