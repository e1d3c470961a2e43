"""What a survey comes to, in plain words: questions with answers, each with its interval, none stronger than its test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dstheory.anatomy.answers import ASSUMED, B_DIFFERS, GAIN, MODEL
from dstheory.anatomy.difference import TOO_SHORT, Difference, FirstAnswers, unseen
from dstheory.anatomy.model_checks import ASSUMPTIONS, Test
from dstheory.anatomy.one_shot import OneShot
from dstheory.anatomy.rates import Estimate
from dstheory.anatomy.revisions import Revisions
from dstheory.anatomy.score_rule import ScoreRule
from dstheory.anatomy.surveys import Group, MeanSplit, Survey, tests_of_split
from dstheory.cli.anatomy.document import number, odds, too_few
from dstheory.texts import counted

_RARE = 0.05  # share of logs in which chance alone gives as small a p-value, below which it is not spoken of
_TELLING = 4  # episodes of each of so many problems, from which on tests tell departures that hide each other (docs/anatomy.md)
_TELLING_PROBLEMS = 200
_UNLIKE = ("a over problems", "b over problems")  # of which no log tells what they do to a split
REJECTED = "\u2717"  # before what a test rejects: a sign beside the colour

# What a term means; said where it first stands.
_TERMS = {
    "p": "the chance that an answer is right",
    "a": "the chance that the model stops after a right answer",
    "b": "the chance that it resamples after a wrong one",
    "a + b - 1": "0 where decisions do not depend on what is right, 1 where they are perfect, below 0 where they harm",
    "odds multiplier": "a/(1-b): stopping at an answer multiplies its odds of being right by it",
    "cap": "the largest number of attempts allowed",
    "pass@k": "the chance that at least one of k samples of a problem is right",
    "majority@k": "the chance that the most frequent of k answers is right",
    "dead groups": "all samples right, or all wrong: no advantage relative to the group is left to learn from",
}


# What the interval of a + b - 1 means, by its side of 0.
_MEANS = {
    1: "above 0: right answers are stopped at more often than wrong ones",
    -1: "below 0: wrong answers are stopped at more often than right ones",
    0: "0 is in the interval, so neither is shown",
}
_NEED_NOT = (
    "That need not hold for any one problem, as stopping more often at easy problems does it too; answers to the same problem do "
    "not show that resampling helps or harms."
)
_WITHIN = "Answers to the same problem show it too, so that easier and harder problems alone do not explain it."


_NUMBERS = "--details shows the numbers."  # of logs that are too short for answers


class _Terms:
    """Explains each term once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, name: str) -> str:
        if name in self._said:
            return name
        self._said.add(name)
        return f"{name} ({_TERMS[name]})"


@dataclass(frozen=True)
class Conclusion:
    """A question and its answer.

    Attributes:
        question: in words.
        short: the answer in a word or two.
        sentences: the answer, with numbers.
    """

    question: str
    short: str
    sentences: tuple[str, ...]


def conclusions(found: Survey) -> list[Conclusion]:
    """Return what a survey comes to, the most important first.

    >>> from dstheory.anatomy.surveys import survey
    >>> from dstheory.anatomy.generate import Cell, generate_log
    >>> for one in conclusions(survey(generate_log(100, cells=[Cell("m", "t", 0.4, 0.9, 0.8)]))):
    ...     print(one.question, one.short)
    Does resampling help? yes
    What to do? at least 8 attempts by the fitted chain, at a price of 0.01 of accuracy for each (--cost sets it)
    """
    term = _Terms()
    out = []
    if found.compared is not None and (found.comparison is not None or found.first_answers is not None):
        out.append(_comparison(found, found.compared))
    for group in found.groups:
        of = f"{group.name}: " if group.name else ""
        if few := too_few(group):
            out.append(Conclusion(f"{of}What does the log say?", f"too few episodes for answers: {few}", (_NUMBERS,)))
        elif group.one_shot is not None:
            out += _one_shot(of, group, group.one_shot, term)
        elif not group.rounds and group.revisions is not None:
            out.append(_revised(of, group.revisions))
        else:
            out += [_helps(of, group, term), _advice(of, group, term)]
    return out


