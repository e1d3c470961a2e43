"""The words around the formulas of a derivation: its steps, its verdict, its assumptions, its setting."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from dstheory.rational import combine_logs
from dstheory.rational.symbols import latex_name, symbol
from dstheory.symbolic.attribution import BALANCED, NO_DECISION, UP_TO_DISCOUNT, CoefficientVerdict, Imbalance
from dstheory.symbolic.compact import CompactGradient
from dstheory.symbolic.derivation import C_D, C_S, DerivationStep, Display, FormulaTable, Item, Words, listed, words
from dstheory.symbolic.rule import VISITED_STATES, Inline, Rule, Verbatim, rule_discount
from dstheory.symbolic.setting import SymbolicSetting
from dstheory.symbolic.updates import FUTURE, PAST, SCALE, generic_turns

UPDATE = Verbatim(
    "E_mu[ sum_k c_s(k) grad log pi_s(y_k) + c_d(k) grad log pi_d(d_k | y_k) ]",
    r"\mathrm{E}_{\mu}\Bigl[\,\sum_k c_s(k)\,\nabla\log\pi_s(y_k) + c_d(k)\,\nabla\log\pi_d(d_k\mid y_k)\Bigr]",
)
K = sp.Symbol("k")


def subtitle_of(s: SymbolicSetting) -> str:
    """Return the setting in words.

    >>> from dstheory.symbolic.setting import setting
    >>> subtitle_of(setting(turns=3, discount_per="stage"))
    'minimal chain, capped at 3 turns, stationary policy, discount per stage, reduction sum'
    """
    n = len(s.chain.answers)
    chain = "minimal chain" if n == 2 else f"chain of {n} answers"
    horizon = "no cap on turns" if s.chain.turns is None else f"capped at {s.chain.turns} turn{'s' * (s.chain.turns > 1)}"
    policy = "stationary policy" if s.policy.stationary else "turn-indexed policy"
    per = "turn" if s.rate.within == 1 else "stage"
    return f"{chain}, {horizon}, {policy}, discount per {per}, reduction {s.weights.reduction}"


def steps_of(
    s: SymbolicSetting,
    rule: Rule,
    compact: CompactGradient,
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
        "Quantities": _quantities(s, rule, compact),
        "The gradient": _gradient(compact, expanded, scalar, rule.measure(s) == s.policy, rule.held, enumerated),
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
        items.append(words(f"There are at most {s.chain.turns} turns; the last draws no decision: its answer is submitted."))
    if not s.policy.stationary:
        items.append(words("Each turn has parameters of its own, marked by the turn; those of turn 0 are shown."))
    shown: dict[sp.Symbol, sp.Expr] = {}
    for x, value in (pair for logit in s.policy.logits if logit.turn in (None, 0) for pair in logit.value):
        shown.setdefault(x, value)
    return [*items, *(Display(x, (value,)) for x, value in shown.items())]


def _objective(s: SymbolicSetting, rule: Rule, scalar: str) -> list[Item]:
    measures = {
        s.policy: "the learner's own trajectories",
        s.expert: "demonstrations that an expert chain generates, with ",
        s.reference: "trajectories of the reference policy, with ",
    }
    acting = rule.measure(s)
    given = {x for e in (*acting.sample[0], *acting.stop[0]) for x in e.free_symbols} if acting != s.policy else set()
    in_order = sorted(given, key=lambda x: (len(x.name), "pab".find(x.name[0]), x.name))
    whose = measures.get(acting, "a given policy, with ")
    case = f"Derived {rule.case}. " if rule.case else ""
    source = f"Source: {rule.source}. " if rule.source else ""
    equations = (*zip(("c_s(k)", "c_d(k)"), rule.shown(s), strict=False), *rule.where(s))
    carried = {x for turn in generic_turns(s, rule) for c in rule.coefficients(s, turn) for x in c.free_symbols}
    items: list[Item] = [
        Words((f"Written for ascent. {case}{source}The update is",)),
        Display(Verbatim("g", "g"), (UPDATE,)),
        Words(("with ", symbol("mu"), f": {whose}", *listed(in_order), "; the coefficients are not differentiated:")),
        *(Display(Verbatim(left, left) if isinstance(left, str) else left, (_one_log(right),)) for left, right in equations),
        *(Display(w, (meaning,)) for w, meaning in s.weights.meaning if w in carried),
        Words(_scalar_words(rule, scalar)),
    ]
    if scalar == "yes" and rule.scalar_formula is not None:
        items.append(Display(rule.scalar_formula[0], (rule.scalar_formula[1],)))
    return items


def _one_log(right: Inline) -> Inline:
    """Write log x - log y as log(x/y) in a rule's equation."""
    return combine_logs(right) if isinstance(right, sp.Expr) else right


