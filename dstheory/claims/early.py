"""What SymPy does with a defined name before the name's expression stands in its place.

In a claim with ``definitions={V: p**2}`` the name ``V`` is a symbol until a step is checked. While the file runs, SymPy takes it
for one that depends on nothing: ``V.diff(p)`` is 0, ``V.subs(p, 1)`` is V, and limits, integrals, solutions and coefficients in
p are those of another expression. What reaches the engine shows no trace of it.

So a file of claims is watched while it runs. Each call of SymPy or of this package, by the file or by what it imports, is noted
with the symbols in its arguments, unless its result with an expression in a symbol's place is always that of the expression
itself. Those calls are listed here; what nobody thought of is noted. A claim that defines a symbol of a note is not well posed,
unless the call is known to be about other symbols, none of which the definition contains. Where a file goes on in a process or
a thread of which nothing is heard, or ends the watch, that is noted as what may be about any symbol; so is an object of a class
that is neither Python's, SymPy's nor this package's, since looking at it may run the user's code. NumPy's numbers hold no symbol.

SymPy also simplifies by what it was told of a symbol, and leaves no trace of the symbol: ``sin(pi*n)`` is 0 for an integer n. A
symbol that the file makes with the name of a variable may be told no more than the variable's domain promises. Nor may SymPy be
told more in a call: by ``refine``, ``assuming``, ``posify``, ``polarify``, or by ``force=True`` and ``polar=True``, which take
what is under roots and logarithms for positive. Integrals and transforms without their conditions (``conds="none"``), and inverse
functions without theirs (``inverse=True``), are refused.

What ran before a claim was made in a script or notebook nobody has seen, so that a claim there defines no names: an expression
with a name in Python says the same.
"""

from __future__ import annotations

import _thread
import dis
import inspect
import numbers
import os
import re
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

import sympy
from sympy.assumptions import AppliedPredicate
from sympy.core.function import UndefinedFunction
from sympy.core.relational import Relational

from dstheory.claims.domains import Domain, check_assumptions, excess_assumptions, name_of
from dstheory.claims.formulas import conjuncts, derivative
from dstheory.claims.intact import is_python_s
from dstheory.errors import ClaimError, DomainError

_CLASSES = {
    *(sympy.Symbol, sympy.Add, sympy.Mul, sympy.Pow, sympy.exp, sympy.log, sympy.asin, sympy.Abs, sympy.Max, sympy.Min),
    derivative,
    *(sympy.Eq, sympy.Ne, sympy.Lt, sympy.Le, sympy.Gt, sympy.Ge),
    *(sympy.And, sympy.Or, sympy.Not, sympy.Implies, sympy.Equivalent, sympy.Xor),
    *(sympy.Sum, sympy.Product, sympy.Tuple, sympy.Matrix, sympy.ImmutableMatrix),
}
_ARITHMETIC = ("add", "sub", "mul", "matmul", "truediv", "pow", "and", "or", "xor", "lshift", "rshift")
_OPERATORS = (
    *("neg", "pos", "abs", "invert", "lt", "le", "gt", "ge", "eq", "ne"),
    *("hash", "bool", "getitem", "iter", "len", "str", "repr", "format"),
)
_FUNCTIONS = {
    *("symbols", "sympify", "sqrt", "cbrt", "root", "prod", "expand", "factor", "together", "simplify", "latex", "T"),
    *(f"__{side}{name}__" for side in ("", "r") for name in _ARITHMETIC),
    *(f"__{name}__" for name in _OPERATORS),
}
"""Classes, functions, methods and properties of SymPy that are harmless; so is all of ``dstheory.claims``."""

_DEFAULTS = {"count_ops", "_iszero"}
"""Functions that SymPy hands to itself, to measure an expression and to test a pivot: they hold no symbols."""


def _there(module: ModuleType, *names: str) -> dict[Any, str]:
    """Those functions of a module that this system and this Python have, and how they are called."""
    return {getattr(module, name): f"{module.__name__}.{name}" for name in names if hasattr(module, name)}


_WATCHED = _there(sys, "setprofile") | _there(_thread, "start_new_thread", "start_joinable_thread")
_UNSEEN = _WATCHED | _there(sys, "_setprofileallthreads") | _there(os, "fork", "forkpty")
"""What begins something of which nothing is heard, unless `watched` or Python's ``threading`` calls one of `_WATCHED`."""

