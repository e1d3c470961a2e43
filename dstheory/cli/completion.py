"""What the shell proposes when Tab is pressed: objectives, claims, experiments; nothing heavy is imported for it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

_ID = re.compile(r'\bid="([^"]+)",')


def objectives(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose the names of objectives, with their titles."""
    from dstheory.about import ABOUT

    return [CompletionItem(name, help=about.title) for name, about in ABOUT.items() if name.startswith(incomplete)]


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