def _scalar_words(rule: Rule, scalar: str) -> tuple[Inline, ...]:
    if scalar == "no" and not rule.scalar_words:
        return ("It is the gradient of no scalar.",)
    opening = {
        "no": "It is the gradient of no scalar in this setting. Elsewhere it is that of ",
        "frozen": f"It is the gradient of no scalar of the policy alone; with {rule.held} held fixed it is that of ",
        "yes": "It is the gradient of ",
    }[scalar]
    return (opening, *rule.scalar_words, ":" if scalar == "yes" and rule.scalar_formula else ".")


def _coefficients(s: SymbolicSetting, rule: Rule, compact: CompactGradient) -> list[Item]:
    named = replace(s, named=compact.named)
    letter, kind = (
        ("R", "reward of the outcome")
        if rule.outcome
        else ("G", "return") if rule.payoff(s) == s.reward else ("L", "weighted log-ratio")
    )  # fmt: skip
    scale = rule_discount(s) if rule.rate(s).per_turn != 1 else sp.S.One
    past, future = symbol(f"{letter}_past"), symbol(f"{letter}_next")
    rows, mentioned = [], set()
    for turn in generic_turns(named, rule):
        at = {SCALE: scale, PAST: past, FUTURE: future}
        c_s, c_d = (combine_logs(sp.powsimp(c.subs(at))) for c in rule.coefficients(named, turn))
        mentioned |= c_s.free_symbols | c_d.free_symbols
        rows.append((s.chain.answers[turn.answer], turn.decision or "submit", c_s, c_d if turn.decision else "none"))
    items: list[Item] = [
        words("On each answer and decision of turn {k}:", k=K),
        FormulaTable(("answer", "decision", C_S, C_D), tuple(rows)),
    ]
    before = f"{{past}} is the {kind} collected before turn {{k}}"
    after = f"{{future}} is the {kind} from turn {{following}} on, in that turn's units"
    said = [sentence for x, sentence in ((past, before), (future, after)) if x in mentioned]
    if said:
        items.append(words("; ".join(said) + ".", past=past, future=future, k=K, following=Verbatim("k + 1", "k + 1")))
    return items


_NOTES = {
    "q": "chance that a turn is followed by another",
    "N": "expected number of turns, discounted",
    "n": "expected number of turns, undiscounted",
    "V": "value",
    "K": "expected weighted log-ratio",
    "Q": "expected return",
    "L": "expected weighted log-ratio",
    "X": "mean coefficient",
    "H": "E[1/K], K the number of turns: claim B7",
    "m": "mean over the answers",
}
"""What a named quantity is, by the first part of its name."""


