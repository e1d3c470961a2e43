"""A survey in tables and sentences, and how they are printed on the terminal (HTML: :mod:`dstheory.cli.anatomy.page`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dstheory.anatomy.answers import ITS_OWN, Answers
from dstheory.anatomy.difference import Difference, FirstAnswers
from dstheory.anatomy.holdout import HeldOut
from dstheory.anatomy.model_checks import ASSUMPTIONS, Test
from dstheory.anatomy.one_shot import OneShot
from dstheory.anatomy.rates import Estimate, Row
from dstheory.anatomy.revisions import Revisions
from dstheory.anatomy.rollout_chain import MOST_CAPS, CapAdvice
from dstheory.anatomy.score_rule import ScoreRule
from dstheory.anatomy.surveys import TOTAL, Group, Survey
from dstheory.anatomy.votes import Votes
from dstheory.cli.show import echo, print_table, say
from dstheory.readers.records import NOBODY
from dstheory.texts import counted

RATES = ("p = P(correct)", "a = P(stop | correct)", "b = P(resample | wrong)")
_WHERE_REJECTED = {
    "p over problems": "p is their mean; read the predictions called heterogeneous",
    "a over problems": "a is a mean; predictions take it as the same for all",
    "b over problems": "b is a mean; predictions take it as the same for all",
    "trend within episodes": "p is a mean over rounds; other caps may go otherwise; a or b that change do this by themselves",
    "dependence within episodes": "p is a mean; predictions for other caps may fail",
    "a and the answer before": "a is a mean over both cases; problems that differ in a do this by themselves",
    "b and the answer before": "b is a mean over both cases; problems that differ in b do this by themselves",
    "p over rounds": "p is a mean over rounds; problems that differ do this by themselves",
    "a over rounds": "a is a mean over rounds; other caps may go otherwise; problems that differ in a do this by themselves",
    "b over rounds": "b is a mean over rounds; other caps may go otherwise; problems that differ in b do this by themselves",
}
"""Test -> what p, a, b and predictions are where it rejects what it asks."""
_VERDICTS = {None: "not testable", True: "rejected", False: "not rejected"}
FEWEST = 5  # episodes of a group, from which on it has answers; with fewer, intervals are as wide as what they are about
_STAR = (
    "* may contain the true value less often than its level says: few problems show how much they differ, or decisions or "
    "caps do "
    "from problem to problem (caution in anatomy.json)"
)
_TELLING = 60  # problems, from which on the interval of a difference in log-likelihood holds it as often as it says
_ROUNDS = 10
_CAPS = 12
_STEPS = 12


@dataclass(frozen=True)
class Section:
    """A part of a document.

    Attributes:
        title: above it.
        columns, rows: a table, if there are any; texts.
        words: how many of the first columns are words, the others numbers.
        lines: sentences below the table.
        detail: whether a short account leaves the table out and shows ``brief`` instead.
        brief: sentences for a short account.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    words: int = 1
    lines: Sequence[str] = ()
    detail: bool = False
    brief: Sequence[str] = ()

    @property
    def below(self) -> list[str]:
        """The sentences below the table, and what a star in it means."""
        return [*self.lines, *([_STAR] if any("]*" in text for row in (*self.rows, self.lines) for text in row) else [])]


def document(found: Survey) -> list[Section]:
    """Return the sections of a survey, the most important first.

    >>> from dstheory.anatomy.surveys import survey
    >>> from dstheory.anatomy.generate import Cell, generate_log
    >>> sections = document(survey(generate_log(40, cells=[Cell("m", "t", 0.4, 0.9, 0.8)])))
    >>> [section.title for section in sections]
    ['sampling and decisions', 'does resampling help', 'final accuracy', 'answers per round', 'what is assumed',
    'checks of the model', 'predicting other problems', 'recommended cap']
    """
    compared: list[Section] = []
    if found.comparison is not None and found.compared is not None:
        compared = [_comparison(found, found.comparison, found.compared), _assumed(found, found.compared)]
    elif found.first_answers is not None and found.compared is not None:
        compared = [_first_answers(found, found.first_answers, found.compared)]
    out = what_was_read(found) + (_in_detail(compared) if any(map(too_few, found.groups)) else compared)
    for group in found.groups:
        out += _in_detail(_group(group, found)) if too_few(group) else _group(group, found)
    return out


