"""The words around the formulas of a derivation: its steps, its verdict, its assumptions, its setting."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from dstheory.rational import combine_logs
from dstheory.rational.symbols import latex_name, symbol
from dstheory.symbolic.attribution import BALANCED, NO_DECISION, UNBALANCED, UP_TO_DISCOUNT, CoefficientVerdict, Imbalance
from dstheory.symbolic.chain import Payoffs
from dstheory.symbolic.compact import CompactGradient
from dstheory.symbolic.derivation import C_D, C_S, DerivationStep, Display, FormulaTable, Item, Words, listed, words
from dstheory.symbolic.policy import SymbolicPolicy
from dstheory.symbolic.render.printers import formula_latex, formula_text
from dstheory.symbolic.rule import VISITED_STATES, Inline, Rule, Verbatim, rule_discount
from dstheory.symbolic.setting import SymbolicSetting
from dstheory.symbolic.updates import FUTURE, PAST, SCALE, generic_coefficients, generic_turns
from dstheory.texts import counted
from dstheory.typeset import unmarked

UPDATE = Verbatim(
    "E_mu[ sum_k c_s(k) grad log pi_s(y_k) + c_d(k) grad log pi_d(d_k | y_k) ]",
    r"\mathrm{E}_{\mu}\Bigl[\,\sum_k c_s(k)\,\nabla\log\pi_s(y_k) + c_d(k)\,\nabla\log\pi_d(d_k\mid y_k)\Bigr]",
)
K = sp.Symbol("k")

MAX_STATISTIC = 60
"""A number of the batch whose formula has more operations than this is described and not written out."""


def subtitle_of(s: SymbolicSetting) -> str:
    """Return the setting in words.

    >>> from dstheory.symbolic.setting import setting
    >>> subtitle_of(setting(turns=3, discount_per="stage"))
    'minimal chain, capped at 3 turns, stationary policy, discount per stage, reduction sum'
    """
    n = len(s.chain.answers)
    chain = "minimal chain" if n == 2 else f"chain of {n} answers"
    horizon = "no cap on turns" if s.chain.turns is None else f"capped at {counted(s.chain.turns, 'turn')}"
    policy = "stationary policy" if s.policy.stationary else "turn-indexed policy"
    per = "turn" if s.rate.within == 1 else "stage"
    return f"{chain}, {horizon}, {policy}, discount per {per}, reduction {s.weights.reduction}"


def steps_of(
    s: SymbolicSetting,
    rule: Rule,
    compact: CompactGradient,
    definitions: dict[sp.Symbol, sp.Expr],
    expanded: dict[sp.Symbol, sp.Expr | None],
    verdict: CoefficientVerdict,
    scalar: str,
    enumerated: str = "",
) -> tuple[DerivationStep, ...]:
    """Return the steps of the derivation; ``enumerated`` says where an update that the rule states was compared with it."""
    steps = {
        "The chain": _chain(s),
        "The objective": _objective(s, rule, scalar),
        "Coefficients": _coefficients(s, rule, compact),
        "Quantities": [*_given(s, rule, compact, definitions), *_quantities(s, rule, compact, definitions)],
        "The gradient": _gradient(compact, expanded, scalar, _held(rule, "held"), enumerated),
        "Attribution at the coefficient level": _verdict(s, verdict),
    }
    return tuple(DerivationStep(title, tuple(items)) for title, items in steps.items() if items)


def _chain(s: SymbolicSetting) -> list[Item]:
    if len(s.chain.answers) == 2:
        p, a, b = (s.policy.logits[i].rates[0][0] for i in range(3))
        first = words(
            "At turn {k} the answer is C (correct) with probability {p}, else W (wrong). The decision is to stop, with "
            "probability {a} after C and {kept} after W, or to resample and go to the next turn.",
            k=K, p=p, a=a, kept=1 - b,
        )  # fmt: skip
    else:
        first = words(
            "At turn {k} answer {i} is drawn with probability {pi}; answer 1 is correct. The decision is to stop, with "
            "probability {sigma}, or to resample and go to the next turn.",
            k=K, i=sp.Symbol("i"), pi=symbol("pi_i"), sigma=symbol("sigma_i"),
        )  # fmt: skip
    items: list[Item] = [first]
    if s.chain.turns is not None:
        most = f"There {'is' if s.chain.turns == 1 else 'are'} at most {counted(s.chain.turns, 'turn')}"
        items.append(words(f"{most}; the last draws no decision: its answer is submitted."))
    if not s.policy.stationary:
        items.append(words("Each turn has parameters of its own, marked by the turn; those of turn 0 are shown."))
    shown: dict[sp.Symbol, sp.Expr] = {}
    for x, value in (pair for logit in s.policy.logits if logit.turn in (None, 0) for pair in logit.value):
        shown.setdefault(x, value)
    return [*items, *(Display(x, (value,)) for x, value in shown.items())]


def _objective(s: SymbolicSetting, rule: Rule, scalar: str) -> list[Item]:
    carried = _carried(s, rule)
    cases = "".join(f"{case} " for case in _cases(rule))
    sources = dict.fromkeys(term.source for term in rule.parts if term.source)
    source = f"Source: {'; '.join(sources)}. " if sources else ""
    items: list[Item] = []
    if rule.terms:
        titles = [f"({number}) {term.title}" for number, term in enumerate(rule.terms, start=1)]
        items.append(Words((f"The objective is the sum of {'; '.join(titles)}.",)))
    items += [Words((f"Written for ascent. {cases}{source}The update is",)), Display(Verbatim("g", "g"), (UPDATE,))]
    for number, (acting, terms) in enumerate(rule.by_measure(s).items()):
        opening = "with " if number == 0 else "plus the same expectation with "
        items.append(Words((opening, symbol("mu"), ": ", *_whose(s, acting), "; the coefficients are not differentiated:")))
        items += _equations(s, terms)
    items += [Display(w, (meaning,)) for w, meaning in s.weights.meaning if w in carried]
    items.append(Words(_scalar_words(rule, scalar)))
    if scalar == "yes" and rule.scalar_formula is not None:
        items.append(Display(rule.scalar_formula[0], (rule.scalar_formula[1],)))
    claims = dict.fromkeys(name for term in rule.parts for name in term.claims)
    if claims:
        items.append(Words((f"Claims about it: {', '.join(claims)}.",), aside=True))
    return items


def _cases(rule: Rule) -> list[str]:
    """Return the special cases of an objective in which its terms are derived, as sentences."""
    return [f"Derived {case}." for case in dict.fromkeys(term.case for term in rule.parts) if case]


def _whose(s: SymbolicSetting, acting: SymbolicPolicy) -> list[Inline]:
    """Return whose trajectories they are, in words, with the policy's symbols."""
    if acting == s.policy:
        return ["the learner's own trajectories"]
    given = {x for e in (*acting.sample[0], *acting.stop[0]) for x in e.free_symbols}
    in_order = sorted(given, key=lambda x: (len(x.name), "pab".find(x.name[0]), x.name))
    kinds = {
        s.expert: "demonstrations that an expert chain generates, with ",
        s.reference: "trajectories of the reference policy, with ",
    }
    return [kinds.get(acting, "a given policy, with "), *listed(in_order)]


