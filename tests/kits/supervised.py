"""Supervises one fake plane and prints its process id: a process for tests to kill."""

import asyncio

from meshsim.cli.child import ChildSpec
from meshsim.cli.supervisor import Supervisor


async def main() -> None:
    """Run until killed."""
    async with Supervisor([ChildSpec("fake", "tests.kits.fake_plane")], print) as supervisor:
        await supervisor.ready("fake")
        print(supervisor.pids()["fake"], flush=True)
        await supervisor.failed


asyncio.run(main())
