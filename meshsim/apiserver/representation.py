"""How objects, lists and watch events are written for a client: which API version, which form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import Kind
from meshsim.apiserver.watch import Told

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Representation:
    """Plain JSON, in one of the kind's served versions."""

    kind: Kind
    version: str

    @property
    def api_version(self) -> str:
        """The apiVersion that objects are written with."""
        return f"{self.kind.group}/{self.version}".removeprefix("/")

    def object(self, obj: Object) -> bytes:
        """One object."""
        return write_json(self._converted(obj))

    def list(self, items: Sequence[Object], version: int) -> bytes:
        """A list of them, as of a version."""
        return write_json(
            {
                "kind": f"{self.kind.kind}List",
                "apiVersion": self.api_version,
                "metadata": {"resourceVersion": str(version)},
                "items": [self._converted(obj) for obj in items],
            }
        )

    def event(self, told: Told) -> bytes:
        """One line of a watch, encoded once for all who want it in this form."""
        if told.event is None:
            return self._line(told)
        key = (self, told.type)
        line = told.event.frames.get(key)
        if line is None:
            line = told.event.frames[key] = self._line(told)
        return line

    def _line(self, told: Told) -> bytes:
        return b'{"type":"%s","object":%s}\n' % (told.type.encode(), self.object(told.object))

    def _converted(self, obj: Object) -> Object:
        # Versions of a kind differ in nothing but their name (conversion strategy None).
        return obj if self.version == self.kind.version else {**obj, "apiVersion": self.api_version}