_LIFTS = ("posify", "polarify")
"""Put symbols that SymPy was told more about in the place of all symbols of an expression."""

_DRAWING = "dstheory.claims.claim"
"""Takes the steps from a proof, which may be lazy: what ``map(V.diff, [p])`` calls then, with no code between, is the user's."""

_PACKAGES = ("sympy", "mpmath", "dstheory")
_OF_A_FUNCTION = vars(sympy.Function("f")).keys()
_MAKES_SYMBOLS = sympy.Symbol.__new__.__code__
_MADE_FOR_CALLERS = ("sympy.core.symbol", "sympy.utilities.iterables", "dstheory.rational.symbols")
"""Modules whose functions make symbols for those who call them."""

_RESUME = dis.opmap["RESUME"]
"""The instruction at which a function or a generator begins (0 in the last two bits of what follows), or goes on."""
_ANY = "*"
"""Stands for the symbols of what does not say which it has."""


class Note(NamedTuple):
    """A call that takes symbols for what they are: with which names, which of them it is about, and where it stands."""

    operation: str
    names: frozenset[str]
    about: frozenset[str]
    file: str
    line: int


_notes: dict[str, dict[Note, None]] = {}
"""By the module of the file of claims that ran."""
_told: dict[str, dict[sympy.Symbol, tuple[str, str, int]]] = {}
"""By the module: the symbols with assumptions that it made, or let SymPy assume, and how and where it first did."""
_running: list[str | None] = [None]
_inside: dict[int, tuple[CodeType, bool | None]] = {}
"""By where code lies, which is held so that it stays there: Python forms the hash of code anew each time."""


def watched_file() -> str | None:
    """The module of the file of claims that runs now: empty if it is trusted, None if there is none."""
    return _running[-1]


@contextmanager
def watched(module: str) -> Iterator[None]:
    """Watch what SymPy does with defined names while a file of claims runs.

    Args:
        module: That of the file, for which the notes are kept. Empty for claims that are trusted: nothing is watched.

    Raises:
        ClaimError: The file has put a profiler of its own in the place of what watches it.
    """
    before: Any = sys.getprofile()  # Python's own is no function
    in_threads = threading.getprofile()
    _running.append(module)
    if module:
        _notes.setdefault(module, {})
        _told.setdefault(module, {})
        sys.setprofile(_called)
        threading.setprofile(_called)  # in threads that begin now
    try:
        yield
        if module and sys.getprofile() is not _called:
            raise ClaimError("a profiler was set while the claims were made, and what SymPy did was not seen; leave it out")
    finally:
        _running.pop()
        if module:
            if before is None or callable(before):
                sys.setprofile(before)
            else:
                before.enable()
            threading.setprofile(in_threads)