def _equations(s: SymbolicSetting, terms: list[Rule]) -> list[Item]:
    """Return c_s and c_d, those of several terms added where they are formulas, and what else they mention."""
    rows: dict[Inline, tuple[Inline, ...]] = {}
    shown = [term.shown(s) for term in terms]
    for name, column in zip(("c_s(k)", "c_d(k)"), zip(*shown, strict=True), strict=False):
        if all(isinstance(x, sp.Expr) for x in column):
            rows[name] = (sp.Add(*[_one_log(x) for x in column]),)
        else:
            texts = [x if isinstance(x, Verbatim) else Verbatim(formula_text(x), formula_latex(x)) for x in column]
            rows[name] = (Verbatim(" + ".join(x.text for x in texts), " + ".join(x.latex for x in texts)),)
    for left, right in (pair for term in terms for pair in term.where(s)):
        rows.setdefault(left, (_one_log(right),))
    return [Display(Verbatim(left, left) if isinstance(left, str) else left, right) for left, right in rows.items()]


def _carried(s: SymbolicSetting, rule: Rule) -> set[sp.Symbol]:
    """Return the symbols in a rule's coefficients."""
    return {x for row in generic_coefficients(s, rule) for c in row[2:] for x in c.free_symbols}


def _held(rule: Rule, verb: str) -> str:
    """Return what is held while the scalar is differentiated; in a sum with the numbers of the terms in which it is."""
    if not rule.terms:
        return f"{rule.held} {verb}"
    within: dict[str, list[str]] = {}
    for number, term in enumerate(rule.terms, start=1):
        if term.frozen:
            within.setdefault(term.held, []).append(f"({number})")
    return ", and ".join(f"{held} {verb} in {' and '.join(numbers)}" for held, numbers in within.items())


