"""The words around the formulas of a derivation: its steps, its assumptions, its setting."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from dstheory.rational.symbols import latex_name, symbol
from dstheory.symbolic.attribution import CoefficientVerdict
from dstheory.symbolic.compact import CompactGradient
from dstheory.symbolic.derivation import Display, Item, Step, Table, Words
from dstheory.symbolic.logarithms import combine_logs
from dstheory.symbolic.notation import Inline, Verbatim, rule_discount
from dstheory.symbolic.objectives.base import Objective
from dstheory.symbolic.setting import Setting
from dstheory.symbolic.updates import FUTURE, PAST, SCALE, generic_turns
from dstheory.symbolic.verdict_words import attribution_step

__all__ = ["assumptions_of", "steps_of", "subtitle_of"]

UPDATE = Verbatim(
    "E_mu[ sum_k c_s(k) grad log pi_s(y_k) + c_d(k) grad log pi_d(d_k | y_k) ]",
    r"\mathrm{E}_{\mu}\Bigl[\,\sum_k c_s(k)\,\nabla\log\pi_s(y_k) + c_d(k)\,\nabla\log\pi_d(d_k\mid y_k)\Bigr]",
)


def subtitle_of(s: Setting) -> str:
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
    s: Setting,
    rule: Objective,
    compact: CompactGradient,
    expanded: dict[sp.Symbol, sp.Expr | None],
    verdict: CoefficientVerdict,
    scalar: str,
    enumerated: str = "",
) -> tuple[Step, ...]:
    """Return the steps of the derivation; ``enumerated`` says where an update that the rule states was compared with it."""
    quantities = _quantities(s, rule, compact)
    return (
        _chain(s),
        _objective(s, rule, scalar),
        _coefficients(s, rule, compact),
        *((quantities,) if quantities.items else ()),
        _gradient(compact, expanded, scalar, rule.measure(s) == s.policy, rule.held, enumerated),
        attribution_step(s, verdict),
    )


def _chain(s: Setting) -> Step:
    k = sp.Symbol("k")
    items: list[Item] = []
    if len(s.chain.answers) == 2:
        p, a, b = (s.policy.logits[i].rates[0][0] for i in range(3))
        items.append(
            Words(
                (
                    "At turn ",
                    k,
                    " the answer is C (correct) with probability ",
                    p,
                    ", else W (wrong). The decision is to stop, with probability ",
                    a,
                    " after C and ",
                    1 - b,
                    " after W, or to resample and go to the next turn.",
                )
            )
        )
    else:
        items.append(
            Words(
                (
                    "At turn ",
                    k,
                    " answer ",
                    sp.Symbol("i"),
                    " is drawn with probability ",
                    symbol("pi_i"),
                    "; answer 1 is correct. The decision is to stop, with probability ",
                    symbol("sigma_i"),
                    ", or to resample and go to the next turn.",
                )
            )
        )
    if s.chain.turns is not None:
        items.append(Words((f"There are at most {s.chain.turns} turns; the last draws no decision: its answer is submitted.",)))
    if not s.policy.stationary:
        items.append(Words(("Each turn has parameters of its own, marked by the turn; those of turn 0 are shown.",)))
    shown = [logit for logit in s.policy.logits if logit.turn in (None, 0)]
    seen: set[sp.Symbol] = set()
    for logit in shown:
        for x, value in logit.value:
            if x not in seen:
                seen.add(x)
                items.append(Display(x, (value,)))
    return Step("The chain", tuple(items))


def _objective(s: Setting, rule: Objective, scalar: str) -> Step:
    mu = symbol("mu")
    measures = {
        s.policy: "the learner's own trajectories",
        s.expert: "demonstrations that an expert chain generates, with ",
        s.reference: "trajectories of the reference policy, with ",
    }
    acting = rule.measure(s)
    given = (
        []
        if acting == s.policy
        else _listed(
            sorted(
                {x for e in (*acting.sample[0], *acting.stop[0]) for x in e.free_symbols},
                key=lambda x: (len(x.name), "pab".find(x.name[0]), x.name),
            )
        )
    )
    items: list[Item] = [
        Words((f"Written for ascent. {f'Source: {rule.source}. ' if rule.source else ''}The update is",)),
        Display(Verbatim("g", "g"), (UPDATE,)),
        Words(
            (
                "with ",
                mu,
                f": {measures.get(acting, 'a given policy, with ')}",
                *given,
                "; the coefficients are not differentiated:",
            )
        ),
    ]
    items += [
        Display(Verbatim(left, left) if isinstance(left, str) else left, (_one_log_each(right),))
        for left, right in rule.definition(s)
    ]
    carried = {x for turn in generic_turns(s, rule) for c in rule.coefficients(s, turn) for x in c.free_symbols}
    items += [Display(w, (meaning,)) for w, meaning in s.weights.meaning if w in carried]
    items.append(Words(_scalar_words(rule, scalar)))
    if scalar == "yes" and rule.scalar_formula is not None:
        items.append(Display(rule.scalar_formula[0], (rule.scalar_formula[1],)))
    return Step("The objective", tuple(items))


def _one_log_each(right: Inline) -> Inline:
    """Write log x - log y as log(x/y) in a rule's equation."""
    return combine_logs(right) if isinstance(right, sp.Expr) else right