def refuse(
    claim: str,
    module: str | None,
    meanings: Mapping[str, Collection[str]],
    domains: Sequence[Mapping[str, Domain]] = (),
    defined: Sequence[Any] = (),
) -> None:
    """Refuse a claim that defines a symbol if its file was noted to do something with it, or if it is in no file.

    Also one with a variable whose name the file gave to a symbol that SymPy was told more about than its domain promises, and one
    that defines a name by one symbol, if the file told SymPy something about another symbol of this name.

    Args:
        claim: Its id.
        module: That of its file; None if there is none.
        meanings: The names that it defines -> the names in their expressions, those behind other definitions included.
        domains: Those of the claim and of its steps.
        defined: The symbols, or names, that it and its steps define: what SymPy was told about these is checked elsewhere.

    Raises:
        ClaimError: With file and line, what is done with which symbol, and what to write.
    """
    for symbol, (how, file, line) in _told.get(module or "", {}).items():
        for domain in [domain[symbol.name] for domain in domains if symbol.name in domain]:
            try:
                check_assumptions(symbol, domain)
            except DomainError as error:
                raise ClaimError(
                    f"claim {claim}: {file}, line {line}, {how} {symbol.name}, and {error}, or another name where it is "
                    "another claim's"
                ) from error
        others = [key for key in defined if name_of(key) == symbol.name and key != symbol]
        if others and (words := excess_assumptions(symbol, {})):
            raise ClaimError(
                f"claim {claim}: {file}, line {line}, {how} {symbol.name}, and SymPy was told that it is {words[0]}, but the "
                f"claim defines another symbol {symbol.name}; use one symbol, or another name where it is another claim's"
            )
    if module is None and meanings:
        name = min(meanings)
        raise ClaimError(
            f"claim {claim} defines {name}, which only a file of claims may do. To SymPy {name} depends on nothing, so that "
            f"{name}.diff(x) is 0, and only while a file runs is each use of {name} watched. Write {name} = ... in Python in "
            'place of the definition, or check the file: dstheory verify FILE, in Python verify("FILE")'
        )
    for note in _notes.get(module or "", ()):
        for name in sorted(meanings):
            if note.operation in _UNSEEN.values():
                raise ClaimError(
                    f"claim {claim} defines {name}, but {note.file}, line {note.line}, calls {note.operation}, and what SymPy "
                    f"does with {name} from there on is not seen; leave the call out, or write {name} = ... in Python in place "
                    "of the definition"
                )
            if name in note.about or (note.names & {name, _ANY} and note.about & {*meanings[name], _ANY}):
                if name not in note.names | note.about:
                    raise ClaimError(
                        f"claim {claim} defines {name}, but {note.file}, line {note.line}, applies {note.operation} to what may "
                        f"hold it and is not looked into: a function, what yields its items once (write a list), or an object "
                        "of a class of your own or of another package (write an expression, or a number)"
                    )
                raise ClaimError(
                    f"claim {claim} defines {name}, but {note.file}, line {note.line}, applies {note.operation} to it, as if "
                    f"{name} depended on nothing; write derivative({name}, x) for a derivative, and otherwise apply "
                    f"{note.operation} to the expression before it gets the name {name}"
                )


def _called(frame: FrameType, event: str, function: Any) -> None:
    """Hear of every call, and note those by code of the user into SymPy or this package that are not harmless."""
    module = _running[-1]
    if event == "return" and module and frame.f_code is _MAKES_SYMBOLS and frame.f_locals["assumptions"] and function is not None:
        _note_symbol(module, function, frame)
    if event == "c_call" and module and function in _UNSEEN:
        own = frame.f_globals.get("__name__") in (__name__, "threading") and threading.getprofile() is _called
        if not own or function not in _WATCHED:
            _note(module, _UNSEEN[function], frozenset({_ANY}), frozenset({_ANY}), frame)
    if event != "call" or not module or not _is_inside(frame):
        return
    caller = frame.f_back
    while caller is not None and _is_inside(caller) is None:
        caller = caller.f_back
    if caller is None:
        caller = frame.f_back or frame  # in a thread
    elif _is_inside(caller):
        return
    if not _begins(frame):
        return
    operation, harmless = _operation(frame)
    if operation in ("Sum", "Product", "summation"):
        _require_two_ends(operation, frame.f_locals.get("symbols", ()))
    if operation == "Equivalent":
        _require_unlike(frame.f_locals.get("args", ()))
    _require_conditions(operation, frame.f_locals)
    for symbol in _assumed(operation, frame.f_locals):
        _told[module].setdefault(symbol, (f"applies {operation} with an assumption on", *_place(caller)))
    if harmless:
        return
    names, about = _arguments(frame, operation)
    if names | about:
        _note(module, operation, names, about, caller)


def _begins(frame: FrameType) -> bool:
    """Whether a call begins here; a generator that goes on was heard when it began, with all that it was given.

    To Python a generator is also called, by whatever code then runs, where it is only closed since nobody needs it any more. In
    3.13 that cannot be told from its going on.
    """
    code, at = frame.f_code, frame.f_lasti
    return not code.co_flags & inspect.CO_GENERATOR or (code.co_code[at] == _RESUME and code.co_code[at + 1] & 3 == 0)


def _note(module: str, operation: str, names: frozenset[str], about: frozenset[str], caller: FrameType) -> None:
    _notes[module][Note(operation, names, about, *_place(caller))] = None


def _note_symbol(module: str, symbol: sympy.Symbol, frame: FrameType) -> None:
    """Note a symbol that the user's code makes, itself or by ``symbols`` and the like; not one that SymPy makes for itself."""
    caller = frame.f_back
    while caller is not None and (_is_inside(caller) is None or caller.f_globals.get("__name__") in _MADE_FOR_CALLERS):
        caller = caller.f_back
    if caller is not None and not _is_inside(caller):
        _told[module].setdefault(symbol, ("makes a symbol", *_place(caller)))


