"""What `dstheory explain` says in words: whose p, a and b move which way, and the sections after its tables."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

from dstheory.cli.configured import Where, heading, lacking, said_of, shown_value
from dstheory.texts import printable

if TYPE_CHECKING:
    from dstheory.comparison import Tilt
    from dstheory.trainers.configuration import Configuration
    from dstheory.trainers.explanation import Explanation, TrainingDifference
    from dstheory.trainers.moves import Move, Moves


@dataclass(frozen=True)
class Against:
    """Another configuration, and what it changes."""

    other: Configuration
    difference: TrainingDifference


PUSHES = {
    "p": ("more right answers", "fewer right answers"),
    "a": ("stops at more right answers", "stops at fewer right answers"),
    "b": ("resamples more wrong answers", "stops at more wrong answers"),
    "accuracy": ("", ""),
}
"""What p, a, b and the accuracy mean where they rise and where they fall."""


_STATES = {"p": "attempts", "a": "decisions on right answers", "b": "decisions on wrong answers", "accuracy": "prompts"}


_CHARGED = {
    "KL in the loss": "the coefficient of each token is a function of its own log-ratio to the reference, at any length "
    "(O1-tokens){by_hand}. The hypothesis is right about it. This is at length weight 0, which is what libraries have; a length "
    "weight would multiply the coefficient of the longer stage (D1). The full gradient of a KL, which counts what comes after, "
    "is balanced where answers have one length (D2)",
    "entropy": "the coefficient of each token is a function of its own probability (O1-tokens)",
}


def answer(found: Explanation, where: Where, options: dict[str, Any]) -> list[str]:
    """Say whose p, a and b are looked at, which way each term moves them, and where it would move them otherwise."""
    t = found.configuration.training
    over = " over all attempts" if where.measured is not None and len(where.place.mdp.prompt_weight) > 1 else ""
    lines = [f"At p, a, b = {', '.join(map(_rate, where.rates))}{over}, {where.whose or where.name}."]
    if (t.beta and t.method in ("policy-gradient", "dpo")) or t.reward_beta:
        lines += _reference(found, where, options)
        lines += () if where.measured is None or where.typed else where.prompts
    who = {"sft": "Demonstrations are", "dft": "Demonstrations are", "distill": "The teacher is"}.get(t.method, "")
    if who:
        lines.append(f"{who} the expert's, p, a, b = {', '.join(f'{x:g}' for x in options['expert'])}.")
    return [*lines, *_ways(found, where), *_elsewhere(found, where), *_one_for_all(found, where, options)]


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
        command_on_a_log(options),
    ]


def _still(found: Explanation) -> bool:
    """Return whether the KL has no gradient here."""
    moves = [getattr(row, name) for row in found.moves if "KL" in row.name for name in PUSHES]
    return bool(moves) and not any(move.rises or move.falls or move.change != move.change for move in moves)


def _pulls(found: Explanation) -> bool:
    """Return whether there is a KL in the loss whose coefficient falls with the log-ratio, as those of k2 and k3 do."""
    return found.configuration.training.estimator != "k1" and any(row.name == "KL in the loss" for row in found.moves)


def command_on_a_log(options: dict[str, Any]) -> str:
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


def _ways(found: Explanation, where: Where) -> list[str]:
    """Say of each term, in words, whether it raises or lowers p, a, b and the accuracy."""
    reward, lines = next((row for row in found.moves if row.name == "reward"), None), []
    for row in found.moves:
        every = [getattr(row, name) for name in PUSHES]
        if row.accuracy.change != row.accuracy.change:
            said = "not known, since its gradient is not exact here"
        elif not any(move.rises or move.falls for move in every):
            said = "leaves p, a and b as they are"
            if "KL" in row.name and where.place.reference is where.place.policy:
                said += ", since the model is its own reference here"
        else:
            beside = None if row.name in ("whole", "reward") else reward
            said = "; ".join(_way(name, move, beside) for name, move in zip(PUSHES, every, strict=True))
        lines.append(f"{term(row.name)}: {said}")
    return lines


def _way(name: str, move: Move, beside: Moves | None) -> str:
    """Say it of one probability: at all states or on average, and how large beside the reward's."""
    change, rises = move.change, move.change > 0
    if change != change:
        return f"{name}: no such decisions"
    if not change:
        return f"moves {name} both ways, by nothing on average" if move.rises or move.falls else f"leaves {name} as it is"
    details = [PUSHES[name][not rises]]
    if against := move.falls if rises else move.rises:
        details.append(f"on average: the other way at {100 * against:.2g} % of {_STATES[name]}")
    if beside is not None and (of := getattr(beside, name).change):
        percent = f"{100 * abs(change / of):.2g} %"
        details.append(f"{f'adds {percent} to' if of * change > 0 else f'takes back {percent} of'} the reward's effect")
    shown = ", ".join(filter(None, details))
    return f"{'raises' if rises else 'lowers'} {name}" + (f" ({shown})" if shown else "")