def too_few(group: Group) -> str:
    """Return how many episodes a group has where these are too few for answers; "" where they are enough, or one answer each."""
    episodes = group.total.rates.episodes
    return "" if episodes >= FEWEST or group.one_shot is not None else f"{episodes} where {FEWEST} are needed"


def _in_detail(sections: Sequence[Section]) -> list[Section]:
    """Return sections of which a short account says nothing."""
    return [replace(section, detail=True, brief=()) for section in sections]


def what_was_read(found: Survey) -> list[Section]:
    """Return the section on the reading, if the log was read here."""
    return [] if found.reading is None else [Section("what was read", lines=found.reading.lines())]


def _group(group: Group, found: Survey) -> list[Section]:
    of = f"{group.name}: " if group.name else ""
    everything = {**group.parts, **({TOTAL: group.total} if len(group.parts) > 1 else {})}
    if group.one_shot is not None:
        return _one_shot(of, everything, group.one_shot, found)
    revised = [] if group.revisions is None else _revisions(of, group, group.revisions, found)
    if not group.rounds:
        return revised
    return [
        Section(
            f"{of}sampling and decisions",
            [found.by, "problems", "episodes", "attempts", "p of all attempts", *RATES[1:]],
            [[label, *_row(answers.rates, Estimate.text)] for label, answers in everything.items()],
            lines=[
                f"{100 * found.level:g} % intervals; attempts of one problem count as correlated. Problems that are tried again "
                "more often have more attempts, so that decisions move p over all attempts, "
                f"{number(group.total.rates.p.value)}. Over first attempts, one for each episode, p is "
                f"{number(group.total.none.value)} (the column of first answers below)."
            ],
        ),
        Section(
            f"{of}does resampling help",
            [found.by, "helps", "a + b - 1", "odds x a/(1-b)", "right: first answers", "submitted answers"],
            [
                [label, a.helps, *map(text_of, (a.youden, a.multiplier, a.none, a.realised["accuracy"]), (3, 2, 3, 3))]
                for label, a in everything.items()
            ],
            words=2,
            lines=[
                "right: the share of first answers, and of those submitted; it helps where a + b > 1 and more of these are right"
            ],
        ),
        Section(
            f"{of}final accuracy",
            [found.by, "realised", "pooled", "heterogeneous", "perfect decisions"],
            [_accuracies(label, answers, group) for label, answers in everything.items()],
            lines=[
                "pooled, heterogeneous: predicted for problems not used in the fit (- with fewer than 20 problems), with one p "
                "for all problems, or p varying between them; perfect decisions: any of the attempts up to the cap is right, "
                "if b is the same for all problems (- where episodes of fewer than five problems were wrong that long)",
                *group.total.notes,
            ],
        ),
        Section(
            f"{of}answers per round",
            ["round", "problems", "attempts", "p", "a", "b"],
            [[*row.labels, *_row(row, text_of, episodes=False)] for row in group.rounds[:_ROUNDS]],
            lines=[f"{counted(more, 'more round')} in anatomy.json"] if (more := len(group.rounds) - _ROUNDS) > 0 else [],
            detail=True,
        ),
        *([_holds(f"{of}what is assumed", group.checks)] if found.comparison is None else []),
        _checks(f"{of}checks of the model", group.checks),
        _held_out(f"{of}predicting other problems", group.held_out),
        *([] if group.cap is None else [_cap(f"{of}recommended cap", group.cap, group.total.helps)]),
        *revised,
    ]


