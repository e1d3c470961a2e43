"""A file, and what its library makes of it: which trainer, which defaults, and one :class:`Training`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import Any

from dstheory.errors import DSTheoryError, UnknownNameError
from dstheory.objectives.expectation.rewards import reward_terms
from dstheory.texts import nearest, printable, shown
from dstheory.trainers.entries import ANY_KEY, KeyValue, Source, assignment, at_line
from dstheory.trainers.files import read_source
from dstheory.trainers.libraries import Key, KeyRule, Trainer, all_trainers, close, holds, text_of
from dstheory.trainers.scripts import starts_program
from dstheory.trainers.training import Training
from dstheory.trainers.translation import few_prompts, left_out

_LARGEST = 10**300  # whole numbers beyond it may be more than a floating-point number holds
_NOT_COVERED = {
    "(swift|megatron) (pt|rlhf|sft)": "ms-swift", "llamafactory-cli train": "LLaMA-Factory", "axolotl train": "axolotl",
    "tune run": "torchtune",
    r"open_instruct/(?!grpo)\w+\.py": "open-instruct outside of GRPO",
}  # fmt: skip
"""Programs of libraries that take the same arguments as one that is covered, with other defaults."""


@dataclass(frozen=True)
class Setting:
    """One key that enters the objective.

    Attributes:
        key: its name.
        value: what holds.
        line: where the file sets it, None where it does not, or where the command line does.
        given: whether it was set.
        file: the file that sets it, where it is one that the configuration begins with.
    """

    key: str
    value: Any
    line: int | None
    given: bool
    file: str = ""

    @property
    def place(self) -> str:
        """Where it was set, in words."""
        return at_line(self.line, self.file)


@dataclass(frozen=True)
class Lack:
    """A setting that this package does not express.

    Attributes:
        key: the key, or the keys, that ask for it.
        value: its value.
        what: what it does.
    """

    key: str
    value: Any
    what: str


@dataclass(frozen=True)
class Configuration:
    """A configuration as its trainer reads it.

    Attributes:
        name: of the file.
        trainer: whose.
        recognised_by: how that was found.
        training: what it says of the objective.
        settings: every key that may enter the objective, with its value.
        unknown: keys that this library's file does not know.
        beside: number of keys that have no part in the objective.
        lacks: what is not modelled.
        warnings: what contradicts itself, or does nothing.
        unread: settings whose value only the shell or Python knows.
        versions: what was otherwise in other versions of the library.

    >>> found = configuration_of("trl:grpo", settings=["beta=0.04"])
    >>> found.trainer.id, found.training.method, found.recognised_by
    ('trl:grpo', 'policy-gradient', 'the defaults alone')
    """

    name: str
    trainer: Trainer
    recognised_by: str
    training: Training
    settings: tuple[Setting, ...]
    unknown: tuple[KeyValue, ...]
    beside: int
    lacks: tuple[Lack, ...]
    warnings: tuple[str, ...]
    unread: tuple[KeyValue, ...]
    versions: tuple[str, ...] = ()

    def value(self, key: str) -> Any:
        """Return what holds for a key, None where the trainer has none of that name."""
        return next((setting.value for setting in self.settings if setting.key == key), None)

    def settings_of(self, *names: str) -> tuple[Setting, ...]:
        """Return the settings from which fields of the training follow, in the order of the fields.

        >>> [setting.key for setting in configuration_of("trl:grpo").settings_of("beta", "estimator")]
        ['beta', 'use_bias_correction_kl']
        """
        at = {setting.key: setting for setting in self.settings}
        says: list[tuple[Mapping[str, Any], tuple[str, ...]]] = [
            (key.words[text_of(at[key.name].value)] if key.words else {key.sets: None}, (key.name,))
            for key in self.trainer.keys.values()
        ]
        held, given = {key: one.value for key, one in at.items()}, [key for key, one in at.items() if one.given]
        says += [(rule.then, tuple(rule.when)) for rule in self.trainer.rules if _applies(rule, held, given)]
        found: dict[str, Setting] = {}
        for name in names:
            for then, keys in says:
                if name in then:
                    others = (other for _, other in _factors(str(then[name])) if other in at)
                    found.update({key: at[key] for key in (*keys, *others)})
        return tuple(found.values())


def configuration_of(
    what: str | Path, *, settings: Sequence[str] = (), trainer: str | None = None, prompts: float | None = None
) -> Configuration:
    """Return what a file, or a trainer's defaults, make a trainer optimise.

    Args:
        what: a file, or the id of a trainer (``"trl:grpo"``) for its defaults.
        settings: ``key=value``, after the file's.
        trainer: the id of the trainer; default: recognised by the file's keys.
        prompts: how many prompts a batch holds, where the file does not say it.

    Raises:
        DSTheoryError: the file cannot be read, is no configuration, belongs to no known trainer or to several, or holds a value
            that the trainer does not take.

    >>> configuration_of("trl:rloo").training.reward_beta
    0.05
    """
    known = all_trainers()
    given: list[KeyValue] = []
    for text in settings:
        if (setting := assignment(text.removeprefix("--"))) is None:
            raise DSTheoryError(f"{text!r} is not a setting: write key=value, such as beta=0.04")
        given.append(setting)
    for entry in given:
        if (other := next(one for one in given if one.key == entry.key)).value != entry.value:
            both = f"{shown(other.value)} and {shown(entry.value)}"
            raise DSTheoryError(f"{printable(entry.key)} is set to {both} after the file: leave one of them out")
    if trainer is not None and trainer.strip().lower() not in known:
        raise UnknownNameError(f"there is no trainer {trainer!r}: {nearest(trainer.strip().lower(), known)}")
    name = str(what).strip().lower()
    if not Path(what).exists() and (name in known or re.fullmatch(r"[\w-]+(:[\w-]+)?", name)):
        if name not in known:
            raise UnknownNameError(f"there is no file and no trainer {str(what)!r}: {nearest(name, known)}")
        source, found, why = Source(name, ()), known[name], "the defaults alone"
    else:
        chosen = list(known.values()) if trainer is None else [known[trainer.strip().lower()]]
        programs = [program for each in chosen for program in each.programs]
        source = read_source(Path(what), programs, {key for each in chosen for key in each.further})
        path = Path(what).resolve()
        within = set(re.split(r"[^a-z]+", f"{path.parent.name} {path.stem}".lower()))
        found, why = _recognised(source, given, chosen, within) if trainer is None else (chosen[0], "--trainer")
    return _resolve(source, given, found, why, prompts)


def with_rewards(configuration: Configuration, text: str) -> Configuration:
    """Return a configuration whose reward functions are known, each times its ``reward_weights``.

    Raises:
        DSTheoryError: a trainer without rewards, no such reward function, or not one weight for each.

    >>> found = configuration_of("trl:grpo", settings=("reward_weights=[1,0.5]",))
    >>> with_rewards(found, "correct + -0.1*turns").training.rewards
    'correct + -0.05*turns'
    """
    t, given = configuration.training, configuration.value("reward_weights")
    if t.method != "policy-gradient":
        raise DSTheoryError(f"{configuration.trainer.name} pays no rewards: leave the reward functions out")
    functions, weights = reward_terms(text)
    own = given if isinstance(given, list) else [1.0] * len(functions)
    if len(own) != len(functions) or not all(isinstance(w, (int, float)) and abs(w) <= _LARGEST for w in own):
        raise DSTheoryError(f"reward_weights is {shown(given)}: must be {len(functions)} finite numbers, one per reward function")
    names = [name if isinstance(name, str) else ",".join(repr(x).removesuffix(".0") for x in name) for name in functions]
    each = [(a * b, name) for a, b, name in zip(own, weights, names, strict=True)]
    rewards = " + ".join(name if weight == 1.0 else f"{weight:.15g}*{name}" for weight, name in each)
    lacks = tuple(lack for lack in configuration.lacks if lack.key != "reward_weights")
    return replace(configuration, training=replace(t, rewards=rewards), lacks=lacks)


def _recognised(
    source: Source, given: Sequence[KeyValue], trainers: Sequence[Trainer], within: Collection[str]
) -> tuple[Trainer, str]:
    """Return the trainer of a file, and by what it was found; ``within`` are the words of its name and of its folder's."""
    words, entries = source.text, [*source.entries, *given]
    for program, whose in _NOT_COVERED.items():
        if found := re.search(rf"(?<![\w./-]){program}(?![\w.-])", words):
            raise DSTheoryError(
                f"{source.name} starts {found[0]}, of {whose}, which is not supported and has other defaults; supported are "
                f"{', '.join(t.id for t in trainers)}"
            )
    started = [(t, p) for t in trainers for p in t.programs if starts_program(p, words)]
    starts = {t.id for t, _ in started}
    scores = {t.id: _fit(t, _of_its_version(entries, t) if t.id in starts else entries) for t in trainers}
    fitting = [t for t in trainers if scores[t.id] > (0, 0) or not entries or words in t.classes]
    named = [(t, p) for t, p in started if t in fitting]
    for t, p in started:
        if "." in p and not p.endswith(".py") and not named:  # a module of that library, and of no other
            raise DSTheoryError(
                f"{source.name} starts {p}, but its keys are not those of {t.library} {t.version}, such as {next(iter(t.keys))}: "
                f"is it of another version? --trainer {t.id} reads it anyway"
            )
    others = _other_programs(words, trainers)
    same = [p for t in trainers for p in t.programs if others and _package(p) and _package(p) == _package(others[0])]
    if same and not named:
        raise DSTheoryError(
            f"{source.name} starts {others[0]}, which is none of the programs that are known ({', '.join(same)}): if it "
            "optimises what one of them does, say whose it is with --trainer"
        )
    best = {t.id: t for t, p in named if len(p) == max(len(p) for _, p in named)}
    if len(best) == 1:
        program = max((p for _, p in named), key=len)
        return next(iter(best.values())), f"recognised by {program}"
    top = max(scores.values())
    ids = [t for t, score in scores.items() if score == top]
    keys = {t.id: t.keys.keys() for t in trainers}
    # Where one of them has all keys of another, it has none of its own here.
    ids = [one for one in ids if not any(keys[other] < keys[one] for other in ids)]
    if top[0] <= 0:
        foreign = next((entry.key for entry in entries if not any(_knows(t, entry.key) for t in trainers)), "")
        nothing = "its keys do not tell" if entries else "it sets nothing"
        why = f"none of them has the key {printable(foreign)}" if foreign else nothing
        raise DSTheoryError(
            f"{source.name} is not the configuration of a known trainer ({', '.join(scores)}): {why}; if it belongs to one "
            "of them, say which with --trainer"
        )
    # What its keys leave open recipes/grpo/config.yaml says; those that leave more than two are of other libraries, too.
    meant = [one for one in ids if one.partition(":")[2] in within and len(ids) == 2]
    if len(ids) > 1 and len(meant) != 1:
        raise DSTheoryError(f"{source.name} may be of {' or '.join(ids)}: say which with --trainer")
    trainer = next(t for t in trainers if t.id == (meant or ids)[0])
    own = [entry.key for entry in entries if sum(entry.key in t.keys for t in trainers) == 1 and entry.key in trainer.keys]
    known = {entry.key: sum(_knows(t, entry.key) for t in trainers) for entry in entries if _knows(trainer, entry.key)}
    matched = own or sorted(known, key=known.__getitem__)
    if others and not own:  # arguments such as a learning rate, which any program may have
        raise DSTheoryError(
            f"{source.name} starts {others[0]}, which is not known, and its arguments do not tell whose it is: if it optimises "
            f"what {trainer.name} does, say so with --trainer {trainer.id}"
        )
    told = f"recognised by {', '.join(dict.fromkeys(matched[:3]))}"
    if len(ids) > 1:
        told += f" and {trainer.id.partition(':')[2]} in its path, without which it may be of {' or '.join(ids)}"
    return trainer, told + (f", though it starts {others[0]}, which is not known" if others else "")


