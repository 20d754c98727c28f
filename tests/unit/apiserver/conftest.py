import pytest

from meshsim.api.kinds import KINDS
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.storage.store import Store
from meshsim.kit.chance import draws

NOW = 1_767_225_600.0


@pytest.fixture
def registry() -> Registry:
    """An API's registry at 2026-01-01T00:00:00Z."""
    return Registry(Store(KINDS, int(NOW * 1000)), lambda: NOW, draws(1), seed=1)