def _assumed(operation: str, values: Mapping[str, Any]) -> set[sympy.Symbol]:
    """The symbols of which a call of SymPy's takes something for true, as symbols that are told so."""
    if operation in ("refine", "assuming"):
        given = values.get("assumptions", values.get("assumption", True))
        facts = [part for item in (given if isinstance(given, tuple) else [given]) for part in conjuncts(item)]
        return {_fact(operation, fact) for fact in facts if fact not in (True, sympy.true)}
    if operation not in _LIFTS and not any(item.get(word) is True for item in _options(values) for word in ("force", "polar")):
        return set()
    given = [*values.values(), *values.get("args", ())]
    about = [value for value in given if isinstance(value, sympy.Basic)]
    under = about if operation in _LIFTS else [part for value in about for part in _roots_and_logarithms(value)]
    return {sympy.Symbol(symbol.name, positive=True) for part in under for symbol in part.free_symbols}


def _options(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a call is given by name."""
    return [values, *(value for name in ("hints", "kwargs") if isinstance(value := values.get(name), dict))]


def _require_conditions(operation: str, values: Mapping[str, Any]) -> None:
    """Refuse an integral, a transform or an inverse that comes without the conditions under which it is what SymPy says."""
    given = {name: value for item in _options(values) for name, value in item.items() if name in ("conds", "noconds")}
    transforms = operation.endswith("_transform") and "hints" in values and given.get("noconds") is not False
    if transforms or given.get("noconds") is True or ("conds" in given and str(given["conds"]) == "none"):
        how = "noconds=False" if transforms or "noconds" in given else 'the usual conds="piecewise"'
        raise ClaimError(
            f"{operation} leaves out under which conditions its result holds, which no domain need promise; call it with {how}, "
            'and tell SymPy what the domains promise: Symbol("p", positive=True)'
        )
    if operation == "inversecombine" or (operation == "simplify" and any(item.get("inverse") for item in _options(values))):
        raise ClaimError(f"{operation} takes asin(sin(x)) for x here, which no domain promises; leave out inverse=True")


def _roots_and_logarithms(expression: sympy.Basic) -> Iterator[sympy.Basic]:
    """What an expression has the roots, powers that are not whole, and logarithms of."""
    for node in expression.atoms(sympy.Pow, sympy.log):
        if isinstance(node, sympy.log) or not node.exp.is_Integer:
            yield node.args[0]


def _fact(operation: str, fact: Any) -> sympy.Symbol:
    """A fact such as ``Q.positive(x)`` as a symbol that is told so; others say what no domain promises."""
    if not isinstance(fact, AppliedPredicate) or not isinstance(fact.arguments[0], sympy.Symbol):
        raise ClaimError(f"{operation} by {fact!s} assumes what no domain promises; leave it out, or write the result")
    return sympy.Symbol(fact.arguments[0].name, **{str(fact.function.name): True})


def _place(caller: FrameType) -> tuple[str, int]:
    while caller.f_back is not None and (caller.f_code.co_filename.startswith("<") or _is_inside(caller) is not False):
        caller = caller.f_back  # it is a text that SymPy reads for the user
    return caller.f_code.co_filename.replace("\\", "/").rsplit("/", 1)[-1], caller.f_lineno


def _arguments(frame: FrameType, operation: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the symbols in what a call is given, and of those that it is about: any, but for calls that say it."""
    code, values, texts = frame.f_code, frame.f_locals, _top(frame) == "sympy"
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)  # *args, **kwargs
    given = [values.get(name) for name in code.co_varnames[:count]]
    names, about = _names(given, texts=texts), frozenset[str]()
    if texts and operation == "diff" == code.co_name:
        names, about = _names(given[0], texts=texts), _names(given[1:], texts=texts)
    elif texts and operation == "subs" == code.co_name:
        old, new = given[1:3]
        several = dict(old if isinstance(old, Mapping | list | tuple) else [(old, new)])
        if all(isinstance(item, sympy.Symbol) for item in several):
            about = frozenset(item.name for item in several)
            names = _names(given[0] if len(several) == 1 else given, texts=texts)  # the next may act on what one has put there
    return names, about or frozenset({_ANY})


