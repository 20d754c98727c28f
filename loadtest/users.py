"""Who sends the requests: callers of one host of the mesh, told apart by the version that answers them."""

from typing import Final

from locust import FastHttpUser, constant_throughput, task

UNANSWERED: Final = "(none)"
OTHER: Final = "(other)"
_MAX_VERSIONS: Final = 20


class Versions:
    """The names under which requests are counted: one per version, and never so many that they fill the memory."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def name_of(self, version: str | None) -> str:
        """The row that a request belongs to, by the `x-version` of its answer."""
        if not version:
            return UNANSWERED
        if version not in self._seen and len(self._seen) >= _MAX_VERSIONS:
            return OTHER
        self._seen.add(version)
        return version


class Caller(FastHttpUser):
    """Ten requests a second over one kept-alive connection, as long as the answers come in time."""

    wait_time = constant_throughput(10)
    versions: Final = Versions()

    @task
    def call(self) -> None:
        """GET / of the mesh host."""
        headers = {"Host": self.environment.parsed_options.mesh_host}
        with self.client.get("/", headers=headers, catch_response=True) as response:
            version = response.headers.get("x-version") if response.headers else None
            response.request_meta["name"] = self.versions.name_of(version)
