"""What `dstheory explain` says in words: whose p, a and b move which way, and the sections after its tables."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log
from typing import TYPE_CHECKING, Any

import dstheory
from dstheory import trainers
from dstheory.cli.configured import Where, heading, lacking, said_of, shown_value
from dstheory.cli.show import LEVELS, level_cells
from dstheory.texts import counted, printable

if TYPE_CHECKING:
    from dstheory.comparison import Tilt
    from dstheory.trainers import Configuration, Explanation, Move, TrainingDifference


@dataclass(frozen=True)
class Against:
    """Another configuration, and what it changes."""

    other: Configuration
    difference: TrainingDifference


@dataclass(frozen=True)
class PartTable:
    """The table of a part of an answer; one that is ``listed`` has two columns, and is shown as lines on a terminal."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    caption: str = ""
    words: int = 1
    listed: bool = False


@dataclass(frozen=True)
class AnswerPart:
    """A part of an answer: what every form of it shows.

    Attributes:
        title: "" of one that is only a table.
        lines: sentences above the table; commands begin with ``dstheory``.
        table: None where there is none.
        after: sentences below it.
        latex: the first line as a formula.
        brief: whether ``--brief`` shows it.
    """

    title: str = ""
    lines: Sequence[str] = ()
    table: PartTable | None = None
    after: Sequence[str] = ()
    latex: str = ""
    brief: bool = False

    @property
    def heading(self) -> str:
        """Its title, or that of its table."""
        return self.title or (self.table.title if self.table is not None else "")


WAYS = "Which way one small step moves p, a and b"
_MOVES = "which way each term moves p, a and b: change of the probability in one small step, per unit of the learning rate"
_PUSHED = "what each term pushes, sampling (s) and decisions (d), and its angle to the gradient of accuracy"
_NOTES = "About the table"
PUSHES = {
    "p": ("sample more right answers", "sample fewer right answers"),
    "a": ("stop at more right answers", "stop at fewer right answers"),
    "b": ("resample more wrong answers", "resample fewer wrong answers"),
    "accuracy": ("", ""),
}
"""What p, a, b and the accuracy mean where they rise and where they fall."""


_STATES = {"p": "attempts", "a": "decisions on right answers", "b": "decisions on wrong answers", "accuracy": "prompts"}


_CHARGED = {
    "KL in the loss": "the coefficient of each token is a function of its own log-ratio to the reference, at any length "
    "(O1-tokens){by_hand}. The hypothesis is right about it. This is at length weight 0, which is what libraries have; a length "
    "weight would multiply the coefficient of the longer stage (D1). The full gradient of a KL, which counts what comes after, "
    "is balanced where answers have one length (D2)",
    "KL in the reward": "each token pays for its own log-ratio and for those that follow, so that an answer also pays for itself "
    "and the decision on it does not. If every token paid for the whole response, the mean would be the same (O12) and the "
    "update balanced (D2)",
    "entropy": "the coefficient of each token is a function of its own probability (O1-tokens)",
}


def page(found: Explanation, against: Against | None, where: Where, options: dict[str, Any]) -> list[AnswerPart]:
    """Return the answer, then why, then the tables."""
    trainer, why = found.configuration.trainer, _sections(found, against, where, options)
    blocks = []
    if found.moves:
        at = found, where
        follows = [*_effects(found), *_as_one_token(*at), *_both_ways(*at), *_over_attempts(*at), *_elsewhere(*at),
                   *_one_for_all(*at, options), *_many_prompts(found)]  # fmt: skip
        blocks.append(AnswerPart(WAYS, _answer(found, where, options), _ways(found), follows, brief=True))
    parts = PartTable(["part", "what"], found.parts, listed=True)
    blocks.append(AnswerPart("Coefficient of one token, ascent", [found.formula], parts, latex=found.latex))
    blocks += [block for block in why if block.title != _NOTES]
    title = f"Settings that enter the objective; defaults are those of {trainer.library} {trainer.version}"
    blocks.append(AnswerPart(table=PartTable(["key", "value", "from"], _settings(found.configuration), title, words=3)))
    if found.attribution:
        rows = [[term(row.name), *(signed(getattr(row, name).change) for name in PUSHES)] for row in found.moves]
        blocks.append(AnswerPart(table=PartTable(["term", *PUSHES], rows, f"{where.name}: {_MOVES}")))
        rows = [[term(row.name), *level_cells(row)] for row in found.attribution]
        caption = (
            "balanced: an answer and its decision have one coefficient. share d: decisions' part of the gradient's length; of "
            "its Fisher energy, its squared length measured by how much it changes the policy, whatever its parameters are; and "
            f"of that with answers {options['longer']:g} times as long. angle: to the gradient of accuracy, in degrees, of "
            "sampling (s), of decisions (d), and of both; 0 is the same way, 180 the opposite."
        )
        blocks.append(AnswerPart(table=PartTable(["term", *LEVELS], rows, f"{where.name}: {_PUSHED}", caption, words=2)))
    return blocks + [block for block in why if block.title == _NOTES]


