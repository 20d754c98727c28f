"""The sample application: says which version answers, in colour, and fails or dawdles when it is told to.

GET  /            JSON {"version", "color", "path"}; a page in that colour for a browser
GET  /healthz     200, whatever the faults
GET  /metrics     Prometheus
GET  /fault       the faults as they are; POST /fault?error=5%25&latency=200ms sets them
"""

from dataclasses import asdict, dataclass
from html import escape
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from meshsim.kit.chance import Draw
from meshsim.kit.clock import Clock
from meshsim.kit.durations import DurationError, parse_duration
from meshsim.kit.shares import ShareError, parse_share

COLORS: Final = ("blue", "orange", "purple", "green", "yellow", "red")
_LATENCY_MAX_S: Final = 60.0
_PAGE: Final = """<!doctype html><title>{version}</title>
<body style="margin:0;display:grid;place-items:center;height:100vh;background:{color};font:10vh monospace;color:white">
{version}
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong: the share of requests that are answered with 500, and seconds that each one takes longer."""

    error: float = 0.0
    latency: float = 0.0


class SampleApp:
    """One version of the application."""

    def __init__(self, version: str, color: str, fault: Fault, clock: Clock, draw: Draw) -> None:
        self.fault = fault
        self.leaving = False
        """It is about to end: every answer closes its connection."""
        self._version = version
        self._color = color
        self._clock = clock
        self._draw = draw
        self._registry = CollectorRegistry()
        self._requests = Counter("http_requests", "Requests answered.", ("version", "code"), registry=self._registry)
        self._seconds = Histogram(
            "http_request_duration_seconds", "Seconds until the answer.", ("version",), registry=self._registry
        )

    def routes(self) -> web.Application:
        """The application for aiohttp."""
        app = web.Application(middlewares=[self._name_the_version])
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/fault", self._show_fault)
        app.router.add_post("/fault", self._set_fault)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    @web.middleware
    async def _name_the_version(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["x-version"] = self._version
        if self.leaving:
            response.force_close()
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        started = self._clock.monotonic()
        fault = self.fault
        if fault.latency:
            await self._clock.sleep(fault.latency)
        status = 500 if fault.error and self._draw() < fault.error else 200
        self._requests.labels(self._version, str(status)).inc()
        self._seconds.labels(self._version).observe(self._clock.monotonic() - started)
        if "text/html" in request.headers.get("accept", ""):
            page = _PAGE.format(version=escape(self._version), color=escape(self._color))
            return web.Response(text=page, content_type="text/html", status=status)
        body = {"version": self._version, "color": self._color, "path": request.path}
        return web.json_response(body, status=status)

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _show_fault(self, _request: web.Request) -> web.Response:
        return web.json_response(asdict(self.fault))

    async def _set_fault(self, request: web.Request) -> web.Response:
        try:
            self.fault = fault_of(request.query.get("error", "0"), request.query.get("latency", "0"))
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(asdict(self.fault))


def fault_of(error: str, latency: str) -> Fault:
    """The fault that two texts describe (`5%`, `200ms`). Raises ValueError naming what is wrong."""
    try:
        fault = Fault(parse_share(error), parse_duration(latency))
    except (ShareError, DurationError) as problem:
        raise ValueError(str(problem)) from None
    if fault.latency > _LATENCY_MAX_S:
        raise ValueError(f"a latency is at most {_LATENCY_MAX_S:g} s")
    return fault


def color_of(version: str) -> str:
    """A colour for a version that was given none: versions that follow each other differ."""
    digits = "".join(letter for letter in version if letter.isdecimal())
    return COLORS[(int(digits) - 1) % len(COLORS)] if digits else COLORS[len(version) % len(COLORS)]
