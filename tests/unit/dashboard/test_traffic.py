from collections import Counter

from meshsim.dashboard.traffic import Counts, Rate, counts_in, rates_between


def line(version: str, code: int, value: int, reporter: str = "source") -> str:
    labels = f'reporter="{reporter}",destination_version="{version}",response_code="{code}"'
    return f"istio_requests_total{{{labels}}} {value}"


def test_counts_are_added_up_by_version_and_each_request_counts_once() -> None:
    text = "\n".join(
        [
            "# TYPE istio_requests_total counter",
            line("v1", 200, 90),
            line("v1", 503, 8),
            line("v1", 0, 2),
            line("v2", 404, 5),
            line("v2", 200, 5),
            line("v2", 200, 5, reporter="destination"),
            'istio_request_bytes_sum{destination_version="v1"} 12345',
        ]
    )
    counts = counts_in(text)
    assert counts.requests == {"v1": 100, "v2": 10}
    assert counts.errors == {"v1": 10}, "a 404 is the client's fault"


def test_a_proxy_without_requests_has_no_counts() -> None:
    assert counts_in("") == Counts(Counter(), Counter())


def test_a_rate_is_the_increase_in_a_second() -> None:
    before = Counts(Counter(v1=100), Counter(v1=10))
    after = Counts(Counter(v1=140, v2=6), Counter(v1=12))
    assert rates_between(before, after, 2.0) == {"v1": Rate(20.0, 1.0), "v2": Rate(3.0, 0.0)}


def test_a_proxy_that_started_anew_counts_from_zero() -> None:
    before, after = Counts(Counter(v1=100), Counter(v1=10)), Counts(Counter(v1=30), Counter())
    assert rates_between(before, after, 1.0) == {"v1": Rate(30.0, 0.0)}