def _package(program: str) -> str:
    """Return the first part of a module's name, "" of what is not a module."""
    return "" if program.endswith(".py") or "." not in program else program.partition(".")[0]


def _other_programs(words: str, trainers: Sequence[Trainer]) -> list[str]:
    """Return the Python programs that a script starts and no trainer has."""
    found = [word for word in words.split() if re.fullmatch(r"[A-Za-z_]\w*(\.\w+)+", word) or word.endswith(".py")]
    return [word for word in found if not any(starts_program(p, word) for t in trainers for p in t.programs)]


def _knows(trainer: Trainer, key: str) -> bool:
    return key in trainer.keys or trainer.is_beside(key)


def _fit(trainer: Trainer, entries: Sequence[KeyValue]) -> tuple[int, int]:
    """Return how well keys fit a trainer: those that enter its objective with a value that it takes, less the others."""
    score, beside = 0, 0
    if any(entry.key.partition(".")[0] in trainer.strange for entry in entries):
        return -1, 0
    for entry in entries:
        key = trainer.keys.get(entry.key)
        if key is not None:
            score += 3 if not _wrong(key, entry.value) else -1
        elif entry.key in trainer.further and not isinstance(entry.value, list) and not _not_shipped(entry.value, trainer):
            score += 1  # it begins with the library's own file
        elif trainer.is_beside(entry.key):
            beside += 1
        else:
            score -= 1
    return score, beside


