"""How a file is read: which kind of record it holds, where the parts stand, and what its words mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from dstheory.errors import RecordError, UnknownReadingError
from dstheory.readers.answers import Checker
from dstheory.readers.formats import READERS, Format, named, recognise
from dstheory.readers.gold import GoldAnswers
from dstheory.readers.grading import grader_name
from dstheory.readers.paths import Place, candidates, getter, keys_of
from dstheory.readers.reading import IN_LISTS
from dstheory.readers.records import (
    DECIDED_BY,
    DECIDERS,
    NOBODY,
    Fault,
    FieldNames,
    Records,
    Verdicts,
    assumed_decisions,
    assumption,
    decision_word,
    parse_decisions,
    text_or_none,
)
from dstheory.readers.turns import Turns, fill_decisions, without_decisions
from dstheory.texts import cut, printable, shown

MATHEMATICS = "final-answer"  # the checker that compares an answer with the right one
_NAMED = 6  # other values named where no record holds the one asked for
_CAPS = ("max_turns", "max_attempts", "max_rounds", "max_iterations")  # what else the largest number of attempts is called
_UNITS = {
    "rollouts": "one attempt per record",
    "records": "one episode per record",
    "table": "one attempt of an episode per row",
    "conversation": "one conversation per record",
    "transcript": "one text per record",
}


@dataclass(frozen=True)
class Request:
    """What the user says about a log; all of it may be left out.

    Attributes:
        reader: kind of record, or "auto".
        format: name or file of a format.
        fields: part -> place.
        labels: further fields to keep.
        verdicts: which values are right.
        decisions: what decisions are called.
        where: place -> the text that it must hold, or the record is passed over.
        turns: places of what says whether the answers given in turn are right.
        decided_by: who decided whether to go on; "" for what the log says.
        gold: the right answers, if they stand in another file.
        checker: who says what is correct, as people are told; "" for whom the format says.
    """

    reader: str = "auto"
    format: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    labels: Sequence[str] = ()
    verdicts: Verdicts = field(default_factory=Verdicts)
    decisions: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    turns: tuple[str, ...] = ()
    decided_by: str = ""
    gold: GoldAnswers | None = None
    checker: str = ""

    @classmethod
    def of(
        cls,
        reader: str = "auto",
        format: str | None = None,
        fields: Mapping[str, str] | None = None,
        correct: str | Sequence[str] = (),
        decision: str | Sequence[str] = (),
        where: Mapping[str, str] | None = None,
        labels: Sequence[str] = (),
        turns: str | Sequence[str] = (),
        decided_by: str | None = None,
    ) -> Request:
        """Return what a user says, checked: each attribute, with ``correct`` and ``decision`` as rules.

        Rules are texts such as ``C=true,I=false``, ``score>=1`` or ``continue=resample``; ``turns`` may be one text with commas.

        Raises:
            RecordError: something in it is not possible.
        """
        if reader not in ("auto", *READERS):
            raise UnknownReadingError(f"there is no reader {reader!r}: there are auto, {', '.join(READERS)}")
        if format is not None:
            named(format)
        if decided_by is not None and decided_by not in DECIDERS:
            raise UnknownReadingError(f"decided_by is {decided_by!r}: must be one of {', '.join(DECIDERS)}")
        listed = [place.strip() for place in turns.split(",")] if isinstance(turns, str) else list(turns)
        if listed and reader not in ("auto", "records"):
            raise RecordError(
                f"turns make a record a list of answers, and the reader {reader} reads no such records: leave one out"
            )
        for place in (*(fields or {}).values(), *(where or {}), *listed):
            Place.of(place)
        verdicts = Verdicts.parse([correct] if isinstance(correct, str) else correct)
        if verdicts.key and (place := (fields or {}).get("correct", verdicts.key)) != verdicts.key:
            raise RecordError(f"correctness is to be read from {place} and from {verdicts.key}: leave one of them out")
        decisions = parse_decisions([decision] if isinstance(decision, str) else decision)
        kept = tuple(labels), verdicts, decisions, dict(where or {}), tuple(listed), decided_by or ""
        return cls(reader, format or "", dict(fields or {}), *kept)


@dataclass(frozen=True)
class Layout:
    """How a file is read.

    Attributes:
        reader: kind of record: a key of ``formats.READERS``.
        names: where the parts stand.
        verdicts, decisions, where: as of :class:`Request`.
        format: the format it was recognised as; None for the package's own records.
        same: further places that say what is correct; they must agree.
        numbered: whether records have no ids, so that their places are their names.
        turns: where answers given in turn stand, if a record is their list.
        decided_by: who decided whether to go on; "" where nothing says it.
        undecided: whether no record says what was decided.
        assumed: what words for decisions are taken to mean, though nobody said it; part of ``decisions``.
        checker: says what is correct, where no format says who does.
        gold: where the right answers come from, if from another file.
        within: where in its one document the file has its records; "" where it has them by themselves.
        without: places that no record may have, since the file was taken for what it is because its first ones have none.
    """

    reader: str
    names: FieldNames
    verdicts: Verdicts = field(default_factory=Verdicts)
    decisions: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    format: Format | None = None
    same: tuple[str, ...] = ()
    numbered: bool = False
    turns: Turns | None = None
    decided_by: str = ""
    undecided: bool = False
    assumed: Mapping[str, str] = field(default_factory=dict)
    checker: str = ""
    gold: str = ""
    within: str = ""
    without: tuple[str, ...] = ()

    @property
    def grader(self) -> str:
        """The checker that says what is correct unless the user chose another; "" where the log says it."""
        return self.checker or (self.format.checker if self.format is not None else "")

    @property
    def told(self) -> bool:
        """Whether there is anything to say about how the file is read: it is not in this package's own form and words."""
        found = self.assumed or self.gold or self.within or self.names.cap in _CAPS
        return self.format is not None or self.reader == "rollouts" or self.turns is not None or bool(found)

    @property
    def sentence(self) -> str:
        """How the file is read, for people."""
        what, rule = _UNITS[self.reader], self.verdicts.rule
        if Place.of(self.names.correct).spreads and self.reader == "rollouts":
            what = IN_LISTS
        grader = grader_name() if self.grader == MATHEMATICS else self.grader
        if self.turns is not None:
            how = f"answers in turn from {', '.join(self.turns.places)}{rule}{f', checked by {grader}' if grader else ''}"
            how += f", the last by {self.turns.final}" if self.turns.final else ""
        else:
            how = f"{what}, " + (f"answers checked by {grader}" if grader else f"correctness from {self.names.correct}{rule}")
        title = f"{self.format.title}: " if self.format is not None else ""
        if self.reader == "rollouts" and self.format is None and self.names.problem != FieldNames().problem:
            how += f", problems from {self.names.problem}"
        how += f", the most attempts from {self.names.cap}" if self.names.cap in _CAPS else ""
        how += f", records from {self.within}" if self.within else ""
        gold, words = (f", {self.gold}" if self.gold else ""), (f"; {assumption(self.assumed)}" if self.assumed else "")
        return printable(f"{title}{how}{gold}{words}")

    @property
    def _deep(self) -> list[Place]:
        return [place for place in map(Place.of, dict.fromkeys(_places(self.names))) if not place.plain]

    @property
    def _once(self) -> list[Place]:
        return [Place.of(key) for key in (self.format.one_value if self.format else ()) if key not in self.where]

    @property
    def as_it_is(self) -> bool:
        """Whether records have everything under the names of this layout, and in the words of this package."""
        words = self.reader in ("records", "table") and bool(self.decisions or self.verdicts != Verdicts())
        return not (self._deep or self.where or self._once or words or self.numbered or self.turns is not None or self.undecided)

    @property
    def columns(self) -> list[str]:
        """The columns of a table that matter."""
        places = [*_places(self.names), *self.where, *self.same, *(self.format.one_value if self.format else ()), *self.without]
        if self.turns is not None:
            places += [*self.turns.places, *([self.turns.final] if self.turns.final else [])]
        return _columns(places)

    @property
    def as_written(self) -> set[str]:
        """The columns of a table whose cells are compared by what is written in them: 007 is another name than 7.

        Those that name a record or a problem, labels, answers and texts, and those that choose records; but none that is read
        for its value.
        """
        names, turns = self.names, self.turns or Turns(())
        answers = turns.places if self.grader else ()
        values = [names.decision, names.cap, names.round, names.decision_score, *self.same, *turns.places, turns.final]
        chosen = [*self.where, *(self.format.one_value if self.format else ())]
        texts = [names.answer, names.gold, names.final, names.transcript, *answers]
        named = _columns([names.id, names.problem, *names.labels.values(), *texts])
        verdicts = _columns(filter(None, [names.correct, turns.final]))
        return {*named, *set(_columns(chosen)).difference(_columns(filter(None, values)))}.difference(verdicts)

    def alike(self, parts: Iterable[Records], file: str, unit: str) -> Iterator[Records]:
        """Yield parts as they are.

        Args:
            parts: the records of a file.
            file: how messages call it.
            unit: what the numbers of records count.

        Raises:
            RecordError: a record has what the first ones have not, and would have been read in another way.
        """
        holds = {key: partial(candidates, key) if "*" in key else Place.of(key).holds for key in self.without}
        patterns, apart = "*" in "".join(holds), frozenset(_columns(holds)).isdisjoint
        for numbers, rows in parts:
            for number, row in zip(numbers, rows, strict=True):
                if isinstance(row, dict) and (patterns or not apart(row)):
                    for key in (key for key, has in holds.items() if has(row)):
                        self._refuse_other(row, key, f"{file}: {unit} {number}")
            yield numbers, rows

    def _refuse_other(self, row: Mapping[str, Any], key: str, where: str) -> None:
        if any(Place.of(at).get(row) != "" for at in candidates(key, row)):  # an empty text is nothing
            taken = self.format.title if self.format is not None else "one attempt per record"
            option = f"--format {self.format.name}" if self.format is not None else f"--reader {self.reader}"
            raise RecordError(
                f"{where} has {key}, and the first records, by which the file was taken for {taken}, have "
                f"not: say how all are to be read, --reader, --format or --field ({option} passes over {key})"
            )

    def fitted(self, parts: Iterable[Records], file: str, checker: Checker | None = None) -> Iterator[Records]:
        """Yield parts whose records have everything under the names of this layout.

        Args:
            parts: the records of a file, which are changed.
            file: how messages call it.
            checker: says which of the answers given in turn are right, where the log does not.

        Raises:
            RecordError: no record is one of those asked for, or a field holds two values of which it may hold one.
        """
        if self.as_it_is:
            yield from parts
            return
        deep, once = self._deep, {place: set[str]() for place in self._once}
        said, right = getter(self.names.decision), getter(self.names.correct)
        for numbers, rows in _only(parts, self.where, file) if self.where else parts:
            faults: dict[int, Fault] = {}
            for row_number, (number, row) in enumerate(zip(numbers, rows, strict=True)):
                if isinstance(row, dict):
                    for place, seen in once.items():
                        _see(place, row, seen, file)
                    for place in deep:
                        row[place.text] = place.get(row)
                    if self.turns is not None:
                        try:
                            row[self.names.attempts] = self.turns.attempts(row, self.names.correct, self.verdicts, checker)
                        except Fault as fault:
                            faults[row_number] = fault
                    self._translate(row, said, right)
                    if self.undecided:
                        fill_decisions(row, self.names, self.decided_by)
                    if self.numbered:
                        row[self.names.id] = f"{file}: {number}"
            yield numbers, [faults.get(i, row) for i, row in enumerate(rows)] if faults else rows

    def _translate(self, row: dict[str, Any], said: Callable[[Any], Any], right: Callable[[Any], Any]) -> None:
        """Put decisions and correctness of a record's attempts into the words of this package, from where they stand."""
        attempts = row.get(self.names.attempts) if self.reader == "records" else [row] if self.reader == "table" else ()
        for attempt in attempts if isinstance(attempts, list) else ():
            if isinstance(attempt, dict):
                decision, verdict = said(attempt), self.verdicts(right(attempt))
                if decision is not None:
                    attempt[self.names.decision] = decision_word(decision, self.decisions)
                if verdict is not None:
                    attempt[self.names.correct] = verdict


