import pytest

from meshsim.api.kinds import KINDS, NAMESPACE, POD, ROLLOUT, VIRTUAL_SERVICE
from meshsim.apiserver.requests.paths import Paths, Target
from meshsim.client.api import NotFoundError

PATHS = Paths(KINDS)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/pods", Target(POD, "v1")),
        ("/api/v1/namespaces/shop/pods", Target(POD, "v1", "shop")),
        ("/api/v1/namespaces/shop/pods/web", Target(POD, "v1", "shop", "web")),
        ("/api/v1/namespaces/shop/pods/web/status", Target(POD, "v1", "shop", "web", "status")),
        ("/api/v1/namespaces", Target(NAMESPACE, "v1")),
        ("/api/v1/namespaces/shop", Target(NAMESPACE, "v1", None, "shop")),
        ("/api/v1/namespaces/shop/status", Target(NAMESPACE, "v1", None, "shop", "status")),
        (
            "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web/scale",
            Target(ROLLOUT, "v1alpha1", "shop", "web", "scale"),
        ),
        ("/apis/networking.istio.io/v1alpha3/virtualservices", Target(VIRTUAL_SERVICE, "v1alpha3")),
    ],
)
def test_a_path_names_its_target(path: str, target: Target) -> None:
    assert PATHS.target(path) == target


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/v1",
        "/api/v2/pods",
        "/api/v1/cats",
        "/apis//v1/pods",
        "/apis/apps/v1/pods",
        "/api/v1/pods/web",
        "/api/v1/namespaces/shop/nodes",
        "/api/v1/namespaces/shop/pods/web/status/more",
        "/apis/networking.istio.io/v2/virtualservices",
    ],
)
def test_a_path_that_names_nothing_is_not_found(path: str) -> None:
    with pytest.raises(NotFoundError, match="could not find the requested resource"):
        PATHS.target(path)
