"""How a case is stated: a claim, the outcome that it must get, and words that the explanation must contain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Rational

from dstheory.claims import Claim, early

p, q, x, y, z, n, m, k, t = sp.symbols("p q x y z n m k t")
V, W, L = sp.symbols("V W L")
HALF = Rational(1, 2)
ERROR, UNDECIDED, FAILS = "error", "undecided", "fails"
HOLDS, PART, POINT, DEFINED = "holds", "holds under condition", "holds at an example", "true by definition"


@dataclass(frozen=True)
class Case:
    """A claim, what it must come to, and what must be said."""

    name: str
    outcome: str
    words: str
    build: Callable[[], Claim]


def case(
    name: str, outcome: str, words: str, domain: Any, *proof: Callable[[], Any], definitions: Any = None, assumptions: Any = ()
) -> Case:
    """A case whose domain and steps are built only when it is checked: a part that is refused where it is written counts too."""

    def build() -> Claim:
        given = assumptions() if callable(assumptions) else assumptions
        with early.watched(""):  # the steps are as they must be: what SymPy does with names is tested elsewhere
            return Claim(
                id="case",
                statement=name,
                domain=domain() if callable(domain) else domain,
                definitions=definitions or {},
                assumptions=given,
                proof=[step() for step in proof],
            )

    return Case(name, outcome, words, build)