def _require_two_ends(operation: str, limits: Any) -> None:
    """Refuse a sum that SymPy takes for another: over (k, [1, 2, 5]) that of the values at 5, for k from 1 to 2."""
    for limit in limits:
        if not isinstance(limit, tuple | sympy.Tuple) or len(limit) != 3:
            raise ClaimError(f"{operation} over {limit!s} is another one to SymPy; write (index, first, last)")


def _require_unlike(parts: Sequence[Any]) -> None:
    """Refuse an equivalence that SymPy takes for another: of x > y, y < x and a third formula it keeps the third alone."""
    relations = {part for part in parts if isinstance(part, Relational)}
    if len(parts) > 2 and len({part.canonical for part in relations}) < len(relations):
        said = ", ".join(map(str, parts))
        raise ClaimError(f"Equivalent({said}) is another formula to SymPy, as two of its parts are alike; leave one out")


def _top(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_inside(frame: FrameType) -> bool | None:
    """Whether code is SymPy's or this package's; None for that of Python's library, which acts for whoever calls it."""
    known = _inside.get(id(frame.f_code))
    if known is None:
        top = _top(frame)
        if top in _PACKAGES:
            inside: bool | None = frame.f_globals["__name__"] != _DRAWING
        else:
            inside = None if is_python_s(top, frame.f_globals.get("__file__")) else False
        known = _inside[id(frame.f_code)] = frame.f_code, inside
    return known[1]


def _operation(frame: FrameType) -> tuple[str, bool]:
    """The name of what is called, and whether it is harmless."""
    code, values = frame.f_code, frame.f_locals
    # A decorated function is known by what its wrapper holds; one that asks for an assumption by the assumption.
    held = [values[name] for name in code.co_freevars if name in values]
    function = next((value for value in held if callable(value) and not isinstance(value, type)), None)
    name = str(getattr(function, "__name__", code.co_name))
    if name == "__new__":
        made = values[code.co_varnames[0]]
        made = made[0] if isinstance(made, tuple) else made
        return made.__name__, made in _CLASSES and not any(map(_is_function, values.get("args", ())))
    if name == "getit":
        return f"is_{held[0]}", False
    module = str(frame.f_globals["__name__"])
    return name, module.startswith("dstheory.claims") or (module.startswith("sympy.") and name in _FUNCTIONS)


def _names(value: Any, *, texts: bool) -> frozenset[str]:
    """The names of the symbols in an argument, and `_ANY` if it does not say."""
    kind = type(value)
    if kind.__module__ == "numpy" and isinstance(value, numbers.Number):
        return frozenset()
    if any(map(_is_own, kind.__mro__)):
        return frozenset({_ANY})
    if isinstance(value, sympy.Basic | sympy.MatrixBase):
        return frozenset(symbol.name for symbol in value.atoms(sympy.Symbol))
    if isinstance(value, str):
        return frozenset(re.findall(r"\w+", value)) if texts else frozenset()
    if _is_function(value):
        return frozenset({_ANY})
    if isinstance(value, Iterator):  # looking would use it up
        return frozenset({_ANY})
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, Iterable) and not isinstance(value, type | range | bytes):
        return frozenset(name for item in value for name in _names(item, texts=texts))
    if hasattr(value, "free_symbols") and not isinstance(value, type):
        return frozenset(symbol.name for symbol in value.free_symbols)
    return frozenset()


def _is_own(kind: type) -> bool:
    """Whether a class is neither Python's nor SymPy's nor this package's; SymPy makes one for ``Function("f")``."""
    if type(kind) is UndefinedFunction:
        return not all(name in _OF_A_FUNCTION or name.startswith("is_") for name in vars(kind))
    module = str(kind.__module__)
    return module.partition(".")[0] not in _PACKAGES and not is_python_s(
        module, getattr(sys.modules.get(module), "__file__", None)
    )


def _is_function(value: Any) -> bool:
    """Whether it is called unseen with what it holds, as f in ``Matrix(2, 2, f)``; what the user's own does is heard."""
    if isinstance(value, FunctionType):
        top = str(value.__globals__.get("__name__")).partition(".")[0]
        return top == "sympy" and value.__name__ not in {*_FUNCTIONS, *_DEFAULTS}
    return callable(value) and not isinstance(value, type | sympy.Basic)
