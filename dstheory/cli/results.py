"""What each command prints with ``--json``, as types, of which `dstheory schema` makes JSON Schemas.

A command with several forms (``--list``, ``--all``, ``--follow``) has several types. Numbers that do not exist are null.
"""

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


def _extended(of: type, **fields: Any) -> Any:
    """Return a dataclass as a record, with other fields or fields of other types."""
    return msgspec.defstruct(of.__name__, list({**get_type_hints(of), **fields}.items()))


class Rates(TypedDict):
    p: float
    a: float
    b: float
    accuracy: float
    turns: float


class Valued(Rates):
    value: float


class Penalised(Valued):
    penalised_value: float
    penalty: float


class Stages(TypedDict):
    sample: float
    decide: float


class Shares(Stages):
    decision_share: float


class LeftOut(TypedDict):
    objective: str
    why: str


# ---------------------------------------------------------------------- attribute, signal, objectives


class Coefficient(TypedDict):
    balanced: bool | None
    factor: float | None
    ratio: tuple[float, float]
    witness: str | None
    evidence: str


class Gradient(Shares):
    cosine: float


class Attributed(TypedDict):
    objective: str
    coefficient: Coefficient | None
    gradient: Gradient
    fisher: Shares


class Attribute(TypedDict):
    chain: str
    seed: int
    figure: str | None
    reference: str
    objectives: Sequence[Attributed]
    left_out: Sequence[LeftOut]
    notes: Sequence[str]


class AttributeAll(TypedDict):
    chain: str
    seed: int
    longer: float
    figure: str | None
    reference: str
    objectives: Sequence[ObjectiveRow]
    left_out: Sequence[LeftOut]
    notes: Sequence[str]


class Logits(TypedDict):
    sample: Sequence[Any]
    decide: Sequence[Any]


class Measured(TypedDict):
    objective: str
    group_size: int
    prompts: int
    dead: float
    sample: StageSignal
    decide: StageSignal
    expected: NotRequired[Logits]
    variance: NotRequired[Logits]
    covariance: NotRequired[Sequence[Any] | None]


class Read(TypedDict):
    file: str
    trainer: str
    found: str
    training: Training


class Signal(TypedDict):
    chain: str
    configuration: Read | None
    objectives: Sequence[Measured]
    left_out: Sequence[LeftOut]
    notes: Sequence[str]
    figure: str | None


class Objective(TypedDict):
    name: str
    family: str
    title: str
    coefficients: str
    normaliser: str
    measure: str
    balance: str
    balanced_when: str
    token_model: str
    expectation: str
    ascends: str
    claims: Sequence[str]
    aliases: Sequence[str]
    asked_for: NotRequired[str]
    source: NotRequired[str]
    computes: NotRequired[str]
    settings: NotRequired[Mapping[str, Any]]
    refused: NotRequired[Mapping[str, str]]


class Alias(TypedDict):
    alias: str
    objective: str
    settings: Mapping[str, Any]
    source: str
    computes: str


class Objectives(TypedDict):
    objectives: Sequence[Objective]
    aliases: NotRequired[Sequence[Alias]]


# ---------------------------------------------------------------------- simulate, optimum, sweep


class Condition(TypedDict):
    condition: str
    before: Rates
    after: Rates
    gain: float
    gain_sample: float
    gain_decide: float
    decision_share_of_gain: float
    energy_at_start: Stages
    energy_at_end: Stages


class Simulate(TypedDict):
    chain: str
    conditions: Sequence[Condition]
    seed: int
    runs: int
    out: str
    notes: Sequence[str]


class Temperature(TypedDict):
    sample: tuple[float, float]
    decide: tuple[float, float]


class Tables(TypedDict):
    sample: Sequence[Sequence[Sequence[float]]]
    stop: Sequence[Sequence[Sequence[float]]]


