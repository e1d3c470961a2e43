"""What the experiments on rollouts of real models share: their files, and a survey as a Dataset and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dstheory.errors import SkippedExperiment

if TYPE_CHECKING:
    import xarray as xr

    from dstheory.anatomy import Survey
    from dstheory.anatomy.surveys import Group


def file_in(data: Path | None, name: str) -> Path:
    """Return the path of a file in the folder of ``--data``.

    Raises:
        SkippedExperiment: there is no folder, or it does not hold the file.
    """
    if data is None:
        raise SkippedExperiment(f"needs {name}: give the folder that holds it with --data DIR")
    path = Path(data) / name
    if not path.is_file():
        raise SkippedExperiment(f"{data} does not hold {name}: give the folder that does with --data DIR")
    return path


def dataset(found: Survey) -> xr.Dataset:
    """Return predicted and realised quantities of the one group of a survey, by kind of chain."""
    import xarray as xr

    group = found.groups[0]
    assert group.held_out is not None
    rows, kinds = group.held_out.calibration, list(group.held_out.log_likelihood)
    rates = [getattr(group.total.rates, name) for name in "pab"]
    return xr.Dataset(
        {
            "realised": ("quantity", [row.realised.value for row in rows]),
            "realised_low": ("quantity", [row.realised.low for row in rows]),
            "realised_high": ("quantity", [row.realised.high for row in rows]),
            "predicted": (("quantity", "kind"), [[row.predicted[kind] for kind in kinds] for row in rows]),
            "log_likelihood": ("kind", [group.held_out.log_likelihood[kind] for kind in kinds]),
            "rate": ("parameter", [np.nan if r.value is None else r.value for r in rates]),
            "rate_low": ("parameter", [r.low for r in rates]),
            "rate_high": ("parameter", [r.high for r in rates]),
        },
        coords={"quantity": [row.what for row in rows], "kind": kinds, "parameter": list("pab")},
        attrs={"seed": found.seed, "level": found.level},
    )


def tables(group: Group) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of a group: rates, predictions for problems that were not used in the fit, checks."""
    assert group.held_out is not None
    rates = []
    for name, labels in (("all", group.total.rates), *((f"round {row.labels[0]}", row) for row in group.rounds)):
        entry: dict[str, Any] = {"where": name, "problems": labels.problems, "attempts": labels.attempts}
        for what in "pab":
            estimate = getattr(labels, what)
            entry |= {what: estimate.value, f"{what} low": estimate.low, f"{what} high": estimate.high}
        rates.append(entry)
    predictions = []
    for row in group.held_out.calibration:
        entry = {"quantity": row.what, "realised": row.realised.value, "low": row.realised.low, "high": row.realised.high}
        for kind, value in row.predicted.items():
            entry |= {kind: value, f"{kind} z": row.z[kind]}
        predictions.append(entry)
    checks = [{"what": t.name, "assumption": t.null, "p-value": t.p_value, "effect": t.effect or t.reason} for t in group.checks]
    return {"rates": rates, "predictions": predictions, "checks": checks}


def sentence(group: Group, what: str) -> str:
    """Return a quantity as it came out and as the chains predict it, for a caption."""
    assert group.held_out is not None
    row = next(row for row in group.held_out.calibration if row.what == what)
    numbers = ", ".join(f"{value:.3f} ({kind})" for kind, value in row.predicted.items())
    return f"{what}: realised {row.realised.text()}, predicted {numbers}"