def _settings(configuration: Configuration) -> list[list[str]]:
    """Return key, value and origin of the keys that set something, those of the file first."""
    trainer = configuration.trainer
    rules = [rule.when for rule in trainer.rules if not rule.version]
    asked = {name for when in rules for name, how in when.items() if not (isinstance(how, dict) and "given" in how)}
    return [
        [setting.key, shown_value(setting.value), setting.place if setting.given else "default"]
        for setting in sorted(configuration.settings, key=lambda setting: not setting.given)
        if setting.given or (key := trainer.keys[setting.key]).sets or key.words or setting.key in asked
    ]


def _answer(found: Explanation, where: Where, options: dict[str, Any]) -> list[str]:
    """Say whose p, a and b are looked at, what the reference is, and which KL the loss has."""
    t = found.configuration.training
    p = "p (of first answers)" if where.place.first else "p"
    lines = [f"At {p}, a, b = {', '.join(map(_rate, where.rates))}, {where.whose or where.name}."]
    if (t.beta and t.method in ("policy-gradient", "dpo")) or t.reward_beta:
        lines += _reference(found, where, options)
        lines += () if where.measured is None or where.typed else where.prompts
    who = {"sft": "Demonstrations are", "dft": "Demonstrations are", "distill": "The teacher is"}.get(t.method, "")
    if who:
        lines.append(f"{who} the expert's, p, a, b = {', '.join(f'{x:g}' for x in options['expert'])}.")
    return [*lines, *_which_kl(found)]


def _which_kl(found: Explanation) -> list[str]:
    """Say which estimator the KL in the loss is, by which settings, and what it multiplies a token's gradient by."""
    configuration = found.configuration
    t, library = configuration.training, configuration.trainer.library
    if t.method != "policy-gradient" or not t.beta:
        return []
    origins = {True: " on the command line", False: f", the default of {library} {configuration.trainer.version}"}
    by = [f"{s.key} = {shown_value(s.value)}{origins[s.given] if s.line is None else f' in {s.place}'}"
          for s in configuration.settings_of("beta", "estimator")]  # fmt: skip
    name, coefficient = trainers.penalty(t)
    return [f"KL in the loss: {name}; a token's coefficient is {coefficient} ({'; '.join(by)})."]


def _reference(found: Explanation, where: Where, options: dict[str, Any]) -> list[str]:
    """Say what the reference is; where none is given, what follows from that, and the command that takes one."""
    if where.place.reference is not where.place.policy or options["mdp_file"] is not None:
        return [f"The reference is {where.reference}."]
    said = "No reference is given: it is taken to be the model itself, as at the start of training."
    if _still(found):
        said += " There a KL changes nothing."
        said += " Later it takes back what training has changed, by the rule below." if _pulls(found) else ""
    log = "the same log" if options["log_file"] is not None else "a log, here that of the README"
    return [
        said,
        f"For the model and its start, both measured on {log} (base is the start's name in it):",
        _command_on_a_log(options),
    ]