def _places(names: FieldNames) -> list[str]:
    return [getattr(names, one.name) for one in fields(names) if one.name != "extra"] + list(names.labels.values())


def _columns(places: Iterable[str]) -> list[str]:
    """Return the columns of a table in which places are."""
    return list(dict.fromkeys(str(Place.of(place).steps[0]) for place in places))


def _only(parts: Iterable[Records], where: Mapping[str, str], file: str) -> Iterator[Records]:
    """Yield the records that hold what they must, and what is not a record; an empty text is held where nothing is."""
    places = {Place.of(key): _written(text) for key, text in where.items()}
    others: dict[str, None] = {}
    found = False
    for numbers, rows in parts:
        kept = []
        for i, row in enumerate(rows):
            held: Mapping[Place, str | None] = places
            if isinstance(row, dict):
                held = {place: text_or_none(place.get(row)) for place in places}
            other = next((place for place, text in places.items() if _written(held[place] or "") != text), None)
            if other is None:
                kept.append(i)
            elif len(others) < _NAMED:
                others[f"{other.text}={held[other] or '(nothing)'}"] = None
        found = found or bool(kept)
        yield [numbers[i] for i in kept], [rows[i] for i in kept]
    if not found:
        asked = " and ".join(f"{key}={text or '(nothing)'}" for key, text in where.items())
        raise RecordError(f"{file}: no record has {asked}: there are {', '.join(others) or 'none'}")


