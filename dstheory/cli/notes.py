"""What a table of objectives must say beside its numbers: names, settings that are not used, rewards that are not read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from dstheory.cli.options import Problem
from dstheory.cli.show import say
from dstheory.dynamics.parameters import FIELDS, PAIRS, POLICIES

if TYPE_CHECKING:
    from dstheory.objectives import Objective

_SETTINGS = {**FIELDS, **PAIRS, **{name: name for name in POLICIES}, "reference": "reference", "expert": "demonstrations"}
"""Options of the command line, and the field of an objective that each sets."""
BALANCED = {"balanced": "yes", "unbalanced": "no", "balanced up to gamma": "up to gamma"}
"""Verdicts on coefficients, below the heading "balanced"."""

_Found = TypeVar("_Found")


def tried(
    names: Iterable[str], work: Callable[[str], _Found], update: Callable[[int], None], *, but: tuple[type[Exception], ...]
) -> tuple[list[tuple[str, _Found]], dict[str, str]]:
    """Return what each name gives, and why some are left out: those whose errors are of these types; ``update`` is told."""
    found: list[tuple[str, _Found]] = []
    left_out: dict[str, str] = {}
    for name in names:
        try:
            found.append((name, work(name)))
        except but as error:
            left_out[name] = str(error)
        update(len(found) + len(left_out))
    return found, left_out


def say_left_out(left_out: Mapping[str, str]) -> None:
    """Say which names were left out, those of one reason together."""
    for why in dict.fromkeys(left_out.values()):
        say(f"left out: {', '.join(name for name, reason in left_out.items() if reason == why)} ({why})", err=True)


def left_out_rows(left_out: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the same for JSON."""
    return [{"objective": name, "why": why} for name, why in left_out.items()]


def chain_words(name: str) -> str:
    """Return what the name of a chain means, to stand before a note; nothing where it is a file's."""
    return "M0: the minimal chain, one prompt with a right and a wrong answer. " if name == "M0" else ""


def reference_words(problem: Problem, options: dict[str, Any]) -> str:
    """Return which reference KL terms refer to."""
    if options["mdp_file"] is not None:
        return "the start" if problem.reference is problem.start else "the file's reference"
    if options["reference"] is None:
        return f"the start, p, a, b = {options['p']:g}, {options['a']:g}, {options['b']:g}"
    return "p, a, b = " + ", ".join(f"{x:g}" for x in options["reference"])


def referred(built: Sequence[tuple[str, Objective]], problem: Problem, options: dict[str, Any]) -> str:
    """Say what KL terms refer to, and whose demonstrations and teacher are, of those that some objective has."""
    import numpy as np

    terms = [term for _, objective in built for term in _terms(objective)]
    kls = [t for t in terms if t.name != "distill" and getattr(t, "reference", None) and np.any(getattr(t, "beta", 1.0))]
    words = {
        f" KL terms refer to {reference_words(problem, options)}.": kls,
        " Demonstrations are the expert's.": any(hasattr(term, "demonstrations") for term in terms),
        " The teacher is the expert.": any(term.name == "distill" for term in terms),
    }
    return "".join(sentence for sentence, said in words.items() if said)


