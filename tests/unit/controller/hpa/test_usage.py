import pytest

from controller.hpa.usage import PodUsage, Question, UsageError, replicas_for
from meshsim.api.core import Container, Pod, PodSpec, PodStatus
from meshsim.api.meta import Condition, ObjectMeta

NOW = 1_767_225_600.0
OLD = "2025-12-31T00:00:00Z"
HALF_USED = Question("cpu", "", 50, None)


def pod(name: str, *, ready: str = "True", phase: str = "Running", request: str = "100m", started: str = OLD) -> Pod:
    requests = {"cpu": request, "memory": "1Mi"} if request else {}
    return Pod(
        metadata=ObjectMeta(name=name),
        spec=PodSpec(containers=(Container(name="web", resources={"requests": requests}),)),
        status=PodStatus(
            phase=phase,
            start_time=started,
            conditions=(Condition(type="Ready", status=ready, last_transition_time=started),),
        ),
    )


def using(**cpu: int) -> dict[str, PodUsage]:
    return {name: PodUsage({"web": {"cpu": value, "memory": value * 1000}}, NOW, 1.0) for name, value in cpu.items()}


def test_twice_the_wanted_use_takes_twice_the_pods() -> None:
    measured = replicas_for(HALF_USED, 2, [pod("a"), pod("b")], using(a=100, b=100), NOW)
    assert (measured.replicas, measured.utilization, measured.average) == (4, 100, 100)


@pytest.mark.parametrize(("cpu", "replicas"), [(55, 2), (45, 2), (56, 3), (44, 2), (20, 1), (0, 0)])
def test_a_tenth_of_difference_is_let_be(cpu: int, replicas: int) -> None:
    assert replicas_for(HALF_USED, 2, [pod("a"), pod("b")], using(a=cpu, b=cpu), NOW).replicas == replicas


def test_an_average_value_is_aimed_at_without_requests() -> None:
    question = Question("cpu", "", None, 50)
    measured = replicas_for(question, 1, [pod("a", request="")], using(a=120), NOW)
    assert (measured.replicas, measured.average, measured.utilization) == (3, 120, None)


def test_pods_that_start_count_as_using_nothing_on_the_way_up() -> None:
    starting = pod("c", ready="False", started="2025-12-31T23:59:50Z")
    pods = [pod("a"), pod("b"), starting]
    assert replicas_for(HALF_USED, 3, pods, using(a=100, b=100, c=900), NOW).replicas == 4


def test_pods_nobody_knows_of_count_as_fully_used_on_the_way_down() -> None:
    assert replicas_for(HALF_USED, 3, [pod("a"), pod("b"), pod("c")], using(a=10, b=10), NOW).replicas == 3


def test_pods_that_end_or_have_failed_are_left_out() -> None:
    ending = Pod(metadata=ObjectMeta(name="x", deletion_timestamp=OLD), spec=pod("x").spec, status=pod("x").status)
    pods = [pod("a"), ending, pod("y", phase="Failed")]
    assert replicas_for(HALF_USED, 1, pods, using(a=100, x=0, y=0), NOW).replicas == 2


@pytest.mark.parametrize(
    ("pods", "usage", "problem"),
    [
        ([], {}, "no pods returned by selector while calculating replica count"),
        ([pod("a")], {}, "did not receive metrics for targeted pods (pods might be unready)"),
        ([pod("a", phase="Pending")], using(a=1), "did not receive metrics for targeted pods"),
        ([pod("a", request="1e400")], using(a=1), '"1e400" is more than can be reckoned with'),
        ([pod("a", request="")], using(a=1), "missing request for cpu in container web of Pod a"),
    ],
)
def test_what_cannot_be_told_says_why(pods: list[Pod], usage: dict[str, PodUsage], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        replicas_for(HALF_USED, 1, pods, usage, NOW)
    assert problem in str(caught.value)


def test_a_container_that_no_pod_has_says_so() -> None:
    with pytest.raises(UsageError, match="did not receive metrics"):
        replicas_for(Question("cpu", "sidecar", 50, None), 1, [pod("a")], using(a=1), NOW)