def _written(text: str) -> str:
    """Return a text as texts are compared: true and false have one name each however they are spelt."""
    return text.lower() if text.lower() in ("true", "false") else text


def _see(place: Place, row: Mapping[str, Any], seen: set[str], file: str) -> None:
    text = text_or_none(place.get(row))
    if text is not None:
        seen.add(text)
    if len(seen) > 1:
        one, other = sorted(seen)
        raise RecordError(
            f"{file}: {place.text} is {shown(one)} in some records and {shown(other)} in others, so that each problem is "
            f"there once for each: choose with --where {place.text}={other}"
        )


# ---------------------------------------------------------------------- finding it


def find_layout(head: Sequence[Any], request: Request, file: str, *, table: bool = False) -> Layout:
    """Return how a file is read.

    Args:
        head: its first records.
        request: what the user says.
        file: how messages call it.
        table: whether it is a table, whose own form is one attempt per row.

    Raises:
        RecordError: the format does not fit, or it is not clear what says which attempts are correct.
    """
    objects = [record for record in head if isinstance(record, dict)]
    given = {**request.fields, **({"correct": request.verdicts.key} if request.verdicts.key else {})}
    own = FieldNames.renamed(given, tuple(request.labels))
    chosen: Format | None = None
    if request.format:
        chosen = named(request.format)
        if objects and not any(chosen.matches(record) for record in objects):
            missing = next((key for key in chosen.keys if not candidates(key, objects[0])), "")
            why = f"have no {missing}" if missing else f"have one of {', '.join(chosen.without)}"
            raise RecordError(
                f"{file} is not a log of the format {chosen.name}: its records {why}; they have {keys_of(objects[0])}"
            )
    elif request.reader == "auto" and not _has(own, "attempts", objects) and not (table and _is_own_table(own, objects)):
        chosen = recognise(objects)
    if request.turns:
        _refuse_no_verdicts(request.turns, objects, request.verdicts, file)
        names, numbered = _with_ids("records", own, objects)
        found = Layout("records", names, request.verdicts, {}, request.where, numbered=numbered, turns=Turns(request.turns))
    elif chosen is None:
        found = _declared(objects, request, own, file, table=table)
    else:
        found = _of_format(chosen, objects, request, given, file)
    if found.reader != "rollouts":  # of which nobody could decide anything
        found = replace(found, names=found.names.with_labels(DECIDED_BY))
    if Place.of(found.names.problem).spreads:
        raise RecordError(
            f"{file}: {found.names.problem} is a list of names: what names the problem must be one value in each record"
        )
    found = _with_assumed(found, objects, request)
    undecided = found.turns is not None or (found.reader == "records" and without_decisions(objects, found.names))
    found = replace(found, undecided=undecided, decided_by=_decider(found, request, undecided))
    if found.reader in ("records", "table") and found.decided_by != NOBODY:  # else the number of attempts was fixed
        found = replace(found, names=_with_cap(found.names, objects, given))
    if request.checker and found.grader:
        found = replace(found, checker=request.checker)
    if not (request.format or request.turns) and request.reader == "auto":
        others = [getattr(own, part) for part in (*_KINDS.values(), "decision", "round")] if found.reader == "rollouts" else ()
        none = chosen.without if chosen is not None else [at for at in others if not any(map(Place.of(at).holds, objects))]
        found = replace(found, without=(*none, *_passed_over(found, chosen, given, objects)))
    within = ("correct", "decision") if found.reader == "records" else ()  # keys of attempts
    for part in given:
        if objects and part not in within and not _has(found.names, part, objects):
            raise RecordError(f"{file}: no record has {given[part]}, named as its {part}: they have {keys_of(objects[0])}")
    return found