def _revisions(of: str, group: Group, total: Revisions, found: Survey) -> list[Section]:
    """Sections of chains of answers between which it was not the model that decided."""
    parts = group.revisions_parts
    everything = {**parts, **({TOTAL: total} if len(parts) > 1 else {})}
    who = group.total.decided_by
    whose = "nobody decided whether to go on" if who == NOBODY else f"decided by: {who}"
    others = [
        f"with next answers of other records of the problem instead: after right ones {total.others_right.text()}, after wrong "
        f"ones {total.others_wrong.text()}"
    ]
    limit = [f"applied turn after turn, these two rates lead to a share of right answers of {number(total.limit)}"]
    asked = [test for test in total.tests if test.p_value is not None]
    said = [
        f"drawn afresh, right with the problem's p whatever came before: {total.afresh}: {total.why}",
        f"dependent on the former answer and nothing else (Markov): {total.markov}",
    ]
    alike = "records of one problem must share prompt and checkpoint: else their differences look like dependence"
    aside = who != NOBODY  # decisions come first, where there are some
    return [
        Section(
            f"{of}first and last answers",
            [found.by, "problems", "records", "first right", "last right", "difference"],
            [
                [label, f"{r.problems:,}", f"{r.records:,}", *map(Estimate.text, (r.first, r.last, r.gain))]
                for label, r in everything.items()
            ],
            lines=[
                f"{_range(total.shortest, total.longest)} answers to a record; {100 * found.level:g} % intervals; answers to one "
                "problem count as correlated",
                f"{whose}, so the decisions are not the model's",
                *total.notes,
            ],
        ),
        Section(
            f"{of}what comes after an answer",
            [found.by, "right after right", "right after wrong", "difference", "within problems"],
            [
                [label, *map(text_of, (r.right_to_right, r.wrong_to_right, r.difference, r.within))]
                for label, r in everything.items()
            ],
            lines=[
                "within problems: the difference among records of the same problem, 0 if answers are drawn afresh; where "
                "problems differ, right follows right too, but not within a problem",
                *(others if total.others_right.value is not None else []),
                *(limit if total.limit is not None else []),
            ],
        ),
        Section(
            f"{of}is each answer drawn afresh",
            ["what", "verdict", "assumption", "effect", "p-value"],
            [[test.name, _VERDICTS[test.rejected()], test.null, test.effect, _p_value(test)] for test in asked],
            words=4,
            lines=[*said, *([alike] if asked else [])],
            detail=aside,
            brief=said,
        ),
        Section(
            f"{of}turn by turn",
            ["turn", "records", "right", "if drawn afresh", "if Markov"],
            [[str(t.turn), f"{t.records:,}", t.right.text(), number(t.afresh), number(t.markov)] for t in total.turns[:_ROUNDS]],
            lines=["with one p, and with one pair of rates, for all turns"],
            detail=aside,
        ),
    ]


