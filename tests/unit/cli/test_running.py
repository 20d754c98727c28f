"""The record of a running mesh: who finds it, and that a dead one leaves nothing behind."""

from pathlib import Path

import pytest
import yaml

from meshsim.cli.connection import connection_of
from meshsim.cli.ps import running_data, running_table
from meshsim.cli.running import Running, owned_data_dir, passing_data_dir, ports_of_meshes, recorded, running
from meshsim.cli.topology import PORTS, Topology
from meshsim.kit.errors import StartError, UsageError

API, TRAFFIC = "https://127.0.0.1:6443", "http://127.0.0.1:8080"
USUAL = {name: port for name, (_, port, _) in PORTS.items()}
TOPOLOGY = Topology("127.0.0.1", USUAL, "1.0,2.0,3.0", Path("/objects"))


def test_a_running_mesh_is_found_until_it_ends(tmp_path: Path) -> None:
    with recorded(TOPOLOGY, tmp_path) as mine:
        assert running(tmp_path) == [mine]
        assert (mine.api, mine.traffic, mine.clock) == (API, TRAFFIC, "1.0,2.0,3.0")
    assert running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_may_read_the_record(tmp_path: Path) -> None:
    with recorded(TOPOLOGY, tmp_path):
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize(("is_kept", "told"), [(True, "/objects"), (False, "")])
def test_the_kubeconfig_lies_with_the_objects(tmp_path: Path, is_kept: bool, told: str) -> None:
    topology = Topology("127.0.0.1", USUAL, "1.0,2.0,3.0", Path("/objects"), is_kept=is_kept)
    with recorded(topology, tmp_path) as mine:
        assert mine.kubeconfig == "/objects/kubeconfig"
        assert [one.data_dir for one in running(tmp_path)] == [told]


def test_the_record_of_a_mesh_that_was_killed_is_removed(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(
        '{"pid":1,"api":"http://x","traffic":"http://y","kubeconfig":"/nowhere","clock":""}'
    )
    (tmp_path / "1.objects").mkdir()
    (tmp_path / "1.objects" / "journal").write_text("")
    assert running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_data_directory_belongs_to_one_mesh_at_a_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with owned_data_dir(data), pytest.raises(StartError, match="in use by another"), owned_data_dir(data):
        pass
    with owned_data_dir(data):
        pass


def test_objects_that_nobody_keeps_are_there_until_the_mesh_ends_and_the_owner_alone_reads_them(tmp_path: Path) -> None:
    with passing_data_dir(tmp_path) as first:
        (first / "journal").write_text("old")
        assert first.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def test_objects_that_a_killed_mesh_left_are_not_those_of_the_next(tmp_path: Path) -> None:
    with passing_data_dir(tmp_path) as path:
        place = path
    place.mkdir()
    (place / "journal").write_text("of a dead mesh")
    with passing_data_dir(tmp_path) as again:
        assert (again, list(again.iterdir())) == (place, [])


def test_a_data_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StartError, match=r"--data-dir .*file/data: Not a directory"),
        owned_data_dir(tmp_path / "file/data"),
    ):
        pass


@pytest.mark.parametrize("text", ["", "[]", "{", "kind: Config", "current-context: a\ncontexts: []\nclusters: []\n"])
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(UsageError, match="not a kubeconfig with a current context"):
        connection_of(file)


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: No such file"):
        connection_of(tmp_path / "nowhere")


def test_a_mesh_is_named_by_where_it_is() -> None:
    mesh = Running(7, API, TRAFFIC, "/k", "1.0,2.0,20.0", "/data")
    assert str(mesh) == f"{API} (pid 7, data in /data)"
    assert running_table([mesh]).splitlines()[1].split() == ["7", TRAFFIC, API, "20", "/k"]


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_what_runs_can_be_read_by_programs(output: str) -> None:
    mesh = Running(7, API, TRAFFIC, "/k", "0,0,20")

    assert yaml.safe_load(running_data([mesh], output)) == [
        {"pid": 7, "traffic": TRAFFIC, "api": API, "speed": 20, "kubeconfig": "/k"}
    ]


def test_a_mesh_is_found_by_the_ports_of_its_api_and_its_traffic() -> None:
    found = ports_of_meshes([Running(7, API, TRAFFIC, "/k", "")])
    assert set(found) == {6443, 8080}
    assert found[8080].startswith("the mesh that runs already (pid 7), which `meshsim get rollouts`")