def _passed_over(found: Layout, chosen: Format | None, given: Mapping[str, str], objects: Sequence[Any]) -> list[str]:
    """Return the places that would have been taken, had one of the first records held them."""
    if chosen is None:
        parts = {"problem": (*_problem_keys(), found.names.id)} if found.reader == "rollouts" else {}
    else:
        watched = {"rollouts": ("problem", "correct"), "table": ("id", "problem", "round", "correct", "decision")}
        parts = {part: chosen.fields.get(part, ()) for part in watched.get(found.reader, ("problem",))}
    out: list[str] = []
    for part, places in parts.items():
        taken = getattr(found.names, part)
        if part not in given:
            first = part != "correct" and taken in places and _has(found.names, part, objects)  # else all places count
            before = places[: places.index(taken)] if first else places
            out += [at for at in before if "*" not in at and at != taken and not any(map(Place.of(at).holds, objects))]
    return out


def _with_cap(names: FieldNames, objects: Sequence[Any], given: Mapping[str, str]) -> FieldNames:
    """Return the names with what the largest number of attempts is called, where neither the user nor the usual name says it.

    ``objects`` are the first records of the file: what only later ones have is not looked for, and docs/log_formats.md says so.
    """
    if "cap" in given or _has(names, "cap", objects):
        return names
    return replace(names, cap=next((key for key in _CAPS if any(record.get(key) is not None for record in objects)), names.cap))


