"""An Api that only a leader writes to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from meshsim.api.kinds import Kind
from meshsim.api.meta import Key
from meshsim.client.api import Api, ApiError
from meshsim.client.wrapped import Verb, WrappedApi

_READS: Final = frozenset((Verb.GET, Verb.LIST, Verb.WATCH))


class NotLeadingError(ApiError):
    """The write was not sent: another controller may be acting by now."""

    def __init__(self) -> None:
        super().__init__(0, "NotLeading", "this controller does not lead")


class FencedApi(WrappedApi):
    """Passes reads on always, and writes while `leads` says so; raises NotLeadingError instead of the others."""

    def __init__(self, api: Api, leads: Callable[[], bool]) -> None:
        super().__init__(api)
        self._leads = leads

    @contextmanager
    def asking(self, verb: Verb, kind: Kind, key: Key) -> Iterator[None]:  # noqa: ARG002
        if verb not in _READS and not self._leads():
            raise NotLeadingError
        yield
