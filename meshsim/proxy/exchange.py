"""One request and its response: drives the phases from match to record.

The plain case (a route without features, an idle connection, a response in one piece) runs straight through
`start`, `on_connected`, `on_whole`. Everything else is the same object taking the longer way.
"""

from meshsim.http1.errors import MessageError
from meshsim.mesh.identity import Role
from meshsim.mesh.reply import RedirectReply, https_redirect
from meshsim.mesh.route import Route, RouteTable, VirtualHost
from meshsim.proxy.heads import reason_of
from meshsim.proxy.relay import Relay


class Exchange(Relay):
    """A request in flight: decides where it goes, and answers when it goes nowhere."""

    __slots__ = ()

    # Phases 3 to 5: match, fault, prepare.

    def start(self) -> None:
        """Route the request and send it on, or answer it."""
        request = self.request
        table = self.engine.snapshot.tables[self.downstream.listener]
        virtual_host = table.find(request.authority)
        if virtual_host is None:
            self._no_route(table)
            return
        self.is_gateway = virtual_host.role is Role.GATEWAY
        self.listener_port = virtual_host.port
        if virtual_host.redirects_to_https and not self._came_by_https():
            self.details = "direct_response"
            self._redirect(https_redirect())
            return
        route = virtual_host.route(request)
        if route is None:
            self._no_route(virtual_host)
            return
        self.route = route
        if self.fields.upgrade and not self._may_upgrade():
            return
        if route.reply is None:
            self.destination = route.pick(self.engine.split)
        if route.simple:
            self.forward(route)
        else:
            self._inject_delay(route)

    def reject(self, status: int, flags: str, details: str) -> None:
        """Answer a request that is for no route."""
        self.flags, self.details = flags, details
        self.answer(status)

    def refuse(self, error: MessageError) -> None:
        """Answer a message that is no acceptable request."""
        self.flags, self.details = error.flags, error.details
        self.answer(error.status, b"" if error.is_silent else reason_of(error.status))

    def _no_route(self, where: RouteTable | VirtualHost) -> None:
        self.is_gateway = where.role is not Role.SIDECAR
        self.reject(404, "NR", "route_not_found")

    def _came_by_https(self) -> bool:
        if self.engine.trusted_proxies and self.fields.first(b"x-forwarded-proto") == b"https":
            return True
        return self.request.scheme == b"https"

    def _may_upgrade(self) -> bool:
        """WebSockets are allowed everywhere, other protocols nowhere. A route that replies never switches."""
        is_websocket = self.fields.upgrade == b"websocket"
        if not is_websocket or (self.route is not None and self.route.reply is not None):
            self.downstream.keeps_alive = False
        if is_websocket:
            return True
        self.reject(403, "", "upgrade_failed")
        return False

    def _inject_delay(self, route: Route) -> None:
        delay_s = route.fault.delay(self.engine.chance) if route.fault is not None else 0.0
        if delay_s:
            self.flag("DI")
            self.timer = self.engine.loop.call_later(delay_s, self._after_delay, route)
        else:
            self._after_delay(route)

    def _after_delay(self, route: Route) -> None:
        """Abort, then CORS, then replies of the route's own."""
        self.timer = None
        fault, reply = route.fault, route.reply
        if fault is not None and fault.aborts(self.engine.chance):
            self.flag("FI")
            self.details = "fault_filter_abort"
            self.answer(fault.abort_status, b"fault filter abort", grpc_status=fault.abort_grpc_status)
            return
        if reply is not None:
            self.details = "direct_response"
            if isinstance(reply, RedirectReply):
                self._redirect(reply)
            else:
                self.answer(reply.status, reply.body)
            return
        preflight = route.cors.preflight(self.request) if route.cors is not None else None
        if preflight is not None:
            self.details = "cors_response"
            self.answer(200, lines=preflight)
            return
        self.forward(route)

    def _redirect(self, reply: RedirectReply) -> None:
        self.answer(reply.status, lines=((b"location", reply.locate(self.request, self.listener_port)),))
