"""Configurations of trainers in every syntax: one sentence, or an explanation that JSON can hold, twice the same."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from fuzz.engine import Input, Target, Wrong, check_message, outcome, said
from fuzz.mutations import mutated

from dstheory import Policy, TwoStageMDP
from dstheory.errors import DSTheoryError
from dstheory.readers import to_jsonable
from dstheory.trainers import all_trainers, configuration_of
from dstheory.trainers.explanation import StartingPoint, explain

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "trainers"
KEYS = [(name, key) for t in all_trainers().values() for name, key in t.keys.items()]
ODD = ("&a", "*a", "<<: *a", "${a.b}", "$N", "${N:-8}", "`touch executed`", "$(touch executed)", "!!python/name:os.system", "~",
       "GRPOConfig(", "--", "-m", "\\\n", "=(", "): ", "N=8\n", "1e-3", ".inf", ".nan")  # fmt: skip
WORDS = (*(name for name, _ in KEYS), *(word for _, key in KEYS for word in key.words), *ODD)
_START = Policy.minimal(p=0.55, a=0.8, b=0.3)
_PLACE = StartingPoint(TwoStageMDP.minimal(gamma=1.0, max_turns=2, sample_length=[[30.0, 70.0]]), _START, _START, _START)


def check(path: Path) -> str:
    found = outcome(lambda: configuration_of(path))
    if isinstance(found, DSTheoryError):
        return said(found)
    if found != configuration_of(path):
        raise Wrong("a configuration is read in two ways")
    explained = explain(found, _PLACE)
    json.dumps(to_jsonable(explained.to_dict()), allow_nan=False)
    for text in (*found.warnings, explained.why_not):
        if text:
            check_message(text, 5000)
    if Path("executed").exists():
        raise Wrong("a configuration was run")
    t = found.training
    return f"{found.trainer.id} {t.credit} {t.std} {t.normaliser} {len(found.lacks)} {len(found.warnings)} {bool(found.unknown)}"


def mutate(rng: random.Random, one: Input, pool: Sequence[Input]) -> Input:
    """Change words and lines, or exchange what a key is set to; a byte now and then."""
    return Input(one.suffix, mutated(rng, one.data, [other.data for other in pool], WORDS))


def made(corpus: Sequence[Input]) -> list[Input]:
    """Return the examples."""
    return [Input(path.suffix, path.read_bytes()) for path in sorted(EXAMPLES.iterdir())]


TRAINER = Target("trainer", check, mutate, made, seconds=4.0)