def _one_log(right: Inline) -> Inline:
    """Write log x - log y as log(x/y) in a rule's equation."""
    return combine_logs(right) if isinstance(right, sp.Expr) else right


def _scalar_words(rule: Rule, scalar: str) -> tuple[Inline, ...]:
    found: list[Inline] = []
    for term in rule.parts:
        factor = term.name.rpartition("*")[0]
        first, *rest = term.scalar_words or ("",)
        minus = isinstance(first, str) and first.startswith("minus ")
        sign = (", minus " if minus else ", plus ") if found else "minus " if minus else ""
        first = first.removeprefix("minus ") if isinstance(first, str) else first
        found += [sign, f"{factor} times " if factor and term.scalar_words else "", first, *rest]
    if scalar == "no" and (rule.terms or not rule.scalar_words):
        return ("It is given by its coefficients and not as the gradient of a scalar.",)
    opening = {
        "no": "It is the gradient of no scalar in this setting. Elsewhere it is that of ",
        "frozen": "It is the gradient of no scalar of the policy alone; "
        f"with {_held(rule, 'held fixed')}{',' if rule.terms else ''} it is that of ",
        "yes": "It is the gradient of ",
    }[scalar]
    return (opening, *found, ":" if scalar == "yes" and rule.scalar_formula else ".")


def _coefficients(s: SymbolicSetting, rule: Rule, compact: CompactGradient) -> list[Item]:
    rows: dict[tuple[str, str], list[tuple[sp.Expr, sp.Expr]]] = {}
    said: dict[sp.Symbol, tuple[Inline, ...]] = {}
    letters: dict[str, Payoffs] = {}
    for number, (term, part) in enumerate(zip(rule.parts, compact.parts, strict=True)):
        named = replace(s, named=part.named)
        letter, kind = _payoff_of(s, term)
        if letters.setdefault(letter, term.payoff(s)) != term.payoff(s):
            letter = f"{letter}_{number + 1}"
        scale = rule_discount(s) if term.rate(s).per_turn != 1 else sp.S.One
        past, future = symbol(f"{letter}_past"), symbol(f"{letter}_next")
        at = {SCALE: scale, PAST: past, FUTURE: future}
        for turn in generic_turns(named, term):
            both = [combine_logs(sp.powsimp(sp.sympify(c).xreplace(at))) for c in term.coefficients(named, turn)]
            rows.setdefault((s.chain.answers[turn.answer], turn.decision or "submit"), []).append((both[0], both[1]))
            mentioned = both[0].free_symbols | both[1].free_symbols
            meaning = {
                past: (f" is the {kind} collected before turn ", K),
                future: (f" is the {kind} from turn ", Verbatim("k + 1", "k + 1"), " on, in that turn's units"),
            }
            said |= {x: text for x, text in meaning.items() if x in mentioned}
    table = [
        (*where, sp.Add(*[c for c, _ in both]), sp.Add(*[c for _, c in both]) if where[1] != "submit" else "none")
        for where, both in rows.items()
    ]
    items: list[Item] = [
        words("On each answer and decision of turn {k}:", k=K),
        FormulaTable(("answer", "decision", C_S, C_D), tuple(table)),
    ]
    sentence: list[Inline] = []
    for x, text in said.items():
        sentence += ["; " if sentence else "", x, *text]
    return [*items, Words((*sentence, "."))] if sentence else items


