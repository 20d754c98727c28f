from meshsim.kit.chance import Draw, draws


def some(draw: Draw, count: int = 50) -> list[float]:
    return [draw() for _ in range(count)]


def test_a_seed_repeats_its_draws() -> None:
    assert some(draws(7)) == some(draws(7))
    assert some(draws(7)) != some(draws(8))


def test_each_named_stream_of_a_seed_has_draws_of_its_own() -> None:
    assert some(draws(7, "split")) != some(draws(7, "faults"))
    assert some(draws(7, "split")) == some(draws(7, "split"))


def test_without_a_seed_no_two_sources_agree() -> None:
    assert some(draws()) != some(draws())


def test_a_draw_is_at_least_zero_and_below_one() -> None:
    assert all(0 <= number < 1 for number in some(draws(1), 1000))
