"""How a formula is broken: one small change of one expression, the kind of slip a person makes."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

__all__ = ["Mutant", "mutants_of"]

_BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult}

# Names whose confusion is a plausible slip in this field.
_CONFUSED = {
    "gamma_within": "gamma_between",
    "gamma_between": "gamma_within",
    "stop_prob": "resample_prob",
    "resample_prob": "stop_prob",
    "q_stop": "q_resample",
    "q_resample": "q_stop",
    "reward_stop": "reward_resample",
    "reward_resample": "reward_stop",
    "visits": "discounted_visits",
    "discounted_visits": "visits",
    "finite_visits": "discounted_visits",
    "log_stop": "log_resample",
    "log_resample": "log_stop",
    "w_s": "w_d",
    "w_d": "w_s",
    "sample_length": "decision_length",
    "advantage_stop": "advantage_resample",
    "advantage_resample": "advantage_stop",
}

# Code that computes no formula: messages, file-level declarations, shapes for display.
_SKIPPED_FUNCTIONS = {
    "__repr__",
    "__post_init__",
    "refuse_endless",
    "_refuse_infinite",
    "_describe",
    "_look_at",
    "_explain",
    "check_fits",
}
_SKIPPED_CALLS = {
    "reject",
    "ChainError",
    "InfiniteDivergenceError",
    "ImproperChainError",
    "TypeError",
    "errstate",
    "warn",
    "dataclass",
}


@dataclass(frozen=True)
class Mutant:
    """One broken version of a file."""

    line: int
    last_line: int
    change: str
    """The source line with the broken expression marked; what it became."""
    source: str
    """What is broken."""
    site: int
    """Which of its expressions is."""

    def tree(self) -> ast.Module:
        """Return the broken module; its lines keep their numbers."""
        tree = ast.parse(self.source)
        _apply(*next(islice(_sites(tree), self.site, None)))
        return tree


def mutants_of(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module's source."""
    for site, (node, change) in enumerate(_sites(ast.parse(source))):
        broken = copy.deepcopy(node)
        _apply(broken, change)
        where = f"{_marked(source, node)}  ->  {ast.unparse(broken)}"
        yield Mutant(node.lineno, node.end_lineno or node.lineno, where, source, site)


def _marked(source: str, node: ast.expr) -> str:
    """Return the line of an expression with the expression in double brackets: a key that outlives changes elsewhere."""
    line = source.splitlines()[node.lineno - 1].encode()
    end = node.end_col_offset if node.end_lineno == node.lineno else len(line)
    head, inside, tail = (part.decode() for part in (line[: node.col_offset], line[node.col_offset : end], line[end:]))
    return f"{head}[[{inside}]]{tail}".strip()


def _sites(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    for node in _expressions(tree):
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY and not _is_text(node):
            yield node, "operator"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
            yield node, "sign"
        elif isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value in (0.0, 0.5, 1.0):
            yield node, "constant"
        elif isinstance(node, ast.Attribute) and node.attr in _CONFUSED:
            yield node, "attribute"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in _CONFUSED:
            yield node, "name"


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Walk the expressions that compute something, in source order."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef,)) and child.name in _SKIPPED_FUNCTIONS:
            continue
        if isinstance(child, (ast.arguments, ast.Import, ast.ImportFrom, ast.Raise, ast.JoinedStr)):
            continue
        if isinstance(child, ast.AnnAssign):
            children = [child.value] if child.value is not None else []
        elif isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            children = child.body
        elif isinstance(child, ast.Call) and _called(child) in _SKIPPED_CALLS:
            continue
        elif isinstance(child, ast.Subscript):
            children = [child.value]  # indices are shapes, not formulas
            if isinstance(child, ast.expr):
                yield child
            for grandchild in children:
                yield from _with_self(grandchild)
            continue
        else:
            children = None
        if isinstance(child, ast.expr):
            yield child
        if children is None:
            yield from _expressions(child)
        else:
            for grandchild in children:
                yield from _with_self(grandchild)


def _with_self(node: ast.AST) -> Iterator[ast.expr]:
    yield from _expressions(ast.Expression(body=node) if isinstance(node, ast.expr) else ast.Module(body=[node], type_ignores=[]))


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(part, (ast.JoinedStr, ast.Tuple, ast.List)) or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in (node.left, node.right)
    )


def _apply(node: ast.expr, change: str) -> None:
    if change == "operator":
        assert isinstance(node, ast.BinOp)
        node.op = _BINARY[type(node.op)]()
    elif change == "sign":
        assert isinstance(node, ast.UnaryOp)
        node.op = ast.UAdd()
    elif change == "constant":
        assert isinstance(node, ast.Constant)
        node.value = {0.0: 1.0, 0.5: 1.0, 1.0: 2.0}[node.value]
    elif change == "attribute":
        assert isinstance(node, ast.Attribute)
        node.attr = _CONFUSED[node.attr]
    else:
        assert isinstance(node, ast.Name)
        node.id = _CONFUSED[node.id]