def _payoff_of(s: SymbolicSetting, term: Rule) -> tuple[str, str]:
    """Return the letter of what a rule collects, and what that is."""
    if term.outcome:
        return "R", "reward of the outcome"
    return ("G", "return") if term.payoff(s) == s.reward else ("L", "weighted log-ratio")


_GIVEN = {
    "beta": "the strength of a KL term",
    "alpha": "the strength of its term",
    "gamma": "the discount",
    "kappa": "the price of a resample",
    "lambda": "the length weight",
    "G": "the number of responses in a group",
    "L_max": "the length that every response is divided by",
    "l_d": "the number of tokens of a decision",
}
"""What a symbol is that nothing in the derivation defines."""


def _given(s: SymbolicSetting, rule: Rule, compact: CompactGradient, definitions: dict[sp.Symbol, sp.Expr]) -> list[Item]:
    """Return a sentence on the symbols that are given and not computed: strengths, lengths, the reference's probabilities."""
    carried = _carried(s, rule)
    formulas = [*compact.gradient.values(), *definitions.values(), *(value for w, value in s.weights.meaning if w in carried)]
    used = carried.union(*(formula.free_symbols for formula in formulas)) - set(definitions)
    reference = [x for e in (*s.reference.sample[0], *s.reference.stop[0]) for x in sorted(e.free_symbols, key=str)]
    lengths = [x for length in s.lengths[0] for x in sp.sympify(length).free_symbols]
    baselines = {x.symbol: f"the {x.words}" for term in rule.parts for x in term.statistics(s) if x.neutral}
    said = {symbol(name): text for name, text in _GIVEN.items()} | baselines
    groups = [([x], f" is {text}") for x, text in said.items()]
    for several, text in ((lengths, "the number of tokens of an answer"), (reference, "the reference policy's probabilities")):
        of = [x for x in dict.fromkeys(several) if x in used]
        groups.append((of, f" {'is' if len(of) == 1 else 'are'} {text}"))
    sentence: list[Inline] = []
    for symbols, text in groups:
        if symbols and symbols[0] in used:
            sentence += ["; " if sentence else "", *listed(list(symbols)), text]
    return [Words((*sentence, "."))] if sentence else []


_NOTES = {
    "q": "chance that a turn is followed by another",
    "N": "expected number of turns, discounted",
    "n": "expected number of turns, undiscounted",
    "V": "value",
    "K": "expected weighted log-ratio",
    "Q": "expected return",
    "L": "expected weighted log-ratio",
    "X": "mean coefficient",
    "H": "`E[1/K]`, `K` the number of turns",
    "S": "`1/L` where the turn stops, summed over turns by their chance to be reached",
    "T": "`E[(K - 1)/L]/(q (1 - q))`, `K` the number of turns",
    "r": "resampled turns by their tokens",
    "f": "turns that stop by their tokens, times the credit",
    "m": "mean over the answers",
}
"""What a named quantity is, by the first part of its name."""


