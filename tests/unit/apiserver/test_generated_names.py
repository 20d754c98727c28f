"""Unit tests of the ends of generated names."""

from collections.abc import Callable

import pytest

from meshsim.api.kinds import CONFIG_MAP, POD
from meshsim.api.meta import Key
from meshsim.apiserver.writing.generated_names import NameEndings


def free(_: Key) -> bool:
    return False


def endings(seed: int | None, base: str, count: int = 3) -> list[str]:
    names = NameEndings(seed)
    return [names.ending(POD, "default", base, free) for _ in range(count)]


@pytest.mark.parametrize("seed", [None, 7])
def test_each_ending_is_five_letters_and_another(seed: int | None) -> None:
    made = endings(seed, "web-", 20)
    assert len(set(made)) == 20
    assert {len(ending) for ending in made} == {5}


def test_a_seed_repeats_the_endings_and_no_seed_does_not() -> None:
    assert endings(7, "web-") == endings(7, "web-")
    assert endings(7, "web-") != endings(8, "web-")
    assert endings(7, "web-") != endings(7, "api-")
    assert endings(None, "web-") != endings(None, "web-")


def test_what_else_is_created_meanwhile_changes_no_name() -> None:
    names = NameEndings(7)
    mixed = []
    for other in ("x-", "y-", "x-"):
        names.ending(CONFIG_MAP, "default", "web-", free)
        names.ending(POD, "other", "web-", free)
        mixed.append(names.ending(POD, "default", "web-", free))
        names.ending(POD, "default", other, free)
    assert mixed == endings(7, "web-")


@pytest.mark.parametrize("seed", [None, 7])
def test_a_name_that_somebody_has_is_passed_over(seed: int | None) -> None:
    taken: set[Key] = set()
    for names in (NameEndings(seed), NameEndings(seed)):
        for _ in range(3):
            is_taken: Callable[[Key], bool] = taken.__contains__
            key = Key("default", "web-" + names.ending(POD, "default", "web-", is_taken))
            assert key not in taken
            taken.add(key)
    assert len(taken) == 6
