"""The functions and classes that code defines, in order, as Python would leave them.

A definition that a later one of the same name in the same place replaces is no longer there: a
stub, and then the function itself. Branches (`if`, `try`) are not decided.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef
# Decorators that add to an earlier definition of the same name.
_ADDING = frozenset({"setter", "getter", "deleter", "register", "overload"})
# Statements that define nothing and hold no others.
_PLAIN = frozenset(
    {ast.Expr, ast.Return, ast.AugAssign, ast.Raise, ast.Pass, ast.Import, ast.Assert}
)
_PROPERTIES = frozenset({"property", "cached_property"})


@dataclass(frozen=True)
class FunctionDefinition:
    """A function: a `def`, or a lambda that is given a name."""

    name: str
    node: Function | ast.Lambda
    owner: ast.ClassDef | None
    """The class in whose body it stands."""
    within: tuple[str, ...]
    """The names of the functions around it."""

    @property
    def decorators(self) -> set[str]:
        """The last parts of its decorators' names."""
        return set() if isinstance(self.node, ast.Lambda) else _decorators(self.node)

    @property
    def bound(self) -> bool:
        """Whether it takes `self` or `cls` first."""
        return self.owner is not None and "staticmethod" not in self.decorators

    @property
    def is_property(self) -> bool:
        """Whether it is read like an attribute, not called."""
        return not self.decorators.isdisjoint(_PROPERTIES)

    @property
    def positional(self) -> list[ast.arg]:
        """The parameters that a caller gives by position."""
        arguments = self.node.args
        return [*arguments.posonlyargs, *arguments.args][self.bound :]


@dataclass(frozen=True)
class Definitions:
    """What a module defines, at any depth."""

    functions: tuple[FunctionDefinition, ...]
    classes: tuple[ast.ClassDef, ...]

    def methods(self, found: ast.ClassDef) -> set[str]:
        """The methods of a class: its own, those it is assigned, and those of its bases here."""
        names: set[str] = set()
        seen: set[int] = set()
        left = [found]
        while left:
            node = left.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            own = [f for f in self.functions if f.owner is node]
            names |= {f.name for f in own if not f.is_property}
            for statement in node.body:
                if isinstance(statement, ast.Assign) and isinstance(
                    statement.value, ast.Name | ast.Attribute
                ):
                    names |= {t.id for t in statement.targets if isinstance(t, ast.Name)}
            for base in node.bases:
                if isinstance(base, ast.Name):
                    left += [c for c in self.classes if c.name == base.id]
                    names |= set(dir(_BUILT_IN.get(base.id, object)))
        return names


_BUILT_IN: dict[str, type] = {"list": list, "dict": dict, "set": set, "str": str, "tuple": tuple}


def read_definitions(tree: ast.Module | None) -> Definitions:
    """The definitions of a module. Only statements are walked: nothing is defined in others."""
    functions: list[FunctionDefinition] = []
    classes: list[ast.ClassDef] = []
    # Statements still to be read, the next one last: with their class and the functions around.
    left: list[tuple[ast.stmt, ast.ClassDef | None, tuple[str, ...]]] = []

    def add(body: Sequence[ast.stmt], owner: ast.ClassDef | None, within: tuple[str, ...]) -> None:
        read = [node for node in body if type(node) not in _PLAIN]
        replaced = _replaced(read) if len(read) > 1 else ()
        left.extend((node, owner, within) for node in reversed(read) if id(node) not in replaced)

    if tree is not None:
        add(tree.body, None, ())
    while left:
        node, owner, within = left.pop()
        if isinstance(node, Function):
            functions.append(FunctionDefinition(node.name, node, owner, within))
            add(node.body, None, (*within, node.name))
        elif isinstance(node, ast.ClassDef):
            classes.append(node)
            add(node.body, node, within)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            if isinstance(node.value, ast.Lambda):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                functions += [
                    FunctionDefinition(target.id, node.value, owner, within)
                    for target in targets
                    if isinstance(target, ast.Name)
                ]
        elif hasattr(node, "body") or hasattr(node, "cases"):
            for name in ("body", "orelse", "finalbody"):
                if inside := getattr(node, name, ()):
                    add(inside, owner, within)
            for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
                add(part.body, owner, within)
    return Definitions(tuple(functions), tuple(classes))


def _replaced(body: Sequence[ast.stmt]) -> set[int]:
    """The definitions that a later one in the same body replaces."""
    last: dict[str, ast.stmt] = {}
    replaced = set()
    for node in body:
        if isinstance(node, Function | ast.ClassDef):
            if node.name in last and _ADDING.isdisjoint(_decorators(node)):
                replaced.add(id(last[node.name]))
            last[node.name] = node
    return replaced


def _decorators(node: Function | ast.ClassDef) -> set[str]:
    names = set()
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            decorator = decorator.func
        name = getattr(decorator, "attr", getattr(decorator, "id", None))
        if name:
            names.add(name)
    return names
