"""`python -m meshsim.proxy`: the data plane's process."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from meshsim.api.decode import FieldError, read_documents
from meshsim.api.lag import parse_lag
from meshsim.client.flags import add_api_flags, source_of
from meshsim.kit.address import Address
from meshsim.kit.durations import DurationError, parse_duration
from meshsim.kit.errors import InvalidManifestError, StartError, UsageError
from meshsim.kit.flags import PlaneParser, count, port
from meshsim.kit.hosts import kept_private
from meshsim.kit.plane import Plane, add_plane_flags, run_plane
from meshsim.mesh.clusters import DEFAULT_CONNECT_TIMEOUT_S, ClusterDefaults
from meshsim.mesh.compile import ProxySpec
from meshsim.mesh.identity import Identity, ListenerSpec, MeshConfig, Role, mesh_config
from meshsim.proxy.fleet import Fleet
from meshsim.proxy.server import ProxyOptions, ProxyServer
from meshsim.proxy.settings import DEFAULT_MAX_HEAD_BYTES, Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proxy; returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    flags = _parser().parse_args(given)

    async def serve(plane: Plane) -> None:
        options = _options(flags)
        if options.workers > 1:
            await Fleet(options, plane, given).run()
        else:
            await ProxyServer(options, plane).run()

    return run_plane(serve, flags)


def _parser() -> argparse.ArgumentParser:
    parser = PlaneParser(prog="meshsim proxy", description="Route HTTP as an Istio gateway and sidecar do.")
    source = add_api_flags(parser)
    source.add_argument("-f", dest="path", type=Path, metavar="FILE|DIR", help="YAML to read and follow instead")
    parser.add_argument("--port", type=port, default=8080, help="traffic (default %(default)s, 0 takes a free one)")
    parser.add_argument("--admin-port", type=port, default=15000, help="Envoy's admin pages (default %(default)s)")
    parser.add_argument(
        "--admin-host", metavar="HOST",
        help="address of the admin pages, which can stop the proxy (default --host if loopback, else 127.0.0.1)",
    )  # fmt: skip
    parser.add_argument("--stats-port", type=port, default=15020, help="metrics (default %(default)s)")
    parser.add_argument(
        "--listen", action="append", default=[], metavar="NUMBER=ADDR:PORT",
        help="open another listener that has that number in the mesh (repeatable)",
    )  # fmt: skip
    parser.add_argument("--role", choices=[role.value for role in Role], default=Role.EITHER.value)
    parser.add_argument("--namespace", default="default", help="the proxy's namespace (default %(default)s)")
    parser.add_argument("--proxy-labels", default="", metavar="K=V,…", help="the proxy's labels")
    parser.add_argument("--mesh-config", type=Path, metavar="FILE", help="Istio MeshConfig in YAML")
    parser.add_argument("--seed", type=int, help="repeat the same draws")
    parser.add_argument("--workers", type=count, default=1, help="processes on the same ports (default %(default)s)")
    parser.add_argument("--listen-fds", default="", help=argparse.SUPPRESS)
    parser.add_argument("--stand-by", action="store_true", help=argparse.SUPPRESS)
    _add_limits(parser)
    parser.add_argument(
        "--access-log", choices=["text", "json"], help="write a line for each request to standard output"
    )
    parser.add_argument("--explain-headers", action="store_true", help="answer with x-meshsim-version, -pod and -route")
    parser.add_argument(
        "--lag", type=_lag, default={}, metavar="HOP=DURATION,…", help="take in changes late: vs=2s,dr=500ms"
    )
    add_plane_flags(parser)
    return parser


def _add_limits(parser: argparse.ArgumentParser) -> None:
    for name, default, what in (
        ("header-timeout", "none", "for a request's head"),
        ("body-timeout", "none", "for the next piece of a body, either side"),
        ("idle-timeout", "1h", "for the next request on a connection"),
        ("connect-timeout", "--mesh-config's, else 10s", "for a connection to a host"),
        ("response-timeout", "none", "for a response, on routes that name no timeout"),
        ("drain-timeout", "30s", "for requests in flight when told to stop"),
    ):
        value = _duration(default) if default[0].isdigit() else None
        parser.add_argument(
            f"--{name}", type=_duration, default=value, metavar="DURATION", help=f"{what} (default {default})"
        )
    parser.add_argument("--max-connections", type=count, help="client connections (default no limit)")
    parser.add_argument("--max-head-bytes", type=count, default=DEFAULT_MAX_HEAD_BYTES)
    parser.add_argument("--accept-http10", action="store_true", help="serve HTTP/1.0 instead of answering 426")


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except DurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _lag(text: str) -> dict[str, float]:
    try:
        return parse_lag(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _options(flags: argparse.Namespace) -> ProxyOptions:
    role, mesh = Role(flags.role), _mesh_config(flags.mesh_config)
    further = [_listener(text) for text in flags.listen]
    twice = [number for number, times in Counter(number for number, _ in further).items() if times > 1]
    if twice:
        raise UsageError(f"--listen names {twice[0]} twice")
    return ProxyOptions(
        spec=ProxySpec(
            proxy=Identity(flags.namespace, _labels(flags.proxy_labels)),
            mesh=mesh,
            listeners=(ListenerSpec(None, role), *(ListenerSpec(number, role) for number, _ in further)),
            defaults=ClusterDefaults(flags.connect_timeout or mesh.connect_timeout_s or DEFAULT_CONNECT_TIMEOUT_S),
            timeout_s=flags.response_timeout,
        ),
        settings=Settings(
            header_timeout_s=flags.header_timeout,
            body_timeout_s=flags.body_timeout,
            idle_timeout_s=flags.idle_timeout,
            drain_timeout_s=flags.drain_timeout,
            max_connections=flags.max_connections,
            max_head_bytes=flags.max_head_bytes,
            accepts_http10=flags.accept_http10,
            explains=flags.explain_headers,
        ),
        listeners=(Address(flags.host, flags.port), *(address for _, address in further)),
        admin=Address(flags.admin_host or kept_private(flags.host), flags.admin_port),
        stats=Address(flags.host, flags.stats_port),
        configuration=flags.path or source_of(flags),
        seed=flags.seed,
        access_log=flags.access_log or "",
        workers=flags.workers,
        lag=flags.lag,
        listen_fds=tuple(int(fd) for fd in flags.listen_fds.split(",") if fd),
        stands_by=flags.stand_by,
    )


def _listener(text: str) -> tuple[int, Address]:
    number, equals, address = text.partition("=")
    host, colon, tail = address.rpartition(":")
    try:
        if equals and colon:
            return port(number), Address(host, port(tail))
    except argparse.ArgumentTypeError:
        pass
    raise UsageError(f'--listen "{text}" is not NUMBER=ADDR:PORT, such as 9080=127.0.0.1:9080')


def _labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f'--proxy-labels "{text}" is not K=V,K=V')
        labels[key] = value
    return labels


def _mesh_config(path: Path | None) -> MeshConfig:
    if path is None:
        return MeshConfig()
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for document in read_documents(text, str(path)):
        try:
            return mesh_config(document.value)
        except FieldError as error:
            raise InvalidManifestError(f"{document.where(error.path)}: {error}") from None
    return MeshConfig()


if __name__ == "__main__":
    sys.exit(main())