def _wrong(key: Key, value: Any) -> str:
    """Return what is wrong with a value of a key, "" if nothing is."""
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "must be smaller than 1e300"
    if key.words and text_of(value) not in key.words:
        return f"must be one of {', '.join(key.words)}"
    if isinstance(key.default, bool):
        return "" if isinstance(value, bool) or key.lacks else "must be true or false"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    wants = key.least is not None or key.most is not None or isinstance(key.default, (int, float))
    optional = key.otherwise or key.default is None
    if wants and not key.words and not number and not (value is None and optional) and not key.lacks:
        return "must be a number"
    if number and key.least is not None and not value >= key.least:
        return f"must be at least {key.least:g}"
    if number and key.most is not None and not value <= key.most:
        return f"must be at most {key.most:g}"
    return ""


def _where(source: Source, entry: KeyValue | None) -> str:
    if entry is None:
        return source.name
    return f"{entry.file or source.name}, line {entry.line}" if entry.line is not None else "the command line"


def _resolve(source: Source, given: Sequence[KeyValue], trainer: Trainer, why: str, prompts: float | None) -> Configuration:
    warnings = [other] if (other := _other_version(source.whole, trainer)) else []
    trainer = _patched(trainer, source.whole, warnings)
    entries, unknown, beside = _sorted([*source.entries, *given], source, trainer, warnings)
    values = {name: entries[name].value if name in entries else key.default for name, key in trainer.keys.items()}
    for name, entry in entries.items():
        if wrong := _wrong(trainer.keys[name], entry.value):
            raise DSTheoryError(f"{_where(source, entry)}: {name} is {shown(entry.value)}: {wrong} ({trainer.name})")
    held = {name: _held(name, values, trainer.keys) for name in values}
    made, lacks = _made(source, trainer, held, entries, warnings)
    lacks += [Lack("the program", program, "responses are generated by the policy before the last update")
              for program in trainer.stale if starts_program(program, source.text)]  # fmt: skip
    unread = [entry for entry in (_named(entry, trainer) for entry in source.unread) if _not_read(entry, trainer)]
    warnings += [_not_read(entry, trainer) for entry in unread]
    warnings += [
        f"{name} is {shown(entry.value)} in {entry.place}, unless line {entry.unless} makes it another, which is in a branch "
        f"or does what is not read: give {name}=VALUE after the file"
        for name, entry in entries.items() if entry.unless is not None
    ]  # fmt: skip
    at = {name: entries.get(name, KeyValue(name, None)) for name in held}
    settings = tuple(Setting(name, value, at[name].line, name in entries, at[name].file) for name, value in held.items())
    versions = tuple(rule.version for rule in trainer.rules if rule.version and _applies(rule, held, entries))
    training = _shown(replace(Training(), **made), prompts, lacks)
    return Configuration(source.name, trainer, why, training, settings, tuple(unknown), beside, tuple(lacks), tuple(warnings),
                         tuple(unread), versions)  # fmt: skip


