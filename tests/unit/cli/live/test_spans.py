"""Which requests count for which standstill of the weights, and what they show."""

from meshsim.cli.live.spans import Span, Spans, observe
from meshsim.kit.chance import draws
from meshsim.load.samples import Sample

_SPLIT = {"v1": 0.66, "v2": 0.34}


def _sample(began: float, version: str, status: int = 200) -> Sample:
    return Sample(began, 0.001, status, version)


def test_a_span_lasts_until_something_moves() -> None:
    spans = Spans()
    spans.steady(10.0, "5 pause 60s", _SPLIT)
    spans.steady(11.0, "5 pause 60s", _SPLIT)
    spans.moving(16.0)
    spans.moving(17.0)
    assert spans.ended == [Span("5 pause 60s", _SPLIT, 10.0, 16.0)]
    assert spans.current is None


def test_another_split_or_another_step_is_another_span() -> None:
    spans = Spans()
    spans.steady(1.0, "2 pause 60s", {"v1": 1.0})
    spans.steady(2.0, "2 pause 60s", _SPLIT)
    spans.steady(3.0, "5 pause 60s", _SPLIT)
    assert [(span.began, span.ended) for span in spans.ended] == [(1.0, 2.0), (2.0, 3.0)]
    assert spans.current == Span("5 pause 60s", _SPLIT, 3.0)


def test_only_requests_that_began_inside_count() -> None:
    samples = [_sample(began, "v2") for began in (9.999, 10.0, 15.999, 16.0)]
    seen = observe(samples, Span("pause", _SPLIT, 10.0, 16.0), "v2", 0.999)
    assert (seen.count, seen.requests) == (2, 2)


def test_a_span_that_still_runs_has_no_end() -> None:
    assert observe([_sample(1e9, "v2")], Span("pause", _SPLIT, 10.0), "v2", 0.99).requests == 1


def test_a_failed_request_is_one_that_the_version_did_not_get() -> None:
    seen = observe([_sample(1.0, "v2"), Sample(1.0, 0.1, error="timeout")], Span("pause", _SPLIT, 0.0), "v2", 0.99)
    assert seen.observed == 0.5


def test_independent_draws_pass_and_a_round_robin_does_not_though_its_share_is_right() -> None:
    draw = draws(3)
    span = Span("pause", {"v1": 2 / 3, "v2": 1 / 3}, 0.0)
    drawn = [_sample(at / 200, "v2" if draw() < 1 / 3 else "v1") for at in range(1200)]
    in_turn = [_sample(at / 200, "v2" if at % 3 == 0 else "v1") for at in range(1200)]
    assert observe(drawn, span, "v2", 0.999).is_chance
    judged = observe(in_turn, span, "v2", 0.999)
    assert judged.is_in_band
    assert not judged.is_chance


def test_the_order_of_requests_is_that_of_their_beginnings() -> None:
    draw = draws(3)
    span = Span("pause", {"v2": 0.5}, 0.0)
    drawn = [_sample(at / 200, "v2" if draw() < 0.5 else "v1") for at in range(1200)]
    sorted_by_version = sorted(drawn, key=lambda sample: sample.version)
    assert observe(sorted_by_version, span, "v2", 0.999) == observe(drawn, span, "v2", 0.999)


def test_a_version_without_weight_may_not_answer_once() -> None:
    span = Span("pause", {"v1": 1.0}, 0.0)
    assert observe([_sample(1.0, "v1")] * 100, span, "v2", 0.999).is_chance
    assert not observe([_sample(1.0, "v1")] * 100 + [_sample(1.0, "v2")], span, "v2", 0.999).is_chance


def test_of_neighbouring_spans_that_differ_only_in_time_the_longest_is_told() -> None:
    spans = Spans()
    for began, ended in ((0.0, 1.0), (2.0, 9.0), (10.0, 11.0)):
        spans.steady(began, "after the last step", {"v2": 1.0})
        spans.moving(ended)
    spans.steady(12.0, "another step", {"v2": 1.0})
    spans.moving(13.0)
    assert [(span.title, span.began) for span in spans.told] == [("after the last step", 2.0), ("another step", 12.0)]