def _elsewhere(found: Explanation, where: Where) -> list[str]:
    """Say what is known of other places: of a KL in the loss whose coefficient falls with the log-ratio, all."""
    lines, pulls = [], _pulls(found)
    if pulls:
        correct = where.place.mdp.correct
        here = ", as in this chain" if correct.shape[-1] == 2 and (correct.sum(axis=-1) == 1).all() else ""
        lines.append(
            "Without shared parameters, the KL in the loss pulls the decision at each answer towards the reference's, wherever "
            f"it is. Where a prompt has two answers, a right and a wrong one{here}, its p, a and b follow; with more, p, and a "
            "and b as means over answers, may go the other way."
        )
    if any(row.name == "KL in the reward" for row in found.moves):
        lines.append(
            "The KL in the reward need not pull p, a or b towards the reference's: whoever resamples also pays for what follows."
        )
    *first, last = [term(row.name) for row in found.moves if not (pulls and row.name == "KL in the loss")]
    others = f"{', '.join(first)} and {last}" if first else last
    lines.append(f"At other p, a, b or lengths, {others} may go another way.")
    return lines


def _one_for_all(found: Explanation, where: Where, options: dict[str, Any]) -> list[str]:
    """Say which way one reference pulls the prompts of a log that differ."""
    if not where.typed or not any("KL" in row.name for row in found.moves):
        return []
    mine, theirs = (policy.sample_prob[0, :, 0] for policy in (where.place.policy, where.place.reference))
    below, above = int((mine < theirs).sum()), int((mine > theirs).sum())
    return [
        f"One reference stands for that of all {len(mine):,} {options['by']}s, whose p differ from {mine.min():.3g} to "
        f"{mine.max():.3g}: its p is above theirs at {below:,} and below at {above:,}, and a KL pulls them that way. "
        "--reference-log FILE or --reference-model NAME has one for each."
    ]


def sections(found: Explanation, against: Against | None, where: Where, options: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the sections after the tables: heading and lines; those without lines are left out."""
    configuration = found.configuration
    told = [f"{term(row.name)}: {row.note}" for row in found.attribution if row.note]
    if any(row.note == "the expected gradient is zero" and "KL" in row.name for row in found.attribution):
        told.append("a KL to the start is 0 at the start: --reference P,A,B shows it against another policy")
    if found.why_not:
        told.append(f"not attributed: {found.why_not}")
    loss = [] if found.loss is None else [f"{found.loss:.4g} at the first update ({', '.join(_loss_at(found, where))})."]
    unread = [f"line {entry.line}: {entry.key} = {entry.value}" for entry in configuration.unread]
    parts = [
        ("Warnings", list(configuration.warnings)),
        ("About the table", told),
        ("On the responses of another policy", _stale(found, where, options)),
        ("What is not balanced, and why", _unbalanced(found, where)),
        ("Which stage is pushed, and what depends on length", _fed(found, options)),
        ("How large the terms are", _sizes(found)),
        ("What is logged as the loss", [*loss, found.logged]),
        ("What is proved", [f"{claim}: {text}" for claim, text in found.notes]),
        ("Not modelled, and left out of the numbers above", lacking(configuration)),
        ("Not read, since only the shell or Python knows the value", unread),
        (
            "Unknown keys, not interpreted",
            [said_of(entry.key, entry.value, entry.line) for entry in configuration.unknown[:40]],
        ),
    ]
    if len(configuration.unknown) > 40:
        parts[-1][1].append(f"and {len(configuration.unknown) - 40} more")
    if against is not None:
        parts.insert(0, (f"Against {heading(against.other)}", _compared(against, where)))
    return [(title, lines) for title, lines in parts if lines]


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
    lines.append(f"turned from it by degrees: {_three(found.stale.turned, '.1f')}")
    return lines


def _sizes(found: Explanation) -> list[str]:
    """Say how long the gradient of each other term is, beside that of the reward."""
    reward = next((row.norm for row in found.attribution if row.name == "reward"), 0.0)
    others = [row for row in found.attribution if row.name not in ("whole", "reward") and row.norm == row.norm]
    of = [(row.name, 100 * row.norm / reward) for row in others if reward > 0 and row.norm > 0]
    return [f"{name}: its gradient is {percent:.3g} % as long as the reward's" for name, percent in of]


def _compared(against: Against, where: Where) -> list[str]:
    found = against.difference
    lines = [f"{name}: {shown_value(here)} here, {shown_value(there)} there" for name, here, there in found.fields]
    if not found.fields:
        return ["the two are one objective"]
    if found.why_not:
        return [*lines, f"not compared: {found.why_not}"]
    lines.append(f"its update on {where.name}, as a multiple of the one here: {_three(found.factor, '.4g')}")
    lines.append(f"turned from the one here by degrees: {_three(found.turned, '.1f')}")
    pairs = [(name, *(signed(getattr(row, name).change) for row in found.moves)) for name in PUSHES]
    lines.append("change in one step, here and there: " + ", ".join(f"{name} {here} and {there}" for name, here, there in pairs))
    lines += [f"not modelled there: {line}" for line in lacking(against.other)]
    return lines


def term(name: str) -> str:
    """Return a term's name as it is shown."""
    return "all terms" if name == "whole" else name


def steps(options: dict[str, Any]) -> str:
    return f"{options['update'] - 1} exact step{'' if options['update'] == 2 else 's'} of size {options['lr']:g}"


def _rate(value: float) -> str:
    return "-" if value != value else f"{value:.3f}".rstrip("0").rstrip(".") if value > 1e-3 else f"{value:.3g}"


def signed(value: float) -> str:
    return "-" if value != value else f"{value:+.3g}" if value else "0"


def _three(of: Tilt, digits: str) -> str:
    names = {"sampling": of.sample, "decision": of.decide, "both": of.both}
    return ", ".join(f"{name} {'-' if value != value else format(value, digits)}" for name, value in names.items())