def _still(found: Explanation) -> bool:
    """Return whether the KL has no gradient here."""
    moves = [getattr(row, name) for row in found.moves if "KL" in row.name for name in PUSHES]
    return bool(moves) and not any(move.rises or move.falls or move.change != move.change for move in moves)


def _pulls(found: Explanation) -> bool:
    """Return whether there is a KL in the loss whose coefficient falls with the log-ratio, as those of k2 and k3 do."""
    return found.configuration.training.estimator != "k1" and any(row.name == "KL in the loss" for row in found.moves)


def _command_on_a_log(options: dict[str, Any]) -> str:
    """Return the command that measures the model and its reference on a log."""
    trainer = () if options["trainer"] is None else ("--trainer", options["trainer"])
    log, model = options["log_file"] or "rollouts.jsonl", options["model"] or "tuned"
    measured = ("--log", str(log), "--model", model, "--reference-model", "base")
    return shlex.join(["dstheory", "explain", options["file"], *options["settings"], *trainer, *measured, "--brief"])


def folded(command: str) -> str:
    """Break a command between its words so that it can be copied from a terminal."""
    lines = [" "]
    for word in shlex.split(command):
        if len(lines[-1]) + len(shlex.quote(word)) > 76:
            lines[-1] += " \\"
            lines.append("     ")
        lines[-1] += f" {shlex.quote(word)}"
    return "\n".join(lines)


def _ways(found: Explanation) -> PartTable:
    """Return which way each term moves p, a, b and the accuracy, and how much of the reward's effect that is."""
    reward = next((row for row in found.moves if row.name == "reward"), None)
    rows = []
    for row in found.moves:
        beside = None if row.name in ("whole", "reward") else reward
        cells = [_way(getattr(row, name), 0.0 if beside is None else getattr(beside, name).change) for name in PUSHES]
        rows.append([term(row.name), *cells])
    said = "p: right answers; a: stops at right answers; b: resamples of wrong answers."
    if any("%" in cell for row in rows for cell in row):
        said += " In %: of the reward's effect; minus counters it, plus adds to it."
    return PartTable(["term", *PUSHES], rows, caption=said)


def _way(move: Move, of: float) -> str:
    """Say it of one probability, in percent of the reward's change where that is not 0."""
    change = move.change
    if change != change:
        return "-"
    if not change:
        return "both ways" if move.rises or move.falls else "0"
    return ("up" if change > 0 else "down") + (f", {100 * change / of:+.2g} %" if of else "")


def _effects(found: Explanation) -> list[str]:
    """Say in words what each KL does here, and why a cell of the table is empty."""
    lines = []
    if any(row.accuracy.change != row.accuracy.change for row in found.moves):
        lines.append("-: not known, since the gradient is not exact here.")
    elif any(row.a.change != row.a.change for row in found.moves):
        lines.append("-: there are no such decisions.")
    for row in found.moves:
        moves = {name: getattr(row, name).change for name in "pab"}
        said = [PUSHES[name][change < 0] for name, change in moves.items() if change < 0 or change > 0]
        pulls = ""
        if row.name == "KL in the loss" and _pulls(found):
            pulls = "pulls each decision towards the reference's, unless parameters are shared"
        if "KL" in row.name and said:
            line = f"So the {row.name} makes the model {', '.join(said[:-1])}{' and ' if said[1:] else ''}{said[-1]}"
            lines.append(f"{line}: like any k2 or k3, it {pulls}." if pulls else f"{line}.")
        elif pulls:
            lines.append(f"Like any k2 or k3, the {row.name} {pulls}.")
    return lines


def _as_one_token(found: Explanation, where: Where) -> list[str]:
    """Say which of an answer's tokens has its log-ratio, or its entropy, where answers have several."""
    mdp, names = where.place.mdp, [row.name for row in found.moves if row.name in ("KL in the loss", "entropy")]
    if not names or not (max(mdp.sample_length.max(), mdp.decision_length.max()) > 1):
        return []
    return [
        f"{', '.join(names)}: an answer is treated as one choice, as if one of its tokens decided it. If several do, the "
        "loss also ignores how a token changes the KL of later ones, and the number differs."
    ]