def _quantities(s: SymbolicSetting, rule: Rule, compact: CompactGradient) -> list[Item]:
    items: list[Item] = []
    chain, rate, payoff = s.following(rule.measure(s)), rule.rate(s), rule.payoff(s)
    for x in rule.statistics(s):
        short = sp.count_ops(x.value) < 40
        items.append(Display(x.symbol, (x.value,), x.words) if short else Words((x.symbol, f": {x.words}.")))
    for name, expr in compact.definitions.items():
        base, *rest = name.name.split("_")
        note = _NOTES.get(base, "")
        right: tuple[sp.Expr, ...] = (expr,)
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
    on_policy: bool,
    held: str,
    enumerated: str,
) -> list[Item]:
    why = (
        "The score of an action has mean zero given what came before it, so the past drops out, and the future enters by its "
        "mean. "
        if on_policy
        else ""
    )
    items: list[Item] = [words(f"{why}Summed over the turns, in the simplest form found and, where short, written out:")]
    for logit, expr in compact.gradient.items():
        full = expanded[logit]
        items.append(Display(left_of(logit, scalar), (expr,) if full is None or full == expr else (expr, full)))
    long = [symbol(logit.name) for logit in compact.gradient if expanded[logit] is None]
    if long:
        items.append(Words(("Not written out, for length: ", *listed(long), ".")))
    checked = (
        "the update that the rule states itself"
        if enumerated
        else "the expectation of coefficient times score, computed from the rule with the past kept"
    )
    also = {"yes": ", and the derivative of J", "frozen": f", and the derivative of that scalar, {held} held", "no": ""}[scalar]
    items.append(words(f"Checked, by exact arithmetic: each line equals {checked}{also}."))
    if enumerated:
        items.append(words(f"That update equals the expectation of coefficient times score {enumerated}."))
    return items


def _verdict(s: SymbolicSetting, verdict: CoefficientVerdict) -> list[Item]:
    """Return what is said of the coefficients: the verdict, the ratios, and the smallest case found where they differ."""
    if verdict.verdict == NO_DECISION:
        return [words(f"Verdict: {verdict.verdict}.")]
    if verdict.verdict == BALANCED:
        return [words(f"Verdict: {verdict.verdict}: {{c_s}} = {{c_d}} on every turn of every trajectory.", c_s=C_S, c_d=C_D)]
    items: list[Item] = [words(f"Verdict: {verdict.verdict}.")]
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
    at = [part for i, (x, value) in enumerate(w.numbers) for part in (", " if i else "", x, " = ", value)]
    one, other = (combine_logs(value) for value in w.at_numbers())
    where: list[Inline] = ["At ", *at, ": "] if at else ["There "]
    return [
        words(f"Smallest case found, the trajectory ({path}), turn {w.turn}:"),
        Display(C_S, (combine_logs(w.c_s),)),
        Display(C_D, (combine_logs(w.c_d),)),
        Words((*where, C_S, " = ", one, ", ", C_D, " = ", other, ".")),
    ]


def assumptions_of(s: SymbolicSetting, rule: Rule, scalar: str) -> tuple[tuple[Inline, ...], ...]:
    """Return what the derivation assumes, in words."""
    learner = list(dict.fromkeys(x for logit in s.policy.logits if logit.turn in (None, 0) for x, _ in logit.value))
    stops = "; with no cap on turns the chain then stops with probability 1" if s.chain.turns is None else ""
    found = [
        Words((*listed(learner), f" lie strictly between 0 and 1, as logits make them{stops}.")),
        words("Expectations are exact; coefficients are not differentiated, and sampling is not either."),
    ]
    if rule.rate(s).per_turn != 1:
        at_one = "; at 1 nothing is discounted" if s.chain.turns is None else ""
        found.append(words(f"{{gamma}} lies between 0 and 1{at_one}.", gamma=symbol("gamma")))
    else:
        found.append(words("Log-probability terms are not discounted."))
    if rule.measure(s) == s.expert:
        found.append(words("The demonstrations do not depend on the learner, and the expert stops with probability 1."))
    carried = {x for turn in generic_turns(s, rule) for c in rule.coefficients(s, turn) for x in c.free_symbols}
    lengths = {x for length in (*s.lengths[0], s.lengths[1]) for x in sp.sympify(length).free_symbols}
    counted = {x for statistic in rule.statistics(s) for x in statistic.value.free_symbols}
    if carried & {w for w, _ in s.weights.meaning}:
        found.append(words("Lengths are at least 1, and {weight} lies between 0 and 1.", weight=symbol("lambda")))
    elif lengths & (carried | counted) or symbol("L") in carried:
        found.append(words("Lengths are at least 1."))
    if scalar == "frozen" and rule.held == VISITED_STATES:
        found.append(words("How the policy changes which states are visited is not credited."))
    return tuple(sentence.parts for sentence in found)
