"""Reports for machines: JSON, and JUnit XML for CI systems."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from dstheory.claims.reports.words import point_text, verdict_text
from dstheory.claims.runner import Report
from dstheory.claims.verdicts import Outcome

__all__ = ["json_report", "junit_report", "list_json"]

_PRIVATE = ("path", "own")


def json_report(report: Report) -> str:
    """Everything: each claim with its verdict and its steps, the seed, the time and the exit code."""
    claims = [
        {**_public(entry.info), "as_recorded": entry.as_recorded, "verdict": entry.verdict.as_dict()}
        for entry in report.entries
    ]
    document = {"exit_code": report.exit_code, "seed": report.seed, "time": report.time, "claims": claims}
    return json.dumps(document, indent=2, ensure_ascii=False)


def list_json(claims: Sequence[Mapping[str, Any]]) -> str:
    """The descriptions of claims."""
    return json.dumps([_public(info) for info in claims], indent=2, ensure_ascii=False)


def junit_report(report: Report) -> str:
    """One test case per claim: a failure is another verdict than recorded (or none), an error is a crash."""
    different = [entry for entry in report.entries if not entry.as_recorded]
    errors = sum(entry.verdict.outcome is Outcome.ERROR for entry in different)
    suite = ElementTree.Element(
        "testsuite",
        name="dstheory verify",
        tests=str(len(report.entries)),
        failures=str(len(different) - errors),
        errors=str(errors),
        time=f"{report.time:.3f}",
    )
    for entry in report.entries:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"claims.{entry.info['group'] or 'user'}",
            name=f"{entry.info['id']} {entry.info['title']}",
            time=f"{entry.verdict.time:.3f}",
        )
        if not entry.as_recorded:
            error = entry.verdict.outcome is Outcome.ERROR
            problem = ElementTree.SubElement(
                case, "error" if error else "failure", type=str(entry.verdict.outcome), message=verdict_text(entry)
            )
            problem.text = "\n".join(filter(None, [entry.verdict.message, point_text(entry)]))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def _public(info: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in info.items() if key not in _PRIVATE}
