"""Configurations in Python: the call of a trainer's configuration class, and what the file does to it afterwards.

Nothing is run. Arguments of the call and what is later assigned to its attributes are read where they are literals, or names that
stand for one literal in the whole file; of all else that is done to it, as by a function that it is handed to, it is said that
it is not read.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Collection, Iterator
from copy import deepcopy

from dstheory.errors import FileFormatError
from dstheory.readers.results import to_jsonable
from dstheory.trainers.entries import ANY_KEY, KeyValue, Source, together

_LOOKS = ("debug", "getattr", "hasattr", "id", "info", "isinstance", "len", "pformat", "pprint", "print", "repr", "str", "type",
          "warning")  # fmt: skip
_LOOKS_AT_ITSELF = ("to_dict", "to_json_string", "to_sanitized_dict", "get_process_log_level", "get_warmup_steps")
_COPIES = ("copy", "deepcopy", "replace")
_CHANGES = ("append", "clear", "extend", "insert", "pop", "remove", "update")
_MAYBE = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda,
          ast.IfExp, ast.BoolOp)  # fmt: skip
"""What may leave out what stands in it."""
_Place = ast.expr | ast.stmt | ast.keyword


def read_python(text: str, name: str, classes: Collection[str]) -> Source:
    """Return what a Python file sets.

    Args:
        text: the file.
        name: as messages call it.
        classes: names of the configuration classes one of which it must call, once.

    Raises:
        FileFormatError: it is no Python, calls none of the classes or several, or makes another configuration of the one.
    """
    try:
        tree = ast.parse(text)
        script = _Script(tree, name, classes)
        said = [script.entry(*one) for one in sorted(script.said(), key=lambda one: one[2].lineno)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, FileFormatError):
            raise
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise FileFormatError(f"{name}{where}: no Python ({type(error).__name__}): correct it, or give YAML") from error
    entries, unread = together(said)
    return Source(name, entries, script.called, unread)


class _Script:
    """A Python file in which a configuration class is called once.

    Attributes:
        call: the call.
        called: the class's own name.
        names: what the configuration is called in the file.
        trainers: what the trainers are called that get it, and, with ``()``, the functions that return one.
        makers: names of functions that return it.
        binds: how often each name is bound, anywhere.
        plain: whether nothing can bind names unseen.
        bound: in which functions each name stands for it, None outside of all.
    """

    def __init__(self, tree: ast.Module, name: str, classes: Collection[str]) -> None:
        self.file = name
        self.nodes = list(ast.walk(tree))
        self.above = {child: (node, field) for node in self.nodes for field, value in ast.iter_fields(node)
                      for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)}  # fmt: skip
        self.call, self.called = self._configuration_call(classes)
        self.assigned = sorted(self._assigned(), key=lambda pair: pair[2].lineno)
        self.binds = Counter(name for node in self.nodes for name in _bound_by(node))
        self.plain = not any(isinstance(node, ast.alias) and node.name == "*" for node in self.nodes) and not any(
            isinstance(node, ast.Call) and _called(node) in ("exec", "globals") for node in self.nodes
        )
        self.names: set[str] = set()
        self.trainers: set[str] = set()
        self.makers: set[str] = set()
        self.bound: dict[str, set[ast.FunctionDef | None]] = {}
        returns = [(self._function(node), node.value) for node in self.nodes if isinstance(node, ast.Return)]
        for _ in range(8):  # a name of a name
            self.makers |= {function.name for function, value in returns if function is not None and self._is_it(value)}
            self.trainers |= {f"{function.name}()" for function, value in returns if function is not None and self._trains(value)}
            for target, value, statement in self.assigned:
                name = _dotted(target)
                gets = self._trains(value)
                if name and (gets or self._makes_it(value)):
                    self.names.add(f"{name}.args" if gets else name)
                    self.trainers |= {name} if gets else set()
                    self.bound.setdefault(name.partition(".")[0], set()).add(self._function(statement))

    def entry(self, key: str, value: ast.expr | None, at: _Place) -> tuple[KeyValue, bool, bool]:
        """Return one thing that is said, with whether its value is known and whether it is reached where the call is."""
        sure = key == ANY_KEY or self._branches(at) <= self._branches(self.call)
        if value is None:
            return KeyValue(key, _short(at), at.lineno), False, sure
        try:
            literal = ast.literal_eval(self._written_out(value))
            json.dumps(to_jsonable(literal))
            return KeyValue(key, literal, value.lineno), True, sure
        except TypeError:  # no kind of value that a configuration has, such as b"x"
            return KeyValue(key, _short(value), value.lineno), True, sure
        except (ValueError, RecursionError, MemoryError):
            return KeyValue(key, _short(value), value.lineno), False, sure

    def _written_out(self, value: ast.expr) -> ast.expr:
        """Return a value with its names replaced by the literals that they stand for wherever the file uses them."""
        names = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)} if self.plain else set()
        literals: dict[str, ast.expr] = {}
        for target, literal, statement in self.assigned:
            if isinstance(target, ast.Name) and target.id in names and isinstance(statement, (ast.Assign, ast.AnnAssign)):
                numbers = isinstance(literal, (ast.Constant, ast.UnaryOp))  # a list could be changed in its place
                reached = self._branches(statement) <= self._branches(value) and statement.lineno < value.lineno
                if literal is not None and numbers and reached and self.binds[target.id] == 1:
                    literals[target.id] = literal

        class Written(ast.NodeTransformer):
            def visit_Name(self, node: ast.Name) -> ast.expr:
                return literals.get(node.id, node)

        return Written().visit(deepcopy(value)) if literals else value

    def said(self) -> Iterator[tuple[str, ast.expr | None, _Place]]:
        """Yield key, value and place of all that sets one: a value of None where only Python knows it."""
        for position, argument in enumerate(self.call.args):
            if position or isinstance(argument, ast.Starred):  # the first one is the directory of what is written
                yield ANY_KEY, None, argument
        yield from self._arguments(self.call)
        for target, value, statement in self.assigned:
            yield from self._set(target, value, statement)
        for call in (node for node in self.nodes if isinstance(node, ast.Call) and self._gets_it(node)):
            for keyword in call.keywords:  # as DPOTrainer(beta=0.1) once was
                if keyword.arg and not self._is_it(keyword.value):
                    yield keyword.arg, None, keyword
        for node in self.nodes:
            named = isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load) and self._is_it(node)
            within = self.above[node][0] if node is self.call else None
            if named or (isinstance(within, ast.Call) and self._copy_of_it(within) is node):
                yield from self._used(node)  # type: ignore[arg-type]

    def _configuration_call(self, classes: Collection[str]) -> tuple[ast.Call, str]:
        imports = [alias for node in self.nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
        own = {alias.asname: alias.name for alias in imports if alias.asname}
        calls = [(node, own.get(_called(node), _called(node))) for node in self.nodes if isinstance(node, ast.Call)]
        found = sorted(((call, called) for call, called in calls if called in classes), key=lambda one: one[0].lineno)
        if not found:
            raise FileFormatError(self._without(calls, {alias.name for alias in imports}, classes))
        if len(found) > 1:
            where = " and ".join(f"{called} in line {call.lineno}" for call, called in found[:2])
            several = len({called for _, called in found}) > 1
            remedy = "say whose is meant with --trainer" if several else "give a file that calls it once"
            raise FileFormatError(f"{self.file} calls {where}, and one configuration is read: {remedy}")
        return found[0]

    def _without(self, calls: list[tuple[ast.Call, str]], imported: set[str], classes: Collection[str]) -> str:
        """Say what a file does that calls none of the classes."""
        covered = ", ".join(sorted(classes)) or "none of this trainer"
        handed = sorted(imported & set(classes))
        if handed:
            return (
                f"{self.file} imports {handed[0]} but does not call it, so that its keys come from elsewhere, such as a command "
                "line: give that as a script, or the YAML file that it names"
            )
        other = next((f"{called} in line {call.lineno}" for call, called in calls
                      if called in imported and called.endswith("Config") and called[:-6].isupper()), "")  # fmt: skip
        return (
            f"{self.file} calls {f'{other}, and ' if other else ''}no class of a trainer that is covered ({covered}): of Python "
            "only the arguments of these are read; give YAML, JSON or a script"
        )

    def _assigned(self) -> Iterator[tuple[ast.expr, ast.expr | None, ast.stmt | ast.NamedExpr]]:
        """Yield what is assigned to, its value, and the statement; None for a value that only Python knows."""
        for node in self.nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    yield from _pairs(target, node.value, node)
            elif isinstance(node, ast.NamedExpr) or (isinstance(node, ast.AnnAssign) and node.value is not None):
                yield node.target, node.value, node
            elif isinstance(node, (ast.AugAssign, ast.For, ast.AsyncFor)):
                yield from _pairs(node.target, None, node)
            elif isinstance(node, (ast.With, ast.AsyncWith)):
                for item in node.items:
                    if item.optional_vars is not None:
                        yield from _pairs(item.optional_vars, None, node)

    def _set(
        self, target: ast.expr, value: ast.expr | None, statement: ast.stmt | ast.NamedExpr
    ) -> Iterator[tuple[str, ast.expr | None, _Place]]:
        """Yield what one assignment does to the configuration."""
        if self._is_anothers(target):
            return
        if isinstance(target, ast.Attribute) and _dotted(target) not in self.names:
            if self._is_it(target.value) or _dotted(target.value) in self.trainers:
                yield target.attr, value, statement
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Attribute) and self._is_it(target.value.value):
            yield (ANY_KEY if target.value.attr == "__dict__" else target.value.attr), None, statement
        elif (
            self._is_it(target) and not self._makes_it(value) and statement.lineno > self.call.lineno
            and self._function(statement) is self._function(self.call)
            and not (isinstance(value, ast.Call) and self._copy_of_it(value) is not None)
        ):  # fmt: skip
            yield ANY_KEY, None, statement

    def _used(self, node: ast.expr) -> Iterator[tuple[str, ast.expr | None, _Place]]:
        """Yield what one use of the configuration may do to it."""
        parent, _ = self.above[node]
        if self._is_anothers(node):
            return
        if isinstance(parent, ast.Attribute):
            over, field = self.above[parent]
            if isinstance(over, ast.Call) and field == "func" and parent.attr not in _LOOKS_AT_ITSELF:
                yield ANY_KEY, None, over
            elif isinstance(over, ast.Attribute) and over.attr in _CHANGES:
                changed = self.above[over][0]
                at = changed if isinstance(changed, ast.Call) else over
                yield (ANY_KEY if parent.attr == "__dict__" else parent.attr), None, at
            return
        call = self.above[parent][0] if isinstance(parent, ast.keyword) else parent
        if not isinstance(call, ast.Call) or call.func is node or self._gets_it(call) or _called(call) in _LOOKS:
            return
        if _called(call) == "setattr" and len(call.args) == 3 and call.args[0] is node:
            name = call.args[1]
            yield (str(name.value), call.args[2], call) if isinstance(name, ast.Constant) else (ANY_KEY, None, call)
        elif self._copy_of_it(call) is not None:
            over = self.above[call][0]
            kept = isinstance(over, ast.Assign) and all(self._is_it(target) for target in over.targets)
            if not kept:
                raise FileFormatError(
                    f"{self.file} makes another configuration of the one in line {self.call.lineno}, by {_called(call)} in line "
                    f"{call.lineno}, and one is read: give a file that makes one"
                )
            yield from self._arguments(call)
        else:
            yield ANY_KEY, None, call

    def _arguments(self, call: ast.Call) -> Iterator[tuple[str, ast.expr | None, _Place]]:
        """Yield the arguments of a call by name; those of a dictionary that stands there, too."""
        for keyword in call.keywords:
            inside = keyword.value
            if keyword.arg is not None:
                yield keyword.arg, inside, inside
            elif isinstance(inside, ast.Dict):
                for key, value in zip(inside.keys, inside.values, strict=True):
                    yield (str(key.value), value, value) if isinstance(key, ast.Constant) else (ANY_KEY, None, keyword)
            else:
                yield ANY_KEY, None, keyword

    def _is_it(self, node: ast.expr | None) -> bool:
        """Return whether an expression is the configuration."""
        return node is self.call or _dotted(node) in self.names

    def _makes_it(self, value: ast.expr | None) -> bool:
        """Return whether a value is the configuration, a copy where it is called, or what a function returns that returns it."""
        if self._is_it(value) or not isinstance(value, ast.Call):
            return self._is_it(value)
        return _called(value) in self.makers or self._copy_of_it(value) is self.call

    def _is_anothers(self, node: ast.expr) -> bool:
        """Return whether a name stands for something else where it is used: it is local to another function."""
        base = node
        while isinstance(base, (ast.Attribute, ast.Subscript)):
            base = base.value
        if not isinstance(base, ast.Name) or base.id == "self":
            return False
        function, bound = self._function(node), self.bound.get(base.id, set())
        while function is not None and function not in bound:
            arguments = function.args
            if base.id in [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]:
                return True
            function = self._function(function)
        return function not in bound

    def _gets_it(self, call: ast.Call) -> bool:
        """Return whether a call hands the configuration to a trainer."""
        handed = [*call.args, *(keyword.value for keyword in call.keywords)]
        return _called(call).endswith("Trainer") and any(self._is_it(value) for value in handed)

    def _trains(self, value: ast.expr | None) -> bool:
        """Return whether a value is a trainer that has the configuration."""
        if not isinstance(value, ast.Call):
            return _dotted(value) in self.trainers
        return self._gets_it(value) or f"{_called(value)}()" in self.trainers

    def _copy_of_it(self, call: ast.Call) -> ast.expr | None:
        """Return the configuration if a call copies it, with changes or without."""
        copied = _called(call) in _COPIES and bool(call.args) and self._is_it(call.args[0])
        return call.args[0] if copied else None

    def _function(self, node: ast.AST) -> ast.FunctionDef | None:
        """Return the function in which something stands, None outside of all."""
        while node in self.above:
            node, _ = self.above[node]
            if isinstance(node, ast.FunctionDef):
                return node
        return None

    def _branches(self, node: ast.AST) -> frozenset[tuple[int, str]]:
        """Return within which branches, loops and functions something stands."""
        found = set()
        while node in self.above:
            node, field = self.above[node]
            main = isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and _dotted(node.test.left) == "__name__"
            if isinstance(node, _MAYBE) and field not in ("test", "iter", "finalbody", "subject") and not main:
                found.add((id(node), field))
        return frozenset(found)


def _pairs(target: ast.expr, value: ast.expr | None, at: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr | None, ast.stmt]]:
    """Yield the parts of a target, each with its part of the value where both are written out."""
    if not isinstance(target, (ast.Tuple, ast.List)):
        yield target, value, at
        return
    written = isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts)
    parts = value.elts if written else [None] * len(target.elts)  # type: ignore[union-attr]
    starred = any(isinstance(part, ast.Starred) for part in (*target.elts, *(part for part in parts if part is not None)))
    for part, its in zip(target.elts, parts, strict=True):
        yield from _pairs(part.value if isinstance(part, ast.Starred) else part, None if starred else its, at)


def _bound_by(node: ast.AST) -> list[str]:
    """Return the names that a node binds, or lets a function bind."""
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, ast.keyword):  # f(name=...) binds nothing
        return []
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        return node.names
    if isinstance(node, ast.alias):
        return [(node.asname or node.name).partition(".")[0]]
    return [name for field in ("name", "arg", "rest") if isinstance(name := getattr(node, field, None), str)]


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else str(getattr(call.func, "attr", ""))


def _dotted(node: ast.AST | None) -> str:
    """Return a name, with dots between its parts, "" for what is none or has many."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < 8:
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _short(node: ast.AST) -> str:
    """Return what is written there, the beginning of its first line."""
    try:
        return ast.unparse(node).splitlines()[0][:60]
    except ValueError:  # 0xfff... which Python writes in no other way
        return "a whole number of thousands of digits"