def _quantities(s: SymbolicSetting, rule: Rule, compact: CompactGradient, definitions: dict[sp.Symbol, sp.Expr]) -> list[Item]:
    statistics = {x.symbol: x for term in rule.parts for x in term.statistics(s)}
    defined = {name: term for term, part in zip(rule.parts, compact.parts, strict=True) for name in part.definitions}
    items: list[Item] = []
    for name, expr in definitions.items():
        if name in statistics:
            short = sp.count_ops(expr) < MAX_STATISTIC
            said = statistics[name].words
            items.append(Display(name, (expr,), said) if short else Words((name, f": {unmarked(said)}.")))
            continue
        term = defined[name]
        chain, rate, payoff = s.following(term.measure(s)), term.rate(s), term.payoff(s)
        base, *rest = name.name.split("_")
        note = _NOTES.get(base, "")
        right: tuple[sp.Expr, ...] = (expr,)
        if base == "T" and expr.has(sp.Integral):
            note = "`credit/L` where the turn is resampled, summed over turns by their chance to be reached"
        if base in ("N", "n"):
            q = next(x for x in expr.free_symbols if x.name.startswith("q"))
            ratio = -sp.diff(1 / expr, q)  # r of a count 1/(1 - r q)
            right = (1 + name * q * ratio, expr)
        elif base in ("V", "K") and chain.turns is None:
            note, right = f"{note}: Bellman equation and its solution", (combine_logs(chain.bellman(payoff, rate, name)), expr)
        elif base in ("V", "K"):
            note += ": backward recursion"
        elif base in ("Q", "L", "X"):
            note += f" from answer {rest[0]} on"
        items.append(Display(name, right, note))
    return items


def left_of(logit: sp.Symbol, scalar: str) -> Verbatim:
    """Return the left side of a gradient's equation: a derivative of J, or a component of g."""
    if scalar == "yes":
        return Verbatim(f"dJ/d{logit.name}", rf"\frac{{\partial J}}{{\partial {latex_name(logit.name)}}}")
    return Verbatim(f"g[{logit.name}]", f"g_{{{latex_name(logit.name)}}}")


def _gradient(
    compact: CompactGradient,
    expanded: dict[sp.Symbol, sp.Expr | None],
    scalar: str,
    held: str,
    enumerated: str,
) -> list[Item]:
    items: list[Item] = [words("Summed over the turns:")]
    for logit, expr in compact.gradient.items():
        full = expanded[logit]
        items.append(Display(left_of(logit, scalar), (expr,) if full is None or full == expr else (expr, full)))
    long = [symbol(logit.name) for logit in compact.gradient if expanded[logit] is None]
    if long:
        items.append(Words(("Too long to be written out as one fraction: ", *listed(long), "."), aside=True))
    checked = (
        "the update that the rule states itself"
        if enumerated
        else "the expectation of coefficient times score, computed from the rule with the past kept"
    )
    also = {"yes": ", and the derivative of J", "frozen": f", and the derivative of that scalar, {held}", "no": ""}[scalar]
    items.append(Words((f"Checked, by exact arithmetic: each line equals {checked}{also}.",), aside=True))
    if enumerated:
        items.append(Words((f"That update equals the expectation of coefficient times score {enumerated}.",), aside=True))
    return items


def _verdict(s: SymbolicSetting, verdict: CoefficientVerdict) -> list[Item]:
    """Return what is said of the coefficients: the verdict, the ratios, and the smallest case found where they differ."""
    if verdict.verdict == NO_DECISION:
        return [words(f"There is {verdict.verdict}.")]
    if verdict.verdict == BALANCED:
        return [words("The coefficients are balanced: {c_s} = {c_d} on every turn of every trajectory.", c_s=C_S, c_d=C_D)]
    differ = ": {c_s} and {c_d} differ" if verdict.verdict == UNBALANCED else ""
    of = f" of {verdict.of}" if verdict.of else ""
    items: list[Item] = [words(f"The coefficients{of} are {verdict.verdict}{differ}.", c_s=C_S, c_d=C_D)]
    ratios = verdict.ratios or verdict.weight_ratios
    if ratios:
        letter = "c" if verdict.ratios else "w"
        same = len(set(ratios)) == 1
        items.append(
            words(
                "On every turn of every trajectory:"
                if verdict.ratios
                else "The coefficients are the stages' weights times factors that differ from action to action, so no weights "
                "make them equal; the weights alone stand as"
            )
        )
        for answer, ratio in zip(s.chain.answers[: 1 if same else None], ratios, strict=False):
            on, latex_on = ("", "") if same else (f" on {answer}", rf"\text{{ on {answer}}}")
            left = Verbatim(f"{letter}_s/{letter}_d{on}", rf"\frac{{{letter}_s}}{{{letter}_d}}{latex_on}")
            items.append(Display(left, (ratio,)))
    varying = [ratio for ratio in ratios if not ratio.is_number]
    if varying and verdict.verdict != UP_TO_DISCOUNT:
        which = "That ratio is" if len(set(varying)) == 1 else "Such a ratio is"
        zero = "{weight} = 0 or " if varying[0].has(symbol("lambda")) else ""
        items.append(words(f"{which} 1 if and only if {zero}the two lengths are equal.", weight=symbol("lambda")))
    return items if verdict.witness is None else [*items, *_smallest_case(verdict.witness)]


