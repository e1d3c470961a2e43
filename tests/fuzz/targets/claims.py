"""Files of claims: text that is no Python, and Python of a harmless kind that states other claims than it meant to.

A claim file is Python, and what it does is its author's affair. So only texts are loaded that cannot do anything: those that do
not parse, and those made of nothing but names and numbers, small powers,
    and calls of a few functions of SymPy and of this package.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Sequence
from pathlib import Path

from fuzz.engine import Input, Target, Wrong, check_message, outcome, plain, said
from fuzz.mutations import mutated

from dstheory.claims import check as check_claim
from dstheory.claims.sources import load_claims
from dstheory.claims.verdicts import Status
from dstheory.errors import DSTheoryError

CALLED = {"symbols", "Claim", "identity", "decide", "enclose", "search", "example", "counterexample", "log", "sqrt", "exp",
          "Rational", "at_least", "between"}  # fmt: skip
NAMES = CALLED | {"UNIT", "CLOSED_UNIT", "DISCOUNT", "POSITIVE", "NONNEGATIVE", "REAL", "COUNT", "True", "False", "None"}
WORDS = (*sorted(NAMES), "p", "a", "b", "n", "<", "<=", ">", "==", "+", "-", "*", "/", "**2", "**n", "0", "1", "2", "(", ")",
         "1/3", "[", "]", "{", "}", ",", "lemma=True", "given=[p > a]", "domain=", "assumptions=[p > 2]", '"fails"',
         '"holds under condition"', "1j", "None", "statement", "recorded", "witness={p: 1}", "where={b: UNIT}")  # fmt: skip
_ALLOWED = (ast.Module, ast.Assign, ast.Name, ast.Load, ast.Store, ast.Tuple, ast.List, ast.Dict, ast.Constant, ast.Call,
            ast.keyword, ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop, ast.ImportFrom,
            ast.alias)  # fmt: skip
_HARMLESS = re.compile(r"[A-Za-z0-9, .?+'-]{0,120}")


def harmless(tree: ast.Module) -> bool:
    """Return whether running a file can do nothing but make claims, and soon ends."""
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            return False
        if isinstance(node, ast.ImportFrom):
            if node.module not in ("sympy", "dstheory.claims") or node.level or any(one.name not in NAMES for one in node.names):
                return False
        elif isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.func.id not in CALLED:
                return False
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and not _HARMLESS.fullmatch(node.value):
                return False
            if isinstance(node.value, (int, float)) and not abs(node.value) < 1e6:
                return False
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.LShift, ast.MatMult)):
            if not (isinstance(node.right, ast.Constant) and isinstance(node.right.value, int) and node.right.value <= 4):
                return False
            if any(isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Pow) for inner in ast.walk(node.left)):
                return False
    return sum(1 for _ in ast.walk(tree)) < 400


def check(path: Path) -> str:
    data = path.read_bytes()
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is not None and not harmless(tree):
        return "not tried"
    source = path.with_name("claims.py")  # kept under another name, for pytest and ruff take what is called so for ours
    source.write_bytes(data)
    claims = outcome(lambda: load_claims(source))
    if isinstance(claims, DSTheoryError):
        return said(claims, source.name)
    words = []
    for claim in claims.values():
        verdict = check_claim(claim, time_limit=1.0, examples=5)
        again = check_claim(claim, time_limit=1.0, examples=5) if len(data) % 7 == 0 else verdict
        if Status.UNDECIDED not in (verdict.status, again.status) and verdict.status is not again.status:
            raise Wrong("one claim gets two verdicts", f"{verdict}\n{again}")
        if verdict.status is Status.ERROR and "crash" in {verdict.method, *(step.method for step in verdict.steps)}:
            raise Wrong("a check crashes: " + plain(verdict.message), verdict.message)
        if verdict.message:
            check_message(verdict.message, 5000)
        str(claim)
        words.append(f"{verdict.status.value} {plain(verdict.message)[:60]}")
    return " | ".join(words)


def mutate(rng: random.Random, one: Input, pool: Sequence[Input]) -> Input:
    """Replace, repeat or leave out words and lines; a byte now and then."""
    if rng.random() < 0.2:
        return Input(one.suffix, mutated(rng, one.data, [other.data for other in pool], WORDS))
    pieces = re.findall(r"\w+|\s+|\*\*|<=|>=|==|[^\w\s]", one.data.decode("utf-8", "replace"))
    for _ in range(rng.choice((1, 1, 2, 4))):
        i = rng.randrange(len(pieces) or 1)
        what = rng.randrange(4)
        if what == 0:
            pieces[i : i + 1] = []
        elif what == 1:
            pieces.insert(i, rng.choice(WORDS))
        else:
            pieces[i : i + 1] = [rng.choice(WORDS) if what == 2 or not pieces else rng.choice(pieces)]
    return Input(one.suffix, "".join(pieces).encode())


CLAIM = Target("claim", check, mutate, seconds=20.0)
