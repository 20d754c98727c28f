"""Which provider measures a metric."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.analysis.providers.datadog import Credentials, Datadog, DatadogMetric, datadog_metric
from controller.analysis.providers.in_cluster import StandIn
from controller.analysis.providers.job import JobProvider
from controller.analysis.providers.outbound import Outbound
from controller.analysis.providers.prometheus import Prometheus
from controller.analysis.providers.provider import Provider, ProviderError, QueryProvider
from controller.analysis.providers.web import Web
from meshsim.api.analysis import Metric
from meshsim.api.decode import Object
from meshsim.api.kinds import SECRET
from meshsim.api.meta import Key
from meshsim.client.api import Api, ApiError
from meshsim.kit.clock import Clock

PROVIDERS: Final = ("prometheus", "web", "job", "datadog")
_PROMETHEUS_VARIABLE: Final = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS"
_DATADOG_VARIABLES: Final = ("DD_ADDRESS", "DD_API_KEY", "DD_APP_KEY")
_DATADOG_SECRET: Final = "datadog"
_OWN_NAMESPACE: Final = "argo-rollouts"
"""Where the real controller runs, and looks for its own Secrets."""


@dataclass(frozen=True, slots=True)
class Providers:
    """Finds a metric's provider."""

    api: Api
    clock: Clock
    outbound: Outbound
    prometheus: StandIn = field(default_factory=StandIn)
    """Who is asked when neither the metric nor the environment names an address, or one that only a cluster knows."""
    environment: Mapping[str, str] = field(default_factory=dict)

    async def of(self, metric: Metric, namespace: str) -> Provider:
        """The provider of a metric whose arguments are filled in. Raises ProviderError."""
        name, spec = next(((name, spec) for name, spec in metric.provider.items() if spec is not None), ("", {}))
        match name:
            case "prometheus":
                address = self.environment.get(_PROMETHEUS_VARIABLE) or self.prometheus.address
                return QueryProvider(Prometheus(spec, self.outbound, address, self.prometheus), self.clock)
            case "web":
                return QueryProvider(Web(spec, self.outbound), self.clock)
            case "datadog":
                asked = datadog_metric(spec)
                credentials = await self._datadog_credentials(asked, namespace)
                return QueryProvider(Datadog(asked, self.outbound, credentials), self.clock)
            case "job":
                return JobProvider(self.api, self.clock)
            case _:
                known = f"{', '.join(PROVIDERS[:-1])} or {PROVIDERS[-1]}"
                raise ProviderError(f"the provider {name} is not emulated; metrics come from {known}")

    async def _datadog_credentials(self, metric: DatadogMetric, namespace: str) -> Credentials:
        reference = metric.secret_ref
        if reference.namespaced and not reference.name:
            raise ProviderError("secret name is required for namespaced credentials")
        if reference.name:
            place = namespace if reference.namespaced else _OWN_NAMESPACE
            return _credentials(await secret_data(self.api, Key(place, reference.name)))
        values = [self.environment.get(variable, "") for variable in _DATADOG_VARIABLES]
        if all(values):
            return Credentials(*values)
        try:
            return _credentials(await secret_data(self.api, Key(_OWN_NAMESPACE, _DATADOG_SECRET)))
        except ProviderError:
            raise ProviderError("failed to find the credentials for datadog metrics provider") from None


def _credentials(data: Mapping[str, str]) -> Credentials:
    return Credentials(data.get("address", ""), data.get("api-key", ""), data.get("app-key", ""))


async def secret_data(api: Api, key: Key) -> dict[str, str]:
    """What a Secret holds, decoded. Raises ProviderError."""
    try:
        secret: Object = await api.get(SECRET, key)
    except ApiError as error:
        raise ProviderError(str(error)) from None
    data = {name: b64decode(value).decode(errors="replace") for name, value in (secret.get("data") or {}).items()}
    return data | {name: str(value) for name, value in (secret.get("stringData") or {}).items()}