def _patched(trainer: Trainer, text: str, warnings: list[str]) -> Trainer:
    """Return a trainer with the defaults of packages that a Python file imports; add to the warnings."""
    for patch in trainer.patches:
        if re.search(rf"^\s*(from|import)\s+{patch.imports}\b", text, flags=re.MULTILINE):
            changed = {name: replace(trainer.keys[name], default=value) for name, value in patch.defaults.items()}
            trainer = replace(trainer, keys={**trainer.keys, **changed})
            own = ", ".join(f"{name} {shown(value)}" for name, value in patch.defaults.items())
            warnings.append(
                f"{patch.imports} ({patch.version}) is imported, which has other defaults, and these hold here: {own}; "
                f"{patch.warn}"
            )
    return trainer


def _sorted(
    said: Sequence[KeyValue], source: Source, trainer: Trainer, warnings: list[str]
) -> tuple[dict[str, KeyValue], list[KeyValue], int]:
    """Return the keys that enter the objective, those that nobody knows, and how many others there are; add to the warnings."""
    entries: dict[str, KeyValue] = {}
    unknown, beside = list[KeyValue](), 0
    became: dict[str, str] = {}
    for one in said:
        entry = _named(_switched(one, trainer), trainer)
        if one.key not in (entry.key, f"no_{entry.key}"):
            became[one.key] = entry.key
        if entry.key in trainer.keys:
            before = entries.get(entry.key)
            again = before is not None and before.line is not None and entry.line is not None and before.file == entry.file
            if before is not None and again and before.value != entry.value:
                warnings.append(
                    f"{entry.key} is set twice, to {shown(before.value)} in line {before.line} and to {shown(entry.value)} "
                    f"in line {entry.line}: the last one holds"
                )
            entries[entry.key] = entry
        elif trainer.is_beside(entry.key):
            beside += 1
            if entry.key in trainer.further and (elsewhere := _not_shipped(entry.value, trainer)):
                warnings.append(
                    f"{entry.place}: {entry.key} names {', '.join(map(shown, elsewhere))}, whose settings are not read: give "
                    "what is set there as KEY=VALUE, or explain that file, with what this one adds as KEY=VALUE"
                )
        elif meant := _nearly(entry.key, trainer):
            raise DSTheoryError(
                f"{_where(source, entry)}: {printable(entry.key)} is not a key of {trainer.library} {trainer.version}, whose "
                f"keys have sections since {trainer.flat}: write the key that it became, such as {meant}"
            )
        elif entry.line is None:  # from the command line, where a slip must not pass for a setting
            hint = f": did you mean {' or '.join(near)}?" if (near := get_close_matches(entry.key, trainer.keys, n=2)) else ""
            raise UnknownNameError(f"{trainer.name} has no key {printable(entry.key)}{hint}")
        else:
            unknown.append(entry)
            if entry.value is not None and _above(entry.key, trainer):
                warnings.append(_not_below(entry))
            elif near := get_close_matches(entry.key, trainer.keys, n=1, cutoff=0.75):
                warnings.append(f"{entry.place}: {printable(entry.key)} is not a key of {trainer.name}: did you mean {near[0]}?")
    if became := {old: new for old, new in became.items() if new in trainer.keys}:
        warnings.append(
            f"keys without sections, as before {trainer.library} {trainer.flat}, are read as those that have their words: "
            f"{', '.join(f'{printable(old)} as {new}' for old, new in became.items())}; what the file leaves out is as in "
            f"{trainer.version}: give what was otherwise as KEY=VALUE"
        )
    return entries, unknown, beside


