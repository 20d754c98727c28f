"""`meshsim up`: every plane on this machine, a process each, and the manifests applied to them."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence, Set
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from meshsim.api.kinds import NAMESPACE, VIRTUAL_SERVICE
from meshsim.cli.apply import apply
from meshsim.cli.command import Command
from meshsim.cli.kept_clock import keep_clock, open_clock
from meshsim.cli.manifests import Manifest, add_file_flag, check_admission, manifests_in, read_manifests
from meshsim.cli.passed_on import add_passed_on_flags, passed_on
from meshsim.cli.ports import Ports
from meshsim.cli.programs import Version, add_program_flags, printed, release_of
from meshsim.cli.release import begin_release
from meshsim.cli.running import Running, owned_data_dir, passing_data_dir, ports_of_meshes, recorded, running
from meshsim.cli.supervisor import Supervisor
from meshsim.cli.topology import PORTS, STATS_PATH, Topology
from meshsim.client.api import AlreadyExistsError, Api, UnreachableError
from meshsim.client.kubeconfig import Kubeconfig
from meshsim.kit.clock import ClockEpoch, LoopClock, ScaledClock
from meshsim.kit.errors import ExitCode
from meshsim.kit.hosts import is_loopback
from meshsim.kit.tasks import TaskOwner

T = TypeVar("T")


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_file_flag(parser, required=False)
    parser.add_argument(
        "-n", "--namespace", default="default",
        help="namespace of manifests that name none, and the one whose sidecar the proxy is (default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    for name, (flag, default, purpose) in PORTS.items():
        about = f"{purpose} (default {default}; 0 takes a free one)"
        parser.add_argument(flag, dest=f"{name}_port", type=_port, default=default, metavar="PORT", help=about)
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="N",
        help="run pauses, delays and time stamps N times as fast as real time; traffic stays real (default 1)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the names and the chances of an earlier run")
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="keep the objects here (default: only until it ends)"
    )
    parser.add_argument(
        "--controller",
        choices=["own", "external"],
        default="own",
        help="external: somebody else's runs the rollouts, so ours leaves them alone, and its usual port (default own)",
    )
    add_program_flags(parser)
    add_passed_on_flags(parser)
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lifeline-fd", type=int, help=argparse.SUPPRESS)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not a port: 0 to 65535')
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f'"{text}" is not a speed: a number above zero, as 10 or 0.5')
    return speed


def _run(flags: argparse.Namespace) -> int:
    """Check all there is to check, then run until stopped."""
    release = release_of(flags, str(Path.cwd()))
    if release is not None and flags.print is not None:
        sys.stdout.write(printed(release, flags.print))
        return ExitCode.DONE
    canary: Manifest | None = None
    if release is None:
        manifests = read_manifests(flags.files, flags.namespace)
    else:
        manifests = manifests_in([("--stable", printed(release, Version.STABLE))], flags.namespace)
        if release.canary is not None:
            (canary,) = manifests_in([("--canary", printed(release, Version.CANARY))], flags.namespace)
    check_admission(manifests if canary is None else [*manifests, canary])
    with ExitStack() as stack:
        runs_rollouts = flags.controller == "own"
        left = () if runs_rollouts or flags.controller_port != PORTS["controller"][1] else ("controller",)
        ports = stack.enter_context(Ports(flags.host, ports_of_meshes(running())))
        taken = {
            name: ports.take(getattr(flags, f"{name}_port") if name not in left else 0, purpose, flag)
            for name, (flag, _, purpose) in PORTS.items()
        }
        is_kept = flags.data_dir is not None
        directory = stack.enter_context(owned_data_dir(flags.data_dir) if is_kept else passing_data_dir())
        epoch = open_clock(flags.data_dir, flags.speed)
        topology = Topology(
            host=flags.host,
            ports=taken,
            clock=epoch.to_text(),
            directory=directory,
            is_kept=is_kept,
            seed=flags.seed,
            namespace=flags.namespace,
            runs_rollouts=runs_rollouts,
            passed_on=passed_on(flags),
        )
        record = stack.enter_context(recorded(topology))
        ports.release()
        asyncio.run(_Up(topology, manifests, canary, record, epoch).run(flags.ready_fd, flags.lifeline_fd))
    return ExitCode.DONE


class _Up:
    """One `meshsim up`, from the first process to the last."""

    def __init__(
        self,
        topology: Topology,
        manifests: Sequence[Manifest],
        canary: Manifest | None,
        record: Running,
        epoch: ClockEpoch,
    ) -> None:
        self._topology = topology
        self._manifests = manifests
        self._canary = canary
        self._record = record
        self._epoch = epoch

    async def run(self, ready_fd: int | None, lifeline_fd: int | None) -> None:
        """Start everything, say where it is, wait for the end. Raises the MeshsimError that ended it."""
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup a terminal may go without ending it.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, stopping.set)
        if lifeline_fd is not None:
            loop.add_reader(lifeline_fd, stopping.set)
        async with TaskOwner() as tasks, Supervisor(self._topology.processes(), say) as supervisor:
            stop = tasks.start(stopping.wait(), "stop")
            start = tasks.start(self._start(supervisor, ready_fd), "start")
            tasks.start(self._keep_clock(), "clock")
            await asyncio.wait([stop, start, supervisor.failed], return_when=asyncio.FIRST_COMPLETED)
            if start.done() and not stop.done():
                start.result()
                await asyncio.wait([stop, supervisor.failed], return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                say("stopping")
            else:
                supervisor.failed.result()

    async def _start(self, supervisor: Supervisor, ready_fd: int | None) -> None:
        """Apply the manifests and wait until every plane serves."""
        # Imported here, while the planes start: it takes them as long.
        from meshsim.client.http import HttpApi  # noqa: PLC0415

        await supervisor.ready("apiserver")
        async with HttpApi(Kubeconfig(self._topology.kubeconfig), user_agent="meshsim-up") as api:
            await apply_at_start(api, self._manifests)
            told = [await supervisor.ready(process.name) for process in self._topology.processes()]
            self._announce({name for addresses in told for name, address in addresses.items() if address}, ready_fd)
            if self._canary is not None:
                await begin_release(api, self._canary, say)

    def _announce(self, served: Set[str], ready_fd: int | None) -> None:
        url = self._topology.url
        hosts = sorted({host for manifest in self._manifests for host in _hosts_of(manifest)})
        tell(f"traffic     {url('traffic')}" + (f"   (Host: {', '.join(hosts)})" if hosts else ""))
        tell(f"API         {url('api')}   (kubeconfig: {self._record.kubeconfig})")
        if "dashboard" in served:
            tell(f"dashboard   {url('dashboard')}")
        tell(f"metrics     {url('stats', STATS_PATH)}   (the proxy's: istio_requests_total, …)")
        tell(f"            {url('controller', '/metrics')}   (the controller's)")
        tell(f"            {url('node', '/metrics')}   (the node's)")
        tell(f"admin       {url('admin')}")
        if not self._topology.is_private:
            dashboard = " and the dashboard" if self._topology.has_open_dashboard else ""
            say(f"everybody who reaches {self._topology.host} can see the metrics{dashboard}")
        if not is_loopback(self._topology.admin_host):
            say(f"everybody who reaches {self._topology.admin_host} can use the admin page and stop the proxy")
        if self._canary is not None:
            say("the canary begins by itself as soon as the stable version is healthy")
        say("Ctrl-C stops everything")
        if ready_fd is not None:
            addresses = {name: url(name) for name in PORTS} | {"kubeconfig": self._record.kubeconfig}
            with suppress(OSError), os.fdopen(ready_fd, "w") as pipe:
                pipe.write(json.dumps(addresses) + "\n")

    async def _keep_clock(self) -> None:
        if self._topology.is_kept:
            await keep_clock(self._topology.directory, ScaledClock(self._epoch), say)


async def apply_at_start(api: Api, manifests: Sequence[Manifest]) -> None:
    """Apply the manifests, and first the namespaces they name.

    What stands there already, unchanged since it was applied last, stays as it became: a data directory that is
    reopened goes on where it was. Raises InvalidManifestError, or ApiError when the API is gone for long.
    """
    namespaces = {manifest.key.namespace for manifest in manifests} - {"", "default"}
    for namespace in sorted(namespaces):
        with suppress(AlreadyExistsError):
            await _while_unreachable(partial(api.create, NAMESPACE, {"metadata": {"name": namespace}}))
    for manifest in manifests:
        done = await _while_unreachable(partial(apply, api, manifest, keep_live=True))
        say(f"{manifest.title} {done}")


_PATIENCE_S: Final = 10.0


async def _while_unreachable(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again for a while when the API is away: it may have died and be starting again."""
    clock = LoopClock()
    deadline = clock.monotonic() + _PATIENCE_S
    while True:
        try:
            return await ask()
        except UnreachableError:
            if clock.monotonic() > deadline:
                raise
        await clock.sleep(0.1)


def _hosts_of(manifest: Manifest) -> list[str]:
    if manifest.kind is not VIRTUAL_SERVICE:
        return []
    hosts = (manifest.object.get("spec") or {}).get("hosts") or []
    return [host for host in hosts if isinstance(host, str) and host != "*"]


def tell(line: str) -> None:
    """An address: what a run has for a result, on stdout."""
    with suppress(OSError):
        print(line, flush=True)  # noqa: T201


def say(line: str) -> None:
    """What happens, told to the person at the terminal, on stderr."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201


COMMAND: Final = Command(
    _add_flags,
    _run,
    """\
Run the API server, the controller, the node and the proxy on this machine, a process each, and apply manifests
to them. Stays in the foreground; Ctrl-C stops everything.

  meshsim up -f examples/blog-canary
  curl -H 'Host: my-app' http://127.0.0.1:8080/

Or your own program, two versions of it, without writing manifests: each pod is told in $PORT where to listen.

  meshsim up --stable 'python app.py' --canary 'python app.py' --env canary:FEATURE=1 \\
             --ready /healthz --steps 10,30,50 --pause 30s""",
)