def _scalar_words(rule: Objective, scalar: str) -> tuple[Inline, ...]:
    if scalar == "no" and not rule.scalar_words:
        return ("It is the gradient of no scalar.",)
    if scalar == "no":
        return ("It is the gradient of no scalar in this setting. Elsewhere it is that of ", *rule.scalar_words, ".")
    if scalar == "frozen":
        return (
            f"It is the gradient of no scalar of the policy alone; with {rule.held} held fixed it is that of ",
            *rule.scalar_words,
            ".",
        )
    return ("It is the gradient of ", *rule.scalar_words, ":" if rule.scalar_formula else ".")


def _coefficients(s: Setting, rule: Objective, compact: CompactGradient) -> Step:
    named = replace(s, named=compact.named)
    letter = "R" if rule.outcome else "G" if rule.payoff(s) == s.reward else "L"
    scale = rule_discount(s) if rule.rate(s).per_turn != 1 else sp.S.One
    names = {SCALE: scale, PAST: symbol(f"{letter}_past"), FUTURE: symbol(f"{letter}_next")}
    rows, mentioned = [], set()
    for turn in generic_turns(named, rule):
        c_s, c_d = (combine_logs(sp.powsimp(c.subs(names))) for c in rule.coefficients(named, turn))
        mentioned |= c_s.free_symbols | c_d.free_symbols
        rows.append((s.chain.answers[turn.answer], turn.decision or "submit", c_s, c_d if turn.decision else "none"))
    items: list[Item] = [Words(("On each answer and decision of turn ", sp.Symbol("k"), ":"))]
    items.append(Table(("answer", "decision", Verbatim("c_s", "c_s"), Verbatim("c_d", "c_d")), tuple(rows)))
    words: list[Inline] = []
    kind = {"R": "reward of the outcome", "G": "return", "L": "weighted log-ratio"}[letter]
    if names[PAST] in mentioned:
        words += [
            names[PAST],
            f" is the {kind} collected before turn ",
            sp.Symbol("k"),
            "; " if names[FUTURE] in mentioned else "",
        ]
    if names[FUTURE] in mentioned:
        words += [names[FUTURE], f" is the {kind} from turn ", Verbatim("k + 1", "k + 1"), " on, in that turn's units"]
    if words:
        items.append(Words((*words, ".")))
    return Step("Coefficients", tuple(items))


def _quantities(s: Setting, rule: Objective, compact: CompactGradient) -> Step:
    items: list[Item] = []
    chain, rate, payoff = s.following(rule.measure(s)), rule.rate(s), rule.payoff(s)
    for x in rule.statistics(s):
        shown = sp.count_ops(x.value) < 40
        items.append(Display(x.symbol, (x.value,) if shown else (), x.words) if shown else Words((x.symbol, f": {x.words}.")))
    for name, expr in compact.definitions.items():
        base = name.name.split("_")[0]
        if base == "q":
            items.append(Display(name, (expr,), "chance that a turn is followed by another"))
        elif base in ("N", "n"):
            counted = "discounted" if base == "N" else "undiscounted"
            q = next(x for x in expr.free_symbols if x.name.startswith("q"))
            items.append(Display(name, (1 + name * q * _ratio(expr, q), expr), f"expected number of turns, {counted}"))
        elif base in ("V", "K"):
            what = "value" if base == "V" else "expected weighted log-ratio"
            if chain.turns is None:
                right = combine_logs(chain.bellman(payoff, rate, name))
                items.append(Display(name, (right, expr), f"{what}: Bellman equation and its solution"))
            else:
                items.append(Display(name, (expr,), f"{what}: backward recursion"))
        elif base in ("Q", "L", "X"):
            what = {"Q": "expected return", "L": "expected weighted log-ratio", "X": "mean coefficient"}[base]
            items.append(Display(name, (expr,), f"{what} from answer {name.name.split('_')[1]} on"))
        elif base == "H":
            items.append(Display(name, (expr,), "E[1/K], K the number of turns: claim B7"))
        elif base == "m":
            items.append(Display(name, (expr,), "mean over the answers"))
        else:
            items.append(Display(name, (expr,)))
    return Step("Quantities", tuple(items))