# ---------------------------------------------------------------------- several attempts


def _helps(of: str, group: Group, term: _Terms) -> Conclusion:
    total, rates = group.total, group.total.rates
    verdict, _, _ = total.helps.partition(",")  # "yes", or "yes, oracle decides"
    sentences = [f"{term('p')}: {rates.p.text()} over all attempts."]
    sentences += [f"{term(name)}: {rate.text()}." for name, rate in (("a", rates.a), ("b", rates.b))]
    if total.youden.value is not None:
        own = not total.decided_by.startswith("unknown")
        means = _MEANS[_sign(total.youden)] if own else "whether they are the model's is not known"
        sentences.append(f"{term('a + b - 1')}: {total.youden.text()}; {means}.")
        sentences += [_NEED_NOT] if own and verdict == "undecided" and _sign(total.youden) else []
        sentences += [_WITHIN] if own and verdict in ("yes", "no") else []
    if total.decided_by == "model (assumed)":
        sentences.append("That the model itself decided is assumed: the log does not say who did.")
    elif total.decided_by != "model":
        sentences.append(f"Decided by: {total.decided_by}. Decisions that are not the model's say nothing about it.")
    if total.multiplier.value is not None:
        sentences.append(f"{_capital(term('odds multiplier'))}: {odds(total.multiplier)}.")
    gain = total.realised[GAIN]
    sentences.append(
        f"Answers submitted are right in {_text(total.realised['accuracy'])} of the episodes, first answers in "
        f"{_text(total.none)}; the difference is {gain.text()}{_may_be_zero(gain)}."
    )
    bad = [f"{test.name} ({_p_value(test.p_value)})" for test in group.checks if test.rejected()]
    tested = sum(test.p_value is not None for test in group.checks)
    if bad:
        then = _by_chance(group.checks) or (
            " What is said above then holds on average over what differs, not for each problem or round; the table of checks "
            "says more."
        )
        sentences.append(
            f"{REJECTED} Of {counted(tested, 'assumption')} of the model that could be tested, rejected at 5 %: "
            f"{', '.join(bad)}.{then}"
        )
    elif tested:
        none = "The one assumption tested is not" if tested == 1 else f"None of {tested} assumptions tested is"
        sentences.append(f"{none} rejected at 5 %, which does not show that {'it holds' if tested == 1 else 'they hold'}.")
    realised = (total.realised["accuracy"], total.none, gain)
    sentences += _starred(rates.p, rates.a, rates.b, total.youden, total.multiplier, *realised)
    short = total.helps + (_narrow(total.youden, "a + b - 1") if verdict in ("yes", "no") else "")
    return Conclusion(f"{of}Does resampling help?", short, tuple(sentences))


def _revised(of: str, found: Revisions) -> Conclusion:
    """Say what came of answers between which nobody decided."""
    short = {1: "yes", -1: "no, they get worse", 0: "that is not shown"}[_sign(found.gain)]
    within = f"it is {found.within.text()}" if found.within.value is not None else f"it cannot be seen: {found.within.reason}"
    sentences = (
        f"First answers are right in {found.first.text()}, last ones in {found.last.text()}; the difference is "
        f"{found.gain.text()}{_may_be_zero(found.gain)}.",
        f"After a right answer the next is right in {_text(found.right_to_right)}, after a wrong one in "
        f"{_text(found.wrong_to_right)}. Problems that differ make such a difference by themselves; within problems "
        f"{within}.",
        f"{REJECTED + ' ' if found.afresh == 'rejected' else ''}That each answer is drawn afresh is {found.afresh}: {found.why}.",
        "Nobody decided whether to go on, so there is neither a nor b.",
        *_starred(found.first, found.last, found.gain, found.right_to_right, found.wrong_to_right, found.within),
    )
    short += _narrow(found.gain, "the difference")
    return Conclusion(f"{of}Do answers get better from first to last?", short, sentences)


