"""What is said of a record of a log: how its parts are called, what its words mean, what names its problem, why it is unusable.

Nothing that a user writes is evaluated: a rule is ``WORD=true``, ``WORD=false``, or a key compared with a number.

Ids such as 1, 2, 3 begin anew in every file of some harnesses: two files mean the same problem by a name unless both show what it
asks, and that differs.

Source: the record of the two-stage process of arXiv 2601.01580, section 3; the format is this package's own.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

from dstheory.errors import RecordError, UnknownReadingError
from dstheory.readers.paths import Place, getter
from dstheory.texts import is_unicode, nearest, shown

DECIDED_BY = "decided_by"  # the label that says who decides whether to go on
NOBODY = "nobody"  # where nobody does: the number of attempts was fixed
DECIDERS = ("model", "verifier", "oracle", "environment", NOBODY)

LABELS = ("task", "difficulty", "model")  # categorical fields that the schema knows; more on request

# Why a record cannot be used: a word for machines -> a phrase for people.
REASONS = {
    "not-json": "not JSON",
    "not-utf8": "not UTF-8",
    "not-a-record": "not an object",
    "cut-off": "file cut off",
    "id": "no usable id",
    "label": "a field that is neither text nor number",
    "no-attempts": "no attempts",
    "attempt": "an attempt that is not an object",
    "correct": "correctness neither true nor false",
    "decision": "unknown decision",
    "after-stop": "attempts after a stop",
    "cap": "cap that is not a whole number >= 1",
    "over-cap": "more attempts than the cap",
    "duplicate": "id of an earlier record",
    "round": "two attempts of one round",
    "varies": "rows that disagree about their record",
    "messages": "messages not of the role/content form",
    "transcript": "no transcript text",
    "no-candidate": "no candidate answer found by the segmentation",
    "unclear": "a text whose last answer is not certain",
    "problem-data": "nothing to check the answers against",
    "no-gold": "no right answer in the file of answers",
    "checker": "the checker failed",
}
OUTCOMES = frozenset(  # depend on how an episode went
    ("correct", "decision", "after-stop", "over-cap", "no-candidate", "unclear", "round")
)
VERDICTS = frozenset((True, False))  # also 1, 0, 1.0 and 0.0
ENDS = frozenset(("stop", "resample", "submit", None))  # decisions after the last attempt

Records = tuple[Sequence[int], Sequence[Any]]  # numbers of records, and the records; one that is a Fault is unusable


@dataclass(frozen=True)
class FieldNames:
    """Which key (or column) holds what.

    Attributes:
        id: the record's name, unique within one model of one file.
        problem: which problem it is about; records that share one are trials of it. Default: the id.
        task, difficulty, model: labels.
        cap: the largest number of attempts allowed.
        attempts: the list of attempts.
        correct, decision: of one attempt.
        round: order of an attempt within its record, in tables with one row per attempt.
        messages, transcript: of conversations and plain transcripts.
        numbers, target, gold, final: of problems whose answers are checked here: a game's numbers and target, the right answer,
            and the answer that was submitted.
        answer, step: of rollouts: the answer that was given, and the step of training at which it was given.
        decided_by: who decided whether to go on: a label, one of ``DECIDERS``.
        decision_score: of rollouts: what a verifier or reward model says of the answer.
        extra: further labels, kept under their own names.

    Example:
        >>> FieldNames.renamed({"cap": "max_attempts"}).cap
        'max_attempts'
    """

    id: str = "id"
    problem: str = "problem"
    task: str = "task"
    difficulty: str = "difficulty"
    model: str = "model"
    cap: str = "cap"
    attempts: str = "attempts"
    correct: str = "correct"
    decision: str = "decision"
    round: str = "round"
    messages: str = "messages"
    transcript: str = "transcript"
    numbers: str = "numbers"
    target: str = "target"
    gold: str = "gold"
    final: str = "final_answer"
    answer: str = "answer"
    step: str = "step"
    decided_by: str = DECIDED_BY
    decision_score: str = "decision_score"
    extra: tuple[str, ...] = ()

    @classmethod
    def renamed(cls, names: Mapping[str, str], extra: tuple[str, ...] = ()) -> FieldNames:
        """Return the default names, changed as given.

        Args:
            names: what -> key in the log.
            extra: further labels.

        Raises:
            RecordError: a record has no such part.
        """
        known = [f.name for f in fields(cls) if f.name != "extra"]
        for part in names:
            if part not in known:
                raise UnknownReadingError(f"a record has no part {part!r}: {nearest(part, known)}")
        labels = tuple(dict.fromkeys(name for name in extra if name not in LABELS and name != "log"))
        return cls(**{**{part: str(key) for part, key in names.items()}, "extra": labels})  # type: ignore[arg-type]

    def with_labels(self, *more: str) -> FieldNames:
        """Return the names with further labels, kept even if the first records lack them."""
        return replace(self, extra=tuple(dict.fromkeys((*self.extra, *more))))

    @cached_property
    def labels(self) -> dict[str, str]:
        """Categorical fields: name in the result -> key in the log."""
        return {**{name: getattr(self, name) for name in LABELS}, **{name: getattr(self, name, name) for name in self.extra}}


class Fault(Exception):
    """What makes a record unusable.

    Attributes:
        reason: a key of ``REASONS``.
        field: where in the record; "" for the record as a whole.
        attempts: how many attempts the record holds, for bounds of what is left out with it.
    """

    def __init__(self, reason: str, field: str, detail: str, *, attempts: int = 1) -> None:
        super().__init__(f"{field}{' ' if field else ''}{detail}")
        self.reason = reason
        self.field = field
        self.attempts = attempts


def label_text(value: Any) -> str:
    """Return a label as text; equal numbers give equal texts.

    Raises:
        ValueError: the value is neither text nor a finite number (nor true or false).

    Example:
        >>> label_text(3.0), label_text(0.25), label_text(True), label_text("hard")
        ('3', '0.25', 'true', 'hard')
    """
    if isinstance(value, str):
        if value and is_unicode(value):
            return value
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, int):
        return str(value)
    elif isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else str(value)
    raise ValueError("must be a text that is not empty, or a finite number")


def text_or_none(value: Any) -> str | None:
    """Return a label as text; None where there is none, or what is not a label.

    Example:
        >>> text_or_none(3.0), text_or_none(None), text_or_none([3])
        ('3', None, None)
    """
    try:
        return None if value is None else label_text(value)
    except ValueError:
        return None


def compact(value: Any) -> str:
    """Return a list or object as a short text, by which it is named.

    Example:
        >>> compact([1, {"a": None}])
        '[1,{"a":null}]'
    """
    return json.dumps(value, separators=(",", ":"), default=str)


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq,
}  # fmt: skip
_THRESHOLD = re.compile(
    r"\s*(?P<key>[^<>=]*?)\s*(?P<sign>>=|<=|>|<|==)\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*"
)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_RIGHT = ("true", "1", "1.0", "yes", "correct", "right", "pass", "passed")
_WRONG = ("false", "0", "0.0", "no", "incorrect", "wrong", "fail", "failed")
_SPELT = {**dict.fromkeys(_RIGHT, True), **dict.fromkeys(_WRONG, False)}  # cells of a table, verdicts of graders
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,400})(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
DECISIONS = ("resample", "stop", "submit")
_GOES_ON = ("continue", "retry", "again", "try again", "try_again", "redo", "revise", "refine", "reject", "restart")
_ENDS = ("stop", "accept", "done", "finish", "finished", "end", "halt", "terminate", "submit")
_MEANS = {**dict.fromkeys(_GOES_ON, "resample"), **dict.fromkeys(_ENDS, "stop")}


@dataclass(frozen=True)
class Verdicts:
    """Which values of a field mean "right", which "wrong".

    Attributes:
        words: values by :func:`word_of`.
        compare, threshold: or the rule for numbers.
        key: the field that the rule names; "" for the one that the log's format says.

    Example:
        >>> verdict = Verdicts.parse(["score>=0.5"])
        >>> verdict.key, verdict(0.7), verdict(0), verdict("C")
        ('score', True, False, None)
    """

    words: Mapping[str, bool] = field(default_factory=dict)
    compare: str = ""
    threshold: float = 0.0
    key: str = ""

    @classmethod
    def parse(cls, rules: Iterable[str]) -> Verdicts:
        """Read rules as they stand on a command line: ``C=true,I=false``, or ``score>=1``.

        Raises:
            RecordError: a rule is neither, another stands beside the one for numbers, or a word is said to be both.
        """
        words: dict[str, bool] = {}
        each = [part for text in rules for part in text.split(",")]
        for i, rule in enumerate(each):
            found = _THRESHOLD.fullmatch(rule)
            if found:
                if len(each) > 1:
                    both = f"{shown(rule)} and {shown(each[i - 1 if i else 1])}"
                    raise RecordError(f"--correct {both} are two rules: give words, or one KEY>=NUMBER alone")
                return cls(compare=found["sign"], threshold=float(found["number"]), key=found["key"])
            word, sign, value = rule.rpartition("=")
            if not sign or not word.strip() or value.strip().lower() not in _BOOLEANS:
                raise RecordError(f"--correct {shown(rule)} is not a rule: write WORD=true, WORD=false, or KEY>=NUMBER")
            _put(words, word.strip(), _BOOLEANS[value.strip().lower()], "--correct")
        return cls(words)

    def __call__(self, value: Any) -> bool | None:
        """Return whether a value means right; None where it means nothing."""
        if self.compare:
            number = isinstance(value, (int, float)) and abs(value) < math.inf
            return _COMPARISONS[self.compare](value, self.threshold) if number else None
        word = word_of(value)
        return None if word is None else self.words.get(word, _SPELT.get(word))

    @property
    def rule(self) -> str:
        """The rule in words, for the line that says how a log was read."""
        return f" {self.compare} {self.threshold:.15g}" if self.compare else ""


def decision_word(value: Any, words: Mapping[str, str]) -> Any:
    """Return the decision that a value is said to mean; the value itself where nothing is said of it.

    Which of true and false goes on has to be said: in a column "waits" true does, in one "stops" it does not.

    Args:
        value: as it stands in the log.
        words: what decisions are called, by :func:`word_of`.

    Example:
        >>> decision_word(True, {"true": "resample"}), decision_word("go", {"go": "resample"}), decision_word(False, {})
        ('resample', 'resample', False)
    """
    return words.get(word_of(value) or "", value) if words else value


def word_of(value: Any) -> str | None:
    """Return by which text rules know a value: a number by what it is, right and wrong in small letters, other texts as written.

    None for what is no word: a list, an object, nothing, or an infinite number.

    Example:
        >>> word_of(1.0), word_of("1.0"), word_of("1e-7"), word_of("TRUE"), word_of(True), word_of("01"), word_of("C")
        ('1', '1', '1e-07', 'true', 'true', '01', 'C')
    """
    if not isinstance(value, str):
        return "nan" if value != value else text_or_none(value)
    if _NUMBER.fullmatch(value):
        return text_or_none(float(value) if set(value) & set(".eE") else int(value)) or value
    return value.lower() if value.lower() in _SPELT else value


def assumed_decisions(values: Iterable[Any]) -> dict[str, str]:
    """Return what words of a log are taken to mean where nobody said it: none, unless there is one plain word for each meaning.

    "submit" is this package's own word for the end at a cap; beside "retry" it is how the model stops.

    Args:
        values: what stands where decisions do.

    Example:
        >>> assumed_decisions(["continue", "stop", None]), assumed_decisions(["retry", "submit"])
        ({'continue': 'resample'}, {'retry': 'resample', 'submit': 'stop'})
        >>> assumed_decisions(["resample", "submit"]), assumed_decisions(["continue", "yes"]), assumed_decisions([True])
        ({}, {}, {})
        >>> assumed_decisions(["resample", "stop", "halt"])  # two words for a stop: one of them may mean something else
        {}
    """
    words = {value: value.strip().lower() for value in values if isinstance(value, str)}
    other = {word: plain for word, plain in words.items() if word not in DECISIONS}
    if not other or not all(plain in _MEANS for plain in other.values()):
        return {}
    if "submit" in words and not {"stop", "resample"} & set(words):
        other["submit"] = "submit"
    found = {word: _MEANS[plain] for word, plain in other.items()}
    meanings = [*found.values(), *(word for word in ("resample", "stop") if word in words)]
    return found if len(set(meanings)) == len(meanings) else {}


def kind_of_word(value: Any) -> str:
    """Return a decision as :func:`assumed_decisions` tells words apart: all that it knows nothing of are one.

    >>> kind_of_word("Retry"), kind_of_word("onwards"), kind_of_word(True)
    ('Retry', '(another word)', '(no word)')
    """
    if not isinstance(value, str):
        return "(no word)"
    plain = value.strip().lower()
    return value if plain in _MEANS or plain in DECISIONS else "(another word)"


def assumption(words: Mapping[str, str]) -> str:
    """Return how to say what words were taken to mean.

    Example:
        >>> assumption({"continue": "resample"})
        'continue taken for resample (--decision says otherwise)'
    """
    return f"{', '.join(f'{word} taken for {meaning}' for word, meaning in words.items())} (--decision says otherwise)"


def which_decision(value: Any) -> str:
    """Return what to say of a value that stands where a decision should: true and false need to be told apart.

    Example:
        >>> which_decision(True)
        "; say which means what, --decision true=resample,false=stop (in Python decision='...'), or the other way round"
        >>> which_decision("go")
        ''
    """
    if isinstance(value, str) or not isinstance(value, (bool, int, float)):
        return ""
    yes, no = ("true", "false") if isinstance(value, bool) else ("1", "0")
    return f"; say which means what, --decision {yes}=resample,{no}=stop (in Python decision='...'), or the other way round"


def parse_decisions(rules: Iterable[str]) -> dict[str, str]:
    """Read what decisions are called: ``continue=resample,stop=stop``.

    Raises:
        RecordError: a rule is not WORD=DECISION, or a word is said to mean two things.

    Example:
        >>> parse_decisions(["continue=resample,stop=stop"])
        {'continue': 'resample', 'stop': 'stop'}
    """
    words: dict[str, str] = {}
    for rule in (part for text in rules for part in text.split(",")):
        word, sign, meaning = rule.rpartition("=")
        if not sign or not word.strip() or meaning.strip() not in DECISIONS:
            raise RecordError(f"--decision {shown(rule)} is not a rule: write WORD=resample, WORD=stop or WORD=submit")
        _put(words, word.strip(), meaning.strip(), "--decision")
    return words


def _put(words: dict[str, Any], word: str, meaning: Any, option: str) -> None:
    """Add what a word means; raise RecordError where it was said to mean something else."""
    key = word_of(word) or word
    if words.setdefault(key, meaning) != meaning:
        both = " and ".join(str(one).lower() for one in (words[key], meaning))
        raise RecordError(f"{option} says two things of {shown(word)}, {both}: leave one of them out")


LONGEST_NAME = 80  # characters of a problem's name; of a longer prompt the beginning is kept, and a digest
# Where a record may show what it asks, or at least that it asks something else.
_KEYS = ("question", "input", "prompt", "problem_statement", "query", "instruction", "messages", "problem", "doc", "numbers",
         "target", "gold", "gt", "ground_truth", "task", "data_source")  # fmt: skip
_QUESTIONS = (*_KEYS[:6], "doc", "numbers")  # who asks the same is mostly about the same problem


def problem_name(value: Any) -> str:
    """Return the name of a problem: the value itself, a long prompt shortened to its beginning and a digest.

    Example:
        >>> problem_name(7), problem_name("2 + 2?"), problem_name("x" * 1000)[48:60]
        ('7', '2 + 2?', 'xx... bd15df')
    """
    text = value if isinstance(value, str) else compact(value)
    if len(text) <= LONGEST_NAME and is_unicode(text):
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return f"{text[: LONGEST_NAME - 30]}... {digest}".encode("utf-8", "replace").decode()


def question_key(head: Sequence[Any], names: FieldNames) -> str:
    """Return the key under which records show what they ask; "" where there is none, or where it names the problem.

    Example:
        >>> question_key([{"id": 1, "input": "2 + 2?"}], FieldNames()), question_key([{"problem": "a"}], FieldNames())
        ('input', '')
    """
    objects = [record for record in head if isinstance(record, dict)]
    found = next((key for key in _KEYS if any(record.get(key) not in (None, "") for record in objects)), "")
    return "" if found in (names.problem, names.id) else found


def noting_questions(
    parts: Iterable[Records], names: FieldNames, key: str, questions: dict[str, str] | None, note: Callable[[str], None]
) -> Iterator[Records]:
    """Yield records as they are, write down what the first of each name asks, and note once that others of it ask something else.

    Args:
        parts: the records.
        names: which key holds what.
        key: under which they show what they ask.
        questions: name of the problem -> what it asks, in short; None for a file alone, where an id names one record.
        note: takes the sentence.
    """
    problem, name_of = getter(names.problem), getter(names.id)
    alone, questions = questions is None, {} if questions is None else questions
    last: dict[str, int] = {}  # most records of a problem ask the same
    digests: dict[int, str] = {}  # many problems may share a long text
    for numbers, rows in parts:
        objects = [row for row in rows if isinstance(row, dict)]
        values = list(map(problem, objects))
        if not alone and None in values:
            values = [name_of(row) if value is None else value for value, row in zip(values, objects, strict=True)]
        pairs: Iterable[tuple[Any, Any]] = zip(values, [row.get(key) for row in objects], strict=True)
        if set(map(type, values)) <= {str, int}:
            pairs = list(pairs)
            with suppress(TypeError):  # a conversation is a list
                pairs = dict.fromkeys(pairs)
        for value, asked in pairs:
            name = problem_name(value) if isinstance(value, (str, list, dict)) else text_or_none(value)
            if name is None or asked in (None, ""):
                continue
            short = hash(asked if isinstance(asked, str) else compact(asked))
            if last.get(name) != short:
                if short not in digests:
                    digests = {short: _digest(asked)}
                last[name], digest = short, digests[short]
                if questions.setdefault(name, digest) != digest:
                    what = f"some records that name the same problem differ in {key}, and a name counts as one problem"
                    note(f"{what}: if these are different problems, {_apart(key)}")
        yield numbers, rows


def _apart(key: str) -> str:
    if key in _QUESTIONS or key == "problem":
        return f"--field problem={key} tells them apart"
    return f"give the records of each {key} as a log of their own"


def noting_repeated(parts: Iterable[Records], names: FieldNames, key: str, note: Callable[[str], None]) -> Iterator[Records]:
    """Yield records as they are, and note once that two which are told apart by their id alone ask the same.

    Args:
        parts: the records.
        names: which key holds what.
        key: under which they show what they ask.
        note: takes the sentence.
    """
    problem, name_of = Place.of(names.problem), Place.of(names.id)
    asked: dict[str, Any] = {}
    looking = key in _QUESTIONS
    for numbers, rows in parts:
        for number, row in zip(numbers, rows, strict=False) if looking else ():
            if isinstance(row, dict) and row.get(key) not in (None, "") and problem.get(row) is None:
                name = name_of.get(row)
                name = number if name is None else name
                if asked.setdefault(_digest(compact([row[key], row.get("target")])), name) != name:
                    looking = False
                    note(
                        f"some records of different ids ask the same {key}, and each id counts as a problem of its own: if they "
                        f"are about one problem, intervals are too narrow, and --field problem={key} makes it one"
                    )
                    break
        yield numbers, rows


def _digest(value: Any) -> str:
    """Return a short text that differs where questions do; of a conversation it is the last word of the user that counts."""
    if isinstance(value, list):
        said = [one.get("content") for one in value if isinstance(one, dict) and one.get("role") == "user"]
        value = said[-1] if said else value
    text = " ".join(value.split()) if isinstance(value, str) else text_or_none(value) or compact(value)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
