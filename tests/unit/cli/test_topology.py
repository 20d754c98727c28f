"""Which processes a mesh is made of, and what each is told."""

from pathlib import Path

from meshsim.cli.topology import PORTS, Topology

_PORTS = {name: 20000 + index for index, name in enumerate(PORTS)}
_DIRECTORY = Path("/state")


def _flags(topology: Topology) -> dict[str, dict[str, str]]:
    return {
        process.name: dict(zip(process.arguments[::2], process.arguments[1::2], strict=True))
        for process in topology.processes()
    }


def test_every_port_is_given_to_exactly_one_process() -> None:
    given = [
        value
        for flags in _flags(Topology("127.0.0.1", _PORTS, "clock", _DIRECTORY)).values()
        for flag, value in flags.items()
        if flag.endswith("port")
    ]
    assert sorted(map(int, given)) == sorted(_PORTS.values())


def test_all_share_one_clock_and_all_but_the_api_are_its_clients() -> None:
    flags = _flags(Topology("127.0.0.1", _PORTS, "1.0,2.0,3.0", _DIRECTORY))
    assert {one["--clock"] for one in flags.values()} == {"1.0,2.0,3.0"}
    assert {name for name, one in flags.items() if one.get("--kubeconfig") == "/state/kubeconfig"} == {
        "controller",
        "node",
        "proxy",
    }


def test_a_seed_goes_to_whoever_draws_and_the_data_directory_to_the_api() -> None:
    flags = _flags(Topology("127.0.0.1", _PORTS, "c", Path("data"), seed=7))
    assert {name for name, one in flags.items() if one.get("--seed") == "7"} == {"apiserver", "node", "proxy"}
    assert {name for name, one in flags.items() if one.get("--data-dir") == "data"} == {"apiserver"}


def test_the_proxy_is_the_sidecar_of_the_manifests_namespace() -> None:
    flags = _flags(Topology("127.0.0.1", _PORTS, "c", _DIRECTORY, namespace="team"))
    assert {name: one["--namespace"] for name, one in flags.items() if "--namespace" in one} == {"proxy": "team"}


def test_what_listens_everywhere_is_reached_through_loopback() -> None:
    assert (
        Topology("0.0.0.0", _PORTS, "c", _DIRECTORY).url("traffic", "/x") == f"http://127.0.0.1:{_PORTS['traffic']}/x"
    )
    assert Topology("::1", _PORTS, "c", _DIRECTORY).url("traffic") == f"http://[::1]:{_PORTS['traffic']}"


def test_it_is_private_only_on_loopback() -> None:
    private = {
        host: Topology(host, _PORTS, "c", _DIRECTORY).is_private
        for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "box")
    }
    assert private == {"127.0.0.1": True, "::1": True, "localhost": True, "0.0.0.0": False, "box": False}


def test_beside_somebody_elses_controller_ours_does_what_a_cluster_does_by_itself() -> None:
    leave_them = {
        runs_rollouts: [process.name for process in mesh.processes() if "--without-rollouts" in process.arguments]
        for runs_rollouts in (True, False)
        for mesh in [Topology("127.0.0.1", _PORTS, "c", _DIRECTORY, runs_rollouts=runs_rollouts)]
    }
    assert leave_them == {True: [], False: ["controller"]}


def test_what_is_passed_on_comes_after_our_own_flags_and_so_wins() -> None:
    passed_on = {"proxy": ("--drain-timeout=9s",), "node": ("--drain=1s",)}
    topology = Topology("127.0.0.1", _PORTS, "c", _DIRECTORY, passed_on=passed_on)
    last = {process.name: process.arguments[-1] for process in topology.processes()}
    assert last["proxy"] == "--drain-timeout=9s"
    assert last["node"] == "--drain=1s"


def test_the_dashboard_is_signed_in_to_where_others_reach_it_unless_it_is_opened_to_them() -> None:
    def scheme(host: str, *flags: str) -> str:
        topology = Topology(host, _PORTS, "c", _DIRECTORY, passed_on={"apiserver": flags})
        return topology.url("dashboard").partition(":")[0]

    assert scheme("127.0.0.1") == "http"
    assert scheme("0.0.0.0") == "https"
    assert scheme("0.0.0.0", "--insecure-bind") == "http"


def test_the_api_server_is_told_where_the_dashboard_reads_the_traffic() -> None:
    flags = _flags(Topology("127.0.0.1", _PORTS, "c", _DIRECTORY))
    assert flags["apiserver"]["--stats"] == f"http://127.0.0.1:{_PORTS['stats']}/stats/prometheus"


def test_the_admin_page_is_this_machines_alone_unless_somebody_wants_it_otherwise() -> None:
    def admin(host: str, *flags: str) -> str:
        return Topology(host, _PORTS, "c", _DIRECTORY, passed_on={"proxy": flags}).admin_host

    assert admin("127.0.0.1") == "127.0.0.1"
    assert admin("::1") == "::1"
    assert admin("0.0.0.0") == "127.0.0.1"
    assert admin("0.0.0.0", "--admin-host=0.0.0.0") == "0.0.0.0"
    everywhere = Topology("192.0.2.1", _PORTS, "c", _DIRECTORY)
    assert everywhere.url("admin") == f"http://127.0.0.1:{_PORTS['admin']}"