def _advice(of: str, group: Group, term: _Terms) -> Conclusion:
    total, advice = group.total, group.cap
    verdict, _, whose = total.helps.partition(", ")
    short, sentences = "", []
    price = "" if advice is None else f" by the fitted chain, at a price of {advice.cost:g} of accuracy for each (--cost sets it)"
    unknown = total.decided_by.startswith("unknown") and total.youden.value is not None
    if unknown:
        short = "find out who decides"
        sentences.append("Record whether the model itself went on or stopped.")
    elif whose:
        short = "nothing follows for the model"
        sentences.append(f"These decisions are not the model's ({whose}): a log of its own decisions would tell.")
    elif verdict == "yes":
        if advice is None:
            short = "nothing is shown about a cap"
            sentences.append("Nobody resampled in this log, so that it says nothing about how often to.")
        elif advice.cap is not None:
            short = f"at most {counted(advice.cap, 'attempt')}{price}"
            sentences.append(
                f"That {term('cap')} is the {advice.rule}. It is what the fitted chain predicts, without an interval."
            )
        else:
            short = f"at least {counted(advice.table[-1].cap, 'attempt')}{price}"
            sentences.append(
                f"Of caps up to {advice.table[-1].cap}, the most that were looked at, the largest is the fitted chain's best; "
                f"what a larger {term('cap')} gives is not known."
            )
    elif total.helps == "no":
        short = "submit the first answer"
        sentences.append("As long as decisions are like these, resampling makes answers worse.")
    elif total.helps == "undecided":
        short = "undecided"
        sentences.append(
            "The log shows neither that resampling helps nor that it harms. With four times as many problems the intervals "
            "are about half as wide."
        )
    elif total.helps == "cannot be estimated" and total.rates.p.value in (0, 1):
        here, there = ("right", "wrong") if total.rates.p.value else ("wrong", "right")
        short = f"nothing is shown: every answer is {here}"
        sentences.append(f"What the model does after {there} answers is not seen; problems of another difficulty would show it.")
    else:
        short = "record the decisions"
        sentences.append("A log needs decisions after right answers and after wrong ones.")
    if total.rates.a.value is not None and total.rates.b.value is not None and not unknown:
        sentences.append(
            f"It resamples {_text(_complement(total.rates.a))} of its right answers and stops at "
            f"{_text(_complement(total.rates.b))} of its wrong ones."
        )
        sentences += _starred(total.rates.a, total.rates.b)
        if total.perfect.value is not None:
            unlike = total.perfect.caution.startswith(B_DIFFERS) or any(
                test.name == "b over problems" and test.rejected() for test in group.checks
            )
            sentences.append(
                f"Perfect decisions about the same answers would be right in {total.perfect.text()}, if b is the same for all "
                f"problems{', which a test rejects: it may be far off' if unlike else ''}."
            )
            sentences += [said for said in _starred(total.perfect) if not unlike and said not in sentences]
    return Conclusion(f"{of}What to do?", short, tuple(sentences))


# ---------------------------------------------------------------------- two logs


