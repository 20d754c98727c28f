"""The kinds that the API serves: those the mesh is made of, and those that clients only look for. Pure."""

from typing import Final

from meshsim.api.kinds import KINDS, Kind
from meshsim.apiserver.kinds.definitions import DEFINITION

_ALL: Final = ("all",)

NOT_EMULATED: Final = (
    Kind("", ("v1",), "PersistentVolume", "persistentvolumes", ("pv",), namespaced=False, has_status=True),
    Kind("", ("v1",), "PersistentVolumeClaim", "persistentvolumeclaims", ("pvc",), has_status=True),
    Kind("", ("v1",), "ReplicationController", "replicationcontrollers", ("rc",), has_status=True, categories=_ALL),
    Kind("", ("v1",), "ResourceQuota", "resourcequotas", ("quota",), has_status=True),
    Kind("", ("v1",), "LimitRange", "limitranges", ("limits",)),
    Kind("apps", ("v1",), "DaemonSet", "daemonsets", ("ds",), has_status=True, categories=_ALL),
    Kind("apps", ("v1",), "StatefulSet", "statefulsets", ("sts",), has_status=True, categories=_ALL),
    Kind("batch", ("v1",), "CronJob", "cronjobs", ("cj",), has_status=True, categories=_ALL),
)
"""Of these there are none, and none can be: nothing would act on them. Clients list them, as `kubectl apply --prune`
does, and who wants one is told, rather than left waiting."""

SERVED: Final[tuple[Kind, ...]] = (*KINDS, DEFINITION, *NOT_EMULATED)
