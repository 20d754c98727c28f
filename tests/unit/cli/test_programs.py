"""The short form of `meshsim up`: commands in, manifests out."""

import argparse
from typing import Any

import pytest
import yaml

from meshsim.cli.command import Parser
from meshsim.cli.manifests import check_admission, manifests_in
from meshsim.cli.programs import Release, add_program_flags, printed, release_of
from meshsim.kit.errors import UsageError


def _flags(*words: str) -> argparse.Namespace:
    parser = Parser()
    parser.set_defaults(data_dir=None, files=[])
    add_program_flags(parser)
    return parser.parse_args(words)


def _release(*words: str) -> Release:
    release = release_of(_flags(*words), "/home/me/app")
    assert release is not None
    return release


def _container(rollout: dict[str, Any]) -> dict[str, Any]:
    (container,) = rollout["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def _objects(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def test_two_versions_of_a_program_become_the_manifests_of_a_canary() -> None:
    release = _release(
        "--stable", "python app.py", "--canary", "python 'my app.py'", "--env", "canary:FEATURE=1", "--env", "MODE=a=b",
        "--ready", "/healthz", "--steps", "10,30%,50", "--pause", "30s",
    )  # fmt: skip
    stable, canary = release.manifests()[0], release.canary_rollout()
    assert canary is not None
    assert (_container(stable)["command"], _container(stable)["workingDir"]) == (["python", "app.py"], "/home/me/app")
    assert _container(stable)["env"] == [{"name": "MODE", "value": "a=b"}]
    assert _container(canary)["command"] == ["python", "my app.py"]
    assert _container(canary)["env"] == [{"name": "FEATURE", "value": "1"}, {"name": "MODE", "value": "a=b"}]
    assert _container(canary)["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": 8080}
    weights = [{"setWeight": weight} for weight in (10, 30, 50)]
    steps = stable["spec"]["strategy"]["canary"]["steps"]
    assert (steps[::2], steps[1::2]) == (weights, [{"pause": {"duration": 30}}] * 3)


@pytest.mark.parametrize("pause", ["0", "1.5s", "2h"])
def test_what_is_made_is_admitted_as_anybodys_manifests_are(pause: str) -> None:
    release = _release("--stable", "a", "--canary", "b", "--pause", pause)
    manifests = manifests_in([("made", printed(release, "all"))], "default")
    check_admission(manifests)
    assert [manifest.title for manifest in manifests] == [
        "rollout.argoproj.io/app",
        "service/app",
        "service/app-stable",
        "service/app-canary",
        "gateway.networking.istio.io/app",
        "virtualservice.networking.istio.io/app",
        "rollout.argoproj.io/app",
    ]


def test_the_parts_can_be_printed_alone() -> None:
    release = _release("--stable", "a", "--env", "canary:X=1")
    stable, canary = _objects(printed(release, "stable")), _objects(printed(release, "canary"))
    assert _objects(printed(release, "all")) == [*stable, *canary]
    assert [one["kind"] for one in canary] == ["Rollout"]


def test_without_a_pause_a_person_promotes() -> None:
    steps = _release("--stable", "a").manifests()[0]["spec"]["strategy"]["canary"]["steps"]
    assert steps[1::2] == [{"pause": {}}] * 3


def test_without_a_canary_nothing_is_released() -> None:
    release = _release("--stable", "a", "--env", "X=1")
    assert release.canary_rollout() is None
    with pytest.raises(UsageError, match="no canary to print"):
        printed(release, "canary")


def test_the_short_form_is_not_meant_where_there_is_no_stable_program() -> None:
    assert release_of(_flags(), "/") is None


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--canary", "a"), "--canary goes with --stable"),
        (("--steps", ""), "--steps goes with --stable"),
        (("--stable", ""), "--stable names no program"),
        (("--stable", "a 'b"), "--stable 'a 'b': no closing quotation"),
        (("--stable", "a", "--canary", "a"), "the same program"),
        (("--stable", "a", "--env", "X"), "is not NAME=VALUE"),
        (("--stable", "a", "--env", "other:X=1"), "is not NAME=VALUE"),
        (("--stable", "a", "--env", "canary:=1"), "is not NAME=VALUE"),
        (("--stable", "a", "--steps", "10,x"), "not weights in percent"),
        (("--stable", "a", "--steps", "101"), "not weights in percent"),
        (("--stable", "a", "--ready", "healthz"), "is not a path"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(words: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        release_of(_flags(*words), "/")