def _both_ways(found: Explanation, where: Where) -> list[str]:
    """Say where a mean hides that some states go the other way."""
    lines = []
    for row in found.moves:
        for name in PUSHES:
            move = getattr(row, name)
            against = move.falls if move.change > 0 else move.rises if move.change < 0 else 0.0
            if against:
                of = "first answers" if name == "p" and where.place.first else _STATES[name]
                lines.append(f"{name} is a mean: {term(row.name)} moves it the other way at {100 * against:.2g} % of {of}.")
    return lines


def _over_attempts(found: Explanation, where: Where) -> list[str]:
    """Say of which terms p over all attempts of the log would have shown the other sign."""
    if where.attempts is None:
        return []
    others = trainers.moves_at(found.configuration.training, where.attempts)
    turned = [term(row.name) for row, other in zip(found.moves, others, strict=True) if row.p.change * other.p.change < 0]
    if not turned:
        return []
    names = " and ".join(turned)
    return [f"With p over all attempts, of which hard problems may have more, {names} would move p the other way."]


def _two_answers(where: Where) -> bool:
    correct = where.place.mdp.correct
    return bool(correct.shape[-1] == 2 and (correct.sum(axis=-1) == 1).all())


def _up_everywhere(found: Explanation, where: Where) -> str:
    """Return the name of a term with the direction of the accuracy's gradient at any lengths: it raises p, a and b (A4)."""
    t = found.configuration.training
    sums = t.normaliser in ("responses", "constant") or (t.normaliser == "batch-tokens" and t.prompts == inf)
    row = next((row for row in found.attribution if row.name == "reward"), found.attribution[0] if found.attribution else None)
    if row is None or row.tilt.both != 0.0 or not sums or t.method != "policy-gradient" or t.rewards or not _two_answers(where):
        return ""
    return row.name if where.place.sampler is None else ""


def _elsewhere(found: Explanation, where: Where) -> list[str]:
    """Say what is known of other places: of a KL in the loss whose coefficient falls with the log-ratio, all."""
    lines, pulls = [], _pulls(found)
    same = _up_everywhere(found, where)
    *first, last = [
        term(row.name) for row in found.moves if not (pulls and row.name == "KL in the loss") and row.name != same
    ] or [""]
    others = (
        f"At other p, a, b or lengths, {', '.join(first)}{' and ' if first else ''}{last} may go another way." if last else ""
    )
    if pulls:
        here = ", as in this chain" if _two_answers(where) else ""
        lines.append(
            f"The means p, a and b follow if a prompt has one right and one wrong answer{here}; with more answers they may "
            f"go the other way. {others}"
        )
        others = ""
    if any(row.name == "KL in the reward" for row in found.moves):
        lines.append(
            "The KL in the reward need not pull p, a or b towards the reference's: whoever resamples also pays for what follows."
        )
    return [*lines, *filter(None, [others])]


def _one_for_all(found: Explanation, where: Where, options: dict[str, Any]) -> list[str]:
    """Say which way one reference pulls the prompts of a log that differ."""
    if not where.typed or not any("KL" in row.name for row in found.moves):
        return []
    mine, theirs = (policy.sample_prob[0, :, 0] for policy in (where.place.policy, where.place.reference))
    below, above = int((mine < theirs).sum()), int((mine > theirs).sum())
    return [
        f"One reference is used for all {len(mine):,} {options['by']}s, whose p differ from {mine.min():.3g} to "
        f"{mine.max():.3g}: its p is above theirs at {below:,} and below at {above:,}, and a KL pulls them that way. "
        "--reference-log FILE or --reference-model NAME has one for each."
    ]


def _many_prompts(found: Explanation) -> list[str]:
    """Say that a large batch is assumed, where its size matters and is not given."""
    t = found.configuration.training
    of_batch = t.normaliser, t.kl_normaliser if t.beta else "", t.entropy_normaliser if t.entropy else ""
    matters = "batch-tokens" in of_batch or t.std == "batch" or t.dead_groups == "left out"
    known = t.prompts != inf and (t.std != "batch" or t.std_prompts != inf)
    if not matters or known or any(lack.key == "batch size" for lack in found.configuration.lacks):
        return []
    modelled = t.method in ("sft", "dft") or (t.credit in ("group-mean", "leave-one-out") and t.method == "policy-gradient")
    return [f"How many prompts a batch has is not given: many are assumed{' (--prompts N)' if modelled else ''}."]