def _named(entry: KeyValue, trainer: Trainer) -> KeyValue:
    """Return an entry of a key without sections under the key that has all of its words, and the fewest beside them.

    The word that says what a key is, its last one, must be among them: ``pretrain`` is a model, and ``pretrain_mode`` a switch.
    """
    if not trainer.flat or "." in entry.key or entry.key in trainer.keys or trainer.is_beside(entry.key):
        return entry
    section, _, rest = entry.key.partition("_")
    if trainer.is_beside(f"{section}.{rest}"):
        return replace(entry, key=f"{section}.{rest}")
    words = set(entry.key.split("_"))
    wider = sorted((len(has), name) for name, has in _words_of(trainer).items()
                   if words <= has and re.split(r"[._]", name.removesuffix("_enable"))[-1] in words)  # fmt: skip
    plain = wider and (len(wider) == 1 or wider[0][0] < wider[1][0])
    return replace(entry, key=wider[0][1]) if plain else entry


def _of_its_version(entries: Sequence[KeyValue], trainer: Trainer) -> list[KeyValue]:
    """Return the entries by which a script that starts a program is judged: of keys without sections those that became one."""
    named = [_named(entry, trainer) for entry in entries]
    return [entry for entry in named if not trainer.flat or "." in entry.key or _knows(trainer, entry.key)]


def _nearly(key: str, trainer: Trainer) -> str:
    """Return the key that shares two words or more with one without sections, "" where none does."""
    words = set(key.split("_")) if trainer.flat and "." not in key else set()
    shared = {name: len(words & has) for name, has in _words_of(trainer).items() if name in trainer.keys}
    best = max(shared, key=shared.__getitem__)
    return best if shared[best] > 1 else ""


def _words_of(trainer: Trainer) -> dict[str, set[str]]:
    return {name: set(re.split(r"[._]", name)) for name in (*trainer.keys, *trainer.beside)}


