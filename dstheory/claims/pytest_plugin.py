"""A plugin of pytest: ``pytest --dstheory claims/`` makes a test of every claim in a file or directory.

It loads with every run of pytest in an environment that has this package, so it imports nothing until the option is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dstheory.claims.runner import Entry


class ClaimFailedError(Exception):
    """A claim got another verdict than recorded, or none; the message is what a reader needs."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--dstheory PATH``."""
    parser.getgroup("dstheory", "claims checked by dstheory").addoption(
        "--dstheory",
        action="append",
        default=[],
        metavar="PATH",
        help="Check the claims of this file or directory, each as a test; repeatable. Without other paths, nothing else is run.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Run the claims alone where no other path was named."""
    if config.getoption("--dstheory") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the claims, before ``-k`` and markers choose among all tests.

    Raises:
        pytest.UsageError: there is no such file, or no claim in a directory.
    """
    from dstheory.claims.sources import claim_files
    from dstheory.errors import ClaimFileError

    try:
        paths = dict.fromkeys(path for name in config.getoption("--dstheory") for path in claim_files(name))
    except ClaimFileError as error:
        raise pytest.UsageError(f"--dstheory: {error}") from error
    for path in paths:
        items.extend(ClaimFile.from_parent(session, path=path).collect())


class ClaimFile(pytest.File):
    """A file of claims, checked as a whole when the first of its claims is run."""

    _entries: dict[str, Entry] | None = None

    def collect(self) -> Iterator[ClaimItem]:
        """Return a test per claim; one that fails, if the file does not load."""
        from dstheory.claims.runner import list_claims
        from dstheory.errors import ClaimFileError

        try:
            names = [info["id"] for info in list_claims(str(self.path))]
        except ClaimFileError:
            names = [self.path.name]  # as the report calls a file that does not load
        for name in names:
            yield ClaimItem.from_parent(self, name=name)

    def entry(self, name: str) -> Entry:
        """Return what the check of a claim found."""
        from dstheory.claims.runner import verify

        if self._entries is None:
            self._entries = {entry.info["id"]: entry for entry in verify(str(self.path)).entries}
        return self._entries[name]


class ClaimItem(pytest.Item):
    """A claim: it passes if its verdict is the recorded one."""

    parent: ClaimFile

    def runtest(self) -> None:
        """Check it.

        Raises:
            ClaimFailedError: another verdict than recorded.
        """
        entry = self.parent.entry(self.name)
        if not entry.as_recorded:
            raise ClaimFailedError(_explained(entry))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **options: Any) -> Any:
        """Show what a reader needs; where in this file it was raised is nothing to them."""
        if isinstance(excinfo.value, ClaimFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **options)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the claim stands, for reports."""
        return self.path, None, f"claim {self.name}"


def _explained(entry: Entry) -> str:
    from dstheory.claims.reports import point_text, verdict_text
    from dstheory.texts import printable

    lines = [f"claim {entry.info['id']}: {verdict_text(entry)}", entry.info["statement"], entry.verdict.message]
    if point := point_text(entry):
        lines.append(f"witness: {point}")
    return "\n".join(printable(line, lines=True) for line in lines if line)