def _sections(found: Explanation, against: Against | None, where: Where, options: dict[str, Any]) -> list[AnswerPart]:
    """Return what is said beside the tables; parts without lines are left out."""
    configuration = found.configuration
    told = [f"{term(row.name)}: {row.note}" for row in found.attribution if row.note]
    if any(row.note == "the expected gradient is zero" and "KL" in row.name for row in found.attribution):
        told.append("a KL to the start is 0 at the start: --reference P,A,B shows it against another policy")
    loss = [] if found.loss is None else [f"{found.loss:.4g} at the first update ({', '.join(_loss_at(found, where))})."]
    unread = [
        f"{entry.place}: {'' if entry.key == trainers.ANY_KEY else f'{entry.key} = '}{entry.value}"
        for entry in configuration.unread
    ]
    unsaid = [f"not attributed: {found.why_not}"] if found.why_not else []
    compared = [] if against is None else [_compared(against, where, found, brief=options["brief"])]
    parts = [
        *compared,
        AnswerPart("Why p, a and b are not shown", unsaid, brief=True),
        AnswerPart("Warnings", configuration.warnings, brief=True),
        AnswerPart(f"What differs in other versions of {configuration.trainer.library}", configuration.versions),
        AnswerPart(_NOTES, told),
        AnswerPart("On the responses of another policy", _stale(found, where, options)),
        AnswerPart("What is not balanced, and why", _unbalanced(found, where)),
        AnswerPart("Which stage is pushed, and what depends on length", _fed(found, options)),
        AnswerPart("How large the terms are", _sizes(found)),
        AnswerPart("What is logged as the loss", [*loss, found.logged]),
        AnswerPart("What is proved", [f"{claim}: {text}" for claim, text in found.notes]),
        AnswerPart("Not modelled, and left out of the numbers above", lacking(configuration), brief=True),
        AnswerPart("Not read, since only the shell or Python knows the value", unread, brief=True),
        AnswerPart("Unknown keys, not interpreted", _unknown(configuration), brief=True),
    ]
    return [block for block in parts if block.lines]


def _loss_at(found: Explanation, where: Where) -> list[str]:
    """Say what the logged loss is of."""
    t, away = found.configuration.training, where.place.reference is not where.place.policy
    said = ["many prompts"]
    if t.beta or t.reward_beta or t.method == "dpo":
        said.append("without its KL term, which is 0 where the policy is the reference" if away and t.method != "dpo" else
                    "where the policy is the reference")  # fmt: skip
    return said + (["on the policy's own responses"] if found.stale is not None else [])


def _unbalanced(found: Explanation, where: Where) -> list[str]:
    """Say what balance is, and of each term whose coefficients differ why they do."""
    terms = [row for row in found.attribution if row.balanced is False and row.name in _CHARGED]
    if not terms:
        return []
    return [
        "An update is balanced if it multiplies the gradients of the log-probabilities of an answer and of the decision on it by "
        "one number, their coefficient. That is a property of how an update is written, not of its mean: every update on the "
        "policy's own responses has a balanced form of the same mean (B3-every).",
        *(f"{row.name}: {_CHARGED[row.name].format(by_hand=_by_hand(found, where))}." for row in terms),
    ]


