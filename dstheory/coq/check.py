"""Let Coq check exported claims: compile every file, and ask for each claim's theorem what it assumes."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from dstheory.coq.export import AXIOMS, ExportedClaim
from dstheory.errors import DSTheoryError
from dstheory.interrupts import Interrupted, deferred_interrupts

PACKAGES = "coq libcoq-interval"
MACHINE_INTEGERS = ("PrimInt63.", "Uint63.")
"""Arithmetic of 63 bits, built into the kernel: coq-interval computes with it, and its laws are axioms of the library of Coq."""
_COMPUTES = ("by_numbers", "interval with")  # tactics that compute with machine integers
_SECONDS = 900.0  # of one file
_POLL = 0.1  # seconds between two looks at whether files are done
_PLACE = re.compile(r'File "[^"]*", line (\d+), characters [^\n]*\n(.*)', re.DOTALL)
_THEOREM = re.compile(r"(?:Theorem|Lemma) (\w+)")
_AXIOM = re.compile(r"^\S+", re.MULTILINE)  # each stands at the beginning of a line, its type behind it or on the next ones


@dataclass(frozen=True)
class KernelAnswer:
    """What Coq said about a claim.

    Attributes:
        claim: Its id.
        confirmed: Whether its theorem compiled and rests on the axioms of the real numbers, and Coq's machine integers, alone.
        message: Why not, if not; that it rests on machine integers, if so.
        refused: Whether Coq did not accept what was exported; otherwise not all of it is exported.
    """

    claim: str
    confirmed: bool
    message: str = ""
    refused: bool = False


def find_coqc(name: str = "coqc") -> str:
    """Return the path of Coq's compiler.

    Raises:
        DSTheoryError: It is not there; the packages of Debian are named.
    """
    path = shutil.which(name)
    if path is None:
        raise DSTheoryError(
            f"there is no {name} on this machine: install the Debian packages {PACKAGES}, or give the path of coqc"
        )
    return path


class _Coq:
    """The compiler at work in a directory."""

    def __init__(self, coqc: str, directory: Path) -> None:
        self.coqc, self.directory = coqc, directory
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False

    def compiled(self, name: str) -> tuple[int, str] | None:
        """Compile a file; return line and message of an error."""
        try:
            ran = self.run(name)
        except subprocess.TimeoutExpired:
            return 0, f"Coq was stopped after {_SECONDS:g} seconds"
        if ran.returncode == 0:
            return None
        place = _PLACE.search(ran.stderr)
        if place is None:
            return 0, " ".join(ran.stderr.split())[:300] or f"Coq ended with code {ran.returncode}"
        line = int(place[1])
        before = (self.directory / f"{name}.v").read_text(encoding="utf-8").splitlines()[:line]
        inside = next((found[1] for text in reversed(before) if (found := _THEOREM.match(text))), None)
        return line, f"{inside or name}, line {line} of {name}.v: {' '.join(place[2].split())[:300]}"

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run the compiler on a file."""
        command = [self.coqc, "-q", "-R", ".", "Claims", f"{name}.v"]
        with subprocess.Popen(command, cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            self._running.add(process)
            try:
                if self._ended:
                    raise Interrupted
                said, told = process.communicate(timeout=_SECONDS)
            finally:
                process.kill()
                self._running.discard(process)
        return subprocess.CompletedProcess(command, process.returncode, said, told)

    def end(self) -> None:
        """End what runs, and let nothing else begin: threads that wait for it would outlive an interrupt."""
        self._ended = True
        for process in list(self._running):
            process.kill()


def check(parts: Sequence[ExportedClaim], directory: Path, coqc: str, *, workers: int = 2) -> list[KernelAnswer]:
    """Compile what was exported into a directory, and say for each claim whether Coq confirms it.

    Args:
        parts: What `dstheory.coq.export.export` returned.
        directory: Where it was written.
        coqc: Path of the compiler.
        workers: Files that are compiled at the same time.

    Raises:
        DSTheoryError: The tactics of the package do not compile, which means that Coq or its libraries are too old or damaged.
    """
    coq = _Coq(coqc, directory)
    for name in ("prelude", "interval"):
        answer = coq.compiled(name)
        if answer is not None:
            raise DSTheoryError(f"{name}.v does not compile with {coqc}: {answer[1]}; install {PACKAGES} (Coq 8.16 or later)")
    files: dict[str, list[ExportedClaim]] = {}
    for part in parts:
        files.setdefault(part.file, []).append(part)
    with ThreadPoolExecutor(workers) as pool:
        try:
            begun = [pool.submit(_file, coq, *item) for item in files.items()]
            while wait(begun, timeout=_POLL).not_done:
                pass  # a signal that another thread took is heard when this one wakes
        except BaseException:
            with deferred_interrupts():
                coq.end()
                pool.shutdown()
            raise
    answers = {answer.claim: answer for done in begun for answer in done.result()}
    return [answers[part.claim.id] for part in parts]


def _file(coq: _Coq, name: str, parts: list[ExportedClaim]) -> list[KernelAnswer]:
    """Check the claims of one file; one that does not get through is taken out and the others are tried again."""
    answers = [KernelAnswer(part.claim.id, confirmed=False, message=_why(part)) for part in parts if not part.theorems]
    path = coq.directory / f"{name}.v"
    whole = path.read_text(encoding="utf-8")
    left = [part for part in parts if part.theorems]
    while left and (wrong := coq.compiled(name)) is not None:
        line, message = wrong
        culprit = _claim_at(path.read_text(encoding="utf-8"), line, left)
        if culprit is None:
            answers += [KernelAnswer(part.claim.id, confirmed=False, message=message, refused=True) for part in left]
            left = []
            continue
        whole_numbers = any(domain.integer for domain in culprit.claim.domain_by_name.values())
        why = f"it is about integers, and Coq did not accept it for all real numbers: {message}" if whole_numbers else message
        answers.append(KernelAnswer(culprit.claim.id, confirmed=False, message=why, refused=not whole_numbers))
        left = [part for part in left if part is not culprit]
        path.write_text(path.read_text(encoding="utf-8").replace(culprit.text(), ""), encoding="utf-8")
    answers += [KernelAnswer(part.claim.id, confirmed=False, message=_why(part)) for part in left if not part.whole]
    if asked := [part for part in left if part.whole]:
        answers += _assumptions(coq, name, asked)
    path.write_text(whole, encoding="utf-8")
    return answers


def _why(part: ExportedClaim) -> str:
    return "; ".join(f"{step} is not exported: {why}" for step, why in part.missing.items())


def _claim_at(text: str, line: int, parts: list[ExportedClaim]) -> ExportedClaim | None:
    offset = len("\n".join(text.splitlines()[: line - 1]))
    for part in parts:
        start = text.find(part.text())
        if start >= 0 and start <= offset + 1 <= start + len(part.text()) + 1:
            return part
    return None


def _assumptions(coq: _Coq, name: str, parts: list[ExportedClaim]) -> list[KernelAnswer]:
    """What the theorems rest on, in Coq's words.

    Coq goes through all that a theorem uses, so those that seem to need the four axioms alone are asked for together; if the
    answer has more, each is asked for by itself.
    """
    computed = [part for part in parts if any(word in part.text() for word in _COMPUTES)]
    others = [part for part in parts if part not in computed]
    answers = _asked(coq, name, [others, *([part] for part in computed)])
    if any(answer.message for answer in answers if answer.claim in {part.claim.id for part in others}):
        return _asked(coq, name, [[part] for part in parts])
    return answers


def _asked(coq: _Coq, name: str, groups: Sequence[Sequence[ExportedClaim]]) -> list[KernelAnswer]:
    """Ask what the theorems of each group rest on together."""
    defined, asked = [f"From Claims Require Import {name}."], []
    for place, group in enumerate(groups):
        together = ", ".join(["I", *(part.name for part in group)])
        defined.append(f"Definition together{place} := ({together}).")
        asked += [f'Goal True. idtac "GROUP {place}.". Abort.', f"Print Assumptions together{place}."]
    asking = f"{name}_assumptions"
    (coq.directory / f"{asking}.v").write_text("\n".join([*defined, *asked]) + "\n", encoding="utf-8")
    ran = coq.run(asking)
    answers: list[KernelAnswer] = []
    for place, group in enumerate(groups):
        _, found, said = ran.stdout.partition(f"GROUP {place}.\n")
        said = said.split("GROUP ")[0]
        if ran.returncode or not found or not ("Closed under" in said or "Axioms:" in said):
            why = f"Coq did not say what it rests on: {ran.stderr.strip()[:300]}"
            answers += [KernelAnswer(part.claim.id, confirmed=False, message=why, refused=True) for part in group]
            continue
        beyond = sorted(set(_AXIOM.findall(said.partition("Axioms:\n")[2])) - set(AXIOMS))
        strange = [axiom for axiom in beyond if not axiom.startswith(MACHINE_INTEGERS)]
        why = f"it assumes {', '.join(strange)}" if strange else "with Coq's machine integers" if beyond else ""
        answers += [KernelAnswer(part.claim.id, confirmed=not strange, message=why, refused=bool(strange)) for part in group]
    return answers