def notes(
    built: Sequence[tuple[str, Objective]],
    problem: Problem,
    options: Mapping[str, Any],
    *,
    at_start: bool = True,
    named: bool = True,
    swept: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[str]:
    """Return one line for each thing that the numbers of these objectives, or their differences, depend on unseen.

    Args:
        built: expressions and what was built from them.
        problem: the chain, and which options were given.
        options: all options.
        at_start: the numbers are those of the start, where a KL to the start is 0.
        named: the objectives are what the user named. Else they are the four conditions, whose names say what they use: only
            what none of them uses is said.
        swept: the parameters that vary, by the option that would set them.
    """
    flags = {name: f"--{name.replace('_', '-')}{_value(options[name])}" for name in problem.given & _SETTINGS.keys()}
    flags |= {name: f"--grid {', '.join(swept[name])}" for name in swept.keys() & _SETTINGS.keys()}
    lines = _unused(built, flags, by_all=not named)
    if named:
        again = "updates_per_batch" in swept or (options.get("updates_per_batch") or 1) > 1
        lines = [*_names(built), *lines, *_rewards(built, problem, swept), *_normalisers(built), *_sft(built, swept),
                 *_own_responses(built, again), *(_vanishing(built, problem) if at_start else [])]  # fmt: skip
    return list(dict.fromkeys(lines))


def _value(value: Any) -> str:
    """Return what stands behind an option: nothing of a flag."""
    if isinstance(value, bool):
        return ""
    numbers = value if isinstance(value, tuple) else (value,)
    return " " + ",".join(f"{x:g}" if isinstance(x, float) else str(x) for x in numbers)


def _vanishing(built: Sequence[tuple[str, Objective]], problem: Problem) -> list[str]:
    """Say that a KL to the start is zero at the start; DPO's log-ratios and k1's constant are not."""
    import numpy as np

    if problem.reference is not problem.start:
        return []
    terms = [t for _, objective in built for t in _terms(objective) if getattr(t, "reference", None) is problem.reference]
    zero = [t for t in terms if np.any(getattr(t, "beta", 0.0)) and t.name not in ("dpo", "k1-loss") and not _tilts(t, problem)]
    named = sorted({t.name for t in zero})
    if not named:
        return []
    return [
        f"KL terms of {', '.join(named)} refer to the policy that is shown, which is the start: 0 here, --reference P,A,B shows "
        "them against another"
    ]


def _tilts(term: Objective, problem: Problem) -> bool:
    """Return whether a KL has a gradient at its reference, too: differentiated in full, of answers that weigh differently."""
    import numpy as np

    from dstheory.objectives import ReverseKL
    from dstheory.objectives.weights import stage_weights

    if not isinstance(term, ReverseKL):
        return False
    mdp, (weights, _) = problem.mdp, stage_weights(problem.mdp, term.length_weight, term.reduction)
    most, least = np.where(mdp.inside, weights, -np.inf).max(axis=-1), np.where(mdp.inside, weights, np.inf).min(axis=-1)
    return bool((most > least).any())


def _terms(objective: Objective) -> tuple[Objective, ...]:
    from dstheory.objectives import WeightedSum

    return objective.terms if isinstance(objective, WeightedSum) else (objective,)


def _named(expression: str) -> list[str]:
    """Return the objectives that an expression names: none where it is one of the four conditions, whose names are not sums."""
    from dstheory.about import parse
    from dstheory.dynamics.conditions import CONDITIONS

    return [] if expression in CONDITIONS else [name for _, name in parse(expression)]


def _names(built: Sequence[tuple[str, Objective]]) -> list[str]:
    """Say what a library's name computes."""
    from dstheory.objectives import ALIASES

    names = [name.lower().replace("_", "-") for expression, _ in built for name in _named(expression)]
    known = [(name, ALIASES[name]) for name in names if name in ALIASES]
    return [f"{name} is {alias.objective}: {alias.computed} ({alias.source})" for name, alias in known]


def _unused(built: Sequence[tuple[str, Objective]], flags: Mapping[str, str], *, by_all: bool) -> list[str]:
    """Say which objectives do not use an option that was given, or with ``by_all`` only what none of them uses."""
    lines = []
    for option, flag in sorted(flags.items()):
        each = [_not_using(option, expression, objective) for expression, objective in built]
        if by_all and not all(each):
            continue
        why: dict[str, list[str]] = {}
        for found in each:
            for name, reason in found.items():
                why.setdefault(reason, []).append(name)
        lines += [f"{flag} is not used by {_which(list(dict.fromkeys(names)), reason)}" for reason, names in why.items()]
    return lines


def _which(names: Sequence[str], reason: str) -> str:
    """Join names with what is said of one of them, in the plural where there are several."""
    verb, _, rest = reason.partition(" ")
    plural = {"has": "have", "is": "are", "fixes": "fix", "leaves": "leave"}
    return f"{', '.join(names)}, which {plural[verb] if len(names) > 1 else verb} {rest}"


def _not_using(option: str, expression: str, objective: Objective) -> dict[str, str]:
    """Return the terms of an expression that do not use an option, and why; none where a name's setting is all that is fixed."""
    import numpy as np

    from dstheory.objectives.registry import lookup, unused

    names, terms = _named(expression), _terms(objective)
    if not names:
        takes = any(_SETTINGS[option] in getattr(term, "__dataclass_fields__", {}) for term in terms)
        return {} if takes else {expression: f"has no {option.replace('_', '-')}"}
    if option in ("reference", "expert"):
        uses = {name: _takes(option, lookup(name)) for name in names}
        found = {name: f"has no {option}" for name in names if not uses[name]}
        if option == "reference":
            without = [(n, t) for n, t in zip(names, terms, strict=True) if uses[n] and not np.any(getattr(t, "beta", 1.0))]
            found |= {name: "has a KL of beta 0" for name, _ in without}
    else:
        found = unused(expression, _SETTINGS[option])
    some_do = len(found) < len(names)
    return {name: reason for name, reason in found.items() if not some_do or reason.startswith("fixes")}


def _takes(option: str, cls: type[Objective]) -> bool:
    """Return whether an objective has a reference, or learns from the expert: distillation has the expert for its teacher."""
    fields = getattr(cls, "__dataclass_fields__", {})
    if cls.name == "distill":
        return option == "expert"
    return _SETTINGS[option] in fields


def _rewards(built: Sequence[tuple[str, Objective]], problem: Problem, swept: Mapping[str, Sequence[str]]) -> list[str]:
    """Say what objectives read of the chain's own rewards and discount, where these are not plain accuracy."""
    import numpy as np

    mdp = problem.mdp
    plain = bool(np.array_equal(mdp.reward_stop * mdp.inside, mdp.correct * mdp.inside)) and not mdp.reward_resample.any()
    names: dict[str, list[str]] = {"correct": [], "nothing": []}
    for _, objective in built:
        for term in _terms(objective):
            if getattr(term, "rewards", None) is not None:
                continue  # it is paid by reward functions, which were given
            reads = getattr(term, "outcome", None) if term.credits == "outcome" else term.credits
            names.setdefault(str(reads), []).append(term.name)
    lines = []
    if names["correct"] and not (plain and bool((mdp.gamma == 1.0).all())):
        who = ", ".join(dict.fromkeys(names["correct"]))
        lines.append(f"R = 1 for a correct answer, without discount, whatever the chain pays: {who}")
    if problem.own_rewards:
        option = problem.own_rewards[0]
        flag = f"--grid {', '.join(swept[option])}" if option in swept else f"--{option.replace('_', '-')}"
        compared = [] if "outcome" in problem.given else names.get("return", [])
        if compared:
            who = ", ".join(dict.fromkeys(compared))
            lines.append(f"returns of the chain are compared, not correctness, as {flag} asks: {who}")
        if names["nothing"]:
            lines.append(f"{flag} is not read by {', '.join(dict.fromkeys(names['nothing']))}: no reward")
    return lines


def _normalisers(built: Sequence[tuple[str, Objective]]) -> list[str]:
    """Say by what a penalty in a sum is divided, where that is not the number of responses for all terms."""
    from dstheory.objectives.expectation.denominators import on_lengths

    lines = []
    for expression, objective in built:
        terms = _terms(objective)
        shared = next((t for t in terms if t.shared_normaliser() is not None), None)
        found = None if shared is None else shared.shared_normaliser()
        if shared is None or found is None:
            beside = [t for t in terms if t.family != "penalty" and t.normalised_by != "responses"]
            summed = [t.name for t in terms if t.family == "penalty"]
            if beside and summed:  # there is no reward whose normaliser they could inherit
                how = f"{beside[0].name} by {beside[0].normalised_by}"
                lines.append(f"{expression}: {', '.join(summed)} divided by responses, {how}")
            continue
        if any(t.name == "entropy" for t in terms) and (found[1].mixed or on_lengths(*found)):
            lines.append(
                f"{expression}: of the entropy, the mean of its score is taken; libraries differentiate the entropy itself, "
                "which is another number where few lengths divide it, or groups are left out (`dstheory explain` takes it)"
            )
        if found[0].words == "responses":
            continue
        same = [t.name for t in terms if getattr(t, "inherited", None) is not None and getattr(t, "normaliser", None) is None]
        if same:
            lines.append(f"{expression}: {', '.join(same)} divided as {shared.name} is, by {found[0].words}")
        other = [t.name for t in terms if t.family == "penalty" and t.name not in same and t.normalised_by == "responses"]
        if other:
            lines.append(f"{expression}: {', '.join(other)} divided by responses, {shared.name} by {found[0].words}")
    return lines


def _own_responses(built: Sequence[tuple[str, Objective]], again: bool) -> list[str]:
    """Say that a penalty in a sum is taken on the policy's own responses, where the reward's are others, or some do not count."""
    lines = []
    for expression, objective in built:
        terms = _terms(objective)
        own = [term.name for term in terms if term.family == "penalty" and term.measure == "policy"]
        stale = [t.name for t in terms if t.measure == "sampler" or (again and hasattr(t, "clip_low"))]
        masked = [t.name for t in terms if getattr(t, "mask_truncated", "none") != "none"]
        for names, theirs in ((stale, "those of another policy"), (masked, "those that are not cut off")):
            if own and names:
                kl = "" if own == ["entropy"] else f"; {names[0]} alone with --beta has its KL on these"
                lines.append(f"{expression}: {', '.join(own)} on all of the policy's own responses, {names[0]} on {theirs}{kl}")
    return lines


def _sft(built: Sequence[tuple[str, Objective]], swept: Mapping[str, Sequence[str]]) -> list[str]:
    """Say why stage-weighted SFT and what libraries compute give opposite verdicts in one table."""
    import numpy as np

    terms = [term for _, objective in built for term in _terms(objective)]
    weighted = [t for t in terms if t.name == "sft" and np.any(np.asarray(getattr(t, "length_weight", 0.0)))]
    plain = [t.name for t in terms if t.name.startswith("sft-")]
    if not weighted or not plain:
        return []
    weight = "lambda" if "length_weight" in swept else f"{np.max(np.asarray(getattr(weighted[0], 'length_weight', 0.0))):g}"
    return [
        f"sft weighs a whole stage by length^{weight}, as arXiv 2601.01580 does, so that its coefficients differ between "
        f"stages of unequal length (claim C1); {', '.join(dict.fromkeys(plain))} give all tokens of a demonstration one "
        "coefficient, as libraries do (claim O1-sft)"
    ]
