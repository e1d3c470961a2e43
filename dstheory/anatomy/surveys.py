"""Everything that a log says, in one object: what `dstheory anatomy` prints, draws, and writes as JSON or HTML.

A *group* is analysed apart from the others: a model, if the log has several, since a mixture of models is not a chain. Within a
group every label of a field, such as a task, has its own p, a and b. ``held_out`` predicts problems that the chain was not fitted
to; where there are too few problems for that there is none. ``Answers.predicted`` is accounting, on the episodes themselves.

Source: derived here; the parts name their formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dstheory import readers
from dstheory.anatomy.answers import Answers, answer
from dstheory.anatomy.assumptions import LEFT_OUT, Moved, alike_within, moved
from dstheory.anatomy.difference import (
    Compared,
    Difference,
    FirstAnswers,
    NoSplit,
    compare_first_answers,
    estimates,
    mean_over,
    share_of,
    unseen,
)
from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, HoldsEpisodes, Labels, episodes_of, few, in_order
from dstheory.anatomy.holdout import HeldOut, hold_out
from dstheory.anatomy.model_checks import Test, check_model
from dstheory.anatomy.one_shot import OneShot, one_shot
from dstheory.anatomy.rates import Estimate, Row, measure
from dstheory.anatomy.revisions import Revisions, measure_revisions
from dstheory.anatomy.rollout_chain import KINDS, MOST_CAPS, CapAdvice, RolloutChain, advise_cap, fit_chains
from dstheory.anatomy.score_rule import judge_score, scores_of
from dstheory.anatomy.votes import judge_votes
from dstheory.errors import RecordError
from dstheory.readers.reading import Reading
from dstheory.tables import RATES, Drawn, Table

TOTAL = "(all)"  # how tables and figures call all labels together
_MOST_LABELS = 200  # parts of a group; more are no table for people
_MOST_GROUPS = 12
_FEWEST_PROBLEMS = 20  # of a part, to be split into problems that are fitted and problems that are predicted
_MOST_ROUNDS = 30  # listed one by one
_KINDS_OF_PARTS = ("pooled", "heterogeneous")  # chains of a label; of a whole group there are all kinds


@dataclass(frozen=True)
class Group:
    """One model (or whatever divides the log), analysed by itself.

    Attributes:
        name: the label; "" if the log has one group.
        total: over all its episodes.
        parts: label -> the same within the label, in the order of tables and figures.
        rounds: p, a, b per round; the first 30.
        checks: tests of the homogeneous chain.
        chains: the fitted chains, by kind.
        held_out: predictions for problems not used in the fit; None with fewer than 20 problems.
        held_out_parts: likewise within labels; where there are several, without a and b that differ between problems.
        cap: the recommended cap, from the heterogeneous chain, up to the longest episode; None where nobody resampled.
        one_shot: what samples of a problem give, where nobody could resample; there are then no rounds, checks or chains.
        revisions: what comes after right and after wrong answers, where it was not the model that decided whether to go on; where
            nobody did there are no rounds, checks or chains either.
        revisions_parts: likewise within labels.
    """

    name: str
    total: Answers
    parts: Mapping[str, Answers]
    rounds: Sequence[Row] = ()
    checks: Sequence[Test] = ()
    chains: Mapping[str, RolloutChain] = field(default_factory=dict)
    held_out: HeldOut | None = None
    held_out_parts: Mapping[str, HeldOut] = field(default_factory=dict)
    cap: CapAdvice | None = None
    one_shot: OneShot | None = None
    revisions: Revisions | None = None
    revisions_parts: Mapping[str, Revisions] = field(default_factory=dict)

    def answers_of(self, label: str) -> Answers | None:
        """Return the answers of a label, or of all labels together."""
        return self.parts.get(label) or (self.total if label == TOTAL else None)

    def held_out_of(self, label: str) -> HeldOut | None:
        """Return the predictions for a label, or for all labels together."""
        alone = label == TOTAL or len(self.parts) == 1
        return self.held_out_parts.get(label) or (self.held_out if alone else None)


@dataclass(frozen=True)
class MeanSplit:
    """The mean of the splits within labels, weighted by the number of problems; the parts add up to the gain.

    The split of all problems together takes a and b of a log as the same everywhere. Where they differ between labels, but not
    within, this mean is right and that split is not.

    Attributes:
        gain, sample, decide: means, with intervals; a problem may be in several labels.
        decision_share: decide / gain; missing where the gain may be zero.
        unseen: by how much the parts may be off since episodes are too short to show how problems differ; intervals allow for it.
    """

    gain: Estimate
    sample: Estimate
    decide: Estimate
    decision_share: Estimate
    unseen: float = 0.0


@dataclass(frozen=True)
class Shift:
    """By how much the answer of a comparison would be larger without an assumption (:mod:`dstheory.anatomy.assumptions`).

    Attributes:
        decide: the part of decisions, in units of accuracy.
        decision_share: their share; missing where the gain may be zero.
    """

    decide: Estimate
    decision_share: Estimate


@dataclass(frozen=True, repr=False, kw_only=True)
class Survey(Drawn):
    """What was measured on a log: p, a and b, tests, predictions, and the comparison of two groups.

    Attributes:
        by: the field whose labels are the parts.
        across: the field whose labels are the groups.
        groups: in the order of tables and figures.
        comparison: the difference between the two groups compared, split into sampling and decision; None if none was asked for.
        compared: their names.
        comparison_parts: label -> the same within the labels that both have.
        comparison_mean: their mean, weighted by problems.
        comparison_checks: log -> tests of what the split assumes: those of the group, but those of a and b over problems within
            labels where there are several.
        comparison_without: test that rejects what the split assumes -> what that does to the mean of the splits within labels (to
            the split of all, where there is one label).
        first_answers: where the difference cannot be split, since one of the two has no decisions to estimate: first answers.
        first_answers_parts: label -> the same within the labels that both have.
        reading: how the log was read; None if it was not read here.
        level, seed: of intervals, and of what is drawn.

    >>> from dstheory.anatomy import generate_log
    >>> found = survey(generate_log(60))
    >>> found.by, found.across, [group.name for group in found.groups]
    ('task', 'model', ['base', 'tuned'])
    """

    by: str
    across: str
    groups: Sequence[Group]
    comparison: Difference | None = None
    compared: tuple[str, str] | None = None
    comparison_parts: Mapping[str, Difference] = field(default_factory=dict)
    comparison_mean: MeanSplit | None = None
    comparison_checks: Mapping[str, Sequence[Test]] = field(default_factory=dict)
    comparison_without: Mapping[str, Shift] = field(default_factory=dict)
    first_answers: FirstAnswers | None = None
    first_answers_parts: Mapping[str, FirstAnswers] = field(default_factory=dict)
    reading: Reading | None
    level: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ready for JSON."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "reading"}
        return {
            "reading": None if self.reading is None else self.reading.to_dict(),
            **{name: readers.to_jsonable(value) for name, value in fields.items()},
        }

    def table(self) -> Table:
        """Return p, a, b and whether resampling helps, group by group."""
        rows = []
        for group in self.groups:
            rates = group.total.rates
            rows.append((group.name or "all", *(rate.text() for rate in (rates.p, rates.a, rates.b)), group.total.helps))
        return Table("Survey of a log", (self.across, "p", "a", "b", "resampling helps"), rows, RATES)

    def columns(self) -> dict[str, Any]:
        """Return each group and label in a row: p, a, b with the ends of their intervals and their counts."""
        found: dict[str, list[Any]] = {self.across: [], self.by: []}
        for group in self.groups:
            for label, answers in {TOTAL: group.total, **group.parts}.items():
                found[self.across].append(group.name or "all")
                found[self.by].append(label)
                for name in "pab":
                    rate = getattr(answers.rates, name)
                    for column, value in ((name, rate.value), (f"{name}_low", rate.low), (f"{name}_high", rate.high),
                                          (f"{name}_n", rate.trials)):  # fmt: skip
                        found.setdefault(column, []).append(value)
        return found


def survey(
    episodes: Episodes | HoldsEpisodes,
    *,
    by: str = "task",
    across: str | None = None,
    compared: tuple[str, str] | None = None,
    compare_at: int | None = None,
    decision_score: str | None = None,
    votes: int | None = None,
    cost: float = 0.01,
    level: float = 0.95,
    seed: int = 0,
    reading: Reading | None = None,
    progress: Callable[[str], None] | None = None,
) -> Survey:
    """Measure p, a and b on a log, test what the model assumes, and compare two groups if asked.

    Args:
        episodes: the log; the account of one as it was read is carried along.
        by: the field whose labels are measured apart; a log without tasks has one.
        across: the field whose labels are groups; default "model", or "log" where two logs are compared.
        compared: two labels of ``across``: only these groups are analysed, and the second is compared with the first.
        compare_at: cap at which they are compared, 0 for none; default the one that both have.
        decision_score: the field of a score that is judged as a decision, where nobody could resample.
        votes: how many samples vote, whose agreement is judged as a decision, where nobody could resample.
        cost: price of one attempt, in units of accuracy, for the recommended cap.
        level: coverage of intervals.
        seed: of all randomness.
        reading: how the log was read, to be carried along.
        progress: called with what is being done.

    Returns:
        What was measured, group by group; with ``compared`` also the difference and its split.

    Raises:
        RecordError: a field or label does not exist, there are too many labels, or a score is not a finite number.

    >>> from dstheory.anatomy import generate_log
    >>> found = survey(generate_log(60), compared=("base", "tuned"))
    >>> [group.name for group in found.groups], list(found.groups[0].parts)
    (['base', 'tuned'], ['easy', 'medium', 'hard'])
    >>> found.comparison.decide.value > found.comparison.sample.value
    True
    """
    say = progress or (lambda text: None)
    if reading is None and isinstance(account := getattr(episodes, "reading", None), Reading):
        reading = account
    episodes = episodes_of(episodes, some=True)
    if by == "task" and by not in episodes.fields:
        episodes = episodes.with_field(by, Labels.constant(NOT_GIVEN, len(episodes)))
    if decision_score is not None:
        scores_of(episodes, decision_score)  # refuses what is no number before anything is measured
    across, parts = _groups(episodes, across, compared)
    present = len(episodes.column(by).present)
    if present > _MOST_LABELS:
        raise RecordError(f"the field {by!r} has {present:,} labels: at most {_MOST_LABELS} can be shown; choose another --by")
    groups = []
    for name, part in parts.items():
        say(f"measuring {name}" if name else "measuring")
        groups.append(_group(name, part, by, decision_score, votes, cost=cost, level=level, seed=seed))
    found = {} if compared is None else _comparison(groups, parts, compared, by, compare_at, level, say)
    return Survey(by=by, across=across, groups=groups, compared=compared, reading=reading, level=level, seed=seed, **found)


def _comparison(
    groups: Sequence[Group], parts: Mapping[str, Episodes], names: tuple[str, str], by: str, at: int | None, level: float,
    say: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """Return the fields of a survey that compare two of its groups."""
    say("comparing")
    before, after = (parts[name] for name in names)
    ours, theirs = before.by(by), after.by(by)
    both = in_order([label for label in ours if label in theirs])
    alone = [name for name in names if parts[name].one_shot]
    whole, why = None, f"nobody could resample in {' and '.join(alone)}"
    if not alone:
        try:
            whole = Compared.of(before, after, cap=at, level=level, names=names)
        except NoSplit as error:
            why = f"in {error.name}, {error.reason}"
    if whole is None:
        why = f"the difference cannot be split into sampling and decisions: {why}; so first answers are compared"
        each = {label: compare_first_answers(ours[label], theirs[label], level=level) for label in both}
        return {"first_answers": compare_first_answers(before, after, level=level, why=why), "first_answers_parts": each}
    within: dict[str, Compared] = {}
    for label in both:
        try:
            within[label] = Compared.of(ours[label], theirs[label], cap=at, level=level, names=names)
        except RecordError:
            continue  # a rate cannot be estimated there; the table of rates says why
    comparison, several = whole.difference(), list(within) if len(within) > 1 else []
    mean = _mean_split(list(within.values()), level, whole.cautions()) if within else None
    say("comparing without what is rejected")
    checks = {group.name: _checks(group, [parts[group.name].by(by)[label] for label in several]) for group in groups}
    split = mean if several and mean is not None else comparison
    rejected = {test.name for test in tests_of_split(checks) if test.rejected()}
    return {
        "comparison": comparison,
        "comparison_parts": {label: part.difference() for label, part in within.items()},
        "comparison_mean": mean,
        "comparison_checks": checks,
        "comparison_without": {
            name: _shift(name, whole, list(within.values()), split, level) for name in LEFT_OUT if name in rejected
        },
    }


def _mean_split(parts: Sequence[Compared], level: float, cautions: Mapping[str, str]) -> MeanSplit:
    means = [part.parts() for part in parts]
    found, spreads = estimates({name: mean_over(parts, [of[name] for of in means]) for name in means[0]}, level, cautions)
    share, off = share_of(found, spreads, level), unseen(spreads["decide"])
    return MeanSplit(found["gain"], found["sample"], found["decide"], share, off)


def _checks(group: Group, labels: Sequence[Episodes]) -> list[Test]:
    """Return the tests of what a split assumes of a log; where it is a mean over labels, a and b may differ between these."""
    within = {test.name: test for test in alike_within(labels)} if labels else {}
    return [within.get(test.name, test) for test in group.checks]


def tests_of_split(checks: Mapping[str, Sequence[Test]]) -> list[Test]:
    """Return the tests of what a split assumes, of both logs.

    That p changes with the round is no such thing where tests within episodes can be made: unlike problems alone make it so.

    Args:
        checks: name of a log -> its tests, as in `Survey.comparison_checks`.
    """
    found = []
    for tests in checks.values():
        told = any(test.name == "trend within episodes" and test.p_value is not None for test in tests)
        found += [test for test in tests if test.name in LEFT_OUT and not (told and test.name == "p over rounds")]
    return found


def _shift(test: str, whole: Compared, within: Sequence[Compared], split: Difference | MeanSplit, level: float) -> Shift:
    """Return what an assumption does to the mean of splits; where one of them does not show it, to the split of all together."""
    parts = within if len(within) > 1 else [whole]
    found = [moved(part, test) for part in parts]
    if any(one.reason for one in found) and len(parts) > 1:
        parts, found = [whole], [moved(whole, test)]
    reason = next((one.reason for one in found if one.reason), "")
    means = [one.mean for one in found if one.mean is not None]
    mean = Moved(None, 0, reason) if reason else Moved(*mean_over(parts, means))
    gain = split.gain.value if split.decision_share.value is not None else None
    return Shift(mean.estimate(level), mean.estimate(level, over=gain or 0.0))


def _group(
    name: str,
    episodes: Episodes,
    by: str,
    score: str | None,
    votes: int | None,
    *,
    cost: float,
    level: float,
    seed: int,
) -> Group:
    labelled = episodes.by(by)
    labels = in_order(list(labelled))
    total = answer(episodes, level=level)
    parts = {label: total if len(labels) == 1 else answer(labelled[label], level=level) for label in labels}
    scores = None if score is None else judge_score(episodes, field=score, level=level, rng=seed)
    voted = None if votes is None else judge_votes(episodes, votes, level=level, rng=seed)
    shot = replace(one_shot(episodes, level=level), scores=scores, votes=voted) if episodes.one_shot else None
    revised = shot is None and not set(episodes.deciders) <= {"model", NOT_GIVEN}
    group = Group(
        name=name,
        total=total,
        parts=parts,
        one_shot=shot,
        revisions=measure_revisions(episodes, level=level) if revised else None,
        revisions_parts={label: measure_revisions(labelled[label], level=level) for label in labels} if revised else {},
    )
    if shot is not None or episodes.undecided.all():
        return group
    chains, longest = fit_chains(episodes, _KINDS_OF_PARTS), int(episodes.attempts.max())
    held_out = _held_out(episodes, tuple(KINDS), level, seed)
    held_out_parts = {labels[0]: held_out}
    if len(labels) > 1:
        held_out_parts = {label: _held_out(labelled[label], _KINDS_OF_PARTS, level, seed) for label in labels}
    return replace(
        group,
        rounds=measure(episodes, "round", level=level, most=_MOST_ROUNDS),
        checks=check_model(episodes, rng=seed),
        chains=chains,
        held_out=held_out,
        held_out_parts={label: found for label, found in held_out_parts.items() if found is not None},
        cap=advise_cap(chains["heterogeneous"], cost=cost, largest=min(longest, MOST_CAPS)) if longest > 1 else None,
    )


def _held_out(episodes: Episodes, kinds: Sequence[str], level: float, seed: int) -> HeldOut | None:
    return hold_out(episodes, kinds=kinds, level=level, rng=seed) if episodes.n_problems >= _FEWEST_PROBLEMS else None


def _groups(episodes: Episodes, across: str | None, compared: tuple[str, str] | None) -> tuple[str, dict[str, Episodes]]:
    """Return the field whose labels are groups, and the groups."""
    if across is not None:
        episodes.column(across)
    else:
        models, logs = (list(episodes.fields[name].names) if name in episodes.fields else [] for name in ("model", "log"))
        across = "log" if compared is not None and not set(compared) <= set(models) and set(compared) <= set(logs) else "model"
        if compared is not None and across == "model" and len(logs) > 1 and (unknown := sorted(set(compared) - set(models))):
            raise RecordError(
                f"no record has the model {unknown[0]!r}: there are {few(in_order(models))}; two logs are compared by their "
                f"names, which are {few(in_order(logs))}"
            )
    if compared is not None:
        column = episodes.column(across)
        if compared[0] == compared[1]:
            raise RecordError(f"{compared[0]!r} is compared with itself: name two labels of the field {across!r}")
        codes = {name: column.code(name, across) for name in compared}
        return across, {name: episodes.select(column.codes == code) for name, code in codes.items()}
    groups = episodes.by(across) if across in episodes.fields else {}
    if len(groups) > _MOST_GROUPS:
        raise RecordError(
            f"the field {across!r} has {len(groups)} labels: at most {_MOST_GROUPS} groups; choose another --across"
        )
    return across, {name: groups[name] for name in in_order(list(groups))} if len(groups) > 1 else {"": episodes}