def _above(key: str, trainer: Trainer) -> bool:
    """Return whether keys that enter the objective stand below a key."""
    return any(name.startswith(f"{key}.") for name in trainer.keys)


def _not_below(entry: KeyValue) -> str:
    return (
        f"{entry.place}: {printable(entry.key)} is {shown(entry.value)}, and what that makes of the keys below it is not read: "
        "give them as KEY=VALUE after the file"
    )


def _not_read(entry: KeyValue, trainer: Trainer) -> str:
    """Say that what a key is set to is not known, "" where the key does not matter."""
    if entry.key == ANY_KEY:
        return f"{entry.place}: {printable(entry.value)} is not evaluated, and may set any key: give KEY=VALUE after the file"
    if entry.key in trainer.further:
        return (
            f"{entry.place}: {entry.key} is {shown(entry.value)}, which is not evaluated, so that the settings of that "
            "file are not read: give what is set there as KEY=VALUE"
        )
    if entry.key in trainer.keys:
        return (
            f"{entry.place}: {entry.key} is {shown(entry.value)}, which is not evaluated: the default "
            f"{shown(trainer.keys[entry.key].default)} is shown; give {entry.key}=VALUE after the file"
        )
    return _not_below(entry) if _above(entry.key, trainer) else ""


def _shown(training: Training, prompts: float | None, lacks: list[Lack]) -> Training:
    """Return a training as it can be computed; add to what is not modelled."""
    if training.whitening == "again" and (training.normaliser == "response-tokens" or training.masked != "none"):
        training = replace(training, credit="other")
        lacks.append(Lack("second whitening", True, "its shift acts where tokens are averaged within responses, or not counted"))
    if (why_left_out := left_out(training)) != "":
        lacks.append(Lack("the KL in the reward", training.reward_beta, why_left_out))
    if prompts is not None:
        training = replace(training, prompts=prompts, std_prompts=prompts)
    elif training.prompts != inf and training.prompts != int(training.prompts):
        what = "the batch of one normaliser holds part of a group; shown for many prompts"
        lacks.append(Lack("batch size", training.prompts, what))
        training = replace(training, prompts=inf)
    if training.std == "batch" and 1 < training.std_prompts < inf and not few_prompts(training):
        what = "the standard deviation of a batch of this size; that of many prompts is shown"
        lacks.append(Lack("prompts of a standard deviation", training.std_prompts, what))
    if training.credit == "batch-mean" and training.prompts != inf:
        lacks.append(Lack("prompts of a batch mean", training.prompts, "the mean of so few prompts; that of many is shown"))
    spans = {"group-tokens": 1.0, "batch-tokens": training.prompts}  # prompts whose tokens divide
    of_reward = spans.get(training.normaliser, inf)
    to_go = training.reward_beta if training.reward_kl_after and not why_left_out else 0.0
    alone = training.credit not in ("group-mean", "leave-one-out", "other") and training.method == "policy-gradient"
    alone = alone or training.method == "distill"  # differentiated at every state, whatever is done there
    cut = training.masked == "left out" and training.normaliser not in spans
    size = 1 if training.method == "distill" else training.group_size
    for key, value, prompts_of_one, what in (
        ("the KL in the reward", to_go, of_reward, "that the tokens dividing it go with the action taken"),
        ("prompts", alone and training.prompts, of_reward, "a batch of so few responses: many are shown"),
        ("truncated responses", cut and training.masked, training.prompts, "that rewards go with how many are left"),
    ):
        if value and prompts_of_one * size < inf:
            off = f"up to about one part in {prompts_of_one * size:g}, the number of responses"
            lacks.append(Lack(key, value, f"{what}; it may be off by {off}"))
    return training


def _held(name: str, values: Mapping[str, Any], keys: Mapping[str, Key]) -> Any:
    """Return the value that holds: of another key where this one is none and says so."""
    for _ in range(len(keys)):
        if values[name] is not None or not keys[name].otherwise:
            break
        name = keys[name].otherwise
    return values[name]


