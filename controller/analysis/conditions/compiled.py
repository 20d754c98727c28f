"""What a checked expression is."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from controller.analysis.conditions.nodes import Node
from controller.analysis.conditions.types import Type, Value

Scope: TypeAlias = Mapping[str, Value]
"""Variables by name; what a predicate is asked about stands under `#`."""
Run: TypeAlias = Callable[[Scope], Value]


class Compiled(NamedTuple):
    """An expression that fits: its type and how to evaluate it. `run` raises ConditionError."""

    type: Type
    run: Run


class Compiler(Protocol):
    """Compiles within what is known at one place: the types of variables, and of what predicates are asked about."""

    def visit(self, node: Node) -> Compiled:
        """Check and prepare an expression. Raises ConditionError."""

    def inside(self, types: Mapping[str, Type]) -> "Compiler":
        """The same with more names."""