def _with_assumed(found: Layout, objects: Sequence[Any], request: Request) -> Layout:
    """Return the layout with what its words for decisions are taken to mean, where neither the user nor the format says it."""
    if request.decisions or found.decisions or found.reader != "records":  # of a table all words are looked at
        return found
    lists = map(Place.of(found.names.attempts).get, objects)
    steps = [step for one in lists if isinstance(one, list) for step in one]
    words = assumed_decisions(map(Place.of(found.names.decision).get, steps))
    return replace(found, decisions=words, assumed=words) if words else found


def _one_place(pattern: str, objects: Sequence[Any], verdicts: Verdicts | None, file: str) -> str:
    """Return the place that a pattern means; of several, the one that says what is right."""
    there = list(dict.fromkeys(at for record in objects for at in candidates(pattern, record)))
    good = there if verdicts is None else [at for at in there if _says(at, objects, verdicts)]
    if len(good) > 1:
        which = " and ".join(good)
        raise RecordError(f"{file}: {which} could each say which of the answers in turn are right: choose with --turns")
    return next(iter(good or there), pattern)


def _refuse_no_verdicts(places: Sequence[str], objects: Sequence[Any], verdicts: Verdicts, file: str) -> None:
    """Refuse places of turns that do not say what is right."""
    for place in places:
        value = _other(place, objects, verdicts)
        if objects and not _says(place, objects, verdicts):
            what = f"no record has {place}" if value is None else f"{place} is {shown(value)}, neither right nor wrong"
            rule = f"they have {keys_of(objects[0])}" if value is None else f"say what is right, --correct '{place}>=NUMBER'"
            raise RecordError(f"{file}: {what}, of the answers in turn: {rule}")


