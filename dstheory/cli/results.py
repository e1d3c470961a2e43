"""What each command prints with ``--json``, as types, of which `dstheory schema` makes JSON Schemas.

A command with several forms (``--list``, ``--all``, ``--follow``) has several types. Numbers that do not exist are null.
"""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict, get_type_hints

import msgspec

from dstheory.anatomy.generate import Cell
from dstheory.anatomy.surveys import Survey
from dstheory.arithmetic.exact import PooledRates
from dstheory.claims.verdicts import Verdict
from dstheory.comparison import ObjectiveRow, Tilt
from dstheory.experiments import ExperimentResult
from dstheory.noise import StageSignal
from dstheory.trainers.configuration import Lack, Setting
from dstheory.trainers.entries import KeyValue
from dstheory.trainers.explanation import Stale
from dstheory.trainers.moves import Moves
from dstheory.trainers.training import Training

_TypedDict: Any = TypedDict


def _record(name: str, fields: Mapping[str, Any], more_than: Any = None) -> Any:
    """Return the type of an object with these keys, those of one type side by side, and with the keys of another type."""
    known = get_type_hints(more_than, include_extras=True) if more_than else {}
    return _TypedDict(name, known | {key: kind for keys, kind in fields.items() for key in keys.split()})


def _extended(of: type, **fields: Any) -> Any:
    """Return a dataclass as a record, with other fields or fields of other types."""
    return msgspec.defstruct(of.__name__, list({**get_type_hints(of), **fields}.items()))


Rates = _record("Rates", {"p a b accuracy turns": float})
Valued = _record("Valued", {"value": float}, Rates)
Penalised = _record("Penalised", {"penalised_value penalty": float}, Valued)
Stages = _record("Stages", {"sample decide": float})
Shares = _record("Shares", {"decision_share": float}, Stages)
LeftOut = _record("LeftOut", {"objective why": str})

# ---------------------------------------------------------------------- attribute, signal, objectives

Coefficient = _record(
    "Coefficient",
    {"balanced": bool | None, "factor": float | None, "ratio": tuple[float, float], "witness": str | None, "evidence": str},
)
Gradient = _record("Gradient", {"cosine": float}, Shares)
Attributed = _record("Attributed", {"objective": str, "coefficient": Coefficient | None, "gradient": Gradient, "fisher": Shares})
Attribute = _record(
    "Attribute",
    {
        "chain": str,
        "seed": int,
        "figure": str | None,
        "reference": str,
        "objectives": Sequence[Attributed],
        "left_out": Sequence[LeftOut],
        "notes": Sequence[str],
    },
)
AttributeAll = _record("AttributeAll", {"longer": float, "objectives": Sequence[ObjectiveRow]}, Attribute)
Logits = _record("Logits", {"sample decide": Sequence[Any]})
Measured = _record(
    "Measured",
    {
        "objective": str,
        "group_size prompts": int,
        "dead": float,
        "sample decide": StageSignal,
        "expected variance": NotRequired[Logits],
        "covariance": NotRequired[Sequence[Any] | None],
    },
)
Read = _record("Read", {"file trainer found": str, "training": Training})
Signal = _record(
    "Signal",
    {
        "chain": str,
        "configuration": Read | None,
        "objectives": Sequence[Measured],
        "left_out": Sequence[LeftOut],
        "notes": Sequence[str],
        "figure": str | None,
    },
)
Objective = _record(
    "Objective",
    {
        "name family title coefficients normaliser measure balance balanced_when token_model expectation ascends": str,
        "claims aliases": Sequence[str],
        "asked_for source computes": NotRequired[str],
        "settings": NotRequired[Mapping[str, Any]],
        "refused": NotRequired[Mapping[str, str]],
    },
)
Alias = _record("Alias", {"alias objective": str, "settings": Mapping[str, Any], "source computes": str})
Objectives = _record("Objectives", {"objectives": Sequence[Objective], "aliases": NotRequired[Sequence[Alias]]})

# ---------------------------------------------------------------------- simulate, optimum, sweep

