"""Which API the verbs talk to."""

from pathlib import Path

import pytest

from meshsim.cli.connection import NothingRunsError, kubeconfig_path
from meshsim.cli.running import Running
from meshsim.kit.errors import UsageError

ONE = Running(1, "http://127.0.0.1:1", "http://127.0.0.1:11", "/one", "")
TWO = Running(2, "http://127.0.0.1:2", "http://127.0.0.1:22", "/two", "")


def test_the_flag_comes_before_the_variable_and_the_variable_before_what_runs() -> None:
    environment = {"MESHSIM_KUBECONFIG": "/variable"}
    assert kubeconfig_path("/flag", environment, [ONE]) == Path("/flag")
    assert kubeconfig_path(None, environment, [ONE]) == Path("/variable")
    assert kubeconfig_path(None, {}, [ONE]) == Path("/one")


def test_the_users_own_kubeconfig_is_never_used() -> None:
    with pytest.raises(NothingRunsError, match="no `meshsim up` is running"):
        kubeconfig_path(None, {"KUBECONFIG": "/production"}, [])


def test_of_several_running_ones_the_user_must_choose() -> None:
    with pytest.raises(UsageError) as failure:
        kubeconfig_path(None, {}, [ONE, TWO])
    assert "--kubeconfig /one   http://127.0.0.1:1 (pid 1)" in str(failure.value)
    assert "--kubeconfig /two   http://127.0.0.1:2 (pid 2)" in str(failure.value)
