"""What the words and numbers of a log mean: which values are right, and what the decisions are called.

Nothing that a user writes is evaluated: a rule is ``WORD=true``, ``WORD=false``, or a key compared with a number.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dstheory.errors import RecordError
from dstheory.readers.messages import shown
from dstheory.readers.records import text_or_none

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
                raise RecordError(f"--correct {shown(rule)} is no rule: write WORD=true, WORD=false, or KEY>=NUMBER")
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
            raise RecordError(f"--decision {shown(rule)} is no rule: write WORD=resample, WORD=stop or WORD=submit")
        _put(words, word.strip(), meaning.strip(), "--decision")
    return words


def _put(words: dict[str, Any], word: str, meaning: Any, option: str) -> None:
    """Add what a word means; raise RecordError where it was said to mean something else."""
    key = word_of(word) or word
    if words.setdefault(key, meaning) != meaning:
        both = " and ".join(str(one).lower() for one in (words[key], meaning))
        raise RecordError(f"{option} says two things of {shown(word)}, {both}: leave one of them out")