Condition = _record(
    "Condition",
    {
        "condition": str,
        "before after": Rates,
        "gain gain_sample gain_decide decision_share_of_gain": float,
        "energy_at_start energy_at_end": Stages,
    },
)
Simulate = _record(
    "Simulate", {"chain": str, "conditions": Sequence[Condition], "seed runs": int, "out": str, "notes": Sequence[str]}
)
Temperature = _record("Temperature", {"sample decide": tuple[float, float]})
Tables = _record("Tables", {"sample stop": Sequence[Sequence[Sequence[float]]]})
Optimum = _record(
    "Optimum",
    {
        "chain": str,
        "reference": Valued,
        "optimum": Penalised,
        "gain gain_sample gain_decide decision_share_of_gain": float,
        "temperature": Temperature,
        "iterations": int,
        "error": float,
        "figure": str | None,
        "policy": NotRequired[Tables],
    },
)
Span = _record("Span", {"lowest median highest": float})
Sweep = _record(
    "Sweep",
    {
        "of": Literal["optimum", "simulate"],
        "chain": str,
        "dimensions": Mapping[str, Sequence[float | str | bool]],
        "settings chunks computed": int,
        "without_result not_finite": Mapping[str, int],
        "summary": Mapping[str, Span],
        "seed": int | None,
        "seconds": float,
        "out": str,
        "notes": Sequence[str],
    },
)

# ---------------------------------------------------------------------- derive, verify, explain, reproduce, examples

Formula = _record("Formula", {"text latex": str})
Imbalance = _record(
    "Imbalance",
    {"trajectory": Sequence[Sequence[str]], "turn": int, "c_s c_d": Formula, "at": Mapping[str, str], "values": Sequence[str]},
)
Coefficients = _record(
    "Coefficients", {"level verdict of": str, "ratios weight_ratios": Sequence[Formula], "witness": Imbalance | None}
)
Evaluated = _record("Evaluated", {"value": float, "exact": str | None})
Evaluation = _record("Evaluation", {"at": Mapping[str, str], "gradient": Mapping[str, Evaluated]})


class Item(TypedDict, total=False):
    """Words, a table, or a formula."""

    words: str
    latex: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: str
    right: Sequence[str]
    note: str


Step = _record("Step", {"title": str, "items": Sequence[Item]})
Derive = _record(
    "Derive",
    {
        "objective title setting": str,
        "symbols": Sequence[str],
        "scalar": str | None,
        "definitions weights gradient": Mapping[str, Formula],
        "expanded": Mapping[str, Formula | None],
        "attribution": Coefficients,
        "checks assumptions": Sequence[str],
        "evaluation": NotRequired[Evaluation],
        "steps": Sequence[Step],
    },
)
Claim = _record(
    "Claim",
    {
        "id title title_latex statement statement_latex latex group level scope source": str,
        "references related": Sequence[str],
        "notes notes_latex recorded": str,
        "witness": Mapping[str, str] | None,
        "domain domain_latex assumptions assumptions_latex definitions definitions_latex": Sequence[str],
    },
)
Checked = _record(
    "Checked", {"as_recorded": bool, "cached": NotRequired[bool], "verdict": _extended(Verdict, outcome=str)}, Claim
)
Verify = _record("Verify", {"exit_code seed": int, "time": float, "claims": Sequence[Checked], "kernel": NotRequired[str]})
VerifyList = _record("VerifyList", {"claims": Sequence[Claim]})
VerifyExport = _record("VerifyExport", {"claims whole steps_left": int, "out": str})
Place = _record("Place", {"name reference": str, "longer": float})
Trainer = _record("Trainer", {"id name library version source found": str})
Stated = _record("Stated", {"formula latex": str, "parts": Mapping[str, str]})
Logged = _record("Logged", {"loss": float | None, "what": str})
Note = _record("Note", {"claim says": str})
Changed = _record("Changed", {"field": str, "here there": Any})
ChangedPart = _record("ChangedPart", {"part here there": str})
Against = _record(
    "Against",
    {
        "file trainer": str,
        "fields": Sequence[Changed],
        "parts": Sequence[ChangedPart],
        "factor degrees": Tilt,
        "divided": float | None,
        "moves": Sequence[Moves],
        "not_compared": str,
    },
)
LaterUpdate = _record("LaterUpdate", {"number": int, "lr p a b": float})
Explain = _record(
    "Explain",
    {
        "chain": Place,
        "file": str,
        "trainer": Trainer,
        "objective": Stated,
        "training": Training,
        "settings": Sequence[Setting],
        "attribution": Sequence[ObjectiveRow],
        "moves": Sequence[Moves],
        "not_attributed": str,
        "stale": Stale | None,
        "update": LaterUpdate | None,
        "logged": Logged,
        "notes": Sequence[Note],
        "warnings": Sequence[str],
        "not_modelled": Sequence[Lack],
        "unknown not_read": Sequence[KeyValue],
        "keys_beside": int,
        "against": Against | None,
    },
)
Reproduce = _record("Reproduce", {"experiments": Sequence[ExperimentResult]})
Experiment = _record("Experiment", {"name claims shows needs": str})
ReproduceList = _record("ReproduceList", {"experiments": Sequence[Experiment]})
Examples = _record("Examples", {"examples written": Sequence[str], "text": NotRequired[str]})

