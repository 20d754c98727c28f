from meshsim.api.decode import encode
from meshsim.api.meta import Condition


def test_a_condition_always_says_its_status() -> None:
    assert encode(Condition(type="Paused", status="Unknown")) == {"type": "Paused", "status": "Unknown"}
