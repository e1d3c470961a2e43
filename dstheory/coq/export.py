"""A directory of theorems that Coq checks by itself: a file per group of claims, and a Makefile that needs nothing of ours."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sympy
from sympy.logic.boolalg import Not

from dstheory._version import __version__
from dstheory.claims.claim import Claim
from dstheory.claims.domains import Domain, expand_domain
from dstheory.claims.formulas import text
from dstheory.claims.steps.base import ClaimContext, StepContext
from dstheory.claims.witnesses import is_witness
from dstheory.coq import general
from dstheory.coq.terms import NotExportedError, identifier
from dstheory.coq.theorems import Theorem, fingerprint, point_theorem, theorem
from dstheory.errors import DSTheoryError, NotSettledError
from dstheory.typeset import unmarked

_HERE = Path(__file__).resolve().parent
_SECONDS = 60.0  # of processor time for the signs of a claim's factors
AXIOMS = (
    "ClassicalDedekindReals.sig_forall_dec",
    "ClassicalDedekindReals.sig_not_dec",
    "FunctionalExtensionality.functional_extensionality_dep",
    "Classical_Prop.classic",
)
"""What the real numbers of Coq's library rest on, and nothing else may be assumed."""
HEAD = "From Claims Require Import prelude interval.\nRequire Import Reals Lra Psatz.\nOpen Scope R_scope.\n\n"
"""What stands before the theorems of a file."""
MAKEFILE = """# Checks every theorem; needs Coq 8.16 or later, coq-interval for the files that import it, Coquelicot for kernel/.
COQC ?= coqc
FILES := prelude.v interval.v $(filter-out prelude.v interval.v,$(wildcard *.v))
all: kernel $(FILES:.v=.vo)
kernel:
\t$(MAKE) -C kernel COQC='$(COQC)'
interval.vo: prelude.vo
$(filter-out prelude.vo interval.vo,$(FILES:.v=.vo)): prelude.vo interval.vo
%.vo: %.v
\t$(COQC) -q -R . Claims $<
clean:
\t$(MAKE) -C kernel clean
\trm -f *.vo *.vok *.vos *.glob .*.aux
.PHONY: all kernel clean
"""


@dataclass(frozen=True)
class ExportedClaim:
    """A claim as it is exported: its theorems, and the steps that are not, with the reason."""

    claim: Claim
    theorems: tuple[Theorem, ...]
    missing: Mapping[str, str]
    whole: bool
    """Whether the last theorem is the claim itself."""

    @property
    def name(self) -> str:
        """The name of the claim's theorem."""
        return identifier(self.claim.id)

    @property
    def file(self) -> str:
        """The file that it stands in, that of its group, without ``.v``."""
        return f"claims_{identifier(self.claim.group or 'user')}"

    def text(self) -> str:
        """Return the claim as it stands in its file."""
        lines = [f"(* {self.claim.id}. {_comment(self.claim.statement)}"]
        lines += [f"   Not here: {step}: {_comment(why)}" for step, why in self.missing.items()]
        lines[-1] += " *)"
        for item in self.theorems:
            lines += [f"(* {_comment(item.words)} *)", item.text()]
        return "\n".join(lines)


def part_of(claim: Claim) -> ExportedClaim:
    """Return a claim with its steps as theorems."""
    context = ClaimContext(
        domain=claim.domain_by_name,
        definitions=claim.plain_definitions,
        assumptions=claim.plain_assumptions,
        deadline=time.process_time() + _SECONDS,
    )
    if claim.recorded == "fails":
        return _refuted(claim, context)
    theorems: list[Theorem] = []
    missing: dict[str, str] = {}
    stated: list[Theorem] = []
    steps = claim.steps()
    for number, step in enumerate(steps, start=1):
        name = f"{identifier(claim.id)}_step{number}"
        try:
            made = theorem(step, context, name)
        except (NotExportedError, NotSettledError, DSTheoryError) as error:
            missing[f"step {number} ({step.kind})"] = str(error)
            continue
        theorems.append(made)
        if not step.lemma:
            stated.append(made)
    whole = not missing
    if whole:
        theorems.append(_together(claim, stated))
    return ExportedClaim(claim, tuple(theorems), missing, whole)


def _together(claim: Claim, stated: Sequence[Theorem]) -> Theorem:
    """The claim: all of its steps that are not lemmas."""
    statement = "\n  /\\ ".join(f"({item.statement.strip()})" for item in stated)
    splits = [f"split; [ exact {item.name} | ]." for item in stated[:-1]]
    proof = "\n".join([*splits, f"exact {stated[-1].name}."])
    return Theorem(identifier(claim.id), "The claim: its steps together.", f"  {statement}", proof)


