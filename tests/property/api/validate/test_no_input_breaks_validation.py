"""Whatever JSON somebody writes, validation answers: it never raises, and says the same twice."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshsim.api.analyze.analysis import analyze
from meshsim.api.decode import Object
from meshsim.api.kinds import KINDS, VIRTUAL_SERVICE
from meshsim.api.validate.admission import admit
from meshsim.api.validate.istio import judge_istio
from meshsim.api.validate.lint import lint, subject_of
from meshsim.api.validate.schemas import schema_of

_CUSTOM = [kind for kind in KINDS if schema_of(kind.group, kind.kind) is not None]
_ISTIO = [kind.kind for kind in _CUSTOM if kind.group == VIRTUAL_SERVICE.group]

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from(
        ["", "*", "0s", "1.5s", "-1", "10%", "[", "a.b", "metadata.name", "{{args.x}}", "EXACT", "DISABLE"]
    ),
    st.text(max_size=8),
)
_json = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


@st.composite
def _fitting(draw: st.DrawFn, schema: Object, depth: int = 0) -> Any:
    """JSON that has the names of a schema and, mostly, its types."""
    if draw(st.integers(0, 15)) == 0:
        return draw(_json)
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items") or {}
        return draw(st.lists(_fitting(items, depth + 1), max_size=2)) if depth < 9 else []
    if kind == "object":
        properties: Object = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        if isinstance(others, dict):
            return draw(st.dictionaries(st.text(max_size=5), _fitting(others, depth + 1), max_size=2))
        names = draw(st.lists(st.sampled_from(sorted(properties)), max_size=4, unique=True)) if properties else []
        names += [name for name in schema.get("required") or () if draw(st.booleans())]
        return {name: draw(_fitting(properties[name], depth + 1)) for name in names} if depth < 9 else {}
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    return draw({"integer": st.integers(-5, 70000), "boolean": st.booleans()}.get(str(kind), _scalars))


def _objects(kinds: list[Any]) -> st.SearchStrategy[Object]:
    def of(kind: Any) -> st.SearchStrategy[Object]:
        schema = schema_of(kind.group, kind.kind)
        assert schema is not None
        spec = st.one_of(_fitting(schema["properties"]["spec"]), _json)
        return st.fixed_dictionaries(
            {"apiVersion": st.just(kind.api_version), "kind": st.just(kind.kind)},
            optional={"metadata": st.one_of(st.just({"name": "a", "namespace": "b"}), _json), "spec": spec},
        )

    return st.sampled_from(kinds).flatmap(of)


@given(_objects(_CUSTOM))
def test_the_api_admits_or_refuses_every_object(obj: Object) -> None:
    kind = next(kind for kind in _CUSTOM if kind.kind == obj["kind"])

    admission = admit(kind, obj)

    assert admission == admit(kind, obj)
    assert admission.is_allowed or not admission.warnings


@given(st.sampled_from(_ISTIO), st.dictionaries(st.sampled_from(["metadata", "spec", "status", "x"]), _json))
def test_the_webhook_answers_to_every_json(kind: str, obj: Object) -> None:
    verdict = judge_istio(kind, obj)

    assert verdict.is_valid == (verdict.sentence == "")


@given(st.lists(st.one_of(_objects(_CUSTOM), st.dictionaries(st.text(max_size=8), _json)), max_size=4))
def test_lint_answers_to_every_set_of_objects(objects: list[Object]) -> None:
    subjects = [subject_of("x.yaml", obj) for obj in objects]

    found = list(lint(subjects))
    whole = list(analyze(subjects))

    assert all(0 <= number < len(objects) for number, _ in (*found, *whole))
    assert len(set(found)) == len(found)