def _by_hand(found: Explanation, where: Where) -> str:
    """Work out both coefficients of a KL in the loss, of a right answer and of the stop at it, for the first prompt."""
    t, place = found.configuration.training, where.place
    if place.mdp.shape[1] != 2 or place.reference is place.policy or found.stale is not None or t.estimator == "k1":
        return ""
    right = int(place.mdp.correct[0].argmax())
    at = f" for {printable(place.mdp.prompts[0])}" if len(place.mdp.correct) > 1 and place.mdp.prompts else ""
    said = []
    for table in ("sample_prob", "stop_prob"):
        mine, theirs = (float(getattr(policy, table)[0, 0, right]) for policy in (place.policy, place.reference))
        charged = 1 - theirs / mine if t.estimator == "k3" else log(mine / theirs)
        x, r = f"{mine:.5g}", f"{theirs:.5g}"
        said.append(f"-{t.beta:g} {f'(1 - {r}/{x})' if t.estimator == 'k3' else f'log({x}/{r})'} = {-t.beta * charged:.3g}")
    counted = "" if where.measured is None else ", with half an observation more on each side of the log's rates"
    return (
        f": by hand{at}, {said[0]} for a right answer and {said[1]} for the stop at it, each one token, before they are divided"
        f"{counted}"
    )


def _fed(found: Explanation, options: dict[str, Any]) -> list[str]:
    """Say how the energy splits between the stages, and whether that depends on the length of answers."""
    lines, compared, changed = [], 0, 0
    for row in found.attribution:
        now, later = row.energy_share, row.energy_share_longer
        if now != now:
            continue
        line = f"{term(row.name)}: {100 * (1 - now):.3g} % of the Fisher energy goes to sampling, {100 * now:.3g} % to decisions"
        compared += later == later
        if abs(now - later) > 1e-6 * max(abs(now), abs(later)):
            changed += 1
            line += f"; {100 * later:.3g} % with answers {options['longer']:g} times as long"
        lines.append(line)
    if compared > changed:
        which = "None of this changes" if not changed else "The rest does not change"
        lines.append(f"{which} with answers {options['longer']:g} times as long.")
    return lines


def _stale(found: Explanation, where: Where, options: dict[str, Any]) -> list[str]:
    """Say what clipping leaves out, and what the update is beside that on the policy's own responses."""
    if found.stale is None:
        return []
    lines, lost = [f"generated by p, a, b = {', '.join(f'{x:g}' for x in options['sampler'])}"], found.stale.clipped
    if options["update"] is not None:
        rates = ", ".join(f"{x:.4g}" for x in where.rates)
        lines.append(f"update {options['update']} on these responses, after {steps(options)}: p, a, b = {rates}")
        lines.append(
            "exact in large batches; in small ones up to second order in the step on responses that no earlier step has seen "
            "(another mini-batch), and up to first order on the same ones"
        )
    if lost is not None:
        lines.append(
            f"clipped, so that they have no gradient: {100 * lost.both:.3g} % of the tokens, {100 * lost.sample:.3g} % of those "
            f"of answers, {100 * lost.decide:.3g} % of those of decisions"
        )
    lines.append(f"all terms, as a multiple of those on the policy's own responses: {_three(found.stale.factor, '.4g')}")
    lines.append(f"angle to those, in degrees: {_three(found.stale.turned, '.1f')}")
    return lines


def _sizes(found: Explanation) -> list[str]:
    """Say how long the gradient of each other term is, beside that of the reward."""
    reward = next((row.norm for row in found.attribution if row.name == "reward"), 0.0)
    others = [row for row in found.attribution if row.name not in ("whole", "reward") and row.norm == row.norm]
    of = [(row.name, 100 * row.norm / reward) for row in others if reward > 0 and row.norm > 0]
    return [f"{name}: its gradient is {percent:.3g} % as long as the reward's" for name, percent in of]


def _unknown(configuration: Configuration) -> list[str]:
    more = len(configuration.unknown) - 40
    return [*map(said_of, configuration.unknown[:40]), *([f"and {more} more"] if more > 0 else [])]