def _decider(found: Layout, request: Request, undecided: bool) -> str:
    """Return who decided whether to go on: what the user says, then the format, then whether anything was decided."""
    if request.decided_by:
        return request.decided_by
    said = "" if found.format is None or "decision" in request.fields else found.format.decided_by
    return (said if said != NOBODY else "") or (NOBODY if undecided else "")


def _of_format(chosen: Format, objects: Sequence[Any], request: Request, given: Mapping[str, str], file: str) -> Layout:
    verdicts = request.verdicts if request.verdicts.compare or request.verdicts.words else chosen.verdicts
    parts: dict[str, str] = {}
    for part, places in chosen.fields.items():
        found = next((at for place in places for record in objects for at in candidates(place, record)), None)
        if part == "step":  # also where the first records lack it
            parts[part] = found or places[0]
        elif part != "correct" and found is not None:
            parts[part] = found
    same: tuple[str, ...] = ()
    inner = chosen.reader == "records"  # what is correct stands within the attempts
    if "correct" in chosen.fields and "correct" not in given:
        if inner:
            parts["correct"] = chosen.fields["correct"][0]
        else:
            parts["correct"], *others = _correct(chosen, objects, verdicts, file)
            same = tuple(others)
    if inner and "decision" in chosen.fields:
        parts["decision"] = chosen.fields["decision"][0]
    parts |= given
    extra = tuple(name for name in ("step", "answer") if name in parts)
    names = FieldNames.renamed(parts, (*request.labels, *extra))
    reader = chosen.reader if request.reader == "auto" else request.reader
    names, numbered = _with_ids(reader, names, objects)
    decisions = {**chosen.decisions, **request.decisions}
    turns = None
    if chosen.turns:
        at = [_one_place(place, objects, None if chosen.checker else verdicts, file) for place in chosen.turns]
        turns = Turns(tuple(at), chosen.final)
        if not chosen.checker:
            _refuse_no_verdicts(at, objects, verdicts, file)
    return Layout(reader, names, verdicts, decisions, request.where, chosen, same, numbered, turns)


def _correct(chosen: Format, objects: Sequence[Any], verdicts: Verdicts, file: str) -> list[str]:
    """Return the place that says what is correct, and those that say the same."""
    tried: dict[str, Any] = {}
    sure: list[str] = []
    for pattern in chosen.fields["correct"]:
        there = {place: None for record in objects for place in candidates(pattern, record)}
        there = {place: None for place in there if not any(fnmatchcase(place, one) for one in chosen.ignore)}
        good = [place for place in there if _says(place, objects, verdicts)]
        tried |= {place: _other(place, objects, verdicts) for place in there}
        if "*" not in pattern:
            sure += good
        elif not sure and good:
            if len(good) > 1:
                raise RecordError(
                    f"{file}: {' and '.join(good)} could each say which attempts are correct: choose with "
                    f"--field correct={good[0]}"
                )
            sure = good
    if sure:
        return list(dict.fromkeys(sure))
    if tried:
        place, value = next(iter(tried.items()))
        word = f"{value if value == cut(value) else 'WORD'}=true" if isinstance(value, str) else f"{cut(place)}>=NUMBER"
        remedy = f"say what is right, for example --correct {word!r}"
        if isinstance(value, list):
            remedy = f"if each of its entries is a rollout, say so with --field 'correct={cut(place)}[]'"
        raise RecordError(
            f"{file}: {cut(place)} is {shown(value)}, neither right nor wrong: {remedy}"
            + (f"; there are also {', '.join(map(cut, list(tried)[1:5]))}" if len(tried) > 1 else "")
        )
    raise RecordError(
        f"{file} is a log of {chosen.title}, but nothing in it says which attempts are correct: name what does with "
        f"--field correct=KEY; its records have {keys_of(objects[0]) if objects else 'no keys'}"
    )


