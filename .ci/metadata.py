"""What of a distribution's metadata depends on the repository's address, which stands in CITATION.cff and nowhere else.

PyPI shows the README on a page of its own, where only whole addresses lead anywhere: links and pictures get them here. While the
address holds the placeholder OWNER there is no repository, and both stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RepositoryHook(MetadataHookInterface):
    """Adds ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in both fields, which pyproject.toml declares as dynamic."""
        root = Path(self.root)
        citation, code = ((root / name).read_text(encoding="utf-8") for name in ("CITATION.cff", "dstheory/_version.py"))
        (address,) = re.findall(r'^repository-code: "(.+)"$', citation, flags=re.MULTILINE)
        (version,) = re.findall(r'^__version__ = "(.+)"$', code, flags=re.MULTILINE)
        readme = (root / "README.md").read_text(encoding="utf-8")
        metadata["urls"] = {"Paper": "https://arxiv.org/abs/2601.01580"}
        if "/OWNER/" not in address:
            readme = re.sub(r"(!\[[^]]*\]\()(?!https?:|#)", rf"\g<1>{address}/raw/{version}/", readme)
            readme = re.sub(r"((?<!!)\[[^]]*\]\()(?!https?:|#)", rf"\g<1>{address}/blob/{version}/", readme)
            metadata["urls"] |= {
                "Repository": address, "Issues": f"{address}/issues", "Changelog": f"{address}/blob/main/CHANGELOG.md",
            }  # fmt: skip
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
