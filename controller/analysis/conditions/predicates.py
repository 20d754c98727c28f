"""The functions of the language that ask something of each item of an array."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from controller.analysis.conditions import nodes
from controller.analysis.conditions.compiled import Compiled, Compiler, Scope
from controller.analysis.conditions.errors import ConditionError
from controller.analysis.conditions.functions import sorted_values, text_of
from controller.analysis.conditions.operators import apply, truth
from controller.analysis.conditions.types import ARRAY, BOOL, INT, MAP, UNKNOWN, Kind, Type, Value, go_name

Ask = Callable[[Value, int], Any]
"""The predicate's answer for an item and its place."""


def _find(items: Sequence[Value], ask: Ask) -> Value:
    return next((item for at, item in enumerate(items) if truth(ask(item, at))), None)


def _find_index(items: Sequence[Value], ask: Ask) -> Value:
    return next((at for at, item in enumerate(items) if truth(ask(item, at))), None)


def _from_the_end(items: Sequence[Value]) -> Iterator[tuple[int, Value]]:
    return ((at, items[at]) for at in reversed(range(len(items))))


def _count(items: Sequence[Value], ask: Ask) -> int:
    return sum(truth(ask(item, at)) for at, item in enumerate(items))


def _sum(items: Sequence[Value], ask: Ask) -> Value:
    total: Value = 0
    for at, item in enumerate(items):
        total = apply("+", total, ask(item, at))
    return total


def _grouped(items: Sequence[Value], ask: Ask) -> Value:
    groups: dict[str, list[Value]] = {}
    for at, item in enumerate(items):
        groups.setdefault(text_of(ask(item, at)), []).append(item)
    return groups


PREDICATES: Final[dict[str, tuple[Callable[[Sequence[Value], Ask], Value], Type | None]]] = {
    "all": (lambda items, ask: all(truth(ask(item, at)) for at, item in enumerate(items)), BOOL),
    "any": (lambda items, ask: any(truth(ask(item, at)) for at, item in enumerate(items)), BOOL),
    "none": (lambda items, ask: not any(truth(ask(item, at)) for at, item in enumerate(items)), BOOL),
    "one": (lambda items, ask: _count(items, ask) == 1, BOOL),
    "count": (_count, INT),
    "filter": (lambda items, ask: [item for at, item in enumerate(items) if truth(ask(item, at))], None),
    "find": (_find, None),
    "findLast": (lambda items, ask: next((i for at, i in _from_the_end(items) if truth(ask(i, at))), None), None),
    "findIndex": (_find_index, INT),
    "findLastIndex": (lambda items, ask: next((at for at, i in _from_the_end(items) if truth(ask(i, at))), None), INT),
    "map": (lambda items, ask: [ask(item, at) for at, item in enumerate(items)], None),
    "sum": (_sum, None),
    "groupBy": (_grouped, MAP),
    "sortBy": (lambda items, _: items, None),
    "reduce": (lambda items, _: items, None),
}
"""What each does with the items, and the type it returns; None where that depends on its arguments."""
_ANSWERS: Final = frozenset({"map", "sum", "groupBy", "sortBy", "reduce"})
"""Whose predicate may answer anything; all others want a bool."""
_MAY_ASK_NOTHING: Final = frozenset({"count", "sum"})


def compile_call(name: str, arguments: Sequence[nodes.Node], compiler: Compiler) -> Compiled:
    """A call of one of PREDICATES. Raises ConditionError."""
    most = 3 if name in ("sortBy", "reduce") else 2
    least = 1 if name in _MAY_ASK_NOTHING else 2
    if not least <= len(arguments) <= most:
        raise ConditionError(f"expected at least {least} arguments")
    items = compiler.visit(arguments[0])
    if not items.type.is_unknown and items.type.kind is not Kind.ARRAY:
        raise ConditionError(f"builtin {name} takes only array (got {items.type})")
    extra = compiler.visit(arguments[2]) if len(arguments) > 2 else None
    asked = _predicate(name, arguments[1] if len(arguments) > 1 else nodes.Pointer(""), items.type, compiler)

    def run(scope: Scope) -> Value:
        values = items.run(scope)
        if not isinstance(values, list | tuple):
            raise ConditionError(f"builtin {name} takes only array (got {go_name(values)})")
        if name == "reduce":
            return _reduced(values, asked, extra, scope)

        def ask(item: Value, at: int) -> Value:
            return asked.run({**scope, "#": item, "#index": at})

        if name == "sortBy":
            order = extra.run(scope) if extra else "asc"
            return sorted_values(values, [ask(item, at) for at, item in enumerate(values)], str(order))
        return PREDICATES[name][0](values, ask)

    return Compiled(_returned(name, items.type, asked.type), run)


def _predicate(name: str, node: nodes.Node, items: Type, compiler: Compiler) -> Compiled:
    body = node.body if isinstance(node, nodes.Block) else node
    known = {"#": items.item, "#index": INT} | ({"#acc": UNKNOWN} if name == "reduce" else {})
    compiled = compiler.inside(known).visit(body)
    if compiled.type.kind is Kind.NIL:
        raise ConditionError("predicate should has one input and one output param")
    is_bool = compiled.type.is_unknown or compiled.type.kind is Kind.BOOL
    is_plain_count = name == "count" and node == nodes.Pointer("")
    if name not in _ANSWERS and not is_bool and not is_plain_count:
        raise ConditionError(f"predicate should return boolean (got {compiled.type})")
    return compiled


def _returned(name: str, items: Type, asked: Type) -> Type:
    known = PREDICATES[name][1]
    if known is not None:
        return known
    match name:
        case "filter" | "sortBy":
            return Type(Kind.ARRAY, items.item) if name == "filter" else items if items.elem else ARRAY
        case "find" | "findLast":
            return items.item
        case "map":
            return Type(Kind.ARRAY, asked)
        case _:
            return asked


def _reduced(values: Sequence[Value], asked: Compiled, initial: Compiled | None, scope: Scope) -> Value:
    if initial is not None:
        start, total = 0, initial.run(scope)
    elif values:
        start, total = 1, values[0]
    else:
        raise ConditionError("reduce of empty array with no initial value")
    for at in range(start, len(values)):
        total = asked.run({**scope, "#": values[at], "#acc": total, "#index": at})
    return total