def _values(place: str, objects: Sequence[Any]) -> list[Any]:
    at = Place.of(place)
    values = [value for record in objects if (value := at.get(record)) is not None]
    each = [one for value in values for one in (value if at.spreads and isinstance(value, list) else [value])]
    return [one for one in each if not (isinstance(one, float) and math.isnan(one))]  # which is none: the record is unusable


def _other(place: str, objects: Sequence[Any], verdicts: Verdicts) -> Any:
    """Return the first value of a place that is not a verdict, else the first; None where it holds nothing."""
    values = _values(place, objects)
    return next((value for value in values if verdicts(value) is None), next(iter(values), None))


def _says(place: str, objects: Sequence[Any], verdicts: Verdicts) -> bool:
    """Return whether a place holds verdicts: no number that is none, and words that mostly are."""
    values = _values(place, objects)
    said = [verdicts(value) is not None for value in values]
    other = any(isinstance(value, (int, float)) and not good for value, good in zip(values, said, strict=True))
    return not other and 2 * sum(said) >= len(said) > 0


def _with_ids(reader: str, names: FieldNames, objects: Sequence[Any]) -> tuple[FieldNames, bool]:
    """Return where ids stand, and whether records are to be named by their places."""
    if reader not in ("records", "transcript", "conversation"):
        return names, False
    at = Place.of(names.id)
    has = not objects or any(at.get(record) is not None for record in objects)
    if has and names.problem != names.id:  # else what was called an id names the problem
        return names, False
    return replace(names, id="(place)"), True


def _declared(objects: Sequence[Any], request: Request, names: FieldNames, file: str, *, table: bool) -> Layout:
    """Return the layout of a file in none of the formats: what the user says, and what its keys show."""

    def has(part: str) -> bool:
        return _has(names, part, objects)

    reader = request.reader
    checked = bool(request.checker) and has("answer") and has("gold") and not has("correct")
    if reader == "auto":
        reader = next((kind for kind, part in _KINDS.items() if has(part)), "rollouts" if checked else "")
        if not reader:
            reader = (
                "table" if _is_own_table(names, objects) else "rollouts" if has("correct") else "table" if table else "records"
            )
            if objects and not any(map(has, ("correct", "round", "decision", *(["id"] if table else [])))):
                raise RecordError(
                    f"{file} is in no known format: its records have {keys_of(objects[0])}; name what says which attempts are "
                    "correct with --field correct=KEY, the list of attempts with --field attempts=KEY, or the keys of "
                    "successive answers with --turns FIRST,LAST; `dstheory anatomy formats` lists the formats"
                )
    elif (
        reader in _NEEDS
        and objects
        and not has(_NEEDS[reader])
        and not (reader == "rollouts" and (checked or request.gold is not None))
    ):
        part = _NEEDS[reader]
        raise RecordError(
            f"{file}: no record has {getattr(names, part)}, which the reader {reader} needs: they have {keys_of(objects[0])}; "
            f"name it with --field {part}=KEY, or choose another --reader"
        )
    if reader == "rollouts":
        # A key "answer" is mostly the right answer, and is taken for the model's only where the user says so.
        names = names.with_labels("step", *(["answer"] if "answer" in request.fields and has("answer") else []))
        if "problem" not in request.fields:
            places = (*_problem_keys(), names.id)  # the first key that there is names the problem, at last the id
            problem = next((place for place in places if any(candidates(place, record) for record in objects)), names.problem)
            names = replace(names, problem=problem)
        if objects and has("correct") and not _says(names.correct, objects, request.verdicts):
            value = _other(names.correct, objects, request.verdicts)
            raise RecordError(
                f"{file}: {names.correct} is {shown(value)}, neither right nor wrong: say what is right, for example "
                f"--correct '{names.correct}>=NUMBER' or --correct WORD=true; its records have {keys_of(objects[0])}"
            )
    if reader == "records":
        names = names.with_labels("step")
    names, numbered = _with_ids(reader, names, objects)
    checker = request.checker if checked and reader == "rollouts" else ""
    return Layout(reader, names, request.verdicts, request.decisions, request.where, numbered=numbered, checker=checker)