class Optimum(TypedDict):
    chain: str
    reference: Valued
    optimum: Penalised
    gain: float
    gain_sample: float
    gain_decide: float
    decision_share_of_gain: float
    temperature: Temperature
    iterations: int
    error: float
    figure: str | None
    policy: NotRequired[Tables]


class Span(TypedDict):
    lowest: float
    median: float
    highest: float


class Sweep(TypedDict):
    of: Literal["optimum", "simulate"]
    chain: str
    dimensions: Mapping[str, Sequence[float | str | bool]]
    settings: int
    chunks: int
    computed: int
    without_result: Mapping[str, int]
    not_finite: Mapping[str, int]
    summary: Mapping[str, Span]
    seed: int | None
    seconds: float
    out: str
    notes: Sequence[str]


# ---------------------------------------------------------------------- derive, verify, explain, reproduce, examples


class Formula(TypedDict):
    text: str
    latex: str


class Imbalance(TypedDict):
    trajectory: Sequence[Sequence[str]]
    turn: int
    c_s: Formula
    c_d: Formula
    at: Mapping[str, str]
    values: Sequence[str]


class Coefficients(TypedDict):
    level: str
    verdict: str
    ratios: Sequence[Formula]
    weight_ratios: Sequence[Formula]
    witness: Imbalance | None


class Evaluated(TypedDict):
    value: float
    exact: str | None


class Evaluation(TypedDict):
    at: Mapping[str, str]
    gradient: Mapping[str, Evaluated]


class Item(TypedDict, total=False):
    """Words, a table, or a formula."""

    words: str
    latex: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: str
    right: Sequence[str]
    note: str


class Step(TypedDict):
    title: str
    items: Sequence[Item]


class Derive(TypedDict):
    objective: str
    title: str
    setting: str
    symbols: Sequence[str]
    scalar: str | None
    definitions: Mapping[str, Formula]
    weights: Mapping[str, Formula]
    gradient: Mapping[str, Formula]
    expanded: Mapping[str, Formula | None]
    attribution: Coefficients
    checks: Sequence[str]
    assumptions: Sequence[str]
    evaluation: NotRequired[Evaluation]
    steps: Sequence[Step]


class Claim(TypedDict):
    id: str
    title: str
    title_latex: str
    statement: str
    statement_latex: str
    latex: str
    group: str
    level: str
    scope: str
    source: str
    references: Sequence[str]
    related: Sequence[str]
    notes: str
    notes_latex: str
    recorded: str
    witness: Mapping[str, str] | None
    domain: Sequence[str]
    domain_latex: Sequence[str]
    assumptions: Sequence[str]
    assumptions_latex: Sequence[str]
    definitions: Sequence[str]
    definitions_latex: Sequence[str]


class Checked(Claim):
    as_recorded: bool
    cached: NotRequired[bool]
    verdict: _extended(Verdict, outcome=str)  # type: ignore[valid-type]


class Verify(TypedDict):
    exit_code: int
    seed: int
    time: float
    claims: Sequence[Checked]
    kernel: NotRequired[str]


class VerifyList(TypedDict):
    claims: Sequence[Claim]


class VerifyExport(TypedDict):
    claims: int
    whole: int
    steps_left: int
    out: str


class Place(TypedDict):
    name: str
    reference: str
    longer: float


class Trainer(TypedDict):
    id: str
    name: str
    library: str
    version: str
    source: str
    found: str


class Stated(TypedDict):
    formula: str
    latex: str
    parts: Mapping[str, str]


class Logged(TypedDict):
    loss: float | None
    what: str


class Note(TypedDict):
    claim: str
    says: str


class Changed(TypedDict):
    field: str
    here: Any
    there: Any


class Against(TypedDict):
    file: str
    trainer: str
    fields: Sequence[Changed]
    factor: Tilt
    degrees: Tilt
    moves: Sequence[Moves]
    not_compared: str


class LaterUpdate(TypedDict):
    number: int
    lr: float
    p: float
    a: float
    b: float