def _comparison(found: Survey, names: tuple[str, str]) -> Conclusion:
    before, after = names
    question = f"Whose gain is it, from {before} to {after}?"
    few = [f"{group.name} has {short}" for group in found.groups if (short := too_few(group))]
    if few:
        return Conclusion(question, f"too few episodes to say: {' and '.join(few)}", (_NUMBERS,))
    if found.comparison is None:
        assert found.first_answers is not None
        return _first_answers(f"Is {after} better than {before}?", found.first_answers, names)
    several = len(found.comparison_parts) > 1 and found.comparison_mean is not None
    split: Difference | MeanSplit = (found.comparison_mean if several else None) or found.comparison
    over = f" (mean over the labels of {found.by})" if several else ""
    sentences = [f"Accuracy changes by {split.gain.text()}{over}{_may_be_zero(split.gain)}; each problem counts once."]
    words = {"sampling": split.sample, "decisions": split.decide}
    sentences += [
        f"By {name} ({'when to stop and when to resample' if name == 'decisions' else 'how good single answers are'}): "
        f"{part.text()}{_may_be_zero(part)}."
        for name, part in words.items()
    ]
    sentences += _starred(split.gain, *words.values())
    sentences += [_stands(found, split), *_falling(found.comparison, split)]
    way = _sign(split.gain)
    if way < 0:
        question = question.replace("gain", "loss", 1)
    short = _whose({name: _sign(part) * way for name, part in words.items()}) if way else "no difference in accuracy is shown"
    short = "; ".join([*_not_the_models(found.groups), short]) + _share(split)
    said = {f"{name[0]} differs between problems" for name in found.comparison_without if name.endswith(" over problems")}
    sentences += [
        f"{_capital(note)}." for note in found.comparison.notes if not note.startswith((*said, *([TOO_SHORT] if several else [])))
    ]
    sentences += _too_short(found, found.comparison) if several else []
    return Conclusion(question, short, tuple(sentences))


def _whose(parts: dict[str, int]) -> str:
    """Say which parts go with a change of accuracy (1), and which against it (-1).

    >>> _whose({"sampling": 0, "decisions": 1}), _whose({"sampling": -1, "decisions": 1})
    ('decisions contribute; the part of sampling may be zero', 'decisions contribute, sampling works against it')
    """
    if set(parts.values()) == {1}:
        return "both sampling and decisions contribute"
    does = {"sampling": ("contributes", "works against it"), "decisions": ("contribute", "work against it")}
    said = [f"{name} {does[name][part < 0]}" for name, part in sorted(parts.items(), key=lambda one: -one[1]) if part]
    unseen = [f"; the part of {name} may be zero" for name, part in parts.items() if not part]
    return ", ".join(said) + "".join(unseen) if said else "not told apart"


def _not_the_models(groups: Iterable[Group]) -> list[str]:
    """Say in which logs decisions are not the model's, before anything is said of decisions."""
    out = []
    for group in groups:
        who = group.total.decided_by
        if who not in (MODEL, ASSUMED):
            why = who.removeprefix("unknown: ")
            out.append(f"decisions of {group.name} are not {'known to be ' if why != who else ''}all the model's: {why}")
    return out


def _share(split: Difference | MeanSplit) -> str:
    """Return which part of the gain is the decisions', where there is a gain."""
    share = split.decision_share
    if share.value is None:
        return ""
    rises, odd = _sign(split.gain) > 0, ""
    if share.low > 1:
        odd = f" (more than all of it: sampling {'takes away' if rises else 'adds'})"
    elif share.high < 0:
        odd = f" (below nothing: decisions {'take away' if rises else 'add'})"
    elif not 0 <= share.value <= 1:
        odd = f" (whether that is {'more than all of it' if share.value > 1 else 'below nothing'} is not shown)"
    return f"; decisions' share of the change is {share.text(2)}{odd}"


