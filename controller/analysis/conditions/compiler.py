"""Checks a condition's tree against the type of the value it judges, and makes it runnable, in one walk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from controller.analysis.conditions import nodes, predicates
from controller.analysis.conditions.compiled import Compiled, Scope
from controller.analysis.conditions.errors import ConditionError
from controller.analysis.conditions.functions import FUNCTIONS
from controller.analysis.conditions.operators import (
    apply,
    binary_type,
    check_pattern,
    negated,
    truth,
    whole_number,
)
from controller.analysis.conditions.types import (
    BOOL,
    FLOAT,
    INT,
    MAP,
    NIL,
    TIME,
    UNKNOWN,
    Kind,
    Type,
    Value,
    go_name,
    is_same_type,
    type_of,
)


@dataclass(frozen=True, slots=True)
class Environment:
    """What an expression may refer to."""

    variables: Mapping[str, Value]
    now: datetime
    judges_a_result: bool = True
    """`asInt`, `asFloat`, `isNil` and `default` are there."""

    def compile(self, node: nodes.Node) -> Compiled:
        """Check and prepare an expression. Raises ConditionError."""
        types = {name: type_of(value) for name, value in self.variables.items()}
        compiled = _Compiler(self, types).visit(node)
        return Compiled(compiled.type, lambda scope: compiled.run({**self.variables, **scope}))


_OF_RESULTS: Final = frozenset({"asInt", "asFloat", "isNil", "default"})
_METHODS: Final[dict[Kind, dict[str, Callable[[Any], Value]]]] = {
    Kind.TIME: {
        "Year": lambda at: at.year,
        "Month": lambda at: at.month,
        "Day": lambda at: at.day,
        "Hour": lambda at: at.hour,
        "Minute": lambda at: at.minute,
        "Second": lambda at: at.second,
        "YearDay": lambda at: at.timetuple().tm_yday,
        "Weekday": lambda at: at.isoweekday() % 7,
        "Unix": lambda at: int(at.timestamp()),
        "UnixMilli": lambda at: int(at.timestamp() * 1000),
    },
    Kind.DURATION: {
        "Hours": lambda span: span / timedelta(hours=1),
        "Minutes": lambda span: span / timedelta(minutes=1),
        "Seconds": lambda span: span.total_seconds(),
        "Milliseconds": lambda span: span // timedelta(milliseconds=1),
    },
}


class _Compiler:
    """Compiles within what is known here: the types of variables, and of what predicates are asked about."""

    def __init__(self, environment: Environment, types: Mapping[str, Type]) -> None:
        self._environment = environment
        self._types = types

    def visit(self, node: nodes.Node) -> Compiled:  # noqa: PLR0911, PLR0912 - a line a kind of node
        match node:
            case nodes.Literal(value):
                return Compiled(type_of(value), lambda _: value)
            case nodes.Name(name):
                return self._variable(name, f"unknown name {name}")
            case nodes.Pointer(name):
                outside = "#" not in self._types
                complaint = "cannot use pointer accessor outside predicate" if outside else f"unknown pointer #{name}"
                return self._variable(f"#{name}", complaint)
            case nodes.Unary(operator, operand):
                return self._unary(operator, operand)
            case nodes.Binary(operator, left, right):
                return self._binary(operator, left, right)
            case nodes.Conditional(test, then, otherwise):
                return self._conditional(test, then, otherwise)
            case nodes.Let(name, value, body):
                return self._let(name, value, body)
            case nodes.Sequence(items):
                compiled = [self.visit(item) for item in items]
                return Compiled(compiled[-1].type, lambda scope: [item.run(scope) for item in compiled][-1])
            case nodes.Array(items):
                return self._array(items)
            case nodes.MapLiteral(pairs):
                values = [(key, self.visit(value).run) for key, value in pairs]
                return Compiled(MAP, lambda scope: {key: run(scope) for key, run in values})
            case nodes.Call(name, arguments):
                return self._call(name, arguments)
            case nodes.Path(base, steps):
                return self._path(base, steps)
            case nodes.Block():
                raise ConditionError('unexpected token "{": only predicates stand in braces')

    def inside(self, types: Mapping[str, Type]) -> "_Compiler":
        return _Compiler(self._environment, {**self._types, **types})

    def _variable(self, name: str, complaint: str) -> Compiled:
        if name not in self._types:
            raise ConditionError(complaint)
        return Compiled(self._types[name], lambda scope: scope[name])

    def _unary(self, operator: str, operand: nodes.Node) -> Compiled:
        inner = self.visit(operand)
        if operator in ("not", "!"):
            if inner.type.is_unknown or inner.type.kind is Kind.BOOL:
                return Compiled(BOOL, lambda scope: not truth(inner.run(scope)))
        elif inner.type.is_unknown or inner.type.is_number:
            return Compiled(
                inner.type, lambda scope: negated(inner.run(scope)) if operator == "-" else inner.run(scope)
            )
        raise ConditionError(f"invalid operation: {operator} (mismatched type {inner.type})")

    def _binary(self, operator: str, left: nodes.Node, right: nodes.Node) -> Compiled:
        one, other = self.visit(left), self.visit(right)
        if operator in ("and", "&&", "or", "||"):
            return _logical(operator, one, other)
        if operator == "??":
            return _coalesced(one, other)
        if operator == "matches" and isinstance(right, nodes.Literal) and isinstance(right.value, str):
            check_pattern(right.value)
        known = binary_type(operator, one.type, other.type)
        return Compiled(known, lambda scope: apply(operator, one.run(scope), other.run(scope)))

    def _conditional(self, test: nodes.Node, then: nodes.Node, otherwise: nodes.Node) -> Compiled:
        condition, yes, no = self.visit(test), self.visit(then), self.visit(otherwise)
        if not condition.type.is_unknown and condition.type.kind is not Kind.BOOL:
            raise ConditionError(f"non-bool expression (type {condition.type}) used as condition")
        known = UNKNOWN
        if Kind.NIL in (yes.type.kind, no.type.kind):
            known = no.type if yes.type.kind is Kind.NIL else yes.type
        elif is_same_type(yes.type, no.type):
            known = yes.type
        return Compiled(known, lambda scope: (yes if truth(condition.run(scope)) else no).run(scope))

    def _let(self, name: str, value: nodes.Node, body: nodes.Node) -> Compiled:
        if name in self._types or name in FUNCTIONS or name in predicates.PREDICATES:
            raise ConditionError(f"cannot redeclare {name}")
        given = self.visit(value)
        inner = self.inside({name: given.type}).visit(body)
        return Compiled(inner.type, lambda scope: inner.run({**scope, name: given.run(scope)}))

    def _array(self, items: Sequence[nodes.Node]) -> Compiled:
        compiled = [self.visit(item) for item in items]
        kinds = {item.type.kind for item in compiled}
        known = Type(Kind.ARRAY, compiled[-1].type if len(kinds) == 1 else None)
        return Compiled(known, lambda scope: [item.run(scope) for item in compiled])

    def _call(self, name: str, arguments: Sequence[nodes.Node]) -> Compiled:
        if name in predicates.PREDICATES:
            return predicates.compile_call(name, arguments, self)
        if name in _OF_RESULTS and not self._environment.judges_a_result:
            raise ConditionError(f"unknown name {name}")
        compiled = [self._argument(name, argument) for argument in arguments]
        if name == "now" and not arguments:
            return Compiled(TIME, lambda _: self._environment.now)
        if name in ("isNil", "default"):
            return self._about_the_result(name, compiled)
        function = FUNCTIONS.get(name)
        if function is None:
            raise ConditionError(f"{name} is not callable" if name in self._types else f"unknown name {name}")
        known = function.check(name, [argument.type for argument in compiled])
        return Compiled(known, lambda scope: function.call(name, [argument.run(scope) for argument in compiled]))

    def _argument(self, function: str, node: nodes.Node) -> Compiled:
        compiled = self.visit(node)
        if function in ("isNaN", "isInf") and compiled.type is INT and _is_written_out(node):
            return Compiled(FLOAT, lambda scope: float(whole_number(compiled.run(scope))))
        return compiled

    def _about_the_result(self, name: str, arguments: Sequence[Compiled]) -> Compiled:
        """Both look at the result, whatever their first argument is."""
        result = self._environment.variables["result"]
        if len(arguments) != (1 if name == "isNil" else 2):
            few = len(arguments) < (1 if name == "isNil" else 2)
            raise ConditionError(f"{'not enough' if few else 'too many'} arguments to call {name}")

        def run(scope: Scope) -> Value:
            values = [argument.run(scope) for argument in arguments]
            if name == "isNil":
                return result is None
            return values[1] if result is None else result

        return Compiled(BOOL if name == "isNil" else UNKNOWN, run)

    def _path(self, base: nodes.Node, steps: Sequence[nodes.Step]) -> Compiled:
        start = self.visit(base)
        known, taken = start.type, []
        for step in steps:
            known, take = self._step(known, step)
            is_optional = not isinstance(step, nodes.Slice) and step.is_optional
            taken.append((is_optional, take))

        def run(scope: Scope) -> Value:
            value = start.run(scope)
            for is_optional, take in taken:
                if is_optional and value is None:
                    return None
                value = take(value, scope)
            return value

        return Compiled(known, run)

    def _step(self, base: Type, step: nodes.Step) -> tuple[Type, Callable[[Value, Scope], Value]]:
        match step:
            case nodes.Member(name):
                return _member_type(base, name), lambda value, _: fetch(value, name)
            case nodes.Method(name, arguments):
                given = [self.visit(argument).run for argument in arguments]
                known = _method_type(base, name)
                return known, lambda value, scope: _call_method(value, name, [run(scope) for run in given])
            case nodes.Index(at):
                key = self.visit(at)
                return _index_type(base, key.type, at), lambda value, scope: fetch(value, key.run(scope))
            case nodes.Slice(lower, upper):
                first, last = (None if bound is None else self.visit(bound) for bound in (lower, upper))
                if not base.is_unknown and base.kind not in (Kind.STRING, Kind.ARRAY):
                    raise ConditionError(f"cannot slice {base}")
                for bound in (first, last):
                    if bound and not bound.type.is_unknown and bound.type.kind is not Kind.INT:
                        raise ConditionError(f"non-integer slice index {bound.type}")
                return base, lambda value, scope: _sliced(value, *(b and b.run(scope) for b in (first, last)))


def _logical(operator: str, one: Compiled, other: Compiled) -> Compiled:
    kinds = {side.type.kind for side in (one, other)}
    if not kinds <= {Kind.BOOL, Kind.UNKNOWN}:
        raise ConditionError(f"invalid operation: {operator} (mismatched types {one.type} and {other.type})")
    if operator in ("and", "&&"):
        return Compiled(BOOL, lambda scope: truth(one.run(scope)) and truth(other.run(scope)))
    return Compiled(BOOL, lambda scope: truth(one.run(scope)) or truth(other.run(scope)))


def _coalesced(one: Compiled, other: Compiled) -> Compiled:
    known = UNKNOWN
    if one.type.kind is Kind.NIL:
        known = other.type
    elif other.type.kind is Kind.NIL or is_same_type(other.type, one.type):
        known = one.type

    def run(scope: Scope) -> Value:
        value = one.run(scope)
        return other.run(scope) if value is None else value

    return Compiled(known, run)


def _is_written_out(node: nodes.Node) -> bool:
    match node:
        case nodes.Literal():
            return True
        case nodes.Unary(_, operand):
            return _is_written_out(operand)
        case nodes.Binary("+" | "-" | "*", left, right):
            return _is_written_out(left) and _is_written_out(right)
        case _:
            return False


def _member_type(base: Type, name: str) -> Type:
    if base.is_unknown:
        return UNKNOWN
    if base.kind is Kind.MAP:
        return base.item
    if base.kind is Kind.ARRAY:
        raise ConditionError("array elements can only be selected using an integer (got string)")
    raise ConditionError(f"type {'nil' if base is NIL else base} has no field {name}")


def _method_type(base: Type, name: str) -> Type:
    if base.is_unknown or base.kind is Kind.MAP or name in _METHODS.get(base.kind, {}):
        return UNKNOWN
    raise ConditionError(f"type {'nil' if base is NIL else base} has no method {name}")


def _index_type(base: Type, key: Type, at: nodes.Node) -> Type:
    if base.is_unknown:
        return UNKNOWN
    if base.kind is Kind.MAP:
        if not key.is_unknown and key.kind is not Kind.STRING:
            raise ConditionError(f"cannot use {key} to get an element from {base}")
        return base.item
    if base.kind is Kind.ARRAY:
        if not key.is_unknown and key.kind is not Kind.INT:
            raise ConditionError(f"array elements can only be selected using an integer (got {key})")
        return base.item
    if isinstance(at, nodes.Literal) and isinstance(at.value, str):
        return _member_type(base, at.value)
    raise ConditionError(f"type {base}[{key}] is undefined")


def fetch(value: Value, key: Value) -> Value:
    """An item of a map, nil where it has none, or of an array. Raises ConditionError."""
    if value is None:
        raise ConditionError(f"cannot fetch {key} from <nil>")
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list | tuple):
        at = whole_number(key)
        if not -len(value) <= at < len(value):
            raise ConditionError(f"index out of range: {at} (array length is {len(value)})")
        item: Value = value[at]
        return item
    raise ConditionError(f"cannot fetch {key} from {go_name(value)}")


def _sliced(value: Value, first: Value, last: Value) -> Value:
    if not isinstance(value, list | tuple | str):
        raise ConditionError(f"cannot slice {go_name(value)}")
    bounds = [None if bound is None else whole_number(bound) for bound in (first, last)]
    return value[bounds[0] : bounds[1]]


def _call_method(value: Value, name: str, arguments: Sequence[Value]) -> Value:
    method = _METHODS.get(type_of(value).kind, {}).get(name)
    if method is None or arguments:
        raise ConditionError(f"cannot fetch {name} from {go_name(value)}")
    return method(value)