def _ratio(visits: sp.Expr, q: sp.Symbol) -> sp.Expr:
    """Return r of a count 1/(1 - r q)."""
    return -sp.diff(1 / visits, q)


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
) -> Step:
    opening = "Summed over the turns, in the simplest form found and, where short, written out:"
    if on_policy:
        opening = (
            "The score of an action has mean zero given what came before it, so the past drops out, and the future enters by its "
            f"mean. {opening}"
        )
    items: list[Item] = [Words((opening,))]
    long = []
    for logit, expr in compact.gradient.items():
        full = expanded[logit]
        right: tuple[Inline, ...] = (expr,) if full is None or full == expr else (expr, full)
        if full is None:
            long.append(logit.name)
        items.append(Display(left_of(logit, scalar), right))
    if long:
        items.append(Words(("Not written out, for length: ", *_listed([symbol(name) for name in long]), ".")))
    checked = (
        "the update that the rule states itself"
        if enumerated
        else "the expectation of coefficient times score, computed from the rule with the past kept"
    )
    also = {
        "yes": ", and the derivative of J",
        "frozen": f", and the derivative of that scalar, {held} held",
        "no": "",
    }[scalar]
    items.append(Words((f"Checked, by exact arithmetic: each line equals {checked}{also}.",)))
    if enumerated:
        items.append(Words((f"That update equals the expectation of coefficient times score {enumerated}.",)))
    return Step("The gradient", tuple(items))


def _listed(names: list[sp.Symbol]) -> list[Inline]:
    words: list[Inline] = []
    for i, name in enumerate(names):
        words += ([", "] if i else []) + [name]
    return words


def assumptions_of(s: Setting, rule: Objective, scalar: str) -> tuple[tuple[Inline, ...], ...]:
    """Return what the derivation assumes, in words."""
    learner = [x for logit in s.policy.logits if logit.turn in (None, 0) for x, _ in logit.value]
    unique = list(dict.fromkeys(learner))
    found: list[tuple[Inline, ...]] = [
        (
            *_listed(unique),
            " lie strictly between 0 and 1, as logits make them"
            + ("; with no cap on turns the chain then stops with probability 1." if s.chain.turns is None else "."),
        ),
        ("Expectations are exact; coefficients are not differentiated, and sampling is not either.",),
    ]
    if rule.rate(s).per_turn != 1:
        found.append(
            (symbol("gamma"), " lies between 0 and 1" + ("; at 1 nothing is discounted." if s.chain.turns is None else "."))
        )
    else:
        found.append(("Log-probability terms are not discounted.",))
    if rule.measure(s) == s.expert:
        found.append(("The demonstrations do not depend on the learner, and the expert stops with probability 1.",))
    carried = {x for turn in generic_turns(s, rule) for c in rule.coefficients(s, turn) for x in c.free_symbols}
    lengths = {x for length in (*s.lengths[0], s.lengths[1]) for x in sp.sympify(length).free_symbols}
    counted = {x for statistic in rule.statistics(s) for x in statistic.value.free_symbols}
    if carried & {w for w, _ in s.weights.meaning}:
        found.append(("Lengths are at least 1, and ", symbol("lambda"), " lies between 0 and 1."))
    elif lengths & (carried | counted) or symbol("L") in carried:
        found.append(("Lengths are at least 1.",))
    if scalar == "frozen" and rule.held == Objective.held:
        found.append(("How the policy changes which states are visited is not credited.",))
    return tuple(found)