def _stands(found: Survey, split: Difference | MeanSplit) -> str:
    """Say whether the answer stands: what rejected assumptions do to it, and what would be left of it."""
    asked = "Does this answer stand?"
    rejected = [test.name for tests in found.comparison_checks.values() for test in tests if test.rejected()]
    if not rejected:
        said = "No assumption that could be tested is rejected at 5 %, which does not show that they hold."
        return f"{asked} {said}{_may_hide(found)}"
    without = found.comparison_without
    others = list(dict.fromkeys(name for name in rejected if name not in without))
    aside = f" They also reject that {_assumed(others)}, which the split does not assume." if others else ""
    if not without:
        both = sorted(others) == ["p over problems", "p over rounds"]
        what = "One p for all problems and all rounds" if both else f"That {_assumed(others)}"
        said = f"Yes: no test rejects at 5 % what the split assumes. {what} is rejected, but not assumed."
        return f"{asked} {said}{_may_hide(found)}"
    aside = f"{_by_chance(tests_of_split(found.comparison_checks))}{aside}"
    unknown = [name for name, shift in without.items() if shift.decide.value is None]
    if unknown:
        reasons: dict[str, list[str]] = {}
        for name in unknown:
            reasons.setdefault(without[name].decide.reason, []).append(name)
        clauses = (f"that {_assumed(names)}; what that does to it is not known: {why}" for why, names in reasons.items())
        said, alike = ". They reject ".join(clauses), " Labels (--by) within which problems are alike would help."
        remedy = alike if any("problems" in name for name in unknown) else ""
        return f"{REJECTED} {asked} Not known. Tests reject at 5 % {said}.{remedy}{aside}"
    most = {name: max(-shift.decide.low, shift.decide.high) for name, shift in without.items()}
    worst = max(most, key=most.__getitem__)
    of = without[worst].decision_share
    moves = f"decisions' share by at most {max(-of.low, of.high):.2f}" if of.value is not None else (
        f"the part of decisions by at most {most[worst]:.3f}")  # fmt: skip
    said = (
        f"Tests reject at 5 % that {_assumed(without)}, which the split assumes; the same logs split without it move {moves} "
        f"with {100 * without[worst].decide.level:g} % confidence (the far end of an interval)"
    )
    parts = {"sampling": split.sample, "decisions": split.decide}
    by = most[worst]
    wider = {name: replace(part, low=part.low - by, high=part.high + by) for name, part in parts.items()}
    left = [name for name, part in parts.items() if _sign(part) and _sign(wider[name]) == 0]
    if left:
        may = f"the part of {' and that of '.join(left)} may then be zero"
        return f"{REJECTED} {asked} In part. {said}, and {may}.{aside}"
    return f"{asked} Yes. {said}.{aside}{_may_hide(found)}"


def _by_chance(tests: Iterable[Test]) -> str:
    """Say in how many logs one of so many tests gives as small a p-value although all of it holds, where that is not rare.

    At most in the number of tests times the p-value, whatever the tests have to do with each other (Boole's inequality).
    """
    values = [test.p_value for test in tests if test.p_value is not None]
    chance = len(values) * min(values)
    if chance < _RARE:
        return ""
    often = "may give in any log" if chance >= 1 else f"gives in up to {100 * chance:.0f} % of logs"
    return f" The smallest of {len(values)} p-values is {min(values):.2g}, as chance alone {often}."


def _may_hide(found: Survey) -> str:
    """Say what could not be tested, and that departures may hide each other where problems have too few episodes to tell."""
    tests = [test for tests in found.comparison_checks.values() for test in tests]
    untested = [name for name in _UNLIKE if any(test.name == name and test.p_value is None for test in tests)]
    if untested:
        return f" That {_assumed(untested)} could not be tested in both logs, and the split assumes it."
    rates = [group.total.rates for group in found.groups]
    fewest = min((one.episodes / one.problems for one in rates), default=_TELLING)
    if fewest >= _TELLING and all(one.problems >= _TELLING_PROBLEMS for one in rates):
        return ""
    few = min((one.problems for one in rates), default=0)
    many = "1 episode" if fewest == 1 else f"{fewest:.1f} episodes"
    return (
        f" Departures can hide each other with {many} of each of {counted(few, 'problem')}: where b differs between problems and "
        f"falls with each attempt, tests may see neither. {_TELLING} episodes of each of {_TELLING_PROBLEMS} problems mostly "
        "show both where they are large."
    )


