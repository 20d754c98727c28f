"""Which API a verb talks to: `--kubeconfig`, MESHSIM_KUBECONFIG, or the running `meshsim up`.

Never the user's own KUBECONFIG: a canary in production must not be promoted by accident.
"""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from meshsim.cli.running import Running, running
from meshsim.client.api import Api
from meshsim.client.connection import Connection
from meshsim.client.kubeconfig import Kubeconfig
from meshsim.kit.clock import Clock, clock_of
from meshsim.kit.errors import MeshsimError, UsageError

T = TypeVar("T")

_VARIABLE: Final = "MESHSIM_KUBECONFIG"
_USUAL_TRAFFIC: Final = "http://127.0.0.1:8080"


class NothingRunsError(MeshsimError):
    """There is no API to talk to."""


def ask(flags: argparse.Namespace, work: Callable[[Api], Awaitable[T]]) -> T:
    """Do some work with the API that the flags name."""
    connection = connection_of(kubeconfig_path(flags.kubeconfig))

    async def connected() -> T:
        # A quarter of a second of imports, which a wrong flag needn't cost.
        from meshsim.client.http import HttpApi  # noqa: PLC0415

        async with HttpApi(connection, user_agent="meshsim-cli") as api:
            return await work(api)

    return asyncio.run(connected())


def connection_of(kubeconfig: Path) -> Connection:
    """How to reach the API of a kubeconfig's current context. Raises UsageError when it says nothing of the kind."""
    try:
        return Kubeconfig(kubeconfig).read()
    except OSError as error:
        raise UsageError(f"{kubeconfig}: {error.strerror}") from None


def kubeconfig_path(
    named: str | None, environment: Mapping[str, str] | None = None, candidates: list[Running] | None = None
) -> Path:
    """The kubeconfig of the API to talk to: the one named, that of the environment, that of what runs.

    Raises NothingRunsError, or UsageError when there are several.
    """
    chosen = named or (os.environ if environment is None else environment).get(_VARIABLE)
    return Path(chosen or _the_only_one(running() if candidates is None else candidates).kubeconfig)


def clock_of_api(named: str | None) -> Clock:
    """The clock that stamps the API's objects: that of the `meshsim up` it belongs to, else real time."""
    path = kubeconfig_path(named).absolute()
    return clock_of(next((one.clock for one in running() if Path(one.kubeconfig) == path), None))


def traffic_url(environment: Mapping[str, str] | None = None, candidates: list[Running] | None = None) -> str:
    """Where the proxy of the mesh takes requests that the environment names or that alone runs here, else where one
    usually does.

    Raises UsageError when there are several.
    """
    meshes = running() if candidates is None else candidates
    named = (os.environ if environment is None else environment).get(_VARIABLE)
    if named:
        meshes = [one for one in meshes if Path(one.kubeconfig) == Path(named).absolute()]
    if len(meshes) > 1:
        rows = "\n".join(f"  --url {one.traffic}   (pid {one.pid})" for one in meshes)
        raise UsageError(f"several `meshsim up` are running; say which one:\n{rows}")
    return meshes[0].traffic if meshes else _USUAL_TRAFFIC


def _the_only_one(candidates: list[Running]) -> Running:
    if not candidates:
        raise NothingRunsError(
            f"no `meshsim up` is running; start one, or name its kubeconfig with --kubeconfig or {_VARIABLE}"
        )
    if len(candidates) > 1:
        rows = "\n".join(f"  --kubeconfig {one.kubeconfig}   {one}" for one in candidates)
        raise UsageError(f"several `meshsim up` are running; say which one:\n{rows}")
    return candidates[0]