class Explain(TypedDict):
    chain: Place
    file: str
    trainer: Trainer
    objective: Stated
    training: Training
    settings: Sequence[Setting]
    attribution: Sequence[ObjectiveRow]
    moves: Sequence[Moves]
    not_attributed: str
    stale: Stale | None
    update: LaterUpdate | None
    logged: Logged
    notes: Sequence[Note]
    warnings: Sequence[str]
    not_modelled: Sequence[Lack]
    unknown: Sequence[KeyValue]
    not_read: Sequence[KeyValue]
    keys_beside: int
    against: Against | None


class Reproduce(TypedDict):
    experiments: Sequence[ExperimentResult]


class Experiment(TypedDict):
    name: str
    claims: str
    shows: str
    needs: str


class ReproduceList(TypedDict):
    experiments: Sequence[Experiment]


class Examples(TypedDict):
    examples: Sequence[str]
    written: Sequence[str]
    text: NotRequired[str]


# ---------------------------------------------------------------------- anatomy


class Reasons(TypedDict):
    records: int
    meaning: str
    examples: Sequence[str]


class Reading(TypedDict):
    files: Sequence[str]
    read_as: Mapping[str, int]
    records: int
    used: int
    unusable: int
    share_unusable: float
    reasons: Mapping[str, Reasons]
    segmented_by: Mapping[str, int]
    unfinished: int
    unseen: int
    unanswered: int
    notes: Sequence[str]


class Interval(TypedDict):
    value: float
    low: float
    high: float


class RatesSoFar(TypedDict):
    labels: Mapping[str, str]
    problems: int
    episodes: int
    attempts: int
    p: Interval
    a: Interval
    b: Interval


class Passed(Interval):
    k: int


class RevisionsSoFar(TypedDict):
    first: Interval
    right_to_right: Interval
    wrong_to_right: Interval


class StepSoFar(TypedDict):
    step: str
    p: Interval
    dead: Interval


# "pass" is a word of Python
Following = TypedDict(
    "Following",
    {
        "records": int, "used": int, "decided_by": str, "rates": Sequence[RatesSoFar], "pass": Sequence[Passed],
        "revisions": RevisionsSoFar | None, "steps": Sequence[StepSoFar],
    },
)  # fmt: skip


class Unusable(TypedDict):
    records: int
    used: int
    reason: str


class Generated(TypedDict):
    out: str
    form: str
    records: int
    problems: int
    seed: int
    cells: Sequence[Cell]


class Format(TypedDict):
    name: str
    title: str
    keys: Sequence[str]


class Formats(TypedDict):
    formats: Sequence[Format]


class Inspected(TypedDict):
    file: str
    read_as: str
    parts: Sequence[str]
    records: Sequence[str]
    unusable: Sequence[str]


class Inspect(TypedDict):
    files: Sequence[Inspected]
    next: str


class Exported(TypedDict):
    out: str | None
    reading: Reading
    decided_by: str
    prompts: int
    max_turns: int | None
    p: float
    a: float
    b: float
    accuracy: float


# ---------------------------------------------------------------------- arithmetic


class Train(TypedDict):
    checkpoint: str
    settings: Mapping[str, Any]
    updates: int
    resumed_after: int
    problems: int
    episodes: int
    tokens: int
    seconds: float
    results: Mapping[str, PooledRates]


class Both(TypedDict):
    exact: float | None
    rollouts: str


class OfSize(TypedDict):
    size: str
    tokens: int
    p: Both
    a: Both
    b: Both
    accuracy: Both
    predicted: str
    attempts: str


class Evaluate(TypedDict):
    models: Mapping[str, Sequence[OfSize]]
    seed: int
    out: str | None


class Episode(TypedDict):
    problem: str
    seed: int
    lines: Sequence[str]


class SchemaNames(TypedDict):
    commands: Sequence[str]


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
