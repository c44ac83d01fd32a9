"""Whether a function calls itself: by what its name means where it is called.

A bare name means what Python's scopes make of it: a parameter, a variable or an inner function of
the same name is another one, and so is what a method's bare name finds outside its class. In a
method, `self.f()`, `cls.f()`, `type(self).f()` and `ClassName.f()` call it, and so does `f` on an
object that the code makes of the class; `math.f()` and `stack.f()` call something else. Functions
defined inside, and lambdas, are a part of the body; a function that is handed its own name to call
(`map(f, items)`) calls itself. What another function calls does not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from vibecore.scoring.text.python_definitions import Function, FunctionDefinition

_CALLING = frozenset({"map", "filter", "reduce", "starmap", "partial"})
_COMPREHENSION = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def calls_itself(function: FunctionDefinition, tree: ast.Module) -> bool:
    """Whether a function's body calls the function."""
    name = function.name
    if function.owner is None:
        bound = _bound_in(function.node)
        return name not in bound and any(
            _calls_name(node, name) for node in _visible(_body(function.node), name)
        )
    receiver = _receiver(function)
    return any(
        _calls_method(node, name, function.owner.name, receiver, instances)
        for instances in (_instances(tree, function.owner.name),)
        for node in _visible(_body(function.node), receiver or function.owner.name)
    )


def _calls_name(node: ast.AST, name: str) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if _is_name(node.func, name):
        return True
    called = getattr(node.func, "id", getattr(node.func, "attr", None))
    return called in _CALLING and bool(node.args) and _is_name(node.args[0], name)


def _calls_method(
    node: ast.AST, name: str, owner: str, receiver: str | None, instances: set[str]
) -> bool:
    if not isinstance(node, ast.Call):
        return False
    functions = [node.func]
    if getattr(node.func, "id", getattr(node.func, "attr", None)) in _CALLING:
        functions += node.args[:1]
    for called in functions:
        if not isinstance(called, ast.Attribute) or called.attr != name:
            continue
        on = called.value
        if isinstance(on, ast.Name) and on.id in {receiver, owner, *instances}:
            return True
        if isinstance(on, ast.Attribute):
            # self.left.insert(…), where self.left is made of the class; self.__class__.f(…)
            return on.attr in instances or (on.attr == "__class__" and _is_name(on.value, receiver))
        if isinstance(on, ast.Call):
            # type(self).f(…), and Node(…).f(…)
            made = _is_name(on.func, owner)
            return made or (
                _is_name(on.func, "type") and any(_is_name(a, receiver) for a in on.args)
            )
    return False


def _is_name(node: ast.AST, name: str | None) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _receiver(function: FunctionDefinition) -> str | None:
    """What a method calls the object or class that it belongs to."""
    arguments = function.node.args
    first = [*arguments.posonlyargs, *arguments.args][:1]
    return first[0].arg if first and function.bound else None


def _instances(tree: ast.Module, owner: str) -> set[str]:
    """Variables, attributes and parameters that the code makes, or declares, of the class."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _makes(node.value, owner):
            names |= {n for target in node.targets for n in _last_names(target)}
        elif isinstance(node, ast.AnnAssign) and (
            _declares(node.annotation, owner) or (node.value and _makes(node.value, owner))
        ):
            names |= set(_last_names(node.target))
        elif isinstance(node, ast.arg) and node.annotation and _declares(node.annotation, owner):
            names.add(node.arg)
    return names


def _makes(value: ast.expr, owner: str) -> bool:
    return isinstance(value, ast.Call) and _is_name(value.func, owner)


def _declares(annotation: ast.expr, owner: str) -> bool:
    """`Node`, `"Node"`, `Node | None`, `Optional[Node]`: not a container of them."""
    if isinstance(annotation, ast.Constant):
        return annotation.value == owner
    if isinstance(annotation, ast.BinOp):
        return _declares(annotation.left, owner) or _declares(annotation.right, owner)
    if isinstance(annotation, ast.Subscript) and _is_name(annotation.value, "Optional"):
        return _declares(annotation.slice, owner)
    return _is_name(annotation, owner)


def _last_names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Attribute):
        yield target.attr


def _body(function: Function | ast.Lambda) -> Sequence[ast.AST]:
    return [function.body] if isinstance(function, ast.Lambda) else function.body


def _visible(body: Iterable[ast.AST], name: str) -> Iterator[ast.AST]:
    """Every node of a body, but those of inner scopes in which the name means something else."""
    left = list(body)
    while left:
        node = left.pop()
        yield node
        if isinstance(node, Function | ast.Lambda):
            # Defaults, decorators and annotations belong to the scope around.
            inner = {id(part) for part in _body(node)}
            hidden = name in _bound_in(node)
            left += [n for n in ast.iter_child_nodes(node) if not (hidden and id(n) in inner)]
        elif isinstance(node, _COMPREHENSION):
            targets = (target for part in node.generators for target in _names(part.target))
            if name in targets:
                left.append(node.generators[0].iter)
            else:
                left += ast.iter_child_nodes(node)
        else:
            left += ast.iter_child_nodes(node)


def _names(target: ast.AST) -> Iterator[str]:
    return (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _bound_in(function: Function | ast.Lambda) -> set[str]:
    """The names that are a function's own: parameters, and what its body binds."""
    arguments = function.args
    bound = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    bound |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None}
    outer: set[str] = set()
    left = list(_body(function))
    while left:
        node = left.pop()
        if isinstance(node, Function | ast.ClassDef):
            bound.add(node.name)
            left += node.decorator_list
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, _COMPREHENSION):
            # Its targets are its own; a walrus inside binds here.
            bound |= {
                n.target.id
                for n in ast.walk(node)
                if isinstance(n, ast.NamedExpr) and isinstance(n.target, ast.Name)
            }
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            outer.update(node.names)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            bound.add(node.rest)
        left += ast.iter_child_nodes(node)
    return bound - outer
