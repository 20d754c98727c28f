"""Flags of the planes that `meshsim up` passes on."""

import argparse

from meshsim.cli.passed_on import add_passed_on_flags, passed_on


def _passed_on(*arguments: str) -> dict[str, tuple[str, ...]]:
    parser = argparse.ArgumentParser()
    add_passed_on_flags(parser)
    return passed_on(parser.parse_args(arguments))


def test_each_plane_gets_its_own_flags_as_they_were_given() -> None:
    given = _passed_on("--argo-version", "1.2", "--explain-headers", "--listen", "9000=a:1", "--listen", "9001=a:2")
    assert given == {
        "apiserver": (),
        "controller": ("--argo-version=1.2",),
        "node": (),
        "proxy": ("--explain-headers", "--listen=9000=a:1", "--listen=9001=a:2"),
    }


def test_a_lag_is_told_to_both_who_pass_changes_on() -> None:
    given = _passed_on("--lag", "vs=2s,endpoints=3s")
    assert given["node"] == given["proxy"] == ("--lag=vs=2s,endpoints=3s",)


def test_without_them_nothing_is_passed_on() -> None:
    assert set(_passed_on().values()) == {()}