def _one_shot(of: str, everything: Mapping[str, Answers], shot: OneShot, found: Survey) -> list[Section]:
    """Sections of a group in which nobody could resample."""
    voted = any(row.majority is not None for row in shot.sizes)
    sizes = [
        [
            str(row.k), f"{row.groups:,}", row.passed.text(), *([text_of(row.majority)] if row.majority is not None else []),
            text_of(row.all_right), text_of(row.all_wrong), text_of(row.dead),
        ]
        for row in shot.sizes
    ]  # fmt: skip
    samples = Section(
        f"{of}k samples of a problem",
        ["k", "groups", "pass@k", *(["majority@k"] if voted else []), "all right", "all wrong", "dead"],
        sizes,
        lines=[
            f"{counted(shot.groups, 'group')} of {_range(shot.smallest, shot.largest)} samples of one problem"
            f"{' at one step' if shot.steps else ''}; row k uses every subset of k samples of each group that has k or more",
            "pass@k: at least one of k is right; dead: all k right or all k wrong, so that no advantage is left to learn from",
        ],
    )
    every = max(1, -(-len(shot.steps) // _STEPS))
    steps = [step for i, step in enumerate(shot.steps) if i % every == 0 or i == len(shot.steps) - 1]
    by_step = Section(
        f"{of}by step",
        ["step", "groups", RATES[0], "dead groups"],
        [[step.step, f"{step.groups:,}", step.p.text(), step.dead.text()] for step in steps],
        lines=[f"{len(steps):,} of {len(shot.steps):,} steps; all are in anatomy.json"] if len(steps) < len(shot.steps) else [],
    )
    return [
        Section(
            f"{of}sampling",
            [found.by, "problems", "samples", RATES[0]],
            [[label, f"{a.rates.problems:,}", f"{a.rates.attempts:,}", a.rates.p.text()] for label, a in everything.items()],
            lines=[
                f"{100 * found.level:g} % intervals; samples of one problem count as correlated",
            ],
            detail=len(everything) == 1,
        ),
        *([samples] if shot.largest > 1 else []),
        *([by_step] if len(shot.steps) > 1 else []),
        *([] if shot.scores is None else _scores(of, shot.scores)),
        *([] if shot.votes is None else _votes(of, shot.votes)),
    ]


def _votes(of: str, votes: Votes) -> list[Section]:
    """Sections of the agreement of samples taken as the decision."""
    left = [f"left out, as they make no whole vote of {votes.k}: {counted(votes.left_out, 'sample')}"] if votes.left_out else []
    decisions, accuracy = _scores(of, votes.rule)
    return [
        replace(
            decisions,
            title=f"{of}the agreement of {votes.k} samples as the decision",
            lines=[
                f"the most frequent answer of {votes.k} samples is accepted from this share of them on; p is that of the votes",
                *left,
                *(line.replace("samples", "votes") for line in decisions.lines),
            ],
        ),
        replace(
            accuracy,
            title=f"{of}drawing {votes.k} more samples until enough agree",
            lines=[line.replace("samples", "votes") for line in accuracy.lines],
        ),
    ]


def _scores(of: str, rule: ScoreRule) -> list[Section]:
    """Sections of a score taken as the decision; their tables fit 80 columns."""
    best = rule.best
    area = [f"area under the ROC curve: {rule.area.text()}, of all samples", f"within problems: {rule.area_within.text()}"]
    if rule.area.value == 1 and rule.distinct == 2:
        area.append("the score has two values, which say exactly what is right: is it the verdict?")
    if rule.area_within.value is not None and rule.area_within.high < 0.5:
        area.append("within problems right samples have lower scores than wrong ones: reverse the score")
    chosen = []
    if best.threshold is not None and best.same is not None:
        chosen = [
            f"best threshold, by the largest a + b - 1: {best.threshold:.6g}",
            f"on the samples it was chosen on: a + b - 1 = {best.same[0]:.3f}, accuracy {best.same[1]:.3f} (too good)",
        ]
    if best.held_out is not None and best.held_out_range is not None and best.thresholds is not None:
        chosen += [
            f"chosen on half of the problems, judged on the rest: a + b - 1 = {best.held_out[0]:.3f},",
            f"  accuracy {number(best.held_out[1])}: the mean of {best.splits} random splits, 90 % of them with a + b - 1",
            f"  of {best.held_out_range[0]:.3f} to {best.held_out_range[1]:.3f}; thresholds {best.thresholds[0]:.4g} to "
            f"{best.thresholds[2]:.4g}",
        ]
    missing = next((f"a: {e.reason}" if e is row.a else f"b: {e.reason}"
                    for row in rule.thresholds for e in (row.a, row.b) if e.reason), "")  # fmt: skip
    decisions = Section(
        f"{of}the score as a decision",
        ["accept from", "P(accept | right)", "P(reject | wrong)", "a + b - 1"],
        [[f"{row.threshold:.6g}", *(text_of(e, 2) for e in (row.a, row.b, row.youden))] for row in rule.thresholds],
        lines=[
            f"p = {rule.p.text()}; {counted(rule.samples, 'sample')}, {counted(rule.distinct, 'distinct score')}",
            *([missing] if missing else []),
            *area,
            *([] if not best.reason else [best.reason]),
            *chosen,
        ],
    )
    never = max(row.never for row in rule.thresholds)
    accuracy = Section(
        f"{of}resampling until the score accepts",
        ["accept from", "odds x a/(1-b)", "accuracy", "each problem"],
        [
            [f"{row.threshold:.6g}", odds(row.multiplier), text_of(row.accuracy, 2), text_of(row.each_problem, 2)]
            for row in rule.thresholds
        ],
        lines=[
            "accuracy after unlimited resampling: p a/(p a + (1-p)(1-b)), samples together;",
            "each problem: the mean over problems of the share right among accepted",
            *([f"problems of which nothing is accepted are left out: up to {never:,} of {rule.problems:,}"] if never else []),
        ],
    )  # fmt: skip
    return [decisions, accuracy]


def odds(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]" + "*" * bool(estimate.caution)


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _row(row: Row, text: Callable[[Estimate], str], *, episodes: bool = True) -> list[str]:
    counts = (row.problems, row.episodes, row.attempts) if episodes else (row.problems, row.attempts)
    return [*(f"{count:,}" for count in counts), *map(text, (row.p, row.a, row.b))]


def _accuracies(label: str, answers: Answers, group: Group) -> list[str]:
    held = group.held_out_of(label)
    predicted = {} if held is None else held.calibration[0].predicted
    numbers = (number(predicted.get(kind)) for kind in ("pooled", "heterogeneous"))
    return [label, text_of(answers.realised["accuracy"]), *numbers, text_of(answers.perfect)]


def _checks(title: str, checks: Sequence[Test]) -> Section:
    tested = sum(test.p_value is not None for test in checks)
    return Section(
        title,
        ["what", "verdict", "assumption", "effect", "p-value"],
        [[test.name, _VERDICTS[test.rejected()], test.null, test.effect or test.reason, _p_value(test)] for test in checks],
        words=4,
        lines=[
            f"with {counted(tested, 'test')}, Bonferroni asks for a p-value below {0.05 / tested:.2g}; a large log shows small "
            "effects too"
        ]
        if tested
        else [],
        detail=True,
    )


def _holds(title: str, checks: Sequence[Test]) -> Section:
    """What each test asks, whether it holds, and what that does to the answers, in one table."""
    return Section(
        title,
        ["what was tested", "does it hold in this log", "what that does to the answers"],
        [[t.null, _verdict(t), _WHERE_REJECTED[t.name] if t.rejected() else "-"] for t in checks],
        words=3,
        lines=["rejected: a p-value, in parentheses, below 0.05; --details has effects and reasons"],
    )


def _assumed(found: Survey, names: tuple[str, str]) -> Section:
    """What tests ask of the two logs, and what the split would be without what they reject."""
    logs = [{test.name: test for test in found.comparison_checks[name]} for name in names]
    split = found.comparison_mean if len(found.comparison_parts) > 1 else found.comparison
    assert split is not None
    share = split.decision_share.value is not None
    several = f" of one {found.by}" if len(found.comparison_parts) > 1 else ""
    rows = []
    for name, text in ASSUMPTIONS.items():
        tests = [log[name] for log in logs if name in log]
        shift = found.comparison_without.get(name)
        effect = "-" if not any(test.rejected() for test in tests) else "nothing: the split does not assume it"
        if shift is not None:
            moves = shift.decision_share if share else shift.decide
            effect = f"not known: {moves.reason}" if moves.value is None else _signed(moves, 2 if share else 3)
        rows.append([text + (several if name in ("a over problems", "b over problems") else ""), *map(_verdict, tests), effect])
    what = "decisions' share" if share else "the part of decisions"
    return Section(
        "does the answer stand: what was tested",
        ["what was tested", *(f"holds in {name}?" for name in names), f"what that does to {what}"],
        [row for row in rows if len(row) == len(names) + 2],
        words=4,
        lines=[
            f"rejected: a p-value, in parentheses, below 0.05. Then the same logs are split without the assumption, and {what} "
            f"would be larger by so much, with a {100 * found.level:g} % interval"
        ],
    )


def _verdict(test: Test) -> str:
    return _VERDICTS[test.rejected()] + ("" if test.p_value is None else f" ({_p_value(test)})")


def _signed(estimate: Estimate, digits: int) -> str:
    assert estimate.value is not None
    value, low, high = (round(x, digits) + 0.0 for x in (estimate.value, estimate.low, estimate.high))  # no -0.00
    return f"{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _p_value(test: Test) -> str:
    if test.p_value == 0:
        return "< 1e-300"
    return "-" if test.p_value is None else f"{test.p_value:.3f}" if test.p_value >= 1e-3 else f"{test.p_value:.1e}"


def _held_out(title: str, held: HeldOut | None) -> Section:
    if held is None:
        return Section(title, lines=["fewer than 20 problems: too few to keep some out of the fit"])
    kinds = list(held.log_likelihood)
    narrow = "" if held.problems >= _TELLING else f"; with fewer than {_TELLING} problems the interval may be too narrow"
    likelihood = [
        f"held-out log-likelihood per problem, {kind} less pooled: {estimate.text()}"
        + (" (better)" if estimate.low > 0 else " (worse)" if estimate.high < 0 else "")
        + (narrow if estimate.low < estimate.high else "; the chains are the same")
        for kind, estimate in held.difference.items()
    ]
    rho = held.chains["heterogeneous"].p.rho
    spread = f"spread of p over problems: rho = {rho:.3f} (0: alike, 1: always or never right)"
    folds = f"{held.folds} folds of {held.problems:,} problems; z: realised less predicted, in standard errors"
    return Section(
        title,
        ["quantity", "realised", *(f"{kind} (z)" for kind in kinds)],
        [
            [row.what, text_of(row.realised), *(f"{number(row.predicted[k])} ({number(row.z[k], '+.1f')})" for k in kinds)]
            for row in held.calibration
        ],
        lines=[folds, *likelihood, spread],
        detail=True,
        brief=[*likelihood[:1], spread],
    )


def _cap(title: str, advice: CapAdvice, helps: str) -> Section:
    most = advice.table[-1].cap
    if advice.cap is not None:
        best = f"at most {counted(advice.cap, 'attempt')}"
    elif most < MOST_CAPS:
        best = f"at least {counted(most, 'attempt')}, the most that the log shows; whether more would pay it does not show"
    else:
        best = f"at least {most} attempts, the most that are looked at"
    unsure = [] if helps == "no" or (helps.startswith(("yes", "no,")) and ITS_OWN not in helps) else [
        f"whether resampling helps: {helps}; so no cap is recommended, and this is what the fitted chain says"
    ]  # fmt: skip
    return Section(
        title,
        ["cap", "accuracy", "attempts", "net", "gain per attempt added"],
        [
            [str(row.cap), number(row.accuracy), f"{row.attempts:.2f}", number(row.net), number(row.marginal)]
            for row in advice.table
            if row.cap <= _CAPS or row.cap == advice.cap
        ],
        lines=[f"{best}: {advice.rule}; heterogeneous chain", *unsure],
        detail=True,
        brief=[] if unsure else [f"{best}: {advice.rule}"],
    )


def _comparison(found: Survey, total: Difference, names: tuple[str, str]) -> Section:
    rows = [_split(label, part) for label, part in found.comparison_parts.items()]
    where = "without a cap" if total.cap == 0 else f"at most {total.cap} attempts"
    lines = [
        f"accuracies are means over problems, {where}; parts are Shapley values and add up to the gain",
        "by decisions: what exchanging a and b changes, under either model's answers to each problem; by sampling: the rest",
    ]
    if len(rows) > 1:
        lines.append(f"a and b may differ from one {found.by} to another: read the mean of the splits within them")
        mean = found.comparison_mean
        if mean is not None:
            texts = map(text_of, (mean.gain, mean.sample, mean.decide, mean.decision_share), (3, 3, 3, 2))
            rows.append([f"mean over {found.by}", "", "", *texts])
    if len(found.comparison_parts) != 1:
        rows.append(_split(TOTAL, total))
    return Section(
        "from {} to {}".format(*names),
        [found.by, f"accuracy: {names[0]}", names[1], "gain", "by sampling", "by decisions", "decision share"],
        rows,
        lines=lines,
    )


def _first_answers(found: Survey, total: FirstAnswers, names: tuple[str, str]) -> Section:
    parts = found.first_answers_parts
    shown = {**parts, **({TOTAL: total} if len(parts) != 1 else {})}
    return Section(
        "from {} to {}".format(*names),
        [found.by, f"first answer right: {names[0]}", names[1], "difference"],
        [[label, *(one.text() for one in (part.before, part.after, part.gain))] for label, part in shown.items()],
        lines=["the interval of the difference pairs the problems that both logs have"],
    )


def _split(label: str, part: Difference) -> list[str]:
    accuracies = map(number, (part.before.value, part.after.value))
    return [label, *accuracies, *map(text_of, (part.gain, part.sample, part.decide, part.decision_share), (3, 3, 3, 2))]


def text_of(estimate: Estimate, digits: int = 3) -> str:
    return "-" if estimate.value is None else estimate.text(digits)


def number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


# ---------------------------------------------------------------------- on the terminal


def print_sections(sections: Sequence[Section], *, details: bool = True) -> None:
    """Print sections on standard output; without ``details`` those that are details only in brief."""
    for section in sections:
        brief = section.detail and not details
        if section.rows and not brief:
            print_table(section.title, section.columns, section.rows, words=section.words)
        lines = section.brief if brief else section.below
        if brief and lines:
            say(section.title)
        for line in lines:
            say(f"  {line}" if brief else line)
        if lines:
            echo()
