"""Which API the verbs talk to."""

from pathlib import Path

import pytest

from meshsim.cli.connection import NothingRunsError, kubeconfig_path, traffic_url
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


def test_load_goes_to_the_mesh_that_runs_or_that_the_environment_names() -> None:
    assert traffic_url({}, [ONE]) == "http://127.0.0.1:11"
    assert traffic_url({"MESHSIM_KUBECONFIG": "/two"}, [ONE, TWO]) == "http://127.0.0.1:22"


def test_load_goes_to_the_usual_port_when_no_mesh_is_known() -> None:
    assert traffic_url({}, []) == "http://127.0.0.1:8080"
    assert traffic_url({"MESHSIM_KUBECONFIG": "/somewhere"}, [ONE]) == "http://127.0.0.1:8080"


def test_which_of_several_meshes_takes_the_load_is_the_users_choice() -> None:
    with pytest.raises(UsageError) as failure:
        traffic_url({}, [ONE, TWO])
    assert "--url http://127.0.0.1:22   (pid 2)" in str(failure.value)
