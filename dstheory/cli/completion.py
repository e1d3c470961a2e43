"""Names on the command line, and what the shell proposes when Tab is pressed; nothing heavy is imported for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

from dstheory.errors import DSTheoryError, UnknownNameError

_ID = re.compile(r'\bid="([^"]+)",')


def objectives(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose the names of objectives, with their titles."""
    from dstheory.about import ABOUT

    return [CompletionItem(name, help=about.title) for name, about in ABOUT.items() if name.startswith(incomplete)]


class ObjectiveSum(click.types.StringParamType):
    """A sum of objectives whose factors are numbers; which names there are says who builds it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; a factor that is not a finite number is a usage error."""
        from dstheory.about import parse

        try:
            parse(str(value))
        except UnknownNameError:
            pass
        except DSTheoryError as error:
            self.fail(str(error), param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Propose the names of objectives."""
        return objectives(ctx, param, incomplete)


def claims(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose the ids of the package's claims; where none begins so, files."""
    from dstheory.claims.sources import bundled_files

    ids = (name for path in bundled_files() for name in _ID.findall(path.read_text(encoding="utf-8")))
    return [CompletionItem(incomplete, type="file"), *_beginning(ids, incomplete)]


def experiments(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose the names of experiments; where none begins so, files."""
    from dstheory.experiments import experiment_names

    return [CompletionItem(incomplete, type="file"), *_beginning(experiment_names(), incomplete)]


def _beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