def _problem_keys() -> tuple[str, ...]:
    return named("graded").fields["problem"]


def list_of_records(head: Sequence[Any], request: Request) -> tuple[str, Request]:
    """Return where a file has its records, if it is one document around them, and what the user says of them.

    That is its one list of objects, or the one that a place of the user's names; else its one object of alike objects.

    A document that is a record itself (of a known format, with a problem, attempts or a text of its own) is left as it is.

    Args:
        head: the first records of the file.
        request: what the user says.

    Example:
        >>> document = {"model": "m", "results": [{"qid": 1, "ok": True}, {"qid": 2, "ok": False}]}
        >>> list_of_records([document], Request.of(fields={"correct": "results[].ok"}))[1].fields
        {'correct': 'ok'}
        >>> list_of_records([document, document], Request())[0], list_of_records([{**document, "question": "?"}], Request())[0]
        ('', '')
        >>> list_of_records([{"date": 1, "eval": {"a": {"ok": 1, "n": 2}, "b": [{"ok": 0, "n": 3}]}}], Request())[0]
        'eval{}'
    """
    if len(head) != 1 or not isinstance(head[0], dict):
        return "", request
    document = head[0]
    if named(request.format).matches(document) if request.format else recognise(head) is not None:
        return "", request
    if any(document.get(key) is not None for key in (*_problem_keys(), "correct", *_KINDS.values())):
        return "", request
    said = [*request.fields.values(), *request.turns, *request.where, *([request.verdicts.key] if request.verdicts.key else [])]
    lists = [f"{key}[]" for key, value in document.items() if _lists_records(key, value)]
    lists = lists or [f"{key}{{}}" for key, value in document.items() if _holds_records(value)]
    lists = lists or (["{}"] if _holds_records(document) else [])
    meant = [place for place in lists if any(one.startswith(f"{place}.") for one in said)]
    if not meant and any(Place.of(one).get(document) is not None for one in said):
        return "", request
    if len(meant or lists) != 1:
        return "", request
    (place,) = meant or lists

    def inner(one: str) -> str:
        return one.removeprefix(f"{place}.")

    return place, replace(
        request,
        fields={part: inner(one) for part, one in request.fields.items()},
        labels=tuple(map(inner, request.labels)),
        turns=tuple(map(inner, request.turns)),
        where={inner(one): text for one, text in request.where.items()},
        verdicts=replace(request.verdicts, key=inner(request.verdicts.key)),
    )


def _holds_records(value: Any) -> bool:
    """Return whether a value is an object of records: two or more, which have two or more keys in common."""
    if not isinstance(value, dict) or len(value) < 2:
        return False
    entries = [one for held in value.values() for one in (held if isinstance(held, list) else [held])]
    return all(isinstance(one, dict) for one in entries) and len(set.intersection(*map(set, entries or [{}]))) > 1


def _lists_records(key: str, value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value) and not set(key) & set(".[]")


def _has(names: FieldNames, part: str, objects: Sequence[Any]) -> bool:
    return any(map(Place.of(getattr(names, part)).holds, objects))


def _is_own_table(names: FieldNames, objects: Sequence[Any]) -> bool:
    """Return whether rows are attempts of episodes: something says which episode, and something which turn or decision."""
    return all(_has(names, part, objects) for part in ("id", "correct")) and any(
        _has(names, part, objects) for part in ("decision", "round")
    )


_KINDS = {"records": "attempts", "conversation": "messages", "transcript": "transcript"}
_NEEDS = {**_KINDS, "rollouts": "correct"}
