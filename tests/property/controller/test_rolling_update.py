"""Laws of a rolling update: whatever order pods come up in, the bounds hold and the update ends."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from controller.deployment.rolling import bounds_of, rolling_replicas
from meshsim.api.core import ReplicaSet
from meshsim.api.decode import decode
from meshsim.api.workloads import Deployment

SETTING = st.one_of(st.integers(0, 5), st.integers(0, 100).map("{}%".format))


@dataclass
class Version:
    name: str
    wanted: int
    available: int

    def seen(self) -> ReplicaSet:
        status = {"availableReplicas": self.available}
        return decode(
            ReplicaSet, {"metadata": {"name": self.name}, "spec": {"replicas": self.wanted}, "status": status}
        )


@given(
    replicas=st.integers(0, 12),
    surge=SETTING,
    unavailable=SETTING,
    older=st.integers(1, 3),
    data=st.data(),
)
def test_an_update_keeps_its_bounds_and_ends(
    replicas: int, surge: int | str, unavailable: int | str, older: int, data: st.DataObject
) -> None:
    update = {"maxSurge": surge, "maxUnavailable": unavailable}
    spec = {"replicas": replicas, "strategy": {"rollingUpdate": update}}
    deployment = decode(Deployment, {"metadata": {"name": "web"}, "spec": spec})
    bounds = bounds_of(deployment)
    old = [
        Version(f"old-{number}", replicas if number == 0 else 0, replicas if number == 0 else 0)
        for number in range(older)
    ]
    new = Version("new", 0, 0)
    everything = {each.name: each for each in (*old, new)}
    for _ in range(200):
        scaled = rolling_replicas(deployment, new.seen(), [each.seen() for each in old])
        for name, count in scaled.items():
            everything[name].wanted = count
            everything[name].available = min(everything[name].available, count)
        assert sum(each.wanted for each in everything.values()) <= replicas + bounds.surge
        assert sum(each.available for each in everything.values()) >= replicas - bounds.unavailable
        coming = new.wanted - new.available
        if coming:
            new.available += data.draw(st.integers(1, coming))
        elif not scaled:
            break
    assert {each.name: each.wanted for each in everything.values() if each.wanted} == (
        {"new": replicas} if replicas else {}
    )
