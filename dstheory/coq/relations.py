"""Inequalities: each as the sign of the factors that are not known, and why what is claimed follows from what is assumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.logic.boolalg import And, Equivalent, Implies, Not, Or

from dstheory.coq.handelman import Atom, Combination, combination
from dstheory.coq.signs import Product, Signs, positive
from dstheory.coq.terms import NotExportedError, asserted, number

_LEMMA = {">": "gt_iff", "<": "lt_iff", ">=": "ge_iff", "<=": "le_iff", "==": "eq_iff", "!=": "ne_iff"}
_SHOWN = {">": "0 < {}", "<": "{} < 0", ">=": "0 <= {}", "<=": "{} <= 0", "==": "{} = 0", "!=": "{} <> 0"}
_NEGATED = {">": "<=", "<": ">=", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}
_MOST_CASES = 40


@dataclass(frozen=True)
class Sign:
    """That a polynomial is positive, negative, zero or not."""

    operator: str
    text: str
    value: Any

    @property
    def statement(self) -> str:
        """It as a proposition."""
        return _SHOWN[self.operator].format(self.text)

    def negated(self) -> Sign:
        """Its opposite."""
        return Sign(_NEGATED[self.operator], self.text, self.value)

    def atoms(self) -> list[Atom]:
        """What is positive, or nonnegative, just where it holds: both of a value that is zero."""
        if self.operator == "!=":
            return [Atom(f"{self.text} ^ 2", self.value**2, strict=True)]
        both = Atom(self.text, self.value, self.operator == ">"), Atom(f"(- {self.text})", -self.value, self.operator == "<")
        return [atom for sign, atom in zip("><", both, strict=True) if self.operator[0] in (sign, "=")]


def relations(formula: Any) -> Iterator[Any]:
    """The equations and inequalities of a formula."""
    if getattr(formula, "is_Relational", False):
        yield formula
    else:
        for arg in formula.args:
            yield from relations(arg)


class Relations:
    """The script for one formula with assumptions.

    Args:
        signs: What is known to be positive.
        defined: Whether there are definitions to put in.
    """

    def __init__(self, signs: Signs, *, defined: bool) -> None:
        self.signs = signs
        self._equal = "subst; equal" if defined else "equal"  # an assumption that is used up in a lemma cannot be rewritten by it
        self._signed: dict[Any, Sign] = {}

    def rewriting(self, relation: Any) -> str:
        """Return the tactic that writes a relation as the sign of what is not known of its difference."""
        here, unknowns = self.signs.here, self.signs.unknowns
        self.signs.denominators(relation.lhs)
        self.signs.denominators(relation.rhs)
        plain = here.formula(relation)
        split = self.signs.split(unknowns.rational(plain.lhs) - unknowns.rational(plain.rhs))
        parts, value = [], sympy.Integer(1)
        for factor, power in split.unknown:
            if power < 0:
                raise NotExportedError("a denominator of unknown sign")
            text = f"({unknowns.term(factor)})"
            parts.append(text if power == 1 else f"{text} ^ {power}")
            value *= factor**power
        rest, known = " * ".join(parts) or "1", split.known(number(abs(split.total)))
        if split.total == 0:
            rest, value, known = "0", sympy.Integer(0), Product("1", "")
        elif split.total < 0:
            rest, value = f"- ({rest})", -value
        self._signed[relation] = Sign(relation.rel_op, f"({rest})", value)
        sides = [f"({unknowns.term(side)})" for side in (relation.lhs, relation.rhs)]
        lemma = " ".join([_LEMMA[relation.rel_op], *sides, f"({known.text})", f"({rest})"])
        return f"try rewrite ({lemma} ltac:({self._equal}) ltac:(positive)) in *."

    def reasons(self, formula: Any) -> list[str]:
        """Return tactics that show cases of a formula, where a combination of what is assumed in a case shows it."""
        cases = list(_cases([], self._tree(formula)))
        if len(cases) > _MOST_CASES:
            return []
        given = [self._signed[item] for item in self.signs.here.assumptions if item in self._signed]
        return list(dict.fromkeys(text for known, goal in cases if (text := self._reason([*given, *known], goal))))

    def _tree(self, formula: Any) -> Any:
        """The formula with signs in place of relations."""
        return self._signed.get(formula) or (formula.func, [self._tree(arg) for arg in formula.args])

    def _reason(self, known: Sequence[Sign], goal: Sign | None) -> str | None:
        if goal is not None and (goal in known or not goal.value.free_symbols):
            return None
        made = []
        # Without a goal zero is to be positive, a contradiction.
        for wanted in [Atom("0", sympy.Integer(0), strict=True)] if goal is None else goal.atoms():
            found = self._combination(wanted, known)
            if found is None:
                return None
            made.append((wanted, found))
        used = " ".join(part for _, found in made for part in (found.over, found.positive, found.zero))
        needed = [item for item in known if item.text in used]
        steps = [f"assert (K{place} : {item.statement}) by known" for place, item in enumerate(needed)]
        for place, item in enumerate(needed):
            if item.operator == "!=":
                steps.append(f"pose proof (square_positive _ K{place})")
            elif item.operator[0] == "<":
                steps.append(asserted(positive(f"(- {item.text})", strict=item.operator == "<"), "lra")[:-1])
        equations = [f"?K{place}" for place, item in enumerate(needed) if item.operator == "=="]
        for wanted, found in made:
            lemma = "above_zero" if wanted.strict else "not_below_zero"
            zero = f"rewrite {', '.join(equations)}; ring" if equations else "reflexivity"
            shown = f"apply ({lemma} {wanted.text} ({found.over}) ({found.positive}) ({found.zero}))"
            sums = "sum_positive | sum_positive" if wanted.strict else "sum_positive | nonnegative"
            steps.append(asserted(positive(wanted.text, strict=wanted.strict), f"{shown}; [ field | {sums} | {zero} ]")[:-1])
        return "; ".join([*steps, "lra"])

    def _combination(self, wanted: Atom, known: Sequence[Sign]) -> Combination | None:
        zeros = [(item.text, item.value) for item in known if item.operator == "=="]
        atoms = self.signs.atoms() + [atom for item in known if item.operator != "==" for atom in item.atoms()]
        tried = (
            combination(wanted.value, atoms, zeros, strict=wanted.strict, multiplied=more, known=self.signs.unknowns.known)
            for more in (False, True)
        )
        return next((found for found in tried if found is not None), None)


def _cases(known: list[Sign], goal: Any) -> Iterator[tuple[list[Sign], Sign | None]]:
    """What is to be shown, and from what; a goal that excludes something is a contradiction that follows from it."""
    if isinstance(goal, Sign):
        yield ([*known, goal.negated()], None) if goal.operator == "!=" else (known, goal)
        return
    connective, args = goal
    if connective is And:
        for arg in args:
            yield from _cases(known, arg)
    elif connective is Or:
        for place, arg in enumerate(args):
            others = [other.negated() for other in args[:place] + args[place + 1 :] if isinstance(other, Sign)]
            yield from _cases([*known, *others], arg)
    elif connective is Implies:
        for more in _branches(args[0]):
            yield from _cases([*known, *more], args[1])
    elif connective is Equivalent and len(args) == 2:
        for left, right in (args, args[::-1]):
            for more in _branches(left):
                yield from _cases([*known, *more], right)
    elif connective is Not:
        for more in _branches(args[0]):
            yield [*known, *more], None


def _branches(formula: Any) -> list[list[Sign]]:
    """The alternatives in which a formula holds, each with what is then known."""
    if isinstance(formula, Sign):
        return [[formula]]
    connective, args = formula
    if connective is Or:
        return [branch for arg in args for branch in _branches(arg)]
    if connective is And:
        found: list[list[Sign]] = [[]]
        for arg in args:
            found = [[*one, *other] for one in found for other in _branches(arg)]
        return found
    return [[]]