# ---------------------------------------------------------------------- anatomy

Reasons = _record("Reasons", {"records": int, "meaning": str, "examples": Sequence[str]})
Reading = _record(
    "Reading",
    {
        "files": Sequence[str],
        "read_as": Mapping[str, int],
        "records used unusable": int,
        "share_unusable": float,
        "reasons": Mapping[str, Reasons],
        "segmented_by": Mapping[str, int],
        "unfinished unseen unanswered": int,
        "notes": Sequence[str],
    },
)
Interval = _record("Interval", {"value low high": float, "caution": str})
RatesSoFar = _record("RatesSoFar", {"labels": Mapping[str, str], "problems episodes attempts": int, "p a b": Interval})
Passed = _record("Passed", {"k": int}, Interval)
RevisionsSoFar = _record("RevisionsSoFar", {"first right_to_right wrong_to_right": Interval})
StepSoFar = _record("StepSoFar", {"step": str, "p dead": Interval})
Following = _record(
    "Following",
    {
        "records used": int,
        "decided_by": str,
        "rates": Sequence[RatesSoFar],
        "pass": Sequence[Passed],
        "revisions": RevisionsSoFar | None,
        "steps": Sequence[StepSoFar],
    },
)
Unusable = _record("Unusable", {"records used": int, "reason": str})
Generated = _record("Generated", {"out form": str, "records problems seed": int, "cells": Sequence[Cell]})
Format = _record("Format", {"name title": str, "keys": Sequence[str]})
Formats = _record("Formats", {"formats": Sequence[Format]})
Inspected = _record("Inspected", {"file read_as": str, "parts records unusable": Sequence[str]})
Inspect = _record("Inspect", {"files": Sequence[Inspected], "next": str})
Exported = _record(
    "Exported",
    {"out": str | None, "reading": Reading, "decided_by": str, "prompts": int, "max_turns": int | None, "p a b accuracy": float},
)

# ---------------------------------------------------------------------- arithmetic

Train = _record(
    "Train",
    {
        "checkpoint": str,
        "settings": Mapping[str, Any],
        "updates resumed_after problems episodes tokens": int,
        "seconds": float,
        "results": Mapping[str, PooledRates],
        "figures": Sequence[str],
    },
)
Both = _record("Both", {"exact": float | None, "rollouts": str})
OfSize = _record("OfSize", {"size": str, "tokens": int, "p a b accuracy": Both, "predicted attempts": str})
Evaluate = _record(
    "Evaluate", {"models": Mapping[str, Sequence[OfSize]], "seed": int, "out": str | None, "figures": Sequence[str]}
)
Episode = _record("Episode", {"problem": str, "seed": int, "lines": Sequence[str]})
SchemaNames = _record("SchemaNames", {"commands": Sequence[str]})

_SURVEY = _extended(Survey, reading=Reading | None, out=str, report=str | None)

RESULTS: dict[str, tuple[Any, ...]] = {
    "anatomy": (_SURVEY, Following, Unusable),
    "anatomy export-chain": (Exported,),
    "anatomy formats": (Formats,),
    "anatomy generate": (Generated,),
    "anatomy inspect": (Inspect,),
    "anatomy schema": (Mapping[str, Any],),
    "arithmetic evaluate": (Evaluate,),
    "arithmetic show": (Episode,),
    "arithmetic train": (Train,),
    "attribute": (Attribute, AttributeAll),
    "derive": (Derive,),
    "examples": (Examples,),
    "explain": (Explain,),
    "objectives": (Objectives,),
    "optimum": (Optimum,),
    "reproduce": (Reproduce, ReproduceList),
    "schema": (SchemaNames, Mapping[str, Any]),
    "signal": (Signal,),
    "simulate": (Simulate,),
    "sweep": (Sweep,),
    "verify": (Verify, VerifyList, VerifyExport),
}
"""By command: the types of what it prints."""