def _too_short(found: Survey, total: Difference) -> list[str]:
    """Say by how much the splits of a table of several labels may be off where episodes do not show how problems differ."""
    within = {label: unseen(part.spreads["decide"]) for label, part in found.comparison_parts.items()}
    worst = sorted(filter(within.__getitem__, within), key=within.__getitem__, reverse=True)
    mean = 0.0 if found.comparison_mean is None else found.comparison_mean.unseen
    off = {"the mean": mean, **{label: within[label] for label in worst[:3]}, "all together": unseen(total.spreads["decide"])}
    said = [f"{value:.2g} in {where}" for where, value in off.items() if value]
    more = f" (less in {counted(len(worst) - 3, 'other')} of {found.by})" if len(worst) > 3 else ""
    if not said:
        return []
    by = f"{', '.join(said[:-1])}{' and ' if said[1:] else ''}{said[-1]}{more}"
    return [f"{_capital(TOO_SHORT)}: the parts may be off by {by} beside chance, which their intervals allow for."]


def _assumed(tests: Iterable[str]) -> str:
    return " and that ".join(ASSUMPTIONS[name] for name in tests)


def _falling(found: Difference, split: Difference | MeanSplit) -> list[str]:
    """Say why p over all attempts may move the other way than the part of sampling does."""
    before, after, part = found.rates_before.p.value, found.rates_after.p.value, split.sample.value
    if before is None or after is None or part is None or (after - before) * part >= 0:
        return []
    way, sign = "fell" if after < before else "rose", "above" if part > 0 else "below"
    return [
        f"p over all attempts {way}, from {before:.3f} to {after:.3f}, although the part of sampling is estimated {sign} 0. "
        "Where problems differ, decisions also say how many attempts go to easy and to hard ones; in the split each counts once."
    ]


def _first_answers(question: str, found: FirstAnswers, names: tuple[str, str]) -> Conclusion:
    sign = _sign(found.gain)
    short = {1: "yes, in first answers", -1: "no, worse in first answers", 0: "no difference is shown"}[sign]
    short += _narrow(found.gain, "the difference")
    sentences = [
        f"First answers are right in {found.before.text()} ({names[0]}) and {found.after.text()} ({names[1]}); the difference is "
        f"{found.gain.text()}{_may_be_zero(found.gain)}.",
        *_starred(found.before, found.after, found.gain),
        *(f"{_capital(note)}." for note in found.notes),
    ]
    return Conclusion(question, short, tuple(sentences))


# ---------------------------------------------------------------------- one attempt


def _one_shot(of: str, group: Group, shot: OneShot, term: _Terms) -> list[Conclusion]:
    rates = group.total.rates
    out = [
        Conclusion(
            f"{of}How often is an answer right?",
            number(rates.p.value),
            (
                f"{term('p')}: {rates.p.text()}, from {counted(rates.attempts, 'sample')} of "
                f"{counted(rates.problems, 'problem')}.",
                "Each answer stands alone, so the log has no decisions and does not show whether resampling helps.",
                *_starred(rates.p),
                "If answers correct themselves within their text, split them: --reader transcript --field transcript=KEY "
                "--segment markers.",
            ),
        )
    ]
    if shot.largest > 1:
        out.append(_samples(of, shot, term))
    if shot.scores is not None:
        out.append(_score(of, shot.scores, term))
    return out