def _made(
    source: Source, trainer: Trainer, held: Mapping[str, Any], entries: Mapping[str, KeyValue], warnings: list[str]
) -> tuple[dict[str, Any], list[Lack]]:
    """Return the fields of the training, and what is not modelled; add to the warnings."""
    made: dict[str, Any] = dict(trainer.start)
    lacks: list[Lack] = []
    places: dict[str, KeyValue | None] = {}

    def put(then: Mapping[str, Any], at: KeyValue | None, key: str) -> None:
        for name, value in then.items():
            if name == "lacks":
                lacks.append(Lack(key, held[key], value))
                continue
            made[name] = _computed(value, held, made)
            places[name] = at

    for name, key in trainer.keys.items():
        value, entry = held[name], entries.get(name)
        if key.words:
            put(key.words[text_of(value)], entry, name)
        elif key.sets and value is not None:
            each = value if isinstance(value, (list, tuple)) else [value] * len(key.sets.split(","))
            put(dict(zip(key.sets.split(","), each, strict=False)), entry, name)
        if key.lacks and text_of(value) != text_of(key.default) and not close(value, key.default):
            lacks.append(Lack(name, value, key.lacks))
    for rule in trainer.rules:
        if not _applies(rule, held, entries):
            continue
        names = [name for name in rule.when if name in held]
        entry = next((entries[name] for name in names if name in entries), None)
        if rule.refuse:
            said = ", ".join(f"{name} {shown(held[name])}" for name in names)
            raise DSTheoryError(f"{_where(source, entry)}: {said}: {rule.refuse}")
        put(rule.then, entry, names[0] if names else "")
        if rule.warn:
            warnings.append(rule.warn)
        if rule.lacks:
            value = held[names[0]] if len(names) == 1 else [held[name] for name in names]
            lacks.append(Lack(", ".join(names), value, rule.lacks))
    made["updates"] = max(1.0, made.get("updates", 1.0))  # several batches of responses may go into one update
    for field in fields(Training):
        if field.name in made and (wrong := Training.rule(field.name, made[field.name])):
            at = places.get(field.name)
            who = field.name if at is None else at.key
            raise DSTheoryError(f"{_where(source, at)}: {who} is {shown(made[field.name])}: {wrong}")
    return made, lacks


def _switched(entry: KeyValue, trainer: Trainer) -> KeyValue:
    """Return an entry, ``no_x`` as x = false where x is a switch that is on by default, as Hugging Face's parser has it."""
    key = entry.key.removeprefix("no_")
    switches = key != entry.key and entry.value is True and key in trainer.keys and trainer.keys[key].default is True
    return replace(entry, key=key, value=False) if switches else entry


def _applies(rule: KeyRule, held: Mapping[str, Any], given: Collection[str]) -> bool:
    return all(holds(_bound(condition, held), held[name], name in given) for name, condition in rule.when.items())


def _bound(condition: Any, held: Mapping[str, Any]) -> Any:
    """Return a condition in which ``@key`` has the value of the key."""
    return {how: _computed(bound, held, {}) for how, bound in condition.items()} if isinstance(condition, dict) else condition


def _other_version(text: str, trainer: Trainer) -> str:
    """Say that a file asks for another version of its library, as ``trl==0.22.2``; "" where it does not."""
    package = trainer.id.partition(":")[0]
    asked = re.findall(rf"(?<![\w-]){package}\s*==\s*v?(\d[\w.]{{0,20}})", text, flags=re.IGNORECASE)
    if not asked or trainer.version in asked:
        return ""
    return (
        f"the file asks for {trainer.library} {asked[-1]}; keys and defaults are those of {trainer.library} {trainer.version}: "
        "give what was otherwise as KEY=VALUE"
    )


def _not_shipped(value: Any, trainer: Trainer) -> list[Any]:
    """Return those of the files that a value names that do not come with the library."""
    named = value if isinstance(value, list) else [value]
    return [one for one in named if re.sub(r"\.ya?ml$", "", str(one).split("/")[-1]) not in trainer.shipped]


def _computed(value: Any, held: Mapping[str, Any], made: Mapping[str, Any]) -> Any:
    """Return a value, or what the keys that it refers to give: ``@key``, and products and quotients of keys."""
    if not isinstance(value, str) or not value.startswith("@"):
        return value
    found: Any = None
    for sign, name in _factors(value):
        other = held[name] if name in held else made.get(name)
        if found is None:
            found = other
        elif isinstance(found, (int, float)) and isinstance(other, (int, float)) and (sign == "*" or other):
            found = found * other if sign == "*" else found / other
        else:
            return inf
    return found


def _factors(text: str) -> Iterator[tuple[str, str]]:
    sign = "*"
    for part in text.split():
        if part in ("*", "/"):
            sign = part
        else:
            yield sign, part.removeprefix("@")