def _compared(against: Against, where: Where, here: Explanation, *, brief: bool) -> AnswerPart:
    """Return how two objectives differ, and what is said of the other configuration that is not of this one."""
    found, one, other = against.difference, here.configuration, against.other
    said = [
        *(f"warning there: {line}" for line in other.warnings if line not in one.warnings),
        *(f"unknown there, not interpreted: {line}" for line in _unknown(other) if line not in _unknown(one)),
        *(f"not modelled there: {line}" for line in lacking(other)),
    ]
    title = f"Against {heading(other)}"
    if not found.parts:
        return AnswerPart(title, ["the two are one objective"], after=said, brief=True)
    if found.why_not:
        lines, numbers = [f"not compared: {found.why_not}"], []
    else:
        lines = [f"{_times(found, where.name)} {_same_ways(found)}"]
        each = [(name, *(signed(getattr(row, name).change) for row in found.moves)) for name in PUSHES]
        numbers = [
            *_why_longer(found, where),
            "change in one step, here and there: " + ", ".join(f"{name} {ours} and {theirs}" for name, ours, theirs in each),
        ]
    if brief:
        return AnswerPart(title, lines, after=said, brief=True)
    rows = [(f"{name}, {side}", words) for name, here, there in found.parts for side, words in (("here", here), ("there", there))]
    return AnswerPart(title, lines, PartTable(["part", "what"], rows, listed=True), [*numbers, *said])


def _times(found: TrainingDifference, name: str) -> str:
    """Say how much longer the other's gradient is, and whether it points elsewhere."""
    factor, turned = found.factor, found.turned
    if turned.both != turned.both:
        return f"On {name} the gradient {'there' if factor.both == factor.both else 'here'} is 0."
    if _same(found):
        return f"On {name} the gradient is the same."
    times = f"On {name} the gradient there is {factor.both:.4g} times as long as the one here ({_stages(factor, '.4g')})"
    if _apart(turned):
        return f"{times} and turned by {turned.both:.1f} degrees ({_stages(turned, '.1f')})."
    return f"{times} and has the same direction."


def _stages(of: Tilt, digits: str) -> str:
    return f"sampling {_number(of.sample, digits)}, decisions {_number(of.decide, digits)}"


def _apart(turned: Tilt) -> bool:
    """Return whether an angle is not 0.0 degrees."""
    return not turned.both < 0.05


def _same(found: TrainingDifference) -> bool:
    return not _apart(found.turned) and f"{found.factor.both:.4g}" == "1"


def _same_ways(found: TrainingDifference) -> str:
    """Say which of p, a, b and the accuracy go another way there."""
    signs = [[(change > 0) - (change < 0) for change in (getattr(row, name).change for name in PUSHES)] for row in found.moves]
    turned = [name for name, here, there in zip(PUSHES, *signs, strict=True) if here != there]
    if not turned:
        return "p, a and b go the same way."
    return f"{' and '.join(turned)} {'goes' if len(turned) == 1 else 'go'} another way."


def _why_longer(found: TrainingDifference, where: Where) -> list[str]:
    """Say what the factor between two gradients means, and which part of it is due to what sums are divided by."""
    place, both = where.place, found.factor.both
    lines = []
    if not _apart(found.turned) and not _same(found):
        lines.append(
            f"Plain gradient ascent takes the step of here with the learning rate divided by {both:.4g}. Adam divides by the "
            "size of gradients, which takes most of such a factor out."
        )
    if found.divided == found.divided:
        tokens = float(dstheory.solve(place.mdp, place.sampler or place.policy).expected_tokens @ place.mdp.prompt_weight)
        rest = f"{both / found.divided:.4g}"
        whole = "the whole factor" if rest == "1" else f"a factor of {found.divided:.4g}, the other settings for {rest}"
        lines.append(f"What sums over tokens are divided by accounts for {whole}; a response has {tokens:.4g} tokens on average.")
    return lines


def term(name: str) -> str:
    """Return a term's name as it is shown."""
    return "all terms" if name == "whole" else name


def steps(options: dict[str, Any]) -> str:
    return f"{counted(options['update'] - 1, 'exact step')} of size {options['lr']:g}"


def _rate(value: float) -> str:
    return "-" if value != value else f"{value:.3f}".rstrip("0").rstrip(".") if value > 1e-3 else f"{value:.3g}"


def signed(value: float) -> str:
    return "-" if value != value else f"{value:+.3g}" if value else "0"


def _three(of: Tilt, digits: str) -> str:
    return f"{_stages(of, digits)}, both {_number(of.both, digits)}"


def _number(value: float, digits: str) -> str:
    return "-" if value != value else format(value, digits)