def _samples(of: str, shot: OneShot, term: _Terms) -> Conclusion:
    row = shot.sizes[-1]
    shown = [row.passed, *([] if row.majority is None else [row.majority]), row.dead, row.all_right, row.all_wrong]
    sentences = [
        f"{term('pass@k')}, k = {row.k}: {_text(row.passed)}. It is reached only where something picks the right sample."
    ]
    if row.majority is not None:
        sentences.append(f"{term('majority@k')}, k = {row.k}: {_text(row.majority)}.")
    short = f"pass@{row.k} {number(row.passed.value)}"
    if row.dead.value is not None:
        short += f", dead groups {number(row.dead.value)}"
        sentences.append(
            f"{_capital(term('dead groups'))}, of {row.k} samples: {row.dead.text()}; all right {_text(row.all_right)}, "
            f"all wrong {_text(row.all_wrong)}."
        )
        more = "By two intervals that do not overlap, not by a test, more of them are"
        if row.all_wrong.low > row.all_right.high:
            sentences.append(f"{more} all wrong: easier problems, or more samples of each, should leave fewer without a signal.")
        elif row.all_right.low > row.all_wrong.high:
            sentences.append(f"{more} all right: harder problems should leave fewer without a signal.")
    if len(shot.steps) > 1:
        first, last = shot.steps[0], shot.steps[-1]
        shown += [first.p, last.p, first.dead, last.dead]
        sentences.append(
            f"From step {first.step} to step {last.step}: p from {_text(first.p)} to {_text(last.p)}, dead groups from "
            f"{_text(first.dead)} to {_text(last.dead)}. Whether they changed is not tested."
        )
    sentences += _starred(*shown)
    return Conclusion(f"{of}What do several samples of a problem give?", short, tuple(sentences))


def _score(of: str, rule: ScoreRule, term: _Terms) -> Conclusion:
    question, within = f"{of}Can the score decide?", rule.area_within
    if within.value is None:
        return Conclusion(question, "cannot be said", (f"{_capital(within.reason)}.",))
    if rule.area.value == 1 and rule.distinct == 2:  # of all samples: within problems nothing is said of those all right
        said = "It has two values, which say exactly what is right: it looks like the verdict, not like a score."
        return Conclusion(question, "it looks like the verdict itself", (said,))
    short = "yes" if within.low > 0.5 else "no, it is the wrong way round" if within.high < 0.5 else "that is not shown"
    short += "" if short == "that is not shown" else _narrow(within, "that chance")
    sentences = [
        f"Of a right and a wrong sample of one problem the right one has the higher score with chance {within.text()}; "
        "0.5 is a score that says nothing.",
        *_starred(within),
    ]
    if rule.best.held_out is not None:
        sentences.append(
            f"With a threshold chosen on half of the problems and judged on the rest, {term('a + b - 1')} is "
            f"{rule.best.held_out[0]:.3f} on average over random halves, which is not an interval."
        )
    return Conclusion(question, short, tuple(sentences))


# ---------------------------------------------------------------------- words


def _text(estimate: Estimate) -> str:
    return "an unknown share" if estimate.value is None else estimate.text()


def _starred(*estimates: Estimate) -> list[str]:
    """Say what a star means, where an interval has one."""
    why = dict.fromkeys(one.caution for one in estimates if one.caution)
    return (
        [f"* An interval with a star may contain the true value less often than its level says: {'; '.join(why)}."] if why else []
    )


def _narrow(estimate: Estimate, what: str) -> str:
    """Warn beside an answer that rests on an interval with a star."""
    return f"; the interval of {what} may be too narrow" if estimate.caution and _sign(estimate) else ""


def _complement(estimate: Estimate) -> Estimate:
    assert estimate.value is not None
    return replace(estimate, value=1 - estimate.value, low=1 - estimate.high, high=1 - estimate.low)


def _sign(estimate: Estimate) -> int:
    """Return on which side of 0 an interval lies, 0 if it holds 0."""
    return 1 if estimate.low > 0 else -1 if estimate.high < 0 else 0


def _may_be_zero(estimate: Estimate) -> str:
    return "" if _sign(estimate) else ", which may be zero"


def _capital(text: str) -> str:
    """Begin a sentence; one that begins with the letter p, a or b keeps it."""
    return text if text[1:2] == " " else text[:1].upper() + text[1:]


def _p_value(value: float | None) -> str:
    return "-" if value is None else "< 0.001" if value < 1e-3 else f"{value:.3f}"
