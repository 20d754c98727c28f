"""An Api whose requests are counted, as Argo counts its client's."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from controller.series import family
from meshsim.api.kinds import DEPLOYMENT, DESTINATION_RULE, ROLLOUT, SERVICE, VIRTUAL_SERVICE, Kind
from meshsim.api.meta import Key
from meshsim.client.api import Api, ApiError
from meshsim.client.wrapped import Verb, WrappedApi
from meshsim.telemetry.exposition import Sample, sample

_NAME = "controller_clientset_k8s_request_total"
_CREATED = 201
_DONE = 200
_NAMED_BY_PEOPLE = frozenset({ROLLOUT, DEPLOYMENT, SERVICE, VIRTUAL_SERVICE, DESTINATION_RULE})
"""Objects of other kinds have generated names: a series for each would be one without end."""


class CountedApi(WrappedApi):
    """Passes everything on."""

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self._requests: Counter[tuple[str, str, str, str, int]] = Counter()

    def samples(self) -> Iterator[Sample]:
        """The request counter."""
        yield family(_NAME, "counter")
        for (kind, namespace, name, verb, code), count in self._requests.items():
            labels = [("kind", kind), ("namespace", namespace), ("name", name), ("verb", verb)]
            yield sample(_NAME, [*labels, ("status_code", str(code))], count)

    @contextmanager
    def asking(self, verb: Verb, kind: Kind, key: Key) -> Iterator[None]:
        code = _CREATED if verb is Verb.CREATE else _DONE
        try:
            yield
        except ApiError as error:
            code = error.code
            raise
        finally:
            name = key.name if kind in _NAMED_BY_PEOPLE and key.name else "N/A"
            self._requests[kind.plural, key.namespace, name, verb, code] += 1