def _refuted(claim: Claim, context: ClaimContext) -> ExportedClaim:
    """The witness: a point of the domain at which what a step says is false."""
    witness = claim.recorded_witness
    missing: dict[str, str] = {}
    if witness is None:
        return ExportedClaim(claim, (), {"witness": "none is recorded"}, whole=False)
    for number, step in enumerate(claim.steps(), start=1):
        if step.lemma:
            continue
        try:
            here = StepContext(context, step)
            for formula in step.formulas:
                plain = here.formula(formula)
                if is_witness(witness, plain, here.assumptions, here.domain):
                    found = point_theorem(
                        Not(plain, evaluate=False), witness, here, identifier(claim.id), f"It is false: {step.words}"
                    )
                    return ExportedClaim(claim, (found,), {}, whole=True)
        except (NotExportedError, NotSettledError, DSTheoryError) as error:
            missing[f"step {number} ({step.kind})"] = str(error)
    return ExportedClaim(claim, (), missing or {"witness": "it refutes no formula of the steps"}, whole=False)


def export(claims: Sequence[Claim], directory: Path) -> list[ExportedClaim]:
    """Write theorems for claims into a directory that exists.

    Args:
        claims: The claims, in the order of their files.
        directory: Where to; files of these names are replaced.

    Returns:
        What was exported of each claim.
    """
    parts = _named_apart(map(part_of, claims))
    for name in ("prelude.v", "interval.v"):
        (directory / name).write_text((_HERE / name).read_text(encoding="utf-8"), encoding="utf-8")
    files: dict[str, list[ExportedClaim]] = {}
    for part in parts:
        files.setdefault(f"{part.file}.v", []).append(part)
    for name, members in files.items():
        body = "\n".join(part.text() for part in members if part.theorems)
        (directory / name).write_text(HEAD + body + "\n", encoding="utf-8")
    ordered = [*general.write_library(directory), "prelude.v", "interval.v", *files]
    (directory / "_CoqProject").write_text("-R kernel Kernel\n-R . Claims\n" + "\n".join(ordered) + "\n", encoding="utf-8")
    (directory / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    manifest = {
        "format": "dstheory-coq/1",
        "versions": {"dstheory": __version__, "sympy": sympy.__version__, "python": platform.python_version()},
        "axioms": list(AXIOMS),
        "claims": [_entry(part, name) for name, members in files.items() for part in members],
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return parts


def _named_apart(parts: Iterable[ExportedClaim]) -> list[ExportedClaim]:
    """Claims without the theorems of those that would have names that a claim before has in the same file."""
    taken: dict[str, set[str]] = {}
    apart = []
    for part in parts:
        names = {item.name for item in part.theorems}
        if twice := min(names & taken.setdefault(part.file, set()), default=""):
            why = f"another claim has a theorem {twice} in {part.file}.v; give this one another id"
            part = ExportedClaim(part.claim, (), {"the claim": why}, whole=False)
        taken[part.file] |= {item.name for item in part.theorems}
        apart.append(part)
    return apart


def _entry(part: ExportedClaim, name: str) -> dict[str, Any]:
    return {
        "claim": part.claim.id,
        "recorded": part.claim.recorded,
        "file": name if part.theorems else None,
        "theorem": part.name if part.whole else None,
        "statement_sha256": statement_hash(part.claim),
        "theorems": {item.name: fingerprint(item.statement) for item in part.theorems},
        "general": [f"kernel/{item.file}.v: {item.name}" for item in general.theorems() if part.claim.id in item.claims],
        "by_hand": [item.name for item in part.theorems if item.by_hand],
        "not_exported": dict(part.missing),
    }


def statement_hash(claim: Claim) -> str:
    """Return the SHA-256 of all that the theorems of a claim say: ranges, definitions, assumptions, formulas and points."""
    said: list[Any] = [claim.domain_by_name, claim.definitions, claim.assumptions]
    said += [claim.recorded == "fails", claim.recorded_witness or {}]
    for step in claim.steps():
        said += [type(step).__name__, step.lemma, expand_domain(step.where), step.using, step.given, step.formulas]
        said += [getattr(step, name, {}) for name in ("at", "box")]
    return fingerprint("\n".join(map(_said, said)))


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_said(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(map(_said, value))
    return text(value) if isinstance(value, sympy.Basic) else repr(value) if isinstance(value, Domain) else str(value)


def _comment(words: str) -> str:
    """Words that end no comment of Coq and begin none."""
    return unmarked(words).replace("(*", "( *").replace("*)", "* )").replace('"', "''")
