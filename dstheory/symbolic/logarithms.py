"""Writing sums of logarithms as one logarithm, for the formulas that a reader sees."""

from __future__ import annotations

import sympy as sp

__all__ = ["combine_logs"]


def combine_logs(expr: sp.Expr) -> sp.Expr:
    """Join c log x - c log y into c log(x/y), everywhere in an expression, for equal cofactors c.

    >>> p, r = sp.symbols("p r", positive=True)
    >>> combine_logs(2 * p * (sp.log(p) - sp.log(r)) + p)
    2*p*log(p/r) + p
    """
    if not expr.has(sp.log) or expr.is_Atom or isinstance(expr, sp.log):
        return expr
    expr = expr.func(*[combine_logs(arg) for arg in expr.args])
    if not expr.is_Add:
        return expr
    arguments: dict[sp.Expr, sp.Expr] = {}
    rest: list[sp.Expr] = []
    for term in expr.args:
        cofactor, log = _split(term)
        if log is None:
            rest.append(term)
            continue
        sign = -1 if cofactor.could_extract_minus_sign() else 1
        arguments[sign * cofactor] = arguments.get(sign * cofactor, sp.S.One) * log.args[0] ** sign
    return sp.Add(*rest, *[_one_log(cofactor, argument) for cofactor, argument in arguments.items()])


def _one_log(cofactor: sp.Expr, argument: sp.Expr) -> sp.Expr:
    """Write cofactor x log(argument), the argument turned so that the learner's symbol, the shorter name, stands on top."""
    top, bottom = sp.fraction(argument)
    if top == 1 or (bottom != 1 and _leading_name(bottom) < _leading_name(top)):
        return -cofactor * sp.log(bottom / top)
    return cofactor * sp.log(argument)


def _leading_name(expr: sp.Expr) -> tuple[int, str]:
    return min(((len(x.name), x.name) for x in expr.free_symbols), default=(0, ""))


def _split(term: sp.Expr) -> tuple[sp.Expr, sp.Expr | None]:
    """Split c log x into (c, log x); (term, None) if the term is not of that form."""
    if isinstance(term, sp.log):
        return sp.S.One, term
    if term.is_Mul:
        logs = [arg for arg in term.args if isinstance(arg, sp.log)]
        if len(logs) == 1:
            return term / logs[0], logs[0]
    return term, None