def _smallest_case(w: Imbalance) -> list[Item]:
    path = ", ".join(f"{answer} {decision}" for answer, decision in w.steps)
    at = [part for i, (x, value) in enumerate(w.numbers) for part in (", " if i else "", _equal(x, value))]
    one, other = (combine_logs(value) for value in w.at_numbers())
    where: list[Inline] = ["At ", *at, ": "] if at else ["There "]
    return [
        words(f"For instance on the trajectory ({path}), turn {w.turn}:"),
        Display(C_S, (combine_logs(w.c_s),)),
        Display(C_D, (combine_logs(w.c_d),)),
        Words((*where, _equal(C_S, one), ", ", _equal(C_D, other), ".")),
    ]


def _equal(left: sp.Symbol | Verbatim, value: sp.Expr) -> Verbatim:
    """Return an equation as one formula."""
    name = left if isinstance(left, Verbatim) else Verbatim(formula_text(left), formula_latex(left))
    return Verbatim(f"{name.text} = {formula_text(value)}", f"{name.latex} = {formula_latex(value)}")


def assumptions_of(s: SymbolicSetting, rule: Rule, scalar: str) -> tuple[tuple[Inline, ...], ...]:
    """Return what the derivation assumes, in words."""
    learner = list(dict.fromkeys(x for logit in s.policy.logits if logit.turn in (None, 0) for x, _ in logit.value))
    stops = "; with no cap on turns the chain then stops with probability 1" if s.chain.turns is None else ""
    found = [
        Words((*listed(learner), f" lie strictly between 0 and 1, as logits make them{stops}.")),
        words("Expectations are exact; coefficients are not differentiated, and sampling is not either."),
        *map(words, _cases(rule)),
    ]
    rates = [term.rate(s).per_turn for term in rule.parts]
    if any(rate != 1 for rate in rates):
        at_one = "; at 1 nothing is discounted" if s.chain.turns is None else ""
        found.append(words(f"{{gamma}} lies between 0 and 1{at_one}.", gamma=symbol("gamma")))
    if any(rate == 1 for rate in rates):
        part = any(rate != 1 for rate in rates)
        found.append(
            words("Terms without {gamma} are not discounted." if part else "Nothing is discounted.", gamma=symbol("gamma"))
        )
    if any(term.measure(s) == s.expert for term in rule.parts):
        found.append(words("The demonstrations do not depend on the learner, and the expert stops with probability 1."))
    carried = _carried(s, rule)
    lengths = {x for length in (*s.lengths[0], s.lengths[1]) for x in sp.sympify(length).free_symbols}
    counted = {x for term in rule.parts for statistic in term.statistics(s) for x in statistic.value.free_symbols}
    if carried & {w for w, _ in s.weights.meaning}:
        found.append(words("Lengths are at least 1, and {weight} lies between 0 and 1.", weight=symbol("lambda")))
    elif lengths & (carried | counted) or symbol("L") in carried:
        found.append(words("Lengths are at least 1."))
    if {symbol(x) for x in ("Lbar", "Lbar_E", "RLbar")} & {x.symbol for term in rule.parts for x in term.statistics(s)}:
        found.append(words("Batches are large: sums over a batch are the number of its responses times expectations."))
    if scalar == "frozen" and any(term.frozen and term.held.startswith(VISITED_STATES) for term in rule.parts):
        found.append(words("How the policy changes which states are visited is not credited."))
    return tuple(sentence.parts for sentence in found)
