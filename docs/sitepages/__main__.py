"""Write all pages below ``docs/catalogue``.

What takes long (verdicts, figures) is kept in ``build/docs``, by what it is computed from: it is computed again only when the
package, the claims or the experiments change.
"""

from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path

from dstheory.claims import Report, verify
from sitepages import claims, commands, figures, names, objectives, project
from sitepages.state import ROOT, state

OUT = ROOT / "docs" / "catalogue"


def _verified(kept: Path) -> Report:
    if kept.exists():
        return pickle.loads(kept.read_bytes())
    report = verify()
    if report.exit_code:
        wrong = [entry.info["id"] for entry in report.entries if not entry.as_recorded]
        sys.exit(f"not as recorded: {', '.join(wrong)}; see `dstheory verify`")
    kept.write_bytes(pickle.dumps(report))
    return report


def main() -> None:
    """Write every page anew."""
    cache = ROOT / "build" / "docs" / state()
    cache.mkdir(parents=True, exist_ok=True)
    figures.drawn(cache / "figures")
    shutil.rmtree(OUT, ignore_errors=True)
    written = {
        **claims.pages(_verified(cache / "claims.pickle").entries),
        **objectives.pages(),
        **figures.pages(lambda name: figures.KEPT.get(name, cache / "figures" / name), OUT / "figures"),
        **names.pages(),
        **commands.pages(),
        **project.pages(),
    }
    for path, text in written.items():
        (OUT / path).parent.mkdir(parents=True, exist_ok=True)
        (OUT / path).write_text(text, encoding="utf-8")
    print(f"{len(written)} pages in {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
